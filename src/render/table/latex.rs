//! A grid as LaTeX: a `table` with `booktabs` rules, best bold, second underlined.

use super::{Cell, Grid, Head, Mark, Row};
use crate::render::escape;

/// The whole file.
pub fn write(grid: &Grid) -> String {
    let mut lines = vec![
        "% Needs \\usepackage{booktabs,textcomp} and \\usepackage[T1]{fontenc}.".to_owned(),
        "\\begin{table}".to_owned(),
        "  \\centering".to_owned(),
        format!("  \\caption{{{}}}", caption(grid)),
        format!("  \\label{{tab:{}}}", label(&grid.name)),
        format!("  \\begin{{tabular}}{{{}}}", columns(grid)),
        "    \\toprule".to_owned(),
    ];
    for (index, line) in grid.header.iter().enumerate() {
        lines.push(format!("    {} \\\\", header(line)));
        // One rule under heads of the same columns, below the last of them.
        let shape = |line: &[Head]| line.iter().map(|head| head.span).collect::<Vec<_>>();
        let next = grid.header.get(index + 1);
        if next.is_some_and(|next| shape(next) != shape(line)) {
            lines.extend(rules(line));
        }
    }
    lines.push("    \\midrule".to_owned());
    let mut summed = false;
    for row in &grid.rows {
        if row.is_summary && !summed {
            lines.push("    \\midrule".to_owned());
            summed = true;
        }
        lines.push(format!("    {} \\\\", body(row)));
    }
    lines.extend(["    \\bottomrule", "  \\end{tabular}", "\\end{table}"].map(str::to_owned));
    lines.join("\n") + "\n"
}

fn caption(grid: &Grid) -> String {
    let mut sentences = vec![format!("{}.", grid.title.trim_end_matches('.'))];
    sentences.extend(grid.notes.iter().cloned());
    escape::latex(&sentences.join(" "))
}

/// Names hold letters, digits, `-` and `_` only; anything else would end a label's argument.
fn label(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    name.chars().map(safe).collect()
}

fn columns(grid: &Grid) -> String {
    let last = grid.header.last().map(Vec::as_slice).unwrap_or_default();
    let is_text = |index: usize| index == 0 || last.get(index).is_some_and(|head| head.is_text);
    (0..grid.width())
        .map(|index| if is_text(index) { 'l' } else { 'r' })
        .collect()
}

fn header(line: &[Head]) -> String {
    let cell = |head: &Head| match head.span {
        1 => escape::latex(&head.text),
        span => format!(
            "\\multicolumn{{{span}}}{{c}}{{{}}}",
            escape::latex(&head.text)
        ),
    };
    line.iter().map(cell).collect::<Vec<_>>().join(" & ")
}

/// A thin rule under every header cell that spans columns.
fn rules(line: &[Head]) -> Option<String> {
    let mut column = 1;
    let mut rules = Vec::new();
    for head in line {
        if head.span > 1 {
            rules.push(format!(
                "\\cmidrule(lr){{{column}-{}}}",
                column + head.span - 1
            ));
        }
        column += head.span;
    }
    (!rules.is_empty()).then(|| format!("    {}", rules.join(" ")))
}

fn body(row: &Row) -> String {
    let name = match row.is_summary {
        true => format!("\\emph{{{}}}", escape::latex(&row.name)),
        false => escape::latex(&row.name),
    };
    let cells = std::iter::once(name).chain(row.cells.iter().map(cell));
    cells.collect::<Vec<_>>().join(" & ")
}

fn cell(cell: &Cell) -> String {
    let text = escape::latex(&cell.text);
    let marked = match cell.mark {
        Mark::Best => format!("\\textbf{{{text}}}"),
        Mark::Second => format!("\\underline{{{text}}}"),
        Mark::None => text,
    };
    let star = if cell.star { "$^{*}$" } else { "" };
    let remark = match cell.remark.as_str() {
        "" => String::new(),
        remark => format!(" {{\\footnotesize ({})}}", escape::latex(remark)),
    };
    format!("{marked}{star}{remark}")
}
