//! Who looks at whom among packed tokens: rows that never see each other, each causal. In layers
//! with a window a token sees itself and the `window - 1` tokens before it.
//!
//! Letters: N tokens of a pass, H query heads, G key heads, d head size.

use std::ops::Range;

use tch::{Device, Kind, Tensor};

use crate::torch_ext::attention;
use crate::torch_ext::product;
use crate::torch_ext::transfer::to_device_async;

/// The attention of one pass.
pub(super) trait Pattern {
    /// Values mixed for the queries, [Nq, H d].
    ///
    /// `parts` are query [Nq, H, d], key and value [N, G, d], with rotary angles applied.
    fn attend(&mut self, at: At, parts: [&Tensor; 3]) -> Tensor;
}

/// Where attention is computed.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    /// Number of the block.
    pub layer: usize,
    /// Whether only the wanted tokens have queries.
    pub last: bool,
    /// Whether the block has a window.
    pub local: bool,
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
    /// Tokens that a token sees in layers with a window.
    window: Option<usize>,
    padded: Option<Padded>,
}

impl Causal {
    /// Rows of these lengths one after the other; `wanted` counts within each row.
    pub fn new(
        lengths: &[usize],
        wanted: &[Range<usize>],
        window: Option<usize>,
        device: Device,
    ) -> Self {
        let rows = ranges(lengths);
        let tokens: usize = lengths.iter().sum();
        let long = tokens > LONG * lengths.len() && !device.is_cuda();
        let padded = (rows.len() > 1 && !long).then(|| Padded::new(&rows, wanted, window, device));
        Self {
            rows,
            wanted: wanted.to_vec(),
            window,
            padded,
        }
    }
}

impl Causal {
    /// Pairs of a query and a key of the same row, without the padding that a device may compute.
    fn pairs(&self, at: At) -> usize {
        let window = self.window.filter(|_| at.local);
        let pairs = self.rows.iter().zip(&self.wanted).map(|(row, wanted)| {
            let queries = if at.last { wanted.len() } else { row.len() };
            queries * window.map_or(row.len(), |window| window.min(row.len()))
        });
        pairs.sum()
    }
}

/// Counts the attention of `parts`, query [N, H, d], key and value, over `pairs` of a query and a
/// key.
pub(super) fn count_attention(pairs: usize, parts: [&Tensor; 3]) {
    let size = parts[0].size();
    product::attention(pairs, size[1] * size[2], parts);
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
    fn attend(&mut self, at: At, [query, key, value]: [&Tensor; 3]) -> Tensor {
        count_attention(self.pairs(at), [query, key, value]);
        if let Some(padded) = &self.padded {
            return padded.attend(at, query, key, value);
        }
        let window = self.window.filter(|_| at.local);
        let part = |x: &Tensor, from: usize, count: usize| x.narrow(0, from as i64, count as i64);
        let mut asked = 0;
        let mut mixed = Vec::with_capacity(self.rows.len());
        for (row, wanted) in self.rows.iter().zip(&self.wanted) {
            let range = if at.last {
                wanted.clone()
            } else {
                0..row.len()
            };
            if range.is_empty() {
                continue;
            }
            let own = part(query, asked, range.len());
            let [key, value] = [key, value].map(|x| part(x, row.start, row.len()));
            let seen = Seen { range, window };
            mixed.push(match seen.keeps_weights([&own, &key], row.len()) {
                true => attention::causal(&own, &key, &value).flatten(1, 2),
                false => seen.attend([&own, &key, &value]),
            });
            asked += seen.range.len();
        }
        if mixed.is_empty() {
            return query.flatten(1, 2);
        }
        cat(mixed)
    }
}

/// Tokens `range` of a row, each of which sees itself and those before it, at most `window` tokens
/// in all.
#[derive(Debug)]
pub(super) struct Seen {
    pub range: Range<usize>,
    pub window: Option<usize>,
}

impl Seen {
    /// Values mixed for these tokens, [n, H d]. `query` [n, H, d] is theirs; `key` and `value` [m,
    /// G, d] are those of the row from its beginning.
    pub fn attend(&self, [query, key, value]: [&Tensor; 3]) -> Tensor {
        let Range { start, end } = self.range;
        let window = self.limit();
        let first = window.map_or(0, |window| (start + 1).saturating_sub(window));
        let causal = start == 0 && window.is_none();
        // A single query sees all of what is passed.
        let mask = (!causal && self.range.len() > 1).then(|| {
            let ahead = (start - first) as i64;
            let mask = Tensor::ones(
                [(end - start) as i64, (end - first) as i64],
                (Kind::Bool, query.device()),
            );
            band(&mask, ahead, window)
        });
        joined(&scaled_dot_product(
            &slice(query, 0..end - start),
            &slice(key, first..end),
            &slice(value, first..end),
            mask.as_ref(),
            causal,
        ))
    }

    /// The window, if it hides something.
    fn limit(&self) -> Option<usize> {
        self.window.filter(|&window| window < self.range.end)
    }

    /// Whether a whole row has queries on the CPU, and a gradient is needed.
    fn keeps_weights(&self, [query, key]: [&Tensor; 2], row: usize) -> bool {
        let whole = self.range.len() == row && row <= KEPT && self.limit().is_none();
        let grouped = query.size()[1] != key.size()[1];
        whole && !grouped && query.device() == Device::Cpu && query.requires_grad()
    }
}

/// What queries [n, m] see: key `ahead` + r for query r, and those before it, `window` in all.
fn band(ones: &Tensor, ahead: i64, window: Option<usize>) -> Tensor {
    let before = ones.tril(ahead);
    match window {
        Some(window) => before.triu(ahead + 1 - window as i64),
        None => before,
    }
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
    /// What all see in layers with a window, [T, T], and what the wanted see there; `None` where no
    /// row is longer than the window.
    local: Option<[Tensor; 2]>,
}

impl Padded {
    fn new(
        rows: &[Range<usize>],
        wanted: &[Range<usize>],
        window: Option<usize>,
        device: Device,
    ) -> Self {
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
        let mask = seen.ge_tensor(&keys);
        let local = window.filter(|&window| window < longest).map(|window| {
            let ones = Tensor::ones([longest as i64; 2], (Kind::Bool, Device::Cpu));
            let near = (seen - window as i64).lt_tensor(&keys);
            [band(&ones, 0, Some(window)), mask.logical_and(&near)]
                .map(|mask| to_device_async(&mask, device))
        });
        Self {
            rows: rows.len() as i64,
            tokens,
            places,
            wanted: wanted_tokens,
            wanted_places,
            mask: to_device_async(&mask, device),
            local,
        }
    }

    fn attend(&self, at: At, query: &Tensor, key: &Tensor, value: &Tensor) -> Tensor {
        let spread = |packed: &Tensor, tokens: &Tensor| {
            let rows = packed.index_select(0, tokens);
            rows.unflatten(0, [self.rows, -1]).transpose(1, 2)
        };
        let (key, value) = (spread(key, &self.tokens), spread(value, &self.tokens));
        let local = self.local.as_ref().filter(|_| at.local);
        if at.last {
            let query = spread(query, &self.wanted);
            let mask = local.map_or(&self.mask, |[_, wanted]| wanted);
            let mixed = scaled_dot_product(&query, &key, &value, Some(mask), false);
            return joined(&mixed).index_select(0, &self.wanted_places);
        }
        let query = spread(query, &self.tokens);
        let mask = local.map(|[all, _]| all);
        let mixed = scaled_dot_product(&query, &key, &value, mask, mask.is_none());
        joined(&mixed).index_select(0, &self.places)
    }
}
