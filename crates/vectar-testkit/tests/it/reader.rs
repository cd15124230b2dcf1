//! A small reader of snapshots that shares no code with the writer: the `tar` crate and the recipes of the format
//! reference, §4.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use serde_json::Value;

const PAGE_BYTES: usize = 32 << 20;
const BLOCK_BYTES: usize = 128;

/// Every file of a snapshot by path, sparse ones expanded, nested tars opened (`<uuid>.tar!<path>`).
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Reads a snapshot and everything nested in it.
pub(crate) fn files(snapshot: &[u8]) -> Files {
    let mut files = Files::new();
    read_level(snapshot, "", &mut files);
    files
}

fn read_level(bytes: &[u8], prefix: &str, files: &mut Files) {
    let mut archive = tar::Archive::new(bytes);
    for entry in archive.entries().expect("a tar has entries") {
        let mut entry = entry.expect("every header is valid");
        if entry.header().entry_type().is_dir() {
            continue;
        }
        let path = entry.path().expect("paths are UTF-8").to_string_lossy().into_owned();
        let mut body = Vec::with_capacity(entry.size() as usize);
        entry.read_to_end(&mut body).expect("every body is complete");
        if path.ends_with(".tar") {
            read_level(&body, &format!("{prefix}{path}!"), files);
        }
        let previous = files.insert(format!("{prefix}{path}"), body);
        assert!(previous.is_none(), "{path} is there twice");
    }
}

/// A live point as it lies in one segment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LivePoint {
    pub(crate) version: u64,
    pub(crate) payload: Value,
    pub(crate) vector: Vec<f32>,
}

/// Ids sort as Qdrant scrolls them: numbers, then UUIDs by their bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Id {
    Number(u64),
    Uuid([u8; 16]),
}

impl Id {
    pub(crate) fn spell(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Uuid(bytes) => {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
            }
        }
    }
}

/// Reads the live points of a whole snapshot. A point must not live in two segments.
pub(crate) fn live_points(files: &Files) -> BTreeMap<Id, LivePoint> {
    let mut points = BTreeMap::new();
    for folder in segment_folders(files) {
        for (id, point) in Segment::open(files, &folder).live_points() {
            assert!(points.insert(id.clone(), point).is_none(), "{} lives twice", id.spell());
        }
    }
    points
}

fn segment_folders(files: &Files) -> BTreeSet<String> {
    files.keys().filter_map(|path| path.strip_suffix("segment.json")).map(str::to_owned).collect()
}

struct Segment<'f> {
    files: &'f Files,
    folder: &'f str,
    state: Value,
}

impl<'f> Segment<'f> {
    fn open(files: &'f Files, folder: &'f str) -> Self {
        let state = serde_json::from_slice(&files[&format!("{folder}segment.json")]).unwrap();
        assert_eq!(files[&format!("{folder}version.info")], b"0.6.0");
        Self { files, folder, state }
    }

    fn file(&self, path: &str) -> Option<&'f [u8]> {
        self.files.get(&format!("{}{path}", self.folder)).map(Vec::as_slice)
    }

    fn live_points(&self) -> Vec<(Id, LivePoint)> {
        let rows = self.rows();
        let gridstore = Gridstore::open(self);
        gridstore.check_bitmask();
        let points = rows.into_iter().enumerate().filter_map(|(row, row_id)| {
            let (id, version) = row_id?;
            let payload = gridstore.payload(row).expect("a live point has a payload");
            Some((id, LivePoint { version, payload, vector: self.vector(row) }))
        });
        let points: Vec<_> = points.collect();
        let highest = points.iter().map(|(_, point)| point.version).max().unwrap_or(0);
        assert!(highest <= self.state["version"].as_u64().unwrap_or(0), "a row is newer than its segment");
        points
    }

    /// Id and version of each row; `None` for a dead one.
    fn rows(&self) -> Vec<Option<(Id, u64)>> {
        let vector = &self.state["config"]["vector_data"][""];
        let appendable = vector["index"]["type"] == "plain" && vector["storage_type"] == "InRamChunkedMmap";
        let ids = if appendable { self.mutable_ids() } else { self.immutable_ids() };
        let name = if appendable { "mutable_id_tracker.versions" } else { "id_tracker.versions" };
        let versions = self.file(name).unwrap_or_default();
        assert_eq!(versions.len(), ids.len() * 8);
        let versions = versions.chunks(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
        ids.into_iter().zip(versions).map(|(id, version)| Some((id?, version))).collect()
    }

    fn mutable_ids(&self) -> Vec<Option<Id>> {
        let mut log = Cursor(self.file("mutable_id_tracker.mappings").unwrap_or_default());
        let mut ids = Vec::new();
        while !log.0.is_empty() {
            let kind = log.take(1)[0];
            let id = if kind % 2 == 1 { Id::Number(log.u64()) } else { Id::Uuid(log.take(16).try_into().unwrap()) };
            match kind {
                1 | 2 => {
                    assert_eq!(log.u32() as usize, ids.len(), "rows are appended in order");
                    ids.push(Some(id));
                }
                3 | 4 => {
                    let row = ids.iter().position(|known| known.as_ref() == Some(&id));
                    ids[row.expect("a deleted id was inserted before")] = None;
                }
                _ => panic!("record of type {kind}"),
            }
        }
        ids
    }

    fn immutable_ids(&self) -> Vec<Option<Id>> {
        let mut mappings = Cursor(self.file("id_tracker.mappings").unwrap());
        let deleted = self.file("id_tracker.deleted").unwrap();
        let rows = mappings.u64() as usize;
        let ids = (0..rows).map(|row| {
            let id = match mappings.take(1)[0] {
                0 => Id::Number(mappings.u64()),
                1 => Id::Uuid(mappings.take(16).try_into().unwrap()),
                kind => panic!("id of kind {kind}"),
            };
            assert_eq!(mappings.u32() as usize, row);
            (deleted[row / 8] >> (row % 8) & 1 == 0).then_some(id)
        });
        let ids: Vec<_> = ids.collect();
        assert!(mappings.0.is_empty(), "bytes after the last mapping");
        ids
    }

    fn vector(&self, row: usize) -> Vec<f32> {
        let size = self.state["config"]["vector_data"][""]["size"].as_u64().unwrap() as usize * 4;
        let bytes = match self.file("vector_storage/matrix.dat") {
            Some(matrix) => {
                assert_eq!(&matrix[..4], b"data");
                &matrix[4 + row * size..][..size]
            }
            None => {
                let config: Value =
                    serde_json::from_slice(self.file("vector_storage/vectors/config.json").unwrap()).unwrap();
                let rows = config["chunk_size_vectors"].as_u64().unwrap() as usize;
                let chunk = self.file(&format!("vector_storage/vectors/chunk_{}.mmap", row / rows)).unwrap();
                assert_eq!(chunk.len(), rows * size);
                &chunk[row % rows * size..][..size]
            }
        };
        bytes.chunks(4).map(|cell| f32::from_le_bytes(cell.try_into().unwrap())).collect()
    }
}

struct Gridstore<'f> {
    tracker: &'f [u8],
    pages: Vec<u8>,
    bitmask: &'f [u8],
    gaps: &'f [u8],
}

impl<'f> Gridstore<'f> {
    fn open(segment: &Segment<'f>) -> Self {
        let file = |name: &str| segment.file(&format!("payload_storage/{name}"));
        let mut pages = Vec::new();
        while let Some(page) = file(&format!("page_{}.dat", pages.len() / PAGE_BYTES)) {
            assert_eq!(page.len(), PAGE_BYTES);
            pages.extend_from_slice(page);
        }
        Self {
            tracker: file("tracker.dat").unwrap(),
            pages,
            bitmask: file("bitmask.dat").unwrap(),
            gaps: file("gaps.dat").unwrap(),
        }
    }

    /// First byte and length of a slot's value.
    fn slot(&self, row: usize) -> Option<(usize, usize)> {
        let mut slot = Cursor(self.tracker.get(4 + row * 16..)?);
        let [tag, page, block, bytes] = [slot.u32(), slot.u32(), slot.u32(), slot.u32()];
        assert!(tag <= 1);
        (tag == 1).then_some((page as usize * PAGE_BYTES + block as usize * BLOCK_BYTES, bytes as usize))
    }

    fn payload(&self, row: usize) -> Option<Value> {
        let (first, bytes) = self.slot(row)?;
        let plain = lz4_flex::block::decompress_size_prepended(&self.pages[first..first + bytes]).unwrap();
        Some(serde_json::from_slice(&plain).unwrap())
    }

    /// Exactly the blocks of the slots are marked used, none twice, and `gaps.dat` agrees.
    fn check_bitmask(&self) {
        let slots = u32::from_le_bytes(self.tracker[..4].try_into().unwrap()) as usize;
        let mut used = vec![0_u8; self.pages.len() / BLOCK_BYTES / 8];
        for (first, bytes) in (0..slots).filter_map(|row| self.slot(row)) {
            for block in first / BLOCK_BYTES..(first + bytes).div_ceil(BLOCK_BYTES) {
                assert_eq!(used[block / 8] >> (block % 8) & 1, 0, "block {block} belongs to two values");
                used[block / 8] |= 1 << (block % 8);
            }
        }
        assert!(used == self.bitmask, "bitmask.dat does not mark the values' blocks");
        let mut gaps = Cursor(self.gaps);
        for region in used.chunks(1024) {
            let bits: String = region.iter().map(|byte| format!("{:08b}", byte.reverse_bits())).collect();
            let runs = || bits.split('1').map(str::len);
            let expected = [runs().max(), runs().next(), runs().next_back()].map(|run| run.unwrap() as u16);
            let read = [(); 3].map(|()| u16::from_le_bytes(gaps.take(2).try_into().unwrap()));
            assert_eq!(read, expected);
        }
        assert!(gaps.0.is_empty());
    }
}

struct Cursor<'b>(&'b [u8]);

impl<'b> Cursor<'b> {
    fn take(&mut self, bytes: usize) -> &'b [u8] {
        let (taken, rest) = self.0.split_at(bytes);
        self.0 = rest;
        taken
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take(4).try_into().unwrap())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take(8).try_into().unwrap())
    }
}
