//! Texts in the cells of CSV files.
//!
//! A cell that is no number and begins with `=`, `+`, `-`, `@`, a tab or a line break is a formula, or hides one, to a
//! spreadsheet: it is written with an apostrophe in front, and so is a cell that begins with an apostrophe. Reading takes
//! one leading apostrophe away, so that every text comes back as it was.

use std::borrow::Cow;

/// What a cell is written as.
pub fn marked(cell: &[u8]) -> Cow<'_, [u8]> {
    let must_be_marked = match cell.first() {
        Some(b'\'' | b'=' | b'@' | b'\t' | b'\r' | b'\n') => true,
        Some(b'+' | b'-') => !is_number(cell),
        _ => false,
    };
    match must_be_marked {
        true => Cow::Owned([b"'", cell].concat()),
        false => Cow::Borrowed(cell),
    }
}

/// The text of a cell that [`marked`] has written.
pub fn unmarked(cell: &str) -> &str {
    cell.strip_prefix('\'').unwrap_or(cell)
}

/// Whether a cell is digits with sign, point and exponent: what no spreadsheet takes for a formula.
pub fn is_number(cell: &[u8]) -> bool {
    let of_number = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    let text = std::str::from_utf8(cell).unwrap_or_default();
    cell.iter().all(of_number) && text.parse::<f64>().is_ok()
}
