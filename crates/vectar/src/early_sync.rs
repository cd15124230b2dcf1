//! Making a file durable while it is still written: the storage works during what else is to be done, and not all of it at the end.

use std::{fs::File, io, sync::Arc, thread::JoinHandle};

use crossbeam_channel::{Sender, bounded};

/// Bytes after which what was written so far is sent to the storage. Few enough that little is left at the end, many enough that a network
/// share is not asked all the time.
const EARLY_BYTES: u64 = 32 * 1024 * 1024;

/// A thread that syncs a file each time enough was written. A file that is shorter never has one.
#[derive(Debug, Default)]
pub(crate) struct EarlySync {
    /// Bytes that came since the last time.
    waiting: u64,
    thread: Option<(Sender<()>, JoinHandle<io::Result<()>>)>,
}

impl EarlySync {
    /// Notes that so many bytes more were written to the file.
    pub(crate) fn written(&mut self, file: &Arc<File>, bytes: usize) {
        self.waiting += bytes as u64;
        if self.waiting < EARLY_BYTES {
            return;
        }
        self.waiting = 0;
        let (again, _) = self.thread.get_or_insert_with(|| {
            let (again, wanted) = bounded(1);
            let file = Arc::clone(file);
            (again, std::thread::spawn(move || wanted.iter().try_for_each(|()| file.sync_data())))
        });
        // While it is at it already, the next time takes this in; when it has failed, the end tells.
        let _ = again.try_send(());
    }

    /// Waits for the thread. What it met counts: the system tells of a failed write once, and a later sync may know nothing of it.
    ///
    /// # Errors
    /// What a sync met.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        let Some((again, thread)) = self.thread.take() else { return Ok(()) };
        drop(again);
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that makes it durable was lost")))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_failed_sync_is_told_at_the_end_and_a_short_file_has_none() {
        let mut short = EarlySync::default();
        let file = Arc::new(tempfile::tempfile().unwrap());
        (&*file).write_all(b"few").unwrap();
        short.written(&file, 3);
        assert!(short.thread.is_none());
        short.finish().unwrap();

        let mut long = EarlySync::default();
        for _ in 0..3 {
            long.written(&file, EARLY_BYTES as usize);
        }
        long.finish().unwrap();

        // No pipe can be made durable.
        let (_reader, writer) = std::io::pipe().unwrap();
        let pipe = Arc::new(File::from(std::os::fd::OwnedFd::from(writer)));
        let mut failing = EarlySync::default();
        failing.written(&pipe, EARLY_BYTES as usize);
        assert!(failing.finish().is_err());
    }
}
