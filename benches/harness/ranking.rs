//! Scores to ranks, and ranks to metrics; the items are users.

use allround::analysis::stats::rank;
use allround_core::metric::Metric;
use divan::Bencher;
use divan::counter::ItemsCount;

use super::MAX_TIME;
use super::statistics::numbers;

const USERS: usize = 10_000;

/// Ranks of targets among the scores of 100 other items.
#[divan::bench(max_time = MAX_TIME)]
fn ranks_of_targets(bencher: Bencher) {
    let scores = numbers(USERS * 101);
    let ranks = || -> f64 {
        let users = scores.chunks_exact(101);
        let ranks = users.map(|row| rank::of_target(row[0], &row[1..]));
        ranks.map(|rank| rank.expect("scores are numbers")).sum()
    };
    bencher.counter(ItemsCount::new(USERS)).bench(ranks);
}

/// The mean of a metric over ranks.
#[divan::bench(max_time = MAX_TIME, args = ["hit@10", "ndcg@10", "mrr"])]
fn metric(bencher: Bencher, name: &str) {
    let metric: Metric = name.parse().expect("a metric's name");
    let scores = numbers(USERS);
    let ranks: Vec<f64> = scores
        .iter()
        .map(|score| 1.0 + (score * 100.0).floor())
        .collect();
    bencher
        .counter(ItemsCount::new(USERS))
        .bench(|| metric.mean(divan::black_box(&ranks)));
}
