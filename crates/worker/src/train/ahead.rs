//! What the step needs next, made on the host by a thread of its own while the step runs.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

/// Pieces in their order, a few of them made ahead of the one that takes them.
#[derive(Debug)]
pub struct Ahead<'scope, T> {
    pieces: Receiver<T>,
    maker: Option<ScopedJoinHandle<'scope, ()>>,
}

impl<'scope, T: Send + 'scope> Ahead<'scope, T> {
    /// Makes `pieces` in a thread of `scope`, of which `most` may wait to be taken. The thread ends behind the last piece,
    /// or, when this is dropped, behind the one at hand.
    pub fn new(
        scope: &'scope Scope<'scope, '_>,
        pieces: impl Iterator<Item = T> + Send + 'scope,
        most: usize,
    ) -> Self {
        let (sender, receiver) = sync_channel(most);
        let maker = scope.spawn(move || {
            for piece in pieces {
                // The step has ended early when nobody listens any more.
                if sender.send(piece).is_err() {
                    return;
                }
            }
        });
        Self {
            pieces: receiver,
            maker: Some(maker),
        }
    }
}

impl<T> Iterator for Ahead<'_, T> {
    type Item = T;

    /// The next piece; `None` behind the last one.
    ///
    /// # Panics
    /// As the thread did where it did, in the same words: a stage that stops short of its last piece must not look done.
    fn next(&mut self) -> Option<T> {
        if let Ok(piece) = self.pieces.recv() {
            return Some(piece);
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
        let taken: Vec<u32> = scope(|scope| Ahead::new(scope, 0..100u32, 2).collect());
        assert_eq!(taken, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn no_more_pieces_are_made_than_may_wait_and_the_thread_ends_when_nobody_takes_them() {
        let made = AtomicUsize::new(0);
        let count = |piece: usize| {
            made.fetch_add(1, Ordering::SeqCst);
            piece
        };
        // The scope ends only when its thread does.
        scope(|scope| {
            let mut ahead = Ahead::new(scope, (0..).map(count), 2);
            assert_eq!(ahead.next(), Some(0));
        });
        // One was taken, two may wait, and one is at hand.
        assert!(made.load(Ordering::SeqCst) <= 4, "{made:?}");
    }

    #[test]
    fn a_panic_of_the_thread_reaches_the_one_that_takes_in_its_own_words() {
        let pieces = (0..3).inspect(|piece| assert!(*piece < 1, "piece {piece} cannot be made"));
        let taken = AtomicUsize::new(0);
        let panic = catch_unwind(AssertUnwindSafe(|| {
            scope(|scope| {
                for _ in Ahead::new(scope, pieces, 2) {
                    taken.fetch_add(1, Ordering::SeqCst);
                }
            });
        }));
        let told = panic.unwrap_err();
        let told = told.downcast_ref::<String>().map(String::as_str);
        assert_eq!(told, Some("piece 1 cannot be made"));
        assert_eq!(taken.load(Ordering::SeqCst), 1);
    }
}
