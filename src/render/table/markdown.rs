//! A grid as a GitHub Markdown table: `**best**`, `<u>second</u>`, `\*` for a star.

use std::fmt::Write as _;

use super::transpose::spread;
use super::{Cell, Grid, Mark};
use crate::render::escape;

/// The whole file.
pub fn write(grid: &Grid) -> String {
    let mut text = format!("**{}**\n\n", escape::markdown(&grid.title));
    let heads = heads(grid);
    line(&mut text, heads.iter().map(|(name, _)| name.clone()));
    line(
        &mut text,
        heads
            .iter()
            .map(|(_, is_text)| if *is_text { ":---" } else { "---:" }.to_owned()),
    );
    for row in &grid.rows {
        let name = match row.is_summary {
            true => format!("*{}*", escape::markdown(&row.name)),
            false => escape::markdown(&row.name),
        };
        line(
            &mut text,
            std::iter::once(name).chain(row.cells.iter().map(cell)),
        );
    }
    for note in &grid.notes {
        write!(text, "\n{}\n", escape::markdown(note)).expect("a text takes every byte");
    }
    text
}

fn line(text: &mut String, cells: impl Iterator<Item = String>) {
    let cells: Vec<String> = cells.collect();
    text.push_str(&format!("| {} |\n", cells.join(" | ")));
}

/// Markdown has one header line: those of the grid are joined, column by column.
fn heads(grid: &Grid) -> Vec<(String, bool)> {
    let mut columns = vec![(String::new(), false); grid.width()];
    for line in &grid.header {
        for (column, head) in columns.iter_mut().zip(spread(line)) {
            if !head.text.is_empty() {
                let gap = if column.0.is_empty() { "" } else { ", " };
                column.0 = format!("{}{gap}{}", column.0, escape::markdown(&head.text));
            }
            column.1 = head.is_text;
        }
    }
    columns
}

fn cell(cell: &Cell) -> String {
    let text = escape::markdown(&cell.reading());
    let marked = match cell.mark {
        Mark::Best => format!("**{text}**"),
        Mark::Second => format!("<u>{text}</u>"),
        Mark::None => text,
    };
    let star = if cell.star { "\\*" } else { "" };
    let remark = match cell.remark.as_str() {
        "" => String::new(),
        remark => format!(" ({})", escape::markdown(remark)),
    };
    format!("{marked}{star}{remark}")
}
