//! The points of open shards: listed by id, and read by several threads.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard},
};

use vectar_qdrant::{
    Filter, PointId, QdrantError,
    storage::{LivePoint, LivePoints, Merge, PointReader, Segment, SegmentStores, Wanted, WantedVectors},
};

use crate::{content::Content, error::Error, inside::ShardFiles, points::PointQuery};

/// Readers that are kept between shares: each has windows of some 256 KiB on what it reads. Where there are more segments readers are
/// made for each share, and their windows stay as small as what the share reads of them.
const SEGMENTS_KEPT_MAX: usize = 24;

/// A shard with everything open that a query needs.
pub(crate) struct OpenShard<'s> {
    segments: Vec<Segment<'s>>,
    stores: Vec<SegmentStores<'s>>,
    pub(crate) filter: Option<ShardFilter>,
}

/// A filter as it is asked of a shard.
pub(crate) struct ShardFilter {
    pub(crate) filter: Filter,
    /// Members of the payload that it looks into.
    pub(crate) payload_keys: BTreeSet<String>,
}

impl<'s> OpenShard<'s> {
    pub(crate) fn open_all(
        content: &Content<'_>,
        shards: &'s [ShardFiles<'_, '_>],
        query: &PointQuery,
    ) -> Result<Vec<Self>, Error> {
        shards.iter().map(|shard| Self::open(content, shard, query)).collect()
    }

    fn open(content: &Content<'_>, shard: &'s ShardFiles<'_, '_>, query: &PointQuery) -> Result<Self, Error> {
        let segments = shard.open(content)?;
        let filter = query.filter.clone().map(|filter| filter.with_schema(&shard.payload_schema())).transpose();
        let filter = filter.map_err(|source| Error::FilterInvalid { source })?;
        let filter = filter.map(|filter| ShardFilter { payload_keys: filter.payload_keys(), filter });
        let needs_payload = filter.as_ref().is_some_and(|shard| shard.filter.needs_payload());
        let vectors = match (&filter, query.with_vectors) {
            (_, true) => WantedVectors::All,
            (Some(shard), false) => WantedVectors::Named(shard.filter.vector_names()),
            (None, false) => WantedVectors::None,
        };
        let wanted = Wanted { payload: needs_payload || !query.without_payload, vectors };
        let ids = shard.segment_ids();
        let stores = segments
            .iter()
            .zip(ids)
            .map(|(segment, id)| segment.stores(&wanted).map_err(|source| content.segment_failed(id, source)));
        let stores = stores.collect::<Result<_, _>>()?;
        Ok(Self { segments, stores, filter })
    }

    /// The id of the live point in a row, found by looking at all ids of the segment.
    pub(crate) fn id_of(&self, segment: usize, row: u32) -> Option<PointId> {
        let points = self.segments[segment].tracker().points().ok()?;
        points.flatten().find(|point| point.row == row).map(|point| point.id)
    }
}

/// Which ids a query asks for, whatever else it demands.
pub(crate) struct Asked<'q> {
    offset: Option<PointId>,
    ids: Option<&'q BTreeSet<PointId>>,
    /// Ids that the filter demands, ascending.
    demanded: Option<Vec<PointId>>,
}

impl<'q> Asked<'q> {
    pub(crate) fn by(query: &'q PointQuery) -> Self {
        let demanded = query.filter.as_ref().and_then(Filter::ids).map(|ids| ids.copied().collect());
        Self { offset: query.offset, ids: query.ids.as_ref(), demanded }
    }

    pub(crate) fn has(&self, id: &PointId) -> bool {
        self.offset.is_none_or(|offset| *id >= offset)
            && self.ids.is_none_or(|ids| ids.contains(id))
            && self.demanded.as_ref().is_none_or(|ids| ids.binary_search(id).is_ok())
    }
}

/// A shard, by its place among those that are read, and a point in it.
pub(crate) type Place = (usize, LivePoint);

/// The points of several shards, ascending by id.
pub(crate) struct Merged<'m> {
    content: &'m Content<'m>,
    points: Merge<LivePoints<'m>, LivePoint, QdrantError>,
}

impl<'m> Merged<'m> {
    pub(crate) fn of(content: &'m Content<'m>, shards: &'m [OpenShard<'_>]) -> Result<Self, Error> {
        let points = shards.iter().map(|shard| LivePoints::new(shard.segments.iter().map(Segment::tracker)));
        let points: Vec<_> = points.collect::<Result<_, _>>().map_err(|source| content.ids_failed(source))?;
        Ok(Self { content, points: Merge::new(points) })
    }
}

impl Iterator for Merged<'_> {
    type Item = Result<Place, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.points.next()?.map_err(|source| self.content.ids_failed(source)))
    }
}

/// Readers of all segments, for one thread at a time; each is made when it is first needed.
pub(crate) struct Readers<'r> {
    shards: &'r [OpenShard<'r>],
    readers: Vec<Vec<Option<PointReader<'r>>>>,
}

impl<'r> Readers<'r> {
    fn of(shards: &'r [OpenShard<'r>]) -> Self {
        let readers = shards.iter().map(|shard| shard.stores.iter().map(|_| None).collect());
        Self { shards, readers: readers.collect() }
    }

    /// The reader of a segment of a shard.
    pub(crate) fn at(&mut self, shard: usize, segment: usize) -> &mut PointReader<'r> {
        let stores = &self.shards[shard].stores[segment];
        self.readers[shard][segment].get_or_insert_with(|| stores.reader())
    }
}

/// Readers that wait for their next thread. Points come ascending by id, and so do rows in most segments: a reader goes on where it was.
pub(crate) struct ReadersPool<'r> {
    shards: &'r [OpenShard<'r>],
    idle: Mutex<Vec<Readers<'r>>>,
}

impl<'r> ReadersPool<'r> {
    pub(crate) fn of(shards: &'r [OpenShard<'r>]) -> Self {
        Self { shards, idle: Mutex::default() }
    }

    pub(crate) fn shard(&self, shard: usize) -> &'r OpenShard<'r> {
        &self.shards[shard]
    }

    pub(crate) fn take(&self) -> Readers<'r> {
        let idle = self.idle().pop();
        idle.unwrap_or_else(|| Readers::of(self.shards))
    }

    pub(crate) fn give_back(&self, readers: Readers<'r>) {
        let segments: usize = self.shards.iter().map(|shard| shard.stores.len()).sum();
        if segments <= SEGMENTS_KEPT_MAX {
            self.idle().push(readers);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Readers<'r>>> {
        self.idle.lock().expect("no thread panics while it holds this lock")
    }
}
