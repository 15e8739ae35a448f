//! Filters, one function for each rule.

use std::collections::HashSet;

use rayon::slice::ParallelSliceMut;

use super::RawData;
use crate::config::dataset::{Filter, Keep};

/// The rule's name in the spec.
pub fn name(rule: &Filter) -> &'static str {
    match rule {
        Filter::Published { .. } => "published",
        Filter::KCore { .. } => "k_core",
        Filter::Rating { .. } => "rating",
        Filter::Duplicates { .. } => "duplicates",
        Filter::Length { .. } => "length",
    }
}

/// Applies one rule. Without ratings in the source, every interaction passes a rating filter.
pub fn apply(raw: &mut RawData, rule: &Filter) {
    match *rule {
        Filter::Published {
            threshold,
            count_rating,
        } => published(raw, threshold, count_rating),
        Filter::KCore { users, items } => k_core(raw, users, items),
        Filter::Rating { minimum } => {
            let keep: Vec<bool> = raw
                .rating
                .iter()
                .map(|&r| f64::from(r) >= minimum)
                .collect();
            if !keep.is_empty() {
                raw.retain(&keep);
            }
        }
        Filter::Duplicates { keep } => duplicates(raw, keep),
        Filter::Length { minimum, maximum } => {
            let counts = count(&raw.user, raw.users.len(), |_| true);
            let fits = |n: u64| n >= minimum && (maximum == 0 || n <= maximum);
            let keep: Vec<bool> = raw
                .user
                .iter()
                .map(|&user| fits(counts[user as usize]))
                .collect();
            raw.retain(&keep);
        }
    }
}

/// Keeps the interactions of the first `limit` users that appear.
pub fn first_users(raw: &mut RawData, limit: u64) {
    let mut seen = HashSet::new();
    let keep: Vec<bool> = raw
        .user
        .iter()
        .map(|&user| {
            if (seen.len() as u64) < limit {
                seen.insert(user);
            }
            seen.contains(&user)
        })
        .collect();
    raw.retain(&keep);
}

fn count(ids: &[u32], n: usize, counted: impl Fn(usize) -> bool) -> Vec<u64> {
    let mut counts = vec![0; n];
    for (at, &id) in ids.iter().enumerate() {
        counts[id as usize] += u64::from(counted(at));
    }
    counts
}

/// A-LLMRec's `data_preprocess.py`: thresholds on raw counts, in one pass. Low ratings are not
/// counted, but stay.
fn published(raw: &mut RawData, threshold: u64, count_rating: f64) {
    let counted = |at: usize| {
        raw.rating
            .get(at)
            .is_none_or(|&rating| f64::from(rating) >= count_rating)
    };
    let users = count(&raw.user, raw.users.len(), counted);
    let items = count(&raw.item, raw.items.len(), counted);
    let pairs = raw.user.iter().zip(&raw.item);
    let keep: Vec<bool> = pairs
        .map(|(&user, &item)| {
            users[user as usize] >= threshold && items[item as usize] >= threshold
        })
        .collect();
    raw.retain(&keep);
}

fn k_core(raw: &mut RawData, least_user: u64, least_item: u64) {
    loop {
        let users = count(&raw.user, raw.users.len(), |_| true);
        let items = count(&raw.item, raw.items.len(), |_| true);
        let pairs = raw.user.iter().zip(&raw.item);
        let keep: Vec<bool> = pairs
            .map(|(&user, &item)| {
                users[user as usize] >= least_user && items[item as usize] >= least_item
            })
            .collect();
        if keep.iter().all(|&keep| keep) {
            return;
        }
        raw.retain(&keep);
    }
}

/// Keeps one of equal (user, item) pairs: the earliest or the latest. Ties in time keep the order
/// of the file.
fn duplicates(raw: &mut RawData, which: Keep) {
    let mut order: Vec<usize> = (0..raw.user.len()).collect();
    if !raw.time.is_empty() {
        order.sort_by_key(|&at| raw.time[at]);
    }
    if which == Keep::Last {
        order.reverse();
    }
    let mut seen = HashSet::with_capacity(order.len());
    let mut keep = vec![false; order.len()];
    for at in order {
        keep[at] = seen.insert((raw.user[at], raw.item[at]));
    }
    raw.retain(&keep);
}

/// Interactions that repeat the user, item and time of another one, as in a file that has its rows
/// twice.
pub(super) fn repeated(raw: &RawData) -> u64 {
    // Without times, a repeated item may be a repeated interaction.
    if raw.time.is_empty() {
        return 0;
    }
    let row = |at: u32| {
        let at = at as usize;
        (raw.user[at], raw.time[at], raw.item[at])
    };
    let mut order: Vec<u32> = (0..raw.user.len() as u32).collect();
    order.par_sort_unstable_by_key(|&at| row(at));
    let repeats = order.windows(2).filter(|pair| row(pair[0]) == row(pair[1]));
    repeats.count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(rows: &[(u32, u32, f32, i64)]) -> RawData {
        let mut raw = RawData {
            users: (0..4).map(|n| format!("u{n}")).collect(),
            items: (0..4).map(|n| format!("i{n}")).collect(),
            ..RawData::default()
        };
        for &(user, item, rating, time) in rows {
            raw.user.push(user);
            raw.item.push(item);
            raw.rating.push(rating);
            raw.time.push(time);
        }
        raw
    }

    #[test]
    fn rows_that_are_there_twice_are_counted_where_there_are_times() {
        let mut data = raw(&[
            (0, 0, 5.0, 1),
            (0, 0, 5.0, 2),
            (0, 0, 5.0, 1),
            (1, 0, 5.0, 1),
        ]);
        assert_eq!(repeated(&data), 1);
        // Without times, the item may have been consumed again.
        data.time.clear();
        assert_eq!(repeated(&data), 0);
    }

    #[test]
    fn published_counts_once_and_keeps_low_ratings_of_survivors() {
        let mut data = raw(&[
            (0, 0, 5.0, 1),
            (0, 1, 5.0, 2),
            (0, 0, 1.0, 3),
            (1, 0, 5.0, 1),
            (1, 1, 1.0, 2),
        ]);
        let rule = Filter::Published {
            threshold: 2,
            count_rating: 3.0,
        };
        apply(&mut data, &rule);
        // Item 1 and user 1 have one counted review each; user 0's low rating of item 0 stays.
        assert_eq!(data.user, [0, 0]);
        assert_eq!(data.rating, [5.0, 1.0]);
    }

    #[test]
    fn k_core_repeats_until_nothing_changes() {
        let mut data = raw(&[
            (0, 0, 5.0, 1),
            (0, 1, 5.0, 2),
            (1, 0, 5.0, 1),
            (1, 1, 5.0, 2),
            (2, 1, 5.0, 1),
            (2, 2, 5.0, 2),
        ]);
        apply(&mut data, &Filter::KCore { users: 2, items: 2 });
        // Item 2 is dropped, then user 2, and the rest is a 2-core.
        assert_eq!(data.user, [0, 0, 1, 1]);
    }

    #[test]
    fn of_repeats_the_first_or_the_last_in_time_stays() {
        let rows = [(0, 0, 1.0, 9), (0, 0, 2.0, 3), (0, 0, 3.0, 5)];
        let mut first = raw(&rows);
        apply(&mut first, &Filter::Duplicates { keep: Keep::First });
        assert_eq!(first.rating, [2.0]);
        let mut last = raw(&rows);
        apply(&mut last, &Filter::Duplicates { keep: Keep::Last });
        assert_eq!(last.rating, [1.0]);
    }

    #[test]
    fn length_bounds_users() {
        let mut data = raw(&[
            (0, 0, 1.0, 1),
            (1, 0, 1.0, 1),
            (1, 1, 1.0, 2),
            (2, 0, 1.0, 1),
            (2, 1, 1.0, 1),
            (2, 2, 1.0, 1),
        ]);
        apply(
            &mut data,
            &Filter::Length {
                minimum: 2,
                maximum: 2,
            },
        );
        assert_eq!(data.user, [1, 1]);
    }
}
