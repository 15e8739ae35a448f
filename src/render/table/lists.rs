//! Metrics of whole lists: catalogue coverage, popularity, novelty, diversity, several targets.

use std::collections::BTreeMap;

use super::{Cell, Grid, Head, Row};
use crate::analysis::OverSeeds;
use crate::experiment::config::outputs::{Axis, ListsTable};
use crate::render::{Context, style};
use crate::results::{MetricRow, Results};
use allround_core::data::Part;

/// A column: its metric's name in `metrics.csv`, its head, and how its numbers are written.
type Column = (&'static str, &'static str, fn(f64) -> String);

/// What is shown of each model.
const COLUMNS: [Column; 7] = [
    ("coverage", "Coverage", style::metric),
    ("gini", "Gini", style::metric),
    ("popularity", "Popularity", style::significant),
    ("novelty", "Novelty", style::significant),
    ("diversity", "Diversity", style::metric),
    ("recall_all", "Recall, all", style::metric),
    ("map_all", "MAP, all", style::metric),
];

/// Rows that one line of the table shows, ordered by declared places.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Group<'a> {
    /// Places of data set and scenario.
    places: (usize, usize),
    dataset: &'a str,
    scenario: &'a str,
    protocol: &'a str,
    k: u32,
    /// Place of the model.
    at: usize,
    model: &'a str,
}

type Groups<'a> = BTreeMap<Group<'a>, Vec<&'a MetricRow>>;

/// What the report shows when the experiment has no such table; nothing without kept lists.
pub(in crate::render) fn defaults(context: &Context) -> Vec<Grid> {
    if groups(&context.results, Part::Test).is_empty() {
        return Vec::new();
    }
    let (title, split) = ("What the lists hold".to_owned(), Part::Test);
    vec![grid(context, &ListsTable { title, split }).marked(context)]
}

/// The table of a results folder.
pub(super) fn grid(context: &Context, settings: &ListsTable) -> Grid {
    let groups = groups(&context.results, settings.split);
    let has = |metric: &str| groups.values().flatten().any(|row| row.metric == metric);
    let columns: Vec<Column> = COLUMNS.into_iter().filter(|column| has(column.0)).collect();
    let mut header = vec![
        Head::text("Model"),
        Head::text("Data set, scenario, protocol"),
        Head::number("k"),
    ];
    header.extend(columns.iter().map(|(_, head, _)| Head::number(*head)));
    let row = |(group, rows): (&Group<'_>, &Vec<&MetricRow>)| {
        let dataset = context.label(Axis::Dataset, group.dataset);
        let scenario = context.label(Axis::Scenario, group.scenario);
        let mut cells = vec![
            Cell::text(format!("{dataset}, {scenario}, {}", group.protocol)),
            Cell::number(Some(f64::from(group.k)), |k| k.to_string()),
        ];
        let numbers = columns.iter();
        cells.extend(numbers.map(|(metric, _, read)| Cell::number(mean(rows, metric), *read)));
        Row::of_model(context, group.model, cells)
    };
    Grid {
        title: settings.title.clone(),
        notes: notes(settings.split, groups.is_empty()),
        header: vec![header],
        rows: groups.iter().map(row).collect(),
        data: data(&groups),
        ..Grid::default()
    }
}

fn notes(part: Part, is_empty: bool) -> Vec<String> {
    if is_empty {
        return vec![
            "No lists were kept: set keep_scores in a protocol, and run the experiment again."
                .to_owned(),
        ];
    }
    let split = match part {
        Part::Test => "",
        Part::Valid => "Validation split. ",
    };
    vec![format!(
        "{split}Means over seeds, of each user's first k candidates. Coverage: share of all \
         candidate items that are in some list. Gini: inequality of how often items are listed; \
         0 is equal. Popularity: mean training interactions of listed items. Novelty: mean \
         self-information in bits. Diversity: mean distance of the texts of two listed items. \
         Recall and MAP, all: of all the user's targets in this part of the split."
    )]
}

fn groups(results: &Results, part: Part) -> Groups<'_> {
    let mut groups: Groups<'_> = BTreeMap::new();
    let is_meant = |row: &&MetricRow| {
        row.split == part.name() && COLUMNS.iter().any(|(metric, ..)| row.metric == *metric)
    };
    for row in results.metrics.iter().filter(is_meant) {
        let group = Group {
            places: (
                results.place(Axis::Dataset, &row.dataset),
                results.place(Axis::Scenario, &row.scenario),
            ),
            dataset: &row.dataset,
            scenario: &row.scenario,
            protocol: row.protocol_name(),
            k: row.k.unwrap_or(0),
            at: results.position(&row.name),
            model: &row.name,
        };
        groups.entry(group).or_default().push(row);
    }
    groups
}

fn mean(rows: &[&MetricRow], metric: &str) -> Option<f64> {
    let is_it = |row: &&&MetricRow| row.metric == metric;
    OverSeeds::of(rows.iter().filter(is_it).copied()).map(|number| number.mean)
}

fn data(groups: &Groups<'_>) -> (Vec<String>, Vec<Vec<String>>) {
    let mut header = vec!["model", "dataset", "scenario", "protocol", "k"];
    header.extend(COLUMNS.iter().map(|(metric, ..)| *metric));
    let row = |(group, rows): (&Group<'_>, &Vec<&MetricRow>)| {
        let texts = [group.model, group.dataset, group.scenario, group.protocol];
        let mut cells: Vec<String> = texts.map(str::to_owned).to_vec();
        cells.push(group.k.to_string());
        let means = COLUMNS.iter().map(|(metric, ..)| mean(rows, metric));
        cells.extend(means.map(|value| value.map(|value| value.to_string()).unwrap_or_default()));
        cells
    };
    (
        header.into_iter().map(str::to_owned).collect(),
        groups.iter().map(row).collect(),
    )
}
