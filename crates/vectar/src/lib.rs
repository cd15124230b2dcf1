//! Keeps Qdrant snapshots: ingest, restore, verify and inspect them in a deduplicating repository.
pub mod content;
mod engine;
mod error;
pub mod ingest;
mod observer;
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
pub use ingest::{IngestOptions, IngestOutcome, Rehearsal, ingest};
pub use observer::{CancelToken, Observer, Silent};
pub use rebuild::{Nowhere, Rebuilt, Target, rebuild};
pub use restore::{RestoreOptions, Restored, restore_to_file, restore_to_stream};
pub use source::Source;

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}
