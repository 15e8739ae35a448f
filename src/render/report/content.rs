//! What the report says, as plain values for its template.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::headline::{self, Answer};
use super::{prose, svg, words};
use crate::analysis::expected::Outcome;
use crate::experiment::config::outputs::Axis;
use crate::render::style;
use crate::render::table::{self, Grid};
use crate::render::{Context, NamedFigure, RenderError};
use crate::results::{MetricRow, Results, Status};

/// The template's values. Fields that end in `_html` are markup made here from escaped texts.
#[derive(Debug, Serialize)]
pub struct Content {
    name: String,
    question_html: String,
    expectation_html: String,
    analysis_html: String,
    /// The first sentence of the analysis.
    finding_html: String,
    answer: Option<Answer>,
    main_figure: Option<FigureView>,
    seeds: String,
    n_cells: usize,
    n_failed: usize,
    stand_in: Option<String>,
    without_ranks: Option<String>,
    models: Vec<ModelKey>,
    comparisons: Vec<Grid>,
    audits: Vec<Grid>,
    searches: Vec<Grid>,
    trials: Vec<Grid>,
    notes: Vec<Note>,
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

/// A figure of a report.
#[derive(Debug, Serialize)]
pub struct FigureView {
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
    status: &'static str,
    error: String,
}

#[derive(Debug, Serialize)]
struct Note {
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
    context: &Context,
    figures: &[NamedFigure],
    tables: &[Grid],
) -> Result<Content, RenderError> {
    let results = &context.results;
    let spec = &results.spec;
    let of_kind = |kind: &str| -> Vec<Grid> {
        let settings = |grid: &Grid| spec.table.get(&grid.name);
        let is_wanted = |grid: &&Grid| settings(grid).is_some_and(|table| table.kind() == kind);
        tables.iter().filter(is_wanted).cloned().collect()
    };
    let main = headline::main_figure(context, figures);
    let others = figures.iter().enumerate();
    let others = others.filter(|(at, _)| Some(*at) != main);
    Ok(Content {
        name: spec.name.clone(),
        question_html: prose::html(&spec.question),
        expectation_html: prose::html(&spec.expectation),
        analysis_html: prose::html(&spec.analysis),
        finding_html: prose::first_sentence(&spec.analysis),
        answer: headline::answer(context, main.map(|main| &figures[main]))?,
        main_figure: main.map(|main| figure(&figures[main])),
        seeds: style::list(&spec.seeds.iter().map(u64::to_string).collect::<Vec<_>>()),
        n_cells: results.cells.len(),
        n_failed: results.failed().count(),
        stand_in: context.stand_ins.sentence(),
        without_ranks: results.without_ranks(),
        models: models(context),
        comparisons: or_default(of_kind("comparison"), || {
            table::comparison::defaults(context)
        })?,
        audits: or_default(of_kind("answers"), || Ok(table::answers::defaults(context)))?
            .into_iter()
            .chain(or_default(of_kind("lists"), || {
                Ok(table::lists::defaults(context))
            })?)
            .chain(table::conversations::defaults(context))
            .collect(),
        searches: or_default(of_kind("search"), || Ok(table::search::defaults(context)))?,
        trials: table::search::trials(context),
        notes: notes(context),
        figures: others.map(|(_, other)| figure(other)).collect(),
        expected: context
            .outcomes()
            .iter()
            .map(|outcome| expected_view(context, outcome))
            .collect(),
        failures: failures(results),
        data: or_default(of_kind("data"), || {
            Ok(vec![table::counts::default(context)])
        })?,
        costs: or_default(of_kind("cost"), || Ok(vec![table::cost::default(context)]))?,
        protocols: protocols(results),
        scenarios: scenarios(context),
        machine: results.machine.clone(),
        files: files(results, figures, tables),
        spec_text: results.spec_text.clone(),
    })
}

/// The grids, or what the report shows when the spec has none.
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

fn models(context: &Context) -> Vec<ModelKey> {
    let results = &context.results;
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
            (None, Some(model)) => model.kind().to_owned(),
            (None, None) => searched(results, &name),
        },
        colour: context.hex(&name),
        name: match context.label(Axis::Model, &name) {
            label if label == name => name,
            label => format!("{label} ({name})"),
        },
    };
    results.models.iter().cloned().map(key).collect()
}

/// What a search found: `best of 20 trials of sasrec: dropout = 0.2 (beauty)`.
fn searched(results: &Results, name: &str) -> String {
    let Some(search) = results.spec.search.get(name) else {
        return String::new();
    };
    let trials = results.trials.iter().filter(|row| row.search == name);
    let found = search
        .best
        .iter()
        .map(|(dataset, best)| format!("{} ({dataset})", words::settings(&best.set)));
    format!(
        "best of {} of {}: {}",
        style::counted(trials.count(), "trial"),
        search.of,
        found.collect::<Vec<_>>().join("; ")
    )
}

/// What each scenario measures, in declared order.
fn scenarios(context: &Context) -> Vec<(String, String)> {
    let of_name = |name: &String| {
        let scenario = context.results.spec.scenario.get(name)?;
        let label = context.label(Axis::Scenario, name).to_owned();
        Some((label, words::scenario(scenario)))
    };
    let names = context.results.scenarios.iter();
    names.filter_map(of_name).collect()
}

/// The notes of each model's cells, with how many cells have them.
fn notes(context: &Context) -> Vec<Note> {
    let results = &context.results;
    let mut groups: BTreeMap<(usize, &str), usize> = BTreeMap::new();
    for cell in results.cells.values().filter(|cell| !cell.notes.is_empty()) {
        let key = (results.position(&cell.name), cell.notes.as_str());
        *groups.entry(key).or_default() += 1;
    }
    let note = |((at, text), n_cells): ((usize, &str), usize)| Note {
        model: context.label(Axis::Model, &results.models[at]).to_owned(),
        text: text.to_owned(),
        n_cells,
    };
    groups.into_iter().map(note).collect()
}

fn figure(figure: &NamedFigure) -> FigureView {
    figure_view(figure, &figure.name)
}

/// A figure as a report shows it. `id` is its name within the report.
pub fn figure_view(figure: &NamedFigure, id: &str) -> FigureView {
    FigureView {
        name: figure.name.clone(),
        title: figure.title.clone(),
        svg_html: svg::inline(&figure.drawn.svg, id, &figure.title),
    }
}

fn expected_view(context: &Context, outcome: &Outcome) -> ExpectedView {
    let expected = &outcome.expected;
    let difference = outcome.found.map(|mean| mean - expected.value);
    ExpectedView {
        place: format!(
            "{}, {}, {}",
            context.label(Axis::Dataset, &expected.dataset),
            context.label(Axis::Scenario, &expected.scenario),
            expected.protocol
        ),
        model: context.label(Axis::Model, &expected.model).to_owned(),
        metric: expected.metric.title(),
        expected: format!(
            "{} ± {}",
            style::metric(expected.value),
            style::metric(expected.tolerance)
        ),
        measured: outcome
            .found
            .map_or_else(|| style::UNKNOWN.to_owned(), style::metric),
        difference: difference.map_or_else(|| style::UNKNOWN.to_owned(), style::signed),
        verdict: outcome.verdict.words(),
        source: expected.source.clone(),
        reason: expected.not_comparable.clone(),
    }
}

/// Cells with the same error, in one row.
fn failures(results: &Results) -> Vec<Failure> {
    let mut groups: BTreeMap<(Status, &str), Vec<String>> = BTreeMap::new();
    let cells = results.cells.values();
    for cell in cells.filter(|cell| cell.status != Status::Ok) {
        let group = groups.entry((cell.status, &cell.error)).or_default();
        group.push(cell.cell.clone());
    }
    let failure = |((status, error), cells): ((Status, &str), Vec<String>)| Failure {
        n_cells: cells.len(),
        cells,
        status: status.name(),
        error: error.to_owned(),
    };
    groups.into_iter().map(failure).collect()
}

fn protocols(results: &Results) -> Vec<ProtocolView> {
    let fingerprints = |name: &str| -> BTreeSet<Fingerprint> {
        let of_protocol = |row: &&MetricRow| row.protocol.split(':').next() == Some(name);
        let fingerprint = |row: &MetricRow| {
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

/// Every file that the report links to, with what it holds.
fn files(results: &Results, figures: &[NamedFigure], tables: &[Grid]) -> Vec<(String, String)> {
    const KNOWN: [(&str, &str); 9] = [
        ("metrics.csv", "every metric of every cell, long form"),
        ("cells.csv", "every cell with its status, error and notes"),
        ("stages.csv", "every timed phase of every stage"),
        ("cell_stages.csv", "which cell uses which stages"),
        (
            "epochs.csv",
            "loss and validation metrics of every stage by epoch",
        ),
        ("data.csv", "counts of every data set and scenario"),
        ("trials.csv", "every trial of every search"),
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
