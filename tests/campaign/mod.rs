//! The fault campaign: everything that can stop, lose or spoil an operation, at every place where it can.
//!
//! Each part counts what it tried and fails with the seed and the place of the first thing that went wrong. The same seed does the same
//! again. The measure is always the same: every backup that was there before comes back byte for byte, or an error says why not, and
//! `check` has said so too.

pub mod crash;
pub mod damage;
pub mod kill;
pub mod model;
pub mod operation;
pub mod protocol;
mod rows;
pub mod share;
pub mod world;

/// Numbers that follow from a seed: xorshift64*, which is good enough to choose and the same everywhere.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice for a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Zero would stay zero; neighbouring seeds should not begin alike.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Any number.
    pub fn throw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.throw() % end
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub fn pick<'i, T>(&mut self, items: &'i [T]) -> Option<&'i T> {
        (!items.is_empty()).then(|| &items[usize::try_from(self.below(items.len() as u64)).unwrap_or(0)])
    }
}
