//! The tracker of an appendable segment: a log (v1.13.5 opt-in, v1.14.0 default).
//!
//! `mutable_id_tracker.mappings` has no header. Its records (`qdrant v1.19.0
//! lib/segment/src/id_tracker/mutable_id_tracker/`):
//!
//! | First byte | Then | Bytes | Meaning |
//! |---|---|---|---|
//! | 1 | u64 number, u32 row | 13 | the number is linked to the row |
//! | 2 | 16 bytes UUID, canonical order, u32 row | 21 | the UUID is linked to the row |
//! | 3 | u64 number | 9 | the number is deleted |
//! | 4 | 16 bytes UUID | 17 | the UUID is deleted |
//!
//! Any other first byte makes Qdrant refuse the segment. A record cut off by the end of the file is dropped by the next load.
//!
//! What a log means: the last record of an id decides whether and where it lives, unless another id was linked to its row later.
//! An id that was linked to another row before, without a delete between, leaves that row behind: such rows are counted as
//! duplicates. Since v1.19.0 they may be the visible copies of points whose newer copy is deferred, which the log does not tell
//! apart. None were seen: not in real logs of v1.18.3, nor in those of `qdrant-edge-py` 0.9.0.
//!
//! Seen on v1.18.3: rows are linked in ascending order without a gap, there are as many versions as rows, and an update keeps the
//! row or follows a delete.

use super::super::bits::Bits;
use super::super::file::{StorageFiles, StoredFile, Window};
use super::links::{LinkLog, OPERATIONS_MAX};
use super::versions::Versions;
use super::{IdTracker, IdTrackerKind, Mapping, live_of, report};
use crate::error::QdrantError;
use crate::finding::{FindingLevel, Findings};
use crate::point_id::PointId;

pub(super) const MAPPINGS: &str = "mutable_id_tracker.mappings";
pub(super) const VERSIONS: &str = "mutable_id_tracker.versions";

/// Rows that may lie beyond what the length of the log makes likely.
const ROWS_SPARE: u64 = 1 << 20;

/// Replays the log. Memory: 16 bytes for each record of a number, 24 for a UUID, and 8 more where rows are linked twice.
pub(super) fn open<'f>(files: &'f dyn StorageFiles, mut found: Findings) -> Result<IdTracker<'f>, QdrantError> {
    let Some(file) = files.open(MAPPINGS) else {
        return Err(QdrantError::FileMissing { path: MAPPINGS.to_owned() });
    };
    let outline = LogOutline::of(&file)?;
    if outline.end < file.len() {
        found.add(report(
            FindingLevel::Suspicious,
            MAPPINGS,
            format!("the log ends inside of a record: {} of its bytes are there", file.len() - outline.end),
            "Qdrant cuts the record off; its operation is lost unless the WAL still holds it",
            "compare the number of points after the restore",
        ));
    }
    let mut log = LinkLog::new(outline.numbers, outline.uuids, !outline.rows_ascend);
    let mut records = Records::new(&file);
    while let Some(record) = records.next()? {
        match record.row {
            Some(row) => log.insert(record.id, row),
            None => log.delete(record.id),
        }
    }
    let replayed = log.replay();
    if replayed.displaced > 0 {
        found.add(report(
            FindingLevel::Suspicious,
            MAPPINGS,
            format!("{} ids have a row that another id was linked to later", replayed.displaced),
            "Qdrant takes these points for deleted; it never gives a row to another id",
            "compare the number of points with another snapshot",
        ));
    }
    Ok(IdTracker {
        files,
        kind: IdTrackerKind::Mutable,
        rows: outline.rows,
        live: live_of(&replayed.ids, outline.rows),
        live_points: replayed.ids.len() as u64,
        duplicate_rows: replayed.duplicate_rows,
        versions: Versions::open(files, VERSIONS),
        mapping: Mapping::Sorted(replayed.ids),
        found,
    })
}

/// What a first walk over the log tells: how much memory the second one needs, and whether rows change hands.
struct LogOutline {
    numbers: usize,
    uuids: usize,
    rows: u64,
    rows_ascend: bool,
    end: u64,
}

impl LogOutline {
    fn of(file: &StoredFile<'_>) -> Result<Self, QdrantError> {
        // Flags take a bit for each row: without this, one record of 13 bytes could ask for 512 MiB.
        let rows_max = file.len().saturating_mul(8).saturating_add(ROWS_SPARE);
        let mut outline = Self { numbers: 0, uuids: 0, rows: 0, rows_ascend: true, end: 0 };
        let mut records = Records::new(file);
        while let Some(record) = records.next()? {
            match record.id {
                PointId::Number(_) => outline.numbers += 1,
                PointId::Uuid(_) => outline.uuids += 1,
            }
            if outline.numbers as u64 + outline.uuids as u64 > OPERATIONS_MAX {
                return Err(file.damaged(outline.end, format!("more than {OPERATIONS_MAX} records")));
            }
            if let Some(row) = record.row.map(u64::from) {
                if row >= rows_max {
                    let what = format!("row {row} in a log of {} bytes, expected a row below {rows_max}", file.len());
                    return Err(file.damaged(outline.end, what));
                }
                outline.rows_ascend &= row >= outline.rows;
                outline.rows = outline.rows.max(row + 1);
            }
            outline.end = records.at;
        }
        Ok(outline)
    }
}

struct Record {
    id: PointId,
    /// `None` when the id is deleted.
    row: Option<u32>,
}

/// The whole records of a log, in order.
struct Records<'t> {
    window: Window<'t>,
    at: u64,
}

impl<'t> Records<'t> {
    fn new(file: &'t StoredFile<'t>) -> Self {
        Self { window: Window::new(file), at: 0 }
    }

    fn next(&mut self) -> Result<Option<Record>, QdrantError> {
        let (at, left) = (self.at, self.window.file().len() - self.at);
        if left == 0 {
            return Ok(None);
        }
        let kind = self.window.bytes(at, 1)?[0];
        let (id_len, is_insert) = match kind {
            1 => (8, true),
            2 => (16, true),
            3 => (8, false),
            4 => (16, false),
            other => {
                let what = format!("a record begins with {other:#04x}, expected 1 to 4");
                return Err(self.window.file().damaged(at, what));
            }
        };
        let len = 1 + id_len + if is_insert { 4 } else { 0 };
        if left < len as u64 {
            return Ok(None);
        }
        let bytes = self.window.bytes(at, len)?;
        let id = id_of(&bytes[1..=id_len]);
        let row = is_insert.then(|| u32_of(&bytes[1 + id_len..]));
        self.at += len as u64;
        Ok(Some(Record { id, row }))
    }
}

/// The id of a record: 8 bytes are a number, 16 a UUID.
pub(super) fn id_of(bytes: &[u8]) -> PointId {
    match bytes.try_into() {
        Ok(number) => PointId::Number(u64::from_le_bytes(number)),
        Err(_) => PointId::Uuid(bytes.try_into().expect("ids are of 8 or 16 bytes")),
    }
}

pub(super) fn u32_of(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().expect("four bytes are left of the record"))
}

/// The tracker of a segment that never got a point.
pub(super) fn empty(files: &dyn StorageFiles, found: Findings) -> IdTracker<'_> {
    IdTracker {
        files,
        kind: IdTrackerKind::Empty,
        rows: 0,
        live: Bits::default(),
        live_points: 0,
        duplicate_rows: 0,
        versions: Versions::none(),
        mapping: Mapping::Sorted(Default::default()),
        found,
    }
}
