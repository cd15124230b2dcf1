//! `events/…`: who did what, when. `proofs/…`: what was shown of a backup, when.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::BackupId;

/// One line of the repository's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, by the client's clock.
    pub at: Timestamp,
    /// What, as one word: `init`, `ingest`, `verify`, …
    pub action: String,
    /// Host name and process of the client.
    pub client: String,
    /// Which program.
    pub tool: String,
    /// The backup it was about, if one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupId>,
    /// A sentence for people.
    pub summary: String,
}

/// A dated statement that something was shown of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// When, by the client's clock.
    pub at: Timestamp,
    /// The backup.
    pub backup: BackupId,
    /// What was shown: `bytes-identical` (rebuilt, and all compared that was recorded), or `loads-in-engine` (that, and what `drill` says).
    pub shown: String,
    /// Whether a SHA-256 was recorded, and the rebuilt bytes had it. Where not, the ids of all chunks and the length prove them alone, and the
    /// SHA-256 was computed. `None` where an earlier version did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256_compared: Option<bool>,
    /// Host name and process of the client.
    pub client: String,
    /// Which program.
    pub tool: String,
    /// What Qdrant's own engine made of it; with `loads-in-engine` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<DrillNote>,
}

/// What was shown `bytes-identical`: it was rebuilt from chunks that were proven by their ids, and its length and the SHA-256, if one was
/// recorded, were compared.
pub const SHOWN_BYTES: &str = "bytes-identical";

/// What was shown `loads-in-engine`: as [`SHOWN_BYTES`], and Qdrant's own engine loaded every shard and answered as its files say, as far as
/// that could be compared: [`DrillNote`] has the numbers.
pub const SHOWN_ENGINE: &str = "loads-in-engine";

/// What a drill compared. A reader takes what it knows; a later version may say more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DrillNote {
    /// Version of the engine: of the package `qdrant-edge-py`.
    pub engine: String,
    /// Shards that it loaded.
    pub shards: u64,
    /// Points that it counted in all of them.
    pub points: u64,
    /// Points that were compared by their ids with what the files say. Fewer than `points` where a write-ahead log holds operations that no
    /// segment has: what these may have changed cannot be compared. `None` where an earlier version did not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<u64>,
    /// Points whose payloads were compared.
    pub payloads: u64,
    /// Vectors that were compared, each name by itself.
    pub vectors: u64,
    /// Searches whose answers were compared.
    pub searches: u64,
}
