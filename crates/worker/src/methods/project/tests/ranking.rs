use allround_core::config::llm::Prompt;
use allround_core::models::llm_method::{Drawn, RankingLoss, TrainingCandidates};

use super::*;
use crate::methods::prompted_lm::PromptedLm;
use crate::methods::tests::{loaded, needs, prompt};

fn ranked() -> Project {
    Project {
        ranking_loss: Some(RankingLoss {
            negatives: 3,
            temperature: 0.5,
        }),
        candidates: TrainingCandidates {
            drawn: Drawn::Once,
            ..training_candidates()
        },
        ..settings(Targets::All)
    }
}

/// Runs `work` with stage 2, whose prompts have no list of candidates.
fn without_list(settings: &Project, work: impl FnOnce(&ProjectTask<'_>)) {
    let (prepared, backbone) = (data(), backbone());
    let vectors = Vectors {
        user: true,
        item: true,
    };
    let prompt = Prompt {
        list: false,
        ..prompt()
    };
    let prompted_lm = PromptedLm::new(loaded(false), &prepared, &prompt, vectors, needs(1));
    let sequences = Sequences::of(&prepared, target_rule(settings.targets));
    let inputs = Inputs {
        prepared: &prepared,
        sequences: &sequences,
        backbone: backbone.as_ref(),
        prompted_lm: &prompted_lm,
    };
    let projections = projections(true, 1, ItemEmbedding::Joint);
    work(&ProjectTask::new(
        settings,
        inputs,
        projections,
        1,
        &mut |_| {},
    ));
}

#[test]
fn the_ranking_loss_is_the_cross_entropy_of_what_the_prompt_adds_to_each_title() {
    without_list(&ranked(), |task| {
        let step = drawn(task, 1).concat();
        let step: Vec<&ProjectExample> = step.iter().collect();
        assert!(step.iter().all(|example| example.negatives.len() == 3));
        let (prepared, prompted_lm) = (data(), task.inputs.prompted_lm);
        let states = task.states(&step);
        let users = task.projections.users(states.as_ref().unwrap());
        let encoder = &prompted_lm.encoder;
        let mut losses = Vec::new();
        for (number, example) in step.iter().enumerate() {
            let items = example.negatives.iter().map(|negative| negative.item);
            let items: Vec<u32> = std::iter::once(example.target.item(&prepared))
                .chain(items)
                .collect();
            let user = users
                .as_ref()
                .map(|users| users.narrow(0, number as i64, 1));
            let rows = prompted_lm.rows(&[&example.prompt.prompt[..]], user.as_ref(), &|items| {
                task.projections.items(items)
            });
            let plain = prompted_lm.plain_rows(&[encoder.without_history(&[])]);
            let gains: Vec<f64> = items
                .iter()
                .map(|&item| {
                    let title = [vec![encoder.answer(item)]];
                    let lm = prompted_lm.lm();
                    (lm.score(&rows, &title)[0][0] - lm.score(&plain, &title)[0][0]) / 0.5
                })
                .collect();
            let sum: f64 = gains.iter().map(|gain| gain.exp()).sum();
            losses.push(sum.ln() - gains[0]);
        }
        let mean = losses.iter().sum::<f64>() / losses.len() as f64;
        let loss = task.loss(&step, states.as_ref()).mean.double_value(&[]);
        assert!((loss - mean).abs() < 1e-4, "{loss} against {mean}");
    });
}

#[test]
fn a_ranking_loss_falls_in_training_and_a_budget_of_tokens_does_not_change_it() {
    let settings = ranked();
    let folder = tempfile::tempdir().unwrap();
    let plan = trainer::Plan {
        train: &settings.train,
        seed: 1,
        stage: STAGE,
        validation: None,
        checkpoint: checkpoints(folder.path(), 1000),
    };
    without_list(&settings, |task| {
        assert_cut_like_whole(task, 1);
        let mut losses = Vec::new();
        trainer::train(&plan, task, &mut trainer::no_validation, &mut |event| {
            if let allround_core::event::Event::Epoch(epoch) = event {
                losses.push(epoch.loss);
            }
        })
        .unwrap();
        assert!(losses[11] < losses[0] - 0.01, "{losses:?}");
    });
}
