//! One snapshot of the demo: in, out, and compared.

use std::path::{Path, PathBuf};

use vectar::{
    BackupRecord, CancelToken, Engine, Error, IngestOptions, IngestOutcome, ReadAt, RestoreOptions, Silent, Source,
    source::SnapshotFile,
};

use super::series::DemoSnapshot;
use crate::output::hex;

/// Bytes compared at once.
const WINDOW_BYTES: usize = 256 * 1024;

/// What became of one snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Length of the snapshot.
    pub(super) bytes: u64,
    /// Growth of the repository on disk, file sizes added up.
    pub(super) new_bytes: u64,
    /// SHA-256 of what was restored, in hex.
    pub(super) sha256: String,
    /// How the restored file differs from the original, or its digest from what the server said; `None` when neither does.
    pub(super) difference: Option<String>,
}

/// The repository of the demo, and where its snapshots come back.
#[derive(Debug)]
pub(super) struct RoundTrip<'e> {
    engine: &'e Engine,
    restored: PathBuf,
    known: Vec<BackupRecord>,
    cancel: &'e CancelToken,
}

impl<'e> RoundTrip<'e> {
    /// Restored files go to `restored`, which is there and empty.
    pub(super) fn new(engine: &'e Engine, restored: PathBuf, cancel: &'e CancelToken) -> Self {
        Self { engine, restored, known: Vec::new(), cancel }
    }

    /// Stores one snapshot, restores it and compares.
    ///
    /// # Errors
    /// The engine failed. A difference is part of the answer.
    pub(super) fn run(&mut self, snapshot: &DemoSnapshot) -> Result<Outcome, Error> {
        let before = self.engine.repository().stored_bytes()?.bytes;
        let record = self.ingest(&snapshot.path)?;
        let new_bytes = self.engine.repository().stored_bytes()?.bytes - before;
        let target = self.restored.join(format!("{}-{}.snapshot", snapshot.series, snapshot.name));
        let options = RestoreOptions { no_checksum: true, ..RestoreOptions::default() };
        vectar::restore_to_file(self.engine, &record, &target, &options, &Silent, self.cancel)?;
        let (sha256, difference) = self.compare(snapshot, &target)?;
        Ok(Outcome { bytes: record.bytes, new_bytes, sha256, difference })
    }

    fn ingest(&mut self, path: &Path) -> Result<BackupRecord, Error> {
        let (source, options) = (Source::file(path)?, IngestOptions::default());
        let record = match vectar::ingest(self.engine, source, &options, &self.known, &Silent, self.cancel)? {
            IngestOutcome::Stored(committed) => committed.record,
            IngestOutcome::AlreadyStored(record) => *record,
            IngestOutcome::Rehearsed(_) => unreachable!("only a dry run rehearses"),
        };
        self.known.push(record.clone());
        Ok(record)
    }

    /// Compares the restored file with the original, byte for byte, and its digest, computed anew, with what the server said.
    fn compare(&self, snapshot: &DemoSnapshot, target: &Path) -> Result<(String, Option<String>), Error> {
        let (original, restored) = (SnapshotFile::open(&snapshot.path)?, SnapshotFile::open(target)?);
        let sha256 = hex(&restored.sha256(self.cancel)?);
        if original.len() != restored.len() {
            let difference = format!("{} bytes came back of {}", restored.len(), original.len());
            return Ok((sha256, Some(difference)));
        }
        if let Some(offset) = first_difference(&original, &restored)? {
            return Ok((sha256, Some(format!("the bytes differ from offset {offset} on"))));
        }
        let difference = (sha256 != snapshot.sha256).then(|| format!("the server said SHA-256 {}", snapshot.sha256));
        Ok((sha256, difference))
    }
}

/// The first offset at which two files of one length differ.
fn first_difference(one: &SnapshotFile, other: &SnapshotFile) -> Result<Option<u64>, Error> {
    let (mut left, mut right) = (vec![0; WINDOW_BYTES], vec![0; WINDOW_BYTES]);
    let mut offset = 0;
    while offset < one.len() {
        let count = one.read_window(offset, &mut left)?;
        other.read_window(offset, &mut right[..count])?;
        if let Some(position) = left[..count].iter().zip(&right[..count]).position(|(left, right)| left != right) {
            return Ok(Some(offset + position as u64));
        }
        offset += count as u64;
    }
    Ok(None)
}
