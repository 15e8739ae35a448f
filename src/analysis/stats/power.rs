//! Seeds that a paired t test over seeds needs to detect a difference: two-sided, level 0.05, power
//! 0.8 (Cohen 1988).

use statrs::distribution::{ChiSquared, Continuous, ContinuousCDF, Normal, StudentsT};

use super::effect::cohen_dz;
use super::mean;

/// Two-sided level of the test.
const LEVEL: f64 = 0.05;
/// Probability of detecting an existing difference.
const POWER: f64 = 0.8;
/// Upper limit of the search.
const MOST: u64 = 100_000;

/// Seeds needed to detect a difference like the mean of `differences`, one per seed, with their
/// standard deviation.
///
/// `None` with fewer than two seeds, for a mean of 0, or when more than 100,000 seeds are needed.
pub fn seeds_needed(differences: &[f64]) -> Option<u64> {
    if differences.len() < 2 || mean(differences) == Some(0.0) {
        return None;
    }
    match cohen_dz(differences) {
        Some(effect) => pairs_needed(effect),
        // Every seed has the same difference: two are the fewest of any test.
        None => Some(2),
    }
}

/// The smallest number of pairs with which the test reaches the power for Cohen's dz `effect`;
/// `None` above 100,000.
pub fn pairs_needed(effect: f64) -> Option<u64> {
    let is_enough = |n: u64| power(effect, n) >= POWER;
    let mut high = 2;
    while !is_enough(high) {
        high *= 2;
        if high > MOST {
            return None;
        }
    }
    let mut low = high / 2;
    while high - low > 1 {
        let middle = low.midpoint(high);
        if is_enough(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// Power of the test with `n` pairs, at least 2.
///
/// It is the probability of both tails of the non-central t distribution, integrated over the
/// estimated standard deviation by Simpson's rule.
pub fn power(effect: f64, n: u64) -> f64 {
    let freedom = (n - 1) as f64;
    let shift = effect * (n as f64).sqrt();
    let student = StudentsT::new(0.0, 1.0, freedom).expect("at least one degree of freedom");
    let spread = ChiSquared::new(freedom).expect("at least one degree of freedom");
    let normal = Normal::new(0.0, 1.0).expect("a standard normal");
    let critical = student.inverse_cdf(1.0 - LEVEL / 2.0);
    // s is the ratio of the estimated to the true standard deviation: freedom * s^2 is chi-squared.
    let integrand = |s: f64| {
        // The density is computed from its logarithm: it overflows for a few hundred degrees of
        // freedom.
        let density = 2.0 * freedom * s * spread.ln_pdf(freedom * s * s).exp();
        density * (normal.cdf(shift - critical * s) + normal.cdf(-shift - critical * s))
    };
    let width = 8.0 / (2.0 * freedom).sqrt();
    let (low, high) = ((1.0 - width).max(1e-9), 1.0 + width);
    simpson(integrand, low, high)
}

fn simpson(integrand: impl Fn(f64) -> f64, low: f64, high: f64) -> f64 {
    const STEPS: u32 = 2_000;
    let step = (high - low) / f64::from(STEPS);
    let weight = |i: u32| match i {
        0 | STEPS => 1.0,
        i if i % 2 == 1 => 4.0,
        _ => 2.0,
    };
    let sum: f64 = (0..=STEPS)
        .map(|i| weight(i) * integrand(low + f64::from(i) * step))
        .sum();
    sum * step / 3.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_needed_are_those_of_the_standard_table() {
        // Cohen's small, medium and large effects, paired, as G*Power gives them.
        let needed = [0.2, 0.5, 0.8].map(pairs_needed);
        assert_eq!(needed, [Some(199), Some(34), Some(15)]);
    }

    #[test]
    fn an_undefined_number_of_seeds_is_absent() {
        assert_eq!(seeds_needed(&[0.1]), None);
        assert_eq!(seeds_needed(&[0.1, -0.1]), None);
        assert_eq!(seeds_needed(&[0.1, 0.1, 0.1]), Some(2));
        assert_eq!(pairs_needed(1e-6), None);
    }

    #[test]
    fn without_an_effect_the_power_is_the_level_at_every_size() {
        for n in [2, 3, 10, 237, 256, 340, 500, 5_000, 100_000] {
            assert!(
                (power(0.0, n) - LEVEL).abs() < 1e-6,
                "{n}: {}",
                power(0.0, n)
            );
        }
    }

    #[test]
    fn the_sign_of_the_difference_does_not_matter() {
        assert_eq!(
            seeds_needed(&[0.1, 0.2, 0.15]),
            seeds_needed(&[-0.1, -0.2, -0.15])
        );
    }
}
