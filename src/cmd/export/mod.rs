//! `allround export`: top lists, ranks and candidates of a results folder, for other programs.

mod candidates;
mod lists;

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::{Exit, advise, numbers, print};
use crate::cli::{DataFormat, Export};
use crate::observe::print_message;
use crate::results::MetricRow;
use crate::results::file::to_bytes;
use allround_core::fs;

use crate::cli::Common;

/// Writes lists, ranks or candidates to standard output or a file.
pub(crate) fn run(arguments: &Export, common: &Common) -> anyhow::Result<Exit> {
    let rows = numbers::read(&arguments.results)?.metrics;
    let text = match (arguments.candidates, arguments.ranks) {
        (true, _) => candidates::text(arguments, common)?,
        (false, true) => lists::ranks(arguments, &chosen(arguments, &rows)?)?,
        (false, false) => lists::top(arguments, common, &chosen(arguments, &rows)?)?,
    };
    match &arguments.out {
        None => print(&text)?,
        Some(path) => {
            fs::write_atomic(path, text.as_bytes())?;
            print_message(&format!(
                "{} rows are in {}",
                count_rows(&text, arguments),
                path.display()
            ));
        }
    }
    Ok(Exit::Success)
}

/// Number of rows of a text. CSV is parsed, since a cell may hold a line break.
fn count_rows(text: &str, arguments: &Export) -> usize {
    match arguments.format {
        DataFormat::Json => text.lines().count(),
        DataFormat::Csv => csv::Reader::from_reader(text.as_bytes()).records().count(),
    }
}

/// A measured cell under one protocol, on one part of the split.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Chosen {
    dataset: String,
    scenario: String,
    model: String,
    seed: u64,
    protocol: String,
    split: String,
    cell: String,
}

impl Chosen {
    fn of(row: &MetricRow) -> Self {
        Self {
            dataset: row.dataset.clone(),
            scenario: row.scenario.clone(),
            model: row.name.clone(),
            seed: row.seed,
            protocol: row.protocol_name().to_owned(),
            split: row.split.clone(),
            cell: row.cell.clone(),
        }
    }
}

/// Whether a name passes a filter; no filter passes all.
fn matches<T: PartialEq<str> + ?Sized>(filter: Option<&String>, name: &T) -> bool {
    filter.is_none_or(|filter| *name == **filter)
}

/// The measured cells that pass the filters.
fn chosen(arguments: &Export, rows: &[MetricRow]) -> anyhow::Result<BTreeSet<Chosen>> {
    let measured: BTreeSet<Chosen> = rows
        .iter()
        .filter(|row| row.value.is_some())
        .map(Chosen::of)
        .collect();
    let split = arguments.split.part().name();
    let is_meant = |it: &&Chosen| {
        matches(arguments.dataset.as_ref(), it.dataset.as_str())
            && matches(arguments.scenario.as_ref(), it.scenario.as_str())
            && matches(arguments.model.as_ref(), it.model.as_str())
            && matches(arguments.protocol.as_ref(), it.protocol.as_str())
            && arguments.seed.is_none_or(|seed| seed == it.seed)
            && it.split == split
    };
    let found: BTreeSet<Chosen> = measured.iter().filter(is_meant).cloned().collect();
    match found.is_empty() {
        true => Err(advise(
            format!(
                "no measured cell of `{}` matches these options",
                arguments.results.display()
            ),
            available(&measured),
        )),
        false => Ok(found),
    }
}

/// A hint that lists what was measured.
fn available(measured: &BTreeSet<Chosen>) -> String {
    let names = |what: &str, of: fn(&Chosen) -> String| {
        let names: BTreeSet<String> = measured.iter().map(of).collect();
        let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
        format!("{what} {}", names.join(", "))
    };
    match measured.is_empty() {
        true => "no cell has a value; `allround show` prints the reasons".to_owned(),
        false => [
            names("available are: data sets", |it| it.dataset.clone()),
            names("scenarios", |it| it.scenario.clone()),
            names("models", |it| it.model.clone()),
            names("seeds", |it| it.seed.to_string()),
            names("protocols", |it| it.protocol.clone()),
            names("splits", |it| it.split.clone()),
        ]
        .join("; "),
    }
}

/// Rows as CSV or JSON lines. A CSV cell that a spreadsheet would take for a formula is marked, as
/// in results files.
fn written<R: Serialize + Default>(format: DataFormat, rows: &[R]) -> anyhow::Result<String> {
    let bytes = match format {
        DataFormat::Csv => {
            let rows: Vec<&R> = rows.iter().collect();
            to_bytes("standard output".as_ref(), &rows)?
        }
        DataFormat::Json => {
            let mut bytes = Vec::new();
            for row in rows {
                serde_json::to_writer(&mut bytes, row)?;
                bytes.push(b'\n');
            }
            bytes
        }
    };
    Ok(String::from_utf8(bytes)?)
}

/// A list as a CSV cell: JSON.
fn list_cell(ids: &[String]) -> String {
    Value::from(ids.to_vec()).to_string()
}

/// The path if the file exists, else an error with a hint.
fn existing<'a>(path: &'a Path, what: &str, hint: &str) -> anyhow::Result<&'a Path> {
    match path.exists() {
        true => Ok(path),
        false => Err(advise(what, hint)),
    }
}
