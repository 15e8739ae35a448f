use super::*;
use tch::Device;

const TOKENS: i64 = 6;
const SHARED_SOFTMAX: Loss = Loss::SampledSoftmax {
    negatives: 3,
    per_target: false,
};

struct Case {
    states: Tensor,
    table: Tensor,
    bias: Tensor,
    targets: Tensor,
}

fn case() -> Case {
    tch::manual_seed(5);
    let float = (Kind::Float, Device::Cpu);
    Case {
        states: Tensor::randn([TOKENS, 4], float).set_requires_grad(true),
        table: Tensor::randn([9, 4], float).set_requires_grad(true),
        bias: Tensor::randn([9], float).set_requires_grad(true),
        targets: Tensor::from_slice(&[1i64, 2, 3, 3, 8, 5]),
    }
}

fn score(case: &Case, token: i64, item: i64) -> f64 {
    let dot: f64 = (0..4)
        .map(|d| case.states.double_value(&[token, d]) * case.table.double_value(&[item, d]))
        .sum();
    dot + case.bias.double_value(&[item])
}

fn target(case: &Case, token: i64) -> i64 {
    case.targets.int64_value(&[token])
}

fn value(case: &Case, loss: &Loss, negatives: &[i64]) -> f64 {
    let ids = Tensor::from_slice(negatives);
    let items = |ids: &Tensor| Items {
        rows: case.table.index_select(0, ids),
        bias: Some(case.bias.index_select(0, ids)),
    };
    let batch = Sampled {
        states: &case.states,
        targets: items(&case.targets),
        negatives: items(&ids),
        target_items: &case.targets,
        negative_items: &ids,
        running: &[4, 2],
    };
    sampled(loss, &batch).double_value(&[])
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn close(left: f64, right: f64) {
    assert!((left - right).abs() < 1e-5, "{left} is not {right}");
}

const OWN: [i64; 12] = [4, 5, 6, 7, 8, 1, 2, 4, 5, 6, 7, 1];

#[test]
fn bce_follows_its_formula() {
    let case = case();
    let (mut targets, mut negatives) = (0.0, 0.0);
    for token in 0..TOKENS {
        targets -= sigmoid(score(&case, token, target(&case, token))).ln();
        for n in 0..2 {
            let item = OWN[(token * 2 + n) as usize];
            negatives -= (1.0 - sigmoid(score(&case, token, item))).ln();
        }
    }
    let expected = targets / 6.0 + negatives / 12.0;
    close(value(&case, &Loss::Bce { negatives: 2 }, &OWN), expected);
}

#[test]
fn bpr_follows_its_formula() {
    let case = case();
    let mut sum = 0.0;
    for token in 0..TOKENS {
        for n in 0..2 {
            let item = OWN[(token * 2 + n) as usize];
            let difference = score(&case, token, target(&case, token)) - score(&case, token, item);
            sum -= sigmoid(difference).ln();
        }
    }
    close(value(&case, &Loss::Bpr { negatives: 2 }, &OWN), sum / 12.0);
}

#[test]
fn sampled_softmax_leaves_out_a_negative_that_is_the_target() {
    let case = case();
    let shared = [3, 7, 8];
    let mut sum = 0.0;
    for token in 0..TOKENS {
        let own = target(&case, token);
        let negatives: f64 = shared
            .iter()
            .filter(|&&item| item != own)
            .map(|&item| score(&case, token, item).exp())
            .sum();
        let positive = score(&case, token, own).exp();
        sum -= (positive / (positive + negatives)).ln();
    }
    close(value(&case, &SHARED_SOFTMAX, &shared), sum / 6.0);
}

fn naive_top1_max(case: &Case, shared: &[i64]) -> f64 {
    let mut sum = 0.0;
    for (start, end) in [(0, 4), (4, 6)] {
        for token in start..end {
            let own = target(case, token);
            let others: Vec<f64> = (start..end)
                .map(|other| target(case, other))
                .chain(shared.iter().copied())
                .filter(|&item| item != own)
                .map(|item| score(case, token, item))
                .collect();
            let total: f64 = others.iter().map(|r| r.exp()).sum();
            let positive = score(case, token, own);
            sum += others
                .iter()
                .map(|r| r.exp() / total * (sigmoid(r - positive) + sigmoid(r * r)))
                .sum::<f64>();
        }
    }
    sum / 6.0
}

#[test]
fn top1_max_compares_with_the_other_targets_of_a_step() {
    let case = case();
    for shared in [&[][..], &[3, 6]] {
        let loss = Loss::Top1Max {
            negatives: shared.len(),
        };
        close(value(&case, &loss, shared), naive_top1_max(&case, shared));
    }
}

#[test]
fn a_token_without_negatives_adds_nothing() {
    let one = Tensor::from_slice(&[1.0f32]);
    let step = top1_max_step(
        &one,
        &one.view([1, 1]),
        &Tensor::from_slice(&[true]).view([1, 1]),
    );
    assert_eq!(step.double_value(&[]), 0.0);
}

#[test]
fn the_chunked_full_softmax_has_the_value_and_gradients_of_cross_entropy() {
    for with_bias in [false, true] {
        let case = case();
        let leaves: Vec<&Tensor> = [&case.states, &case.table, &case.bias]
            .into_iter()
            .take(if with_bias { 3 } else { 2 })
            .collect();
        let bias = with_bias.then_some(&case.bias);
        let chunked = full_softmax(&case.states, &case.table, bias, &case.targets, None);
        let logits = crate::nn::embedding::scores_all(&case.states, &case.table, bias);
        let plain = logits
            .narrow(1, 1, 8)
            .cross_entropy_for_logits(&(&case.targets - 1));
        close(chunked.double_value(&[]), plain.double_value(&[]));
        let left = Tensor::run_backward(&[chunked * 3.0], &leaves, false, false);
        let right = Tensor::run_backward(&[plain * 3.0], &leaves, false, false);
        for (left, right) in left.iter().zip(&right) {
            assert!(left.allclose(right, 1e-5, 1e-6, false), "{left} {right}");
        }
    }
}

#[test]
fn a_full_softmax_among_some_rows_leaves_the_others_alone() {
    let case = case();
    let classes = [1u32, 2, 3, 5, 8];
    let bias = Some(&case.bias);
    let among = full_softmax(
        &case.states,
        &case.table,
        bias,
        &case.targets,
        Some(&classes),
    );
    let rows = Tensor::from_slice(&classes.map(i64::from));
    let logits = crate::nn::embedding::scores_all(&case.states, &case.table, Some(&case.bias));
    // Targets 1, 2, 3, 3, 8 and 5 by their places among the rows.
    let places = Tensor::from_slice(&[0i64, 1, 2, 2, 4, 3]);
    let plain = logits
        .index_select(1, &rows)
        .cross_entropy_for_logits(&places);
    close(among.double_value(&[]), plain.double_value(&[]));
    let leaves = [&case.states, &case.table, &case.bias];
    let left = Tensor::run_backward(&[among], &leaves, false, false);
    let right = Tensor::run_backward(&[plain], &leaves, false, false);
    for (left, right) in left.iter().zip(&right) {
        assert!(left.allclose(right, 1e-5, 1e-6, false), "{left} {right}");
    }
    for other in [0, 4, 6, 7] {
        assert_eq!(
            left[1].get(other).abs().sum(Kind::Float).double_value(&[]),
            0.0
        );
        assert_eq!(left[2].double_value(&[other]), 0.0);
    }
}

fn fixture() -> std::collections::BTreeMap<String, Tensor> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/losses.safetensors"
    );
    let tensors = Tensor::read_safetensors(path).unwrap();
    tensors.into_iter().collect()
}

#[test]
fn losses_with_own_negatives_of_the_catalogue_equal_upstreams_with_their_gradients() {
    let fixture = fixture();
    let leaf = |name: &str| fixture[name].copy().set_requires_grad(true);
    let ids = |name: &str| Vec::<i64>::try_from(fixture[name].reshape([-1])).unwrap();
    let rows = |name: &str| ids(name).into_iter().map(|id| id as u32).collect();
    let batch = TrainingBatch {
        targets: rows("targets"),
        negatives: rows("drawn"),
        ..TrainingBatch::default()
    };
    let gbce = |t| Loss::Gbce { negatives: 3, t };
    let softmax = Loss::SampledSoftmax {
        negatives: 3,
        per_target: true,
    };
    for (name, loss) in [
        ("gbce_0", gbce(0.0)),
        ("gbce_75", gbce(0.75)),
        ("gbce_100", gbce(1.0)),
        ("softmax", softmax),
    ] {
        let leaves = ["states", "table", "bias"].map(leaf);
        let [states, table, bias] = &leaves;
        let unfinished = BatchLoss {
            loss: &loss,
            states,
            batch: &batch,
            running: &[6],
        };
        let value = unfinished.finish(
            || (table.shallow_clone(), Some(bias.shallow_clone())),
            |_, _| unreachable!("the table is read"),
        );
        let expected = fixture[&format!("drawn.{name}")].double_value(&[]);
        close(value.double_value(&[]), expected);
        let gradients = Tensor::run_backward(&[value], &leaves, false, false);
        for (part, gradient) in ["states", "table", "bias"].iter().zip(&gradients) {
            let expected = &fixture[&format!("drawn.{name}.{part}")];
            assert!(
                gradient.allclose(expected, 1e-4, 1e-6, false),
                "{name}: {part}"
            );
        }
    }
}

#[test]
fn losses_equal_pytorch() {
    let fixture = fixture();
    let case = Case {
        states: fixture["states"].shallow_clone(),
        table: fixture["table"].shallow_clone(),
        bias: fixture["bias"].shallow_clone(),
        targets: fixture["targets"].shallow_clone(),
    };
    let own = Vec::<i64>::try_from(fixture["own"].reshape([-1])).unwrap();
    let shared = Vec::<i64>::try_from(&fixture["shared"]).unwrap();
    let expected = |name: &str| fixture[name].double_value(&[]);
    close(
        value(&case, &Loss::Bce { negatives: 2 }, &own),
        expected("bce"),
    );
    close(
        value(&case, &Loss::Bpr { negatives: 2 }, &own),
        expected("bpr"),
    );
    close(
        value(&case, &SHARED_SOFTMAX, &shared),
        expected("sampled_softmax"),
    );
    let full = full_softmax(
        &case.states,
        &case.table,
        Some(&case.bias),
        &case.targets,
        None,
    );
    close(full.double_value(&[]), expected("full_softmax"));
}
