//! One segment of one generation: which rows it has, and the files that hold them.

use super::content::PayloadEncoder;
use super::gridstore::{self, PayloadWrite, push_write};
use super::noise::{Role, draw, spell_uuid, uuid_v4};
use super::options::{CorpusOptions, OptimizedStorage};
use super::points::Population;
use super::tar_writer::PlannedFile;
use super::{dense, hnsw, id_tracker};

/// When generation 0 was written: 2026-01-01T00:00:00Z. Each later generation is an hour younger.
pub(super) const EPOCH_S: u64 = 1_767_225_600;

/// The time of a step or generation, in seconds since 1970.
pub(super) fn time_s(generation: u32) -> u64 {
    EPOCH_S + u64::from(generation) * 3600
}

/// One row of a segment, dead or alive. With its [`PayloadWrite`] it takes at most 64 bytes of memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) point: u64,
    pub(super) version: u64,
    pub(super) vector_step: u32,
    /// Index of its payload in the segment's writes.
    pub(super) write: u32,
    pub(super) appended_step: u32,
    /// The step that deleted the row's point or moved it to another segment.
    pub(super) dead_step: Option<u32>,
}

impl Row {
    pub(super) fn is_live(&self) -> bool {
        self.dead_step.is_none()
    }
}

/// How a segment stores vectors and ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Appendable,
    Optimized(OptimizedStorage),
}

/// A segment laid out in memory: its rows, not their content.
pub(super) struct SegmentPlan<'o> {
    pub(super) population: &'o Population<'o>,
    pub(super) rows: Vec<Row>,
    /// Payload values in block order.
    pub(super) writes: Vec<PayloadWrite>,
    pub(super) generation: u32,
    /// The build that began this generation's era.
    pub(super) build: u32,
    /// The build, or the vacuum after it, that made this segment.
    pub(super) made: u32,
    /// A number that belongs to this segment alone.
    pub(super) key: u64,
    /// When the segment was made; the time of files that never change.
    pub(super) built_s: u64,
    /// When a row was last written or died; the time of files that hold rows.
    pub(super) changed_s: u64,
    /// The time of the snapshot; Qdrant rewrites a few small files at every snapshot.
    pub(super) flushed_s: u64,
    kind: Kind,
}

impl<'o> SegmentPlan<'o> {
    /// Lays out an optimized segment: the points of its slot that were alive at the build, and not touched before the vacuum, ascending
    /// by id.
    pub(super) fn optimized(population: &'o Population<'o>, generation: u32, shard: u64, slot: u64) -> Self {
        let kind = Kind::Optimized(population.options().optimized);
        let mut plan = Self::empty(population, generation, kind, shard, slot);
        let mut encoder = PayloadEncoder::new(population.options());
        for point in population.in_id_order(plan.build) {
            if population.shard_of(point) != shard || population.slot_of(point) != slot {
                continue;
            }
            let at_build = population.life(point, plan.build).expect("in_id_order lists inserted points");
            if at_build.died_step.is_some() {
                continue;
            }
            let now = population.life(point, generation).expect("an inserted point stays inserted");
            let moved = now.moved_step.filter(|&step| step > plan.build);
            let dead_step = moved.into_iter().chain(now.died_step).min();
            if dead_step.is_some_and(|dead| dead <= plan.made) {
                continue;
            }
            let bytes = encoder.encode(point, at_build.payload_step).len();
            let write = push_write(&mut plan.writes, point, at_build.payload_step, bytes);
            plan.rows.push(Row {
                point,
                version: at_build.version,
                vector_step: at_build.vector_step,
                write,
                appended_step: plan.made,
                dead_step,
            });
        }
        plan.seal();
        plan
    }

    /// Lays out an appendable segment: the points written since the build, in the order of their first write.
    pub(super) fn appendable(population: &'o Population<'o>, generation: u32, shard: u64, index: u64) -> Self {
        let mut plan = Self::empty(population, generation, Kind::Appendable, shard, index);
        let appendables = population.appendables_per_shard(generation);
        let mut encoder = PayloadEncoder::new(population.options());
        for step in plan.build + 1..=generation {
            plan.rewrite_rows(step, &mut encoder);
            for point in 0..population.inserted(step) {
                if population.event(point, step).writes()
                    && population.shard_of(point) == shard
                    && population.appendable_of(point, appendables) == index
                {
                    plan.append_row(point, step, &mut encoder);
                }
            }
        }
        plan.seal();
        plan
    }

    /// Writes new payload values for the rows that a step changes in place.
    fn rewrite_rows(&mut self, step: u32, encoder: &mut PayloadEncoder<'_>) {
        for index in 0..self.rows.len() {
            let row = self.rows[index];
            let died_before = row.dead_step.is_some_and(|dead| dead < step);
            if died_before || !self.population.event(row.point, step).writes() {
                continue;
            }
            let life = self.population.life(row.point, step).expect("a row's point was inserted");
            let bytes = encoder.encode(row.point, life.payload_step).len();
            self.rows[index].write = push_write(&mut self.writes, row.point, life.payload_step, bytes);
        }
    }

    /// Appends a row for a point if this step is the first of the era to write it.
    fn append_row(&mut self, point: u64, step: u32, encoder: &mut PayloadEncoder<'_>) {
        let Some(life) = self.population.life(point, step) else {
            return;
        };
        if life.moved_step != Some(step) || life.died_step.is_some() {
            return;
        }
        let now = self.population.life(point, self.generation).expect("an inserted point stays inserted");
        let bytes = encoder.encode(point, life.payload_step).len();
        let write = push_write(&mut self.writes, point, life.payload_step, bytes);
        self.rows.push(Row {
            point,
            version: now.version,
            vector_step: now.vector_step,
            write,
            appended_step: step,
            dead_step: now.died_step,
        });
    }

    fn empty(population: &'o Population<'o>, generation: u32, kind: Kind, shard: u64, index: u64) -> Self {
        let build = population.build_of(generation);
        let made = if kind == Kind::Appendable { build } else { population.made_of(generation, index) };
        let place = (shard << 32) | (index << 1) | u64::from(kind == Kind::Appendable);
        Self {
            population,
            rows: Vec::new(),
            writes: Vec::new(),
            generation,
            build,
            made,
            key: draw(population.options().seed, Role::SegmentUuid, place, u64::from(made)),
            built_s: time_s(made),
            changed_s: time_s(made),
            flushed_s: time_s(generation),
            kind,
        }
    }

    /// Marks the values that live rows point to, and finds when the segment last changed.
    fn seal(&mut self) {
        if self.rows.is_empty() && self.kind != Kind::Appendable {
            // The optimizer builds no index and no immutable files over nothing.
            self.kind = Kind::Optimized(OptimizedStorage::Plain);
        }
        for row in self.rows.iter().filter(|row| row.is_live()) {
            self.writes[row.write as usize].live = true;
        }
        let written = (self.build + 1..=self.generation).rev().find(|&step| {
            self.kind == Kind::Appendable && self.rows.iter().any(|row| self.population.event(row.point, step).writes())
        });
        let died = self.rows.iter().filter_map(|row| row.dead_step).max();
        self.changed_s = time_s(written.into_iter().chain(died).max().unwrap_or(self.made));
    }

    /// The segment's UUID, which stays the same until the segment is made anew.
    pub(super) fn uuid(&self) -> String {
        spell_uuid(&uuid_v4(self.key, draw(self.key, Role::SegmentUuid, 0, 0)))
    }

    /// Plans the segment's files in the order in which Qdrant archives them; paths begin below `files/`.
    pub(super) fn files(&self) -> Vec<PlannedFile<'_>> {
        let mut files = match self.kind {
            Kind::Optimized(OptimizedStorage::Hnsw) => hnsw::files(self),
            _ => Vec::new(),
        };
        files.extend(match self.kind {
            Kind::Optimized(OptimizedStorage::Mmap) => dense::matrix_files(self),
            _ => dense::chunked_files(self),
        });
        let config = br#"{"indexed_fields":{}}"#.to_vec();
        files.push(PlannedFile::small("payload_index/config.json", self.built_s, config));
        files.extend(gridstore::files(self));
        files.extend(match self.kind {
            Kind::Appendable | Kind::Optimized(OptimizedStorage::Plain) => id_tracker::mutable_files(self),
            Kind::Optimized(_) => id_tracker::immutable_files(self),
        });
        files.push(PlannedFile::small("segment.json", self.flushed_s, self.segment_json().into()));
        files.push(PlannedFile::small("version.info", self.built_s, b"0.6.0".to_vec()));
        files
    }

    /// `segment.json` (Qdrant `lib/segment/src/types.rs`, `SegmentState`, v1.18.3).
    fn segment_json(&self) -> String {
        let (storage, index) = match self.kind {
            Kind::Optimized(OptimizedStorage::Hnsw) => {
                ("InRamChunkedMmap", format!(r#"{{"type":"hnsw","options":{}}}"#, hnsw_options()))
            }
            Kind::Optimized(OptimizedStorage::Mmap) => ("Mmap", PLAIN_INDEX.to_owned()),
            _ => ("InRamChunkedMmap", PLAIN_INDEX.to_owned()),
        };
        let built = self.population.last_operation(self.made);
        let (initial, version) = match self.kind {
            Kind::Appendable if self.rows.is_empty() => ("null".to_owned(), "0".to_owned()),
            Kind::Appendable => ("null".to_owned(), self.version().to_string()),
            Kind::Optimized(_) => (built.to_string(), self.version().max(built).to_string()),
        };
        let options = self.population.options();
        format!(
            concat!(
                r#"{{"initial_version":{},"version":{},"config":{{"vector_data":{{"":{{"size":{},"#,
                r#""distance":"{}","storage_type":"{}","index":{},"quantization_config":null}}}},"#,
                r#""payload_storage_type":{{"type":"mmap"}}}}}}"#
            ),
            initial,
            version,
            options.dimensions,
            options.distance.name(),
            storage,
            index
        )
    }

    /// The last operation that may have touched the segment: the highest of its rows, or the last of a step in which
    /// a row died.
    fn version(&self) -> u64 {
        self.rows
            .iter()
            .map(|row| row.dead_step.map_or(row.version, |step| self.population.last_operation(step)))
            .max()
            .unwrap_or(0)
    }
}

const PLAIN_INDEX: &str = r#"{"type":"plain","options":{}}"#;

/// The HNSW parameters as `segment.json` and `config.json` spell them.
pub(super) fn hnsw_options() -> String {
    format!(
        r#"{{"m":{},"ef_construct":{},"full_scan_threshold":{},"max_indexing_threads":0,"on_disk":false}}"#,
        hnsw::M,
        hnsw::EF_CONSTRUCT,
        hnsw::FULL_SCAN_THRESHOLD_KB
    )
}

/// Bytes in KiB of vectors above which Qdrant would index a segment, chosen so that the corpus agrees with its own
/// `config.json`.
pub(super) fn thresholds(options: &CorpusOptions) -> (&'static str, u64) {
    const NEVER_KB: u64 = 1 << 40;
    match options.optimized {
        OptimizedStorage::Hnsw => ("null", 1),
        OptimizedStorage::Mmap => ("1", NEVER_KB),
        OptimizedStorage::Plain => ("null", NEVER_KB),
    }
}
