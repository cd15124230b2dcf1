//! The points of a snapshot: listed in the server's order, counted, filtered; from a file or from a backup.

use std::collections::BTreeSet;

use rayon::prelude::*;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};
use vectar_qdrant::{
    PointId, QdrantError,
    storage::{PointReader, Vector},
};

pub use vectar_qdrant::{Filter, FilterError};

use crate::{
    content::Content,
    error::Error,
    fitting::{Fitting, Search},
    inside::Inside,
    observer::CancelToken,
    shard_points::{Asked, Merged, OpenShard, Place, ReadersPool},
};

/// Points read at once; as many more wait to be taken. No other points are in memory.
const BATCH_POINTS_MAX: usize = 1024;

/// So often a count looks whether it shall stop.
const CANCEL_POINTS: u64 = 16 * 1024;

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
    take: impl FnMut(Point) -> Result<(), Error>,
) -> Result<u64, Error> {
    scroll_as(inside, query, cancel, |point| point, take)
}

/// As [`scroll`], with what `make` makes of each point: that is done by the threads that read.
///
/// # Errors
/// As [`scroll`].
pub fn scroll_as<T: Send>(
    inside: &Inside<'_, '_>,
    query: &PointQuery,
    cancel: &CancelToken,
    make: impl Fn(Point) -> T + Sync,
    take: impl FnMut(T) -> Result<(), Error>,
) -> Result<u64, Error> {
    let files = inside.files();
    let shards = inside.shards(&files, query.collection.as_deref(), query.shard)?;
    let content = inside.content();
    let opened = OpenShard::open_all(content, &shards, query)?;
    let (asked, pool) = (Asked::by(query), ReadersPool::of(&opened));
    let search = Search::of(content, &opened, &pool, (query, &asked), cancel)?;
    let chosen = Chosen { points: Merged::of(content, &opened)?, asked: &asked, fitting: search.map(Fitting::new) };
    let read = |share: &[Place]| read_share(content, &pool, share, query, &make);
    Scroll { query, cancel }.run(chosen, &read, take)
}

/// Counts the points that are asked for, reading no more of them than the filter needs.
///
/// # Errors
/// As [`scroll`].
pub fn count(inside: &Inside<'_, '_>, query: &PointQuery, cancel: &CancelToken) -> Result<u64, Error> {
    let query = &PointQuery { with_vectors: false, without_payload: true, ..query.clone() };
    let files = inside.files();
    let shards = inside.shards(&files, query.collection.as_deref(), query.shard)?;
    let content = inside.content();
    let opened = OpenShard::open_all(content, &shards, query)?;
    let (asked, pool) = (Asked::by(query), ReadersPool::of(&opened));
    let limit = query.limit.unwrap_or(u64::MAX);
    let mut found = 0;
    if let Some(mut search) = Search::of(content, &opened, &pool, (query, &asked), cancel)? {
        while found < limit
            && let Some(fitting) = search.next()?
        {
            found += fitting.count();
        }
        return Ok(found.min(limit));
    }
    let mut chosen = Chosen { points: Merged::of(content, &opened)?, asked: &asked, fitting: None };
    while found < limit && chosen.next().transpose()?.is_some() {
        found += 1;
        if found.is_multiple_of(CANCEL_POINTS) {
            cancel.check()?;
        }
    }
    Ok(found)
}

/// The points of a query, ascending by id.
struct Chosen<'c> {
    points: Merged<'c>,
    asked: &'c Asked<'c>,
    fitting: Option<Fitting<'c>>,
}

impl Iterator for Chosen<'_> {
    type Item = Result<Place, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let place = match self.points.next()? {
                Ok(place) if self.asked.has(&place.1.id) => place,
                Ok(_) => continue,
                Err(error) => return Some(Err(error)),
            };
            match self.fitting.as_mut().map_or(Ok(true), |fitting| fitting.fits(&place)) {
                Ok(true) => return Some(Ok(place)),
                Ok(false) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// A walk over the points of a query.
struct Scroll<'q> {
    query: &'q PointQuery,
    cancel: &'q CancelToken,
}

impl Scroll<'_> {
    /// Three things go on at once: the ids of a batch of points are listed, the points of the batch before are read, and what was made of
    /// those before that is taken.
    fn run<T: Send>(
        &self,
        mut chosen: Chosen<'_>,
        read: &(impl Fn(&[Place]) -> Result<Vec<T>, Error> + Sync),
        mut take: impl FnMut(T) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let mut batch_points = SHARE_POINTS;
        let mut listed = list(&mut chosen, batch_points)?;
        let mut made: Vec<T> = Vec::new();
        let (mut found, limit) = (0, self.query.limit.unwrap_or(u64::MAX));
        while found < limit && !(listed.is_empty() && made.is_empty()) {
            self.cancel.check()?;
            batch_points = (batch_points * 2).min(BATCH_POINTS_MAX);
            let mut following = Ok((Vec::new(), Vec::new()));
            rayon::in_place_scope(|scope| {
                scope.spawn(|_| following = advance(&mut chosen, batch_points, &listed, read));
                for one in made.drain(..).take(usize::try_from(limit - found).unwrap_or(usize::MAX)) {
                    take(one)?;
                    found += 1;
                }
                Ok::<(), Error>(())
            })?;
            if found < limit {
                (listed, made) = following?;
            }
        }
        Ok(found)
    }
}

/// Lists the next batch, and reads the one that was listed before.
fn advance<T: Send>(
    chosen: &mut Chosen<'_>,
    batch_points: usize,
    listed: &[Place],
    read: &(impl Fn(&[Place]) -> Result<Vec<T>, Error> + Sync),
) -> Result<(Vec<Place>, Vec<T>), Error> {
    let read_all = || listed.par_chunks(SHARE_POINTS).map(read).collect::<Result<Vec<Vec<T>>, Error>>();
    let (following, made) = rayon::join(|| list(chosen, batch_points), read_all);
    // What was listed before comes first, and so does its error.
    let made = made?.into_iter().flatten().collect();
    Ok((following?, made))
}

fn list(chosen: &mut Chosen<'_>, points_max: usize) -> Result<Vec<Place>, Error> {
    chosen.take(points_max).collect()
}

/// Reads the points of a share.
fn read_share<T>(
    content: &Content<'_>,
    pool: &ReadersPool<'_>,
    share: &[Place],
    query: &PointQuery,
    make: &impl Fn(Point) -> T,
) -> Result<Vec<T>, Error> {
    let mut readers = pool.take();
    let mut made = Vec::with_capacity(share.len());
    for (shard, point) in share {
        let read = read_point(readers.at(*shard, point.segment), (point.id, point.row), query);
        made.push(make(read.map_err(|source| content.point_failed(&point.id, source))?));
    }
    pool.give_back(readers);
    Ok(made)
}

fn read_point(
    reader: &mut PointReader<'_>,
    (id, row): (PointId, u32),
    query: &PointQuery,
) -> Result<Point, QdrantError> {
    let payload = match query.without_payload {
        true => None,
        false => Some(reader.payload(row)?),
    };
    let vectors = match query.with_vectors {
        true => Some(reader.vectors(row)?.into_iter().map(|(name, vector)| (name.to_owned(), vector)).collect()),
        false => None,
    };
    Ok(Point { id, payload, vectors })
}
