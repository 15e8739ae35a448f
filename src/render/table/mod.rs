//! Tables: settings and results in; Markdown, LaTeX, CSV and the report's HTML out. One file for
//! each kind and each format.

pub mod answers;
pub mod comparison;
pub mod conversations;
pub mod cost;
pub mod counts;
pub mod equal;
mod fit;
mod latex;
pub mod lists;
mod markdown;
pub mod search;
mod transpose;

use serde::Serialize;

use super::{Context, RenderError, escape};
use crate::experiment::config::Table;
use crate::experiment::config::outputs::{Axis, TableWidth};

/// A drawn table.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// What Markdown, CSV, the report and the terminal show.
    pub grid: Grid,
    /// The LaTeX file.
    pub latex: String,
}

/// What a kind of table makes of its settings.
struct Draft {
    /// What Markdown, CSV, the report and the terminal show.
    grid: Grid,
    /// What LaTeX may show: the first that fits.
    paper: Vec<Grid>,
    turn: Turn,
    width: TableWidth,
}

/// Whether rows and columns change places.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Never,
    Always,
    /// In LaTeX, where only that fits.
    ToFit,
}

/// Draws one table of the experiment.
///
/// # Errors
/// When the statistics cannot be computed.
pub(super) fn draw(context: &Context, name: &str, table: &Table) -> Result<Drawn, RenderError> {
    let draft = match table {
        Table::Comparison(settings) => comparison::draft(context, settings)?,
        Table::Cost(settings) => Draft::of(cost::grid(context, settings)),
        Table::Equal(settings) => Draft::of(equal::grid(context, settings)),
        Table::Answers(settings) => Draft::of(answers::grid(context, settings)),
        Table::Data(settings) => Draft::of(counts::grid(context, settings)),
        Table::Lists(settings) => Draft::of(lists::grid(context, settings)),
        Table::Search(settings) => Draft::of(search::grid(context, settings)),
    };
    Ok(draft.finished(context, name))
}

impl Draft {
    /// The same in every format; in LaTeX it may be transposed.
    fn of(grid: Grid) -> Self {
        Draft {
            paper: vec![grid.clone()],
            grid,
            turn: Turn::ToFit,
            width: TableWidth::Auto,
        }
    }

    fn finished(self, context: &Context, name: &str) -> Drawn {
        let finish = |mut grid: Grid| {
            grid.name = name.to_owned();
            grid.title = match grid.title.is_empty() {
                true => name.to_owned(),
                false => escape::one_line(&grid.title),
            };
            let grid = grid.marked(context);
            match self.turn {
                Turn::Always => grid.transposed(),
                Turn::Never | Turn::ToFit => grid,
            }
        };
        let mut paper: Vec<Grid> = self.paper.into_iter().map(finish).collect();
        if self.turn == Turn::ToFit {
            paper.extend(paper.last().map(Grid::transposed));
        }
        let spec = &context.results.spec;
        let parts = [&*spec.name, &*spec.profile, name];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Drawn {
            grid: finish(self.grid),
            latex: latex::write(&fit::layout(&paper, self.width), &parts.join("-")),
        }
    }
}

/// A table as every format shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Grid {
    /// Name in the spec, and of its files; empty for a table that the report adds.
    pub name: String,
    /// Caption.
    pub title: String,
    /// Sentences below: what the marks mean, which test was used, what is missing.
    pub notes: Vec<String>,
    /// What a reader of the LaTeX file should know, for a comment in it.
    #[serde(skip)]
    pub comment: String,
    /// Header lines; a cell may span several columns. The first cell of each is above the names.
    pub header: Vec<Vec<Head>>,
    /// Body.
    pub rows: Vec<Row>,
    /// The same numbers in full precision, tidy: a header, and a row a number.
    #[serde(skip)]
    pub data: (Vec<String>, Vec<Vec<String>>),
}

/// A header cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Head {
    /// Its text.
    pub text: String,
    /// Columns that it spans.
    pub span: usize,
    /// Whether its column holds texts, which are not aligned to the right.
    pub is_text: bool,
}

/// A body row.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Row {
    /// Name of the model that it is about; empty for other rows.
    #[serde(skip)]
    pub model: String,
    /// What the first column shows: the label of the model, or another name.
    pub name: String,
    /// Colour of the model, `#rrggbb`; empty for other rows.
    pub colour: String,
    /// Whether it sums up the rows above it.
    pub is_summary: bool,
    /// The cells after the first.
    pub cells: Vec<Cell>,
}

/// A body cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cell {
    /// What people read.
    pub text: String,
    /// The deviation of the number, with its sign `±`; may be empty.
    pub spread: String,
    /// A note in smaller letters, such as the change against the baseline; may be empty.
    pub remark: String,
    /// What the report sorts by; `None` sorts last.
    pub value: Option<f64>,
    /// Rank in its column.
    pub mark: Mark,
    /// Whether the difference is significant by the test that the notes name.
    pub star: bool,
    /// Whether it is a text, not a number.
    pub is_text: bool,
}

/// Rank of a number in its column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Neither of the two.
    #[default]
    None,
    /// The best: bold.
    Best,
    /// The second best: underlined.
    Second,
}

impl Head {
    /// A header over one column of numbers.
    pub fn number(text: impl Into<String>) -> Self {
        Head {
            text: text.into(),
            span: 1,
            is_text: false,
        }
    }

    /// A header over one column of texts.
    pub fn text(text: impl Into<String>) -> Self {
        Head {
            is_text: true,
            ..Head::number(text)
        }
    }

    /// A header over several columns.
    pub fn over(text: impl Into<String>, span: usize) -> Self {
        Head {
            span,
            ..Head::number(text)
        }
    }
}

impl Row {
    /// A row about a model, with its label and colour.
    pub(in crate::render) fn of_model(context: &Context, model: &str, cells: Vec<Cell>) -> Self {
        Row {
            model: model.to_owned(),
            name: context.label(Axis::Model, model).to_owned(),
            colour: context.hex(model),
            is_summary: false,
            cells,
        }
    }
}

impl Cell {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Cell {
            text: text.into(),
            is_text: true,
            ..Cell::default()
        }
    }

    /// Text and deviation.
    pub fn reading(&self) -> String {
        match self.spread.as_str() {
            "" => self.text.clone(),
            spread => format!("{} {spread}", self.text),
        }
    }

    /// A number with its reading for people; a dash when it is not known.
    pub fn number(value: Option<f64>, reading: impl Fn(f64) -> String) -> Self {
        Cell {
            text: value.map_or_else(|| super::style::UNKNOWN.to_owned(), reading),
            value,
            ..Cell::default()
        }
    }
}

impl Grid {
    /// The same with marks of stand-ins in the title, the notes, the names and the CSV file.
    pub(in crate::render) fn marked(mut self, context: &Context) -> Self {
        let stand_ins = &context.stand_ins;
        self.title = stand_ins.title(&self.title);
        if let Some(sentence) = stand_ins.sentence() {
            self.notes.insert(0, sentence);
        }
        let models = self.rows.iter().map(|row| row.model.as_str());
        let notes = stand_ins.notes(models).into_iter().map(str::to_owned);
        self.notes.extend(notes);
        for row in &mut self.rows {
            row.name = stand_ins.marked(&row.model, &row.name);
        }
        let (header, rows) = &mut self.data;
        context.add_stand_in(header, rows);
        self
    }

    /// The Markdown file.
    pub fn markdown(&self) -> String {
        markdown::write(self)
    }

    /// The CSV file.
    pub fn csv(&self) -> Vec<u8> {
        escape::csv(self.data.0.iter().cloned(), &self.data.1)
    }

    /// Number of columns of names and texts at the left, which belong to every part of the table.
    fn leading(&self) -> usize {
        let last = self.header.last().map(Vec::as_slice).unwrap_or_default();
        1 + last.iter().skip(1).take_while(|head| head.is_text).count()
    }

    /// Number of columns, that of the names included.
    pub fn width(&self) -> usize {
        let heads = self
            .header
            .last()
            .map_or(0, |line| line.iter().map(|head| head.span).sum());
        heads.max(
            self.rows
                .iter()
                .map(|row| row.cells.len() + 1)
                .max()
                .unwrap_or(0),
        )
    }
}
