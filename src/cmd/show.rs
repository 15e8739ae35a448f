//! `allround show`: the metrics of a results folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};

use serde::Serialize;

use super::{Exit, advise, count, numbers, output, print};
use crate::analysis::{OverSeeds, StandIns, Subject, by_subject};
use crate::cli::{OutputFormat, Show, Split};
use crate::experiment::config::Table as TableSpec;
use crate::observe::may_style;
use crate::render::style;
use crate::render::terminal::{self, Look};
use crate::results::{CellRow, MetricRow, Results, Status};
use allround_core::metric;

/// Prints the comparison tables of a results folder, or all metrics that pass the filters.
pub(crate) fn run(arguments: &Show) -> anyhow::Result<Exit> {
    let (results, metric) = (&arguments.results, arguments.metric.as_deref());
    let text = match arguments.format {
        OutputFormat::Csv => output::csv(&summaries(&selected(results, metric, arguments.split)?))?,
        OutputFormat::Json => {
            output::json(&summaries(&selected(results, metric, arguments.split)?))?
        }
        OutputFormat::Text if metric.is_none() && arguments.split.is_none() => summary(results)?,
        OutputFormat::Text => blocks(results, metric, arguments.split)?,
    };
    print(&text)?;
    Ok(Exit::Success)
}

/// A row of machine-readable output: one metric of one model over all seeds.
#[derive(Clone, Debug, Default, Serialize)]
struct Summary {
    dataset: String,
    scenario: String,
    protocol: String,
    split: String,
    model: String,
    /// Empty for cells that failed before anything was measured.
    metric: String,
    /// Mean over seeds; empty if no seed has a value.
    mean: Option<f64>,
    /// Standard deviation over seeds (n - 1); empty for fewer than two.
    sd: Option<f64>,
    /// Number of seeds with a value.
    seeds: usize,
    /// The smallest number of users of a seed.
    users: Option<u64>,
    /// Number of seeds without a value.
    failed: usize,
    /// Why the first of these failed.
    error: String,
    /// Stand-ins of the metrics; empty for those of the experiment itself.
    stand_in: String,
    /// Fingerprint of the protocol: metrics with different ones are not comparable.
    fingerprint: String,
}

/// The metrics over seeds, in the order of data sets, scenarios, protocols, splits, models,
/// metrics.
fn summaries(results: &Results) -> Vec<Summary> {
    let stand_ins = StandIns::of(results);
    let mut groups: BTreeMap<Subject, Vec<&MetricRow>> = BTreeMap::new();
    for row in &results.metrics {
        groups.entry(Subject::of(row)).or_default().push(row);
    }
    let groups = groups.into_iter();
    groups
        .map(|(subject, rows)| summary_row(results, &stand_ins, subject, &rows))
        .collect()
}

fn summary_row(
    results: &Results,
    stand_ins: &StandIns,
    subject: Subject,
    rows: &[&MetricRow],
) -> Summary {
    let number = OverSeeds::of(rows.iter().copied());
    let failed: Vec<_> = rows.iter().filter(|row| row.value.is_none()).collect();
    let error = failed.first().and_then(|row| results.cells.get(&row.cell));
    let fingerprint = rows[0].protocol.split_once(':');
    Summary {
        metric: subject.metric_text(),
        mean: number.as_ref().map(|number| number.mean),
        sd: number.as_ref().and_then(|number| number.sd),
        users: number.as_ref().and_then(|number| number.n_users),
        seeds: number.map_or(0, |number| number.seeds.len()),
        failed: failed.len(),
        error: error.map_or_else(String::new, |cell| cell.error.clone()),
        stand_in: stand_ins.short(Some(&subject.name)),
        fingerprint: fingerprint.map_or_else(String::new, |(_, digits)| digits.to_owned()),
        dataset: subject.dataset,
        scenario: subject.scenario,
        protocol: subject.protocol,
        split: subject.split,
        model: subject.name,
    }
}

/// The rows of a results folder that pass the filters. Rows of failed cells have no metric and
/// pass.
fn selected(results: &Path, metric: Option<&str>, split: Option<Split>) -> anyhow::Result<Results> {
    let mut results = numbers::read(results)?;
    let rows = &mut results.metrics;
    if let Some(split) = split {
        let split = split.part().name();
        rows.retain(|row| row.split == split);
        if rows.is_empty() {
            return Err(advise(
                format!("no results for the split `{split}`"),
                "set `splits = [\"valid\", \"test\"]` in the protocol and rerun the experiment: only the new split is computed",
            ));
        }
    }
    if let Some(metric) = metric {
        let measured: BTreeSet<String> = rows
            .iter()
            .filter(|row| row.value.is_some())
            .map(|row| Subject::of(row).metric_text())
            .collect();
        if !measured.contains(metric) {
            let measured: Vec<String> = measured.into_iter().collect();
            return Err(advise(
                format!("no results for metric `{metric}`"),
                format!("available metrics: {}", measured.join(", ")),
            ));
        }
        rows.retain(|row| row.value.is_none() || Subject::of(row).metric_text() == metric);
    }
    Ok(results)
}

/// The comparison tables of the experiment, or means over seeds if it declares none.
pub(crate) fn summary(results: &Path) -> anyhow::Result<String> {
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

/// A table for each data set, scenario, split and protocol, with a row per model and a column per
/// metric; then the failures.
fn blocks(results: &Path, only: Option<&str>, split: Option<Split>) -> anyhow::Result<String> {
    let results = selected(results, only, split)?;
    let stand_ins = StandIns::of(&results);
    let mut blocks: BTreeMap<String, Vec<(Subject, OverSeeds)>> = BTreeMap::new();
    for (subject, rows) in by_subject(&results.metrics) {
        let Some(values) = OverSeeds::of(rows) else {
            continue;
        };
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
    let mut text = String::new();
    for (title, values) in &blocks {
        let users = users(values).map(|users| format!(", n = {users}"));
        let users = users.unwrap_or_default();
        text.push_str(&format!(
            "{title}{users}\n{}\n\n",
            block(values, &stand_ins)
        ));
    }
    let names = blocks.values().flatten();
    let notes = stand_ins.notes(names.map(|(subject, _)| &*subject.name));
    let notes = notes.into_iter().map(str::to_owned);
    for note in notes.chain(stand_ins.sentence()) {
        text.push_str(&format!("{note}\n"));
    }
    text.push_str(&failures(results.cells.values()));
    Ok(text)
}

/// Why cells have no metrics. A reason that several cells share is printed once.
fn failures<'a>(cells: impl Iterator<Item = &'a CellRow>) -> String {
    let mut reasons: BTreeMap<(Status, &str), BTreeSet<&str>> = BTreeMap::new();
    for cell in cells.filter(|cell| cell.status != Status::Ok) {
        let cells = reasons.entry((cell.status, &cell.error)).or_default();
        cells.insert(&cell.cell);
    }
    let mut text = String::new();
    for ((status, error), cells) in &reasons {
        let first = cells.first().copied().unwrap_or_default();
        let others = match cells.len() - 1 {
            0 => String::new(),
            others => format!(" and {}", count(others, "other cell")),
        };
        let error = allround_core::visible::one_line(error);
        text.push_str(&format!("{first}{others} {}: {error}\n", status.name()));
    }
    let failed: usize = reasons.values().map(BTreeSet::len).sum();
    if failed > 0 {
        let cells = count(failed, "cell");
        text.push_str(&format!("{cells} without some or all metrics\n"));
    }
    text
}

/// Number of users of a block: `60`, or `58 to 60` if it differs. Metrics of generated answers are
/// left out: some count answers and not users.
fn users(values: &[(Subject, OverSeeds)]) -> Option<String> {
    let is_of_users = |subject: &Subject| metric::families().any(|family| family == subject.metric);
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

fn block(values: &[(Subject, OverSeeds)], stand_ins: &StandIns) -> String {
    let mut metrics: Vec<(String, Option<u32>, String)> = Vec::new();
    let mut models: Vec<&str> = Vec::new();
    for (subject, _) in values {
        let metric = (subject.metric.clone(), subject.k, subject.metric_text());
        if !metrics.contains(&metric) {
            metrics.push(metric);
        }
        if !models.contains(&subject.name.as_str()) {
            models.push(&subject.name);
        }
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
        .set_header(std::iter::once("model").chain(metrics.iter().map(|metric| metric.2.as_str())));
    for model in models {
        let cell = |metric: &(String, Option<u32>, String)| {
            let is_it = |(subject, _): &&(Subject, OverSeeds)| {
                subject.name == model && subject.metric_text() == metric.2
            };
            values
                .iter()
                .find(is_it)
                .map_or(String::new(), |(_, values)| style::over_seeds(values))
        };
        let name = stand_ins.marked(model, model);
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
    fn an_unmeasured_metric_is_refused_with_the_available_ones() {
        let folder = fixture::results();
        let error = blocks(folder.path(), Some("hit@7"), None).unwrap_err();
        assert_eq!(error.to_string(), "no results for metric `hit@7`");
        assert!(
            blocks(folder.path(), Some("hit@1"), None)
                .unwrap()
                .contains("sasrec")
        );
    }
}
