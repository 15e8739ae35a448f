use super::*;

fn read(json: &str) -> Result<LmConfig, String> {
    let value = serde_json::from_str(json).unwrap();
    LmConfig::read(Path::new("m/config.json"), &value).map_err(|error| error.to_string())
}

const OPT: &str = r#"{"model_type":"opt","vocab_size":50272,"hidden_size":768,"num_hidden_layers":12,
    "num_attention_heads":12,"ffn_dim":3072,"max_position_embeddings":2048,"word_embed_proj_dim":768,
    "bos_token_id":2,"eos_token_id":2,"activation_function":"relu"}"#;
const LLAMA: &str = r#"{"model_type":"llama","vocab_size":128256,"hidden_size":3072,"num_hidden_layers":28,
    "num_attention_heads":24,"num_key_value_heads":8,"head_dim":128,"intermediate_size":8192,"rms_norm_eps":1e-05,
    "max_position_embeddings":131072,"bos_token_id":128000,"eos_token_id":[128001,128008],
    "tie_word_embeddings":true,ROPE}"#;
const SCALING: &str = r#"{"factor":32.0,"low_freq_factor":1.0,"high_freq_factor":4.0,
    "original_max_position_embeddings":8192,"rope_type":"llama3"}"#;

#[test]
fn published_files_say_what_the_names_say() {
    assert_eq!(read(OPT).unwrap(), LmConfig::named("opt-125m").unwrap());
    let old = format!(r#""rope_theta":500000.0,"rope_scaling":{SCALING}"#);
    let new = format!(
        r#""rope_parameters":{}"#,
        SCALING.replace('{', r#"{"rope_theta":500000.0,"#)
    );
    let mut named = LmConfig::named("llama-3.2-3b").unwrap();
    named.eos = vec![128_001, 128_008];
    assert_eq!(read(&LLAMA.replace("ROPE", &old)).unwrap(), named);
    assert_eq!(read(&LLAMA.replace("ROPE", &new)).unwrap(), named);
}

/// Published files.
const QWEN2: &str = r#"{"model_type":"qwen2","hidden_act":"silu","hidden_size":896,"initializer_range":0.02,
    "intermediate_size":4864,"max_position_embeddings":32768,"max_window_layers":24,"num_attention_heads":14,
    "num_hidden_layers":24,"num_key_value_heads":2,"rms_norm_eps":1e-06,"rope_theta":1000000.0,"sliding_window":32768,
    "tie_word_embeddings":true,"use_sliding_window":false,"vocab_size":151936,"bos_token_id":151643,
    "eos_token_id":151643}"#;
const QWEN3: &str = r#"{"model_type":"qwen3","attention_bias":false,"head_dim":128,"hidden_act":"silu",
    "hidden_size":1024,"intermediate_size":3072,"max_position_embeddings":40960,"max_window_layers":28,
    "num_attention_heads":16,"num_hidden_layers":28,"num_key_value_heads":8,"rms_norm_eps":1e-06,"rope_scaling":null,
    "rope_theta":1000000,"sliding_window":null,"tie_word_embeddings":true,"use_sliding_window":false,
    "vocab_size":151936,"bos_token_id":151643,"eos_token_id":151645}"#;
const MISTRAL: &str = r#"{"model_type":"mistral","hidden_act":"silu","hidden_size":4096,"intermediate_size":14336,
    "max_position_embeddings":32768,"num_attention_heads":32,"num_hidden_layers":32,"num_key_value_heads":8,
    "rms_norm_eps":1e-05,"rope_theta":1000000.0,"sliding_window":null,"tie_word_embeddings":false,"vocab_size":32768,
    "bos_token_id":1,"eos_token_id":2}"#;
const GEMMA3: &str = r#"{"model_type":"gemma3_text","attention_bias":false,"attn_logit_softcapping":null,
    "final_logit_softcapping":null,"head_dim":256,"hidden_activation":"gelu_pytorch_tanh","hidden_size":640,
    "intermediate_size":2048,"max_position_embeddings":32768,"num_attention_heads":4,"num_hidden_layers":18,
    "num_key_value_heads":1,"query_pre_attn_scalar":256,"rms_norm_eps":1e-06,ROPE,"sliding_window":512,
    "vocab_size":262144,"bos_token_id":2,"eos_token_id":1}"#;

#[test]
fn published_files_of_later_families_say_what_the_names_say() {
    let old = r#""rope_theta":1000000.0,"rope_local_base_freq":10000.0,"rope_scaling":null,
        "sliding_window_pattern":6"#;
    let new = r#""rope_parameters":{"full_attention":{"rope_type":"default","rope_theta":1000000.0},
        "sliding_attention":{"rope_type":"default","rope_theta":10000.0}},"layer_types":LAYERS"#;
    let layers = (1..=18).map(|layer| match layer % 6 {
        0 => "full_attention",
        _ => "sliding_attention",
    });
    let layers = serde_json::to_string(&layers.collect::<Vec<_>>()).unwrap();
    for (json, name) in [
        (QWEN2, "qwen2.5-0.5b"),
        (QWEN3, "qwen3-0.6b"),
        (MISTRAL, "mistral-7b"),
        (&GEMMA3.replace("ROPE", old), "gemma3-270m"),
        (
            &GEMMA3.replace("ROPE", &new.replace("LAYERS", &layers)),
            "gemma3-270m",
        ),
    ] {
        assert_eq!(
            read(json).unwrap(),
            LmConfig::named(name).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn layers_with_a_window_are_those_of_transformers() {
    let local = |json: String| read(&json).unwrap().local.unwrap();
    let mistral = MISTRAL.replace(r#""sliding_window":null"#, r#""sliding_window":4096"#);
    let found = local(mistral);
    assert_eq!((found.window, found.layers), (4096, vec![true; 32]));
    let absent = MISTRAL.replace(r#""sliding_window":null,"#, "");
    assert_eq!(local(absent).window, 4096);
    let used = QWEN2
        .replace("false", "true")
        .replace("\"max_window_layers\":24", "\"max_window_layers\":20");
    let found = local(used);
    assert_eq!(found.window, 32768);
    assert_eq!(found.layers, [vec![false; 20], vec![true; 4]].concat());
    let gemma = local(GEMMA3.replace("ROPE", r#""sliding_window_pattern":2"#));
    assert_eq!(gemma.layers[..4], [true, false, true, false]);
    assert_eq!(gemma.rope.theta, 10_000.0);
    for (json, words) in [
        (
            QWEN3.replace("28,\"num_key", "2,\"num_key").replace(
                "\"sliding_window\":null",
                r#""layer_types":["full_attention","sliding_attention"]"#,
            ),
            "`layer_types` is a list with `sliding_attention`, but no window is used",
        ),
        (
            GEMMA3.replace("ROPE", r#""layer_types":["full_attention"]"#),
            "`layer_types` is a list of 1; expected `full_attention` or `sliding_attention` for each of 18 layers",
        ),
        (
            GEMMA3.replace("ROPE", r#""rope_parameters":{"rope_theta":1000.0}"#),
            "expected an object with `full_attention` and `sliding_attention`",
        ),
        (
            MISTRAL.replace(
                "\"num_hidden_layers\":32",
                "\"num_hidden_layers\":1000000000000",
            ),
            "`num_hidden_layers` is 1000000000000; expected a whole number from 1 to 10000",
        ),
    ] {
        let error = read(&json).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

/// `hidden_size`, `num_hidden_layers`, `num_attention_heads`, `ffn_dim`, `word_embed_proj_dim` of
/// facebook/opt-*.
const OPTS: [(&str, [i64; 5]); 9] = [
    ("opt-125m", [768, 12, 12, 3072, 768]),
    ("opt-350m", [1024, 24, 16, 4096, 512]),
    ("opt-1.3b", [2048, 24, 32, 8192, 2048]),
    ("opt-2.7b", [2560, 32, 32, 10240, 2560]),
    ("opt-6.7b", [4096, 32, 32, 16384, 4096]),
    ("opt-13b", [5120, 40, 40, 20480, 5120]),
    ("opt-30b", [7168, 48, 56, 28672, 7168]),
    ("opt-66b", [9216, 64, 72, 36864, 9216]),
    ("opt-175b", [12288, 96, 96, 49152, 12288]),
];

#[test]
fn every_published_opt_has_the_shape_of_its_file() {
    for (name, [hidden, layers, heads, ffn, embedding]) in OPTS {
        let norm_first = name != "opt-350m";
        let json = format!(
            r#"{{"model_type":"opt","vocab_size":50272,"hidden_size":{hidden},"num_hidden_layers":{layers},
            "num_attention_heads":{heads},"ffn_dim":{ffn},"max_position_embeddings":2048,
            "word_embed_proj_dim":{embedding},"do_layer_norm_before":{norm_first},"bos_token_id":2,"eos_token_id":2,
            "activation_function":"relu"}}"#
        );
        assert_eq!(
            read(&json).unwrap(),
            LmConfig::named(name).unwrap(),
            "{name}"
        );
    }
    assert_eq!(
        OPTS.len(),
        LmConfig::names()
            .filter(|name| name.starts_with("opt"))
            .count()
    );
}

#[test]
fn a_key_that_is_missing_or_not_supported_is_named_with_its_file() {
    let cases = [
        (
            OPT.replace("\"opt\"", "\"gpt2\""),
            "m/config.json: `model_type` is gpt2; expected `opt`, `llama`, `mistral`, `qwen2`, `qwen3` or `gemma3_text`",
        ),
        (
            OPT.replace("\"ffn_dim\":3072,", ""),
            "m/config.json: `ffn_dim` is absent; expected a whole number above 0",
        ),
        (
            OPT.replace("\"vocab_size\":50272", "\"vocab_size\":-1"),
            "m/config.json: `vocab_size` is -1; expected a whole number above 0",
        ),
        (
            OPT.replace("relu", "swish"),
            "m/config.json: `activation_function` is swish; expected `relu`, `gelu`, `gelu_pytorch_tanh` or `silu`",
        ),
        (
            OPT.replace(":768,\"num", ":769,\"num"),
            "m/config.json: `hidden_size` is 769 with 12 heads; expected numbers that divide one another",
        ),
        (
            OPT.replace("\"eos_token_id\":2", "\"eos_token_id\":50272"),
            "m/config.json: `eos_token_id` is 50272; expected token numbers below `vocab_size`, which is 50272; take the file from the model of the weights",
        ),
        (
            OPT.replace("\"bos_token_id\":2", "\"bos_token_id\":90000"),
            "m/config.json: `bos_token_id` is 90000; expected token numbers below `vocab_size`, which is 50272; take the file from the model of the weights",
        ),
        (
            LLAMA.replace(
                "ROPE",
                r#""rope_scaling":{"rope_type":"yarn","factor":4.0}"#,
            ),
            "m/config.json: `rope_scaling.rope_type` is yarn; expected `default`, `linear` or `llama3`",
        ),
    ];
    for (json, message) in cases {
        assert_eq!(read(&json).unwrap_err(), message);
    }
    assert_eq!(
        read("[]").unwrap_err(),
        "m/config.json: `model_type` is absent; expected a text"
    );
}

#[test]
fn an_unknown_shape_is_refused_with_the_known_ones() {
    let error = LmConfig::named("opt-7b").unwrap_err().to_string();
    assert!(
        error.starts_with(
            "`opt-7b` is not a known shape of a language model; expected one of opt-125m, "
        ),
        "{error}"
    );
    for name in LmConfig::names() {
        let config = LmConfig::named(name).unwrap();
        assert_eq!(config.heads % config.kv_heads, 0, "{name}");
    }
}

#[test]
fn every_end_of_text_is_taken_also_those_of_the_generation_config() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    crate::fs::write_atomic(&file("config.json"), OPT.as_bytes()).unwrap();
    assert_eq!(LmConfig::open(folder.path()).unwrap().eos, [2]);
    let generation = file("generation_config.json");
    crate::fs::write_atomic(&generation, br#"{"eos_token_id":[50118,2]}"#).unwrap();
    assert_eq!(LmConfig::open(folder.path()).unwrap().eos, [2, 50118]);
    crate::fs::write_atomic(&generation, br#"{"eos_token_id":60000}"#).unwrap();
    let error = LmConfig::open(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains(
            "generation_config.json: `eos_token_id` is 60000; expected token numbers below"
        ),
        "{error}"
    );
}

#[test]
fn rotary_settings_without_a_type_are_the_plain_form() {
    let rope = |text: &str| read(&LLAMA.replace("ROPE", text)).map(|config| config.rope.unwrap());
    let plain = Rope {
        theta: 5000.0,
        scaling: None,
    };
    let typeless = r#""rope_parameters":{"rope_theta":5000.0}"#;
    assert_eq!(rope(typeless).unwrap(), plain);
    let null = r#""rope_parameters":{"rope_theta":5000.0,"rope_type":null}"#;
    assert_eq!(rope(null).unwrap(), plain);
    let factor = r#""rope_scaling":{"factor":2.0}"#;
    assert_eq!(
        rope(factor).unwrap_err(),
        "m/config.json: `rope_scaling.rope_type` is absent next to `factor`; expected `default`, `linear` or `llama3`"
    );
    let short = SCALING.replace(",\n    \"original_max_position_embeddings\":8192", "");
    assert_ne!(short, SCALING);
    let found = rope(&format!(r#""rope_scaling":{short}"#)).unwrap().scaling;
    let Some(RopeScaling::Llama3 {
        original_positions, ..
    }) = found
    else {
        panic!("{found:?}");
    };
    assert_eq!(original_positions, 131_072.0);
}

#[test]
fn what_changes_a_model_and_is_not_supported_is_refused_with_its_file() {
    for (text, words) in [
        (
            r#""quantization_config":{"quant_method":"gptq"}"#,
            "`quantization_config`",
        ),
        (r#""auto_map":{"AutoModelForCausalLM":"a.B"}"#, "`auto_map`"),
        (r#""sliding_window":4096"#, "`sliding_window` is 4096"),
        (r#""rope_parameters":{"rope_type":"longrope"}"#, "longrope"),
    ] {
        let error = read(&LLAMA.replace("ROPE", text)).unwrap_err();
        assert!(
            error.starts_with("m/config.json: ") && error.contains(words),
            "{error}"
        );
    }
}
