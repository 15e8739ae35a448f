//! Folders of models that `check` refuses.

use std::path::Path;

use super::bad::faults_of;
use crate::experiment::load_text;
use crate::experiment::lone_blanks;

const SPEC: &str = r#"spec_version = 1
name = "folders"

[dataset.small.source.synthetic]
users = 100
items = 60

[protocol.strict]
metrics = ["hit@1"]

[encoder.texts.pretrained]
folder = "ENCODER"

[llm.little.pretrained]
folder = "LLM"

[prompt.default]
template = "{history} {candidates} The next is"

[model.sasrec.sasrec]

[model.full.allmrec]
backbone = "sasrec"
encoder = "texts"
llm = "little"
"#;

/// The faults of a language model's folder and an encoder's folder with these additional files.
fn faults(llm: &[(&str, &str)], encoder: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, kind: &str, files: &[(&str, &str)]| {
        let own = folder.path().join(name);
        std::fs::create_dir(&own).unwrap();
        let config = format!(r#"{{"model_type": "{kind}"}}"#);
        let plain = [
            ("config.json", config.as_str()),
            ("model.safetensors", ""),
            ("tokenizer.json", "{}"),
        ];
        for (file, text) in plain.iter().chain(files) {
            match *text {
                "REMOVE" => std::fs::remove_file(own.join(file)).unwrap(),
                text => std::fs::write(own.join(file), text).unwrap(),
            }
        }
        own.display().to_string()
    };
    let text = SPEC
        .replace("ENCODER", &make("encoder", "bert", encoder))
        .replace("LLM", &make("llm", "llama", llm));
    let root = folder.path().display().to_string();
    let faults = faults_of(&text, &[]).into_iter();
    faults.map(|fault| fault.replace(&root, "ROOT")).collect()
}

#[test]
fn files_that_change_a_model_and_are_not_supported_are_refused_by_name() {
    assert_eq!(faults(&[], &[]), [""; 0]);
    let config = |rest: &str| format!(r#"{{"model_type": "llama", {rest}}}"#);
    let cases = [
        (
            r#"{"model_type": "gpt2"}"#.to_owned(),
            "its `model_type` is `gpt2`; expected `opt` or `llama`",
        ),
        ("{".to_owned(), "`config.json` cannot be read"),
        (
            config(r#""rope_parameters": {"rope_type": "yarn"}"#),
            "`rope_parameters.rope_type` is yarn; expected `default`, `linear` or `llama3`",
        ),
        (
            config(r#""quantization_config": {"quant_method": "awq"}"#),
            "quantised (awq)",
        ),
        (
            config(r#""auto_map": {"AutoModel": "a.B"}"#),
            "`auto_map` names the model's own code",
        ),
    ];
    for (text, words) in cases {
        let found = faults(&[("config.json", &text)], &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("15:10: `ROOT/llm`: "), "{found:?}");
        assert!(
            found[0].contains(words) && found[0].ends_with("the file is `ROOT/llm/config.json`"),
            "{found:?}"
        );
    }
    let typeless = config(r#""rope_parameters": {"rope_theta": 10000.0}"#);
    assert_eq!(faults(&[("config.json", &typeless)], &[]), [""; 0]);
    let found = faults(&[], &[("config.json", r#"{"model_type": "mpnet"}"#)]);
    assert!(
        found[0].contains("expected `bert` or `distilbert`"),
        "{found:?}"
    );
}

#[test]
fn an_adapter_is_accepted_whole_and_refused_in_parts() {
    const PLAIN: &str = r#"{"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"],
        "base_model_name_or_path": "some/base"}"#;
    let weights = ("adapter_model.safetensors", "");
    let described = ("adapter_config.json", PLAIN);
    assert_eq!(faults(&[described, weights], &[]), [""; 0]);
    let refuse = |llm: &[(&str, &str)], encoder: &[(&str, &str)], words: &str| {
        let found = faults(llm, encoder);
        let last = found.iter().any(|fault| fault.contains(words));
        assert!(last, "{found:?}");
    };
    refuse(
        &[described],
        &[],
        "it holds `adapter_config.json`, but not all of an adapter",
    );
    refuse(
        &[weights],
        &[],
        "it holds `adapter_model.safetensors`, but not all",
    );
    refuse(
        &[],
        &[described, weights],
        "adapters of text encoders are not applied",
    );
    let dora = PLAIN.replace("\"r\": 8", "\"r\": 8, \"use_dora\": true");
    refuse(
        &[("adapter_config.json", &dora), weights],
        &[],
        "`use_dora` is true",
    );
    let gone = [("config.json", "REMOVE"), described, weights];
    refuse(
        &gone,
        &[],
        "a LoRA adapter without the model that it adapts",
    );
    refuse(&gone, &[], "copy the files of `some/base`");
}

#[test]
fn a_template_that_ends_in_a_blank_is_warned_about_for_byte_level_tokenizers() {
    let folder = tempfile::tempdir().unwrap();
    let notes = |template: &str, pre_tokenizer: &str| {
        let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        file("config.json", r#"{"model_type": "opt"}"#);
        file("model.safetensors", "");
        file(
            "tokenizer.json",
            &format!(r#"{{"pre_tokenizer": {{"type": "{pre_tokenizer}"}}}}"#),
        );
        let path = folder.path().display().to_string();
        let text = SPEC
            .replace(
                "[encoder.texts.pretrained]\nfolder = \"ENCODER\"",
                "[encoder.texts.hashed]",
            )
            .replace(
                "encoder = \"texts\"",
                "encoder = \"texts\"\nalign.train_encoder = false",
            )
            .replace("LLM", &path)
            .replace("The next is", template);
        let checked = load_text("notes.toml", &text, Path::new("/"), &[]);
        lone_blanks(
            &checked.map_err(|faults| faults.lines()).unwrap().spec,
            Path::new("/"),
        )
    };
    let found = notes("The next is ", "ByteLevel");
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with(
            "`prompt.default.template` ends in a blank, which the tokenizer of `llm.little`"
        ),
        "{found:?}"
    );
    assert!(notes("The next is", "ByteLevel").is_empty());
    assert!(notes("The next is ", "Metaspace").is_empty());
}
