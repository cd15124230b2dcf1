//! `bitmask.dat` and `gaps.dat`: which blocks are used, and where there is room.

use std::fmt;

use crate::error::QdrantError;
use crate::storage::file::{StoredFile, Window};

/// Bytes of a region's record in `gaps.dat`.
const GAPS_BYTES: u64 = 6;

/// Mask bytes looked at at once.
const PIECE_BYTES: u64 = 64 << 10;

/// The longest, the leading and the trailing run of free blocks in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gaps {
    pub(super) longest: u16,
    pub(super) leading: u16,
    pub(super) trailing: u16,
}

impl fmt::Display for Gaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "longest {}, leading {}, trailing {}", self.longest, self.leading, self.trailing)
    }
}

impl Gaps {
    /// What the mask of a region says. `mask` has at most `u16::MAX` bits.
    pub(super) fn of(mask: &[u8]) -> Self {
        let (mut longest, mut leading, mut run) = (0_u16, None, 0_u16);
        for byte in mask {
            if *byte == 0 {
                run += 8;
                continue;
            }
            for bit in 0..8 {
                if byte >> bit & 1 == 0 {
                    run += 1;
                } else {
                    longest = longest.max(run);
                    leading = leading.or(Some(run));
                    run = 0;
                }
            }
        }
        Self { longest: longest.max(run), leading: leading.unwrap_or(run), trailing: run }
    }

    /// The record of a region, in a file that has been seen to be long enough.
    pub(super) fn read(window: &mut Window<'_>, region: u64) -> Result<Self, QdrantError> {
        let bytes = window.bytes(region * GAPS_BYTES, GAPS_BYTES as usize)?;
        let field = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        Ok(Self { longest: field(0), leading: field(2), trailing: field(4) })
    }

    /// Bytes of the file for so many regions.
    pub(super) fn file_bytes(regions: u64) -> Option<u64> {
        regions.checked_mul(GAPS_BYTES)
    }
}

/// Counts the set bits of a mask. Reads the file once, in pieces.
pub(super) fn count_used(file: &StoredFile<'_>) -> Result<u64, QdrantError> {
    let mut window = Window::new(file);
    let (mut at, mut count) = (0, 0);
    while at < file.len() {
        let len = PIECE_BYTES.min(file.len() - at);
        count += count_ones(window.bytes(at, len as usize)?);
        at += len;
    }
    Ok(count)
}

/// How many bits are set.
pub(super) fn count_ones(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(byte.count_ones())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_the_runs_of_clear_bits() {
        let gaps = |mask: &[u8]| {
            let gaps = Gaps::of(mask);
            [gaps.longest, gaps.leading, gaps.trailing]
        };
        assert_eq!(gaps(&[0, 0]), [16, 16, 16]);
        assert_eq!(gaps(&[0xff, 0xff]), [0, 0, 0]);
        assert_eq!(gaps(&[0b0000_1100, 0b0001_0000]), [8, 2, 3]);
        assert_eq!(gaps(&[0b1000_0000, 0, 0b0000_0001]), [8, 7, 7]);
    }
}
