//! Saddlepoint approximation of the tail of the sign-flip distribution, for p values that are too
//! small for random flips.
//!
//! A sum of differences d under random signs has the cumulant generating function
//! K(t) = sum ln cosh(t d). Lugannani and Rice (1980) approximate its tail from the t with
//! K'(t) = sum; Robinson (1982) applies this to permutation tests. The relative error is small even
//! far out in the tail. Sums on a lattice (hit@k) use the continuity correction of Daniels (1987).

use std::f64::consts::{LN_2, PI, SQRT_2};

use statrs::function::erf::erfc;

/// Most steps of Newton's method. It converges from below, so the last step is a bound in any case.
const STEPS: usize = 200;

/// Differences are multiples of a common step if the largest is at most this many steps.
const MOST_MULTIPLES: f64 = 1000.0;

/// The distribution of the sum of differences under random signs.
pub(super) struct Signs {
    /// Absolute differences, ascending, each with its number of occurrences.
    sizes: Vec<(f64, f64)>,
    /// The step of which all differences are multiples; `None` where there is none.
    step: Option<f64>,
}

impl Signs {
    /// The distribution for differences that are not 0.
    pub(super) fn new(differences: &[f64]) -> Signs {
        let mut all: Vec<f64> = differences.iter().map(|d| d.abs()).collect();
        all.sort_by(f64::total_cmp);
        let mut sizes: Vec<(f64, f64)> = Vec::new();
        for size in all {
            match sizes.last_mut() {
                Some((last, count)) if size - *last <= 1e-12 * size => *count += 1.0,
                _ => sizes.push((size, 1.0)),
            }
        }
        let step = common_step(&sizes);
        Signs { sizes, step }
    }

    /// The two-sided p value of an absolute sum `sum` > 0. It is at least the share of the observed
    /// pattern and its mirror image, and never 0.
    pub(super) fn p(&self, sum: f64) -> f64 {
        let total: f64 = self.add(|size| size);
        let number: f64 = self.sizes.iter().map(|(_, count)| count).sum();
        let least = 0.5f64.powf(number - 1.0).max(f64::MIN_POSITIVE);
        if sum >= total * (1.0 - 1e-12) {
            return least;
        }
        // Continuity correction: sums are two steps apart, and the tail begins halfway between two
        // of them.
        let at = sum - self.step.unwrap_or(0.0);
        if at <= 0.0 {
            return 1.0;
        }
        let t = self.saddlepoint(at);
        let exponent = self.add(|size| log_cosh(t * size)) - t * at;
        let curvature = self.add(|size| (size / (t * size).cosh()).powi(2));
        let w = (-2.0 * exponent).max(0.0).sqrt();
        let rate = self.step.map_or(t, |step| (t * step).sinh() / step);
        let u = rate * curvature.sqrt();
        let tail = exponent.exp() * (mills(w) + 1.0 / u - 1.0 / w) / (2.0 * PI).sqrt();
        // Chernoff's bound always holds. It replaces an approximation that fails.
        let bound = exponent.exp();
        let tail = if tail > 0.0 { tail.min(bound) } else { bound };
        (2.0 * tail).clamp(least, 1.0)
    }

    /// The t > 0 with K'(t) = `sum`. K' is concave there, so Newton's method approaches it from
    /// below.
    fn saddlepoint(&self, sum: f64) -> f64 {
        let mut t = sum / self.add(|size| size * size);
        for _ in 0..STEPS {
            let missing = sum - self.add(|size| size * (t * size).tanh());
            let slope = self.add(|size| (size / (t * size).cosh()).powi(2));
            if missing <= 1e-12 * sum || slope <= 0.0 {
                break;
            }
            t += missing / slope;
        }
        t
    }

    fn add(&self, of: impl Fn(f64) -> f64) -> f64 {
        self.sizes
            .iter()
            .map(|(size, count)| count * of(*size))
            .sum()
    }
}

/// ln cosh(x) without overflow.
fn log_cosh(x: f64) -> f64 {
    x.abs() + (-2.0 * x.abs()).exp().ln_1p() - LN_2
}

/// Mills' ratio: the normal tail above `w` divided by the normal density at `w`.
fn mills(w: f64) -> f64 {
    if w < 10.0 {
        return (PI / 2.0).sqrt() * (w * w / 2.0).exp() * erfc(w / SQRT_2);
    }
    let q = 1.0 / (w * w);
    (1.0 - q * (1.0 - q * (3.0 - q * (15.0 - q * 105.0)))) / w
}

/// The greatest step of which all sizes are multiples, by Euclid's algorithm.
fn common_step(sizes: &[(f64, f64)]) -> Option<f64> {
    let largest = sizes.last()?.0;
    let (least, tolerance) = (largest / MOST_MULTIPLES, 1e-9 * largest);
    let mut step = largest;
    for &(size, _) in sizes {
        let (mut a, mut b) = (step, size);
        while b > tolerance {
            let rest = a % b;
            // A remainder close to b is a rounding error of 0.
            (a, b) = (b, if b - rest <= tolerance { 0.0 } else { rest });
        }
        step = a;
        if step < least {
            return None;
        }
    }
    Some(step)
}

#[cfg(test)]
mod tests {
    use super::super::exact;
    use super::*;
    use allround_core::seed::{Stream, stream};
    use rand::Rng;

    fn ratio(differences: &[f64]) -> f64 {
        let sum = differences.iter().sum::<f64>().abs();
        let found = Signs::new(differences).p(sum);
        found / exact::p(differences, sum * (1.0 - 1e-12))
    }

    #[test]
    fn the_tail_of_continuous_differences_is_within_two_percent_of_the_exact_one() {
        let mut random = stream(1, Stream::Resample, 0);
        for minus in 2..12 {
            let mut draw = |at: usize| {
                let size = 0.05 + f64::from(random.next_u32()) / f64::from(u32::MAX);
                if at < minus { -size } else { size }
            };
            let differences: Vec<f64> = (0..exact::MOST).map(&mut draw).collect();
            let ratio = ratio(&differences);
            // The smallest p values are less accurate.
            let near = if minus < 4 { 0.9..1.1 } else { 0.98..1.02 };
            assert!(near.contains(&ratio), "{minus} negative: {ratio}");
        }
    }

    #[test]
    fn the_tail_on_a_lattice_is_within_five_percent_of_the_exact_one() {
        for minus in 1..11 {
            let units: Vec<f64> = (0..32)
                .map(|at| if at < minus { -1.0 } else { 1.0 })
                .collect();
            let thirds: Vec<f64> = (0..32)
                .map(|at| f64::from(1 + at % 3) / if at < minus { -3.0 } else { 3.0 })
                .collect();
            for differences in [units, thirds] {
                let ratio = ratio(&differences);
                assert!((0.95..1.05).contains(&ratio), "{minus} negative: {ratio}");
            }
        }
    }

    #[test]
    fn a_common_step_is_found_where_there_is_one() {
        let step = |sizes: &[f64]| {
            let pairs: Vec<(f64, f64)> = sizes.iter().map(|size| (*size, 1.0)).collect();
            common_step(&pairs)
        };
        assert_eq!(step(&[1.0]), Some(1.0));
        assert!((step(&[1.0 / 3.0, 0.5, 1.0]).unwrap() - 1.0 / 6.0).abs() < 1e-9);
        assert_eq!(step(&[1.0 / 3f64.log2(), 1.0]), None);
    }

    #[test]
    fn p_values_are_never_zero() {
        assert_eq!(Signs::new(&[1.0; 40]).p(40.0), 2f64.powi(-39));
        let far = Signs::new(&[0.5; 30_000]).p(15_000.0);
        assert!(far > 0.0 && far < 1e-300);
        let near = Signs::new(&[0.5; 30_000]).p(14_000.0);
        assert!(near > 0.0 && near < 1e-300);
    }
}
