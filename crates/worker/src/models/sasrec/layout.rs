//! How a batch's tokens lie while the blocks are computed: packed, or with every padded slot
//! written out.

use tch::{Device, Tensor};

use crate::nn::embedding;
use crate::nn::packed::{Group, Packed, Padding};
use crate::nn::time_major::TimeMajor;

/// Which tokens' states are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outputs {
    /// All, in time-major order.
    All,
    /// Each row's last, longest row first.
    Last,
}

/// Where tokens are in the computation.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) packed: Packed,
    /// Groups of the last block where only last states are wanted.
    pub(super) last: Option<Vec<Group>>,
    /// `None` where padding is one virtual key.
    pub(super) written: Option<Written>,
}

/// The way to a batch with every slot written out, and back.
#[derive(Debug)]
pub(super) struct Written {
    /// Token of each slot; T, one past the tokens, represents padding.
    pub(super) take: Tensor,
    /// Slot of each token, T of them.
    pub(super) back: Tensor,
}

impl Layout {
    /// The layout of rows in `order`; with `write_out`, of rows that are filled up to `maxlen`
    /// slots.
    pub(super) fn new(
        order: &TimeMajor,
        padding: Padding,
        outputs: Outputs,
        write_out: bool,
        device: Device,
    ) -> Self {
        let full =
            order.running.len() == padding.maxlen && order.running.first() == order.running.last();
        if !write_out || full {
            return Self::of(order, padding, outputs, None, device);
        }
        let lengths = order.lengths();
        let starts = order.starts();
        let tokens = order.tokens.len() as u32;
        let rows = lengths.len();
        let mut take = Vec::with_capacity(padding.maxlen * rows);
        let mut back = vec![0; order.tokens.len()];
        for slot in 0..padding.maxlen {
            for (place, &length) in lengths.iter().enumerate() {
                let step = (slot + length).checked_sub(padding.maxlen);
                let token = step.map(|step| starts[step] + place as u32);
                if let Some(token) = token {
                    back[token as usize] = take.len() as u32;
                }
                take.push(token.unwrap_or(tokens));
            }
        }
        let ends: Vec<u32> = (0..=rows)
            .map(|row| (row * padding.maxlen) as u32)
            .collect();
        let written = Written {
            take: embedding::indices(&take, device),
            back: embedding::indices(&back, device),
        };
        let order = TimeMajor::new(&ends);
        Self::of(&order, padding, outputs, Some(written), device)
    }

    fn of(
        order: &TimeMajor,
        padding: Padding,
        outputs: Outputs,
        written: Option<Written>,
        device: Device,
    ) -> Self {
        Self {
            packed: Packed::new(order, padding, device),
            last: (outputs == Outputs::Last).then(|| Packed::last_queries(order, padding, device)),
            written,
        }
    }
}
