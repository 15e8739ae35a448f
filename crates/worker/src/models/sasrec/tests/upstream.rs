//! The net against what the upstream code gives, from fixtures.

use super::*;
use allround_core::models::sasrec::Activation;
use allround_core::models::sasrec::PaddingSide;

/// A net with the weights of a fixture, and the fixture.
fn from_fixture(name: &str, config: &Config) -> (Sasrec, BTreeMap<String, Tensor>) {
    let path = format!(
        "{}/tests/fixtures/sasrec/{name}.safetensors",
        env!("CARGO_MANIFEST_DIR")
    );
    let fixture = weights::read_tensors(std::path::Path::new(&path)).unwrap();
    let sizes = Sizes {
        users: 1,
        items: 12,
    };
    let net = Sasrec::new(config, sizes, Device::Cpu);
    weights::fill(&net.weights(), &fixture).unwrap();
    (net, fixture)
}

/// The upstreams' networks as settings, by fixture.
fn upstreams() -> Vec<(&'static str, Config)> {
    let of = |form| Config {
        maxlen: 10,
        ..config(form, 2, 0.0)
    };
    let mut all: Vec<(&str, Config)> = SasrecForm::ALL
        .into_iter()
        .map(|form| (form.name(), of(form)))
        .collect();
    for (name, config) in &mut all {
        config.inner_units = matches!(*name, "recbole" | "ligr").then_some(16);
    }
    let gsasrec = Config {
        output_table: true,
        scale_items: Some(false),
        norm_eps: Some(1e-5),
        ..of(SasrecForm::Kang)
    };
    all.push(("gsasrec", gsasrec));
    // The inner width is four times that of states where nothing is written.
    let s3rec = |activation| Config {
        padding: Some(PaddingSide::Left),
        activation,
        ..of(SasrecForm::Recbole)
    };
    all.push(("s3rec", s3rec(None)));
    all.push(("s3rec_swish", s3rec(Some(Activation::Swish))));
    all
}

/// The rows of a left-padded matrix without their padding, in CSR.
fn unpadded(histories: &Tensor) -> (Vec<u32>, Vec<u32>) {
    let (mut offsets, mut items) = (vec![0], Vec::new());
    for row in Vec::<Vec<i64>>::try_from(histories).unwrap() {
        items.extend(
            row.iter()
                .filter(|&&item| item > 0)
                .map(|&item| item as u32),
        );
        offsets.push(items.len() as u32);
    }
    (offsets, items)
}

#[test]
fn padding_activation_and_scale_decide_about_the_states() {
    let upstreams = upstreams();
    let of = |name: &str| {
        let found = upstreams.iter().find(|(other, _)| *other == name);
        found.unwrap().1.clone()
    };
    for (name, changed) in [
        (
            "s3rec",
            Config {
                padding: Some(PaddingSide::Right),
                ..of("s3rec")
            },
        ),
        ("s3rec_swish", of("s3rec")),
        (
            "gsasrec",
            Config {
                scale_items: Some(true),
                ..of("gsasrec")
            },
        ),
    ] {
        let (net, fixture) = from_fixture(name, &changed);
        let (offsets, items) = unpadded(&fixture["histories"]);
        let histories = Histories {
            users: vec![0; offsets.len() - 1],
            offsets,
            items,
        };
        let difference = largest(&(net.user_states(&histories) - &fixture["states"]));
        assert!(difference > 1e-2, "{name}: {difference}");
    }
}

#[test]
fn every_form_has_the_states_scores_loss_and_gradients_of_its_upstream_code() {
    for (name, config) in upstreams() {
        let (net, fixture) = from_fixture(name, &config);
        let (offsets, items) = unpadded(&fixture["histories"]);
        let histories = Histories {
            users: vec![0; offsets.len() - 1],
            offsets: offsets.clone(),
            items: items.clone(),
        };
        let states = net.user_states(&histories);
        let scores = net.score_all(&histories);
        assert!(
            largest(&(states - &fixture["states"])) < 1e-5,
            "{name}: states"
        );
        assert!(
            largest(&(scores - &fixture["scores"])) < 1e-5,
            "{name}: scores"
        );
        let batch = TrainingBatch {
            users: histories.users.clone(),
            offsets,
            inputs: items,
            targets: unpadded(&fixture["positive"]).1,
            negatives: unpadded(&fixture["negative"]).1,
            ..TrainingBatch::default()
        };
        let loss = net.loss(&batch);
        let expected = fixture["loss"].double_value(&[0]);
        let found = loss.double_value(&[]);
        assert!(
            (found - expected).abs() < 1e-5,
            "{name}: loss {found}, upstream {expected}"
        );
        loss.backward();
        for (weight, tensor) in net.weights() {
            let found = tensor.grad().to_dense(None, false);
            let expected = fixture[&format!("gradient.{weight}")].copy();
            if weight == "item_embedding.weight" {
                // RecBole's padding row is a target of no position here, and an input of masked
                // ones.
                let _ = expected.get(0).fill_(0.0);
            }
            let difference = largest(&(found - expected));
            assert!(
                difference < 1e-5,
                "{name}: gradient of {weight} is {difference} off"
            );
        }
    }
}

#[test]
fn forms_of_the_same_names_and_shapes_are_different_networks() {
    let of = |name: &str| {
        let found = upstreams().into_iter().find(|(other, _)| *other == name);
        found.unwrap().1
    };
    let (net, fixture) = from_fixture("pmixer_pre_norm", &of("pmixer_pre_norm"));
    let other = Sasrec::new(
        &of("pmixer_post_norm"),
        Sizes {
            users: 1,
            items: 12,
        },
        Device::Cpu,
    );
    weights::fill(&other.weights(), &fixture).unwrap();
    let history = Histories::from_rows(&[&[3, 1, 4]]);
    assert!(largest(&(net.user_states(&history) - other.user_states(&history))) > 0.1);
}
