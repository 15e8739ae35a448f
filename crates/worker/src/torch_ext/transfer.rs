//! Copies of the host's lists to a device, without waiting.

use std::ffi::{c_char, c_int, c_void};

use tch::{Device, Tensor};

use super::linear::{Handle, handle, tensor_of};

unsafe extern "C" {
    fn allround_pin(
        host: Handle,
        out: *mut *mut c_void,
        error: *mut c_char,
        capacity: usize,
    ) -> c_int;
}

/// `host`, a tensor of the CPU without gradient, on `device`.
///
/// A plain copy to a CUDA device waits until all work before it is done, and so would every list of
/// every step. This one goes through pinned memory, and the device makes it when its turn comes;
/// LibTorch keeps the memory until then.
///
/// # Panics
/// When memory runs out, in LibTorch's words.
pub fn to_device_async(host: &Tensor, device: Device) -> Tensor {
    if !device.is_cuda() {
        return host.to_device(device);
    }
    // SAFETY: the tensor lives through the call, and the shim keeps no pointer to it.
    let pinned = tensor_of(|out, error, capacity| unsafe {
        allround_pin(handle(host), out, error, capacity)
    });
    let pinned = pinned.unwrap_or_else(|message| panic!("pinned memory: {message}"));
    pinned.to_device_(device, host.kind(), true, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_arrives_as_it_is() {
        let list = Tensor::from_slice(&[3i64, 1, 2]);
        assert_eq!(to_device_async(&list, Device::Cpu), list);
        if !tch::Cuda::is_available() {
            println!("skipped on CUDA: LibTorch sees no such device");
            return;
        }
        let there = to_device_async(&list, Device::Cuda(0));
        assert_eq!(there.device(), Device::Cuda(0));
        assert_eq!(there.to_device(Device::Cpu), list);
    }
}
