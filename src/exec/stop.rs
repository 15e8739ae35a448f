//! The wish to stop: once gently, twice at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// A wish to stop that is shared by everything that runs.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicU8>);

impl Stop {
    /// Asks once more.
    pub fn ask(&self) {
        // One more than "at once" would mean nothing, and must not wrap around.
        if !self.is_urgent() {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Whether anybody asked.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }

    /// Whether somebody asked twice.
    pub fn is_urgent(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 1
    }
}
