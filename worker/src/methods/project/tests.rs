use allround::spec::config::method::{Fit, OutOfMemory, Targets};
use allround::spec::config::train::Optimizer;
use allround::text::Vectors;

use super::*;
use crate::methods::reader::Slot;
use crate::methods::tests::{backbone, data, reader};
use crate::train::fit::tests::{alone, assert_cut_like_whole, drawn};

fn settings(targets: Targets) -> Project {
    Project {
        targets,
        backbone_dropout: false,
        train: Fit {
            epochs: 12,
            batch_size: 4,
            lr: 0.01,
            optimizer: Optimizer::Adam {
                betas: [0.9, 0.98],
                eps: 1e-8,
                weight_decay: 0.0,
            },
            clip_norm: 0.0,
            warmup: 0,
            token_budget: 0,
            out_of_memory: OutOfMemory::Fail,
        },
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

#[test]
fn what_a_title_is_followed_by_is_what_the_ablation_says() {
    let (prepared, backbone) = (data(), backbone());
    let table = |item, tables| item_table(item, tables, backbone.as_ref(), &prepared);
    let Tables { joint, text } = tables();
    assert_eq!(
        table(ItemEmbedding::Joint, Some(tables())),
        Some(joint.shallow_clone())
    );
    assert_eq!(table(ItemEmbedding::Text, Some(tables())), Some(text));
    assert_eq!(table(ItemEmbedding::None, Some(tables())), None);
    // MLP-LLM: no stage 1, the CF model's own rows.
    let own = table(ItemEmbedding::Joint, None).unwrap();
    assert_eq!(own.size(), [13, backbone.width()]);
    assert_eq!(own.get(3), backbone.item_table().get(3));
    let shape = Shape { user: None, lm: 16 };
    let random = table(ItemEmbedding::Random, Some(tables()));
    let random = Projections::new(shape, random, true, Device::Cpu);
    assert!(!random.weights().iter().any(|(name, _)| name == "random"));
    let saved = random.saved();
    let saved = &saved.iter().find(|(name, _)| name == "random").unwrap().1;
    assert_eq!(saved.size(), [13, 5]);
    assert_ne!(*saved, joint);
}

#[test]
fn projections_have_upstreams_names_and_no_user_where_none_is_told() {
    let names = |user| {
        let shape = Shape { user, lm: 16 };
        let projections = Projections::new(shape, Some(tables().joint), false, Device::Cpu);
        assert_eq!(
            projections
                .users(&Tensor::zeros([2, 8], (Kind::Float, Device::Cpu)))
                .is_some(),
            user.is_some()
        );
        projections
            .weights()
            .into_iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    let item = [
        "item_emb_proj.0.weight",
        "item_emb_proj.0.bias",
        "item_emb_proj.1.weight",
    ];
    assert_eq!(names(None)[..3], item);
    assert_eq!(names(None).len(), 6);
    assert_eq!(names(Some(8))[0], "log_emb_proj.0.weight");
    assert_eq!(names(Some(8)).len(), 12);
}

#[test]
fn candidates_hold_the_target_once_and_nothing_that_the_user_knows() {
    let prepared = data();
    let pool = Pool::of(&prepared);
    for (targets, count) in [(Targets::Last, 3), (Targets::All, 5)] {
        let sequences = Sequences::of(&prepared, targets);
        let draw =
            |epoch| questions(&prepared, (&sequences, &pool), (2, 4), (1, STAGE, epoch)).unwrap();
        let all = draw(1).concat();
        assert_eq!((draw(1).len(), all.len()), (2, count));
        for question in &all {
            let known = prepared.train_of(question.target.user as usize);
            let told = question
                .candidates
                .iter()
                .filter(|item| known.contains(item));
            assert_eq!(told.collect::<Vec<_>>(), [&question.target.item(&prepared)]);
            assert_eq!(question.candidates.len(), 4);
        }
        assert_eq!(draw(2), draw(2));
        assert_ne!(draw(1), draw(2));
    }
}

#[test]
fn training_moves_the_projections_alone_and_the_loss_falls() {
    let (prepared, backbone) = (data(), backbone());
    let reader = reader(Vectors {
        user: true,
        item: true,
    });
    let settings = settings(Targets::All);
    let sequences = Sequences::of(&prepared, settings.targets);
    let inputs = Inputs {
        prepared: &prepared,
        sequences: &sequences,
        backbone: backbone.as_ref(),
        reader: &reader,
    };
    let shape = Shape {
        user: Some(8),
        lm: 16,
    };
    let projections = Projections::new(shape, Some(tables().joint), false, Device::Cpu);
    let projecting = Projecting::new(&settings, inputs, projections, 1);
    let copy = |named: Vec<(String, Tensor)>| -> Vec<Tensor> {
        named
            .into_iter()
            .map(|(_, weight)| weight.detach().copy())
            .collect()
    };
    let frozen = copy(reader.lm().weights());
    let begun = copy(projecting.weights());
    let folder = tempfile::tempdir().unwrap();
    let plan = fit::FitPlan {
        fit: &settings.train,
        cosine: false,
        seed: 1,
        stage: STAGE,
        checkpoint: folder.path(),
        checkpoint_every: 1000,
    };
    let mut losses = Vec::new();
    let phase = fit::fit(&plan, &projecting, &mut |event| {
        if let allround::event::Event::Epoch(epoch) = event {
            losses.push(epoch.loss);
        }
    });
    let phase = phase.unwrap();
    // A language model of random weights follows a vector only a little.
    assert!(losses[11] < losses[0] - 0.01, "{losses:?}");
    assert_eq!(frozen, copy(reader.lm().weights()));
    assert!(
        begun
            .iter()
            .zip(copy(projecting.weights()))
            .all(|(one, other)| *one != other)
    );
    let trained: i64 = projecting
        .weights()
        .iter()
        .map(|(_, weight)| weight.numel() as i64)
        .sum();
    assert_eq!(phase.trained_params, Some(trained as u64));
    assert!(phase.params > phase.trained_params);
}

/// Runs `work` with stage 2 over the tests' data; the frozen CF model has dropout.
fn with_dropout(settings: &Project, work: impl FnOnce(&Projecting<'_>)) {
    let (prepared, backbone) = (data(), backbone());
    let reader = reader(Vectors {
        user: true,
        item: true,
    });
    let sequences = Sequences::of(&prepared, settings.targets);
    let inputs = Inputs {
        prepared: &prepared,
        sequences: &sequences,
        backbone: backbone.as_ref(),
        reader: &reader,
    };
    let shape = Shape {
        user: Some(8),
        lm: 16,
    };
    let projections = Projections::new(shape, Some(tables().joint), false, Device::Cpu);
    work(&Projecting::new(settings, inputs, projections, 1));
}

#[test]
fn a_budget_of_tokens_changes_neither_loss_nor_gradients() {
    alone("methods::project::tests::cut_alone");
}

#[test]
#[ignore = "runs in a process of its own, started by the test above"]
fn cut_alone() {
    let budgeted = |token_budget| Project {
        backbone_dropout: true,
        train: Fit {
            epochs: 2,
            token_budget,
            ..settings(Targets::All).train
        },
        ..settings(Targets::All)
    };
    let losses = |token_budget| {
        let settings = budgeted(token_budget);
        let folder = tempfile::tempdir().unwrap();
        let plan = fit::FitPlan {
            fit: &settings.train,
            cosine: false,
            seed: 1,
            stage: STAGE,
            checkpoint: folder.path(),
            checkpoint_every: 1000,
        };
        let mut losses = Vec::new();
        with_dropout(&settings, |projecting| {
            fit::fit(&plan, projecting, &mut |event| {
                if let allround::event::Event::Epoch(epoch) = event {
                    losses.push(epoch.loss);
                }
            })
            .unwrap();
        });
        losses
    };
    let mut longest = 0;
    with_dropout(&budgeted(0), |projecting| {
        let step = drawn(projecting, 1).remove(0);
        longest = step
            .iter()
            .map(|posed| projecting.length(posed))
            .max()
            .unwrap();
        for budget in [1, longest, 2 * longest] {
            assert_cut_like_whole(projecting, budget);
        }
    });
    let whole = losses(0);
    for (one, other) in whole.iter().zip(losses(2 * longest)) {
        assert!((one - other).abs() < 1e-5, "{one} against {other}");
    }
    assert_eq!(whole, losses(1 << 20), "a budget that holds every step");
}

#[test]
fn a_target_is_asked_for_as_it_was_drawn() {
    with_dropout(&settings(Targets::All), |projecting| {
        let prepared = data();
        let pool = Pool::of(&prepared);
        let sequences = Sequences::of(&prepared, Targets::All);
        let asked = questions(&prepared, (&sequences, &pool), (4, 4), (1, STAGE, 2)).unwrap();
        let reader = projecting.inputs.reader;
        for (question, posed) in asked.concat().iter().zip(drawn(projecting, 2).concat()) {
            let answer = reader.answer(question.target.item(&prepared));
            let history = question.target.history(&prepared);
            let prompt = reader.prompt(history, &question.candidates, answer.len());
            let told = Told {
                prompt: prompt.unwrap(),
                answer,
            };
            let target = question.target;
            assert_eq!(posed, Posed { target, told });
        }
    });
}

#[test]
fn a_prompt_without_vectors_reads_the_same_titles() {
    let plain = reader(Vectors {
        user: false,
        item: false,
    });
    let told = reader(Vectors {
        user: false,
        item: true,
    });
    let count = |reader: &Reader| reader.prompt(&[1], &[2, 3], 4).unwrap();
    let vectors = count(&told)
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
