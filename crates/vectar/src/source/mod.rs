//! Where snapshots come from: files, standard input, and directories full of them.
//!
//! The one module of the engine that reads files which are not part of a repository, and the one that deletes them (`removal`).

mod discover;
mod file;
mod removal;
mod sidecar;

use std::{
    io::Read,
    path::{Path, PathBuf},
};

pub use discover::{Discovered, Discovery, Skipped, discover};
pub use file::SnapshotFile;
pub use removal::{Deleted, SourceState, delete_source};
pub use sidecar::{Sidecar, read_sidecar, sidecar_path};

use vectar_tar::ReadAt as _;

use crate::error::Error;

/// Something that can be ingested.
pub enum Source {
    /// A regular file: its structure is looked at before its bytes are stored.
    File(SnapshotFile),
    /// A stream that can be read once, with the name it should go by.
    Stream {
        /// The bytes.
        reader: Box<dyn Read + Send>,
        /// File name of the snapshot.
        name: String,
        /// What stands in for a path in messages and in the record, such as `-`.
        origin: PathBuf,
    },
}

impl Source {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Source`] when it cannot be opened or is not a regular file.
    pub fn file(path: &Path) -> Result<Self, Error> {
        SnapshotFile::open(path).map(Self::File)
    }

    /// Wraps standard input.
    #[must_use]
    pub fn stdin(name: String) -> Self {
        Self::Stream { reader: Box::new(std::io::stdin()), name, origin: PathBuf::from("-") }
    }

    /// The file name the snapshot goes by.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::File(file) => file.name(),
            Self::Stream { name, .. } => name.clone(),
        }
    }

    /// The path for messages and records.
    #[must_use]
    pub fn origin(&self) -> &Path {
        match self {
            Self::File(file) => file.path(),
            Self::Stream { origin, .. } => origin,
        }
    }

    /// The length, where it is known beforehand.
    #[must_use]
    pub fn len(&self) -> Option<u64> {
        match self {
            Self::File(file) => Some(vectar_tar::ReadAt::len(file)),
            Self::Stream { .. } => None,
        }
    }

    /// Whether it is known to have no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Source").field(&self.origin()).finish()
    }
}

/// Reads a small text file, such as a list of ids.
///
/// # Errors
/// [`Error::Source`] when it cannot be read, is longer than `bytes_max`, or is no UTF-8.
pub fn read_text(path: &Path, bytes_max: u64) -> Result<String, Error> {
    let invalid = |reason: &str| Error::Source {
        action: "read",
        path: path.to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, reason),
    };
    let file = SnapshotFile::open(path)?;
    if file.len() > bytes_max {
        return Err(invalid("it is too long to be what it should be"));
    }
    let mut content = vec![0; usize::try_from(file.len()).map_err(|_| invalid("it does not fit into memory"))?];
    let count = file.read_window(0, &mut content)?;
    content.truncate(count);
    String::from_utf8(content).map_err(|_| invalid("it is no text"))
}
