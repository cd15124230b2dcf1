//! What a corpus shall look like.

use super::CorpusError;

/// Most rows a segment holds; bounds the memory of a writer, which keeps one segment's rows (at most 64 bytes each).
pub const POINTS_PER_SEGMENT_MAX: u64 = 1 << 19;

/// Most points a corpus may hold: the leading 40 bits of a UUID decide its order.
pub const POINTS_MAX: u64 = 1 << 40;

/// Most components of a vector: Qdrant's own limit (`lib/api/src/rest/validate.rs`, v1.18.3).
pub const DIMENSIONS_MAX: usize = 65_536;

/// Most bytes of a payload: a full segment of such payloads stays within 2^32 Gridstore blocks.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 18;

/// What the points are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdKind {
    /// Numbers from 0; new points sort last, so a rebuilt segment only grows at its end.
    Numeric,
    /// Random UUIDs; new points sort between the old ones, so a rebuild shifts every row.
    Uuid,
    /// Every second point has a UUID. Numbers sort first.
    Mixed,
}

/// The distance function of the collection, spelt as `config.json` spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Distance {
    /// Stored vectors have length 1.
    Cosine,
    /// Inner product.
    Dot,
    /// Euclidean distance.
    Euclid,
    /// Sum of absolute differences.
    Manhattan,
}

impl Distance {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Cosine => "Cosine",
            Self::Dot => "Dot",
            Self::Euclid => "Euclid",
            Self::Manhattan => "Manhattan",
        }
    }
}

/// What the components of a vector are like; decides how well vectors compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VectorContent {
    /// Nearly Gaussian `f32` components: exponents compress, mantissas do not.
    Gaussian,
    /// The same, rounded to half precision and widened again: the low 13 bits of each mantissa are zero.
    HalfPrecision,
}

/// How an optimized segment keeps its vectors and ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptimizedStorage {
    /// Vector chunk files, an HNSW graph, the immutable id tracker: Qdrant's default above `indexing_threshold`.
    Hnsw,
    /// `matrix.dat`, no graph, the immutable id tracker: `memmap_threshold` reached, `indexing_threshold` not.
    Mmap,
    /// Vector chunk files, no graph, the mutable id tracker: below both thresholds.
    Plain,
}

/// Which of Qdrant's snapshot layouts is written (format reference §1.1 and §2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// A collection snapshot: every shard, segments as nested tars, the full WAL.
    Collection,
    /// A stored shard snapshot: one shard, segments as nested tars, an empty WAL.
    Shard,
    /// A streamed shard snapshot: one shard, segment files as entries of the only tar, an empty WAL.
    Streamed,
}

/// What happens to the collection between two snapshots. Rates are per thousand of the points there are.
///
/// Inside a step, points are inserted first; only older points are changed or deleted; a rebuild comes last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The step's part of the file name, such as `insert-1pct`: letters, digits and `-`.
    pub name: String,
    /// New points, per thousand of all points ever inserted.
    pub insert_permille: u32,
    /// Points whose payload gets a new value under the key `reviewed`.
    pub payload_permille: u32,
    /// Points that are upserted with a new vector.
    pub vector_permille: u32,
    /// Points that are deleted.
    pub delete_permille: u32,
    /// Whether the optimizer then rebuilds every segment: new UUIDs, live rows only, ascending by id.
    pub rebuild: bool,
    /// How many optimized segments of each shard the optimizer then vacuums: new UUIDs, the rows that are still live. Of no
    /// consequence beside `rebuild`.
    pub vacuum_segments: u32,
}

impl Step {
    /// A step in which nothing happens.
    pub fn unchanged() -> Self {
        Self {
            name: "unchanged".to_owned(),
            insert_permille: 0,
            payload_permille: 0,
            vector_permille: 0,
            delete_permille: 0,
            rebuild: false,
            vacuum_segments: 0,
        }
    }

    /// The steps of the usual series, in order; a longer series repeats them.
    pub fn usual() -> Vec<Self> {
        let step = |name: &str| Self { name: name.to_owned(), ..Self::unchanged() };
        vec![
            Self::unchanged(),
            Self { insert_permille: 10, ..step("insert-1pct") },
            Self { payload_permille: 20, ..step("payload-2pct") },
            Self { vector_permille: 10, ..step("revector-1pct") },
            Self { delete_permille: 50, ..step("delete-5pct") },
            Self { insert_permille: 200, rebuild: true, ..step("insert-20pct-merge") },
            Self { delete_permille: 330, rebuild: true, ..step("delete-33pct-vacuum") },
        ]
    }

    /// A collection whose points double, which the optimizer has not seen yet: rows lie in the order of writing.
    pub fn growth() -> Self {
        Self { name: "growth".to_owned(), insert_permille: 1000, ..Self::unchanged() }
    }

    /// A day of a collection in use: one point in a hundred is new, another payload, another vector, or deleted; and the optimizer
    /// vacuums one segment.
    pub fn day() -> Self {
        Self {
            name: "day".to_owned(),
            insert_permille: 10,
            payload_permille: 10,
            vector_permille: 10,
            delete_permille: 10,
            rebuild: false,
            vacuum_segments: 1,
        }
    }

    /// A collection that the optimizer is never done with, in order; a longer series repeats them. Its length stays about the same
    /// over thirty generations, and in each of them rows move: all of them, or those of one segment.
    pub fn restless() -> Vec<Self> {
        let change = Self {
            insert_permille: 20,
            payload_permille: 20,
            vector_permille: 5,
            delete_permille: 30,
            ..Self::unchanged()
        };
        vec![
            Self { name: "merge".to_owned(), rebuild: true, ..change.clone() },
            Self { name: "vacuum".to_owned(), vacuum_segments: 1, ..change },
        ]
    }
}

/// Describes a whole series: its points, how they lie, and what happens to them.
///
/// Equal options give equal bytes on every machine.
#[derive(Debug, Clone)]
pub struct CorpusOptions {
    /// Decides every id, vector, payload, choice and UUID.
    pub seed: u64,
    /// The collection's name, used in `server_name` of `truth.json` only: snapshots do not carry it.
    pub collection: String,
    /// Points at generation 0; at least 1, at most [`POINTS_MAX`] over all generations.
    pub points: u64,
    /// Components per vector; 1 to [`DIMENSIONS_MAX`].
    pub dimensions: usize,
    /// Distance function.
    pub distance: Distance,
    /// Kind of point ids.
    pub ids: IdKind,
    /// Bytes of a payload's JSON, nearly; below about 200 the field `text` is empty and the rest remains.
    pub payload_bytes: usize,
    /// Shards, all on this peer; 1 for [`Layout::Shard`] and [`Layout::Streamed`].
    pub shards: u32,
    /// Optimized segments per shard; more are made where a segment would exceed [`POINTS_PER_SEGMENT_MAX`].
    pub segments_per_shard: u32,
    /// How optimized segments are stored.
    pub optimized: OptimizedStorage,
    /// What vectors look like.
    pub vectors: VectorContent,
    /// Most bytes of operations the WAL of a shard holds, the last ones first; at most 32 MiB. Collection layout only.
    pub wal_bytes_max: u64,
    /// Layout of the snapshots.
    pub layout: Layout,
    /// What happens before generation 1, 2, …; generation 0 is the base. The series has one snapshot more than this.
    pub steps: Vec<Step>,
    /// The first generation that a series writes; the ones before happen all the same.
    pub first_generation: u32,
}

impl Default for CorpusOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            collection: "corpus".to_owned(),
            points: 1000,
            dimensions: 384,
            distance: Distance::Cosine,
            ids: IdKind::Uuid,
            payload_bytes: 400,
            shards: 1,
            segments_per_shard: 1,
            optimized: OptimizedStorage::Hnsw,
            vectors: VectorContent::Gaussian,
            wal_bytes_max: 16 << 20,
            layout: Layout::Collection,
            steps: Step::usual(),
            first_generation: 0,
        }
    }
}

impl CorpusOptions {
    /// The number of the last generation: the number of steps.
    pub fn last_generation(&self) -> u32 {
        u32::try_from(self.steps.len()).expect("validate() bounds the number of steps")
    }

    /// Returns the options with exactly `generations` snapshots, which repeat the usual steps.
    #[must_use]
    pub fn with_generations(self, generations: u32) -> Self {
        self.repeating(&Step::usual(), generations)
    }

    /// Returns the options with exactly `generations` snapshots, which repeat these steps.
    #[must_use]
    pub fn repeating(mut self, steps: &[Step], generations: u32) -> Self {
        let count = generations.saturating_sub(1) as usize;
        self.steps = steps.iter().cycle().take(count).cloned().collect();
        self
    }

    /// Checks every stated limit.
    ///
    /// # Errors
    ///
    /// [`CorpusError::Options`] names the first option that is out of its range.
    pub fn validate(&self) -> Result<(), CorpusError> {
        let check = |holds: bool, reason: &str| {
            if holds { Ok(()) } else { Err(CorpusError::Options { reason: reason.to_owned() }) }
        };
        check(self.points >= 1, "a corpus needs at least one point")?;
        check((1..=DIMENSIONS_MAX).contains(&self.dimensions), "dimensions must be 1 to 65536")?;
        check(self.payload_bytes <= PAYLOAD_BYTES_MAX, "payload bytes must be at most 256 KiB")?;
        check((1..=1024).contains(&self.shards), "shards must be 1 to 1024")?;
        check((1..=65_536).contains(&self.segments_per_shard), "segments per shard must be 1 to 65536")?;
        check(self.wal_bytes_max <= 32 << 20, "the WAL of a shard holds at most 32 MiB")?;
        check(self.layout == Layout::Collection || self.shards == 1, "a shard snapshot holds one shard")?;
        check(self.steps.len() <= 1000, "a series has at most 1000 steps")?;
        check(self.first_generation <= self.last_generation(), "a series cannot begin behind its last snapshot")?;
        check(
            self.steps.iter().all(Step::is_valid),
            "a step's rates are at most 1000 per thousand and its name plain",
        )?;
        check(self.points_inserted() <= POINTS_MAX, "a corpus holds at most 2^40 points")
    }

    /// Points inserted over all generations; saturates.
    fn points_inserted(&self) -> u64 {
        self.steps.iter().fold(self.points, |points, step| points.saturating_add(step.inserted(points)))
    }
}

impl Step {
    /// Points this step inserts when `points` were inserted before it.
    pub(super) fn inserted(&self, points: u64) -> u64 {
        let inserted = u128::from(points) * u128::from(self.insert_permille) / 1000;
        u64::try_from(inserted).unwrap_or(u64::MAX)
    }

    fn is_valid(&self) -> bool {
        let rates = [self.insert_permille, self.payload_permille, self.vector_permille, self.delete_permille];
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        rates.iter().all(|&rate| rate <= 1000) && !self.name.is_empty() && self.name.chars().all(plain)
    }
}
