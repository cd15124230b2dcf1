//! What lies on a backend: config, packs, recipes, records, and the derived chunk index.
//!
//! **Invariant:** the redb chunk index is derived state. Delete it and it is rebuilt from pack footers; it is never the only
//! copy of anything, and never believed without a footer behind it.
//!
//! Meet first: [`Repository`] (open, list records), [`IndexedRepository`] (chunks can be found), [`Ingest`] (store one backup:
//! [`Preparer`] encodes, [`NodeWriter`] builds the recipe, [`Ingest::commit`] publishes), [`ChunkReader`] and [`RecipeWalker`]
//! (read one back). The bytes on storage are described in `docs/format.md` and made in [`mod@format`].
//!
//! ```
//! use std::sync::Arc;
//! use vectar_repository::{ChunkReader, Ingest, InitOptions, NodeWriter, Preparer, RecordDraft, Repository, SystemEnvironment};
//! use vectar_repository::format::{node::RecipeItem, record::{Space, Subject}};
//!
//! # let directory = tempfile::tempdir()?;
//! let backend = Arc::new(vectar_backend::LocalBackend::create(&directory.path().join("repository"))?);
//! let (repository, _) = Repository::init(backend, Arc::new(SystemEnvironment), &InitOptions::default())?;
//! let (repository, _) = repository.with_index(None)?;
//!
//! let bytes = b"a chunk of a snapshot";
//! let id = repository.id_key().chunk_id(bytes);
//! let mut ingest = Ingest::begin(&repository, 3)?;
//! ingest.add(Preparer::new(3)?.chunk(&id, bytes, 0, vectar_chunk::CodecHint::Structured)?)?;
//! let mut recipe = NodeWriter::new(repository.config().node_cut);
//! recipe.push(RecipeItem::Copy { chunk: id, start: 0, len: bytes.len() as u32 }, &mut ingest)?;
//! let covered = recipe.len();
//! let root = recipe.finish_root(&mut ingest)?;
//! let draft = RecordDraft {
//!     subject: Subject { name: "example.snapshot".into(), ..Subject::default() },
//!     bytes: bytes.len() as u64,
//!     sha256: None, // taken later, on first need
//!     damaged: None,
//!     tags: Vec::new(),
//!     note: None,
//!     space: Space::default(),
//! };
//! let committed = ingest.commit(root, covered, draft)?;
//!
//! assert_eq!(repository.records()?.backups, [committed.record]);
//! assert_eq!(&ChunkReader::new(&repository, 1 << 20).chunk(&id)?[..], bytes);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// What lies on the storage, and who is there.
pub mod environment;
pub mod error;
mod fetch;
pub mod format;
pub mod index;
mod repository;
mod reserve;

// In and out.
mod cache;
mod ingest;
mod reader;
mod recipe;

// Records and what is said of them.
mod annotations;
mod forgetting;
mod proofs;
mod records;
mod superseding;

// Looking after it.
pub mod check;
mod healing;
pub mod prune;
pub mod repair;

pub use cache::ChunkCache;
pub use environment::{Environment, SeededEnvironment, SystemEnvironment};
pub use error::{DamageReason, ErrorKind, RepositoryError, error_chain};
pub use forgetting::ForgottenList;
pub use format::ids::{BackupId, PackId, RepositoryId};
pub use index::{CatchUpStats, ChunkIndex, ChunkLocation, IndexMemory, IndexPlace};
pub use ingest::{Committed, Ingest, PreparedRecord, Preparer, RecordDraft, Stored};
pub use proofs::Proven;
pub use reader::{ChunkReader, ReadRun};
pub use recipe::{
    INLINE_BYTES_MAX, ITEMS_INLINE_MAX, NodeSink, NodeWriter, Placed, RecipeWalker, piece_of, read_range, visit_nodes,
};
pub use records::{RecordList, UnreadableRecord};
pub use repository::{IndexedRepository, InitOptions, Repository, StorageChange, StoredBytes, TOOL, durability_name};
