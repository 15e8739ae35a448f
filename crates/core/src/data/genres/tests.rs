//! The label, its ties, and what is refused.

use super::*;
use crate::config::protocol::{Candidates, FavouriteGenre, GenreAnswer, Rules, Ties};
use crate::data::SliceUsers;
use crate::data::candidates;
use crate::data::prepared::tests::sample_data;
use crate::models::llm_method::ScoreBy;

/// Data whose items have these genres in turn.
fn data(genres: &[&[&str]]) -> Prepared {
    let mut data = sample_data(30, 12);
    for (at, item) in data.items.iter_mut().enumerate() {
        let names = genres.get(at % genres.len().max(1)).copied();
        let names = names.unwrap_or_default().iter();
        item.categories = names.map(|name| (*name).to_owned()).collect();
    }
    data
}

fn settings() -> DrawCandidates {
    DrawCandidates {
        candidates: Candidates::FavouriteGenre(FavouriteGenre {
            answer: GenreAnswer::Likelihood,
            by: ScoreBy::Mean,
            template: String::new(),
            max_new_tokens: 8,
            conversations: 0,
        }),
        rules: Rules::Strict,
        ties: Ties::Half,
        class: None,
        max_users: 0,
        slices: SliceUsers::default(),
        seed: 5,
    }
}

fn made(data: &Prepared, observe: &mut dyn FnMut(Event)) -> Result<CandidateLists, DataError> {
    candidates::make(data, &settings(), Part::Test, "".as_ref(), observe)
}

/// The favourite of user 0, who has these training items.
fn favourite(data: &mut Prepared, items: &[u32]) -> Option<String> {
    assert!(data.train_end[0] as usize >= items.len());
    data.sequence[..items.len()].copy_from_slice(items);
    data.train_end[0] = items.len() as u32;
    let genres = Genres::of(data);
    let place = genres.favourite(data, 0)?;
    Some(genres.names()[place].clone())
}

#[test]
fn the_most_frequent_genre_is_the_favourite_and_of_equal_ones_the_most_recent() {
    let mut data = data(&[&["b"], &["a", "c"], &[]]);
    let length = data.train_end[0] as usize;
    assert!(length >= 3, "{length}");
    assert_eq!(
        favourite(&mut data.clone(), &[1, 1, 2]).as_deref(),
        Some("b")
    );
    assert_eq!(favourite(&mut data.clone(), &[2, 1]).as_deref(), Some("b"));
    // Both genres of the same item: the first by name.
    assert_eq!(favourite(&mut data.clone(), &[1, 2]).as_deref(), Some("a"));
    assert_eq!(favourite(&mut data, &[3]), None);
}

#[test]
fn the_other_genres_are_the_negatives_and_the_majority_rule_is_counted() {
    let data = data(&[&["b"], &["a", "c"]]);
    let mut events = Vec::new();
    let lists = made(&data, &mut |event| events.push(event)).unwrap();
    assert_eq!(lists.n, Some(2));
    let genres = 13..=15;
    for (at, target) in lists.targets.iter().enumerate() {
        let mut row = lists.negatives[2 * at..2 * at + 2].to_vec();
        row.push(*target);
        row.sort_unstable();
        assert_eq!(row, Vec::from_iter(genres.clone()));
    }
    let named = Genres::of(&data).after_items(&data);
    assert_eq!(named.items[12].id, "a");
    let counted = events.iter().find_map(|event| match event {
        Event::Counted(counted) if counted.what.contains("majority") => Some(counted.count),
        _ => None,
    });
    assert!(counted.is_some_and(|count| count <= lists.users.len() as u64));
}

#[test]
fn counting_the_history_is_right_by_construction_and_the_majority_as_often_as_counted() {
    let data = data(&[&["b"], &["a", "c"], &["b", "c"], &["d"]]);
    let mut majority = None;
    let lists = made(&data, &mut |event| match event {
        Event::Counted(counted) if counted.what.contains("majority") => {
            majority = Some(counted.count);
        }
        _ => {}
    })
    .unwrap();
    let hits = |rule| {
        let ranks = ranks(rule, &data, &lists);
        assert_eq!(ranks.targets, lists.targets);
        ranks.ranks.iter().filter(|rank| **rank == 1.0).count() as u64
    };
    assert_eq!(hits(GenreRule::History), lists.users.len() as u64);
    assert_eq!(Some(hits(GenreRule::Majority)), majority);
    assert!(majority.is_some_and(|count| count < lists.users.len() as u64));
}

#[test]
fn data_without_a_choice_of_genres_are_refused_by_name() {
    let message = |genres: &[&[&str]]| {
        let error = made(&data(genres), &mut |_| {}).unwrap_err();
        (error.to_string(), error.remedy().map(str::to_owned))
    };
    let (none, remedy) = message(&[]);
    assert_eq!(none, "no item of the data set has a genre or category");
    assert!(remedy.is_some_and(|text| text.contains("column or field of categories")));
    let (one, _) = message(&[&["x"], &[]]);
    assert_eq!(
        one,
        "all items have the same genre, `x`: there is no choice"
    );
}
