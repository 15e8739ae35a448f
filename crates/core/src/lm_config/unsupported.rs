//! Settings in a Hugging Face folder that change the model and are not supported. `check` reports
//! them before anything is trained, and the worker when it reads the folder.

use serde_json::Value;

/// Supported rotary forms.
const ROPE: [&str; 3] = ["default", "linear", "llama3"];

/// The first setting of a `config.json` that changes the model and is not supported, with what to
/// do.
pub fn unsupported(config: &Value) -> Option<String> {
    let there = |key: &str| !config[key].is_null();
    if there("quantization_config") {
        let method = config["quantization_config"]["quant_method"].as_str();
        return Some(format!(
            "`quantization_config` says that the weights are quantised ({}), which is not supported; take the plain weights, or dequantise and save them",
            method.unwrap_or("without a `quant_method`")
        ));
    }
    if there("auto_map") {
        return Some(
            "`auto_map` names the model's own code, which is never run here; use a model whose code is part of transformers"
                .to_owned(),
        );
    }
    if there("transformers_weights") {
        return Some(format!(
            "`transformers_weights` names {} as the weights, which is not supported; call that file `model.safetensors` and remove the key",
            config["transformers_weights"]
        ));
    }
    if config["is_encoder_decoder"] == true || config["add_cross_attention"] == true {
        return Some(
            "`is_encoder_decoder` or `add_cross_attention` is true; expected a model without cross-attention"
                .to_owned(),
        );
    }
    for key in ["final_logit_softcapping", "attn_logit_softcapping"] {
        if there(key) {
            return Some(format!(
                "`{key}` is {}; expected null, since bounded logits are not supported",
                config[key]
            ));
        }
    }
    if config["use_bidirectional_attention"] == true {
        return Some(
            "`use_bidirectional_attention` is true; expected a model whose tokens see only those before them"
                .to_owned(),
        );
    }
    window(config).or_else(|| rope(config))
}

/// Families whose layers can have a window.
const WITH_WINDOWS: [&str; 4] = ["mistral", "qwen2", "qwen3", "gemma3_text"];

/// Attention over a window, in a family whose models have none.
fn window(config: &Value) -> Option<String> {
    let family = config["model_type"].as_str();
    if family.is_some_and(|family| WITH_WINDOWS.contains(&family)) {
        return None;
    }
    let layers = config["layer_types"].as_array().into_iter().flatten();
    let other = layers
        .filter_map(Value::as_str)
        .find(|layer| *layer != "full_attention");
    if let Some(other) = other {
        return Some(format!(
            "`layer_types` has `{other}`; expected `full_attention` alone"
        ));
    }
    let window = config["sliding_window"].as_u64()?;
    let positions = config["max_position_embeddings"].as_u64().unwrap_or(2048);
    let used = config["use_sliding_window"].as_bool().unwrap_or(true);
    (used && window < positions).then(|| {
        format!(
            "`sliding_window` is {window} with {positions} positions; expected null, since models of this `model_type` have no window"
        )
    })
}

/// Rotary settings of an unknown form, or two that contradict each other.
fn rope(config: &Value) -> Option<String> {
    let [newer, older] = [&config["rope_parameters"], &config["rope_scaling"]];
    if !newer.is_null() && !older.is_null() && newer != older {
        return Some(
            "`rope_parameters` and `rope_scaling` differ; keep the one that belongs to the weights"
                .to_owned(),
        );
    }
    let (key, map) = match newer.is_null() {
        true => ("rope_scaling", older),
        false => ("rope_parameters", newer),
    };
    if let Some(share) = config["partial_rotary_factor"].as_f64()
        && share != 1.0
    {
        return Some(partly(share));
    }
    // Gemma 3 has settings for each kind of layer.
    let kinds = ["full_attention", "sliding_attention"];
    let inner = kinds.map(|kind| (format!("{key}.{kind}"), &map[kind]));
    let mut all = std::iter::once((key.to_owned(), map)).chain(inner);
    all.find_map(|(key, map)| rope_object(&key, map))
}

fn partly(share: f64) -> String {
    format!(
        "`partial_rotary_factor` is {share}; expected 1, since partly rotated heads are not supported"
    )
}

/// Why the rotary settings in the object at `key` are not supported.
fn rope_object(key: &str, map: &Value) -> Option<String> {
    if let Some(share) = map["partial_rotary_factor"].as_f64()
        && share != 1.0
    {
        return Some(partly(share));
    }
    let kind = ["rope_type", "type"]
        .into_iter()
        .find(|kind| !map[*kind].is_null())?;
    let found = &map[kind];
    let known = found.as_str().is_some_and(|name| ROPE.contains(&name));
    (!known).then(|| {
        format!(
            "`{key}.{kind}` is {}; expected `default`, `linear` or `llama3`",
            found.as_str().map_or(found.to_string(), str::to_owned)
        )
    })
}

/// Keys of an `adapter_config.json` that have no effect, or that the merge reads.
const ADAPTER_KEYS: [&str; 24] = [
    "peft_type",
    "task_type",
    "auto_mapping",
    "peft_version",
    "base_model_name_or_path",
    "revision",
    "inference_mode",
    "r",
    "lora_alpha",
    "lora_dropout",
    "target_modules",
    "use_rslora",
    "bias",
    "init_lora_weights",
    // The layout of a `Conv1D` matrix. These models have none, and peft then ignores it.
    "fan_in_fan_out",
    "layers_pattern",
    "megatron_core",
    "qalora_group_size",
    "loftq_config",
    "eva_config",
    "corda_config",
    "lora_ga_config",
    "runtime_config",
    // How `modules_to_save` are tied; those are refused.
    "ensure_weight_tying",
];

/// The first setting of an `adapter_config.json` that is not supported, with what is expected.
pub fn unsupported_adapter(config: &Value) -> Option<String> {
    if config["peft_type"] != "LORA" {
        return Some(format!(
            "`peft_type` is {}; expected `LORA`",
            config["peft_type"]
        ));
    }
    if let Some(bias) = config["bias"].as_str()
        && bias != "none"
    {
        return Some(format!("`bias` is `{bias}`; expected `none`"));
    }
    let start = config["init_lora_weights"].as_str();
    if let Some(start) = start
        && !["gaussian", "orthogonal", "eva"].contains(&start)
    {
        return Some(format!(
            "`init_lora_weights` is `{start}`, which changes the weights of the model itself; expected true"
        ));
    }
    for key in ["r", "lora_alpha"] {
        if !config[key].as_f64().is_some_and(|number| number > 0.0) {
            return Some(format!(
                "`{key}` is {}; expected a number above 0",
                config[key]
            ));
        }
    }
    let empty = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::String(_) => false,
    };
    let others = config.as_object()?.iter();
    let mut others =
        others.filter(|(key, value)| !ADAPTER_KEYS.contains(&key.as_str()) && !empty(value));
    let (key, value) = others.next()?;
    Some(format!(
        "`{key}` is {value}, which is not supported; merge the adapter with peft's `merge_and_unload` and save the model"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_changes_a_model_and_is_not_supported_is_named() {
        let cases = [
            (
                json!({"quantization_config": {"quant_method": "gptq"}}),
                "(gptq)",
            ),
            (json!({"auto_map": {"AutoModel": "m.M"}}), "`auto_map`"),
            (
                json!({"transformers_weights": "x.safetensors"}),
                "x.safetensors",
            ),
            (json!({"is_encoder_decoder": true}), "cross-attention"),
            (
                json!({"layer_types": ["full_attention", "sliding_attention"]}),
                "`sliding_attention`",
            ),
            (
                json!({"sliding_window": 512, "max_position_embeddings": 4096}),
                "`sliding_window` is 512",
            ),
            (
                json!({"final_logit_softcapping": 30.0}),
                "`final_logit_softcapping` is 30.0",
            ),
            (
                json!({"use_bidirectional_attention": true}),
                "`use_bidirectional_attention` is true",
            ),
            (
                json!({"rope_parameters": {"full_attention": {"rope_type": "yarn"}}}),
                "`rope_parameters.full_attention.rope_type` is yarn",
            ),
            (
                json!({"rope_parameters": {"rope_type": "yarn"}}),
                "`rope_parameters.rope_type` is yarn",
            ),
            (
                json!({"rope_scaling": {"type": "dynamic"}}),
                "`rope_scaling.type` is dynamic",
            ),
            (
                json!({"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}}),
                "is 0.5",
            ),
            (
                json!({"rope_parameters": {"rope_theta": 1.0}, "rope_scaling": {"type": "linear"}}),
                "differ",
            ),
        ];
        for (config, words) in cases {
            let reason = unsupported(&config).unwrap();
            assert!(reason.contains(words), "{reason}");
        }
        for config in [
            json!({"rope_parameters": {"rope_theta": 10_000.0}}),
            json!({"sliding_window": null, "quantization_config": null}),
            json!({"sliding_window": 4096, "max_position_embeddings": 4096}),
            json!({"sliding_window": 5, "use_sliding_window": false}),
            json!({"sliding_window": 5, "model_type": "mistral", "layer_types": ["sliding_attention"]}),
            json!({"rope_scaling": {"type": "linear", "factor": 2.0}, "layer_types": ["full_attention"]}),
        ] {
            assert_eq!(unsupported(&config), None, "{config}");
        }
    }

    #[test]
    fn an_adapter_of_another_kind_than_a_plain_lora_is_refused_by_its_key() {
        let plain = json!({
            "peft_type": "LORA", "r": 8, "lora_alpha": 16, "lora_dropout": 0.05, "bias": "none",
            "target_modules": ["q_proj"], "use_dora": false, "modules_to_save": null, "rank_pattern": {},
            "init_lora_weights": true, "fan_in_fan_out": true, "layers_to_transform": null, "use_rslora": true
        });
        assert_eq!(unsupported_adapter(&plain), None);
        for (key, value, words) in [
            ("peft_type", json!("IA3"), "expected `LORA`"),
            ("bias", json!("all"), "`bias` is `all`"),
            ("init_lora_weights", json!("pissa"), "`pissa`"),
            ("r", json!(0), "`r` is 0"),
            ("use_dora", json!(true), "`use_dora` is true"),
            ("modules_to_save", json!(["lm_head"]), "`modules_to_save`"),
            ("rank_pattern", json!({"q_proj": 4}), "`rank_pattern`"),
            ("layers_to_transform", json!([0]), "`layers_to_transform`"),
            ("lora_bias", json!(true), "`lora_bias`"),
            ("something_new", json!(3), "`something_new` is 3"),
        ] {
            let mut config = plain.clone();
            config[key] = value;
            let reason = unsupported_adapter(&config).unwrap();
            assert!(reason.contains(words), "{reason}");
        }
    }
}
