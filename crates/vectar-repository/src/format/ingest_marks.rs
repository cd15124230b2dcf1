//! `intents/<nonce>` and `pending/<id>`: what tells others, prune above all, that an ingest is under way.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{BackupId, IngestNonce, PackId};

/// `intents/<nonce>`: published before the first pack of an ingest. Packs that carry its nonce are not condemned while it lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The nonce in the headers of the packs to come.
    pub nonce: IngestNonce,
    /// When the ingest started, by the client's clock.
    pub started_at: Timestamp,
    /// Host name and process of the client, for people.
    pub client: String,
}

/// `pending/<id>`: published durably once all packs are; names every pack the record will rely on, whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The backup about to be published.
    pub id: BackupId,
    /// Under which number its record will be published.
    pub seq: u32,
    /// Its ingest.
    pub nonce: IngestNonce,
    /// When this was published, by the client's clock.
    pub at: Timestamp,
    /// Every pack that holds a chunk or node of the backup, sorted.
    pub packs: Vec<PackId>,
}

/// `backups/<id>/<seq>`, of another kind than a record: prune took the ingest that was about to publish here for dead, and takes the
/// name so that it cannot publish any more, should it only have been asleep. Readers pass it over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Void {
    /// The ingest.
    pub nonce: IngestNonce,
    /// When it was taken for dead, by the client's clock.
    pub at: Timestamp,
    /// Host name and process of the client that did.
    pub client: String,
}
