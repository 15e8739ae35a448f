use allround_core::models::train::{Loss, Sequences};
use tch::{Device, Kind};

use super::*;
use crate::data::{Histories, TrainingBatch};
use crate::models::{Scorer, Sizes};
use crate::testing::training;
use crate::train::checkpoint::checkpoints;
use crate::train::optimizer::LAZY;

/// A net that always needs more memory than there is.
#[derive(Debug)]
pub(crate) struct Full;

fn ran_out() -> Tensor {
    panic!("CUDA out of memory.\\nand more")
}

impl Scorer for Full {
    fn maxlen(&self) -> usize {
        10
    }

    fn device(&self) -> Device {
        Device::Cpu
    }

    fn score(&self, _histories: &Histories, _candidates: &Tensor) -> Tensor {
        ran_out()
    }

    fn score_all(&self, _histories: &Histories) -> Tensor {
        ran_out()
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        Vec::new()
    }
}

impl Backbone for Full {
    fn width(&self) -> i64 {
        1
    }

    fn user_states(&self, _histories: &Histories) -> Tensor {
        ran_out()
    }

    fn token_states(&self, _histories: &Histories, _dropout: bool) -> Tensor {
        ran_out()
    }

    fn item_table(&self) -> Tensor {
        ran_out()
    }

    fn item_bias(&self) -> Option<Tensor> {
        None
    }

    fn loss(&self, _batch: &TrainingBatch) -> Tensor {
        ran_out()
    }
}

#[test]
fn memory_that_runs_out_is_told_with_the_step_its_sequences_and_advice() {
    let folder = tempfile::tempdir().unwrap();
    let settings = training(1, 2);
    let set = TrainingSet {
        users: vec![0, 1, 2],
        offsets: vec![0, 2, 4, 6],
        items: vec![1, 2, 3, 4, 1, 3],
        pool: vec![1, 2, 3, 4],
        classes: None,
        skipped: 0,
    };
    let plan = CfPlan {
        set: &set,
        users: &["a", "b", "c"].map(str::to_owned),
        training: Training {
            loss: &Loss::Bce { negatives: 1 },
            train: &settings,
            sequences: Some(&Sequences::Whole {}),
            maxlen: Some(10),
            l2_emb: 0.0,
            weights: None,
            weights_check: None,
        },
        encoder_lr: None,
        seed: 1,
        checkpoint: checkpoints(folder.path(), 1),
    };
    let error = train(&plan, &Full, &mut |_| Ok(BTreeMap::new()), &mut |_| ()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "memory ran out at epoch 1, step 1, with 2 of the step's 2 examples computed together: CUDA out of memory."
    );
    assert!(error.hint().unwrap().contains("`train.batch_size`"));
}

/// The bits of a model's weights after training on the same sequences. `killed` ends the first
/// process after two of four epochs, and a second one resumes.
fn bits(name: &str, lazy: bool, killed: bool) -> Vec<Tensor> {
    LAZY.set(Some(lazy));
    let folder = tempfile::tempdir().unwrap();
    let set = TrainingSet {
        users: (0..24).collect(),
        offsets: (0..=24).map(|user| user * 5).collect(),
        items: (0..120).map(|n| 1 + n * n % 29).collect(),
        pool: (1..=40).collect(),
        classes: None,
        skipped: 0,
    };
    let sizes = Sizes {
        users: 24,
        items: 40,
    };
    let model = crate::testing::model(name);
    let settings = training(4, 4);
    let users: Vec<String> = (0..24).map(|user| user.to_string()).collect();
    let plan = CfPlan {
        set: &set,
        users: &users,
        training: Training {
            train: &settings,
            ..model.training().unwrap()
        },
        encoder_lr: None,
        seed: 1,
        checkpoint: checkpoints(folder.path(), 1),
    };
    let made = || {
        tch::manual_seed(1);
        crate::models::build(&model, sizes, Device::Cpu).unwrap()
    };
    if killed {
        let stop = |event: Event| {
            if let Event::Epoch(epoch) = event {
                assert!(epoch.epoch < 3, "killed");
            }
        };
        let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            train(&plan, made().as_ref(), &mut |_| Ok(BTreeMap::new()), &mut {
                stop
            })
        }));
        assert!(killed.is_err());
        assert_eq!(trainer::resumed(folder.path()).0, 2);
    }
    let net = made();
    train(
        &plan,
        net.as_ref(),
        &mut |_| Ok(BTreeMap::new()),
        &mut |_| (),
    )
    .unwrap();
    LAZY.set(None);
    let weights = net.weights().into_iter();
    weights
        .map(|(_, weight)| weight.detach().view_dtype(Kind::Int))
        .collect()
}

#[test]
fn tables_moved_when_they_are_read_train_every_model_to_the_same_bits() {
    for name in ["sasrec", "gru4rec", "bert4rec", "hstu"] {
        let dense = bits(name, false, false);
        assert_eq!(bits(name, true, false), dense, "{name}");
        assert_eq!(bits(name, true, true), dense, "{name}");
    }
}
