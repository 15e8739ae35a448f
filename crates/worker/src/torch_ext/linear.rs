//! Linear layers with frozen weights: in oneDNN's own order on the CPU, or with eight bits a
//! weight.
//!
//! Gradients flow to the input alone.

use std::ffi::{CStr, c_char, c_int, c_void};

use tch::Tensor;

/// Products of about this many rows are what matrices are ordered for; other numbers work too.
const ROWS: i64 = 512;

/// LibTorch's own tensor object; only its address is used here.
pub(super) type Handle = *const c_void;

unsafe extern "C" {
    fn allround_pack(
        weight: Handle,
        rows: i64,
        out: *mut *mut c_void,
        error: *mut c_char,
        capacity: usize,
    ) -> c_int;
    fn allround_packed_linear(
        x: Handle,
        packed: Handle,
        back: Handle,
        bias: Handle,
        relu: c_int,
        out: *mut *mut c_void,
        error: *mut c_char,
        capacity: usize,
    ) -> c_int;
    fn allround_int8_linear(
        x: Handle,
        rounded: Handle,
        scales: Handle,
        out: *mut *mut c_void,
        error: *mut c_char,
        capacity: usize,
    ) -> c_int;
}

pub(super) fn handle(tensor: &Tensor) -> Handle {
    tensor.as_ptr().cast()
}

/// The tensor that `call` leaves, or the shim's message. `call` gets where to leave it, and a
/// buffer for a message.
pub(super) fn tensor_of(
    call: impl FnOnce(*mut *mut c_void, *mut c_char, usize) -> c_int,
) -> Result<Tensor, String> {
    let mut out = std::ptr::null_mut();
    let mut error = [0 as c_char; 1024];
    if call(&mut out, error.as_mut_ptr(), error.len()) == 0 {
        // SAFETY: the shim made the tensor with `new` and gave it away.
        return Ok(unsafe { Tensor::from_ptr(out.cast()) });
    }
    // SAFETY: the shim ends its message within the buffer.
    let message = unsafe { CStr::from_ptr(error.as_ptr()) };
    Err(message.to_string_lossy().into_owned())
}

/// A frozen matrix in oneDNN's own order.
#[derive(Debug)]
pub struct Packed {
    matrix: Tensor,
}

impl Packed {
    /// `weight` [outputs, inputs], on the CPU; `None` where oneDNN does not multiply its number
    /// type on this machine.
    pub fn new(weight: &Tensor) -> Option<Self> {
        let weight = weight.detach().contiguous();
        // SAFETY: the weight lives through the call, and the shim keeps no pointer to it.
        let matrix = tensor_of(|out, error, capacity| unsafe {
            allround_pack(handle(&weight), ROWS, out, error, capacity)
        });
        matrix.ok().map(|matrix| Self { matrix })
    }

    /// `x` [N, inputs] times the matrix, plus `bias`, with a ReLU after it if `relu`. The gradient
    /// is multiplied by `back`: the transposed matrix, packed, or the weight itself.
    ///
    /// # Panics
    /// When shapes or number types do not fit: an error of this program.
    pub fn linear(&self, x: &Tensor, bias: Option<&Tensor>, relu: bool, back: Back) -> Tensor {
        let bias = bias.map_or(std::ptr::null(), handle);
        let back = match back {
            Back::Packed(packed) => &packed.matrix,
            Back::Plain(weight) => weight,
        };
        // SAFETY: all tensors live through the call; what the shim keeps for the gradient it counts
        // itself.
        let result = tensor_of(|out, error, capacity| unsafe {
            allround_packed_linear(
                handle(x),
                handle(&self.matrix),
                handle(back),
                bias,
                c_int::from(relu),
                out,
                error,
                capacity,
            )
        });
        result.unwrap_or_else(|message| panic!("packed linear layer: {message}"))
    }
}

/// What a packed layer multiplies gradients by.
#[derive(Clone, Copy, Debug)]
pub enum Back<'a> {
    /// The transposed matrix [inputs, outputs].
    Packed(&'a Packed),
    /// The weight [outputs, inputs].
    Plain(&'a Tensor),
}

/// `x` [N, inputs] times the matrix `rounded` (eight bits) with one scale a row; `scales` have the
/// number type of `x`.
///
/// # Panics
/// When shapes or number types do not fit: an error of this program.
pub fn int8(x: &Tensor, rounded: &Tensor, scales: &Tensor) -> Tensor {
    // SAFETY: all tensors live through the call; what the shim keeps for the gradient it counts
    // itself.
    let result = tensor_of(|out, error, capacity| unsafe {
        allround_int8_linear(
            handle(x),
            handle(rounded),
            handle(scales),
            out,
            error,
            capacity,
        )
    });
    result.unwrap_or_else(|message| panic!("eight-bit linear layer: {message}"))
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    fn random(shape: &[i64]) -> Tensor {
        Tensor::randn(shape, (Kind::Float, Device::Cpu))
    }

    #[test]
    fn a_packed_layer_computes_what_a_plain_one_does_forwards_and_backwards() {
        tch::manual_seed(2);
        let (weight, bias) = (random(&[9, 5]), random(&[9]));
        let packed = Packed::new(&weight).unwrap();
        let transposed = Packed::new(&weight.transpose(0, 1)).unwrap();
        for relu in [false, true] {
            for back in [Back::Plain(&weight), Back::Packed(&transposed)] {
                let x = random(&[7, 5]).set_requires_grad(true);
                let plain = x.linear(&weight, Some(&bias));
                let plain = if relu { plain.relu() } else { plain };
                let ours = packed.linear(&x, Some(&bias), relu, back);
                assert!(plain.allclose(&ours, 1e-5, 1e-6, false));
                let gradient = |y: Tensor| {
                    let sum = y.square().sum(Kind::Float);
                    Tensor::run_backward(&[sum], &[&x], false, false).remove(0)
                };
                assert!(gradient(plain).allclose(&gradient(ours), 1e-4, 1e-5, false));
            }
        }
    }
}
