//! What rows of floats and logs take, and how fast they are coded, beside zstd at level 1: `planes SNAPSHOT…`.
//!
//! Each snapshot is stored in a repository in memory; its chunks of vectors and of the write-ahead log are then coded by both, in turns, on one
//! thread. Printed are the median of the rounds and the best of them, in GB/s of decoded bytes.

#![expect(clippy::print_stdout, reason = "a program that prints figures")]

use std::{hint::black_box, path::Path, sync::Arc, time::Instant};

use anyhow::{Result, bail};
use bytes::Bytes;
use vectar::{
    CancelToken, Class, Engine, EngineOptions, IngestOptions, IngestOutcome, InitOptions, Repository, Silent, Source,
    SystemEnvironment, ingest,
};
use vectar_chunk::{ChunkId, CodecHint, CodecId, Decoder, Encoder};
use vectar_repository::ChunkReader;
use vectar_testkit::backend::MemoryBackend;

/// Rounds over all chunks of a kind.
const ROUNDS: usize = 31;

/// Decoded chunks kept while they are read, in bytes.
const CACHE_BYTES: usize = 1 << 20;

fn main() -> Result<()> {
    let paths: Vec<_> = std::env::args_os().skip(1).collect();
    match paths[..] {
        [] => bail!("usage: planes SNAPSHOT…"),
        _ => paths.iter().try_for_each(|path| measure(Path::new(path))),
    }
}

fn measure(path: &Path) -> Result<()> {
    let backend = Arc::new(MemoryBackend::new());
    let (repository, _) = Repository::init(backend, Arc::new(SystemEnvironment), &InitOptions::default())?;
    let engine = Engine::open(&repository, &EngineOptions::default())?;
    let cancel = CancelToken::default();
    let outcome = ingest(&engine, Source::file(path)?, &IngestOptions::default(), &[], &Silent, &cancel)?;
    let IngestOutcome::Stored(_) = outcome else { bail!("{} was not stored", path.display()) };
    println!("{}", path.display());
    for (class, hint) in [(Class::DenseRows, CodecHint::Floats), (Class::Logs, CodecHint::Log)] {
        let chunks = chunks_of(&engine, class)?;
        if !chunks.is_empty() {
            race(class, hint, &chunks)?;
        }
    }
    Ok(())
}

fn chunks_of(engine: &Engine, class: Class) -> Result<Vec<Bytes>> {
    let reader = ChunkReader::new(engine.repository(), CACHE_BYTES);
    let mut chunks = Vec::new();
    for pack in engine.repository().index().pack_ids() {
        let (_, dump) = vectar::debug::pack(engine, &pack.to_string())?;
        for entry in dump.footer.entries.iter().filter(|entry| entry.head.label == class.code()) {
            chunks.push(reader.chunk(&ChunkId::from_bytes(entry.head.id))?);
        }
    }
    Ok(chunks)
}

/// Both coders over the same chunks, in turns, so that what else the machine does hits both.
fn race(class: Class, hint: CodecHint, chunks: &[Bytes]) -> Result<()> {
    let raw_bytes: usize = chunks.iter().map(Bytes::len).sum();
    println!("  {}: {} chunks, {raw_bytes} bytes", class.as_str(), chunks.len());
    let mut decoder = Decoder::new()?;
    let mut runners =
        [("planes", Encoder::with_planes(3)?, hint), ("zstd -1", Encoder::new(1)?, CodecHint::Structured)]
            .map(|(name, encoder, hint)| (name, encoder, hint, Vec::new(), Vec::new()));
    for _ in 0..ROUNDS {
        for (_, encoder, hint, encoding, decoding) in &mut runners {
            let start = Instant::now();
            chunks.iter().for_each(|chunk| drop(black_box(encoder.encode(chunk, *hint))));
            encoding.push(start.elapsed().as_secs_f64());
            let encoded: Vec<_> = chunks.iter().map(|chunk| encoder.encode(chunk, *hint)).collect();
            let start = Instant::now();
            for (encoded, chunk) in encoded.iter().zip(chunks) {
                black_box(decoder.borrow(encoded.codec, &encoded.bytes, chunk.len())?);
            }
            decoding.push(start.elapsed().as_secs_f64());
        }
    }
    for (name, mut encoder, hint, mut encoding, mut decoding) in runners {
        let encoded: Vec<_> = chunks.iter().map(|chunk| encoder.encode(chunk, hint)).collect();
        let stored: usize = encoded.iter().map(|encoded| encoded.bytes.len()).sum();
        let planes = encoded.iter().filter(|encoded| encoded.codec == CodecId::PLANES).count();
        let speed = |seconds: &mut Vec<f64>| {
            seconds.sort_by(f64::total_cmp);
            let speed = |seconds: f64| raw_bytes as f64 / 1e9 / seconds;
            format!("{:.2} GB/s, best {:.2}", speed(seconds[ROUNDS / 2]), speed(seconds[0]))
        };
        println!(
            "    {name:<8} stored {:.4} of raw, {planes} chunks in planes; encode {}; decode {}",
            stored as f64 / raw_bytes as f64,
            speed(&mut encoding),
            speed(&mut decoding),
        );
    }
    Ok(())
}
