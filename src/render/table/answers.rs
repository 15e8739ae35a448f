//! What language models answered: how often a generated title is the target's by each rule, how often it is a candidate's at
//! all, and the AUC of yes-or-no answers.

use std::collections::BTreeMap;

use super::{Cell, Grid, Head, Row};
use crate::analysis::OverSeeds;
use crate::render::{Context, style};
use crate::results::{MetricRow, Results};
use allround_core::data::Part;

/// A column: its metric's name in `metrics.csv`, its head, and how its numbers are written.
type Column = (&'static str, &'static str, fn(f64) -> String);

/// What is shown of each model.
const COLUMNS: [Column; 8] = [
    ("hit", "hit@1", style::metric),
    ("exact", "Exact", style::metric),
    ("normalised", "Normalised", style::metric),
    ("substring", "Substring", style::metric),
    ("valid", "Valid", style::metric),
    ("several", "Several", style::metric),
    ("position", "Place", style::significant),
    ("auc", "AUC", style::metric),
];

/// Data set, scenario, protocol and place of the model among the others.
type Group<'a> = (&'a str, &'a str, &'a str, usize);

/// Whether there is anything to show.
pub fn is_there(results: &Results, part: Part) -> bool {
    let mut rows = results.metrics.iter();
    rows.any(|row| row.split == part.name() && is_audit(row))
}

fn is_audit(row: &MetricRow) -> bool {
    COLUMNS[1..]
        .iter()
        .any(|(metric, ..)| row.metric == *metric)
}

/// The table of a results folder.
pub(in crate::render) fn grid((name, title): (&str, &str), part: Part, context: &Context) -> Grid {
    let results = &context.results;
    let groups = groups(results, part);
    let mut header = vec![
        Head::text("Model"),
        Head::text("Data set, scenario, protocol"),
    ];
    header.extend(COLUMNS.iter().map(|(_, head, _)| Head::number(*head)));
    let rows = groups
        .iter()
        .map(|((dataset, scenario, protocol, at), rows)| {
            let model = &results.models[*at];
            let mut cells = vec![Cell::text(format!("{dataset}, {scenario}, {protocol}"))];
            cells.extend(
                COLUMNS
                    .iter()
                    .map(|(metric, _, read)| Cell::number(mean(rows, metric), *read)),
            );
            Row::of_model(context, model, cells)
        });
    Grid {
        name: name.to_owned(),
        title: title.to_owned(),
        notes: if groups.is_empty() {
            vec!["Every model ranked its candidates by scores: no text was generated, and nobody was asked for yes or no.".to_owned()]
        } else {
            let split = match part {
                Part::Test => "",
                Part::Valid => "Answers of the validation split. ",
            };
            vec![format!(
                "{split}Means over seeds. `hit@1` is what the comparison counts, by the rule that the model's settings accept. Exact: the title in \
             the answer's first quotes is the target's. Normalised: without case and punctuation. Substring: the A-LLMRec code's rule, \
             which also finds a title inside a longer one or in a list. Valid: the title is one of the candidates'. Several: the answer names more \
             than one of them. Place: where those chosen stand in their lists on average; 10.5 of twenty is no preference. AUC: \
             TALLRec's yes or no, each user's target against everybody's other candidates."
            )]
        },
        header: vec![header],
        rows: rows.collect(),
        data: data(results, &groups),
    }
}

/// Rows of every model that has an audited number.
fn groups(results: &Results, part: Part) -> BTreeMap<Group<'_>, Vec<&MetricRow>> {
    let mut groups: BTreeMap<Group<'_>, Vec<&MetricRow>> = BTreeMap::new();
    let is_meant = |row: &&MetricRow| row.split == part.name();
    for row in results.metrics.iter().filter(is_meant) {
        let at = results.position(&row.name);
        let group = (
            row.dataset.as_str(),
            row.scenario.as_str(),
            row.protocol_name(),
            at,
        );
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

fn data(
    results: &Results,
    groups: &BTreeMap<Group<'_>, Vec<&MetricRow>>,
) -> (Vec<String>, Vec<Vec<String>>) {
    let mut header = vec!["model", "dataset", "scenario", "protocol"];
    header.extend(COLUMNS.iter().map(|(metric, ..)| match *metric {
        "hit" => "hit@1",
        metric => metric,
    }));
    let row = |((dataset, scenario, protocol, at), rows): (&Group<'_>, &Vec<&MetricRow>)| {
        let mut cells = vec![
            results.models[*at].clone(),
            (*dataset).to_owned(),
            (*scenario).to_owned(),
            (*protocol).to_owned(),
        ];
        let means = COLUMNS.iter().map(|(metric, ..)| mean(rows, metric));
        cells.extend(means.map(|value| value.map(|value| value.to_string()).unwrap_or_default()));
        cells
    };
    (
        header.into_iter().map(str::to_owned).collect(),
        groups.iter().map(row).collect(),
    )
}
