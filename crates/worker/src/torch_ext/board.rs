//! What NVIDIA's driver reports of a board and LibTorch does not: its name and the energy it has
//! used.
//!
//! The driver's libraries are opened on first use, so a machine without them builds and runs
//! all the same.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_ulonglong, c_void};
use std::sync::OnceLock;

use libloading::Library;
use tch::Device;

use super::rapl;

/// Longest name or address that is read.
const ROOM: usize = 256;

/// A board, found by its place on the bus: the two libraries number boards differently.
#[derive(Debug)]
struct Board {
    nvml: Library,
    handle: *mut c_void,
}

// SAFETY: NVML may be called from any thread, and its handles are its own numbers.
unsafe impl Send for Board {}
// SAFETY: as above.
unsafe impl Sync for Board {}

impl Board {
    /// The board of `device`; `None` on the CPU and where the driver does not report it.
    fn of(device: Device) -> Option<Self> {
        let address = asked(device, "cuDeviceGetPCIBusId")?;
        // SAFETY: NVML's initialisers touch nothing of this program; the signatures are those of
        // its header.
        unsafe {
            let nvml = Library::new("libnvidia-ml.so.1").ok()?;
            let begin = nvml
                .get::<unsafe extern "C" fn() -> c_int>(b"nvmlInit_v2")
                .ok()?;
            if begin() != 0 {
                return None;
            }
            let find = nvml
                .get::<unsafe extern "C" fn(*const c_char, *mut *mut c_void) -> c_int>(
                    b"nvmlDeviceGetHandleByPciBusId_v2",
                )
                .ok()?;
            let mut handle = std::ptr::null_mut();
            let found = find(address.as_ptr(), &raw mut handle) == 0;
            found.then_some(Self { nvml, handle })
        }
    }

    fn joules(&self) -> Option<f64> {
        let mut millijoules: c_ulonglong = 0;
        // SAFETY: the signature is that of NVML's header; one number is written.
        let message = unsafe {
            let read = self
                .nvml
                .get::<unsafe extern "C" fn(*mut c_void, *mut c_ulonglong) -> c_int>(
                    b"nvmlDeviceGetTotalEnergyConsumption",
                )
                .ok()?;
            read(self.handle, &raw mut millijoules)
        };
        (message == 0).then(|| millijoules as f64 / 1000.0)
    }
}

/// Joules that the whole board of `device` has used since the driver began to count, or on the CPU
/// the processors and their memory. `None` for boards before 2017, which have no counter, and where
/// the counters of processors cannot be read. A process computes on one device: the first one.
pub fn joules(device: Device) -> Option<f64> {
    static BOARD: OnceLock<Option<Board>> = OnceLock::new();
    if device == Device::Cpu {
        return rapl::joules();
    }
    if !device.is_cuda() {
        return None;
    }
    BOARD.get_or_init(|| Board::of(device)).as_ref()?.joules()
}

/// The name of the board of `device`; `None` on the CPU and where the driver does not report it.
pub fn name(device: Device) -> Option<String> {
    asked(device, "cuDeviceGetName").map(|name| name.to_string_lossy().into_owned())
}

/// What function `what` of CUDA's driver says of `device`, a text.
fn asked(device: Device, what: &str) -> Option<CString> {
    let Device::Cuda(index) = device else {
        return None;
    };
    let mut text = [0 as c_char; ROOM];
    // SAFETY: the signatures are those of the driver's header, and both functions of `what` have
    // the same; the text is ended within the buffer.
    unsafe {
        let driver = Library::new("libcuda.so.1").ok()?;
        let begin = driver
            .get::<unsafe extern "C" fn(c_uint) -> c_int>(b"cuInit")
            .ok()?;
        let find = driver
            .get::<unsafe extern "C" fn(*mut c_int, c_int) -> c_int>(b"cuDeviceGet")
            .ok()?;
        let tell = driver
            .get::<unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int>(what.as_bytes())
            .ok()?;
        let mut number = 0;
        let done = begin(0) == 0
            && find(&raw mut number, c_int::try_from(index).ok()?) == 0
            && tell(text.as_mut_ptr(), ROOM as c_int, number) == 0;
        done.then(|| CStr::from_ptr(text.as_ptr()).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_has_no_board_and_an_absent_board_is_not_invented() {
        assert_eq!(name(Device::Cpu), None);
        assert!(Board::of(Device::Cpu).is_none());
        assert_eq!(name(Device::Cuda(99)), None);
        assert!(Board::of(Device::Cuda(99)).is_none());
    }

    #[test]
    fn a_board_that_is_there_has_a_name_and_counts_energy_upwards() {
        if !tch::Cuda::is_available() {
            return;
        }
        assert!(!name(Device::Cuda(0)).unwrap().is_empty());
        let board = Board::of(Device::Cuda(0)).unwrap();
        let before = board.joules();
        assert!(before <= board.joules());
    }
}
