//! A request to stop: the first ends stages gracefully, the second kills them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// A request to stop, shared by everything that runs.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    own: Arc<AtomicU8>,
    /// The request of the whole run, where this one is for a single stage.
    parent: Option<Arc<AtomicU8>>,
}

impl Stop {
    /// A request for a single stage. It is also set whenever this one is.
    pub fn child(&self) -> Stop {
        Stop {
            own: Arc::default(),
            parent: Some(Arc::clone(&self.own)),
        }
    }

    /// Requests a stop; the second request is urgent.
    pub fn request(&self) {
        // A third request has no meaning, and the counter must not wrap around.
        if !self.is_urgent() {
            self.own.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Requests an urgent stop at once.
    pub fn kill(&self) {
        self.request();
        self.request();
    }

    /// Whether a stop was requested.
    pub fn is_requested(&self) -> bool {
        self.requests() > 0
    }

    /// Whether a stop was requested twice.
    pub fn is_urgent(&self) -> bool {
        self.requests() > 1
    }

    fn requests(&self) -> u8 {
        let parent = self.parent.as_ref();
        let parent = parent.map_or(0, |parent| parent.load(Ordering::SeqCst));
        parent.max(self.own.load(Ordering::SeqCst))
    }
}
