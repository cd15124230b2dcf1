//! `config.json` of a collection, in typed form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::QdrantError;
use crate::json::{Sections, Tolerant, open_enum};
use crate::quantization::Quantization;

/// A collection's configuration (`qdrant v1.19.0 lib/collection/src/config.rs`). What the file does not set is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CollectionConfig {
    /// Dense and multi-vectors by name; the unnamed vector has the empty name.
    pub vectors: BTreeMap<String, VectorConfig>,
    /// Sparse vectors by name.
    pub sparse_vectors: BTreeMap<String, SparseVectorConfig>,
    /// Shards of the collection, or per shard key under custom sharding. This peer may hold fewer.
    pub shard_number: Option<u32>,
    /// How points find their shard; automatic when absent.
    pub sharding_method: Option<ShardingMethod>,
    /// Copies of each shard.
    pub replication_factor: Option<u32>,
    /// Copies that must confirm a write.
    pub write_consistency_factor: Option<u32>,
    /// Whether payloads stay on disk.
    pub on_disk_payload: Option<bool>,
    /// HNSW parameters of the collection.
    pub hnsw: Option<HnswConfig>,
    /// WAL parameters.
    pub wal: Option<WalConfig>,
    /// Quantization of all vectors that do not set their own.
    pub quantization: Option<Quantization>,
    /// The collection's own UUID (v1.12.4+; `null` in a collection made without one).
    pub uuid: Option<String>,
    /// Whether the file has a member `uuid` at all, `null` or not.
    #[serde(skip)]
    pub has_uuid_member: bool,
}

/// One dense or multi-vector of a collection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VectorConfig {
    /// Dimensions.
    pub size: u64,
    /// How two vectors are compared.
    pub distance: Distance,
    /// How an element is stored; float32 when absent.
    #[serde(default)]
    pub datatype: Option<Datatype>,
    /// Whether vectors stay on disk.
    #[serde(default)]
    pub on_disk: Option<bool>,
    /// Set for multivectors.
    #[serde(default)]
    pub multivector_config: Option<MultivectorConfig>,
    /// What this vector sets differently from the collection's HNSW parameters.
    #[serde(default)]
    pub hnsw_config: Option<HnswConfig>,
    /// Its own quantization.
    #[serde(default)]
    pub quantization_config: Option<Quantization>,
}

open_enum! {
    /// How two vectors are compared. Cosine vectors are normalised before they are stored.
    pub enum Distance {
        /// Cosine similarity.
        Cosine = "Cosine",
        /// Euclidean distance.
        Euclid = "Euclid",
        /// Dot product.
        Dot = "Dot",
        /// Manhattan distance (v1.7.0+).
        Manhattan = "Manhattan",
    }
}

open_enum! {
    /// How an element of a vector is stored.
    pub enum Datatype {
        /// 4 bytes, IEEE single.
        Float32 = "float32",
        /// 2 bytes, IEEE half (v1.9.0+).
        Float16 = "float16",
        /// 1 byte.
        Uint8 = "uint8",
        /// 4-bit codes, lossy (v1.18.2+).
        Turbo4 = "turbo4",
    }
}

open_enum! {
    /// How points find their shard.
    pub enum ShardingMethod {
        /// By the hash of their id.
        Auto = "auto",
        /// By a key the user gives.
        Custom = "custom",
    }
}

/// How the inner vectors of a multivector are compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MultivectorConfig {
    /// `max_sim` in every version so far.
    #[serde(default)]
    pub comparator: Option<String>,
}

/// One sparse vector of a collection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SparseVectorConfig {
    /// `idf`, or nothing.
    #[serde(default)]
    pub modifier: Option<String>,
    /// Index parameters.
    #[serde(default)]
    pub index: Option<SparseIndexParams>,
}

/// Index parameters of a sparse vector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SparseIndexParams {
    /// Whether the index stays on disk.
    #[serde(default)]
    pub on_disk: Option<bool>,
    /// How a weight is stored; float32 when absent.
    #[serde(default)]
    pub datatype: Option<Datatype>,
}

/// HNSW parameters; in a vector's own configuration only the ones it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HnswConfig {
    /// Edges per node.
    #[serde(default)]
    pub m: Option<u64>,
    /// Neighbours considered while building.
    #[serde(default)]
    pub ef_construct: Option<u64>,
    /// Below this many kilobytes of vectors a full scan is preferred.
    #[serde(default)]
    pub full_scan_threshold: Option<u64>,
    /// Whether the graph stays on disk.
    #[serde(default)]
    pub on_disk: Option<bool>,
    /// Edges per node in the graphs per payload value.
    #[serde(default)]
    pub payload_m: Option<u64>,
}

/// WAL parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalConfig {
    /// Length of a WAL segment in MiB, whatever the name says.
    #[serde(default)]
    pub wal_capacity_mb: Option<u64>,
    /// WAL segments made in advance.
    #[serde(default)]
    pub wal_segments_ahead: Option<u64>,
    /// Closed WAL segments that are kept (v1.15.2+).
    #[serde(default)]
    pub wal_retain_closed: Option<u64>,
}

impl CollectionConfig {
    /// Reads the file; unreadable members are listed and count as unset.
    ///
    /// # Errors
    ///
    /// When the bytes are not a JSON object of at most [`SMALL_JSON_BYTES_MAX`](crate::SMALL_JSON_BYTES_MAX).
    pub fn read(bytes: &[u8]) -> Result<Tolerant<Self>, QdrantError> {
        let mut sections = Sections::open(bytes)?;
        let is_unnamed = sections.has("/params/vectors/size");
        let vectors = if is_unnamed {
            sections.read("/params/vectors").map(|vector| (String::new(), vector)).into_iter().collect()
        } else {
            sections.read_members("/params/vectors").into_iter().collect()
        };
        let config = Self {
            vectors,
            sparse_vectors: sections.read_members("/params/sparse_vectors").into_iter().collect(),
            shard_number: sections.read("/params/shard_number"),
            sharding_method: sections.read("/params/sharding_method"),
            replication_factor: sections.read("/params/replication_factor"),
            write_consistency_factor: sections.read("/params/write_consistency_factor"),
            on_disk_payload: sections.read("/params/on_disk_payload"),
            hnsw: sections.read("/hnsw_config"),
            wal: sections.read("/wal_config"),
            quantization: sections.read("/quantization_config"),
            uuid: sections.read("/uuid"),
            has_uuid_member: sections.has_member("/uuid"),
        };
        Ok(sections.finish(config))
    }
}
