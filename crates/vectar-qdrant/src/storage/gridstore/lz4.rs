//! A value's LZ4 block behind its length: `u32` bytes of the plain value, then one raw block (not the frame format).

use super::pages::VALUE_BYTES_MAX;

/// Bytes of the length.
const LENGTH_BYTES: usize = 4;

/// No byte of a block stands for more: a length grows by 255 for each byte that continues it.
const EXPANSION_MAX: u64 = 255;

/// Decompresses into the front of `plain` and returns the length. What is allocated is bounded by the declared length, and that by the
/// stored bytes.
///
/// # Errors
/// A sentence that says why these bytes are no such value.
pub(super) fn decompress(stored: &[u8], plain: &mut Vec<u8>) -> Result<usize, String> {
    let Some((length, block)) = stored.split_first_chunk::<LENGTH_BYTES>() else {
        return Err(format!("{} bytes are too short for a compressed value", stored.len()));
    };
    let declared = u64::from(u32::from_le_bytes(*length));
    if declared > (block.len() as u64 * EXPANSION_MAX).min(VALUE_BYTES_MAX) {
        return Err(format!("{declared} bytes are declared, and {} compressed ones cannot hold them", block.len()));
    }
    let declared = declared as usize;
    if plain.len() < declared {
        plain.resize(declared, 0);
    }
    match lz4_flex::block::decompress_into(block, &mut plain[..declared]) {
        Ok(len) if len == declared => Ok(len),
        Ok(len) => Err(format!("{declared} bytes are declared, and {len} decompressed")),
        Err(error) => Err(format!("the LZ4 block is damaged: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(stored: &[u8]) -> Result<Vec<u8>, String> {
        let mut plain = vec![7; 3];
        decompress(stored, &mut plain).map(|len| plain[..len].to_vec())
    }

    #[test]
    fn blocks_come_back() {
        for value in [vec![], b"{}".to_vec(), vec![0; 100_000], (0..=255).collect()] {
            assert_eq!(plain(&lz4_flex::block::compress_prepend_size(&value)).unwrap(), value);
        }
    }

    #[test]
    fn a_length_beyond_what_the_block_can_hold_allocates_nothing() {
        let mut stored = lz4_flex::block::compress_prepend_size(b"{}");
        stored[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        let mut plain = Vec::new();
        assert!(decompress(&stored, &mut plain).unwrap_err().contains("4294967295 bytes are declared"));
        assert_eq!(plain.capacity(), 0);
        for length in [0_u32, 1, 3, 100] {
            stored[..4].copy_from_slice(&length.to_le_bytes());
            assert!(decompress(&stored, &mut plain).is_err(), "{length}");
        }
        assert!(decompress(&[1, 0], &mut plain).is_err());
    }

    #[test]
    fn the_densest_block_is_within_the_limit() {
        let value = vec![0; 16 << 20];
        let stored = lz4_flex::block::compress_prepend_size(&value);
        assert!(stored.len() < value.len() / 250, "{}", stored.len());
        assert_eq!(plain(&stored).unwrap(), value);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(stored in proptest::collection::vec(any::<u8>(), 0..64), length in 0_u32..600) {
            let _ = plain(&stored);
            let _ = plain(&[length.to_le_bytes().as_slice(), &stored].concat());
        }
    }
}
