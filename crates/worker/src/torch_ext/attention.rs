//! Causal attention on the CPU that keeps its weights between forward and backward.

use std::ffi::{c_char, c_int, c_void};

use tch::Tensor;

use super::linear::{Handle, handle, tensor_of};

unsafe extern "C" {
    fn allround_causal_attention(
        query: Handle,
        key: Handle,
        value: Handle,
        out: *mut *mut c_void,
        error: *mut c_char,
        capacity: usize,
    ) -> c_int;
}

/// What causal attention mixes for `query` [n, H, d] out of `value` [n, H, d] by `key` [n, H, d]:
/// [n, H, d]. The weights, about H n² / 2 numbers, live until the gradient has passed.
///
/// # Panics
/// When shapes or number types do not fit: an error of this program.
pub fn causal(query: &Tensor, key: &Tensor, value: &Tensor) -> Tensor {
    // SAFETY: all tensors live through the call; what the shim keeps for the gradient it counts
    // itself.
    let result = tensor_of(|out, error, capacity| unsafe {
        allround_causal_attention(
            handle(query),
            handle(key),
            handle(value),
            out,
            error,
            capacity,
        )
    });
    result.unwrap_or_else(|message| panic!("causal attention: {message}"))
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn values_and_gradients_are_libtorchs_own() {
        tch::manual_seed(5);
        // Shorter than a block, a whole block, and several with a rest.
        for count in [1_i64, 7, 128, 300] {
            let part =
                || Tensor::randn([count, 3, 8], (Kind::Float, Device::Cpu)).set_requires_grad(true);
            let parts = [part(), part(), part()];
            let [query, key, value] = &parts;
            let heads = |x: &Tensor| x.transpose(0, 1).unsqueeze(0);
            let [q, k, v] = [heads(query), heads(key), heads(value)];
            let theirs = Tensor::scaled_dot_product_attention::<Tensor>(
                &q, &k, &v, None, 0.0, true, None, false,
            );
            let theirs = theirs.squeeze_dim(0).transpose(0, 1);
            let ours = causal(query, key, value);
            assert!(ours.allclose(&theirs, 1e-5, 1e-5, false), "{count}");
            let towards = Tensor::randn([count, 3, 8], (Kind::Float, Device::Cpu));
            let gradients = |mixed: &Tensor| {
                let loss = (mixed * &towards).sum(Kind::Float);
                Tensor::run_backward(&[loss], &parts, true, false)
            };
            for (ours, theirs) in gradients(&ours).iter().zip(gradients(&theirs)) {
                assert!(ours.allclose(&theirs, 1e-4, 1e-5, false), "{count}");
            }
        }
    }
}
