//! The exact p value: all sign patterns are counted.

/// Most differences. Two lists of 2^16 sums are then sorted and merged, in milliseconds.
pub(super) const MOST: usize = 32;

/// The share of sign patterns with an absolute sum of at least `bound`.
///
/// The differences are split into two halves, and the sums of each are sorted. For each sum of one
/// half, the order of the other gives the number of sums that reach `bound` (Horowitz and Sahni
/// 1974).
pub(super) fn p(differences: &[f64], bound: f64) -> f64 {
    if bound <= 0.0 {
        return 1.0;
    }
    let (first, second) = differences.split_at(differences.len() / 2);
    let sorted = |half: &[f64]| {
        let mut sums = sums(half);
        sums.sort_by(f64::total_cmp);
        sums
    };
    let (first, second) = (sorted(first), sorted(second));
    let (mut count, mut from) = (0, second.len());
    for sum in &first {
        while from > 0 && sum + second[from - 1] >= bound {
            from -= 1;
        }
        count += second.len() - from;
    }
    // The distribution is symmetric, and `bound` is positive: the other tail has as many patterns.
    2.0 * count as f64 / (first.len() as f64 * second.len() as f64)
}

/// The sums of `values` under all sign patterns.
pub(super) fn sums(values: &[f64]) -> Vec<f64> {
    values.iter().fold(vec![0.0], |sums, value| {
        sums.iter()
            .flat_map(|sum| [sum + value, sum - value])
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_by_halves_equals_counting_all_patterns() {
        let differences = [0.5, -1.5, 2.0, 0.25, 3.0, -0.125, 1.0];
        for bound in [0.1, 1.0, 3.0, 8.0, 9.0] {
            let all = sums(&differences);
            let extreme = all.iter().filter(|sum| sum.abs() >= bound).count();
            assert_eq!(p(&differences, bound), extreme as f64 / all.len() as f64);
        }
    }

    #[test]
    fn thirty_two_unit_differences_follow_the_binomial_distribution() {
        // All of one sign: 2 of 2^32 patterns; one of the other sign: 33 in each tail.
        assert_eq!(p(&[1.0; MOST], 32.0), 2.0 / 2f64.powi(32));
        assert_eq!(p(&[1.0; MOST], 30.0), 2.0 * 33.0 / 2f64.powi(32));
    }
}
