//! Which points fit a filter: asked in the order of their rows, in which payloads lie, and answered in the order of their ids.
//!
//! Ids of a segment that takes new points are in no order of rows. To read such payloads by id is to jump, and in a backup each jump costs
//! a whole chunk. So the ids of a batch are listed first, which marks their rows; then payloads are read row after row.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;
use serde_json::Map;
use vectar_qdrant::{
    FilterSubject, PointId, QdrantError,
    storage::{Bits, PointReader},
};

use crate::{
    content::Content,
    error::Error,
    observer::CancelToken,
    points::PointQuery,
    shard_points::{Asked, Merged, OpenShard, Place, ReadersPool, ShardFilter},
};

/// Rows that one thread reads at a time.
const SHARE_ROWS: u32 = 4096;

/// Points of the first batch where a limit may make the rest needless, and how many times as many the next one has. Several batches read
/// the same chunks again where ids and rows are in no common order: there are few of them.
const FIRST_BATCH_POINTS: u64 = 16 * 1024;
const BATCH_GROWTH: u64 = 16;

/// Most points of a batch whose filter asks for ids: they are held, 32 bytes each.
const BATCH_IDS_MAX: u64 = 512 * 1024;

/// Any id, for filters that do not ask for it.
const ANY_ID: PointId = PointId::Number(0);

/// Some rows of one segment: its shard, its place there, and which of the runs of [`SHARE_ROWS`] it is.
type ShareKey = (usize, usize, u32);

/// Tells of points, ascending by id, which of them fit. Holds a bit for each row, and a batch of ids if the filter asks for ids.
pub(crate) struct Fitting<'s> {
    search: Search<'s>,
    found: Found,
    /// Points that were looked at and not asked for yet.
    left: u64,
}

impl<'s> Fitting<'s> {
    pub(crate) fn new(search: Search<'s>) -> Self {
        Self { search, found: Found::default(), left: 0 }
    }

    /// Whether this point fits. Each point that is asked for must be asked about, in the order of ids.
    pub(crate) fn fits(&mut self, place: &Place) -> Result<bool, Error> {
        if self.left == 0 {
            self.found = self.search.next()?.expect("a point that is asked about is one of those listed");
            self.left = self.found.looked_at;
        }
        self.left -= 1;
        Ok(self.found.has(place))
    }
}

/// Walks over the points of a query in batches.
pub(crate) struct Search<'s> {
    content: &'s Content<'s>,
    pool: &'s ReadersPool<'s>,
    points: Merged<'s>,
    asked: &'s Asked<'s>,
    cancel: &'s CancelToken,
    batch_points: u64,
    needs_ids: bool,
}

/// Points of a batch that fit.
#[derive(Default)]
pub(crate) struct Found {
    rows: HashMap<ShareKey, Bits>,
    /// How many the batch has, fitting or not.
    looked_at: u64,
}

impl Found {
    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.rows.values().map(Bits::count_ones).sum()
    }

    fn has(&self, place: &Place) -> bool {
        let (key, row) = share_of(place);
        self.rows.get(&key).is_some_and(|rows| rows.get(row))
    }
}

/// Rows of a share that are asked about.
#[derive(Default)]
struct Share {
    rows: Bits,
    /// Their ids, if the filter asks for ids.
    ids: Vec<(u64, PointId)>,
}

fn share_of((shard, point): &Place) -> (ShareKey, u64) {
    ((*shard, point.segment, point.row / SHARE_ROWS), u64::from(point.row % SHARE_ROWS))
}

impl<'s> Search<'s> {
    /// No payload is read yet. `None` when there is no filter.
    pub(crate) fn of(
        content: &'s Content<'s>,
        shards: &'s [OpenShard<'s>],
        pool: &'s ReadersPool<'s>,
        (query, asked): (&PointQuery, &'s Asked<'s>),
        cancel: &'s CancelToken,
    ) -> Result<Option<Self>, Error> {
        let Some(filter) = &query.filter else { return Ok(None) };
        let batch_points = query.limit.map_or(u64::MAX, |limit| limit.max(FIRST_BATCH_POINTS));
        let (points, needs_ids) = (Merged::of(content, shards)?, filter.needs_id());
        Ok(Some(Self { content, pool, points, asked, cancel, batch_points, needs_ids }))
    }

    /// Looks at the next batch; `None` behind the last point.
    pub(crate) fn next(&mut self) -> Result<Option<Found>, Error> {
        let (shares, looked_at) = self.list()?;
        self.batch_points = self.batch_points.saturating_mul(BATCH_GROWTH);
        if looked_at == 0 {
            return Ok(None);
        }
        let shares: Vec<(ShareKey, Share)> = shares.into_iter().collect();
        let this = &*self;
        let read = |(key, share)| Ok((key, this.read(key, share)?));
        let rows = shares.into_par_iter().map(read).collect::<Result<HashMap<_, _>, Error>>()?;
        Ok(Some(Found { rows, looked_at }))
    }

    /// Marks the rows of the next points, and counts these.
    fn list(&mut self) -> Result<(BTreeMap<ShareKey, Share>, u64), Error> {
        let points_max = if self.needs_ids { self.batch_points.min(BATCH_IDS_MAX) } else { self.batch_points };
        let (mut shares, mut listed) = (BTreeMap::<ShareKey, Share>::new(), 0_u64);
        while listed < points_max
            && let Some(place) = self.points.next()
        {
            let place = place?;
            if !self.asked.has(&place.1.id) {
                continue;
            }
            if listed.is_multiple_of(FIRST_BATCH_POINTS) {
                self.cancel.check()?;
            }
            let (key, row) = share_of(&place);
            let share = shares.entry(key).or_default();
            share.rows.set(row, true);
            if self.needs_ids {
                share.ids.push((row, place.1.id));
            }
            listed += 1;
        }
        Ok((shares, listed))
    }

    /// Which rows of a share fit.
    fn read(&self, (shard_index, segment, index): ShareKey, mut share: Share) -> Result<Bits, Error> {
        self.cancel.check()?;
        let shard = self.pool.shard(shard_index);
        let Some(filter) = &shard.filter else { return Ok(share.rows) };
        share.ids.sort_unstable_by_key(|(row, _)| *row);
        let mut ids = share.ids.iter().map(|(_, id)| *id);
        let mut readers = self.pool.take();
        let reader = readers.at(shard_index, segment);
        let mut found = Bits::default();
        for within in (0..share.rows.len()).filter(|row| share.rows.get(*row)) {
            let row = index * SHARE_ROWS + within as u32;
            let id = ids.next().unwrap_or(ANY_ID);
            match fits(reader, filter, &id, row) {
                Ok(false) => {}
                Ok(true) => found.set(within, true),
                Err(source) => return Err(self.failed(shard, (segment, row), source)),
            }
        }
        self.pool.give_back(readers);
        Ok(found)
    }

    /// The error that names the point in a row: its id is looked up only now.
    fn failed(&self, shard: &OpenShard<'_>, (segment, row): (usize, u32), source: QdrantError) -> Error {
        match shard.id_of(segment, row) {
            Some(id) => self.content.point_failed(&id, source),
            None => self.content.stored_failed(format!("the point in row {row}"), source),
        }
    }
}

/// Whether a point fits. Of the payload only what the filter looks at is built.
fn fits(reader: &mut PointReader<'_>, filter: &ShardFilter, id: &PointId, row: u32) -> Result<bool, QdrantError> {
    let payload = match filter.payload_keys.is_empty() {
        true => Map::new(),
        false => reader.payload_members(row, &filter.payload_keys)?,
    };
    let has_vector = |name: &str| reader.has_vector(name, row);
    Ok(filter.filter.matches(&FilterSubject { id, payload: &payload, has_vector: &has_vector }))
}
