//! RECFORMER against transformers, and from texts to ranks.

use allround_core::data::Item;
use allround_core::models::Model;
use allround_core::models::recformer::{Attribute, Recformer as Config, StartFrom};
use tch::{Kind, Tensor};

use super::*;
use crate::methods::pretrain::contrast;
use crate::models::recformer::{Reader, unit};
use crate::nn::longformer::{Packed, Sequence};
use crate::stages::recformer;
use crate::testing;

fn fixtures(folder: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(folder)
}

fn pretrained(folder: &str) -> Encoder {
    Encoder::Pretrained(PretrainedEncoder {
        folder: fixtures(folder).display().to_string(),
        hub: String::new(),
        max_length: 0,
        pooling: None,
    })
}

fn config(start: StartFrom) -> Config {
    match testing::model("recformer") {
        Model::Recformer(config) => Config {
            start,
            max_tokens: 130,
            ..config
        },
        other => panic!("{other:?}"),
    }
}

/// The items of the fixture's script.
fn catalogue() -> Vec<Item> {
    let oils: Vec<String> = (0..20).map(|n| format!("Lavender {n} oil")).collect();
    let item = |title: &str, categories: &[&str]| Item {
        title: Some(title.to_owned()),
        categories: categories.iter().map(|&it| it.to_owned()).collect(),
        ..Item::default()
    };
    vec![
        item("Soy Milk Hand Crème", &["Luxury", "Beauty", "Hands"]),
        item(&oils.join(" "), &["Oils"]),
        item("Serum 24h, 30 ml", &["Luxury Beauty"]),
    ]
}

fn numbers(tensor: &Tensor) -> Vec<u32> {
    let numbers = Vec::<i64>::try_from(tensor).unwrap();
    numbers.iter().map(|&number| number as u32).collect()
}

fn is_close(found: &Tensor, expected: &Tensor, what: &str) {
    let difference = (found - expected).abs().max().double_value(&[]);
    assert!(difference < 1e-5, "{what}: {difference}");
}

#[test]
fn tokens_states_loss_and_gradients_are_those_of_upstream_by_transformers() {
    let fixture = crate::models::weights::read_tensors(&fixtures("recformer/parity.safetensors"));
    let fixture = fixture.unwrap();
    let config = config(StartFrom::Weights);
    let encoder = pretrained("recformer/longformer");
    let items = catalogue();
    let opened = recformer::open(&config, Some(&encoder), items.iter(), Path::new("/")).unwrap();
    let mut events = Vec::new();
    let tokens = recformer::item_tokens(&config, &opened.tokenizer, &items, &mut |event| {
        events.push(event);
    });
    for number in 0..3 {
        let places = tokens.of(number + 1);
        let expected = |part: &str| numbers(&fixture[&format!("items.{number}.{part}")]);
        assert_eq!(tokens.ids[places.clone()], expected("ids"), "{number}");
        assert_eq!(tokens.types[places], expected("types"), "{number}");
    }
    let count = |words: &str| {
        events.iter().find_map(|event| match event {
            Event::Counted(counted) if counted.what.contains(words) => Some(counted.count),
            _ => None,
        })
    };
    assert_eq!(count("without a brand"), Some(3));
    assert_eq!(count("cut to 32 tokens"), Some(1));

    let reader = Reader {
        items: tokens,
        begin: opened.form.begin,
        max_tokens: config.max_tokens,
        max_items: config.max_items,
    };
    let histories = [reader.read(&[1, 2, 3, 2]), reader.read(&[3, 2, 1])];
    for (row, sequence) in histories.iter().enumerate() {
        let expected = |part: &str| numbers(&fixture[&format!("rows.{row}.{part}")]);
        let parts = [&sequence.ids, &sequence.types, &sequence.items];
        assert_eq!(
            parts,
            [&expected("ids"), &expected("types"), &expected("items")]
        );
    }
    let alone = [reader.read(&[3]), reader.read(&[1])];
    let (parameters, net) = opened.network(1, 0, Device::Cpu);
    let histories: Vec<&Sequence> = histories.iter().collect();
    let packed = Packed::new(&histories, Device::Cpu);
    let states = net.all(&packed, false);
    for (row, start) in numbers(&packed.starts()).into_iter().enumerate() {
        let expected = &fixture[&format!("states.{row}")];
        let found = states.narrow(0, i64::from(start), expected.size()[0]);
        is_close(&found, expected, "states");
    }
    let pooled = net.first(&packed, false);
    is_close(&pooled, &fixture["pooled"], "pooled");
    let alone: Vec<&Sequence> = alone.iter().collect();
    let single = net.first(&Packed::new(&alone, Device::Cpu), false);
    let loss = contrast(&pooled, &single, config.temperature);
    is_close(&loss, &fixture["loss"].squeeze(), "loss");
    loss.backward();
    let weights: BTreeMap<String, Tensor> = parameters.named().into_iter().collect();
    let gradient = |name: &str| weights[name].grad();
    let places = gradient("embeddings.item_position_embeddings.weight");
    is_close(
        &places,
        &fixture["gradient.item_position"],
        "item positions",
    );
    for layer in 0..2 {
        for part in ["weight", "bias"] {
            let name = format!("encoder.layer.{layer}.attention.self.query_global.{part}");
            let expected = &fixture[&format!("gradient.{layer}.{part}")];
            is_close(&gradient(&name), expected, &name);
        }
    }
    let norms = unit(&pooled)
        .square()
        .sum_dim_intlist(1, false, Kind::Float);
    is_close(
        &norms,
        &Tensor::ones([2], (Kind::Float, Device::Cpu)),
        "norms",
    );
}

#[test]
fn an_encoder_gives_its_weights_and_the_first_token_copies_of_its_maps() {
    let mut config = config(StartFrom::Encoder);
    config.attributes = vec![Attribute::Title];
    config.max_tokens = 12;
    let encoder = pretrained("morec/bert");
    let none = std::iter::empty();
    let opened = recformer::open(&config, Some(&encoder), none, Path::new("/")).unwrap();
    let (parameters, _net) = opened.network(1, 0, Device::Cpu);
    let weights: BTreeMap<String, Tensor> = parameters.named().into_iter().collect();
    for name in weights.keys() {
        let is_known = opened.tensors.contains_key(name);
        assert_eq!(is_known, !name.contains("item_position"), "{name}");
    }
    let map = |part: &str| &weights[&format!("encoder.layer.0.attention.self.{part}.weight")];
    assert_eq!(map("query"), map("query_global"));
    assert_eq!(opened.form.first_position, 0);
    assert_eq!(opened.tokenizer.id_of("[MASK]"), Some(opened.mask));
    config.max_tokens = 5000;
    let refused = recformer::open(&config, Some(&encoder), std::iter::empty(), Path::new("/"));
    let Err(refused) = refused else {
        panic!("more tokens than positions")
    };
    let failure = refused.failure();
    assert!(
        failure.error.contains("`max_tokens` is 5000"),
        "{failure:?}"
    );
    assert!(failure.hint.unwrap().starts_with("write `max_tokens = "));
    let weights = Config {
        start: StartFrom::Weights,
        ..config
    };
    let refused = recformer::open(&weights, Some(&encoder), std::iter::empty(), Path::new("/"));
    let Err(refused) = refused else {
        panic!("a BERT is no Longformer")
    };
    let failure = refused.failure();
    assert!(
        failure.error.contains("`model_type` is `bert`"),
        "{failure:?}"
    );
}
