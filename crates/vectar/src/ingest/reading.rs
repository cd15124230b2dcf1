//! The source as windows of bytes, read ahead on a thread of its own.
//!
//! A file is read by a thread of the ingest. A stream may have nothing to say for hours, and no system interrupts a blocked `read`
//! for us: its thread is not waited for, so that an ingest can be stopped. It ends with the stream, or with the process.

use std::{io, thread};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::window::{Window, WindowPool};
use crate::{error::Error, source::Source};

/// Windows that were read and wait.
const READ_AHEAD_WINDOWS: usize = 4;

/// What the reading thread says, in order; nothing follows [`End`](Read::End) or [`Failed`](Read::Failed).
pub(super) enum Read {
    /// The next bytes: a full window, but for the last one.
    Window(Window),
    /// The source has no more bytes.
    End,
    /// The source cannot be read on.
    Failed(Error),
}

/// Starts to read. Dropping the receiver stops it, for a stream once the stream says something.
pub(super) fn start<'scope, 'env>(
    threads: &'scope thread::Scope<'scope, 'env>,
    source: &'env mut Source,
) -> Receiver<Read> {
    let (windows, read) = bounded(READ_AHEAD_WINDOWS);
    match source {
        Source::File(file) => {
            let file = &*file;
            threads.spawn(move || read_all(&windows, |offset, window| file.read_window(offset, window)));
        }
        Source::Stream { reader, origin, .. } => {
            let (mut reader, origin) = (std::mem::replace(reader, Box::new(io::empty())), origin.clone());
            thread::spawn(move || {
                read_all(&windows, |_, window| {
                    read_full(&mut *reader, window).map_err(|source| Error::Source {
                        action: "read",
                        path: origin.clone(),
                        source,
                    })
                });
            });
        }
    }
    read
}

fn read_all(windows: &Sender<Read>, mut read: impl FnMut(u64, &mut [u8]) -> Result<usize, Error>) {
    let pool = WindowPool::new();
    let mut offset = 0;
    loop {
        let said = match pool.fill(|window| read(offset, window)) {
            Ok(window) if window.is_empty() => Read::End,
            Ok(window) => {
                offset += window.len() as u64;
                Read::Window(window)
            }
            Err(error) => Read::Failed(error),
        };
        let is_last = !matches!(said, Read::Window(_));
        // Nobody listens any more when another stage has stopped; it reports why.
        if windows.send(said).is_err() || is_last {
            return;
        }
    }
}

/// Reads until the buffer is full or the stream ends.
fn read_full(reader: &mut (dyn io::Read + Send), buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
