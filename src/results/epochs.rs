//! Rows of `epochs.csv` from the events of a stage.

use std::collections::BTreeMap;
use std::fmt::Display;

use allround_core::event::{Epoch, Event, Validation};
use allround_core::metric::Metric;

use super::{EpochRow, StageRow};

/// The quantity in `epochs.csv` of a metric of the CF model that a method reads.
pub fn reference_quantity(metric: impl Display) -> String {
    format!("cf_{metric}")
}

/// The rows of `stage` from its events.
pub fn epoch_rows(stage: &StageRow, events: &[Event]) -> Vec<EpochRow> {
    let blank = EpochRow {
        kind: stage.kind.clone(),
        key: stage.key.clone(),
        ..EpochRow::default()
    };
    let (mut rows, mut samples) = (Vec::new(), 0);
    for event in events {
        match event {
            Event::Epoch(epoch) => {
                samples += epoch.examples;
                rows.extend(of_epoch(&blank, epoch, samples));
            }
            Event::Validation(validation) => rows.extend(of_validation(&blank, validation)),
            Event::Reference { metrics } => {
                let named = |(metric, value)| (reference_quantity(metric), value);
                rows.extend(with_values(&blank, metrics.iter().map(named)));
            }
            Event::Started(_) | Event::Phase(_) | Event::Progress(_) | Event::Counted(_) => {}
            Event::Note { .. } | Event::Remark { .. } => {}
            Event::Failed(_) | Event::Finished => {}
        }
    }
    rows
}

/// An epoch that ends after `samples` samples.
fn of_epoch(blank: &EpochRow, epoch: &Epoch, samples: u64) -> Vec<EpochRow> {
    let row = EpochRow {
        epoch: epoch.epoch,
        wall_s: epoch.wall_s,
        examples: epoch.examples,
        samples,
        ..blank.clone()
    };
    let losses = epoch.losses.iter();
    let parts = losses.map(|(name, value)| (format!("loss_{name}"), value));
    let values = std::iter::once(("loss".to_owned(), &epoch.loss)).chain(parts);
    with_values(&row, values.chain(named(&epoch.validation)))
}

/// A validation by samples.
fn of_validation(blank: &EpochRow, validation: &Validation) -> Vec<EpochRow> {
    let row = EpochRow {
        epoch: validation.epoch,
        wall_s: validation.wall_s,
        samples: validation.samples,
        ..blank.clone()
    };
    with_values(&row, named(&validation.metrics))
}

fn named(metrics: &BTreeMap<Metric, f64>) -> impl Iterator<Item = (String, &f64)> {
    metrics
        .iter()
        .map(|(metric, value)| (metric.to_string(), value))
}

fn with_values<'a>(
    row: &EpochRow,
    values: impl Iterator<Item = (String, &'a f64)>,
) -> Vec<EpochRow> {
    let filled = |(quantity, value): (String, &f64)| EpochRow {
        quantity,
        value: *value,
        ..row.clone()
    };
    values.map(filled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_the_samples_seen_since_the_start() {
        let epoch = |epoch, examples| {
            Event::Epoch(Epoch {
                epoch,
                loss: 0.5,
                losses: BTreeMap::new(),
                validation: BTreeMap::new(),
                wall_s: 1.0,
                examples,
            })
        };
        let validation = |epoch, samples| {
            Event::Validation(Validation {
                epoch,
                samples,
                metrics: BTreeMap::from([(Metric::Mrr, 0.25)]),
                wall_s: 2.0,
            })
        };
        let reference = Event::Reference {
            metrics: BTreeMap::from([(Metric::Mrr, 0.75)]),
        };
        let events = [
            reference,
            validation(0, 0),
            validation(1, 60),
            epoch(1, 100),
            epoch(2, 20),
            validation(2, 120),
        ];
        let rows = epoch_rows(&StageRow::default(), &events);
        let shown: Vec<(&str, u32, u64)> = rows
            .iter()
            .map(|row| (row.quantity.as_str(), row.epoch, row.samples))
            .collect();
        let expected = [
            ("cf_mrr", 0, 0),
            ("mrr", 0, 0),
            ("mrr", 1, 60),
            ("loss", 1, 100),
            ("loss", 2, 120),
            ("mrr", 2, 120),
        ];
        assert_eq!(shown, expected);
    }
}
