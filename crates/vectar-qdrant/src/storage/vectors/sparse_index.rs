//! The inverted index of a sparse vector: whether its files are there and fit. Derived data; its content is not looked at.
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
//! The length was seen to hold for every sparse index in the snapshots of the tests, and in segments of Qdrant's engine
//! with weights of float32, float16 and uint8. Source: `qdrant v1.19.0 lib/segment/src/index/sparse_index/`,
//! `lib/sparse/src/index/inverted_index/inverted_index_compressed_mmap.rs`.

use serde::Deserialize;

use super::files::{index_directory, missing, object, open, read_json};
use crate::config::Datatype;
use crate::error::QdrantError;
use crate::finding::{FindingLevel, Findings};
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

/// Reports what is wrong with the index of the sparse vector `name`.
pub(super) fn audit(files: &dyn StorageFiles, name: &str, state: &SparseVectorState, findings: &mut Findings) {
    if !matches!(state.index.index_type, SparseIndexKind::ImmutableRam | SparseIndexKind::Mmap) {
        return;
    }
    let directory = index_directory(name);
    let version_path = format!("{directory}/version.info");
    let version = files.open(&version_path).and_then(|file| file.read_all(VERSION_BYTES_MAX).ok());
    if version.as_deref() != Some(VERSION) {
        let found = version.map_or("nothing".to_owned(), |version| String::from_utf8_lossy(&version).into_owned());
        findings.add(REBUILT.finding(&version_path, format!("{version_path} holds {found:?}, expected \"0.2.0\"")));
        return;
    }
    for file in ["sparse_index_config.json", "indices_tracker.json"] {
        let path = format!("{directory}/{file}");
        if files.open(&path).is_none() {
            findings.add(INDEX.finding(&path, missing(&path).to_string()));
        }
    }
    match expected_bytes(files, &directory, state) {
        Err(error) => findings.add(INDEX.finding(object(&error, &directory), error.reason())),
        Ok((found, Some(expected))) if found != expected => {
            let what = format!("{found} bytes, expected {expected}");
            findings.add(INDEX.finding(&format!("{directory}/inverted_index.dat"), what));
        }
        Ok(_) => {}
    }
}

/// Whether the vector has an index on disk in which there is nothing.
pub(super) fn is_empty(files: &dyn StorageFiles, name: &str, state: &SparseVectorState) -> bool {
    let path = format!("{}/inverted_index_config.json", index_directory(name));
    let config = open(files, &path).and_then(|file| read_json::<ConfigFile>(&file));
    state.index.index_type != SparseIndexKind::MutableRam && config.is_ok_and(|config| config.vector_count == Some(0))
}

/// Bytes that the posting lists take, and must take; `None` for versions that do not say it.
fn expected_bytes(
    files: &dyn StorageFiles,
    directory: &str,
    state: &SparseVectorState,
) -> Result<(u64, Option<u64>), QdrantError> {
    let config: ConfigFile = read_json(&open(files, &format!("{directory}/inverted_index_config.json"))?)?;
    let postings = open(files, &format!("{directory}/inverted_index.dat"))?;
    let header_bytes = match state.index.datatype {
        None | Some(Datatype::Float32 | Datatype::Float16) => 24,
        Some(Datatype::Uint8) => 32,
        Some(Datatype::Turbo4 | Datatype::Other(_)) => return Ok((postings.len(), None)),
    };
    let Some(lists_bytes) = config.total_sparse_size else { return Ok((postings.len(), None)) };
    let headers_bytes = config.posting_count.checked_mul(header_bytes);
    let expected = headers_bytes.and_then(|bytes| bytes.checked_add(lists_bytes)).unwrap_or(u64::MAX);
    Ok((postings.len(), Some(expected)))
}
