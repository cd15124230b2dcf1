//! Readers of what a segment stores: ids, vectors, payloads; and of a shard's WAL.
//!
//! A reader is opened over the files of its owner ([`StorageFiles`]) and reads what it is asked for, through windows of bounded
//! length; nothing is loaded that can be read in place. No length, count or offset of a file is believed: each is compared with the
//! bytes that are there before it is used, and what does not fit is an error that names the file and the place.
//!
//! Each reader has two doors: `open` checks what reading depends on, and `audit` looks at every value and reports all it sees as
//! [`Findings`](crate::Findings).

mod bits;
mod clocks;
mod file;
mod graph;
mod gridstore;
mod id_tracker;
mod live_points;
mod members;
mod merge;
mod owner;
mod payload;
mod segment;
mod stored_bitmask;
mod tally;
mod vectors;
mod wal;

pub use bits::Bits;
pub use clocks::{Clock, Clocks, ShardClocks};
pub use file::{StorageFiles, StoredFile, Window};
pub use graph::{EntryPoint, GraphLinksKind, GraphMetadata};
pub use gridstore::{Gridstore, GridstoreFigures, GridstoreReader, ValueCheck, ValuePlace, ValuePlaces};
pub use id_tracker::{IdTracker, IdTrackerKind, PointRow, Points};
pub use live_points::{LivePoint, LivePoints};
pub use merge::{ById, Merge};
pub use owner::{Owner, OwnerFiles, SnapshotFiles};
pub use payload::{PayloadReader, PayloadStorage, StoredPayload};
pub use segment::{PointReader, Segment, SegmentStores, Wanted, WantedVectors};
pub use stored_bitmask::read_stored_bitmask;
pub(crate) use tally::{FaultKind, Tally};
pub use vectors::{QuantizedMetadata, Vector, VectorReader, VectorStorage};
pub(crate) use vectors::{audit_flags, is_zero};
pub use wal::{Wal, WalEnd, WalEntries, WalEntry, WalOperation, WalSegment};
