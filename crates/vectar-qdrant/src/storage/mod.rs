//! Readers of what a segment stores: ids, vectors, payloads; and of a shard's WAL.
//!
//! A reader is opened over the files of its owner ([`StorageFiles`]) and reads what it is asked for, through windows of bounded
//! length; nothing is loaded that can be read in place. No length, count or offset of a file is believed: each is compared with the
//! bytes that are there before it is used, and what does not fit is an error that names the file and the place.
//!
//! Each reader has two doors: `open` checks what reading depends on, and `audit` looks at every value and reports all it sees as
//! [`Findings`](crate::Findings).

mod bits;
mod file;
mod owner;

pub use bits::Bits;
pub use file::{StorageFiles, StoredFile, Window};
pub use owner::{Owner, OwnerFiles, SnapshotFiles};
