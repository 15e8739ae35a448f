//! Figures, tables and the report, from a results folder alone: no store, no LibTorch, no clock, no network.
//!
//! Everything that is drawn is made in memory first, so that the same results always give the same bytes, and so that
//! [`stale`] can say which files on disk are not what the results would give.

mod colour;
pub mod escape;
pub mod figure;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod honesty;
mod plots;
mod report;
pub mod style;
pub mod table;
pub mod terminal;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::analysis::StandIns;
use crate::analysis::summary::{SummaryQuery, SummaryTable, summary};
use crate::experiment::config::{Figure, Table};
use crate::results::{ReadError, Results};
use allround_core::fs::{self, FsError};
use figure::Drawn;
use style::{Colour, QUIET};
use table::Grid;

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
    colours: BTreeMap<String, Colour>,
    /// What the numbers stand in for.
    stand_ins: StandIns,
}

impl Context {
    fn read(folder: &Path) -> Result<Self, RenderError> {
        let results = Results::read(folder)?;
        Ok(Context {
            colours: colour::assign(&results.models),
            stand_ins: StandIns::of(&results),
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

    /// The colour of a model, which it has everywhere.
    fn colour(&self, model: &str) -> Colour {
        self.colours.get(model).copied().unwrap_or(QUIET)
    }

    /// The same as `#rrggbb`.
    fn hex(&self, model: &str) -> String {
        let (red, green, blue) = self.colour(model);
        format!("#{red:02x}{green:02x}{blue:02x}")
    }

    /// The summary that a table or figure shows, of all models.
    fn summary(&self, query: SummaryQuery) -> Result<SummaryTable, RenderError> {
        let results = &self.results;
        let query = SummaryQuery {
            models: results.models.clone(),
            unranked: self.stand_ins.unranked(),
            ..query
        };
        Ok(summary(&results.folder, &results.metrics, &query)?)
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
    let context = Context::read(folder)?;
    let figures = figures(&context)?;
    let tables = tables(&context)?;
    let report = report::html(&context, &figures, &tables)?;
    let mut outputs = Vec::new();
    for figure in figures {
        let file = |extension: &str| PathBuf::from(format!("figures/{}.{extension}", figure.name));
        outputs.push((file("svg"), escape::shown(&figure.drawn.svg)));
        outputs.push((file("png"), figure.drawn.png));
        outputs.push((file("csv"), figure.drawn.csv));
    }
    for table in tables {
        let file = |extension: &str| PathBuf::from(format!("tables/{}.{extension}", table.name));
        outputs.push((file("md"), escape::shown(&table.markdown())));
        outputs.push((file("tex"), escape::shown(&table.latex())));
        outputs.push((file("csv"), table.csv()));
    }
    outputs.push((PathBuf::from("report.html"), escape::shown(&report)));
    Ok(outputs)
}

/// The spec's figures, drawn.
fn figures(context: &Context) -> Result<Vec<NamedFigure>, RenderError> {
    let draw = |(name, figure): (&String, &Figure)| {
        let mut figure = figure.clone();
        let title = plots::title_of(&mut figure);
        *title = escape::one_line(&context.stand_ins.title(title));
        let title = title.clone();
        let mut drawn = plots::draw(context, &figure)?;
        drawn.csv = escape::with_columns(&drawn.csv, |header, rows| {
            context.add_stand_in(header, rows);
        });
        let name = name.clone();
        Ok(NamedFigure { name, title, drawn })
    };
    context.results.spec.figure.iter().map(draw).collect()
}

/// The spec's tables, filled.
fn tables(context: &Context) -> Result<Vec<Grid>, RenderError> {
    let tables = context.results.spec.table.iter();
    tables
        .map(|(name, table)| grid(context, name, table))
        .collect()
}

fn grid(context: &Context, name: &str, table: &Table) -> Result<Grid, RenderError> {
    let mut grid = raw_grid(context, name, table)?;
    grid.title = match grid.title.is_empty() {
        true => name.to_owned(),
        false => escape::one_line(&grid.title),
    };
    Ok(grid.marked(context))
}

fn raw_grid(context: &Context, name: &str, table: &Table) -> Result<Grid, RenderError> {
    Ok(match table {
        Table::Comparison {
            title,
            metrics,
            protocol,
            split,
            datasets,
            scenarios,
            baseline,
        } => {
            let summary = context.summary(SummaryQuery {
                protocol: protocol.clone(),
                part: *split,
                metrics: metrics.clone(),
                datasets: datasets.clone(),
                scenarios: scenarios.clone(),
                baseline: baseline.clone(),
                ..SummaryQuery::default()
            })?;
            let colour = |model: &str| context.hex(model);
            table::comparison::grid(name, title, &summary, baseline, colour)
        }
        Table::Cost {
            title,
            batch,
            published,
        } => table::cost::grid((name, title), (*batch, published), context),
        Table::Answers { title, split } => table::answers::grid((name, title), *split, context),
        Table::Data { title } => table::counts::grid(name, title, &context.results),
    })
}

/// Files in `figures/` and `tables/` of the kinds that are written there, which no figure or table of the spec has.
fn leftovers(folder: &Path, outputs: &[Output]) -> Result<Vec<PathBuf>, RenderError> {
    let mut leftovers = Vec::new();
    for (below, kinds) in [
        ("figures", ["svg", "png", "csv"]),
        ("tables", ["md", "tex", "csv"]),
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

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;

    fn text(folder: &Path, file: &str) -> String {
        fs::read_to_string(&folder.join(file)).unwrap()
    }

    /// The fixture, rendered once for all tests that only look at it, where `scripts/check-report.sh` finds it too.
    fn rendered() -> &'static Path {
        static FOLDER: OnceLock<PathBuf> = OnceLock::new();
        let render = || {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/report-fixture");
            fixture::write(&folder);
            all(&folder).unwrap();
            folder
        };
        FOLDER.get_or_init(render)
    }

    /// The fixture without ranks, which spares the tests' time: means without intervals.
    fn without_ranks() -> tempfile::TempDir {
        let folder = fixture::results();
        fs::remove_dir_all(&folder.path().join("ranks")).unwrap();
        folder
    }

    #[test]
    fn rendering_twice_gives_the_same_bytes() {
        let again = fixture::results();
        for path in all(again.path()).unwrap() {
            let other = rendered().join(path.strip_prefix(again.path()).unwrap());
            assert_eq!(
                fs::read(&path).unwrap(),
                fs::read(&other).unwrap(),
                "{}",
                path.display()
            );
        }
    }

    #[test]
    fn rendered_results_are_not_stale() {
        let folder = without_ranks();
        assert_eq!(all(folder.path()).unwrap().len(), 4 * 3 + 4 * 3 + 1);
        assert_eq!(stale(folder.path()).unwrap(), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_changed_missing_or_leftover_file_is_stale_and_is_put_right() {
        let folder = without_ranks();
        all(folder.path()).unwrap();
        let changed = folder.path().join("tables/main.md");
        let missing = folder.path().join("figures/quality.png");
        let leftover = folder.path().join("figures/gone.svg");
        let mine = folder.path().join("figures/notes.txt");
        fs::write_atomic(&changed, b"x").unwrap();
        fs::remove_file(&missing).unwrap();
        fs::write_atomic(&leftover, b"x").unwrap();
        fs::write_atomic(&mine, b"x").unwrap();
        assert_eq!(
            stale(folder.path()).unwrap(),
            [leftover.clone(), missing, changed]
        );
        all(folder.path()).unwrap();
        assert!(stale(folder.path()).unwrap().is_empty() && !leftover.exists() && mine.exists());
    }

    #[test]
    fn no_text_from_data_becomes_markup_in_the_report() {
        let folder = rendered();
        let report = text(folder, "report.html");
        assert_eq!(
            report.matches("<script").count(),
            1,
            "only the report's own script"
        );
        assert!(!report.contains("alert('x')</script>") && !report.contains("href=\"javascript"));
        assert!(report.contains("&lt;script&gt;alert("));
        assert!(report.contains("loss is NaN at step 17"));
        for verdict in ["within", "outside", "missing", "not comparable"] {
            assert!(report.contains(&format!(">{verdict}</span>")), "{verdict}");
        }
        // Nothing is loaded: the only addresses are relative links and the SVG's name space.
        let foreign = report.replace("http://www.w3.org/2000/svg", "");
        assert!(!foreign.contains("http://") && !foreign.contains("https://"));
    }

    #[test]
    fn latex_tables_have_balanced_braces_and_as_many_cells_in_every_row() {
        let folder = rendered();
        for name in ["main", "best", "cost", "data"] {
            let tex = text(folder, &format!("tables/{name}.tex"));
            let bare = tex.replace("\\{", "").replace("\\}", "").replace("\\&", "");
            assert_eq!(
                bare.matches('{').count(),
                bare.matches('}').count(),
                "{tex}"
            );
            let columns = columns_of(&tex);
            for line in bare.lines().filter(|line| line.ends_with("\\\\")) {
                assert_eq!(cells_of(line), columns, "{name}: {line}");
            }
        }
    }

    fn columns_of(tex: &str) -> usize {
        let start = tex.split("\\begin{tabular}{").nth(1).unwrap();
        start.split('}').next().unwrap().len()
    }

    /// Cells of a row, a `\multicolumn` counted as what it spans.
    fn cells_of(line: &str) -> usize {
        let spans = line.split("\\multicolumn{").skip(1);
        let more: usize = spans
            .map(|rest| rest.split('}').next().unwrap().parse::<usize>().unwrap() - 1)
            .sum();
        line.matches('&').count() + 1 + more
    }

    #[test]
    fn markdown_tables_have_as_many_cells_in_every_row() {
        let folder = rendered();
        let markdown = text(folder, "tables/main.md").replace("\\|", "");
        let rows: Vec<usize> = markdown
            .lines()
            .filter(|line| line.starts_with('|'))
            .map(|line| line.matches('|').count())
            .collect();
        assert!(
            rows.len() > 5 && rows.iter().all(|&bars| bars == rows[0]),
            "{markdown}"
        );
        assert!(
            markdown.contains("**") && markdown.contains("<u>") && !markdown.contains("<script")
        );
    }

    #[test]
    fn missing_ranks_are_told_in_the_report_and_below_every_table_that_would_have_intervals() {
        let words = "The per-user ranks of every cell are missing (folder ranks)";
        let intervals = "Intervals: 95 % percentile bootstrap";
        let folder = without_ranks();
        all(folder.path()).unwrap();
        let count =
            |folder: &Path, file: &str, words: &str| text(folder, file).matches(words).count();
        // A banner, and a note below each of the two comparisons.
        let report = text(folder.path(), "report.html");
        assert!(report.contains(&format!("<p class=\"banner\" role=\"note\">{words}")));
        assert_eq!(report.matches(words).count(), 3);
        for (file, is_comparison) in [("main", 1), ("best", 1), ("cost", 0), ("data", 0)] {
            let file = format!("tables/{file}.md");
            let told = |folder: &Path| [words, intervals].map(|words| count(folder, &file, words));
            assert_eq!(told(folder.path()), [is_comparison, 0], "{file}");
            assert_eq!(told(rendered()), [0, is_comparison], "{file}");
        }
        assert_eq!(count(rendered(), "report.html", words), 0);
        let look = terminal::Look {
            width: 200,
            styled: false,
        };
        assert!(
            terminal::summary(folder.path(), look)
                .unwrap()
                .contains(words)
        );
        let absence = Results::read(folder.path()).unwrap().without_ranks();
        assert!(absence.unwrap().starts_with(words));
    }

    #[test]
    fn the_cost_table_tells_which_models_ran_alone() {
        let folder = without_ranks();
        let spec = text(folder.path(), "spec.toml");
        let note = |alone: &str| {
            let (old, new) = ("alone = false", format!("alone = {alone}"));
            assert!(spec.contains(old));
            let spec = spec.replacen(old, &new, 1);
            fs::write_atomic(&folder.path().join("spec.toml"), spec.as_bytes()).unwrap();
            all(folder.path()).unwrap();
            text(folder.path(), "tables/cost.md")
        };
        let plain = note("false");
        assert!(!plain.contains("ran alone") && !plain.contains("one at a time"));
        assert_eq!(note("[]"), plain);
        assert!(note("true").contains("Stages that this run made itself ran one at a time."));
        let some = note("[\"sasrec\", \"popularity\"]");
        assert!(
            some.contains("the stages of popularity and sasrec ran alone"),
            "{some}"
        );
    }

    #[test]
    fn the_cost_table_shows_published_times_beside_the_measured_ones() {
        let folder = without_ranks();
        let table = |name: &str| {
            all(folder.path()).unwrap();
            text(folder.path(), &format!("tables/cost.{name}"))
        };
        assert!(!table("md").to_lowercase().contains("published:"));
        let spec = text(folder.path(), "spec.toml");
        let old = "[table.cost.cost]";
        assert!(spec.contains(old));
        let new = "[table.cost.cost]\npublished = [{ model = \"sasrec\", train_seconds = 13950.0, \
                   evaluate_seconds = 1.98, source = \"A paper, table 10\" }]";
        // What the file says of it already would be said twice.
        let spec = spec
            .replacen(old, new, 1)
            .replace("\npublished = [] # default", "");
        fs::write_atomic(&folder.path().join("spec.toml"), spec.as_bytes()).unwrap();
        let told = table("md");
        assert!(told.contains("Published: A paper, table 10. "), "{told}");
        let of = |model: &str| {
            let row = told
                .lines()
                .find(|line| line.starts_with(&format!("| {model} | toys")));
            row.unwrap().to_owned()
        };
        // Each right of what it is compared with.
        let heads = "| Training | Training, published | Sequences/s | Evaluation/user | \
                     Evaluation of a batch, published |";
        assert!(told.contains(heads), "{told}");
        assert!(of("sasrec").contains(" s | 3 h 53 min | "), "{told}");
        assert!(of("sasrec").contains(" µs | 1.98 s | "), "{told}");
        assert!(of("gru4rec").contains(" s | – | "), "{told}");
        let csv = table("csv");
        assert!(
            csv.lines()
                .any(|line| line.starts_with("sasrec,toys") && line.contains(",13950,1.98"))
        );
    }

    #[test]
    fn a_run_without_results_is_named_with_its_file() {
        let folder = tempfile::TempDir::new().unwrap();
        let error = all(folder.path()).unwrap_err().to_string();
        assert!(error.contains("spec.toml"), "{error}");
    }

    #[test]
    fn the_terminal_table_fits_any_width_and_names_failures() {
        let folder = without_ranks();
        for width in [60, 100, 200] {
            let look = terminal::Look {
                width,
                styled: false,
            };
            let text = terminal::summary(folder.path(), look).unwrap();
            let table_lines = text
                .lines()
                .filter(|line| line.contains('─') || line.contains("0."));
            for line in table_lines {
                assert!(
                    line.chars().count() <= usize::from(width),
                    "{width}: {line}"
                );
            }
            assert!(
                text.contains("cells failed") && text.contains('^') && !text.contains('\u{1b}'),
                "{text}"
            );
        }
    }
}
