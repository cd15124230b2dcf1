//! Reads the small files of a snapshot and keeps a list of those that could not be read.

use crate::entry::Entry;
use crate::error::QdrantError;
use crate::json::{SMALL_JSON_BYTES_MAX, Tolerant};

use super::{UNREAD_MAX, Unread};

/// A way to the bytes of one body: whole, or `None` when the source does not give them.
pub(super) type ReadBody<'a> = &'a mut dyn FnMut() -> Option<Vec<u8>>;

/// What could not be read so far.
#[derive(Debug, Default)]
pub(super) struct SmallReader {
    pub(super) unread: Vec<Unread>,
    pub(super) unread_more: u64,
}

impl SmallReader {
    /// Reads a file and parses it; `None`, with a remark, when either fails.
    pub(super) fn read<T>(
        &mut self,
        entry: &Entry,
        read: ReadBody<'_>,
        parse: impl FnOnce(&[u8]) -> Result<T, QdrantError>,
    ) -> Option<T> {
        match read_bounded(entry, read).and_then(|bytes| parse(&bytes).map_err(|error| error.reason())) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.note(entry.path.to_string(), String::new(), reason);
                None
            }
        }
    }

    /// As [`read`](Self::read), for files of which parts may be unreadable.
    pub(super) fn read_tolerant<T>(
        &mut self,
        entry: &Entry,
        read: ReadBody<'_>,
        parse: impl FnOnce(&[u8]) -> Result<Tolerant<T>, QdrantError>,
    ) -> Option<T> {
        let parsed = self.read(entry, read, parse)?;
        Some(self.accept(entry, parsed))
    }

    /// Takes the value and keeps the remarks.
    pub(super) fn accept<T>(&mut self, entry: &Entry, parsed: Tolerant<T>) -> T {
        for field in parsed.unread {
            self.note(entry.path.to_string(), field.pointer, field.reason);
        }
        parsed.value
    }

    pub(super) fn note(&mut self, path: String, pointer: String, reason: String) {
        if self.unread.len() < UNREAD_MAX {
            self.unread.push(Unread { path, pointer, reason });
        } else {
            self.unread_more += 1;
        }
    }
}

fn read_bounded(entry: &Entry, read: ReadBody<'_>) -> Result<Vec<u8>, String> {
    let size = entry.size;
    if size.stored_bytes > SMALL_JSON_BYTES_MAX {
        let too_long = QdrantError::JsonTooLong { found_bytes: size.stored_bytes, limit_bytes: SMALL_JSON_BYTES_MAX };
        return Err(too_long.reason());
    }
    // Qdrant never preallocates JSON, so a hole in it is a page that was lost (format reference, §7.3).
    if size.hole_bytes() > 0 {
        return Err(QdrantError::JsonZeroed.reason());
    }
    read().ok_or_else(|| "its bytes are not in the snapshot".to_owned())
}
