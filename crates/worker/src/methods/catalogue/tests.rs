use std::collections::BTreeMap;
use std::path::Path;

use allround_core::data::Part;
use allround_core::event::Event;
use allround_core::models::llm_method::{Lora, OneItem, Targets};
use allround_core::text::Vectors as PromptVectors;

use super::*;
use crate::eval;
use crate::lm::{Holding, Lm, LmConfig};
use crate::methods::fixtures::{loaded_with, texts};
use crate::methods::prompted_lm::{ContextNeeds, LoadedLm};
use crate::methods::represent::{VectorTable, Vectors};
use crate::methods::sequences::Pool;
use crate::methods::tests::{backbone, data, loaded, prompt, target_rule};
use crate::testing::{training, unvalidated};
use crate::train::checkpoint::checkpoints;
use crate::train::trainer::tests::{assert_cut_like_whole, drawn};
use crate::train::trainer::{self, Plan, no_validation};

fn settings(targets: Targets) -> AdaptedRepresent {
    AdaptedRepresent {
        lora: lora(&["q_proj", "k_proj", "v_proj", "fc1", "fc2"]),
        targets,
        one_item: OneItem::Skip,
        max_samples: 0,
        validate: unvalidated(),
        train: training(1, 3),
    }
}

fn lora(targets: &[&str]) -> Lora {
    Lora {
        rank: 2,
        alpha: 5.0,
        dropout: 0.0,
        targets: targets.iter().map(|&name| name.to_owned()).collect(),
    }
}

/// A language model with fresh adapters and E4SRec's prompt.
fn adapted(loaded: LoadedLm, lora: &Lora) -> PromptedLm {
    let vectors = PromptVectors {
        user: false,
        item: true,
    };
    let needs = ContextNeeds::Sequence;
    let mut prompted_lm = PromptedLm::new(loaded, &data(), &prompt(), vectors, needs);
    tch::manual_seed(6);
    prompted_lm.loaded.lm.add_lora(lora).unwrap();
    prompted_lm
}

/// Runs `work` on a task of `settings` with a tiny language model over `prepared`.
fn with_task<T>(
    settings: &AdaptedRepresent,
    prepared: &Prepared,
    work: impl FnOnce(&CatalogueTask<'_>) -> T,
) -> T {
    let prompted_lm = adapted(loaded_with(&texts(), 512, false), &settings.lora);
    let backbone = backbone();
    let sequences = Sequences::of(prepared, target_rule(settings.targets));
    tch::manual_seed(5);
    let pool = Pool::of(prepared);
    let width = prompted_lm.lm().width();
    let catalogue = Catalogue::new(backbone.item_table(), pool.items(), width, Device::Cpu);
    let inputs = Inputs {
        prepared,
        sequences: &sequences,
        backbone: backbone.as_ref(),
        prompted_lm: &prompted_lm,
    };
    work(&CatalogueTask::new(settings, inputs, catalogue, 1))
}

/// Trains `task` and returns the loss of each epoch.
fn losses(settings: &AdaptedRepresent, task: &CatalogueTask<'_>) -> Vec<f64> {
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
        if let Event::Epoch(epoch) = event {
            losses.push(epoch.loss);
        }
    })
    .unwrap();
    losses
}

fn far(found: &Tensor, expected: &Tensor) -> f64 {
    (found - expected).abs().max().double_value(&[])
}

#[test]
fn logits_loss_and_gradients_are_those_of_pytorch_transformers_and_peft() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let (tensors, notes) = weights::read(&fixtures.join("llm/llama.safetensors")).unwrap();
    let config = serde_json::from_str(&notes["config"]).unwrap();
    let config = LmConfig::read(Path::new("config.json"), &config).unwrap();
    let holding = Holding::frozen(Kind::Float, Device::Cpu);
    let lm = Lm::from_weights(config, &tensors, holding).unwrap();
    let known = weights::read_tensors(&fixtures.join("catalogue.safetensors")).unwrap();
    let loaded = LoadedLm {
        lm,
        ..loaded(false)
    };
    let prompted_lm = adapted(loaded, &lora(&["gate_proj", "up_proj", "down_proj"]));
    let items: Vec<u32> = (1..=6).collect();
    let width = prompted_lm.lm().width();
    let catalogue = Catalogue::new(known["table"].copy(), &items, width, Device::Cpu);
    weights::fill(&catalogue.weights(&prompted_lm), &known).unwrap();
    let numbers = |name: &str| Vec::<i64>::try_from(&known[name]).unwrap();
    let slot = |number: i64| match number {
        item if item < 0 => Slot::Item(item.unsigned_abs() as u32),
        token => Slot::Token(token as u32),
    };
    let prompts = (0..4).map(|at| numbers(&format!("prompt.{at}")).into_iter().map(slot));
    let prompts: Vec<Vec<Slot>> = prompts.map(Iterator::collect).collect();
    let logits = catalogue.logits(&catalogue.states(&prompted_lm, &prompts));
    assert!(far(&logits, &known["logits"]) < 1e-5);
    let next = numbers("next").into_iter();
    let next: Vec<u32> = next.map(|item| catalogue.place(item as u32)).collect();
    let loss = logits.cross_entropy_for_logits(&indices(&next, Device::Cpu));
    assert!(far(&loss, &known["loss"]) < 1e-5);
    loss.backward();
    let trained = catalogue.weights(&prompted_lm);
    assert_eq!(trained.len(), 2 * 3 * 2 + 3);
    for (name, weight) in trained {
        let distance = far(&weight.grad(), &known[&format!("gradient.{name}")]);
        assert!(distance < 1e-5, "{name}: {distance}");
    }
}

#[test]
fn a_budget_of_tokens_changes_neither_loss_nor_gradients() {
    with_task(&settings(Targets::All), &data(), |task| {
        tch::no_grad(|| {
            for (_, mut weight) in task.inputs.prompted_lm.lm().trained() {
                let _ = weight.fill_(0.1);
            }
        });
        let step = drawn(task, 1).remove(0);
        let longest = step.iter().map(|example| task.length(example)).max();
        assert_cut_like_whole(task, 2 * longest.unwrap());
    });
}

#[test]
fn a_prompt_has_a_vector_for_each_item_before_the_target_and_no_title() {
    let prepared = data();
    with_task(&settings(Targets::Last), &prepared, |task| {
        let mut found = BTreeMap::new();
        for CatalogueExample { prompt, item } in drawn(task, 1).concat() {
            let (mut tokens, mut items) = (Vec::new(), Vec::new());
            for slot in prompt {
                match slot {
                    Slot::Token(token) => tokens.push(token),
                    Slot::Item(item) => items.push(item),
                    Slot::User => panic!("the user has no vector"),
                }
            }
            let text = task.inputs.prompted_lm.loaded.tokenizer.decode(&tokens);
            let end = "to be purchased.\n\n### Input:\n\n### Response:\n";
            assert!(text.ends_with(end), "{text}");
            found.insert(item, items);
        }
        let expected = [(2, vec![1]), (6, vec![2, 4]), (7, vec![5, 6])];
        assert_eq!(found, BTreeMap::from(expected));
    });
}

#[test]
fn a_limit_counts_targets() {
    let settings = AdaptedRepresent {
        max_samples: 4,
        ..settings(Targets::Last)
    };
    with_task(&settings, &data(), |task| {
        let drawn = [1, 2].map(|epoch| drawn(task, epoch).concat().len());
        assert_eq!(drawn, [3, 1]);
        assert_eq!(task.source().samples(9), Some(4));
    });
}

#[test]
fn an_item_that_training_does_not_know_has_no_row_in_the_head() {
    let mut prepared = data();
    prepared.in_training[10] = false;
    with_task(&settings(Targets::Last), &prepared, |task| {
        let vectors = task.catalogue.item_vectors().unwrap();
        assert_eq!(vectors.size()[0], 13);
        let squares = vectors.square();
        let squares = squares.sum_dim_intlist(1, false, Kind::Float);
        let squares: Vec<f64> = Vec::try_from(squares.to_kind(Kind::Double)).unwrap();
        let without = (0..13).filter(|&item| squares[item as usize] == 0.0);
        assert_eq!(without.collect::<Vec<i32>>(), [0, 11]);
        let head = &task.weights().pop().unwrap();
        assert_eq!((head.0.as_str(), head.1.size()[0]), ("score.weight", 11));
    });
}

/// 24 users, each of whom goes through five of twelve items in a circle.
fn circles() -> Prepared {
    let mut prepared = data();
    let (users, items) = (24, 12);
    let row = |user: u32| (0..5).map(move |step| (user + step) % items + 1);
    prepared.users = (0..users).map(|user| format!("u{user}")).collect();
    prepared.offsets = (0..=u64::from(users)).map(|user| 5 * user).collect();
    prepared.sequence = (0..users).flat_map(row).collect();
    prepared.train_end = vec![3; users as usize];
    prepared.valid_end = vec![4; users as usize];
    prepared.trained = vec![true; users as usize];
    prepared.aligned = vec![true; users as usize];
    prepared.measured = vec![true; users as usize];
    prepared
}

#[test]
fn it_learns_which_item_follows_and_moves_every_weight() {
    let prepared = circles();
    let settings = AdaptedRepresent {
        train: training(60, 8),
        ..settings(Targets::All)
    };
    with_task(&settings, &prepared, |task| {
        let prompted_lm = task.inputs.prompted_lm;
        let copied = || -> Vec<(String, Tensor)> {
            let weights = task.weights().into_iter();
            let copies = weights.map(|(name, weight)| (name, weight.detach().copy()));
            copies.collect()
        };
        let begun = copied();
        let lists = eval::full_lists(&prepared, Part::Test);
        let mean_rank = || {
            let vectors = Vectors {
                representer: &task.catalogue,
                prompted_lm,
                encoder: &prompted_lm.encoder,
                token_budget: 4096,
            };
            let users = vectors.of_users(&prepared, &lists, &mut |_| ()).unwrap();
            let items = vectors.of_items(&prepared, &[], &mut |_| ()).unwrap();
            assert_eq!(items.tokens, 0);
            let table = VectorTable::new(&lists, users.rows, items.rows);
            let (ranks, _) = eval::ranked(&table, &prepared, &lists, false).unwrap();
            ranks.ranks.iter().sum::<f64>() / 24.0
        };
        let chance = mean_rank();
        let losses = losses(&settings, task);
        let learned = mean_rank();
        assert!(losses[59] < losses[0] / 4.0, "{losses:?}");
        assert!(learned < 1.5 && chance > 3.0, "{learned} after {chance}");
        for ((name, before), (_, after)) in begun.iter().zip(copied()) {
            assert!(far(before, &after) > 0.0, "{name}");
        }
    });
}
