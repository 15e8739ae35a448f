//! Folders of models that `check` refuses.

use super::bad::faults_of;

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

/// The configuration of a language model, with space for more keys.
const LLAMA: &str = r#"{"model_type": "llama", "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 24, REST}"#;

/// The faults of a language model's folder and an encoder's folder with these additional files.
fn faults(llm: &[(&str, &str)], encoder: &[(&str, &str)]) -> Vec<String> {
    faults_with(SPEC, llm, encoder)
}

/// The same of another file.
fn faults_with(spec: &str, llm: &[(&str, &str)], encoder: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, kind: &str, files: &[(&str, &str)]| {
        let own = folder.path().join(name);
        std::fs::create_dir(&own).unwrap();
        let config = match kind {
            "llama" => LLAMA.replace(", REST", ""),
            kind => format!(r#"{{"model_type": "{kind}"}}"#),
        };
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
    let text = spec
        .replace("ENCODER", &make("encoder", "bert", encoder))
        .replace("LLM", &make("llm", "llama", llm));
    let root = folder.path().display().to_string();
    let faults = faults_of(&text, &[]).into_iter();
    faults.map(|fault| fault.replace(&root, "ROOT")).collect()
}

#[test]
fn files_that_change_a_model_and_are_not_supported_are_refused_by_name() {
    assert_eq!(faults(&[], &[]), [""; 0]);
    let config = |rest: &str| LLAMA.replace("REST", rest);
    let families = "expected `opt`, `llama`, `mistral`, `qwen2`, `qwen3` or `gemma3_text`";
    let gpt2 = format!("its `model_type` is `gpt2`; {families}");
    let images = format!("its `model_type` is `gemma3`; {families}");
    let cases = [
        (r#"{"model_type": "gpt2"}"#.to_owned(), gpt2.as_str()),
        (
            r#"{"model_type": "gemma3", "text_config": {"model_type": "gemma3_text"}}"#.to_owned(),
            images.as_str(),
        ),
        (
            r#"{"model_type": "qwen3", "vocab_size": 40}"#.to_owned(),
            "`hidden_size` is absent; expected a whole number above 0",
        ),
        (
            config(r#""hidden_act": "swish""#),
            "`hidden_act` is swish; expected `relu`, `gelu`, `gelu_pytorch_tanh` or `silu`",
        ),
        (
            config(r#""layer_types": ["full_attention", "sliding_attention"]"#),
            "`layer_types` has `sliding_attention`; expected `full_attention` alone",
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
fn a_chat_template_that_cannot_be_used_is_refused_before_anything_is_trained() {
    let refused = |template: &str, prompt: &str| {
        let spec = SPEC.replace("[prompt.default]", &format!("[prompt.default]\n{prompt}"));
        let files: &[(&str, &str)] = match template {
            "" => &[],
            template => &[("chat_template.jinja", template)],
        };
        faults_with(&spec, files, &[])
    };
    let hint = "remove `chat`, or name an instruct model with `chat_template.jinja` or `chat_template` in `tokenizer_config.json`";
    let no_system = "{% if messages[0].role == 'system' %}{{ raise_exception('No system text') }}{% endif %}{{ messages[0].content }}";
    for (template, prompt, expected) in [
        (
            "",
            "chat = true",
            format!("18:8: `ROOT/llm` holds no chat template | needs a chat template | {hint}"),
        ),
        (
            "{% for one in messages %}",
            "chat = true",
            format!(
                "18:8: `ROOT/llm`: the chat template cannot be used: syntax error: unexpected end of input, expected end of block (in <string>:1) | needs a chat template | {hint}"
            ),
        ),
        (
            "{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}",
            "chat = true",
            format!(
                "18:8: `ROOT/llm`: the chat template takes more than 1000000 steps, so it may never end | needs a chat template | {hint}"
            ),
        ),
        (
            "nothing",
            "chat = true",
            format!(
                "18:8: `ROOT/llm`: the chat template writes the user's text 0 times; expected once | needs a chat template | {hint}"
            ),
        ),
        (
            no_system,
            "chat = true\nsystem = \"Recommend.\"",
            "19:10: the chat template refuses the prompt: No system text | in `ROOT/llm` | the template may take no system text: remove `system`".to_owned(),
        ),
        (
            no_system,
            "system = \"Recommend.\"",
            "18:10: `system` has no effect without `chat = true` | text of a chat | add `chat = true`, or remove `system`".to_owned(),
        ),
    ] {
        assert_eq!(refused(template, prompt), [expected], "{template}");
    }
    assert_eq!(refused(no_system, "chat = true"), Vec::<String>::new());
}
