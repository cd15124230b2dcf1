//! The live points of a tracker, one by one.

use super::super::bits::Bits;
use super::disk::Entries;
use super::immutable::Records;
use super::links::SortedIds;
use super::versions::VersionsReader;
use super::{IdTracker, Mapping, PointRow};
use crate::error::QdrantError;
use crate::point_id::PointId;

/// Live points in scroll order, each id once. Ends after the first error.
#[derive(Debug)]
pub struct Points<'t> {
    source: Source<'t>,
    live: &'t Bits,
    versions: VersionsReader<'t>,
    left: u64,
}

#[derive(Debug)]
enum Source<'t> {
    Sorted { ids: &'t SortedIds, next: usize },
    Records(Records<'t>),
    Entries(Entries<'t>),
}

impl<'t> Points<'t> {
    pub(super) fn new(tracker: &'t IdTracker<'_>) -> Result<Self, QdrantError> {
        let (source, versions) = match &tracker.mapping {
            Mapping::Ascending(list) => (Source::Records(list.records()), tracker.versions.in_order()),
            Mapping::Sorted(ids) => (Source::Sorted { ids, next: 0 }, tracker.versions.load(tracker.rows)?),
            Mapping::Disk(disk) => (Source::Entries(disk.entries()), tracker.versions.load(tracker.rows)?),
        };
        Ok(Self { source, live: &tracker.live, versions, left: tracker.live_points })
    }

    fn read(&mut self) -> Result<Option<PointRow>, QdrantError> {
        loop {
            let Some((id, row)) = self.source.next()? else { return Ok(None) };
            if self.live.get(row.into()) {
                return Ok(Some(PointRow { id, row, version: self.versions.of(row)? }));
            }
        }
    }
}

impl Source<'_> {
    fn next(&mut self) -> Result<Option<(PointId, u32)>, QdrantError> {
        match self {
            Self::Sorted { ids, next } => {
                *next += 1;
                Ok(ids.at(*next - 1))
            }
            Self::Records(records) => Ok(records.next()?.map(|record| (record.id, record.row))),
            Self::Entries(entries) => entries.next(),
        }
    }
}

impl Iterator for Points<'_> {
    type Item = Result<PointRow, QdrantError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let point = self.read();
        if !matches!(point, Ok(Some(_))) {
            self.left = 0;
        }
        point.transpose()
    }

    /// As many as there are live points; fewer after an error.
    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, usize::try_from(self.left).ok())
    }
}
