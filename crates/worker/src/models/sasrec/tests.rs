//! The packed net against the padded one, written as the papers' code does it.

mod upstream;

use std::collections::{BTreeMap, BTreeSet};

use allround_core::data::{Facts, Item, Part, Prepared};
use allround_core::models::sasrec::SasrecForm;
use allround_core::seed::{Stream, stream};
use rand::RngExt;
use tch::Kind;

use super::*;
use crate::models::weights;
use crate::testing::sasrec;
use crate::torch_ext::product;

const SIZES: Sizes = Sizes {
    users: 1,
    items: 30,
};
const MAXLEN: usize = 50;

fn config(form: SasrecForm, heads: usize, dropout: f64) -> Config {
    Config {
        num_blocks: 2,
        num_heads: heads,
        dropout,
        maxlen: MAXLEN,
        form,
        ..sasrec()
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
            } else if !name.starts_with("item_emb") {
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
    config: Config,
}

impl PaddedNet {
    fn weight(&self, name: &str) -> &Tensor {
        &self.weights[name]
    }

    fn norm(&self, name: &str, x: &Tensor) -> Tensor {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let eps = self.config.norm_eps();
        x.layer_norm(
            [8],
            Some(self.weight(&weight)),
            Some(self.weight(&bias)),
            eps,
            false,
        )
    }

    fn linear(&self, name: &str, x: &Tensor) -> Tensor {
        let weight = self.weight(&format!("{name}.weight"));
        let weight = weight.view([weight.size()[0], weight.size()[1]]);
        x.linear(&weight, Some(self.weight(&format!("{name}.bias"))))
    }

    /// Weights and biases of queries, keys and values.
    fn projections(&self, n: usize, kind: &str) -> Vec<Tensor> {
        if self.config.form == SasrecForm::Recbole {
            let name = format!("trm_encoder.layer.{n}.multi_head_attention");
            let part = |part| {
                self.weight(&format!("{name}.{part}.{kind}"))
                    .shallow_clone()
            };
            return ["query", "key", "value"].map(part).into();
        }
        let joined = self.weight(&format!("attention_layers.{n}.in_proj_{kind}"));
        joined.chunk(3, 0)
    }

    fn attention(&self, n: usize, query: &Tensor, key: &Tensor, real: &Tensor) -> Tensor {
        let (weight, bias) = (self.projections(n, "weight"), self.projections(n, "bias"));
        let count = self.config.num_heads as i64;
        let heads = |x: &Tensor, part: usize| {
            x.linear(&weight[part], Some(&bias[part]))
                .view([-1, MAXLEN as i64, count, 8 / count])
                .transpose(1, 2)
        };
        let (q, k, v) = (heads(query, 0), heads(key, 1), heads(key, 2));
        let mut logits = q.matmul(&k.transpose(-2, -1)) / ((8 / count) as f64).sqrt();
        if !self.config.form.attends_padding() {
            let padding = real.squeeze_dim(-1).eq(0.0).unsqueeze(1).unsqueeze(1);
            logits = logits.masked_fill(&padding, -1e9);
        }
        let slots = MAXLEN as i64;
        let later = Tensor::ones([slots, slots], (Kind::Bool, Device::Cpu)).triu(1);
        let weights = logits
            .masked_fill(&later, f64::NEG_INFINITY)
            .softmax(-1, Kind::Float);
        let mixed = weights.matmul(&v).transpose(1, 2).reshape([-1, slots, 8]);
        match self.config.form {
            SasrecForm::Kang => mixed,
            SasrecForm::Recbole => {
                let name = format!("trm_encoder.layer.{n}.multi_head_attention.dense");
                self.linear(&name, &mixed)
            }
            _ => self.linear(&format!("attention_layers.{n}.out_proj"), &mixed),
        }
    }

    fn feed_forward(&self, n: usize, x: &Tensor) -> Tensor {
        let [first, second] = match self.config.form {
            SasrecForm::Recbole => {
                [1, 2].map(|part| format!("trm_encoder.layer.{n}.feed_forward.dense_{part}"))
            }
            _ => [1, 2].map(|part| format!("forward_layers.{n}.conv{part}")),
        };
        let inner = self.linear(&first, x);
        let inner = match self.config.form {
            SasrecForm::Recbole => inner.gelu("none"),
            _ => inner.relu(),
        };
        self.linear(&second, &inner)
    }

    fn inputs(&self, items: &Tensor, real: &Tensor) -> Tensor {
        let slots = Tensor::arange(MAXLEN as i64, (Kind::Int64, Device::Cpu));
        let rows = |table: &str| embedding::rows(self.weight(table), items);
        let positions = |slots: &Tensor, table: &str| embedding::rows(self.weight(table), slots);
        match self.config.form {
            SasrecForm::Allmrec | SasrecForm::Kang => {
                (rows("item_emb.weight") * 8f64.sqrt() + positions(&slots, "pos_emb.weight")) * real
            }
            SasrecForm::PmixerPreNorm | SasrecForm::PmixerPostNorm => {
                let slots = (slots + 1) * items.ne(0);
                rows("item_emb.weight") * 8f64.sqrt() + positions(&slots, "pos_emb.weight")
            }
            SasrecForm::Morec => unreachable!("its padded net is the fixture"),
            SasrecForm::Recbole => {
                let padded =
                    items
                        .eq(0)
                        .to_kind(Kind::Int64)
                        .sum_dim_intlist(-1, true, Kind::Int64);
                let slots = (slots.unsqueeze(0) - padded).clamp_min(0);
                let sum =
                    rows("item_embedding.weight") + positions(&slots, "position_embedding.weight");
                self.norm("LayerNorm", &sum)
            }
            SasrecForm::Ligr => unreachable!("a fixture with padded rows tests this form"),
        }
    }

    /// States [B, maxlen, D].
    fn states(&self, items: &Tensor) -> Tensor {
        let real = items.ne(0).to_kind(Kind::Float).unsqueeze(-1);
        let mut x = self.inputs(items, &real);
        for n in 0..2 {
            let (attention, forward) = match self.config.form {
                SasrecForm::Recbole => (
                    format!("trm_encoder.layer.{n}.multi_head_attention.LayerNorm"),
                    format!("trm_encoder.layer.{n}.feed_forward.LayerNorm"),
                ),
                _ => (
                    format!("attention_layernorms.{n}"),
                    format!("forward_layernorms.{n}"),
                ),
            };
            x = match self.config.form {
                SasrecForm::Allmrec | SasrecForm::Kang => {
                    let normed = self.norm(&attention, &x);
                    let sum = &normed + self.attention(n, &normed, &x, &real);
                    let sum = self.norm(&forward, &sum);
                    (&sum + self.feed_forward(n, &sum)) * &real
                }
                SasrecForm::PmixerPreNorm => {
                    let normed = self.norm(&attention, &x);
                    let sum = x + self.attention(n, &normed, &normed, &real);
                    &sum + self.feed_forward(n, &self.norm(&forward, &sum))
                }
                SasrecForm::PmixerPostNorm | SasrecForm::Recbole | SasrecForm::Morec => {
                    let sum = &x + self.attention(n, &x, &x, &real);
                    let sum = self.norm(&attention, &sum);
                    self.norm(&forward, &(&sum + self.feed_forward(n, &sum)))
                }
                SasrecForm::Ligr => unreachable!("a fixture with padded rows tests this form"),
            };
        }
        match self.config.form {
            SasrecForm::Recbole => x,
            _ => self.norm("last_layernorm", &x),
        }
    }

    fn loss(&self, batch: &TrainingBatch) -> Tensor {
        let items = padded(&batch.inputs, &batch.offsets);
        let states = self.states(&items);
        let real = items.ne(0);
        let table = match self.config.form {
            SasrecForm::Recbole => "item_embedding.weight",
            _ => "item_emb.weight",
        };
        let score = |rows: &[u32]| {
            let rows = padded(rows, &batch.offsets);
            let rows = embedding::rows(self.weight(table), &rows);
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
        config: net.config.clone(),
    }
}

const CASES: [(SasrecForm, usize); 7] = [
    (SasrecForm::Allmrec, 1),
    (SasrecForm::Allmrec, 2),
    (SasrecForm::Kang, 2),
    (SasrecForm::PmixerPreNorm, 1),
    (SasrecForm::PmixerPreNorm, 2),
    (SasrecForm::PmixerPostNorm, 2),
    (SasrecForm::Recbole, 2),
];
const LENGTHS: [u32; 12] = [7, 0, 1, 50, 49, 3, 9, 9, 22, 2, 0, 31];

/// The packed states of the last tokens are those of the padded net over `items`, [B, maxlen].
fn assert_same_states((form, heads): (SasrecForm, usize), histories: &Histories, items: &Tensor) {
    let net = net(form, heads);
    let mut expected = twin(&net).states(items).select(1, MAXLEN as i64 - 1);
    let mut found = net.user_states(histories);
    if form == SasrecForm::Recbole {
        // There is no state of an empty history in RecBole's code.
        let some = items.ne(0).any_dim(1, true).to_kind(Kind::Float);
        (expected, found) = (expected * &some, found * &some);
    }
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
        let is_items = ["item_emb.weight", "item_embedding.weight"].contains(&name.as_str());
        if is_items || name == "pos_emb.weight" && form.padding_evolves() {
            assert_eq!(found.get(0).abs().max().double_value(&[]), 0.0);
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

fn largest(difference: &Tensor) -> f64 {
    difference.abs().max().double_value(&[])
}

#[test]
fn rows_with_their_padding_written_out_have_the_packed_states() {
    for form in [SasrecForm::PmixerPreNorm, SasrecForm::PmixerPostNorm] {
        let net = net(form, 2);
        let batch = batch(&[7, 1, 50, 3, 9]);
        let order = TimeMajor::new(&batch.offsets);
        let rows = net.item_rows(&batch.inputs, &order);
        for outputs in [Outputs::All, Outputs::Last] {
            let packed = net.states(&rows, &order, outputs, &mut None);
            // The smallest dropout scales by 1 + 1/65535, and drops no element with this seed.
            let mut noise = Some(Noise::new(0.0, 2, Device::Cpu));
            let written = net.states(&rows, &order, outputs, &mut noise);
            assert_eq!(packed.size(), written.size());
            let difference = largest(&(packed - written));
            assert!(
                difference > 0.0 && difference < 1e-3,
                "{form:?} {outputs:?} {difference}"
            );
        }
    }
}

#[test]
fn counted_operations_are_those_of_pytorchs_counter_and_one_key_for_padding() {
    let all: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/fixtures/flops.json")).unwrap();
    let settings = Config {
        hidden_units: 16,
        maxlen: 24,
        ..config(SasrecForm::Allmrec, 1, 0.0)
    };
    let net = Sasrec::new(&settings, SIZES, Device::Cpu);
    let before = product::counted();
    let _ = net.loss(&batch(&[24]));
    let ratio = (product::counted() - before) as f64 / all["sasrec"].as_f64().unwrap();
    // Each of two blocks has keys and values of one more token, and scores of one more key.
    assert!((1.0..1.04).contains(&ratio), "{ratio}");
}
