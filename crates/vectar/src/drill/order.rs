//! Which backups are drilled, and in which order.

use std::{cmp::Reverse, collections::HashMap};

use vectar_repository::{BackupId, Proven, format::record::BackupRecord};

use crate::select::counts_from;

/// Puts backups into the order in which they are drilled: those that never were, the newest first; then the one whose drill is longest ago.
pub fn oldest_proof_first(backups: &mut [&BackupRecord], proven: &HashMap<BackupId, Proven>) {
    let drilled_at = |record: &BackupRecord| Some(proven.get(&record.id)?.drill.as_ref()?.0);
    backups.sort_by_key(|record| (drilled_at(record), Reverse(counts_from(record)), record.id));
}

/// Why a backup cannot be drilled at all; `None` when it can.
#[must_use]
pub fn why_not(record: &BackupRecord) -> Option<&'static str> {
    match (record.subject.kind.as_str(), &record.damaged) {
        (_, Some(_)) => Some("the snapshot was damaged when it was stored"),
        ("shard-partial", _) => Some("a partial snapshot loads only onto the shard it was asked for"),
        ("collection" | "full" | "shard" | "shard-streamed", _) => None,
        _ => Some("it is no snapshot that vectar knows"),
    }
}
