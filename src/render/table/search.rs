//! Searches, from `trials.csv`: the best settings of each, and all trials.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Cell, Grid, Head, Mark, Row};
use crate::experiment::config::outputs::{Axis, SearchTable};
use crate::render::{Context, style};
use crate::results::{Results, Status, TrialRow};

/// The trials of one search on one data set.
type Group<'a> = ((&'a str, &'a str), Vec<&'a TrialRow>);

/// What the report shows when the experiment has no such table; nothing without trials.
pub(in crate::render) fn defaults(context: &Context) -> Vec<Grid> {
    if context.results.trials.is_empty() {
        return Vec::new();
    }
    let title = "Best settings of every search".to_owned();
    vec![grid(context, &SearchTable { title }).marked(context)]
}

/// The best settings of every search.
pub(super) fn grid(context: &Context, settings: &SearchTable) -> Grid {
    let groups = groups(&context.results);
    let row = |((search, dataset), trials): &Group<'_>| {
        let best = trials.iter().find(|row| row.best);
        let seconds = trials.iter().map(|row| row.seconds).sum();
        let cells = vec![
            Cell::text(context.label(Axis::Dataset, dataset)),
            Cell::text(best.map_or_else(|| style::UNKNOWN.to_owned(), |row| words(row))),
            Cell::text(trials.first().map_or("", |row| &row.metric)),
            value(best.copied()),
            Cell::number(Some(trials.len() as f64), |n| style::count(n as u64)),
            Cell::number(Some(seconds), style::seconds),
        ];
        Row::of_model(context, search, cells)
    };
    Grid {
        title: settings.title.clone(),
        notes: notes(&groups),
        header: vec![vec![
            Head::text("Search"),
            Head::text("Data set"),
            Head::text("Best settings"),
            Head::text("Metric"),
            Head::number("Validation"),
            Head::number("Trials"),
            Head::number("Time"),
        ]],
        rows: groups.iter().map(row).collect(),
        data: data(&context.results),
        ..Grid::default()
    }
}

/// All trials: a table for each search and data set, the best first.
pub(in crate::render) fn trials(context: &Context) -> Vec<Grid> {
    let grid = |((search, dataset), mut trials): Group<'_>| {
        let order = |one: &&TrialRow, other: &&TrialRow| {
            let key = |row: &TrialRow| (row.resource.unwrap_or(0), row.value.unwrap_or(-1.0));
            let (one, other) = (key(one), key(other));
            other.0.cmp(&one.0).then(other.1.total_cmp(&one.1))
        };
        trials.sort_by(order);
        let sets: Vec<BTreeMap<String, Value>> = trials.iter().map(|row| set(row)).collect();
        let keys: BTreeSet<&String> = sets.iter().flat_map(BTreeMap::keys).collect();
        let mut header = vec![Head::text("Trial")];
        header.extend(keys.iter().map(|key| Head::number(key.as_str())));
        let metric = trials.first().map_or("", |row| &row.metric);
        header.push(Head::number(format!("{metric}, validation")));
        header.push(Head::number("Time"));
        header.push(Head::text("Status"));
        let row = |(row, set): (&&TrialRow, &BTreeMap<String, Value>)| {
            let mut cells: Vec<Cell> = keys.iter().map(|key| setting(set.get(*key))).collect();
            cells.push(value(Some(row)));
            cells.push(Cell::number(Some(row.seconds), style::seconds));
            cells.push(Cell::text(match row.error.as_str() {
                "" if row.best => "best".to_owned(),
                "" => row.status.name().to_owned(),
                error => format!("{}: {error}", row.status.name()),
            }));
            Row {
                name: row.trial.to_string(),
                cells,
                ..Row::default()
            }
        };
        Grid {
            title: format!(
                "{} on {}: {}",
                context.label(Axis::Model, search),
                context.label(Axis::Dataset, dataset),
                style::counted(trials.len(), "trial")
            ),
            rows: trials.iter().zip(&sets).map(row).collect(),
            header: vec![header],
            ..Grid::default()
        }
        .marked(context)
    };
    groups(&context.results).into_iter().map(grid).collect()
}

fn groups(results: &Results) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<(&str, &str), Vec<&TrialRow>> = BTreeMap::new();
    for row in &results.trials {
        let group = groups.entry((&row.search, &row.dataset));
        group.or_default().push(row);
    }
    let mut groups: Vec<Group<'_>> = groups.into_iter().collect();
    groups.sort_by_key(|((search, dataset), _)| {
        (
            results.position(search),
            results.place(Axis::Dataset, dataset),
        )
    });
    groups
}

/// The settings of a trial; empty if the file has other text.
fn set(row: &TrialRow) -> BTreeMap<String, Value> {
    serde_json::from_str(&row.settings).unwrap_or_default()
}

/// `dropout = 0.2, train.lr = 0.001`.
pub(in crate::render) fn words(row: &TrialRow) -> String {
    let settings = set(row);
    let settings = settings.iter().map(|(key, value)| match value {
        Value::String(text) => format!("{key} = {text}"),
        value => format!("{key} = {value}"),
    });
    settings.collect::<Vec<_>>().join(", ")
}

fn setting(value: Option<&Value>) -> Cell {
    match value {
        Some(Value::Number(number)) => {
            let text = number.to_string();
            Cell::number(number.as_f64(), |_| text.clone())
        }
        Some(Value::String(text)) => Cell::text(text.clone()),
        Some(value) => Cell::text(value.to_string()),
        None => Cell::number(None, style::metric),
    }
}

fn value(row: Option<&TrialRow>) -> Cell {
    let sd = row.and_then(|row| row.sd);
    Cell {
        spread: sd.map_or_else(String::new, |sd| format!("± {}", style::metric(sd))),
        mark: match row.is_some_and(|row| row.best) {
            true => Mark::Best,
            false => Mark::None,
        },
        ..Cell::number(row.and_then(|row| row.value), style::metric)
    }
}

fn notes(groups: &[Group<'_>]) -> Vec<String> {
    let mut notes =
        vec!["Settings are chosen on validation, and no trial is measured on the test.".to_owned()];
    let failed = groups.iter().flat_map(|(_, trials)| trials);
    let failed = failed.filter(|row| row.status != Status::Ok).count();
    if failed > 0 {
        notes.push(format!("{} failed.", style::counted(failed, "trial")));
    }
    let methods: BTreeSet<String> = groups
        .iter()
        .filter_map(|((search, _), trials)| Some(format!("{search} by {}", trials.first()?.method)))
        .collect();
    notes.push(format!(
        "Searches: {}. Times are recorded seconds of training and evaluation.",
        style::list(&methods.into_iter().collect::<Vec<_>>())
    ));
    notes
}

/// The best trials in full precision.
fn data(results: &Results) -> (Vec<String>, Vec<Vec<String>>) {
    let header = [
        "model", "dataset", "metric", "value", "sd", "seeds", "settings",
    ];
    let text = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let row = |row: &TrialRow| {
        vec![
            row.search.clone(),
            row.dataset.clone(),
            row.metric.clone(),
            text(row.value),
            text(row.sd),
            row.seeds.to_string(),
            row.settings.clone(),
        ]
    };
    let best = results.trials.iter().filter(|row| row.best);
    (header.map(str::to_owned).to_vec(), best.map(row).collect())
}
