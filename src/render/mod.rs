//! Figures, tables and the report, from a results folder alone: no store, no LibTorch, no clock, no network.
//!
//! Everything that is drawn is made in memory first, so that the same results always give the same bytes, and so that
//! [`stale`] can say which files on disk are not what the results would give.

mod answers;
mod costs;
pub mod escape;
pub mod figure;
#[cfg(test)]
pub(crate) mod fixture;
mod plots;
mod report;
mod results;
pub mod style;
pub mod table;
pub mod terminal;

use std::path::{Path, PathBuf};

use crate::fs::{self, FsError};
use crate::spec::config::{Figure, Table};
use figure::Drawn;
use results::Results;
use table::Grid;

/// Why nothing was rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A file of the results cannot be read or written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// `spec.toml` in the results folder is not a resolved spec.
    #[error("{0}")]
    Spec(String),
    /// `machine.toml` is not TOML.
    #[error("cannot read `{}`: {reason}", .path.display())]
    Machine {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Statistics could not be computed from the rows.
    #[error("{0}")]
    Answers(String),
    /// The report's template failed: a fault of this program.
    #[error("cannot fill the report's template: {0}")]
    Template(#[from] minijinja::Error),
}

/// A figure of the spec, drawn.
struct NamedFigure {
    name: String,
    title: String,
    drawn: Drawn,
}

/// A file to write: its path below the results folder and its bytes.
type Output = (PathBuf, Vec<u8>);

/// Renders a results folder anew and returns the paths of everything that belongs there. Files that are already right
/// are not touched; figures and tables that the spec no longer has are removed.
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

/// Renders in memory and returns the paths on disk that are missing, differ, or should not be there: empty when
/// `figures/`, `tables/` and `report.html` are what the results give. Nothing is written.
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
    let results = Results::read(folder)?;
    let figures = figures(&results)?;
    let tables = tables(&results)?;
    let report = report::html(&results, &figures, &tables)?;
    let mut outputs = Vec::new();
    for figure in figures {
        let file = |extension: &str| PathBuf::from(format!("figures/{}.{extension}", figure.name));
        outputs.push((file("svg"), figure.drawn.svg.into_bytes()));
        outputs.push((file("png"), figure.drawn.png));
        outputs.push((file("csv"), figure.drawn.csv));
    }
    for table in tables {
        let file = |extension: &str| PathBuf::from(format!("tables/{}.{extension}", table.name));
        outputs.push((file("md"), table.markdown().into_bytes()));
        outputs.push((file("tex"), table.latex().into_bytes()));
        outputs.push((file("csv"), table.csv()));
    }
    outputs.push((PathBuf::from("report.html"), report.into_bytes()));
    Ok(outputs)
}

/// The spec's figures, drawn.
fn figures(results: &Results) -> Result<Vec<NamedFigure>, RenderError> {
    let draw = |(name, figure): (&String, &Figure)| {
        Ok(NamedFigure {
            name: name.clone(),
            title: title_of(figure).to_owned(),
            drawn: plots::draw(results, figure)?,
        })
    };
    results.spec.figure.iter().map(draw).collect()
}

fn title_of(figure: &Figure) -> &str {
    match figure {
        Figure::Bars { title, .. } | Figure::Curves { title, .. } | Figure::Scatter { title, .. } => title,
    }
}

/// The spec's tables, filled.
fn tables(results: &Results) -> Result<Vec<Grid>, RenderError> {
    results.spec.table.iter().map(|(name, table)| grid(results, name, table)).collect()
}

fn grid(results: &Results, name: &str, table: &Table) -> Result<Grid, RenderError> {
    let colour = |model: &str| hex(style::colour_of(results.position(model)));
    Ok(match table {
        Table::Comparison { title, baseline, .. } => {
            let answer = answers::of_table(results, table)?;
            table::comparison::grid(name, title, &answer, baseline, colour)
        }
        Table::Cost { title } => table::cost::grid(name, title, results, colour),
        Table::Data { title } => table::counts::grid(name, title, results),
    })
}

fn hex((red, green, blue): style::Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// Files in `figures/` and `tables/` of the kinds that are written there, which no figure or table of the spec has.
fn leftovers(folder: &Path, outputs: &[Output]) -> Result<Vec<PathBuf>, RenderError> {
    let mut leftovers = Vec::new();
    for (below, kinds) in [("figures", ["svg", "png", "csv"]), ("tables", ["md", "tex", "csv"])] {
        for path in fs::list(&folder.join(below))? {
            let is_ours = path.extension().is_some_and(|kind| kinds.iter().any(|ours| kind == *ours));
            let is_wanted = outputs.iter().any(|(output, _)| folder.join(output) == path);
            if is_ours && !is_wanted {
                leftovers.push(path);
            }
        }
    }
    Ok(leftovers)
}
