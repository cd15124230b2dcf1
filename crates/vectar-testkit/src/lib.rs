//! Backends that remember, fail and pretend, fixtures, and a generator of snapshots, for the tests of the other crates.
//!
//! **Invariant:** everything here is a function of its arguments: no clock, no chance, no network.
//!
//! Meet first: [`backend::MemoryBackend`], objects in memory; [`backend::run_conformance`], the suite that every backend passes.
//!
//! ```
//! use vectar_backend::{Backend, ObjectKey};
//! use vectar_testkit::backend::{MemoryBackend, Operation, RecordingBackend};
//!
//! let backend = RecordingBackend::new(MemoryBackend::new());
//! let key = ObjectKey::parse("config")?;
//! backend.put(&key, &["bytes".into()])?;
//! assert_eq!(backend.get(&key, 100)?, "bytes");
//! assert_eq!(backend.count(Operation::READS), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod backend;
pub mod corpus;
pub mod edge;
pub mod fixtures;
mod tar_parts;

pub use tar_parts::TarParts;
