//! Scores of candidates: an output of an `evaluate` stage, next to the ranks, where the protocol
//! keeps them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::path::Path;

use super::arrays::{self, Array, Arrays};
use super::{CandidateLists, DataError, Part, Prepared};
use crate::config::protocol::{Seen, Ties};

/// With more items than this, only the best of each user's full ranking are kept.
pub const ALL_OF_ITEMS: usize = 1_000;
/// Number of the best that are then kept. The target is always kept.
pub const BEST: usize = 100;

/// Maximum number of candidates kept for a user; `None` for all of them.
pub fn bound(lists: &CandidateLists, n_items: usize) -> Option<usize> {
    (lists.n.is_none() && n_items > ALL_OF_ITEMS).then_some(BEST)
}

/// Scores of M users' candidates in one part of the split, the highest first, ties by item number.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// The part of the split.
    pub part: Part,
    /// User numbers of the prepared data set, ascending, M of them.
    pub users: Vec<u32>,
    /// Target items (1 to V), M of them.
    pub targets: Vec<u32>,
    /// Row starts, M + 1 of them.
    pub offsets: Vec<u64>,
    /// Items (1 to V), row by row. A list that was drawn with repeats has them here too.
    pub items: Vec<u32>,
    /// Their scores; never NaN.
    pub scores: Vec<f64>,
}

/// A candidate with its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The item (1 to V).
    pub item: u32,
    /// Its score.
    pub score: f64,
}

impl Scored {
    fn order(&self, other: &Self) -> Ordering {
        other
            .score
            .total_cmp(&self.score)
            .then(self.item.cmp(&other.item))
    }
}

impl Scores {
    /// No scores yet.
    pub fn nothing(part: Part) -> Self {
        Self {
            part,
            users: Vec::new(),
            targets: Vec::new(),
            offsets: vec![0],
            items: Vec::new(),
            scores: Vec::new(),
        }
    }

    /// Adds a user's candidates, including the target. With `most`, only this number of the best
    /// and the target are kept.
    pub fn push(&mut self, user: u32, target: u32, mut row: Vec<Scored>, most: Option<usize>) {
        let most = most.filter(|&most| most > 0 && most < row.len());
        if let Some(most) = most {
            row.select_nth_unstable_by(most - 1, Scored::order);
            let behind = row[most..].iter().find(|it| it.item == target).copied();
            row.truncate(most);
            row.extend(behind);
        }
        row.sort_by(Scored::order);
        self.users.push(user);
        self.targets.push(target);
        self.items.extend(row.iter().map(|it| it.item));
        self.scores.extend(row.iter().map(|it| it.score));
        self.offsets.push(self.items.len() as u64);
    }

    /// The candidates of the user with index `place`, the highest score first.
    pub fn row(&self, place: usize) -> impl Iterator<Item = Scored> {
        let range = self.offsets[place] as usize..self.offsets[place + 1] as usize;
        let both = self.items[range.clone()].iter().zip(&self.scores[range]);
        both.map(|(&item, &score)| Scored { item, score })
    }

    fn file(part: Part) -> &'static str {
        match part {
            Part::Valid => "scores.valid.safetensors",
            Part::Test => "scores.test.safetensors",
        }
    }

    /// Writes the scores into folder `dir`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<(), DataError> {
        let arrays = [
            ("users", Array::U32(&self.users)),
            ("targets", Array::U32(&self.targets)),
            ("offsets", Array::U64(&self.offsets)),
            ("items", Array::U32(&self.items)),
            ("scores", Array::F64(&self.scores)),
        ];
        arrays::save(&dir.join(Self::file(self.part)), &arrays, HashMap::new())
    }

    /// Reads the scores of `part` in folder `dir`; `None` where none were kept.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn load(dir: &Path, part: Part) -> Result<Option<Self>, DataError> {
        let path = dir.join(Self::file(part));
        if !path.exists() {
            return Ok(None);
        }
        let arrays = Arrays::load(&path)?;
        let scores = Self {
            part,
            users: arrays.u32("users")?,
            targets: arrays.u32("targets")?,
            offsets: arrays.u64("offsets")?,
            items: arrays.u32("items")?,
            scores: arrays.f64("scores")?,
        };
        let is_whole = scores.offsets.len() == scores.users.len() + 1
            && scores.targets.len() == scores.users.len()
            && scores.items.len() == scores.scores.len()
            && scores.offsets.is_sorted()
            && scores.offsets.last() == Some(&(scores.items.len() as u64));
        match is_whole {
            true => Ok(Some(scores)),
            false => {
                Err(DataError::new("the file is damaged: its arrays differ in length").at(&path))
            }
        }
    }
}

/// The candidates of the user with index `place` in `lists`, the target first: the list, or every
/// item of a full ranking.
pub fn candidates(lists: &CandidateLists, prepared: &Prepared, place: usize) -> Vec<u32> {
    let (user, target) = (lists.users[place] as usize, lists.targets[place]);
    let mut found = vec![target];
    match lists.n {
        Some(n) => found.extend(&lists.negatives[place * n..(place + 1) * n]),
        None => {
            let mut open = lists.ranked_items(prepared);
            let seen = match lists.seen {
                Seen::Exclude => prepared.history(user, lists.part),
                Seen::Keep => Cow::Borrowed([].as_slice()),
            };
            for &item in seen.iter().chain([&target]) {
                open[item as usize - 1] = false;
            }
            found.extend(
                (1..)
                    .zip(open)
                    .filter(|(_, open)| *open)
                    .map(|(item, _)| item),
            );
        }
    }
    found
}

/// The rank of the first entry in `row`, the target: 1, plus the number of greater scores, plus a
/// share of the other equal scores.
pub fn rank(row: &[Scored], ties: Ties) -> f64 {
    let own = row[0].score;
    let greater = row.iter().filter(|it| it.score > own).count();
    let equal = row.iter().filter(|it| it.score == own).count() - 1;
    ties.rank(greater, equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(scores: &[f64]) -> Vec<Scored> {
        let scored = |(item, &score)| Scored { item, score };
        (1..).zip(scores).map(scored).collect()
    }

    fn kept(scores: &Scores, place: usize) -> Vec<(u32, f64)> {
        scores.row(place).map(|it| (it.item, it.score)).collect()
    }

    #[test]
    fn the_best_are_kept_in_order_and_the_target_wherever_it_stands() {
        let mut scores = Scores::nothing(Part::Test);
        scores.push(0, 1, row(&[0.1, 0.5, 0.5, 0.9]), Some(2));
        scores.push(3, 4, row(&[0.1, 0.5, 0.5, 0.9]), Some(2));
        scores.push(4, 1, row(&[0.1, -1.0]), None);
        assert_eq!(kept(&scores, 0), [(4, 0.9), (2, 0.5), (1, 0.1)]);
        assert_eq!(kept(&scores, 1), [(4, 0.9), (2, 0.5)]);
        assert_eq!(kept(&scores, 2), [(1, 0.1), (2, -1.0)]);
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Scores::load(dir.path(), Part::Test).unwrap(), None);
        scores.save(dir.path()).unwrap();
        let read = Scores::load(dir.path(), Part::Test).unwrap();
        assert_eq!(read, Some(scores));
    }

    #[test]
    fn a_file_whose_arrays_do_not_fit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut scores = Scores::nothing(Part::Valid);
        scores.push(0, 1, row(&[0.1]), None);
        scores.offsets[1] = 2;
        scores.save(dir.path()).unwrap();
        let text = Scores::load(dir.path(), Part::Valid)
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("scores.valid") && text.contains("differ in length"),
            "{text}"
        );
    }

    #[test]
    fn the_candidates_of_a_full_ranking_are_what_the_history_does_not_hold() {
        let prepared = crate::data::prepared::tests::sample_data(20, 9);
        let target = *prepared.items_of(3).last().unwrap();
        let full = CandidateLists::full(Part::Test, vec![3], vec![target]);
        let found = candidates(&full, &prepared, 0);
        assert_eq!(found[0], full.targets[0]);
        let known = prepared.history(3, Part::Test);
        let expected = (1..=9).filter(|item| !known.contains(item) && *item != found[0]);
        assert_eq!(found[1..], expected.collect::<Vec<_>>());
        let kept = CandidateLists {
            seen: Seen::Keep,
            among: vec![1, 2, 3, target],
            ..full
        };
        let among: std::collections::BTreeSet<u32> =
            candidates(&kept, &prepared, 0).into_iter().collect();
        assert_eq!(among, [1, 2, 3, target].into());
    }
}
