//! The reference of the results files, generated from the row types.

use schemars::{JsonSchema, schema_for};
use serde::Serialize;

use super::file::columns;
use super::{
    CellRow, CellStageRow, DataRow, EpochRow, IntervalRow, MetricRow, RankRow, ScoreRow, StageRow,
    TestRow, TextRow,
};

/// What holds for every results file.
const RULES: &str = r#"# Reference of the results files

Every CSV file is UTF-8 with a header line, also when it has no rows. Numbers have the shortest digits
that read back to the same number. A value that is not known is an empty cell, never 0. A file is
replaced as a whole, so a reader never sees half of one. The program refuses a file with other columns
and names them.

No cell begins like a formula. A text that begins with `=`, `+`, `-`, `@`, a tab, a line break or an
apostrophe has an apostrophe in front. To get the text back, remove one leading apostrophe.

The folder mirrors the experiment file: `experiments/paper/table1.toml` has its results in
`results/paper/table1`. An experiment outside of a folder `experiments` has them in `results/NAME`.
With `--out DIR`, `DIR` takes the place of `results`. A run with a profile, `--limit N` or other flags
has a folder of its own next to it, such as `table1-limit-50`. A run in which no cell has a number
leaves a folder with earlier numbers as it is.

`spec.toml` is the experiment as it was run: every default is written out with the origin of each
value. `machine.toml` holds one digest of everything that decides the results, and names program
version and commit, operating system, CPU, cores, memory, driver, the devices and LibTorch of the
stages, and which programs made how many of them.

## How the files belong together

| file | one row per |
|---|---|
| `metrics.csv` | number: cell, protocol, split, metric |
| `cells.csv` | cell: data set, scenario, model, seed |
| `stages.csv` | phase of a stage |
| `cell_stages.csv` | cell and stage that it uses |
| `epochs.csv` | quantity of an epoch of a stage |
| `data.csv` | data set under a scenario |
| `intervals.csv` | mean over seeds with an interval |
| `tests.csv` | comparison of two models |

Stages are shared between cells, so their times and losses are written once. Joins with pandas:

```python
notes = metrics.merge(cells[["cell", "error", "notes"]], on="cell")
times = cell_stages.merge(stages, on=["kind", "key"])
curves = cell_stages.merge(epochs, on=["kind", "key"])
```

The folders `ranks`, `answers` and `scores` hold what each user got. They are large. After they are
removed, `allround run FILE` writes them again from the store. Until then, tables and figures show
the intervals and tests of `intervals.csv` and `tests.csv`. These two files hold what tables, figures
and report show, and are written with them.

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
        table::<IntervalRow>("intervals.csv"),
        table::<TestRow>("tests.csv"),
        table::<RankRow>("ranks/CELL.PROTOCOL.csv.gz"),
        table::<TextRow>("answers/CELL.PROTOCOL.csv.gz"),
        table::<ScoreRow>("scores/CELL.PROTOCOL.csv.gz"),
    ];
    format!("{RULES}{}", tables.join("\n"))
}

fn table<R: Serialize + Default + JsonSchema>(file: &str) -> String {
    let schema = schema_for!(R);
    let about = |value: Option<&serde_json::Value>| {
        let text = value.and_then(|value| value.get("description"));
        let text = text.and_then(serde_json::Value::as_str).unwrap_or_default();
        text.replace('\n', " ")
    };
    let mut text = format!(
        "## `{file}`\n\n{}\n\n| column | kind | meaning |\n|---|---|---|\n",
        about(Some(schema.as_value()))
    );
    for column in columns::<R>() {
        let property = schema.get("properties").and_then(|all| all.get(&column));
        let meaning = about(property).replace('|', "\\|");
        text.push_str(&format!(
            "| `{column}` | {} | {meaning} |\n",
            kind(property)
        ));
    }
    text
}

/// `text`, `integer`, `number` or `boolean`; a type that may be absent says so.
fn kind(property: Option<&serde_json::Value>) -> String {
    let types = match property.and_then(|property| property.get("type")) {
        Some(serde_json::Value::Array(types)) => types.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    let words = types.iter().filter_map(|word| match word.as_str()? {
        "string" => Some("text"),
        "null" => Some("or empty"),
        "integer" => Some("integer"),
        "number" => Some("number"),
        "boolean" => Some("`true` or `false`"),
        _ => None,
    });
    words.collect::<Vec<_>>().join(" ")
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
