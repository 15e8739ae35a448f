//! What does not fit: cut and counted, or refused with the user and advice.

use allround_core::config::protocol::Seen;
use allround_core::metric::Metric;
use allround_core::models::Model;
use allround_core::models::train::Stop;
use tch::Tensor;

use super::*;
use crate::models::weights;

pub(super) fn tune(llm: PromptedLlm, form: TuneForm) -> Settings {
    Settings::Tune(TrainTune {
        ranking: None,
        llm,
        tune: tuned(form),
        seed: 1,
    })
}

fn tuned(form: TuneForm) -> Tune {
    Tune {
        form,
        lora: lora(),
        train_on_inputs: false,
        targets: Targets::Last,
        one_item: OneItem::Skip,
        candidates: training_candidates(),
        max_samples: 0,
        validate: unvalidated(),
        train: training(1, 2),
    }
}

fn lora() -> Lora {
    Lora {
        rank: 2,
        alpha: 4.0,
        dropout: 0.1,
        targets: vec!["q_proj".to_owned()],
    }
}

/// The reported count of the rule whose name contains `what`.
fn counted(events: &[Event], what: &str) -> Option<u64> {
    events.iter().find_map(|event| match event {
        Event::Counted(counted) if counted.what.contains(what) => Some(counted.count),
        _ => None,
    })
}

/// The stages that query the language model `read`.
fn asking(read: PromptedLlm) -> [(&'static str, Settings); 3] {
    let tune = tune(read.clone(), TuneForm::Title);
    let Settings::Project(mut project) = project(true, ItemEmbedding::None) else {
        unreachable!("project gives its own settings")
    };
    project.llm.prompt = read.prompt.clone();
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
    desk.save_lm();
    let mut prepared = data();
    for item in &mut prepared.items[..2] {
        item.title = Some("red ".repeat(999));
    }
    prepared.save(&desk.folder("prepared")).unwrap();
    for (name, settings) in asking(reading(false, ItemEmbedding::None)) {
        let events = desk.run(name, settings, &ASKING);
        let what = "titles cut to fit the language model's positions";
        assert_eq!(counted(&events, what), Some(2), "{name}");
    }
}

#[test]
fn what_titles_and_descriptions_lack_is_counted_in_every_stage_that_reads_them() {
    let desk = Desk::new();
    desk.save_lm();
    let mut prepared = data();
    let titles = [
        None,
        Some("  "),
        Some("a \"red\" one"),
        Some("twin"),
        Some("twin"),
    ];
    for (item, title) in prepared.items.iter_mut().zip(titles) {
        item.title = title.map(str::to_owned);
    }
    prepared.items[5].description = None;
    prepared.items[6].description = Some(" ".to_owned());
    prepared.save(&desk.folder("prepared")).unwrap();
    for (name, settings) in asking(reading(false, ItemEmbedding::None)) {
        let events = desk.run(name, settings, &ASKING);
        for (rule, count) in [
            ("items without a title, called `No Title`", 2),
            ("titles whose double quotes became single ones", 1),
            // Those without a title share `No Title`.
            ("items that share their title with another", 4),
        ] {
            assert_eq!(counted(&events, rule), Some(count), "{name}: {rule}");
        }
    }
    let what = "items without a description, whose texts say `Empty description`";
    let frozen = desk.run("encoded", encode(), &["prepared"]);
    assert_eq!(counted(&frozen, what), Some(2));
    let events = desk.run("align", trained_encoder(), &["prepared", "backbone"]);
    assert_eq!(counted(&events, what), Some(2));
}

/// A desk whose small language model has WordPiece of these words, with nothing around a text.
fn spelling_only(words: &[&str]) -> Desk {
    let desk = Desk::new();
    desk.save_lm();
    let folder = desk.folder("llm");
    let tokens = [&["[PAD]", "[UNK]"], words].concat();
    let vocabulary: serde_json::Map<String, serde_json::Value> = tokens
        .iter()
        .enumerate()
        .map(|(id, token)| ((*token).to_owned(), id.into()))
        .collect();
    let tokenizer = serde_json::json!({
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": vocabulary},
    });
    std::fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    desk
}

#[test]
fn titles_that_the_tokenizer_cannot_spell_are_counted_in_every_stage() {
    let desk = spelling_only(&["red", "blue", "old", "new"]);
    let whole = data().items.into_iter().filter(|item| {
        let title = item.title.clone().unwrap();
        !title.contains("green") && !title.contains("big")
    });
    let whole = whole.count() as u64;
    for (name, settings) in asking(reading(false, ItemEmbedding::None)) {
        let events = desk.run(name, settings, &ASKING);
        let count = counted(&events, "cannot represent whole");
        assert_eq!(count, Some(12 - whole), "{name}");
    }
    let known = Desk::new();
    known.save_lm();
    let [(name, settings), ..] = asking(reading(false, ItemEmbedding::None));
    let events = known.run(name, settings, &ASKING);
    assert_eq!(counted(&events, "cannot represent whole"), None);
}

#[test]
fn yes_and_no_that_begin_alike_are_refused_before_anything_is_trained_or_asked() {
    let desk = spelling_only(&["red", "blue", "old", "new"]);
    let read = reading(false, ItemEmbedding::None);
    let ask = evaluate(read.clone(), None, Some(tuned(TuneForm::YesNo)));
    for (name, settings) in [("tune", tune(read, TuneForm::YesNo)), ("ask", ask)] {
        let mut events = Vec::new();
        let job = desk.job(name, settings, &ASKING);
        let failure = run(&job, &mut |event| events.push(event)).unwrap_err();
        let failure = failure.failure();
        assert_eq!(
            failure.error,
            "the tokenizer gives `Yes.` and `No.` the same first token; TALLRec compares their first tokens",
            "{name}"
        );
        assert!(failure.hint.unwrap().contains("form = \"title\""));
        assert!(!events.iter().any(|event| matches!(event, Event::Epoch(_))));
    }
}

#[test]
fn letters_without_a_token_each_are_refused_before_anything_is_trained_or_ranked() {
    let desk = spelling_only(&["red", "blue", "old", "new"]);
    let read = reading(false, ItemEmbedding::None);
    let ask = evaluate(read.clone(), None, Some(tuned(TuneForm::Letter)));
    for (name, settings) in [("tune", tune(read, TuneForm::Letter)), ("ask", ask)] {
        let mut events = Vec::new();
        let job = desk.job(name, settings, &ASKING);
        let failure = run(&job, &mut |event| events.push(event)).unwrap_err();
        let failure = failure.failure();
        assert!(
            failure.error.ends_with(
                "a single token that no letter before it has; LlamaRec answers with one token"
            ),
            "{name}: {}",
            failure.error
        );
        assert!(failure.hint.unwrap().contains("letters A to Z"));
        assert!(!events.iter().any(|event| matches!(event, Event::Epoch(_))));
    }
}

#[test]
fn titles_longer_than_a_generated_answer_are_counted() {
    let desk = Desk::new();
    desk.save_lm();
    let mut prepared = data();
    prepared.items[3].title = Some("red ".repeat(12));
    prepared.save(&desk.folder("prepared")).unwrap();
    let titles = |name: &str, max_new_tokens| {
        let inference = Inference::Generate {
            max_new_tokens,
            repetition_penalty: 1.0,
            penalise_eos: false,
            stop_at_quote: true,
            accept: Accept::Exact,
        };
        let settings = evaluate(reading(false, ItemEmbedding::None), inference, None);
        counted(&desk.run(name, settings, &ASKING), "of a generated answer")
    };
    assert_eq!(titles("short", 12), Some(1));
    assert_eq!(titles("long", 64), None);
}

#[test]
fn a_prompt_that_leaves_no_room_is_refused_with_its_user_and_advice_in_every_stage() {
    let desk = Desk::new();
    desk.save_lm();
    let mut read = reading(false, ItemEmbedding::None);
    read.prompt.template = format!("{} {{history}} {{candidates}}", "red ".repeat(999));
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
        encoder: None,
        seed: 1,
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
fn more_candidates_to_stop_by_than_a_user_leaves_are_refused_with_the_setting() {
    let desk = Desk::new();
    let Model::Sasrec(mut model) = sasrec() else {
        unreachable!("it is a SASRec")
    };
    model.train.stop = Stop::Early {
        metric: Metric::Hit(1),
        every: 1,
        patience: 1,
        candidates: Candidates::Uniform { n: 12 },
    };
    let settings = Settings::Backbone(TrainBackbone {
        model: Model::Sasrec(model),
        encoder: None,
        seed: 1,
    });
    let job = desk.job("trained", settings, &["prepared"]);
    let failure = run(&job, &mut |_| ()).unwrap_err().failure();
    assert!(
        failure.error.starts_with(
            "the lists of `train.stop.early.candidates`: 12 candidates are needed, and user `u"
        ),
        "{}",
        failure.error
    );
    assert!(failure.hint.is_some());
}

#[test]
fn an_early_stop_with_nobody_to_validate_on_is_refused_with_advice() {
    let desk = Desk::new();
    let mut prepared = data();
    // As after a split by time without a share for validation.
    prepared.train_end.clone_from(&prepared.valid_end);
    prepared.save(&desk.folder("prepared")).unwrap();
    let Model::Sasrec(mut model) = sasrec() else {
        unreachable!("sasrec gives a SASRec")
    };
    model.train.stop = Stop::Early {
        metric: Metric::Ndcg(10),
        every: 1,
        patience: 2,
        candidates: Candidates::Full {
            seen: Seen::Exclude,
        },
    };
    let settings = Settings::Backbone(TrainBackbone {
        model: Model::Sasrec(model),
        encoder: None,
        seed: 1,
    });
    let job = desk.job("trained", settings, &["prepared"]);
    let failure = run(&job, &mut |_| ()).unwrap_err().failure();
    assert!(
        failure.error.contains("has no user to validate on"),
        "{}",
        failure.error
    );
    assert!(failure.hint.unwrap().contains("`train.stop.fixed`"));
}

#[test]
fn likelihoods_that_overflow_are_refused_with_the_user() {
    let desk = Desk::new();
    desk.save_lm();
    let path = desk.folder("llm").join("model.safetensors");
    let tensors = weights::read_tensors(&path).unwrap();
    let named: Vec<(String, Tensor)> = tensors.into_iter().collect();
    let mut tables = named
        .iter()
        .filter(|(name, _)| name.ends_with("embed_tokens.weight"));
    // Bytes of no title or wording: what is read stays a number, and what may be foretold does not.
    tch::manual_seed(1);
    let mut unused = tables.next().unwrap().1.narrow(0, 110, 80);
    let signs = unused.randn_like().sign();
    unused.copy_(&(signs * 3e38));
    weights::write(&path, &named).unwrap();
    let read = reading(false, ItemEmbedding::None);
    let needs = ["prepared", "candidates", "llm"];
    let job = desk.job("asked", evaluate(read, SCORE, None), &needs);
    let failure = run(&job, &mut |_| ()).unwrap_err().failure();
    let error = failure.error;
    assert!(
        error.starts_with("what the language model computes for user `u"),
        "{error}"
    );
    assert!(error.ends_with("is not a finite number"), "{error}");
    assert!(failure.hint.unwrap().contains("fp32"));
}

#[test]
fn more_candidates_than_there_are_items_are_refused_with_the_user_and_advice() {
    let desk = Desk::new();
    desk.save_lm();
    let mut read = reading(false, ItemEmbedding::None);
    read.prompt.candidates = 12;
    let [(name, settings), ..] = asking(read);
    let failure = run(&desk.job(name, settings, &ASKING), &mut |_| ()).unwrap_err();
    let failure = failure.failure();
    assert!(
        failure.error.starts_with("user `u") && failure.error.ends_with("; 11 are needed"),
        "{}",
        failure.error
    );
    assert!(failure.hint.unwrap().contains("`prompt.NAME.candidates`"));
}

#[test]
fn answers_without_enough_memory_name_the_tokens_tried_and_the_setting() {
    let desk = Desk::new();
    desk.save_lm();
    let settings = evaluate(reading(false, ItemEmbedding::None), SCORE, None);
    let job = desk.job("full", settings, &["prepared", "candidates", "llm"]);
    // Progress is reported between the language model's steps. So this is as if one of them had
    // found the device full.
    let failure = run(&job, &mut |event| {
        if matches!(event, Event::Progress(_)) {
            panic!("CUDA out of memory. Tried to allocate 2 GiB\\nand more")
        }
    });
    let failure = failure.unwrap_err().failure();
    assert_eq!(
        failure.error,
        "memory ran out with up to 16384 prompt tokens of 64 users computed together: \
         CUDA out of memory. Tried to allocate 2 GiB"
    );
    assert!(failure.hint.unwrap().contains("`run.answer_token_budget`"));
}
