//! The points of several segments as one list: each id once, and of several rows the one that counts.

use std::iter::Peekable;

use super::id_tracker::{IdTracker, Points};
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
    sources: Vec<Peekable<Points<'t>>>,
}

impl<'t> LivePoints<'t> {
    /// Merges the points of these segments.
    ///
    /// # Errors
    /// The ids of a segment cannot be read.
    pub fn new<'f: 't>(trackers: impl IntoIterator<Item = &'t IdTracker<'f>>) -> Result<Self, QdrantError> {
        let sources = trackers.into_iter().map(|tracker| Ok(tracker.points()?.peekable()));
        Ok(Self { sources: sources.collect::<Result<_, QdrantError>>()? })
    }

    /// Whether any source stands before an error; it is taken out, so that the others go on.
    fn take_error(&mut self) -> Option<QdrantError> {
        self.sources.iter_mut().find_map(|source| source.next_if(Result::is_err)?.err())
    }
}

impl Iterator for LivePoints<'_> {
    type Item = Result<LivePoint, QdrantError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.take_error() {
            return Some(Err(error));
        }
        let heads = self.sources.iter_mut().filter_map(|source| source.peek()?.as_ref().ok().map(|point| point.id));
        let id = heads.min()?;
        let mut found: Option<LivePoint> = None;
        for (segment, source) in self.sources.iter_mut().enumerate() {
            let is_it = |point: &Result<_, QdrantError>| matches!(point, Ok(super::id_tracker::PointRow { id: head, .. }) if *head == id);
            let Some(Ok(point)) = source.next_if(is_it) else { continue };
            let superseded = found.map_or(0, |known| known.superseded + 1);
            let counts = found.is_none_or(|known| point.version >= known.version);
            let here = LivePoint { id, segment, row: point.row, version: point.version, superseded };
            found = Some(if counts { here } else { LivePoint { superseded, ..found.unwrap_or(here) } });
        }
        found.map(Ok)
    }
}
