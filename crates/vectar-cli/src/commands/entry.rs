//! One entry of a snapshot, as `ls`, `find` and `debug tar` show it.

use jiff::Timestamp;
use serde::Serialize;
use vectar::{CatalogueRow, RowRole, class_of};

use crate::output::utc;

/// The fields of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct EntryView {
    /// `file`, `sparse`, `directory`, `tar`, `link`, `other`, or `opaque` for bytes that are no tar.
    pub(crate) kind: &'static str,
    /// With `!` between tar levels; empty for bytes that are no tar at the outermost level.
    pub(crate) path: String,
    /// Tar level, 0 for the outermost.
    pub(crate) depth: u8,
    /// Stored bytes that are there.
    pub(crate) bytes: u64,
    /// Bytes of the file with its holes.
    pub(crate) logical_bytes: u64,
    /// Modification time; none for entries that Qdrant wrote from memory.
    pub(crate) mtime: Option<String>,
    /// What the bytes are; none for directories and nested tars.
    pub(crate) class: Option<&'static str>,
    /// Whether all declared bytes are there.
    pub(crate) complete: bool,
}

impl EntryView {
    /// Describes a row.
    pub(crate) fn of(row: &CatalogueRow) -> Self {
        let entry = row.head.entry();
        let seconds = entry.map(|entry| entry.mtime).filter(|&seconds| seconds != 0);
        let mtime = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()).map(utc);
        let logical = entry.filter(|entry| entry.is_sparse()).map_or(row.len, |entry| entry.logical_len);
        Self {
            kind: kind_of(row),
            path: row.head.path.to_string(),
            depth: row.head.depth,
            bytes: row.len,
            logical_bytes: logical,
            mtime,
            class: class_of(row).map(|class| class.as_str()),
            complete: is_complete(row),
        }
    }
}

/// Whether all bytes are there that the entry's header speaks of.
pub(crate) fn is_complete(row: &CatalogueRow) -> bool {
    match row.role {
        RowRole::Leaf { complete } => complete,
        RowRole::Archive => row.head.stored_len == Some(row.len),
    }
}

fn kind_of(row: &CatalogueRow) -> &'static str {
    let Some(entry) = row.head.entry() else { return "opaque" };
    match (row.role, entry.type_flag) {
        (RowRole::Archive, _) => "tar",
        (_, 0 | b'0' | b'7') => "file",
        (_, b'S') => "sparse",
        (_, b'5') => "directory",
        (_, b'1' | b'2') => "link",
        _ => "other",
    }
}
