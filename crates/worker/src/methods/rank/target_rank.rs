//! From the scores of a user's candidates to the target's rank.

use allround_core::config::protocol::Ties;

/// The mean score of each of the first list's items, which each list of `orders` has in a different
/// order.
pub(super) fn averaged(orders: &[&[u32]], scores: &[Vec<f64>]) -> Vec<f64> {
    let mean = |item: &u32| {
        let of_item = orders.iter().zip(scores).map(|(items, scores)| {
            let place = items.iter().position(|other| other == item);
            scores[place.expect("every order has the same candidates")]
        });
        of_item.sum::<f64>() / orders.len() as f64
    };
    orders[0].iter().map(mean).collect()
}

/// 1 + greater + a share of the other equal scores; NaN where a score is NaN or infinite. An
/// overflow of a small number type would make all titles equally unlikely.
pub(super) fn rank_at(scores: &[f64], target: usize, ties: Ties) -> f64 {
    if scores.iter().any(|score| !score.is_finite()) {
        return f64::NAN;
    }
    let own = scores[target];
    let greater = scores.iter().filter(|&&score| score > own).count();
    let equal = scores.iter().filter(|&&score| score == own).count() - 1;
    ties.rank(greater, equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_several_orders_are_averaged_by_item() {
        let orders: [&[u32]; 2] = [&[7, 3, 9], &[9, 7, 3]];
        let scores = [vec![-1.0, -2.0, -3.0], vec![-5.0, -1.0, -4.0]];
        assert_eq!(averaged(&orders, &scores), [-1.0, -3.0, -4.0]);
        assert_eq!(averaged(&orders[..1], &scores[..1]), scores[0]);
    }

    #[test]
    fn a_rank_counts_greater_scores_and_equal_ones_as_the_protocol_says() {
        let scores = [0.5, 0.7, 0.5, 0.1];
        assert_eq!(rank_at(&scores, 0, Ties::Half), 2.5);
        assert_eq!(rank_at(&scores, 0, Ties::TargetFirst), 2.0);
        assert_eq!(rank_at(&scores, 0, Ties::TargetLast), 3.0);
        for broken in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(rank_at(&[0.5, broken], 0, Ties::Half).is_nan());
        }
    }
}
