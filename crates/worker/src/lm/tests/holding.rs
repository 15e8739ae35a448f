//! Adapters, eight bits, half precision, and weights that do not fit.

use super::*;
use crate::torch_ext::adam::{AdamSettings, AdamTensors, fused_adam};

/// The fixtures that have adapters, and where: TALLRec's are the second.
const ADAPTED: [(&str, [&str; 2]); 5] = [
    ("opt", ["q_proj", "fc1"]),
    ("llama", ["q_proj", "v_proj"]),
    ("qwen2", ["q_proj", "v_proj"]),
    ("qwen3", ["k_proj", "up_proj"]),
    ("gemma3", ["q_proj", "down_proj"]),
];

/// The fixture's adapters in the model, with the weights that peft's had.
fn adapted((name, targets): (&'static str, [&str; 2]), holding: Holding) -> Fixture {
    let mut fixture = Fixture::with(name, holding);
    let settings = Lora {
        rank: 3,
        alpha: 6.0,
        dropout: 0.0,
        targets: targets.map(str::to_owned).to_vec(),
    };
    fixture.lm.add_lora(&settings).unwrap();
    let trained = fixture.lm.trained();
    assert_eq!(
        trained.len(),
        fixture
            .known
            .keys()
            .filter(|name| name.starts_with("lora.start."))
            .count()
    );
    tch::no_grad(|| {
        for (name, mut weight) in trained {
            weight.copy_(&fixture.known[&format!("lora.start.{name}")]);
        }
    });
    fixture
}

#[test]
fn adapters_equal_those_of_peft_in_logits_gradients_and_a_step() {
    for case in ADAPTED {
        let fixture = adapted(case, Holding::frozen(Kind::Float, Device::Cpu));
        let known = |kind: &str, name: &str| &fixture.known[&format!("lora.{kind}.{name}")];
        let rows = [fixture.rows().remove(1)];
        let logits = fixture.lm.logits(&fixture.lm.hidden(&rows, &all(&rows)));
        assert!(far(&logits, &fixture.known["lora.logits"]) < 1e-4);
        let loss = logits
            .narrow(0, 9, 3)
            .cross_entropy_for_logits(&fixture.known["lora.targets"]);
        loss.backward();
        let mut tensors = AdamTensors::default();
        for (name, weight) in fixture.lm.trained() {
            let distance = far(&weight.grad(), known("gradient", &name));
            assert!(distance < 1e-5, "{case:?} {name}: {distance}");
            tensors.gradients.push(weight.grad());
            tensors.first.push(weight.zeros_like());
            tensors.second.push(weight.zeros_like());
            tensors.steps.push(Tensor::from(1f32));
            tensors.weights.push(weight);
        }
        let settings = AdamSettings {
            lr: 0.01,
            betas: [0.9, 0.999],
            weight_decay: 0.1,
            eps: 1e-8,
            decoupled: true,
        };
        tch::no_grad(|| fused_adam(&tensors, settings));
        for (name, weight) in fixture.lm.trained() {
            let distance = far(&weight, known("stepped", &name));
            assert!(distance < 1e-5, "{case:?} {name}: {distance}");
        }
    }
}

#[test]
fn new_adapters_change_nothing_and_drop_out_only_in_training() {
    let mut fixture = Fixture::open("llama");
    let rows = fixture.rows();
    let before = fixture.lm.hidden(&rows, &all(&rows));
    let settings = Lora {
        rank: 2,
        alpha: 4.0,
        dropout: 0.5,
        targets: vec!["v_proj".to_owned()],
    };
    fixture.lm.add_lora(&settings).unwrap();
    assert_eq!(far(&before, &fixture.lm.hidden(&rows, &all(&rows))), 0.0);
    tch::no_grad(|| {
        fixture
            .lm
            .trained()
            .into_iter()
            .for_each(|(_, mut weight)| {
                let _ = weight.fill_(0.3);
            })
    });
    let calm = fixture.lm.hidden(&rows, &all(&rows));
    assert_eq!(far(&calm, &fixture.lm.hidden(&rows, &all(&rows))), 0.0);
    fixture.lm.set_train(true);
    assert!(far(&calm, &fixture.lm.hidden(&rows, &all(&rows))) > 0.0);
}

#[test]
fn a_target_that_is_no_module_is_refused_with_the_names_there_are() {
    let mut lm = Fixture::open("opt").lm;
    let settings = Lora {
        rank: 2,
        alpha: 4.0,
        dropout: 0.0,
        targets: vec!["c_attn".to_owned()],
    };
    let error = lm.add_lora(&settings).unwrap_err().to_string();
    assert_eq!(
        error,
        "no module is called `c_attn`; adapters can be at q_proj, k_proj, v_proj, out_proj, fc1, fc2"
    );
}

#[test]
fn eight_bit_weights_are_close_and_carry_the_gradient_of_what_is_computed() {
    let exact = Fixture::open("llama");
    let rounded = Fixture::with(
        "llama",
        Holding {
            int8: true,
            ..Holding::frozen(Kind::Float, Device::Cpu)
        },
    );
    let rows: Vec<Tensor> = exact
        .rows()
        .into_iter()
        .map(|row| row.set_requires_grad(true))
        .collect();
    let logits = |lm: &Lm| lm.logits(&lm.hidden(&rows, &all(&rows)));
    let (plain, eight) = (logits(&exact.lm), logits(&rounded.lm));
    let spread = f64::try_from(plain.std(true)).unwrap();
    assert!(
        far(&plain, &eight) < 0.5 * spread,
        "{} of {spread}",
        far(&plain, &eight)
    );
    assert!(far(&plain, &eight) > 0.0);

    // The model whose matrices are what the eight bits say computes the same, forwards and
    // backwards.
    let widened: BTreeMap<String, Tensor> = rounded.lm.weights().into_iter().collect();
    let same = Lm::from_weights(
        rounded.lm.config().clone(),
        &widened,
        Holding::frozen(Kind::Float, Device::Cpu),
    )
    .unwrap();
    assert!(far(&logits(&same), &eight) < 1e-4);
    let gradient = |logits: Tensor| {
        let mut all =
            Tensor::run_backward(&[logits.square().sum(Kind::Float)], &rows, false, false);
        all.remove(1)
    };
    assert!(far(&gradient(logits(&same)), &gradient(eight)) < 1e-2);
}

#[test]
fn half_precision_is_close_to_single() {
    for (name, kind) in SHAPES
        .into_iter()
        .flat_map(|name| [(name, Kind::BFloat16), (name, Kind::Half)])
    {
        let exact = Fixture::open(name);
        let half = Fixture::with(name, Holding::frozen(kind, Device::Cpu));
        let rows = exact.rows();
        let (plain, near) = (
            exact.lm.hidden(&rows, &all(&rows)),
            half.lm.hidden(&rows, &all(&rows)),
        );
        assert_eq!(near.kind(), kind);
        let away = f64::try_from((&plain - near).square().mean(Kind::Float).sqrt()).unwrap();
        assert!(
            away < 0.1 * f64::try_from(plain.std(true)).unwrap(),
            "{name}, {kind:?}: {away}"
        );
        let scores = half.lm.score(&rows, &exact.continuations());
        let known = exact.lm.score(&rows, &exact.continuations());
        for (near, known) in scores.iter().flatten().zip(known.iter().flatten()) {
            let away = (near - known).abs() / known.abs();
            assert!(away < 0.1, "{name}, {kind:?}: {near} for {known}");
        }
        let answers = half.lm.generate(&rows, &greedy(1.0), None).unwrap();
        assert!(answers.iter().all(|answer| answer.len() <= 16));
    }
}

#[test]
fn wrong_weights_are_refused_by_name() {
    let Fixture { lm, mut known, .. } = Fixture::open("opt");
    let open = |known: &BTreeMap<String, Tensor>| {
        Lm::from_weights(
            lm.config().clone(),
            known,
            Holding::frozen(Kind::Float, Device::Cpu),
        )
        .unwrap_err()
        .to_string()
    };
    let name = "model.decoder.layers.1.fc1.weight";
    let weight = known.remove(name).unwrap();
    let error = open(&known);
    assert!(
        error.starts_with(&format!("`{name}` is not among ")),
        "{error}"
    );
    assert!(error.ends_with("of shape [24, 16])"), "{error}");
    known.insert(name.to_owned(), weight.transpose(0, 1));
    assert_eq!(
        open(&known),
        format!(
            "the list of weights: tensor `{name}` has shape [16, 24]; expected [24, 16] by `config.json`; take both from the same model"
        )
    );
}

#[test]
fn weights_without_a_place_in_the_configuration_are_refused() {
    for (name, config) in [
        ("opt", |config: &mut LmConfig| config.final_norm = false),
        ("llama", |config: &mut LmConfig| config.layers = 1),
        ("llama-tied", |config: &mut LmConfig| {
            config.attention_bias = false;
        }),
        ("qwen2", |config: &mut LmConfig| {
            config.attention_bias = false
        }),
        ("qwen3", |config: &mut LmConfig| config.head_norms = false),
        ("gemma3", |config: &mut LmConfig| {
            config.result_norms = false
        }),
    ] as [(&str, fn(&mut LmConfig)); 6]
    {
        let Fixture { lm, known, .. } = Fixture::open(name);
        let mut changed = lm.config().clone();
        config(&mut changed);
        let said = format!("it says {} layers, ", changed.layers);
        let holding = Holding::frozen(Kind::Float, Device::Cpu);
        let error = Lm::from_weights(changed, &known, holding).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("no place for: `model.") && error.contains(&said),
            "{error}"
        );
    }
}

#[test]
fn tables_and_heads_of_published_files_are_no_surplus() {
    let Fixture { lm, mut known, .. } = Fixture::open("llama-tied");
    let table = known["model.embed_tokens.weight"].shallow_clone();
    for name in [
        "lm_head.weight",
        "score.weight",
        "model.layers.0.self_attn.rotary_emb.inv_freq",
    ] {
        known.insert(name.to_owned(), table.shallow_clone());
    }
    let holding = Holding::frozen(Kind::Float, Device::Cpu);
    Lm::from_weights(lm.config().clone(), &known, holding).unwrap();
}

#[test]
fn a_head_that_is_not_the_table_it_is_tied_to_is_refused() {
    let Fixture { lm, mut known, .. } = Fixture::open("llama-tied");
    let table = known["model.embed_tokens.weight"].shallow_clone();
    known.insert("lm_head.weight".to_owned(), table.zeros_like());
    let holding = Holding::frozen(Kind::Float, Device::Cpu);
    let error = Lm::from_weights(lm.config().clone(), &known, holding).unwrap_err();
    assert!(
        error.to_string().contains("`tie_word_embeddings`"),
        "{error}"
    );
}

#[test]
fn published_opt_files_without_the_first_name_are_read_too() {
    let Fixture { lm, known, .. } = Fixture::open("opt");
    let short: BTreeMap<String, Tensor> = known
        .into_iter()
        .map(|(name, tensor)| {
            (
                name.strip_prefix("model.").unwrap_or(&name).to_owned(),
                tensor,
            )
        })
        .collect();
    let again = Lm::from_weights(
        lm.config().clone(),
        &short,
        Holding::frozen(Kind::Float, Device::Cpu),
    )
    .unwrap();
    assert_eq!(again.weights()[0].0, "model.decoder.embed_tokens.weight");
    assert_eq!(far(&again.weights()[3].1, &lm.weights()[3].1), 0.0);
}
