//! Where the tokens of a packed batch lie when attention needs rows: a few groups of rows of
//! similar length.
//!
//! Tokens are in time-major order, longest row first, so that a group is a run of neighbouring
//! places. Within a group rows begin together: what a shorter row lacks lies after its last token,
//! where a query never looks. Slot 0 of every row's keys is the virtual token, number T,
//! which represents all of the row's padding.

use tch::{Device, Tensor};

use super::embedding;
use super::time_major::TimeMajor;
use crate::torch_ext::transfer::to_device_async;

/// Most groups of a batch: more save multiplications and cost calls.
const GROUPS: usize = 4;
/// Cost of a token's row operations, in multiplications of one score's.
const TOKEN_COST: usize = 8;

/// What surrounds the tokens of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Padding {
    /// Slots of a row.
    pub maxlen: usize,
    /// Whether padding follows the newest item instead of preceding the oldest.
    pub right: bool,
    /// Whether padding on the left is a key that tokens see.
    pub attended: bool,
    /// Whether tokens see no later ones.
    pub causal: bool,
}

impl Padding {
    /// Slot of the token number `step` in a row of `length`.
    fn slot(self, length: usize, step: usize) -> usize {
        if self.right {
            step
        } else {
            self.maxlen - length + step
        }
    }

    /// Slot of each token of rows in `order`, T of them.
    pub fn slots(self, order: &TimeMajor) -> Vec<u32> {
        let (lengths, running) = (order.lengths(), order.running.iter().enumerate());
        let of_step = |(step, &running): (usize, &u32)| {
            let rows = lengths[..running as usize].iter();
            let slots = rows.map(move |&length| self.slot(length, step) as u32);
            slots.collect::<Vec<u32>>()
        };
        running.flat_map(of_step).collect()
    }

    /// Padded slots that the tokens of a row of `length` see.
    fn seen(self, length: usize) -> usize {
        if self.attended && !self.right {
            self.maxlen - length
        } else {
            0
        }
    }
}

/// Which tokens have queries.
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
    /// Padded slots that each row's tokens see, `[b]`.
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
}

impl Packed {
    /// Groups for rows in `order`, none longer than the slots, with a query for every token.
    pub fn new(order: &TimeMajor, padding: Padding, device: Device) -> Self {
        let lengths = order.lengths();
        let starts = order.starts();
        let total = order.tokens.len() as u32;
        let (mut keys, mut queries) = (Vec::new(), Vec::new());
        let mut back = vec![0; order.tokens.len()];
        let mut groups = Vec::new();
        for places in split(&lengths) {
            for place in places.clone() {
                keys.push(total);
                for step in 0..lengths[places.start] {
                    // A slot past the row's end repeats its first token; nothing reads what comes
                    // of it.
                    let inside = step < lengths[place];
                    let token = starts[if inside { step } else { 0 }] + place as u32;
                    if inside {
                        back[token as usize] = queries.len() as u32;
                    }
                    keys.push(token);
                    queries.push(token);
                }
            }
            groups.push(group(&lengths[places], padding, Queries::All, device));
        }
        Self {
            groups,
            keys: embedding::indices(&keys, device),
            queries: embedding::indices(&queries, device),
            back: embedding::indices(&back, device),
            last: embedding::indices(&order.last_tokens(), device),
        }
    }

    /// The same groups with one query a row, the last token's.
    pub fn last_queries(order: &TimeMajor, padding: Padding, device: Device) -> Vec<Group> {
        let lengths = order.lengths();
        split(&lengths)
            .into_iter()
            .map(|places| group(&lengths[places], padding, Queries::Last, device))
            .collect()
    }
}

fn group(lengths: &[usize], padding: Padding, asked: Queries, device: Device) -> Group {
    let (rows, longest) = (lengths.len(), lengths[0]);
    let mut mask = Vec::new();
    for &length in lengths {
        // ln 0 is minus infinity: such a row has no padding to look at.
        let folded = (padding.seen(length) as f32).ln();
        let steps = match asked {
            Queries::All => 0..longest,
            Queries::Last => length - 1..length,
        };
        for step in steps {
            mask.push(folded);
            let seen = if padding.causal { step + 1 } else { length };
            let later = |key| if key < seen { 0.0 } else { f32::NEG_INFINITY };
            mask.extend((0..longest).map(later));
        }
    }
    let padded = lengths.iter().map(|&length| padding.seen(length) as u32);
    let padded = padded.collect();
    let (rows, longest) = (rows as i64, longest as i64);
    Group {
        rows,
        longest,
        mask: to_device_async(
            &Tensor::from_slice(&mask).view([rows, -1, longest + 1]),
            device,
        ),
        padded,
    }
}

/// Places of each group, at the least cost: a group costs as if all its rows were as long as its
/// first.
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
        let padding = Padding {
            maxlen: 7,
            right: false,
            attended: true,
            causal: true,
        };
        let packed = Packed::new(&order, padding, Device::Cpu);
        let tokens = Tensor::arange(13, (tch::Kind::Int64, Device::Cpu));
        let there = tokens.index_select(0, &packed.queries);
        assert_eq!(there.index_select(0, &packed.back), tokens);
        let slots = padding.slots(&order);
        assert_eq!((slots[0], slots[12]), (0, 6));
        let right = Padding {
            right: true,
            ..padding
        };
        // Steps of time-major order: four rows run at the first, one at the last.
        let slots = right.slots(&order);
        assert_eq!((&slots[..4], slots[12]), (&[0; 4][..], 6));
    }
}
