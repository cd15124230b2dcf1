//! The smallest, aimed-at and largest chunk of a cut rule.

use crate::error::ChunkError;

/// Largest chunk of any rule, in bytes, and so the largest buffer that decoding one ever needs.
pub const CHUNK_BYTES_MAX: usize = 4 << 20;

const MIN_LOWEST: u32 = 64;
const AVG_LOWEST: u32 = 256;
const AVG_HIGHEST: u32 = 1 << 20;
const MAX_LOWEST: u32 = 1024;

/// The smallest, aimed-at and largest chunk of a cut rule, in bytes, all inclusive.
///
/// The first and the last chunk of a walk may be smaller than `min`; see [`CutRule`](crate::CutRule) for the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChunkSizes {
    min: u32,
    avg: u32,
    max: u32,
}

impl ChunkSizes {
    /// Takes sizes in bytes with 64 ≤ `min` ≤ `avg` ≤ `max` ≤ [`CHUNK_BYTES_MAX`], `min` and `max` even, `avg` a power of
    /// two between 256 and 1 MiB, `max` at least 1024.
    ///
    /// The evenness is what FastCDC's steps of two bytes need; the power of two spares the cuts any floating-point
    /// rounding that could differ between machines.
    ///
    /// # Errors
    /// [`ChunkError::ChunkSizesInvalid`] with the broken rule.
    pub fn new(min: u32, avg: u32, max: u32) -> Result<Self, ChunkError> {
        match broken_rule(min, avg, max) {
            None => Ok(Self { min, avg, max }),
            Some(rule) => {
                let [min, avg, max] = [min, avg, max].map(u64::from);
                Err(ChunkError::ChunkSizesInvalid { min, avg, max, rule })
            }
        }
    }

    /// Takes sizes written in the source; unusable ones do not compile in a constant.
    pub(crate) const fn from_constants(min: u32, avg: u32, max: u32) -> Self {
        assert!(broken_rule(min, avg, max).is_none(), "sizes in the source are valid");
        Self { min, avg, max }
    }

    /// The same sizes with no chunk below the one that is aimed at, so that on average they have about twice its length.
    pub(crate) const fn at_least_avg(self) -> Self {
        // An average is even, because it is a power of two above 1.
        Self { min: self.avg, ..self }
    }

    /// Returns the smallest chunk in bytes.
    pub const fn min(&self) -> usize {
        self.min as usize
    }

    /// Returns the aimed-at chunk in bytes.
    pub const fn avg(&self) -> usize {
        self.avg as usize
    }

    /// Returns the largest chunk in bytes.
    pub const fn max(&self) -> usize {
        self.max as usize
    }
}

const fn broken_rule(min: u32, avg: u32, max: u32) -> Option<&'static str> {
    if min < MIN_LOWEST {
        Some("min is at least 64")
    } else if avg < AVG_LOWEST || avg > AVG_HIGHEST || !avg.is_power_of_two() {
        Some("avg is a power of two between 256 and 1048576")
    } else if max < MAX_LOWEST || max as usize > CHUNK_BYTES_MAX {
        Some("max is between 1024 and 4194304")
    } else if min > avg || avg > max {
        Some("min is at most avg and avg at most max")
    } else if !min.is_multiple_of(2) || !max.is_multiple_of(2) {
        Some("min and max are even")
    } else {
        None
    }
}
