//! MoRec from texts to ranks, and one step with a trained encoder against PyTorch.

use std::rc::Rc;

use allround_core::data::Prepared;
use allround_core::models::Model;
use allround_core::models::morec::{Morec, Reading};
use allround_core::models::sasrec::SasrecForm;
use allround_core::models::train::{self, Stop};
use tch::Device;

use super::*;
use crate::data::TrainingBatch;
use crate::encoder::sentence;
use crate::encoder::texts::Texts;
use crate::models::morec::{ENCODER, with_texts};
use crate::models::{Backbone, weights};
use crate::testing;
use crate::train::optimizer::Optimizer;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/morec")
}

/// The tiny BERT, as MoRec's code reads it.
fn bert() -> Encoder {
    Encoder::Pretrained(PretrainedEncoder {
        folder: fixtures().join("bert").display().to_string(),
        hub: String::new(),
        max_length: 0,
        pooling: Some(allround_core::config::encoder::Pooling::First),
    })
}

fn morec(reading: Reading) -> Morec {
    let network = testing::sasrec();
    Morec {
        encoder: "texts".to_owned(),
        reading,
        text: ItemText::Title,
        map_layers: 0,
        encoder_lr: None,
        hidden_units: 8,
        num_blocks: 2,
        num_heads: 2,
        dropout: 0.0,
        maxlen: 10,
        form: SasrecForm::Morec,
        loss: network.loss,
        sequences: network.sequences,
        train: training(3, 2),
    }
}

/// The items of a left-padded matrix, row after row, and where rows start.
fn unpadded(matrix: &tch::Tensor) -> (Vec<u32>, Vec<u32>) {
    let (mut offsets, mut items) = (vec![0], Vec::new());
    for row in Vec::<Vec<i64>>::try_from(matrix).unwrap() {
        items.extend(
            row.into_iter()
                .filter(|&item| item > 0)
                .map(|item| item as u32),
        );
        offsets.push(items.len() as u32);
    }
    (offsets, items)
}

#[test]
fn a_step_of_adamw_with_two_rates_moves_encoder_and_network_as_pytorch_does() {
    let fixture = weights::read_tensors(&fixtures().join("step.safetensors")).unwrap();
    let titles = std::fs::read_to_string(fixtures().join("titles.json")).unwrap();
    let mut texts = vec![String::new()];
    texts.extend(serde_json::from_str::<Vec<String>>(&titles).unwrap());
    let encoder = sentence::open(&bert(), Path::new("/"), Device::Cpu).unwrap();
    let texts = Box::new(Texts::Trained(Rc::from(encoder), texts));
    let sizes = Sizes {
        users: 1,
        items: 12,
    };
    let net = with_texts(&morec(Reading::EndToEnd), texts, sizes, Device::Cpu);
    let trained = net.trained();
    let own = trained
        .iter()
        .filter(|(name, _)| !name.starts_with(ENCODER));
    let own: Vec<_> = own
        .map(|(name, weight)| (name.clone(), weight.shallow_clone()))
        .collect();
    weights::fill(&own, &fixture).unwrap();
    let (offsets, inputs) = unpadded(&fixture["histories"]);
    let batch = TrainingBatch {
        users: vec![0; offsets.len() - 1],
        offsets,
        inputs,
        targets: unpadded(&fixture["positive"]).1,
        negatives: unpadded(&fixture["negative"]).1,
        ..TrainingBatch::default()
    };
    let settings = train::Optimizer::Adamw {
        betas: [0.9, 0.999],
        eps: 1e-8,
        weight_decay: 0.01,
    };
    let mut optimizer = Optimizer::new(&settings, 1e-2, net.trained());
    optimizer.set_factors(|name| if name.starts_with(ENCODER) { 0.5 } else { 1.0 });
    let loss = net.loss(&batch);
    let difference = (&loss - &fixture["loss"]).abs().max().double_value(&[]);
    assert!(difference < 1e-5, "{difference}");
    loss.backward();
    optimizer.step();
    let trained: BTreeMap<String, tch::Tensor> = net.trained().into_iter().collect();
    let after = fixture
        .iter()
        .filter_map(|(name, expected)| Some((name.strip_prefix("after.")?, expected)));
    let mut compared = 0;
    for (name, expected) in after {
        // A first step of Adam is the sign of the gradient, so tiny gradients may turn.
        let near = (&trained[name] - expected).abs().lt(1e-5);
        let share = near
            .to_kind(tch::Kind::Float)
            .mean(tch::Kind::Float)
            .double_value(&[]);
        assert!(share > 0.995, "{name}: {share}");
        compared += 1;
    }
    assert_eq!(compared, 4);
}

fn backbone_of(model: &Morec, encoder: Option<Encoder>) -> Settings {
    Settings::Backbone(TrainBackbone {
        model: Model::Morec(model.clone()),
        encoder,
        seed: 1,
    })
}

fn evaluate_cf() -> Settings {
    Settings::Evaluate(Evaluate {
        part: Part::Test,
        keep_scores: false,
        ranking: Ranking::Cf,
    })
}

fn counted(events: &[Event], words: &str) -> Option<u64> {
    events.iter().find_map(|event| match event {
        Event::Counted(counted) if counted.what.contains(words) => Some(counted.count),
        _ => None,
    })
}

#[test]
fn every_reading_is_trained_validated_ranked_and_read_by_stage_1() {
    let desk = Desk::new();
    desk.run("encoded", encode(), &["prepared"]);
    for reading in [Reading::Initial, Reading::Features, Reading::EndToEnd] {
        let mut model = morec(reading);
        model.train.stop = Stop::Early {
            metric: allround_core::metric::Metric::Hit(10),
            patience: 5,
            every: 1,
            candidates: Candidates::Uniform { n: 3 },
        };
        let is_trained = reading == Reading::EndToEnd;
        let needs: &[&str] = if is_trained {
            &["prepared"]
        } else {
            &["prepared", "encoded"]
        };
        let settings = backbone_of(&model, is_trained.then(bert));
        let name = format!("{reading:?}");
        let events = desk.run(&name, settings, needs);
        assert_eq!(
            counted(&events, "that of another item"),
            Some(0),
            "{reading:?}"
        );
        let epochs = events.iter().filter_map(|event| match event {
            Event::Epoch(epoch) => Some((epoch.loss, epoch.validation.len())),
            _ => None,
        });
        let epochs: Vec<(f64, usize)> = epochs.collect();
        assert_eq!(epochs.len(), 3);
        assert!(epochs[2].0 < epochs[0].0, "{reading:?}: {epochs:?}");
        assert!(epochs.iter().all(|(_, metrics)| *metrics > 0));
        let names = weights_of(&desk.folder(&name));
        assert!(names.contains_key("id_embedding.weight"));
        let has = |part: &str| names.keys().any(|name| name.contains(part));
        assert_eq!(has("title.fc"), reading != Reading::Initial);
        assert_eq!(has("bert_model"), is_trained);
        let backbone = format!("backbone={name}");
        let ranks = format!("{name}-ranks");
        desk.run(
            &ranks,
            evaluate_cf(),
            &["prepared", "candidates", &backbone],
        );
        let is_rank = |rank: &f64| (1.0..=6.0).contains(rank);
        assert!(desk.ranks(&ranks).iter().all(is_rank));
        let needs = ["prepared", "encoded", &backbone];
        desk.run(&format!("{name}-aligned"), align(), &needs);
    }
}

#[test]
fn items_that_share_a_row_of_other_models_have_vectors_of_their_own_texts() {
    let desk = Desk::new();
    desk.run("encoded", encode(), &["prepared"]);
    let ranks = |name: &str, data: &str| {
        let settings = backbone_of(&morec(Reading::Features), None);
        desk.run(name, settings, &[data, "encoded"]);
        let needs = [data, "candidates", &format!("backbone={name}")];
        desk.run(&format!("{name}-ranks"), evaluate_cf(), &needs);
        desk.ranks(&format!("{name}-ranks"))
    };
    let plain = ranks("plain", "prepared");
    let mut prepared = Prepared::load(&desk.folder("prepared")).unwrap();
    prepared.row = (0..12).map(|at| at % 6 + 1).collect();
    std::fs::create_dir(desk.folder("shared")).unwrap();
    prepared.save(&desk.folder("shared")).unwrap();
    assert_eq!(plain, ranks("of-shared", "prepared=shared"));
}
