use super::*;
use crate::models::popularity::Popularity;
use allround_core::data::{Facts, Item};
use tch::Device;

/// Five items with counts 5, 4, 3, 3, 1 and one user: training [1], validation 2, test 3.
fn prepared() -> Prepared {
    Prepared {
        users: vec!["ann".to_owned()],
        items: vec![Item::default(); 5],
        offsets: vec![0, 3],
        sequence: vec![1, 2, 3],
        train_end: vec![1],
        valid_end: vec![2],
        trained: vec![true],
        aligned: vec![true],
        measured: vec![true],
        in_training: vec![true; 5],
        in_candidates: vec![true; 5],
        row: vec![1, 2, 3, 4, 5],
        facts: Facts::default(),
    }
}

fn scorer(counts: [f32; 6]) -> Popularity {
    Popularity::from_counts(Tensor::from_slice(&counts).to_device(Device::Cpu))
}

const COUNTS: [f32; 6] = [0.0, 5.0, 4.0, 3.0, 3.0, 1.0];

fn listed_rank(negatives: Vec<u32>) -> f64 {
    let n = negatives.len();
    let lists = CandidateLists::listed(Part::Test, vec![0], vec![3], n, negatives);
    ranks(&scorer(COUNTS), &prepared(), &lists).unwrap().ranks[0]
}

#[test]
fn greater_scores_count_whole_and_equal_ones_half() {
    assert_eq!(listed_rank(vec![5]), 1.0);
    assert_eq!(listed_rank(vec![1, 2, 5]), 3.0);
    assert_eq!(listed_rank(vec![1, 4, 5]), 2.5);
}

#[test]
fn full_ranking_leaves_out_the_history_and_keeps_the_target() {
    let lists = full_lists(&prepared(), Part::Test);
    assert_eq!((lists.users[0], lists.targets[0]), (0, 3));
    // Items 1 and 2 are known; item 4 ties, item 5 is lower.
    let ranks = ranks(&scorer(COUNTS), &prepared(), &lists).unwrap();
    assert_eq!(ranks.ranks, [1.5]);
}

#[test]
fn full_ranking_leaves_out_items_that_are_no_candidates() {
    let mut prepared = prepared();
    prepared.in_candidates[3] = false;
    let lists = full_lists(&prepared, Part::Test);
    assert_eq!(
        ranks(&scorer(COUNTS), &prepared, &lists).unwrap().ranks,
        [1.0]
    );
}

#[test]
fn a_reindexed_item_reads_its_row() {
    let mut prepared = prepared();
    prepared.row = vec![1, 2, 5, 4, 3];
    let lists = full_lists(&prepared, Part::Test);
    // The target now scores 1, below items 4 and 5 (3 each).
    assert_eq!(
        ranks(&scorer(COUNTS), &prepared, &lists).unwrap().ranks,
        [3.0]
    );
}

#[test]
fn a_score_that_is_no_number_is_an_error_naming_the_user() {
    let mut counts = COUNTS;
    counts[4] = f32::NAN;
    let lists = full_lists(&prepared(), Part::Valid);
    let error = ranks(&scorer(counts), &prepared(), &lists).unwrap_err();
    assert_eq!(error.to_string(), "a score of user `ann` is not a number");
}

#[test]
fn equal_scores_count_as_the_protocol_says() {
    // Items 4 and 3 (the target) score 3; items 1 and 2 score more, item 5 less.
    let mut lists = CandidateLists::listed(Part::Test, vec![0], vec![3], 3, vec![1, 4, 5]);
    for (ties, rank) in [
        (Ties::Half, 2.5),
        (Ties::TargetFirst, 2.0),
        (Ties::TargetLast, 3.0),
    ] {
        lists.ties = ties;
        let found = ranks(&scorer(COUNTS), &prepared(), &lists).unwrap();
        assert_eq!(found.ranks, [rank], "{ties:?}");
    }
    let mut lists = full_lists(&prepared(), Part::Test);
    for (ties, rank) in [(Ties::TargetFirst, 1.0), (Ties::TargetLast, 2.0)] {
        lists.ties = ties;
        let found = ranks(&scorer(COUNTS), &prepared(), &lists).unwrap();
        assert_eq!(found.ranks, [rank], "{ties:?}");
    }
}

#[test]
fn a_model_of_equal_scores_gets_the_first_middle_or_last_rank() {
    let mut lists = CandidateLists::listed(Part::Test, vec![0], vec![3], 4, vec![1, 2, 4, 5]);
    for (ties, rank) in [
        (Ties::TargetFirst, 1.0),
        (Ties::Half, 3.0),
        (Ties::TargetLast, 5.0),
    ] {
        lists.ties = ties;
        let found = ranks(&scorer([1.0; 6]), &prepared(), &lists).unwrap();
        assert_eq!(found.ranks, [rank], "{ties:?}");
    }
}

#[test]
fn full_ranking_that_keeps_seen_items_ranks_the_history_too() {
    let mut lists = full_lists(&prepared(), Part::Test);
    lists.seen = Seen::Keep;
    // Items 1 and 2 of the history score more than the target, item 4 the same.
    let found = ranks(&scorer(COUNTS), &prepared(), &lists).unwrap();
    assert_eq!(found.ranks, [3.5]);
    // A target that the history holds is ranked once, and not against itself.
    let mut again = prepared();
    again.sequence = vec![3, 2, 3];
    let found = ranks(&scorer(COUNTS), &again, &lists).unwrap();
    assert_eq!(found.ranks, [3.5]);
}

#[test]
fn full_ranking_within_a_class_ranks_its_items_alone() {
    let mut lists = full_lists(&prepared(), Part::Test);
    lists.seen = Seen::Keep;
    lists.among = vec![1, 3, 5];
    let found = ranks(&scorer(COUNTS), &prepared(), &lists).unwrap();
    assert_eq!(found.ranks, [2.0]);
}

#[test]
fn kept_scores_are_those_of_the_candidates_and_give_the_ranks() {
    let full = full_lists(&prepared(), Part::Test);
    let listed = CandidateLists {
        n: Some(2),
        negatives: vec![1, 4],
        ..full.clone()
    };
    // Items 1 and 2 are the history, and a list may hold one of them.
    let expected: [(CandidateLists, &[(u32, f64)]); 2] = [
        (full, &[(3, 3.0), (4, 3.0), (5, 1.0)]),
        (listed, &[(1, 5.0), (3, 3.0), (4, 3.0)]),
    ];
    for (lists, expected) in expected {
        let (ranks, scores) = ranked(&scorer(COUNTS), &prepared(), &lists, true).unwrap();
        let found = scores.unwrap();
        let row: Vec<(u32, f64)> = found.row(0).map(|it| (it.item, it.score)).collect();
        assert_eq!(row, expected);
        let greater = row.iter().filter(|(_, score)| *score > 3.0).count() as f64;
        // One other candidate ties with the target.
        assert_eq!(ranks.ranks, [1.0 + greater + 0.5]);
        let (same, none) = ranked(&scorer(COUNTS), &prepared(), &lists, false).unwrap();
        assert_eq!((same, none), (ranks, None));
    }
}
