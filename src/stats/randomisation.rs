//! Randomisation (sign-flip) test of a mean paired difference, two-sided (Fisher 1935; Smucker et al. 2007 for rankings).
//!
//! If two models are alike, each user's difference might as well have had the other sign. Up to 13 non-zero differences all
//! patterns are counted; above, `flips` random ones, and p = (1 + as extreme) / (1 + flips), which is never 0.

use rand::Rng;
use rayon::prelude::*;

use crate::seed::{Stream, stream};

/// Up to this many differences all 2^n patterns are counted.
const MOST_EXACT: usize = 13;

/// Flips that draw from one stream; a constant, so that the number of threads changes nothing.
const BLOCK: usize = 256;

/// Sums closer than this, as a share of the sum of absolute differences, are equal: rounding must not break a tie.
const TOLERANCE: f64 = 1e-12;

/// The two-sided p value of the mean of `differences`; 1 when every difference is 0.
pub fn test(differences: &[f64], flips: usize, seed: u64) -> f64 {
    let kept: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    let size: f64 = kept.iter().map(|d| d.abs()).sum();
    let bound = kept.iter().sum::<f64>().abs() - TOLERANCE * size;
    if kept.len() <= MOST_EXACT {
        let sums = all_sums(&kept);
        let extreme = sums.iter().filter(|sum| sum.abs() >= bound).count();
        return extreme as f64 / sums.len() as f64;
    }
    let tables = tables(&kept);
    let extreme: usize = (0..flips.div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| {
            let n = BLOCK.min(flips - block * BLOCK);
            let sums = block_of_sums(&tables, seed, block as u64);
            sums[..n].iter().filter(|sum| sum.abs() >= bound).count()
        })
        .sum();
    (1 + extreme) as f64 / (1 + flips) as f64
}

/// The sums under every sign pattern.
fn all_sums(values: &[f64]) -> Vec<f64> {
    values.iter().fold(vec![0.0], |sums, value| {
        sums.iter()
            .flat_map(|sum| [sum + value, sum - value])
            .collect()
    })
}

/// For each eight differences their sum under each of the 256 sign patterns: one look-up does eight flips.
fn tables(values: &[f64]) -> Vec<[f64; 256]> {
    let table = |values: &[f64]| {
        let mut values = values.to_vec();
        values.resize(8, 0.0);
        let mut table = [0.0; 256];
        table.copy_from_slice(&all_sums(&values));
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
    fn without_differences_nothing_is_found() {
        assert_eq!(test(&[], 100, 1), 1.0);
        assert_eq!(test(&[0.0; 100], 100, 1), 1.0);
    }

    #[test]
    fn few_differences_are_counted_out() {
        // Only all plus and all minus are as extreme: 2 of 2^5.
        assert_eq!(test(&[1.0, 2.0, 3.0, 4.0, 5.0], 0, 1), 2.0 / 32.0);
        assert_eq!(test(&[1.0, -1.0], 0, 1), 1.0);
    }

    #[test]
    fn random_flips_agree_with_the_binomial_distribution() {
        // 13 of 20 unit differences are positive: P(|2B - 20| >= 6) = 0.2632 for B of Binomial(20, 1/2).
        let differences: Vec<f64> = (0..20).map(|i| if i < 13 { 1.0 } else { -1.0 }).collect();
        let p = test(&differences, 200_000, 3);
        assert!((p - 0.263_176).abs() < 0.004, "{p}");
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
    fn one_sided_differences_are_as_rare_as_the_flips_can_tell() {
        assert_eq!(test(&[0.5; 200], 999, 1), 0.001);
    }
}
