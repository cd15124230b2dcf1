//! What is known about a body before its first byte.

use crate::header::HeaderStyle;
use crate::sparse::SparseMap;
use std::fmt;
use std::sync::Arc;

/// The path of an entry: its name in the tar it lies in, after the names of the nested archives
/// around that tar.
///
/// Names are the raw bytes of the archive, not normalised: `wal/` keeps its slash, `./0` its dot,
/// and nothing keeps a hostile archive from `../x` or `/x` (an [`Anomaly`](crate::Anomaly) tells).
/// An opaque body has no name of its own; its path is the path of the archive it lies in, empty at
/// the outermost level.
///
/// Displayed lossily with `!` between levels: `0/segments/u.tar!snapshot/files/segment.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryPath {
    names: Vec<Arc<[u8]>>,
}

impl EntryPath {
    /// Returns the path of the outermost archive: no names.
    pub fn root() -> Self {
        Self::default()
    }

    /// Returns the path of an entry called `name` in the archive at this path.
    pub fn child(&self, name: impl Into<Arc<[u8]>>) -> Self {
        let mut names = Vec::with_capacity(self.names.len() + 1);
        names.extend_from_slice(&self.names);
        names.push(name.into());
        Self { names }
    }

    /// Returns the raw names, outermost first.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator {
        self.names.iter().map(|name| &**name)
    }

    /// Returns the innermost raw name; empty for the root.
    pub fn last_name(&self) -> &[u8] {
        self.names.last().map_or(&[], |name| name)
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.names.iter().enumerate() {
            if i > 0 {
                f.write_str("!")?;
            }
            write_lossy(f, name)?;
        }
        Ok(())
    }
}

/// Writes text as it is, except what could confuse a terminal: control characters escaped, invalid
/// UTF-8 as U+FFFD.
fn write_lossy(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        if !chunk.invalid().is_empty() {
            write!(f, "{}", char::REPLACEMENT_CHARACTER)?;
        }
    }
    Ok(())
}

/// What a tar header, with the records before it, says about one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TarEntry {
    /// The raw name in its own tar: long name, else PAX path, else header. The last name of
    /// [`BodyHead::path`], shared.
    pub raw_path: Arc<[u8]>,
    /// The type flag byte: `b'0'` or 0 for files, `b'5'` for directories, `b'S'` for GNU sparse
    /// files.
    pub type_flag: u8,
    /// Mode bits as the writer stored them, often with the file type; 0 when unreadable.
    pub mode: u32,
    /// Modification time in seconds since 1970; 0 when unreadable.
    pub mtime: i64,
    /// Bytes stored in this archive.
    pub stored_len: u64,
    /// Bytes of the file it stands for: for a sparse file what its header says, true only if it has
    /// a map; else the same.
    pub logical_len: u64,
    /// The map of a sparse entry; `None` for all others, and for one whose map is inconsistent or
    /// longer than the cap.
    pub sparse: Option<Arc<SparseMap>>,
    /// The target of a link, raw; `None` when empty.
    pub link_name: Option<Arc<[u8]>>,
    /// The dialect of the header.
    pub style: HeaderStyle,
    /// The absolute offset of the entry's own header, behind any long-name or PAX records.
    pub header_offset: u64,
}

impl TarEntry {
    /// Returns the name for people: control characters escaped, invalid UTF-8 replaced.
    pub fn lossy_path(&self) -> String {
        EntryPath::root().child(Arc::clone(&self.raw_path)).to_string()
    }

    /// Tells whether this is a file, sparse or not (types NUL, `0`, `7` and `S`).
    pub fn is_file(&self) -> bool {
        self.is_plain_file() || self.is_sparse()
    }

    /// Tells whether this is a directory (type `5`).
    pub fn is_directory(&self) -> bool {
        self.type_flag == b'5'
    }

    /// Tells whether this is a GNU sparse file (type `S`), with a usable map or not.
    pub fn is_sparse(&self) -> bool {
        self.type_flag == b'S'
    }

    /// Tells whether the stored bytes are the file's bytes; only these are tried as nested
    /// archives.
    pub(crate) fn is_plain_file(&self) -> bool {
        matches!(self.type_flag, 0 | b'0' | b'7')
    }
}

/// What a body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// The stored bytes of an entry.
    Entry(TarEntry),
    /// Bytes that are not tar: to the end of the input, or of the nested archive they lie in.
    Opaque,
}

/// What is known about a body before its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyHead {
    /// The path, through all levels.
    pub path: EntryPath,
    /// The tar level it lies in: 0 for the outermost.
    pub depth: u8,
    /// Entry or opaque.
    pub kind: BodyKind,
    /// The offset of its first byte in the whole input.
    pub offset: u64,
    /// The declared length. The bytes that are there may be fewer, never more. `None` for an opaque
    /// body of the outermost level, which lasts to the end of the input.
    pub stored_len: Option<u64>,
}

impl BodyHead {
    /// Returns the tar entry, or `None` for an opaque body.
    pub fn entry(&self) -> Option<&TarEntry> {
        match &self.kind {
            BodyKind::Entry(entry) => Some(entry),
            BodyKind::Opaque => None,
        }
    }
}
