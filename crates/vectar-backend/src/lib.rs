//! Whole objects by key: get, ranged get, put, put-if-absent, list, delete; the local file system behind it.
//!
//! **Invariant:** under a key lies a whole object or none, at every moment and after every crash; and of all that publish under one
//! key exactly one is told that it did. What the bytes mean is not known here.
//!
//! Meet first: [`Backend`], the interface; [`ObjectKey`], a name that is safe on every storage; [`LocalBackend`], objects in files.
//!
//! Unix only: [`LocalBackend`] rests on `link`, `fsync` of directories and file modes.
//!
//! ```
//! use vectar_backend::{Backend, LocalBackend, ObjectKey, PutOutcome};
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("repository");
//! let backend = LocalBackend::create(&path)?;
//! let key = ObjectKey::parse("packs/ab/ab12")?;
//!
//! let mut writer = backend.begin()?;
//! writer.write(b"chunks")?;
//! assert_eq!(writer.publish(&key)?, PutOutcome::Created);
//! backend.sync(&[])?; // Only now does it survive a power failure.
//!
//! assert_eq!(&backend.get_range(&key, 1..3)?[..], b"hu");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backend;
mod error;
mod key;
mod list_all;
#[expect(clippy::disallowed_methods, reason = "the one place where files are touched")]
mod local;
mod probe;

pub use backend::{
    Backend, CleanStats, Durability, ListPage, ListedObject, ObjectMeta, ObjectSuffix, ObjectWriter, PutOutcome,
};
pub use error::{BackendError, BackendErrorKind};
pub use key::{KEY_BYTES_MAX, KeyError, KeyPrefix, ObjectKey, RESERVED_SEGMENT, SEGMENT_BYTES_MAX};
pub use list_all::{BackendExt, LIST_PAGE_OBJECTS, ListAll};
pub use local::{LocalBackend, LocalOptions};
pub use probe::{PublishStrategy, StorageProbe};
