//! The favourite genre of a user, as a question in place of a recommendation.
//!
//! The genres of a data set are numbered like items that follow its own: genre g of V items is item
//! V + 1 + g. So candidate lists, ranks and answers have the same form.

use std::collections::{BTreeMap, BTreeSet};

use super::candidates::users;
use super::scores::{Scored, candidates, rank};
use super::{CandidateLists, DataError, DrawCandidates, Item, Part, Prepared, Ranks};
use crate::event::{Counted, Event};
use crate::models::stage::GenreRule;

/// The genres of a data set, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genres {
    names: Vec<String>,
    /// Genres of item i at `i - 1`.
    of_item: Vec<Vec<usize>>,
}

impl Genres {
    /// The genres of the items of `data`.
    pub fn of(data: &Prepared) -> Self {
        let all = data.items.iter().flat_map(|item| &item.categories);
        let names: Vec<String> = all.collect::<BTreeSet<_>>().into_iter().cloned().collect();
        let place = |name: &String| names.binary_search(name).expect("every name is listed");
        let of_item = data.items.iter().map(|item| {
            let places: BTreeSet<usize> = item.categories.iter().map(place).collect();
            places.into_iter().collect()
        });
        Self {
            of_item: of_item.collect(),
            names,
        }
    }

    /// Their names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// `data` with the genres after its items, as items with the genre as id and title. Only its
    /// texts have them: no interaction, and no row of a table.
    pub fn after_items(&self, data: &Prepared) -> Prepared {
        let genres = self.names.iter().map(|name| Item {
            id: name.clone(),
            title: Some(name.clone()),
            ..Item::default()
        });
        Prepared {
            items: data.items.iter().cloned().chain(genres).collect(),
            ..data.clone()
        }
    }

    /// The question with the list of genres in its place `{genres}`.
    pub fn fill(&self, template: &str) -> String {
        template.replace("{genres}", &self.names.join(", "))
    }

    /// The genre that occurs most often among the user's training items. Of equal ones, that which
    /// occurs last counts, and in the same item the first by name. `None` without any.
    pub fn favourite(&self, data: &Prepared, user: usize) -> Option<usize> {
        let counts = self.user_counts(data, user);
        let best = counts.into_iter().rev().max_by_key(|&(_, found)| found);
        best.map(|(genre, _)| genre)
    }

    /// How often each genre of the user's training items occurs, and in which item last.
    fn user_counts(&self, data: &Prepared, user: usize) -> BTreeMap<usize, (usize, usize)> {
        let mut counts: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        for (at, &item) in data.train_of(user).iter().enumerate() {
            for &genre in &self.of_item[item as usize - 1] {
                let (count, last) = counts.entry(genre).or_default();
                *count += 1;
                *last = at;
            }
        }
        counts
    }

    /// Number of training interactions with items of each genre.
    fn training_counts(&self, data: &Prepared) -> Vec<u64> {
        let mut counts = vec![0_u64; self.names.len()];
        for (at, count) in data.train_counts().into_iter().enumerate() {
            for &genre in &self.of_item[at] {
                counts[genre] += count;
            }
        }
        counts
    }

    /// The genre that occurs most often among all training interactions.
    fn majority(&self, data: &Prepared) -> usize {
        let counts = self.training_counts(data);
        let best = counts
            .iter()
            .enumerate()
            .rev()
            .max_by_key(|(_, count)| **count);
        best.map_or(0, |(genre, _)| genre)
    }
}

/// The lists of `part`: the target is each measured user's favourite genre, the negatives are all
/// other genres. Users whose training items have no genre are left out and counted. So are those
/// whom the majority genre answers.
///
/// # Errors
/// When the items have fewer than two genres.
pub(super) fn lists(
    data: &Prepared,
    settings: &DrawCandidates,
    part: Part,
    observe: &mut dyn FnMut(Event),
) -> Result<CandidateLists, DataError> {
    let genres = Genres::of(data);
    let hint = "name a column or field of categories in the source (MovieLens, atomic files and JSON have one), or rank items";
    match genres.names.as_slice() {
        [] => {
            return Err(
                DataError::new("no item of the data set has a genre or category").hint(hint),
            );
        }
        [only] => {
            let message = format!("all items have the same genre, `{only}`: there is no choice");
            return Err(DataError::new(message).hint(hint));
        }
        _ => {}
    }
    let number = |genre: usize| {
        u32::try_from(data.n_items() + 1 + genre).expect("fewer items than 32 bits hold")
    };
    let majority = genres.majority(data);
    let mut lists = CandidateLists {
        ties: settings.ties,
        ..CandidateLists::listed(
            part,
            Vec::new(),
            Vec::new(),
            genres.names.len() - 1,
            Vec::new(),
        )
    };
    let (mut without, mut by_majority) = (0, 0);
    for user in users::measured(data, settings, part) {
        let Some(favourite) = genres.favourite(data, user as usize) else {
            without += 1;
            continue;
        };
        by_majority += u64::from(favourite == majority);
        lists.users.push(user);
        lists.targets.push(number(favourite));
        let others = (0..genres.names.len()).filter(|&genre| genre != favourite);
        lists.negatives.extend(others.map(number));
    }
    if part == Part::Test {
        let counts = [
            (
                "users whose training items have no genre, not measured".to_owned(),
                without,
            ),
            (
                format!(
                    "of {} users have the majority genre `{}` as their favourite: what a rule that always gives it answers",
                    lists.users.len(),
                    genres.names[majority]
                ),
                by_majority,
            ),
        ];
        for (what, count) in counts {
            observe(Event::Counted(Counted { what, count }));
        }
    }
    Ok(lists)
}

/// The ranks of the favourite genres in `lists` by a rule.
pub fn ranks(rule: GenreRule, data: &Prepared, lists: &CandidateLists) -> Ranks {
    let genres = Genres::of(data);
    let majority: Vec<f64> = genres
        .training_counts(data)
        .iter()
        .map(|&count| count as f64)
        .collect();
    let of_user = |place: usize| match rule {
        GenreRule::Majority => majority.clone(),
        GenreRule::History => {
            let user = lists.users[place] as usize;
            let length = data.train_of(user).len() as f64;
            let mut scores = vec![0.0; genres.names.len()];
            let all = scores.len() as f64;
            for (genre, (count, last)) in genres.user_counts(data, user) {
                // Between equal counts the last item decides, and within it the name.
                let place = last as f64 + 1.0 - genre as f64 / all;
                scores[genre] = count as f64 + place / (length + 1.0);
            }
            scores
        }
    };
    let rank_of = |place: usize| {
        let scores = of_user(place);
        let scored = |item: u32| Scored {
            item,
            score: scores[item as usize - data.n_items() - 1],
        };
        let row: Vec<Scored> = candidates(lists, data, place)
            .into_iter()
            .map(scored)
            .collect();
        rank(&row, lists.ties)
    };
    Ranks {
        part: lists.part,
        users: lists.users.clone(),
        targets: lists.targets.clone(),
        ranks: (0..lists.users.len()).map(rank_of).collect(),
    }
}

#[cfg(test)]
mod tests;
