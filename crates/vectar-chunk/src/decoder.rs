//! Turns stored chunks back into their bytes, whatever the stored bytes are.

use std::fmt;

use zstd::bulk::Decompressor;
use zstd::zstd_safe;

use crate::codec::CodecId;
use crate::error::ChunkError;
use crate::sizes::CHUNK_BYTES_MAX;

/// Decodes chunks with a zstd context that is kept between them; one per thread.
pub struct Decoder {
    decompressor: Decompressor<'static>,
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
        Ok(Self { decompressor, scratch: Vec::new() })
    }

    /// Decodes `encoded` into exactly `raw_bytes` bytes.
    ///
    /// `encoded` may be hostile: nothing is allocated before the declared and the stated length agree and are at most
    /// [`CHUNK_BYTES_MAX`]. That the bytes are the right ones only their id tells.
    ///
    /// # Errors
    /// [`ChunkError::CodecUnknown`], [`ChunkError::ChunkTooLarge`], [`ChunkError::ChunkLengthWrong`] or
    /// [`ChunkError::ChunkUndecodable`] (damaged, more than one frame, bytes after it).
    pub fn decode(&mut self, codec: CodecId, encoded: &[u8], raw_bytes: usize) -> Result<Vec<u8>, ChunkError> {
        match codec {
            // What was decoded is given away, so the next chunk gets memory of its own.
            CodecId::ZSTD => {
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
            CodecId::ZSTD => self.decode_zstd(encoded, raw_bytes),
            _ => Err(ChunkError::CodecUnknown { codec }),
        }
    }

    fn decode_zstd(&mut self, encoded: &[u8], raw_bytes: usize) -> Result<&[u8], ChunkError> {
        let undecodable = |reason| ChunkError::ChunkUndecodable { encoded_bytes: encoded.len() as u64, reason };
        let stated = zstd_safe::get_frame_content_size(encoded)
            .map_err(|_| undecodable("no zstd frame starts here"))?
            .ok_or_else(|| undecodable("the zstd frame does not state its content size"))?;
        expect_length(raw_bytes, stated)?;
        // zstd would decode several frames one after the other; a chunk is exactly one.
        match zstd_safe::find_frame_compressed_size(encoded) {
            Ok(frame_bytes) if frame_bytes == encoded.len() => {}
            Ok(_) => return Err(undecodable("bytes follow the zstd frame")),
            Err(_) => return Err(undecodable("the zstd frame is cut short")),
        }
        self.scratch.clear();
        self.scratch.reserve_exact(raw_bytes);
        self.decompressor
            .decompress_to_buffer(encoded, &mut self.scratch)
            .map_err(|_| undecodable("the zstd frame is damaged"))?;
        expect_length(raw_bytes, self.scratch.len() as u64)?;
        Ok(&self.scratch)
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

fn expect_length(expected: usize, found: u64) -> Result<(), ChunkError> {
    let expected = expected as u64;
    if expected == found { Ok(()) } else { Err(ChunkError::ChunkLengthWrong { expected, found }) }
}
