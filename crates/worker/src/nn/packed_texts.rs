//! Texts side by side without padding, longest first, and the groups of rows whose attention is
//! computed together.

use std::ops::Range;

use tch::{Device, Tensor};

use super::embedding;
use crate::torch_ext::transfer::to_device_async;

/// By how much of a group's longest row its shorter ones may be padded on a device where calls are
/// dear.
const SLACK: f64 = 0.25;

/// The tokens of several texts in one row of T tokens.
#[derive(Debug)]
pub struct PackedTexts {
    /// Token of each token, `[T]`.
    pub ids: Tensor,
    /// Place of each token in its text, from 0, `[T]`.
    pub positions: Tensor,
    /// Runs of rows, longest first; together they hold all tokens in order.
    pub groups: Vec<Group>,
    /// Packed row of each text in the order in which they were given.
    pub row_of: Vec<u32>,
}

/// Neighbouring rows whose attention is computed together.
#[derive(Debug)]
pub struct Group {
    /// Number of rows b.
    pub rows: i64,
    /// Tokens of the longest row L.
    pub longest: i64,
    /// Tokens of all rows.
    pub tokens: i64,
    /// What rows of different lengths need.
    pub ragged: Option<Ragged>,
}

/// The way from a group's tokens to a table of b rows of L slots, and back. Shorter rows lack slots
/// on the right.
#[derive(Debug)]
pub struct Ragged {
    /// Token of each slot, [b L]; a slot past its row's end repeats the row's first token.
    pub slots: Tensor,
    /// Slot of each token.
    pub back: Tensor,
    /// Whether a slot holds a token, [b, 1, 1, L].
    pub mask: Tensor,
    /// Length of each row, [b, 1].
    pub lengths: Tensor,
}

impl PackedTexts {
    /// Packs the tokens of texts, none of which is empty.
    pub fn new(texts: &[&[u32]], device: Device) -> Self {
        let slack = if device == Device::Cpu { 0.0 } else { SLACK };
        Self::with_slack(texts, slack, device)
    }

    /// As [`PackedTexts::new`], with rows that lack at most `slack` of their group's longest row in
    /// one group.
    pub fn with_slack(texts: &[&[u32]], slack: f64, device: Device) -> Self {
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&text| std::cmp::Reverse(texts[text].len()));
        let mut row_of = vec![0; texts.len()];
        for (row, &text) in order.iter().enumerate() {
            row_of[text] = row as u32;
        }
        let lengths: Vec<usize> = order.iter().map(|&text| texts[text].len()).collect();
        let ids: Vec<u32> = order
            .iter()
            .flat_map(|&text| texts[text])
            .copied()
            .collect();
        let positions: Vec<u32> = lengths
            .iter()
            .flat_map(|&length| 0..length as u32)
            .collect();
        let groups = split(&lengths, slack);
        Self {
            ids: embedding::indices(&ids, device),
            positions: embedding::indices(&positions, device),
            groups: groups
                .into_iter()
                .map(|rows| Group::new(&lengths[rows], device))
                .collect(),
            row_of,
        }
    }

    /// Tokens of each group, as sizes to split by.
    pub fn sizes(&self) -> Vec<i64> {
        self.groups.iter().map(|group| group.tokens).collect()
    }
}

impl Group {
    fn new(lengths: &[usize], device: Device) -> Self {
        let (rows, longest) = (lengths.len(), lengths[0]);
        let equal = lengths.iter().all(|&length| length == longest);
        Self {
            rows: rows as i64,
            longest: longest as i64,
            tokens: lengths.iter().sum::<usize>() as i64,
            ragged: (!equal).then(|| Ragged::new(lengths, device)),
        }
    }

    /// The tokens' rows [tokens, D] as a table [b, L, D].
    pub fn table(&self, tokens: &Tensor) -> Tensor {
        match &self.ragged {
            Some(ragged) => embedding::rows(tokens, &ragged.slots).unflatten(0, [self.rows, -1]),
            None => tokens.unflatten(0, [self.rows, -1]),
        }
    }

    /// The way back: a table [b L, D] as the tokens' rows [tokens, D].
    pub fn tokens(&self, table: Tensor) -> Tensor {
        match &self.ragged {
            Some(ragged) => embedding::rows(&table, &ragged.back),
            None => table,
        }
    }

    /// Mean over each row's tokens, [b, D].
    pub fn means(&self, tokens: &Tensor) -> Tensor {
        let table = self.table(tokens);
        let Some(ragged) = &self.ragged else {
            return table.mean_dim(1, false, None);
        };
        let mask = ragged.mask.view([self.rows, self.longest, 1]);
        (table * mask).sum_dim_intlist(1, false, None) / &ragged.lengths
    }
}

impl Ragged {
    fn new(lengths: &[usize], device: Device) -> Self {
        let longest = lengths[0];
        let (mut slots, mut back, mut mask) = (Vec::new(), Vec::new(), Vec::new());
        let mut start = 0;
        for (row, &length) in lengths.iter().enumerate() {
            let inside = |slot: usize| slot < length;
            slots.extend(
                (0..longest).map(|slot| (start + if inside(slot) { slot } else { 0 }) as u32),
            );
            back.extend((0..length).map(|slot| (row * longest + slot) as u32));
            mask.extend((0..longest).map(inside));
            start += length;
        }
        let counts: Vec<f32> = lengths.iter().map(|&length| length as f32).collect();
        Self {
            slots: embedding::indices(&slots, device),
            back: embedding::indices(&back, device),
            mask: to_device_async(
                &Tensor::from_slice(&mask).view([lengths.len() as i64, 1, 1, -1]),
                device,
            ),
            lengths: to_device_async(&Tensor::from_slice(&counts).unsqueeze(1), device),
        }
    }
}

/// Rows of each group: those that lack at most `slack` of their group's longest row.
fn split(lengths: &[usize], slack: f64) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    for (row, &length) in lengths.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if length as f64 >= lengths[group.start] as f64 * (1.0 - slack) => {
                group.end = row + 1;
            }
            _ => groups.push(row..row + 1),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn rows_of_one_length_need_no_padding_and_slack_saves_groups() {
        assert_eq!(split(&[9, 9, 7, 3, 3], 0.0), [0..2, 2..3, 3..5]);
        assert_eq!(split(&[9, 9, 7, 3, 3], 0.25), [0..3, 3..5]);
        assert!(split(&[], 0.25).is_empty());
    }

    #[test]
    fn packing_keeps_each_texts_pieces_and_where_it_went() {
        let texts: [&[u32]; 3] = [&[5], &[7, 8, 9], &[6]];
        let packed = PackedTexts::new(&texts, Device::Cpu);
        assert_eq!(packed.row_of, [1, 0, 2]);
        assert_eq!(packed.ids, Tensor::from_slice(&[7i64, 8, 9, 5, 6]));
        assert_eq!(packed.positions, Tensor::from_slice(&[0i64, 1, 2, 0, 0]));
        assert_eq!(packed.sizes(), [3, 2]);
    }

    #[test]
    fn a_ragged_group_goes_to_a_table_and_back_and_means_leave_padding_out() {
        let group = Group::new(&[3, 2], Device::Cpu);
        let tokens = Tensor::arange(10, (Kind::Float, Device::Cpu)).view([5, 2]);
        let table = group.table(&tokens);
        assert_eq!(table.size(), [2, 3, 2]);
        assert_eq!(group.tokens(table.view([6, 2])), tokens);
        let means = group.means(&tokens);
        assert_eq!(
            means,
            Tensor::from_slice(&[2.0f32, 3.0, 7.0, 8.0]).view([2, 2])
        );
    }
}
