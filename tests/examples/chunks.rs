//! What many chunks cost: `chunks FOLDER COUNT`. Prints one figure a line: the memory that an ingest of as many new chunks takes and what it leaves
//! in the index, then how long opening takes, and look-ups
//! per second of processor time of new and of known chunks, on one thread.
//!
//! The chunks have few bytes, so that what counts is their number.

#![expect(clippy::print_stdout, reason = "a program that prints figures")]

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use peak_alloc::PeakAlloc;
use vectar::InitOptions;
use vectar_backend::LocalBackend;
use vectar_chunk::{ChunkId, CodecHint};
use vectar_repository::{
    IndexPlace, IndexedRepository, Ingest, NodeWriter, Preparer, RecordDraft, Repository, Stored, SystemEnvironment,
    format::{
        node::RecipeItem,
        record::{Space, Subject},
    },
};
use vectar_tests::campaign::Dice;

/// Length of a chunk in bytes; the chunks are incompressible.
const CHUNK_BYTES: usize = 80;

/// Length of a pack, so that it holds some thousand chunks, as a pack of usual length does of usual chunks.
const PACK_BYTES: u64 = 128 * 1024;

/// Look-ups of each kind.
const LOOK_UPS: u64 = 1_000_000;

/// Chunks of a body of 32 MiB, which lie in the order in which they were cut: what look-ups in the order of packs are made of.
const RUN: u64 = 1000;

/// Counts what is allocated.
#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [folder, count] => measure(Path::new(folder), count.parse()?),
        _ => bail!("usage: chunks FOLDER COUNT"),
    }
}

fn measure(folder: &Path, count: u64) -> Result<()> {
    let index = folder.join("index");
    let options = InitOptions { reserve: false, pack_bytes: PACK_BYTES, ..InitOptions::default() };
    let backend = Arc::new(LocalBackend::create(folder.join("repository"))?);
    let repository = Repository::init(backend, Arc::new(SystemEnvironment), &options)?.0;
    let indexed = repository.with_index(Some(&index))?.0;
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    let start = Instant::now();
    store(&indexed, count)?;
    println!("ingest_ms {}", start.elapsed().as_millis());
    println!("ingest_peak_bytes {}", ALLOCATED.peak_usage().saturating_sub(before));
    if let IndexPlace::File(path) = indexed.index().place() {
        println!("index_bytes {}", std::fs::metadata(path)?.len());
    }
    drop(indexed);
    ALLOCATED.reset_peak_usage();
    let before = ALLOCATED.current_usage();
    let start = Instant::now();
    let indexed = repository.with_index(Some(&index))?.0;
    println!("warm_open_ms {}", start.elapsed().as_millis());
    println!("warm_open_peak_bytes {}", ALLOCATED.peak_usage().saturating_sub(before));
    look_up(&indexed, count)?;
    println!("held_bytes {}", ALLOCATED.current_usage().saturating_sub(before));
    Ok(())
}

fn store(repository: &IndexedRepository, count: u64) -> Result<()> {
    let mut preparer = Preparer::new(1)?;
    let mut ingest = Ingest::begin(repository, 1)?;
    let mut recipe = NodeWriter::new(repository.config().node_cut);
    for seed in 0..count {
        let bytes = bytes_of(seed);
        let chunk = repository.id_key().chunk_id(&bytes);
        if ingest.rely_on(&chunk)? == Stored::New {
            ingest.add(preparer.chunk(&chunk, &bytes, 0, CodecHint::Incompressible)?)?;
        }
        recipe.push(RecipeItem::Copy { chunk, start: 0, len: bytes.len() as u32 }, &mut ingest)?;
    }
    let covered = recipe.len();
    let root = recipe.finish_root(&mut ingest)?;
    let draft = RecordDraft {
        subject: Subject { name: "many.snapshot".to_owned(), kind: "collection".to_owned(), ..Subject::default() },
        bytes: covered,
        sha256: Some("0".repeat(64)),
        damaged: None,
        tags: Vec::new(),
        note: None,
        space: Space::default(),
    };
    ingest.commit(root, covered, draft)?;
    Ok(())
}

fn bytes_of(seed: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed + 1);
    std::iter::repeat_with(|| (dice.throw() >> 32) as u8).take(CHUNK_BYTES).collect()
}

fn look_up(repository: &IndexedRepository, count: u64) -> Result<()> {
    let ids = |seeds: &mut dyn Iterator<Item = u64>| -> Vec<ChunkId> {
        seeds.map(|seed| repository.id_key().chunk_id(&bytes_of(seed))).collect()
    };
    let mut dice = Dice::new(7);
    let new = ids(&mut (count..count + LOOK_UPS));
    let random = ids(&mut std::iter::repeat_with(|| dice.below(count)).take(LOOK_UPS as usize));
    // Runs that begin anywhere: bodies lie in packs, and follow each other in another order.
    let starts: Vec<u64> = (0..LOOK_UPS / RUN).map(|_| dice.below(count.saturating_sub(RUN).max(1))).collect();
    let in_order = ids(&mut starts.iter().flat_map(|start| (*start..start + RUN).map(|seed| seed.min(count - 1))));
    for (name, ids, known) in
        [("new", &new, false), ("known_in_order", &in_order, true), ("known_random", &random, true)]
    {
        let view = repository.index().reader()?;
        let start = busy()?;
        for id in ids {
            ensure!(view.locate_sound(id.as_bytes())?.is_some() == known, "{name}: {id}");
        }
        println!("{name}_per_second {:.0}", rate(ids.len(), busy()? - start));
    }
    Ok(())
}

/// What this thread has spent on a processor, whatever else the machine does.
fn busy() -> Result<Duration> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = told.split(' ').next().context("the kernel tells how long a thread was busy")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}

fn rate(count: usize, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}
