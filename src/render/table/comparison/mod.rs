//! Models against data sets, scenarios and metrics: best bold, second underlined, stars for
//! adjusted paired tests.

mod data;
mod notes;
#[cfg(test)]
mod tests;

use super::{Cell, Draft, Grid, Head, Mark, Row, Turn};
use crate::analysis::summary::{Place, State, Summary, SummaryQuery, SummaryRow, SummaryTable};
use crate::experiment::config::outputs::{Axis, ComparisonTable, Shown};
use crate::render::style::{self, UNKNOWN};
use crate::render::{Context, RenderError};
use allround_core::data::Part;

pub use notes::{IN_SMALL, MARKS};

/// What a comparison shows of a summary.
struct View<'a> {
    context: &'a Context,
    table: &'a SummaryTable,
    /// Name of the baseline; empty for none.
    baseline: &'a str,
    show: &'a [Shown],
    digits: u8,
    is_transposed: bool,
    /// Whether it is for a paper, whose notes are short.
    is_paper: bool,
    /// Numbers of seeds of the measured numbers.
    seeds: Seeds,
}

/// Numbers of seeds that numbers are means of.
#[derive(Clone, Copy)]
struct Seeds {
    fewest: usize,
    most: usize,
}

/// The grids of a comparison.
///
/// # Errors
/// When the statistics cannot be computed.
pub(super) fn draft(context: &Context, settings: &ComparisonTable) -> Result<Draft, RenderError> {
    let table = context.summary(query(settings))?;
    let grid = |show: &[Shown], is_paper: bool| {
        let view = View {
            context,
            table: &table,
            baseline: &settings.baseline,
            show,
            digits: settings.digits,
            is_transposed: settings.transposed,
            is_paper,
            seeds: Seeds::of(&table),
        };
        view.grid(&settings.title)
    };
    let choices = choices(settings);
    let most = choices.first().map_or(&Shown::ALL[..], Vec::as_slice);
    let paper = choices.iter().map(|show| Grid {
        comment: left_out(most, show),
        ..grid(show, true)
    });
    Ok(Draft {
        grid: grid(most, false),
        paper: paper.collect(),
        turn: match settings.transposed {
            true => Turn::Always,
            false => Turn::Never,
        },
        width: settings.width,
    })
}

/// The numbers that a comparison shows.
pub(in crate::render) fn query(settings: &ComparisonTable) -> SummaryQuery {
    SummaryQuery {
        protocol: settings.protocol.clone(),
        part: settings.split,
        metrics: settings.metrics.clone(),
        datasets: settings.datasets.clone(),
        scenarios: settings.scenarios.clone(),
        baseline: settings.baseline.clone(),
        ..SummaryQuery::default()
    }
}

/// What may be shown in LaTeX: everything, or less if it does not fit.
fn choices(settings: &ComparisonTable) -> Vec<Vec<Shown>> {
    if !settings.show.is_empty() {
        return vec![settings.show.clone()];
    }
    let without = |left_out: &[Shown]| {
        let parts = Shown::ALL.into_iter();
        parts.filter(|part| !left_out.contains(part)).collect()
    };
    // Without a baseline, changes are a row and take no width.
    match settings.baseline.is_empty() {
        true => vec![without(&[]), without(&[Shown::Deviation])],
        false => vec![
            without(&[]),
            without(&[Shown::Change]),
            without(&[Shown::Change, Shown::Deviation]),
        ],
    }
}

fn left_out(all: &[Shown], show: &[Shown]) -> String {
    let missing = all.iter().filter(|part| !show.contains(part));
    let names: Vec<String> = missing.map(Shown::to_string).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!(
            "Left out because the table would be wider than a page: {}. The setting `show` chooses.",
            style::list(&names)
        ),
    }
}

/// The tables of a report whose experiment has no comparison: one for each protocol and part of the
/// split.
///
/// # Errors
/// When the statistics cannot be computed.
pub(in crate::render) fn defaults(context: &Context) -> Result<Vec<Grid>, RenderError> {
    let grid = |(protocol, part): (&String, Part)| {
        let split = match part {
            Part::Test => "",
            Part::Valid => ", validation",
        };
        let settings = ComparisonTable {
            title: format!("All models under protocol {protocol}{split}"),
            metrics: Vec::new(),
            protocol: protocol.clone(),
            split: part,
            datasets: Vec::new(),
            scenarios: Vec::new(),
            baseline: String::new(),
            show: Vec::new(),
            digits: 4,
            transposed: false,
            width: Default::default(),
        };
        Ok(draft(context, &settings)?.grid.marked(context))
    };
    let protocols = context.results.spec.protocol.iter();
    protocols
        .flat_map(|(name, protocol)| protocol.splits.iter().map(move |&part| (name, part)))
        .map(grid)
        .collect()
}

impl Seeds {
    fn of(table: &SummaryTable) -> Self {
        let summaries = table.rows.iter().flat_map(|row| &row.summaries);
        let measured = summaries.filter(|summary| summary.mean.is_some());
        let counts: Vec<usize> = measured.map(|summary| summary.seeds.len()).collect();
        Seeds {
            fewest: counts.iter().copied().min().unwrap_or(0),
            most: counts.iter().copied().max().unwrap_or(0),
        }
    }
}

impl View<'_> {
    fn grid(&self, title: &str) -> Grid {
        let row = |row: &SummaryRow| {
            let cells = row.summaries.iter().map(|summary| self.cell(summary));
            Row::of_model(self.context, &row.name, cells.collect())
        };
        let mut rows: Vec<Row> = self.table.rows.iter().map(row).collect();
        rows.extend(self.improvements());
        Grid {
            title: title.to_owned(),
            notes: self.notes(),
            header: self.header(),
            rows,
            data: data::data(self.table),
            ..Grid::default()
        }
    }

    fn shows(&self, part: Shown) -> bool {
        self.show.contains(&part)
    }

    fn dataset(&self, column: usize) -> &str {
        let name = &self.table.columns[column].dataset;
        self.context.label(Axis::Dataset, name)
    }

    fn scenario(&self, column: usize) -> &str {
        let name = &self.table.columns[column].scenario;
        self.context.label(Axis::Scenario, name)
    }

    /// Data set, scenario, number of users and metric, each line spanning what is below it. A data
    /// set or scenario that is the same everywhere is in the notes.
    fn header(&self) -> Vec<Vec<Head>> {
        let columns = self.table.columns.len();
        let mut lines = Vec::new();
        let both = |index: usize| (self.dataset(index), self.scenario(index));
        if (1..columns).any(|index| self.dataset(index) != self.dataset(0)) {
            lines.push(spans(
                columns,
                |index| self.dataset(index),
                |index| self.dataset(index).to_owned(),
            ));
        }
        if (1..columns).any(|index| self.scenario(index) != self.scenario(0)) {
            lines.push(spans(columns, both, |index| {
                self.scenario(index).to_owned()
            }));
        }
        let users: Vec<Option<String>> =
            (0..columns).map(|index| users(self.table, index)).collect();
        if users.iter().any(Option::is_some) {
            let text = |index: usize| users[index].clone().unwrap_or_default();
            lines.push(spans(columns, |index| (both(index), text(index)), text));
        }
        let metrics = self
            .table
            .columns
            .iter()
            .map(|column| column.metric.title());
        let mut last = vec![Head::text("Model")];
        last.extend(metrics.map(Head::number));
        lines.push(last);
        lines
    }

    fn cell(&self, summary: &Summary) -> Cell {
        let Some(mean) = summary.mean else {
            let text = match summary.state {
                State::Failed => "failed",
                State::Empty => "no users",
                State::Missing | State::Measured | State::Partial => UNKNOWN,
            };
            return Cell {
                text: text.to_owned(),
                ..Cell::default()
            };
        };
        let digits = usize::from(self.digits);
        let change = summary
            .against
            .as_ref()
            .and_then(|against| against.improvement)
            .filter(|_| self.shows(Shown::Change) && !self.baseline.is_empty())
            .map(style::percent);
        let deviation = summary.sd.filter(|_| self.shows(Shown::Deviation));
        let mut spread: Vec<String> = Vec::new();
        spread.extend(deviation.map(|sd| format!("± {sd:.digits$}")));
        let n_seeds = summary.seeds.len();
        spread.extend((n_seeds < self.seeds.most).then(|| format!("({n_seeds})")));
        let (text, remark) = match self.shows(Shown::Mean) {
            true => (format!("{mean:.digits$}"), change.unwrap_or_default()),
            false => (change.unwrap_or(UNKNOWN.to_owned()), String::new()),
        };
        Cell {
            text,
            spread: spread.join(" "),
            remark,
            value: Some(mean),
            mark: match summary.place {
                Place::Best => Mark::Best,
                Place::Second => Mark::Second,
                Place::Other => Mark::None,
            },
            star: self.is_starred(summary),
            is_text: false,
        }
    }

    /// A star means better or worse than what it is tested against, by the adjusted test.
    fn is_starred(&self, summary: &Summary) -> bool {
        let test = summary
            .against
            .as_ref()
            .and_then(|against| against.test.as_ref());
        self.shows(Shown::Star) && test.is_some_and(|test| test.is_significant(self.table.alpha))
    }

    /// Without a named baseline: how far the best of each column is above the second best.
    fn improvements(&self) -> Option<Row> {
        let rows = &self.table.rows;
        if !self.shows(Shown::Change) || !self.baseline.is_empty() || rows.len() < 2 {
            return None;
        }
        let best = |column: usize| {
            let summaries = rows.iter().map(move |row| &row.summaries[column]);
            let improvement = |summary: &Summary| {
                summary
                    .against
                    .as_ref()
                    .and_then(|against| against.improvement)
            };
            summaries
                .filter(|summary| summary.place == Place::Best)
                .find_map(improvement)
        };
        let columns = 0..self.table.columns.len();
        let cells = columns.map(|column| Cell::number(best(column), style::percent));
        Some(Row {
            name: "Best over second".to_owned(),
            is_summary: true,
            cells: cells.collect(),
            ..Row::default()
        })
    }
}

/// The users of a column: `n = 3,285`, or `n = 58 to 60` where rows differ. `None` where no row has
/// a number.
fn users(table: &SummaryTable, column: usize) -> Option<String> {
    let measured = || measured_users(table, column);
    let mut summaries = table.rows.iter().map(|row| &row.summaries[column]);
    if measured().next().is_none() && summaries.any(|summary| summary.state == State::Empty) {
        return Some("n = 0".to_owned());
    }
    let (fewest, most) = (measured().min()?, measured().max()?);
    Some(match fewest == most {
        true => format!("n = {}", style::count(most)),
        false => format!("n = {} to {}", style::count(fewest), style::count(most)),
    })
}

/// Users of each number of a column.
fn measured_users(table: &SummaryTable, column: usize) -> impl Iterator<Item = u64> {
    let summaries = table.rows.iter().map(move |row| &row.summaries[column]);
    summaries
        .filter(|summary| summary.mean.is_some())
        .filter_map(|summary| summary.n_users)
}

/// Neighbouring columns with equal keys under one head.
fn spans<K: PartialEq>(
    columns: usize,
    key: impl Fn(usize) -> K,
    text: impl Fn(usize) -> String,
) -> Vec<Head> {
    let mut heads = vec![Head::text("")];
    for index in 0..columns {
        match heads.last_mut() {
            Some(head) if index > 0 && key(index) == key(index - 1) => head.span += 1,
            _ => heads.push(Head::over(text(index), 1)),
        }
    }
    heads
}
