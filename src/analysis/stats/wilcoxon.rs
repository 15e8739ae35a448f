//! Wilcoxon's signed-rank test (Wilcoxon 1945), two-sided.
//!
//! Zero differences are dropped. Equal absolute differences share their mean rank. Up to 50
//! differences the p value is exact: all sign patterns of the ranks are counted, with ties. Above,
//! it is the normal approximation with tie correction and without continuity correction, as SciPy's
//! `zero_method="wilcox", correction=False`.

use statrs::function::erf::erfc;

use super::rank::doubled;

/// Up to this many differences the p value is exact: an `f64` represents counts of up to 2^50
/// patterns exactly.
const MOST_EXACT: usize = 50;

/// Differences closer than this, as a share of the largest, are equal up to rounding.
const TOLERANCE: f64 = 1e-12;

/// The outcome of the test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wilcoxon {
    /// Differences that are not 0.
    pub n: usize,
    /// Sum of the ranks of positive differences.
    pub plus: f64,
    /// Sum of the ranks of negative differences.
    pub minus: f64,
    /// Two-sided p value; 1 when every difference is 0.
    pub p: f64,
}

/// Tests whether differences are symmetric around 0.
pub fn test(differences: &[f64]) -> Wilcoxon {
    let largest = differences
        .iter()
        .fold(0.0, |most: f64, d| most.max(d.abs()));
    let tolerance = largest * TOLERANCE;
    let kept: Vec<f64> = differences
        .iter()
        .copied()
        .filter(|d| d.abs() > tolerance)
        .collect();
    let sizes: Vec<f64> = kept.iter().map(|d| d.abs()).collect();
    let ranks = doubled(&sizes, tolerance);
    let total: u64 = ranks.iter().sum();
    let plus: u64 = ranks
        .iter()
        .zip(&kept)
        .filter(|(_, d)| **d > 0.0)
        .map(|(rank, _)| rank)
        .sum();
    let p = if kept.is_empty() {
        1.0
    } else if kept.len() <= MOST_EXACT {
        exact(&ranks, plus)
    } else {
        normal(&ranks, plus)
    };
    Wilcoxon {
        n: kept.len(),
        plus: plus as f64 / 2.0,
        minus: (total - plus) as f64 / 2.0,
        p,
    }
}

/// Twice the smaller tail of the sum of positive ranks over all sign patterns.
fn exact(ranks: &[u64], plus: u64) -> f64 {
    let index = |rank: u64| usize::try_from(rank).expect("at most 50 ranks of at most 100");
    let total = index(ranks.iter().sum());
    let mut patterns = vec![0.0; total + 1];
    patterns[0] = 1.0;
    for rank in ranks {
        for sum in (index(*rank)..=total).rev() {
            patterns[sum] += patterns[sum - index(*rank)];
        }
    }
    let at = index(plus);
    let below: f64 = patterns[..=at].iter().sum();
    let above: f64 = patterns[at..].iter().sum();
    let all: f64 = patterns.iter().sum();
    (2.0 * below.min(above) / all).min(1.0)
}

fn normal(ranks: &[u64], plus: u64) -> f64 {
    // Under the null hypothesis each rank is positive with probability one half. The tie correction
    // follows from the shared ranks: sum(rank^2) / 4 equals
    // n (n + 1) (2n + 1) / 24 - sum(t^3 - t) / 48.
    let mean = ranks.iter().sum::<u64>() as f64 / 4.0;
    let squares: f64 = ranks.iter().map(|rank| (*rank as f64 / 2.0).powi(2)).sum();
    let z = (plus as f64 / 2.0 - mean) / (squares / 4.0).sqrt();
    erfc(z.abs() / std::f64::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_differences_p_is_one() {
        assert_eq!(test(&[0.0, 0.0]).p, 1.0);
        assert_eq!((test(&[]).n, test(&[]).p), (0, 1.0));
    }

    #[test]
    fn rounding_errors_are_ties() {
        let rounded = test(&[0.1 + 0.2, -0.3, 0.3, 0.6, 1e-17]);
        assert_eq!(rounded, test(&[0.3, -0.3, 0.3, 0.6]));
    }

    proptest! {
        #[test]
        fn the_exact_p_is_that_of_all_sign_patterns(values in prop::collection::vec(-4i8..5, 1..10)) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let found = test(&values);
            let sizes: Vec<f64> = values.iter().filter(|v| **v != 0.0).map(|v| v.abs()).collect();
            let ranks = doubled(&sizes, 0.0);
            let sums: Vec<u64> = (0..1u32 << ranks.len())
                .map(|signs| ranks.iter().enumerate().filter(|(i, _)| signs >> i & 1 == 1).map(|(_, r)| r).sum())
                .collect();
            let plus = (2.0 * found.plus) as u64;
            let below = sums.iter().filter(|sum| **sum <= plus).count();
            let above = sums.iter().filter(|sum| **sum >= plus).count();
            let expected = (2.0 * below.min(above) as f64 / sums.len() as f64).min(1.0);
            prop_assert!((found.p - expected).abs() < 1e-12, "{} {expected}", found.p);
        }

        #[test]
        fn the_approximation_is_near_the_exact_p(values in prop::collection::vec(-1.0f64..1.0, 40..50)) {
            let ranks = doubled(&values.iter().map(|v| v.abs()).collect::<Vec<_>>(), 0.0);
            let plus = ranks.iter().zip(&values).filter(|(_, v)| **v > 0.0).map(|(r, _)| r).sum();
            prop_assert!((exact(&ranks, plus) - normal(&ranks, plus)).abs() < 0.02);
        }
    }
}
