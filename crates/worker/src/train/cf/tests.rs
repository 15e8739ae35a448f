use allround_core::models::train::{Loss, Sequences};
use tch::Device;

use super::*;
use crate::data::{Histories, TrainingBatch};
use crate::models::Scorer;
use crate::testing::training;
use crate::train::checkpoint::checkpoints;

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
