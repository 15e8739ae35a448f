//! The report of a suite: every table and figure of its experiments, and every published number
//! next to ours.

use std::fmt;
use std::path::{Path, PathBuf};

use minijinja::value::Serde;
use serde::Serialize;

use super::report::{self, FigureView, page};
use super::table::Grid;
use super::{Context, RenderError, escape, style};
use crate::analysis::expected::Outcome;
use crate::experiment::Suite;
use crate::experiment::config::half_width;
use crate::experiment::config::outputs::Axis;
use crate::results::file;
use allround_core::fs;

const TEMPLATE: &str = include_str!("report/suite.html");

/// How many published numbers were compared, and with which result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    published: usize,
    within: usize,
    outside: usize,
    not_comparable: usize,
    missing: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            text,
            "{}: {} within the tolerance, {} outside, {} not comparable, {} missing",
            style::counted(self.published, "published number"),
            self.within,
            self.outside,
            self.not_comparable,
            self.missing
        )
    }
}

/// A published number next to ours: a row of `published.csv`, with full precision.
#[derive(Clone, Debug, Default, Serialize)]
struct Row {
    experiment: String,
    dataset: String,
    scenario: String,
    protocol: String,
    model: String,
    metric: String,
    published: f64,
    tolerance: f64,
    /// Mean over seeds; empty without a measurement.
    ours: Option<f64>,
    /// Ours minus published.
    difference: Option<f64>,
    /// Measured users, the fewest of a seed.
    users: Option<u64>,
    /// Half of the width of ours' 95 % interval, for a share of users (hit@k).
    half_width: Option<f64>,
    /// `within`, `outside`, `not comparable` or `missing`.
    verdict: String,
    source: String,
    /// Why the two are not comparable.
    differs: String,
    /// The stand-ins of our number.
    stand_in: String,
}

/// A row as the report shows it.
#[derive(Debug, Serialize)]
struct RowView {
    model: String,
    place: String,
    metric: String,
    published: String,
    ours: String,
    difference: String,
    noise: String,
    verdict: String,
    source: String,
    differs: String,
}

/// The values of the template. Fields that end in `_html` are markup made here from escaped texts.
#[derive(Debug, Serialize)]
struct Content {
    title: String,
    note_html: String,
    counts: Counts,
    parts: Vec<Part>,
}

/// An experiment of the report.
#[derive(Debug, Serialize)]
struct Part {
    name: String,
    /// The results folder, relative to the report.
    link: String,
    question_html: String,
    finding_html: String,
    stand_in: Option<String>,
    n_failed: usize,
    published: Vec<RowView>,
    tables: Vec<Grid>,
    figures: Vec<FigureView>,
}

/// Writes `report.html` and `published.csv` of a suite, whose experiments have these results
/// folders.
///
/// # Errors
/// When a results folder cannot be read, or a file cannot be written.
pub fn write(folder: &Path, suite: &Suite, results: &[PathBuf]) -> Result<Counts, RenderError> {
    let (mut parts, mut rows) = (Vec::new(), Vec::new());
    for results in results {
        let (part, found) = part(folder, results)?;
        parts.push(part);
        rows.extend(found);
    }
    let counts = counts(&rows);
    let content = Content {
        title: suite.title.clone(),
        note_html: report::prose::html(&suite.note),
        counts,
        parts,
    };
    let html = page(
        "suite.html",
        TEMPLATE,
        minijinja::context! { ..Serde(&content) },
    )?;
    fs::create_dir_all(folder)?;
    fs::write_if_changed(&folder.join("report.html"), &escape::shown(&html))?;
    let table = folder.join("published.csv");
    let bytes = file::to_bytes(&table, &rows.iter().collect::<Vec<_>>())?;
    fs::write_if_changed(&table, &bytes)?;
    Ok(counts)
}

fn part(folder: &Path, results: &Path) -> Result<(Part, Vec<Row>), RenderError> {
    let context = Context::read(results)?;
    let link = relative(folder, results);
    let mut tables: Vec<Grid> = super::tables(&context)?
        .into_iter()
        .map(|table| table.grid)
        .collect();
    // Without a name a table has no links to files.
    tables.iter_mut().for_each(|grid| grid.name.clear());
    let figures = super::figures(&context)?;
    let spec = &context.results.spec;
    let outcomes = context.outcomes();
    let rows: Vec<Row> = outcomes
        .iter()
        .map(|outcome| row(&context, outcome))
        .collect();
    let views = outcomes.iter().zip(&rows);
    let part = Part {
        name: spec.name.clone(),
        question_html: report::prose::html(&spec.question),
        finding_html: report::prose::first_sentence(&spec.analysis),
        stand_in: context.stand_ins.sentence(),
        n_failed: context.results.failed().count(),
        published: views
            .map(|(outcome, row)| view(&context, outcome, row))
            .collect(),
        tables,
        figures: figures
            .iter()
            .map(|figure| report::figure_view(figure, &format!("{}-{}", spec.name, figure.name)))
            .collect(),
        link,
    };
    Ok((part, rows))
}

fn row(context: &Context, outcome: &Outcome) -> Row {
    let expected = &outcome.expected;
    let is_share = matches!(expected.metric, allround_core::metric::Metric::Hit(_));
    let share = outcome.found.zip(outcome.users).filter(|_| is_share);
    Row {
        experiment: context.results.spec.name.clone(),
        dataset: expected.dataset.clone(),
        scenario: expected.scenario.clone(),
        protocol: expected.protocol.clone(),
        model: expected.model.clone(),
        metric: expected.metric.to_string(),
        published: expected.value,
        tolerance: expected.tolerance,
        ours: outcome.found,
        difference: outcome.found.map(|found| found - expected.value),
        users: outcome.users,
        half_width: share.map(|(share, users)| half_width(share, users)),
        verdict: outcome.verdict.words().to_owned(),
        source: expected.source.clone(),
        differs: expected.not_comparable.clone(),
        stand_in: context.stand_ins.short(Some(&expected.model)),
    }
}

fn view(context: &Context, outcome: &Outcome, row: &Row) -> RowView {
    let expected = &outcome.expected;
    let known = |value: Option<f64>| value.map_or_else(|| style::UNKNOWN.to_owned(), style::metric);
    let differs = [row.differs.as_str(), row.stand_in.as_str()];
    let differs: Vec<&str> = differs
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect();
    RowView {
        model: context.label(Axis::Model, &expected.model).to_owned(),
        place: format!(
            "{}, {}",
            context.label(Axis::Dataset, &expected.dataset),
            context.label(Axis::Scenario, &expected.scenario)
        ),
        metric: expected.metric.title(),
        published: style::metric(expected.value),
        ours: known(outcome.found),
        difference: row
            .difference
            .map_or_else(|| style::UNKNOWN.to_owned(), style::signed),
        noise: row.half_width.map_or_else(
            || style::UNKNOWN.to_owned(),
            |width| format!("± {}", style::metric(width)),
        ),
        verdict: row.verdict.clone(),
        source: expected.source.clone(),
        differs: differs.join("; "),
    }
}

fn counts(rows: &[Row]) -> Counts {
    let count = |verdict: &str| rows.iter().filter(|row| row.verdict == verdict).count();
    Counts {
        published: rows.len(),
        within: count("within"),
        outside: count("outside"),
        not_comparable: count("not comparable"),
        missing: count("missing"),
    }
}

/// `to` as seen from the folder `from`; both are absolute.
fn relative(from: &Path, to: &Path) -> String {
    let (from, to): (Vec<_>, Vec<_>) = (from.components().collect(), to.components().collect());
    let shared = from
        .iter()
        .zip(&to)
        .take_while(|(one, other)| one == other)
        .count();
    let up = std::iter::repeat_n("..".to_owned(), from.len() - shared);
    let down = to[shared..]
        .iter()
        .map(|part| part.as_os_str().to_string_lossy().into_owned());
    Vec::from_iter(up.chain(down)).join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_seen_from_another_folder() {
        let seen = relative(Path::new("/r/paper/suite"), Path::new("/r/paper/table1"));
        assert_eq!(seen, "../table1");
        assert_eq!(relative(Path::new("/r/a"), Path::new("/r/b/c")), "../b/c");
    }
}
