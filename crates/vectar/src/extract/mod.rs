//! One valid snapshot out of a larger one: a collection's out of a full snapshot, a shard's out of a collection's.
//!
//! **Invariant:** every body of the part is the same bytes as in the snapshot it comes from. A collection's part is those bytes and nothing
//! else. A shard's part has the entries of its directory in their order, with headers that say the shorter names, and is what
//! `POST /collections/{c}/shards/{s}/snapshots` makes of it, but that its write-ahead log is the full one (`qdrant v1.19.0
//! lib/collection/src/collection/snapshots.rs`, `lib/collection/src/shards/shard_holder/mod.rs`: both call the same function for a shard).
//!
//! [`SnapshotPart`] is a list of spans over the larger snapshot, made from its headers alone; nothing else is read before the bytes are
//! wanted, and what lies beside the part is never read.

mod locate;
mod shard;
mod span;
mod write;

pub use locate::PartChoice;
pub(crate) use locate::is_held;
pub use write::{Extracted, Proven, extract_to_file, prove};

use std::io;

use vectar_qdrant::SnapshotKind;
use vectar_tar::ReadAt;

use crate::{content::Content, error::Error, inside::Inside};

use span::Spans;

/// A snapshot inside of a larger one, or the whole of it.
#[derive(Debug)]
pub struct SnapshotPart<'c, 'e> {
    content: &'c Content<'e>,
    spans: Spans,
    kind: SnapshotKind,
    collection: Option<String>,
    shard: Option<u32>,
    is_whole: bool,
}

impl<'c, 'e> SnapshotPart<'c, 'e> {
    /// Finds the part that `choice` names. Reads headers and small files.
    ///
    /// # Errors
    /// [`Error::NoSnapshot`] and [`Error::PartialSnapshot`]; [`Error::CollectionNotFound`], [`Error::ShardNotFound`] also for a shard that the
    /// node which made the snapshot did not hold; [`Error::PartUnclear`] when several would fit; [`Error::PartDamaged`] when it is not all
    /// there.
    pub fn of(inside: &Inside<'c, 'e>, choice: &PartChoice) -> Result<Self, Error> {
        locate::locate(inside, choice)
    }

    /// All of a snapshot, whatever is in it.
    ///
    /// # Errors
    /// [`Error::PartDamaged`].
    pub fn whole(inside: &Inside<'c, 'e>) -> Result<Self, Error> {
        locate::locate_whole(inside)
    }

    /// What it is: a collection's snapshot or a shard's.
    #[must_use]
    pub fn kind(&self) -> SnapshotKind {
        self.kind
    }

    /// The collection it is of, if anyone knows its name.
    #[must_use]
    pub fn collection(&self) -> Option<&str> {
        self.collection.as_deref()
    }

    /// The shard it is of, if it is of one and anyone knows its number.
    #[must_use]
    pub fn shard(&self) -> Option<u32> {
        self.shard
    }

    /// Whether it is the whole snapshot, so that nothing was taken apart.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Where it comes from.
    #[must_use]
    pub fn content(&self) -> &'c Content<'e> {
        self.content
    }
}

impl ReadAt for SnapshotPart<'_, '_> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.spans.read_at(self.content, offset, buf)
    }

    fn len(&self) -> u64 {
        self.spans.len()
    }
}
