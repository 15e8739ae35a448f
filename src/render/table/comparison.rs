//! Models against data sets, scenarios and metrics: best bold, second underlined, stars for adjusted paired tests.

use super::{Cell, Grid, Head, Mark, Row};
use crate::analysis::FEWEST_STARRED;
use crate::analysis::summary::{Place, State, Summary, SummaryRow, SummaryTable};
use crate::render::style::{self, UNKNOWN};
use allround_core::data::Part;

/// What the marks of a comparison mean, where there are letters for them.
pub const MARKS: &str = "best bold, second best underlined";
/// How the note on remarks in smaller letters begins.
pub const IN_SMALL: &str = "In small:";

/// The grid of an summary table; `colour` gives a model's colour as `#rrggbb`.
pub fn grid(
    name: &str,
    title: &str,
    table: &SummaryTable,
    baseline: &str,
    colour: impl Fn(&str) -> String,
) -> Grid {
    let seeds = common_seeds(table);
    let row = |row: &SummaryRow| Row {
        model: row.name.clone(),
        name: row.name.clone(),
        colour: colour(&row.name),
        is_summary: false,
        cells: row
            .summaries
            .iter()
            .map(|summary| cell(summary, seeds, baseline, table.alpha))
            .collect(),
    };
    let mut rows: Vec<Row> = table.rows.iter().map(row).collect();
    rows.extend(improvements(table, baseline));
    Grid {
        name: name.to_owned(),
        title: title.to_owned(),
        notes: notes(table, seeds, baseline),
        header: header(table),
        rows,
        data: data(table),
    }
}

/// Number of seeds of every measured number, where it is one and the same.
fn common_seeds(table: &SummaryTable) -> Option<usize> {
    let measured = table
        .rows
        .iter()
        .flat_map(|row| &row.summaries)
        .filter(|summary| summary.mean.is_some());
    let mut counts: Vec<usize> = measured.map(|summary| summary.seeds.len()).collect();
    counts.dedup();
    match counts.as_slice() {
        [seeds] => Some(*seeds),
        _ => None,
    }
}

/// Data set, scenario, number of measured users and metric, each line spanning what is below it; a data set or scenario that is
/// the same everywhere is left to the caption.
fn header(table: &SummaryTable) -> Vec<Vec<Head>> {
    let mut lines = Vec::new();
    let dataset = |index: usize| table.columns[index].dataset.clone();
    let scenario = |index: usize| table.columns[index].scenario.clone();
    let both = |index: usize| (dataset(index), scenario(index));
    if (1..table.columns.len()).any(|index| dataset(index) != dataset(0)) {
        lines.push(spans(table.columns.len(), dataset, dataset));
    }
    if (1..table.columns.len()).any(|index| scenario(index) != scenario(0)) {
        lines.push(spans(table.columns.len(), both, scenario));
    }
    let users: Vec<Option<String>> = (0..table.columns.len())
        .map(|index| users(table, index))
        .collect();
    if users.iter().any(Option::is_some) {
        let text = |index: usize| users[index].clone().unwrap_or_default();
        lines.push(spans(
            table.columns.len(),
            |index| (both(index), text(index)),
            text,
        ));
    }
    let mut last = vec![Head::text("Model")];
    last.extend(
        table
            .columns
            .iter()
            .map(|column| Head::number(column.metric.title())),
    );
    lines.push(last);
    lines
}

/// `n = 3,285`: the users of a column; `n = 58 to 60` where rows differ, nothing where no row has a number.
fn users(table: &SummaryTable, column: usize) -> Option<String> {
    let measured = || measured_users(table, column);
    let mut summaries = table.rows.iter().map(|row| &row.summaries[column]);
    if measured().next().is_none() && summaries.any(|summary| summary.state == State::Empty) {
        return Some("n = 0".to_owned());
    }
    let (fewest, most) = (measured().min()?, measured().max()?);
    Some(match fewest == most {
        true => format!("n = {}", style::count(most)),
        false => format!("n = {} to {}", style::count(fewest), style::count(most)),
    })
}

/// Users of each number of a column.
fn measured_users(table: &SummaryTable, column: usize) -> impl Iterator<Item = u64> {
    let summaries = table.rows.iter().map(move |row| &row.summaries[column]);
    summaries
        .filter(|summary| summary.mean.is_some())
        .filter_map(|summary| summary.n_users)
}

/// Neighbouring columns with equal keys under one head.
fn spans<K: PartialEq>(
    columns: usize,
    key: impl Fn(usize) -> K,
    text: impl Fn(usize) -> String,
) -> Vec<Head> {
    let mut heads = vec![Head::text("")];
    for index in 0..columns {
        if index > 0 && key(index) == key(index - 1) {
            heads
                .last_mut()
                .expect("the first head stands above the names")
                .span += 1;
        } else {
            heads.push(Head::over(text(index), 1));
        }
    }
    heads
}

fn cell(summary: &Summary, seeds: Option<usize>, baseline: &str, alpha: f64) -> Cell {
    let Some(mean) = summary.mean else {
        return Cell {
            text: match summary.state {
                State::Failed => "failed",
                State::Empty => "no users",
                _ => UNKNOWN,
            }
            .to_owned(),
            ..Cell::default()
        };
    };
    let mut text = style::metric(mean);
    if let Some(sd) = summary.sd {
        text += &format!(" ± {}", style::metric(sd));
    }
    if seeds.is_none() {
        text += &format!(" ({})", summary.seeds.len());
    }
    let improvement = summary
        .against
        .as_ref()
        .and_then(|against| against.improvement);
    Cell {
        text,
        remark: improvement
            .filter(|_| !baseline.is_empty())
            .map(style::percent)
            .unwrap_or_default(),
        value: Some(mean),
        mark: match summary.place {
            Place::Best => Mark::Best,
            Place::Second => Mark::Second,
            Place::Other => Mark::None,
        },
        star: is_starred(summary, alpha),
        is_text: false,
    }
}

/// A star means better or worse than what it is tested against, by the adjusted test.
fn is_starred(summary: &Summary, alpha: f64) -> bool {
    let test = summary
        .against
        .as_ref()
        .and_then(|against| against.test.as_ref());
    test.is_some_and(|test| test.is_significant(alpha))
}

/// Without a named baseline: how far the best of each column is above the second best.
fn improvements(table: &SummaryTable, baseline: &str) -> Option<Row> {
    if !baseline.is_empty() || table.rows.len() < 2 {
        return None;
    }
    let best = |column: usize| {
        let summaries = table.rows.iter().map(move |row| &row.summaries[column]);
        let improvement = |summary: &Summary| {
            summary
                .against
                .as_ref()
                .and_then(|against| against.improvement)
        };
        summaries
            .filter(|summary| summary.place == Place::Best)
            .find_map(improvement)
    };
    let cells = (0..table.columns.len()).map(|column| Cell::number(best(column), style::percent));
    Some(Row {
        name: "Best over second".to_owned(),
        is_summary: true,
        cells: cells.collect(),
        ..Row::default()
    })
}

fn notes(table: &SummaryTable, seeds: Option<usize>, baseline: &str) -> Vec<String> {
    let mut notes = vec![measured(table, seeds)];
    let summaries = || table.rows.iter().flat_map(|row| &row.summaries);
    if !baseline.is_empty() {
        notes.push(format!("{IN_SMALL} change against {baseline}."));
    }
    if summaries().any(|summary| is_starred(summary, table.alpha)) {
        let against = if baseline.is_empty() {
            "the second best of its column"
        } else {
            baseline
        };
        notes.push(format!(
            "* differs from {against} (paired randomisation test over users, two-sided, p < {} after Holm's adjustment over the {} tests of this table).",
            table.alpha, table.n_tests
        ));
    }
    let is_small = |column| measured_users(table, column).any(|n| n < FEWEST_STARRED as u64);
    if table.n_tests > 0 && (0..table.columns.len()).any(is_small) {
        notes.push(format!(
            "No star where fewer than {FEWEST_STARRED} users are measured (n, above each column)."
        ));
    }
    if !table.method.is_empty() && !table.coverage.is_none() {
        let method = table.method.replace('`', "");
        let of_seeds = "Mean and standard deviation over seeds. ";
        let method = match seeds {
            Some(1) => method.strip_prefix(of_seeds).unwrap_or(&method),
            _ => &method,
        };
        notes.push(method.to_owned());
    }
    notes.extend(table.coverage.absence());
    if summaries().any(|summary| summary.state == State::Partial) {
        notes.push("Where seeds failed, the number is of the others; see the failures.".to_owned());
    }
    notes
}

fn measured(table: &SummaryTable, seeds: Option<usize>) -> String {
    let what = match seeds {
        Some(1) => "One seed".to_owned(),
        Some(seeds) => format!("Mean ± standard deviation ({seeds} seeds)"),
        None => "Mean ± standard deviation (number of seeds in brackets)".to_owned(),
    };
    let first = table.columns.first();
    let same = |all: bool, text: String| if all { text } else { String::new() };
    let dataset = first.map_or(String::new(), |first| {
        same(
            table
                .columns
                .iter()
                .all(|column| column.dataset == first.dataset),
            format!(", data set {}", first.dataset),
        )
    });
    let scenario = first.map_or(String::new(), |first| {
        same(
            table
                .columns
                .iter()
                .all(|column| column.scenario == first.scenario),
            format!(", scenario {}", first.scenario),
        )
    });
    let split = match table.part {
        Part::Test => "",
        Part::Valid => ", validation split",
    };
    format!(
        "{what}, protocol {}{split}{dataset}{scenario}; {MARKS}.",
        table.protocol
    )
}

fn data(table: &SummaryTable) -> (Vec<String>, Vec<Vec<String>>) {
    let header = [
        "model",
        "dataset",
        "scenario",
        "protocol",
        "split",
        "metric",
        "state",
        "mean",
        "sd",
        "n_seeds",
        "n_users",
        "low",
        "high",
        "place",
        "baseline",
        "difference",
        "improvement",
        "randomisation_p",
        "randomisation_p_holm",
        "wilcoxon_p",
        "wilcoxon_p_holm",
        "rank_biserial",
        "cohen_dz",
        "seeds_needed",
    ];
    let mut rows = Vec::new();
    for row in &table.rows {
        for (column, summary) in table.columns.iter().zip(&row.summaries) {
            let mut cells = [
                &row.name,
                &column.dataset,
                &column.scenario,
                &column.protocol,
            ]
            .map(Clone::clone)
            .to_vec();
            cells.push(table.part.to_string());
            cells.push(column.metric.to_string());
            cells.extend(numbers(summary));
            rows.push(cells);
        }
    }
    (header.map(str::to_owned).to_vec(), rows)
}

fn numbers(summary: &Summary) -> Vec<String> {
    let real = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let against = summary.against.as_ref();
    let test = against.and_then(|against| against.test.as_ref());
    vec![
        format!("{:?}", summary.state).to_lowercase(),
        real(summary.mean),
        real(summary.sd),
        summary.seeds.len().to_string(),
        summary
            .n_users
            .map(|users| users.to_string())
            .unwrap_or_default(),
        real(summary.interval.map(|interval| interval.low)),
        real(summary.interval.map(|interval| interval.high)),
        format!("{:?}", summary.place).to_lowercase(),
        against
            .map(|against| against.baseline.clone())
            .unwrap_or_default(),
        real(against.map(|against| against.difference)),
        real(against.and_then(|against| against.improvement)),
        real(test.map(|test| test.randomisation_p)),
        real(test.map(|test| test.randomisation_p_holm)),
        real(test.map(|test| test.wilcoxon_p)),
        real(test.map(|test| test.wilcoxon_p_holm)),
        real(test.map(|test| test.rank_biserial)),
        real(test.and_then(|test| test.cohen_dz)),
        test.and_then(|test| test.seeds_needed)
            .map(|seeds| seeds.to_string())
            .unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::summary::{Measurements, SummaryQuery, summary};
    use crate::render::fixture;
    use crate::render::terminal::{self, Look};
    use crate::results::Results;
    use allround_core::fs;
    use allround_core::metric::Metric;

    /// The fixture's table `main`, without ranks.
    fn main_table() -> SummaryTable {
        let folder = fixture::results();
        fs::remove_dir_all(&folder.path().join("ranks")).unwrap();
        let results = Results::read(folder.path()).unwrap();
        let query = SummaryQuery {
            protocol: "strict".to_owned(),
            metrics: vec![Metric::Hit(1), Metric::Ndcg(10)],
            models: results.models.clone(),
            baseline: "popularity".to_owned(),
            ..SummaryQuery::default()
        };
        summary(Measurements::of(&results), &query).unwrap()
    }

    fn shown(table: &SummaryTable) -> Grid {
        grid("main", "Title", table, "popularity", |_| String::new())
    }

    #[test]
    fn the_number_of_users_stands_above_each_group_of_columns_in_every_format() {
        let grid = shown(&main_table());
        let markdown = grid.markdown();
        assert!(
            markdown.contains("| games, cold, n = 0, Hit@1 |"),
            "{markdown}"
        );
        assert!(
            markdown.contains("| toys, warm, n = 60, Hit@1 |"),
            "{markdown}"
        );
        let latex = grid.latex();
        assert!(latex.contains("\\multicolumn{2}{c}{n = 60}"), "{latex}");
        let csv = String::from_utf8(grid.csv()).unwrap();
        assert!(csv.lines().next().unwrap().contains(",n_users,"), "{csv}");
        let look = Look {
            width: 500,
            styled: false,
        };
        let text = terminal::text(&grid, look);
        assert!(text.contains("n = 60"), "{text}");
    }

    #[test]
    fn users_that_differ_between_rows_are_a_range_and_few_of_them_have_no_star() {
        let mut table = main_table();
        table.n_tests = 3;
        let note = "No star where fewer than 30 users are measured";
        let has_note = |table: &SummaryTable| {
            let notes = shown(table).notes;
            notes.iter().any(|text| text.contains(note))
        };
        assert!(!has_note(&table));
        let summaries = table.rows.iter_mut().flat_map(|row| &mut row.summaries);
        let mut measured = summaries.filter(|summary| summary.mean.is_some());
        measured.next().unwrap().n_users = Some(12);
        assert!(has_note(&table));
        let header = shown(&table).header;
        let texts: Vec<&str> = header.iter().flatten().map(|head| &*head.text).collect();
        assert!(texts.contains(&"n = 12 to 60"), "{texts:?}");
    }
}
