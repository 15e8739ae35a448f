//! Settings that tests share.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use allround_core::config::protocol::Candidates;
use allround_core::metric::Metric;
use allround_core::models::Model;
use allround_core::models::llm_method::Validation;
use allround_core::models::sasrec::Sasrec;
use allround_core::models::train::{Decay, Optimizer, OutOfMemory, Stop, Train};
use serde_json::Value;

/// Adam at a rate of 0.01, without warm-up, decay, clipping or validation.
pub(crate) fn training(epochs: u32, batch_size: usize) -> Train {
    Train {
        epochs,
        batch_size,
        lr: 0.01,
        optimizer: Optimizer::Adam {
            betas: [0.9, 0.98],
            eps: 1e-8,
            weight_decay: 0.0,
        },
        clip_norm: 0.0,
        warmup: 0,
        decay: Decay::None,
        token_budget: 0,
        out_of_memory: OutOfMemory::Fail,
        stop: Stop::Fixed { validate_every: 0 },
    }
}

/// No validation in training; three other candidates where `every` is raised.
pub(crate) fn unvalidated() -> Validation {
    Validation {
        every: 0,
        users: 0,
        metric: Metric::Mrr,
        patience: 0,
        candidates: Candidates::Uniform { n: 3 },
    }
}

/// Trained models that take no time; what is left out is the default of experiment files.
const MODELS: &str = r#"
spec_version = 1
name = "models"
seeds = [1]

[dataset.toys.source.synthetic]

[protocol.strict]
metrics = ["hit@1"]

[model.gru4rec.gru4rec]
embedding_dim = 8
hidden_units = 6
num_layers = 2
maxlen = 10

[model.nextitnet.nextitnet]
hidden_units = 8
dilations = [1, 2]
maxlen = 10

[model.ncf.ncf]
hidden_units = 8
layers = [6]

[model.bert4rec.bert4rec]
hidden_units = 8
num_blocks = 2
num_heads = 2
inner_units = 16
maxlen = 10

[model.hstu.hstu]
hidden_units = 8
num_blocks = 2
num_heads = 2
maxlen = 10
temperature = 0.5

[encoder.texts.hashed]

[model.ctrl.ctrl]
encoder = "texts"
hidden_units = 8
contrast.train_encoder = false
maxlen = 10

[model.recformer.recformer]
hidden_units = 8
num_heads = 2
vocab_size = 300
max_tokens = 100
pretrain.enabled = false

[model.sasrec.sasrec]
hidden_units = 8
num_blocks = 1
num_heads = 1
maxlen = 10
"#;

/// The model of this name in [`MODELS`], trained for one epoch in batches of four.
pub(crate) fn model(name: &str) -> Model {
    static ALL: LazyLock<BTreeMap<String, Model>> = LazyLock::new(|| {
        let checked = allround::experiment::load_text("models.toml", MODELS, Path::new("."), &[]);
        let checked = checked.unwrap_or_else(|faults| panic!("{faults}"));
        checked.spec.model
    });
    let train = serde_json::to_value(training(1, 4)).unwrap();
    with(&ALL[name], &[("train", train)])
}

/// `model` with these values of settings; those that it does not have are left out.
pub(crate) fn with(model: &Model, changes: &[(&str, Value)]) -> Model {
    let mut value = serde_json::to_value(model).unwrap();
    let kinds = value.as_object_mut().unwrap();
    for settings in kinds.values_mut() {
        for (name, changed) in changes {
            if let Some(setting) = settings.get_mut(name) {
                *setting = changed.clone();
            }
        }
    }
    serde_json::from_value(value).unwrap()
}

/// A SASRec of width 8, with the paper's dropout of 0.5.
pub(crate) fn sasrec() -> Sasrec {
    match model("sasrec") {
        Model::Sasrec(sasrec) => sasrec,
        other => panic!("{other:?}"),
    }
}
