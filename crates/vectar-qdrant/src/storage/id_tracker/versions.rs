//! Versions of points: for each row the number of the last operation that touched it.
//!
//! `mutable_id_tracker.versions`, `id_tracker.versions`: one u64 for each row, without a header. A row never written has 0; one
//! whose point was deleted has the number of the operation that deleted it (seen on v1.18.3), or 0.

use super::super::file::{StorageFiles, StoredFile, Window};
use crate::error::QdrantError;

const SLOT_BYTES: u64 = 8;

/// The versions of the rows, as far as the file reaches.
#[derive(Debug)]
pub(super) struct Versions<'f> {
    file: Option<StoredFile<'f>>,
}

impl<'f> Versions<'f> {
    /// Without the file no row has a version.
    pub(super) fn open(files: &'f dyn StorageFiles, path: &str) -> Self {
        Self { file: files.open(path) }
    }

    /// No file at all.
    pub(super) fn none() -> Self {
        Self { file: None }
    }

    pub(super) fn file(&self) -> Option<&StoredFile<'f>> {
        self.file.as_ref()
    }

    /// Rows that have a version.
    pub(super) fn rows(&self) -> u64 {
        self.file.as_ref().map_or(0, |file| file.len() / SLOT_BYTES)
    }

    /// The version of one row.
    pub(super) fn of(&self, row: u32) -> Result<Option<u64>, QdrantError> {
        match &self.file {
            Some(file) if u64::from(row) < self.rows() => {
                let mut slot = [0; SLOT_BYTES as usize];
                file.read_exact_at(u64::from(row) * SLOT_BYTES, &mut slot)?;
                Ok(Some(u64::from_le_bytes(slot)))
            }
            _ => Ok(None),
        }
    }

    /// For rows that are asked for in ascending order: reads ahead.
    pub(super) fn in_order(&self) -> VersionsReader<'_> {
        match &self.file {
            Some(file) => VersionsReader::Ahead { window: Window::new(file), rows: self.rows() },
            None => VersionsReader::Loaded(Vec::new()),
        }
    }

    /// For rows in any order: loads eight bytes for each of the first `rows` rows.
    pub(super) fn load(&self, rows: u64) -> Result<VersionsReader<'_>, QdrantError> {
        let rows = rows.min(self.rows());
        let mut versions = Vec::with_capacity(rows as usize);
        let mut ahead = self.in_order();
        for row in 0..rows {
            // Never `None`: the file reaches that far.
            versions.extend(ahead.of(row as u32)?);
        }
        Ok(VersionsReader::Loaded(versions))
    }
}

/// Reads many versions.
#[derive(Debug)]
pub(crate) enum VersionsReader<'t> {
    Ahead { window: Window<'t>, rows: u64 },
    Loaded(Vec<u64>),
}

impl VersionsReader<'_> {
    pub(crate) fn of(&mut self, row: u32) -> Result<Option<u64>, QdrantError> {
        match self {
            Self::Ahead { window, rows } if u64::from(row) < *rows => {
                let slot = window.bytes(u64::from(row) * SLOT_BYTES, SLOT_BYTES as usize)?;
                Ok(Some(u64::from_le_bytes(slot.try_into().expect("eight bytes were asked for"))))
            }
            Self::Ahead { .. } => Ok(None),
            Self::Loaded(versions) => Ok(versions.get(row as usize).copied()),
        }
    }
}
