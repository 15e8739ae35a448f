//! What the report says, as plain values for its template.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{prose, svg, words};
use crate::experiment::config::{Expected, Table};
use crate::record::summary::Question;
use crate::render::results::Results;
use crate::render::style;
use crate::render::table::{self, Grid};
use crate::render::{NamedFigure, RenderError, answers, hex};
use allround_core::data::Part;

/// The template's values. Fields that end in `_html` are markup made here from escaped texts.
#[derive(Debug, Serialize)]
pub struct Content {
    name: String,
    question_html: String,
    expectation_html: String,
    analysis_html: String,
    seeds: String,
    n_cells: usize,
    n_failed: usize,
    stand_in: Option<String>,
    without_ranks: Option<String>,
    models: Vec<ModelKey>,
    answers: Vec<Grid>,
    audits: Vec<Grid>,
    remarks: Vec<Remark>,
    figures: Vec<FigureView>,
    expected: Vec<ExpectedView>,
    failures: Vec<Failure>,
    data: Vec<Grid>,
    costs: Vec<Grid>,
    protocols: Vec<ProtocolView>,
    scenarios: Vec<(String, String)>,
    machine: Vec<(String, String)>,
    files: Vec<(String, String)>,
    spec_text: String,
}

#[derive(Debug, Serialize)]
struct ModelKey {
    name: String,
    kind: String,
    colour: String,
}

#[derive(Debug, Serialize)]
struct FigureView {
    name: String,
    title: String,
    svg_html: Option<String>,
}

#[derive(Debug, Serialize)]
struct ExpectedView {
    place: String,
    model: String,
    metric: String,
    expected: String,
    measured: String,
    difference: String,
    verdict: &'static str,
    source: String,
    reason: String,
}

#[derive(Debug, Serialize)]
struct Failure {
    n_cells: usize,
    cells: Vec<String>,
    protocol: String,
    status: String,
    error: String,
}

#[derive(Debug, Serialize)]
struct Remark {
    model: String,
    text: String,
    n_cells: usize,
}

#[derive(Debug, Serialize)]
struct ProtocolView {
    name: String,
    words: String,
    fingerprints: Vec<Fingerprint>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Fingerprint {
    dataset: String,
    scenario: String,
    fingerprint: String,
}

/// Gathers everything.
///
/// # Errors
/// When the statistics of a table that the spec does not have cannot be computed.
pub fn gather(
    results: &Results,
    figures: &[NamedFigure],
    tables: &[Grid],
) -> Result<Content, RenderError> {
    let spec = &results.spec;
    let of_kind = |wanted: fn(&Table) -> bool| -> Vec<Grid> {
        let is_wanted = |grid: &&Grid| spec.table.get(&grid.name).is_some_and(wanted);
        tables.iter().filter(is_wanted).cloned().collect()
    };
    Ok(Content {
        name: spec.name.clone(),
        question_html: prose::html(&spec.question),
        expectation_html: prose::html(&spec.expectation),
        analysis_html: prose::html(&spec.analysis),
        seeds: style::list(&spec.seeds.iter().map(u64::to_string).collect::<Vec<_>>()),
        n_cells: results.cells.len(),
        n_failed: n_failed(results),
        stand_in: results.stand_in().map(|it| it.sentence),
        without_ranks: results.without_ranks(),
        models: models(results),
        answers: or_default(
            of_kind(|table| matches!(table, Table::Comparison { .. })),
            || default_answers(results),
        )?,
        audits: or_default(
            of_kind(|table| matches!(table, Table::Answers { .. })),
            || Ok(default_audits(results)),
        )?,
        remarks: remarks(results),
        figures: figures.iter().map(figure).collect(),
        expected: spec
            .expected
            .iter()
            .map(|expected| compare(results, expected))
            .collect(),
        failures: failures(results),
        data: or_default(of_kind(|table| matches!(table, Table::Data { .. })), || {
            default_data(results)
        })?,
        costs: or_default(of_kind(|table| matches!(table, Table::Cost { .. })), || {
            default_costs(results)
        })?,
        protocols: protocols(results),
        scenarios: spec
            .scenario
            .iter()
            .map(|(name, scenario)| (name.clone(), words::scenario(scenario)))
            .collect(),
        machine: results.machine.clone(),
        files: files(results, figures, tables),
        spec_text: results.spec_text.clone(),
    })
}

fn colour(results: &Results, model: &str) -> String {
    hex(results.colour(model))
}

/// The grids, or what the report shows when the spec asks for none.
fn or_default(
    grids: Vec<Grid>,
    default: impl FnOnce() -> Result<Vec<Grid>, RenderError>,
) -> Result<Vec<Grid>, RenderError> {
    if grids.is_empty() {
        default()
    } else {
        Ok(grids)
    }
}

fn models(results: &Results) -> Vec<ModelKey> {
    let key = |name: String| ModelKey {
        kind: match (
            results.spec.variant.get(&name),
            results.spec.model.get(&name),
        ) {
            (Some(variant), _) => format!(
                "variant of {}: {}",
                variant.of,
                words::settings(&variant.set)
            ),
            (None, Some(model)) => words::kind(model),
            (None, None) => String::new(),
        },
        colour: colour(results, &name),
        name,
    };
    results.models.iter().cloned().map(key).collect()
}

/// One table for each protocol and part of the split.
fn default_answers(results: &Results) -> Result<Vec<Grid>, RenderError> {
    let grid = |(protocol, part): (&String, Part)| {
        let question = Question {
            protocol: protocol.clone(),
            part,
            models: results.models.clone(),
            ..Question::default()
        };
        let answer = answers::of(results, &question)?;
        let title = match part {
            Part::Test => format!("All models under protocol {protocol}"),
            Part::Valid => format!("All models under protocol {protocol}, validation"),
        };
        let grid = table::comparison::grid("", &title, &answer, "", |model| colour(results, model));
        Ok(grid.marked(results))
    };
    let protocols = results.spec.protocol.iter();
    protocols
        .flat_map(|(name, protocol)| protocol.splits.iter().map(move |&part| (name, part)))
        .map(grid)
        .collect()
}

/// Shown only where something was generated.
fn default_audits(results: &Results) -> Vec<Grid> {
    let is_there = |part: &Part| table::answers::is_there(results, *part);
    let grid = |part: Part| {
        let title = match part {
            Part::Test => "What the language models answered",
            Part::Valid => "What the language models answered, validation",
        };
        let of = |model: &str| colour(results, model);
        table::answers::grid(("", title), part, results, of).marked(results)
    };
    let parts = [Part::Test, Part::Valid].into_iter().filter(is_there);
    parts.map(grid).collect()
}

/// What belongs to the numbers of each model, with how many cells it is said of.
fn remarks(results: &Results) -> Vec<Remark> {
    let mut groups: BTreeMap<(usize, &str), BTreeSet<&str>> = BTreeMap::new();
    for row in results.metrics.iter().filter(|row| !row.remark.is_empty()) {
        let key = (results.position(row.shown_name()), row.remark.as_str());
        groups.entry(key).or_default().insert(&row.cell);
    }
    let remark = |((at, text), cells): ((usize, &str), BTreeSet<&str>)| Remark {
        model: results.models[at].clone(),
        text: text.to_owned(),
        n_cells: cells.len(),
    };
    groups.into_iter().map(remark).collect()
}

fn default_data(results: &Results) -> Result<Vec<Grid>, RenderError> {
    let title = "Counts of every data set and scenario";
    Ok(vec![table::counts::grid("", title, results)])
}

fn default_costs(results: &Results) -> Result<Vec<Grid>, RenderError> {
    let title = "Time, memory and parameters";
    let grid = table::cost::grid(("", title), (1, &[]), results, |model| {
        colour(results, model)
    });
    Ok(vec![grid.marked(results)])
}

/// Cells that failed or were blocked under some protocol.
fn n_failed(results: &Results) -> usize {
    let is_bad =
        |row: &&crate::record::MetricRow| matches!(row.status.as_str(), "failed" | "blocked");
    let cells: BTreeSet<&String> = results
        .metrics
        .iter()
        .filter(is_bad)
        .map(|row| &row.cell)
        .collect();
    cells.len()
}

fn figure(figure: &NamedFigure) -> FigureView {
    FigureView {
        name: figure.name.clone(),
        title: figure.title.clone(),
        svg_html: svg::inline(&figure.drawn.svg, &figure.name, &figure.title),
    }
}

fn compare(results: &Results, expected: &Expected) -> ExpectedView {
    let measured = answers::mean(results, expected);
    let difference = measured.map(|mean| mean - expected.value);
    let signed = |value: f64| {
        format!(
            "{}{}",
            if value < 0.0 { "−" } else { "+" },
            style::metric(value.abs())
        )
    };
    ExpectedView {
        place: format!(
            "{}, {}, {}",
            expected.dataset, expected.scenario, expected.protocol
        ),
        model: expected.model.clone(),
        metric: expected.metric.to_string(),
        expected: format!(
            "{} ± {}",
            style::metric(expected.value),
            style::metric(expected.tolerance)
        ),
        measured: measured.map_or_else(|| style::UNKNOWN.to_owned(), style::metric),
        difference: difference.map_or_else(|| style::UNKNOWN.to_owned(), signed),
        verdict: verdict(expected, difference),
        source: expected.source.clone(),
        reason: expected.not_comparable.clone(),
    }
}

fn verdict(expected: &Expected, difference: Option<f64>) -> &'static str {
    // Rounding of the decimal texts in the spec must not push a value out.
    const ROUNDING: f64 = 1e-12;
    match difference {
        _ if !expected.not_comparable.is_empty() => "not comparable",
        None => "missing",
        Some(difference) if difference.abs() <= expected.tolerance + ROUNDING => "within",
        Some(_) => "outside",
    }
}

/// Cells that ended alike, in one row.
fn failures(results: &Results) -> Vec<Failure> {
    let mut groups: BTreeMap<(&str, &str, &str), BTreeSet<&str>> = BTreeMap::new();
    for row in results.metrics.iter().filter(|row| row.status != "ok") {
        let key = (row.status.as_str(), row.error.as_str(), row.protocol_name());
        groups.entry(key).or_default().insert(&row.cell);
    }
    let failure =
        |((status, error, protocol), cells): ((&str, &str, &str), BTreeSet<&str>)| Failure {
            n_cells: cells.len(),
            cells: cells.into_iter().map(str::to_owned).collect(),
            protocol: protocol.to_owned(),
            status: status.to_owned(),
            error: match status {
                "empty" if error.is_empty() => "no user is in the scenario".to_owned(),
                _ => error.to_owned(),
            },
        };
    groups.into_iter().map(failure).collect()
}

fn protocols(results: &Results) -> Vec<ProtocolView> {
    let fingerprints = |name: &str| -> BTreeSet<Fingerprint> {
        let of_protocol =
            |row: &&crate::record::MetricRow| row.protocol.split(':').next() == Some(name);
        let fingerprint = |row: &crate::record::MetricRow| {
            Some(Fingerprint {
                dataset: row.dataset.clone(),
                scenario: row.scenario.clone(),
                fingerprint: row.protocol.split_once(':')?.1.to_owned(),
            })
        };
        results
            .metrics
            .iter()
            .filter(of_protocol)
            .filter_map(fingerprint)
            .collect()
    };
    let view = |(name, protocol): (&String, &allround_core::config::Protocol)| ProtocolView {
        name: name.clone(),
        words: words::protocol(protocol),
        fingerprints: fingerprints(name).into_iter().collect(),
    };
    results.spec.protocol.iter().map(view).collect()
}

/// Every file beside the report that it links to, with what it holds.
fn files(results: &Results, figures: &[NamedFigure], tables: &[Grid]) -> Vec<(String, String)> {
    const KNOWN: [(&str, &str); 6] = [
        ("metrics.csv", "every metric of every cell, long form"),
        ("timing.csv", "every timed phase of every stage"),
        ("epochs.csv", "loss and validation metrics by epoch"),
        ("data.csv", "counts of every data set and scenario"),
        (
            "spec.toml",
            "the resolved spec with the origin of each value",
        ),
        ("machine.toml", "the machine and the program"),
    ];
    let there = KNOWN
        .iter()
        .filter(|(file, _)| results.folder.join(file).exists());
    let mut files: Vec<(String, String)> = there
        .map(|(file, what)| ((*file).to_owned(), (*what).to_owned()))
        .collect();
    files.extend(figures.iter().map(|figure| {
        (
            format!("figures/{}.csv", figure.name),
            format!("numbers of the figure “{}”", figure.title),
        )
    }));
    files.extend(tables.iter().map(|table| {
        (
            format!("tables/{}.csv", table.name),
            format!("numbers of the table “{}”", table.title),
        )
    }));
    files
}
