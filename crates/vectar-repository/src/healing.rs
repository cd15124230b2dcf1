//! Making a hurt backup whole from another one of the same bytes.
//!
//! A chunk that was cut out of the snapshot alone comes back when the snapshot is stored again. One that was put together from rows an earlier
//! backup did not hold does not: the next time other rows are new. So what a hurt backup has lost is looked for here:
//!
//! 1. A lost chunk of which the hurt recipe tells every byte is put together anew, and its id proves it. That heals every backup that
//!    needs it.
//! 2. If something is still lost, as a recipe node or a chunk that the hurt backup needs only in part, the backup gets the recipe of the
//!    whole one: the same bytes, by length and SHA-256.

use std::collections::BTreeMap;

use vectar_chunk::{CHUNK_BYTES_MAX, ChunkId, CodecHint, NodeId};

use crate::{
    error::{ErrorKind, RepositoryError},
    format::{node::RecipeItem, record::BackupRecord},
    index::IndexReader,
    ingest::{Ingest, Preparer},
    reader::{ChunkReader, check_depth},
    recipe::read_range,
    repository::IndexedRepository,
};

/// Codec level of what is stored anew: that of an ingest by default.
const ZSTD_LEVEL: i32 = 3;

/// Decoded chunks and nodes kept while lost chunks are put together, in bytes.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

impl IndexedRepository {
    /// Makes `hurt` whole from `whole`, a backup of the same bytes that lost nothing. Returns its record as it is now; `None` when there was
    /// nothing to heal, or someone else was faster.
    ///
    /// Lost is what no pack holds: damage inside of a pack shows only once `check` has read and `repair packs` has set it aside. Takes
    /// some thirty bytes of memory for each place that a lost chunk has in the snapshot.
    ///
    /// # Errors
    /// [`RepositoryError::RecipeInvalid`] when the two are not of the same bytes. The storage failed, or `whole` is damaged too; nothing is
    /// worse than before then.
    pub fn heal(&self, hurt: &BackupRecord, whole: &BackupRecord) -> Result<Option<BackupRecord>, RepositoryError> {
        if hurt.sha256.is_none() || (hurt.bytes, &hurt.sha256) != (whole.bytes, &whole.sha256) {
            let reason = format!("{} and {} are not known to be of the same bytes", hurt.id.short(), whole.id.short());
            return Err(RepositoryError::RecipeInvalid { reason });
        }
        if hurt.root == whole.root {
            return Ok(None);
        }
        let lost = Lost::find(self, hurt)?;
        if lost.is_nothing() {
            return Ok(None);
        }
        lost.put_together(self, whole)?;
        self.catch_up()?;
        match Lost::find(self, hurt)?.is_nothing() {
            true => Ok(Some(hurt.clone())),
            false => {
                let healed = self.supersede(&hurt.id, hurt.seq, |record| record.root = whole.root)?;
                // With what notes say of it.
                Ok(healed.map(|healed| BackupRecord { seq: healed.seq, root: healed.root, ..hurt.clone() }))
            }
        }
    }
}

/// Bytes of a lost chunk and where in the snapshot they lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    start: u32,
    len: u32,
    /// Of the first byte, in the snapshot.
    offset: u64,
}

/// What a backup needs and no pack holds.
#[derive(Debug, Default)]
struct Lost {
    chunks: BTreeMap<ChunkId, Vec<Span>>,
    /// Whether a recipe node is among it, so that nobody knows what else is.
    has_nodes: bool,
}

impl Lost {
    fn find(repository: &IndexedRepository, record: &BackupRecord) -> Result<Self, RepositoryError> {
        let reader = ChunkReader::new(repository, CACHE_BYTES);
        let view = repository.index().reader()?;
        let mut lost = Self::default();
        lost.look_behind(&reader, &view, (&record.root, 0), 0)?;
        Ok(lost)
    }

    fn is_nothing(&self) -> bool {
        self.chunks.is_empty() && !self.has_nodes
    }

    /// Walks the node whose bytes begin at `offset`.
    fn look_behind(
        &mut self,
        reader: &ChunkReader<'_>,
        view: &IndexReader<'_>,
        (id, mut offset): (&NodeId, u64),
        depth: usize,
    ) -> Result<(), RepositoryError> {
        let node = match check_depth(depth).and_then(|()| reader.node(id)) {
            Ok(node) => node,
            Err(error) if error.kind() == ErrorKind::RepositoryDamaged => {
                self.has_nodes = true;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for item in &node.items {
            match item {
                RecipeItem::Node { node, .. } => self.look_behind(reader, view, (node, offset), depth + 1)?,
                RecipeItem::Copy { chunk, start, len } if view.locate(chunk.as_bytes())?.is_none() => {
                    self.chunks.entry(*chunk).or_default().push(Span { start: *start, len: *len, offset });
                }
                RecipeItem::Copy { .. } | RecipeItem::Inline(_) | RecipeItem::Fill { .. } => {}
            }
            offset = offset.saturating_add(item.len());
        }
        Ok(())
    }

    /// Stores the lost chunks anew of which every byte is known.
    fn put_together(self, repository: &IndexedRepository, whole: &BackupRecord) -> Result<(), RepositoryError> {
        if self.chunks.is_empty() {
            return Ok(());
        }
        let reader = ChunkReader::new(repository, CACHE_BYTES);
        let mut ingest = Ingest::begin(repository, ZSTD_LEVEL)?;
        let mut preparer = Preparer::for_repository(repository.config(), ZSTD_LEVEL)?;
        for (chunk, mut spans) in self.chunks {
            spans.sort_unstable();
            let Some(bytes) = bytes_of(&spans, &reader, whole)? else { continue };
            if repository.id_key().chunk_id(&bytes) == chunk {
                ingest.add(preparer.chunk(&chunk, &bytes, 0, CodecHint::Unknown)?)?;
            }
        }
        ingest.finish_packs()?;
        Ok(())
    }
}

/// The bytes that the spans cover from the first one of the chunk on, read from the whole backup; `None` when there is a gap. Whether they
/// are all of the chunk its id says.
fn bytes_of(
    spans: &[Span],
    reader: &ChunkReader<'_>,
    whole: &BackupRecord,
) -> Result<Option<Vec<u8>>, RepositoryError> {
    let mut bytes = Vec::new();
    for span in spans {
        let (have, end) = (bytes.len() as u64, u64::from(span.start) + u64::from(span.len));
        let is_gap = u64::from(span.start) > have;
        if is_gap || end > CHUNK_BYTES_MAX as u64 {
            return Ok(None);
        }
        if end > have {
            let offset = span.offset.saturating_add(have - u64::from(span.start));
            bytes.resize(end as usize, 0);
            // The two are of the same bytes, so the whole one has as many.
            read_range(reader, &whole.root, whole.bytes, offset, &mut bytes[have as usize..])?;
        }
    }
    Ok(Some(bytes))
}
