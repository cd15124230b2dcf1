//! Why a backup made the repository grow by so much.
//!
//! A backup pays for the chunks that it was the first to use. Who used a chunk first is read off the recipes of the backups that are still
//! here, forgotten ones included, so the answer is exact as long as no earlier one is gone for good: the number of new chunks that the ingest
//! recorded tells whether it is. A chunk that is copied to several places is paid by each place in the proportion of its bytes.
//!
//! ```text
//! growth in packs = chunks (head, stored bytes, footer line) + recipe nodes (the same, times their copies)
//!                 + the packs' own bytes: headers, footer heads, digests of bodies, trailers
//! ```
//!
//! Inline bytes and runs of one byte take no chunk; they are in the recipe. Why bytes are new follows from the structure alone: which
//! segments the predecessor had, and which part of a snapshot a file is.

mod cause;
mod first_use;

use std::collections::{BTreeMap, HashMap};

use vectar_qdrant::{Class, SnapshotOutline};
use vectar_repository::{
    ChunkReader, Placed, RecipeWalker,
    format::{node::RecipeItem, record::BackupRecord},
};
use vectar_tar::{Catalogue, RowRole};

use crate::{
    content::Content,
    engine::Engine,
    error::Error,
    observer::CancelToken,
    select::{Group, counts_from},
};

pub use cause::Cause;
use cause::Compared;
use first_use::{CACHE_BYTES, Candidates, FirstUse, NewChunk};

/// Why a backup made the repository grow.
#[derive(Debug)]
pub struct Explanation {
    /// Bytes of the packs that storing it added, by its record.
    pub growth_bytes: u64,
    /// What the new chunks take, by where and why they are new; the largest first.
    pub rows: Vec<GrowthRow>,
    /// What the new recipe nodes take, all copies of them.
    pub recipe_bytes: u64,
    /// The packs' own bytes: what the growth has beyond chunks and nodes. Meant only where [`is_exact`](Self::is_exact).
    pub pack_overhead_bytes: u64,
    /// What the rows and the recipe have beyond the growth: others stored it, and are gone.
    pub stored_by_others_bytes: u64,
    /// Chunks that no earlier backup uses.
    pub new_chunks: u64,
    /// Chunks that were new when it was stored, by its record.
    pub recorded_new_chunks: u64,
    /// The backup before it of the same origin, with which its structure was compared.
    pub predecessor: Option<BackupRecord>,
    /// How many earlier backups were asked which chunks they use.
    pub earlier_backups: usize,
    /// Earlier backups that could not be asked, or compared with.
    pub unread: Vec<(BackupRecord, Error)>,
    /// Shards in which segments came or went since the predecessor.
    pub turnover: Vec<SegmentTurnover>,
}

/// What the new chunks of one place take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrowthRow {
    /// Whose bytes they are.
    pub owner: Owner,
    /// What they are.
    pub class: Class,
    /// Why they are new.
    pub cause: Cause,
    /// Bytes in packs.
    pub pack_bytes: u64,
    /// Bytes of the snapshot that are copied from new chunks.
    pub snapshot_bytes: u64,
}

/// Whose bytes something is: a segment's, else a shard's, else a collection's, else the snapshot's.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The collection, where known.
    pub collection: Option<String>,
    /// The shard, where known.
    pub shard: Option<u32>,
    /// The segment.
    pub segment: Option<String>,
}

/// Segments that came and went in one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentTurnover {
    /// The collection, where known.
    pub collection: Option<String>,
    /// The shard, where known.
    pub shard: Option<u32>,
    /// Segments that the predecessor did not have.
    pub new: Vec<String>,
    /// Segments that only the predecessor had.
    pub gone: Vec<String>,
}

impl Explanation {
    /// Whether every byte of the growth is accounted for, each to what caused it.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.new_chunks == self.recorded_new_chunks && self.stored_by_others_bytes == 0 && self.unread.is_empty()
    }

    /// What the new chunks take, by cause, the largest first.
    #[must_use]
    pub fn by_cause(&self) -> Vec<(Cause, u64)> {
        let mut causes: BTreeMap<Cause, u64> = BTreeMap::new();
        for row in &self.rows {
            *causes.entry(row.cause).or_default() += row.pack_bytes;
        }
        let mut causes: Vec<_> = causes.into_iter().collect();
        causes.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        causes
    }
}

/// Explains what storing a backup cost; `all` are all backups of the repository.
///
/// Reads every recipe node of the earlier backups once, headers and small files of two, and no other body. Memory is bounded by the
/// chunks of one backup and the recipe nodes of all (`first_use`), and 64 MiB of decoded nodes.
///
/// # Errors
/// The backup itself cannot be read, the listing failed, or the caller asked to stop. An earlier backup that cannot be read is part of the
/// answer.
pub fn explain(
    engine: &Engine,
    record: &BackupRecord,
    all: &[BackupRecord],
    cancel: &CancelToken,
) -> Result<Explanation, Error> {
    let forgotten = engine.repository().forgotten()?.backups.into_iter().map(|forgotten| forgotten.record);
    let mut earlier: Vec<BackupRecord> = all.iter().cloned().chain(forgotten).collect();
    earlier.retain(|other| (other.stored_at, other.id) < (record.stored_at, record.id));
    earlier.sort_by_key(|other| (other.stored_at, other.id));
    earlier.dedup_by_key(|other| other.id);
    let mut unread = Vec::new();
    let reader = ChunkReader::new(engine.repository(), CACHE_BYTES);
    let first = first_use(engine, &reader, record, &earlier, &mut unread, cancel)?;
    let (outline, listed) = Content::backup(engine, record).outline()?;
    let mut predecessor = predecessor_of(record, &earlier).cloned();
    let before = match &predecessor {
        None => None,
        Some(found) => match Content::backup(engine, found).outline() {
            Ok((outline, _)) => Some(outline),
            Err(error) => {
                unread.extend(predecessor.take().map(|record| (record, error)));
                None
            }
        },
    };
    let spread = Spread::of(&outline, before.as_ref(), &listed);
    let mut explanation = Explanation {
        growth_bytes: record.space.new_pack_bytes,
        rows: Vec::new(),
        recipe_bytes: first.node_bytes.saturating_mul(engine.repository().config().metadata_copies.max(1).into()),
        pack_overhead_bytes: 0,
        stored_by_others_bytes: 0,
        new_chunks: first.chunks.len() as u64,
        recorded_new_chunks: record.space.new_chunks,
        predecessor,
        earlier_backups: earlier.len(),
        unread,
        turnover: spread.compared.turnover(),
    };
    explanation.rows = spread.share_out(&reader, record, first, cancel)?;
    let chunk_bytes: u64 = explanation.rows.iter().map(|row| row.pack_bytes).sum();
    let explained_bytes = chunk_bytes + explanation.recipe_bytes;
    explanation.pack_overhead_bytes = explanation.growth_bytes.saturating_sub(explained_bytes);
    explanation.stored_by_others_bytes = explained_bytes.saturating_sub(explanation.growth_bytes);
    Ok(explanation)
}

fn first_use(
    engine: &Engine,
    reader: &ChunkReader<'_>,
    record: &BackupRecord,
    earlier: &[BackupRecord],
    unread: &mut Vec<(BackupRecord, Error)>,
    cancel: &CancelToken,
) -> Result<FirstUse, Error> {
    let mut candidates = Candidates::behind(reader, &record.root, cancel)?;
    for other in earlier {
        match candidates.leave_out(&other.root, cancel) {
            Ok(()) => {}
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(error) => unread.push((other.clone(), error)),
        }
    }
    candidates.finish(engine)
}

/// The newest earlier backup of the same origin.
fn predecessor_of<'r>(record: &BackupRecord, earlier: &'r [BackupRecord]) -> Option<&'r BackupRecord> {
    let group = Group::of(record);
    let alike = earlier.iter().filter(|other| Group::of(other) == group && counts_from(other) <= counts_from(record));
    alike.max_by_key(|other| (counts_from(other), other.stored_at))
}

/// A snapshot as a row of spans, each with the row of the answer that its bytes belong to.
struct Spread<'o> {
    compared: Compared<'o>,
    rows: Vec<GrowthRow>,
    /// Row by what it is of.
    index: HashMap<(Owner, Class, Cause), usize>,
    /// Leaf bodies with bytes, in order: first byte, byte behind the last, row of the body, row of the framing in front of it.
    spans: Vec<Span>,
    /// Row of the framing behind the last body.
    last: usize,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    start: u64,
    end: u64,
    body: usize,
    framing: usize,
}

impl<'o> Spread<'o> {
    fn of(outline: &'o SnapshotOutline, before: Option<&SnapshotOutline>, listed: &Catalogue) -> Self {
        let compared = Compared::new(outline, before);
        let mut spread = Self { compared, rows: Vec::new(), index: HashMap::new(), spans: Vec::new(), last: 0 };
        for row in &listed.rows {
            if row.role == RowRole::Archive || row.len == 0 {
                continue;
            }
            let (owner, class, cause) = spread.compared.of_row(row);
            let framing = spread.framing_of(owner.clone());
            let body = spread.row(owner, class, cause);
            let (start, end) = (row.head.offset, row.head.offset.saturating_add(row.len));
            spread.spans.push(Span { start, end, body, framing });
        }
        spread.last = spread.framing_of(Owner::default());
        spread
    }

    fn framing_of(&mut self, owner: Owner) -> usize {
        let cause = self.compared.of_framing(&owner);
        self.row(owner, Class::Framing, cause)
    }

    fn row(&mut self, owner: Owner, class: Class, cause: Cause) -> usize {
        let rows = &mut self.rows;
        *self.index.entry((owner.clone(), class, cause)).or_insert_with(|| {
            rows.push(GrowthRow { owner, class, cause, pack_bytes: 0, snapshot_bytes: 0 });
            rows.len() - 1
        })
    }

    /// Gives each place its share of the new chunks. Walks the recipe twice: the first time to see how often each is used.
    fn share_out(
        mut self,
        reader: &ChunkReader<'_>,
        record: &BackupRecord,
        mut first: FirstUse,
        cancel: &CancelToken,
    ) -> Result<Vec<GrowthRow>, Error> {
        for_each_new(reader, record, &mut first, cancel, |_, len, chunk| chunk.used_bytes += len)?;
        let mut next = 0;
        for_each_new(reader, record, &mut first, cancel, |offset, len, chunk| {
            self.take(&mut next, offset, len, chunk);
        })?;
        self.rows.retain(|row| row.pack_bytes > 0 || row.snapshot_bytes > 0);
        self.rows.sort_by(|a, b| (b.pack_bytes, &a.owner).cmp(&(a.pack_bytes, &b.owner)));
        Ok(self.rows)
    }

    /// Gives the bytes from `offset` their share, split where bodies begin and end; `next` is the first span that does not end before.
    fn take(&mut self, next: &mut usize, offset: u64, len: u64, chunk: &mut NewChunk) {
        let (mut at, end) = (offset, offset.saturating_add(len));
        while at < end {
            while self.spans.get(*next).is_some_and(|span| span.end <= at) {
                *next += 1;
            }
            let (row, until) = match self.spans.get(*next) {
                Some(span) if span.start <= at => (span.body, span.end),
                Some(span) => (span.framing, span.start),
                None => (self.last, end),
            };
            let piece = until.min(end) - at;
            let row = &mut self.rows[row];
            row.pack_bytes += chunk.next_share(piece);
            row.snapshot_bytes += piece;
            at += piece;
        }
    }
}

fn for_each_new(
    reader: &ChunkReader<'_>,
    record: &BackupRecord,
    first: &mut FirstUse,
    cancel: &CancelToken,
    mut take: impl FnMut(u64, u64, &mut NewChunk),
) -> Result<(), Error> {
    for placed in RecipeWalker::new(reader, &record.root, record.bytes, 0)? {
        cancel.check()?;
        let Placed { offset, extent } = placed?;
        if let RecipeItem::Copy { chunk, len, .. } = &extent
            && let Some(new) = first.chunks.get_mut(chunk.as_bytes())
        {
            take(offset, u64::from(*len), new);
        }
    }
    Ok(())
}
