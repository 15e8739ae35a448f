//! Comparison of results with the expected values of an experiment file.

use super::seeds::OverSeeds;
use super::summary::State;
use crate::experiment::config::Expected;
use crate::results::{MetricRow, Status};

/// The outcome of one expected value.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What was expected.
    pub expected: Expected,
    /// Mean over seeds; `None` without a measurement.
    pub found: Option<f64>,
    /// Measured users, the fewest of a seed; `None` without a measurement.
    pub users: Option<u64>,
    /// Whether the results agree with it.
    pub verdict: Verdict,
}

/// Whether the results agree with an expected value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The difference is at most the tolerance.
    Within,
    /// The difference is larger.
    Outside,
    /// The two numbers are not comparable, for the reason that the experiment file gives.
    NotComparable(String),
    /// There is no number, for this reason.
    Missing(State),
}

impl Verdict {
    /// The verdict in words.
    pub fn words(&self) -> &'static str {
        match self {
            Verdict::Within => "within",
            Verdict::Outside => "outside",
            Verdict::NotComparable(_) => "not comparable",
            Verdict::Missing(_) => "missing",
        }
    }
}

/// Relative tolerance for rounding errors of the decimal fractions in a file.
const ROUNDING: f64 = 1e-9;

/// The outcome of each expected value, in file order. `rows` are those of `metrics.csv`; only test
/// rows are used.
pub fn outcomes(expected: &[Expected], rows: &[MetricRow]) -> Vec<Outcome> {
    expected
        .iter()
        .map(|expected| outcome(expected, rows))
        .collect()
}

fn outcome(expected: &Expected, rows: &[MetricRow]) -> Outcome {
    let is_meant = |row: &&MetricRow| {
        row.split == "test"
            && row.dataset == expected.dataset
            && row.scenario == expected.scenario
            && row.name == expected.model
            && row.protocol_name() == expected.protocol
    };
    let rows: Vec<&MetricRow> = rows.iter().filter(is_meant).collect();
    let of_metric = rows
        .iter()
        .filter(|row| row.metric() == Some(expected.metric));
    let users = of_metric.clone().filter_map(|row| row.n_users).min();
    let found = OverSeeds::of(of_metric.copied()).map(|it| it.mean);
    let verdict = match found {
        _ if !expected.not_comparable.is_empty() => {
            Verdict::NotComparable(expected.not_comparable.clone())
        }
        Some(found) if is_within(found, expected) => Verdict::Within,
        Some(_) => Verdict::Outside,
        None if rows.iter().any(|row| row.status == Status::Empty) => {
            Verdict::Missing(State::Empty)
        }
        None if rows.iter().any(|row| row.status.is_failure()) => Verdict::Missing(State::Failed),
        None => Verdict::Missing(State::Missing),
    };
    Outcome {
        expected: expected.clone(),
        found,
        users,
        verdict,
    }
}

fn is_within(found: f64, expected: &Expected) -> bool {
    (found - expected.value).abs() <= expected.tolerance + ROUNDING * expected.value.abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use allround_core::metric::Metric;

    fn expected(value: f64, tolerance: f64, not_comparable: &str) -> Expected {
        Expected {
            dataset: "d".to_owned(),
            scenario: "overall".to_owned(),
            model: "m".to_owned(),
            protocol: "p".to_owned(),
            metric: Metric::Hit(1),
            value,
            tolerance,
            source: "a paper".to_owned(),
            not_comparable: not_comparable.to_owned(),
        }
    }

    fn row(value: Option<f64>, status: Status) -> MetricRow {
        MetricRow {
            dataset: "d".to_owned(),
            scenario: "overall".to_owned(),
            name: "m".to_owned(),
            split: "test".to_owned(),
            metric: "hit".to_owned(),
            k: Some(1),
            value,
            protocol: "p:0123456789ab".to_owned(),
            status,
            ..MetricRow::default()
        }
    }

    fn verdict(expected: &Expected, rows: &[MetricRow]) -> Verdict {
        outcomes(std::slice::from_ref(expected), rows)
            .remove(0)
            .verdict
    }

    #[test]
    fn the_mean_over_seeds_is_compared_within_the_tolerance() {
        let rows = [row(Some(0.25), Status::Ok), row(Some(0.27), Status::Ok)];
        assert_eq!(verdict(&expected(0.25, 0.01, ""), &rows), Verdict::Within);
        assert_eq!(verdict(&expected(0.25, 0.009, ""), &rows), Verdict::Outside);
        assert_eq!(
            outcomes(&[expected(0.25, 0.01, "")], &rows)[0].found,
            Some(0.26)
        );
    }

    #[test]
    fn a_difference_of_exactly_the_tolerance_is_within() {
        assert_eq!(
            verdict(&expected(0.3, 0.1, ""), &[row(Some(0.2), Status::Ok)]),
            Verdict::Within
        );
        assert_eq!(
            verdict(&expected(0.2, 0.0, ""), &[row(Some(0.2), Status::Ok)]),
            Verdict::Within
        );
    }

    #[test]
    fn a_value_that_is_not_comparable_has_no_verdict() {
        let other = expected(0.9, 0.0, "another LLM");
        assert_eq!(
            verdict(&other, &[row(Some(0.9), Status::Ok)]),
            Verdict::NotComparable("another LLM".to_owned())
        );
    }

    #[test]
    fn a_missing_number_has_its_reason() {
        let wanted = expected(0.2, 0.1, "");
        assert_eq!(verdict(&wanted, &[]), Verdict::Missing(State::Missing));
        assert_eq!(
            verdict(&wanted, &[row(None, Status::Empty)]),
            Verdict::Missing(State::Empty)
        );
        assert_eq!(
            verdict(&wanted, &[row(None, Status::Failed)]),
            Verdict::Missing(State::Failed)
        );
        let elsewhere = MetricRow {
            scenario: "cold".to_owned(),
            ..row(Some(0.2), Status::Ok)
        };
        assert_eq!(
            verdict(&wanted, &[elsewhere]),
            Verdict::Missing(State::Missing)
        );
    }
}
