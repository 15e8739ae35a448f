//! Keys and values of earlier tokens, so that each new token costs one token's work.
//!
//! Rows end together: a row of t tokens is in the last t of the prompt's places. So all rows write
//! their next token into the same place. What is before a row's first token is masked.

use std::ops::Range;

use tch::{Device, Kind, Tensor};

use super::attention::{At, Causal, Pattern, count_attention, joined, ranges, scaled_dot_product};
use allround_core::lm_config::LmConfig;

/// The cache of a batch.
#[derive(Debug)]
pub(super) struct Cache {
    /// Key and value of each block, [B, G, places, d].
    layers: Vec<[Tensor; 2]>,
    /// Tokens of each row's prompt.
    lengths: Vec<usize>,
    /// Places that are filled.
    filled: i64,
    /// Which places a row sees, [B, 1, 1, places].
    mask: Tensor,
    /// Rows whose prompts come in now, with their own pattern; `None` once all are in.
    prompts: Option<(Range<usize>, Causal)>,
    /// Whether every row has the same length, so that no place is masked.
    even: bool,
    /// Tokens that a token sees in layers with a window.
    window: Option<usize>,
}

impl Cache {
    /// Space for rows of these lengths and `more` tokens each.
    pub fn new(
        config: &LmConfig,
        lengths: &[usize],
        more: usize,
        kind: Kind,
        device: Device,
    ) -> Self {
        let longest = lengths.iter().max().copied().unwrap_or(0) as i64;
        let (rows, places) = (lengths.len() as i64, longest + more as i64);
        let shape = [rows, config.kv_heads, places, config.head_size];
        // Zeros: what is masked is multiplied by 0, and must be a number for that.
        let empty = || Tensor::zeros(shape, (kind, device));
        let starts: Vec<i64> = lengths
            .iter()
            .map(|&length| longest - length as i64)
            .collect();
        let mask = Tensor::arange(places, (Kind::Int64, Device::Cpu))
            .ge_tensor(&Tensor::from_slice(&starts).unsqueeze(1));
        Self {
            layers: (0..config.layers).map(|_| [empty(), empty()]).collect(),
            lengths: lengths.to_vec(),
            filled: longest,
            mask: mask.view([rows, 1, 1, places]).to_device(device),
            prompts: None,
            even: starts.iter().all(|&start| start == 0),
            window: config.local.as_ref().map(|local| local.window),
        }
    }

    /// The next pass has the prompts of these rows.
    pub fn expect(&mut self, rows: Range<usize>, pattern: Causal) {
        self.prompts = Some((rows, pattern));
    }

    /// Makes space for the next token of every row; from now on a pass has one token a row.
    pub fn advance(&mut self) {
        self.prompts = None;
        self.filled += 1;
    }

    /// The keys and values of the prompts of `rows` into their places.
    fn fill(&self, rows: Range<usize>, layer: usize, parts: [&Tensor; 2]) {
        for (kept, part) in self.layers[layer].iter().zip(parts) {
            let places = ranges(&self.lengths[rows.clone()]);
            for (number, row) in rows.clone().zip(places) {
                let length = row.len() as i64;
                let part = part.narrow(0, row.start as i64, length).transpose(0, 1);
                let all = kept.get(number as i64);
                let mut place = all.narrow(1, self.filled - length, length);
                place.copy_(&part);
            }
        }
    }
}

impl Pattern for Cache {
    fn attend(&mut self, at: At, [query, key, value]: [&Tensor; 3]) -> Tensor {
        if let Some((rows, pattern)) = &mut self.prompts {
            let mixed = pattern.attend(at, [query, key, value]);
            let rows = rows.clone();
            self.fill(rows, at.layer, [key, value]);
            return mixed;
        }
        let [keys, values] = &self.layers[at.layer];
        keys.select(2, self.filled - 1).copy_(key);
        values.select(2, self.filled - 1).copy_(value);
        // All rows end in the last filled place, so that a window is the same places for all.
        let window = self.window.filter(|_| at.local);
        let count = window.map_or(self.filled, |window| self.filled.min(window as i64));
        let first = self.filled - count;
        count_attention(self.lengths.len() * count as usize, [query, key, value]);
        let known = |all: &Tensor| all.narrow(2, first, count);
        let mask = (!self.even).then(|| self.mask.narrow(3, first, count));
        let query = query.unsqueeze(2);
        joined(&scaled_dot_product(
            &query,
            &known(keys),
            &known(values),
            mask.as_ref(),
            false,
        ))
    }
}
