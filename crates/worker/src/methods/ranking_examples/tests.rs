use allround_core::models::llm_method::Targets;

use super::*;
use crate::methods::tests::{data, target_rule};

/// What the draws of `epoch` depend on in these tests.
fn epoch_seed(epoch: u32) -> EpochSeed {
    EpochSeed {
        seed: 1,
        stage: 2,
        epoch,
    }
}

#[test]
fn candidates_hold_the_target_once_and_nothing_that_the_user_knows() {
    let prepared = data();
    let pool = Pool::of(&prepared);
    for (targets, count) in [(Targets::Last, 3), (Targets::All, 5)] {
        let sequences = Sequences::of(&prepared, target_rule(targets));
        let rule = crate::methods::tests::training_candidates();
        let examples = RankingExamples {
            prepared: &prepared,
            sequences: &sequences,
            pool: pool.clone(),
            batch_size: 2,
            candidates: 4,
            rule,
        };
        let draw = |epoch| examples.steps(epoch_seed(epoch)).unwrap();
        let all = draw(1).concat();
        assert_eq!((draw(1).len(), all.len()), (2, count));
        for example in &all {
            let known = prepared.train_of(example.target.user as usize);
            let targets = example
                .candidates
                .iter()
                .filter(|item| known.contains(item));
            assert_eq!(
                targets.collect::<Vec<_>>(),
                [&example.target.item(&prepared)]
            );
            assert_eq!(example.candidates.len(), 4);
        }
        assert_eq!(draw(2), draw(2));
        assert_ne!(draw(1), draw(2));
    }
}

/// Questions of an epoch by their targets, for data whose sequences are all targets' histories.
fn examples_of(epoch: u32, rule: TrainingCandidates, targets: Targets) -> Vec<RankingExample> {
    let prepared = data();
    let (pool, sequences) = (
        Pool::of(&prepared),
        Sequences::of(&prepared, target_rule(targets)),
    );
    let examples = RankingExamples {
        prepared: &prepared,
        sequences: &sequences,
        pool,
        batch_size: 2,
        candidates: 6,
        rule,
    };
    let steps = examples.steps(epoch_seed(epoch));
    let mut all = steps.unwrap().concat();
    all.sort_by_key(|example| (example.target.user, example.target.at));
    all
}

#[test]
fn candidates_that_are_drawn_once_are_the_same_in_every_epoch() {
    for exclude in [Exclude::Training, Exclude::History] {
        for targets in [Targets::Last, Targets::All] {
            let draw =
                |drawn, epoch| examples_of(epoch, TrainingCandidates { drawn, exclude }, targets);
            let first = draw(Drawn::Once, 1);
            assert!((2..9).all(|epoch| draw(Drawn::Once, epoch) == first));
            assert_ne!(draw(Drawn::EachEpoch, 1), draw(Drawn::EachEpoch, 2));
            assert_eq!(draw(Drawn::EachEpoch, 2), draw(Drawn::EachEpoch, 2));
            // Each target has its own draw.
            let lists = first.iter().map(|example| &example.candidates);
            let different: std::collections::HashSet<_> = lists.collect();
            assert_eq!(different.len(), first.len());
        }
    }
}

#[test]
fn the_target_is_drawn_again_only_where_the_history_alone_is_left_out() {
    let prepared = data();
    for (exclude, again) in [(Exclude::Training, false), (Exclude::History, true)] {
        let rule = TrainingCandidates {
            drawn: Drawn::EachEpoch,
            exclude,
        };
        let examples = (1..40).flat_map(|epoch| examples_of(epoch, rule, Targets::All));
        let (mut twice, mut later) = (false, false);
        for example in examples {
            let target = example.target.item(&prepared);
            let history = example.target.history(&prepared);
            let count = |item: u32| {
                example
                    .candidates
                    .iter()
                    .filter(|&&one| one == item)
                    .count()
            };
            assert_eq!(example.candidates.len(), 6);
            assert!(history.iter().all(|&item| count(item) == 0));
            assert!((1..=2).contains(&count(target)));
            twice |= count(target) == 2;
            let train = prepared.train_of(example.target.user as usize);
            let behind = &train[history.len() + 1..];
            later |= behind.iter().any(|&item| count(item) > 0);
        }
        assert_eq!((twice, later), (again, again), "{exclude:?}");
    }
}
