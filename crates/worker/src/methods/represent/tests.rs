use std::collections::BTreeMap;
use std::path::Path;

use allround_core::models::llm_method::{OneItem, Targets};
use allround_core::text::Vectors as PromptVectors;

use super::*;
use crate::lm::{Holding, Lm, LmConfig};
use crate::methods::prompted_lm::{ContextNeeds, LoadedLm};
use crate::methods::tests::{backbone, data, loaded, prompt, target_rule};
use crate::testing::{training, unvalidated};
use crate::train::checkpoint::checkpoints;
use crate::train::trainer::{self, Plan, no_validation};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

fn settings(width: usize, hidden_units: usize) -> Represent {
    Represent {
        width,
        hidden_units,
        negatives: 2,
        distillation: 1.0,
        uniformity: 1.0,
        targets: Targets::Last,
        one_item: OneItem::Skip,
        max_samples: 0,
        validate: unvalidated(),
        train: training(3, 2),
    }
}

/// A language model with the prompts of [`data`].
fn reading(loaded: LoadedLm) -> PromptedLm {
    let vectors = PromptVectors {
        user: true,
        item: true,
    };
    let needs = ContextNeeds::Representation;
    PromptedLm::new(loaded, &data(), &prompt(), vectors, needs)
}

/// What PyTorch and transformers made.
struct Fixture {
    known: BTreeMap<String, Tensor>,
    prompted_lm: PromptedLm,
    representer: Representer,
}

impl Fixture {
    fn open() -> Self {
        let (tensors, notes) =
            weights::read(&Path::new(FIXTURES).join("llm/llama.safetensors")).unwrap();
        let config = serde_json::from_str(&notes["config"]).unwrap();
        let config = LmConfig::read(Path::new("config.json"), &config).unwrap();
        let holding = Holding::frozen(Kind::Float, Device::Cpu);
        let lm = Lm::from_weights(config, &tensors, holding).unwrap();
        let known =
            weights::read_tensors(&Path::new(FIXTURES).join("represent.safetensors")).unwrap();
        let inputs = RepresentInputs {
            settings: &settings(5, 10),
            table: known["table"].copy(),
            states: 4,
            lm: lm.width(),
            tokens: lm.token_moments(),
        };
        let representer = Representer::new(inputs, Device::Cpu);
        weights::fill(&representer.weights(), &known).unwrap();
        Self {
            prompted_lm: reading(LoadedLm {
                lm,
                ..loaded(false)
            }),
            known,
            representer,
        }
    }

    /// Prompts of the fixture: tokens, items as negative numbers, and the trained vector as -100.
    fn prompts(&self, side: &str) -> Vec<Vec<Slot>> {
        let prompts = (0..).map_while(|at| self.known.get(&format!("{side}.{at}")));
        let slot = |slot: i64| match slot {
            -100 => Slot::User,
            item if item < 0 => Slot::Item(item.unsigned_abs() as u32),
            token => Slot::Token(token as u32),
        };
        let prompts =
            prompts.map(|prompt| Vec::<i64>::try_from(prompt).unwrap().into_iter().map(slot));
        prompts.map(Iterator::collect).collect()
    }

    fn vectors(&self) -> [Tensor; 2] {
        [("user", Side::User), ("item", Side::Item)].map(|(name, side)| {
            let prompts = self.prompts(name);
            self.representer.vectors(&self.prompted_lm, &prompts, side)
        })
    }
}

fn far(found: &Tensor, expected: &Tensor) -> f64 {
    (found - expected).abs().max().double_value(&[])
}

#[test]
fn vectors_are_those_of_pytorch_and_transformers() {
    let fixture = Fixture::open();
    let [users, items] = fixture.vectors();
    assert_eq!((users.size(), items.size()), (vec![3, 5], vec![5, 5]));
    assert!(far(&users, &fixture.known["users"]) < 1e-5);
    assert!(far(&items, &fixture.known["items"]) < 1e-5);
}

#[test]
fn each_loss_and_its_gradients_are_those_of_pytorch() {
    for name in ["recommendation", "distillation", "uniformity", "total"] {
        let fixture = Fixture::open();
        let [users, items] = fixture.vectors();
        let known = fixture
            .representer
            .cf_vectors(&fixture.known["cf"])
            .unwrap();
        let directions = unit(&users);
        let found = recommendation(&users, &items, &fixture.known["compared"]);
        let apart = directions.mse_loss(&known, Reduction::Mean);
        let alike = uniformity(&directions) + uniformity(&known);
        let loss = match name {
            "recommendation" => found,
            "distillation" => apart,
            "uniformity" => alike,
            _ => found + apart + alike,
        };
        assert!(
            far(&loss, &fixture.known[&format!("loss.{name}")]) < 1e-5,
            "{name}"
        );
        loss.backward();
        for (weight, tensor) in fixture.representer.weights() {
            let gradient = tensor.grad();
            match fixture.known.get(&format!("gradient.{name}.{weight}")) {
                Some(expected) => {
                    let distance = far(&gradient, expected);
                    assert!(distance < 1e-5, "{name} {weight}: {distance}");
                }
                None => assert!(!gradient.defined(), "{name} {weight}"),
            }
        }
    }
}

#[test]
fn the_uniformity_of_one_vector_is_zero() {
    let vector = Tensor::from_slice(&[0.6_f32, 0.8]).unsqueeze(0);
    assert_eq!(uniformity(&vector).double_value(&[]), 0.0);
}

/// Runs `work` on a task with a tiny language model over [`data`].
fn with_task<T>(settings: &Represent, work: impl FnOnce(&RepresentTask<'_>) -> T) -> T {
    let (prepared, backbone, prompted_lm) = (data(), backbone(), reading(loaded(false)));
    let sequences = Sequences::of(&prepared, target_rule(settings.targets));
    tch::manual_seed(5);
    let inputs = RepresentInputs {
        settings,
        table: backbone.item_table(),
        states: backbone.width(),
        lm: prompted_lm.lm().width(),
        tokens: prompted_lm.lm().token_moments(),
    };
    let representer = Representer::new(inputs, Device::Cpu);
    let inputs = Inputs {
        prepared: &prepared,
        sequences: &sequences,
        backbone: backbone.as_ref(),
        prompted_lm: &prompted_lm,
    };
    work(&RepresentTask::new(settings, inputs, representer, 1))
}

#[test]
fn a_batch_computes_each_item_once_and_compares_targets_with_strange_items() {
    with_task(&settings(4, 8), |task| {
        let prepared = data();
        for epoch in 1..=3 {
            for batch in task.source().steps(epoch).unwrap().made {
                let [batch] = &batch.unwrap()[..] else {
                    panic!("a step is one batch");
                };
                let item = |prompt: &Vec<Slot>| {
                    let items = prompt.iter().filter_map(|slot| match slot {
                        Slot::Item(item) => Some(*item),
                        Slot::Token(_) | Slot::User => None,
                    });
                    let items: Vec<u32> = items.collect();
                    assert_eq!((items.len(), prompt.last()), (1, Some(&Slot::User)));
                    items[0]
                };
                let items: Vec<u32> = batch.items.iter().map(item).collect();
                assert!(items.is_sorted() && items.windows(2).all(|two| two[0] < two[1]));
                for (target, places) in batch.targets.iter().zip(batch.compared.chunks(3)) {
                    let compared: Vec<u32> =
                        places.iter().map(|&place| items[place as usize]).collect();
                    assert_eq!(compared[0], target.item(&prepared));
                    let known = prepared.train_of(target.user as usize);
                    assert!(compared[1..].iter().all(|other| !known.contains(other)));
                }
            }
        }
    });
}

#[test]
fn training_moves_every_weight_and_lowers_the_loss() {
    let settings = Represent {
        targets: Targets::All,
        train: training(30, 4),
        ..settings(4, 8)
    };
    with_task(&settings, |task| {
        let before: Vec<Tensor> = task
            .weights()
            .iter()
            .map(|(_, it)| it.detach().copy())
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan {
            train: &settings.train,
            seed: 1,
            stage: STAGE,
            validation: None,
            checkpoint: checkpoints(folder.path(), 1000),
        };
        let mut losses = Vec::new();
        trainer::train(&plan, task, &mut no_validation, &mut |event| {
            if let allround_core::event::Event::Epoch(epoch) = event {
                assert_eq!(epoch.losses.len(), 3);
                losses.push(epoch.loss);
            }
        })
        .unwrap();
        assert!(losses[29] < 0.8 * losses[0], "{losses:?}");
        for ((name, weight), before) in task.weights().iter().zip(&before) {
            assert!(far(weight, before) > 0.0, "{name}");
        }
    });
}
