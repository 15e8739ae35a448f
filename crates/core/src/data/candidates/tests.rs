//! Which items are drawn, and what is refused.

use super::*;
use crate::config::Scenario;
use crate::config::scenario::{CandidatesOf, CountedOn, ItemShare, ShareOf};
use crate::data::SliceUsers;
use crate::data::prepared::tests::sample_data;

fn settings(candidates: Candidates, rules: Rules) -> DrawCandidates {
    DrawCandidates {
        candidates,
        rules,
        ties: Ties::Half,
        class: None,
        max_users: 0,
        slices: SliceUsers::default(),
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
        let n = candidates.n().unwrap();
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
        ..settings(
            Candidates::Full {
                seen: Seen::Exclude,
            },
            Rules::Strict,
        )
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
        text.contains("9 candidates are needed") && text.contains("items to draw from"),
        "{text}"
    );
}

#[test]
fn ties_seen_and_class_are_read_back() {
    let data = sample_data(60, 40);
    let wanted = DrawCandidates {
        ties: Ties::TargetLast,
        class: Some(cold(0.5)),
        ..settings(Candidates::Full { seen: Seen::Keep }, Rules::Strict)
    };
    let lists = draw(&data, &wanted, Part::Test).unwrap();
    assert_eq!((lists.ties, lists.seen), (Ties::TargetLast, Seen::Keep));
    assert_eq!(lists.among.len(), 20);
    let dir = tempfile::tempdir().unwrap();
    lists.save(dir.path()).unwrap();
    assert_eq!(CandidateLists::load(dir.path(), Part::Test).unwrap(), lists);
}

fn cold(share: f64) -> Scenario {
    Scenario::ColdItems(ItemShare {
        share,
        by: ShareOf::Items,
        counted_on: CountedOn::Train,
        candidates: CandidatesOf::Class,
    })
}

#[test]
fn candidates_of_the_class_rank_cold_targets_against_cold_items_alone() {
    let data = sample_data(200, 40);
    let class = scenario::class(&data, &cold(0.5)).unwrap();
    let is_cold = |item: &u32| class[*item as usize - 1];
    for candidates in [
        Candidates::Uniform { n: 5 },
        Candidates::Popularity { n: 5 },
    ] {
        let wanted = DrawCandidates {
            class: Some(cold(0.5)),
            ..settings(candidates.clone(), Rules::Strict)
        };
        let lists = draw(&data, &wanted, Part::Test).unwrap();
        assert!(!lists.users.is_empty());
        assert!(lists.targets.iter().all(is_cold));
        assert!(lists.negatives.iter().all(is_cold));
        // The users are those of a slice that ranks against all items.
        let mask = scenario::slice(&data, &cold(0.5), Part::Test);
        let sliced: Vec<u32> = (0..200).filter(|&user| mask[user as usize]).collect();
        assert_eq!(lists.users, sliced);
        let all = draw(&data, &settings(candidates, Rules::Strict), Part::Test).unwrap();
        assert!(!all.negatives.iter().all(is_cold));
    }
}

#[test]
fn a_class_of_too_few_items_is_refused_with_both_counts_and_repeats_as_published() {
    let data = sample_data(200, 40);
    let mut wanted = DrawCandidates {
        class: Some(cold(0.25)),
        ..settings(Candidates::Uniform { n: 11 }, Rules::Strict)
    };
    let error = draw(&data, &wanted, Part::Test).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("11 candidates are needed, and user `"),
        "{text}"
    );
    assert!(
        text.ends_with("items of the scenario's class to draw from: the class has 10 items"),
        "{text}"
    );
    assert!(error.remedy().unwrap().contains("`candidates = \"all\"`"));
    wanted.rules = Rules::Published;
    let lists = draw(&data, &wanted, Part::Test).unwrap();
    let row: HashSet<&u32> = lists.negatives[..11].iter().collect();
    assert!(row.len() < 11, "some repeat");
}
