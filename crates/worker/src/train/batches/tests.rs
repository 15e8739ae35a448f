//! What an epoch's batches hold.

use std::path::Path;

use allround_core::models::Model;
use allround_core::models::train::Loss;
use tch::Device;

use super::*;
use crate::models::sasrec::Sasrec;
use crate::models::{Backbone, Scorer, Sizes, weights};

fn set() -> TrainingSet {
    TrainingSet {
        users: vec![4, 7, 9],
        offsets: vec![0, 3, 5, 10],
        items: vec![1, 2, 3, 2, 4, 5, 6, 1, 2, 3],
        pool: vec![1, 2, 3, 4, 5, 6, 8],
        classes: Some([1, 2, 3, 4, 5, 6, 8].into()),
        skipped: 0,
    }
}

/// Two examples a step, three items read.
fn recipe(sequences: Sequences, loss: &Loss) -> Recipe {
    Recipe {
        seed: 1,
        batch_size: 2,
        maxlen: 3,
        negatives: Negatives::of(loss),
        examples: Examples::of(&sequences, 3),
    }
}

fn epoch(loss: &Loss, number: u32) -> Vec<TrainingBatch> {
    let set = set();
    let sampler = Sampler::new(&set, recipe(Sequences::Whole {}, loss)).unwrap();
    sampler.epoch(number).collect()
}

#[test]
fn an_epoch_holds_every_user_once_with_its_last_items() {
    let batches = epoch(&Loss::Bce { negatives: 2 }, 1);
    assert_eq!(batches.len(), 2);
    let mut users: Vec<u32> = batches
        .iter()
        .flat_map(|batch| batch.users.clone())
        .collect();
    users.sort_unstable();
    assert_eq!(users, [4, 7, 9]);
    for batch in &batches {
        assert_eq!(batch.classes, set().classes);
        assert_eq!(batch.negatives.len(), 2 * batch.targets.len());
        let place = batch.users.iter().position(|&user| user == 9);
        if let Some(row) = place {
            let (from, to) = (batch.offsets[row] as usize, batch.offsets[row + 1] as usize);
            assert_eq!(batch.inputs[from..to], [6, 1, 2]);
            assert_eq!(batch.targets[from..to], [1, 2, 3]);
        }
    }
}

#[test]
fn own_negatives_are_never_the_users_training_items() {
    for number in 0..20 {
        for batch in epoch(&Loss::Bce { negatives: 3 }, number) {
            for (row, bounds) in batch.offsets.windows(2).enumerate() {
                let set = set();
                let place = set.users.iter().position(|&user| user == batch.users[row]);
                let own = set.row(place.unwrap());
                let drawn = &batch.negatives[3 * bounds[0] as usize..3 * bounds[1] as usize];
                assert!(drawn.iter().all(|item| !own.contains(item) && *item != 7));
            }
        }
    }
}

#[test]
fn an_epoch_is_drawn_again_the_same_and_another_epoch_is_not() {
    let loss = Loss::Bce { negatives: 1 };
    assert_eq!(epoch(&loss, 3), epoch(&loss, 3));
    assert_ne!(epoch(&loss, 3), epoch(&loss, 4));
}

#[test]
fn shared_negatives_are_as_many_as_asked_in_every_batch() {
    let loss = Loss::SampledSoftmax {
        negatives: 4,
        per_target: false,
    };
    for batch in epoch(&loss, 1) {
        assert_eq!(batch.negatives.len(), 4);
    }
}

#[test]
fn negatives_of_each_target_are_any_items_of_the_pool() {
    let t = 0.75;
    let mut own = false;
    for number in 0..20 {
        for batch in epoch(&Loss::Gbce { negatives: 3, t }, number) {
            assert_eq!(batch.negatives.len(), 3 * batch.targets.len());
            assert!(batch.negatives.iter().all(|item| *item != 7));
            let drawn = batch.negatives.chunks(3).zip(&batch.targets);
            own |= drawn
                .into_iter()
                .any(|(drawn, target)| drawn.contains(target));
        }
    }
    assert!(own);
}

#[test]
fn a_user_with_every_item_is_refused() {
    let mut set = set();
    set.pool = vec![2, 4];
    let bce = recipe(Sequences::Whole {}, &Loss::Bce { negatives: 1 });
    let error = Sampler::new(&set, bce).unwrap_err();
    assert_eq!(error.user, 7);
    assert!(Sampler::new(&set, recipe(Sequences::Whole {}, &Loss::FullSoftmax {})).is_ok());
}

/// (user, inputs, targets) of every example of an epoch, sorted.
fn enumerated(sequences: Sequences) -> Vec<(u32, Vec<u32>, Vec<u32>)> {
    let set = set();
    let sampler = Sampler::new(&set, recipe(sequences, &Loss::Bce { negatives: 2 })).unwrap();
    let batches: Vec<TrainingBatch> = sampler.epoch(1).collect();
    let mut all = Vec::new();
    for batch in &batches {
        assert_eq!(batch.negatives.len(), 2 * batch.targets.len());
        for (row, ends) in batch.offsets.windows(2).enumerate() {
            let (from, to) = (ends[0] as usize, ends[1] as usize);
            let targets = if batch.last_only {
                vec![batch.targets[row]]
            } else {
                batch.targets[from..to].to_vec()
            };
            all.push((batch.users[row], batch.inputs[from..to].to_vec(), targets));
        }
    }
    assert_eq!(all.len(), sampler.sequences());
    all.sort();
    all
}

#[test]
fn prefixes_are_every_item_but_the_first_with_at_most_maxlen_items_before_it() {
    // RecBole's `data_augmentation` of these sequences with `max_item_list_len` 3.
    let expected = [
        (4, vec![1], vec![2]),
        (4, vec![1, 2], vec![3]),
        (7, vec![2], vec![4]),
        (9, vec![5], vec![6]),
        (9, vec![5, 6], vec![1]),
        (9, vec![5, 6, 1], vec![2]),
        (9, vec![6, 1, 2], vec![3]),
    ];
    assert_eq!(enumerated(Sequences::Prefixes {}), expected);
}

#[test]
fn windows_without_overlap_make_every_item_but_the_first_a_target_once() {
    let expected = [
        (4, vec![1, 2], vec![2, 3]),
        (7, vec![2], vec![4]),
        (9, vec![5], vec![6]),
        (9, vec![6, 1, 2], vec![1, 2, 3]),
    ];
    assert_eq!(enumerated(Sequences::Windows { stride: 0 }), expected);
    assert_eq!(enumerated(Sequences::Windows { stride: 3 }), expected);
}

#[test]
fn overlapping_windows_end_a_stride_apart_until_the_oldest_item_is_read() {
    let windows = Examples::Windows(2).parts(9, 4);
    assert_eq!(windows, [4..9, 2..7, 0..5]);
    let mut targets: Vec<usize> = windows
        .iter()
        .flat_map(|part| part.start + 1..part.end)
        .collect();
    targets.sort_unstable();
    targets.dedup();
    assert_eq!(targets, [1, 2, 3, 4, 5, 6, 7, 8]);
    // A sequence that one window holds is one example.
    let parts = Examples::Windows(1).parts(5, 4);
    assert_eq!((parts.len(), parts[0].clone()), (1, 0..5));
}

#[test]
fn a_long_history_has_a_target_count_of_its_length_in_prefixes_and_in_windows() {
    for length in 2..40 {
        let targets = |examples: Examples, last_only: bool| -> usize {
            let parts = examples.parts(length, 7);
            let counted = |part: &Range<usize>| if last_only { 1 } else { part.len() - 1 };
            parts.iter().map(counted).sum()
        };
        assert_eq!(targets(Examples::Whole, false), (length - 1).min(7));
        assert_eq!(targets(Examples::Prefixes, true), length - 1);
        assert_eq!(targets(Examples::Windows(7), false), length - 1);
    }
}

#[test]
fn the_loss_of_prefixes_is_that_of_recboles_augmented_data() {
    let spec = r#"
        spec_version = 1
        name = "prefixes"
        [dataset.toys.source.synthetic]
        [model.recbole.sasrec]
        form = "recbole"
        hidden_units = 8
        inner_units = 16
        num_blocks = 2
        num_heads = 2
        dropout = 0.0
        maxlen = 10
        loss.full_softmax = {}
        sequences.prefixes = {}
        train.batch_size = 100
    "#;
    let spec = allround::experiment::load_text("spec.toml", spec, Path::new("."), &[]);
    let spec = spec.unwrap_or_else(|faults| panic!("{faults}")).spec;
    let Model::Sasrec(config) = &spec.model["recbole"] else {
        panic!("it is a SASRec");
    };
    let fixture = |name: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sasrec");
        weights::read_tensors(&folder.join(name)).unwrap()
    };
    let (network, expected) = (
        fixture("recbole.safetensors"),
        fixture("recbole_prefixes.safetensors"),
    );
    let sizes = Sizes {
        users: 1,
        items: 12,
    };
    let net = Sasrec::new(config, sizes, Device::Cpu);
    weights::fill(&net.weights(), &network).unwrap();
    let mut set = TrainingSet {
        offsets: vec![0],
        pool: (1..=12).collect(),
        ..TrainingSet::default()
    };
    for row in Vec::<Vec<i64>>::try_from(&network["histories"]).unwrap() {
        set.users.push(set.users.len() as u32);
        set.items.extend(
            row.iter()
                .filter(|&&item| item > 0)
                .map(|&item| item as u32),
        );
        set.offsets.push(set.items.len() as u64);
    }
    let recipe = Recipe::new(1, &spec.model["recbole"].training().unwrap());
    let sampler = Sampler::new(&set, recipe).unwrap();
    let examples = expected["examples"].int64_value(&[0]);
    assert_eq!(sampler.sequences() as i64, examples);
    let batches: Vec<TrainingBatch> = sampler.epoch(1).collect();
    assert_eq!(batches.len(), 1);
    let found = net.loss(&batches[0]).double_value(&[]);
    let expected = expected["loss"].double_value(&[0]);
    assert!(
        (found - expected).abs() < 1e-5,
        "{found}, RecBole {expected}"
    );
}
