use super::*;
use serde_json::json;

#[test]
fn attention_made_of_parts_is_libtorchs() {
    tch::manual_seed(2);
    let draw = || Tensor::randn([2, 3, 5, 4], (Kind::Float, Device::Cpu));
    let [query, key, value] = [draw(), draw(), draw()];
    let none = None::<Tensor>;
    let expected =
        Tensor::scaled_dot_product_attention(&query, &key, &value, none, 0.0, false, None, false);
    let parts = [query, key, value];
    let found = mix_plainly(&parts, Tensor::shallow_clone);
    assert!(found.allclose(&expected, 1e-5, 1e-6, false));
    let doubled = mix_plainly(&parts, |weights| weights * 2.0);
    assert!(doubled.allclose(&(expected * 2.0), 1e-5, 1e-6, false));
}

#[test]
fn a_configuration_that_is_not_understood_is_refused_by_its_field() {
    let whole = json!({
        "model_type": "bert", "vocab_size": 9, "hidden_size": 6, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 8, "max_position_embeddings": 7,
    });
    let config = BertConfig::from_json(&whole).unwrap();
    assert_eq!(
        (config.eps, config.activation, config.segments),
        (1e-12, Activation::Gelu, 2)
    );
    let changes = [
        ("model_type", json!("mpnet"), "`mpnet`"),
        ("hidden_act", json!("swish"), "`swish`"),
        (
            "position_embedding_type",
            json!("relative_key"),
            "`relative_key`",
        ),
        ("num_attention_heads", json!(4), "4 heads"),
        ("vocab_size", json!(0), "`vocab_size`"),
        ("intermediate_size", Value::Null, "`intermediate_size`"),
    ];
    for (field, value, told) in changes {
        let mut changed = whole.clone();
        changed[field] = value;
        let refusal = BertConfig::from_json(&changed).unwrap_err();
        assert!(refusal.contains(told), "{refusal}");
    }
}
