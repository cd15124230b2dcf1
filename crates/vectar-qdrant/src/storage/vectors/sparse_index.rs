//! The inverted index of a sparse vector: whether its files are there and fit. Derived data; of its posting lists only the length is
//! looked at.
//!
//! An index of type `MutableRam` has no files. The others have, in the directory of the vector's index:
//!
//! | file | content |
//! |---|---|
//! | `version.info` | `0.2.0`, written last; with anything else Qdrant builds the index again when it loads the segment |
//! | `sparse_index_config.json` | `{"full_scan_threshold","index_type","datatype"?}` |
//! | `inverted_index_config.json` | `{"posting_count","vector_count","total_sparse_size"?}` |
//! | `inverted_index.dat` | a header for each posting list: 24 bytes, 32 where weights are uint8; then `total_sparse_size` bytes |
//! | `indices_tracker.json` | which posting list a dimension has |
//!
//! `vector_count` is the number of vectors that had a value when the segment was built.
//!
//! The length was seen to hold for every sparse index in the snapshots of the tests, and in segments of Qdrant's engine
//! with weights of float32, float16 and uint8. Source: `qdrant v1.19.0 lib/segment/src/index/sparse_index/`,
//! `lib/sparse/src/index/inverted_index/inverted_index_compressed_mmap.rs`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::derived::is_zero;
use super::files::{index_directory, object, open, read_json};
use super::{State, VectorStorage};
use crate::config::Datatype;
use crate::error::QdrantError;
use crate::finding::{FindingLevel, Findings};
use crate::json;
use crate::segment::{SparseIndexKind, SparseVectorState};
use crate::storage::StorageFiles;
use crate::storage::tally::FaultKind;

const INDEX: FaultKind = FaultKind {
    level: FindingLevel::Damage,
    what: "the sparse index is broken",
    consequence: "Qdrant does not load the segment, or does not find points",
    advice: "take another snapshot, or restore an older one; the vectors themselves are not concerned",
};

const REBUILT: FaultKind = FaultKind {
    level: FindingLevel::Suspicious,
    what: "the sparse index is of no known version",
    consequence: "Qdrant builds it again from the vectors when it loads the segment",
    advice: "expect that loading takes longer",
};

/// The version that Qdrant loads as it is.
const VERSION: &[u8] = b"0.2.0";

/// Longest `version.info` that is looked at.
const VERSION_BYTES_MAX: u64 = 64;

#[derive(Deserialize)]
struct ConfigFile {
    posting_count: u64,
    vector_count: Option<u64>,
    total_sparse_size: Option<u64>,
}

#[derive(Deserialize)]
struct IndexFile {
    index_type: SparseIndexKind,
}

#[derive(Deserialize)]
struct IndicesFile {
    /// By the numbers that clients gave to dimensions.
    map: BTreeMap<u64, u64>,
}

/// Longest `indices_tracker.json` that is parsed. Longer ones are those of vocabularies of hundreds of thousands of words.
const INDICES_BYTES_MAX: u64 = 8 << 20;

impl VectorStorage<'_> {
    /// Reports what is wrong with the index. `filled` is the number of live vectors that have a value.
    pub(super) fn audit_sparse_index(&self, filled: u64, findings: &mut Findings) {
        let State::Sparse(state) = &self.state else { return };
        if !matches!(state.index.index_type, SparseIndexKind::ImmutableRam | SparseIndexKind::Mmap) {
            return;
        }
        let (files, directory) = (self.files, index_directory(&self.name));
        let version_path = format!("{directory}/version.info");
        let version = files.open(&version_path).and_then(|file| file.read_all(VERSION_BYTES_MAX).ok());
        if version.as_deref() != Some(VERSION) {
            let found = match (files.open(&version_path), version) {
                (None, _) => "is missing".to_owned(),
                (Some(_), Some(version)) => format!("holds {:?}", String::from_utf8_lossy(&version)),
                (Some(file), None) => format!("has {} bytes", file.len()),
            };
            findings.add(REBUILT.finding(&version_path, format!("{version_path} {found}, expected \"0.2.0\"")));
            return;
        }
        if let Err((path, what)) = audit_kind(files, &directory, state) {
            findings.add(INDEX.finding(&path, what));
        }
        let config_path = format!("{directory}/inverted_index_config.json");
        let config = match open(files, &config_path).and_then(|file| read_json::<ConfigFile>(&file)) {
            Ok(config) => config,
            Err(error) => return findings.add(INDEX.finding(object(&error, &config_path), error.reason())),
        };
        if let Err((path, what)) = audit_dimensions(files, &directory, &config) {
            findings.add(INDEX.finding(&path, what));
        }
        if let Err((path, what)) = audit_postings(files, &directory, state, &config) {
            findings.add(INDEX.finding(&path, what));
        }
        match config.vector_count {
            Some(count) if count > self.rows => {
                let what = format!("{count} vectors are indexed, and there are {} rows", self.rows);
                findings.add(INDEX.finding(&config_path, what));
            }
            Some(count) => self.audit_indexed(count, filled, findings),
            None => {}
        }
    }
}

/// What is wrong, and with which file.
type Fault = (String, String);

fn fault(path: &str, error: &QdrantError) -> Fault {
    (object(error, path).to_owned(), error.reason())
}

fn audit_kind(files: &dyn StorageFiles, directory: &str, state: &SparseVectorState) -> Result<(), Fault> {
    let path = format!("{directory}/sparse_index_config.json");
    let file =
        open(files, &path).and_then(|file| read_json::<IndexFile>(&file)).map_err(|error| fault(&path, &error))?;
    if file.index_type == state.index.index_type {
        return Ok(());
    }
    let what =
        format!("the index is of the kind {}, and segment.json says {}", file.index_type, state.index.index_type);
    Err((path, what))
}

/// Each dimension has a posting list, and each list belongs to one.
fn audit_dimensions(files: &dyn StorageFiles, directory: &str, config: &ConfigFile) -> Result<(), Fault> {
    let path = format!("{directory}/indices_tracker.json");
    let file = open(files, &path).map_err(|error| fault(&path, &error))?;
    if file.len() > INDICES_BYTES_MAX {
        return Ok(());
    }
    let bytes = file.read_all(INDICES_BYTES_MAX).map_err(|error| fault(&path, &error))?;
    let indices: IndicesFile = json::parse(&bytes).map_err(|error| fault(&path, &error))?;
    let lists: BTreeSet<u64> = indices.map.values().copied().collect();
    let (found, expected) = (lists.len() as u64, config.posting_count);
    if found != expected || indices.map.len() != lists.len() || lists.last().is_some_and(|last| *last >= expected) {
        let what = format!("{} dimensions have {found} posting lists, and there are {expected}", indices.map.len());
        return Err((path, what));
    }
    Ok(())
}

/// The length of the posting lists, and that they were written.
fn audit_postings(
    files: &dyn StorageFiles,
    directory: &str,
    state: &SparseVectorState,
    config: &ConfigFile,
) -> Result<(), Fault> {
    let path = format!("{directory}/inverted_index.dat");
    let file = open(files, &path).map_err(|error| fault(&path, &error))?;
    let expected = expected_bytes(state, config).unwrap_or(file.len());
    if file.len() != expected {
        return Err((path, format!("{} bytes, expected {expected}", file.len())));
    }
    match is_zero(&file) {
        Ok(true) => Err((path, format!("all {} bytes are zero", file.len()))),
        Ok(false) => Ok(()),
        Err(error) => Err(fault(&path, &error)),
    }
}

/// Whether the vector has an index on disk in which there is nothing.
pub(super) fn is_empty(files: &dyn StorageFiles, name: &str, state: &SparseVectorState) -> bool {
    let path = format!("{}/inverted_index_config.json", index_directory(name));
    let config = open(files, &path).and_then(|file| read_json::<ConfigFile>(&file));
    state.index.index_type != SparseIndexKind::MutableRam && config.is_ok_and(|config| config.vector_count == Some(0))
}

/// Bytes that headers and posting lists must take; `None` for versions that do not say it.
fn expected_bytes(state: &SparseVectorState, config: &ConfigFile) -> Option<u64> {
    let header_bytes = match state.index.datatype {
        None | Some(Datatype::Float32 | Datatype::Float16) => 24,
        Some(Datatype::Uint8) => 32,
        Some(Datatype::Turbo4 | Datatype::Other(_)) => return None,
    };
    let lists_bytes = config.total_sparse_size?;
    let headers_bytes = config.posting_count.checked_mul(header_bytes);
    Some(headers_bytes.and_then(|bytes| bytes.checked_add(lists_bytes)).unwrap_or(u64::MAX))
}
