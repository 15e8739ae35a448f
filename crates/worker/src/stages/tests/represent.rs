//! LLM-SRec and E4SRec from their jobs to ranks among candidates and of the whole catalogue.

use allround_core::models::represent::{AdaptedRepresent, Represent, Representation};
use allround_core::stage::{TrainRepresent, ValidationRanking, VectorRanking};

use super::resumed::{is_resumed_exactly, is_validated_exactly};
use super::*;

fn represent(change: impl Fn(&mut Represent)) -> TrainRepresent {
    let mut represent = Represent {
        width: 4,
        hidden_units: 8,
        negatives: 2,
        distillation: 1.0,
        uniformity: 1.0,
        targets: Targets::Last,
        one_item: OneItem::Skip,
        max_samples: 0,
        validate: unvalidated(),
        train: training(3, 2),
    };
    change(&mut represent);
    TrainRepresent {
        llm: reading(true, ItemEmbedding::Joint),
        represent: Representation::Frozen(represent),
        ranking: None,
        token_budget: 64,
        seed: 1,
    }
}

fn adapted(change: impl Fn(&mut AdaptedRepresent)) -> TrainRepresent {
    let mut represent = AdaptedRepresent {
        lora: Lora {
            rank: 2,
            alpha: 4.0,
            // Validation and evaluation are without it, and a killed run repeats it.
            dropout: 0.3,
            targets: vec!["q_proj".to_owned(), "fc1".to_owned()],
        },
        targets: Targets::Last,
        one_item: OneItem::Skip,
        max_samples: 0,
        validate: unvalidated(),
        train: training(3, 2),
    };
    change(&mut represent);
    TrainRepresent {
        llm: reading(false, ItemEmbedding::Joint),
        represent: Representation::Adapted(represent),
        ranking: None,
        token_budget: 64,
        seed: 1,
    }
}

fn ranking(part: Part, token_budget: usize) -> Settings {
    Settings::Evaluate(Evaluate {
        part,
        keep_scores: true,
        ranking: Ranking::Vectors(VectorRanking {
            llm: reading(true, ItemEmbedding::Joint),
            token_budget,
        }),
    })
}

const TRAINING: [&str; 3] = ["prepared", "backbone", "llm"];
const RANKING: [&str; 5] = ["prepared", "candidates", "backbone", "llm", "represent"];

fn phase<'a>(events: &'a [Event], name: &str) -> &'a allround_core::event::Phase {
    let found = events.iter().find_map(|event| match event {
        Event::Phase(phase) if phase.phase == name => Some(phase),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no phase `{name}`"))
}

#[test]
fn vectors_rank_lists_and_the_whole_catalogue_with_one_pass_for_each_item_and_user() {
    let desk = Desk::new();
    desk.save_lm();
    let settings = Settings::Represent(represent(|_| {}));
    let trained = desk.run("represent", settings, &TRAINING);
    assert_eq!(phase(&trained, "train").examples, Some(9));
    assert_eq!(phase(&trained, "encode_items").examples, Some(12));
    let listed = desk.run("listed", ranking(Part::Test, 64), &RANKING);
    assert_eq!(phase(&listed, "evaluate").examples, Some(4));
    // All items as candidates.
    let lists = crate::eval::full_lists(&data(), Part::Test);
    std::fs::create_dir(desk.folder("all")).unwrap();
    lists.save(&desk.folder("all")).unwrap();
    let mut needs = RANKING;
    needs[1] = "candidates=all";
    let full = desk.run("full", ranking(Part::Test, 16_384), &needs);
    // As many prompts as users, whatever they are ranked among.
    assert_eq!(
        phase(&full, "evaluate").tokens,
        phase(&listed, "evaluate").tokens
    );
    let scores = |name: &str| {
        let folder = desk.folder(name);
        allround_core::data::Scores::load(&folder, Part::Test)
            .unwrap()
            .unwrap()
    };
    let (few, all) = (scores("listed"), scores("full"));
    for place in 0..4 {
        let all: Vec<_> = all.row(place).collect();
        for one in few.row(place) {
            let same = all.iter().find(|it| it.item == one.item).unwrap();
            // Passes of another size round differently.
            assert!((same.score - one.score).abs() < 1e-5, "{one:?} {same:?}");
        }
    }
}

#[test]
fn a_killed_training_of_vectors_ends_with_the_same_bytes() {
    let desk = Desk::new();
    desk.save_lm();
    let all = represent(|represent| represent.targets = Targets::All);
    is_resumed_exactly(&desk, "all", &Settings::Represent(all), &TRAINING);
    let mut validated = represent(|represent| represent.validate.every = 2);
    validated.ranking = Some(ValidationRanking {
        inference: None,
        token_budget: 64,
    });
    let settings = Settings::Represent(validated);
    let events = is_validated_exactly(&desk, "validated", &settings, &TRAINING);
    let is_reference = |event: &Event| matches!(event, Event::Reference { .. });
    assert!(events.iter().any(is_reference));
}

#[test]
fn training_without_the_cf_model_s_states_has_no_network_for_them() {
    let desk = Desk::new();
    desk.save_lm();
    let alone = represent(|represent| {
        represent.distillation = 0.0;
        represent.uniformity = 0.0;
    });
    desk.run("represent", Settings::Represent(alone), &TRAINING);
    let path = desk.folder("represent").join(artefact::WEIGHTS);
    let tensors = crate::models::weights::read_tensors(&path).unwrap();
    assert!(
        tensors
            .keys()
            .all(|name| !name.starts_with("pred_user_CF2"))
    );
    desk.run("ranked", ranking(Part::Test, 64), &RANKING);
}

#[test]
fn adapters_rank_lists_and_the_whole_catalogue_with_one_pass_for_each_user() {
    let desk = Desk::new();
    desk.save_lm();
    let settings = Settings::Represent(adapted(|_| {}));
    let trained = desk.run("represent", settings, &TRAINING);
    let train = phase(&trained, "train");
    assert_eq!(train.examples, Some(9));
    assert!(train.params > train.trained_params && train.flops > Some(100_000));
    let names = |event: &Event| match event {
        Event::Phase(phase) => Some(phase.phase.clone()),
        _ => None,
    };
    let phases: Vec<String> = trained.iter().filter_map(names).collect();
    assert_eq!(phases, ["train"]);
    // The head is the items' vectors.
    let files = std::fs::read_dir(desk.folder("represent")).unwrap();
    assert_eq!(files.count(), 2);
    desk.run("listed", ranking(Part::Test, 64), &RANKING);
    desk.run("valid", ranking(Part::Valid, 64), &RANKING);
    let lists = crate::eval::full_lists(&data(), Part::Test);
    std::fs::create_dir(desk.folder("all")).unwrap();
    lists.save(&desk.folder("all")).unwrap();
    let mut needs = RANKING;
    needs[1] = "candidates=all";
    desk.run("full", ranking(Part::Test, 16_384), &needs);
    let scores = |name: &str| {
        let scores = allround_core::data::Scores::load(&desk.folder(name), Part::Test);
        scores.unwrap().unwrap()
    };
    let (few, all) = (scores("listed"), scores("full"));
    for place in 0..4 {
        let all: Vec<_> = all.row(place).collect();
        for one in few.row(place) {
            let same = all.iter().find(|it| it.item == one.item).unwrap();
            // Passes of another size round differently.
            assert!((same.score - one.score).abs() < 1e-5, "{one:?} {same:?}");
        }
    }
}

#[test]
fn a_killed_training_of_adapters_and_head_ends_with_the_same_bytes() {
    let desk = Desk::new();
    desk.save_lm();
    let all = adapted(|represent| represent.targets = Targets::All);
    is_resumed_exactly(&desk, "all", &Settings::Represent(all), &TRAINING);
    let mut validated = adapted(|represent| represent.validate.every = 2);
    validated.ranking = Some(ValidationRanking {
        inference: None,
        token_budget: 64,
    });
    let settings = Settings::Represent(validated);
    let events = is_validated_exactly(&desk, "validated", &settings, &TRAINING);
    let is_reference = |event: &Event| matches!(event, Event::Reference { .. });
    assert!(events.iter().any(is_reference));
}

#[test]
fn both_forms_are_stored_as_their_settings_alone() {
    for stage in [represent(|_| {}), adapted(|_| {})] {
        let text = serde_json::to_string(&stage).unwrap();
        let read: TrainRepresent = serde_json::from_str(&text).unwrap();
        assert_eq!(read, stage);
        assert!(
            !text.contains("Frozen") && !text.contains("Adapted"),
            "{text}"
        );
    }
}
