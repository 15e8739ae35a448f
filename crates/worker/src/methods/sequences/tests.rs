use tch::Kind;

use super::*;
use crate::methods::tests::{backbone, data};

fn target_rule(targets: Targets, one_item: OneItem) -> TargetRule {
    TargetRule {
        targets,
        one_item,
        order: UserOrder::Numbered,
    }
}

#[test]
fn a_user_without_any_training_item_is_always_skipped() {
    let mut prepared = data();
    prepared.train_end[0] = 0;
    // User 2 has one training item.
    for (one_item, users, skipped, kept) in [
        (OneItem::Skip, &[1, 3][..], 2, 0),
        (OneItem::EmptyHistory, &[1, 2, 3], 1, 1),
        (OneItem::Padding, &[1, 2, 3], 1, 1),
    ] {
        let sequences = Sequences::of(&prepared, target_rule(Targets::Last, one_item));
        assert_eq!(sequences.users(), users);
        assert_eq!((sequences.skipped, sequences.kept), (skipped, kept));
    }
}

#[test]
fn one_item_is_a_target_whichever_targets_are_wanted_and_the_first_of_several_is_not() {
    let prepared = data();
    let at = |targets, one_item, user: u32| -> Vec<Option<u32>> {
        let sequences = Sequences::of(&prepared, target_rule(targets, one_item));
        let all = sequences
            .steps(
                &prepared,
                4,
                EpochSeed {
                    seed: 1,
                    stage: 1,
                    epoch: 1,
                },
            )
            .concat();
        let own = all.iter().filter(|target| target.user == user);
        own.map(|target| target.at).collect()
    };
    for targets in [Targets::Last, Targets::All] {
        assert_eq!(at(targets, OneItem::Skip, 2), []);
        assert_eq!(at(targets, OneItem::EmptyHistory, 2), [Some(0)]);
        assert_eq!(at(targets, OneItem::Padding, 2), [None]);
    }
    assert_eq!(at(Targets::Last, OneItem::Padding, 1), [Some(2)]);
    assert_eq!(at(Targets::All, OneItem::Padding, 1), [Some(1), Some(2)]);
}

#[test]
fn an_empty_history_has_a_state_with_dropout_too_and_leaves_the_others_theirs() {
    let (prepared, backbone) = (data(), backbone());
    let states = |histories: &[(u32, &[u32])], dropout| {
        tch::manual_seed(1);
        user_states(backbone.as_ref(), &prepared, histories, dropout)
    };
    let histories: [(u32, &[u32]); 2] = [(0, &[1, 2]), (1, &[5])];
    let mixed: [(u32, &[u32]); 3] = [(0, &[1, 2]), (2, &[]), (1, &[5])];
    let empty = states(&[(2, &[])], false);
    assert_eq!(empty.size(), [1, backbone.width()]);
    for dropout in [false, true] {
        assert_eq!(states(&[(2, &[])], dropout), empty);
        let found = states(&mixed, dropout);
        assert_eq!(found.get(1), empty.get(0));
        let others = found.index_select(0, &indices(&[0, 2], backbone.device()));
        let expected = states(&histories, dropout);
        assert!(others.allclose(&expected, 1e-6, 1e-6, false));
    }
    let noise = (states(&histories, true) - states(&histories, false)).abs();
    assert!(noise.max().to_kind(Kind::Double).double_value(&[]) > 0.0);
}
