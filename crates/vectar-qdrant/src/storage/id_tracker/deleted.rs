//! Which rows of an immutable or disk tracker are deleted.
//!
//! `id_tracker.deleted`: bits, least significant first, in whole 8-byte words; 1 = deleted. Servers after v1.19.0 may write
//! `id_tracker.deleted_mask`, a [compact bitmask](super::super::stored_bitmask), instead.

use super::super::bits::Bits;
use super::super::file::{StorageFiles, StoredFile};
use super::super::stored_bitmask::read_stored_bitmask;
use super::report;
use crate::error::QdrantError;
use crate::finding::{FindingLevel, Findings};

pub(super) const DELETED: &str = "id_tracker.deleted";
pub(super) const DELETED_MASK: &str = "id_tracker.deleted_mask";

/// Loads the flags of `rows` rows, a bit each; rows the file does not reach are not deleted, and `found` says so.
pub(super) fn load(files: &dyn StorageFiles, rows: u64, found: &mut Findings) -> Result<Bits, QdrantError> {
    let (file, flags) = match (files.open(DELETED), files.open(DELETED_MASK)) {
        (Some(file), _) => {
            let flags = load_plain(&file, rows, found)?;
            (file, flags)
        }
        (None, Some(file)) => {
            let flags = read_stored_bitmask(&file, rows)?;
            (file, flags)
        }
        (None, None) => return Err(QdrantError::FileMissing { path: DELETED.to_owned() }),
    };
    if flags.len() < rows {
        found.add(report(
            FindingLevel::Damage,
            file.path(),
            format!("the flags end at row {}, expected {rows} rows", flags.len()),
            "points deleted beyond that row come back",
            "restore another snapshot, or delete these points again after the restore",
        ));
    }
    Ok(flags)
}

fn load_plain(file: &StoredFile<'_>, rows: u64, found: &mut Findings) -> Result<Bits, QdrantError> {
    let expected = rows.div_ceil(64) * 8;
    let mut bytes = vec![0; file.len().min(expected) as usize];
    file.read_exact_at(0, &mut bytes)?;
    let set = bytes.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>();
    let flags = Bits::new(bytes, rows);
    if file.len() > expected || flags.count_ones() < set {
        found.add(report(
            FindingLevel::Suspicious,
            file.path(),
            format!("{} bytes with flags behind the last row, expected {expected} bytes for {rows} rows", file.len()),
            "none: Qdrant ignores what lies behind the last row",
            "check that the other files of the segment are of the same snapshot",
        ));
    }
    Ok(flags)
}
