//! The splitter's bodies as this crate sees them: a path of text and two lengths.

use std::fmt;

use vectar_tar::{BodyHead, Catalogue, CatalogueRow, EntryPath, RowRole, TAR_BLOCK_BYTES};

/// The way to a body: one path per tar level, outermost first.
///
/// Names in a tar are bytes; here they are text, with what is not UTF-8 replaced. Two names that differ only there get
/// one label, which costs space at most.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BodyPath {
    levels: Vec<String>,
}

impl BodyPath {
    /// A path from its levels, outermost first.
    pub fn new(levels: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { levels: levels.into_iter().map(Into::into).collect() }
    }

    /// The levels, outermost first.
    pub fn levels(&self) -> &[String] {
        &self.levels
    }
}

impl From<&EntryPath> for BodyPath {
    fn from(path: &EntryPath) -> Self {
        Self::new(path.names().map(String::from_utf8_lossy))
    }
}

impl fmt::Display for BodyPath {
    /// Writes the levels with `!` between them, `0/segments/<uuid>.tar!snapshot/files/segment.json`, and control
    /// characters escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, level) in self.levels.iter().enumerate() {
            if depth > 0 {
                f.write_str("!")?;
            }
            for character in level.chars() {
                if character.is_control() {
                    write!(f, "{}", character.escape_default())?;
                } else {
                    write!(f, "{character}")?;
                }
            }
        }
        Ok(())
    }
}

/// The two lengths of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BodySize {
    /// Bytes in the tar.
    pub stored_bytes: u64,
    /// Bytes of the file after its holes are expanded; equal to `stored_bytes` unless the entry is sparse.
    pub logical_bytes: u64,
}

impl BodySize {
    /// The size of a body without holes.
    pub fn plain(bytes: u64) -> Self {
        Self { stored_bytes: bytes, logical_bytes: bytes }
    }

    /// The size that a body's head declares, before its bytes were seen. An opaque body to the end of the input declares
    /// none, so 0.
    pub fn declared(head: &BodyHead) -> Self {
        Self::of(head, head.stored_len.unwrap_or(0))
    }

    /// Bytes that exist only logically. Zero when a hostile header declares more stored than logical bytes.
    pub fn hole_bytes(&self) -> u64 {
        self.logical_bytes.saturating_sub(self.stored_bytes)
    }

    /// The size of a body of which `stored_bytes` are there.
    fn of(head: &BodyHead, stored_bytes: u64) -> Self {
        match head.entry() {
            Some(entry) if entry.is_sparse() => Self { stored_bytes, logical_bytes: entry.logical_len },
            _ => Self::plain(stored_bytes),
        }
    }
}

/// One row of a catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) path: BodyPath,
    pub(crate) role: EntryRole,
    pub(crate) size: BodySize,
}

/// What an entry is to an outline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryRole {
    /// A body, opaque ones included.
    Body { is_sparse: bool },
    /// A directory without a body.
    Directory,
    /// A nested tar, whose entries follow.
    Archive {
        /// Whether its header was made in memory: the writer then leaves the type flag NUL.
        made_in_memory: bool,
        /// Whether an end-of-archive trailer closes it; `None` when it is cut short or empty.
        has_trailer: Option<bool>,
    },
}

impl Entry {
    /// The row at `index`.
    pub(crate) fn of(catalogue: &Catalogue, index: usize) -> Self {
        let row = &catalogue.rows[index];
        let entry = row.head.entry();
        let role = match row.role {
            RowRole::Archive => EntryRole::Archive {
                made_in_memory: entry.is_some_and(|entry| entry.type_flag == 0),
                has_trailer: has_trailer(row, &catalogue.rows[index + 1..]),
            },
            RowRole::Leaf { .. } if row.len == 0 && entry.is_some_and(|entry| entry.is_directory()) => {
                EntryRole::Directory
            }
            RowRole::Leaf { .. } => EntryRole::Body { is_sparse: entry.is_some_and(|entry| entry.is_sparse()) },
        };
        Self { path: BodyPath::from(&row.head.path), role, size: BodySize::of(&row.head, row.len) }
    }
}

/// Whether blocks follow the last body of an archive. Costs one pass over the archive's rows, so over all rows once per
/// level.
fn has_trailer(archive: &CatalogueRow, rows_behind: &[CatalogueRow]) -> Option<bool> {
    let last = rows_behind.iter().take_while(|row| row.head.depth > archive.head.depth).last()?;
    if archive.head.stored_len != Some(archive.len) {
        return None;
    }
    let archive_end = archive.head.offset.checked_add(archive.len)?;
    let last_end = last.head.offset.checked_add(last.len)?.checked_next_multiple_of(TAR_BLOCK_BYTES as u64)?;
    Some(archive_end.saturating_sub(last_end) >= TAR_BLOCK_BYTES as u64)
}
