//! Fixed candidate lists: drawn once for each data set, protocol and seed, and used by every model.
//!
//! Each user has a separate random stream, so that adding or removing a user changes no other
//! user's list. Lists of other programs are read from a file and checked.

pub mod file;
pub mod users;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::arrays::{self, Array, Arrays};
use super::{DataError, DrawCandidates, Prepared, genres, nobody, scenario};
pub use crate::config::protocol::Part;
use crate::config::protocol::{Candidates, Rules, Seen, Ties};
use crate::event::Event;
use crate::seed::{Stream, stream};

impl Part {
    fn file(self) -> &'static str {
        match self {
            Part::Valid => "candidates.valid.safetensors",
            Part::Test => "candidates.test.safetensors",
        }
    }

    /// Index of the part's target in the sequence of user `user`; `None` for a user without a
    /// target.
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
    /// The part of the split.
    pub part: Part,
    /// User numbers, ascending, M of them.
    pub users: Vec<u32>,
    /// Target items, M of them.
    pub targets: Vec<u32>,
    /// Number of negatives for each user; `None` for full ranking, where no list is stored.
    pub n: Option<usize>,
    /// Negative items, row by row, M x n.
    pub negatives: Vec<u32>,
    /// In full ranking: whether items of the history are ranked.
    pub seen: Seen,
    /// In full ranking: the only items that are ranked, ascending. Empty: every candidate of the
    /// data set.
    pub among: Vec<u32>,
    /// How candidates with the target's score count in its rank.
    pub ties: Ties,
}

/// The part of an evaluation's random streams in those of prompts.
const EVALUATION: u64 = 5;

/// The candidates of the user at `place` in the order of prompt number `order`. It depends on the
/// cell's seed, part, user and this number alone. Empty for full ranking.
pub fn in_prompt(lists: &CandidateLists, place: usize, seed: u64, order: usize) -> Vec<u32> {
    let Some(n) = lists.n else {
        return Vec::new();
    };
    let mut candidates = lists.negatives[place * n..(place + 1) * n].to_vec();
    candidates.push(lists.targets[place]);
    let part = u64::from(lists.part == Part::Test) << 40;
    let user = u64::from(lists.users[place]);
    let number = (EVALUATION << 56) | part | ((order as u64) << 32) | user;
    candidates.shuffle(&mut stream(seed, Stream::Prompt, number));
    candidates
}

impl CandidateLists {
    /// Full ranking of `targets`, one for each of `users`, without items of the history. Of
    /// candidates with the target's score, half count in its rank.
    pub fn full(part: Part, users: Vec<u32>, targets: Vec<u32>) -> Self {
        Self {
            part,
            users,
            targets,
            n: None,
            negatives: Vec::new(),
            seen: Seen::Exclude,
            among: Vec::new(),
            ties: Ties::Half,
        }
    }

    /// Whether full ranking includes item i (at `i - 1`).
    pub fn ranked_items(&self, data: &Prepared) -> Vec<bool> {
        if self.among.is_empty() {
            return data.in_candidates.clone();
        }
        let mut ranked = vec![false; data.n_items()];
        for &item in &self.among {
            ranked[item as usize - 1] = data.in_candidates[item as usize - 1];
        }
        ranked
    }

    /// Lists of `n` negatives for each user, row by row. Of candidates with the target's score,
    /// half count in its rank.
    pub fn listed(
        part: Part,
        users: Vec<u32>,
        targets: Vec<u32>,
        n: usize,
        negatives: Vec<u32>,
    ) -> Self {
        Self {
            n: Some(n),
            negatives,
            ..Self::full(part, users, targets)
        }
    }
}

/// The lists of `part` for every measured user: drawn, or read from a file below `base`. Reports
/// the number of entries that a rule drops or tolerates.
///
/// # Errors
/// When a user has fewer possible negatives than the lists need, a file breaks the rules, or no
/// user has a test target.
pub fn make(
    data: &Prepared,
    settings: &DrawCandidates,
    part: Part,
    base: &Path,
    observe: &mut dyn FnMut(Event),
) -> Result<CandidateLists, DataError> {
    let lists = match &settings.candidates {
        Candidates::File(source) => {
            let users = users::measured(data, settings, part);
            let lists = file::read(data, source, part, settings.rules, &users, base, observe)?;
            CandidateLists {
                ties: settings.ties,
                ..lists
            }
        }
        Candidates::Full { .. } | Candidates::Uniform { .. } | Candidates::Popularity { .. } => {
            draw(data, settings, part)?
        }
        Candidates::FavouriteGenre(_) => genres::lists(data, settings, part, observe)?,
    };
    match lists.users.is_empty() && part == Part::Test {
        true => Err(nobody::refusal(data, settings.class.as_ref())),
        false => Ok(lists),
    }
}

/// Draws the lists of `part` for every measured user. With a class of items, only users whose
/// target is in it have a list.
///
/// # Errors
/// When a user has fewer possible negatives than the lists need, or the candidates come from a
/// file.
pub fn draw(
    data: &Prepared,
    settings: &DrawCandidates,
    part: Part,
) -> Result<CandidateLists, DataError> {
    let class = settings.class.as_ref();
    let class = class.and_then(|scenario| scenario::class(data, scenario));
    let users = users::measured(data, settings, part);
    let targets: Vec<u32> = users.iter().map(|&user| target(data, user, part)).collect();
    let lists = CandidateLists {
        ties: settings.ties,
        ..CandidateLists::full(part, users, targets)
    };
    let (n, weighted) = match settings.candidates {
        Candidates::Full { seen } => {
            let among = class.map(|class| (0..data.n_items()).filter(move |&at| class[at]));
            return Ok(CandidateLists {
                seen,
                among: among.into_iter().flatten().map(data_item).collect(),
                ..lists
            });
        }
        Candidates::Uniform { n } => (n, false),
        Candidates::Popularity { n } => (n, true),
        Candidates::File(_) => {
            return Err(DataError::new(
                "candidates from a file belong to a protocol; nothing is drawn from it",
            )
            .hint("use `full`, `uniform` or `popularity`"));
        }
        Candidates::FavouriteGenre(_) => {
            return Err(DataError::new(
                "the question about genres belongs to a protocol; no item is drawn for it",
            )
            .hint("use `full`, `uniform` or `popularity`"));
        }
    };
    let pool = Pool::new(data, weighted, class.as_deref());
    let rows = lists.users.par_iter().zip(&lists.targets);
    let rows = rows.map(|(&user, &target)| {
        let rng = stream(settings.seed, Stream::Candidates, user_index(part, user));
        pool.row(data, user, target, n, settings.rules, rng)
    });
    let negatives = rows.collect::<Result<Vec<_>, _>>()?.concat();
    Ok(CandidateLists {
        n: Some(n),
        negatives,
        ..lists
    })
}

/// The target of a measured user.
fn target(data: &Prepared, user: u32, part: Part) -> u32 {
    let at = part
        .target_at(data, user as usize)
        .expect("measured users have a target");
    data.items_of(user as usize)[at]
}

fn user_index(part: Part, user: u32) -> u64 {
    u64::from(user) + 1 + (u64::from(part == Part::Test) << 32)
}

/// The items that negatives are drawn from.
struct Pool {
    /// Items with a positive weight, ascending.
    items: Vec<u32>,
    /// Cumulative weights of `items`; empty for a uniform draw.
    cumulative: Vec<u64>,
    /// Number of items in the class that is drawn from; `None` where all items are.
    class: Option<usize>,
}

impl Pool {
    fn new(data: &Prepared, weighted: bool, class: Option<&[bool]>) -> Self {
        let counts = if weighted {
            data.train_counts()
        } else {
            vec![1; data.n_items()]
        };
        let drawable = (0..data.n_items()).filter(|&at| {
            data.in_candidates[at] && counts[at] > 0 && class.is_none_or(|class| class[at])
        });
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
        let class = class.map(|class| class.iter().filter(|&&is| is).count());
        Self {
            items,
            cumulative,
            class,
        }
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
        user: u32,
        target: u32,
        n: usize,
        rules: Rules,
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
            let user = &data.users[user as usize];
            let needed = format!("{n} candidates are needed, and user `{user}` has {free} items");
            if let Some(class) = self.class {
                let what = format!(
                    "{needed} of the scenario's class to draw from: the class has {class} items"
                );
                return Err(DataError::new(what).hint(
                    "lower `n`, raise `share`, or write `candidates = \"all\"` in the scenario; with `rules = \"published\"` candidates may repeat",
                ));
            }
            return Err(DataError::new(format!("{needed} to draw from")).hint("lower `n`: items of the user's sequence, and with `popularity` items without training interactions, are not drawn"));
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

    /// Draws from few free items. Rejection would take long, so each item gets a random key
    /// (Efraimidis and Spirakis 2006).
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
            ("among", Array::U32(&self.among)),
        ];
        let mut notes = HashMap::from([
            ("seen".to_owned(), note(self.seen)),
            ("ties".to_owned(), note(self.ties)),
        ]);
        notes.extend(self.n.map(|n| ("n".to_owned(), n.to_string())));
        arrays::save(&dir.join(self.part.file()), &arrays, notes)
    }

    /// Reads the lists of `part` in folder `dir`.
    ///
    /// # Errors
    /// When the file is missing or damaged.
    pub fn load(dir: &Path, part: Part) -> Result<Self, DataError> {
        let arrays = Arrays::load(&dir.join(part.file()))?;
        let damaged = |error: serde_json::Error| DataError::new(error.to_string()).at(dir);
        let note = |name| Ok::<_, DataError>(arrays.note(name)?.unwrap_or("null".to_owned()));
        Ok(Self {
            part,
            users: arrays.u32("users")?,
            targets: arrays.u32("targets")?,
            n: serde_json::from_str(&note("n")?).map_err(damaged)?,
            negatives: arrays.u32("negatives")?,
            seen: serde_json::from_str(&note("seen")?).map_err(damaged)?,
            among: arrays.u32("among")?,
            ties: serde_json::from_str(&note("ties")?).map_err(damaged)?,
        })
    }
}

/// A setting as JSON, for the metadata of an artefact.
fn note(value: impl serde::Serialize) -> String {
    serde_json::to_string(&value).expect("a setting is plain data")
}

#[cfg(test)]
mod tests;
