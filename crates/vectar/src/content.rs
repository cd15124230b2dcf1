//! What is inside a snapshot, from a file or from a backup: the same code reads both, and headers only.

use std::{io, path::Path};

use vectar_qdrant::{BodyPath, BodySize, Class, Classifier, PointId, QdrantError, SegmentId, SnapshotOutline};
use vectar_repository::{
    RepositoryError,
    format::record::{BackupRecord, Subject},
};
use vectar_tar::{Catalogue, CatalogueRow, ExpandedBody, ReadAt, ReadRange, RowRole, SplitOptions, catalogue};

use crate::{
    backup_content::BackupContent,
    engine::Engine,
    error::Error,
    ingest::{describe_file, read_small},
    near::near_paths,
    source::SnapshotFile,
};

/// Bytes of an entry handed on at once.
const COPY_BYTES: usize = 1024 * 1024;

/// A snapshot that can be read at any offset.
#[derive(Debug)]
pub enum Content<'e> {
    /// A file.
    File(SnapshotFile),
    /// A backup; reads fetch only the chunks they need.
    Backup(Box<BackupContent<'e>>),
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
        Self::Backup(Box::new(BackupContent::new(engine, record)))
    }

    /// What to call it in messages.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::File(file) => file.path().display().to_string(),
            Self::Backup(backup) => format!("backup {}", backup.record().id.short()),
        }
    }

    /// The record of a backup; `None` for a file.
    #[must_use]
    pub fn record(&self) -> Option<&BackupRecord> {
        match self {
            Self::File(_) => None,
            Self::Backup(backup) => Some(backup.record()),
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
    /// A collection or shard snapshot does not say the name of its collection or the number of its shard: they come from the
    /// backup's record, or from the name and the directory of the file, as an ingest would take them.
    ///
    /// # Errors
    /// As [`catalogue`](Self::catalogue).
    pub fn outline(&self) -> Result<(SnapshotOutline, Catalogue), Error> {
        let listed = self.catalogue()?;
        let mut outline = SnapshotOutline::build(&listed, |row| read_small(self, row));
        let subject = subject_of(self, &outline);
        name_parts(&mut outline, &subject);
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
        row.cloned().ok_or_else(|| Error::EntryNotFound {
            snapshot: self.name(),
            path: path.to_owned(),
            near: near_paths(listed, wanted),
        })
    }

    /// Hands the stored bytes of an entry to `take`, in order. A nested archive is an entry like any other.
    ///
    /// # Errors
    /// The source or the repository failed, or `take` did.
    pub fn read_entry(&self, row: &CatalogueRow, take: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        self.read_whole(&ReadRange::new(self, row.head.offset, row.len), row, row.len, take)
    }

    /// Hands the bytes of the file that an entry stands for to `take`, in order: as [`read_entry`](Self::read_entry), with the
    /// holes of a sparse entry as zeros.
    ///
    /// # Errors
    /// [`Error::EntryNotExpandable`] for a sparse entry that is cut short or has no usable map; else as for the stored bytes.
    pub fn read_expanded(&self, row: &CatalogueRow, take: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        let Some(entry) = row.head.entry().filter(|entry| entry.is_sparse()) else {
            return self.read_entry(row, take);
        };
        let refuse = |reason| Err(Error::EntryNotExpandable { path: row.head.path.to_string(), reason });
        let Some(map) = &entry.sparse else { return refuse("its sparse map is damaged") };
        if row.role == (RowRole::Leaf { complete: false }) {
            return refuse("the snapshot is cut short inside of it");
        }
        let stored = ReadRange::new(self, row.head.offset, row.len);
        self.read_whole(&ExpandedBody::new(map, stored), row, map.logical_len(), take)
    }

    fn read_whole(
        &self,
        source: &impl ReadAt,
        row: &CatalogueRow,
        len: u64,
        mut take: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut buffer = vec![0; usize::try_from(len).map_or(COPY_BYTES, |len| len.min(COPY_BYTES))];
        let mut offset = 0;
        while offset < len {
            let wanted = usize::try_from(len - offset).map_or(buffer.len(), |rest| rest.min(buffer.len()));
            match source.read_at(offset, &mut buffer[..wanted]) {
                Ok(0) => {
                    let change = format!("it ends inside of {}", row.head.path);
                    return Err(Error::SourceChanged { path: self.name().into(), change });
                }
                Ok(count) => {
                    take(&buffer[..count])?;
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.read_failed(error)),
            }
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

    pub(crate) fn read_failed(&self, source: io::Error) -> Error {
        match self.repository_failure() {
            Some(error) => error.into(),
            None => Error::Source { action: "read", path: self.name().into(), source },
        }
    }

    /// The error of the repository that hides behind what a reader took for damage, if there is one.
    ///
    /// # Errors
    /// That one.
    pub(crate) fn check_failure(&self) -> Result<(), Error> {
        self.repository_failure().map_or(Ok(()), |error| Err(error.into()))
    }

    /// Why a segment could not be read: the repository's own error, or what is wrong with the segment.
    pub(crate) fn segment_failed(&self, segment: &SegmentId, source: QdrantError) -> Error {
        self.stored_failed(format!("segment {segment}"), source)
    }

    /// Why the ids of points could not be read.
    pub(crate) fn ids_failed(&self, source: QdrantError) -> Error {
        self.stored_failed("the ids of its points".to_owned(), source)
    }

    /// Why a point could not be read.
    pub(crate) fn point_failed(&self, id: &PointId, source: QdrantError) -> Error {
        self.stored_failed(format!("point {id}"), source)
    }

    /// Why something in it could not be read.
    pub(crate) fn stored_failed(&self, what: String, source: QdrantError) -> Error {
        match self.repository_failure() {
            Some(error) => error.into(),
            None => Error::NotReadable { snapshot: self.name(), what, source },
        }
    }

    fn repository_failure(&self) -> Option<RepositoryError> {
        match self {
            Self::File(_) => None,
            Self::Backup(backup) => backup.take_failure(),
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
            Self::Backup(backup) => backup.record().bytes,
        }
    }
}

/// The class of a row's bytes; `None` for nested archives, which have none of their own, and for directories.
#[must_use]
pub fn class_of(row: &CatalogueRow) -> Option<Class> {
    let is_directory = row.head.entry().is_some_and(|entry| entry.is_directory());
    // A class follows from the path alone; only lengths of rows and blocks have to be learned.
    let label = || Classifier::new().label(&BodyPath::from(&row.head.path), BodySize::declared(&row.head));
    (row.role != RowRole::Archive && !is_directory).then(|| label().class)
}

/// What is known of a snapshot that it does not say itself: from the backup's record, or from the name and directory of the file.
pub(crate) fn subject_of(content: &Content<'_>, outline: &SnapshotOutline) -> Subject {
    match content {
        Content::File(file) => describe_file(file, outline),
        Content::Backup(backup) => backup.record().subject.clone(),
    }
}

/// Gives the only collection and the only shard of a snapshot the name and the number that the snapshot itself does not say.
pub(crate) fn name_parts(outline: &mut SnapshotOutline, subject: &Subject) {
    let [collection] = &mut outline.collections[..] else { return };
    if collection.name.is_none() {
        collection.name.clone_from(&subject.collection);
    }
    if let ([shard], [note]) = (&mut collection.shards[..], &subject.shards[..]) {
        shard.id = shard.id.or(note.id);
    }
}

/// Refuses paths that no entry of a snapshot may have.
///
/// # Errors
/// [`Error::EntryPathInvalid`] for empty and absolute paths and such with `..`, at any tar level.
pub fn check_entry_path(path: &str) -> Result<(), Error> {
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
