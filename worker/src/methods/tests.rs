//! Data and models that the tests of methods share.

use allround::data::{Item, Prepared};
use allround::spec::config::Model;
use allround::spec::config::model::{Sasrec, SasrecForm};
use allround::spec::config::train::{Loss, Optimizer, Stop, Train};
use tch::Device;

use crate::models::{self, Backbone, Sizes};

/// Four users and twelve items with titles; user 2 has one training item.
pub(crate) fn data() -> Prepared {
    let rows: [&[u32]; 4] = [&[1, 2, 3, 4], &[5, 6, 7, 8, 9], &[10, 11, 12], &[2, 4, 6, 8, 10]];
    let words = ["red", "green", "blue", "old", "new", "big"];
    let item = |number: usize| Item {
        id: format!("i{number}"),
        title: Some(format!("{} {}", words[number % 6], words[(number / 2) % 6])),
        description: Some(format!("a {} thing", words[(number + 1) % 6])),
        categories: vec![words[number % 3].to_owned()],
    };
    let ends = rows.iter().scan(0, |end, row| {
        *end += row.len() as u64;
        Some(*end)
    });
    Prepared {
        users: (0..4).map(|user| format!("u{user}")).collect(),
        items: (1..=12).map(item).collect(),
        offsets: std::iter::once(0).chain(ends).collect(),
        sequence: rows.concat(),
        train_end: rows.iter().map(|row| row.len() as u32 - 2).collect(),
        valid_end: rows.iter().map(|row| row.len() as u32 - 1).collect(),
        trained: vec![true; 4],
        aligned: vec![true; 4],
        measured: vec![true; 4],
        in_training: vec![true; 12],
        in_candidates: vec![true; 12],
        row: (1..=12).collect(),
    }
}

/// The configuration of a SASRec of width 8.
pub(crate) fn sasrec() -> Model {
    Model::Sasrec(Sasrec {
        hidden_units: 8,
        num_blocks: 1,
        num_heads: 1,
        dropout: 0.5,
        maxlen: 10,
        form: SasrecForm::Allmrec,
        loss: Loss::Bce { negatives: 1 },
        train: Train {
            epochs: 1,
            batch_size: 4,
            lr: 0.01,
            optimizer: Optimizer::Adam {
                betas: [0.9, 0.98],
                eps: 1e-8,
                weight_decay: 0.0,
            },
            l2_emb: 0.0,
            clip_norm: 0.0,
            stop: Stop::Fixed { validate_every: 0 },
        },
    })
}

/// It, with random weights, for [`data`].
pub(crate) fn backbone() -> Box<dyn Backbone> {
    tch::manual_seed(3);
    let sizes = Sizes { users: 4, items: 12 };
    models::build(&sasrec(), sizes, Device::Cpu).expect("SASRec is trained by gradient")
}
