//! What tch lacks of LibTorch: a small C++ shim and its safe interface.

pub mod adam;
pub mod attention;
pub mod board;
pub mod device;
pub mod gradient;
pub mod lazy_adam;
pub mod linear;
pub mod memory;
pub mod product;
pub mod rapl;
pub mod timer;
pub mod transfer;

/// LibTorch's own tensor object; only its address is used here.
#[repr(C)]
#[allow(non_camel_case_types)]
struct tch_tensor {
    opaque: [u8; 0],
}

unsafe extern "C" {
    fn allround_keep_memory();
}

/// Lets the allocator keep freed memory for the next step instead of giving it back to the kernel.
pub fn keep_memory() {
    // SAFETY: sets thresholds of the C library's allocator, nothing else.
    unsafe { allround_keep_memory() }
}
