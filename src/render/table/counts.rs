//! Counts of every data set and scenario, as `data.csv` has them.

use super::{Cell, Grid, Head, Row};
use crate::render::results::Results;
use crate::render::style;

/// The data table of a results folder.
pub fn grid(name: &str, title: &str, results: &Results) -> Grid {
    let counts = &results.counts;
    let is_text = |column: usize| counts.rows.iter().any(|row| !row[column].is_empty() && row[column].parse::<f64>().is_err());
    let head = |(column, name): (usize, &String)| match column == 0 || is_text(column) {
        true => Head::text(words(name)),
        false => Head::number(words(name)),
    };
    let row = |row: &Vec<String>| Row {
        name: row.first().cloned().unwrap_or_default(),
        cells: row.iter().skip(1).enumerate().map(|(column, text)| cell(text, is_text(column + 1))).collect(),
        ..Row::default()
    };
    Grid {
        name: name.to_owned(),
        title: title.to_owned(),
        notes: if counts.rows.is_empty() { vec!["No counts were recorded.".to_owned()] } else { Vec::new() },
        header: vec![counts.header.iter().enumerate().map(head).collect()],
        rows: counts.rows.iter().map(row).collect(),
        data: (counts.header.clone(), counts.rows.clone()),
    }
}

/// A column's name in words: `n_users` is `Users`.
fn words(name: &str) -> String {
    let name = name.strip_prefix("n_").unwrap_or(name).replace('_', " ");
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => name,
    }
}

fn cell(text: &str, is_text: bool) -> Cell {
    if is_text {
        return Cell::text(text);
    }
    let value: Option<f64> = text.parse().ok();
    Cell::number(value, |value| match value.fract() == 0.0 && value >= 0.0 {
        true => style::count(value as u64),
        false => format!("{value:.3}"),
    })
}
