//! Confidence intervals of a mean over users and seeds, by the percentile bootstrap.
//!
//! Seeds and users are drawn with replacement, users once for all the drawn seeds (the crossed or
//! pigeonhole bootstrap, Owen 2007). The same users are measured under every seed, so a user's
//! difficulty must not average out over seeds. With one seed only users are drawn. Two or three
//! seeds give a rough estimate of the spread over seeds.

use rand::Rng;
use rayon::prelude::*;

use allround_core::seed::{Stream, stream};

/// An interval from `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Values of one quantity: for each seed the measured users, as numbers below a common count, and
/// their values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Panel {
    /// One list per seed; none is empty.
    pub seeds: Vec<Vec<(u32, f64)>>,
}

/// How to resample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resampling {
    /// Share of resamples inside the interval.
    pub confidence: f64,
    /// Resamples.
    pub times: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// An interval for each panel, of the mean over seeds of the mean over users.
///
/// The same users are drawn for all panels, and an interval does not depend on the other panels.
/// `None` for a panel without values, or with one user.
///
/// # Panics
/// When a panel names a user that is not below `n_users`.
pub fn intervals(panels: &[Panel], n_users: usize, how: Resampling) -> Vec<Option<Interval>> {
    let resamples: Vec<Vec<f64>> = (0..how.times as u64)
        .into_par_iter()
        .map_init(
            || vec![0.0; n_users],
            |counts, index| {
                draw_users(counts, how.seed, index);
                let mean = |panel| resampled_mean(panel, counts, how.seed, index);
                panels.iter().map(mean).collect()
            },
        )
        .collect();
    let interval = |(at, panel): (usize, &Panel)| {
        let is_enough = n_users > 1 && !panel.seeds.is_empty();
        let mut means: Vec<f64> = resamples
            .iter()
            .map(|means| means[at])
            .filter(|mean| mean.is_finite())
            .collect();
        means.sort_by(f64::total_cmp);
        let tail = (1.0 - how.confidence) / 2.0;
        (is_enough && !means.is_empty()).then(|| Interval {
            low: quantile(&means, tail),
            high: quantile(&means, 1.0 - tail),
        })
    };
    panels.iter().enumerate().map(interval).collect()
}

/// How often each user is drawn in resample `index`.
fn draw_users(counts: &mut [f64], seed: u64, index: u64) {
    let mut random = stream(seed, Stream::Resample, 2 * index);
    counts.fill(0.0);
    for _ in 0..counts.len() {
        counts[below(counts.len(), random.next_u32())] += 1.0;
    }
}

/// A number below `n` from 32 random bits; the bias is below n / 2^32.
fn below(n: usize, bits: u32) -> usize {
    let product = n as u64 * u64::from(bits);
    usize::try_from(product >> 32).expect("below a length in memory")
}

/// The mean over drawn seeds of the means over drawn users. NaN when a drawn seed measured none of
/// the drawn users.
fn resampled_mean(panel: &Panel, counts: &[f64], seed: u64, index: u64) -> f64 {
    let n = panel.seeds.len();
    let mut random = stream(seed, Stream::Resample, 2 * index + 1);
    let mut times = vec![0.0; n];
    for _ in 0..n {
        times[below(n, random.next_u32())] += 1.0;
    }
    let drawn = panel
        .seeds
        .iter()
        .zip(&times)
        .filter(|(_, times)| **times > 0.0);
    let sum: f64 = drawn
        .map(|(values, times)| times * weighted_mean(values, counts))
        .sum();
    sum / n as f64
}

fn weighted_mean(values: &[(u32, f64)], counts: &[f64]) -> f64 {
    let (mut sum, mut weight) = (0.0, 0.0);
    for (user, value) in values {
        let count = counts[*user as usize];
        sum += count * value;
        weight += count;
    }
    sum / weight
}

/// The quantile of sorted values, linear between neighbours (NumPy's default).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let below = at.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (at - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::stats::{mean, standard_deviation};
    use proptest::prelude::*;

    const HOW: Resampling = Resampling {
        confidence: 0.95,
        times: 2_000,
        seed: 1,
    };

    fn panel(seeds: &[&[f64]]) -> Panel {
        let list = |values: &&[f64]| (0..).zip(values.iter().copied()).collect();
        Panel {
            seeds: seeds.iter().map(list).collect(),
        }
    }

    fn one(panel: Panel, users: usize) -> Interval {
        intervals(&[panel], users, HOW)[0].unwrap()
    }

    #[test]
    fn with_one_seed_the_width_is_that_of_the_normal_approximation() {
        let values: Vec<f64> = (0..1_000).map(|i| f64::from(i * 37 % 101)).collect();
        let found = one(panel(&[&values]), values.len());
        let half = 1.96 * standard_deviation(&values).unwrap() / 1_000f64.sqrt();
        let middle = mean(&values).unwrap();
        assert!(
            (found.low - (middle - half)).abs() < 0.15 * half,
            "{found:?}"
        );
        assert!(
            (found.high - (middle + half)).abs() < 0.15 * half,
            "{found:?}"
        );
    }

    #[test]
    fn copies_of_a_seed_do_not_narrow_the_interval() {
        let values: Vec<f64> = (0..300).map(|i| f64::from(i % 7)).collect();
        let copied = one(panel(&[&values, &values, &values]), 300);
        let single = one(panel(&[&values]), 300);
        assert!(
            (copied.low - single.low).abs() < 1e-12,
            "{copied:?} {single:?}"
        );
        assert!((copied.high - single.high).abs() < 1e-12);
    }

    #[test]
    fn seeds_that_differ_widen_the_interval() {
        let users = [0.4; 50];
        let found = one(panel(&[&[0.2; 50], &users, &[0.6; 50]]), 50);
        assert!(found.low < 0.3 && found.high > 0.5, "{found:?}");
        let alike = one(panel(&[&users, &users]), 50);
        assert!(alike.high - alike.low < 1e-12, "{alike:?}");
    }

    #[test]
    fn threads_and_other_panels_change_nothing() {
        let values: Vec<f64> = (0..100).map(|i| f64::from(i % 10)).collect();
        let both = [panel(&[&[1.0, 2.0]]), panel(&[&values, &values[..50]])];
        let on = |threads, panels: &[Panel]| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| intervals(panels, 100, HOW))
        };
        assert_eq!(on(1, &both), on(3, &both));
        assert_eq!(on(2, &both)[1], on(2, &both[1..])[0]);
    }

    proptest! {
        #[test]
        fn a_resampled_mean_is_that_of_the_drawn_lists(
            values in prop::collection::vec(prop::collection::vec(0.0f64..1.0, 12), 1..4), index in 0u64..50,
        ) {
            let lists: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
            let mut counts = vec![0.0; 12];
            draw_users(&mut counts, 7, index);
            prop_assert_eq!(counts.iter().sum::<f64>(), 12.0);
            // The naive way: list the drawn users and seeds one by one, and average their values.
            let draw = |n: usize, stream_index| -> Vec<usize> {
                let mut random = stream(7, Stream::Resample, stream_index);
                (0..n).map(|_| below(n, random.next_u32())).collect()
            };
            let users = draw(12, 2 * index);
            let seeds = draw(values.len(), 2 * index + 1);
            let drawn: Vec<f64> = seeds.iter().flat_map(|seed| users.iter().map(|user| values[*seed][*user])).collect();
            let found = resampled_mean(&panel(&lists), &counts, 7, index);
            prop_assert!((found - mean(&drawn).unwrap()).abs() < 1e-12);
        }
    }

    #[test]
    fn no_values_or_one_user_give_no_interval() {
        assert_eq!(intervals(&[Panel::default()], 10, HOW), [None]);
        assert_eq!(intervals(&[panel(&[&[1.0]])], 1, HOW), [None]);
    }

    #[test]
    fn nine_in_ten_intervals_of_ninety_percent_contain_the_true_mean() {
        let how = Resampling {
            confidence: 0.9,
            times: 400,
            seed: 5,
        };
        let held = (0..400).filter(|trial| {
            let mut random = stream(*trial, Stream::Resample, u64::MAX);
            let values: Vec<f64> = (0..60)
                .map(|_| f64::from(random.next_u32()) / 2f64.powi(32))
                .collect();
            let found = intervals(&[panel(&[&values])], 60, how)[0].unwrap();
            (found.low..=found.high).contains(&0.5)
        });
        let held = held.count();
        assert!((335..=380).contains(&held), "{held} of 400");
    }
}
