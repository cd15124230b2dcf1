//! `backups/<id>/<seq>`: one backup, as a record. Publishing the first one is the commit of an ingest.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vectar_chunk::NodeId;

use super::{FormatError, frame, frame::FrameKind, ids::BackupId, unknown_features};

/// Largest record that is read, in bytes.
pub const RECORD_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The feature that a record without a SHA-256 requires of its readers.
pub const DIGEST_LATER_FEATURE: &str = "digest-later-1";

/// Everything that is known of one backup without reading a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupRecord {
    /// Random name of the backup.
    pub id: BackupId,
    /// Counts re-recordings of the same backup from 0; the highest valid one counts.
    pub seq: u32,
    /// Features a reader must know to restore this backup.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
    /// Where the snapshot came from and what it is.
    #[serde(flatten)]
    pub subject: Subject,
    /// When the record was published, by the clock of the client.
    pub stored_at: Timestamp,
    /// Length of the snapshot in bytes.
    pub bytes: u64,
    /// SHA-256 of the whole snapshot in hex: what Qdrant calls its checksum. None while it was never needed: then the record requires
    /// [`DIGEST_LATER_FEATURE`], and whoever rebuilds the snapshot first records what it came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The recipe node that rebuilds it, in hex.
    #[serde(with = "node_hex")]
    pub root: NodeId,
    /// Why the snapshot was damaged before it was stored (it was taken with `--allow-damaged`), if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<String>,
    /// Labels given at ingest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// A free text given at ingest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What storing it cost.
    pub space: Space,
    /// Which program wrote the record, such as `vectar 0.1.0`.
    pub tool: String,
}

/// Where a snapshot came from and what it is, in words the repository does not interpret.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Subject {
    /// File name of the snapshot; what a restore suggests.
    pub name: String,
    /// `collection`, `shard`, `shard-streamed`, `shard-partial`, `full` or `unknown`.
    pub kind: String,
    /// Tar levels of the snapshot; 0 when it is no tar.
    pub levels: u32,
    /// Collection, where known; for a full snapshot none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// How the collection is known: `option`, `name` or `directory`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection_from: Option<String>,
    /// Cluster, where given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Node, where given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Qdrant's peer id, where the file name or a replica state says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_id: Option<u64>,
    /// Capture set: backups taken together share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// Shards in the snapshot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<ShardNote>,
    /// Collections of a full snapshot, with the file each has in it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contains: BTreeMap<String, String>,
    /// Path or URL it was read from; `-` for standard input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The oldest Qdrant version that can have written it, such as `1.17.0`. A snapshot does not name its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qdrant_at_least: Option<String>,
    /// When Qdrant made it, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<Timestamp>,
    /// How that is known: `option`, `name` or `mtime`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_at_from: Option<String>,
}

/// One shard of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ShardNote {
    /// Its number, where the snapshot or its name says it.
    pub id: Option<u32>,
    /// States of its replicas by peer id, such as `Active`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub replicas: BTreeMap<String, String>,
    /// UUIDs of its segments: lineage across backups, when names change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<String>,
}

/// What storing a backup cost. All figures are as of the ingest; what is shared changes as backups come and go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Space {
    /// Bytes of all packs written for it.
    pub new_pack_bytes: u64,
    /// Chunks it refers to, counted once for each place.
    pub chunks: u64,
    /// Chunks that were new.
    pub new_chunks: u64,
    /// By class of the bytes: chunk figures by the writer's label.
    pub classes: BTreeMap<String, ClassSpace>,
}

/// Figures of one class of bytes in one backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClassSpace {
    /// Bytes of the snapshot.
    pub bytes: u64,
    /// Of them, bytes in chunks that were new.
    pub new_bytes: u64,
    /// What those take in packs, after their codec, record heads included.
    pub stored_bytes: u64,
}

impl BackupRecord {
    /// Encodes the record object.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        frame::encode(FrameKind::Record, self)
    }

    /// Decodes a record object.
    ///
    /// # Errors
    /// [`FormatError::UnknownFeatures`] when a later vectar is needed; any other [`FormatError`] when it is damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let record: Self = frame::decode(FrameKind::Record, bytes)?;
        let features = unknown_features(&record.requires);
        if !features.is_empty() {
            return Err(FormatError::UnknownFeatures { what: "record", features });
        }
        if record.sha256.is_none() && !record.requires.iter().any(|feature| feature == DIGEST_LATER_FEATURE) {
            return Err(FormatError::invalid("record", "it has no SHA-256 and does not say that it comes later"));
        }
        Ok(record)
    }

    /// Sets the SHA-256, and what a record with or without one requires of its readers.
    pub(crate) fn set_sha256(&mut self, sha256: Option<String>) {
        self.requires.retain(|feature| feature != DIGEST_LATER_FEATURE);
        if sha256.is_none() {
            self.requires.push(DIGEST_LATER_FEATURE.to_owned());
        }
        self.sha256 = sha256;
    }

    /// When the snapshot was taken, never later than when it was stored: a forged name cannot move a backup into the future.
    #[must_use]
    pub fn taken_or_stored_at(&self) -> Timestamp {
        self.subject.taken_at.map_or(self.stored_at, |taken| taken.min(self.stored_at))
    }
}

mod node_hex {
    use serde::{Deserialize, Deserializer, Serializer};
    use vectar_chunk::NodeId;

    pub(super) fn serialize<S: Serializer>(id: &NodeId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NodeId, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
