//! LLaRA: projections and adapters that are trained together, and its curriculum.

use std::path::Path;

use allround_core::models::llm_method::{Adapters, Curriculum, Lora};

use super::*;
use crate::lm::{Holding, Lm, LmConfig};
use crate::methods::prompted_lm::LoadedLm;
use crate::methods::tests::{loaded, needs, prompt};

fn lora(alpha: f64, targets: &[&str]) -> Lora {
    Lora {
        rank: 2,
        alpha,
        dropout: 0.0,
        targets: targets.iter().map(|&name| name.to_owned()).collect(),
    }
}

/// Prompts with a vector after each title, read by `loaded` with adapters.
fn adapted(loaded: LoadedLm, lora: &Lora) -> PromptedLm {
    let vectors = Vectors {
        user: false,
        item: true,
    };
    let mut prompted_lm = PromptedLm::new(loaded, &data(), &prompt(), vectors, needs(4));
    prompted_lm.loaded.lm.add_lora(lora).unwrap();
    prompted_lm
}

#[test]
fn loss_and_gradients_of_projection_and_adapters_are_those_of_pytorch_and_peft() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let (tensors, notes) = weights::read(&fixtures.join("llm/llama.safetensors")).unwrap();
    let config = serde_json::from_str(&notes["config"]).unwrap();
    let config = LmConfig::read(Path::new("config.json"), &config).unwrap();
    let holding = Holding::frozen(Kind::Float, Device::Cpu);
    let lm = Lm::from_weights(config, &tensors, holding).unwrap();
    let loaded = LoadedLm {
        lm,
        ..loaded(false)
    };
    let all = [
        "q_proj",
        "v_proj",
        "k_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    ];
    let prompted_lm = adapted(loaded, &lora(8.0, &all));
    let known = weights::read_tensors(&fixtures.join("llara.safetensors")).unwrap();
    let table = known["table"].shallow_clone();
    let shape = Shape {
        states: 8,
        user: false,
        lm: prompted_lm.lm().width(),
        hidden_layers: 1,
        layer_norm: false,
    };
    let projections = Projections::new(shape, Some(table), ItemEmbedding::Joint, Device::Cpu);
    weights::fill(&projections.weights(), &known).unwrap();
    tch::no_grad(|| {
        for (name, mut weight) in prompted_lm.lm().trained() {
            weight.copy_(&known[&format!("adapter.{name}")]);
        }
    });
    let numbers = |name: String| Vec::<i64>::try_from(&known[&name]).unwrap();
    let slot = |number: i64| match u32::try_from(number) {
        Ok(token) => Slot::Token(token),
        Err(_) => Slot::Item(number.unsigned_abs() as u32),
    };
    let prompts: Vec<Vec<Slot>> = (0..3)
        .map(|at| {
            numbers(format!("prompt.{at}"))
                .into_iter()
                .map(slot)
                .collect()
        })
        .collect();
    let tokens = |name| numbers(name).into_iter().map(|token| token as u32);
    let answers: Vec<Vec<u32>> = (0..3)
        .map(|at| tokens(format!("answer.{at}")).collect())
        .collect();
    let rows = prompted_lm.rows(&prompts, None, &|items| projections.items(items));
    let (loss, counted) = prompted_lm.loss(&prompts, &answers, rows, false);
    assert_eq!(counted, 9);
    let far = |found: &Tensor, name: &str| (found - &known[name]).abs().max().double_value(&[]);
    assert!(far(&loss, "loss") < 1e-5);
    loss.backward();
    let trained = prompted_lm.lm().trained();
    assert!(trained.len() >= 2 * all.len());
    for (name, weight) in projections.weights().into_iter().chain(trained) {
        let distance = far(&weight.grad(), &format!("gradient.{name}"));
        assert!(distance < 1e-5, "{name}: {distance}");
    }
}

#[test]
fn steps_without_vectors_train_the_adapters_alone_and_the_last_ones_read_vectors() {
    let (prepared, backbone) = (data(), backbone());
    let sequences = Sequences::of(&prepared, target_rule(Targets::Last));
    let adapters = Adapters {
        lora: lora(4.0, &["q_proj"]),
        curriculum: Curriculum::Linear,
    };
    let prompted_lm = adapted(loaded(false), &adapters.lora);
    let settings = Project {
        adapters: Some(adapters),
        train: training(40, 1),
        ..settings(Targets::Last)
    };
    let inputs = Inputs {
        prepared: &prepared,
        sequences: &sequences,
        backbone: backbone.as_ref(),
        prompted_lm: &prompted_lm,
    };
    let projections = projections(false, 1, ItemEmbedding::Joint);
    let task = ProjectTask::new(&settings, inputs, projections, 1, &mut |_| {});
    let reads_vectors = |step: &[ProjectExample]| {
        let slots = step.iter().flat_map(|example| &example.prompt.prompt);
        slots.filter(|slot| matches!(slot, Slot::Item(_))).count() > 0
    };
    let first = drawn(&task, 1);
    assert!(!reads_vectors(&first[0]), "the first step reads words");
    assert_eq!(first, drawn(&task, 1), "draws follow the seed alone");
    let share = |epochs: std::ops::RangeInclusive<u32>| {
        let steps: Vec<_> = epochs.flat_map(|epoch| drawn(&task, epoch)).collect();
        steps.iter().filter(|step| reads_vectors(step)).count() as f64 / steps.len() as f64
    };
    let (early, late) = (share(1..=10), share(31..=40));
    assert!(early < 0.35 && late > 0.65, "{early} {late}");

    let has_gradient = |weights: &[(String, Tensor)]| {
        let defined = |(_, weight): &(String, Tensor)| {
            let gradient = weight.grad();
            gradient.defined() && gradient.abs().max().double_value(&[]) > 0.0
        };
        weights.iter().any(defined)
    };
    let examples: Vec<&ProjectExample> = first[0].iter().collect();
    let loss = task.loss(&examples, None).mean;
    loss.backward();
    assert!(has_gradient(&task.inputs.prompted_lm.lm().trained()));
    assert!(!has_gradient(&task.projections.weights()));
}
