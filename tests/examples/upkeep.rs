//! What a large repository costs to open, to catch up with and to prune: `upkeep FOLDER CHUNKS`. Prints one figure a line.
//!
//! The repository has many chunks of few bytes, so that what counts is their number. Half of the backups are forgotten, and of what they
//! alone needed every pack holds some, so that prune has to rewrite.

#![expect(clippy::print_stdout, reason = "a program that prints figures")]

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use jiff::SignedDuration;
use peak_alloc::PeakAlloc;
use vectar::{BackupRecord, InitOptions};
use vectar_backend::LocalBackend;
use vectar_chunk::CodecHint;
use vectar_repository::{
    IndexedRepository, Ingest, NodeWriter, Preparer, RecordDraft, Repository, Stored, SystemEnvironment,
    format::{
        node::RecipeItem,
        record::{Space, Subject},
    },
    prune::{PruneOptions, plan},
};
use vectar_testkit::backend::{Operation, RecordingBackend};
use vectar_tests::campaign::Dice;

/// Backups in the repository.
const BACKUPS: u64 = 200;

/// Length of a chunk in bytes; the chunks are incompressible.
const CHUNK_BYTES: usize = 200;

/// Packs that another client adds.
const OTHER_PACKS: u64 = 100;

/// What another client adds, as a part of all chunks.
const OTHER_PART: u64 = 10;

/// Counts what is allocated. What the system says of a process moves by some MiB from run to run, with the threads' arenas and with
/// what was freed before.
#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [folder, chunks] => measure(Path::new(folder), chunks.parse()?),
        _ => bail!("usage: upkeep FOLDER CHUNKS"),
    }
}

fn measure(folder: &Path, chunks: u64) -> Result<()> {
    let (root, index, other_index) = (folder.join("repository"), folder.join("index"), folder.join("other-index"));
    let options = InitOptions { reserve: false, ..InitOptions::default() };
    let backend = Arc::new(LocalBackend::create(&root)?);
    let repository = Repository::init(backend, Arc::new(SystemEnvironment), &options)?.0;
    fill(&repository.with_index(Some(&index))?.0, chunks)?;

    let (indexed, opened) = timed(|| Ok(repository.with_index(Some(&index))?.0))?;
    let found = indexed.index().counts()?.records;
    ensure!(found >= chunks, "{found} of {chunks} chunks are in the index");
    println!("warm_open_ms {}", opened.as_millis());
    drop(indexed);

    // Another client comes and writes, while this one's index stays as it is.
    let other = repository.with_index(Some(&other_index))?.0;
    let (_, rebuilt) = (other.index().counts()?, timed_rebuild(&repository, &folder.join("third-index"))?);
    println!("rebuild_ms {}", rebuilt.as_millis());
    let each = chunks / OTHER_PART / OTHER_PACKS;
    for pack in 0..OTHER_PACKS {
        let first = chunks + pack * each;
        store(&other, &(first..first + each).collect::<Vec<_>>())?;
    }
    drop(other);
    let ((_, caught_up), elapsed) = timed(|| Ok(repository.with_index(Some(&index))?))?;
    ensure!(caught_up.added >= OTHER_PACKS, "{} packs were new", caught_up.added);
    println!("catch_up_ms {}", elapsed.as_millis());
    prune_half(folder)
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let start = Instant::now();
    Ok((work()?, start.elapsed()))
}

fn timed_rebuild(repository: &Repository, index: &Path) -> Result<Duration> {
    Ok(timed(|| Ok(repository.with_index(Some(index))?.0))?.1)
}

/// Stores the backups: each has chunks of its own, and one in five of those of the one before.
fn fill(repository: &IndexedRepository, chunks: u64) -> Result<()> {
    let each = chunks / BACKUPS;
    for backup in 0..BACKUPS {
        let first = backup * each;
        let shared = (first.saturating_sub(each)..first).step_by(5);
        store(repository, &shared.chain(first..first + each).collect::<Vec<_>>())?;
    }
    Ok(())
}

fn store(repository: &IndexedRepository, seeds: &[u64]) -> Result<BackupRecord> {
    let mut preparer = Preparer::new(1)?;
    let mut ingest = Ingest::begin(repository, 1)?;
    let mut recipe = NodeWriter::new(repository.config().node_cut);
    for &seed in seeds {
        let mut dice = Dice::new(seed + 1);
        let bytes: Vec<u8> = std::iter::repeat_with(|| (dice.throw() >> 32) as u8).take(CHUNK_BYTES).collect();
        let chunk = repository.id_key().chunk_id(&bytes);
        if ingest.rely_on(&chunk)? == Stored::New {
            ingest.add(preparer.chunk(&chunk, &bytes, 0, CodecHint::Incompressible)?)?;
        }
        recipe.push(RecipeItem::Copy { chunk, start: 0, len: bytes.len() as u32 }, &mut ingest)?;
    }
    let covered = recipe.len();
    let root = recipe.finish_root(&mut ingest)?;
    let draft = RecordDraft {
        subject: Subject { name: "large.snapshot".to_owned(), kind: "collection".to_owned(), ..Subject::default() },
        bytes: covered,
        sha256: Some("0".repeat(64)),
        damaged: None,
        tags: Vec::new(),
        note: None,
        space: Space::default(),
    };
    Ok(ingest.commit(root, covered, draft)?.record)
}

/// Forgets every other backup and prunes, twice: what is marked by the first is removed by the second.
fn prune_half(folder: &Path) -> Result<()> {
    let backend = Arc::new(RecordingBackend::new(LocalBackend::open(folder.join("repository"))?));
    let repository = Repository::open(backend.clone(), Arc::new(SystemEnvironment))?;
    let records = repository.records()?.backups;
    for record in records.iter().take(BACKUPS as usize).step_by(2) {
        repository.forget(record)?;
    }
    let plan_bytes = plan_memory(&repository, &folder.join("index"))?;
    let repository = repository.with_index(Some(&folder.join("index")))?.0;
    let metadata_bytes = metadata_bytes(&repository)?;
    let options = at_once();
    backend.take_calls();
    let planned = plan(&repository, &options)?;
    let rewritten = planned.rewritten_bytes();
    let (stats, elapsed) = timed(|| Ok(planned.apply(&repository, &|_| true)?))?;
    let read: u64 =
        [Operation::Get, Operation::GetRange, Operation::GetSuffix].iter().map(|call| backend.amount(*call)).sum();
    let written: u64 =
        [Operation::Put, Operation::PutIfAbsent, Operation::Write].iter().map(|call| backend.amount(*call)).sum();
    println!("prune_plan_memory_bytes {plan_bytes}");
    println!("prune_chunks {}", repository.index().counts()?.records);
    println!("prune_rewritten_bytes {rewritten}");
    println!("prune_metadata_bytes {metadata_bytes}");
    println!("prune_read_bytes {read}");
    println!("prune_written_bytes {written}");
    println!("prune_ms {}", elapsed.as_millis());
    println!("prune_condemned_bytes {}", stats.condemned_bytes);
    let again = plan(&repository, &options)?.apply(&repository, &|_| true)?;
    println!("prune_removed_bytes {}", again.removed_bytes);
    Ok(())
}

fn at_once() -> PruneOptions {
    PruneOptions { grace: SignedDuration::ZERO, ..PruneOptions::default() }
}

/// The most memory that planning a prune takes, in bytes, from before the index is opened.
fn plan_memory(repository: &Repository, index: &Path) -> Result<usize> {
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    let repository = repository.with_index(Some(index))?.0;
    drop(plan(&repository, &at_once())?);
    Ok(ALLOCATED.peak_usage().saturating_sub(before))
}

/// Bytes of everything that is no data: metadata packs, footers, records.
fn metadata_bytes(repository: &IndexedRepository) -> Result<u64> {
    let mut bytes = 0;
    for object in vectar_backend::BackendExt::list_all(repository.backend(), &vectar_backend::KeyPrefix::everything()) {
        let object = object?;
        let Some(pack) = vectar_repository::format::keys::pack_id_of(&object.key) else {
            bytes += object.meta.object_bytes;
            continue;
        };
        let footer = repository.index().footer(&pack)?.context("a pack has a footer")?;
        let data: u64 = footer
            .entries
            .iter()
            .filter(|entry| entry.head.kind == vectar_repository::format::pack::RecordKind::Chunk)
            .map(|entry| entry.head.record_len())
            .sum();
        bytes += object.meta.object_bytes - data;
    }
    Ok(bytes)
}
