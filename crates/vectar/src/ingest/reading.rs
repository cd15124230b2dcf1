//! The source as windows of bytes, read ahead on a thread of its own.
//!
//! A file is read by a thread of the ingest. A stream may have nothing to say for hours, and no system interrupts a blocked `read`
//! for us: its thread is not waited for, so that an ingest can be stopped. It ends with the stream, or with the process.

use std::{io, ops::Range, thread};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::{
    error::Error,
    source::Source,
    window::{Window, WindowPool},
};

/// Windows that were read and wait.
const READ_AHEAD_WINDOWS: usize = 4;

/// What the reading thread says, in order; nothing follows [`End`](Read::End) or [`Failed`](Read::Failed).
pub(super) enum Read {
    /// The next bytes: a full window, but for the last one before a gap or the end.
    Window(Window),
    /// So many bytes are passed over, because they are known.
    Passed(u64),
    /// The source has no more bytes.
    End,
    /// The source cannot be read on.
    Failed(Error),
}

/// Starts to read, of a file all but these gaps, which lie in order. Dropping the receiver stops it, for a stream once the stream says
/// something.
pub(super) fn start<'scope, 'env>(
    threads: &'scope thread::Scope<'scope, 'env>,
    source: &'env mut Source,
    gaps: Vec<Range<u64>>,
) -> Receiver<Read> {
    let (windows, read) = bounded(READ_AHEAD_WINDOWS);
    match source {
        Source::File(file) => {
            let file = &*file;
            threads.spawn(move || read_all(&windows, gaps, |offset, window| file.read_window(offset, window)));
        }
        Source::Stream { reader, origin, .. } => {
            let (mut reader, origin) = (std::mem::replace(reader, Box::new(io::empty())), origin.clone());
            thread::spawn(move || {
                read_all(&windows, Vec::new(), |_, window| {
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

fn read_all(
    windows: &Sender<Read>,
    gaps: Vec<Range<u64>>,
    mut read: impl FnMut(u64, &mut [u8]) -> Result<usize, Error>,
) {
    let pool = WindowPool::new();
    let mut gaps = gaps.into_iter().peekable();
    let mut offset = 0;
    loop {
        if let Some(gap) = gaps.next_if(|gap| gap.start == offset) {
            offset = gap.end;
            if windows.send(Read::Passed(gap.end - gap.start)).is_err() {
                return;
            }
            continue;
        }
        let until_gap = gaps.peek().map_or(u64::MAX, |gap| gap.start - offset);
        let fill = |window: &mut [u8]| {
            let len = usize::try_from(until_gap).map_or(window.len(), |until| until.min(window.len()));
            read(offset, &mut window[..len])
        };
        let said = match pool.fill(fill) {
            Ok(window) if window.is_empty() => Read::End,
            Ok(window) => {
                offset += window.len() as u64;
                Read::Window(window)
            }
            Err(error) => Read::Failed(error),
        };
        let is_last = matches!(said, Read::End | Read::Failed(_));
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
