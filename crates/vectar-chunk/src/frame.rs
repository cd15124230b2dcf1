//! One Zstandard frame: the form in which compressed bytes are stored, alone or as a part of something else.

use zstd::bulk::Decompressor;
use zstd::zstd_safe;

use crate::error::ChunkError;

/// Decodes exactly one frame of exactly `raw_bytes` bytes into `target`, whose earlier contents are lost.
///
/// `frame` may be hostile: no more than `raw_bytes` bytes are allocated, and only after the frame stated that many.
///
/// # Errors
/// [`ChunkError::ChunkLengthWrong`] or [`ChunkError::ChunkUndecodable`]; `target` then holds anything.
pub(crate) fn decode_frame(
    decompressor: &mut Decompressor<'static>,
    frame: &[u8],
    raw_bytes: usize,
    target: &mut Vec<u8>,
) -> Result<(), ChunkError> {
    let undecodable = |reason| ChunkError::ChunkUndecodable { encoded_bytes: frame.len() as u64, reason };
    let stated = zstd_safe::get_frame_content_size(frame)
        .map_err(|_| undecodable("no zstd frame starts here"))?
        .ok_or_else(|| undecodable("the zstd frame does not state its content size"))?;
    expect_length(raw_bytes, stated)?;
    // zstd would decode several frames one after the other; a chunk is exactly one.
    match zstd_safe::find_frame_compressed_size(frame) {
        Ok(frame_bytes) if frame_bytes == frame.len() => {}
        Ok(_) => return Err(undecodable("bytes follow the zstd frame")),
        Err(_) => return Err(undecodable("the zstd frame is cut short")),
    }
    target.clear();
    target.reserve_exact(raw_bytes);
    decompressor.decompress_to_buffer(frame, target).map_err(|_| undecodable("the zstd frame is damaged"))?;
    expect_length(raw_bytes, target.len() as u64)
}

/// Compares a declared length with the one that was found.
///
/// # Errors
/// [`ChunkError::ChunkLengthWrong`].
pub(crate) fn expect_length(expected: usize, found: u64) -> Result<(), ChunkError> {
    let expected = expected as u64;
    if expected == found { Ok(()) } else { Err(ChunkError::ChunkLengthWrong { expected, found }) }
}
