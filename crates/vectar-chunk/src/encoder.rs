//! Makes chunks smaller where that pays.

use std::borrow::Cow;
use std::fmt;

use zstd::bulk::Compressor;

use crate::codec::{CodecHint, CodecId, Encoded};
use crate::error::ChunkError;
use crate::probe::looks_incompressible;
use crate::sizes::CHUNK_BYTES_MAX;

/// A chunk is stored raw unless encoding saves more than this fraction of it (1/64), which decoding is worth.
const SAVING_DIVISOR: usize = 64;

/// Level for floats: a search for repeats finds none in them, and the entropy coder is the same at every level.
const FLOATS_LEVEL: i32 = 1;

/// Encodes chunks with a zstd context that is kept between them; one per thread.
pub struct Encoder {
    level: i32,
    compressor: Compressor<'static>,
    floats_compressor: Compressor<'static>,
    scratch: Vec<u8>,
}

impl Encoder {
    /// Sets up zstd at `level`, by which chunks that are not floats are compressed.
    ///
    /// # Errors
    /// [`ChunkError::LevelInvalid`] when zstd has no such level.
    pub fn new(level: i32) -> Result<Self, ChunkError> {
        let levels = zstd::compression_level_range();
        if !levels.contains(&level) {
            let (min, max) = (*levels.start(), *levels.end());
            return Err(ChunkError::LevelInvalid { level, min, max });
        }
        let compressor = |level| Compressor::new(level).map_err(|source| ChunkError::ZstdSetup { source });
        Ok(Self {
            level,
            compressor: compressor(level)?,
            floats_compressor: compressor(level.min(FLOATS_LEVEL))?,
            scratch: Vec::new(),
        })
    }

    /// Encodes a chunk; the result is never longer than `raw` and borrows it when it is stored as it is.
    ///
    /// The encoded bytes may differ between versions and levels; what they decode to does not.
    ///
    /// # Panics
    /// When `raw` is longer than [`CHUNK_BYTES_MAX`], because no decoder would give it back.
    pub fn encode<'raw>(&mut self, raw: &'raw [u8], hint: CodecHint) -> Encoded<'raw> {
        assert!(raw.len() <= CHUNK_BYTES_MAX, "chunks are cut no longer than CHUNK_BYTES_MAX");
        let compressor = match hint {
            CodecHint::Incompressible => None,
            CodecHint::Unknown if looks_incompressible(raw) => None,
            CodecHint::Floats => Some(&mut self.floats_compressor),
            CodecHint::Structured | CodecHint::Unknown => Some(&mut self.compressor),
        };
        if let Some(compressor) = compressor {
            self.scratch.clear();
            self.scratch.reserve(zstd::compress_bound(raw.len()));
            // A failure to compress is no failure to store: raw is always right.
            let length = compressor.compress_to_buffer(raw, &mut self.scratch).unwrap_or(usize::MAX);
            if length < raw.len() - raw.len() / SAVING_DIVISOR {
                return Encoded { codec: CodecId::ZSTD, bytes: Cow::Owned(self.scratch.clone()) };
            }
        }
        Encoded { codec: CodecId::RAW, bytes: Cow::Borrowed(raw) }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("level", &self.level).finish_non_exhaustive()
    }
}
