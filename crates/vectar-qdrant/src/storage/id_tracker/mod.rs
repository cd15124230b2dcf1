//! Id trackers: which points a segment holds, and in which row of its storages.
//!
//! A row is a number that all storages of a segment share. Which of three trackers a segment has follows from its files:
//!
//! | Files | Tracker | Read by |
//! |---|---|---|
//! | `mutable_id_tracker.mappings`, `.versions` | mutable: a log | [`mutable`] |
//! | `id_tracker.mappings`, `.deleted`, `.versions` | immutable: a list | [`immutable`] |
//! | `id_tracker.i2e`, `.e2i`, `.is_uuid`, `.deleted`, `.versions` | disk: sorted runs | [`disk`] |
//! | none, and the segment takes new points | empty | |
//! | none, and a RocksDB backup (up to v1.17) | not readable | |
//!
//! As the server decides (`qdrant v1.19.0 lib/segment/src/id_tracker/format_detection.rs`) an appendable segment is read through
//! the log whatever else is there, any other through `i2e`, else `mappings`, else the log.
//!
//! *Invariants*: opening reads every record once or twice and allocates by records seen, never by a number in a header; what
//! [`IdTracker::points`] gives is in strictly ascending order, and each row of it is live.

mod audit;
mod deleted;
mod disk;
mod immutable;
mod links;
mod mutable;
mod points;
mod versions;

pub use points::Points;

use super::bits::Bits;
use super::file::StorageFiles;
use crate::error::{QdrantError, QdrantErrorKind};
use crate::finding::{Finding, FindingLevel, Findings};
use crate::point_id::PointId;
use links::SortedIds;
use versions::{Versions, VersionsReader};

/// One live point of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PointRow {
    /// The id a user gave it.
    pub id: PointId,
    /// Its row in every storage of the segment.
    pub row: u32,
    /// The last operation that touched it; `None` when the versions file does not reach that far. Of copies of a point in several
    /// segments the one of the highest version counts.
    pub version: Option<u64>,
}

/// Which tracker a segment has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IdTrackerKind {
    /// No files: the segment never got a point.
    Empty,
    /// A log, of a segment that takes new points.
    Mutable,
    /// A list, of an optimized segment.
    Immutable,
    /// Sorted runs, of an optimized segment (v1.19.0+).
    Disk,
}

impl IdTrackerKind {
    /// The name shown to users and written to JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Mutable => "mutable",
            Self::Immutable => "immutable",
            Self::Disk => "disk",
        }
    }
}

/// The points of a segment and their rows.
///
/// Memory: one bit for each row. A mutable tracker, and an immutable one whose ids do not ascend, also keep their ids: 16 bytes
/// for a number, 24 for a UUID. Others are read from their file when they are asked.
pub struct IdTracker<'f> {
    files: &'f dyn StorageFiles,
    kind: IdTrackerKind,
    rows: u64,
    live: Bits,
    live_points: u64,
    duplicate_rows: u64,
    versions: Versions<'f>,
    mapping: Mapping<'f>,
    /// What opening saw, for the audit.
    found: Findings,
}

/// Where ids are found.
#[derive(Debug)]
enum Mapping<'f> {
    /// In memory.
    Sorted(SortedIds),
    /// In an immutable tracker's file, in scroll order.
    Ascending(immutable::Ascending<'f>),
    /// In a disk tracker's files.
    Disk(disk::DiskMapping<'f>),
}

impl std::fmt::Debug for IdTracker<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IdTracker")
            .field("kind", &self.kind)
            .field("rows", &self.rows)
            .field("live_points", &self.live_points)
            .finish_non_exhaustive()
    }
}

impl<'f> IdTracker<'f> {
    /// Opens the tracker of the segment whose files these are. `is_appendable` is what `segment.json` says, `None` when that is not
    /// known.
    ///
    /// # Errors
    /// [`QdrantError::NotReadable`] for RocksDB and for versions of the disk tracker that are not known;
    /// [`QdrantError::FileMissing`] when the tracker, or a file without which no point can be told, is not there;
    /// [`QdrantError::FileDamaged`] for a record that cannot be right. Versions may be missing; that is for the audit.
    pub fn open(files: &'f dyn StorageFiles, is_appendable: Option<bool>) -> Result<Self, QdrantError> {
        let is_listed = |path: &str| files.list(path).iter().any(|listed| listed == path);
        let log = is_listed(mutable::MAPPINGS) || is_listed(mutable::VERSIONS);
        let runs = is_listed(disk::ROW_IDS);
        let list = is_listed(immutable::MAPPINGS);
        let mut found = Findings::default();
        if let Some(other) = runs.then_some(disk::ROW_IDS).or(list.then_some(immutable::MAPPINGS)) {
            note_leftovers(is_appendable, log, other, &mut found);
        }
        match is_appendable {
            Some(true) if log => mutable::open(files, found),
            _ if runs => disk::open(files, found),
            _ if list => immutable::open(files, found),
            _ if log => mutable::open(files, found),
            _ => without_files(files, is_appendable, found),
        }
    }

    /// Opens the tracker and adds all that is wrong with it to `findings`, as [`audit`](Self::audit) does; `None` when it cannot
    /// be opened, which is a finding too.
    pub fn open_audited(
        files: &'f dyn StorageFiles,
        is_appendable: Option<bool>,
        segment_version: Option<u64>,
        findings: &mut Findings,
    ) -> Option<Self> {
        match Self::open(files, is_appendable) {
            Ok(tracker) => {
                tracker.audit(segment_version, findings);
                Some(tracker)
            }
            Err(error) => {
                findings.add(unreadable(&error));
                None
            }
        }
    }

    /// Which tracker it is.
    pub fn kind(&self) -> IdTrackerKind {
        self.kind
    }

    /// Rows by the tracker: one more than the highest row that was ever linked. Vector storages of an appendable segment may hold
    /// more, all others as many.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Points that are live, each id once.
    pub fn live_points(&self) -> u64 {
        self.live_points
    }

    /// Rows beside [`live_rows`](Self::live_rows) that hold another copy of a live point. In a mutable tracker these are rows an id
    /// was linked to before it was linked anew without a delete (deferred points, v1.19); in an immutable one they are damage.
    pub fn duplicate_rows(&self) -> u64 {
        self.duplicate_rows
    }

    /// The rows of live points, one for each; has [`rows`](Self::rows) bits.
    pub fn live_rows(&self) -> &Bits {
        &self.live
    }

    /// Live points in ascending order of their ids, each id once. Loads the versions, eight bytes a row, unless points are in the
    /// order of their rows.
    ///
    /// # Errors
    /// When the versions cannot be read. The items fail when the source does; every record was checked by [`open`](Self::open).
    pub fn points(&self) -> Result<Points<'_>, QdrantError> {
        Points::new(self)
    }

    /// The file that says which id has which row.
    pub(crate) fn mappings_path(&self) -> &'static str {
        match self.kind {
            IdTrackerKind::Empty | IdTrackerKind::Mutable => mutable::MAPPINGS,
            IdTrackerKind::Immutable => immutable::MAPPINGS,
            IdTrackerKind::Disk => disk::ROW_IDS,
        }
    }

    /// The file that says which rows are deleted.
    pub(crate) fn deletes_path(&self) -> &'static str {
        match self.kind {
            IdTrackerKind::Empty | IdTrackerKind::Mutable => mutable::MAPPINGS,
            IdTrackerKind::Immutable | IdTrackerKind::Disk => deleted::DELETED,
        }
    }

    /// The versions of rows that are asked for in ascending order, those of deleted ones included.
    pub(crate) fn row_versions(&self) -> VersionsReader<'_> {
        self.versions.in_order()
    }

    /// The live point of an id. Reads about 20 KiB of an immutable tracker, 4 KiB for each halving of a disk tracker.
    ///
    /// # Errors
    /// When the source fails.
    pub fn find(&self, id: &PointId) -> Result<Option<PointRow>, QdrantError> {
        let row = match &self.mapping {
            Mapping::Sorted(ids) => ids.row(id),
            Mapping::Ascending(list) => list.row(id, &self.live)?,
            Mapping::Disk(disk) => disk.row(id)?.filter(|row| self.live.get((*row).into())),
        };
        let Some(row) = row else { return Ok(None) };
        Ok(Some(PointRow { id: *id, row, version: self.versions.of(row)? }))
    }
}

/// A segment that has files of no tracker.
fn without_files<'f>(
    files: &'f dyn StorageFiles,
    is_appendable: Option<bool>,
    found: Findings,
) -> Result<IdTracker<'f>, QdrantError> {
    // The backup beside the segment's files, or the live database of Ancient segments.
    for path in ["db_backup/", "CURRENT"] {
        if !files.list(path).is_empty() {
            let what = "ids are in RocksDB (up to v1.17), which is not read".to_owned();
            return Err(QdrantError::NotReadable { path: path.trim_end_matches('/').to_owned(), what });
        }
    }
    let has_parts = !files.list("id_tracker.").is_empty();
    if is_appendable == Some(true) && !has_parts {
        return Ok(mutable::empty(files, found));
    }
    Err(QdrantError::FileMissing { path: immutable::MAPPINGS.to_owned() })
}

/// Notes a log beside the `other` tracker, and the other tracker where Qdrant looks for a log.
fn note_leftovers(is_appendable: Option<bool>, log: bool, other: &str, found: &mut Findings) {
    if log {
        let (left, read) = match is_appendable {
            Some(true) => (other, mutable::MAPPINGS),
            _ => (mutable::MAPPINGS, other),
        };
        found.add(report(
            FindingLevel::Note,
            left,
            format!("the segment has two id trackers, of which {read} counts"),
            "none: Qdrant does not read this one",
            "nothing",
        ));
    } else if is_appendable == Some(true) {
        found.add(report(
            FindingLevel::DataLoss,
            other,
            format!("the segment is appendable, expected {}", mutable::MAPPINGS),
            "Qdrant does not read this tracker and takes the segment for empty",
            "check that segment.json and the tracker are of the same snapshot",
        ));
    }
}

/// Flags of `rows` rows, set for the rows of `ids`.
fn live_of(ids: &SortedIds, rows: u64) -> Bits {
    let mut live = Bits::default();
    if let Some(last) = rows.checked_sub(1) {
        live.set(last, false);
    }
    for row in ids.rows() {
        live.set(row.into(), true);
    }
    live
}

fn report(level: FindingLevel, object: &str, what: String, consequence: &str, advice: &str) -> Finding {
    Finding { level, object: object.to_owned(), what, consequence: consequence.to_owned(), advice: advice.to_owned() }
}

/// A tracker that cannot be read, or not to its end.
fn unreadable(error: &QdrantError) -> Finding {
    let object = match error {
        QdrantError::FileDamaged { path, .. }
        | QdrantError::FileMissing { path }
        | QdrantError::NotReadable { path, .. }
        | QdrantError::NotKnown { path, .. }
        | QdrantError::FileUnreadable { path, .. } => path.as_str(),
        _ => immutable::MAPPINGS,
    };
    let (level, consequence, advice) = match error.kind() {
        QdrantErrorKind::Unsupported => {
            (FindingLevel::Note, "none known: what it holds was not checked", "load it into a Qdrant of its version")
        }
        QdrantErrorKind::FixInput => {
            (FindingLevel::Damage, "Qdrant refuses the segment, or loses points of it", "restore another snapshot")
        }
        QdrantErrorKind::Source => {
            (FindingLevel::Damage, "not known: the snapshot could not be read there", "read the snapshot again")
        }
    };
    report(level, object, error.reason(), consequence, advice)
}

#[cfg(test)]
mod tests;
