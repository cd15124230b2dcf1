//! Makes chunks smaller where that pays.

use std::borrow::Cow;
use std::fmt;

use zstd::bulk::Compressor;

use crate::codec::{CodecHint, CodecId, Encoded};
use crate::error::ChunkError;
use crate::planes::{Attempt, PlanesEncoder};
use crate::probe::looks_incompressible;
use crate::sizes::CHUNK_BYTES_MAX;

/// A chunk is stored raw unless encoding saves more than this fraction of it (1/64), which decoding is worth.
const SAVING_DIVISOR: usize = 64;

/// Level for floats: a search for repeats finds none in them, and the entropy coder is the same at every level.
const FLOATS_LEVEL: i32 = 1;

/// Encodes chunks with zstd contexts that are kept between them; one per thread.
pub struct Encoder {
    level: i32,
    compressor: Compressor<'static>,
    floats_compressor: Compressor<'static>,
    planes: Option<PlanesEncoder>,
    scratch: Vec<u8>,
}

impl Encoder {
    /// Sets up zstd at `level`, by which whatever is no numbers is compressed, for the codecs that every reader knows: raw and zstd.
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
            planes: None,
            scratch: Vec::new(),
        })
    }

    /// As [`new`](Self::new), and may use [`CodecId::PLANES`], for readers that are known to have it.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_planes(level: i32) -> Result<Self, ChunkError> {
        Ok(Self { planes: Some(PlanesEncoder::default()), ..Self::new(level)? })
    }

    /// Encodes a chunk; the result is never longer than `raw` and borrows it when it is stored as it is.
    ///
    /// The encoded bytes depend on the chunk, the hint, the level and the codecs, and on nothing that was encoded before. They may differ
    /// between versions; what they decode to does not.
    ///
    /// # Panics
    /// When `raw` is longer than [`CHUNK_BYTES_MAX`], because no decoder would give it back.
    pub fn encode<'raw>(&mut self, raw: &'raw [u8], hint: CodecHint) -> Encoded<'raw> {
        assert!(raw.len() <= CHUNK_BYTES_MAX, "chunks are cut no longer than CHUNK_BYTES_MAX");
        let stored_raw = Encoded { codec: CodecId::RAW, bytes: Cow::Borrowed(raw) };
        let attempt = match (&mut self.planes, hint) {
            (Some(planes), CodecHint::Floats | CodecHint::Unknown) => planes.encode_rows(raw, hint),
            (Some(planes), CodecHint::Log) => planes.encode_tagged(raw, &mut self.compressor),
            _ => Attempt::Unsuited,
        };
        let planed = match attempt {
            Attempt::Noise => return stored_raw,
            Attempt::Planes(planed) => Some(planed),
            Attempt::Unsuited => None,
        };
        let compressor = match hint {
            CodecHint::Incompressible => None,
            _ if planed.as_ref().is_some_and(|planed| !planed.doubtful) => None,
            CodecHint::Unknown if planed.is_none() && looks_incompressible(raw) => None,
            CodecHint::Floats => Some(&mut self.floats_compressor),
            CodecHint::Structured | CodecHint::Log | CodecHint::Unknown => Some(&mut self.compressor),
        };
        let mut shortest = (CodecId::RAW, raw.len() - raw.len() / SAVING_DIVISOR);
        if let Some(compressor) = compressor {
            self.scratch.clear();
            self.scratch.reserve(zstd::compress_bound(raw.len()));
            // A failure to compress is no failure to store: raw is always right.
            let length = compressor.compress_to_buffer(raw, &mut self.scratch).unwrap_or(usize::MAX);
            if length < shortest.1 {
                shortest = (CodecId::ZSTD, length);
            }
        }
        match planed {
            Some(planed) if planed.bytes.len() < shortest.1 => {
                Encoded { codec: CodecId::PLANES, bytes: Cow::Owned(planed.bytes) }
            }
            _ if shortest.0 == CodecId::ZSTD => {
                Encoded { codec: CodecId::ZSTD, bytes: Cow::Owned(self.scratch.clone()) }
            }
            _ => stored_raw,
        }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("level", &self.level).finish_non_exhaustive()
    }
}
