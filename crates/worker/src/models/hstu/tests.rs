//! The net against RecTools' code, from a fixture.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::models::weights;
use crate::testing;
use allround_core::models::Model;
use allround_core::models::train::Loss;

fn config() -> Config {
    let Model::Hstu(config) = testing::model("hstu") else {
        panic!("the model is an hstu");
    };
    Config {
        dropout: 0.0,
        temperature: 1.0,
        loss: Loss::FullSoftmax {},
        ..config
    }
}

/// A net with the weights of the fixture, and the fixture.
fn from_fixture(config: &Config) -> (Hstu, BTreeMap<String, Tensor>) {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/hstu.safetensors"
    );
    let fixture = weights::read_tensors(Path::new(path)).unwrap();
    let sizes = Sizes {
        users: 1,
        items: 12,
    };
    let net = Hstu::new(config, sizes, Device::Cpu);
    weights::fill(&net.weights(), &fixture).unwrap();
    (net, fixture)
}

/// The rows of a left-padded matrix without their padding, in CSR.
fn unpadded(matrix: &Tensor) -> (Vec<u32>, Vec<u32>) {
    let (mut offsets, mut items) = (vec![0], Vec::new());
    for row in Vec::<Vec<i64>>::try_from(matrix).unwrap() {
        let own = row.iter().filter(|&&item| item > 0);
        items.extend(own.map(|&item| item as u32));
        offsets.push(items.len() as u32);
    }
    (offsets, items)
}

fn largest(difference: &Tensor) -> f64 {
    difference.abs().max().double_value(&[])
}

fn histories(fixture: &BTreeMap<String, Tensor>) -> Histories {
    let (offsets, items) = unpadded(&fixture["histories"]);
    Histories {
        users: vec![0; offsets.len() - 1],
        offsets,
        items,
    }
}

#[test]
fn scores_loss_and_gradients_are_those_of_rectools_code() {
    let (net, fixture) = from_fixture(&config());
    let histories = histories(&fixture);
    let scores = net.score_all(&histories);
    assert!(largest(&(scores - &fixture["scores"])) < 1e-5);
    let dot = Config {
        similarity: Similarity::Dot,
        ..config()
    };
    let states = from_fixture(&dot).0.user_states(&histories);
    assert!(largest(&(states - &fixture["states"])) < 1e-5);

    let batch = TrainingBatch {
        users: histories.users.clone(),
        offsets: histories.offsets.clone(),
        inputs: histories.items.clone(),
        targets: unpadded(&fixture["positive"]).1,
        ..TrainingBatch::default()
    };
    let loss = net.loss(&batch);
    let expected = fixture["loss"].double_value(&[0]);
    assert!((loss.double_value(&[]) - expected).abs() < 1e-5);
    loss.backward();
    for (name, weight) in net.weights() {
        let found = weight.grad().to_dense(None, false);
        let difference = largest(&(found - &fixture[&format!("gradient.{name}")]));
        assert!(difference < 1e-5, "gradient of {name} is {difference} off");
    }
}

#[test]
fn vectors_that_others_read_have_length_one_and_states_that_of_the_inverse_temperature() {
    let warm = Config {
        temperature: 0.25,
        ..config()
    };
    let (net, fixture) = from_fixture(&warm);
    let length = |vectors: &Tensor| vectors.square().sum_dim_intlist(-1, false, Kind::Float);
    let items = length(&net.item_table()) - 1.0;
    assert!(largest(&items.narrow(0, 1, 12)) < 1e-5);
    assert_eq!(items.double_value(&[0]), -1.0);
    let states = length(&net.user_states(&histories(&fixture)));
    assert!(largest(&(states - 16.0)) < 1e-4);
}
