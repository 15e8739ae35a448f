//! The wish to stop: once gently, twice at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// A wish to stop that is shared by everything that runs.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    own: Arc<AtomicU8>,
    /// The wish of whom this one is a part.
    all: Option<Arc<AtomicU8>>,
}

impl Stop {
    /// A wish for one stage alone, which is asked whenever this one is.
    pub fn of_one(&self) -> Stop {
        Stop {
            own: Arc::default(),
            all: Some(Arc::clone(&self.own)),
        }
    }

    /// Asks once more.
    pub fn ask(&self) {
        // One more than "at once" would mean nothing, and must not wrap around.
        if !self.is_urgent() {
            self.own.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Whether anybody asked.
    pub fn is_asked(&self) -> bool {
        self.times() > 0
    }

    /// Whether somebody asked twice.
    pub fn is_urgent(&self) -> bool {
        self.times() > 1
    }

    fn times(&self) -> u8 {
        let all = self.all.as_ref();
        let all = all.map_or(0, |all| all.load(Ordering::SeqCst));
        all.max(self.own.load(Ordering::SeqCst))
    }
}
