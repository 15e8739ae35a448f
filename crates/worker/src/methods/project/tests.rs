use allround_core::models::llm_method::{OneItem, ProjectionStart, Targets};
use allround_core::models::train::Train;
use allround_core::text::Vectors;

use super::*;
use crate::methods::prompted_lm::Slot;
use crate::methods::sequences::TargetRule;
use crate::methods::tests::{backbone, data, prompted_lm, target_rule, training_candidates};
use crate::testing::{training, unvalidated};
use crate::train::checkpoint::checkpoints;
use crate::train::trainer;
use crate::train::trainer::tests::{assert_cut_like_whole, drawn};

mod llara;
mod nets;
mod ranking;

fn settings(targets: Targets) -> Project {
    Project {
        targets,
        one_item: OneItem::Skip,
        candidates: training_candidates(),
        max_samples: 0,
        validate: unvalidated(),
        ranking_loss: None,
        adapters: None,
        hidden_layers: 1,
        layer_norm: true,
        start: ProjectionStart::Xavier,
        backbone_dropout: false,
        train: training(12, 4),
    }
}

fn tables() -> Tables {
    tch::manual_seed(8);
    let table = || Tensor::randn([13, 5], (Kind::Float, Device::Cpu));
    Tables {
        joint: table(),
        text: table(),
    }
}

/// What the draws of `epoch` depend on in these tests.
fn epoch_seed(epoch: u32) -> EpochSeed {
    EpochSeed {
        seed: 1,
        stage: STAGE,
        epoch,
    }
}

#[test]
fn what_a_title_is_followed_by_is_what_the_ablation_says() {
    let (prepared, backbone) = (data(), backbone());
    let table = |item, tables| item_table(item, 0, tables, backbone.as_ref(), &prepared);
    let Tables { joint, text } = tables();
    assert_eq!(
        table(ItemEmbedding::Joint, Some(tables())),
        Some(joint.shallow_clone())
    );
    assert_eq!(
        table(ItemEmbedding::Text, Some(tables())),
        Some(text.shallow_clone())
    );
    // Of the data's items, 2 and 6 occur twice in the training part, all others once or never.
    let joint_item = ItemEmbedding::Joint;
    let mixed = item_table(joint_item, 2, Some(tables()), backbone.as_ref(), &prepared).unwrap();
    for item in 0..13 {
        let row = match item {
            0 | 2 | 6 => joint.get(item),
            _ => text.get(item),
        };
        assert_eq!(mixed.get(item), row, "item {item}");
    }
    assert_eq!(table(ItemEmbedding::None, Some(tables())), None);
    // MLP-LLM: no stage 1, the CF model's own rows.
    let own = table(ItemEmbedding::Joint, None).unwrap();
    assert_eq!(own.size(), [13, backbone.width()]);
    assert_eq!(own.get(3), backbone.item_table().get(3));
    for (item, trained) in [
        (ItemEmbedding::Random, false),
        (ItemEmbedding::RandomTrained, true),
    ] {
        let random = projections(false, 1, item);
        let is_it = |(name, _): &(String, Tensor)| name == "random";
        assert_eq!(random.weights().iter().any(is_it), trained);
        let saved: Vec<_> = random.saved().into_iter().filter(is_it).collect();
        assert_eq!(saved.len(), 1);
        let saved = &saved[0].1;
        assert_eq!(
            (saved.size(), saved.requires_grad()),
            (vec![13, 5], trained)
        );
        assert_ne!(*saved, joint);
    }
}

/// Fresh projections of seed 9 into a language model of width 16.
fn projections(user: bool, hidden_layers: usize, item: ItemEmbedding) -> Projections {
    let table = tables().joint;
    tch::manual_seed(9);
    let shape = Shape {
        states: 8,
        user,
        lm: 16,
        hidden_layers,
        layer_norm: true,
    };
    Projections::new(shape, Some(table), item, Device::Cpu)
}

#[test]
fn a_user_with_one_item_is_asked_without_a_history_for_it_or_for_no_title() {
    let (prepared, backbone) = (data(), backbone());
    let prompted_lm = prompted_lm(Vectors {
        user: true,
        item: true,
    });
    let prompt_text = |one_item, dropout| {
        let settings = Project {
            one_item,
            backbone_dropout: dropout,
            ..settings(Targets::Last)
        };
        let target_rule = TargetRule {
            one_item,
            ..target_rule(Targets::Last)
        };
        let sequences = Sequences::of(&prepared, target_rule);
        let inputs = Inputs {
            prepared: &prepared,
            sequences: &sequences,
            backbone: backbone.as_ref(),
            prompted_lm: &prompted_lm,
        };
        let projections = projections(true, 1, ItemEmbedding::Joint);
        let task = ProjectTask::new(&settings, inputs, projections, 1, &mut |_| {});
        let example = drawn(&task, 1).concat();
        let example: Vec<&ProjectExample> = example.iter().collect();
        let short = example
            .iter()
            .find(|example| example.target.user == 2)
            .unwrap();
        assert_eq!(short.target.history(&prepared), [0u32; 0]);
        let target = short.target.item(&prepared);
        for step in [&example[..], std::slice::from_ref(short)] {
            let states = task.states(step);
            let loss = task.loss(step, states.as_ref()).mean.double_value(&[]);
            assert!(loss.is_finite() && loss > 0.0, "{loss}");
        }
        prompted_lm
            .loaded
            .tokenizer
            .decode(&prompted_lm.encoder.answer(target))
    };
    let own = prompted_lm
        .loaded
        .tokenizer
        .decode(&prompted_lm.encoder.answer(10));
    for dropout in [false, true] {
        assert_eq!(prompt_text(OneItem::EmptyHistory, dropout), own);
        assert!(prompt_text(OneItem::Padding, dropout).contains("\"No Title\""));
    }
}

/// Trains projections of `item` for the epochs of [`settings`]: the weights before and after by
/// name, the losses.
fn trained(item: ItemEmbedding) -> [Vec<(String, Tensor)>; 2] {
    let (prepared, backbone) = (data(), backbone());
    let prompted_lm = prompted_lm(Vectors {
        user: true,
        item: true,
    });
    let settings = settings(Targets::All);
    let sequences = Sequences::of(&prepared, target_rule(settings.targets));
    let inputs = Inputs {
        prepared: &prepared,
        sequences: &sequences,
        backbone: backbone.as_ref(),
        prompted_lm: &prompted_lm,
    };
    let projections = projections(true, 1, item);
    let task = ProjectTask::new(&settings, inputs, projections, 1, &mut |_| {});
    let copy = |named: Vec<(String, Tensor)>| -> Vec<(String, Tensor)> {
        let copied = named
            .into_iter()
            .map(|(name, weight)| (name, weight.detach().copy()));
        copied.collect()
    };
    let frozen = copy(prompted_lm.lm().weights());
    let begun = copy(task.projections.saved());
    let folder = tempfile::tempdir().unwrap();
    let plan = trainer::Plan {
        train: &settings.train,
        seed: 1,
        stage: STAGE,
        validation: None,
        checkpoint: checkpoints(folder.path(), 1000),
    };
    let mut losses = Vec::new();
    let phase = trainer::train(&plan, &task, &mut trainer::no_validation, &mut |event| {
        if let allround_core::event::Event::Epoch(epoch) = event {
            losses.push(epoch.loss);
        }
    });
    let phase = &phase.unwrap()[0];
    // A language model of random weights follows a vector only a little.
    assert!(losses[11] < losses[0] - 0.01, "{losses:?}");
    assert_eq!(frozen, copy(prompted_lm.lm().weights()));
    let weights = task.weights();
    let trained = crate::models::weights::count(&weights);
    assert_eq!(phase.trained_params, Some(trained));
    assert!(phase.params > phase.trained_params);
    [begun, copy(task.projections.saved())]
}

#[test]
fn training_moves_the_projections_alone_and_the_loss_falls() {
    let [begun, ended] = trained(ItemEmbedding::Joint);
    assert!(begun.iter().zip(&ended).all(|(one, other)| one != other));
}

#[test]
fn a_random_table_moves_only_where_it_is_trained() {
    for (item, moves) in [
        (ItemEmbedding::Random, false),
        (ItemEmbedding::RandomTrained, true),
    ] {
        let [begun, ended] = trained(item).map(|named| {
            let table = named.into_iter().find(|(name, _)| name == "random");
            table.unwrap().1
        });
        assert_eq!(begun != ended, moves, "{item:?}");
        // No prompt has padding.
        assert_eq!(begun.get(0), ended.get(0));
    }
}

/// Runs `work` with stage 2 over the tests' data; the frozen CF model has dropout.
fn with_dropout(settings: &Project, work: impl FnOnce(&ProjectTask<'_>)) {
    let (prepared, backbone) = (data(), backbone());
    let prompted_lm = prompted_lm(Vectors {
        user: true,
        item: true,
    });
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
fn a_budget_of_tokens_changes_neither_loss_nor_gradients() {
    let budgeted = |token_budget| Project {
        backbone_dropout: true,
        train: Train {
            epochs: 2,
            token_budget,
            ..settings(Targets::All).train
        },
        ..settings(Targets::All)
    };
    let losses = |token_budget| {
        let settings = budgeted(token_budget);
        let folder = tempfile::tempdir().unwrap();
        let plan = trainer::Plan {
            train: &settings.train,
            seed: 1,
            stage: STAGE,
            validation: None,
            checkpoint: checkpoints(folder.path(), 1000),
        };
        let mut losses = Vec::new();
        with_dropout(&settings, |task| {
            trainer::train(&plan, task, &mut trainer::no_validation, &mut |event| {
                if let allround_core::event::Event::Epoch(epoch) = event {
                    losses.push(epoch.loss);
                }
            })
            .unwrap();
        });
        losses
    };
    let mut longest = 0;
    with_dropout(&budgeted(0), |task| {
        let step = drawn(task, 1).remove(0);
        longest = step
            .iter()
            .map(|example| task.length(example))
            .max()
            .unwrap();
        for budget in [1, longest, 2 * longest] {
            assert_cut_like_whole(task, budget);
        }
    });
    let whole = losses(0);
    for (one, other) in whole.iter().zip(losses(2 * longest)) {
        assert!((one - other).abs() < 1e-5, "{one} against {other}");
    }
    assert_eq!(whole, losses(1 << 20), "a budget that holds every step");
}

#[test]
fn training_ends_within_an_epoch_after_the_samples_that_it_may_see() {
    let run = |max_samples| {
        let settings = Project {
            max_samples,
            ..settings(Targets::All)
        };
        let folder = tempfile::tempdir().unwrap();
        let plan = trainer::Plan {
            train: &settings.train,
            seed: 1,
            stage: STAGE,
            validation: None,
            checkpoint: checkpoints(folder.path(), 1000),
        };
        let mut examples = Vec::new();
        with_dropout(&settings, |task| {
            let whole = 12 * 5;
            let is_limited = (1..whole).contains(&max_samples);
            assert_eq!(task.source().in_all(12).is_some(), is_limited);
            let phases = trainer::train(&plan, task, &mut trainer::no_validation, &mut |event| {
                if let allround_core::event::Event::Epoch(epoch) = event {
                    examples.push(epoch.examples);
                }
            });
            assert_eq!(phases.unwrap()[0].examples, Some(examples.iter().sum()));
        });
        examples
    };
    assert_eq!(run(8), [5, 3]);
    assert_eq!(run(10), [5, 5]);
    assert_eq!(run(60), [5; 12]);
}

#[test]
fn a_target_is_asked_for_as_it_was_drawn() {
    with_dropout(&settings(Targets::All), |task| {
        let prepared = data();
        let pool = Pool::of(&prepared);
        let sequences = Sequences::of(&prepared, target_rule(Targets::All));
        let examples = RankingExamples {
            prepared: &prepared,
            sequences: &sequences,
            pool,
            batch_size: 4,
            candidates: 4,
            rule: task.settings.candidates,
        };
        let drawn_examples = examples.steps(epoch_seed(2)).unwrap();
        let prompted_lm = task.inputs.prompted_lm;
        for (expected, example) in drawn_examples.concat().iter().zip(drawn(task, 2).concat()) {
            let answer = prompted_lm.encoder.answer(expected.target.item(&prepared));
            let history = expected.target.history(&prepared);
            let prompt = prompted_lm
                .encoder
                .prompt(history, &expected.candidates, answer.len());
            let prompt = EncodedPrompt {
                prompt: prompt.unwrap(),
                answer,
            };
            let target = expected.target;
            let negatives = Vec::new();
            assert_eq!(
                example,
                ProjectExample {
                    target,
                    prompt,
                    negatives
                }
            );
        }
    });
}

#[test]
fn a_prompt_without_vectors_reads_the_same_titles() {
    let plain = prompted_lm(Vectors {
        user: false,
        item: false,
    });
    let with_items = prompted_lm(Vectors {
        user: false,
        item: true,
    });
    let count = |prompted_lm: &PromptedLm| prompted_lm.encoder.prompt(&[1], &[2, 3], 4).unwrap();
    let vectors = count(&with_items)
        .iter()
        .filter(|slot| matches!(slot, Slot::Item(_)))
        .count();
    assert_eq!(vectors, 3);
    assert!(
        count(&plain)
            .iter()
            .all(|slot| matches!(slot, Slot::Token(_)))
    );
}
