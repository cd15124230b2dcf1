//! The tracker of an optimized segment: a list (v1.11.0+).
//!
//! `id_tracker.mappings` (`qdrant v1.19.0 lib/segment/src/id_tracker/immutable_id_tracker/`):
//!
//! | Bytes | Content |
//! |---|---|
//! | 0..8 | u64 number of rows |
//! | 8.. | for each row, in order: u8 0, u64 number, u32 row (13 bytes); or u8 1, 16 bytes UUID in canonical order, u32 row (21) |
//!
//! Deleted rows are listed too; their id may be of no use. What is deleted stands in [`super::deleted`], versions in
//! `id_tracker.versions`. The row in a record is always its place in the list: the server writes them so, and a record that
//! says otherwise is damage.
//!
//! Seen on every immutable tracker of real snapshots of v1.18.3: ids ascend in scroll order, so that points are read straight
//! from the file; the file ends with the last record, the flags are of the expected length, there is one version for each row, and a
//! deleted row keeps the version of the operation that deleted it.
//!
//! Where ids do not ascend (v1.11.0 to v1.13.0; collections with a tenant index) the ids of live rows are loaded and sorted: 16
//! bytes for a number, 24 for a UUID.

use super::super::bits::Bits;
use super::super::file::{StorageFiles, StoredFile, Window};
use super::links::{LinkLog, OPERATIONS_MAX};
use super::mutable::{id_of, u32_of};
use super::versions::Versions;
use super::{IdTracker, IdTrackerKind, Mapping, deleted, live_of, report};
use crate::error::QdrantError;
use crate::finding::{FindingLevel, Findings};
use crate::point_id::PointId;

pub(super) const MAPPINGS: &str = "id_tracker.mappings";
pub(super) const VERSIONS: &str = "id_tracker.versions";

const HEADER_BYTES: u64 = 8;
const RECORD_BYTES_MIN: u64 = 13;

/// Rows of which the place in the file is kept: a search reads at most as many records.
const BLOCK_ROWS: u64 = 1024;

/// Flags of so many rows are loaded (2 MiB) before the list was seen to have that many.
const ROWS_UNPROVEN_MAX: u64 = 1 << 24;

pub(super) fn open<'f>(files: &'f dyn StorageFiles, mut found: Findings) -> Result<IdTracker<'f>, QdrantError> {
    let Some(file) = files.open(MAPPINGS) else {
        return Err(QdrantError::FileMissing { path: MAPPINGS.to_owned() });
    };
    let rows = row_count(&file)?;
    if rows > ROWS_UNPROVEN_MAX {
        let mut records = Records::first(&file, rows);
        while records.next()?.is_some() {}
    }
    let deleted = deleted::load(files, rows, &mut found)?;
    let list = List::read(&file, rows, &deleted)?;
    if list.end < file.len() {
        found.add(report(
            FindingLevel::Suspicious,
            MAPPINGS,
            format!("{} bytes follow the last of {rows} records", file.len() - list.end),
            "none: Qdrant ignores them",
            "check that the other files of the segment are of the same snapshot",
        ));
    }
    let mut tracker = IdTracker {
        files,
        kind: IdTrackerKind::Immutable,
        rows,
        live_points: list.numbers as u64 + list.uuids as u64,
        duplicate_rows: 0,
        live: list.live,
        versions: Versions::open(files, VERSIONS),
        mapping: Mapping::Sorted(Default::default()),
        found,
    };
    if list.order.is_ascending() {
        tracker.mapping = Mapping::Ascending(Ascending::new(file, rows, list.blocks));
    } else {
        load(&mut tracker, &file, list.numbers, list.uuids)?;
        if let Some(strays) = list.order.strays(tracker.live_points) {
            tracker.found.add(report(
                FindingLevel::Suspicious,
                MAPPINGS,
                format!("{strays} ids stand out of the order of all others"),
                "if they are damaged, these points come back under ids that nobody gave them",
                "compare the ids with another snapshot",
            ));
        }
    }
    Ok(tracker)
}

/// Loads and sorts the ids of live rows.
fn load(tracker: &mut IdTracker<'_>, file: &StoredFile<'_>, numbers: usize, uuids: usize) -> Result<(), QdrantError> {
    let mut log = LinkLog::new(numbers, uuids, false);
    let mut records = Records::first(file, tracker.rows);
    while let Some(record) = records.next()? {
        if tracker.live.get(record.row.into()) {
            log.insert(record.id, record.row);
        }
    }
    let replayed = log.replay();
    if replayed.duplicate_rows > 0 {
        tracker.found.add(report(
            FindingLevel::Damage,
            MAPPINGS,
            format!("{} live rows have the id of another live row, expected each id once", replayed.duplicate_rows),
            "Qdrant answers from any of the rows, and counts points twice",
            "restore another snapshot, or upsert these points again after the restore",
        ));
    } else {
        tracker.found.add(report(
            FindingLevel::Note,
            MAPPINGS,
            "ids do not ascend".to_owned(),
            "none: so does v1.11.0 to v1.13.0 leave them, and every version where an index says is_tenant",
            "nothing, unless neither is the case here: then an id may be damaged",
        ));
    }
    tracker.live = live_of(&replayed.ids, tracker.rows);
    tracker.live_points = replayed.ids.len() as u64;
    tracker.duplicate_rows = replayed.duplicate_rows;
    tracker.mapping = Mapping::Sorted(replayed.ids);
    Ok(())
}

fn row_count(file: &StoredFile<'_>) -> Result<u64, QdrantError> {
    let mut header = [0; HEADER_BYTES as usize];
    file.read_exact_at(0, &mut header)?;
    let rows = u64::from_le_bytes(header);
    let rows_max = ((file.len() - HEADER_BYTES) / RECORD_BYTES_MIN).min(OPERATIONS_MAX);
    if rows > rows_max {
        let what = format!("{rows} records, expected at most {rows_max} in a file of {} bytes", file.len());
        return Err(file.damaged(0, what));
    }
    Ok(rows)
}

/// How far live ids are from ascending.
///
/// A list that Qdrant sorted ascends; one that it did not sort, or sorted by tenants, falls behind itself without coming back at the next id. An id
/// that was damaged stands alone between two neighbours that do ascend.
#[derive(Debug, Default)]
struct IdOrder {
    /// The last two live ids, the older one first.
    last: [Option<PointId>; 2],
    falls: u64,
    alone: u64,
}

impl IdOrder {
    /// Fewest ids of which one can be told to stand alone.
    const IDS_MIN: u64 = 32;

    fn see(&mut self, id: PointId) {
        let [before, last] = self.last;
        self.falls += u64::from(last >= Some(id));
        if let (Some(before), Some(last)) = (before, last) {
            let is_between = before < last && last < id;
            self.alone += u64::from(before < id && !is_between);
        }
        self.last = [last, Some(id)];
    }

    fn is_ascending(&self) -> bool {
        self.falls == 0
    }

    /// How many ids stand alone, when they are few and nothing else is out of order.
    fn strays(&self, ids: u64) -> Option<u64> {
        let are_few = self.falls <= 1 + ids / 64 && ids >= Self::IDS_MIN;
        (self.falls > 0 && self.alone >= self.falls && are_few).then_some(self.alone)
    }
}

/// What one walk over the list tells.
struct List {
    live: Bits,
    order: IdOrder,
    numbers: usize,
    uuids: usize,
    blocks: Vec<Block>,
    end: u64,
}

impl List {
    fn read(file: &StoredFile<'_>, rows: u64, deleted: &Bits) -> Result<Self, QdrantError> {
        let mut list =
            Self { live: Bits::default(), order: IdOrder::default(), numbers: 0, uuids: 0, blocks: Vec::new(), end: 0 };
        let mut records = Records::first(file, rows);
        loop {
            let place = records.place;
            let Some(record) = records.next()? else { break };
            let row = u64::from(record.row);
            if row.is_multiple_of(BLOCK_ROWS) {
                list.blocks.push(Block { place, first: None });
            }
            let is_live = !deleted.get(row);
            list.live.set(row, is_live);
            if !is_live {
                continue;
            }
            match record.id {
                PointId::Number(_) => list.numbers += 1,
                PointId::Uuid(_) => list.uuids += 1,
            }
            list.order.see(record.id);
            if let Some(block) = list.blocks.last_mut() {
                block.first.get_or_insert(record.id);
            }
        }
        list.end = records.place.at;
        Ok(list)
    }
}

/// Where a run of rows begins, and the first live id at or behind it.
#[derive(Debug)]
struct Block {
    place: Place,
    first: Option<PointId>,
}

/// A record's place in the file.
#[derive(Clone, Copy, Debug)]
struct Place {
    at: u64,
    row: u64,
}

/// A list whose live ids ascend, read in place. Memory: 40 bytes for each 1024 rows.
#[derive(Debug)]
pub(super) struct Ascending<'f> {
    file: StoredFile<'f>,
    rows: u64,
    blocks: Vec<Block>,
}

impl<'f> Ascending<'f> {
    fn new(file: StoredFile<'f>, rows: u64, mut blocks: Vec<Block>) -> Self {
        // A block without a live row must not look as if it began before its predecessor's ids.
        let mut next = None;
        for block in blocks.iter_mut().rev() {
            block.first = block.first.or(next);
            next = block.first;
        }
        Self { file, rows, blocks }
    }

    /// All records, deleted ones included.
    pub(super) fn records(&self) -> Records<'_> {
        Records::first(&self.file, self.rows)
    }

    /// The live row of an id.
    pub(super) fn row(&self, id: &PointId, live: &Bits) -> Result<Option<u32>, QdrantError> {
        let after = self.blocks.partition_point(|block| block.first.is_some_and(|first| first <= *id));
        let Some(block) = after.checked_sub(1).and_then(|index| self.blocks.get(index)) else {
            return Ok(None);
        };
        let end = (block.place.row + BLOCK_ROWS).min(self.rows);
        let mut records = Records { window: Window::new(&self.file), place: block.place, rows: end };
        while let Some(record) = records.next()? {
            // Deleted rows may have any id.
            if record.id == *id && live.get(record.row.into()) {
                return Ok(Some(record.row));
            }
        }
        Ok(None)
    }
}

pub(super) struct Record {
    pub(super) id: PointId,
    pub(super) row: u32,
}

/// Records of a list, in order.
#[derive(Debug)]
pub(super) struct Records<'t> {
    window: Window<'t>,
    place: Place,
    rows: u64,
}

impl<'t> Records<'t> {
    fn first(file: &'t StoredFile<'t>, rows: u64) -> Self {
        Self { window: Window::new(file), place: Place { at: HEADER_BYTES, row: 0 }, rows }
    }

    pub(super) fn next(&mut self) -> Result<Option<Record>, QdrantError> {
        let Place { at, row } = self.place;
        if row >= self.rows {
            return Ok(None);
        }
        let id_len = match self.window.bytes(at, 1)?[0] {
            0 => 8,
            1 => 16,
            other => {
                let what = format!("the record of row {row} begins with {other:#04x}, expected 0 or 1");
                return Err(self.window.file().damaged(at, what));
            }
        };
        let len = 1 + id_len + 4;
        let bytes = self.window.bytes(at, len)?;
        let record = Record { id: id_of(&bytes[1..=id_len]), row: u32_of(&bytes[1 + id_len..]) };
        if u64::from(record.row) != row {
            let what = format!("row {} stands at the place of row {row}", record.row);
            return Err(self.window.file().damaged(at, what));
        }
        self.place = Place { at: at + len as u64, row: row + 1 };
        Ok(Some(record))
    }
}
