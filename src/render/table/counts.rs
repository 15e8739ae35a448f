//! Counts of every data set and scenario, from `data.csv`.

use std::collections::BTreeMap;

use super::{Cell, Grid, Head, Row};
use crate::analysis::stats;
use crate::experiment::config::outputs::{Axis, DataTable};
use crate::render::{Context, style};
use crate::results::{DataRow, Results};

/// The rows of each data set and scenario, in declared order.
type Groups<'a> = Vec<((&'a str, &'a str), Vec<&'a DataRow>)>;

/// The table of a report whose experiment has none of this kind.
pub(in crate::render) fn default(context: &Context) -> Grid {
    let title = "Counts of every data set and scenario".to_owned();
    grid(context, &DataTable { title }).marked(context)
}

/// The data table of a results folder.
pub(super) fn grid(context: &Context, settings: &DataTable) -> Grid {
    let results = &context.results;
    let groups = groups(results);
    let mut header = vec![Head::text("Data set"), Head::text("Scenario")];
    header.extend(COLUMNS.iter().map(|column| Head::number(column.head)));
    let rows = groups.iter().map(|((dataset, scenario), seeds)| {
        let mut cells = vec![Cell::text(context.label(Axis::Scenario, scenario))];
        cells.extend(
            COLUMNS
                .iter()
                .map(|column| Cell::number(mean(seeds, column.get), column.read)),
        );
        Row {
            name: context.label(Axis::Dataset, dataset).to_owned(),
            cells,
            ..Row::default()
        }
    });
    Grid {
        title: settings.title.clone(),
        notes: notes(results, groups.iter().any(|(_, seeds)| differ(seeds))),
        header: vec![header],
        rows: rows.collect(),
        data: data(&groups),
        ..Grid::default()
    }
}

fn groups(results: &Results) -> Groups<'_> {
    let mut groups: BTreeMap<(&str, &str), Vec<&DataRow>> = BTreeMap::new();
    for row in &results.counts {
        let group = groups.entry((&row.dataset, &row.scenario));
        group.or_default().push(row);
    }
    let mut groups: Groups<'_> = groups.into_iter().collect();
    groups.sort_by_key(|((dataset, scenario), _)| {
        (
            results.place(Axis::Dataset, dataset),
            results.place(Axis::Scenario, scenario),
        )
    });
    groups
}

struct CountColumn {
    head: &'static str,
    name: &'static str,
    get: fn(&DataRow) -> Option<f64>,
    read: fn(f64) -> String,
}

const COLUMNS: [CountColumn; 10] = [
    column("Users", "users", |row| Some(row.users as f64)),
    column("Items", "items", |row| Some(row.items as f64)),
    column("Interactions", "interactions", |row| {
        Some(row.interactions as f64)
    }),
    CountColumn {
        head: "Mean length",
        name: "mean_length",
        get: |row| row.mean_length,
        read: |value| format!("{value:.2}"),
    },
    column("Trained users", "trained_users", |row| {
        Some(row.trained_users as f64)
    }),
    column("Measured users", "measured_users", |row| {
        Some(row.measured_users as f64)
    }),
    column("In the scenario", "slice_users", |row| {
        Some(row.slice_users as f64)
    }),
    CountColumn {
        head: "With title",
        name: "with_title",
        get: |row| row.with_title,
        read: |value| format!("{:.1} %", value * 100.0),
    },
    column("Without history", "without_history", |row| {
        Some(row.without_history as f64)
    }),
    column("Items without record", "items_without_record", |row| {
        row.items_without_record.map(|items| items as f64)
    }),
];

const fn column(
    head: &'static str,
    name: &'static str,
    get: fn(&DataRow) -> Option<f64>,
) -> CountColumn {
    CountColumn {
        head,
        name,
        get,
        read: |value| style::count(value.round() as u64),
    }
}

fn mean(seeds: &[&DataRow], get: fn(&DataRow) -> Option<f64>) -> Option<f64> {
    let known: Vec<f64> = seeds.iter().filter_map(|row| get(row)).collect();
    stats::mean(&known)
}

fn differ(seeds: &[&DataRow]) -> bool {
    COLUMNS.iter().any(|column| {
        seeds
            .iter()
            .any(|row| (column.get)(row) != (column.get)(seeds[0]))
    })
}

fn notes(results: &Results, seeds_differ: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if results.counts.is_empty() {
        notes.push("No counts were recorded.".to_owned());
    }
    if seeds_differ {
        notes.push(
            "Where seeds sample other users, counts are means over seeds, rounded.".to_owned(),
        );
    }
    notes
}

fn data(groups: &Groups<'_>) -> (Vec<String>, Vec<Vec<String>>) {
    let names = ["dataset", "scenario", "n_seeds"]
        .into_iter()
        .chain(COLUMNS.iter().map(|column| column.name));
    let mut rows = Vec::new();
    for ((dataset, scenario), seeds) in groups {
        let mut cells = vec![
            (*dataset).to_owned(),
            (*scenario).to_owned(),
            seeds.len().to_string(),
        ];
        let means = COLUMNS.iter().map(|column| mean(seeds, column.get));
        cells.extend(means.map(|value| value.map(|value| value.to_string()).unwrap_or_default()));
        rows.push(cells);
    }
    (names.map(str::to_owned).collect(), rows)
}
