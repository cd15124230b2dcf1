//! A whole series in a folder: snapshots numbered in order, and `truth.json` as the real series have it.

#![expect(
    clippy::disallowed_methods,
    reason = "a corpus is plain files for tests and benches, not part of a repository"
)]

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::CorpusError;
use super::content::{Payload, PayloadEncoder, VectorSource};
use super::noise::{Role, draw};
use super::options::{CorpusOptions, Layout, OptimizedStorage};
use super::points::{Life, PointId, Population};
use super::segment::time_s;
use super::snapshot;
use super::wal::PEER_ID;
use crate::fixtures::hex;

/// Points of each sort kept as samples: untouched, changed since they were inserted, deleted.
const SAMPLES: usize = 8;
/// Ids listed at each end of the scroll order.
const END_IDS: usize = 5;

/// One snapshot of a written series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesSnapshot {
    /// Number and step, such as `02-insert-1pct`; the file's name without `.snapshot`.
    pub tag: String,
    /// Where it was written.
    pub path: PathBuf,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, 64 lower-case hex digits.
    pub sha256: String,
    /// Live points.
    pub points: u64,
}

/// Writes the snapshots of a series, from its first generation on, into a folder (created when missing), then `truth.json` beside them.
///
/// `observe` is called with each snapshot as soon as it is complete. Files of the same names are replaced.
///
/// # Errors
///
/// [`CorpusError::Options`] before anything is written; [`CorpusError::Output`] when a file cannot be written, which
/// leaves the snapshots before it whole and no `truth.json`.
pub fn write_series(
    options: &CorpusOptions,
    folder: &Path,
    mut observe: impl FnMut(&SeriesSnapshot),
) -> Result<Vec<SeriesSnapshot>, CorpusError> {
    options.validate()?;
    let failed = |path: &Path| {
        let what = path.display().to_string();
        move |source| CorpusError::Output { what, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let truth_path = folder.join("truth.json");
    match fs::remove_file(&truth_path) {
        // What an earlier run said is not true of the files that follow.
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&truth_path)(error)),
        _ => {}
    }
    let population = Population::new(options);
    let (mut snapshots, mut truth) = (Vec::new(), Vec::new());
    for generation in options.first_generation..=options.last_generation() {
        let path = folder.join(format!("{}.snapshot", tag(options, generation)));
        let (snapshot, said) = write_one(&population, generation, &path).map_err(failed(&path))?;
        observe(&snapshot);
        snapshots.push(snapshot);
        truth.push(said);
    }
    let text = serde_json::to_vec_pretty(&truth).expect("a JSON value can be written");
    fs::write(&truth_path, text).map_err(failed(&truth_path))?;
    Ok(snapshots)
}

fn write_one(population: &Population<'_>, generation: u32, path: &Path) -> io::Result<(SeriesSnapshot, Value)> {
    let mut out = HashingWriter { out: File::create(path)?, sha256: Sha256::new() };
    let bytes = snapshot::write(population, generation, &mut out)?;
    let survey = Survey::new(population, generation);
    let snapshot = SeriesSnapshot {
        tag: tag(population.options(), generation),
        path: path.to_owned(),
        bytes,
        sha256: hex(&out.sha256.finalize()),
        points: survey.points,
    };
    let said = survey.truth(population, generation, &snapshot);
    Ok((snapshot, said))
}

fn tag(options: &CorpusOptions, generation: u32) -> String {
    let name = match generation.checked_sub(1) {
        None => "base",
        Some(step) => &options.steps[step as usize].name,
    };
    format!("{generation:02}-{name}")
}

/// The name the server would have given.
fn server_name(options: &CorpusOptions, generation: u32) -> String {
    let (day, hour) = (generation / 24, generation % 24);
    // A series of 1000 hourly generations ends in February 2026.
    let (month, day) = if day < 31 { (1, day + 1) } else { (2, day - 30) };
    let date = format!("2026-{month:02}-{day:02}-{hour:02}-00-00");
    match options.layout {
        Layout::Collection => format!("{}-{PEER_ID}-{date}.snapshot", options.collection),
        Layout::Shard | Layout::Streamed => {
            format!("{}-shard-0-{date}.snapshot", options.collection)
        }
    }
}

/// What one pass over all points in scroll order finds out.
struct Survey {
    points: u64,
    ids_sha256: String,
    first: Vec<u64>,
    last: Vec<u64>,
    untouched: Sample,
    changed: Sample,
    deleted: Sample,
    shard_points: Vec<u64>,
}

impl Survey {
    fn new(population: &Population<'_>, generation: u32) -> Self {
        let options = population.options();
        let mut sha256 = Sha256::new();
        let mut survey = Self {
            points: 0,
            ids_sha256: String::new(),
            first: Vec::new(),
            last: Vec::new(),
            untouched: Sample::default(),
            changed: Sample::default(),
            deleted: Sample::default(),
            shard_points: vec![0; options.shards as usize],
        };
        for point in population.in_id_order(generation) {
            let life = population.life(point, generation).expect("in_id_order lists inserted points");
            let rank = draw(options.seed, Role::Sample, point, 0);
            if life.died_step.is_some() {
                survey.deleted.offer(rank, point);
                continue;
            }
            if survey.points > 0 {
                sha256.update(b"\n");
            }
            sha256.update(population.id(point).spell());
            survey.count(point, life, rank);
            survey.shard_points[population.shard_of(point) as usize] += 1;
        }
        survey.ids_sha256 = hex(&sha256.finalize());
        survey
    }

    fn count(&mut self, point: u64, life: Life, rank: u64) {
        self.points += 1;
        if self.first.len() < END_IDS {
            self.first.push(point);
        }
        if self.last.len() == END_IDS {
            self.last.remove(0);
        }
        self.last.push(point);
        let untouched = life.vector_step == 0 && life.payload_step == 0;
        if untouched { &mut self.untouched } else { &mut self.changed }.offer(rank, point);
    }

    fn truth(&self, population: &Population<'_>, generation: u32, snapshot: &SeriesSnapshot) -> Value {
        let options = population.options();
        let ids = |points: &[u64]| points.iter().map(|&point| id_json(population, point)).collect::<Vec<_>>();
        let segments = u64::from(options.shards)
            * (population.segments_per_shard() + population.appendables_per_shard(generation));
        let config: Value = serde_json::from_str(&snapshot::config(options)).expect("config() writes valid JSON");
        let shards: Vec<Value> =
            (0..).zip(&self.shard_points).map(|(id, points): (u32, _)| json!({"id": id, "points": points})).collect();
        let mut sample = self.untouched.points();
        sample.extend(self.changed.points());
        json!({
            "tag": snapshot.tag,
            "server_name": server_name(options, generation),
            "taken_s": time_s(generation),
            "size": snapshot.bytes,
            "sha256": snapshot.sha256,
            "points": self.points,
            "segments": segments,
            "payload_schema": {},
            "config": config,
            "shards": shards,
            "ids_sha256": self.ids_sha256,
            "first_ids": ids(&self.first),
            "last_ids": ids(&self.last),
            "deleted_ids": ids(&self.deleted.points()),
            "sample": sample.iter().map(|&point| point_json(population, point, generation)).collect::<Vec<_>>(),
        })
    }
}

/// Keeps the points with the lowest ranks.
#[derive(Default)]
struct Sample {
    ranked: Vec<(u64, u64)>,
}

impl Sample {
    fn offer(&mut self, rank: u64, point: u64) {
        let place = self.ranked.partition_point(|&kept| kept < (rank, point));
        if place < SAMPLES {
            self.ranked.insert(place, (rank, point));
            self.ranked.truncate(SAMPLES);
        }
    }

    fn points(&self) -> Vec<u64> {
        self.ranked.iter().map(|&(_, point)| point).collect()
    }
}

fn id_json(population: &Population<'_>, point: u64) -> Value {
    match population.id(point) {
        PointId::Number(number) => json!(number),
        id @ PointId::Uuid(_) => json!(id.spell()),
    }
}

/// A point as the API returns it.
fn point_json(population: &Population<'_>, point: u64, generation: u32) -> Value {
    let options = population.options();
    let life = population.life(point, generation).expect("a sampled point was inserted");
    let mut payload = String::new();
    Payload::new(options, point, life.payload_step).append_json(&mut payload);
    let payload: Value = serde_json::from_str(&payload).expect("append_json() writes valid JSON");
    let vector = VectorSource::new(options).stored(point, life.vector_step);
    json!({"id": id_json(population, point), "payload": payload, "vector": vector})
}

/// Returns how many points make the base snapshot about `bytes` long, at least 1. The other options count as given;
/// their `points` does not. The result is within a few percent for snapshots of many rows.
pub fn points_for_bytes(options: &CorpusOptions, bytes: u64) -> u64 {
    const SAMPLED: u64 = 256;
    const SEGMENT_REST_BYTES: u64 = 40 << 10;
    const BLOCK_BYTES: u64 = 128;
    let mut encoder = PayloadEncoder::new(options);
    let payload: u64 =
        (0..SAMPLED).map(|point| (encoder.encode(point, 0).len() as u64).next_multiple_of(BLOCK_BYTES)).sum::<u64>()
            / SAMPLED;
    let links = if options.optimized == OptimizedStorage::Hnsw { 4 + 64 + 8 } else { 0 };
    // The id mapping with row number, the version, and the slot of the payload tracker.
    let row = VectorSource::row_bytes(options) + payload + links + 21 + 8 + 16;
    let sent = options.dimensions as u64 * 5 + options.payload_bytes as u64 + 60;
    let segments = u64::from(options.shards) * (u64::from(options.segments_per_shard) + 1);
    let rest = segments * SEGMENT_REST_BYTES;
    if options.layout != Layout::Collection {
        return (bytes.saturating_sub(rest) / row).max(1);
    }
    // The WAL holds every operation until its limit, then the last ones.
    let wal_max = u64::from(options.shards) * options.wal_bytes_max;
    let all_in_wal = bytes.saturating_sub(rest) / (row + sent);
    if all_in_wal * sent <= wal_max {
        return all_in_wal.max(1);
    }
    (bytes.saturating_sub(rest + wal_max) / row).max(1)
}

struct HashingWriter<W> {
    out: W,
    sha256: Sha256,
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.sha256.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
