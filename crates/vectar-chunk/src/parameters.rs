//! The chunk sizes of every kind of bytes, as a repository records them once and for all.

use crate::error::ChunkError;
use crate::rule::{CutRule, RecordLayout};
use crate::sizes::{CHUNK_BYTES_MAX, ChunkSizes};

/// The algorithms behind the rules; raised when one is added or replaced, never for other sizes.
const VERSION: u64 = 1;

/// The recorded names: version, largest small body, then smallest, aimed-at and largest chunk of each kind.
const NAMES: [&str; 2 + 3 * KINDS] = [
    "cut.version",
    SMALL_NAME,
    "cut.rows.bytes_min",
    "cut.rows.bytes_avg",
    "cut.rows.bytes_max",
    "cut.blocks.bytes_min",
    "cut.blocks.bytes_avg",
    "cut.blocks.bytes_max",
    "cut.log.bytes_min",
    "cut.log.bytes_avg",
    "cut.log.bytes_max",
    "cut.rebuilt.bytes_min",
    "cut.rebuilt.bytes_avg",
    "cut.rebuilt.bytes_max",
    "cut.framing.bytes_min",
    "cut.framing.bytes_avg",
    "cut.framing.bytes_max",
    "cut.opaque.bytes_min",
    "cut.opaque.bytes_avg",
    "cut.opaque.bytes_max",
];

const SMALL_NAME: &str = "cut.small.bytes_max";

/// Number of kinds that have their own chunk sizes.
const KINDS: usize = 6;

/// The chunk sizes that one repository cuts by, one set per kind of bytes.
///
/// A repository records the set when it is created ([`CutParameters::to_list`]) and reads it back when it is opened
/// ([`CutParameters::from_list`]); other sizes still restore everything, but they find nothing in common with what is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutParameters {
    rows: ChunkSizes,
    blocks: ChunkSizes,
    log: ChunkSizes,
    rebuilt: ChunkSizes,
    framing: ChunkSizes,
    opaque: ChunkSizes,
    small_bytes_max: u32,
}

impl CutParameters {
    /// The sizes of new repositories.
    pub const V2: Self = Self {
        // Single rows are shared whatever chunk they lie in, so longer chunks only save what each of them costs: over six snapshots with
        // UUID ids 27.48 MB at 32 KiB, 27.81 at 8 KiB and 27.44 at 64 KiB, where one row costs the decoding of twice as much.
        rows: ChunkSizes::from_constants(4 << 10, 32 << 10, 128 << 10),
        // The same for values: 64 KiB name half as many chunks in the recipe of values that moved.
        blocks: ChunkSizes::from_constants(16 << 10, 64 << 10, 256 << 10),
        ..Self::V1
    };

    /// The sizes of repositories made before rows were shared below the chunk.
    pub const V1: Self = Self {
        // Rows sorted anew were what cost most: over six snapshots with UUID ids vectors took 17.6 MB at 8 KiB, 22.9 at 16 KiB
        // and 25.6 at 64 KiB.
        rows: ChunkSizes::from_constants(1 << 10, 8 << 10, 64 << 10),
        // Values are mostly appended, so longer chunks compress better and cost little: 3.88 MB at 32 KiB against
        // 4.29 MB at 8 KiB (UUID ids), and 2.68 against 2.64 MB where values change in place.
        blocks: ChunkSizes::from_constants(8 << 10, 32 << 10, 128 << 10),
        // One record is one write, often megabytes: kept whole up to 4 MiB it compresses to 12.8 MB, cut by FastCDC at
        // 16 KiB to 14.1 MB. Small records share chunks of 16 KiB, which is all that an append stores again.
        log: ChunkSizes::from_constants(4 << 10, 16 << 10, 4 << 20),
        // Most of these files change throughout: 2.47 MB at 32 KiB, 2.52 MB at 16 KiB, 2.75 MB at 4 KiB.
        rebuilt: ChunkSizes::from_constants(8 << 10, 32 << 10, 128 << 10),
        // Times change in most headers and compress to almost nothing together: 9 KB per snapshot of four segments at
        // 64 KiB, 13 KB at 16 KiB, 19 KB at 4 KiB.
        framing: ChunkSizes::from_constants(16 << 10, 64 << 10, 256 << 10),
        // Not measured: no such bytes occur in the snapshots at hand.
        opaque: ChunkSizes::from_constants(16 << 10, 64 << 10, 256 << 10),
        // About four tar blocks of JSON; a chunk's record costs more than cutting could save.
        small_bytes_max: 4 << 10,
    };

    /// Returns the version of the algorithms that turn these sizes into cuts.
    pub const fn version(&self) -> u64 {
        VERSION
    }

    /// Rows of `row_bytes` each behind a header of `header_bytes` bytes: vectors and their codes.
    pub fn rows_rule(&self, header_bytes: u64, row_bytes: u64) -> CutRule {
        CutRule::Rows { header_bytes, row_bytes, sizes: self.rows }
    }

    /// Blocks of `block_bytes` each, overwritten in place and moved as whole blocks.
    pub fn blocks_rule(&self, block_bytes: u64) -> CutRule {
        CutRule::Blocks { block_bytes, sizes: self.blocks }
    }

    /// Parts of blocks that were gathered and lie in no grid any more: values that are new among values that are not. None is shorter than blocks
    /// are on average: each value is shared by itself later, and every chunk that values lie in costs the recipe of each body they move to its id.
    pub fn gathered_rule(&self) -> CutRule {
        CutRule::FastCdc { sizes: self.blocks.at_least_avg() }
    }

    /// Small fixed-size slots of `slot_bytes` each behind a header, overwritten in place. They are shared by whole chunks, so by shorter ones
    /// than blocks: those of rebuilt files.
    pub fn slots_rule(&self, header_bytes: u64, slot_bytes: u64) -> CutRule {
        CutRule::Rows { header_bytes, row_bytes: slot_bytes, sizes: self.rebuilt }
    }

    /// Logs of length-prefixed records that only grow at their end.
    pub fn log_rule(&self, layout: RecordLayout) -> CutRule {
        CutRule::Records { layout, sizes: self.log }
    }

    /// Files that are written anew as a whole and keep some of their bytes.
    pub fn rebuilt_rule(&self) -> CutRule {
        CutRule::FastCdc { sizes: self.rebuilt }
    }

    /// The bytes between bodies: headers and padding.
    pub fn framing_rule(&self) -> CutRule {
        CutRule::FastCdc { sizes: self.framing }
    }

    /// Bytes nothing is known about.
    pub fn opaque_rule(&self) -> CutRule {
        CutRule::FastCdc { sizes: self.opaque }
    }

    /// Bodies of a few kilobytes at most, kept whole.
    pub fn small_rule(&self) -> CutRule {
        CutRule::Whole { bytes_max: self.small_bytes_max, beyond: self.rebuilt }
    }

    /// Returns everything as names and numbers, in a fixed order, for a repository to record.
    pub fn to_list(&self) -> Vec<(&'static str, u64)> {
        let kinds = [self.rows, self.blocks, self.log, self.rebuilt, self.framing, self.opaque];
        let sizes = kinds.iter().flat_map(|sizes| [sizes.min(), sizes.avg(), sizes.max()]);
        let values = [VERSION, u64::from(self.small_bytes_max)].into_iter().chain(sizes.map(|size| size as u64));
        NAMES.into_iter().zip(values).collect()
    }

    /// Reads what [`CutParameters::to_list`] gave, in any order.
    ///
    /// # Errors
    /// [`ChunkError::CutVersionUnknown`] and [`ChunkError::CutParameterUnknown`] when a later version recorded it;
    /// [`ChunkError::CutParameterMissing`], [`ChunkError::CutParameterRepeated`], [`ChunkError::CutParameterTooLarge`] or
    /// [`ChunkError::ChunkSizesInvalid`] when it is damaged.
    pub fn from_list<'list>(list: impl IntoIterator<Item = (&'list str, u64)>) -> Result<Self, ChunkError> {
        let [version, small_bytes_max, sizes @ ..] = values_by_name(list)?;
        if version != VERSION {
            return Err(ChunkError::CutVersionUnknown { version, known: VERSION });
        }
        let largest = CHUNK_BYTES_MAX as u64;
        if small_bytes_max > largest {
            return Err(ChunkError::CutParameterTooLarge { name: SMALL_NAME, value: small_bytes_max, max: largest });
        }
        let kind = |index: usize| {
            // A size beyond 32 bits is refused like any other that is too large.
            let size = |part: usize| u32::try_from(sizes[3 * index + part]).unwrap_or(u32::MAX);
            ChunkSizes::new(size(0), size(1), size(2))
        };
        Ok(Self {
            rows: kind(0)?,
            blocks: kind(1)?,
            log: kind(2)?,
            rebuilt: kind(3)?,
            framing: kind(4)?,
            opaque: kind(5)?,
            small_bytes_max: small_bytes_max as u32,
        })
    }
}

/// Sorts recorded values into the order of [`NAMES`], each of which must occur exactly once.
fn values_by_name<'list>(list: impl IntoIterator<Item = (&'list str, u64)>) -> Result<[u64; NAMES.len()], ChunkError> {
    let mut found = [None; NAMES.len()];
    for (name, value) in list {
        let Some(index) = NAMES.iter().position(|known| *known == name) else {
            return Err(ChunkError::CutParameterUnknown { name: name.chars().take(64).collect() });
        };
        if found[index].replace(value).is_some() {
            return Err(ChunkError::CutParameterRepeated { name: NAMES[index] });
        }
    }
    let mut values = [0; NAMES.len()];
    for ((value, found), name) in values.iter_mut().zip(found).zip(NAMES) {
        *value = found.ok_or(ChunkError::CutParameterMissing { name })?;
    }
    Ok(values)
}
