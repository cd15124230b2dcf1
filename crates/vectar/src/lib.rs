//! Keeps Qdrant snapshots: ingest, restore, verify and inspect them in a deduplicating repository.
//!
//! **Invariant:** the bytes that went in come back exactly, or an error says which ones will not and why. Knowledge of Qdrant
//! decides only how well bytes are shared.
//!
//! Meet first: [`Repository`], opened by [`open`] or made by [`init`](init()), which lists what is kept; [`Engine`], a repository whose chunks
//! can be found, with the threads that work on it; [`ingest`](ingest()) and [`restore_to_file`]; [`Content`], the inside of a snapshot, from a file or
//! from a backup alike. [`select`] gives backups the names that people use.
//!
//! ```
//! use vectar::{CancelToken, Engine, EngineOptions, IngestOptions, IngestOutcome, InitOptions, RestoreOptions, Silent, Source};
//!
//! # let directory = tempfile::tempdir()?;
//! # let snapshot = directory.path().join("notes.snapshot");
//! # std::io::Write::write_all(&mut tempfile::NamedTempFile::new_in(directory.path())?.persist(&snapshot)?, b"not a tar, but kept")?;
//! let (repository, _probe) = vectar::init(&directory.path().join("repository"), &InitOptions::default())?;
//! let engine = Engine::open(&repository, &EngineOptions::default())?;
//! let cancel = CancelToken::default();
//!
//! let known = repository.records()?.backups;
//! let outcome = vectar::ingest(&engine, Source::file(&snapshot)?, &IngestOptions::default(), &known, &Silent, &cancel)?;
//! let IngestOutcome::Stored(committed) = outcome else { unreachable!("the repository was empty") };
//!
//! let target = directory.path().join("restored.snapshot");
//! vectar::restore_to_file(&engine, &committed.record, &target, &RestoreOptions::default(), &Silent, &cancel)?;
//! assert_eq!(std::fs::read(&target)?, std::fs::read(&snapshot)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// Opening, errors, progress.
mod engine;
mod error;
mod memory;
mod observer;
mod place;
pub mod words;

// In and out.
mod digest_lane;
pub mod extract;
pub mod ingest;
pub mod prepare;
mod rebuild;
mod restore;
pub mod source;
pub mod verify;
mod window;

// Looking after what is kept.
mod copy;
pub mod drill;
mod healing;
pub mod prune;
pub mod retention;
mod salvage;

// Looking and choosing.
mod backup_content;
pub mod compat;
pub mod content;
pub mod debug;
mod deep;
pub mod diff;
pub mod explain;
mod find;
mod fitting;
mod inside;
mod near;
mod point_changes;
pub mod points;
pub mod select;
mod shard_points;
pub mod stats;
pub mod status;

pub use content::{Content, class_of};
pub use copy::{CopyOutcome, copy};
pub use deep::{outline_deep, verify_deep};
pub use engine::{Engine, EngineOptions, limit_threads};
pub use error::{EngineLack, Error, ErrorKind};
pub use find::{Found, Search, find};
pub use healing::heal;
pub use ingest::{IngestOptions, IngestOutcome, Rehearsal, ingest};
pub use inside::{Inside, ShardFiles, WalTail};
pub use memory::{MEMORY_BYTES_DEFAULT, MEMORY_BYTES_MIN};
pub use observer::{CancelToken, Observer, Silent};
pub use place::{init, init_in, open};
pub use point_changes::{PointChange, PointChangeKind, PointChanges, point_changes};
pub use rebuild::{Nowhere, Rebuilt, Target, rebuild};
pub use restore::{
    EntryOptions, RestoreOptions, Restored, entry_to_file, restore_to_file, restore_to_stream, salvage_to_file,
};
pub use salvage::{LostRange, Salvaged, salvage};
pub use source::Source;

// What callers of the engine need from the layers below, so that they depend on this crate alone.
pub use vectar_backend::StorageProbe;
pub use vectar_qdrant::{
    CHECKSUM_SUFFIX, Class, Finding, FindingLevel, Findings, PointId, QdrantErrorKind, QdrantVersion, SnapshotKind,
    SnapshotOutline, VersionRange, compat as qdrant_compat,
};
pub use vectar_repository::format::{
    annotation::Change,
    event::{DrillNote, Event, Proof},
    forgotten::Forgotten,
    mark::MarkReason,
    node::RecipeItem,
    record::{BackupRecord, ClassSpace, ShardNote, Space, Subject},
};
pub use vectar_repository::{
    BackupId, CatchUpStats, Committed, Environment, ErrorKind as RepositoryErrorKind, ForgottenList, InitOptions,
    PackId, Proven, RecordList, Repository, RepositoryError, RepositoryId, SeededEnvironment, StorageChange,
    StoredBytes, SystemEnvironment, TOOL, check, durability_name, repair,
};
pub use vectar_tar::{Anomaly, Catalogue, CatalogueRow, ReadAt, RowRole, Severity, TarEntry};
