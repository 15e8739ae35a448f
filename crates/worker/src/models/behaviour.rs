//! What every trained model must do, whatever its net: tests that state meaning, not shapes alone.

use allround_core::models::sasrec::{Sasrec, SasrecForm};
use allround_core::models::train::Loss;

use super::*;
use crate::nn::embedding;
use crate::nn::loss::Negatives;
use crate::testing;
use crate::torch_ext::product;

/// Rows of the tests' nets: those of the data set that the tests of methods share.
pub(crate) const SIZES: Sizes = Sizes {
    users: 4,
    items: 12,
};

/// One configuration for each form of every trained model.
pub(crate) fn configurations(loss: &Loss, dropout: f64) -> Vec<Model> {
    let changes = [
        ("loss", serde_json::to_value(loss).unwrap()),
        ("embedding_dropout", dropout.into()),
        ("dropout", dropout.into()),
    ];
    let sasrec = |form| Sasrec {
        num_blocks: 2,
        num_heads: 2,
        form,
        ..testing::sasrec()
    };
    let mut all = ["gru4rec", "nextitnet", "ncf"].map(testing::model).to_vec();
    all.extend(SasrecForm::ALL.map(|form| Model::Sasrec(sasrec(form))));
    all.push(Model::Sasrec(Sasrec {
        output_table: true,
        output_bias: true,
        ..sasrec(SasrecForm::Kang)
    }));
    all.extend(["bert4rec", "hstu"].map(testing::model));
    let changed = all.iter().map(|model| testing::with(model, &changes));
    changed.collect()
}

fn nets(loss: &Loss) -> Vec<Box<dyn Backbone>> {
    nets_with_dropout(loss, 0.0)
}

fn nets_with_dropout(loss: &Loss, dropout: f64) -> Vec<Box<dyn Backbone>> {
    tch::manual_seed(3);
    let has_dropout = |model: &&Model| {
        let settings = serde_json::to_value(model).unwrap().to_string();
        settings.contains("dropout\":")
    };
    configurations(loss, dropout)
        .iter()
        .filter(|model| dropout == 0.0 || has_dropout(model))
        .map(|model| build(model, SIZES, Device::Cpu).unwrap())
        .collect()
}

fn batch(loss: &Loss) -> TrainingBatch {
    let negatives = match Negatives::of(loss) {
        Negatives::Unseen(count) | Negatives::PerTarget(count) => {
            (0..8 * count as u32).map(|n| n % 12 + 1).collect()
        }
        Negatives::Shared(count) => (0..count as u32).map(|n| n + 1).collect(),
    };
    TrainingBatch {
        users: vec![0, 1, 3],
        offsets: vec![0, 2, 3, 8],
        inputs: vec![1, 2, 7, 3, 4, 5, 6, 7],
        targets: vec![2, 3, 8, 4, 5, 6, 7, 9],
        negatives,
        classes: None,
        last_only: false,
        noise: 1,
    }
}

#[test]
fn a_full_softmax_does_not_move_the_items_of_another_domain() {
    let among: Vec<u32> = (1..=9).collect();
    for net in nets(&Loss::FullSoftmax {}) {
        let mut batch = batch(&Loss::FullSoftmax {});
        let loss = |batch: &TrainingBatch| net.loss(batch).double_value(&[]);
        let among_all = loss(&batch);
        batch.classes = Some(among.clone().into());
        assert!(loss(&batch) < among_all);
        net.loss(&batch).backward();
        let tables = net
            .weights()
            .into_iter()
            .filter(|(_, weight)| weight.size()[0] == 13);
        let mut moved = 0;
        for (name, table) in tables {
            let gradient = table.grad().to_dense(None, false);
            assert!(
                gradient.narrow(0, 1, 9).abs().max().double_value(&[]) > 0.0,
                "{name}"
            );
            assert_eq!(
                gradient.narrow(0, 10, 3).abs().max().double_value(&[]),
                0.0,
                "{name}"
            );
            moved += 1;
        }
        assert!(moved > 0);
    }
}

#[test]
fn states_and_scores_have_their_shapes_even_for_an_empty_history() {
    for net in nets(&Loss::FullSoftmax {}) {
        let histories = Histories::from_rows(&[&[1, 2, 3], &[], &[4]]);
        let states = net.user_states(&histories);
        assert_eq!(states.size(), [3, net.width()]);
        assert_eq!(i64::try_from(states.isfinite().all()).unwrap(), 1);
        assert_eq!(net.item_table().size(), [13, net.width()]);
        assert_eq!(net.score_all(&histories).size(), [3, 13]);
    }
}

#[test]
fn a_batch_of_only_empty_histories_has_states() {
    for net in nets(&Loss::FullSoftmax {}) {
        let states = net.user_states(&Histories::from_rows(&[&[], &[]]));
        assert_eq!(states.size(), [2, net.width()]);
    }
}

#[test]
fn neighbours_in_a_batch_and_their_padding_change_nothing() {
    for net in nets(&Loss::FullSoftmax {}) {
        let rows: [&[u32]; 4] = [&[1, 2, 3, 4, 5, 6, 7], &[8], &[], &[9, 10]];
        let together = net.user_states(&Histories::from_rows(&rows));
        for (place, row) in rows.iter().enumerate() {
            let mut alone = Histories::from_rows(&[row]);
            alone.users = vec![place as u32];
            let state = net.user_states(&alone);
            let together = together.narrow(0, place as i64, 1);
            assert!(state.allclose(&together, 1e-5, 1e-6, false));
        }
    }
}

#[test]
fn candidate_scores_equal_states_times_table_plus_bias() {
    for net in nets(&Loss::FullSoftmax {}) {
        let histories = Histories::from_rows(&[&[1, 2, 3], &[4]]);
        let candidates = embedding::indices(&[1, 5, 12, 3, 3, 2], Device::Cpu).view([2, 3]);
        let mut all = net.user_states(&histories).mm(&net.item_table().tr());
        if let Some(bias) = net.item_bias() {
            all += bias;
        }
        let scores = net.score(&histories, &candidates);
        assert!(scores.allclose(&all.gather(1, &candidates, false), 1e-5, 1e-6, false));
        assert!(net.score_all(&histories).allclose(&all, 1e-5, 1e-6, false));
    }
}

#[test]
fn later_items_change_no_earlier_prediction() {
    // The loss of the first two tokens is a function of the first two inputs alone. With one target
    // fixed, changing what follows changes the batch's loss only through the tokens that follow.
    for (net, model) in nets(&Loss::FullSoftmax {})
        .iter()
        .zip(configurations(&Loss::FullSoftmax {}, 0.0))
    {
        // A BERT4Rec reads both directions; it ranks prefixes by separate passes.
        if matches!(model, Model::Ncf(_) | Model::Bert4rec(_)) {
            continue;
        }
        let part = |inputs: &[u32], targets: &[u32]| {
            let batch = TrainingBatch {
                users: vec![0],
                offsets: vec![0, inputs.len() as u32],
                inputs: inputs.to_vec(),
                targets: targets.to_vec(),
                negatives: vec![],
                classes: None,
                last_only: false,
                noise: 1,
            };
            net.loss(&batch).double_value(&[]) * inputs.len() as f64
        };
        let last = |item: u32| {
            let scores = net.score_all(&Histories::from_rows(&[&[1, 2, item]]));
            let target = Tensor::from_slice(&[3i64]);
            let loss = scores.narrow(1, 1, 12).cross_entropy_for_logits(&target);
            loss.double_value(&[])
        };
        // Positions of SASRec and HSTU count from the row's end, so the head is compared within
        // rows of one length.
        let head = match model {
            Model::Sasrec(_) | Model::Hstu(_) => part(&[1, 2, 5], &[2, 3, 4]) - last(5),
            _ => part(&[1, 2], &[2, 3]),
        };
        // Tokens after the head see their own prefix; subtracting the head leaves the last token's
        // loss.
        let tail = part(&[1, 2, 9], &[2, 3, 4]) - head;
        assert!((tail - last(9)).abs() < 1e-4, "{}", model.kind());
    }
}

#[test]
fn token_states_are_the_states_that_a_longer_history_passes_through() {
    for net in nets(&Loss::FullSoftmax {}) {
        let histories = Histories::from_rows(&[&[4], &[1, 2, 3], &[], &[7, 8]]);
        let tokens = net.token_states(&histories, false);
        assert_eq!(tokens.size(), [6, net.width()]);
        let ends = Tensor::from_slice(&[0i64, 3, 5]);
        let rows = Tensor::from_slice(&[0i64, 1, 3]);
        let last = net.user_states(&histories).index_select(0, &rows);
        assert!(
            tokens
                .index_select(0, &ends)
                .allclose(&last, 1e-5, 1e-6, false)
        );
    }
}

#[test]
fn token_states_have_noise_only_where_dropout_is_asked_for() {
    for net in nets_with_dropout(&Loss::FullSoftmax {}, 0.5) {
        let histories = Histories::from_rows(&[&[1, 2, 3], &[7, 8]]);
        let states = |dropout| net.token_states(&histories, dropout);
        assert_eq!(states(false), states(false));
        // Two draws for few elements may be equal.
        assert!((0..4).any(|_| states(true) != states(true)));
    }
}

#[test]
fn every_loss_falls_on_one_batch() {
    for loss in [
        Loss::Bce { negatives: 2 },
        Loss::Bpr { negatives: 2 },
        Loss::FullSoftmax {},
        Loss::SampledSoftmax {
            negatives: 5,
            per_target: false,
        },
        Loss::SampledSoftmax {
            negatives: 5,
            per_target: true,
        },
        Loss::Gbce {
            negatives: 5,
            t: 0.75,
        },
        Loss::Top1Max { negatives: 2 },
    ] {
        for net in nets(&loss) {
            let batch = batch(&loss);
            let first = net.loss(&batch).double_value(&[]);
            for _ in 0..40 {
                net.loss(&batch).backward();
                tch::no_grad(|| {
                    for (_, weight) in net.weights() {
                        let mut gradient = weight.grad();
                        if gradient.defined() {
                            let _ = weight.shallow_clone().g_sub_(&(&gradient * 0.1));
                            let _ = gradient.zero_();
                        }
                    }
                });
            }
            let last = net.loss(&batch).double_value(&[]);
            assert!(last < first - 0.01, "{loss:?}: {first} to {last}");
        }
    }
}

#[test]
fn dropout_leaves_every_weight_a_finite_gradient_and_changes_the_loss() {
    let loss = Loss::Bce { negatives: 1 };
    for net in nets_with_dropout(&loss, 0.5) {
        let mut batch = batch(&loss);
        let first = net.loss(&batch);
        first.backward();
        for (name, weight) in net.weights() {
            let gradient = weight.grad();
            assert!(gradient.defined(), "{name}");
            let gradient = gradient.to_dense(None, false);
            assert!(bool::try_from(gradient.isfinite().all()).unwrap(), "{name}");
        }
        batch.noise += 1;
        let again = net.loss(&batch).double_value(&[]);
        assert_ne!(first.double_value(&[]), again);
    }
}

#[test]
fn states_equal_pytorch_for_the_same_weights() {
    for (net, name) in nets(&Loss::FullSoftmax {})
        .iter()
        .zip(["gru4rec", "nextitnet"])
    {
        let path = format!(
            "{}/tests/fixtures/{name}.safetensors",
            env!("CARGO_MANIFEST_DIR")
        );
        let fixture = weights::read_tensors(std::path::Path::new(&path)).unwrap();
        weights::fill(&net.weights(), &fixture).unwrap();
        let history = Vec::<i64>::try_from(&fixture["history"]).unwrap();
        let history: Vec<u32> = history.iter().map(|&item| item as u32).collect();
        // Shorter rows as well, so that order and padding matter.
        let state = net
            .user_states(&Histories::from_rows(&[&[2], &history, &[7, 8]]))
            .get(1);
        assert!(
            state.allclose(&fixture["state"], 1e-5, 1e-6, false),
            "{name}"
        );
    }
}

#[test]
fn weights_of_another_shape_are_refused_by_name() {
    let net = &nets(&Loss::FullSoftmax {})[0];
    let mut tensors: std::collections::BTreeMap<String, Tensor> =
        net.weights().into_iter().collect();
    let missing = tensors.remove("dense.bias").unwrap();
    let error = weights::fill(&net.weights(), &tensors)
        .unwrap_err()
        .to_string();
    assert!(error.contains("no tensor `dense.bias`"), "{error}");
    tensors.insert("dense.bias".to_owned(), missing.narrow(0, 0, 2));
    let error = weights::fill(&net.weights(), &tensors)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`dense.bias` has shape [2]; expected [8]"),
        "{error}"
    );
}

#[test]
fn the_names_and_shapes_that_check_expects_of_a_file_are_those_of_the_net() {
    use allround_core::models::weights::Size;
    for model in configurations(&Loss::FullSoftmax {}, 0.0) {
        let net = build(&model, SIZES, Device::Cpu).unwrap();
        let size = |size: &Size| match size {
            Size::Items => SIZES.items as i64 + 1,
            Size::Users => SIZES.users as i64,
            size => size.known().unwrap() as i64,
        };
        let mut expected: Vec<(String, Vec<i64>)> = model
            .cf()
            .unwrap()
            .tensors()
            .into_iter()
            .map(|weight| (weight.name, weight.shape.iter().map(size).collect()))
            .collect();
        let mut found: Vec<(String, Vec<i64>)> = net
            .weights()
            .into_iter()
            .map(|(name, weight)| (name, weight.size()))
            .collect();
        expected.sort();
        found.sort();
        assert_eq!(expected, found);
    }
}

#[test]
fn the_loss_of_last_positions_is_that_of_their_states_alone() {
    let full = Loss::FullSoftmax {};
    for (net, model) in nets(&full).iter().zip(configurations(&full, 0.0)) {
        // A BERT4Rec has its own targets.
        if matches!(model, Model::Ncf(_) | Model::Bert4rec(_)) {
            continue;
        }
        let rows: [&[u32]; 4] = [&[1, 2], &[7], &[3, 4, 5, 6, 7], &[8, 8]];
        let targets = [3i64, 8, 9, 1];
        let histories = Histories::from_rows(&rows);
        let scores = net.score_all(&histories).narrow(1, 1, 12);
        let expected = scores.cross_entropy_for_logits(&(Tensor::from_slice(&targets) - 1));
        let batch = TrainingBatch {
            users: vec![0; 4],
            offsets: histories.offsets.clone(),
            inputs: histories.items.clone(),
            targets: targets.map(|item| item as u32).into(),
            last_only: true,
            noise: 1,
            ..TrainingBatch::default()
        };
        let found = net.loss(&batch);
        let difference = (found - expected).double_value(&[]);
        assert!(difference.abs() < 1e-5, "{}: {difference}", model.kind());
    }
}

/// Operations of a step of the net `name`, as a multiple of those that PyTorch's own counter finds,
/// which `tests/fixtures/flops.py` wrote. One sequence of eight items, each with a negative.
fn operations(name: &str) -> f64 {
    let all: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/fixtures/flops.json")).unwrap();
    let loss = serde_json::to_value(Loss::Bce { negatives: 1 }).unwrap();
    let model = testing::with(&testing::model(name), &[("loss", loss)]);
    let sizes = Sizes { users: 1, items: 9 };
    let net = build(&model, sizes, Device::Cpu).unwrap();
    let batch = TrainingBatch {
        users: vec![0],
        offsets: vec![0, 8],
        inputs: (1..=8).collect(),
        targets: (2..=9).collect(),
        negatives: vec![1; 8],
        noise: 1,
        ..TrainingBatch::default()
    };
    let before = product::counted();
    drop(net.loss(&batch));
    (product::counted() - before) as f64 / all[name].as_f64().unwrap()
}

#[test]
fn a_step_has_the_operations_that_pytorch_counts() {
    for name in ["ncf", "nextitnet"] {
        assert!(
            (operations(name) - 1.0).abs() < 1e-9,
            "{name}: {}",
            operations(name)
        );
    }
    // Attention has one more key, of padding.
    let hstu = operations("hstu");
    assert!((1.0..1.05).contains(&hstu), "{hstu}");
}
