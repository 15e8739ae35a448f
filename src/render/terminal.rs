//! Comparison tables for a terminal: readable without colour, never wider than the given width.

use std::path::Path;

use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Table, presets};

use super::escape::one_line;
use super::table::{self, Cell as GridCell, Grid, Head, Mark, comparison};
use super::{Context, RenderError};
use crate::results::Results;

/// How a summary is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns of the terminal.
    pub width: u16,
    /// Whether the best may be shown in bold; marks say the same without it.
    pub styled: bool,
}

/// The comparison tables of a results folder and the number of failed cells, as `run` and `show`
/// print them. Best values are followed by `^`, second best by `'`, starred ones by `*`.
///
/// # Errors
/// When the results cannot be read.
pub fn summary(folder: &Path, look: Look) -> Result<String, RenderError> {
    let context = Context::read(folder)?;
    let mut parts = Vec::new();
    for (name, settings) in &context.results.spec.table {
        if settings.kind() == "comparison" {
            parts.push(text(&table::draw(&context, name, settings)?.grid, look));
        }
    }
    parts.extend(failures(&context.results));
    Ok(parts.join("\n"))
}

/// One grid as text. Columns that do not fit the terminal follow below.
pub fn text(grid: &Grid, look: Look) -> String {
    let mut parts = vec![one_line(&grid.title)];
    let mut first = 0;
    let last = grid.width().saturating_sub(1);
    while first < last {
        // As many columns as fit; at least one, which is then wrapped.
        let fits = |count: &usize| natural_width(grid, first, *count) <= usize::from(look.width);
        let count = (1..=last - first).rev().find(fits).unwrap_or(1);
        parts.push(block(grid, first, count, look).to_string());
        first += count;
    }
    // There is no space for changes against the baseline.
    let notes = grid
        .notes
        .iter()
        .filter(|note| !note.starts_with(comparison::IN_SMALL));
    parts.extend(notes.map(|note| {
        let note = note.replace(comparison::MARKS, "^ best, ' second best");
        wrap(&one_line(&note), usize::from(look.width))
    }));
    parts.push(String::new());
    parts.join("\n")
}

fn natural_width(grid: &Grid, first: usize, count: usize) -> usize {
    let mut table = block(
        grid,
        first,
        count,
        Look {
            width: u16::MAX,
            styled: false,
        },
    );
    table.set_content_arrangement(ContentArrangement::Disabled);
    table
        .lines()
        .map(|line| line.chars().count())
        .max()
        .unwrap_or(0)
}

fn block(grid: &Grid, first: usize, count: usize, look: Look) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(look.width);
    if look.styled {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    let shown = |column: usize| column == 0 || (column > first && column <= first + count);
    let heads = heads(grid);
    table.set_header(
        heads
            .into_iter()
            .enumerate()
            .filter(|(column, _)| shown(*column))
            .map(|(_, head)| head),
    );
    for row in &grid.rows {
        let mut cells = vec![Cell::new(one_line(&row.name))];
        let columns = row
            .cells
            .iter()
            .enumerate()
            .filter(|(column, _)| shown(column + 1));
        cells.extend(columns.map(|(_, cell)| body(cell, look)));
        table.add_row(cells);
    }
    table
}

/// The header lines of the grid, one under another in each column's head.
fn heads(grid: &Grid) -> Vec<Cell> {
    let mut texts = vec![Vec::new(); grid.width()];
    for line in &grid.header {
        let spread = line
            .iter()
            .flat_map(|head: &Head| std::iter::repeat_n(head, head.span));
        for (text, head) in texts.iter_mut().zip(spread) {
            text.push(one_line(&head.text));
        }
    }
    let cell = |lines: Vec<String>| Cell::new(lines.join("\n").trim_start_matches('\n'));
    texts.into_iter().map(cell).collect()
}

fn body(cell: &GridCell, look: Look) -> Cell {
    let mark = match cell.mark {
        Mark::Best => "^",
        Mark::Second => "'",
        Mark::None => " ",
    };
    let star = if cell.star { "*" } else { " " };
    if cell.is_text {
        return Cell::new(one_line(&cell.text));
    }
    let shown =
        Cell::new(format!("{}{mark}{star}", cell.reading())).set_alignment(CellAlignment::Right);
    if look.styled && cell.mark == Mark::Best {
        return shown.add_attribute(Attribute::Bold);
    }
    shown
}

fn wrap(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is a first line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            *line = format!("{line}{}{word}", if line.is_empty() { "" } else { " " });
        }
    }
    lines.join("\n")
}

fn failures(results: &Results) -> Option<String> {
    let failed = results.failed().count();
    (failed > 0).then(|| {
        format!(
            "{failed} of {} cells failed: see report.html or cells.csv\n",
            results.cells.len()
        )
    })
}
