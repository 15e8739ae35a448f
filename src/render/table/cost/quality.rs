//! The quality of every model next to its costs.

use super::{Cell, CostKey, Costs, Head};
use crate::analysis::OverSeeds;
use crate::experiment::config::outputs::{Axis, CostTable};
use crate::render::style;
use crate::results::{MetricRow, Results};
use allround_core::data::Part;

/// The numbers of a table's protocol.
pub(super) struct Quality<'a> {
    results: &'a Results,
    settings: &'a CostTable,
}

impl<'a> Quality<'a> {
    pub(super) fn of(results: &'a Results, settings: &'a CostTable) -> Self {
        Self { results, settings }
    }

    /// The header of each metric.
    pub(super) fn heads(&self) -> Vec<Head> {
        let metrics = self.settings.metrics.iter();
        metrics.map(|metric| Head::number(metric.title())).collect()
    }

    /// The numbers of one training, metric by metric: those of the first scenario that it has.
    fn numbers(&self, key: &CostKey) -> Vec<Option<OverSeeds>> {
        let scenarios: Vec<&str> = key.scenario.split(", ").collect();
        let is_its = |row: &&MetricRow| {
            let has = key.scenario.is_empty() || scenarios.contains(&&*row.scenario);
            has && row.dataset == key.dataset
                && row.name == key.name
                && row.split == Part::Test.name()
                && row.protocol_name() == self.settings.protocol
        };
        let rows: Vec<&MetricRow> = self.results.metrics.iter().filter(is_its).collect();
        let place = |row: &&MetricRow| self.results.place(Axis::Scenario, &row.scenario);
        let first = rows.iter().map(place).min();
        let metrics = self.settings.metrics.iter().map(|metric| {
            let of_metric = rows.iter().copied();
            let of_metric = of_metric.filter(|row| row.metric() == Some(*metric));
            OverSeeds::of(of_metric.filter(|row| Some(place(row)) == first))
        });
        metrics.collect()
    }

    /// The cells of one training.
    pub(super) fn cells(&self, key: &CostKey) -> Vec<Cell> {
        let numbers = self.numbers(key).into_iter();
        let cell = |number: Option<OverSeeds>| Cell {
            spread: number
                .as_ref()
                .and_then(|number| number.sd)
                .map(|sd| format!("± {}", style::metric(sd)))
                .unwrap_or_default(),
            ..Cell::number(number.map(|number| number.mean), style::metric)
        };
        numbers.map(cell).collect()
    }

    /// Which numbers the table shows.
    pub(super) fn note(&self) -> Option<String> {
        let CostTable {
            protocol, metrics, ..
        } = self.settings;
        (!metrics.is_empty()).then(|| {
            format!(
                "Quality on the test split under protocol {protocol}, in the first scenario of each training, with deviations over seeds."
            )
        })
    }

    /// The numbers of the CSV file with a column for each metric.
    pub(super) fn added(
        &self,
        all: &[(CostKey, Costs)],
        (mut header, mut rows): (Vec<String>, Vec<Vec<String>>),
    ) -> (Vec<String>, Vec<Vec<String>>) {
        header.extend(self.settings.metrics.iter().map(ToString::to_string));
        for ((key, _), row) in all.iter().zip(&mut rows) {
            let numbers = self.numbers(key).into_iter();
            row.extend(numbers.map(|number| {
                let mean = number.map(|number| number.mean.to_string());
                mean.unwrap_or_default()
            }));
        }
        (header, rows)
    }
}
