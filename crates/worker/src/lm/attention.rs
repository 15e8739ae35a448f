//! Who looks at whom among packed tokens: rows that never see each other, each causal.
//!
//! Letters: N tokens of a pass, H query heads, G key heads, d head size.

use std::ops::Range;

use tch::{Device, Kind, Tensor};

use crate::torch_ext::attention;
use crate::torch_ext::transfer::to_device_async;

/// The attention of one pass.
pub(super) trait Pattern {
    /// Values mixed for the queries, [Nq, H d].
    ///
    /// `parts` are query [Nq, H, d], key and value [N, G, d], with rotary angles applied. `last`
    /// says that only the wanted tokens have queries.
    fn attend(&mut self, layer: usize, last: bool, parts: [&Tensor; 3]) -> Tensor;
}

/// Rows longer than this on average are computed one by one on the CPU, without padding.
const LONG: usize = 96;

/// Longest row whose attention weights are kept for the gradient on the CPU: at 12 heads and 12
/// blocks 0.3 GB.
const KEPT: usize = 1024;

/// Rows of packed tokens, each causal.
#[derive(Debug)]
pub(super) struct Causal {
    rows: Vec<Range<usize>>,
    /// Within each row, the tokens with queries in the last block.
    wanted: Vec<Range<usize>>,
    padded: Option<Padded>,
}

impl Causal {
    /// Rows of these lengths one after the other; `wanted` counts within each row.
    pub fn new(lengths: &[usize], wanted: &[Range<usize>], device: Device) -> Self {
        let rows = ranges(lengths);
        let tokens: usize = lengths.iter().sum();
        let long = tokens > LONG * lengths.len() && !device.is_cuda();
        let padded = (rows.len() > 1 && !long).then(|| Padded::new(&rows, wanted, device));
        Self {
            rows,
            wanted: wanted.to_vec(),
            padded,
        }
    }
}

/// Ranges of these lengths, one after the other from 0.
pub(super) fn ranges(lengths: &[usize]) -> Vec<Range<usize>> {
    let mut start = 0;
    let mut next = |&length: &usize| {
        start += length;
        start - length..start
    };
    lengths.iter().map(&mut next).collect()
}

impl Pattern for Causal {
    fn attend(&mut self, _layer: usize, last: bool, [query, key, value]: [&Tensor; 3]) -> Tensor {
        if let Some(padded) = &self.padded {
            return padded.attend(last, query, key, value);
        }
        let mut asked = 0;
        let mut mixed = Vec::with_capacity(self.rows.len());
        for (row, wanted) in self.rows.iter().zip(&self.wanted) {
            let asking = if last { wanted.clone() } else { 0..row.len() };
            if asking.is_empty() {
                continue;
            }
            let known = row.start..row.start + asking.end;
            if keeps_weights([query, key], asking.len(), row.len()) {
                let part = |x: &Tensor, from: usize| x.narrow(0, from as i64, row.len() as i64);
                let (key, value) = (part(key, row.start), part(value, row.start));
                let value = attention::causal(&part(query, asked), &key, &value);
                mixed.push(value.flatten(1, 2));
                asked += row.len();
                continue;
            }
            let query = slice(query, asked..asked + asking.len());
            let (key, value) = (slice(key, known.clone()), slice(value, known));
            let mask =
                (asking.start > 0 && asking.len() > 1).then(|| staircase(&asking, query.device()));
            let causal = asking.start == 0;
            mixed.push(joined(&scaled_dot_product(
                &query,
                &key,
                &value,
                mask.as_ref(),
                causal,
            )));
            asked += asking.len();
        }
        if mixed.is_empty() {
            return query.flatten(1, 2);
        }
        cat(mixed)
    }
}

/// Whether a whole row has queries on the CPU, and a gradient is needed.
fn keeps_weights([query, key]: [&Tensor; 2], asking: usize, row: usize) -> bool {
    let whole = asking == row && row <= KEPT && query.size()[1] == key.size()[1];
    whole && query.device() == Device::Cpu && query.requires_grad()
}

/// One tensor of several; nothing is copied for one.
pub(super) fn cat(mut parts: Vec<Tensor>) -> Tensor {
    match parts.len() {
        1 => parts.remove(0),
        _ => Tensor::cat(&parts, 0),
    }
}

/// Tokens `range` of [N, heads, d] as [1, heads, n, d].
pub(super) fn slice(packed: &Tensor, range: Range<usize>) -> Tensor {
    let part = packed.narrow(0, range.start as i64, range.len() as i64);
    part.transpose(0, 1).unsqueeze(0)
}

/// [B, H, n, d] as [B n, H d].
pub(super) fn joined(mixed: &Tensor) -> Tensor {
    let (rows, heads, count, each) = mixed.size4().expect("mixed values are [B, H, n, d]");
    mixed.transpose(1, 2).reshape([rows * count, heads * each])
}

/// What tokens `asking` of a row see of the row's first `asking.end` tokens, [n, end].
fn staircase(asking: &Range<usize>, device: Device) -> Tensor {
    let mask = Tensor::ones(
        [asking.len() as i64, asking.end as i64],
        (Kind::Bool, device),
    );
    mask.tril(asking.start as i64)
}

/// Attention of `query` [B, H, n, d] over `key` and `value` [B, G, m, d]; `mask` [.., n, m] is true
/// where one sees.
pub(super) fn scaled_dot_product(
    query: &Tensor,
    key: &Tensor,
    value: &Tensor,
    mask: Option<&Tensor>,
    causal: bool,
) -> Tensor {
    let times = query.size()[1] / key.size()[1];
    if times == 1 {
        return Tensor::scaled_dot_product_attention(
            query, key, value, mask, 0.0, causal, None, false,
        );
    }
    let key = key.repeat_interleave_self_int(times, 1, None);
    let value = value.repeat_interleave_self_int(times, 1, None);
    Tensor::scaled_dot_product_attention(query, &key, &value, mask, 0.0, causal, None, false)
}

/// Places of packed tokens in a rectangle of rows that begin together. What follows a row's end is
/// never looked at by a causal query of the row.
#[derive(Debug)]
struct Padded {
    rows: i64,
    /// Token in each place, [B T]; after a row's end its last one.
    tokens: Tensor,
    /// Place of each token, `[N]`.
    places: Tensor,
    /// Wanted token in each place, [B W], and places of the wanted ones.
    wanted: Tensor,
    wanted_places: Tensor,
    /// What the wanted see, [B, 1, W, T].
    mask: Tensor,
}

impl Padded {
    fn new(rows: &[Range<usize>], wanted: &[Range<usize>], device: Device) -> Self {
        let longest = rows.iter().map(Range::len).max().unwrap_or(0);
        let widest = wanted.iter().map(Range::len).max().unwrap_or(0).max(1);
        let asked = ranges(&wanted.iter().map(Range::len).collect::<Vec<_>>());
        let mut seen = Vec::with_capacity(rows.len() * widest);
        for wanted in wanted {
            let last = wanted.end.max(1) - 1;
            seen.extend((0..widest).map(|at| (wanted.start + at).min(last) as i64));
        }
        let place = |rows: &[Range<usize>], width| {
            let mut tokens = Vec::with_capacity(rows.len() * width);
            let mut places = Vec::new();
            for (number, row) in rows.iter().enumerate() {
                let last = row.end.max(1) - 1;
                tokens.extend((0..width).map(|at| (row.start + at).min(last) as i64));
                places.extend((0..row.len()).map(|at| (number * width + at) as i64));
            }
            let there = |list: &[i64]| to_device_async(&Tensor::from_slice(list), device);
            (there(&tokens), there(&places))
        };
        let (tokens, places) = place(rows, longest);
        let (wanted_tokens, wanted_places) = place(&asked, widest);
        let seen = Tensor::from_slice(&seen).view([rows.len() as i64, 1, widest as i64, 1]);
        let keys = Tensor::arange(longest as i64, (Kind::Int64, Device::Cpu));
        Self {
            rows: rows.len() as i64,
            tokens,
            places,
            wanted: wanted_tokens,
            wanted_places,
            mask: to_device_async(&seen.ge_tensor(&keys), device),
        }
    }

    fn attend(&self, last: bool, query: &Tensor, key: &Tensor, value: &Tensor) -> Tensor {
        let spread = |packed: &Tensor, tokens: &Tensor| {
            let rows = packed.index_select(0, tokens);
            rows.unflatten(0, [self.rows, -1]).transpose(1, 2)
        };
        let (key, value) = (spread(key, &self.tokens), spread(value, &self.tokens));
        if last {
            let query = spread(query, &self.wanted);
            let mixed = scaled_dot_product(&query, &key, &value, Some(&self.mask), false);
            return joined(&mixed).index_select(0, &self.wanted_places);
        }
        let query = spread(query, &self.tokens);
        let mixed = scaled_dot_product(&query, &key, &value, None, true);
        joined(&mixed).index_select(0, &self.places)
    }
}
