//! Matrix products that count their floating-point operations, from the shapes alone.
//!
//! A product of [n, k] and [k, m] has 2 n k m operations. Where its result carries a gradient,
//! each operand that needs one costs as many again. So a frozen layer costs twice its forward pass,
//! and a trained one three times. Element-wise work, norms and look-ups are not counted, as in
//! `torch.utils.flop_counter`, which a fixture compares with.

use std::sync::atomic::{AtomicU64, Ordering};

use tch::Tensor;

/// Operations of this process so far.
static COUNTED: AtomicU64 = AtomicU64::new(0);

/// Floating-point operations of this process so far. Those of a backward pass are counted with the
/// product that it belongs to.
pub fn counted() -> u64 {
    COUNTED.load(Ordering::Relaxed)
}

/// Counts `passes` passes of `multiplications` multiplications and additions.
pub fn count(multiplications: i64, passes: u64) {
    let both = 2 * multiplications.unsigned_abs() * passes;
    COUNTED.fetch_add(both, Ordering::Relaxed);
}

/// Passes of a product with this result and these operands: forwards, and backwards to each operand
/// that needs it.
fn passes(result: &Tensor, operands: &[&Tensor]) -> u64 {
    let needs = |operand: &&&Tensor| operand.requires_grad();
    match result.requires_grad() {
        true => 1 + operands.iter().filter(needs).count() as u64,
        false => 1,
    }
}

/// Counts the product that gave `result`, whose operands share a dimension of `inner`.
fn of_result(result: Tensor, inner: i64, operands: &[&Tensor]) -> Tensor {
    let passes = passes(&result, operands);
    count(result.numel() as i64 * inner, passes);
    result
}

fn last(tensor: &Tensor) -> i64 {
    tensor.size().last().copied().unwrap_or(1)
}

/// `x` [.., inputs] times the transposed `weight` [outputs, inputs], plus `bias`.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
    of_result(x.linear(weight, bias), last(x), &[x, weight])
}

/// The product of two matrices.
pub fn mm(left: &Tensor, right: &Tensor) -> Tensor {
    of_result(left.mm(right), last(left), &[left, right])
}

/// `bias` plus the product of two matrices.
pub fn addmm(bias: &Tensor, left: &Tensor, right: &Tensor) -> Tensor {
    of_result(bias.addmm(left, right), last(left), &[left, right])
}

/// Products of two stacks of matrices.
pub fn bmm(left: &Tensor, right: &Tensor) -> Tensor {
    of_result(left.bmm(right), last(left), &[left, right])
}

/// Products of stacks of matrices, with broadcasting.
pub fn matmul(left: &Tensor, right: &Tensor) -> Tensor {
    of_result(left.matmul(right), last(left), &[left, right])
}

/// `mask` plus the products of two stacks of matrices.
pub fn baddbmm(mask: &Tensor, left: &Tensor, right: &Tensor) -> Tensor {
    let result = mask.baddbmm(left, right, 1.0, 1.0);
    of_result(result, last(left), &[left, right])
}

/// Sums over the last dimension of the products of two tensors: dot products.
pub fn dots(left: &Tensor, right: &Tensor) -> Tensor {
    let result = (left * right).sum_dim_intlist(-1, false, tch::Kind::Float);
    of_result(result, last(left), &[left, right])
}

/// Counts attention: `pairs` products of a query with a key, and as many of a weight with a value.
/// Each is of `width` numbers over all heads. `parts` are queries, keys and values. What a kernel
/// computes again on its way back is not counted.
pub fn attention(pairs: usize, width: i64, parts: [&Tensor; 3]) {
    let [query, key, value] = parts.map(|part| u64::from(part.requires_grad()));
    let weights = query.max(key);
    count(pairs as i64 * width, 2 + query + key + weights + value);
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    fn random(shape: &[i64]) -> Tensor {
        Tensor::randn(shape, (Kind::Float, Device::Cpu))
    }

    fn operations(work: impl FnOnce()) -> u64 {
        let before = counted();
        work();
        counted() - before
    }

    #[test]
    fn a_pass_back_costs_what_the_operands_that_need_it_cost() {
        let (x, weight) = (random(&[7, 5]), random(&[3, 5]));
        let forward = 2 * 7 * 5 * 3;
        let linear = |x: &Tensor, weight: &Tensor| operations(|| drop(linear(x, weight, None)));
        assert_eq!(linear(&x, &weight), forward);
        let trained = weight.shallow_clone().set_requires_grad(true);
        assert_eq!(linear(&x, &trained), 2 * forward);
        let inside = &x.copy().set_requires_grad(true) * 1.0;
        assert_eq!(linear(&inside, &trained), 3 * forward);
        tch::no_grad(|| assert_eq!(linear(&inside, &trained), forward));
    }

    #[test]
    fn stacks_and_sums_are_products_too() {
        let (left, right) = (random(&[4, 2, 5]), random(&[4, 5, 3]));
        assert_eq!(operations(|| drop(bmm(&left, &right))), 2 * 4 * 2 * 5 * 3);
        assert_eq!(operations(|| drop(matmul(&left, &right))), 240);
        assert_eq!(operations(|| drop(dots(&left, &left))), 2 * 4 * 2 * 5);
        let trained = left.copy().set_requires_grad(true);
        let all = [&trained, &trained, &trained];
        assert_eq!(operations(|| attention(6, 8, all)), 3 * 4 * 6 * 8);
        let query = [&trained, &left, &left];
        assert_eq!(operations(|| attention(6, 8, query)), 2 * 4 * 6 * 8);
    }
}
