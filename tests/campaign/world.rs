//! A small repository in memory, what should be in it, and how to look.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context as _, Result, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use vectar::{BackupId, BackupRecord, InitOptions, RepositoryErrorKind};
use vectar_backend::Backend;
use vectar_chunk::CodecHint;
use vectar_repository::{
    ChunkReader, IndexedRepository, Ingest, NodeWriter, Placed, Preparer, RecipeWalker, RecordDraft, Repository,
    RepositoryError, SeededEnvironment, Stored,
    check::{CheckOptions, CheckReport, Depth, Level, check},
    format::{
        config::NodeCut,
        node::RecipeItem,
        record::{Space, Subject},
    },
};
use vectar_testkit::backend::MemoryBackend;

use super::{
    Dice,
    rows::{Rows, is_row},
};

/// Small packs, so that a toy snapshot fills several.
const PACK_BYTES: u64 = 64 * 1024;

/// Where time begins.
const START_SECONDS: i64 = 1_790_000_000;

/// A snapshot of the toy world: the seeds of its chunks and rows, in order. Every other seed stands for a row.
pub type Toy = Vec<u64>;

/// The bytes of one chunk or row: incompressible, between 1 and 5 KiB.
#[must_use]
pub fn chunk_bytes(seed: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    let len = 1024 + dice.below(4096);
    (0..len).map(|_| (dice.throw() >> 32) as u8).collect()
}

/// The bytes of a snapshot.
#[must_use]
pub fn toy_bytes(toy: &Toy) -> Vec<u8> {
    toy.iter().flat_map(|&seed| chunk_bytes(seed)).collect()
}

/// A snapshot that shares chunks with others: `len` seeds out of a pool.
#[must_use]
pub fn toy(dice: &mut Dice, len: u64, pool: u64) -> Toy {
    (0..len).map(|_| 1 + dice.below(pool)).collect()
}

/// A storage, and what time it is there.
#[derive(Debug)]
pub struct World {
    /// The objects.
    pub storage: MemoryBackend,
    seed: u64,
    hours: i64,
}

impl World {
    /// An empty repository.
    ///
    /// # Errors
    /// None is expected.
    pub fn new(seed: u64) -> Result<Self> {
        // Every other world stores its recipes twice.
        Self::create(seed, None, 1 + u32::from(seed.is_multiple_of(2)))
    }

    /// An empty repository with this key.
    ///
    /// # Errors
    /// None is expected.
    pub fn like(seed: u64, id_key: String) -> Result<Self> {
        Self::create(seed, Some(id_key), 1)
    }

    /// An empty repository that stores each recipe node so many times.
    ///
    /// # Errors
    /// None is expected.
    pub fn create(seed: u64, id_key: Option<String>, metadata_copies: u32) -> Result<Self> {
        let world = Self { storage: MemoryBackend::new(), seed, hours: 0 };
        let node_cut = NodeCut { min_bytes: 1024, avg_bytes: 1024, max_bytes: 4096 };
        let options =
            InitOptions { pack_bytes: PACK_BYTES, node_cut, id_key, metadata_copies, ..InitOptions::default() };
        Repository::init(Arc::new(world.storage.another_process()), world.environment(), &options)?;
        // What `init` promises is durable; the log line it adds is not, and must not matter.
        Ok(world)
    }

    /// A world of its own that is the same up to here.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { storage: self.storage.fork(), seed: self.seed, hours: self.hours }
    }

    /// Lets hours pass.
    pub fn wait(&mut self, hours: i64) {
        self.hours += hours;
    }

    fn environment(&self) -> Arc<SeededEnvironment> {
        let start = Timestamp::from_second(START_SECONDS).unwrap_or_default() + SignedDuration::from_hours(self.hours);
        // Every process draws other random numbers.
        Arc::new(SeededEnvironment::new(self.seed ^ (self.hours as u64) << 32, start))
    }

    /// Opens the repository as a new process on the storage itself.
    ///
    /// # Errors
    /// The repository cannot be opened.
    pub fn open(&mut self) -> Result<IndexedRepository> {
        let backend = Arc::new(self.storage.another_process());
        Ok(self.open_on(backend)?)
    }

    /// Opens the repository as a new process on a backend in front of the storage.
    ///
    /// # Errors
    /// The repository cannot be opened.
    pub fn open_on(&mut self, backend: Arc<dyn Backend>) -> Result<IndexedRepository, RepositoryError> {
        self.seed = self.seed.wrapping_add(1);
        // Each pack of an ingest is in the index before the next is written.
        Ok(Repository::open(backend, self.environment())?.with_index(None)?.0.with_index_batch(0))
    }
}

/// Stores a snapshot.
///
/// # Errors
/// What the repository meets.
pub fn ingest(repository: &IndexedRepository, toy: &Toy) -> Result<BackupRecord, RepositoryError> {
    ingest_pausing(repository, toy, || {})
}

/// Stores a snapshot slowly: `pause` is called between its two halves, and again before the commit.
///
/// # Errors
/// What the repository meets.
pub fn ingest_pausing(
    repository: &IndexedRepository,
    toy: &Toy,
    mut pause: impl FnMut(),
) -> Result<BackupRecord, RepositoryError> {
    let mut preparer = Preparer::new(1)?;
    let mut ingest = Ingest::begin(repository, 1)?;
    let mut recipe = NodeWriter::new(repository.config().node_cut);
    let mut rows = Rows::of_newest(repository)?;
    for (at, &seed) in toy.iter().enumerate() {
        if at == toy.len() / 2 {
            pause();
        }
        if is_row(seed) {
            recipe.push(rows.place(seed, &toy[at + 1..], &mut ingest, &mut preparer, repository)?, &mut ingest)?;
            continue;
        }
        let bytes = chunk_bytes(seed);
        let chunk = repository.id_key().chunk_id(&bytes);
        if ingest.rely_on(&chunk)? == Stored::New {
            ingest.add(preparer.chunk(&chunk, &bytes, 0, CodecHint::Structured)?)?;
        }
        recipe.push(RecipeItem::Copy { chunk, start: 0, len: bytes.len() as u32 }, &mut ingest)?;
    }
    let covered = recipe.len();
    let root = recipe.finish_root(&mut ingest)?;
    let bytes = toy_bytes(toy);
    let digest = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let draft = RecordDraft {
        subject: Subject { name: "toy.snapshot".to_owned(), kind: "collection".to_owned(), ..Subject::default() },
        bytes: bytes.len() as u64,
        sha256: Some(digest),
        damaged: None,
        tags: Vec::new(),
        note: None,
        space: Space::default(),
    };
    pause();
    let record = ingest.commit(root, covered, draft)?.record;
    // As after every ingest.
    for twin in repository.records()?.backups {
        if twin.id != record.id && (twin.bytes, &twin.sha256) == (record.bytes, &record.sha256) {
            repository.heal(&twin, &record)?;
        }
    }
    Ok(record)
}

/// Copies a backup to a repository with the same key.
///
/// # Errors
/// What the repositories meet.
pub fn copy(
    from: &IndexedRepository,
    record: &BackupRecord,
    to: &IndexedRepository,
) -> Result<BackupRecord, RepositoryError> {
    let reader = ChunkReader::new(from, 1 << 20);
    let mut ingest = Ingest::begin(to, 1)?;
    for id in reader.ids_behind(&record.root)? {
        if ingest.lacks(&id)? {
            ingest.add(reader.record(&id)?)?;
        }
    }
    let draft = RecordDraft {
        subject: record.subject.clone(),
        bytes: record.bytes,
        sha256: record.sha256.clone(),
        damaged: None,
        tags: Vec::new(),
        note: None,
        space: Space::default(),
    };
    Ok(ingest.commit(record.root, record.bytes, draft)?.record)
}

/// Restores a backup into memory.
///
/// # Errors
/// Something of it cannot be had.
pub fn restore(repository: &IndexedRepository, record: &BackupRecord) -> Result<Vec<u8>, RepositoryError> {
    let reader = ChunkReader::new(repository, 1 << 20);
    let mut bytes = Vec::new();
    for placed in RecipeWalker::new(&reader, &record.root, record.bytes, 0)? {
        let Placed { extent, .. } = placed?;
        match extent {
            RecipeItem::Inline(inline) => bytes.extend_from_slice(&inline),
            RecipeItem::Fill { byte, len } => bytes.extend(std::iter::repeat_n(byte, len as usize)),
            RecipeItem::Copy { chunk, start, len } => {
                let chunk = reader.chunk(&chunk)?;
                let range = start as usize..start as usize + len as usize;
                let piece = chunk.get(range).ok_or_else(|| RepositoryError::RecipeInvalid {
                    reason: "an extent reaches over the end of its chunk".to_owned(),
                })?;
                bytes.extend_from_slice(piece);
            }
            RecipeItem::Node { .. } => {}
        }
    }
    Ok(bytes)
}

/// What should be in a repository: the snapshot of each backup.
pub type Expected = BTreeMap<BackupId, Toy>;

/// Opens the repository anew and restores every expected backup; none may be missing, and `check` may find no damage.
///
/// # Errors
/// The first thing that is not as it should be.
pub fn verify_all(world: &mut World, expected: &Expected) -> Result<()> {
    let repository = world.open().context("the repository cannot be opened")?;
    let report = check_whole(&repository)?;
    if let Some(finding) = report.findings.iter().find(|finding| finding.level == Level::Damage) {
        bail!("check finds damage where there is none: {}: {}", finding.object, finding.what);
    }
    let records = repository.records()?;
    ensure!(records.unreadable.is_empty(), "a record cannot be read: {:?}", records.unreadable);
    for (id, toy) in expected {
        let record = records.backups.iter().find(|record| record.id == *id);
        let record = record.with_context(|| format!("backup {id} is lost"))?;
        let bytes = restore(&repository, record).with_context(|| format!("backup {id} cannot be restored"))?;
        ensure!(bytes == toy_bytes(toy), "backup {id} comes back with other bytes");
    }
    Ok(())
}

/// Checks everything, every chunk decoded.
///
/// # Errors
/// The storage cannot be listed.
pub fn check_whole(repository: &IndexedRepository) -> Result<CheckReport, RepositoryError> {
    let options = CheckOptions { depth: Depth::Data, ..CheckOptions::default() };
    check(repository, &options, &|_| true)
}

/// Whether an error says that the repository is damaged, or that something is not there: an explanation, not a surprise.
#[must_use]
pub fn is_explained(error: &RepositoryError) -> bool {
    matches!(
        error.kind(),
        RepositoryErrorKind::RepositoryDamaged | RepositoryErrorKind::NotFound | RepositoryErrorKind::NewerFormat
    )
}

/// The time in the world of an open repository.
#[must_use]
pub fn now(repository: &IndexedRepository) -> Timestamp {
    repository.environment().now()
}
