//! Parity with sentence-transformers: tiny random encoders, and the real MiniLM where it is
//! installed.

use std::path::PathBuf;

use allround_core::config::Encoder;
use tch::Kind;

use super::*;

/// TEXTS of `tests/fixtures/encoders.py`.
const TEXTS: [&str; 8] = [
    "A toy story (1995), a film of toys.",
    "steel staples",
    "",
    "naïve cat",
    "the cat sat on the mat, the cat sat on the mat, the cat sat",
    "A TOY STORY (1995), a film of toys.",
    "unknown words",
    "cat's mat - 2",
];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/encoders")
}

fn expected(file: &Path) -> std::collections::BTreeMap<String, Tensor> {
    crate::models::weights::read_tensors(file).unwrap()
}

fn tiny(name: &str) -> SentenceEncoder {
    SentenceEncoder::open(&fixtures().join(name), 0, Device::Cpu).unwrap()
}

fn distance(one: &Tensor, other: &Tensor) -> f64 {
    assert_eq!(one.size(), other.size());
    (one - other).abs().max().double_value(&[])
}

#[test]
fn tiny_encoders_give_the_vectors_of_sentence_transformers() {
    for name in ["bert", "distilbert"] {
        let encoder = tiny(name);
        let expected = expected(&fixtures().join(name).join("expected.safetensors"));
        let found = encoder.encode(&TEXTS, false);
        let distance = distance(&found, &expected["embeddings"]);
        assert!(distance < 1e-5, "{name}: {distance}");
        assert_eq!(encoder.cut(&TEXTS), 3, "{name}: the long texts");
    }
}

#[test]
fn counted_operations_are_those_of_pytorchs_counter() {
    let all: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/fixtures/flops.json")).unwrap();
    let encoder = tiny("bert");
    // A text that is cut to 16 tokens.
    assert_eq!(encoder.pieces(&TEXTS[4..5])[0].len(), 16);
    let before = crate::torch_ext::product::counted();
    drop(encoder.encode(&TEXTS[4..5], false));
    let found = crate::torch_ext::product::counted() - before;
    assert_eq!(found, all["bert"].as_u64().unwrap());
}

#[test]
fn gradients_are_those_of_transformers() {
    for name in ["bert", "distilbert"] {
        let encoder = tiny(name);
        let expected = expected(&fixtures().join(name).join("expected.safetensors"));
        let pieces = encoder.pieces(&TEXTS);
        let pieces: Vec<&[u32]> = pieces.iter().map(|text| &text[..]).collect();
        let vectors = encoder.vectors(&pieces, false);
        (vectors * &expected["probe"]).sum(Kind::Float).backward();
        let mut compared = 0;
        for (weight, tensor) in encoder.weights() {
            if let Some(gradient) = expected.get(&weight) {
                let scale = gradient.abs().max().double_value(&[]);
                let distance = distance(&tensor.grad(), gradient) / scale;
                assert!(distance < 1e-5, "{name} {weight}: {distance}");
                compared += 1;
            }
        }
        assert_eq!(compared, 2, "{name}");
    }
}

#[test]
fn a_text_has_the_same_vector_in_any_company_and_padded() {
    let encoder = tiny("bert");
    let all = encoder.encode(&TEXTS, false);
    for (place, text) in TEXTS.iter().enumerate() {
        let alone = encoder.encode(&[text], false);
        assert!(
            distance(&alone, &all.narrow(0, place as i64, 1)) < 1e-6,
            "{text}"
        );
    }
    // On devices where calls are dear, rows of different lengths share a padded table.
    let pieces = encoder.pieces(&TEXTS);
    let pieces: Vec<&[u32]> = pieces.iter().map(|text| &text[..]).collect();
    let padded = PackedTexts::with_slack(&pieces, 0.9, Device::Cpu);
    assert!(padded.groups.len() < 3 && padded.groups[0].ragged.is_some());
    let found = tch::no_grad(|| encoder.pooled(&padded, false));
    assert!(distance(&found, &all) < 1e-6);
}

#[test]
fn equal_texts_are_computed_once_and_training_has_dropout_and_gradient() {
    let encoder = tiny("distilbert");
    tch::manual_seed(1);
    let trained = encoder.encode(&["steel staples", "naïve cat", "steel staples"], true);
    assert!(trained.requires_grad());
    assert_eq!(trained.get(0), trained.get(2));
    let other = encoder.encode(&["steel staples"], true);
    assert!(distance(&trained.narrow(0, 0, 1), &other) > 1e-3);
    assert!(!encoder.encode(&["steel staples"], false).requires_grad());
    assert_eq!(encoder.encode(&[], false).size(), [0, encoder.width()]);
}

#[test]
fn many_texts_come_back_in_their_order() {
    let encoder = tiny("bert");
    let texts: Vec<String> = (0..2000)
        .map(|number| {
            format!(
                "{} {}",
                TEXTS[number % 8],
                ["cat", "mat"][number % 2].repeat(number % 3)
            )
        })
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let all = encoder.encode(&texts, false);
    for place in [0, 777, 1999] {
        let alone = encoder.encode(&texts[place..=place], false);
        assert!(distance(&alone, &all.narrow(0, place as i64, 1)) < 1e-6);
    }
}

#[test]
fn a_shorter_bound_cuts_and_a_longer_one_is_refused() {
    let open = |length| SentenceEncoder::open(&fixtures().join("bert"), length, Device::Cpu);
    let short = open(4).unwrap();
    let vectors = short.encode(&["the cat sat on the mat", "the cat"], false);
    assert!(distance(&vectors.narrow(0, 0, 1), &vectors.narrow(0, 1, 1)) < 1e-6);
    assert_eq!(short.cut(&["the cat sat", "the cat"]), 1);
    assert_eq!(short.lossy(&["the Cat sat", "the zebra"]), 1);
    let refusal = open(99).unwrap_err().to_string();
    assert!(
        refusal.contains("24 positions") && refusal.contains("99"),
        "{refusal}"
    );
}

#[test]
fn modules_and_poolings_without_support_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let refuse = || Modules::read(folder.path()).unwrap_err().to_string();
    let module =
        |kind: &str| format!(r#"[{{"type": "sentence_transformers.models.{kind}", "path": ""}}]"#);
    std::fs::write(folder.path().join("modules.json"), module("Dense")).unwrap();
    assert!(refuse().contains("`sentence_transformers.models.Dense` is not supported"));
    std::fs::write(folder.path().join("modules.json"), module("Pooling")).unwrap();
    let older = r#"{"pooling_mode_cls_token": true, "pooling_mode_max_tokens": true}"#;
    std::fs::write(folder.path().join("config.json"), older).unwrap();
    assert!(refuse().contains("`cls` and `max_tokens`"), "{}", refuse());
    std::fs::write(
        folder.path().join("config.json"),
        r#"{"pooling_mode_mean_tokens": true}"#,
    )
    .unwrap();
    assert_eq!(Modules::read(folder.path()).unwrap().pooling, Pooling::Mean);
}

#[test]
fn a_vocabulary_larger_than_the_embedding_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(fixtures().join("bert").join(file), folder.path().join(file)).unwrap();
    }
    let config = std::fs::read_to_string(folder.path().join("config.json")).unwrap();
    let smaller = config.replace("\"vocab_size\": 34", "\"vocab_size\": 30");
    std::fs::write(folder.path().join("config.json"), smaller).unwrap();
    let refusal = SentenceEncoder::open(folder.path(), 0, Device::Cpu)
        .unwrap_err()
        .to_string();
    assert!(refusal.contains("has 30 rows"), "{refusal}");
}

#[test]
fn layers_without_a_place_in_the_configuration_are_refused() {
    for (name, layers) in [("bert", "num_hidden_layers"), ("distilbert", "n_layers")] {
        let folder = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(fixtures().join(name)).unwrap() {
            let file = file.unwrap();
            if file.path().is_file() {
                std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
            }
        }
        let path = folder.path().join("config.json");
        let mut config = json(&path).unwrap();
        config[layers] = 1.into();
        std::fs::write(&path, config.to_string()).unwrap();
        std::fs::remove_file(folder.path().join("modules.json")).unwrap();
        let refusal = SentenceEncoder::open(folder.path(), 0, Device::Cpu).unwrap_err();
        let refusal = refusal.to_string();
        assert!(
            refusal.contains("layer.1.") && refusal.contains("with 1 layers"),
            "{refusal}"
        );
    }
}

#[test]
fn the_specification_opens_both_kinds() {
    let read = |text: &str| serde_json::from_str::<Encoder>(text).unwrap();
    let hashed = open(
        &read(r#"{"hashed": {"width": 64, "seed": 3}}"#),
        Path::new("."),
        Device::Cpu,
    )
    .unwrap();
    assert_eq!(hashed.encode(&["a cat", "a cat", ""], true).size(), [3, 64]);
    assert!(hashed.weights().is_empty());
    let text = r#"{"pretrained": {"folder": "distilbert", "hub": "", "max_length": 0}}"#;
    let encoder = open(&read(text), &fixtures(), Device::Cpu).unwrap();
    assert_eq!(encoder.width(), 24);
    let names: Vec<String> = encoder
        .weights()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert!(names.contains(&"transformer.layer.1.output_layer_norm.bias".to_owned()));
}

#[test]
fn minilm_gives_the_vectors_of_sentence_transformers_for_100_titles() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.assets/minilm");
    if !folder.is_dir() {
        eprintln!(
            "skipped: `{}` is not there; scripts/setup-minilm.sh makes it",
            folder.display()
        );
        return;
    }
    let encoder = SentenceEncoder::open(&folder, 0, Device::Cpu).unwrap();
    let titles = std::fs::read_to_string(fixtures().join("titles.txt")).unwrap();
    let titles: Vec<&str> = titles.lines().collect();
    assert_eq!(titles.len(), 100);
    let expected = expected(&fixtures().join("minilm.safetensors"));
    let distance = distance(&encoder.encode(&titles, false), &expected["embeddings"]);
    assert!(distance < 1e-5, "{distance}");
}

/// The tiny BERT with these words in `config_sentence_transformers.json`, and without
/// `include_prompt` if `excluded`.
fn prompted(config: &str, excluded: bool) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = fixtures().join("bert");
    for file in allround_core::fs::walk(&from).unwrap() {
        let to = folder.path().join(file.strip_prefix(&from).unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(&file, to).unwrap();
    }
    let path = folder.path().join("config_sentence_transformers.json");
    std::fs::write(path, config).unwrap();
    if excluded {
        let path = folder.path().join("1_Pooling/config.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let mut pooling: Value = serde_json::from_str(&text).unwrap();
        pooling["include_prompt"] = false.into();
        std::fs::write(path, pooling.to_string()).unwrap();
    }
    folder
}

#[test]
fn a_default_prompt_stands_in_front_of_every_text_as_in_sentence_transformers() {
    let made = fixtures().join("../folders/prompted");
    let config = std::fs::read_to_string(made.join("config_sentence_transformers.json")).unwrap();
    let folder = prompted(&config, false);
    let encoder = SentenceEncoder::open(folder.path(), 0, Device::Cpu).unwrap();
    let texts = ["a toy story", "steel staples", ""];
    let found = encoder.encode(&texts, false);
    let expected = expected(&made.join("expected.safetensors"));
    assert!(distance(&found, &expected["embeddings"]) < 1e-5);
    assert!(distance(&found, &tiny("bert").encode(&texts, false)) > 1e-3);
    let remarks = encoder.remarks();
    assert_eq!(remarks.len(), 1);
    assert!(
        remarks[0].contains("`the film:` precedes every text"),
        "{remarks:?}"
    );
}

#[test]
fn a_prompt_that_is_left_out_of_pooling_or_has_no_text_is_refused() {
    let named = r#"{"prompts": {"query": "q: "}, "default_prompt_name": "query"}"#;
    let open = |config: &str, excluded| {
        let folder = prompted(config, excluded);
        SentenceEncoder::open(folder.path(), 0, Device::Cpu).map(|_| ())
    };
    let text = open(named, true).unwrap_err().to_string();
    assert!(text.contains("`include_prompt` is false"), "{text}");
    let unnamed = r#"{"prompts": {"query": "q: "}, "default_prompt_name": null}"#;
    open(unnamed, true).unwrap();
    let lost = r#"{"prompts": {}, "default_prompt_name": "query"}"#;
    let text = open(lost, false).unwrap_err().to_string();
    assert!(text.contains("`default_prompt_name` is `query`"), "{text}");
}

#[test]
fn an_adapter_beside_an_encoder_is_refused() {
    let folder = prompted("{}", false);
    std::fs::write(folder.path().join("adapter_config.json"), "{}").unwrap();
    let error = SentenceEncoder::open(folder.path(), 0, Device::Cpu);
    let text = error.unwrap_err().to_string();
    assert!(
        text.contains("adapter_config.json") && text.contains("merge"),
        "{text}"
    );
}
