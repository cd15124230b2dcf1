//! Windows of the snapshot, shared by the stages that look at its bytes. Their memory goes round: fresh memory costs a page fault for each
//! 4 KiB, which is more than reading them.

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};

/// Bytes read at once: what the reader has put there the next stages find in a core's own cache.
pub(super) const WINDOW_BYTES: usize = 1024 * 1024;

/// Windows that wait for their next use, at most: as many as are ever on their way, those of a body that is awaited whole among them.
const FREE_WINDOWS_MAX: usize = 64;

/// A part of the snapshot, or of a window of it, shared by the stages. When the last is done with it, its memory goes back to the pool.
pub(super) type Window = Bytes;

/// The memory behind a window.
struct WindowBytes {
    /// Always [`WINDOW_BYTES`] long.
    buffer: Vec<u8>,
    len: usize,
    back: Sender<Vec<u8>>,
}

/// Hands out memory for windows.
#[derive(Debug)]
pub(super) struct WindowPool {
    free: Receiver<Vec<u8>>,
    back: Sender<Vec<u8>>,
}

impl WindowPool {
    pub(super) fn new() -> Self {
        let (back, free) = bounded(FREE_WINDOWS_MAX);
        Self { free, back }
    }

    /// Fills a window; `fill` says how many bytes it has put into the memory it is lent.
    ///
    /// # Errors
    /// Those of `fill`.
    pub(super) fn fill<E>(&self, fill: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<Window, E> {
        let mut buffer = self.free.try_recv().unwrap_or_else(|_| vec![0; WINDOW_BYTES]);
        let len = fill(&mut buffer)?;
        Ok(Bytes::from_owner(WindowBytes { buffer, len, back: self.back.clone() }))
    }
}

impl AsRef<[u8]> for WindowBytes {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.len]
    }
}

impl Drop for WindowBytes {
    fn drop(&mut self) {
        // A pool that is gone, or full, needs it no more.
        let _ = self.back.try_send(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_goes_round_and_never_shows_what_lay_there_before() {
        let pool = WindowPool::new();
        let fill = |byte: u8, len: usize| {
            let window = pool.fill(|buffer| {
                buffer[..len].fill(byte);
                Ok::<_, ()>(len)
            });
            window.unwrap()
        };
        let first = fill(1, 5);
        let place = first.as_ptr();
        assert_eq!(&first[..], [1; 5]);
        drop(first);
        let second = fill(2, 3);
        assert_eq!((second.as_ptr(), &second[..]), (place, &[2; 3][..]));
        assert_ne!(fill(3, 1).as_ptr(), place, "what is in use is not lent");
    }
}
