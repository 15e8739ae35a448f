//! Chat templates and GGUF files, compared with transformers.

use super::*;
use crate::lm::Generation;

#[test]
fn turns_of_a_chat_have_the_tokens_of_transformers() {
    let fixture = include_str!("../../../../tests/fixtures/folders/chats.json");
    let cases: Vec<serde_json::Value> = serde_json::from_str(fixture).unwrap();
    assert_eq!(cases.len(), 24);
    for case in cases {
        let text = |field: &str| case[field].as_str().unwrap();
        let mut loaded = opened_with(text("tokenizer")).unwrap();
        assert!(matches!(
            loaded.begin_chat(""),
            Err(PromptedLmError::NoChat)
        ));
        let (bos, eos) = (case["bos"].as_str(), case["eos"].as_str());
        loaded.chat = Some(ChatTemplate::new(text("template"), bos, eos));
        loaded.begin_chat(text("system")).unwrap();
        let mut settings = prompt();
        settings.template = text("user").to_owned();
        let prompted_lm = PromptedLm::new(loaded, &data(), &settings, NEITHER, needs(4));
        let slots = prompted_lm.encoder.prompt(&[], &[1], 1).unwrap();
        let ids = slots.iter().map(|slot| match slot {
            Slot::Token(token) => u64::from(*token),
            Slot::User | Slot::Item(_) => panic!("no vectors"),
        });
        let expected: Vec<u64> = case["ids"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|id| id.as_u64())
            .collect();
        assert_eq!(
            ids.collect::<Vec<_>>(),
            expected,
            "{}: {}",
            text("tokenizer"),
            text("template")
        );
    }
}

/// Logits of a GGUF file's model after `ids`.
fn logits_of(path: &Path, ids: &[i64]) -> Vec<f32> {
    let loaded = LoadedLm::read_gguf(path, Holding::frozen(Kind::Float, Device::Cpu)).unwrap();
    let rows = [loaded.lm.embed(&Tensor::from_slice(ids))];
    let last = ids.len() - 1..ids.len();
    let logits = loaded.lm.logits(&loaded.lm.hidden(&rows, &[last]));
    Vec::try_from(logits.view([-1])).unwrap()
}

/// Largest distance between the first of `found` and what a fixture says.
fn distance(found: &[f32], fixture: &serde_json::Value) -> f64 {
    let expected = fixture["logits"].as_array().unwrap();
    assert!(expected.len() >= 32 && found.len() >= expected.len());
    let far = found.iter().zip(expected);
    let far = far.map(|(found, expected)| (f64::from(*found) - expected.as_f64().unwrap()).abs());
    far.fold(0.0, f64::max)
}

#[test]
fn models_in_gguf_files_have_the_logits_of_transformers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gguf-file/tests/fixtures");
    for name in ["llama", "llama3", "mistral", "qwen2", "qwen3", "gemma3"] {
        let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        let fixture: serde_json::Value = serde_json::from_str(&text).unwrap();
        let ids = fixture["ids"].as_array().unwrap();
        let ids: Vec<i64> = ids.iter().filter_map(|id| id.as_i64()).collect();
        let found = logits_of(&folder.join(format!("{name}.gguf")), &ids);
        let far = distance(&found, &fixture);
        assert!(far < 1e-4, "{name}: {far}");
    }
}

#[test]
fn smollm2_has_the_logits_and_greedy_tokens_of_transformers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.assets/smollm2-135m/model.gguf");
    if !path.is_file() {
        eprintln!(
            "SKIPPED: scripts/setup-smollm2.sh has not made `{}`",
            path.display()
        );
        return;
    }
    let fixture = include_str!("../../../../tests/fixtures/smollm2.json");
    let fixture: serde_json::Value = serde_json::from_str(fixture).unwrap();
    let numbers = |field: &str| -> Vec<i64> {
        let list = fixture[field].as_array().unwrap();
        list.iter().filter_map(|id| id.as_i64()).collect()
    };
    let (ids, greedy) = (numbers("ids"), numbers("greedy"));
    let far = distance(&logits_of(&path, &ids), &fixture);
    assert!(far < 1e-3, "{far}");
    let loaded = LoadedLm::read_gguf(&path, Holding::frozen(Kind::Float, Device::Cpu)).unwrap();
    let generation = Generation {
        max_new_tokens: greedy.len(),
        min_new_tokens: greedy.len(),
        repetition_penalty: 1.0,
        penalise_eos_from_start: false,
        ends: Vec::new(),
        stop_after: None,
    };
    let rows = [loaded.lm.embed(&Tensor::from_slice(&ids))];
    let written = loaded.lm.generate(&rows, &generation, None).unwrap();
    let written: Vec<i64> = written[0].iter().map(|&id| i64::from(id)).collect();
    assert_eq!(written, greedy);
    assert!(
        loaded
            .chat
            .unwrap()
            .turn("")
            .unwrap()
            .before
            .contains("<|im_start|>user")
    );
    assert!(loaded.tokenizer.front().is_empty());
}
