//! Keeps Qdrant snapshots: ingest, restore, verify and inspect them in a deduplicating repository.
pub mod content;
pub mod debug;
mod engine;
mod error;
mod find;
pub mod ingest;
mod observer;
mod place;
mod rebuild;
mod restore;
pub mod select;
pub mod source;
pub mod stats;
pub mod status;
pub mod verify;

pub use content::Content;
pub use engine::{Engine, EngineOptions};
pub use error::{Error, ErrorKind};
pub use find::{Found, Search, find};
pub use ingest::{IngestOptions, IngestOutcome, Rehearsal, ingest};
pub use observer::{CancelToken, Observer, Silent};
pub use place::{init, open};
pub use rebuild::{Nowhere, Rebuilt, Target, rebuild};
pub use restore::{RestoreOptions, Restored, restore_to_file, restore_to_stream};
pub use source::Source;

// What callers of the engine need from the layers below, so that they depend on this crate alone.
pub use vectar_backend::StorageProbe;
pub use vectar_qdrant::{Class, SnapshotKind, SnapshotOutline};
pub use vectar_repository::format::{
    event::{Event, Proof},
    node::RecipeItem,
    record::{BackupRecord, ClassSpace, ShardNote, Space, Subject},
};
pub use vectar_repository::{
    BackupId, CatchUpStats, Committed, Environment, InitOptions, PackId, RecordList, Repository, RepositoryError, RepositoryId,
    StoredBytes, SystemEnvironment, TOOL, durability_name,
};
pub use vectar_tar::{Anomaly, Catalogue, CatalogueRow, ReadAt, RowRole, Severity};

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}
