//! The net against RecBole's code, from a fixture.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::models::weights;
use crate::testing;
use allround_core::models::Model;
use allround_core::models::train::Loss;

/// A net with the weights of the fixture, and the fixture.
fn from_fixture() -> (Bert4rec, BTreeMap<String, Tensor>) {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/bert4rec.safetensors"
    );
    let fixture = weights::read_tensors(Path::new(path)).unwrap();
    let Model::Bert4rec(config) = testing::model("bert4rec") else {
        panic!("the model is a bert4rec");
    };
    let config = Config {
        dropout: 0.0,
        loss: Loss::FullSoftmax {},
        ..config
    };
    let sizes = Sizes {
        users: 1,
        items: 12,
    };
    let net = Bert4rec::new(&config, sizes, Device::Cpu);
    weights::fill(&net.weights(), &fixture).unwrap();
    (net, fixture)
}

/// The rows of a left-padded matrix, of which the last `lengths` entries count.
fn rows(matrix: &Tensor, lengths: &[i64]) -> Vec<Vec<u32>> {
    let all = Vec::<Vec<i64>>::try_from(matrix).unwrap();
    let cut = all.iter().zip(lengths).map(|(row, &length)| {
        let kept = &row[row.len() - length as usize..];
        kept.iter().map(|&item| item as u32).collect()
    });
    cut.collect()
}

fn largest(difference: &Tensor) -> f64 {
    difference.abs().max().double_value(&[])
}

#[test]
fn states_scores_loss_and_gradients_are_those_of_recboles_code() {
    let (net, fixture) = from_fixture();
    let lengths = Vec::<i64>::try_from(&fixture["lengths"]).unwrap();
    let histories = rows(&fixture["histories"], &lengths);
    let histories: Vec<&[u32]> = histories.iter().map(Vec::as_slice).collect();
    let histories = Histories::from_rows(&histories);
    let states = net.user_states(&histories);
    assert!(largest(&(states - &fixture["states"])) < 1e-5);
    let scores = net.score_all(&histories);
    assert!(largest(&(scores - &fixture["scores"])) < 1e-5);

    let read = rows(&fixture["sequences"], &lengths).concat();
    let chosen = (0..read.len() as u32).filter(|&token| read[token as usize] == MASK);
    let targets = Vec::<i64>::try_from(&fixture["targets"]).unwrap();
    let masked = Masked {
        offsets: histories.offsets.clone(),
        chosen: chosen.collect(),
        inputs: read,
        targets: targets.iter().map(|&item| item as u32).collect(),
        negatives: Vec::new(),
    };
    let loss = net.loss_of(masked, &TrainingBatch::default());
    let expected = fixture["loss"].double_value(&[0]);
    assert!((loss.double_value(&[]) - expected).abs() < 1e-5);
    loss.backward();
    for (name, weight) in net.weights() {
        let found = weight.grad().to_dense(None, false);
        let expected = fixture[&format!("gradient.{name}")].copy();
        if name == "item_embedding.weight" {
            // RecBole's padding row is an input of masked positions.
            let _ = expected.get(0).fill_(0.0);
        }
        let difference = largest(&(found - expected));
        assert!(difference < 1e-5, "gradient of {name} is {difference} off");
    }
}

#[test]
fn a_hidden_item_is_seen_from_both_sides() {
    let (net, _) = from_fixture();
    let state = |inputs: &[u32]| {
        let masked = Masked {
            offsets: vec![0, inputs.len() as u32],
            inputs: inputs.to_vec(),
            chosen: vec![1],
            targets: vec![4],
            negatives: Vec::new(),
        };
        let loss = net.loss_of(masked, &TrainingBatch::default());
        loss.double_value(&[])
    };
    let between = state(&[3, MASK, 5]);
    assert!((between - state(&[3, MASK, 6])).abs() > 1e-4);
    assert!((between - state(&[2, MASK, 5])).abs() > 1e-4);
}

#[test]
fn a_history_is_read_up_to_the_place_of_the_mask() {
    let (net, _) = from_fixture();
    assert_eq!(net.maxlen(), 9);
    let long: Vec<u32> = (1..=12).collect();
    let [cut, whole] = [&long[3..], &long].map(|row| {
        let histories = Histories::from_rows(&[row]);
        net.token_states(&histories, false).get(-1)
    });
    assert!(largest(&(cut - whole)) < 1e-6);
}
