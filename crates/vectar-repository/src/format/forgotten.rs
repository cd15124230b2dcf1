//! `forgotten/<id>`: a backup that was set aside.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ids::BackupId, record::BackupRecord};

/// A forgotten backup: its record, by which it can be taken back, and who set it aside. It holds its chunks until the grace ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// The record as it was.
    pub record: BackupRecord,
    /// When it was forgotten, by the client's clock.
    pub at: Timestamp,
    /// Host name and process of the client.
    pub client: String,
    /// Which program.
    pub tool: String,
}

impl Forgotten {
    /// The backup.
    #[must_use]
    pub fn id(&self) -> BackupId {
        self.record.id
    }
}
