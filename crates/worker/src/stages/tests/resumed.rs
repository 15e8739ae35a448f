//! Stages that are killed and continue.

use allround_core::metric::Metric;
use allround_core::models::Model;
use allround_core::models::llm_method::{Adapters, Curriculum, Validation};
use allround_core::models::recformer::ItemTable;
use allround_core::models::train::Stop;
use allround_core::stage::ValidationRanking;

use super::choices::projected;
use super::*;
use crate::testing;

/// Runs a stage that is killed in its second epoch, and again; both must end with the bytes of a
/// run that was not.
pub(super) fn is_resumed_exactly(desk: &Desk, name: &str, settings: &Settings, needs: &[&str]) {
    let whole = format!("{name}-whole");
    desk.run(&whole, settings.clone(), needs);
    let resumed = format!("{name}-resumed");
    let job = desk.job(&resumed, settings.clone(), needs);
    let mut epochs = 0;
    let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        run(&job, &mut |event| {
            epochs += u32::from(matches!(event, Event::Epoch(_)));
            assert!(epochs < 2, "killed");
        })
    }));
    assert!(killed.is_err());
    assert_eq!(crate::train::trainer::resumed(&job.checkpoint), (1, 0));
    desk.run(&resumed, settings.clone(), needs);
    for file in std::fs::read_dir(desk.folder(&whole)).unwrap() {
        let file = file.unwrap().file_name();
        let bytes = |name: &str| std::fs::read(desk.folder(name).join(&file)).unwrap();
        assert!(bytes(&whole) == bytes(&resumed), "{name}: {file:?} differs");
    }
}

#[test]
fn a_killed_stage_ends_with_the_same_bytes() {
    let desk = aligned();
    let needs = ["prepared", "backbone", "align", "llm"];
    is_resumed_exactly(
        &desk,
        "align",
        &align(),
        &["prepared", "backbone", "encoded"],
    );
    is_resumed_exactly(
        &desk,
        "project",
        &project(true, ItemEmbedding::Joint),
        &needs,
    );
    // A trained table is in the checkpoint, and candidates that are drawn once are drawn alike
    // after the kill.
    let settings = projected(ItemEmbedding::RandomTrained, |project| {
        project.one_item = OneItem::Padding;
        project.candidates = TrainingCandidates {
            drawn: Drawn::Once,
            exclude: Exclude::History,
        };
    });
    is_resumed_exactly(&desk, "random-trained", &settings, &needs);
}

#[test]
fn adapters_beside_projections_are_resumed_and_read_by_the_evaluation() {
    let desk = Desk::new();
    desk.save_lm();
    let Settings::Project(mut settings) = project(false, ItemEmbedding::Joint) else {
        unreachable!("project gives its own settings")
    };
    settings.project.layer_norm = false;
    settings.project.adapters = Some(Adapters {
        lora: Lora {
            rank: 2,
            alpha: 4.0,
            dropout: 0.3,
            targets: vec!["q_proj".to_owned()],
        },
        curriculum: Curriculum::Linear,
    });
    let settings = Settings::Project(settings);
    let needs = ["prepared", "backbone", "llm"];
    is_resumed_exactly(&desk, "hybrid", &settings, &needs);
    // Dropout is off in validation, and on after it.
    let validated = validated(settings, Some(SCORE));
    is_validated_exactly(&desk, "hybrid-validated", &validated, &needs);
    let names: Vec<String> = weights_of(&desk.folder("hybrid-whole"))
        .into_keys()
        .collect();
    assert!(
        names.iter().any(|name| name.ends_with("lora_B.weight")),
        "{names:?}"
    );
    let ranks = |project: &str| {
        let name = format!("{project}-ranks");
        let needs = ["prepared", "candidates", "backbone", "llm", project];
        let prompted = reading(false, ItemEmbedding::Joint);
        desk.run(&name, evaluate(prompted, SCORE, None), &needs);
        desk.ranks(&name)
    };
    assert_eq!(ranks("project=hybrid-whole").len(), 4);
    // The evaluation reads the adapters: without them in the file it cannot be done.
    let file = desk.folder("hybrid-whole").join(artefact::WEIGHTS);
    let mut kept = weights_of(&desk.folder("hybrid-whole"));
    kept.retain(|name, _| !name.contains("lora"));
    crate::models::weights::write(&file, &kept.into_iter().collect::<Vec<_>>()).unwrap();
    let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        ranks("project=hybrid-whole")
    }));
    assert!(refused.is_err());
}

#[test]
fn killed_stages_of_models_that_read_texts_end_with_the_same_bytes() {
    let desk = Desk::new();
    let Model::Recformer(mut recformer) = testing::model("recformer") else {
        unreachable!("its name is its kind")
    };
    recformer.pretrain.enabled = true;
    recformer.pretrain.train = training(3, 2);
    recformer.finetune.train = training(4, 2);
    recformer.table = ItemTable::Fixed;
    // Two phases: without an improvement for one validation, the second one begins.
    recformer.finetune.train.stop = Stop::Early {
        metric: Metric::Hit(1),
        patience: 1,
        every: 1,
        candidates: Candidates::Uniform { n: 3 },
    };
    let pretrain = Settings::Pretrain(recformer.pretrain_stage(None, 1));
    is_resumed_exactly(&desk, "pretrain", &pretrain, &["prepared"]);
    let finetune = Settings::Backbone(TrainBackbone {
        model: Model::Recformer(recformer),
        encoder: None,
        seed: 1,
    });
    let needs = ["prepared", "pretrain=pretrain-whole"];
    is_resumed_exactly(&desk, "finetune", &finetune, &needs);
    let Model::Ctrl(mut ctrl) = testing::model("ctrl") else {
        unreachable!("its name is its kind")
    };
    ctrl.contrast.train = training(3, 2);
    let words = crate::methods::fixtures::words();
    let contrast = Settings::Contrast(ctrl.contrast_stage(encoder(), words, 1));
    is_resumed_exactly(&desk, "contrast", &contrast, &["prepared"]);
}

/// `settings` with validation after every two samples, which ranks by `inference`.
fn validated(mut settings: Settings, inference: Option<Inference>) -> Settings {
    let validation = Validation {
        every: 2,
        ..unvalidated()
    };
    let ranking = Some(ValidationRanking {
        inference,
        token_budget: 16_384,
    });
    match &mut settings {
        Settings::Project(settings) => {
            settings.project.validate = validation;
            settings.ranking = ranking;
        }
        Settings::Tune(settings) => {
            settings.tune.validate = validation;
            settings.ranking = ranking;
        }
        other => panic!("{other:?} is not validated by samples"),
    }
    settings
}

/// Samples and metrics of validations, which begin before training and end after it.
fn validations(events: &[Event]) -> Vec<(u64, BTreeMap<Metric, f64>)> {
    let validations = events.iter().filter_map(|event| match event {
        Event::Validation(it) => Some((it.samples, it.metrics.clone())),
        _ => None,
    });
    validations.collect()
}

/// Runs a stage that is validated and killed at the third validation, and again.
pub(super) fn is_validated_exactly(
    desk: &Desk,
    name: &str,
    settings: &Settings,
    needs: &[&str],
) -> Vec<Event> {
    let whole = format!("{name}-whole");
    let events = desk.run(&whole, settings.clone(), needs);
    let resumed = format!("{name}-resumed");
    let mut job = desk.job(&resumed, settings.clone(), needs);
    job.checkpoint_minutes = 0.0;
    let mut count = 0;
    let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        run(&job, &mut |event| {
            count += u32::from(matches!(event, Event::Validation(_)));
            assert!(count < 3, "killed");
        })
    }));
    assert!(killed.is_err());
    let mut again = Vec::new();
    run(&job, &mut |event| again.push(event)).unwrap();
    let (again, found) = (validations(&again), validations(&events));
    assert_eq!(again.len(), found.len(), "{name}");
    for (one, other) in again.iter().zip(&found) {
        assert_eq!(one.0, other.0, "{name}");
        // JSON parsers may round the last digit of what is reported again.
        let is_near = |metric: &Metric| (one.1[metric] - other.1[metric]).abs() < 1e-14;
        assert!(other.1.keys().all(is_near), "{name}: {one:?} for {other:?}");
    }
    for file in [artefact::WEIGHTS, artefact::DESCRIPTION] {
        let bytes = |name: &str| std::fs::read(desk.folder(name).join(file)).unwrap();
        assert!(bytes(&whole) == bytes(&resumed), "{name}: {file} differs");
    }
    events
}

#[test]
fn a_method_is_validated_as_an_evaluation_measures_it() {
    let desk = aligned();
    let needs = ["prepared", "backbone", "align", "llm"];
    let gain = Inference::Score {
        by: ScoreBy::Gain,
        orders: 1,
    };
    // The lists of the validation.
    let draw = DrawCandidates {
        candidates: Candidates::Uniform { n: 3 },
        rules: Rules::Strict,
        ties: Ties::Half,
        class: None,
        max_users: 0,
        slices: SliceUsers::default(),
        seed: 1,
    };
    std::fs::create_dir(desk.folder("lists")).unwrap();
    let lists = candidates::draw(&data(), &draw, Part::Valid).unwrap();
    lists.save(&desk.folder("lists")).unwrap();
    let settings = validated(project(true, ItemEmbedding::Joint), Some(gain.clone()));
    let events = is_validated_exactly(&desk, "project", &settings, &needs);
    let found = validations(&events);
    let samples: Vec<u64> = found.iter().map(|it| it.0).collect();
    assert_eq!(samples, [0, 2, 5, 6, 8, 9]);
    let Settings::Evaluate(mut measure) = evaluate(reading(true, ItemEmbedding::Joint), gain, None)
    else {
        unreachable!("evaluate gives its own settings")
    };
    measure.part = Part::Valid;
    let mut needs = answer_needs("project=project-whole");
    needs[1] = "candidates=lists";
    desk.run("measured", Settings::Evaluate(measure), &needs);
    let ranks = Ranks::load(&desk.folder("measured"), Part::Valid).unwrap();
    let measured = Metric::Mrr.mean(&ranks.ranks).unwrap();
    let best = found.iter().map(|(_, metrics)| metrics[&Metric::Mrr]);
    assert_eq!(best.fold(0.0, f64::max), measured);
    let reference = events.iter().find_map(|event| match event {
        Event::Reference { metrics } => Some(metrics[&Metric::Mrr]),
        _ => None,
    });
    assert!((0.25..=1.0).contains(&reference.unwrap()));
}

#[test]
fn adapters_are_validated_without_their_dropout_in_each_form() {
    let desk = Desk::new();
    desk.save_lm();
    for (form, inference) in [
        (TuneForm::Title, Some(SCORE)),
        (TuneForm::YesNo, None),
        (TuneForm::Letter, None),
    ] {
        let settings = super::refused::tune(reading(false, ItemEmbedding::None), form);
        let settings = validated(settings, inference);
        let name = format!("{form:?}");
        is_validated_exactly(&desk, &name, &settings, &["prepared", "llm"]);
    }
}
