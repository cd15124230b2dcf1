//! `notes/…`: what people say of a backup after it was stored. Write-once; later ones win.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::BackupId;

/// `notes/<id>/<time>-<suffix>`: one change to what is said of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotation {
    /// The backup.
    pub backup: BackupId,
    /// When, by the client's clock.
    pub at: Timestamp,
    /// What changes.
    pub change: Change,
    /// Host name and process of the client.
    pub client: String,
    /// Which program.
    pub tool: String,
}

/// A change to what is said of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It gets a label; having it already changes nothing.
    AddTag(String),
    /// It loses a label.
    RemoveTag(String),
    /// Its free text is this from now on; an empty one is none.
    SetNote(String),
    /// It is not forgotten until it is unpinned, for this reason.
    Pin(String),
    /// It may be forgotten again.
    Unpin,
}
