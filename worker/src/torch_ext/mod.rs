//! What tch lacks of LibTorch: a small C++ shim and its safe face.

pub mod adam;
pub mod device;
pub mod gradient;

/// LibTorch's own tensor object; only its address is used here.
#[repr(C)]
#[allow(non_camel_case_types)]
struct tch_tensor {
    opaque: [u8; 0],
}
