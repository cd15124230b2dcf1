//! The points of a snapshot: listed in the server's order, counted, filtered; from a file or from a backup.

use std::collections::BTreeSet;

use rayon::prelude::*;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};
use vectar_qdrant::{
    FilterSubject, PointId, QdrantError,
    storage::{LivePoint, LivePoints, PointReader, Segment, SegmentStores, Vector, Wanted, WantedVectors},
};

pub use vectar_qdrant::{Filter, FilterError};

use crate::{
    content::Content,
    error::Error,
    inside::{Inside, ShardFiles},
    observer::CancelToken,
};

/// Points read at once, and so the most that are in memory.
const BATCH_POINTS_MAX: usize = 1024;

/// Points that one thread reads at a time.
const SHARE_POINTS: usize = 128;

/// Which points are asked for.
#[derive(Debug, Clone, Default)]
pub struct PointQuery {
    /// Of this collection; all of them when absent.
    pub collection: Option<String>,
    /// Of this shard.
    pub shard: Option<u32>,
    /// These only.
    pub ids: Option<BTreeSet<PointId>>,
    /// From this id on, inclusive.
    pub offset: Option<PointId>,
    /// At most so many.
    pub limit: Option<u64>,
    /// Those that fit.
    pub filter: Option<Filter>,
    /// With their vectors.
    pub with_vectors: bool,
    /// Without payloads.
    pub without_payload: bool,
}

/// A point as the server shows it. Serialised, it is the server's JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Its id.
    pub id: PointId,
    /// Its payload, if asked for.
    pub payload: Option<Map<String, Value>>,
    /// Its vectors by name, if asked for; those it lacks are left out.
    pub vectors: Option<Vec<(String, Vector)>>,
}

impl Serialize for Point {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        if let Some(payload) = &self.payload {
            map.serialize_entry("payload", payload)?;
        }
        match self.vectors.as_deref() {
            None => {}
            // The unnamed vector alone stands without a name (`qdrant v1.19.0 lib/segment/src/data_types/vectors.rs`).
            Some([(name, vector)]) if name.is_empty() => map.serialize_entry("vector", vector)?,
            Some(vectors) => map.serialize_entry("vector", &ByName(vectors))?,
        }
        map.end()
    }
}

struct ByName<'v>(&'v [(String, Vector)]);

impl Serialize for ByName<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, vector)| (name, vector)))
    }
}

/// Hands the points that are asked for to `take`, ascending by id; a point that several shards hold comes once for each. Returns how many.
///
/// # Errors
/// A segment cannot be read, `take` failed, or the caller asked to stop.
pub fn scroll(
    inside: &Inside<'_, '_>,
    query: &PointQuery,
    cancel: &CancelToken,
    mut take: impl FnMut(Point) -> Result<(), Error>,
) -> Result<u64, Error> {
    run(inside, query, cancel, &mut take)
}

/// Counts the points that are asked for, reading no more of them than the filter needs.
///
/// # Errors
/// As [`scroll`].
pub fn count(inside: &Inside<'_, '_>, query: &PointQuery, cancel: &CancelToken) -> Result<u64, Error> {
    let query = PointQuery { with_vectors: false, without_payload: true, ..query.clone() };
    run(inside, &query, cancel, &mut |_| Ok(()))
}

/// Takes each point that fits.
type Take<'t> = &'t mut dyn FnMut(Point) -> Result<(), Error>;

fn run(inside: &Inside<'_, '_>, query: &PointQuery, cancel: &CancelToken, take: Take<'_>) -> Result<u64, Error> {
    let files = inside.files();
    let shards = inside.shards(&files, query.collection.as_deref(), query.shard)?;
    let content = inside.content();
    let opened = OpenShard::open_all(content, &shards, query)?;
    let mut merged = Merged::of(content, &opened)?;
    let mut found = 0;
    let limit = query.limit.unwrap_or(u64::MAX);
    let mut batch_points = SHARE_POINTS;
    while found < limit {
        cancel.check()?;
        let batch = merged.next_batch(query, batch_points)?;
        if batch.is_empty() {
            break;
        }
        batch_points = (batch_points * 2).min(BATCH_POINTS_MAX);
        let read = |share: &[Place]| read_points(content, &opened, share, query);
        let points: Vec<Vec<Point>> = batch.par_chunks(SHARE_POINTS).map(read).collect::<Result<_, Error>>()?;
        for point in points.into_iter().flatten() {
            if found == limit {
                break;
            }
            take(point)?;
            found += 1;
        }
    }
    Ok(found)
}

/// A shard with everything open that a query needs.
pub(crate) struct OpenShard<'s> {
    segments: Vec<Segment<'s>>,
    pub(crate) stores: Vec<SegmentStores<'s>>,
    filter: Option<Filter>,
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
        let needs_payload = filter.as_ref().is_some_and(Filter::needs_payload);
        let vectors = match (&filter, query.with_vectors) {
            (_, true) => WantedVectors::All,
            (Some(filter), false) => WantedVectors::Named(filter.vector_names()),
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
}

/// A shard, by its place among those that are read, and a point in it.
pub(crate) type Place = (usize, LivePoint);

/// The points of several shards, ascending by id.
pub(crate) struct Merged<'m> {
    content: &'m Content<'m>,
    shards: Vec<std::iter::Peekable<LivePoints<'m>>>,
}

impl<'m> Merged<'m> {
    pub(crate) fn of(content: &'m Content<'m>, shards: &'m [OpenShard<'_>]) -> Result<Self, Error> {
        let points = shards.iter().map(|shard| LivePoints::new(shard.segments.iter().map(Segment::tracker)));
        let points = points.map(|points| Ok(points.map_err(|source| content.ids_failed(source))?.peekable()));
        Ok(Self { content, shards: points.collect::<Result<_, Error>>()? })
    }

    /// The next point and its shard, by its place among those that were given.
    pub(crate) fn next(&mut self) -> Option<Result<Place, Error>> {
        let failed = self.shards.iter_mut().find_map(|shard| shard.next_if(Result::is_err)?.err());
        if let Some(source) = failed {
            return Some(Err(self.content.ids_failed(source)));
        }
        let heads = self.shards.iter_mut().enumerate();
        let heads = heads.filter_map(|(index, shard)| Some((shard.peek()?.as_ref().ok()?.id, index)));
        let (_, index) = heads.min()?;
        let point = self.shards[index].next()?.ok()?;
        Some(Ok((index, point)))
    }

    fn next_batch(&mut self, query: &PointQuery, points_max: usize) -> Result<Vec<Place>, Error> {
        let mut batch = Vec::with_capacity(points_max);
        while batch.len() < points_max
            && let Some(point) = self.next()
        {
            let (shard, point) = point?;
            let is_after = query.offset.is_none_or(|offset| point.id >= offset);
            if is_after && query.ids.as_ref().is_none_or(|ids| ids.contains(&point.id)) {
                batch.push((shard, point));
            }
        }
        Ok(batch)
    }
}

/// Readers of one thread, made when they are first needed.
pub(crate) struct Readers<'r> {
    shards: &'r [OpenShard<'r>],
    readers: Vec<Vec<Option<PointReader<'r>>>>,
}

impl<'r> Readers<'r> {
    pub(crate) fn of(shards: &'r [OpenShard<'r>]) -> Self {
        let readers = shards.iter().map(|shard| shard.stores.iter().map(|_| None).collect());
        Self { shards, readers: readers.collect() }
    }

    /// The reader of the segment that holds this point.
    pub(crate) fn at(&mut self, (shard, point): Place) -> &mut PointReader<'r> {
        let stores = &self.shards[shard].stores[point.segment];
        self.readers[shard][point.segment].get_or_insert_with(|| stores.reader())
    }
}

/// Reads the points of a share that fit the filter.
fn read_points(
    content: &Content<'_>,
    shards: &[OpenShard<'_>],
    share: &[Place],
    query: &PointQuery,
) -> Result<Vec<Point>, Error> {
    let mut readers = Readers::of(shards);
    let mut found = Vec::new();
    for place in share {
        let (shard, live) = (&shards[place.0], &place.1);
        let reader = readers.at(*place);
        let point = read_point(reader, shard.filter.as_ref(), live, query);
        found.extend(point.map_err(|source| content.point_failed(&live.id, source))?);
    }
    Ok(found)
}

/// `None` when the point does not fit.
fn read_point(
    reader: &mut PointReader<'_>,
    filter: Option<&Filter>,
    live: &LivePoint,
    query: &PointQuery,
) -> Result<Option<Point>, QdrantError> {
    let needs_payload = filter.is_some_and(Filter::needs_payload) || !query.without_payload;
    let payload = if needs_payload { reader.payload(live.row)? } else { Map::new() };
    if let Some(filter) = filter {
        let has_vector = |name: &str| reader.has_vector(name, live.row);
        if !filter.matches(&FilterSubject { id: &live.id, payload: &payload, has_vector: &has_vector }) {
            return Ok(None);
        }
    }
    let vectors = match query.with_vectors {
        true => Some(reader.vectors(live.row)?.into_iter().map(|(name, vector)| (name.to_owned(), vector)).collect()),
        false => None,
    };
    Ok(Some(Point { id: live.id, payload: (!query.without_payload).then_some(payload), vectors }))
}
