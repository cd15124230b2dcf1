//! Windows of a snapshot, shared by the stages that look at its bytes, on its way in and on its way out. Their memory goes round: fresh memory
//! costs a page fault for each 4 KiB, which is more than reading them.

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};

/// Bytes of a window: what one stage has put there the next ones find in a core's own cache.
pub(crate) const WINDOW_BYTES: usize = 1024 * 1024;

/// Windows that wait for their next use, at most: as many as are ever on their way, those of a body that is awaited whole among them.
const FREE_WINDOWS_MAX: usize = 64;

/// A part of the snapshot, or of a window of it, shared by the stages. When the last is done with it, its memory goes back to the pool.
pub(crate) type Window = Bytes;

/// The memory behind a window.
struct WindowBytes {
    /// Always [`WINDOW_BYTES`] long.
    buffer: Vec<u8>,
    len: usize,
    back: Sender<Vec<u8>>,
}

/// Hands out memory for windows.
#[derive(Debug)]
pub(crate) struct WindowPool {
    free: Receiver<Vec<u8>>,
    back: Sender<Vec<u8>>,
}

/// A window that is being filled.
#[derive(Debug, Default)]
pub(crate) struct OpenWindow {
    /// [`WINDOW_BYTES`] long once there is anything in it.
    buffer: Vec<u8>,
    len: usize,
}

impl WindowPool {
    pub(crate) fn new() -> Self {
        let (back, free) = bounded(FREE_WINDOWS_MAX);
        Self { free, back }
    }

    /// Fills a window; `fill` says how many bytes it has put into the memory it is lent.
    ///
    /// # Errors
    /// Those of `fill`.
    pub(crate) fn fill<E>(&self, fill: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<Window, E> {
        let mut buffer = self.buffer();
        let len = fill(&mut buffer)?;
        Ok(self.close(OpenWindow { buffer, len }))
    }

    /// Copies bytes into a window until it is full; returns the rest of them.
    pub(crate) fn extend<'b>(&self, window: &mut OpenWindow, bytes: &'b [u8]) -> &'b [u8] {
        if window.buffer.is_empty() {
            window.buffer = self.buffer();
        }
        let room = &mut window.buffer[window.len..];
        let (taken, rest) = bytes.split_at(bytes.len().min(room.len()));
        room[..taken.len()].copy_from_slice(taken);
        window.len += taken.len();
        rest
    }

    /// Ends the filling of a window.
    pub(crate) fn close(&self, window: OpenWindow) -> Window {
        let OpenWindow { buffer, len } = window;
        Bytes::from_owner(WindowBytes { buffer, len, back: self.back.clone() })
    }

    fn buffer(&self) -> Vec<u8> {
        self.free.try_recv().unwrap_or_else(|_| vec![0; WINDOW_BYTES])
    }
}

impl OpenWindow {
    pub(crate) fn is_full(&self) -> bool {
        self.len == WINDOW_BYTES
    }
}

impl AsRef<[u8]> for WindowBytes {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.len]
    }
}

impl Drop for WindowBytes {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        // Of a window that nothing was put into there is none. A pool that is gone, or full, needs it no more.
        if !buffer.is_empty() {
            let _ = self.back.try_send(buffer);
        }
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

    #[test]
    fn an_open_window_takes_what_fits_and_leaves_the_rest() {
        let pool = WindowPool::new();
        let bytes = vec![7; WINDOW_BYTES - 3];
        let mut window = OpenWindow::default();
        assert!(pool.extend(&mut window, &bytes).is_empty() && !window.is_full());
        assert_eq!(pool.extend(&mut window, &[8; 5]), [8; 2]);
        assert!(window.is_full());
        assert_eq!(pool.extend(&mut window, &[9]), [9], "a full one takes nothing");
        let closed = pool.close(window);
        assert!(closed[..WINDOW_BYTES - 3] == bytes && closed[WINDOW_BYTES - 3..] == [8; 3]);
        // One that was never begun gives no memory back that the next would take for a window.
        drop(pool.close(OpenWindow::default()));
        assert_eq!(pool.fill(|buffer| Ok::<_, ()>(buffer.len())).unwrap().len(), WINDOW_BYTES);
    }
}
