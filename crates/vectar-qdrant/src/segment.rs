//! `segment.json` and `payload_index/config.json`: what a segment says about itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::collection_files::PayloadSchema;
use crate::config::{Datatype, Distance, HnswConfig, MultivectorConfig};
use crate::error::QdrantError;
use crate::json::{Sections, Tolerant, open_enum};
use crate::quantization::Quantization;

/// A segment's state and configuration (`qdrant v1.19.0 lib/segment/src/types.rs`, `SegmentState`).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SegmentState {
    /// Highest operation number applied; `None` in a segment never written to.
    pub version: Option<u64>,
    /// Operation number at which the segment was built.
    pub initial_version: Option<u64>,
    /// Whether the file has a member `initial_version` at all (v1.15.0+), `null` or not.
    #[serde(skip)]
    pub has_initial_version_member: bool,
    /// Whether the file has a member `config.vector_data` at all; files of v0.12 and before have not.
    #[serde(skip)]
    pub has_vector_data_member: bool,
    /// Dense and multi-vectors by name; the unnamed vector has the empty name.
    pub vectors: BTreeMap<String, VectorState>,
    /// Sparse vectors by name.
    pub sparse_vectors: BTreeMap<String, SparseVectorState>,
    /// Where payloads are kept.
    pub payload_storage: Option<PayloadStorageKind>,
}

/// One dense or multi-vector of a segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VectorState {
    /// Dimensions.
    pub size: u64,
    /// How two vectors are compared.
    pub distance: Distance,
    /// Which files hold it.
    pub storage_type: VectorStorageKind,
    /// Its index.
    pub index: VectorIndex,
    /// How it is quantized.
    #[serde(default)]
    pub quantization_config: Option<Quantization>,
    /// Set for multivectors.
    #[serde(default)]
    pub multivector_config: Option<MultivectorConfig>,
    /// How an element is stored; float32 when absent.
    #[serde(default)]
    pub datatype: Option<Datatype>,
}

open_enum! {
    /// Which files hold a dense vector.
    pub enum VectorStorageKind {
        /// RocksDB (up to v1.17).
        Memory = "Memory",
        /// `matrix.dat`.
        Mmap = "Mmap",
        /// Chunk files.
        ChunkedMmap = "ChunkedMmap",
        /// Chunk files, kept in memory (v1.12.0+).
        InRamChunkedMmap = "InRamChunkedMmap",
        /// `matrix.dat`, kept in memory (v1.17.0+).
        InRamMmap = "InRamMmap",
        /// No file: every vector counts as absent.
        Empty = "Empty",
    }
}

impl VectorStorageKind {
    /// Whether rows can be added; `None` for a kind this version does not know.
    pub fn is_appendable(&self) -> Option<bool> {
        match self {
            Self::Memory | Self::ChunkedMmap | Self::InRamChunkedMmap => Some(true),
            Self::Mmap | Self::InRamMmap | Self::Empty => Some(false),
            Self::Other(_) => None,
        }
    }
}

/// The index of a dense vector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VectorIndex {
    /// Plain or HNSW.
    #[serde(rename = "type")]
    pub kind: VectorIndexKind,
    /// Parameters of an HNSW index; empty for a plain one.
    #[serde(default)]
    pub options: Option<HnswConfig>,
}

open_enum! {
    /// Which index a dense vector has.
    pub enum VectorIndexKind {
        /// None: full scans.
        Plain = "plain",
        /// A graph.
        Hnsw = "hnsw",
    }
}

/// One sparse vector of a segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SparseVectorState {
    /// Its index.
    pub index: SparseIndex,
    /// `mmap`, `empty`, `on_disk`; absent meant RocksDB up to v1.12.
    #[serde(default)]
    pub storage_type: Option<String>,
    /// `idf`, or nothing.
    #[serde(default)]
    pub modifier: Option<String>,
}

/// The index of a sparse vector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SparseIndex {
    /// Which index it is.
    pub index_type: SparseIndexKind,
    /// How a weight is stored; float32 when absent.
    #[serde(default)]
    pub datatype: Option<Datatype>,
}

open_enum! {
    /// Which index a sparse vector has.
    pub enum SparseIndexKind {
        /// In memory, not on disk at all.
        MutableRam = "MutableRam",
        /// Loaded into memory.
        ImmutableRam = "ImmutableRam",
        /// Read from disk.
        Mmap = "Mmap",
    }
}

open_enum! {
    /// Where payloads are kept.
    pub enum PayloadStorageKind {
        /// RocksDB, loaded into memory (up to v1.15).
        InMemory = "in_memory",
        /// RocksDB (up to v1.12).
        OnDisk = "on_disk",
        /// Gridstore (v1.12.4+).
        Mmap = "mmap",
        /// Gridstore, kept in memory (v1.16.0+).
        InRamMmap = "in_ram_mmap",
    }
}

impl SegmentState {
    /// Reads the file; unreadable members are listed and count as unset. Files of v0.5 and before have other shapes, so
    /// of them only `version` is found.
    ///
    /// # Errors
    ///
    /// When the bytes are not a JSON object of at most [`SMALL_JSON_BYTES_MAX`](crate::SMALL_JSON_BYTES_MAX).
    pub fn read(bytes: &[u8]) -> Result<Tolerant<Self>, QdrantError> {
        let mut sections = Sections::open(bytes)?;
        let state = Self {
            version: sections.read("/version"),
            initial_version: sections.read("/initial_version"),
            has_initial_version_member: sections.has_member("/initial_version"),
            has_vector_data_member: sections.has_member("/config/vector_data"),
            vectors: sections.read_members("/config/vector_data").into_iter().collect(),
            sparse_vectors: sections.read_members("/config/sparse_vector_data").into_iter().collect(),
            payload_storage: sections.read("/config/payload_storage_type/type"),
        };
        Ok(sections.finish(state))
    }

    /// Whether the segment takes new points: every dense index is plain over an appendable storage, and every sparse
    /// index is mutable (`qdrant v1.19.0 lib/segment/src/types.rs`). So is a segment without vectors. `None` when a kind
    /// is unknown or the file does not list its vectors.
    pub fn is_appendable(&self) -> Option<bool> {
        if !self.has_vector_data_member {
            return None;
        }
        let dense = self.vectors.values().map(|vector| match &vector.index.kind {
            VectorIndexKind::Plain => vector.storage_type.is_appendable(),
            VectorIndexKind::Hnsw => Some(false),
            VectorIndexKind::Other(_) => None,
        });
        let sparse = self.sparse_vectors.values().map(|vector| match &vector.index.index_type {
            SparseIndexKind::MutableRam => Some(true),
            SparseIndexKind::ImmutableRam | SparseIndexKind::Mmap => Some(false),
            SparseIndexKind::Other(_) => None,
        });
        let verdicts: Vec<_> = dense.chain(sparse).collect();
        if verdicts.contains(&Some(false)) {
            return Some(false);
        }
        verdicts.into_iter().collect::<Option<Vec<_>>>().map(|_| true)
    }
}

/// `payload_index/config.json` (`qdrant v1.19.0 lib/segment/src/index/payload_config.rs`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PayloadIndexConfig {
    /// The indexed fields, sorted.
    pub fields: Vec<String>,
    /// How they are indexed; those that could not be read are left out.
    pub schema: PayloadSchema,
    /// Whether the index types are written down too (v1.15.0+).
    pub has_index_types: bool,
}

impl PayloadIndexConfig {
    /// Reads the file; unreadable members are listed.
    ///
    /// # Errors
    ///
    /// When the bytes are not a JSON object of at most [`SMALL_JSON_BYTES_MAX`](crate::SMALL_JSON_BYTES_MAX).
    pub fn read(bytes: &[u8]) -> Result<Tolerant<Self>, QdrantError> {
        let mut sections = Sections::open(bytes)?;
        let fields: Option<BTreeMap<String, serde_json::Value>> = sections.read("/indexed_fields");
        // Asked for again only when it is an object, so that what is none is said once.
        let schema = fields.as_ref().map(|_| sections.read_members("/indexed_fields"));
        let config = Self {
            fields: fields.unwrap_or_default().into_keys().collect(),
            schema: schema.unwrap_or_default().into_iter().collect(),
            has_index_types: sections.has_member("/indexed_types"),
        };
        Ok(sections.finish(config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appendable(vectors: &str, sparse: &str) -> Option<bool> {
        let text = format!(
            r#"{{"version":1,"config":{{"vector_data":{vectors},"sparse_vector_data":{sparse},"payload_storage_type":{{"type":"mmap"}}}}}}"#
        );
        let state = SegmentState::read(text.as_bytes()).unwrap();
        assert_eq!(state.unread, []);
        state.value.is_appendable()
    }

    fn dense(storage: &str, index: &str) -> String {
        format!(
            r#"{{"":{{"size":4,"distance":"Dot","storage_type":"{storage}","index":{{"type":"{index}","options":{{}}}}}}}}"#
        )
    }

    #[test]
    fn appendable_needs_every_vector_to_be() {
        let mutable = r#"{"s":{"index":{"index_type":"MutableRam"},"storage_type":"mmap"}}"#;
        let immutable = r#"{"s":{"index":{"index_type":"ImmutableRam"},"storage_type":"mmap"}}"#;
        assert_eq!(appendable(&dense("InRamChunkedMmap", "plain"), "{}"), Some(true));
        assert_eq!(appendable(&dense("InRamChunkedMmap", "plain"), mutable), Some(true));
        assert_eq!(appendable(&dense("InRamChunkedMmap", "plain"), immutable), Some(false));
        assert_eq!(appendable(&dense("InRamChunkedMmap", "hnsw"), mutable), Some(false));
        assert_eq!(appendable(&dense("InRamMmap", "plain"), "{}"), Some(false));
        assert_eq!(appendable(&dense("Tape", "plain"), "{}"), None);
        assert_eq!(appendable(&dense("Tape", "plain"), immutable), Some(false));
        assert_eq!(appendable("{}", "{}"), Some(true));
        assert_eq!(SegmentState::read(br#"{"version":3,"config":{}}"#).unwrap().value.is_appendable(), None);
    }

    #[test]
    fn indexed_fields_are_listed_with_how_they_are_indexed() {
        let text = br#"{"indexed_fields":{"b":"keyword","a":{"type":"text","phrase_matching":true},"c":[1]},"indexed_types":{}}"#;
        let config = PayloadIndexConfig::read(text).unwrap();
        assert_eq!(config.value.fields, ["a", "b", "c"]);
        assert_eq!(config.value.schema.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(config.value.schema["a"].params["phrase_matching"], true);
        assert!(config.value.has_index_types);
        assert_eq!(config.unread.iter().map(|field| field.pointer.as_str()).collect::<Vec<_>>(), ["/indexed_fields/c"]);
        let none = PayloadIndexConfig::read(br#"{"indexed_fields":7}"#).unwrap();
        assert_eq!((none.value, none.unread.len()), (PayloadIndexConfig::default(), 1));
    }

    #[test]
    fn one_bad_vector_does_not_hide_the_other() {
        let text = r#"{"version":"7","config":{"vector_data":{
            "a":{"size":4,"distance":"Dot","storage_type":"Mmap","index":{"type":"plain","options":{}}},
            "b/c":{"size":null}}}}"#;
        let state = SegmentState::read(text.as_bytes()).unwrap();
        assert_eq!(state.value.version, None);
        assert_eq!(state.value.vectors.keys().collect::<Vec<_>>(), ["a"]);
        let pointers: Vec<_> = state.unread.iter().map(|field| field.pointer.as_str()).collect();
        assert_eq!(pointers, ["/version", "/config/vector_data/b~1c"]);
    }
}
