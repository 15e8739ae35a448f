//! `allround show`: the metrics of a results folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};

use serde::Serialize;

use super::numbers::{self, Subject, Values};
use super::{Exit, advise, count, output, print};
use crate::cli::{OutputFormat, Show, Split};
use crate::experiment::config::Table as TableSpec;
use crate::observe::may_style;
use crate::record::MetricRow;
use crate::render::style;
use crate::render::table::{RANDOM, marked};
use crate::render::terminal::{self, Look};

/// Prints the comparison tables of a results folder, or all metrics that pass the filters.
pub(crate) fn run(arguments: &Show) -> anyhow::Result<Exit> {
    let (results, metric) = (&arguments.results, arguments.metric.as_deref());
    let text = match arguments.format {
        OutputFormat::Csv => output::csv(&summaries(&selected(results, metric, arguments.split)?))?,
        OutputFormat::Json => {
            output::json(&summaries(&selected(results, metric, arguments.split)?))?
        }
        OutputFormat::Text if metric.is_none() && arguments.split.is_none() => answer(results)?,
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
    /// Whether the model uses a language model with random weights.
    random_weights: bool,
    /// Fingerprint of the protocol: metrics with different ones are not comparable.
    fingerprint: String,
}

/// The metrics over seeds, in the order of data sets, scenarios, protocols, splits, models,
/// metrics.
fn summaries(rows: &[MetricRow]) -> Vec<Summary> {
    let mut groups: BTreeMap<_, Vec<&MetricRow>> = BTreeMap::new();
    for row in rows {
        let metric = (row.metric.as_str(), row.k);
        let measured = (row.protocol.as_str(), row.split.as_str());
        let cell = (row.dataset.as_str(), row.scenario.as_str());
        let key = (cell, measured, row.shown_name(), metric);
        groups.entry(key).or_default().push(row);
    }
    groups.into_values().map(|rows| summary(&rows)).collect()
}

fn summary(rows: &[&MetricRow]) -> Summary {
    let values: Vec<f64> = rows.iter().filter_map(|row| row.value).collect();
    let failed: Vec<_> = rows.iter().filter(|row| row.value.is_none()).collect();
    let first = rows[0];
    let fingerprint = first.protocol.split_once(':');
    Summary {
        dataset: first.dataset.clone(),
        scenario: first.scenario.clone(),
        protocol: first.protocol_name().to_owned(),
        split: first.split.clone(),
        model: first.shown_name().to_owned(),
        metric: metric_name(first),
        mean: crate::stats::mean(&values),
        sd: crate::stats::standard_deviation(&values),
        seeds: values.len(),
        users: rows.iter().filter_map(|row| row.n_users).min(),
        failed: failed.len(),
        error: failed
            .first()
            .map_or_else(String::new, |row| row.error.clone()),
        random_weights: rows.iter().any(|row| row.is_random()),
        fingerprint: fingerprint.map_or_else(String::new, |(_, digits)| digits.to_owned()),
    }
}

/// `ndcg@10` or `mrr`; empty for a cell that failed before anything was measured.
fn metric_name(row: &MetricRow) -> String {
    match row.k {
        Some(k) => format!("{}@{k}", row.metric),
        None => row.metric.clone(),
    }
}

/// The rows of a results folder that pass the filters. Rows of failed cells have no metric and
/// pass.
fn selected(
    results: &Path,
    metric: Option<&str>,
    split: Option<Split>,
) -> anyhow::Result<Vec<MetricRow>> {
    let mut rows = numbers::read(results)?;
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
            .map(metric_name)
            .collect();
        if !measured.contains(metric) {
            let measured: Vec<String> = measured.into_iter().collect();
            return Err(advise(
                format!("no results for metric `{metric}`"),
                format!("available metrics: {}", measured.join(", ")),
            ));
        }
        rows.retain(|row| row.value.is_none() || metric_name(row) == metric);
    }
    Ok(rows)
}

/// The comparison tables of the experiment, or means over seeds if it declares none.
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

/// A table for each data set, scenario, split and protocol, with a row per model and a column per
/// metric; then the failures.
fn blocks(results: &Path, only: Option<&str>, split: Option<Split>) -> anyhow::Result<String> {
    let rows = selected(results, only, split)?;
    let mut blocks: BTreeMap<String, Vec<(Subject, Values)>> = BTreeMap::new();
    for (subject, values) in numbers::by_subject(&rows) {
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
    // A reason that several cells share is printed once.
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

/// Users of a block: `60`, or `58 to 60` if they differ. Metrics of generated answers count other
/// things and are left out.
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
