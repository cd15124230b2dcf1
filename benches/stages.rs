//! The stages of an ingest, each alone, on one thread and in memory.

use std::{convert::Infallible, hint::black_box, time::Duration};

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use sha2::{Digest, Sha256};
use vectar_chunk::{CodecHint, CutParameters, CutRule, Decoder, Encoder, IdKey, cut_all};
use vectar_tar::{BodyHead, SplitOptions, SplitSink, Splitter};
use vectar_testkit::corpus::{CorpusOptions, points_for_bytes, write_snapshot};

/// Length of the snapshot that is worked on, nearly: larger than any cache, small enough for many rounds.
const SNAPSHOT_BYTES: u64 = 64 << 20;

/// What the engine hands to the splitter at once.
const WINDOW_BYTES: usize = 4 << 20;

/// Length of the rows of floats that are coded.
const FLOATS_BYTES: usize = 8 << 20;

/// The components of a vector of the corpus, in bytes.
const ROW_BYTES: u64 = 384 * 4;

/// A block of Gridstore.
const BLOCK_BYTES: u64 = 128;

/// The level at which the engine encodes.
const ZSTD_LEVEL: i32 = 3;

fn snapshot() -> Vec<u8> {
    let options = CorpusOptions::default();
    let options = CorpusOptions { points: points_for_bytes(&options, SNAPSHOT_BYTES), ..options };
    let mut bytes = Vec::new();
    write_snapshot(&options, 0, &mut bytes).expect("a Vec takes everything");
    bytes
}

/// Joins what it is given. The splitter alone looks at headers and hands bodies on as they lie, so that without somebody who
/// takes them no bytes would be touched.
struct Joining(Vec<u8>);

impl SplitSink for Joining {
    type Error = Infallible;

    fn framing(&mut self, _depth: u8, bytes: &[u8]) -> Result<(), Infallible> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn begin_body(&mut self, _body: &BodyHead) -> Result<(), Infallible> {
        Ok(())
    }

    fn body(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn end_body(&mut self, _complete: bool) -> Result<(), Infallible> {
        Ok(())
    }

    fn enter_archive(&mut self, _body: &BodyHead) -> Result<(), Infallible> {
        Ok(())
    }

    fn leave_archive(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

fn group<'c>(criterion: &'c mut Criterion, name: &str, bytes: &[u8]) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    group
}

fn split(criterion: &mut Criterion) {
    let snapshot = snapshot();
    let mut sink = Joining(Vec::with_capacity(snapshot.len()));
    group(criterion, "split", &snapshot).bench_function("and join", |bencher| {
        bencher.iter(|| {
            sink.0.clear();
            let mut splitter = Splitter::new(&SplitOptions::default());
            for window in snapshot.chunks(WINDOW_BYTES) {
                splitter.push(window, &mut sink).expect("the sink refuses nothing");
            }
            splitter.finish(&mut sink).expect("the sink refuses nothing");
            black_box(&sink.0).len()
        });
    });
    assert!(sink.0 == snapshot, "what was split joins to what it was");
}

/// Each rule over the same bytes: what a rule costs does not depend on what they mean.
fn cut(criterion: &mut Criterion) {
    let (snapshot, parameters) = (snapshot(), CutParameters::V2);
    let rules: [(&str, CutRule); 4] = [
        ("rows", parameters.rows_rule(0, ROW_BYTES)),
        ("blocks", parameters.blocks_rule(BLOCK_BYTES)),
        ("rebuilt", parameters.rebuilt_rule()),
        ("opaque", parameters.opaque_rule()),
    ];
    let mut group = group(criterion, "cut", &snapshot);
    for (name, rule) in rules {
        group.bench_function(name, |bencher| bencher.iter(|| black_box(cut_all(&rule, &snapshot))));
    }
}

/// Ids of chunks as they are cut, the digest of a long body, and the digest of the whole file.
fn hash(criterion: &mut Criterion) {
    let snapshot = snapshot();
    let key = IdKey::new(&[7; 32]);
    let cuts = cut_all(&CutParameters::V2.rows_rule(0, ROW_BYTES), &snapshot);
    let mut group = group(criterion, "hash", &snapshot);
    group.bench_function("chunk ids", |bencher| {
        bencher.iter(|| {
            for cut in &cuts {
                black_box(key.chunk_id(&snapshot[cut.clone()]));
            }
        });
    });
    group.bench_function("body digest", |bencher| {
        bencher.iter(|| black_box(key.body_hasher().update(&snapshot).finalize()));
    });
    group.bench_function("SHA-256", |bencher| bencher.iter(|| black_box(Sha256::digest(&snapshot))));
}

fn encode(criterion: &mut Criterion) {
    let snapshot = snapshot();
    let cuts = cut_all(&CutParameters::V2.rows_rule(0, ROW_BYTES), &snapshot);
    let mut encoder = Encoder::new(ZSTD_LEVEL).expect("the level is one of zstd's");
    group(criterion, "encode", &snapshot).bench_function("chunks", |bencher| {
        bencher.iter(|| {
            for cut in &cuts {
                black_box(encoder.encode(&snapshot[cut.clone()], CodecHint::Unknown));
            }
        });
    });
}

/// Rows of floats in planes beside zstd at its fastest usual level, there and back. `cargo run -p vectar-tests --release --example planes` prints
/// what they take on real snapshots.
fn floats(criterion: &mut Criterion) {
    let mut state = 1_u64;
    let mut normal = || {
        // Four parts of 16 bits added up, as the corpus makes its components.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = (state ^ state >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (0..4).map(|part| (mixed >> (16 * part) & 0xffff) as i32).sum::<i32>() - 131_070
    };
    let rows: Vec<u8> = (0..FLOATS_BYTES / 4).flat_map(|_| (normal() as f32 * 7.7e-7).to_le_bytes()).collect();
    let cuts = cut_all(&CutParameters::V1.rows_rule(0, ROW_BYTES), &rows);
    let planes = Encoder::with_planes(ZSTD_LEVEL).expect("the level is one of zstd's");
    let zstd = Encoder::new(1).expect("the level is one of zstd's");
    let mut decoder = Decoder::new().expect("zstd is there");
    let mut group = group(criterion, "floats", &rows);
    for (name, mut encoder) in [("planes", planes), ("zstd -1", zstd)] {
        group.bench_function(format!("encode, {name}"), |bencher| {
            bencher.iter(|| {
                cuts.iter().for_each(|cut| drop(black_box(encoder.encode(&rows[cut.clone()], CodecHint::Floats))))
            });
        });
        let encoded: Vec<_> =
            cuts.iter().map(|cut| (encoder.encode(&rows[cut.clone()], CodecHint::Floats), cut.len())).collect();
        group.bench_function(format!("decode, {name}"), |bencher| {
            bencher.iter(|| {
                for (encoded, raw_bytes) in &encoded {
                    black_box(decoder.borrow(encoded.codec, &encoded.bytes, *raw_bytes).expect("just encoded"));
                }
            });
        });
    }
}

criterion_group!(benches, split, cut, hash, encode, floats);
criterion_main!(benches);
