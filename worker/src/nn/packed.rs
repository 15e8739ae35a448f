//! Where the tokens of a packed batch lie when attention needs rows: a few groups of rows of similar length.
//!
//! Tokens are in time-major order, longest row first, so that a group is a run of neighbouring places. Within a group
//! rows begin together: what a shorter row lacks lies after its last token, where a causal query never looks. Slot 0
//! of every row's keys is the virtual token, number T, which stands for all of the row's padding.

use tch::{Device, Tensor};

use super::embedding;
use super::time_major::TimeMajor;
use crate::torch_ext::sent::sent;

/// Most groups of a batch: more save multiplications and cost calls.
const GROUPS: usize = 4;
/// Cost of a token's row operations, in multiplications of one score's.
const TOKEN_COST: usize = 8;

/// Which tokens ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queries {
    /// Every token of a row.
    All,
    /// The last token of each row.
    Last,
}

/// Rows whose attention is computed together.
#[derive(Debug)]
pub struct Group {
    /// Number of rows b.
    pub rows: i64,
    /// Tokens of the longest row L.
    pub longest: i64,
    /// Added to logits: [b, L, L + 1] for all queries, [b, 1, L + 1] for the last ones.
    pub mask: Tensor,
    /// Padded slots of each row, `[b]`.
    pub padded: Vec<u32>,
}

/// A batch's groups and the way there and back.
#[derive(Debug)]
pub struct Packed {
    /// The groups, longest rows first.
    pub groups: Vec<Group>,
    /// Token of each key slot, group after group, [sum of b (L + 1)].
    pub keys: Tensor,
    /// Token of each query slot, [sum of b L].
    pub queries: Tensor,
    /// Query slot of each token, `[T]`.
    pub back: Tensor,
    /// Last token of each row that has tokens, longest row first.
    pub last: Tensor,
    /// Slot of each token among `maxlen` slots with padding on the left, T of them.
    pub slots: Vec<u32>,
}

impl Packed {
    /// Groups for rows in `order`, none longer than `maxlen`, with every token asking.
    pub fn new(order: &TimeMajor, maxlen: usize, device: Device) -> Self {
        let lengths = lengths(order);
        let starts = starts(order);
        let total = order.tokens.len() as u32;
        let (mut keys, mut queries) = (Vec::new(), Vec::new());
        let mut back = vec![0; order.tokens.len()];
        let mut slots = vec![0; order.tokens.len()];
        let mut groups = Vec::new();
        for places in split(&lengths) {
            for place in places.clone() {
                keys.push(total);
                for step in 0..lengths[places.start] {
                    // A slot past the row's end repeats its first token; nothing reads what comes of it.
                    let inside = step < lengths[place];
                    let token = starts[if inside { step } else { 0 }] + place as u32;
                    if inside {
                        back[token as usize] = queries.len() as u32;
                        slots[token as usize] = (maxlen - lengths[place] + step) as u32;
                    }
                    keys.push(token);
                    queries.push(token);
                }
            }
            groups.push(group(&lengths[places], maxlen, Queries::All, device));
        }
        let last = lengths.iter().enumerate();
        let last: Vec<u32> = last
            .map(|(place, &length)| starts[length - 1] + place as u32)
            .collect();
        Self {
            groups,
            keys: embedding::indices(&keys, device),
            queries: embedding::indices(&queries, device),
            back: embedding::indices(&back, device),
            last: embedding::indices(&last, device),
            slots,
        }
    }

    /// The same groups with one query a row, the last token's.
    pub fn last_queries(order: &TimeMajor, maxlen: usize, device: Device) -> Vec<Group> {
        let lengths = lengths(order);
        split(&lengths)
            .into_iter()
            .map(|places| group(&lengths[places], maxlen, Queries::Last, device))
            .collect()
    }
}

/// Tokens of each row that has any, longest first.
fn lengths(order: &TimeMajor) -> Vec<usize> {
    let mut lengths = vec![0; order.rows_with_tokens()];
    for &running in &order.running {
        for length in &mut lengths[..running as usize] {
            *length += 1;
        }
    }
    lengths
}

/// First token of each step.
fn starts(order: &TimeMajor) -> Vec<u32> {
    let mut next = 0;
    let starts = order.running.iter().map(|&running| {
        let start = next;
        next += running;
        start
    });
    starts.collect()
}

fn group(lengths: &[usize], maxlen: usize, asked: Queries, device: Device) -> Group {
    let (rows, longest) = (lengths.len(), lengths[0]);
    let mut mask = Vec::new();
    for &length in lengths {
        // ln 0 is minus infinity: a full row has no padding to look at.
        let padding = ((maxlen - length) as f32).ln();
        let steps = match asked {
            Queries::All => 0..longest,
            Queries::Last => length - 1..length,
        };
        for step in steps {
            mask.push(padding);
            let later = |key| if key <= step { 0.0 } else { f32::NEG_INFINITY };
            mask.extend((0..longest).map(later));
        }
    }
    let padded = lengths.iter().map(|length| (maxlen - length) as u32);
    let padded = padded.collect();
    let (rows, longest) = (rows as i64, longest as i64);
    Group {
        rows,
        longest,
        mask: sent(
            &Tensor::from_slice(&mask).view([rows, -1, longest + 1]),
            device,
        ),
        padded,
    }
}

/// Places of each group, at the least cost: a group costs as if all its rows were as long as its first.
fn split(lengths: &[usize]) -> Vec<std::ops::Range<usize>> {
    let mut ends: Vec<usize> = (1..lengths.len())
        .filter(|&place| lengths[place] != lengths[place - 1])
        .collect();
    ends.push(lengths.len());
    if lengths.is_empty() {
        return Vec::new();
    }
    let cost = |from: usize, to: usize| (to - from) * lengths[from] * (lengths[from] + TOKEN_COST);
    // best[e]: least cost of the places before ends[e], and where its last group starts.
    let mut best: Vec<(usize, Vec<usize>)> =
        ends.iter().map(|&end| (cost(0, end), vec![0])).collect();
    for _ in 1..GROUPS {
        for last in (1..ends.len()).rev() {
            for before in 0..last {
                let whole = best[before].0 + cost(ends[before], ends[last]);
                if whole < best[last].0 {
                    let mut cuts = best[before].1.clone();
                    cuts.push(ends[before]);
                    best[last] = (whole, cuts);
                }
            }
        }
    }
    let mut cuts = best.pop().map(|(_, cuts)| cuts).unwrap_or_default();
    cuts.push(lengths.len());
    cuts.windows(2).map(|pair| pair[0]..pair[1]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_like_length_share_a_group_and_there_are_at_most_four() {
        assert_eq!(split(&[50, 4, 4, 4]), [0..1, 1..4]);
        let whole = split(&[7, 7]);
        assert_eq!((whole.len(), whole[0].clone()), (1, 0..2));
        let many: Vec<usize> = (1..40).rev().collect();
        let groups = split(&many);
        assert!(groups.len() <= 4);
        assert_eq!(groups.last().unwrap().end, many.len());
    }

    #[test]
    fn every_token_comes_back_from_its_query_slot() {
        let order = TimeMajor::new(&[0, 2, 2, 9, 10, 13]);
        let packed = Packed::new(&order, 7, Device::Cpu);
        let tokens = Tensor::arange(13, (tch::Kind::Int64, Device::Cpu));
        let there = tokens.index_select(0, &packed.queries);
        assert_eq!(there.index_select(0, &packed.back), tokens);
        assert_eq!(packed.slots[0], 0);
        assert_eq!(*packed.slots.last().unwrap(), 6);
    }
}
