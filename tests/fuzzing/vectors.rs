//! The vectors of a segment: in every storage, with flags, quantized copy and index.
//!
//! What `segment.json` says of the vector, whose name is empty, stands in `state.json`.

use std::collections::BTreeMap;

use vectar_qdrant::{
    Findings, SparseVectorState, VectorState,
    storage::{Bits, GraphMetadata, QuantizedMetadata, Vector, VectorStorage},
};

use super::{
    Verdict,
    bundle::{Bundle, BundledFile, Metered},
    segments::{digest, is_clean},
    twice,
};

/// Elements that are read of all rows together.
const ELEMENTS_MAX: u64 = 1 << 16;

/// Rows whose points are taken for alive. Each is looked at, and in a snapshot an id tracker has bytes for each.
const LIVE_MAX: u64 = 1 << 20;

/// Rows that are read.
const ROWS_MAX: u64 = 512;

/// Rows have the dimensions of the segment, and a vector without a finding can be read in full.
pub(super) fn check_dense(input: &[u8]) -> Verdict {
    let bundle = Bundle::decode(input);
    twice(|| dense(&bundle))
}

/// As [`check_dense`], of sparse vectors and their index.
pub(super) fn check_sparse(input: &[u8]) -> Verdict {
    let bundle = Bundle::decode(input);
    twice(|| {
        let Some(state) = state::<SparseVectorState>(&bundle) else { return (Verdict::Refused, String::new()) };
        let files = Metered::new(&bundle, "");
        match VectorStorage::open_sparse(&files, "", &state) {
            Ok(storage) => read(&files, &storage, None),
            Err(error) => (Verdict::Refused, error.to_string()),
        }
    })
}

fn dense(bundle: &Bundle) -> (Verdict, String) {
    let Some(state) = state::<VectorState>(bundle) else { return (Verdict::Refused, String::new()) };
    let files = Metered::new(bundle, "");
    match VectorStorage::open_dense(&files, "", &state) {
        Ok(storage) => read(&files, &storage, Some(state.size)),
        Err(error) => (Verdict::Refused, error.to_string()),
    }
}

fn state<T: serde::de::DeserializeOwned>(bundle: &Bundle) -> Option<T> {
    serde_json::from_slice(bundle.bytes("state.json")?).ok()
}

fn read(files: &Metered<'_>, storage: &VectorStorage<'_>, dim: Option<u64>) -> (Verdict, String) {
    let rows = storage.rows();
    let mut findings = Findings::default();
    let live = Bits::new(vec![0xff; rows.min(LIVE_MAX).div_ceil(8) as usize], rows);
    storage.audit(Some(rows), Some(&live), None, &mut findings);
    let is_clean = is_clean(files, &findings);
    let read_max = (ELEMENTS_MAX / dim.unwrap_or(1).max(1)).clamp(1, ROWS_MAX);
    let asked: Vec<u32> =
        (0..rows.min(read_max) as u32).chain([rows.min(u64::from(u32::MAX)) as u32, u32::MAX]).collect();
    let ascending = vectors(storage, asked.iter().copied(), dim);
    let descending = vectors(storage, asked.iter().rev().copied(), dim);
    assert_eq!(ascending, descending, "a vector depends on what was read before");
    for (row, vector) in &ascending {
        let is_there = u64::from(*row) < rows && !storage.deleted().get((*row).into());
        assert!(is_there || *vector == Ok(None), "row {row} of {rows} is flagged or behind the end: {vector:?}");
        assert!(!is_clean || vector.is_ok(), "no finding, and row {row} cannot be read: {vector:?}");
    }
    let mut other = Findings::default();
    storage.audit(None, None, Some(true), &mut other);
    let verdict = if is_clean { Verdict::Accepted } else { Verdict::Refused };
    (verdict, format!("{storage:?} {ascending:?} {findings:?} {other:?}"))
}

type Read = Result<Option<String>, String>;

fn vectors(storage: &VectorStorage<'_>, rows: impl Iterator<Item = u32>, dim: Option<u64>) -> BTreeMap<u32, Read> {
    let (mut reader, mut buffer) = (storage.reader(), Vec::new());
    let mut one = |row| {
        let stored = reader.stored(row, &mut buffer).map(|bytes| bytes.map(digest)).map_err(|error| error.to_string());
        let vector = reader.vector(row);
        // Values are looked at only where they are decoded.
        assert!(
            vector.is_err() || vector.as_ref().is_ok_and(Option::is_some) == stored.as_ref().is_ok_and(Option::is_some)
        );
        if let Ok(Some(vector)) = &vector {
            check_shape(vector, dim);
        }
        vector.map(|_| ()).map_err(|error| error.to_string()).and(stored)
    };
    rows.map(|row| (row, one(row))).collect()
}

fn check_shape(vector: &Vector, dim: Option<u64>) {
    match vector {
        Vector::Dense(elements) => assert_eq!(Some(elements.len() as u64), dim),
        Vector::Multi(inner) => assert!(inner.iter().all(|elements| Some(elements.len() as u64) == dim)),
        Vector::Sparse { indices, values } => {
            assert_eq!((indices.len(), dim), (values.len(), None));
            assert!(indices.is_sorted_by(|one, other| one < other), "indices do not ascend");
        }
    }
}

/// Rows of the storages whose flags are tried.
const FLAGGED_ROWS: usize = 100;

/// Flags in `deleted/` of vector chunk files, or with a `deleted.dat` those of a single file: whatever they are, no other row is lost.
pub(super) fn check_flags(input: &[u8]) -> Verdict {
    let flags = Bundle::decode(input);
    let is_matrix = flags.files.contains_key("deleted.dat");
    let rows: Vec<u8> = (0..2 * FLAGGED_ROWS).flat_map(|element| (1.0 + element as f32).to_le_bytes()).collect();
    let storage_type = if is_matrix { "InRamMmap" } else { "InRamChunkedMmap" };
    let state = format!(r#"{{"size":2,"distance":"Dot","storage_type":"{storage_type}","index":{{"type":"plain"}}}}"#);
    let mut bundle = Bundle::default();
    let mut add = |path: &str, bytes: Vec<u8>| bundle.files.insert(path.to_owned(), BundledFile { bytes, zeros: 0 });
    add("state.json", state.into_bytes());
    if is_matrix {
        add("vector_storage/matrix.dat", [b"data".to_vec(), rows].concat());
    } else {
        let config = format!(r#"{{"chunk_size_bytes":{0},"chunk_size_vectors":{FLAGGED_ROWS},"dim":2}}"#, rows.len());
        add("vector_storage/vectors/config.json", config.into_bytes());
        add("vector_storage/vectors/status.dat", (FLAGGED_ROWS as u64).to_le_bytes().to_vec());
        add("vector_storage/vectors/chunk_0.mmap", rows);
    }
    let kept = flags.files.into_iter().filter(|(path, _)| path.starts_with("deleted"));
    bundle.files.extend(kept.map(|(path, file)| (format!("vector_storage/{path}"), file)));
    twice(|| dense(&bundle))
}

/// What the small files of a quantized vector say is the same each time, and no length that follows wraps.
pub(super) fn check_quantized(input: &[u8]) -> Verdict {
    let bundle = Bundle::decode(input);
    twice(|| {
        let Some(state) = state::<VectorState>(&bundle) else { return (Verdict::Refused, String::new()) };
        let files = Metered::new(&bundle, "");
        let metadata = QuantizedMetadata::read(&files, "", &state);
        if let Ok(Some(QuantizedMetadata {
            records: Some(records), record_bytes: Some(bytes), expected_bytes, ..
        })) = &metadata
        {
            assert_eq!(*expected_bytes, records.checked_mul(*bytes));
        }
        let audited = VectorStorage::open_dense(&files, "", &state).map(|storage| {
            let mut findings = Findings::default();
            storage.audit(None, None, None, &mut findings);
            is_clean(&files, &findings);
            findings
        });
        let is_read = matches!(&metadata, Ok(Some(_)));
        (if is_read { Verdict::Accepted } else { Verdict::Refused }, format!("{metadata:?} {audited:?}"))
    })
}

/// What the small files of a graph say is the same each time, and its entry points lie in their file.
pub(super) fn check_graph(input: &[u8]) -> Verdict {
    let bundle = Bundle::decode(input);
    twice(|| {
        let metadata = GraphMetadata::read(&Metered::new(&bundle, ""), "");
        let verdict = match &metadata {
            Ok(Some(graph)) => {
                assert!(graph.entry_points <= graph.graph_bytes / 12, "more entry points than bytes: {graph:?}");
                assert!(graph.entry_point.is_none() || graph.entry_points > 0, "{graph:?}");
                Verdict::Accepted
            }
            Ok(None) | Err(_) => Verdict::Refused,
        };
        (verdict, format!("{metadata:?}"))
    })
}
