//! Attention in a band: a token sees the tokens near it, and the first one.

use tch::{Device, Kind, Tensor};

use super::Shape;
use crate::nn::noise::dropout;
use crate::nn::packed_texts::Group;
use crate::torch_ext::product;

/// Rows of up to this many half windows compute all pairs of tokens and mask those outside the
/// band. Longer rows are cut into blocks, which only see their neighbours. On a CPU, blocks were
/// slower at 8 half windows and faster at 16.
const DENSE_UP_TO: i64 = 10;

/// Query, key or value of each token, [b, H, L, D / H].
type Heads = Tensor;

/// What the tokens of a group read: `all` [tokens, 3 D] are queries, keys and values, and the
/// result is [tokens, D].
pub(super) fn mix(shape: &Shape, group: &Group, all: &Tensor, train: bool) -> Tensor {
    let dropped = if train { shape.dropout } else { 0.0 };
    let table = group.table(all).unflatten(2, [3, shape.heads, -1]); // [b, L, 3, H, D / H]
    let parts: [Heads; 3] = table
        .permute([2, 0, 3, 1, 4])
        .unbind(0)
        .try_into()
        .expect("there are three");
    let mixed = if group.longest <= DENSE_UP_TO * shape.half_window {
        dense(&parts, group, shape.half_window, dropped)
    } else {
        blocks(&parts, group, shape.half_window, dropped)
    };
    let mixed = mixed.transpose(1, 2);
    group.tokens(mixed.reshape([group.rows * group.longest, -1]))
}

/// The same by all pairs of tokens.
#[cfg(test)]
pub(super) fn dense_for_tests(shape: &Shape, group: &Group, all: &Tensor) -> Tensor {
    let table = group.table(all).unflatten(2, [3, shape.heads, -1]);
    let parts = table.permute([2, 0, 3, 1, 4]).unbind(0);
    let parts: [Heads; 3] = parts.try_into().expect("there are three");
    let mixed = dense(&parts, group, shape.half_window, 0.0).transpose(1, 2);
    group.tokens(mixed.reshape([group.rows * group.longest, -1]))
}

/// All pairs of tokens, with those outside the band masked.
fn dense(parts: &[Heads; 3], group: &Group, half: i64, dropped: f64) -> Heads {
    let device = parts[0].device();
    let band = (group.longest > half + 1).then(|| {
        let places = Tensor::arange(group.longest, (Kind::Int64, device));
        let near = (places.unsqueeze(1) - places.unsqueeze(0)).abs().le(half);
        near.logical_or(&places.unsqueeze(0).eq(0)) // [L, L]
    });
    let inside = group.ragged.as_ref().map(|ragged| &ragged.mask); // [b, 1, 1, L]
    let mask = match (band, inside) {
        (Some(band), Some(inside)) => Some(band.logical_and(inside)),
        (Some(band), None) => Some(band),
        (None, Some(inside)) => Some(inside.shallow_clone()),
        (None, None) => None,
    };
    attend(parts, mask.as_ref(), dropped)
}

/// Blocks of a window, each with the half windows before and after it. Slot 0 of the keys is the
/// first token. Where it is near enough to be among the others too, it is masked there.
fn blocks(parts: &[Heads; 3], group: &Group, half: i64, dropped: f64) -> Heads {
    let block = 2 * half;
    let (rows, heads, length, width) = parts[0].size4().expect("queries are [b, H, L, D / H]");
    let count = (length + block - 1) / block;
    let padded = count * block - length;
    let query = parts[0]
        .constant_pad_nd([0, 0, 0, padded])
        .view([rows, heads, count, block, width])
        .transpose(1, 2)
        .reshape([rows * count, heads, block, width]);
    let around = |part: &Heads| {
        let first = part.narrow(2, 0, 1).unsqueeze(1);
        let first = first.expand([rows, count, heads, 1, width], false);
        let near = part
            .constant_pad_nd([0, 0, half, padded + half])
            .unfold(2, 2 * block, block) // [b, H, count, D / H, 2 block]
            .permute([0, 2, 1, 4, 3]);
        Tensor::cat(&[first, near], 3).view([rows * count, heads, 2 * block + 1, width])
    };
    let (key, value) = (around(&parts[1]), around(&parts[2]));
    let mask = block_mask(group, half, count, query.device());
    attend(&[query, key, value], Some(&mask), dropped)
        .view([rows, count, heads, block, width])
        .transpose(1, 2)
        .reshape([rows, heads, count * block, width])
        .narrow(2, 0, length)
}

/// Which keys the queries of each block see, [b count, 1, block, 2 block + 1].
fn block_mask(group: &Group, half: i64, count: i64, device: Device) -> Tensor {
    let block = 2 * half;
    let range = |end: i64| Tensor::arange(end, (Kind::Int64, device));
    let slots = range(2 * block);
    let near = (range(block).unsqueeze(1) + half - &slots).abs().le(half);
    let places = (range(count) * block - half).unsqueeze(1) + &slots; // [count, 2 block]
    let lengths = match &group.ragged {
        Some(ragged) => ragged.lengths.to_kind(Kind::Int64).view([-1, 1, 1]),
        None => Tensor::full([1, 1, 1], group.longest, (Kind::Int64, device)),
    };
    // Not the first token, which has its own slot.
    let inside = places.ge(1).logical_and(&places.lt_tensor(&lengths)); // [b or 1, count, 2 block]
    let seen = near.logical_and(&inside.unsqueeze(2)); // [b or 1, count, block, 2 block]
    let first = Tensor::ones([seen.size()[0], count, block, 1], (Kind::Bool, device));
    Tensor::cat(&[first, seen], 3)
        .expand([group.rows, count, block, 2 * block + 1], false)
        .reshape([group.rows * count, 1, block, 2 * block + 1])
}

/// Softmax attention, with dropout of its weights.
fn attend(parts: &[Heads; 3], mask: Option<&Tensor>, dropped: f64) -> Heads {
    let [query, key, value] = parts;
    let (rows, heads, queries, width) = query.size4().expect("queries are [b, H, L, D / H]");
    let pairs = rows * queries * key.size()[2];
    product::attention(pairs as usize, heads * width, parts.each_ref());
    if dropped == 0.0 || query.device() != Device::Cpu {
        return Tensor::scaled_dot_product_attention(
            query, key, value, mask, dropped, false, None, false,
        );
    }
    // LibTorch's own attention with dropout spends half its time on draws.
    let scores = (query / (width as f64).sqrt()).matmul(&key.transpose(2, 3));
    let scores = match mask {
        Some(mask) => scores.masked_fill(&mask.logical_not(), f64::NEG_INFINITY),
        None => scores,
    };
    dropout(&scores.softmax(-1, None), dropped, true).matmul(value)
}
