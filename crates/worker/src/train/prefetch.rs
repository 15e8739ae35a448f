//! Prepares what the next steps need, on a separate thread of the host.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

/// Items in their order, a few of them made ahead of the one that takes them.
#[derive(Debug)]
pub struct Prefetch<'scope, T> {
    items: Receiver<T>,
    maker: Option<ScopedJoinHandle<'scope, ()>>,
}

impl<'scope, T: Send + 'scope> Prefetch<'scope, T> {
    /// Makes `items` in a thread of `scope`, of which `most` may wait to be taken. The thread ends
    /// after the last item, or, when this is dropped, after the one at hand.
    pub fn new(
        scope: &'scope Scope<'scope, '_>,
        items: impl Iterator<Item = T> + Send + 'scope,
        most: usize,
    ) -> Self {
        let (sender, receiver) = sync_channel(most);
        let maker = scope.spawn(move || {
            for item in items {
                // No receiver: the step has ended early.
                if sender.send(item).is_err() {
                    return;
                }
            }
        });
        Self {
            items: receiver,
            maker: Some(maker),
        }
    }
}

impl<T> Iterator for Prefetch<'_, T> {
    type Item = T;

    /// The next item; `None` after the last one.
    ///
    /// # Panics
    /// As the thread did where it did, in the same words: a stage that stops short of its last item
    /// must not look done.
    fn next(&mut self) -> Option<T> {
        if let Ok(item) = self.items.recv() {
            return Some(item);
        }
        let ended = self.maker.take().map(ScopedJoinHandle::join);
        if let Some(Err(panic)) = ended {
            resume_unwind(panic);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::scope;

    use super::*;

    #[test]
    fn pieces_come_in_their_order_to_the_last() {
        let taken: Vec<u32> = scope(|scope| Prefetch::new(scope, 0..100u32, 2).collect());
        assert_eq!(taken, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn no_more_pieces_are_made_than_may_wait_and_the_thread_ends_when_nobody_takes_them() {
        let made = AtomicUsize::new(0);
        let count = |item: usize| {
            made.fetch_add(1, Ordering::SeqCst);
            item
        };
        // The scope ends only when its thread does.
        scope(|scope| {
            let mut prefetch = Prefetch::new(scope, (0..).map(count), 2);
            assert_eq!(prefetch.next(), Some(0));
        });
        // One was taken, two may wait, and one is at hand.
        assert!(made.load(Ordering::SeqCst) <= 4, "{made:?}");
    }

    #[test]
    fn a_panic_of_the_thread_reaches_the_one_that_takes_in_its_own_words() {
        let items = (0..3).inspect(|item| assert!(*item < 1, "item {item} cannot be made"));
        let taken = AtomicUsize::new(0);
        let panic = catch_unwind(AssertUnwindSafe(|| {
            scope(|scope| {
                for _ in Prefetch::new(scope, items, 2) {
                    taken.fetch_add(1, Ordering::SeqCst);
                }
            });
        }));
        let message = panic.unwrap_err();
        let message = message.downcast_ref::<String>().map(String::as_str);
        assert_eq!(message, Some("item 1 cannot be made"));
        assert_eq!(taken.load(Ordering::SeqCst), 1);
    }
}
