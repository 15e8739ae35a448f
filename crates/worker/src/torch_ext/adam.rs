//! Fused Adam and AdamW: one pass over weight, gradient and moments, for all weights in one call,
//! on any device.

use std::ffi::{CStr, c_char, c_int};

use tch::Tensor;

use super::tch_tensor;

/// Settings of a step.
#[derive(Clone, Copy, Debug)]
pub struct AdamSettings {
    /// Learning rate.
    pub lr: f64,
    /// Decay rates of the two moments.
    pub betas: [f64; 2],
    /// Weight decay.
    pub weight_decay: f64,
    /// Term in the denominator.
    pub eps: f64,
    /// Whether the decay is decoupled (AdamW) or L2 in the gradient (Adam).
    pub decoupled: bool,
}

/// Tensors of a step, in the same order; all of one device.
#[derive(Debug, Default)]
pub struct AdamTensors {
    /// Weights.
    pub weights: Vec<Tensor>,
    /// Their gradients.
    pub gradients: Vec<Tensor>,
    /// First moments.
    pub first: Vec<Tensor>,
    /// Second moments.
    pub second: Vec<Tensor>,
    /// Number of this step (1 for the first), a float scalar each.
    pub steps: Vec<Tensor>,
}

unsafe extern "C" {
    fn allround_fused_adam(
        weights: *const *const tch_tensor,
        gradients: *const *const tch_tensor,
        first: *const *const tch_tensor,
        second: *const *const tch_tensor,
        steps: *const *const tch_tensor,
        count: usize,
        settings: *const f64,
        decoupled: c_int,
        error: *mut c_char,
        capacity: usize,
    ) -> c_int;
}

fn pointers(tensors: &[Tensor]) -> Vec<*const tch_tensor> {
    tensors
        .iter()
        .map(|tensor| tensor.as_ptr().cast())
        .collect()
}

/// One step of Adam or AdamW.
///
/// # Panics
/// When the lists differ in length, or LibTorch refuses (shapes or devices that differ): an error
/// of this program.
pub fn fused_adam(tensors: &AdamTensors, settings: AdamSettings) {
    let AdamTensors {
        weights,
        gradients,
        first,
        second,
        steps,
    } = tensors;
    for list in [gradients, first, second, steps] {
        assert_eq!(list.len(), weights.len(), "a list is too short");
    }
    if weights.is_empty() {
        return;
    }
    let [beta1, beta2] = settings.betas;
    let numbers = [
        settings.lr,
        beta1,
        beta2,
        settings.weight_decay,
        settings.eps,
    ];
    let mut error = [0 as c_char; 1024];
    // SAFETY: every list holds `weights.len()` live tensors, and the shim keeps none of the
    // pointers.
    let code = unsafe {
        allround_fused_adam(
            pointers(weights).as_ptr(),
            pointers(gradients).as_ptr(),
            pointers(first).as_ptr(),
            pointers(second).as_ptr(),
            pointers(steps).as_ptr(),
            weights.len(),
            numbers.as_ptr(),
            c_int::from(settings.decoupled),
            error.as_mut_ptr(),
            error.len(),
        )
    };
    // SAFETY: the shim ends its message within the buffer.
    let message = unsafe { CStr::from_ptr(error.as_ptr()) };
    assert!(code == 0, "fused Adam: {}", message.to_string_lossy());
}
