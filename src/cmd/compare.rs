//! `allround compare`: the numbers of two results folders side by side, where they were measured alike.

use std::collections::BTreeMap;

use comfy_table::{Table, presets};

use super::numbers::{self, Subject, Values};
use super::{Exit, advise, count, print};
use crate::cli::Compare;
use crate::observe::say;

/// Prints a table of differences; numbers of different protocols are refused one by one.
pub(crate) fn run(arguments: &Compare) -> anyhow::Result<Exit> {
    let before = numbers::by_subject(&numbers::read(&arguments.before)?);
    let after = numbers::by_subject(&numbers::read(&arguments.after)?);
    let (table, compared, refused) = table(&before, &after);
    if compared + refused == 0 {
        return Err(advise(
            "the folders have no number in common",
            "names of data sets, scenarios, models and protocols must be the same",
        ));
    }
    if compared > 0 {
        print(&format!("{table}\n"))?;
    }
    if refused > 0 {
        say(&format!(
            "{} not compared: measured under different protocols, data or filters",
            count(refused, "number")
        ));
        return Ok(Exit::Failed);
    }
    Ok(Exit::Well)
}

fn table(
    before: &BTreeMap<Subject, Values>,
    after: &BTreeMap<Subject, Values>,
) -> (String, usize, usize) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "data set", "scenario", "split", "protocol", "model", "metric", "A", "B", "B - A",
    ]);
    let (mut compared, mut refused) = (0, 0);
    for (subject, old) in before {
        let Some(new) = after.get(subject) else {
            continue;
        };
        if old.protocol != new.protocol {
            refused += 1;
            continue;
        }
        compared += 1;
        table.add_row([
            subject.dataset.clone(),
            subject.scenario.clone(),
            subject.split.clone(),
            subject.protocol.clone(),
            subject.model.clone(),
            subject.metric(),
            old.text(),
            new.text(),
            format!("{:+.4}", new.mean() - old.mean()),
        ]);
    }
    (table.trim_fmt(), compared, refused)
}
