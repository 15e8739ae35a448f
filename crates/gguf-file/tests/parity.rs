//! Values, tensors and tokens against the `gguf` package and transformers; `fixtures.py` says how.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gguf_file::{GgufFile, Model, RopeScaling};
use serde_json::Value;
use sha2::{Digest, Sha256};

const TINY: [&str; 6] = ["llama", "llama3", "mistral", "qwen2", "qwen3", "gemma3"];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn expected(name: &str) -> Value {
    let text = std::fs::read(fixtures().join(format!("{name}.json"))).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The real SmolLM2; `None`, reported on standard error, where it is missing.
fn smollm2() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.assets/smollm2-135m/model.gguf");
    if path.is_file() {
        return Some(path);
    }
    eprintln!(
        "SKIPPED: `{}` does not exist; scripts/setup-smollm2.sh makes it",
        path.display()
    );
    None
}

/// Shape and digest of each tensor by its name.
fn found(model: &Model) -> BTreeMap<String, (Vec<usize>, String)> {
    let tensors = model.names().map(|name| {
        let tensor = model.tensor(name).unwrap();
        assert_eq!(model.shape(name).unwrap(), tensor.shape);
        let values = tensor.values.iter().map(|value| value.to_le_bytes());
        let bytes: Vec<u8> = values.flatten().collect();
        let digest: String = Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        (name.to_owned(), (tensor.shape, digest[..16].to_owned()))
    });
    tensors.collect()
}

fn tensors(facts: &Value) -> BTreeMap<String, (Vec<usize>, String)> {
    let tensors = facts["tensors"].as_object().unwrap().iter();
    let tensors = tensors.map(|(name, facts)| {
        let shape = facts["shape"].as_array().unwrap().iter();
        let shape = shape.map(|size| size.as_u64().unwrap() as usize);
        let digest = facts["sha256"].as_str().unwrap();
        (name.clone(), (shape.collect(), digest.to_owned()))
    });
    tensors.collect()
}

fn check_tokens(file: &GgufFile, facts: &Value) {
    let tokenizer = file.tokenizer().unwrap().tokenizer;
    for row in facts["texts"].as_array().unwrap() {
        let text = row[0].as_str().unwrap();
        let tokens = tokenizer.encode(text, true).unwrap();
        let expected: Vec<u64> = row[1]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_u64().unwrap())
            .collect();
        let ids: Vec<u64> = tokens.get_ids().iter().map(|&id| id.into()).collect();
        assert_eq!(ids, expected, "{text:?} of {}", file.text_of_architecture());
    }
}

/// For messages.
trait Named {
    fn text_of_architecture(&self) -> String;
}

impl Named for GgufFile<'_> {
    fn text_of_architecture(&self) -> String {
        let name = self.value("general.architecture").unwrap();
        name.as_text().unwrap().to_owned()
    }
}

#[test]
fn values_of_every_type_are_those_of_the_gguf_package_bit_by_bit() {
    let bytes = std::fs::read(fixtures().join("types.gguf")).unwrap();
    let file = GgufFile::read(Path::new("types.gguf"), &bytes).unwrap();
    let expected = std::fs::read(fixtures().join("types.f32")).unwrap();
    let mut expected = expected
        .as_chunks::<4>()
        .0
        .iter()
        .map(|it| f32::from_le_bytes(*it));
    let mut kinds = Vec::new();
    for (name, info) in file.tensors() {
        assert_eq!(info.shape, [2, 256]);
        assert_eq!(format!("{:?}", info.kind).to_lowercase(), name);
        for (at, value) in file.values(info).into_iter().enumerate() {
            let wanted = expected.next().unwrap();
            assert_eq!(
                value.to_bits(),
                wanted.to_bits(),
                "{name} {at}: {value} {wanted}"
            );
        }
        kinds.push(info.kind);
    }
    assert_eq!((kinds.len(), expected.next()), (11, None));
}

#[test]
fn tensors_of_every_architecture_are_those_of_transformers_bit_by_bit() {
    for name in TINY {
        let bytes = std::fs::read(fixtures().join(format!("{name}.gguf"))).unwrap();
        let file = GgufFile::read(Path::new(name), &bytes).unwrap();
        let model = Model::new(&file).unwrap();
        assert_eq!(found(&model), tensors(&expected(name)), "{name}");
    }
}

#[test]
fn configurations_of_every_architecture_are_those_of_transformers() {
    for name in TINY {
        let bytes = std::fs::read(fixtures().join(format!("{name}.gguf"))).unwrap();
        let file = GgufFile::read(Path::new(name), &bytes).unwrap();
        let config = Model::new(&file).unwrap().config().to_json();
        for (key, value) in expected(name)["config"].as_object().unwrap() {
            let found = match key.as_str() {
                "eos_token_id" => &config[key][0],
                _ => &config[key],
            };
            assert_eq!(found, value, "{name}: {key}");
        }
    }
}

#[test]
fn the_factor_of_llama_3_is_found_in_the_divisors_of_its_frequencies() {
    let bytes = std::fs::read(fixtures().join("llama3.gguf")).unwrap();
    let file = GgufFile::read(Path::new("llama3.gguf"), &bytes).unwrap();
    let model = Model::new(&file).unwrap();
    let config = model.config();
    assert_eq!(config.rope_scaling, Some(RopeScaling::Llama3(32.0)));
    assert_eq!(config.rope_theta, 500_000.0);
    assert!(config.attention_bias && config.mlp_bias && !config.tied);
}

#[test]
fn tokens_of_every_kind_of_tokenizer_are_those_of_the_original_one() {
    for name in TINY {
        let bytes = std::fs::read(fixtures().join(format!("{name}.gguf"))).unwrap();
        let file = GgufFile::read(Path::new(name), &bytes).unwrap();
        check_tokens(&file, &expected(name));
    }
}

#[test]
fn a_decoded_text_is_the_text() {
    for name in TINY {
        let bytes = std::fs::read(fixtures().join(format!("{name}.gguf"))).unwrap();
        let file = GgufFile::read(Path::new(name), &bytes).unwrap();
        let tokenizer = file.tokenizer().unwrap().tokenizer;
        for text in ["Two  soaps, 250 ml each", "日本 👍🏽", "a\n\n b"] {
            let tokens = tokenizer.encode(text, true).unwrap();
            assert_eq!(
                tokenizer.decode(tokens.get_ids(), true).unwrap(),
                text,
                "{name}"
            );
        }
    }
}

#[test]
fn smollm2_has_the_tensors_of_transformers_and_the_tokens_of_its_original_tokenizer() {
    let Some(path) = smollm2() else {
        return;
    };
    let bytes = std::fs::read(&path).unwrap();
    let file = GgufFile::read(&path, &bytes).unwrap();
    let model = Model::new(&file).unwrap();
    let facts = expected("smollm2");
    assert_eq!(found(&model), tensors(&facts));
    check_tokens(&file, &facts);

    let config = model.config();
    assert_eq!(
        (config.layers, config.hidden_size, config.vocab_size),
        (30, 576, 49152)
    );
    assert_eq!(
        (config.heads, config.kv_heads, config.head_size),
        (9, 3, 64)
    );
    assert_eq!((config.norm_eps, config.rope_theta), (1e-5, 100_000.0));
    assert!(config.tied && config.rope_scaling.is_none());
    assert_eq!(
        (config.special.bos, &config.special.eos[..]),
        (Some(1), &[2][..])
    );
    let tokenizer = file.tokenizer().unwrap();
    assert_eq!(tokenizer.kind, "gpt2/smollm");
    let plain = tokenizer.tokenizer.encode("A soap", true).unwrap();
    assert_eq!(plain.get_ids().len(), 2, "nothing is put in front");
    assert!(file.chat_template().unwrap().contains("<|im_start|>"));
}
