//! What a file shows before its bytes are stored: its structure, and whether a backup or a checksum speaks of it.

use vectar_qdrant::{Class, Classifier, SMALL_JSON_BYTES_MAX, SnapshotOutline};
use vectar_repository::{ChunkReader, format::record::BackupRecord};
use vectar_tar::{Catalogue, CatalogueRow, ReadAt, RowRole, SplitOptions, TarError, catalogue};

use super::{CHECK_CACHE_BYTES, IngestOptions, body_path, body_size, judge};
use crate::{
    engine::Engine,
    error::Error,
    observer::CancelToken,
    source::{Sidecar, SnapshotFile, read_sidecar},
    words::hex,
};

/// What a file shows before its bytes are stored.
#[derive(Default)]
pub(super) struct Look {
    pub(super) classifier: Classifier,
    /// Its bodies, if there are not too many.
    pub(super) rows: Vec<CatalogueRow>,
    pub(super) outline: Option<SnapshotOutline>,
    /// The checksum beside it.
    pub(super) sidecar: Option<Sidecar>,
    /// Its SHA-256, if there was one to compare it with.
    pub(super) sha256: Option<[u8; 32]>,
    /// Why it is damaged by the checksum beside it, where damaged ones are wanted.
    pub(super) damaged: Option<String>,
}

impl Look {
    /// Reads headers, small files and the checksum beside the file.
    pub(super) fn at(file: &SnapshotFile, options: &IngestOptions) -> Result<Self, Error> {
        let mut look = Self::default();
        match list_file(file) {
            Ok(catalogue) => {
                judge(&file.name(), &catalogue.summary.anomalies, options)?;
                look.outline = Some(SnapshotOutline::build(&catalogue, |row| read_small(file, row)));
                look.classifier = learn(file, &catalogue);
                look.rows = catalogue.rows;
            }
            // Too many to look at beforehand, and stored as a stream would be.
            Err(Error::Tar { source: TarError::TooManyRows { .. }, .. }) => {}
            Err(error) => return Err(error),
        }
        look.sidecar = read_sidecar(file.path())?;
        Ok(look)
    }

    /// Computes the SHA-256 of the file where there is one to compare it with: beside the file, or in a record of the same name and length.
    /// Returns the backup of the same name that holds the same bytes, if everything behind it is sound.
    ///
    /// # Errors
    /// The file cannot be read or is not what its checksum says, the index failed, or the caller asked to stop.
    pub(super) fn compare_digests(
        &mut self,
        engine: &Engine,
        file: &SnapshotFile,
        options: &IngestOptions,
        known: &[BackupRecord],
        cancel: &CancelToken,
    ) -> Result<Option<BackupRecord>, Error> {
        let candidates: Vec<&BackupRecord> =
            known.iter().filter(|record| record.bytes == file.len() && record.subject.name == file.name()).collect();
        if self.sidecar.is_none() && candidates.iter().all(|record| record.sha256.is_none()) {
            return Ok(None);
        }
        let sha256 = file.sha256(cancel)?;
        self.sha256 = Some(sha256);
        if let Some(sidecar) = &self.sidecar {
            self.damaged = compare_sidecar(file, sidecar, &sha256, options)?;
        }
        let digest = hex(&sha256);
        let reader = ChunkReader::new(engine.repository(), CHECK_CACHE_BYTES);
        for record in candidates.into_iter().rev().filter(|record| record.sha256.as_ref() == Some(&digest)) {
            if reader.sound_packs_behind(&record.root, record.bytes)?.is_some() {
                return Ok(Some(record.clone()));
            }
        }
        Ok(None)
    }

    /// The bodies that need not be read when they are stored already: what they say is not needed either. `finds_rows` tells whether trackers
    /// are, which say where values lie.
    pub(super) fn skippable(&self, finds_rows: bool) -> impl Iterator<Item = &CatalogueRow> {
        self.rows.iter().filter(move |row| {
            let (path, size) = (body_path(&row.head), body_size(&row.head));
            let label = self.classifier.label(&path, size);
            let is_tracker = finds_rows && label.identity.path.ends_with("/tracker.dat");
            !self.classifier.wants(&path, size) && label.class != Class::SmallJson && !is_tracker
        })
    }
}

/// Lists what is in a snapshot file.
fn list_file(file: &SnapshotFile) -> Result<Catalogue, Error> {
    catalogue(file, &SplitOptions::default()).map_err(|error| match error {
        TarError::Read { source, .. } => Error::Source { action: "read", path: file.path().to_owned(), source },
        TarError::SourceShrank { offset, len } => {
            let change = format!("it had {len} bytes and now ends at {offset}");
            Error::SourceChanged { path: file.path().to_owned(), change }
        }
        source => Error::Tar { name: file.path().display().to_string(), source },
    })
}

/// Reads the stored bytes of a small body; `None` when the source does not give them.
pub(crate) fn read_small(source: &(impl ReadAt + ?Sized), row: &CatalogueRow) -> Option<Vec<u8>> {
    let len = usize::try_from(row.len).ok().filter(|&len| len as u64 <= SMALL_JSON_BYTES_MAX)?;
    let mut bytes = vec![0; len];
    let mut filled = 0;
    while filled < len {
        match source.read_at(row.head.offset + filled as u64, &mut bytes[filled..]) {
            Ok(0) | Err(_) => return None,
            Ok(count) => filled += count,
        }
    }
    Some(bytes)
}

/// Tells a classifier everything that the small files of a snapshot say.
fn learn(file: &SnapshotFile, catalogue: &Catalogue) -> Classifier {
    let mut classifier = Classifier::new();
    let leaves = catalogue.rows.iter().filter(|row| row.role == RowRole::Leaf { complete: true });
    for row in leaves {
        let path = body_path(&row.head);
        if classifier.wants(&path, body_size(&row.head))
            && let Some(bytes) = read_small(file, row)
        {
            classifier.learn(&path, &bytes);
        }
    }
    classifier
}

/// Refuses a file that is not what its sidecar says unless damaged ones are wanted; returns what is wrong then.
fn compare_sidecar(
    file: &SnapshotFile,
    sidecar: &Sidecar,
    found: &[u8; 32],
    options: &IngestOptions,
) -> Result<Option<String>, Error> {
    let (expected, found) = (hex(&sidecar.sha256), hex(found));
    match expected == found {
        true => Ok(None),
        false if options.allow_damaged => Ok(Some(format!("its checksum file says {expected}"))),
        false => {
            let (path, sidecar) = (file.path().to_owned(), sidecar.path.clone());
            Err(Error::ChecksumMismatch { path, sidecar, expected, found })
        }
    }
}
