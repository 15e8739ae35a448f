//! Time, memory and energy of a timer of work on a device: events of the device's own around it,
//! its allocator's peak, its board's counter.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ops::AddAssign;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tch::Device;

use super::{board, product};

unsafe extern "C" {
    fn allround_record_event(
        device: i64,
        event: *mut *mut c_void,
        error: *mut c_char,
        capacity: usize,
    ) -> c_int;
    fn allround_elapsed(
        from: *mut c_void,
        to: *mut c_void,
        milliseconds: *mut f64,
        error: *mut c_char,
        capacity: usize,
    ) -> c_int;
    fn allround_free_event(event: *mut c_void);
    fn allround_peak_bytes(
        device: i64,
        bytes: *mut i64,
        error: *mut c_char,
        capacity: usize,
    ) -> c_int;
}

/// Calls the shim with a buffer for its message, which is the error.
fn call(shim: impl FnOnce(*mut c_char, usize) -> c_int) -> Result<(), String> {
    let mut error = [0 as c_char; 1024];
    if shim(error.as_mut_ptr(), error.len()) == 0 {
        return Ok(());
    }
    // SAFETY: the shim ends its message within the buffer.
    let message = unsafe { CStr::from_ptr(error.as_ptr()) };
    Err(message.to_string_lossy().into_owned())
}

/// A start in the stream of work of a device that keeps its own time.
#[derive(Debug)]
struct CudaEvent(*mut c_void);

impl CudaEvent {
    /// Put after all work given to device number `device` so far.
    fn now(device: usize) -> Result<Self, String> {
        let mut event = std::ptr::null_mut();
        // SAFETY: the shim writes one pointer, which `drop` gives back.
        call(|error, capacity| unsafe {
            allround_record_event(device as i64, &raw mut event, error, capacity)
        })?;
        Ok(Self(event))
    }

    /// Seconds of the device from this start to `later`, which is waited for.
    fn seconds_to(&self, later: &Self) -> Result<f64, String> {
        let mut milliseconds = 0.0;
        // SAFETY: both events live; the shim writes one number.
        call(|error, capacity| unsafe {
            allround_elapsed(self.0, later.0, &raw mut milliseconds, error, capacity)
        })?;
        Ok(milliseconds / 1000.0)
    }
}

impl Drop for CudaEvent {
    fn drop(&mut self) {
        // SAFETY: made by the shim, given back once.
        unsafe { allround_free_event(self.0) }
    }
}

/// What a timer elapsed, or several together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Elapsed {
    /// Seconds by the clock, until the device had done the timer's work.
    pub wall_s: f64,
    /// Seconds by the device's own events; on the CPU, by the clock.
    pub device_s: f64,
    /// Joules of the whole board, or of all processors and their memory. `None` where nothing
    /// counts them, or where the timer was too short for the counter.
    pub energy_j: Option<f64>,
    /// Floating-point operations of matrix products.
    #[serde(default)]
    pub flops: u64,
}

impl AddAssign for Elapsed {
    /// Unknown joules count as none. The counter steps about every tenth of a second, and what a
    /// short measurement misses is part of the next one.
    fn add_assign(&mut self, other: Self) {
        self.wall_s += other.wall_s;
        self.device_s += other.device_s;
        self.flops += other.flops;
        self.energy_j = match (self.energy_j, other.energy_j) {
            (Some(one), Some(two)) => Some(one + two),
            (one, two) => one.or(two),
        };
    }
}

/// A timer of work that has begun.
#[derive(Debug)]
pub struct Timer {
    begun: Instant,
    start: Option<(usize, CudaEvent)>,
    device: Device,
    joules: Option<f64>,
    flops: u64,
}

impl Timer {
    /// Begins a timer on `device`.
    ///
    /// # Panics
    /// When the device cannot record events; it has computed before, so this is an error of this
    /// program.
    pub fn begin(device: Device) -> Self {
        // First, since the driver takes milliseconds.
        let joules = board::joules(device);
        let start = match device {
            Device::Cuda(index) => {
                let event = CudaEvent::now(index);
                Some((index, event.unwrap_or_else(|message| panic!("{message}"))))
            }
            _ => None,
        };
        Self {
            begun: Instant::now(),
            start,
            device,
            joules,
            flops: product::counted(),
        }
    }

    /// Ends it when the device has done its work.
    ///
    /// # Panics
    /// When the device cannot record events.
    pub fn end(self) -> Elapsed {
        let device_s = self.start.map(|(index, start)| {
            let seconds = CudaEvent::now(index).and_then(|end| start.seconds_to(&end));
            seconds.unwrap_or_else(|message| panic!("{message}"))
        });
        let wall_s = self.begun.elapsed().as_secs_f64();
        let used = board::joules(self.device).zip(self.joules);
        let used = used.map(|(after, before)| after - before);
        Elapsed {
            wall_s,
            device_s: device_s.unwrap_or(wall_s),
            energy_j: used.filter(|&joules| joules > 0.0),
            flops: product::counted() - self.flops,
        }
    }
}

/// Most bytes that this process's tensors have held on `device` at once; `None` on the CPU, whose
/// memory is the process's.
pub fn peak_bytes(device: Device) -> Option<u64> {
    let Device::Cuda(index) = device else {
        return None;
    };
    let mut bytes = 0;
    // SAFETY: the shim writes one number.
    let message = call(|error, capacity| unsafe {
        allround_peak_bytes(index as i64, &raw mut bytes, error, capacity)
    });
    message.ok().and_then(|()| u64::try_from(bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_the_cpu_the_clock_is_the_devices_time() {
        let timer = Timer::begin(Device::Cpu);
        std::thread::sleep(std::time::Duration::from_millis(20));
        let elapsed = timer.end();
        assert!(elapsed.wall_s >= 0.02);
        assert_eq!(elapsed.wall_s, elapsed.device_s);
        assert_eq!(peak_bytes(Device::Cpu), None);
    }

    #[test]
    fn what_regions_took_adds_up_and_unknown_joules_are_not_zero() {
        let elapsed = |seconds, energy_j| Elapsed {
            wall_s: seconds,
            device_s: seconds / 2.0,
            energy_j,
            flops: 7,
        };
        let mut sum = Elapsed::default();
        sum += elapsed(2.0, None);
        assert_eq!(sum, elapsed(2.0, None));
        sum += elapsed(1.0, Some(30.0));
        sum += elapsed(1.0, Some(12.0));
        sum += elapsed(4.0, None);
        let flops = 4 * 7;
        assert_eq!(
            sum,
            Elapsed {
                flops,
                ..elapsed(8.0, Some(42.0))
            }
        );
    }

    #[test]
    fn without_an_accelerator_events_and_peaks_are_refused_in_words() {
        if tch::Cuda::is_available() {
            let message = CudaEvent::now(0).and_then(|start| start.seconds_to(&CudaEvent::now(0)?));
            assert!(message.unwrap() >= 0.0);
            return;
        }
        let message = CudaEvent::now(0).unwrap_err();
        assert!(message.contains("LibTorch has no accelerator"), "{message}");
        assert_eq!(peak_bytes(Device::Cuda(0)), None);
    }
}
