//! Proving that bytes are what they should be, without writing a snapshot.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use vectar_repository::format::{event::Proof, record::BackupRecord};
use vectar_tar::{Anomaly, BodyHead, ReadAt, Severity, SplitOptions, SplitSink, SplitSummary, Splitter};

use crate::{
    engine::Engine,
    error::Error,
    observer::{CancelToken, Observer},
    rebuild::{Nowhere, Rebuilt, rebuild},
    source::{SnapshotFile, read_sidecar},
    words::hex,
};

/// Bytes read at once.
const WINDOW_BYTES: usize = 4 * 1024 * 1024;

/// Rebuilds a backup without writing it, compares all that was recorded of it, and records the proof, if the storage takes it.
///
/// It proves that the bytes come back; that a Qdrant loads them it does not prove.
///
/// # Errors
/// What [`rebuild`] meets. No proof is recorded then.
pub fn verify_backup(
    engine: &Engine,
    record: &BackupRecord,
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<(Rebuilt, Option<Proof>), Error> {
    let rebuilt = rebuild(engine, record, &mut Nowhere, observer, cancel)?;
    // On a storage that is full or read-only the bytes are as identical as anywhere.
    let proof = engine.repository().add_proof(record.id, rebuilt.sha256_compared);
    let proof = proof.inspect_err(
        |error| tracing::warn!(%error, "the backup is identical; that it was verified could not be noted"),
    );
    Ok((rebuilt, proof.ok()))
}

/// What was found in a snapshot file.
#[derive(Debug, Clone)]
pub struct FileReport {
    /// Length of the file.
    pub bytes: u64,
    /// Its SHA-256 in hex.
    pub sha256: String,
    /// What the `.checksum` beside it says, and where it lies.
    pub sidecar: Option<(PathBuf, String)>,
    /// What the tar structure of all levels shows, in the order of the file.
    pub anomalies: Vec<Anomaly>,
    /// Figures of the split, with the counts of all anomalies.
    pub summary: SplitSummary,
}

impl FileReport {
    /// Whether the sidecar, if there is one, agrees.
    #[must_use]
    pub fn checksum_agrees(&self) -> Option<bool> {
        self.sidecar.as_ref().map(|(_, expected)| *expected == self.sha256)
    }

    /// Whether anything is missing or wrong.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.checksum_agrees() == Some(false) || self.summary.anomalies.count(Severity::Damage) > 0
    }
}

/// Reads a snapshot file from end to end: digest against its sidecar, tar structure of all levels.
///
/// # Errors
/// The file cannot be read, or changed meanwhile. Damage is part of the answer.
pub fn verify_file(path: &Path, observer: &dyn Observer, cancel: &CancelToken) -> Result<FileReport, Error> {
    let file = SnapshotFile::open(path)?;
    let sidecar = read_sidecar(path)?.map(|sidecar| (sidecar.path, hex(&sidecar.sha256)));
    let mut splitter = Splitter::new(&SplitOptions::default());
    let mut hasher = Sha256::new();
    let mut window = vec![0; WINDOW_BYTES];
    let mut offset = 0;
    while offset < file.len() {
        cancel.check()?;
        let count = file.read_window(offset, &mut window)?;
        hasher.update(&window[..count]);
        splitter.push(&window[..count], &mut Forget)?;
        offset += count as u64;
        observer.progress(offset, Some(file.len()));
    }
    let summary = splitter.finish(&mut Forget)?;
    file.check_unchanged()?;
    let anomalies = summary.anomalies.iter().cloned().collect();
    Ok(FileReport { bytes: file.len(), sha256: hex(&hasher.finalize()), sidecar, anomalies, summary })
}

/// A sink that keeps nothing: the splitter itself notes what is odd.
pub(crate) struct Forget;

impl SplitSink for Forget {
    type Error = Error;

    fn framing(&mut self, _depth: u8, _bytes: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    fn begin_body(&mut self, _body: &BodyHead) -> Result<(), Error> {
        Ok(())
    }

    fn body(&mut self, _bytes: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    fn end_body(&mut self, _complete: bool) -> Result<(), Error> {
        Ok(())
    }

    fn enter_archive(&mut self, _body: &BodyHead) -> Result<(), Error> {
        Ok(())
    }

    fn leave_archive(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
