//! The wish to stop: once gently, twice at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// A wish to stop that is shared by everything that runs.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicU8>);

impl Stop {
    /// Asks once more.
    pub fn ask(&self) {
        // Saturating: a tenth Ctrl-C means no more than the second.
        drop(
            self.0
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |asked| {
                    Some(asked.saturating_add(1))
                }),
        );
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
