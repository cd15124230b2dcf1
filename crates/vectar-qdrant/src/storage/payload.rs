//! Payloads of a segment.
//!
//! `payload_storage/` is a [`Gridstore`] whose slot is the row and whose value is a compact JSON object
//! (`qdrant v1.19.0 lib/segment/src/payload_storage/mmap_payload_storage.rs`). A row without a payload may have no slot, or `{}`.
//! Up to v1.15 payloads could lie in RocksDB instead; those cannot be read.
//!
//! # Numbers and order
//!
//! The server keeps numbers as `serde_json` does without `arbitrary_precision`: an integer as `i64` or `u64`, everything else as the
//! `f64` it parses to; and it wrote the text from these. So there is no longer number in it that parsing here could cut: on the real
//! snapshots in the tests each number of each payload, parsed and written again, is the same text, and all sample payloads equal the
//! server's answers.
//!
//! The order of members is another matter: the server keeps the order in which the client sent them (it is built with
//! `preserve_order`), and the text has it. [`PayloadReader::payload`] gives a map that is sorted by name unless the program turns that
//! feature on: equal as a value, not as text. Who writes payloads out as the server does copies [`PayloadReader::json`].

use std::{collections::BTreeSet, fmt};

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::bits::Bits;
use super::file::StorageFiles;
use super::gridstore::{Gridstore, GridstoreFigures, GridstoreReader};
use super::members;
use crate::error::{QdrantError, brief};
use crate::finding::Findings;
use crate::segment::{PayloadStorageKind, SegmentState};

/// Where the Gridstore lies in a segment.
const DIRECTORY: &str = "payload_storage";

/// The payload of a row without one.
const EMPTY: &[u8] = b"{}";

/// The payloads of a segment.
#[derive(Debug)]
pub struct PayloadStorage<'f> {
    store: Gridstore<'f>,
}

impl<'f> PayloadStorage<'f> {
    /// Opens the payloads of the segment whose files these are and whose `segment.json` says `state`.
    ///
    /// # Errors
    /// [`QdrantError::NotReadable`] for payloads in RocksDB; else as [`Gridstore::open`].
    pub fn open(files: &'f dyn StorageFiles, state: &SegmentState) -> Result<Self, QdrantError> {
        let not_readable = |what: String| Err(QdrantError::NotReadable { path: DIRECTORY.to_owned(), what });
        match &state.payload_storage {
            Some(PayloadStorageKind::Mmap | PayloadStorageKind::InRamMmap) | None => {
                Ok(Self { store: Gridstore::open(files, DIRECTORY)? })
            }
            Some(kind @ (PayloadStorageKind::InMemory | PayloadStorageKind::OnDisk)) => {
                not_readable(format!("payloads of the kind {kind} are in RocksDB, which cannot be read"))
            }
            Some(PayloadStorageKind::Other(kind)) => {
                let what = format!("payloads of the kind {:?} are not known", brief(kind));
                Err(QdrantError::NotKnown { path: "segment.json".to_owned(), what })
            }
        }
    }

    /// Rows that have or had a payload; rows behind have none.
    pub fn rows(&self) -> u64 {
        self.store.slots()
    }

    /// What the payloads weigh. See [`Gridstore::figures`].
    ///
    /// # Errors
    /// As [`Gridstore::figures`].
    pub fn figures(&self) -> Result<GridstoreFigures, QdrantError> {
        self.store.figures()
    }

    /// A reader. Each thread takes its own; cheapest in ascending order of rows.
    pub fn reader(&self) -> PayloadReader<'_> {
        PayloadReader { values: self.store.reader() }
    }

    /// Looks at every payload and every block. `live` marks the rows that are not deleted, when that is known.
    pub fn audit(&self, live: Option<&Bits>, findings: &mut Findings) {
        self.store.audit_rows(live, findings, &mut |_, value| check_object(value));
    }
}

/// A payload as it is stored. Equal ones stand for equal payloads; two that differ may do so too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredPayload<'p> {
    is_lz4: bool,
    /// `None` for a row without one.
    bytes: Option<&'p [u8]>,
}

/// Reads payloads row by row.
#[derive(Debug)]
pub struct PayloadReader<'r> {
    values: GridstoreReader<'r>,
}

impl PayloadReader<'_> {
    /// The JSON text as it is stored; `{}` for a row without a payload. It is not parsed, so it may be anything in a damaged file.
    ///
    /// # Errors
    /// [`QdrantError::FileDamaged`] when the value cannot be read.
    pub fn json(&mut self, row: u32) -> Result<&[u8], QdrantError> {
        Ok(self.values.value(row.into())?.unwrap_or(EMPTY))
    }

    /// Whether a payload is stored for the row, whatever it is.
    ///
    /// # Errors
    /// When the source fails.
    pub(crate) fn is_stored(&mut self, row: u32) -> Result<bool, QdrantError> {
        self.values.has_value(row.into())
    }

    /// What is stored of a row, neither decompressed nor parsed.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub fn stored(&mut self, row: u32) -> Result<StoredPayload<'_>, QdrantError> {
        Ok(StoredPayload { is_lz4: self.values.is_lz4(), bytes: self.values.stored(row.into())? })
    }

    /// The payload of a row, parsed; empty for a row without one. It costs up to some thirty times its text for a moment.
    ///
    /// # Errors
    /// [`QdrantError::FileDamaged`] when the value cannot be read or is no JSON object.
    pub fn payload(&mut self, row: u32) -> Result<Map<String, Value>, QdrantError> {
        serde_json::from_slice(self.json(row)?).map_err(|error| no_object(row, &error))
    }

    /// As [`payload`](Self::payload), with these members only: what the others hold is passed over, not built.
    ///
    /// # Errors
    /// As [`payload`](Self::payload).
    pub fn members(&mut self, row: u32, keys: &BTreeSet<String>) -> Result<Map<String, Value>, QdrantError> {
        members::parse(self.json(row)?, keys).map_err(|error| no_object(row, &error))
    }
}

fn no_object(row: u32, error: &serde_json::Error) -> QdrantError {
    QdrantError::FileDamaged {
        path: DIRECTORY.to_owned(),
        offset: 0,
        what: format!("the payload of row {row} is no JSON object: {}", brief(error)),
    }
}

/// Checks that these bytes are a JSON object that the server can read, without building it.
fn check_object(value: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(value).map_err(|error| format!("the payload is not UTF-8: {error}"))?;
    if !text.trim_start().starts_with('{') {
        return Err("the payload is no JSON object".to_owned());
    }
    serde_json::from_str::<Checked>(text)
        .map(drop)
        .map_err(|error| format!("the payload is not JSON: {}", brief(&error)))
}

/// A JSON value of which nothing is kept. What is merely skipped may hold numbers and escapes that cannot be parsed, and be deeper than the
/// server reads.
struct Checked;

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CheckedVisitor)
    }
}

struct CheckedVisitor;

impl<'de> Visitor<'de> for CheckedVisitor {
    type Value = Checked;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_str<E>(self, _: &str) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Checked, A::Error> {
        while elements.next_element::<Checked>()?.is_some() {}
        Ok(Checked)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Checked, A::Error> {
        while members.next_entry::<Checked, Checked>()?.is_some() {}
        Ok(Checked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_the_server_can_read_and_nothing_else() {
        let deep = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        let long = format!("{{\"a\":[{}[]]}}", "[],".repeat(1000));
        for text in ["{}", r#"{"a":[1,-2.5e300,"ž"]}"#, &deep(126), &long] {
            check_object(text.as_bytes()).unwrap();
            serde_json::from_str::<Map<String, Value>>(text).unwrap();
        }
        let never = [r#"{"a":1e999}"#, r#"{"a":"\ud800"}"#, r#"{"a":"\x"}"#, r#"{"\udc00":1}"#, r#"{1:1}"#];
        for text in never.into_iter().chain([
            "",
            "[]",
            "7",
            "\0\0\0",
            "{",
            r#"{"a":}"#,
            r#"{"a":1}x"#,
            &deep(127),
            &deep(100_000),
        ]) {
            check_object(text.as_bytes()).unwrap_err();
            serde_json::from_str::<Map<String, Value>>(text).unwrap_err();
        }
        check_object(b"{\"a\":\"\xff\"}").unwrap_err();
    }

    #[test]
    fn payloads_in_rocksdb_are_said_to_be() {
        for kind in ["in_memory", "on_disk", "tape"] {
            let state = SegmentState { payload_storage: Some(kind.to_owned().into()), ..SegmentState::default() };
            let files = std::collections::BTreeMap::new();
            let error = PayloadStorage::open(&files, &state).unwrap_err();
            assert_eq!(error.kind(), crate::error::QdrantErrorKind::Unsupported, "{kind}");
        }
    }
}
