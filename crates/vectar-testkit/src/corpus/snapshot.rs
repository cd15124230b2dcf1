//! One snapshot of one generation, in Qdrant's order of entries (format reference §2.5).

use std::io::{self, Write};

use super::CorpusError;
use super::options::{CorpusOptions, Layout};
use super::points::Population;
use super::segment::{SegmentPlan, hnsw_options, thresholds, time_s};
use super::tar_writer::{
    CountingWriter, DIRECTORY_ENTRY_BYTES, PlannedFile, TRAILER_BYTES, TarWriter, memory_entry_bytes,
};
use super::wal::{self, PEER_ID};

/// Entries of a nested segment tar lie below this folder.
const NESTED_PREFIX: &str = "snapshot/files/";
const SHARD_CONFIG: &str = r#"{"type":"ReplicaSet"}"#;
/// Collects headers and small bodies before they reach the output.
const OUTPUT_BUFFER_BYTES: usize = 1 << 20;

/// Writes the snapshot of one generation and returns its length in bytes.
///
/// Memory stays below about 100 MiB whatever the length: one segment's rows and one WAL segment are kept. The output
/// is written front to back and flushed.
///
/// # Errors
///
/// [`CorpusError::Options`] before anything is written, also for a generation past the last;
/// [`CorpusError::Output`] when the output fails, which leaves a snapshot cut short in it.
pub fn write_snapshot(options: &CorpusOptions, generation: u32, out: impl Write) -> Result<u64, CorpusError> {
    let population = population(options, generation)?;
    write(&population, generation, out)
        .map_err(|source| CorpusError::Output { what: "the snapshot".to_owned(), source })
}

/// Returns the length in bytes of the snapshot that [`write_snapshot`] would write, without producing vectors.
///
/// # Errors
///
/// [`CorpusError::Options`].
pub fn snapshot_bytes(options: &CorpusOptions, generation: u32) -> Result<u64, CorpusError> {
    let population = population(options, generation)?;
    let mut bytes = TRAILER_BYTES;
    for shard in 0..u64::from(options.shards) {
        let place = ShardPlace::new(&population, generation, shard);
        place
            .for_each_segment(|segment| {
                bytes += place.segment_bytes(segment);
                Ok(())
            })
            .expect("adding up sizes does no I/O");
        bytes += place.rest_bytes();
    }
    if options.layout == Layout::Collection {
        bytes +=
            root_files(options).iter().map(|(path, body)| memory_entry_bytes(path, body.len() as u64)).sum::<u64>();
    }
    Ok(bytes)
}

fn population(options: &CorpusOptions, generation: u32) -> Result<Population<'_>, CorpusError> {
    options.validate()?;
    if generation > options.last_generation() {
        let reason = format!("generation {generation} is past the last, {}", options.last_generation());
        return Err(CorpusError::Options { reason });
    }
    Ok(Population::new(options))
}

pub(super) fn write(population: &Population<'_>, generation: u32, out: impl Write) -> io::Result<u64> {
    let mut out = CountingWriter::new(io::BufWriter::with_capacity(OUTPUT_BUFFER_BYTES, out));
    let options = population.options();
    let mut tar = TarWriter::new(&mut out);
    for shard in 0..u64::from(options.shards) {
        ShardPlace::new(population, generation, shard).write(&mut tar)?;
    }
    if options.layout == Layout::Collection {
        for (path, body) in root_files(options) {
            tar.memory(path, body.as_bytes())?;
        }
    }
    tar.finish()?;
    out.flush()?;
    Ok(out.bytes())
}

/// A shard of a generation and where it lies in the tar.
struct ShardPlace<'o> {
    population: &'o Population<'o>,
    generation: u32,
    shard: u64,
    /// `<shard>/` in a collection snapshot, empty in a shard snapshot.
    prefix: String,
}

impl<'o> ShardPlace<'o> {
    fn new(population: &'o Population<'o>, generation: u32, shard: u64) -> Self {
        let prefix = match population.options().layout {
            Layout::Collection => format!("{shard}/"),
            Layout::Shard | Layout::Streamed => String::new(),
        };
        Self { population, generation, shard, prefix }
    }

    fn write(&self, tar: &mut TarWriter<'_>) -> io::Result<()> {
        self.for_each_segment(|segment| self.write_segment(segment, tar))?;
        tar.file(&self.prefix, &self.clocks())?;
        if self.has_wal_directory() {
            tar.directory(&format!("{}wal/", self.prefix), time_s(self.generation))?;
        }
        for file in self.wal() {
            tar.file(&self.prefix, &file)?;
        }
        for (name, body) in self.configuration() {
            tar.memory(&format!("{}{name}", self.prefix), body.as_bytes())?;
        }
        Ok(())
    }

    /// Lays out one segment after another, appendable ones first, so that only one is kept in memory.
    fn for_each_segment(&self, mut each: impl FnMut(&SegmentPlan<'_>) -> io::Result<()>) -> io::Result<()> {
        for index in 0..self.population.appendables_per_shard(self.generation) {
            each(&SegmentPlan::appendable(self.population, self.generation, self.shard, index))?;
        }
        for slot in 0..self.population.segments_per_shard() {
            each(&SegmentPlan::optimized(self.population, self.generation, self.shard, slot))?;
        }
        Ok(())
    }

    fn write_segment(&self, segment: &SegmentPlan<'_>, tar: &mut TarWriter<'_>) -> io::Result<()> {
        let files = segment.files();
        if self.is_streamed() {
            let prefix = self.streamed_prefix(segment);
            return files.iter().try_for_each(|file| tar.file(&prefix, file));
        }
        tar.memory_with(&self.nested_path(segment), entries_bytes(&files, NESTED_PREFIX), |out| {
            // Since v1.12.0 the nested tar has no end-of-archive blocks.
            let mut nested = TarWriter::new(out);
            files.iter().try_for_each(|file| nested.file(NESTED_PREFIX, file))
        })
    }

    fn segment_bytes(&self, segment: &SegmentPlan<'_>) -> u64 {
        let files = segment.files();
        if self.is_streamed() {
            return entries_bytes(&files, &self.streamed_prefix(segment));
        }
        memory_entry_bytes(&self.nested_path(segment), entries_bytes(&files, NESTED_PREFIX))
    }

    /// Bytes of everything in the shard that is not a segment.
    fn rest_bytes(&self) -> u64 {
        let directory = if self.has_wal_directory() { DIRECTORY_ENTRY_BYTES } else { 0 };
        let configuration = self.configuration();
        let configuration = configuration
            .iter()
            .map(|(name, body)| memory_entry_bytes(&format!("{}{name}", self.prefix), body.len() as u64));
        entries_bytes(&[self.clocks()], &self.prefix)
            + directory
            + entries_bytes(&self.wal(), &self.prefix)
            + configuration.sum::<u64>()
    }

    fn clocks<'p>(&self) -> PlannedFile<'p> {
        let clocks = wal::clocks(self.population, self.generation, self.shard);
        PlannedFile::small(
            "newest_clocks.json",
            time_s(self.population.last_written_step(self.generation)),
            clocks.into(),
        )
    }

    fn wal<'p>(&self) -> Vec<PlannedFile<'p>> {
        match self.population.options().layout {
            Layout::Collection => wal::full_wal(self.population, self.generation, self.shard),
            Layout::Shard | Layout::Streamed => {
                vec![wal::empty_wal(self.population, self.generation)]
            }
        }
    }

    /// Only the empty WAL is archived as a directory; a full one is archived file by file.
    fn has_wal_directory(&self) -> bool {
        self.population.options().layout != Layout::Collection
    }

    fn configuration(&self) -> [(&'static str, String); 2] {
        let replicas = format!(r#"{{"is_local":true,"this_peer_id":{PEER_ID},"peers":{{"{PEER_ID}":"Active"}}}}"#);
        [("replica_state.json", replicas), ("shard_config.json", SHARD_CONFIG.to_owned())]
    }

    fn is_streamed(&self) -> bool {
        self.population.options().layout == Layout::Streamed
    }

    fn nested_path(&self, segment: &SegmentPlan<'_>) -> String {
        format!("{}segments/{}.tar", self.prefix, segment.uuid())
    }

    fn streamed_prefix(&self, segment: &SegmentPlan<'_>) -> String {
        format!("{}segments/{}/files/", self.prefix, segment.uuid())
    }
}

fn entries_bytes(files: &[PlannedFile<'_>], prefix: &str) -> u64 {
    files.iter().map(|file| file.entry_bytes(prefix)).sum()
}

/// The files at the root of a collection snapshot.
pub(super) fn root_files(options: &CorpusOptions) -> [(&'static str, String); 4] {
    [
        ("version.info", "0.4.2".to_owned()),
        ("config.json", config(options)),
        ("shard_key_mapping.json", "[]".to_owned()),
        ("payload_index.json", r#"{"schema":{}}"#.to_owned()),
    ]
}

/// `config.json` (Qdrant `lib/collection/src/config.rs`, v1.18.3).
pub(super) fn config(options: &CorpusOptions) -> String {
    let (memmap_threshold, indexing_threshold) = thresholds(options);
    format!(
        concat!(
            r#"{{"params":{{"vectors":{{"size":{},"distance":"{}"}},"shard_number":{},"replication_factor":1,"#,
            r#""write_consistency_factor":1,"on_disk_payload":true}},"hnsw_config":{},"#,
            r#""optimizer_config":{{"deleted_threshold":0.2,"vacuum_min_vector_number":1000,"#,
            r#""default_segment_number":{},"max_segment_size":null,"memmap_threshold":{},"#,
            r#""indexing_threshold":{},"flush_interval_sec":5,"max_optimization_threads":null,"#,
            r#""prevent_unoptimized":null}},"wal_config":{{"wal_capacity_mb":32,"wal_segments_ahead":0,"#,
            r#""wal_retain_closed":1}},"quantization_config":null,"uuid":null}}"#
        ),
        options.dimensions,
        options.distance.name(),
        options.shards,
        hnsw_options(),
        options.segments_per_shard,
        memmap_threshold,
        indexing_threshold
    )
}
