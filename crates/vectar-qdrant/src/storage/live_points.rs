//! The points of several segments as one list: each id once, and of several rows the one that counts.

use super::id_tracker::{IdTracker, PointRow, Points};
use super::merge::{ById, Merge};
use crate::error::QdrantError;
use crate::point_id::PointId;

/// A point of a shard, and where the content that counts lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LivePoint {
    /// Its id.
    pub id: PointId,
    /// Which of the segments holds it, by its place among those that were given.
    pub segment: usize,
    /// The row there.
    pub row: u32,
    /// The operation that wrote it, where the segment says so.
    pub version: Option<u64>,
    /// How many other segments hold an older row of it.
    pub superseded: u32,
}

/// The live points of a shard, ascending by id: the union over its segments, in which the highest version wins
/// (`qdrant v1.19.0 lib/shard/src/segment_holder/`). Of equal versions that of the later segment.
///
/// *Invariant*: ids ascend strictly. Nothing is loaded beyond what the readers of ids load.
#[derive(Debug)]
pub struct LivePoints<'t> {
    rows: Merge<Points<'t>, PointRow, QdrantError>,
}

impl<'t> LivePoints<'t> {
    /// Merges the points of these segments.
    ///
    /// # Errors
    /// The ids of a segment cannot be read.
    pub fn new<'f: 't>(trackers: impl IntoIterator<Item = &'t IdTracker<'f>>) -> Result<Self, QdrantError> {
        let lists: Vec<Points<'t>> = trackers.into_iter().map(IdTracker::points).collect::<Result<_, QdrantError>>()?;
        Ok(Self { rows: Merge::new(lists) })
    }
}

impl Iterator for LivePoints<'_> {
    type Item = Result<LivePoint, QdrantError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (segment, first) = match self.rows.next()? {
            Ok(row) => row,
            Err(error) => return Some(Err(error)),
        };
        let PointRow { id, row, version } = first;
        let mut found = LivePoint { id, segment, row, version, superseded: 0 };
        while let Some((segment, other)) = self.rows.next_of(id) {
            found.superseded += 1;
            if other.version >= found.version {
                found = LivePoint { segment, row: other.row, version: other.version, ..found };
            }
        }
        Some(Ok(found))
    }
}

impl ById for PointRow {
    fn id(&self) -> PointId {
        self.id
    }
}

impl ById for LivePoint {
    fn id(&self) -> PointId {
        self.id
    }
}
