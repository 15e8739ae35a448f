use super::*;
use crate::data::{Facts, Item, Part};

/// A user `u` with training items 1, 1, 1 and 2, validation item 3 and test item 4. Item 5 occurs
/// nowhere.
fn prepared() -> Prepared {
    let item = |id: &str| Item {
        id: id.to_owned(),
        ..Item::default()
    };
    Prepared {
        users: vec!["u".to_owned()],
        items: ["a", "b", "c", "d", "e"].map(item).to_vec(),
        offsets: vec![0, 6],
        sequence: vec![1, 1, 1, 2, 3, 4],
        train_end: vec![4],
        valid_end: vec![5],
        trained: vec![true],
        aligned: vec![true],
        measured: vec![true],
        in_training: vec![true; 5],
        in_candidates: vec![true; 5],
        row: vec![1, 2, 3, 4, 5],
        facts: Facts::default(),
    }
}

/// Target 4 with the negatives 1 and 2.
fn lists() -> CandidateLists {
    CandidateLists::listed(Part::Test, vec![0], vec![4], 2, vec![1, 2])
}

/// An evaluation that gives the items 4, 1 and 2 these scores.
fn source(scores: [f64; 3]) -> Scores {
    let both = [4, 1, 2].into_iter().zip(scores);
    let row = both.map(|(item, score)| Scored { item, score }).collect();
    let mut found = Scores::nothing(Part::Test);
    found.push(0, 4, row, None);
    found
}

fn fused(by: FusionRule, pivot: f64, sources: &[Scores]) -> Result<Fused, DataError> {
    fuse(&FusionRanking { by, pivot }, sources, &prepared(), &lists())
}

/// Rank of the target, and scores of the items 4, 1 and 2.
fn scores(by: FusionRule, pivot: f64, sources: &[Scores]) -> (f64, [f64; 3]) {
    let fused = fused(by, pivot, sources).unwrap();
    let known: HashMap<u32, f64> = fused.scores.row(0).map(|it| (it.item, it.score)).collect();
    (fused.ranks.ranks[0], [4, 1, 2].map(|item| known[&item]))
}

fn is_close(found: [f64; 3], expected: [f64; 3]) -> bool {
    let pairs = found.into_iter().zip(expected);
    pairs
        .into_iter()
        .all(|(one, other)| (one - other).abs() < 1e-4)
}

#[test]
fn mean_ranks_share_ties_and_the_lowest_mean_ranks_first() {
    // Ranks 2.5, 1, 2.5 and 1, 3, 2.
    let sources = [source([0.0, 3.0, 0.0]), source([2.0, 0.0, 1.0])];
    let (rank, found) = scores(FusionRule::MeanRank, 0.0, &sources);
    assert_eq!((rank, found), (1.0, [-1.75, -2.0, -2.25]));
    let third = source([1.0, 2.0, 3.0]);
    let (rank, found) = scores(
        FusionRule::MeanRank,
        0.0,
        &[&sources[..], &[third]].concat(),
    );
    assert_eq!((rank, found), (3.0, [-6.5 / 3.0, -2.0, -5.5 / 3.0]));
}

#[test]
fn the_gate_weighs_standardised_scores_by_training_counts() {
    // Standardised: -0.7071, 1.4142, -0.7071 and 1.2247, -1.2247, 0. With 3 interactions as pivot
    // the first model has the weights 0, 1/2 and 1/4.
    let sources = [source([0.0, 3.0, 0.0]), source([2.0, 0.0, 1.0])];
    let (rank, found) = scores(FusionRule::PopularityGate, 3.0, &sources);
    assert_eq!(rank, 1.0);
    assert!(is_close(found, [1.2247, 0.0947, -0.1768]), "{found:?}");
}

#[test]
fn without_a_pivot_the_mean_of_the_training_counts_is_taken() {
    let sources = [source([0.0, 3.0, 0.0]), source([2.0, 0.0, 1.0])];
    // Four interactions of five items.
    let mean = scores(FusionRule::PopularityGate, 0.8, &sources);
    assert_eq!(scores(FusionRule::PopularityGate, 0.0, &sources), mean);
}

#[test]
fn equal_scores_and_missing_scores_decide_nothing_beyond_their_place() {
    let flat = source([0.1; 3]);
    let sources = [flat.clone(), source([2.0, 0.0, 1.0])];
    let (_, found) = scores(FusionRule::PopularityGate, 3.0, &sources);
    assert!(is_close(found, [1.2247, -0.6124, 0.0]), "{found:?}");
    let missing = |lowest| [flat.clone(), source([2.0, lowest, 1.0])];
    let with = scores(FusionRule::PopularityGate, 3.0, &missing(f64::NEG_INFINITY));
    assert_eq!(with, scores(FusionRule::PopularityGate, 3.0, &missing(1.0)));
    let silent = [flat.clone(), source([f64::NEG_INFINITY; 3])];
    let (rank, found) = scores(FusionRule::PopularityGate, 3.0, &silent);
    assert_eq!((rank, found), (2.0, [0.0; 3]));
}

#[test]
fn sources_of_other_users_or_without_a_candidate_are_refused() {
    let mut other = source([0.0, 1.0, 2.0]);
    other.targets[0] = 5;
    let error = fused(FusionRule::MeanRank, 0.0, &[other]).unwrap_err();
    assert!(
        error.to_string().contains("other users or targets"),
        "{error}"
    );
    assert!(error.remedy().is_some());
    let mut short = Scores::nothing(Part::Test);
    short.push(
        0,
        4,
        vec![Scored {
            item: 4,
            score: 1.0,
        }],
        None,
    );
    let error = fused(FusionRule::MeanRank, 0.0, &[short]).unwrap_err();
    let text = "a model of this fusion has no score of some candidates of user `u`";
    assert!(error.to_string().contains(text), "{error}");
}
