use std::path::Path;

use allround::analysis::stats::auc;
use allround_core::config::llm::Llm;
use allround_core::data::{CandidateLists, Part};
use allround_core::event::Event;
use allround_core::models::llm_method::{
    Drawn, Inference, ItemEmbedding, Lora, OneItem, ScoreBy, Targets,
};
use allround_core::models::{Tune, TuneForm};
use allround_core::stage::PromptedLlm;
use allround_core::text::{Titles, Vectors};
use tch::{Device, Kind};

use super::*;
use crate::lm::{Holding, Lm, LmConfig};
use crate::methods::prompted_lm::LoadedLm;
use crate::methods::rank::{LlmRanker, RankedUsers, Reading, letter_logits};
use crate::methods::tests::{data, loaded, needs, prompt, small, target_rule, training_candidates};
use crate::testing::{training, unvalidated};
use crate::train::checkpoint::checkpoints;
use crate::train::trainer::tests::{assert_cut_like_whole, drawn};

fn settings(form: TuneForm, train_on_inputs: bool) -> TrainTune {
    TrainTune {
        ranking: None,
        llm: PromptedLlm {
            llm: Llm::Small(small()),
            prompt: prompt(),
            user: false,
            item: ItemEmbedding::None,
            text_below: 0,
        },
        tune: Tune {
            form,
            lora: Lora {
                rank: 2,
                alpha: 4.0,
                dropout: 0.0,
                targets: vec!["q_proj".to_owned()],
            },
            train_on_inputs,
            targets: Targets::Last,
            one_item: OneItem::Skip,
            candidates: training_candidates(),
            max_samples: 0,
            validate: unvalidated(),
            train: training(1, 3),
        },
        seed: 1,
    }
}

/// The tests' language model with fresh adapters of a rank at these projections.
fn adapted(rank: usize, targets: &[&str]) -> PromptedLm {
    let mut loaded = loaded(false);
    // A prompt for yes or no takes more words than the tests' model has positions. The frozen
    // embedding is its head, and with small weights no adapter makes a token likely.
    let config = LmConfig {
        positions: 512,
        init_std: 0.5,
        ..loaded.lm.config().clone()
    };
    loaded.lm = Lm::random(config, Holding::frozen(Kind::Float, Device::Cpu));
    let vectors = Vectors {
        user: false,
        item: false,
    };
    let mut prompted_lm = PromptedLm::new(loaded, &data(), &prompt(), vectors, needs(4));
    let lora = Lora {
        rank,
        alpha: 2.0 * rank as f64,
        dropout: 0.0,
        targets: targets.iter().map(|&name| name.to_owned()).collect(),
    };
    prompted_lm.loaded.lm.add_lora(&lora).unwrap();
    prompted_lm
}

/// It with adapters whose halves are both away from zero.
fn away_from_zero() -> PromptedLm {
    let prompted_lm = adapted(2, &["q_proj"]);
    tch::no_grad(|| {
        for (_, mut weight) in prompted_lm.lm().trained() {
            let _ = weight.fill_(0.1);
        }
    });
    prompted_lm
}

#[test]
fn a_budget_of_tokens_changes_neither_loss_nor_gradients_in_any_form() {
    let (prepared, prompted_lm) = (data(), away_from_zero());
    let sequences = Sequences::of(&prepared, target_rule(Targets::Last));
    for form in [TuneForm::Title, TuneForm::YesNo, TuneForm::Letter] {
        for train_on_inputs in [false, true] {
            let settings = settings(form, train_on_inputs);
            let task = TuneTask::new(&settings, &prepared, &sequences, &prompted_lm);
            let step = drawn(&task, 1).remove(0);
            let longest = step
                .iter()
                .map(|encoded| task.length(encoded))
                .max()
                .unwrap();
            assert_cut_like_whole(&task, 2 * longest);
        }
    }
}

#[test]
fn an_example_weighs_the_tokens_that_its_loss_counts() {
    let (prepared, prompted_lm) = (data(), away_from_zero());
    let sequences = Sequences::of(&prepared, target_rule(Targets::Last));
    for train_on_inputs in [false, true] {
        let settings = settings(TuneForm::Title, train_on_inputs);
        let task = TuneTask::new(&settings, &prepared, &sequences, &prompted_lm);
        for encoded in drawn(&task, 1).concat() {
            let (prompts, answers) = ([&encoded.prompt], [&encoded.answer]);
            let rows = prompted_lm.rows(&prompts, None, &|_| unreachable!("no vectors"));
            let (_, counted) = prompted_lm.loss(&prompts, &answers, rows, train_on_inputs);
            assert_eq!(task.weight(&encoded), counted);
        }
    }
}

/// Prompts and answers of an epoch, as text.
fn texts(form: TuneForm) -> Vec<(String, String)> {
    let (prepared, prompted_lm) = (data(), away_from_zero());
    let sequences = Sequences::of(&prepared, target_rule(Targets::Last));
    let settings = settings(form, false);
    let task = TuneTask::new(&settings, &prepared, &sequences, &prompted_lm);
    let text = |tokens: &[u32]| prompted_lm.loaded.tokenizer.decode(tokens);
    let token = |slot: &Slot| match slot {
        Slot::Token(token) => *token,
        _ => unreachable!("prompts of TALLRec have no vectors"),
    };
    let texts = drawn(&task, 1).concat().into_iter().map(|encoded| {
        let prompt: Vec<u32> = encoded.prompt.iter().map(token).collect();
        // The end of text is not part of the answer's text.
        let (end, answer) = encoded.answer.split_last().unwrap();
        assert_eq!([*end], prompted_lm.loaded.ends[..]);
        (text(&prompt), text(answer))
    });
    texts.collect()
}

/// The last items of training of users with two or more, and the histories before them, as titles
/// in quotes.
fn lasts() -> Vec<(String, Vec<String>)> {
    let titles = Titles::new(&data().items);
    let quoted = |item: &u32| format!("\"{}\"", titles.of(*item));
    let lasts: [&[u32]; 3] = [&[1, 2], &[5, 6, 7], &[2, 4, 6]];
    let lasts = lasts.map(|items| items.iter().map(quoted).collect::<Vec<_>>());
    let split = lasts.into_iter().map(|mut items| {
        let last = items.pop().unwrap();
        (last, items)
    });
    split.collect()
}

#[test]
fn the_form_with_titles_asks_for_the_target_out_of_a_list_that_holds_it() {
    let examples = texts(TuneForm::Title);
    assert_eq!(examples.len(), 3);
    for (target, history) in lasts() {
        let (prompt, _) = examples
            .iter()
            .find(|(_, answer)| *answer == target)
            .unwrap();
        let (before, list) = prompt.split_once(" in the previous.").unwrap();
        assert!(
            history.iter().all(|title| before.contains(title)),
            "{before}"
        );
        assert!(
            !before.contains(&target) && list.contains(&target),
            "{prompt}"
        );
    }
}

#[test]
fn the_form_with_yes_and_no_says_yes_to_the_target_and_no_to_an_unknown_item() {
    let examples = texts(TuneForm::YesNo);
    assert_eq!(examples.len(), 6);
    let item = |prompt: &str| {
        let (_, question) = prompt.split_once("like the target item \"").unwrap();
        format!("\"{}\"", question.split_once('"').unwrap().0)
    };
    for (target, history) in lasts() {
        let list = format!("User Preference: {}\n", history.join(", "));
        let about: Vec<_> = examples
            .iter()
            .filter(|(prompt, _)| prompt.contains(&list))
            .map(|(prompt, answer)| (item(prompt), answer.as_str()))
            .collect();
        assert_eq!(about.len(), 2, "{examples:?}");
        assert_eq!(about[0], (target.clone(), "Yes."));
        assert_eq!(about[1].1, "No.");
        assert!(about[1].0 != target && !history.contains(&about[1].0));
    }
}

#[test]
fn a_limit_counts_prompts_and_not_targets() {
    let (prepared, prompted_lm) = (data(), away_from_zero());
    let sequences = Sequences::of(&prepared, target_rule(Targets::Last));
    for (form, lengths) in [
        (TuneForm::Title, [3, 1]),
        (TuneForm::Letter, [3, 1]),
        (TuneForm::YesNo, [4, 0]),
    ] {
        let mut settings = settings(form, false);
        settings.tune.max_samples = 4;
        let task = TuneTask::new(&settings, &prepared, &sequences, &prompted_lm);
        let drawn = [1, 2].map(|epoch| drawn(&task, epoch).concat().len());
        assert_eq!(drawn, lengths, "{form:?}");
    }
}

/// Tunes adapters on the last items of training, and ranks these among all items that their users
/// do not know.
fn learned(form: TuneForm, epochs: u32) -> RankedUsers {
    let prepared = data();
    let prompted_lm = adapted(8, &["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]);
    let sequences = Sequences::of(&prepared, target_rule(Targets::Last));
    let mut settings = settings(form, false);
    settings.tune.train.epochs = epochs;
    // A letter says nothing of the item, so random weights can only learn it for a fixed list.
    if form == TuneForm::Letter {
        settings.tune.candidates.drawn = Drawn::Once;
    }
    let task = TuneTask::new(&settings, &prepared, &sequences, &prompted_lm);
    let adapters: Vec<String> = task.weights().into_iter().map(|(name, _)| name).collect();
    let frozen = || {
        let weights = prompted_lm.lm().weights().into_iter();
        let own = weights.filter(|(name, _)| !adapters.contains(name));
        own.map(|(name, weight)| (name, weight.detach().copy()))
            .collect::<Vec<_>>()
    };
    let begun = frozen();
    assert!(!begun.is_empty());
    let folder = tempfile::tempdir().unwrap();
    let plan = trainer::Plan {
        train: &settings.tune.train,
        seed: 1,
        stage: STAGE,
        validation: None,
        checkpoint: checkpoints(folder.path(), 1000),
    };
    let mut losses = Vec::new();
    let phase = trainer::train(&plan, &task, &mut trainer::no_validation, &mut |event| {
        if let Event::Epoch(epoch) = event {
            losses.push(epoch.loss);
        }
    });
    assert!(phase.unwrap()[0].trained_params < Some(task.params()));
    assert!(losses[losses.len() - 1] < losses[0] / 2.0, "{losses:?}");
    assert_eq!(begun, frozen());
    ranked(form, &prompted_lm)
}

/// Ranks the last items of training of users with two or more among all items that these do not
/// know.
fn ranked(form: TuneForm, prompted_lm: &PromptedLm) -> RankedUsers {
    // One item less of training, so that its last is the target of validation.
    let mut prepared = data();
    prepared.train_end.iter_mut().for_each(|end| *end -= 1);
    let users = vec![0, 1, 3];
    let target = |user: &u32| data().train_of(*user as usize).last().copied().unwrap();
    let unknown = |user: &u32| {
        let known = data().train_of(*user as usize).to_vec();
        (1..=12).filter(move |item| !known.contains(item)).take(3)
    };
    let targets = users.iter().map(target).collect();
    let negatives = users.iter().flat_map(unknown).collect();
    let lists = CandidateLists::listed(Part::Valid, users, targets, 3, negatives);
    let ranker = LlmRanker {
        keep_scores: false,
        prepared: &prepared,
        prompted_lm,
        encoder: &prompted_lm.encoder,
        projected: None,
        reading: match form {
            TuneForm::Title => Reading::Titles(&Inference::Score {
                by: ScoreBy::Sum,
                orders: 1,
            }),
            TuneForm::YesNo => Reading::YesNo,
            TuneForm::Letter => Reading::Letters,
        },
        seed: 1,
        token_budget: 4096,
    };
    let answers = ranker.answer(&lists, ranker.nothing(&lists), &mut |_| Ok(()));
    answers.unwrap()
}

#[test]
fn yes_is_likelier_for_what_was_answered_yes_in_training() {
    let answers = learned(TuneForm::YesNo, 80);
    let likes = answers.likes.unwrap();
    assert_eq!((likes.target.len(), likes.others.len()), (3, 9));
    let auc = auc(&likes.target, &likes.others).unwrap();
    assert!(auc > 0.8, "{auc}");
    // The score that is kept for a target is the one that ranks it.
    for (place, &rank) in answers.ranks.ranks.iter().enumerate() {
        let target = likes.target[place];
        let above = likes.others_of(place).iter().filter(|&&one| one > target);
        assert_eq!(rank, 1.0 + above.count() as f64);
    }
}

#[test]
fn the_titles_that_were_asked_for_in_training_become_the_likeliest() {
    let answers = learned(TuneForm::Title, 80);
    assert!(answers.likes.is_none());
    let ranks = &answers.ranks.ranks;
    assert!(ranks.iter().sum::<f64>() < 6.0, "{ranks:?}");
}

#[test]
fn letters_of_fixed_lists_are_learned_and_rank_without_likes() {
    let answers = learned(TuneForm::Letter, 80);
    assert!(answers.likes.is_none());
    assert_eq!(answers.ranks.ranks.len(), 3);
}

#[test]
fn an_answer_is_the_letter_of_the_target_in_its_list() {
    let (prepared, prompted_lm) = (data(), away_from_zero());
    let sequences = Sequences::of(&prepared, target_rule(Targets::Last));
    let settings = settings(TuneForm::Letter, false);
    let task = TuneTask::new(&settings, &prepared, &sequences, &prompted_lm);
    let examples = task.examples.drawn(1).unwrap().concat();
    assert_eq!(examples.len(), 3);
    for example in examples {
        let TuneExample::Letter(RankingExample { target, candidates }) = &example else {
            panic!("{example:?}");
        };
        let encoded = task.examples.encoded(&example).unwrap();
        let tokens = encoded.prompt.iter().map(|slot| match slot {
            Slot::Token(token) => *token,
            Slot::User | Slot::Item(_) => panic!("a vector"),
        });
        let tokens: Vec<u32> = tokens.collect();
        let text = prompted_lm.loaded.tokenizer.decode(&tokens);
        let letter = prompted_lm.loaded.tokenizer.decode(&encoded.answer);
        let title = prompted_lm.encoder.titles().of(target.item(&prepared));
        assert!(text.contains(&format!("({letter}) {title}")), "{text}");
        assert!(text.contains("User history: (1) "), "{text}");
        assert!(text.ends_with("\n\n### Response:\n"), "{text}");
        assert_eq!(candidates.len(), 4);
        assert_eq!(task.weight(&encoded), 1);
    }
}

#[test]
fn more_candidates_than_letters_are_refused() {
    let prompted_lm = away_from_zero();
    let letters = prompted_lm.encoder.letters(26).unwrap();
    assert_eq!(letters.len(), 26);
    let error = prompted_lm.encoder.letters(27).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a list of 27 candidates has no letters for all: there are 26"
    );
    assert!(error.hint().is_some());
}

#[test]
fn logits_of_letters_loss_and_gradients_are_those_of_transformers_and_peft() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let (tensors, notes) = weights::read(&fixtures.join("llm/llama.safetensors")).unwrap();
    let config = serde_json::from_str(&notes["config"]).unwrap();
    let config = LmConfig::read(Path::new("config.json"), &config).unwrap();
    let holding = Holding::frozen(Kind::Float, Device::Cpu);
    let lm = Lm::from_weights(config, &tensors, holding).unwrap();
    let known = weights::read_tensors(&fixtures.join("letters.safetensors")).unwrap();
    let loaded = LoadedLm {
        lm,
        ..loaded(false)
    };
    let vectors = Vectors {
        user: false,
        item: false,
    };
    let mut prompted_lm = PromptedLm::new(loaded, &data(), &prompt(), vectors, needs(4));
    let lora = Lora {
        rank: 2,
        alpha: 5.0,
        dropout: 0.0,
        targets: vec!["q_proj".to_owned(), "v_proj".to_owned()],
    };
    prompted_lm.loaded.lm.add_lora(&lora).unwrap();
    let adapters = prompted_lm.lm().trained();
    tch::no_grad(|| {
        for (name, mut weight) in prompted_lm.lm().trained() {
            weight.copy_(&known[&format!("adapter.{name}")]);
        }
    });
    let numbers = |name: &str| -> Vec<u32> {
        let numbers = Vec::<i64>::try_from(&known[name]).unwrap().into_iter();
        numbers.map(|number| number as u32).collect()
    };
    let prompts = ["prompt.0", "prompt.1", "prompt.2"].map(|name| {
        let slots = numbers(name).into_iter().map(Slot::Token);
        slots.collect::<Vec<_>>()
    });
    let rows = || prompted_lm.rows(&prompts, None, &|_| unreachable!("no vectors"));
    let letters = numbers("letters");
    let answers = numbers("answers").into_iter();
    let answers: Vec<[u32; 1]> = answers.map(|place| [letters[place as usize]]).collect();
    let far = |found: &Tensor, name: &str| (found - &known[name]).abs().max().double_value(&[]);
    let logits = letter_logits(prompted_lm.lm(), &prompts, &rows(), &letters);
    assert!(far(&logits, "logits") < 1e-5);
    let (loss, counted) = prompted_lm.loss(&prompts, &answers, rows(), false);
    assert_eq!(counted, 3);
    assert!(far(&loss, "loss") < 1e-5);
    loss.backward();
    assert!(!adapters.is_empty());
    for (name, weight) in adapters {
        assert!(
            far(&weight.grad(), &format!("gradient.{name}")) < 1e-5,
            "{name}"
        );
    }
}
