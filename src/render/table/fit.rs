//! Which form of a table fits a column or a page of a paper, by the widths of its letters.

use super::transpose::spread;
use super::{Cell, Grid, Head, Mark, Row};
use crate::experiment::config::outputs::TableWidth;

/// A table as LaTeX sets it.
pub(super) struct Layout {
    /// Parts with the same rows, one below the other.
    pub parts: Vec<Grid>,
    /// Whether it is as wide as the page (`table*`), not as one of its two columns.
    pub is_wide: bool,
    /// Space between two columns of the table in points.
    pub gap: f64,
}

/// Width of a column in points, less a margin for rounding. It is that of `article` with
/// `twocolumn` at 10 pt. Those of ACM and IEEE are wider.
const COLUMN: f64 = 229.5 - 4.0;
/// Width of the page's text, likewise.
const PAGE: f64 = 469.7 - 6.0;
/// Least space between two columns of a table.
const GAP: f64 = 8.0;
/// Most space between two columns: that of LaTeX.
const WIDE_GAP: f64 = 12.0;
/// Width of a star that other text follows.
const STAR: f64 = 4.5;
/// Width of small text (7 pt letters) against that of the table (9 pt letters).
const SMALL: f64 = 0.87;
/// Width of bold letters against others.
const BOLD: f64 = 1.16;

/// The first of `grids` that fits, in a column if it can; else the last, cut into parts.
pub(super) fn layout(grids: &[Grid], width: TableWidth) -> Layout {
    let widths: &[(f64, bool)] = match width {
        TableWidth::Auto => &[(COLUMN, false), (PAGE, true)],
        TableWidth::Column => &[(COLUMN, false)],
        TableWidth::Page => &[(PAGE, true)],
    };
    let choices = grids
        .iter()
        .flat_map(|grid| widths.iter().map(move |width| (grid, width)));
    for (grid, &(most, is_wide)) in choices {
        if natural_width(grid) <= most {
            return Layout {
                parts: vec![grid.clone()],
                is_wide,
                gap: gap(grid, most),
            };
        }
    }
    let (most, is_wide) = widths[widths.len() - 1];
    let parts = grids.last().map_or(Vec::new(), |grid| cut(grid, most));
    let gaps = parts.iter().map(|part| gap(part, most));
    Layout {
        gap: gaps.fold(WIDE_GAP, f64::min),
        parts,
        is_wide,
    }
}

/// Space between columns, in whole points, with which a grid is not wider than `most` points.
fn gap(grid: &Grid, most: f64) -> f64 {
    let spare = (most - natural_width(grid)) / (grid.width().max(2) - 1) as f64;
    (GAP + spare).floor().clamp(GAP, WIDE_GAP)
}

/// The grid in parts that fit, cut between the groups of its first header line if they fit.
fn cut(grid: &Grid, most: f64) -> Vec<Grid> {
    let leading = grid.leading();
    let mut starts = Vec::new();
    let mut column = 0;
    for head in grid.header.first().into_iter().flatten() {
        starts.push(column);
        column += head.span;
    }
    let fits = |first: usize, end: usize| natural_width(&grid.columns(first, end)) <= most;
    let mut parts = Vec::new();
    let mut first = leading;
    while first < grid.width() {
        let mut ends = starts.iter().copied().chain([grid.width()]);
        let at_group = ends.rfind(|&end| end > first && fits(first, end));
        let anywhere = || {
            (first + 1..=grid.width())
                .rev()
                .find(|&end| fits(first, end))
        };
        let end = at_group.or_else(anywhere).unwrap_or(first + 1);
        parts.push(grid.columns(first, end));
        first = end;
    }
    parts
}

impl Grid {
    /// Names and texts at the left, and the columns from `first` to before `end`.
    fn columns(&self, first: usize, end: usize) -> Grid {
        let leading = self.leading();
        let is_kept = |column: usize| column < leading || (first..end).contains(&column);
        let line = |heads: &Vec<Head>| {
            let mut column = 0;
            let mut kept = Vec::new();
            for head in heads {
                let span = (column..column + head.span)
                    .filter(|&at| is_kept(at))
                    .count();
                column += head.span;
                if span > 0 {
                    kept.push(Head {
                        span,
                        ..head.clone()
                    });
                }
            }
            kept
        };
        let row = |row: &Row| {
            let cells = row.cells.iter().enumerate();
            Row {
                cells: cells
                    .filter(|(at, _)| is_kept(at + 1))
                    .map(|(_, cell)| cell.clone())
                    .collect(),
                ..row.clone()
            }
        };
        Grid {
            header: self.header.iter().map(line).collect(),
            rows: self.rows.iter().map(row).collect(),
            ..self.clone()
        }
    }
}

/// Width of the table in points, in letters of 9 pt.
fn natural_width(grid: &Grid) -> f64 {
    let mut widths = vec![0.0_f64; grid.width()];
    for row in &grid.rows {
        let cells = row.cells.iter().map(cell_width);
        let all = std::iter::once(text_width(&row.name)).chain(cells);
        for (width, cell) in widths.iter_mut().zip(all) {
            *width = width.max(cell);
        }
    }
    for line in &grid.header {
        for (width, head) in widths.iter_mut().zip(spread(line)) {
            if head.span == 1 {
                *width = width.max(text_width(&head.text));
            }
        }
    }
    // LaTeX widens the last of the columns below a head that is wider than they are.
    for line in &grid.header {
        let mut column = 0;
        for head in line {
            let below = &widths[column..column + head.span];
            let missing =
                text_width(&head.text) - below.iter().sum::<f64>() - GAP * (head.span - 1) as f64;
            column += head.span;
            if missing > 0.0 {
                widths[column - 1] += missing;
            }
        }
    }
    widths.iter().sum::<f64>() + GAP * (widths.len() - 1) as f64
}

fn cell_width(cell: &Cell) -> f64 {
    let bold = if cell.mark == Mark::Best { BOLD } else { 1.0 };
    let text = text_width(&cell.text) * bold;
    let mut rest = 0.0;
    if !cell.spread.is_empty() {
        rest += text_width(&cell.spread) * SMALL;
    }
    if !cell.remark.is_empty() {
        rest += text_width(&format!(" ({})", cell.remark)) * SMALL;
    }
    match rest > 0.0 {
        true => text + STAR + rest,
        false => text,
    }
}

/// Width of a text in Computer Modern of 9 pt, from above: in groups of letters of similar width.
fn text_width(text: &str) -> f64 {
    let letter = |letter: char| match letter {
        '0'..='9' => 4.63,
        'i' | 'l' | 'j' | '\'' | '.' | ',' | ':' | ';' | '!' | '|' => 2.6,
        'f' | 'r' | 't' | 's' | 'I' | '(' | ')' | '[' | ']' | '-' => 3.7,
        ' ' => 3.1,
        'm' => 7.8,
        'w' => 6.8,
        'M' | 'W' => 9.6,
        'a'..='z' | '–' | '/' | '*' => 5.2,
        _ => 7.3,
    };
    text.chars().map(letter).sum()
}
