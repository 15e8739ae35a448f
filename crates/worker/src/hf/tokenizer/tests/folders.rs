//! Tokens of tiny folders by transformers' `AutoTokenizer`; `tests/fixtures/folders.py` made them.

use super::*;

fn fixtures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/folders")
}

/// The tokenizer called `name`: a fixture, or the project's own.
fn opened(name: &str) -> Tokenizer {
    let folder = match name == "small-lm" {
        true => Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../assets")
            .join(name),
        false => fixtures().join("tokenizers").join(name),
    };
    Tokenizer::open(&folder).unwrap()
}

fn expected() -> serde_json::Map<String, Value> {
    let text = std::fs::read(fixtures().join("tokens.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn ids(value: &Value) -> Vec<i64> {
    let ids = value.as_array().unwrap().iter();
    ids.map(|id| id.as_i64().unwrap()).collect()
}

fn wide(tokens: &[u32]) -> impl Iterator<Item = i64> + '_ {
    tokens.iter().map(|&token| i64::from(token))
}

/// A text with the tokens around it.
fn whole(tokenizer: &Tokenizer, text: &str) -> Vec<i64> {
    let tokens = [tokenizer.front(), &tokenizer.encode(text), tokenizer.back()].concat();
    wide(&tokens).collect()
}

/// A prompt whose places of vectors are `|`, -1 in the answer.
fn with_places(tokenizer: &Tokenizer, prompt: &str) -> Vec<i64> {
    let mut found: Vec<i64> = wide(tokenizer.front()).collect();
    for (number, text) in prompt.split('|').enumerate() {
        if number > 0 {
            found.push(-1);
        }
        let tokens = match (number, text) {
            (_, "") => Vec::new(),
            (0, text) => tokenizer.encode(text),
            (_, text) => tokenizer.encode_later(text),
        };
        found.extend(wide(&tokens));
    }
    found.extend(wide(tokenizer.back()));
    found
}

#[test]
fn every_folder_gives_the_tokens_that_auto_tokenizer_gives() {
    let expected = expected();
    assert_eq!(expected.len(), 21);
    for (name, cases) in expected {
        let tokenizer = opened(&name);
        for (text, tokens) in cases["texts"].as_object().unwrap() {
            assert_eq!(whole(&tokenizer, text), ids(tokens), "{name}: `{text}`");
        }
    }
}

#[test]
fn text_around_vectors_gives_the_tokens_of_one_text_with_added_tokens() {
    for (name, cases) in expected() {
        let tokenizer = opened(&name);
        for (prompt, tokens) in cases["prompts"].as_object().unwrap() {
            let found = with_places(&tokenizer, prompt);
            assert_eq!(found, ids(tokens), "{name}: `{prompt}`");
        }
    }
}

#[test]
fn only_tokenizers_that_say_so_put_a_token_in_front() {
    let front = |name: &str| {
        let tokenizer = opened(name);
        tokenizer.decode_whole(tokenizer.front())
    };
    for name in ["smollm2", "no-front", "qwen2", "opt-no-front", "opt-null"] {
        assert_eq!(front(name), "", "{name}");
    }
    for name in ["opt", "opt-one-file", "opt-back", "small-lm"] {
        assert_eq!(front(name), "</s>", "{name}");
    }
    assert_eq!(front("llama-2"), "<s>");
    assert_eq!(front("gemma"), "<bos>");
    assert_eq!(front("llama-3"), "<|begin_of_text|>");
    let back = opened("opt-back");
    assert_eq!(back.decode_whole(back.back()), "</s>");
    assert!(opened("opt").back().is_empty());
}

#[test]
fn what_of_a_folder_does_not_count_is_remarked() {
    let remarks = opened("no-front").remarks().to_vec();
    assert_eq!(remarks.len(), 1, "{remarks:?}");
    assert!(
        remarks[0].contains("`add_bos_token = true` is ignored"),
        "{remarks:?}"
    );
    let remarks = opened("smollm2").remarks().to_vec();
    assert!(
        remarks[0].contains("`GPT2Tokenizer` without the file's pre_tokenizer"),
        "{remarks:?}"
    );
    for name in [
        "llama-3",
        "prepend",
        "metaspace-first",
        "mistral",
        "gemma",
        "opt",
        "small-lm",
    ] {
        assert_eq!(opened(name).remarks(), [""; 0], "{name}");
    }
}

#[test]
fn a_marker_written_in_a_title_stays_words_behind_a_vector() {
    for name in ["opt", "metaspace-first"] {
        let tokenizer = opened(name);
        for text in ["a \u{fdd0}place\u{fdd1} b", "[HistoryEmb]", "</s> <s>"] {
            let tokens = tokenizer.encode_later(text);
            let decoded = tokenizer.decode(&tokens);
            assert_eq!(decoded.trim_start(), text, "{name}");
            let known = tokenizer.vocab_size() as u32;
            assert!(tokens.iter().all(|&token| token < known), "{name}");
        }
    }
}

#[test]
fn a_class_that_transformers_builds_otherwise_and_code_of_ones_own_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let from = fixtures().join("tokenizers/llama-2");
    std::fs::copy(
        from.join("tokenizer.json"),
        folder.path().join("tokenizer.json"),
    )
    .unwrap();
    for (config, words) in [
        (
            r#"{"tokenizer_class": "CodeLlamaTokenizerFast"}"#,
            "`CodeLlamaTokenizerFast`",
        ),
        (
            r#"{"auto_map": {"AutoTokenizer": ["t.T", null]}}"#,
            "`auto_map`",
        ),
        (r#"{"tokenizer_class": "BertTokenizer"}"#, "BERT tokenizer"),
    ] {
        std::fs::write(folder.path().join("tokenizer_config.json"), config).unwrap();
        let refusal = Tokenizer::open(folder.path()).unwrap_err().to_string();
        assert!(
            refusal.contains(words) && refusal.contains("tokenizer.json"),
            "{refusal}"
        );
    }
}
