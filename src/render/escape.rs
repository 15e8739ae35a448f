//! Texts from data made harmless in each format. HTML is escaped by the template engine.

use csv::{QuoteStyle, WriterBuilder};

use allround_core::cells;

pub use allround_core::visible::one_line;

/// A file's bytes, with nothing hidden in it, wherever its texts come from.
pub fn shown(text: &str) -> Vec<u8> {
    allround_core::visible::lines(text)
        .into_owned()
        .into_bytes()
}

/// Text inside a Markdown table or paragraph: nothing in it is markup, HTML or a cell's end.
pub fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in one_line(text).chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '$' => {
                escaped.push('\\');
                escaped.push(letter);
            }
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// Text inside LaTeX, in text mode.
pub fn latex(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut before = ' ';
    for letter in one_line(text).chars() {
        match letter {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                escaped.push('\\');
                escaped.push(letter);
            }
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("\\textless{}"),
            '>' => escaped.push_str("\\textgreater{}"),
            '|' => escaped.push_str("\\textbar{}"),
            '"' => escaped.push_str("\\textquotedbl{}"),
            '`' => escaped.push_str("\\textasciigrave{}"),
            // A bracket after `\\` would be read as its optional argument.
            '[' => escaped.push_str("{[}"),
            ']' => escaped.push_str("{]}"),
            // Two hyphens would be a dash.
            '-' if before == '-' => escaped.push_str("{-}"),
            '±' => escaped.push_str("$\\pm$"),
            '−' => escaped.push_str("$-$"),
            '–' => escaped.push_str("--"),
            letter => escaped.push(letter),
        }
        before = letter;
    }
    escaped
}

/// A whole CSV file.
pub fn csv(header: impl IntoIterator<Item = String>, rows: &[Vec<String>]) -> Vec<u8> {
    const IN_MEMORY: &str =
        "a buffer in memory takes every byte, and rows are as long as the header";
    let mut writer = WriterBuilder::new()
        .quote_style(QuoteStyle::Necessary)
        .from_writer(Vec::new());
    writer.write_record(header).expect(IN_MEMORY);
    for row in rows {
        let plain = row.iter().map(|cell| cell.replace('\0', " "));
        let plain: Vec<String> = plain.collect();
        let cells = plain.iter().map(|cell| cells::marked(cell.as_bytes()));
        writer.write_record(cells).expect(IN_MEMORY);
    }
    writer.into_inner().expect(IN_MEMORY)
}

/// A CSV file of `csv` with more columns, which `add` appends to its header and rows.
pub fn with_columns(file: &[u8], add: impl Fn(&mut Vec<String>, &mut [Vec<String>])) -> Vec<u8> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(file);
    let records = reader.records().filter_map(Result::ok);
    let mut rows: Vec<Vec<String>> = records
        .map(|record| {
            record
                .iter()
                .map(|cell| cells::unmarked(cell).to_owned())
                .collect()
        })
        .collect();
    if rows.is_empty() {
        return file.to_vec();
    }
    let mut header = rows.remove(0);
    add(&mut header, &mut rows);
    csv(header, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a|b <script>alert(1)</script> & 50% $x_1^2$ #{\\} \"q\" [y]\n=1+1";

    #[test]
    fn markdown_cells_hold_no_markup() {
        let escaped = markdown(HOSTILE);
        assert!(
            !escaped.contains('<') && !escaped.contains('\n'),
            "{escaped}"
        );
        assert!(!escaped.replace("\\|", "").contains('|'), "{escaped}");
    }

    #[test]
    fn letters_that_turn_the_text_are_shown_in_every_format() {
        let text = "a\u{202e}b\u{1b}c";
        assert_eq!(markdown(text), "a\\[U+202E\\]b\\[U+001B\\]c");
        assert_eq!(latex(text), "a{[}U+202E{]}b{[}U+001B{]}c");
    }

    #[test]
    fn latex_specials_are_all_escaped() {
        assert_eq!(
            latex("50% of A&B_{x}^2 #1 ~ \\dots $"),
            "50\\% of A\\&B\\_\\{x\\}\\textasciicircum{}2 \\#1 \\textasciitilde{} \\textbackslash{}dots \\$"
        );
        assert_eq!(latex("two-sided, --set"), "two-sided, -{-}set");
    }

    #[test]
    fn no_csv_cell_starts_a_formula() {
        let rows = vec![vec![
            "=1+1".into(),
            "@x".into(),
            "-0.5".into(),
            "-x,\"y\"".into(),
        ]];
        let text = String::from_utf8(csv(["a", "b", "c", "d"].map(String::from), &rows)).unwrap();
        assert_eq!(text, "a,b,c,d\n'=1+1,'@x,-0.5,\"'-x,\"\"y\"\"\"\n");
    }
}
