//! Randomisation (sign-flip) test of a mean paired difference, two-sided (Fisher 1935; Smucker et
//! al. 2007 for rankings).
//!
//! Under the null hypothesis both signs of each user's difference are equally likely. Up to 32
//! non-zero differences, all sign patterns are counted (`exact`). Above, random flips are drawn,
//! and p = (1 + as extreme) / (1 + flips).
//!
//! Holm's adjustment of a large table needs p values that are too small for random flips. Where
//! fewer than `FEWEST` flips are as extreme, p is a `saddlepoint` approximation of the tail.

mod exact;
mod saddlepoint;

use rand::Rng;
use rayon::prelude::*;

use allround_core::seed::{Stream, stream};

/// Flips per random stream. It is constant, so the result does not depend on the number of threads.
const BLOCK: usize = 256;

/// Sums closer than this, as a share of the sum of absolute differences, are equal. Rounding does
/// not break ties.
const TOLERANCE: f64 = 1e-12;

/// Fewest extreme flips for an estimate of p. Its relative standard error is then at most a tenth.
const FEWEST: usize = 100;

/// No flips are drawn where p is known to be below this.
const SMALL: f64 = 1e-3;

/// The two-sided p value of the mean of `differences`; 1 when every difference is 0.
pub fn test(differences: &[f64], flips: usize, seed: u64) -> f64 {
    let kept: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    let size: f64 = kept.iter().map(|d| d.abs()).sum();
    let sum = kept.iter().sum::<f64>().abs();
    let bound = sum - TOLERANCE * size;
    if kept.len() <= exact::MOST {
        return exact::p(&kept, bound);
    }
    let tail = || saddlepoint::Signs::new(&kept).p(sum);
    let squares: f64 = kept.iter().map(|d| d * d).sum();
    // Hoeffding's inequality for a sum of random signs.
    if 2.0 * (-sum * sum / (2.0 * squares)).exp() < SMALL {
        return tail();
    }
    let extreme = count_extreme(&kept, bound, Flips { flips, seed });
    let by_flips = (1 + extreme) as f64 / (1 + flips) as f64;
    match extreme >= FEWEST {
        true => by_flips,
        false => tail(),
    }
}

/// Number of random flips, and their seed.
struct Flips {
    flips: usize,
    seed: u64,
}

/// Number of flips with an absolute sum of at least `bound`.
fn count_extreme(kept: &[f64], bound: f64, Flips { flips, seed }: Flips) -> usize {
    let tables = tables(kept);
    (0..flips.div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| {
            let n = BLOCK.min(flips - block * BLOCK);
            let sums = block_of_sums(&tables, seed, block as u64);
            sums[..n].iter().filter(|sum| sum.abs() >= bound).count()
        })
        .sum()
}

/// For each group of eight differences, their sums under the 256 sign patterns. One look-up flips
/// eight signs.
fn tables(values: &[f64]) -> Vec<[f64; 256]> {
    let table = |values: &[f64]| {
        let mut values = values.to_vec();
        values.resize(8, 0.0);
        let mut table = [0.0; 256];
        table.copy_from_slice(&exact::sums(&values));
        table
    };
    values.chunks(8).map(table).collect()
}

fn block_of_sums(tables: &[[f64; 256]], seed: u64, block: u64) -> [f64; BLOCK] {
    let mut random = stream(seed, Stream::Resample, block);
    let mut sums = [0.0; BLOCK];
    let mut signs = [0; BLOCK];
    for table in tables {
        random.fill_bytes(&mut signs);
        for (sum, signs) in sums.iter_mut().zip(&signs) {
            *sum += table[usize::from(*signs)];
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_differences_p_is_one() {
        assert_eq!(test(&[], 100, 1), 1.0);
        assert_eq!(test(&[0.0; 100], 100, 1), 1.0);
    }

    #[test]
    fn p_of_few_differences_is_exact() {
        // Only all plus and all minus are as extreme: 2 of 2^5.
        assert_eq!(test(&[1.0, 2.0, 3.0, 4.0, 5.0], 0, 1), 2.0 / 32.0);
        assert_eq!(test(&[1.0, -1.0], 0, 1), 1.0);
    }

    #[test]
    fn random_flips_agree_with_the_binomial_distribution() {
        // 56 of 100 unit differences are positive: P(|2B - 100| >= 12) = 0.2713 for
        // B ~ Binomial(100, 1/2).
        let differences: Vec<f64> = (0..100).map(|i| if i < 56 { 1.0 } else { -1.0 }).collect();
        let p = test(&differences, 200_000, 3);
        assert!((p - 0.271_253).abs() < 0.004, "{p}");
    }

    #[test]
    fn the_same_seed_gives_the_same_p_on_any_number_of_threads() {
        let differences: Vec<f64> = (0..500).map(|i| f64::from(i * 37 % 101) - 48.0).collect();
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| test(&differences, 5_000, 9))
        };
        assert_eq!(on(1), on(3));
        assert_ne!(on(1), test(&differences, 5_000, 10));
    }

    #[test]
    fn p_is_not_bounded_by_the_number_of_flips() {
        // Small enough to be significant after Holm's adjustment over ten million tests.
        assert_eq!(test(&[0.5; 200], 999, 1), 2f64.powi(-199));
    }

    #[test]
    fn p_is_overestimated_when_a_few_differences_dominate() {
        // The sums form clusters: in 2 of 2^10 patterns the ten large ones have the same sign, and
        // half of these patterns have larger sums.
        let small = |at: i32| if at % 2 == 0 { 1e-4 } else { -1e-4 };
        let mut differences: Vec<f64> = (0..100).map(small).collect();
        differences.extend([1.0; 10]);
        let p = test(&differences, 10_000, 1);
        let exact = 2f64.powi(-9) / 2.0;
        assert!((exact..3.0 * exact).contains(&p), "{p}");
    }
}
