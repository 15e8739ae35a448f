//! What does not fit: cut and counted, or refused with the user and advice.

use super::*;

/// The stages that ask a language model `read`.
fn asking(read: Reader) -> [(&'static str, Settings); 3] {
    let tune = Settings::Tune(TrainTune {
        reader: read.clone(),
        form: TallrecForm::Title,
        lora: Lora {
            rank: 2,
            alpha: 4.0,
            dropout: 0.1,
            targets: vec!["q_proj".to_owned()],
        },
        train_on_inputs: false,
        one_item: OneItem::Skip,
        candidates: TrainingCandidates::default(),
        train: fit(1),
        seed: 1,
        device: "cpu".to_owned(),
        threads: 1,
    });
    let Settings::Project(mut project) = project(true, ItemEmbedding::None) else {
        unreachable!("project gives its own settings")
    };
    project.reader.asked = read.asked.clone();
    [
        ("tune", tune),
        ("project", Settings::Project(project)),
        ("evaluate", evaluate(read, SCORE, None)),
    ]
}

const ASKING: [&str; 4] = ["prepared", "candidates", "backbone", "llm"];

#[test]
fn titles_longer_than_the_context_are_cut_and_counted_in_every_stage() {
    let desk = Desk::new();
    desk.run("llm", pretrain(), &["prepared"]);
    let mut prepared = data();
    for item in &mut prepared.items[..2] {
        item.title = Some("red ".repeat(999));
    }
    prepared.save(&desk.folder("prepared")).unwrap();
    for (name, settings) in asking(reading(false, ItemEmbedding::None)) {
        let events = desk.run(name, settings, &ASKING);
        let cut = events.iter().find_map(|event| match event {
            Event::Counted(counted) if counted.what.contains("positions") => Some(counted),
            _ => None,
        });
        let cut = cut.expect("it is told");
        assert_eq!(
            (cut.what.as_str(), cut.count),
            ("titles cut to fit the language model's positions", 2),
            "{name}"
        );
    }
}

#[test]
fn a_prompt_that_leaves_no_room_is_refused_with_its_user_and_advice_in_every_stage() {
    let desk = Desk::new();
    desk.run("llm", pretrain(), &["prepared"]);
    let mut read = reading(false, ItemEmbedding::None);
    read.asked.template = format!("{} {{history}} {{candidates}}", "red ".repeat(999));
    for (name, settings) in asking(read) {
        let job = desk.job(name, settings, &ASKING);
        let failure = run(&job, &mut |_| ()).unwrap_err().failure();
        assert!(
            failure.error.starts_with("user `u"),
            "{name}: {}",
            failure.error
        );
        let hint = failure.hint.unwrap_or_default();
        assert!(hint.contains("`title_tokens`"), "{name}: {hint}");
    }
}

#[test]
fn a_user_with_every_item_in_training_is_refused_by_id() {
    let desk = Desk::new();
    let mut prepared = data();
    // All that may be drawn is what the second user has.
    prepared.in_training = (1..=12).map(|item| (5..=7).contains(&item)).collect();
    prepared.save(&desk.folder("prepared")).unwrap();
    let settings = Settings::Backbone(TrainBackbone {
        model: sasrec(),
        seed: 1,
        device: "cpu".to_owned(),
        threads: 1,
    });
    let job = desk.job("trained", settings, &["prepared"]);
    let failure = run(&job, &mut |_| ()).unwrap_err().failure();
    assert_eq!(
        failure.error,
        "user `u1` has every item in training, so that no negative item is left"
    );
    assert!(failure.hint.is_some());
}

#[test]
fn more_candidates_than_there_are_items_are_refused_with_the_user_and_advice() {
    let desk = Desk::new();
    desk.run("llm", pretrain(), &["prepared"]);
    let mut read = reading(false, ItemEmbedding::None);
    read.asked.candidates = 12;
    let [(name, settings), ..] = asking(read);
    let failure = run(&desk.job(name, settings, &ASKING), &mut |_| ()).unwrap_err();
    let failure = failure.failure();
    assert!(
        failure.error.starts_with("user `u") && failure.error.ends_with("; 11 are asked for"),
        "{}",
        failure.error
    );
    assert!(failure.hint.unwrap().contains("`prompt.NAME.candidates`"));
}

#[test]
fn long_titles_shorten_the_lessons_of_a_small_language_model_and_are_counted() {
    let desk = Desk::new();
    let mut prepared = data();
    for item in &mut prepared.items {
        item.title = Some(format!("{} {}", item.id, "red ".repeat(60)));
    }
    prepared.save(&desk.folder("prepared")).unwrap();
    let Settings::PretrainLm(mut settings) = pretrain() else {
        unreachable!("pretrain gives its own settings")
    };
    settings.llm.positions = 64;
    settings.llm.steps = 12;
    let batch = settings.llm.batch_size as u64;
    let events = desk.run("llm", Settings::PretrainLm(settings), &["prepared"]);
    let count = events.iter().find_map(|event| match event {
        Event::Counted(counted) if counted.what.contains("shortened or replaced") => {
            Some(counted.count)
        }
        _ => None,
    });
    // Short lists come four times a step.
    let texts = 12 * 4 * batch;
    assert!(
        count.is_some_and(|count| count > 6 && count <= texts),
        "{count:?}"
    );
}
