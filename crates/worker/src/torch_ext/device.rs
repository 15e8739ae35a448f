//! From a device's name to a device that works.

use tch::{Cuda, Device};

unsafe extern "C" {
    fn allround_attend_without_cudnn();
}

/// The LibTorch that this program is built against; `scripts/setup.sh` pins it together with tch.
pub const LIBTORCH: &str = "2.11.0";

/// Why a device cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// Not a device's name.
    #[error("`{0}` is not a device: expected `cpu` or `cuda:N`")]
    Name(String),
    /// LibTorch's CUDA part is missing or cannot be loaded.
    #[error("LibTorch's CUDA part cannot be loaded: {0}")]
    Library(String),
    /// No such GPU.
    #[error("`{name}` is not available: LibTorch sees {count} CUDA devices")]
    Absent {
        /// The requested name.
        name: String,
        /// How many there are.
        count: i64,
    },
}

impl DeviceError {
    /// What to do.
    pub fn hint(&self) -> &'static str {
        match self {
            DeviceError::Name(_) => "say `--device cpu` or `--device cuda:0`",
            DeviceError::Library(_) => {
                "run `scripts/setup.sh --cuda`, or point LD_LIBRARY_PATH at the lib folder of a LibTorch 2.11 with CUDA"
            }
            DeviceError::Absent { .. } => {
                "look at `nvidia-smi` and CUDA_VISIBLE_DEVICES, or use `--device cpu`"
            }
        }
    }
}

/// How many CUDA devices LibTorch sees.
///
/// # Errors
/// When it sees none, or its CUDA part is missing.
pub fn cuda_devices() -> Result<i64, DeviceError> {
    named("cuda:0").map(|_| Cuda::device_count())
}

/// The device called `name`. Must be called before the first tensor is made: the linker drops
/// LibTorch's CUDA part as unused, so it is loaded here.
///
/// # Errors
/// When the device does not exist or LibTorch's CUDA part is missing.
pub fn named(name: &str) -> Result<Device, DeviceError> {
    if name == "cpu" {
        return Ok(Device::Cpu);
    }
    let wrong = || DeviceError::Name(name.to_owned());
    let index = name.strip_prefix("cuda:").ok_or_else(wrong)?;
    let index: usize = index.parse().map_err(|_| wrong())?;
    load_cuda()?;
    let count = Cuda::device_count();
    if (index as i64) < count {
        Ok(Device::Cuda(index))
    } else {
        Err(DeviceError::Absent {
            name: name.to_owned(),
            count,
        })
    }
}

fn load_cuda() -> Result<(), DeviceError> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: the library's initialisers only register kernels with LibTorch, which is loaded and
    // makes no tensor yet.
    let library = unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_NOW | RTLD_GLOBAL) };
    let library = library.map_err(|error| DeviceError::Library(error.to_string()))?;
    // Kept for the life of the process: kernels point into it.
    std::mem::forget(library);
    // SAFETY: sets a switch of LibTorch, nothing else.
    unsafe { allround_attend_without_cudnn() };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_there_is_refused_with_advice() {
        assert_eq!(named("cpu").unwrap(), Device::Cpu);
        for name in ["gpu", "cuda", "cuda:x", "cuda:-1"] {
            assert!(matches!(named(name), Err(DeviceError::Name(_))), "{name}");
        }
        if let Err(error) = named("cuda:99") {
            assert!(!error.hint().is_empty());
        } else {
            panic!("no machine has a hundred GPUs");
        }
    }
}
