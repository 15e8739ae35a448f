//! Counted operations of a training step against those of PyTorch's own counter, which
//! `tests/fixtures/flops.py` wrote. One sequence of eight items, each with a target and a negative.

use allround_core::models::train::Loss;
use tch::Device;

use super::{Model, Sizes, build};
use crate::data::TrainingBatch;
use crate::testing;
use crate::torch_ext::product;

/// Operations of a step of the net `name`, as a multiple of PyTorch's.
fn ratio(name: &str) -> f64 {
    let all: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/fixtures/flops.json")).unwrap();
    let loss = serde_json::to_value(Loss::Bce { negatives: 1 }).unwrap();
    let model: Model = testing::with(&testing::model(name), &[("loss", loss)]);
    let sizes = Sizes { users: 1, items: 9 };
    let net = build(&model, sizes, Device::Cpu).unwrap();
    let batch = TrainingBatch {
        users: vec![0],
        offsets: vec![0, 8],
        inputs: (1..=8).collect(),
        targets: (2..=9).collect(),
        negatives: vec![1; 8],
        noise: 1,
        ..TrainingBatch::default()
    };
    let before = product::counted();
    drop(net.loss(&batch));
    (product::counted() - before) as f64 / all[name].as_f64().unwrap()
}

#[test]
fn a_step_has_the_operations_that_pytorch_counts() {
    for name in ["ncf", "nextitnet"] {
        assert!((ratio(name) - 1.0).abs() < 1e-9, "{name}: {}", ratio(name));
    }
    // Attention has one more key, of padding.
    let hstu = ratio("hstu");
    assert!((1.0..1.05).contains(&hstu), "{hstu}");
}
