//! The tracker of an optimized segment that stays on disk (v1.19.0, behind a flag).
//!
//! `qdrant v1.19.0 lib/segment/src/id_tracker/disk_id_tracker/on_disk_format.rs`. Both files have a header that begins with a u64
//! magic, u32 version 2 and u32 0:
//!
//! | `id_tracker.i2e` | Content |
//! |---|---|
//! | 0..16 | magic `0x51445f4932450001`, version |
//! | 16..32 | u64 rows, u64 0 |
//! | 32.. | for each row its id as u128: a number, or a UUID read as a big-endian number |
//!
//! | `id_tracker.e2i` | Content |
//! |---|---|
//! | 0..16 | magic `0x51445f4532490001`, version |
//! | 16..48 | u64 numbers a, u64 UUIDs b, u32 numbers in a block (1365), u32 UUIDs in a block (819), u64 0 |
//! | 48.. | the first number of each block, u64 each; to a multiple of 16 |
//! | then | the first UUID of each block, u128 each |
//! | then | a numbers, ascending: u64, u32 row; to a multiple of 16 |
//! | then | b UUIDs, ascending: u128, u32 row |
//!
//! Since numbers are little-endian, the bytes of a UUID are *reversed* here. Rows deleted before the segment was built are missing
//! from `e2i`; those deleted since have a flag ([`super::deleted`]). Which rows of `i2e` are UUIDs stands in `id_tracker.is_uuid`, a
//! [compact bitmask](super::super::stored_bitmask); version 1 had it behind the rows of `i2e`. Versions stand in
//! `id_tracker.versions`; servers after v1.19.0 may write `id_tracker.compact_versions` instead, which is not read.
//!
//! Points are read from `e2i` alone, in place; the audit compares it with the other two.
//!
//! Seen as above on trackers that Qdrant's own engine wrote (`qdrant-edge-py` 0.9.0 with `id_tracker_memory` cold or cached: this is
//! no longer behind a flag there): numbers and UUIDs, several blocks, dense and roaring masks, flat versions. Not seen:
//! `deleted_mask`, `compact_versions`, rows that are not in `e2i`.

use super::super::bits::Bits;
use super::super::file::{StorageFiles, StoredFile, Window};
use super::super::stored_bitmask::read_stored_bitmask;
use super::versions::Versions;
use super::{IdTracker, IdTrackerKind, Mapping, deleted, immutable, report, unreadable};
use crate::error::QdrantError;
use crate::finding::{FindingLevel, Findings};
use crate::point_id::PointId;

pub(super) const ROW_IDS: &str = "id_tracker.i2e";
const ID_ROWS: &str = "id_tracker.e2i";
const IS_UUID: &str = "id_tracker.is_uuid";
pub(super) const COMPACT_VERSIONS: &str = "id_tracker.compact_versions";

const ROW_IDS_MAGIC: u64 = 0x5144_5f49_3245_0001;
const ID_ROWS_MAGIC: u64 = 0x5144_5f45_3249_0001;
const FORMAT_VERSION: u32 = 2;
const ROW_IDS_HEADER_BYTES: u64 = 32;
const ID_ROWS_HEADER_BYTES: u64 = 48;
const ROW_ID_BYTES: u64 = 16;
const NUMBER_ENTRY_BYTES: u64 = 12;
const UUID_ENTRY_BYTES: u64 = 20;

/// Rows for each id, and beside: more would let a small file ask for much memory. An optimizer leaves deleted points out.
const ROWS_FOR_EACH_ID_MAX: u64 = 64;
const ROWS_SPARE: u64 = 1 << 20;

/// Checks that ids ascend and each has a row of its own. Memory: two bits for each row.
pub(super) fn open<'f>(files: &'f dyn StorageFiles, mut found: Findings) -> Result<IdTracker<'f>, QdrantError> {
    let file = |path: &str| files.open(path).ok_or_else(|| QdrantError::FileMissing { path: path.to_owned() });
    let row_ids = file(ROW_IDS)?;
    let rows = row_count(&row_ids, &mut found)?;
    let disk = DiskMapping::new(row_ids, file(ID_ROWS)?)?;
    disk.check_order()?;
    let ids = disk.layout.ids();
    if ids > rows || rows > ids.saturating_mul(ROWS_FOR_EACH_ID_MAX).saturating_add(ROWS_SPARE) {
        return Err(disk.row_ids.damaged(16, format!("{rows} rows, which does not fit the {ids} ids of {ID_ROWS}")));
    }
    let deleted = deleted::load(files, rows, &mut found)?;
    let (listed, live) = disk.live(rows, &deleted)?;
    let lost = (0..rows).filter(|row| !listed.get(*row) && !deleted.get(*row)).count();
    if lost > 0 {
        found.add(report(
            FindingLevel::Damage,
            ID_ROWS,
            format!("{lost} rows that are not deleted have no id, expected one for each"),
            "Qdrant does not find these points by id",
            "restore another snapshot, or upsert the points again after the restore",
        ));
    }
    let versions = Versions::open(files, immutable::VERSIONS);
    if versions.file().is_none() && files.open(COMPACT_VERSIONS).is_some() {
        found.add(report(
            FindingLevel::Note,
            COMPACT_VERSIONS,
            "versions of points are in a form that is not read".to_owned(),
            "none; but which of two segments holds the newer copy of a point is not known here",
            "nothing",
        ));
    }
    Ok(IdTracker {
        files,
        kind: IdTrackerKind::Disk,
        rows,
        live_points: live.count_ones(),
        duplicate_rows: 0,
        live,
        versions,
        mapping: Mapping::Disk(disk),
        found,
    })
}

fn row_count(file: &StoredFile<'_>, found: &mut Findings) -> Result<u64, QdrantError> {
    let mut header = [0; ROW_IDS_HEADER_BYTES as usize];
    file.read_exact_at(0, &mut header)?;
    check_header(file, &header, ROW_IDS_MAGIC)?;
    let rows = u64_at(&header, 16);
    let held = (file.len() - ROW_IDS_HEADER_BYTES) / ROW_ID_BYTES;
    if rows > held.min(1 << 32) {
        return Err(file.damaged(16, format!("{rows} rows, and the file holds {held}")));
    }
    if rows * ROW_ID_BYTES + ROW_IDS_HEADER_BYTES < file.len() {
        found.add(report(
            FindingLevel::Suspicious,
            ROW_IDS,
            format!("{} bytes, expected {}", file.len(), rows * ROW_ID_BYTES + ROW_IDS_HEADER_BYTES),
            "none: Qdrant ignores what follows the last row",
            "check that the other files of the segment are of the same snapshot",
        ));
    }
    Ok(rows)
}

fn check_header(file: &StoredFile<'_>, header: &[u8], magic: u64) -> Result<(), QdrantError> {
    let found = u64_at(header, 0);
    if found != magic {
        return Err(file.damaged(0, format!("the file begins with {found:#018x}, expected {magic:#018x}")));
    }
    let version = u32_at(header, 8);
    if version != FORMAT_VERSION {
        let what = format!("a disk id tracker of version {version}, only version {FORMAT_VERSION} is known");
        return Err(QdrantError::NotKnown { path: file.path().to_owned(), what });
    }
    Ok(())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// The bytes of a UUID that stands here as a little-endian number.
fn uuid_at(bytes: &[u8], at: usize) -> PointId {
    let mut uuid: [u8; 16] = bytes[at..at + 16].try_into().expect("sixteen bytes");
    uuid.reverse();
    PointId::Uuid(uuid)
}

/// Where the parts of `id_tracker.e2i` begin. All of them end within the file.
#[derive(Clone, Copy, Debug)]
struct Layout {
    numbers: u64,
    uuids: u64,
    block_numbers: u64,
    block_uuids: u64,
    first_uuids_at: u64,
    numbers_at: u64,
    uuids_at: u64,
}

impl Layout {
    fn read(file: &StoredFile<'_>) -> Result<Self, QdrantError> {
        let mut header = [0; ID_ROWS_HEADER_BYTES as usize];
        file.read_exact_at(0, &mut header)?;
        check_header(file, &header, ID_ROWS_MAGIC)?;
        let (numbers, uuids) = (u64_at(&header, 16), u64_at(&header, 24));
        let (block_numbers, block_uuids) = (u64::from(u32_at(&header, 32)), u64::from(u32_at(&header, 36)));
        if block_numbers == 0 || block_uuids == 0 {
            return Err(file.damaged(32, "blocks without entries"));
        }
        // Every id takes bytes of the file, which keeps the sums below from overflowing.
        if numbers > file.len() / NUMBER_ENTRY_BYTES || uuids > file.len() / UUID_ENTRY_BYTES || file.len() > 1 << 60 {
            let what = format!("{numbers} numbers and {uuids} UUIDs in a file of {} bytes", file.len());
            return Err(file.damaged(16, what));
        }
        let first_uuids_at = (ID_ROWS_HEADER_BYTES + numbers.div_ceil(block_numbers) * 8).next_multiple_of(16);
        let numbers_at = first_uuids_at + uuids.div_ceil(block_uuids) * 16;
        let numbers_end = numbers_at + numbers * NUMBER_ENTRY_BYTES;
        let uuids_at = numbers_end.next_multiple_of(16);
        let end = if uuids == 0 { numbers_end } else { uuids_at + uuids * UUID_ENTRY_BYTES };
        if end > file.len() {
            let what = format!("{numbers} numbers and {uuids} UUIDs end at {end}, and the file has {}", file.len());
            return Err(file.damaged(16, what));
        }
        Ok(Self { numbers, uuids, block_numbers, block_uuids, first_uuids_at, numbers_at, uuids_at })
    }

    fn ids(&self) -> u64 {
        self.numbers + self.uuids
    }

    /// Where the entry of an index of the scroll order stands.
    fn entry_at(&self, index: u64) -> u64 {
        match index.checked_sub(self.numbers) {
            None => self.numbers_at + index * NUMBER_ENTRY_BYTES,
            Some(index) => self.uuids_at + index * UUID_ENTRY_BYTES,
        }
    }

    /// Reads the entry at `index`, which is below [`ids`](Self::ids).
    fn entry(&self, window: &mut Window<'_>, index: u64) -> Result<(PointId, u32), QdrantError> {
        let at = self.entry_at(index);
        if index < self.numbers {
            let bytes = window.bytes(at, NUMBER_ENTRY_BYTES as usize)?;
            return Ok((PointId::Number(u64_at(bytes, 0)), u32_at(bytes, 8)));
        }
        let bytes = window.bytes(at, UUID_ENTRY_BYTES as usize)?;
        Ok((uuid_at(bytes, 0), u32_at(bytes, 16)))
    }
}

/// Both directions of the mapping, read in place.
#[derive(Debug)]
pub(super) struct DiskMapping<'f> {
    row_ids: StoredFile<'f>,
    id_rows: StoredFile<'f>,
    layout: Layout,
}

impl<'f> DiskMapping<'f> {
    fn new(row_ids: StoredFile<'f>, id_rows: StoredFile<'f>) -> Result<Self, QdrantError> {
        let layout = Layout::read(&id_rows)?;
        Ok(Self { row_ids, id_rows, layout })
    }

    /// All ids in scroll order, deleted ones included.
    pub(super) fn entries(&self) -> Entries<'_> {
        Entries { window: Window::new(&self.id_rows), layout: self.layout, next: 0 }
    }

    fn check_order(&self) -> Result<(), QdrantError> {
        let mut entries = self.entries();
        let mut last = None;
        while let Some((id, _)) = entries.next()? {
            if last.is_some_and(|last| last >= id) {
                let what = format!("{id} does not come after the id before it");
                return Err(self.id_rows.damaged(self.layout.entry_at(entries.next - 1), what));
            }
            last = Some(id);
        }
        Ok(())
    }

    /// Which rows have an id, and which of those are not deleted.
    fn live(&self, rows: u64, deleted: &Bits) -> Result<(Bits, Bits), QdrantError> {
        let none = || Bits::new(vec![0; rows.div_ceil(8) as usize], rows);
        let (mut listed, mut live) = (none(), none());
        let mut entries = self.entries();
        while let Some((id, row)) = entries.next()? {
            let row = u64::from(row);
            if row >= rows || listed.get(row) {
                let what = format!("{id} has row {row}, expected a row of its own below {rows}");
                return Err(self.id_rows.damaged(self.layout.entry_at(entries.next - 1), what));
            }
            listed.set(row, true);
            live.set(row, !deleted.get(row));
        }
        Ok((listed, live))
    }

    /// The row of an id, deleted or not.
    pub(super) fn row(&self, id: &PointId) -> Result<Option<u32>, QdrantError> {
        let mut window = Window::new(&self.id_rows);
        let (mut low, mut high) = (0, self.layout.ids());
        while low < high {
            let middle = low + (high - low) / 2;
            let (found, row) = self.layout.entry(&mut window, middle)?;
            match found.cmp(id) {
                std::cmp::Ordering::Equal => return Ok(Some(row)),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    /// Compares the directions, and the first ids of the blocks with the blocks.
    pub(super) fn audit(&self, files: &dyn StorageFiles, rows: u64, findings: &mut Findings) {
        let compared = self.compare_blocks(findings).and_then(|()| {
            let mask = files.open(IS_UUID).ok_or_else(|| QdrantError::FileMissing { path: IS_UUID.to_owned() })?;
            let is_uuid = read_stored_bitmask(&mask, rows)?;
            if is_uuid.len() != rows {
                return Err(mask.damaged(8, format!("the mask has {} bits, expected {rows}", is_uuid.len())));
            }
            self.compare_rows(&is_uuid, findings)
        });
        if let Err(error) = compared {
            findings.add(unreadable(&error));
        }
    }

    fn compare_blocks(&self, findings: &mut Findings) -> Result<(), QdrantError> {
        let layout = &self.layout;
        let (mut firsts, mut entries) = (Window::new(&self.id_rows), Window::new(&self.id_rows));
        let mut wrong = 0_u64;
        for block in 0..layout.numbers.div_ceil(layout.block_numbers) {
            let first = PointId::Number(u64_at(firsts.bytes(ID_ROWS_HEADER_BYTES + block * 8, 8)?, 0));
            wrong += u64::from(layout.entry(&mut entries, block * layout.block_numbers)?.0 != first);
        }
        for block in 0..layout.uuids.div_ceil(layout.block_uuids) {
            let first = uuid_at(firsts.bytes(layout.first_uuids_at + block * 16, 16)?, 0);
            let index = layout.numbers + block * layout.block_uuids;
            wrong += u64::from(layout.entry(&mut entries, index)?.0 != first);
        }
        if wrong > 0 {
            findings.add(report(
                FindingLevel::Damage,
                ID_ROWS,
                format!("{wrong} blocks do not begin with the id that the index names"),
                "Qdrant does not find some points by id",
                "restore another snapshot",
            ));
        }
        Ok(())
    }

    fn compare_rows(&self, is_uuid: &Bits, findings: &mut Findings) -> Result<(), QdrantError> {
        let mut window = Window::new(&self.row_ids);
        let mut entries = self.entries();
        let mut wrong = 0_u64;
        while let Some((id, row)) = entries.next()? {
            let bytes = window.bytes(ROW_IDS_HEADER_BYTES + u64::from(row) * ROW_ID_BYTES, ROW_ID_BYTES as usize)?;
            let said = match is_uuid.get(row.into()) {
                true => Some(uuid_at(bytes, 0)),
                false => (u64_at(bytes, 8) == 0).then(|| PointId::Number(u64_at(bytes, 0))),
            };
            wrong += u64::from(said != Some(id));
        }
        if wrong > 0 {
            findings.add(report(
                FindingLevel::Damage,
                ROW_IDS,
                format!("{wrong} rows have another id than in {ID_ROWS}"),
                "Qdrant answers searches with wrong ids",
                "restore another snapshot",
            ));
        }
        Ok(())
    }
}

/// Ids with their rows, in scroll order.
#[derive(Debug)]
pub(super) struct Entries<'t> {
    window: Window<'t>,
    layout: Layout,
    next: u64,
}

impl Entries<'_> {
    pub(super) fn next(&mut self) -> Result<Option<(PointId, u32)>, QdrantError> {
        if self.next >= self.layout.ids() {
            return Ok(None);
        }
        self.next += 1;
        self.layout.entry(&mut self.window, self.next - 1).map(Some)
    }
}
