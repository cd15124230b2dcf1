//! What prune leaves for others and for the next prune: marks on packs, and which intents it saw.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{IngestNonce, PackId};

/// `condemned/<pack>`: the pack will be removed once the grace is over. A mark is final; no new backup relies on a marked pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The pack.
    pub pack: PackId,
    /// When it was marked, by the client's clock.
    pub at: Timestamp,
    /// Why.
    pub reason: MarkReason,
    /// Host name and process of the client.
    pub client: String,
}

/// Why a pack was marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarkReason {
    /// No backup needs anything in it.
    Unused,
    /// What is needed of it was copied to other packs, because too much of it was unused.
    Repacked,
    /// What is needed of it was copied into a larger pack, because there were many small ones.
    Merged,
}

/// `intents/<nonce>.<time>-<suffix>`: a prune saw this intent. After two sightings without a new pack in between the ingest is taken
/// for dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentSeen {
    /// The intent.
    pub nonce: IngestNonce,
    /// When, by the client's clock.
    pub at: Timestamp,
    /// How many packs carried the nonce.
    pub packs: u64,
}
