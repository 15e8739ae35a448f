//! Answer tables for a spec's tables and figures.

use std::collections::BTreeSet;

use super::RenderError;
use super::results::{Results, shown_name};
use crate::metric::Metric;
use crate::record::MetricRow;
use crate::record::summary::{Answer, AnswerRow, AnswerTable, Column, Place, Question, State};
use crate::spec::config::Table;

/// The answer table of a comparison; an empty one for other kinds of tables.
///
/// # Errors
/// When the statistics cannot be computed from the rows and ranks.
pub fn of_table(results: &Results, table: &Table) -> Result<AnswerTable, RenderError> {
    let Table::Comparison {
        metrics,
        protocol,
        datasets,
        scenarios,
        baseline,
        ..
    } = table
    else {
        return of(results, &Question::default());
    };
    let question = Question {
        protocol: protocol.clone(),
        metrics: metrics.clone(),
        datasets: datasets.clone(),
        scenarios: scenarios.clone(),
        models: results.models(),
        baseline: baseline.clone(),
    };
    of(results, &question)
}

/// The answer to any question.
///
/// # Errors
/// As [`of_table`].
pub fn of(results: &Results, question: &Question) -> Result<AnswerTable, RenderError> {
    let rows: Vec<&MetricRow> = results
        .metrics
        .iter()
        .filter(|row| row.split == "test" || row.split.is_empty())
        .collect();
    let mut columns = Vec::new();
    let all = |wanted: &[String], known: Vec<String>| {
        if wanted.is_empty() {
            known
        } else {
            wanted.to_vec()
        }
    };
    for dataset in all(&question.datasets, results.datasets()) {
        for scenario in all(&question.scenarios, results.scenarios()) {
            for metric in metrics(results, question) {
                columns.push(Column {
                    dataset: dataset.clone(),
                    scenario: scenario.clone(),
                    metric,
                    protocol: question.protocol.clone(),
                });
            }
        }
    }
    let row = |name: &String| AnswerRow {
        name: name.clone(),
        model: name.clone(),
        backbone: String::new(),
        answers: columns
            .iter()
            .map(|column| answer(&rows, name, column))
            .collect(),
    };
    let mut table = AnswerTable {
        protocol: question.protocol.clone(),
        rows: question.models.iter().map(row).collect(),
        columns,
        confidence: 0.95,
        alpha: 0.05,
        n_tests: 0,
        method: String::new(),
    };
    for column in 0..table.columns.len() {
        places(&mut table, column);
    }
    Ok(table)
}

fn metrics(results: &Results, question: &Question) -> Vec<Metric> {
    if !question.metrics.is_empty() {
        return question.metrics.clone();
    }
    let protocol = results.spec.protocol.get(&question.protocol);
    protocol
        .map(|protocol| protocol.metrics.clone())
        .unwrap_or_default()
}

fn answer(rows: &[&MetricRow], model: &str, column: &Column) -> Answer {
    let of_cell = |row: &&&MetricRow| {
        shown_name(row) == model && row.dataset == column.dataset && row.scenario == column.scenario
    };
    let rows: Vec<&&MetricRow> = rows.iter().filter(of_cell).collect();
    let is_metric = |row: &&&&MetricRow| {
        row.metric == column.metric.family()
            && row.k == column.metric.k()
            && row.protocol.split(':').next() == Some(&column.protocol)
    };
    let values: Vec<(u64, f64)> = rows
        .iter()
        .filter(is_metric)
        .filter_map(|row| Some((row.seed, row.value?)))
        .collect();
    let errors: BTreeSet<String> = rows
        .iter()
        .filter(|row| !row.error.is_empty())
        .map(|row| row.error.clone())
        .collect();
    let n = values.len() as f64;
    let mean = (!values.is_empty()).then(|| values.iter().map(|(_, value)| value).sum::<f64>() / n);
    let squares = |mean: f64| {
        values
            .iter()
            .map(|(_, value)| (value - mean).powi(2))
            .sum::<f64>()
    };
    Answer {
        state: match () {
            () if mean.is_some() && errors.is_empty() => State::Measured,
            () if mean.is_some() => State::Partial,
            () if rows.is_empty() => State::Missing,
            () if errors.is_empty() => State::Empty,
            () => State::Failed,
        },
        mean,
        sd: mean
            .filter(|_| values.len() > 1)
            .map(|mean| (squares(mean) / (n - 1.0)).sqrt()),
        seeds: values.iter().map(|(seed, _)| *seed).collect(),
        errors: errors.into_iter().collect(),
        ..Answer::default()
    }
}

fn places(table: &mut AnswerTable, column: usize) {
    let mut means: Vec<f64> = table
        .rows
        .iter()
        .filter_map(|row| row.answers[column].mean)
        .collect();
    means.sort_by(|a, b| b.total_cmp(a));
    means.dedup();
    for row in &mut table.rows {
        let answer = &mut row.answers[column];
        answer.place = match answer.mean {
            Some(mean) if means.first() == Some(&mean) => Place::Best,
            Some(mean) if means.get(1) == Some(&mean) => Place::Second,
            _ => Place::Other,
        };
    }
}
