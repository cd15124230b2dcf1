//! Rows of toy snapshots, shared below the chunk as an ingest shares those of real ones: they are looked for in the newest backups, and
//! gathered into chunks of their own when they are new. So the campaign has chunks of which a part is needed, backups that prune records
//! afresh, and chunks that storing a snapshot again does not make again.

use std::{collections::HashMap, sync::LazyLock};

use vectar_chunk::{ChunkId, CodecHint};
use vectar_repository::{
    ChunkReader, IndexedRepository, Ingest, Placed, Preparer, RecipeWalker, RepositoryError, Stored,
    format::{node::RecipeItem, record::BackupRecord},
};

use super::world::{chunk_bytes, is_explained};

/// Backups whose rows are shared.
const PREDECESSORS: usize = 2;

/// So many new rows are one chunk.
const ROWS_GATHERED: usize = 4;

/// Seeds whose rows are recognised.
const SEEDS: u64 = 1000;

/// The seed of a row by its first bytes.
static SEED_OF: LazyLock<HashMap<[u8; 8], u64>> = LazyLock::new(|| {
    let begins = |seed| <[u8; 8]>::try_from(&chunk_bytes(seed)[..8]).expect("a row has a KiB at least");
    (1..=SEEDS).filter(|&seed| is_row(seed)).map(|seed| (begins(seed), seed)).collect()
});

/// Whether a seed stands for a row, not for a chunk.
pub(super) fn is_row(seed: u64) -> bool {
    seed.is_multiple_of(2) && seed <= SEEDS
}

/// Where rows lie.
#[derive(Debug, Default)]
pub(super) struct Rows {
    places: HashMap<u64, (ChunkId, u32)>,
}

impl Rows {
    /// Reads the rows of the newest backups. Those that cannot be read are left out.
    ///
    /// # Errors
    /// The storage failed.
    pub(super) fn of_newest(repository: &IndexedRepository) -> Result<Self, RepositoryError> {
        let mut rows = Self::default();
        for record in repository.records()?.backups.iter().rev().take(PREDECESSORS) {
            match rows.read(repository, record) {
                Err(error) if !is_explained(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(rows)
    }

    fn read(&mut self, repository: &IndexedRepository, record: &BackupRecord) -> Result<(), RepositoryError> {
        let reader = ChunkReader::new(repository, 1 << 20);
        for placed in RecipeWalker::new(&reader, &record.root, record.bytes, 0)? {
            let Placed { extent, .. } = placed?;
            let RecipeItem::Copy { chunk, start, len } = extent else { continue };
            let bytes = reader.chunk(&chunk)?;
            let (mut at, end) = (start as usize, (start as usize + len as usize).min(bytes.len()));
            while let Some(&seed) = bytes.get(at..at + 8).and_then(|begin| SEED_OF.get(begin)) {
                let row = chunk_bytes(seed);
                if at + row.len() > end || bytes[at..at + row.len()] != row {
                    break;
                }
                self.places.entry(seed).or_insert((chunk, at as u32));
                at += row.len();
            }
        }
        Ok(())
    }

    /// The piece of a chunk that is this row. A new one is stored, and with it the new ones among those that `follow`.
    ///
    /// # Errors
    /// What the repository meets.
    pub(super) fn place(
        &mut self,
        seed: u64,
        follow: &[u64],
        ingest: &mut Ingest<'_>,
        preparer: &mut Preparer,
        repository: &IndexedRepository,
    ) -> Result<RecipeItem, RepositoryError> {
        let len = chunk_bytes(seed).len() as u32;
        if let Some(&(chunk, start)) = self.places.get(&seed)
            && ingest.rely_on(&chunk)? == Stored::Known
        {
            return Ok(RecipeItem::Copy { chunk, start, len });
        }
        let mut gathered = vec![seed];
        for &next in follow.iter().filter(|&&next| is_row(next)) {
            if gathered.len() < ROWS_GATHERED && !gathered.contains(&next) && !self.places.contains_key(&next) {
                gathered.push(next);
            }
        }
        let bytes: Vec<u8> = gathered.iter().flat_map(|&seed| chunk_bytes(seed)).collect();
        let chunk = repository.id_key().chunk_id(&bytes);
        ingest.add(preparer.chunk(&chunk, &bytes, 0, CodecHint::Structured)?)?;
        let mut start = 0;
        for seed in gathered {
            self.places.insert(seed, (chunk, start));
            start += chunk_bytes(seed).len() as u32;
        }
        Ok(RecipeItem::Copy { chunk, start: 0, len })
    }
}
