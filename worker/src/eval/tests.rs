use super::*;
use crate::models::popularity::Popularity;
use allround::data::Item;
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
    }
}

fn scorer(counts: [f32; 6]) -> Popularity {
    Popularity::from_counts(Tensor::from_slice(&counts).to_device(Device::Cpu))
}

const COUNTS: [f32; 6] = [0.0, 5.0, 4.0, 3.0, 3.0, 1.0];

fn listed_rank(negatives: Vec<u32>) -> f64 {
    let lists = CandidateLists {
        part: Part::Test,
        users: vec![0],
        targets: vec![3],
        n: Some(negatives.len()),
        negatives,
    };
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
