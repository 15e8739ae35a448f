//! `allround compare`: the metrics of two results folders, where they are comparable.

use std::collections::BTreeSet;

use comfy_table::{Table, presets};
use serde::Serialize;

use super::{Exit, advise, count, numbers, output, print};
use crate::analysis::compare::{Compared, Comparison, Side};
use crate::analysis::summary::PairedTest;
use crate::analysis::{self, FEWEST_STARRED, StandIns, Subject};
use crate::cli::{Compare, OutputFormat};
use crate::observe::print_message;
use crate::render::style;
use crate::results::MetricRow;

/// Prints a table of differences. Metrics of different protocols are not compared.
pub(crate) fn run(arguments: &Compare) -> anyhow::Result<Exit> {
    let mut before = numbers::read(&arguments.before)?;
    let mut after = numbers::read(&arguments.after)?;
    for (folder, rows) in [(&arguments.before, &before), (&arguments.after, &after)] {
        if rows.metrics.iter().all(|row| row.value.is_none()) {
            return Err(advise(
                format!("`{}` has no metric values", folder.display()),
                "every cell failed or had no user; `allround show` prints the reasons",
            ));
        }
    }
    filter(arguments, [&mut before.metrics, &mut after.metrics])?;
    let sides = [&before, &after].map(StandIns::of);
    let mut comparison = analysis::compare(Side::of(&before), Side::of(&after))?;
    if comparison.compared.is_empty() && comparison.refused.is_empty() {
        return Err(advise(
            "the folders have no metric in common",
            "names of data sets, scenarios, models and protocols must be the same",
        ));
    }
    let all = comparison.compared.len();
    if arguments.differences {
        comparison
            .compared
            .retain(|it| it.before.mean != it.after.mean);
    }
    match arguments.format {
        OutputFormat::Text => print_text(&comparison, &sides, all)?,
        OutputFormat::Csv => print(&output::csv(&rows(&comparison, &sides))?)?,
        OutputFormat::Json => print(&output::json(&rows(&comparison, &sides))?)?,
    }
    print_notes(&comparison);
    Ok(match comparison.refused.is_empty() {
        true => Exit::Success,
        false => Exit::Failed,
    })
}

/// Keeps the rows of the selected metrics.
fn filter(arguments: &Compare, both: [&mut Vec<MetricRow>; 2]) -> anyhow::Result<()> {
    let metrics = &arguments.metrics;
    if metrics.is_empty() {
        return Ok(());
    }
    let name = |row: &MetricRow| row.metric().map(|metric| metric.to_string());
    let rows = both.iter().flat_map(|rows| rows.iter());
    let measured: BTreeSet<String> = rows.filter_map(name).collect();
    if let Some(unknown) = metrics.iter().find(|metric| !measured.contains(*metric)) {
        let measured: Vec<String> = measured.into_iter().collect();
        return Err(advise(
            format!("no results for metric `{unknown}`"),
            format!("available metrics: {}", measured.join(", ")),
        ));
    }
    for rows in both {
        rows.retain(|row| name(row).is_some_and(|name| metrics.contains(&name)));
    }
    Ok(())
}

/// The table of `all` compared rows, and how to read it.
fn print_text(comparison: &Comparison, sides: &[StandIns; 2], all: usize) -> anyhow::Result<()> {
    let compared = &comparison.compared;
    let equal = all - compared.len();
    if equal > 0 {
        print_message(&format!(
            "{} equal in both folders, not shown",
            count(equal, "row")
        ));
    }
    if compared.is_empty() {
        return Ok(());
    }
    print(&format!("{}\n", table(compared, sides, comparison.alpha)))?;
    let names = compared.iter().map(|it| &*it.subject.name);
    let notes = sides.iter().flat_map(|side| side.notes(names.clone()));
    for note in BTreeSet::from_iter(notes) {
        print_message(note);
    }
    for (side, name) in sides.iter().zip(["A", "B"]) {
        if let Some(sentence) = side.sentence() {
            print_message(&format!("{name}: {sentence}"));
        }
    }
    print_message(
        "p: randomisation test over users and shared seeds, Holm-adjusted over the table; * below 0.05",
    );
    let is_small = |compared: &Compared| {
        let test = compared.test.as_ref();
        test.is_some_and(|test| test.n_pairs < FEWEST_STARRED)
    };
    if compared.iter().any(is_small) {
        print_message(&format!(
            "no star for comparisons of fewer than {} users",
            FEWEST_STARRED
        ));
    }
    Ok(())
}

/// Prints what was left out of the comparison.
fn print_notes(comparison: &Comparison) {
    if !comparison.lone_seeds.is_empty() {
        let seeds = comparison.lone_seeds.iter().map(u64::to_string);
        print_message(&format!(
            "means are over the seeds of both folders; seeds of only one folder are left out: {}",
            seeds.collect::<Vec<_>>().join(", ")
        ));
    }
    let alone = comparison.only_before.len() + comparison.only_after.len();
    if alone > 0 {
        print_message(&format!("{} in one folder only", count(alone, "metric")));
    }
    if !comparison.refused.is_empty() {
        print_message(&format!(
            "{} not compared: measured under different protocols, data or filters, or without a common seed",
            count(comparison.refused.len(), "metric")
        ));
    }
}

fn table(compared: &[Compared], sides: &[StandIns; 2], alpha: f64) -> String {
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
        let is_marked = |side: &&StandIns| side.of_model(&subject.name).is_some();
        let side = sides.iter().find(is_marked).unwrap_or(&sides[0]);
        let name = side.marked(&subject.name, &subject.name);
        table.add_row([
            subject.dataset.clone(),
            subject.scenario.clone(),
            subject.protocol.clone(),
            subject.split.clone(),
            name,
            subject.metric_text(),
            style::over_seeds(before),
            style::over_seeds(after),
            format!("{:+.4}", after.mean - before.mean),
            test.as_ref()
                .map_or_else(String::new, |test| probability(test, alpha)),
        ]);
    }
    table.trim_fmt()
}

fn probability(test: &PairedTest, alpha: f64) -> String {
    let star = if test.is_significant(alpha) { "*" } else { "" };
    match test.randomisation_p_holm {
        small if small < 0.001 => format!("<0.001{star}"),
        p => format!("{p:.3}{star}"),
    }
}

/// A row of machine-readable output.
#[derive(Clone, Debug, Default, Serialize)]
struct Row {
    dataset: String,
    scenario: String,
    protocol: String,
    split: String,
    model: String,
    metric: String,
    /// `compared`, `not_comparable`, `only_a` or `only_b`.
    status: &'static str,
    a: Option<f64>,
    a_sd: Option<f64>,
    b: Option<f64>,
    b_sd: Option<f64>,
    /// b - a.
    difference: Option<f64>,
    /// Holm-adjusted over the comparison.
    p: Option<f64>,
    significant: Option<bool>,
    /// Number of seeds in both folders.
    seeds: Option<usize>,
    /// Stand-ins of the metrics of A; empty for those of the experiment itself.
    a_stand_in: String,
    /// Stand-ins of the metrics of B.
    b_stand_in: String,
}

impl Row {
    fn of(subject: &Subject, status: &'static str) -> Row {
        Row {
            dataset: subject.dataset.clone(),
            scenario: subject.scenario.clone(),
            protocol: subject.protocol.clone(),
            split: subject.split.clone(),
            model: subject.name.clone(),
            metric: subject.metric_text(),
            status,
            ..Row::default()
        }
    }
}

fn rows(comparison: &Comparison, sides: &[StandIns; 2]) -> Vec<Row> {
    let compared = comparison.compared.iter().map(|it| Row {
        a: Some(it.before.mean),
        a_sd: it.before.sd,
        b: Some(it.after.mean),
        b_sd: it.after.sd,
        difference: Some(it.after.mean - it.before.mean),
        p: it.test.as_ref().map(|test| test.randomisation_p_holm),
        significant: it
            .test
            .as_ref()
            .map(|test| test.is_significant(comparison.alpha)),
        seeds: Some(it.before.seeds.len()),
        ..Row::of(&it.subject, "compared")
    });
    let refused = comparison.refused.iter();
    let refused = refused.map(|it| Row::of(&it.subject, "not_comparable"));
    let only = |subjects: &[Subject], status| {
        let rows = subjects.iter().map(|subject| Row::of(subject, status));
        rows.collect::<Vec<_>>()
    };
    let mut rows: Vec<Row> = compared
        .chain(refused)
        .chain(only(&comparison.only_before, "only_a"))
        .chain(only(&comparison.only_after, "only_b"))
        .collect();
    for row in &mut rows {
        row.a_stand_in = sides[0].short(Some(&row.model));
        row.b_stand_in = sides[1].short(Some(&row.model));
    }
    rows
}
