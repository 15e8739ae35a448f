//! The first rows of a table, read as the sources read it, to guess the settings of a source.

use std::path::Path;

use super::DataError;
use super::read::table::{Dialect, Table};
use super::read::times::Times;

/// Rows that are read after the header.
const ROWS: usize = 200;

/// The beginning of a table with a header line.
#[derive(Clone, Debug, Default)]
pub struct Preview {
    /// What separates cells: `,`, `;`, `|` or a tab.
    pub delimiter: char,
    /// Names of the columns. In RecBole's atomic files, without their types.
    pub header: Vec<String>,
    /// Whether the header has types, such as `user_id:token`: RecBole's atomic files.
    pub is_atomic: bool,
    /// For each column, whether all cells read are times: numbers, or dates of ISO 8601.
    pub times: Vec<bool>,
    /// For each column, whether all cells read are numbers.
    pub numbers: Vec<bool>,
    /// For each column, the first cell that is not empty.
    pub examples: Vec<String>,
    /// Rows read.
    pub rows: usize,
}

/// Reads the header and some rows of a table. The delimiter is the one that gives most columns.
///
/// # Errors
/// When the file cannot be read, is of another kind, or has a row with another number of cells.
pub fn preview(path: &Path) -> Result<Preview, DataError> {
    let mut best: Option<(u8, Table)> = None;
    for delimiter in [b',', b'\t', b';', b'|'] {
        let dialect = Dialect {
            delimiter,
            header: true,
            keys: None,
        };
        let table = Table::open_as(path, dialect)?;
        let columns = |table: &Table| table.header().names.len();
        if best
            .as_ref()
            .is_none_or(|(_, best)| columns(&table) > columns(best))
        {
            best = Some((delimiter, table));
        }
    }
    let Some((delimiter, table)) = best else {
        return Ok(Preview::default());
    };
    read(char::from(delimiter), table, path)
}

fn read(delimiter: char, mut table: Table, path: &Path) -> Result<Preview, DataError> {
    let header = table.header().names.clone();
    // `name:type`, as RecBole writes it.
    let names: Option<Vec<String>> = header
        .iter()
        .map(|cell| {
            let (name, kind) = cell.split_once(':')?;
            let is_type = ["token", "token_seq", "float", "float_seq"].contains(&kind.trim());
            is_type.then(|| name.to_owned())
        })
        .collect();
    let n = header.len();
    let mut preview = Preview {
        delimiter,
        is_atomic: names.is_some(),
        header: names.unwrap_or(header),
        times: vec![true; n],
        numbers: vec![true; n],
        examples: vec![String::new(); n],
        rows: 0,
    };
    let mut times: Vec<Times> = (0..n).map(|_| Times::default()).collect();
    while preview.rows < ROWS
        && let Some((line, row)) = table.next()?
    {
        preview.rows += 1;
        for (at, cell) in row.iter().enumerate() {
            let text = String::from_utf8_lossy(cell);
            let text = text.trim();
            preview.numbers[at] &= text.parse::<f64>().is_ok_and(f64::is_finite);
            preview.times[at] &= times[at].push(cell, path, line, "").is_ok();
            if preview.examples[at].is_empty() {
                text.clone_into(&mut preview.examples[at]);
            }
        }
    }
    Ok(preview)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Preview {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.csv");
        crate::fs::write_atomic(&path, text.as_bytes()).unwrap();
        preview(&path).unwrap()
    }

    #[test]
    fn the_delimiter_is_the_one_with_most_columns_and_kinds_of_cells_are_known() {
        let preview = of("user;item;when;note\na,b;x;2018-07-07;\nc;y;2018-07-08;7\n");
        assert_eq!(preview.delimiter, ';');
        assert_eq!(preview.times, [false, false, true, false]);
        assert_eq!(preview.numbers, [false, false, false, false]);
        assert_eq!(preview.examples, ["a,b", "x", "2018-07-07", "7"]);
        assert_eq!(preview.rows, 2);
    }

    #[test]
    fn types_in_the_header_are_those_of_an_atomic_file() {
        let preview = of("user_id:token\titem_id:token\ttimestamp:float\n1\t2\t3.5\n");
        assert!(preview.is_atomic);
        assert_eq!(preview.header, ["user_id", "item_id", "timestamp"]);
        assert!(!of("a:b,c:d\n1,2\n").is_atomic);
    }
}
