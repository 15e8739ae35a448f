//! The rank of a target's score, and the ranks of values in a list.

/// A score that is not a number, as a diverged model returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("score {at} is NaN: expected a number")]
pub struct NanScore {
    /// Position among the scores; the target's own score comes first.
    pub at: usize,
}

/// The rank of a target among other scores: 1 + the number of greater ones + half the number of
/// equal ones.
///
/// # Errors
/// When a score is NaN: its rank would depend on the sort algorithm.
pub fn of_target(target: f64, others: &[f64]) -> Result<f64, NanScore> {
    let all = std::iter::once(&target).chain(others);
    if let Some(at) = all.into_iter().position(|score| score.is_nan()) {
        return Err(NanScore { at });
    }
    let greater = others.iter().filter(|score| **score > target).count();
    let equal = others.iter().filter(|score| **score == target).count();
    Ok(1.0 + greater as f64 + 0.5 * equal as f64)
}

/// Doubled ranks of values in ascending order, from 2.
///
/// Equal values share their mean rank, which is whole when doubled. Values are equal if they differ
/// by at most `tolerance` from the first of their group.
pub(super) fn doubled(values: &[f64], tolerance: f64) -> Vec<u64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let first = values[order[start]];
        let tied = order[start..]
            .iter()
            .take_while(|at| values[**at] - first <= tolerance)
            .count();
        for at in &order[start..start + tied] {
            ranks[*at] = (2 * start + tied + 1) as u64;
        }
        start += tied;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_scores_share_their_mean_rank_and_nan_is_refused() {
        assert_eq!(of_target(1.0, &[2.0, 1.0, 1.0, 0.0]), Ok(3.0));
        assert_eq!(of_target(0.0, &[0.0; 19]), Ok(10.5));
        assert_eq!(of_target(f64::NAN, &[0.0]), Err(NanScore { at: 0 }));
        assert_eq!(of_target(0.0, &[0.0, f64::NAN]), Err(NanScore { at: 2 }));
        assert_eq!(of_target(f64::NEG_INFINITY, &[0.0]), Ok(2.0));
    }

    proptest! {
        #[test]
        fn the_ranks_of_all_scores_sum_like_one_to_n(scores in prop::collection::vec(-3i8..4, 1..40)) {
            let scores: Vec<f64> = scores.into_iter().map(f64::from).collect();
            let n = scores.len() as f64;
            let others = |at: usize| [&scores[..at], &scores[at + 1..]].concat();
            let ranks: Vec<f64> = (0..scores.len()).map(|at| of_target(scores[at], &others(at)).unwrap()).collect();
            prop_assert_eq!(ranks.iter().sum::<f64>(), n * (n + 1.0) / 2.0);
            // Ranks of targets are in descending order of scores.
            for (rank, doubled) in ranks.iter().zip(doubled(&scores, 0.0)) {
                prop_assert_eq!(2.0 * (n + 1.0 - rank), doubled as f64);
            }
        }
    }
}
