use std::collections::BTreeMap;
use std::path::Path;

use allround_core::models::sasrec::SasrecForm;

use super::*;
use crate::data::Histories;
use crate::models::{Scorer, weights};
use crate::testing;

/// Vectors that are not trained.
#[derive(Debug)]
struct Given(Tensor);

impl TextVectors for Given {
    fn width(&self) -> i64 {
        self.0.size()[1]
    }

    fn of(&self, items: &[u32], _train: bool, device: Device) -> Tensor {
        embedding::rows(&self.0, &indices(items, device))
    }

    fn frozen(&self) -> Option<&Tensor> {
        Some(&self.0)
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        Vec::new()
    }
}

const SIZES: Sizes = Sizes {
    users: 1,
    items: 12,
};

fn config(form: SasrecForm, reading: Reading) -> Config {
    let network = testing::sasrec();
    Config {
        encoder: "texts".to_owned(),
        reading,
        text: allround_core::models::allmrec::ItemText::Title,
        map_layers: 0,
        encoder_lr: None,
        hidden_units: 8,
        num_blocks: 2,
        num_heads: 2,
        dropout: 0.0,
        maxlen: 10,
        form,
        loss: network.loss,
        sequences: network.sequences,
        train: network.train,
    }
}

fn net(config: &Config, vectors: &Tensor) -> Sasrec {
    tch::manual_seed(3);
    let texts = Box::new(Given(vectors.shallow_clone()));
    with_texts(config, texts, SIZES, Device::Cpu)
}

fn vectors(width: i64) -> Tensor {
    tch::manual_seed(9);
    Tensor::randn([13, width], (Kind::Float, Device::Cpu))
}

fn fixture(name: &str) -> BTreeMap<String, Tensor> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/morec");
    weights::read_tensors(&folder.join(format!("{name}.safetensors"))).unwrap()
}

/// The items of a left-padded matrix, row after row, and where rows start.
fn unpadded(matrix: &Tensor) -> (Vec<u32>, Vec<u32>) {
    let (mut offsets, mut items) = (vec![0], Vec::new());
    for row in Vec::<Vec<i64>>::try_from(matrix).unwrap() {
        items.extend(
            row.into_iter()
                .filter(|&item| item > 0)
                .map(|item| item as u32),
        );
        offsets.push(items.len() as u32);
    }
    (offsets, items)
}

/// The training step of a fixture.
fn batch_of(fixture: &BTreeMap<String, Tensor>) -> TrainingBatch {
    let (offsets, inputs) = unpadded(&fixture["histories"]);
    TrainingBatch {
        users: vec![0; offsets.len() - 1],
        offsets,
        inputs,
        targets: unpadded(&fixture["positive"]).1,
        negatives: unpadded(&fixture["negative"]).1,
        ..TrainingBatch::default()
    }
}

fn largest(difference: &Tensor) -> f64 {
    difference.abs().max().double_value(&[])
}

#[test]
fn features_have_the_table_states_loss_and_gradients_of_pytorch() {
    let fixture = fixture("features");
    let config = config(SasrecForm::Morec, Reading::Features);
    let net = net(&config, &fixture["vectors"]);
    weights::fill(&net.trained(), &fixture).unwrap();
    assert!(largest(&(net.item_table() - &fixture["table"])) < 1e-6);
    let batch = batch_of(&fixture);
    let histories = Histories {
        users: batch.users.clone(),
        offsets: batch.offsets.clone(),
        items: batch.inputs.clone(),
    };
    assert!(largest(&(net.user_states(&histories) - &fixture["states"])) < 2e-6);
    let loss = net.loss(&batch);
    assert!(largest(&(&loss - &fixture["loss"])) < 1e-6);
    loss.backward();
    let trained = net.trained();
    assert!(
        trained
            .iter()
            .any(|(name, _)| name.ends_with("title.fc.bias"))
    );
    for (name, weight) in trained {
        let difference = largest(&(weight.grad() - &fixture[&format!("gradient.{name}")]));
        assert!(difference < 5e-6, "{name}: {difference}");
    }
}

/// Items 1 to 4 only, so that most of the table is not computed.
fn short_batch() -> TrainingBatch {
    TrainingBatch {
        users: vec![0, 1],
        offsets: vec![0, 3, 4],
        inputs: vec![1, 2, 3, 2],
        targets: vec![2, 3, 4, 1],
        negatives: vec![4, 1, 1, 3],
        ..TrainingBatch::default()
    }
}

#[test]
fn in_every_form_the_maps_gradient_is_that_of_the_table_that_it_gives() {
    let vectors = vectors(6);
    for form in SasrecForm::ALL {
        for batch in [short_batch(), batch_of(&fixture("features"))] {
            let config = config(form, Reading::Features);
            let computed = net(&config, &vectors);
            let table = Sasrec::new(&config.network(), SIZES, Device::Cpu);
            weights::fill(&table.weights(), &computed.weights().into_iter().collect()).unwrap();
            let [found, expected] = [&computed, &table].map(|net| net.loss(&batch));
            assert!(largest(&(&found - &expected)) < 1e-6, "{form:?}");
            found.backward();
            expected.backward();
            let item_gradient = table.item_table().grad().to_dense(None, false);
            let trained: BTreeMap<String, Tensor> = computed.trained().into_iter().collect();
            let name = |part| format!("bert_encoder.text_encoders.title.fc.{part}");
            let [weight, bias] = ["weight", "bias"].map(|part| {
                let found = &trained[&name(part)];
                found.detach().copy().set_requires_grad(true)
            });
            let rows = vectors.linear(&weight, Some(&bias)).gelu("none");
            let _ = item_gradient.get(0).fill_(0.0);
            (rows * item_gradient).sum(Kind::Float).backward();
            for (part, by_table) in [("weight", &weight), ("bias", &bias)] {
                let difference = largest(&(trained[&name(part)].grad() - by_table.grad()));
                assert!(difference < 1e-5, "{form:?} {part}: {difference}");
            }
        }
    }
}

#[test]
fn further_layers_have_names_weights_and_gradients() {
    let config = Config {
        map_layers: 2,
        dropout: 0.3,
        ..config(SasrecForm::Morec, Reading::Features)
    };
    let net = net(&config, &vectors(6));
    net.loss(&short_batch()).backward();
    let trained = net.trained();
    let further = trained
        .iter()
        .filter(|(name, _)| name.starts_with("fc.mlp_layers."));
    let names: Vec<&str> = further.clone().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "fc.mlp_layers.1.weight",
            "fc.mlp_layers.1.bias",
            "fc.mlp_layers.4.weight",
            "fc.mlp_layers.4.bias"
        ]
    );
    assert!(further.clone().all(|(_, weight)| weight.grad().defined()));
}

#[test]
fn a_full_softmax_trains_the_map_too() {
    use allround_core::models::train::Loss;
    let config = Config {
        loss: Loss::FullSoftmax {},
        ..config(SasrecForm::Allmrec, Reading::Features)
    };
    let net = net(&config, &vectors(6));
    let batch = TrainingBatch {
        negatives: Vec::new(),
        ..short_batch()
    };
    net.loss(&batch).backward();
    let (_, weight) = &net.trained()[0];
    assert!(largest(&weight.grad()) > 0.0);
}

#[test]
fn initial_vectors_are_principal_components_at_the_scale_of_the_table() {
    let vectors = vectors(20);
    let of = |reading| config(SasrecForm::Allmrec, reading);
    let start = Sasrec::new(&of(Reading::Initial).network(), SIZES, Device::Cpu);
    let net = net(&of(Reading::Initial), &vectors);
    let names =
        |net: &Sasrec| -> Vec<String> { net.trained().into_iter().map(|(name, _)| name).collect() };
    assert_eq!(names(&net), names(&start));
    let table = net.item_table().detach();
    assert_eq!(largest(&table.get(0)), 0.0);
    let rows = table.narrow(0, 1, 12);
    // Components are uncorrelated, and their variance falls.
    let products = rows.tr().mm(&rows);
    let variances = products.diagonal(0, 0, 1);
    assert!(largest(&(&products - variances.diag_embed(0, 0, 1))) < 1e-5);
    let falls = variances
        .narrow(0, 0, 7)
        .ge_tensor(&variances.narrow(0, 1, 7));
    assert!(bool::try_from(falls.all()).unwrap());
    assert!(largest(&rows.mean_dim(0, false, Kind::Float)) < 1e-6);
    let spread = |rows: &Tensor| rows.square().mean(Kind::Float).sqrt().double_value(&[]);
    let expected = spread(&testing_start(&of(Reading::Initial)).narrow(0, 1, 12));
    assert!((spread(&rows) - expected).abs() < 1e-6);
    // Distances between items are those of their texts, as far as eight components have them.
    let centred = vectors.narrow(0, 1, 12);
    let centred = &centred - centred.mean_dim(0, true, Kind::Float);
    let shares = products.trace() / rows.square().sum(Kind::Float);
    assert!((shares.double_value(&[]) - 1.0).abs() < 1e-5);
    let likeness = (rows.mm(&rows.tr()) * centred.mm(&centred.tr())).sum(Kind::Float);
    assert!(likeness.double_value(&[]) > 0.0);
}

/// The table that the net of [`net`] starts with before texts replace it.
fn testing_start(config: &Config) -> Tensor {
    tch::manual_seed(3);
    let net = Sasrec::new(&config.network(), SIZES, Device::Cpu);
    net.item_table().detach()
}

#[test]
fn columns_without_a_component_keep_their_start() {
    let config = config(SasrecForm::Allmrec, Reading::Initial);
    let start = testing_start(&config);
    let table = net(&config, &vectors(3)).item_table().detach();
    let changed = (&table - &start).abs().narrow(0, 1, 12).amax([0], false);
    let changed = Vec::<f32>::try_from(changed).unwrap();
    assert!(changed[..3].iter().all(|&by| by > 0.0), "{changed:?}");
    assert_eq!(changed[3..], [0.0; 5]);
    // Without any difference between texts nothing is replaced.
    let equal = Tensor::ones([13, 6], (Kind::Float, Device::Cpu));
    assert_eq!(net(&config, &equal).item_table().detach(), start);
}
