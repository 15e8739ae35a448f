//! Frozen candidate lists: drawn once per data set, protocol and seed, used by every model alike.
//!
//! Each user draws from a stream of its own, so that another user more or less shifts nobody else's list.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use rand::RngExt;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::arrays::{self, Array, Arrays};
use super::{DataError, DrawCandidates, Prepared};
use crate::seed::{Stream, stream};
use crate::spec::config::protocol::{Candidates, Rules};

/// A part of the split that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Validation.
    Valid,
    /// Test.
    Test,
}

impl Part {
    fn file(self) -> &'static str {
        match self {
            Part::Valid => "candidates.valid.safetensors",
            Part::Test => "candidates.test.safetensors",
        }
    }

    /// Where the part's target stands in user `user`'s sequence; `None` for a user without one.
    pub fn target_at(self, data: &Prepared, user: usize) -> Option<usize> {
        let (start, end) = match self {
            Part::Valid => (data.train_end[user], data.valid_end[user] as usize),
            Part::Test => (data.valid_end[user], data.items_of(user).len()),
        };
        Some(start as usize).filter(|&start| start < end)
    }
}

/// Candidate lists of one part: M users with n negatives each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CandidateLists {
    /// Which part's targets.
    pub part: Part,
    /// User numbers, ascending, M of them.
    pub users: Vec<u32>,
    /// Target items, M of them.
    pub targets: Vec<u32>,
    /// Negatives a user; `None` for full ranking, where no list is stored.
    pub n: Option<usize>,
    /// Negative items, row after row, M x n.
    pub negatives: Vec<u32>,
}

/// Draws the lists of `part` for every measured user.
///
/// # Errors
/// When a user has fewer possible negatives than asked for.
pub fn draw(
    data: &Prepared,
    settings: &DrawCandidates,
    part: Part,
) -> Result<CandidateLists, DataError> {
    let users = measured_users(data, settings, part);
    let target = |&user: &u32| {
        let at = part
            .target_at(data, user as usize)
            .expect("measured users have a target");
        data.items_of(user as usize)[at]
    };
    let targets: Vec<u32> = users.iter().map(target).collect();
    let (n, weighted) = match settings.candidates {
        Candidates::Full {} => (None, false),
        Candidates::Uniform { n } => (Some(n), false),
        Candidates::Popularity { n } => (Some(n), true),
    };
    let mut lists = CandidateLists {
        part,
        users,
        targets,
        n,
        negatives: Vec::new(),
    };
    if let Some(n) = n {
        let pool = Pool::new(data, weighted);
        let rows = lists
            .users
            .par_iter()
            .zip(&lists.targets)
            .map(|(&user, &target)| {
                let rng = stream(settings.seed, Stream::Candidates, user_index(part, user));
                pool.row(data, (user, target), (n, settings.rules), rng)
            });
        lists.negatives = rows.collect::<Result<Vec<_>, _>>()?.concat();
    }
    Ok(lists)
}

fn user_index(part: Part, user: u32) -> u64 {
    u64::from(user) + 1 + (u64::from(part == Part::Test) << 32)
}

fn measured_users(data: &Prepared, settings: &DrawCandidates, part: Part) -> Vec<u32> {
    let has = |user: &usize| data.measured[*user] && part.target_at(data, *user).is_some();
    let word = |user| u32::try_from(user).expect("fewer users than 32 bits hold");
    let users: Vec<u32> = (0..data.n_users()).filter(has).map(word).collect();
    let most = usize::try_from(settings.max_users).unwrap_or(usize::MAX);
    if most == 0 || users.len() <= most {
        return users;
    }
    let mut rng = stream(settings.seed, Stream::Candidates, 0);
    let mut drawn: Vec<u32> = index::sample(&mut rng, users.len(), most)
        .into_iter()
        .map(|at| users[at])
        .collect();
    drawn.sort_unstable();
    drawn
}

/// What negatives are drawn from.
struct Pool {
    /// Items that may be drawn with a positive weight, ascending.
    items: Vec<u32>,
    /// Cumulative weights of `items`; empty for a uniform draw.
    cumulative: Vec<u64>,
}

impl Pool {
    fn new(data: &Prepared, weighted: bool) -> Self {
        let counts = if weighted {
            data.train_counts()
        } else {
            vec![1; data.n_items()]
        };
        let drawable = (0..data.n_items()).filter(|&at| data.in_candidates[at] && counts[at] > 0);
        let items: Vec<u32> = drawable.map(data_item).collect();
        let mut sum = 0;
        let cumulative = items.iter().map(|&item| {
            sum += counts[item as usize - 1];
            sum
        });
        let cumulative = if weighted {
            cumulative.collect()
        } else {
            Vec::new()
        };
        Self { items, cumulative }
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> u32 {
        match self.cumulative.last() {
            None => self.items[rng.random_range(0..self.items.len())],
            Some(&total) => {
                let mark = rng.random_range(0..total);
                self.items[self.cumulative.partition_point(|&sum| sum <= mark)]
            }
        }
    }

    fn weight(&self, at: usize) -> u64 {
        match at {
            _ if self.cumulative.is_empty() => 1,
            0 => self.cumulative[0],
            at => self.cumulative[at] - self.cumulative[at - 1],
        }
    }

    fn row(
        &self,
        data: &Prepared,
        (user, target): (u32, u32),
        (n, rules): (usize, Rules),
        mut rng: ChaCha8Rng,
    ) -> Result<Vec<u32>, DataError> {
        let sequence = data.items_of(user as usize);
        let mut taken: HashSet<u32> = match rules {
            Rules::Strict => sequence.iter().copied().chain([target]).collect(),
            Rules::Published => data.train_of(user as usize).iter().copied().collect(),
        };
        let barred = taken
            .iter()
            .filter(|item| self.items.binary_search(item).is_ok())
            .count();
        let free = self.items.len() - barred;
        let least = if rules == Rules::Strict { n } else { n.min(1) };
        if free < least {
            return Err(DataError::new(format!(
                "{n} candidates are asked for, and user `{}` has {free} items to draw from",
                data.users[user as usize]
            ))
            .hint("ask for fewer: what a user has already, and with `popularity` what has never been trained on, is no candidate"));
        }
        if rules == Rules::Strict && free < 2 * n {
            return Ok(self.few(&taken, n, &mut rng));
        }
        let mut row = Vec::with_capacity(n);
        while row.len() < n {
            let item = self.draw(&mut rng);
            let fresh = match rules {
                Rules::Strict => taken.insert(item),
                Rules::Published => !taken.contains(&item),
            };
            if fresh {
                row.push(item);
            }
        }
        Ok(row)
    }

    /// Nearly all free items: rejection would take long, so each gets a random key (Efraimidis and Spirakis 2006).
    fn few(&self, taken: &HashSet<u32>, n: usize, rng: &mut ChaCha8Rng) -> Vec<u32> {
        let mut keyed: Vec<(f64, u32)> = Vec::new();
        for (at, &item) in self.items.iter().enumerate() {
            if !taken.contains(&item) {
                let draw: f64 = rng.random();
                keyed.push((draw.ln() / self.weight(at) as f64, item));
            }
        }
        keyed.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        keyed.into_iter().take(n).map(|(_, item)| item).collect()
    }
}

fn data_item(at: usize) -> u32 {
    u32::try_from(at + 1).expect("fewer items than 32 bits hold")
}

impl CandidateLists {
    /// Writes the lists into folder `dir`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<(), DataError> {
        let arrays = [
            ("users", Array::U32(&self.users)),
            ("targets", Array::U32(&self.targets)),
            ("negatives", Array::U32(&self.negatives)),
        ];
        let n = self.n.map(|n| ("n".to_owned(), n.to_string()));
        arrays::save(&dir.join(self.part.file()), &arrays, HashMap::from_iter(n))
    }

    /// The lists of `part` in folder `dir`.
    ///
    /// # Errors
    /// When the file is missing or damaged.
    pub fn load(dir: &Path, part: Part) -> Result<Self, DataError> {
        let arrays = Arrays::load(&dir.join(part.file()))?;
        let n = arrays.note("n")?.map(|n| n.parse::<usize>());
        Ok(Self {
            part,
            users: arrays.u32("users")?,
            targets: arrays.u32("targets")?,
            n: n.transpose()
                .map_err(|error| DataError::new(error.to_string()).at(dir))?,
            negatives: arrays.u32("negatives")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::prepared::tests::sample_data;

    fn settings(candidates: Candidates, rules: Rules) -> DrawCandidates {
        DrawCandidates {
            candidates,
            rules,
            max_users: 0,
            seed: 5,
        }
    }

    #[test]
    fn strict_lists_hold_no_repeat_and_nothing_of_the_user() {
        let data = sample_data(60, 40);
        for candidates in [
            Candidates::Uniform { n: 19 },
            Candidates::Uniform { n: 28 },
            Candidates::Popularity { n: 15 },
        ] {
            let n = match candidates {
                Candidates::Uniform { n } | Candidates::Popularity { n } => n,
                Candidates::Full {} => 0,
            };
            let lists = draw(&data, &settings(candidates, Rules::Strict), Part::Test).unwrap();
            assert!(lists.users.len() > 20);
            for (at, &user) in lists.users.iter().enumerate() {
                let row: HashSet<u32> = lists.negatives[at * n..(at + 1) * n]
                    .iter()
                    .copied()
                    .collect();
                assert_eq!(row.len(), n);
                assert!(
                    data.items_of(user as usize)
                        .iter()
                        .all(|item| !row.contains(item))
                );
                assert_eq!(
                    lists.targets[at],
                    *data.items_of(user as usize).last().unwrap()
                );
            }
        }
    }

    #[test]
    fn published_lists_bar_training_items_only_and_may_repeat() {
        let data = sample_data(60, 12);
        let lists = draw(
            &data,
            &settings(Candidates::Uniform { n: 30 }, Rules::Published),
            Part::Test,
        )
        .unwrap();
        let mut met_target = false;
        for (at, &user) in lists.users.iter().enumerate() {
            let row = &lists.negatives[at * 30..(at + 1) * 30];
            assert!(
                data.train_of(user as usize)
                    .iter()
                    .all(|item| !row.contains(item))
            );
            met_target |= row.contains(&lists.targets[at]);
        }
        assert!(met_target, "the published rule lets the target in");
    }

    #[test]
    fn popular_items_are_drawn_more_often() {
        let data = sample_data(400, 60);
        let lists = draw(
            &data,
            &settings(Candidates::Popularity { n: 5 }, Rules::Strict),
            Part::Test,
        )
        .unwrap();
        let counts = data.train_counts();
        let mean = |items: &[u32]| {
            items
                .iter()
                .map(|&i| counts[i as usize - 1] as f64)
                .sum::<f64>()
                / items.len() as f64
        };
        let uniform = draw(
            &data,
            &settings(Candidates::Uniform { n: 5 }, Rules::Strict),
            Part::Test,
        )
        .unwrap();
        assert!(mean(&lists.negatives) > mean(&uniform.negatives));
    }

    #[test]
    fn lists_are_a_function_of_the_seed_and_are_read_back() {
        let data = sample_data(60, 40);
        let wanted = settings(Candidates::Uniform { n: 5 }, Rules::Strict);
        let lists = draw(&data, &wanted, Part::Valid).unwrap();
        assert_eq!(draw(&data, &wanted, Part::Valid).unwrap(), lists);
        let other = DrawCandidates { seed: 6, ..wanted };
        assert_ne!(draw(&data, &other, Part::Valid).unwrap(), lists);
        let dir = tempfile::tempdir().unwrap();
        lists.save(dir.path()).unwrap();
        assert_eq!(
            CandidateLists::load(dir.path(), Part::Valid).unwrap(),
            lists
        );
    }

    #[test]
    fn at_most_so_many_users_are_drawn() {
        let data = sample_data(60, 40);
        let wanted = DrawCandidates {
            max_users: 7,
            ..settings(Candidates::Full {}, Rules::Strict)
        };
        let lists = draw(&data, &wanted, Part::Test).unwrap();
        assert_eq!(
            (lists.users.len(), lists.n, lists.negatives.len()),
            (7, None, 0)
        );
    }

    #[test]
    fn more_candidates_than_items_are_refused_with_both_counts() {
        let data = sample_data(20, 9);
        let error = draw(
            &data,
            &settings(Candidates::Uniform { n: 9 }, Rules::Strict),
            Part::Test,
        )
        .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("9 candidates are asked for") && text.contains("items to draw from"),
            "{text}"
        );
    }
}
