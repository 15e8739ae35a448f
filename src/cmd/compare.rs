//! `allround compare`: the numbers of two results folders side by side, where they were measured alike.

use std::collections::BTreeSet;

use comfy_table::{Table, presets};

use super::{Exit, advise, count, numbers, print};
use crate::cli::Compare;
use crate::observe::print_message;
use crate::record::compare::{Compared, Side, Spread};
use crate::record::{self, summary::PairedTest};
use crate::render::table::{RANDOM, marked};

/// Prints a table of differences; numbers of different protocols are refused one by one.
pub(crate) fn run(arguments: &Compare) -> anyhow::Result<Exit> {
    let (before, after) = (
        numbers::read(&arguments.before)?,
        numbers::read(&arguments.after)?,
    );
    let random: BTreeSet<&str> = numbers::random(&before)
        .into_iter()
        .chain(numbers::random(&after))
        .collect();
    let side = |results, rows| Side { results, rows };
    let comparison = record::compare(
        side(&arguments.before, &before),
        side(&arguments.after, &after),
    )?;
    for (folder, rows) in [(&arguments.before, &before), (&arguments.after, &after)] {
        if rows.iter().all(|row| row.value.is_none()) {
            return Err(advise(
                format!("`{}` holds no number", folder.display()),
                "every cell failed or had no user; `allround show` tells why",
            ));
        }
    }
    if comparison.compared.is_empty() && comparison.refused.is_empty() {
        return Err(advise(
            "the folders have no number in common",
            "names of data sets, scenarios, models and protocols must be the same",
        ));
    }
    if !comparison.compared.is_empty() {
        print(&format!(
            "{}\n",
            table(&comparison.compared, &random, comparison.alpha)
        ))?;
        if !random.is_empty() {
            print_message(RANDOM);
        }
        print_message(
            "p: randomisation test over users and shared seeds, Holm-adjusted over the table; * below 0.05",
        );
        let is_small = |compared: &Compared| {
            let test = compared.test.as_ref();
            test.is_some_and(|test| test.n_pairs < record::FEWEST_STARRED)
        };
        if comparison.compared.iter().any(is_small) {
            print_message(&format!(
                "no star where fewer than {} users are compared",
                record::FEWEST_STARRED
            ));
        }
    }
    if !comparison.lone_seeds.is_empty() {
        let seeds = comparison.lone_seeds.iter().map(u64::to_string);
        print_message(&format!(
            "means are over the seeds that both folders have; seeds of one folder alone are left out: {}",
            seeds.collect::<Vec<_>>().join(", ")
        ));
    }
    let alone = comparison.only_before.len() + comparison.only_after.len();
    if alone > 0 {
        print_message(&format!("{} in one folder only", count(alone, "number")));
    }
    if comparison.refused.is_empty() {
        return Ok(Exit::Success);
    }
    print_message(&format!(
        "{} not compared: measured under different protocols, data or filters, or with no seed in common",
        count(comparison.refused.len(), "number")
    ));
    Ok(Exit::Failed)
}

fn table(compared: &[Compared], random: &BTreeSet<&str>, alpha: f64) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "data set", "scenario", "protocol", "split", "model", "metric", "A", "B", "B - A", "p",
    ]);
    for Compared {
        subject,
        before,
        after,
        test,
        ..
    } in compared
    {
        let name = match random.contains(&*subject.model) {
            true => marked(&subject.model),
            false => subject.model.clone(),
        };
        table.add_row([
            subject.dataset.clone(),
            subject.scenario.clone(),
            subject.protocol.clone(),
            subject.split.clone(),
            name,
            subject.metric.to_string(),
            spread(before),
            spread(after),
            format!("{:+.4}", after.mean - before.mean),
            test.as_ref()
                .map_or_else(String::new, |test| probability(test, alpha)),
        ]);
    }
    table.trim_fmt()
}

fn spread(spread: &Spread) -> String {
    match spread.sd {
        Some(sd) => format!("{:.4} ± {sd:.4}", spread.mean),
        None => format!("{:.4}", spread.mean),
    }
}

fn probability(test: &PairedTest, alpha: f64) -> String {
    let star = if test.is_significant(alpha) { "*" } else { "" };
    match test.randomisation_p_holm {
        small if small < 0.001 => format!("<0.001{star}"),
        p => format!("{p:.3}{star}"),
    }
}
