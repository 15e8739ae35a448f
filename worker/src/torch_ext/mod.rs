//! What tch lacks of LibTorch: a small C++ shim and its safe face.

pub mod adam;
pub mod device;
pub mod linear;
