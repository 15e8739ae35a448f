//! Texts in the cells of CSV files.
//!
//! Spreadsheets read some cells as formulas: those that begin with `=`, `+`, `-`, `@`, a tab or a
//! line break and are not numbers. Such cells get an apostrophe in front.

use std::borrow::Cow;

/// The cell as it is written.
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

/// The text of a cell that [`marked`] wrote.
pub fn unmarked(cell: &str) -> &str {
    cell.strip_prefix('\'').unwrap_or(cell)
}

/// Whether a cell is a decimal number with an optional sign, point and exponent, which spreadsheets
/// do not read as a formula.
pub fn is_number(cell: &[u8]) -> bool {
    let of_number = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    let text = std::str::from_utf8(cell).unwrap_or_default();
    cell.iter().all(of_number) && text.parse::<f64>().is_ok()
}
