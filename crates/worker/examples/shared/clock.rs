//! Wall time and processor time of the steps that an example measures.

use std::time::Instant;

use serde::Serialize;

/// What the steps took, for the scripts in `benches/peers/`.
#[derive(Debug, Default, Serialize)]
pub struct Times {
    /// Wall seconds of each step.
    seconds: Vec<f64>,
    /// Processor seconds of each step, of all threads.
    cpu_seconds: Vec<f64>,
}

impl Times {
    /// Runs a step and keeps what it took.
    pub fn measure<T>(&mut self, step: impl FnOnce() -> T) -> T {
        let (start, processor) = (Instant::now(), processor_seconds());
        let result = step();
        self.seconds.push(start.elapsed().as_secs_f64());
        self.cpu_seconds.push(processor_seconds() - processor);
        result
    }
}

/// Processor time of this process so far.
fn processor_seconds() -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` lives and is a timespec; the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
