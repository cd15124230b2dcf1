//! Storing a snapshot again makes its hurt backups whole.

use vectar_repository::format::record::BackupRecord;

use crate::{engine::Engine, error::Error};

/// Makes the backups whole that have the same bytes as `whole` and lost something. To be called after each ingest, with the records that
/// the repository had before; what a backup lost and the same snapshot brings back chunk for chunk is there by then.
///
/// Returns the healed ones with their records as they are now. Costs nothing when no backup has the same bytes.
///
/// # Errors
/// The storage refused something. No backup is worse than before.
pub fn heal(engine: &Engine, whole: &BackupRecord, known: &[BackupRecord]) -> Result<Vec<BackupRecord>, Error> {
    let twins = known
        .iter()
        .filter(|record| record.id != whole.id && record.bytes == whole.bytes && record.sha256 == whole.sha256)
        .filter(|record| record.sha256.is_some());
    let mut healed = Vec::new();
    for hurt in twins {
        healed.extend(engine.repository().heal(hurt, whole)?);
    }
    Ok(healed)
}
