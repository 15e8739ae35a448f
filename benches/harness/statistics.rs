//! Intervals and paired tests at the size of one comparison table; the items are users.

use allround::analysis::stats::bootstrap::{self, Panel, Resampling};
use allround::analysis::stats::{randomisation, wilcoxon};
use allround_core::seed::{Stream, stream};
use divan::Bencher;
use divan::counter::ItemsCount;
use rand::RngExt;

use super::MAX_TIME;

const USERS: usize = 2000;
const SEEDS: usize = 3;
const MODELS: usize = 6;

/// `count` numbers from 0 to 1, always the same.
pub fn numbers(count: usize) -> Vec<f64> {
    let mut random = stream(1, Stream::Resample, 0);
    (0..count).map(|_| random.random::<f64>()).collect()
}

/// Bootstrap intervals of six models under three seeds, with 1,000 resamples.
#[divan::bench(max_time = MAX_TIME)]
fn bootstrap_intervals(bencher: Bencher) {
    let values = numbers(MODELS * SEEDS * USERS);
    let with_users = |values: &[f64]| (0..).zip(values.iter().copied()).collect();
    let panels: Vec<Panel> = values
        .chunks_exact(SEEDS * USERS)
        .map(|model| Panel {
            seeds: model.chunks_exact(USERS).map(with_users).collect(),
        })
        .collect();
    let how = Resampling {
        confidence: 0.95,
        times: 1000,
        seed: 1,
    };
    bencher
        .counter(ItemsCount::new(USERS))
        .bench(|| bootstrap::intervals(&panels, USERS, how));
}

/// Paired differences around 0.
fn differences() -> Vec<f64> {
    numbers(USERS)
        .into_iter()
        .map(|value| value - 0.49)
        .collect()
}

/// The randomisation test with 10,000 sign flips.
#[divan::bench(max_time = MAX_TIME)]
fn randomisation_test(bencher: Bencher) {
    let differences = differences();
    bencher
        .counter(ItemsCount::new(USERS))
        .bench(|| randomisation::test(&differences, 10_000, 1));
}

/// Wilcoxon's signed-rank test.
#[divan::bench(max_time = MAX_TIME)]
fn wilcoxon_test(bencher: Bencher) {
    let differences = differences();
    bencher
        .counter(ItemsCount::new(USERS))
        .bench(|| wilcoxon::test(&differences));
}
