//! Turns stored chunks back into their bytes, whatever the stored bytes are.

use std::fmt;

use zstd::bulk::Decompressor;

use crate::codec::CodecId;
use crate::error::ChunkError;
use crate::frame::{decode_frame, expect_length};
use crate::planes::PlanesDecoder;
use crate::sizes::CHUNK_BYTES_MAX;

/// Decodes chunks with a zstd context that is kept between them; one per thread.
pub struct Decoder {
    decompressor: Decompressor<'static>,
    planes: PlanesDecoder,
    /// What was decoded last.
    scratch: Vec<u8>,
}

impl Decoder {
    /// Sets up zstd.
    ///
    /// # Errors
    /// [`ChunkError::ZstdSetup`] when zstd refuses.
    pub fn new() -> Result<Self, ChunkError> {
        let decompressor = Decompressor::new().map_err(|source| ChunkError::ZstdSetup { source })?;
        Ok(Self { decompressor, planes: PlanesDecoder::default(), scratch: Vec::new() })
    }

    /// Decodes `encoded` into exactly `raw_bytes` bytes.
    ///
    /// `encoded` may be hostile: nothing is allocated before the declared and the stated length agree and are at most
    /// [`CHUNK_BYTES_MAX`]; planes take twice as much again, which is kept for the next chunk. That the bytes are the right ones only
    /// their id tells.
    ///
    /// # Errors
    /// [`ChunkError::CodecUnknown`], [`ChunkError::ChunkTooLarge`], [`ChunkError::ChunkLengthWrong`] or
    /// [`ChunkError::ChunkUndecodable`] (damaged, cut short, bytes behind it).
    pub fn decode(&mut self, codec: CodecId, encoded: &[u8], raw_bytes: usize) -> Result<Vec<u8>, ChunkError> {
        match codec {
            // What was decoded is given away, so the next chunk gets memory of its own.
            CodecId::ZSTD | CodecId::PLANES => {
                self.borrow(codec, encoded, raw_bytes).map(drop).map(|()| std::mem::take(&mut self.scratch))
            }
            _ => self.borrow(codec, encoded, raw_bytes).map(<[u8]>::to_vec),
        }
    }

    /// As [`decode`](Self::decode), for bytes that are only looked at: they lie in `encoded` itself or in memory that the next chunk uses
    /// again.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn borrow<'b>(
        &'b mut self,
        codec: CodecId,
        encoded: &'b [u8],
        raw_bytes: usize,
    ) -> Result<&'b [u8], ChunkError> {
        if raw_bytes > CHUNK_BYTES_MAX {
            return Err(ChunkError::ChunkTooLarge { raw_bytes: raw_bytes as u64, max: CHUNK_BYTES_MAX as u64 });
        }
        match codec {
            CodecId::RAW => {
                expect_length(raw_bytes, encoded.len() as u64)?;
                Ok(encoded)
            }
            CodecId::ZSTD => {
                decode_frame(&mut self.decompressor, encoded, raw_bytes, &mut self.scratch)?;
                Ok(&self.scratch)
            }
            CodecId::PLANES => {
                self.planes.decode(&mut self.decompressor, encoded, raw_bytes, &mut self.scratch)?;
                Ok(&self.scratch)
            }
            _ => Err(ChunkError::CodecUnknown { codec }),
        }
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

/// Decodes one chunk; see [`Decoder::decode`], which is faster for many.
///
/// # Errors
/// As [`Decoder::new`] and [`Decoder::decode`].
pub fn decode(codec: CodecId, encoded: &[u8], raw_bytes: usize) -> Result<Vec<u8>, ChunkError> {
    Decoder::new()?.decode(codec, encoded, raw_bytes)
}
