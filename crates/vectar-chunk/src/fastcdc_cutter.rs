//! Cuts at any byte, as the pinned `fastcdc` crate decides.

use fastcdc::v2020::{self, Normalization};

use crate::sizes::ChunkSizes;

/// FastCDC as the `fastcdc` crate computes it; its hash starts afresh at each chunk, so there is no state to carry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FastCdcCutter {
    pub(crate) sizes: ChunkSizes,
    mask_small: u64,
    mask_large: u64,
}

impl FastCdcCutter {
    pub(crate) fn new(sizes: ChunkSizes) -> Self {
        let (mask_small, mask_large) = v2020::select_masks(sizes.avg(), Normalization::Level2);
        Self { sizes, mask_small, mask_large }
    }

    /// Exact if `window` is at least `sizes.max()` bytes long or ends with the body.
    pub(crate) fn cut(&self, window: &[u8]) -> usize {
        let (_, length) = v2020::cut(
            window,
            self.sizes.min(),
            self.sizes.avg(),
            self.sizes.max(),
            self.mask_small,
            self.mask_large,
            self.mask_small << 1,
            self.mask_large << 1,
        );
        length
    }
}
