//! Gradients of tables of which a batch touches few rows. They are added row by row to a buffer
//! that stays. So no step makes, fills or adds a buffer as large as the table.

use std::ffi::{CStr, c_char, c_int};

use tch::Tensor;

use super::tch_tensor;

unsafe extern "C" {
    fn allround_clear_gradient(
        weight: *mut tch_tensor,
        error: *mut c_char,
        capacity: usize,
    ) -> c_int;
    fn allround_add_rows(
        table: *mut tch_tensor,
        indices: *mut tch_tensor,
        rows: *mut tch_tensor,
        error: *mut c_char,
        capacity: usize,
    ) -> c_int;
    fn allround_clear_rows(
        table: *mut tch_tensor,
        indices: *mut tch_tensor,
        error: *mut c_char,
        capacity: usize,
    ) -> c_int;
}

/// Calls the shim with a buffer for its message, and panics with it: a refusal is an error of this
/// program.
fn call(what: &str, shim: impl FnOnce(*mut c_char, usize) -> c_int) {
    let mut error = [0 as c_char; 1024];
    let code = shim(error.as_mut_ptr(), error.len());
    // SAFETY: the shim ends its message within the buffer.
    let message = unsafe { CStr::from_ptr(error.as_ptr()) };
    assert!(code == 0, "{what}: {}", message.to_string_lossy());
}

fn pointer(tensor: &Tensor) -> *mut tch_tensor {
    tensor.as_ptr().cast_mut().cast()
}

/// Forgets the gradient of `weight`: the next backward pass leaves its own there instead of adding
/// to it.
pub fn clear(weight: &Tensor) {
    // SAFETY: the tensor is live, and the shim keeps no pointer.
    call("clearing a gradient", |error, capacity| unsafe {
        allround_clear_gradient(pointer(weight), error, capacity)
    });
}

/// Adds `rows` [N, D] to the rows of `table` [V, D] that `indices` `[N]` (int64) name, one after
/// another.
///
/// # Panics
/// When shapes do not fit or a row lies outside the table.
pub fn add_rows(table: &Tensor, indices: &Tensor, rows: &Tensor) {
    // SAFETY: the tensors are live, the shim checks shapes and rows, and keeps no pointer.
    call("adding rows", |error, capacity| unsafe {
        allround_add_rows(
            pointer(table),
            pointer(indices),
            pointer(rows),
            error,
            capacity,
        )
    });
}

/// Sets the rows of `table` that `indices` (int64) name to zero.
///
/// # Panics
/// When a row lies outside the table.
pub fn clear_rows(table: &Tensor, indices: &Tensor) {
    // SAFETY: the tensors are live, the shim checks the rows, and keeps no pointer.
    call("clearing rows", |error, capacity| unsafe {
        allround_clear_rows(pointer(table), pointer(indices), error, capacity)
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn rows_named_twice_are_added_twice_and_all_are_cleared() {
        let table = Tensor::zeros([4, 3], (Kind::Float, Device::Cpu));
        let indices = Tensor::from_slice(&[2i64, 0, 2]);
        let rows = Tensor::arange(9, (Kind::Float, Device::Cpu)).view([3, 3]);
        add_rows(&table, &indices, &rows);
        let expected = [
            3.0f32, 4.0, 5.0, 0.0, 0.0, 0.0, 6.0, 8.0, 10.0, 0.0, 0.0, 0.0,
        ];
        assert_eq!(table.view([-1]), Tensor::from_slice(&expected));
        clear_rows(&table, &indices);
        assert_eq!(table.abs().max().double_value(&[]), 0.0);
    }

    #[test]
    #[should_panic(expected = "a row outside the table")]
    fn a_row_outside_the_table_is_refused() {
        let table = Tensor::zeros([2, 1], (Kind::Float, Device::Cpu));
        let rows = Tensor::ones([1, 1], (Kind::Float, Device::Cpu));
        add_rows(&table, &Tensor::from_slice(&[2i64]), &rows);
    }

    #[test]
    fn a_cleared_gradient_is_not_defined() {
        let weight = Tensor::ones([2], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        weight.sum(Kind::Float).backward();
        assert!(weight.grad().defined());
        clear(&weight);
        assert!(!weight.grad().defined());
    }
}
