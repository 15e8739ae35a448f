//! Evaluations by a language model that continue where a killed one stopped.

use super::*;
use allround_core::data::Scores;
use allround_core::data::scores::Scored;

use crate::methods::rank::{RankedUsers, checkpoint};
use crate::torch_ext::timer::Elapsed;

/// Limits the tokens of a pass of a language model.
fn limit(settings: &mut Evaluate, token_budget: usize) {
    match &mut settings.ranking {
        Ranking::Llm(ranking) => ranking.token_budget = token_budget,
        other => panic!("{other:?}"),
    }
}

/// What a whole evaluation left, as its first two users, whose ranks are made up so that they are
/// known again.
fn half(desk: &Desk, name: &str) -> RankedUsers {
    let lists = CandidateLists::load(&desk.folder("candidates"), Part::Test).unwrap();
    let answers = Answers::load(&desk.folder(name), Part::Test).unwrap();
    let likes = Likes::load(&desk.folder(name), Part::Test).unwrap();
    let mut done = RankedUsers {
        ranks: Ranks {
            part: Part::Test,
            users: lists.users.clone(),
            targets: lists.targets.clone(),
            ranks: vec![2.5, 5.5],
        },
        generated: answers.map(|answers| answers.rows).unwrap_or_default(),
        likes,
        scores: None,
        tokens: 1000,
    };
    done.generated.truncate(2);
    if let Some(likes) = &mut done.likes {
        likes.target.truncate(2);
        likes.others.truncate(2 * lists.n.unwrap());
    }
    done
}

#[test]
fn an_evaluation_goes_on_behind_the_users_that_are_done() {
    let desk = Desk::new();
    desk.save_lm();
    let generate = Inference::Generate {
        max_new_tokens: 8,
        repetition_penalty: 1.0,
        penalise_eos: false,
        stop_at_quote: true,
        accept: Accept::Exact,
    };
    let needs = ["prepared", "candidates", "llm"];
    for (name, inference) in [("score", SCORE), ("generate", generate)] {
        let settings = || {
            let read = reading(false, ItemEmbedding::None);
            evaluate(read, inference.clone(), None)
        };
        let whole = tokens_of(&desk.run(name, settings(), &needs));
        let again = format!("{name}-again");
        let job = desk.job(&again, settings(), &needs);
        let elapsed = Elapsed {
            wall_s: 50.0,
            device_s: 40.0,
            energy_j: None,
            flops: 9,
        };
        checkpoint::save(&job.checkpoint, &half(&desk, name), 7, elapsed).unwrap();
        let mut events = Vec::new();
        run(&job, &mut |event| events.push(event)).unwrap();

        let (known, ranks) = (desk.ranks(name), desk.ranks(&again));
        assert_eq!(ranks[..2], [2.5, 5.5], "{name}: those of the file");
        assert_eq!(ranks[2..], known[2..], "{name}: computed anew");
        let generated = |name: &str| Answers::load(&desk.folder(name), Part::Test).unwrap();
        assert_eq!(generated(name), generated(&again), "{name}");
        let phase = events.iter().find_map(|event| match event {
            Event::Phase(phase) if phase.phase == "evaluate" => Some(phase),
            _ => None,
        });
        let phase = phase.unwrap();
        assert!(phase.wall_s > 50.0 && phase.device_s > Some(40.0), "{name}");
        assert_eq!(phase.examples, Some(4));
        let shortened = events.iter().find_map(|event| match event {
            Event::Counted(counted) if counted.what.contains("shortened") => Some(counted.count),
            _ => None,
        });
        assert_eq!(
            shortened,
            Some(7),
            "{name}: what the killed one had counted"
        );
        let tokens = phase.tokens.unwrap();
        assert!(tokens > 1000 && tokens < 1000 + whole, "{name}: {tokens}");
    }
}

#[test]
fn what_is_kept_is_read_back_to_the_last_bit_and_a_damaged_file_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::new();
    let lists = CandidateLists::load(&desk.folder("candidates"), Part::Test).unwrap();
    let third = 1.0 / 3.0;
    let mut scores = Scores::nothing(Part::Test);
    for (&user, &target) in lists.users.iter().zip(&lists.targets).take(2) {
        let scored = |item| Scored {
            item,
            score: -third / f64::from(item),
        };
        scores.push(user, target, vec![scored(target), scored(12)], None);
    }
    let done = RankedUsers {
        ranks: Ranks {
            part: Part::Test,
            users: lists.users.clone(),
            targets: lists.targets.clone(),
            ranks: vec![1.0, 4.5],
        },
        generated: vec![],
        scores: Some(scores),
        likes: Some(Likes {
            part: Part::Test,
            users: lists.users.clone(),
            target: vec![third, -third],
            others: vec![third * third; 10],
        }),
        tokens: 7,
    };
    assert!(checkpoint::load(folder.path(), &lists).is_none());
    checkpoint::save(folder.path(), &done, 3, Elapsed::default()).unwrap();
    assert_eq!(
        checkpoint::load(folder.path(), &lists),
        Some((done, 3, Elapsed::default()))
    );
    let file = folder.path().join("answers.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 3]).unwrap();
    assert!(checkpoint::load(folder.path(), &lists).is_none());
}

#[test]
fn questions_of_yes_or_no_heed_the_token_budget_and_are_kept_user_by_user() {
    let desk = Desk::new();
    desk.save_lm();
    let lora = Lora {
        rank: 2,
        alpha: 4.0,
        dropout: 0.0,
        targets: vec!["q_proj".to_owned()],
    };
    let tune = Tune {
        form: TuneForm::YesNo,
        lora,
        train_on_inputs: false,
        targets: Targets::Last,
        one_item: OneItem::Skip,
        candidates: training_candidates(),
        max_samples: 0,
        validate: unvalidated(),
        train: training(1, 2),
    };
    let tuned = Settings::Tune(TrainTune {
        ranking: None,
        llm: reading(false, ItemEmbedding::None),
        tune: tune.clone(),
        seed: 1,
    });
    desk.run("tune", tuned, &["prepared", "llm"]);
    let needs = ["prepared", "candidates", "llm", "tune"];
    let likes = |name: &str, token_budget| {
        let read = reading(false, ItemEmbedding::None);
        let Settings::Evaluate(mut settings) = evaluate(read, None, Some(tune.clone())) else {
            unreachable!("evaluate gives its own settings")
        };
        limit(&mut settings, token_budget);
        let events = desk.run(name, Settings::Evaluate(settings), &needs);
        let is_progress = |event: &&Event| matches!(event, Event::Progress(_));
        assert_eq!(events.iter().filter(is_progress).count(), 4);
        Likes::load(&desk.folder(name), Part::Test)
            .unwrap()
            .unwrap()
    };
    let (together, alone) = (likes("whole", 16_384), likes("parts", 1));
    let close = |one: &[f64], other: &[f64]| {
        let pairs = one.iter().zip(other);
        pairs.clone().count() > 0 && pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-5)
    };
    assert!(close(&together.target, &alone.target));
    assert!(close(&together.others, &alone.others));
}

#[test]
fn a_smaller_token_budget_asks_fewer_users_together_and_ranks_alike() {
    let desk = Desk::new();
    desk.save_lm();
    let needs = ["prepared", "candidates", "llm"];
    let passes = |name: &str, token_budget| {
        let Settings::Evaluate(mut settings) =
            evaluate(reading(false, ItemEmbedding::None), SCORE, None)
        else {
            unreachable!("evaluate gives its own settings")
        };
        limit(&mut settings, token_budget);
        let events = desk.run(name, Settings::Evaluate(settings), &needs);
        let is_progress = |event: &&Event| matches!(event, Event::Progress(_));
        events.iter().filter(is_progress).count()
    };
    assert_eq!(passes("together", 16_384), 1);
    assert_eq!(passes("alone", 1), 4);
    assert_eq!(desk.ranks("together"), desk.ranks("alone"));
}
