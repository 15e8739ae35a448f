//! How a step's examples are cut into parts that are computed one after another.

use std::cmp::Reverse;

/// The places of a step's examples, part by part; each is in one part.
///
/// `lengths` are the examples' tokens. A part has at most `most` examples. If `budget` is
/// above 0, it has at most `budget` tokens, with every example counted as long as the longest.
/// An example that is longer by itself is a separate part. If the budget holds the whole step, only
/// `most` splits it, and its order stays. Otherwise examples of similar length are together,
/// longest first, so that memory runs out at once or not at all.
pub fn parts(lengths: &[usize], most: usize, budget: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    let longest = lengths.iter().copied().max().unwrap_or(0);
    if budget == 0 || longest * lengths.len() <= budget {
        return order.chunks(most.max(1)).map(<[usize]>::to_vec).collect();
    }
    order.sort_by_key(|&place| Reverse(lengths[place]));
    let mut parts: Vec<Vec<usize>> = Vec::new();
    for place in order {
        match parts.last_mut() {
            Some(part) if part.len() < most && (part.len() + 1) * lengths[part[0]] <= budget => {
                part.push(place);
            }
            _ => parts.push(vec![place]),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    #[test]
    fn without_a_budget_or_within_it_a_step_keeps_its_order() {
        assert_eq!(parts(&[3, 9, 4], 9, 0), [[0, 1, 2]]);
        assert_eq!(parts(&[3, 9, 4], 9, 27), [[0, 1, 2]]);
        assert_eq!(parts(&[3, 9, 4], 2, 0), [vec![0, 1], vec![2]]);
        assert!(parts(&[], 2, 5).is_empty());
    }

    #[test]
    fn like_lengths_stand_together_and_a_long_example_alone() {
        assert_eq!(
            parts(&[3, 30, 4, 4, 3], 9, 12),
            [vec![1], vec![2, 3, 0], vec![4]]
        );
        assert_eq!(
            parts(&[3, 30, 4, 4, 3], 2, 12),
            [vec![1], vec![2, 3], vec![0, 4]]
        );
    }

    #[test]
    fn every_example_stands_in_one_part_and_none_is_over_the_budget_but_a_single_one() {
        let mut random = allround_core::seed::stream(1, allround_core::seed::Stream::Shuffle, 0);
        for _ in 0..200 {
            let count = random.random_range(1..40);
            let lengths: Vec<usize> = (0..count).map(|_| random.random_range(1..300)).collect();
            let (most, budget) = (random.random_range(1..20), random.random_range(1..2000));
            let parts = parts(&lengths, most, budget);
            for part in &parts {
                let longest = part.iter().map(|&place| lengths[place]).max().unwrap();
                let computed = longest * part.len();
                assert!(computed <= budget || part.len() == 1, "{part:?}");
                assert!(part.len() <= most);
            }
            let mut places = parts.concat();
            places.sort_unstable();
            assert_eq!(places, (0..count).collect::<Vec<_>>());
        }
    }
}
