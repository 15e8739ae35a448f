//! A table as LaTeX: `table` or `table*` with `booktabs` rules, a short caption, and notes below.

use super::fit::Layout;
use super::{Cell, Grid, Head, Mark, Row};
use crate::render::escape;

/// How the cells of a column are set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    Right,
    Centre,
    /// Means followed by deviations or changes: left, so that all means are in one line.
    Compound,
}

/// The whole file; `label` is unique among the tables of a paper.
pub(super) fn write(layout: &Layout, label: &str) -> String {
    let Some(first) = layout.parts.first() else {
        return String::new();
    };
    let environment = if layout.is_wide { "table*" } else { "table" };
    let mut lines =
        vec!["% Needs \\usepackage{booktabs} and \\usepackage[T1]{fontenc}.".to_owned()];
    if !first.comment.is_empty() {
        lines.push(format!("% {}", escape::one_line(&first.comment)));
    }
    lines.extend([
        format!("\\begin{{{environment}}}[t]"),
        "  \\centering\\sloppy\\setlength{\\belowcaptionskip}{4pt}".to_owned(),
        format!("  \\caption{{{}}}", caption(first)),
        format!("  \\label{{tab:{}}}", safe(label)),
        "  \\small".to_owned(),
        format!("  \\setlength{{\\tabcolsep}}{{{}pt}}", layout.gap / 2.0),
    ]);
    for (index, part) in layout.parts.iter().enumerate() {
        if index > 0 {
            lines.push("  \\par\\medskip".to_owned());
        }
        lines.extend(tabular(part));
    }
    lines.extend(notes(&first.notes));
    lines.push(format!("\\end{{{environment}}}"));
    lines.join("\n") + "\n"
}

fn caption(grid: &Grid) -> String {
    escape::latex(&format!("{}.", grid.title.trim_end_matches('.')))
}

/// Names hold letters, digits, `-` and `_` only; anything else would end a label's argument.
fn safe(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    name.chars().map(safe).collect()
}

/// How the numbers were computed, in small letters below the table.
fn notes(notes: &[String]) -> Vec<String> {
    if notes.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![
        "  \\par\\smallskip".to_owned(),
        "  \\begin{minipage}{\\linewidth}\\footnotesize\\sloppy".to_owned(),
    ];
    lines.extend(
        notes
            .iter()
            .map(|note| format!("    {}", escape::latex(note))),
    );
    lines.push("  \\end{minipage}".to_owned());
    lines
}

fn tabular(grid: &Grid) -> Vec<String> {
    let aligns: Vec<Align> = (0..grid.width()).map(|at| align(grid, at)).collect();
    let letters: String = aligns.iter().map(|align| letter(*align)).collect();
    let mut lines = vec![
        format!("  \\begin{{tabular}}{{@{{}}{letters}@{{}}}}"),
        "    \\toprule".to_owned(),
    ];
    for (index, line) in grid.header.iter().enumerate() {
        lines.push(format!("    {} \\\\", header(line, &aligns)));
        // One rule under heads of the same columns, below the last of them.
        let shape = |line: &[Head]| line.iter().map(|head| head.span).collect::<Vec<_>>();
        let next = grid.header.get(index + 1);
        if next.is_some_and(|next| shape(next) != shape(line)) {
            lines.extend(rules(line));
        }
    }
    lines.push("    \\midrule".to_owned());
    let mut above: Option<&Row> = None;
    for row in &grid.rows {
        lines.extend(space(grid, above, row).map(str::to_owned));
        lines.push(format!("    {} \\\\", body(grid, above, row, &aligns)));
        above = Some(row);
    }
    lines.extend(["    \\bottomrule", "  \\end{tabular}"].map(str::to_owned));
    lines
}

/// A rule above the first row that summarises others, a gap above the first row of a group.
fn space(grid: &Grid, above: Option<&Row>, row: &Row) -> Option<&'static str> {
    let above = above?;
    if row.is_summary && !above.is_summary {
        return Some("    \\midrule");
    }
    (grid.leading() > 1 && is_grouped(grid) && row.name != above.name)
        .then_some("    \\addlinespace")
}

/// Whether some neighbouring rows have the same name.
fn is_grouped(grid: &Grid) -> bool {
    grid.rows
        .windows(2)
        .any(|rows| rows[0].name == rows[1].name)
}

fn align(grid: &Grid, column: usize) -> Align {
    if column < grid.leading() {
        return Align::Left;
    }
    let cells = || grid.rows.iter().filter_map(|row| row.cells.get(column - 1));
    if cells().any(|cell| cell.is_text) {
        return Align::Left;
    }
    if cells().any(|cell| !cell.spread.is_empty() || !cell.remark.is_empty()) {
        return Align::Compound;
    }
    // Decimals of one length are in line under the middle of their head.
    let numbers = || {
        cells()
            .filter(|cell| cell.value.is_some())
            .map(|cell| &*cell.text)
    };
    let is_decimal = |text: &str| text.contains('.') && text.parse::<f64>().is_ok();
    let length = numbers().next().map(str::len);
    match numbers().all(|text| is_decimal(text) && Some(text.len()) == length) {
        true => Align::Centre,
        false => Align::Right,
    }
}

fn letter(align: Align) -> char {
    match align {
        Align::Left | Align::Compound => 'l',
        Align::Right => 'r',
        Align::Centre => 'c',
    }
}

fn header(line: &[Head], aligns: &[Align]) -> String {
    let mut column = 0;
    let mut cells = Vec::new();
    for head in line {
        let text = escape::latex(&head.text);
        let is_centred = head.span > 1 || aligns.get(column) == Some(&Align::Compound);
        cells.push(match is_centred {
            true => format!("\\multicolumn{{{}}}{{c}}{{{text}}}", head.span),
            false => text,
        });
        column += head.span;
    }
    cells.join(" & ")
}

/// A thin rule under every header cell that spans columns.
fn rules(line: &[Head]) -> Option<String> {
    let mut column = 1;
    let mut rules = Vec::new();
    for head in line {
        if head.span > 1 {
            let last = column + head.span - 1;
            rules.push(format!("\\cmidrule(lr){{{column}-{last}}}"));
        }
        column += head.span;
    }
    (!rules.is_empty()).then(|| format!("    {}", rules.join(" ")))
}

/// A row; names and texts at the left that repeat those above are left out.
fn body(grid: &Grid, above: Option<&Row>, row: &Row, aligns: &[Align]) -> String {
    let is_grouped = grid.leading() > 1;
    let mut is_same = above.is_some_and(|above| is_grouped && above.name == row.name);
    let name = match (is_same, row.is_summary) {
        (true, _) => String::new(),
        (false, true) => format!("\\emph{{{}}}", escape::latex(&row.name)),
        (false, false) => escape::latex(&row.name),
    };
    let mut cells = vec![name];
    for (at, (cell, align)) in row.cells.iter().zip(&aligns[1..]).enumerate() {
        // The innermost names are always shown.
        is_same &= at + 2 < grid.leading();
        is_same &= above
            .and_then(|above| above.cells.get(at))
            .is_some_and(|above| above.text == cell.text);
        cells.push(match is_same {
            true => String::new(),
            false => number(cell, *align == Align::Compound),
        });
    }
    cells.join(" & ")
}

fn number(cell: &Cell, is_compound: bool) -> String {
    let text = escape::latex(&cell.text).replace(" \\%", "\\,\\%");
    let mut shown = match cell.mark {
        Mark::Best => format!("\\textbf{{{text}}}"),
        Mark::Second => format!("\\underline{{{text}}}"),
        Mark::None => text,
    };
    let has_more = !cell.spread.is_empty() || !cell.remark.is_empty();
    shown.push_str(match (cell.star, has_more) {
        (true, true) => "$^{*}$",
        // A star at the end takes no width: numbers stay in line.
        (true, false) => "\\rlap{$^{*}$}",
        (false, true) if is_compound => "\\phantom{$^{*}$}",
        (false, _) => "",
    });
    if !cell.spread.is_empty() {
        shown.push_str(&format!(
            "{{\\scriptsize\\,{}}}",
            escape::latex(&cell.spread)
        ));
    }
    if !cell.remark.is_empty() {
        let remark = escape::latex(&cell.remark).replace(" \\%", "\\,\\%");
        shown.push_str(&format!(" {{\\scriptsize ({remark})}}"));
    }
    shown
}
