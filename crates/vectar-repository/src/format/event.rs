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
    /// What was shown: `bytes-identical` (rebuilt and both digests compared).
    pub shown: String,
    /// Host name and process of the client.
    pub client: String,
    /// Which program.
    pub tool: String,
}
