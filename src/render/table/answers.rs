//! What language models answered. Columns are how often an answer names the target by each rule,
//! how often it names any candidate, and the AUC of yes-or-no answers.

use std::collections::BTreeMap;

use super::{Cell, Grid, Head, Row};
use crate::analysis::OverSeeds;
use crate::experiment::config::outputs::{AnswersTable, Axis};
use crate::render::{Context, style};
use crate::results::{MetricRow, Results};
use allround_core::data::Part;

/// A column: its metric's name in `metrics.csv`, its head, and how its numbers are written.
type Column = (&'static str, &'static str, fn(f64) -> String);

/// What is shown of each model.
const COLUMNS: [Column; 8] = [
    ("hit", "Hit@1", style::metric),
    ("exact", "Exact", style::metric),
    ("normalised", "Normalised", style::metric),
    ("substring", "Substring", style::metric),
    ("valid", "Valid", style::metric),
    ("several", "Several", style::metric),
    ("position", "Place", style::significant),
    ("auc", "AUC", style::metric),
];

/// Rows that one line of the table shows, ordered by declared places.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Group<'a> {
    /// Places of data set and scenario.
    places: (usize, usize),
    dataset: &'a str,
    scenario: &'a str,
    protocol: &'a str,
    /// Place of the model.
    at: usize,
    model: &'a str,
}

/// Whether there is anything to show.
fn is_there(results: &Results, part: Part) -> bool {
    let mut rows = results.metrics.iter();
    rows.any(|row| row.split == part.name() && is_audit(row))
}

fn is_audit(row: &MetricRow) -> bool {
    COLUMNS[1..]
        .iter()
        .any(|(metric, ..)| row.metric == *metric)
}

/// The tables of a report whose experiment has none of this kind: one for each part of the split in
/// which answers were generated.
pub(in crate::render) fn defaults(context: &Context) -> Vec<Grid> {
    let parts = [Part::Test, Part::Valid].into_iter();
    let grid = |split: Part| {
        let title = match split {
            Part::Test => "What the language models answered",
            Part::Valid => "What the language models answered, validation",
        };
        let title = title.to_owned();
        grid(context, &AnswersTable { title, split }).marked(context)
    };
    parts
        .filter(|part| is_there(&context.results, *part))
        .map(grid)
        .collect()
}

/// The table of a results folder.
pub(super) fn grid(context: &Context, settings: &AnswersTable) -> Grid {
    let (results, part) = (&context.results, settings.split);
    let groups = groups(results, part);
    let mut header = vec![
        Head::text("Model"),
        Head::text("Data set, scenario, protocol"),
    ];
    header.extend(COLUMNS.iter().map(|(_, head, _)| Head::number(*head)));
    let row = |(group, rows): (&Group<'_>, &Vec<&MetricRow>)| {
        let dataset = context.label(Axis::Dataset, group.dataset);
        let scenario = context.label(Axis::Scenario, group.scenario);
        let numbers = COLUMNS.iter();
        let numbers = numbers.map(|(metric, _, read)| Cell::number(mean(rows, metric), *read));
        let measured = Cell::text(format!("{dataset}, {scenario}, {}", group.protocol));
        let cells = std::iter::once(measured).chain(numbers);
        Row::of_model(context, group.model, cells.collect())
    };
    Grid {
        title: settings.title.clone(),
        notes: notes(part, groups.is_empty()),
        header: vec![header],
        rows: groups.iter().map(row).collect(),
        data: data(&groups),
        ..Grid::default()
    }
}

fn notes(part: Part, is_empty: bool) -> Vec<String> {
    if is_empty {
        return vec!["All models ranked by scores; no answers were generated.".to_owned()];
    }
    let split = match part {
        Part::Test => "",
        Part::Valid => "Validation split. ",
    };
    vec![format!(
        "{split}Means over seeds. Hit@1 is the number of the comparison, by the rule in the model's \
         settings. Exact: the first quoted title of the answer is the target's. Normalised: the \
         same without case and punctuation. Substring: the rule of the A-LLMRec code, which also \
         finds a title within a longer one or in a list. Valid: the title is that of a candidate. \
         Several: the answer names more than one candidate. Place: mean position of the chosen \
         candidates in their lists; 10.5 of 20 is no preference. AUC: TALLRec's yes or no, the \
         target of each user against the other candidates of all users."
    )]
}

/// Rows of every model that has an audited number.
fn groups(results: &Results, part: Part) -> BTreeMap<Group<'_>, Vec<&MetricRow>> {
    let mut groups: BTreeMap<Group<'_>, Vec<&MetricRow>> = BTreeMap::new();
    let is_meant = |row: &&MetricRow| row.split == part.name();
    for row in results.metrics.iter().filter(is_meant) {
        let group = Group {
            places: (
                results.place(Axis::Dataset, &row.dataset),
                results.place(Axis::Scenario, &row.scenario),
            ),
            dataset: &row.dataset,
            scenario: &row.scenario,
            protocol: row.protocol_name(),
            at: results.position(&row.name),
            model: &row.name,
        };
        groups.entry(group).or_default().push(row);
    }
    groups.retain(|_, rows| rows.iter().any(|row| is_audit(row)));
    groups
}

/// The mean over seeds of one metric; of `hit`, that at 1.
fn mean(rows: &[&MetricRow], metric: &str) -> Option<f64> {
    let is_it = |row: &&&MetricRow| row.metric == metric && row.k.is_none_or(|k| k == 1);
    OverSeeds::of(rows.iter().filter(is_it).copied()).map(|number| number.mean)
}

fn data(groups: &BTreeMap<Group<'_>, Vec<&MetricRow>>) -> (Vec<String>, Vec<Vec<String>>) {
    let mut header = vec!["model", "dataset", "scenario", "protocol"];
    header.extend(COLUMNS.iter().map(|(metric, ..)| match *metric {
        "hit" => "hit@1",
        metric => metric,
    }));
    let row = |(group, rows): (&Group<'_>, &Vec<&MetricRow>)| {
        let texts = [group.model, group.dataset, group.scenario, group.protocol];
        let mut cells: Vec<String> = texts.map(str::to_owned).to_vec();
        let means = COLUMNS.iter().map(|(metric, ..)| mean(rows, metric));
        cells.extend(means.map(|value| value.map(|value| value.to_string()).unwrap_or_default()));
        cells
    };
    (
        header.into_iter().map(str::to_owned).collect(),
        groups.iter().map(row).collect(),
    )
}
