//! CTRL from texts of histories to ranks.

use allround_core::models::Model;
use allround_core::models::ctrl::{ContrastLoss, Ctrl, PairText};

use super::*;
use crate::testing;

fn ctrl() -> Ctrl {
    match testing::model("ctrl") {
        Model::Ctrl(ctrl) => ctrl,
        other => panic!("{other:?}"),
    }
}

fn bert() -> Encoder {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/morec/bert");
    Encoder::Pretrained(PretrainedEncoder {
        folder: folder.display().to_string(),
        hub: String::new(),
        max_length: 0,
        pooling: None,
    })
}

fn words() -> allround_core::config::llm::Words {
    crate::methods::fixtures::words()
}

fn losses(events: &[Event]) -> Vec<f64> {
    let epochs = events.iter().filter_map(|event| match event {
        Event::Epoch(epoch) => Some(epoch.loss),
        _ => None,
    });
    epochs.collect()
}

fn counted(events: &[Event], words: &str) -> Option<u64> {
    events.iter().find_map(|event| match event {
        Event::Counted(counted) if counted.what.contains(words) => Some(counted.count),
        _ => None,
    })
}

#[test]
fn both_forms_align_with_both_kinds_of_encoder_and_are_then_trained_and_ranked() {
    let desk = Desk::new();
    for (name, encoder, train_encoder) in [("frozen", encoder(), false), ("trained", bert(), true)]
    {
        let mut model = ctrl();
        // One batch has all users, so that every epoch compares the same pairs.
        model.contrast.train = training(6, 4);
        model.contrast.train.lr = 1e-3;
        model.dropout = 0.0;
        model.contrast.train_encoder = train_encoder;
        if train_encoder {
            model.contrast.loss = ContrastLoss::Bce {};
            model.contrast.chunk = 2;
            model.contrast.text = PairText::HistoryTwice;
        }
        let aligned = format!("{name}-aligned");
        let settings = Settings::Contrast(model.contrast_stage(encoder, words(), 1));
        let events = desk.run(&aligned, settings, &["prepared"]);
        let losses = losses(&events);
        assert_eq!(losses.len(), 6);
        assert!(losses[5] < losses[0], "{name}: {losses:?}");
        // Users 0, 1 and 3 have two, three and three training items.
        assert_eq!(counted(&events, "pairs of a history"), Some(5));
        let names = weights_of(&desk.folder(&aligned));
        for part in ["item_emb.weight", "projection2.weight", "finegrain2_3.bias"] {
            assert!(names.contains_key(part), "{part}");
        }
        assert_eq!(
            names.keys().any(|name| name.starts_with("sbert.")),
            train_encoder
        );
        model.train = training(2, 2);
        let trained = Settings::Backbone(TrainBackbone {
            model: Model::Ctrl(model),
            encoder: None,
            seed: 1,
        });
        let contrast = format!("contrast={aligned}");
        desk.run(name, trained, &["prepared", &contrast]);
        let after = weights_of(&desk.folder(name));
        assert!(after.contains_key("final_layer.weight"));
        assert!(!after.contains_key("projection.weight"));
        let settings = Settings::Evaluate(Evaluate {
            part: Part::Test,
            keep_scores: false,
            ranking: Ranking::Cf,
        });
        let backbone = format!("backbone={name}");
        let ranks = format!("{name}-ranks");
        desk.run(&ranks, settings, &["prepared", "candidates", &backbone]);
        assert!(
            desk.ranks(&ranks)
                .iter()
                .all(|rank| (1.0..=6.0).contains(rank))
        );
    }
}

#[test]
fn stage_2_starts_from_the_weights_of_stage_1() {
    let desk = Desk::new();
    let mut model = ctrl();
    model.contrast.train = training(1, 2);
    let settings = Settings::Contrast(model.contrast_stage(encoder(), words(), 1));
    desk.run("aligned", settings, &["prepared"]);
    model.train = training(1, 2);
    // So small a rate moves nothing.
    model.train.lr = 1e-12;
    let settings = Settings::Backbone(TrainBackbone {
        model: Model::Ctrl(model),
        encoder: None,
        seed: 1,
    });
    desk.run("trained", settings, &["prepared", "contrast=aligned"]);
    let [first, second] = ["aligned", "trained"].map(|name| weights_of(&desk.folder(name)));
    for (name, weight) in second
        .iter()
        .filter(|(name, _)| !name.starts_with("final_layer"))
    {
        assert!(first[name].allclose(weight, 1e-6, 1e-8, false), "{name}");
    }
}

#[test]
fn texts_that_do_not_fit_lose_their_oldest_items_and_are_counted() {
    let desk = Desk::new();
    let mut model = ctrl();
    model.contrast.train = training(1, 2);
    let mut short = bert();
    if let Encoder::Pretrained(settings) = &mut short {
        settings.max_length = 12;
    }
    let settings = Settings::Contrast(model.contrast_stage(short, words(), 1));
    let events = desk.run("aligned", settings, &["prepared"]);
    // Two pairs have histories of two items; no text fits whole.
    assert_eq!(counted(&events, "without their oldest items"), Some(2));
    assert_eq!(counted(&events, "texts of one item"), Some(5));
}
