//! What became of points between two snapshots: both are listed by id, so they are compared side by side and neither is loaded.

use rayon::prelude::*;
use serde::Serialize;
use serde_json::Value;
use vectar_qdrant::{PointId, QdrantError, storage::PointReader};

use crate::{
    content::Content,
    error::Error,
    inside::Inside,
    observer::CancelToken,
    points::PointQuery,
    shard_points::{Merged, OpenShard, Place, ReadersPool},
};

/// Pairs compared at once, and so the most that are in memory.
const BATCH_PAIRS: usize = 8192;

/// Pairs that one thread compares at a time.
const SHARE_PAIRS: usize = 512;

/// What became of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PointChange {
    /// The point.
    pub id: PointId,
    /// What became of it.
    pub change: PointChangeKind,
}

/// How a point differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PointChangeKind {
    /// Only the second snapshot has it.
    Added,
    /// Only the first snapshot has it.
    Removed,
    /// Its payload is another one.
    PayloadChanged,
    /// A vector is another one, or is there in one of them only.
    VectorChanged,
    /// Both.
    PayloadAndVectorChanged,
}

/// How many points went which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PointChanges {
    /// Points of the first snapshot.
    pub first: u64,
    /// Points of the second snapshot.
    pub second: u64,
    /// Points only the second has.
    pub added: u64,
    /// Points only the first has.
    pub removed: u64,
    /// Points with another payload; some of them with another vector too.
    pub payload_changed: u64,
    /// Points with another vector; some of them with another payload too.
    pub vector_changed: u64,
    /// Points that are the same in both.
    pub unchanged: u64,
}

impl PointChanges {
    fn count(&mut self, pair: &Pair, change: Option<PointChangeKind>) {
        self.first += u64::from(pair.first.is_some());
        self.second += u64::from(pair.second.is_some());
        match change {
            None => self.unchanged += 1,
            Some(PointChangeKind::Added) => self.added += 1,
            Some(PointChangeKind::Removed) => self.removed += 1,
            Some(PointChangeKind::PayloadChanged) => self.payload_changed += 1,
            Some(PointChangeKind::VectorChanged) => self.vector_changed += 1,
            Some(PointChangeKind::PayloadAndVectorChanged) => {
                self.payload_changed += 1;
                self.vector_changed += 1;
            }
        }
    }
}

/// Compares the points of a collection, or of one shard of it, in two snapshots and hands each that differs to `take`, ascending by id.
///
/// Payloads are compared as JSON values, vectors by their stored bytes, or by their numbers where the two snapshots store them
/// differently.
///
/// # Errors
/// A segment cannot be read, `take` failed, or the caller asked to stop.
pub fn point_changes(
    (first, second): (&Inside<'_, '_>, &Inside<'_, '_>),
    collection: Option<&str>,
    shard: Option<u32>,
    cancel: &CancelToken,
    mut take: impl FnMut(PointChange) -> Result<(), Error>,
) -> Result<PointChanges, Error> {
    let query = PointQuery { collection: collection.map(str::to_owned), with_vectors: true, ..PointQuery::default() };
    let (first_files, second_files) = (first.files(), second.files());
    let first_shards = first.shards(&first_files, collection, shard)?;
    let second_shards = second.shards(&second_files, collection, shard)?;
    let one = OpenShard::open_all(first.content(), &first_shards, &query)?;
    let other = OpenShard::open_all(second.content(), &second_shards, &query)?;
    let mut pairs = Pairs {
        first: Merged::of(first.content(), &one)?,
        second: Merged::of(second.content(), &other)?,
        heads: (None, None),
    };
    let sides = (Side::of(first.content(), &one), Side::of(second.content(), &other));
    let mut changes = PointChanges::default();
    let mut batch = pairs.next_batch()?;
    while !batch.is_empty() {
        cancel.check()?;
        let compare = |share: &[Pair]| compare((&sides.0, &sides.1), share);
        // The next ids are listed while the points of these are compared.
        let compare_all = || batch.par_chunks(SHARE_PAIRS).map(compare).collect::<Result<Vec<_>, Error>>();
        let (compared, following) = rayon::join(compare_all, || pairs.next_batch());
        for (pair, change) in batch.iter().zip(compared?.into_iter().flatten()) {
            changes.count(pair, change);
            if let Some(change) = change {
                take(PointChange { id: pair.id, change })?;
            }
        }
        batch = following?;
    }
    Ok(changes)
}

/// One id, and where each snapshot has it.
#[derive(Debug, Clone, Copy)]
struct Pair {
    id: PointId,
    first: Option<Place>,
    second: Option<Place>,
}

struct Pairs<'m> {
    first: Merged<'m>,
    second: Merged<'m>,
    heads: (Option<Place>, Option<Place>),
}

impl Pairs<'_> {
    fn next_batch(&mut self) -> Result<Vec<Pair>, Error> {
        let mut batch = Vec::with_capacity(BATCH_PAIRS);
        while batch.len() < BATCH_PAIRS
            && let Some(pair) = self.next()?
        {
            batch.push(pair);
        }
        Ok(batch)
    }

    fn next(&mut self) -> Result<Option<Pair>, Error> {
        let (first, second) = &mut self.heads;
        if first.is_none() {
            *first = self.first.next().transpose()?;
        }
        if second.is_none() {
            *second = self.second.next().transpose()?;
        }
        let id = match (*first, *second) {
            (None, None) => return Ok(None),
            (Some((_, point)), None) | (None, Some((_, point))) => point.id,
            (Some((_, one)), Some((_, other))) => one.id.min(other.id),
        };
        let is_it = |place: &mut Place| place.1.id == id;
        Ok(Some(Pair { id, first: first.take_if(is_it), second: second.take_if(is_it) }))
    }
}

/// One of the two snapshots.
struct Side<'s> {
    content: &'s Content<'s>,
    pool: ReadersPool<'s>,
}

impl<'s> Side<'s> {
    fn of(content: &'s Content<'s>, shards: &'s [OpenShard<'s>]) -> Self {
        Self { content, pool: ReadersPool::of(shards) }
    }
}

fn compare((first, second): (&Side<'_>, &Side<'_>), share: &[Pair]) -> Result<Vec<Option<PointChangeKind>>, Error> {
    let (mut one, mut other) = (first.pool.take(), second.pool.take());
    let mut changes = Vec::with_capacity(share.len());
    for pair in share {
        changes.push(match (pair.first, pair.second) {
            (None, _) => Some(PointChangeKind::Added),
            (_, None) => Some(PointChangeKind::Removed),
            (Some(a), Some(b)) => {
                let payload = same_payload((one.at(a.0, a.1.segment), a.1.row), (other.at(b.0, b.1.segment), b.1.row));
                let vectors = same_vectors((one.at(a.0, a.1.segment), a.1.row), (other.at(b.0, b.1.segment), b.1.row));
                let failed = |Failed { is_first, source }| {
                    let content = if is_first { first.content } else { second.content };
                    content.point_failed(&pair.id, source)
                };
                match (payload.map_err(failed)?, vectors.map_err(failed)?) {
                    (true, true) => None,
                    (false, true) => Some(PointChangeKind::PayloadChanged),
                    (true, false) => Some(PointChangeKind::VectorChanged),
                    (false, false) => Some(PointChangeKind::PayloadAndVectorChanged),
                }
            }
        });
    }
    first.pool.give_back(one);
    second.pool.give_back(other);
    Ok(changes)
}

type At<'p, 'r> = (&'p mut PointReader<'r>, u32);

/// A point of one of the two snapshots cannot be read.
struct Failed {
    is_first: bool,
    source: QdrantError,
}

impl Failed {
    fn first(source: QdrantError) -> Self {
        Self { is_first: true, source }
    }

    fn second(source: QdrantError) -> Self {
        Self { is_first: false, source }
    }
}

fn same_payload((one, row): At<'_, '_>, (other, other_row): At<'_, '_>) -> Result<bool, Failed> {
    // Mostly the very same bytes: nothing is decompressed then.
    if one.stored_payload(row).map_err(Failed::first)? == other.stored_payload(other_row).map_err(Failed::second)? {
        return Ok(true);
    }
    let a = one.payload_text(row).map_err(Failed::first)?;
    let b = other.payload_text(other_row).map_err(Failed::second)?;
    if a == b {
        return Ok(true);
    }
    // The order of members may differ without a difference of meaning.
    let (a, b) = (serde_json::from_slice::<Value>(a), serde_json::from_slice::<Value>(b));
    Ok(matches!((a, b), (Ok(a), Ok(b)) if a == b))
}

fn same_vectors((one, row): At<'_, '_>, (other, other_row): At<'_, '_>) -> Result<bool, Failed> {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    let collect = |stored: &mut Vec<u8>, name: &str, bytes: &[u8]| {
        stored.extend((name.len() as u64).to_le_bytes());
        stored.extend(name.as_bytes());
        stored.extend((bytes.len() as u64).to_le_bytes());
        stored.extend(bytes);
    };
    one.stored_vectors(row, |name, bytes| collect(&mut a, name, bytes)).map_err(Failed::first)?;
    other.stored_vectors(other_row, |name, bytes| collect(&mut b, name, bytes)).map_err(Failed::second)?;
    if a == b {
        return Ok(true);
    }
    Ok(one.vectors(row).map_err(Failed::first)? == other.vectors(other_row).map_err(Failed::second)?)
}
