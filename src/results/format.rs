//! The reference of the results files, generated from the row types.

use schemars::{JsonSchema, schema_for};
use serde::Serialize;

use super::file::columns;
use super::{
    CellRow, CellStageRow, ConversationRow, DataRow, EpochRow, IntervalRow, MetricRow, RankRow,
    ScoreRow, StageRow, TestRow, TextRow, TrialRow,
};

/// The part that is not generated from row types.
const RULES: &str = r#"# Reference of the results files

Every CSV file is UTF-8 with a header line, also when it has no rows. Numbers have the shortest
digits that read back to the same number. An unknown value is an empty cell, never 0. Files are
replaced as a whole, so a reader never sees half of one. The program refuses a file with other
columns and names them.

No cell begins like a formula. A text that begins with `=`, `+`, `-`, `@`, a tab, a line break or an
apostrophe is written with a leading apostrophe. To get the text back, remove it.

The folder mirrors the experiment file: `experiments/paper/table1.toml` has its results in
`results/paper/table1`. An experiment outside of a folder `experiments` has them in `results/NAME`.
With `--out DIR`, `DIR` replaces `results`. A run with a profile, `--limit N` or other flags has a
separate folder next to it, such as `table1-limit-50`. A run in which no cell has a number does not
change a folder with earlier numbers.

`spec.toml` is the experiment as it was run, with every default and the origin of each value.
`machine.toml` has a digest of everything that determines the results, and describes the run:

- program version and commit
- operating system, CPU, cores, memory and GPU driver
- the devices of the stages, with LibTorch's version
- the number of stages that each program version made

## How the files are related

| file | one row per |
|---|---|
| `metrics.csv` | number: cell, protocol, split, metric |
| `cells.csv` | cell: data set, scenario, model, seed |
| `stages.csv` | phase of a stage |
| `cell_stages.csv` | cell and stage that it uses |
| `epochs.csv` | quantity of an epoch of a stage |
| `data.csv` | data set under a scenario |
| `trials.csv` | trial of a search; only with searches |
| `intervals.csv` | mean over seeds with an interval |
| `tests.csv` | comparison of two models |

Stages are shared between cells, so their times and losses are written once. Joins with pandas:

```python
notes = metrics.merge(cells[["cell", "error", "notes"]], on="cell")
times = cell_stages.merge(stages, on=["kind", "key"])
curves = cell_stages.merge(epochs, on=["kind", "key"])
```

The folders `ranks`, `answers`, `scores` and `conversations` have one file per cell and protocol,
with one or more rows per user. They are large. If they are removed, `allround run FILE` writes them
again from the store. Until then, tables and figures show the intervals and tests of `intervals.csv`
and `tests.csv`. These two files are written together with the tables, figures and report, and
contain their statistics.

"#;

/// The reference of every file as Markdown.
pub fn format_markdown() -> String {
    let tables = [
        table::<MetricRow>("metrics.csv"),
        table::<CellRow>("cells.csv"),
        table::<StageRow>("stages.csv"),
        table::<CellStageRow>("cell_stages.csv"),
        table::<EpochRow>("epochs.csv"),
        table::<DataRow>("data.csv"),
        table::<TrialRow>("trials.csv"),
        table::<IntervalRow>("intervals.csv"),
        table::<TestRow>("tests.csv"),
        table::<RankRow>("ranks/CELL.PROTOCOL.csv.gz"),
        table::<TextRow>("answers/CELL.PROTOCOL.csv.gz"),
        table::<ScoreRow>("scores/CELL.PROTOCOL.csv.gz"),
        table::<ConversationRow>("conversations/CELL.PROTOCOL.csv.gz"),
    ];
    format!("{RULES}{}", tables.join("\n"))
}

fn table<R: Serialize + Default + JsonSchema>(file: &str) -> String {
    let schema = schema_for!(R);
    let mut text = format!(
        "## `{file}`\n\n{}\n\n| column | kind | meaning |\n|---|---|---|\n",
        description(Some(schema.as_value()))
    );
    for column in columns::<R>() {
        let property = schema.get("properties").and_then(|all| all.get(&column));
        let meaning = description(property).replace('\n', " ").replace('|', "\\|");
        text.push_str(&format!(
            "| `{column}` | {} | {meaning} |\n",
            kind(property)
        ));
    }
    text
}

/// The doc comment in a schema, with its line breaks.
fn description(schema: Option<&serde_json::Value>) -> &str {
    let text = schema.and_then(|schema| schema.get("description"));
    text.and_then(serde_json::Value::as_str).unwrap_or_default()
}

/// `text`, `integer`, `number` or `` `true` or `false` ``, with `or empty` for an optional value.
fn kind(property: Option<&serde_json::Value>) -> String {
    let types = match property.and_then(|property| property.get("type")) {
        Some(serde_json::Value::Array(types)) => types.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    let names = types.iter().filter_map(|name| match name.as_str()? {
        "string" => Some("text"),
        "null" => Some("or empty"),
        "integer" => Some("integer"),
        "number" => Some("number"),
        "boolean" => Some("`true` or `false`"),
        _ => None,
    });
    names.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_column_has_a_kind_and_a_meaning() {
        let text = format_markdown();
        let is_column = |line: &&str| line.starts_with("| `") && line.matches(" | ").count() > 1;
        let rows = text.lines().filter(is_column);
        for row in rows.clone() {
            let cells: Vec<&str> = row.split(" | ").collect();
            assert!(
                cells.len() == 3 && cells.iter().all(|cell| cell.len() > 3),
                "{row}"
            );
        }
        assert!(rows.count() > 50);
        assert!(
            text.contains("| `k` | integer or empty | Cut-off;"),
            "{text}"
        );
    }

    #[test]
    fn the_committed_reference_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/FORMAT-results.md");
        let generated = format!(
            "<!-- Generated by `UPDATE=1 cargo test -p allround --lib results`; edit the row types. -->\n\n{}",
            format_markdown()
        );
        if std::env::var_os("UPDATE").is_some() {
            allround_core::fs::write_atomic(&path, generated.as_bytes()).unwrap();
        }
        let committed = allround_core::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == generated,
            "docs/FORMAT-results.md is not current: run `UPDATE=1 cargo test -p allround --lib results`"
        );
    }
}
