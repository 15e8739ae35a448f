//! The area under the receiver operating characteristic curve.

/// The share of pairs of a positive and a negative in which the positive has the higher score.
/// Equal scores count half. `None` without pairs.
///
/// # Panics
/// When a score is NaN.
pub fn auc(positives: &[f64], negatives: &[f64]) -> Option<f64> {
    if positives.is_empty() || negatives.is_empty() {
        return None;
    }
    let mut sorted = negatives.to_vec();
    assert!(
        positives.iter().chain(&sorted).all(|score| !score.is_nan()),
        "a score is NaN"
    );
    sorted.sort_unstable_by(f64::total_cmp);
    let wins = positives.iter().map(|score| {
        let below = sorted.partition_point(|other| other < score);
        let not_above = sorted.partition_point(|other| other <= score);
        (below + not_above) as f64 / 2.0
    });
    Some(wins.sum::<f64>() / (positives.len() * negatives.len()) as f64)
}

#[cfg(test)]
mod tests {
    use super::auc;
    use proptest::prelude::*;

    #[test]
    fn without_pairs_there_is_no_area() {
        assert_eq!(auc(&[], &[1.0]), None);
        assert_eq!(auc(&[1.0], &[]), None);
    }

    #[test]
    fn perfect_reversed_and_equal_scores() {
        assert_eq!(auc(&[2.0, 3.0], &[0.0, 1.0]), Some(1.0));
        assert_eq!(auc(&[0.0], &[1.0]), Some(0.0));
        assert_eq!(auc(&[1.0, -0.0], &[1.0, 0.0]), Some(0.5));
    }

    proptest! {
        #[test]
        fn the_area_is_the_share_of_pairs(
            positives in proptest::collection::vec(0i8..6, 1..9),
            negatives in proptest::collection::vec(0i8..6, 1..9),
        ) {
            let [p, n] = [&positives, &negatives].map(|all| all.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
            let mut wins = 0.0;
            for a in &p {
                for b in &n {
                    wins += if a > b { 1.0 } else if a == b { 0.5 } else { 0.0 };
                }
            }
            let naive = wins / (p.len() * n.len()) as f64;
            prop_assert!((auc(&p, &n).unwrap() - naive).abs() < 1e-12);
        }
    }
}
