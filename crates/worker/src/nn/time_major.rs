//! The time-major order of a packed batch: all first items, then all second items, and so on,
//! longest row first.
//!
//! Rows that have ended drop out, so that no slot is padding: what a recurrent layer reads.

use allround_core::models::train::Loss;

use super::loss::Negatives;
use crate::data::TrainingBatch;

/// How the T tokens of B rows in CSR lie in time-major order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeMajor {
    /// Token in CSR order of each time-major slot, T of them.
    pub tokens: Vec<u32>,
    /// Rows still running at each step, descending; as many as the longest row has tokens.
    pub running: Vec<u32>,
    /// Row of the batch at each place, longest first; rows without tokens come last.
    pub rows: Vec<u32>,
}

impl TimeMajor {
    /// The order for rows that start at `offsets` (B + 1 of them, from 0).
    pub fn new(offsets: &[u32]) -> Self {
        let length = |row: u32| offsets[row as usize + 1] - offsets[row as usize];
        let mut rows: Vec<u32> = (0..offsets.len() as u32 - 1).collect();
        rows.sort_by_key(|&row| std::cmp::Reverse(length(row)));
        let longest = rows.first().map_or(0, |&row| length(row));
        let mut tokens = Vec::with_capacity(offsets[offsets.len() - 1] as usize);
        let mut running = Vec::with_capacity(longest as usize);
        let mut still = rows.len();
        for step in 0..longest {
            while still > 0 && length(rows[still - 1]) <= step {
                still -= 1;
            }
            tokens.extend(
                rows[..still]
                    .iter()
                    .map(|&row| offsets[row as usize] + step),
            );
            running.push(still as u32);
        }
        Self {
            tokens,
            running,
            rows,
        }
    }

    /// `values`, one a token in CSR order, in time-major order; with `width` above 1, that many a
    /// token.
    pub fn arrange(&self, values: &[u32], width: usize) -> Vec<u32> {
        let mut arranged = Vec::with_capacity(values.len());
        for &token in &self.tokens {
            let start = token as usize * width;
            arranged.extend_from_slice(&values[start..start + width]);
        }
        arranged
    }

    /// `values`, one a row with tokens (with `width` above 1, that many), longest row first.
    pub fn arrange_rows(&self, values: &[u32], width: usize) -> Vec<u32> {
        let rows = &self.rows[..self.rows_with_tokens()];
        let of_row = |&row: &u32| &values[row as usize * width..][..width];
        rows.iter().flat_map(of_row).copied().collect()
    }

    /// Targets of each step of a loss: every token's, or only the rows' last ones, which are one
    /// step then.
    pub fn target_steps(&self, last_only: bool) -> Vec<u32> {
        if last_only {
            vec![self.rows_with_tokens() as u32]
        } else {
            self.running.clone()
        }
    }

    /// The time-major slot of each token in CSR order: the way back.
    pub fn places(&self) -> Vec<u32> {
        let mut places = vec![0; self.tokens.len()];
        for (slot, &token) in self.tokens.iter().enumerate() {
            places[token as usize] = slot as u32;
        }
        places
    }

    /// Tokens of each row that has any, longest first.
    pub fn lengths(&self) -> Vec<usize> {
        let mut lengths = vec![0; self.rows_with_tokens()];
        for &running in &self.running {
            for length in &mut lengths[..running as usize] {
                *length += 1;
            }
        }
        lengths
    }

    /// The slot at which each step starts.
    pub fn starts(&self) -> Vec<u32> {
        let mut next = 0;
        let starts = self.running.iter().map(|&running| {
            let start = next;
            next += running;
            start
        });
        starts.collect()
    }

    /// The slot of each row's last token, longest row first.
    pub fn last_tokens(&self) -> Vec<u32> {
        let starts = self.starts();
        let lengths = self.lengths().into_iter().enumerate();
        let last = lengths.map(|(place, length)| starts[length - 1] + place as u32);
        last.collect()
    }

    /// Rows with at least one token.
    pub fn rows_with_tokens(&self) -> usize {
        self.running.first().map_or(0, |&rows| rows as usize)
    }
}

impl TrainingBatch {
    /// The batch with its tokens in `order`; users and offsets stay those of the rows. Where only
    /// last positions have targets, these follow the rows of `order`, longest first.
    pub fn arranged(&self, order: &TimeMajor, loss: &Loss) -> Self {
        let per_target = |values: &[u32], width: usize| {
            if self.last_only {
                order.arrange_rows(values, width)
            } else {
                order.arrange(values, width)
            }
        };
        let negatives = match Negatives::of(loss).each() {
            Some(count) => per_target(&self.negatives, count),
            None => self.negatives.clone(),
        };
        Self {
            users: self.users.clone(),
            offsets: self.offsets.clone(),
            inputs: order.arrange(&self.inputs, 1),
            targets: per_target(&self.targets, 1),
            last_only: self.last_only,
            negatives,
            classes: self.classes.clone(),
            noise: self.noise,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_hold_the_rows_that_still_run() {
        // Rows: [0, 1], [], [2, 3, 4].
        let order = TimeMajor::new(&[0, 2, 2, 5]);
        assert_eq!(order.rows, [2, 0, 1]);
        assert_eq!(order.running, [2, 2, 1]);
        assert_eq!(order.tokens, [2, 0, 3, 1, 4]);
        assert_eq!(order.rows_with_tokens(), 2);
        assert_eq!(
            order.arrange(&[10, 11, 12, 13, 14], 1),
            [12, 10, 13, 11, 14]
        );
        let pairs = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(order.arrange(&pairs, 2), [4, 5, 0, 1, 6, 7, 2, 3, 8, 9]);
    }

    #[test]
    fn a_batch_of_empty_rows_has_no_step() {
        let order = TimeMajor::new(&[0, 0, 0]);
        assert_eq!(order.running, [0u32; 0]);
        assert_eq!(order.rows_with_tokens(), 0);
    }
}
