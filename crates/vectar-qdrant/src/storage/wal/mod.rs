//! The write-ahead log of a shard: the operations that were accepted, and which of them the segments may still lack.
//!
//! `wal/` holds (`qdrant v1.19.0 lib/wal/src/`, `lib/shard/src/wal.rs`; a repository of its own up to v1.17.0, unchanged since before
//! v1.5):
//!
//! | File | Meaning |
//! |---|---|
//! | `closed-<n>` | a full file; its first entry is operation n |
//! | `open-<id>` | the file being written, and one or more that wait; ids count up |
//! | `first-index` | `{"ack_index":N}`: operations below N are in the segments on disk. Absent before the first write of it, and in the empty WAL of shard snapshots |
//! | `tmp-*` | left over by a crash, removed at load |
//! | others | ignored |
//!
//! A `closed-` or `open-` file, usually preallocated to 32 MiB:
//!
//! | Offset | Bytes | Meaning |
//! |---|---|---|
//! | 0 | 3 | `wal` |
//! | 3 | 1 | version, 0 |
//! | 4 | 4 | u32 random seed of the checksums |
//! | 8 | … | entries, each a multiple of 8 bytes |
//!
//! An entry: u64 length, data, zeros up to 4 bytes before a multiple of 8, u32 checksum. All integers are little-endian. The checksum is
//! CRC-32C over everything before it in the entry; its register starts as the bit-reversed checksum of the entry before (of the first:
//! of the seed). Reading ends at the first entry whose checksum is wrong or whose length exceeds the file.
//!
//! The data is CBOR: a map with the operation's name as its key, flattened together with an optional `clock_tag`
//! (`lib/shard/src/operations/`). Very old versions wrote MessagePack; those entries cannot be read.
//!
//! # What real files say
//!
//! On the snapshots of Qdrant 1.18.3 in the tests:
//!
//! - `first-index` does not take part in numbering. The first entry of a log that has no closed file is operation 0, whatever
//!   `ack_index` says; `open-` files that have entries continue behind the last closed one. So numbered, the version of the newest segment
//!   is never above the last operation.
//! - `ack_index` is the first operation that is read again at load, not the last that was applied: it lags, and the entry at
//!   `ack_index` itself is in the segments already. A log of a few operations may have no `first-index` yet.
//! - The first entry of a new log is an `upsert_points` of no points, without a clock tag; changes of the schema stand twice, once
//!   without and once with a clock tag.
//! - The empty WAL of a shard snapshot is one `closed-<n>` without entries, n above the versions of all segments.
//! - UUIDs are byte strings of 16 bytes, vectors single floats, as sent by the client.
//!
//! What cannot be, such as a gap between two closed files, is a fault that the reader notes and passes over, so that the rest can be looked at; see [`Wal::faults`].

mod audit;
mod cbor;
mod operation;
mod segment;

pub use operation::WalOperation;
pub use segment::{WalEnd, WalSegment};

use serde::Deserialize;

use self::audit::Fault;
use self::segment::Entries;
use super::file::{StorageFiles, StoredFile};
use crate::error::QdrantError;
use crate::finding::{Finding, Findings};
use crate::json;

/// The directory in a shard.
const DIRECTORY: &str = "wal/";

/// The write-ahead log of one shard.
#[derive(Debug)]
pub struct Wal<'f> {
    segments: Vec<WalSegment>,
    /// The file of each segment.
    files: Vec<StoredFile<'f>>,
    acknowledged: Option<u64>,
    faults: Vec<Finding>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalEntry {
    /// Number of the operation.
    pub number: u64,
    /// Bytes of its data.
    pub bytes: u64,
    /// What it does.
    pub operation: WalOperation,
}

/// The name of a WAL file, taken apart. Ordered as the files follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum WalFileName {
    Closed(u64),
    Open(u64),
}

impl WalFileName {
    /// `None` for files that Qdrant ignores; `Err` for those it refuses.
    fn parse(name: &str) -> Option<Result<Self, ()>> {
        let (kind, number) = name.split_once('-')?;
        let kind = match kind {
            "closed" => Self::Closed,
            "open" => Self::Open,
            _ => return None,
        };
        Some(number.parse().map(kind).map_err(|_| ()))
    }
}

impl<'f> Wal<'f> {
    /// Opens the WAL of the shard whose files these are, and checks the chain of all entries. Reads what is used of each file once;
    /// holds a few words for each file.
    ///
    /// Damage is no error here: it is noted as a fault, and what can be read is.
    ///
    /// # Errors
    /// [`QdrantError::FileMissing`] when the shard has no WAL file at all; [`QdrantError::FileUnreadable`] when the source fails.
    pub fn open(files: &'f dyn StorageFiles) -> Result<Self, QdrantError> {
        let mut wal = Self { segments: Vec::new(), files: Vec::new(), acknowledged: None, faults: Vec::new() };
        let mut found = Vec::new();
        for path in files.list(DIRECTORY) {
            let name = &path[DIRECTORY.len()..];
            if name == "first-index" {
                wal.read_first_index(files, &path)?;
                continue;
            }
            match (WalFileName::parse(name), files.open(&path)) {
                (None, _) => {}
                (Some(Err(())), _) => {
                    wal.faults.push(Fault::NAME.finding(&path, "the name ends in no number".to_owned()))
                }
                (Some(Ok(_)), None) => {
                    wal.faults.push(Fault::HEADER.finding(&path, "the file is not there completely".to_owned()));
                }
                (Some(Ok(place)), Some(file)) => found.push((place, WalSegment::scan(name, &file)?, file)),
            }
        }
        if found.is_empty() && wal.faults.is_empty() {
            return Err(QdrantError::FileMissing { path: DIRECTORY.to_owned() });
        }
        found.sort_by_key(|(place, ..)| *place);
        for (place, segment, file) in found {
            wal.append(place, segment, file);
        }
        Ok(wal)
    }

    fn read_first_index(&mut self, files: &dyn StorageFiles, path: &str) -> Result<(), QdrantError> {
        #[derive(Deserialize)]
        struct File {
            ack_index: u64,
        }
        let parsed = match files.open(path) {
            None => Err(QdrantError::FileMissing { path: path.to_owned() }),
            Some(file) => file.read_all(json::SMALL_JSON_BYTES_MAX).and_then(|bytes| json::parse::<File>(&bytes)),
        };
        match parsed {
            Ok(file) => self.acknowledged = Some(file.ack_index),
            Err(error @ QdrantError::FileUnreadable { .. }) => return Err(error),
            Err(error) => self.faults.push(Fault::FIRST_INDEX.finding(path, error.reason())),
        }
        Ok(())
    }

    /// Numbers the entries of the file that follows, and notes what is wrong with it and its place.
    fn append(&mut self, place: WalFileName, mut segment: WalSegment, file: StoredFile<'f>) {
        let next = self.segments.last().map_or(Some(0), WalSegment::next_operation).unwrap_or(u64::MAX);
        segment.first_operation = match place {
            WalFileName::Closed(number) => number,
            WalFileName::Open(_) => next,
        };
        if segment.next_operation().is_none() {
            let what = format!("{} entries from operation {} are more than there are numbers", segment.entries, next);
            self.faults.push(Fault::NAME.finding(file.path(), what));
            segment.entries = 0;
        }
        let first = segment.first_operation;
        if !self.segments.is_empty() && first != next {
            let what = format!("operation {next} follows on the files before, and the first one here is {first}");
            let fault = if first > next { Fault::GAP } else { Fault::OVERLAP };
            self.faults.push(fault.finding(file.path(), what));
        }
        let follows_cut = self.segments.last().is_some_and(|before| before.end != WalEnd::Clean);
        if follows_cut && matches!(place, WalFileName::Open(_)) && segment.entries > 0 {
            let what = format!("a file that ends early comes before these entries: {}", segment.entries);
            self.faults.push(Fault::SHIFTED.finding(file.path(), what));
        }
        if let Some(fault) = Fault::of_end(&segment) {
            self.faults.push(fault);
        }
        self.segments.push(segment);
        self.files.push(file);
    }

    /// What `first-index` says: operations from this one on are read again when the shard is loaded, those before are in the segments.
    /// `None` without a readable file; then all are read again.
    pub fn acknowledged(&self) -> Option<u64> {
        self.acknowledged
    }

    /// Number of the first entry; `None` when there are none.
    pub fn first_operation(&self) -> Option<u64> {
        self.segments.iter().find(|segment| segment.entries > 0).map(|segment| segment.first_operation)
    }

    /// Number of the last entry; `None` when there are none.
    pub fn last_operation(&self) -> Option<u64> {
        let last = self.segments.iter().rfind(|segment| segment.entries > 0)?;
        last.first_operation.checked_add(last.entries - 1)
    }

    /// Number that the next operation will get.
    pub fn next_operation(&self) -> u64 {
        self.segments.last().and_then(WalSegment::next_operation).unwrap_or(0)
    }

    /// The files in the order of their entries.
    pub fn segments(&self) -> &[WalSegment] {
        &self.segments
    }

    /// What is wrong with files, names and chains; without a look at what the entries say. Empty for a sound WAL.
    pub fn faults(&self) -> &[Finding] {
        &self.faults
    }

    /// The entries above `operation`, ascending: the tail, when that is the highest version of the segments. (Segments that were never
    /// written to have none; then all [`entries`](Self::entries) are the tail.) An entry that is no operation is an error, and the
    /// next one follows all the same.
    pub fn entries_after(&self, operation: u64) -> WalEntries<'_> {
        WalEntries { after: Some(operation), ..self.entries() }
    }

    /// All entries, as [`entries_after`](Self::entries_after) gives them.
    pub fn entries(&self) -> WalEntries<'_> {
        WalEntries { wal: self, segment: 0, current: None, after: None, last_number: None }
    }

    /// Looks at every entry and at the numbers, and reports what is wrong: faults, entries that are no operations, a segment version
    /// (the highest of the shard's segments) or an `applied_seq` beyond the log.
    pub fn audit(&self, segment_version_max: Option<u64>, applied_seq: Option<u64>, findings: &mut Findings) {
        audit::audit(self, segment_version_max, applied_seq, findings);
    }
}

/// Entries of a [`Wal`], ascending.
#[derive(Debug)]
pub struct WalEntries<'w> {
    wal: &'w Wal<'w>,
    /// The segment that is read, or follows.
    segment: usize,
    current: Option<(u64, Entries<'w>)>,
    after: Option<u64>,
    last_number: Option<u64>,
}

impl WalEntries<'_> {
    /// Number of the entry that was given last, whether it could be read or not.
    pub fn last_number(&self) -> Option<u64> {
        self.last_number
    }
}

impl Iterator for WalEntries<'_> {
    type Item = Result<WalEntry, QdrantError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((number, entries)) = &mut self.current else {
                let segment = self.wal.segments.get(self.segment)?;
                let file = &self.wal.files[self.segment];
                self.current = Some((segment.first_operation, Entries::new(file, segment)));
                continue;
            };
            let Some(entry) = entries.next() else {
                self.current = None;
                self.segment += 1;
                continue;
            };
            let this = *number;
            *number += 1;
            if self.after.is_some_and(|after| this <= after) {
                continue;
            }
            self.last_number = Some(this);
            return Some(entry.and_then(|entry| {
                let bytes = entry.len();
                let path = self.wal.files[self.segment].path();
                Ok(WalEntry { number: this, bytes, operation: WalOperation::read(entry, path)? })
            }));
        }
    }
}

#[cfg(test)]
mod tests;
