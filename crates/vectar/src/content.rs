//! What is inside a snapshot, from a file or from a backup: the same code reads both, and headers only.

use std::{io, path::Path, sync::Mutex};

use vectar_qdrant::SnapshotOutline;
use vectar_repository::{
    ChunkReader, Placed, RecipeWalker, RepositoryError,
    format::{node::RecipeItem, record::BackupRecord},
};
use vectar_tar::{Catalogue, CatalogueRow, ReadAt, SplitOptions, catalogue};

use crate::{engine::Engine, error::Error, ingest::read_small, rebuild::piece_of, source::SnapshotFile};

/// Decoded chunks and nodes kept while headers are read, in bytes.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// Bytes of an entry handed on at once.
const COPY_BYTES: usize = 1024 * 1024;

/// A snapshot that can be read at any offset.
#[derive(Debug)]
pub enum Content<'e> {
    /// A file.
    File(SnapshotFile),
    /// A backup; reads fetch only the chunks they need.
    Backup(BackupContent<'e>),
}

impl<'e> Content<'e> {
    /// Opens a snapshot file.
    ///
    /// # Errors
    /// [`Error::Source`].
    pub fn file(path: &Path) -> Result<Self, Error> {
        SnapshotFile::open(path).map(Self::File)
    }

    /// Opens the snapshot of a backup.
    #[must_use]
    pub fn backup(engine: &'e Engine, record: &BackupRecord) -> Self {
        let reader = ChunkReader::new(engine.repository(), CACHE_BYTES);
        Self::Backup(BackupContent { reader, record: record.clone(), failure: Mutex::new(None) })
    }

    /// What to call it in messages.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::File(file) => file.path().display().to_string(),
            Self::Backup(backup) => format!("backup {}", backup.record.id.short()),
        }
    }

    /// Lists every entry of every level, by reading headers only.
    ///
    /// # Errors
    /// The source or the repository failed. Damage in the snapshot is part of the answer.
    pub fn catalogue(&self) -> Result<Catalogue, Error> {
        catalogue(self, &SplitOptions::default()).map_err(|source| self.failed(source))
    }

    /// Says what the snapshot is and holds, by reading headers and small files only.
    ///
    /// # Errors
    /// As [`catalogue`](Self::catalogue).
    pub fn outline(&self) -> Result<(SnapshotOutline, Catalogue), Error> {
        let listed = self.catalogue()?;
        let outline = SnapshotOutline::build(&listed, |row| read_small(self, row));
        Ok((outline, listed))
    }

    /// Finds an entry by its path: names of the tar levels with `!` between them, as [`ls`](Self::catalogue) shows them.
    ///
    /// # Errors
    /// [`Error::EntryPathInvalid`] for absolute paths and such with `..`; [`Error::EntryNotFound`].
    pub fn find(&self, listed: &Catalogue, path: &str) -> Result<CatalogueRow, Error> {
        check_entry_path(path)?;
        let wanted = path.trim_end_matches('/');
        let row = listed.rows.iter().rfind(|row| {
            let shown = row.head.path.to_string();
            row.head.entry().is_some() && shown.trim_end_matches('/').trim_start_matches("./") == wanted
        });
        row.cloned().ok_or_else(|| Error::EntryNotFound { snapshot: self.name(), path: path.to_owned() })
    }

    /// Hands the stored bytes of an entry to `take`, in order. A nested archive is an entry like any other.
    ///
    /// # Errors
    /// The source or the repository failed, or `take` did.
    pub fn read_entry(
        &self,
        row: &CatalogueRow,
        mut take: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let end = row.head.offset + row.len;
        let mut buffer = vec![0; COPY_BYTES];
        let mut offset = row.head.offset;
        while offset < end {
            let wanted = usize::try_from(end - offset).map_or(COPY_BYTES, |rest| rest.min(COPY_BYTES));
            let count = self.read_at(offset, &mut buffer[..wanted]).map_err(|source| self.read_failed(source))?;
            if count == 0 {
                let change = format!("it ends at {offset}, inside {}", row.head.path);
                return Err(Error::SourceChanged { path: self.name().into(), change });
            }
            take(&buffer[..count])?;
            offset += count as u64;
        }
        Ok(())
    }

    /// The repository's own error, when one hides behind an I/O error of the tar layer.
    fn failed(&self, source: vectar_tar::TarError) -> Error {
        match self.repository_failure() {
            Some(error) => error.into(),
            None => Error::Tar { name: self.name(), source },
        }
    }

    fn read_failed(&self, source: io::Error) -> Error {
        match self.repository_failure() {
            Some(error) => error.into(),
            None => Error::Source { action: "read", path: self.name().into(), source },
        }
    }

    fn repository_failure(&self) -> Option<RepositoryError> {
        match self {
            Self::File(_) => None,
            Self::Backup(backup) => backup.failure.lock().expect("no thread panics while it holds this lock").take(),
        }
    }
}

impl ReadAt for Content<'_> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read_at(offset, buf),
            Self::Backup(backup) => backup.read_at(offset, buf),
        }
    }

    fn len(&self) -> u64 {
        match self {
            Self::File(file) => file.len(),
            Self::Backup(backup) => backup.record.bytes,
        }
    }
}

/// The snapshot of a backup as bytes at offsets, without rebuilding it.
#[derive(Debug)]
pub struct BackupContent<'e> {
    reader: ChunkReader<'e>,
    record: BackupRecord,
    /// What the repository met last: `ReadAt` speaks `io::Error`, and the cause must not be lost on the way.
    failure: Mutex<Option<RepositoryError>>,
}

impl BackupContent<'_> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.try_read_at(offset, buf).map_err(|error| {
            let text = error.to_string();
            *self.failure.lock().expect("no thread panics while it holds this lock") = Some(error);
            io::Error::other(text)
        })
    }

    fn try_read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, RepositoryError> {
        let mut filled = 0;
        for placed in RecipeWalker::new(&self.reader, &self.record.root, self.record.bytes, offset)? {
            if filled == buf.len() {
                break;
            }
            let Placed { offset: start, extent } = placed?;
            let skip = (offset + filled as u64).saturating_sub(start);
            let wanted =
                usize::try_from(extent.len() - skip).map_or(buf.len() - filled, |rest| rest.min(buf.len() - filled));
            let place = &mut buf[filled..filled + wanted];
            match &extent {
                RecipeItem::Inline(bytes) => place.copy_from_slice(&bytes[skip as usize..skip as usize + wanted]),
                RecipeItem::Fill { byte, .. } => place.fill(*byte),
                RecipeItem::Copy { chunk, start, len } => {
                    let bytes = self.reader.chunk(chunk)?;
                    let piece = piece_of(chunk, &bytes, *start, *len)?;
                    place.copy_from_slice(&piece[skip as usize..skip as usize + wanted]);
                }
                RecipeItem::Node { .. } => unreachable!("a walker enters nodes and never returns them"),
            }
            filled += wanted;
        }
        Ok(filled)
    }
}

/// Refuses paths that no entry of a snapshot may have.
fn check_entry_path(path: &str) -> Result<(), Error> {
    let invalid = |reason| Err(Error::EntryPathInvalid { path: path.to_owned(), reason });
    if path.is_empty() {
        return invalid("it is empty");
    }
    for level in path.split('!') {
        if level.starts_with('/') {
            return invalid("it is absolute; entries are named from the root of the snapshot");
        }
        if level.split('/').any(|part| part == "..") {
            return invalid("it has a \"..\"; entries are named from the root of the snapshot");
        }
    }
    Ok(())
}
