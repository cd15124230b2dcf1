//! The memory of long reads goes round: fresh memory costs a page fault for each 4 KiB, which is more than reading them.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;

/// Lengths of reads whose memory is used again. Shorter ones come out of memory that the allocator has at hand; longer ones are rare, and
/// too much to hold on to.
const REUSED_BYTES: RangeInclusive<usize> = 512 * 1024..=8 * 1024 * 1024;

/// Buffers that wait for their next use, at most: one for each of a few threads.
const FREE_BUFFERS_MAX: usize = 4;

/// Buffers that are not in use, all of them zeroed once and as long as their capacity.
#[derive(Debug, Default)]
pub(super) struct ReadMemory {
    free: Arc<FreeBuffers>,
}

#[derive(Default)]
struct FreeBuffers(Mutex<Vec<Vec<u8>>>);

/// A buffer that is lent; it goes back when the last slice of it is dropped.
struct Lent {
    buffer: Vec<u8>,
    len: usize,
    back: Arc<FreeBuffers>,
}

impl ReadMemory {
    /// Whether memory for so many bytes is used again.
    pub(super) fn holds(len: usize) -> bool {
        REUSED_BYTES.contains(&len)
    }

    /// Lends memory for `len` bytes, which `fill` writes over.
    ///
    /// # Errors
    /// Those of `fill`.
    pub(super) fn fill<E>(&self, len: usize, fill: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<Bytes, E> {
        let mut lent = Lent { buffer: self.free.take(len), len, back: self.free.clone() };
        fill(&mut lent.buffer[..len])?;
        Ok(Bytes::from_owner(lent))
    }
}

impl FreeBuffers {
    /// The shortest that is long enough. Lengths are powers of two, so that few of them do for all reads.
    fn take(&self, len: usize) -> Vec<u8> {
        let mut free = self.lock();
        let fits = free.iter().enumerate().filter(|(_, buffer)| buffer.len() >= len);
        match fits.min_by_key(|(_, buffer)| buffer.len()).map(|(number, _)| number) {
            Some(number) => free.swap_remove(number),
            None => {
                drop(free);
                vec![0; len.next_power_of_two()]
            }
        }
    }

    fn put_back(&self, buffer: Vec<u8>) {
        let mut free = self.lock();
        free.push(buffer);
        if free.len() > FREE_BUFFERS_MAX {
            // A longer one serves more reads.
            free.sort_unstable_by_key(|buffer| std::cmp::Reverse(buffer.len()));
            free.truncate(FREE_BUFFERS_MAX);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().expect("no thread panics while it holds this lock")
    }
}

impl fmt::Debug for FreeBuffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FreeBuffers").field(&self.lock().len()).finish()
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.len]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.back.put_back(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEN: usize = *REUSED_BYTES.start();

    fn filled(memory: &ReadMemory, len: usize, byte: u8) -> Bytes {
        let fill = |bytes: &mut [u8]| {
            bytes.fill(byte);
            Ok::<_, ()>(())
        };
        memory.fill(len, fill).unwrap()
    }

    #[test]
    fn memory_goes_round_once_no_slice_of_it_is_left() {
        let memory = ReadMemory::default();
        let first = filled(&memory, LEN + 1, 1);
        let (place, slice) = (first.as_ptr(), first.slice(LEN..));
        drop(first);
        let second = filled(&memory, LEN, 2);
        assert_ne!(second.as_ptr(), place, "a slice is still there");
        assert_eq!(&slice[..], [1]);
        drop(slice);
        let third = filled(&memory, LEN + 2, 3);
        assert_eq!((third.as_ptr(), third.len()), (place, LEN + 2));
        assert!(third.iter().all(|byte| *byte == 3));
    }

    #[test]
    fn a_read_that_fails_gives_its_memory_back_and_few_buffers_wait() {
        let memory = ReadMemory::default();
        memory.fill(LEN, |_| Err::<(), _>("cut off")).unwrap_err();
        assert_eq!(memory.free.lock().len(), 1);
        drop((0..10).map(|number| filled(&memory, LEN << (number % 3), 4)).collect::<Vec<_>>());
        let lens: Vec<usize> = memory.free.lock().iter().map(Vec::len).collect();
        assert_eq!(lens.len(), FREE_BUFFERS_MAX);
        assert!(lens.iter().all(|len| *len >= 2 * LEN), "{lens:?}");
    }
}
