//! The packed net against the padded one, written as the papers' code does it.

use std::collections::{BTreeMap, BTreeSet};

use allround::data::{Facts, Item, Part, Prepared};
use allround::seed::{Stream, stream};
use allround::spec::config::train::{Optimizer, Stop, Train};
use rand::RngExt;
use tch::Kind;

use super::*;

const SIZES: Sizes = Sizes {
    users: 1,
    items: 30,
};
const MAXLEN: usize = 50;

fn config(form: SasrecForm, heads: usize, dropout: f64) -> Config {
    Config {
        hidden_units: 8,
        num_blocks: 2,
        num_heads: heads,
        dropout,
        maxlen: MAXLEN,
        form,
        loss: Loss::Bce { negatives: 1 },
        train: Train {
            epochs: 1,
            batch_size: 4,
            lr: 0.001,
            optimizer: Optimizer::Adam {
                betas: [0.9, 0.98],
                eps: 1e-8,
                weight_decay: 0.0,
            },
            l2_emb: 0.0,
            clip_norm: 0.0,
            stop: Stop::Fixed { validate_every: 0 },
        },
        weights: None,
    }
}

/// A net none of whose weights is at its special start: norms and biases too are random.
fn net(form: SasrecForm, heads: usize) -> Sasrec {
    tch::manual_seed(5);
    let net = Sasrec::new(&config(form, heads, 0.0), SIZES, Device::Cpu);
    tch::no_grad(|| {
        for (name, mut weight) in net.weights() {
            if weight.dim() == 1 {
                weight += weight.randn_like() * 0.3;
            } else if name != "item_emb.weight" {
                weight *= 2.0;
            }
        }
    });
    net
}

/// Rows of these lengths, and for each token a target and a negative.
fn batch(lengths: &[u32]) -> TrainingBatch {
    let mut batch = TrainingBatch {
        users: vec![0; lengths.len()],
        offsets: vec![0],
        ..TrainingBatch::default()
    };
    for &length in lengths {
        batch
            .offsets
            .push(batch.offsets[batch.offsets.len() - 1] + length);
    }
    let tokens = batch.offsets[lengths.len()];
    batch.inputs = (0..tokens).map(|t| t * 7 % 30 + 1).collect();
    batch.targets = (0..tokens).map(|t| t * 11 % 30 + 1).collect();
    batch.negatives = (0..tokens).map(|t| t * 13 % 29 + 1).collect();
    batch
}

/// The last `maxlen` of `values`, one a token, as [B, maxlen] with zeros on the left.
fn padded(values: &[u32], offsets: &[u32]) -> Tensor {
    let mut slots = vec![0i64; (offsets.len() - 1) * MAXLEN];
    for (row, ends) in offsets.windows(2).enumerate() {
        let kept = &values[ends[0] as usize..ends[1] as usize];
        for (place, &value) in kept.iter().rev().take(MAXLEN).enumerate() {
            slots[(row + 1) * MAXLEN - 1 - place] = i64::from(value);
        }
    }
    Tensor::from_slice(&slots).view([-1, MAXLEN as i64])
}

struct PaddedNet {
    weights: BTreeMap<String, Tensor>,
    form: SasrecForm,
    heads: i64,
}

impl PaddedNet {
    fn weight(&self, name: &str) -> &Tensor {
        &self.weights[name]
    }

    fn norm(&self, name: &str, x: &Tensor) -> Tensor {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        x.layer_norm(
            [8],
            Some(self.weight(&weight)),
            Some(self.weight(&bias)),
            1e-8,
            false,
        )
    }

    fn attention(&self, n: usize, query: &Tensor, key: &Tensor) -> Tensor {
        let name = format!("attention_layers.{n}");
        let weight = self.weight(&format!("{name}.in_proj_weight")).chunk(3, 0);
        let bias = self.weight(&format!("{name}.in_proj_bias")).chunk(3, 0);
        let heads = |x: &Tensor, part: usize| {
            x.linear(&weight[part], Some(&bias[part]))
                .view([-1, MAXLEN as i64, self.heads, 8 / self.heads])
                .transpose(1, 2)
        };
        let (q, k, v) = (heads(query, 0), heads(key, 1), heads(key, 2));
        let logits = q.matmul(&k.transpose(-2, -1)) / ((8 / self.heads) as f64).sqrt();
        let slots = MAXLEN as i64;
        let later = Tensor::ones([slots, slots], (Kind::Bool, Device::Cpu)).triu(1);
        let weights = logits
            .masked_fill(&later, f64::NEG_INFINITY)
            .softmax(-1, Kind::Float);
        let mixed = weights.matmul(&v).transpose(1, 2).reshape([-1, slots, 8]);
        mixed.linear(
            self.weight(&format!("{name}.out_proj.weight")),
            Some(self.weight(&format!("{name}.out_proj.bias"))),
        )
    }

    fn convolutions(&self, n: usize, x: &Tensor) -> Tensor {
        let layer = |x: &Tensor, part: u32| {
            let name = format!("forward_layers.{n}.conv{part}");
            x.conv1d(
                self.weight(&format!("{name}.weight")),
                Some(self.weight(&format!("{name}.bias"))),
                1,
                0,
                1,
                1,
            )
        };
        layer(&layer(&x.transpose(1, 2), 1).relu(), 2).transpose(1, 2)
    }

    /// States [B, maxlen, D].
    fn states(&self, items: &Tensor) -> Tensor {
        let real = items.ne(0).to_kind(Kind::Float).unsqueeze(-1);
        let slots = Tensor::arange(MAXLEN as i64, (Kind::Int64, Device::Cpu));
        let slots = match self.form {
            SasrecForm::Allmrec => slots,
            SasrecForm::PreNorm => slots + 1,
        };
        let rows = embedding::rows(self.weight("item_emb.weight"), items) * 8f64.sqrt();
        let mut x = (rows + embedding::rows(self.weight("pos_emb.weight"), &slots)) * &real;
        for n in 0..2 {
            let normed = self.norm(&format!("attention_layernorms.{n}"), &x);
            let forward = format!("forward_layernorms.{n}");
            x = match self.form {
                SasrecForm::Allmrec => {
                    let sum = &normed + self.attention(n, &normed, &x);
                    let sum = self.norm(&forward, &sum);
                    &sum + self.convolutions(n, &sum)
                }
                SasrecForm::PreNorm => {
                    let sum = x + self.attention(n, &normed, &normed);
                    &sum + self.convolutions(n, &self.norm(&forward, &sum))
                }
            } * &real;
        }
        self.norm("last_layernorm", &x)
    }

    fn loss(&self, batch: &TrainingBatch) -> Tensor {
        let items = padded(&batch.inputs, &batch.offsets);
        let states = self.states(&items);
        let real = items.ne(0);
        let score = |rows: &[u32]| {
            let rows = padded(rows, &batch.offsets);
            let rows = embedding::rows(self.weight("item_emb.weight"), &rows);
            let scores = (&states * rows).sum_dim_intlist(-1, false, Kind::Float);
            scores.masked_select(&real)
        };
        score(&batch.targets).neg().softplus().mean(Kind::Float)
            + score(&batch.negatives).softplus().mean(Kind::Float)
    }
}

fn twin(net: &Sasrec) -> PaddedNet {
    let copy =
        |(name, weight): (String, Tensor)| (name, weight.detach().copy().set_requires_grad(true));
    PaddedNet {
        weights: net.weights().into_iter().map(copy).collect(),
        form: net.config.form,
        heads: net.config.num_heads as i64,
    }
}

const CASES: [(SasrecForm, usize); 4] = [
    (SasrecForm::Allmrec, 1),
    (SasrecForm::Allmrec, 2),
    (SasrecForm::PreNorm, 1),
    (SasrecForm::PreNorm, 2),
];
const LENGTHS: [u32; 12] = [7, 0, 1, 50, 49, 3, 9, 9, 22, 2, 0, 31];

/// The packed states of the last tokens are those of the padded net over `items`, [B, maxlen].
fn assert_same_states((form, heads): (SasrecForm, usize), histories: &Histories, items: &Tensor) {
    let net = net(form, heads);
    let expected = twin(&net).states(items).select(1, MAXLEN as i64 - 1);
    let found = net.user_states(histories);
    assert!(
        found.allclose(&expected, 1e-5, 1e-5, false),
        "{form:?} {heads}"
    );
}

/// Loss and gradients of the packed net are those of the padded one.
fn assert_same_loss((form, heads): (SasrecForm, usize), batch: &TrainingBatch) {
    let net = net(form, heads);
    let twin = twin(&net);
    let (found, expected) = (net.loss(batch), twin.loss(batch));
    found.backward();
    expected.backward();
    let (found, expected) = (found.double_value(&[]), expected.double_value(&[]));
    assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
    for (name, weight) in net.weights() {
        let (found, mut expected) = (
            weight.grad().to_dense(None, false),
            twin.weight(&name).grad(),
        );
        if name == "item_emb.weight" {
            assert_eq!(found.get(0).abs().max().double_value(&[]), 0.0);
            let _ = expected.get(0).fill_(0.0);
        }
        if name == "pos_emb.weight" && form == SasrecForm::PreNorm {
            let _ = expected.get(0).fill_(0.0);
        }
        expected -= &found;
        let worst = expected.abs().max().double_value(&[]);
        assert!(worst < 1e-5, "{form:?} {heads} {name}: {worst}");
    }
}

#[test]
fn packed_states_loss_and_gradients_are_the_padded_ones() {
    let batch = batch(&LENGTHS);
    let histories = Histories {
        users: batch.users.clone(),
        offsets: batch.offsets.clone(),
        items: batch.inputs.clone(),
    };
    for case in CASES {
        let items = padded(&batch.inputs, &batch.offsets);
        assert_same_states(case, &histories, &items);
        assert_same_loss(case, &batch);
    }
}

/// Twelve users of up to 80 items, drawn at random; negatives remain for each.
fn drawn(seed: u64) -> Prepared {
    let mut random = stream(seed, Stream::Synthetic, 0);
    let rows: Vec<Vec<u32>> = (0..12)
        .map(|_| {
            let length = random.random_range(0..=80);
            (0..length).map(|_| random.random_range(1..=20)).collect()
        })
        .collect();
    let lengths: Vec<u32> = rows.iter().map(|row| row.len() as u32).collect();
    let ends = lengths.iter().scan(0, |end, &length| {
        *end += u64::from(length);
        Some(*end)
    });
    let items = SIZES.items as usize;
    Prepared {
        users: (0..rows.len()).map(|user| format!("u{user}")).collect(),
        items: vec![Item::default(); items],
        offsets: std::iter::once(0).chain(ends).collect(),
        sequence: rows.concat(),
        train_end: lengths.clone(),
        valid_end: lengths,
        trained: vec![true; rows.len()],
        aligned: vec![true; rows.len()],
        measured: vec![true; rows.len()],
        in_training: vec![true; items],
        in_candidates: vec![true; items],
        row: (1..=items as u32).collect(),
        facts: Facts::default(),
    }
}

#[test]
fn rows_of_random_lengths_from_nothing_to_more_than_maxlen_are_cut_and_packed_as_padded_ones() {
    let mut lengths = BTreeSet::new();
    for seed in 0..6 {
        let data = drawn(seed);
        lengths.extend(data.train_end.iter().copied());
        let users: Vec<u32> = (0..data.n_users() as u32).collect();
        let histories = Histories::of(&data, &users, Part::Test, MAXLEN);
        // Padded rows are cut by the padding, from whole ones.
        let offsets: Vec<u32> = data.offsets.iter().map(|&end| end as u32).collect();
        let items = padded(&data.sequence, &offsets);

        let cut: Vec<u32> = data
            .train_end
            .iter()
            .map(|&length| length.min(50))
            .collect();
        let batch = batch(&cut);
        for case in CASES {
            assert_same_states(case, &histories, &items);
            assert_same_loss(case, &batch);
        }
    }
    assert!(
        lengths.first() < Some(&3) && lengths.last() > Some(&60),
        "{lengths:?}"
    );
}
