//! Answer tables for a spec's tables and figures.

use super::RenderError;
use super::results::Results;
use crate::experiment::config::{Expected, Table};
use crate::record::summary::{AnswerTable, Question};
use crate::record::{self, MetricRow};

/// The answer table of a comparison; an empty one for other kinds of tables.
///
/// # Errors
/// When the statistics cannot be computed from the rows and ranks.
pub fn of_table(results: &Results, table: &Table) -> Result<AnswerTable, RenderError> {
    let Table::Comparison {
        metrics,
        protocol,
        split,
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
        part: *split,
        metrics: metrics.clone(),
        datasets: datasets.clone(),
        scenarios: scenarios.clone(),
        models: results.models.clone(),
        baseline: baseline.clone(),
    };
    of(results, &question)
}

/// The answer to any question.
///
/// # Errors
/// As [`of_table`].
pub fn of(results: &Results, question: &Question) -> Result<AnswerTable, RenderError> {
    Ok(record::answer(&results.folder, &results.metrics, question)?)
}

/// The mean over seeds of one number, without intervals and tests; `None` when no seed has it.
pub fn mean(results: &Results, expected: &Expected) -> Option<f64> {
    let is_it = |row: &&MetricRow| {
        row.split == "test"
            && row.shown_name() == expected.model
            && row.dataset == expected.dataset
            && row.scenario == expected.scenario
            && row.protocol_name() == expected.protocol
            && row.metric == expected.metric.family()
            && row.k == expected.metric.k()
    };
    let rows = results.metrics.iter().filter(is_it);
    let values: Vec<f64> = rows.filter_map(|row| row.value).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
