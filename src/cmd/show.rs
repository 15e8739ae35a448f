//! `allround show`: the numbers of a results folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};

use super::numbers::{self, Subject, Values};
use super::{Exit, advise, count, print};
use crate::cli::{Show, Split};
use crate::experiment::config::Table as TableSpec;
use crate::observe::may_style;
use crate::render::style;
use crate::render::table::{RANDOM, marked};
use crate::render::terminal::{self, Look};

/// Prints the answer tables of a results folder, or one metric of every block.
pub(crate) fn run(arguments: &Show) -> anyhow::Result<Exit> {
    let text = match (&arguments.metric, arguments.split) {
        (None, None) => answer(&arguments.results)?,
        (metric, split) => blocks(&arguments.results, metric.as_deref(), split)?,
    };
    print(&text)?;
    Ok(Exit::Success)
}

/// The comparison tables that the experiment asks for; means over seeds where it asks for none.
pub(crate) fn answer(results: &Path) -> anyhow::Result<String> {
    let look = Look {
        width: Table::new()
            .width()
            .filter(|&width| width > 0)
            .unwrap_or(160),
        styled: may_style(&std::io::stdout()),
    };
    numbers::of_a_run(results)?;
    let spec = crate::experiment::load_resolved(&results.join("spec.toml"))?;
    let is_comparison = |table: &TableSpec| matches!(table, TableSpec::Comparison { .. });
    match spec.table.values().any(is_comparison) {
        true => Ok(terminal::summary(results, look)?),
        false => blocks(results, None, None),
    }
}

/// A row a model, a column a metric, a block for each data set, scenario, split and protocol; then what failed.
fn blocks(results: &Path, only: Option<&str>, split: Option<Split>) -> anyhow::Result<String> {
    let mut rows = numbers::read(results)?;
    if let Some(split) = split {
        let split = split.part().name();
        rows.retain(|row| row.split == split);
        if rows.is_empty() {
            return Err(advise(
                format!("nothing here was measured on the split `{split}`"),
                "write `splits = [\"valid\", \"test\"]` into the protocol and run the experiment again: only the new split is computed",
            ));
        }
    }
    let mut blocks: BTreeMap<String, Vec<(Subject, Values)>> = BTreeMap::new();
    for (subject, values) in numbers::by_subject(&rows) {
        if only.is_none_or(|metric| metric == subject.metric()) {
            let Subject {
                dataset,
                scenario,
                split,
                protocol,
                ..
            } = &subject;
            let title = format!("{dataset}, {scenario}, {split}, {protocol}");
            blocks.entry(title).or_default().push((subject, values));
        }
    }
    if let (true, Some(metric)) = (blocks.is_empty(), only) {
        let measured: BTreeSet<String> = numbers::by_subject(&rows)
            .keys()
            .map(Subject::metric)
            .collect();
        let measured: Vec<String> = measured.into_iter().collect();
        return Err(advise(
            format!("nothing here was measured by `{metric}`"),
            format!("measured are: {}", measured.join(", ")),
        ));
    }
    let random = numbers::random(&rows);
    let mut text = String::new();
    for (title, values) in &blocks {
        let users = users(values).map(|users| format!(", n = {users}"));
        let users = users.unwrap_or_default();
        text.push_str(&format!("{title}{users}\n{}\n\n", block(values, &random)));
    }
    if !random.is_empty() {
        text.push_str(&format!("{RANDOM}\n"));
    }
    if let Some(sentence) = crate::render::stand_in(results)? {
        text.push_str(&format!("{sentence}\n"));
    }
    let failed: Vec<_> = rows.iter().filter(|row| !row.error.is_empty()).collect();
    // What several measurements failed by alike is told once.
    let mut reasons: Vec<(&str, &str, BTreeSet<&str>)> = Vec::new();
    for row in &failed {
        let known = reasons
            .iter_mut()
            .find(|(status, error, _)| (*status, *error) == (&*row.status, &*row.error));
        match known {
            Some((_, _, cells)) => _ = cells.insert(&row.cell),
            None => reasons.push((&row.status, &row.error, BTreeSet::from([&*row.cell]))),
        }
    }
    for (status, error, cells) in reasons {
        let first = cells.first().expect("a reason has a cell");
        let others = match cells.len() - 1 {
            0 => String::new(),
            others => format!(" and {}", count(others, "other cell")),
        };
        let error = allround_core::visible::one_line(error);
        text.push_str(&format!("{first}{others} {status}: {error}\n"));
    }
    if !failed.is_empty() {
        text.push_str(&format!(
            "{} without a value\n",
            count(failed.len(), "measurement")
        ));
    }
    Ok(text)
}

/// Users of the numbers of a block: `60`, or `58 to 60` where they differ. Metrics of answers count otherwise, and are left out.
fn users(values: &[(Subject, Values)]) -> Option<String> {
    let is_of_users = |subject: &Subject| matches!(&*subject.metric, "hit" | "ndcg" | "mrr");
    let counts = || {
        let values = values.iter().filter(|(subject, _)| is_of_users(subject));
        values.filter_map(|(_, values)| values.n_users)
    };
    let (fewest, most) = (counts().min()?, counts().max()?);
    Some(match fewest == most {
        true => style::count(most),
        false => format!("{} to {}", style::count(fewest), style::count(most)),
    })
}

fn block(values: &[(Subject, Values)], random: &BTreeSet<&str>) -> String {
    let mut metrics: Vec<(String, Option<u32>, String)> = Vec::new();
    let mut models: Vec<&str> = Vec::new();
    for (subject, _) in values {
        let metric = (subject.metric.clone(), subject.k, subject.metric());
        if !metrics.contains(&metric) {
            metrics.push(metric);
        }
        if !models.contains(&subject.model.as_str()) {
            models.push(&subject.model);
        }
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
        .set_header(std::iter::once("model").chain(metrics.iter().map(|metric| metric.2.as_str())));
    for model in models {
        let cell = |metric: &(String, Option<u32>, String)| {
            let is_it = |(subject, _): &&(Subject, Values)| {
                subject.model == model && subject.metric() == metric.2
            };
            values
                .iter()
                .find(is_it)
                .map_or(String::new(), |(_, values)| values.text())
        };
        let name = match random.contains(model) {
            true => marked(model),
            false => model.to_owned(),
        };
        table.add_row(std::iter::once(name).chain(metrics.iter().map(cell)));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixture;

    #[test]
    fn a_metric_that_nobody_measured_is_refused_with_those_that_are_there() {
        let folder = fixture::results();
        let error = blocks(folder.path(), Some("hit@7"), None).unwrap_err();
        assert_eq!(error.to_string(), "nothing here was measured by `hit@7`");
        assert!(
            blocks(folder.path(), Some("hit@1"), None)
                .unwrap()
                .contains("sasrec")
        );
    }
}
