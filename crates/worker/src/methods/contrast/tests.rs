use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::testing::training;
use allround_core::models::ctrl::PairText;

fn fixture() -> BTreeMap<String, Tensor> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ctrl.safetensors");
    weights::read_tensors(&path).unwrap()
}

fn settings(loss: ContrastLoss, chunk: usize) -> Contrast {
    Contrast {
        loss,
        width: 8,
        subspaces: 3,
        chunk,
        own_negatives: true,
        text: PairText::HistoryTwice,
        descriptions: false,
        train_encoder: false,
        train: training(1, 2),
    }
}

/// Maps with the weights of the fixture.
fn maps(settings: &Contrast, fixture: &BTreeMap<String, Tensor>) -> (Parameters, Maps) {
    let mut parameters = Parameters::new(Device::Cpu);
    let maps = Maps::new(&mut parameters, settings, 8, 6);
    weights::fill(&parameters.named(), fixture).unwrap();
    (parameters, maps)
}

fn largest(difference: &Tensor) -> f64 {
    difference.abs().max().double_value(&[])
}

#[test]
fn similarities_sum_the_largest_products_of_sub_spaces_as_pytorch_does() {
    let fixture = fixture();
    let settings = settings(ContrastLoss::Bce {}, 4);
    let (_, maps) = maps(&settings, &fixture);
    let [by_states, by_texts] = maps.similarities(&fixture["states"], &fixture["texts"]);
    assert!(largest(&(by_states - &fixture["by_states"])) < 1e-5);
    assert!(largest(&(by_texts - &fixture["by_texts"])) < 1e-5);
}

#[test]
fn losses_and_gradients_of_both_presets_are_those_of_pytorch() {
    let fixture = fixture();
    let info_nce = ContrastLoss::InfoNce { temperature: 0.7 };
    for (name, loss, chunk) in [
        ("bce", ContrastLoss::Bce {}, 4),
        // Its last chunk has one pair.
        ("short", ContrastLoss::Bce {}, 3),
        ("info_nce", info_nce, 0),
    ] {
        for (prefix, owners) in [("", None), ("masked.", Some(&fixture["users"]))] {
            let name = format!("{prefix}{name}");
            let settings = settings(loss.clone(), chunk);
            let (parameters, maps) = maps(&settings, &fixture);
            let states = fixture["states"].copy().set_requires_grad(true);
            let found = maps.loss(&settings, &states, &fixture["texts"], owners);
            assert!(largest(&(&found - &fixture[&name])) < 1e-5, "{name}");
            found.backward();
            let mut all = parameters.named();
            all.push(("states".to_owned(), states));
            for (weight, tensor) in all {
                let expected = &fixture[&format!("{name}.gradient.{weight}")];
                let difference = largest(&(tensor.grad() - expected));
                assert!(difference < 1e-5, "{name} {weight}: {difference}");
            }
        }
    }
}
