//! Figures, tables and the report, from a results folder alone. No store, LibTorch, clock or
//! network is used.
//!
//! Everything is made in memory first. The same results always give the same bytes, and [`stale`]
//! can list the files on disk that differ.

mod colour;
pub mod escape;
pub mod figure;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod honesty;
mod report;
pub mod style;
pub mod suite;
pub mod table;
pub mod terminal;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::analysis::StandIns;
use crate::analysis::expected::{Outcome, outcomes};
use crate::analysis::summary::{Measurements, SummaryQuery, SummaryTable, summary};
use crate::experiment::config::outputs::Axis;
use crate::experiment::config::{Expected, Figure, Published};
use crate::results::{ReadError, Results, Statistics, file};
use allround_core::fs::{self, FsError};
use allround_core::models::Hue;
use figure::Drawn;

/// Why nothing was rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The results folder cannot be read.
    #[error("{0}")]
    Results(#[from] ReadError),
    /// A file cannot be read or written.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The report's template failed: a fault of this program.
    #[error("cannot fill the report's template: {0}")]
    Template(#[from] minijinja::Error),
}

/// What every figure and table is made from.
struct Context {
    results: Results,
    hues: BTreeMap<String, Hue>,
    /// Statements about numbers that are stand-ins.
    stand_ins: StandIns,
    /// Intervals and tests of all summaries so far.
    computed: RefCell<Statistics>,
}

impl Context {
    fn read(folder: &Path) -> Result<Self, RenderError> {
        let results = Results::read(folder)?;
        Ok(Context {
            hues: colour::of_models(&results),
            stand_ins: StandIns::of(&results),
            computed: RefCell::default(),
            results,
        })
    }

    /// Adds the column `stand_in` to a header and its rows, where anything is a stand-in.
    fn add_stand_in(&self, header: &mut Vec<String>, rows: &mut [Vec<String>]) {
        let model = header.iter().position(|name| name == "model");
        let short = |row: &Vec<String>| {
            let model = model.map(|at| row[at].as_str());
            self.stand_ins.short(model)
        };
        let texts: Vec<String> = rows.iter().map(short).collect();
        if texts.iter().any(|text| !text.is_empty()) {
            header.push("stand_in".to_owned());
            rows.iter_mut()
                .zip(texts)
                .for_each(|(row, text)| row.push(text));
        }
    }

    /// The outcome of each expected value: the single ones as in the file, then those of tables by
    /// data set and model in declared order.
    fn outcomes(&self) -> Vec<Outcome> {
        let results = &self.results;
        let spec = &results.spec;
        let mut published: Vec<Expected> = spec
            .published
            .values()
            .flat_map(Published::expected)
            .collect();
        published.sort_by_key(|value| {
            (
                results.place(Axis::Dataset, &value.dataset),
                results.position(&value.model),
            )
        });
        outcomes(
            &[spec.expected.clone(), published].concat(),
            &results.metrics,
        )
    }

    /// The colour of a model, which it has everywhere.
    fn hue(&self, model: &str) -> Hue {
        self.hues.get(model).copied().unwrap_or(Hue::Grey)
    }

    /// The same as `#RRGGBB`, on light paper.
    fn hex(&self, model: &str) -> String {
        colour::hex(colour::light(self.hue(model)))
    }

    /// What people read for a data set, model, variant or scenario: its label, or its name if it
    /// has none. Rows of CSV files keep the name.
    fn label<'a>(&'a self, axis: Axis, name: &'a str) -> &'a str {
        let section = match axis {
            Axis::Dataset => "dataset",
            Axis::Scenario => "scenario",
            Axis::Model => "model",
        };
        self.results.spec.label(section, name)
    }

    /// The summary that a table or figure shows: all models, and everything in declared order where
    /// the query names nothing.
    fn summary(&self, query: SummaryQuery) -> Result<SummaryTable, RenderError> {
        let results = &self.results;
        let or_all = |chosen: Vec<String>, all: &[String]| match chosen.is_empty() {
            true => all.to_vec(),
            false => chosen,
        };
        let declared = results.spec.protocol.get(&query.protocol);
        let metrics = match query.metrics.is_empty() {
            true => declared.map(|protocol| protocol.metrics.clone()),
            false => None,
        };
        let query = SummaryQuery {
            models: results.models.clone(),
            datasets: or_all(query.datasets, &results.datasets),
            scenarios: or_all(query.scenarios, &results.scenarios),
            metrics: metrics.unwrap_or(query.metrics),
            unranked: self.stand_ins.unranked(),
            ..query
        };
        let table = summary(Measurements::of(results), &query)?;
        table.add_to(&mut self.computed.borrow_mut());
        Ok(table)
    }
}

/// A figure of the spec, drawn.
struct NamedFigure {
    name: String,
    title: String,
    drawn: Drawn,
}

/// A file to write: its path below the results folder and its bytes.
type Output = (PathBuf, Vec<u8>);

/// Renders a results folder and returns the paths of everything that belongs there. Files that are
/// current are not touched. Figures and tables that the spec no longer has are removed.
///
/// # Errors
/// When the results cannot be read or a file cannot be written.
pub fn all(results: &Path) -> Result<Vec<PathBuf>, RenderError> {
    let outputs = outputs(results)?;
    for folder in ["figures", "tables"] {
        fs::create_dir_all(&results.join(folder))?;
    }
    for leftover in leftovers(results, &outputs)? {
        fs::remove_file(&leftover)?;
    }
    let mut paths = Vec::new();
    for (path, bytes) in outputs {
        let path = results.join(path);
        fs::write_if_changed(&path, &bytes)?;
        paths.push(path);
    }
    Ok(paths)
}

/// Renders in memory and returns the paths on disk that are missing, differ, or should not be
/// there. Compared are `figures/`, `tables/`, `intervals.csv`, `tests.csv` and `report.html`.
/// Nothing is written.
///
/// # Errors
/// When the results cannot be read.
pub fn stale(results: &Path) -> Result<Vec<PathBuf>, RenderError> {
    let outputs = outputs(results)?;
    let mut stale = leftovers(results, &outputs)?;
    for (path, bytes) in outputs {
        let path = results.join(path);
        if !path.exists() || fs::read(&path)? != bytes {
            stale.push(path);
        }
    }
    stale.sort();
    Ok(stale)
}

/// Everything that is derived from the results.
fn outputs(folder: &Path) -> Result<Vec<Output>, RenderError> {
    let context = Context::read(folder)?;
    let figures = figures(&context)?;
    let tables = tables(&context)?;
    let grids: Vec<table::Grid> = tables.iter().map(|table| table.grid.clone()).collect();
    let report = report::html(&context, &figures, &grids)?;
    let mut outputs = Vec::new();
    for figure in figures {
        let file = |extension: &str| PathBuf::from(format!("figures/{}.{extension}", figure.name));
        outputs.push((file("svg"), escape::shown(&figure.drawn.svg)));
        outputs.push((file("csv"), figure.drawn.csv));
    }
    for table in tables {
        let grid = table.grid;
        let file = |extension: &str| PathBuf::from(format!("tables/{}.{extension}", grid.name));
        outputs.push((file("md"), escape::shown(&grid.markdown())));
        outputs.push((file("tex"), escape::shown(&table.latex)));
        outputs.push((file("csv"), grid.csv()));
    }
    outputs.push((PathBuf::from("report.html"), escape::shown(&report)));
    let mut computed = context.computed.take();
    computed.mark(|name| context.stand_ins.short(Some(name)));
    let path = PathBuf::from("intervals.csv");
    let bytes = file::to_bytes(&path, &computed.interval_rows())?;
    outputs.push((path, bytes));
    let path = PathBuf::from("tests.csv");
    let bytes = file::to_bytes(&path, &computed.test_rows())?;
    outputs.push((path, bytes));
    Ok(outputs)
}

/// The spec's figures, drawn.
fn figures(context: &Context) -> Result<Vec<NamedFigure>, RenderError> {
    let draw = |(name, figure): (&String, &Figure)| {
        let mut figure = figure.clone();
        let title = figure.title_mut();
        *title = escape::one_line(&context.stand_ins.title(title));
        let title = title.clone();
        let mut drawn = figure::draw(context, &figure)?;
        drawn.csv = escape::with_columns(&drawn.csv, |header, rows| {
            context.add_stand_in(header, rows);
        });
        let name = name.clone();
        Ok(NamedFigure { name, title, drawn })
    };
    context.results.spec.figures().map(draw).collect()
}

/// The spec's tables, drawn.
fn tables(context: &Context) -> Result<Vec<table::Drawn>, RenderError> {
    let tables = context.results.spec.tables();
    tables
        .map(|(name, settings)| table::draw(context, name, settings))
        .collect()
}

/// Files in `figures/` and `tables/`, of the kinds that are written there, that belong to no figure
/// or table of the spec.
fn leftovers(folder: &Path, outputs: &[Output]) -> Result<Vec<PathBuf>, RenderError> {
    let mut leftovers = Vec::new();
    // A folder of an earlier version may have PNG files.
    for (below, kinds) in [
        ("figures", &["svg", "csv", "png"][..]),
        ("tables", &["md", "tex", "csv"]),
    ] {
        for path in fs::list(&folder.join(below))? {
            let is_ours = path
                .extension()
                .is_some_and(|kind| kinds.iter().any(|ours| kind == *ours));
            let is_wanted = outputs
                .iter()
                .any(|(output, _)| folder.join(output) == path);
            if is_ours && !is_wanted {
                leftovers.push(path);
            }
        }
    }
    Ok(leftovers)
}
