//! The numbers of a comparison in full precision.

use crate::analysis::summary::{Summary, SummaryTable};

/// A header, and a row for each number.
pub(super) fn data(table: &SummaryTable) -> (Vec<String>, Vec<Vec<String>>) {
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
