//! Holm's step-down adjustment (Holm 1979). It bounds the family-wise error rate under any
//! dependence of the tests.

/// Adjusted p values, in the given order. A test is rejected at a level if its adjusted value is
/// not above that level.
pub fn adjust(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut largest: f64 = 0.0;
    for (step, at) in order.into_iter().enumerate() {
        largest = largest.max((p[at] * (p.len() - step) as f64).min(1.0));
        adjusted[at] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_test_is_not_adjusted() {
        assert_eq!(adjust(&[0.03]), [0.03]);
        assert!(adjust(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn adjusted_values_reject_what_the_step_down_procedure_rejects(
            p in prop::collection::vec(0.0f64..1.0, 1..20), level in 0.001f64..0.5,
        ) {
            let mut sorted = p.clone();
            sorted.sort_by(f64::total_cmp);
            let m = p.len();
            // The procedure as published: stop at the first p(i) above level / (m - i + 1).
            let rejected = (0..m).take_while(|i| sorted[*i] * (m - i) as f64 <= level).count();
            let by_value = adjust(&p).iter().filter(|p| **p <= level).count();
            prop_assert_eq!(by_value, rejected);
        }
    }
}
