//! Counter-based pseudo-randomness: every value is a pure function of a key, so any part of a corpus can be
//! produced alone and in any order.
//!
//! The generator is SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014): its
//! output function over a Weyl sequence. It is no cipher; it only has to look incompressible and repeat exactly.

/// The odd increment of SplitMix64, 2^64 divided by the golden ratio.
const WEYL: u64 = 0x9E37_79B9_7F4A_7C15;

/// What a number is drawn for; keeps equal arguments in different roles from giving equal numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Role {
    /// Which shard a point belongs to.
    Shard = 1,
    /// Which optimized segment of its shard a point belongs to.
    Slot,
    /// Which appendable segment of its shard a point belongs to.
    Appendable,
    /// Whether a step changes a point's payload.
    PayloadCoin,
    /// Whether a step changes a point's vector.
    VectorCoin,
    /// Whether a step deletes a point.
    DeleteCoin,
    /// The lower bits of a point's UUID.
    PointUuid,
    /// The components of a vector.
    Vector,
    /// The words of a payload.
    Payload,
    /// The UUID of a segment.
    SegmentUuid,
    /// The CRC seed of a WAL segment file.
    WalSeed,
    /// The token of a clock.
    ClockToken,
    /// Which points are kept as samples.
    Sample,
    /// The bytes of the sparse giant.
    Giant,
}

/// Scrambles 64 bits; a bijection.
pub(super) const fn mix(value: u64) -> u64 {
    let mut x = value;
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Draws the number that belongs to a seed, a role and two arguments.
pub(super) const fn draw(seed: u64, role: Role, a: u64, b: u64) -> u64 {
    let keyed = mix(seed.wrapping_add((role as u64).wrapping_mul(WEYL)));
    mix(mix(keyed ^ a).wrapping_add(b.wrapping_mul(WEYL)))
}

/// Returns number `counter` of the stream that starts at `key`.
pub(super) const fn stream(key: u64, counter: u64) -> u64 {
    mix(key.wrapping_add(counter.wrapping_add(1).wrapping_mul(WEYL)))
}

/// Maps a drawn number to `0..bound` without a division.
pub(super) const fn below(number: u64, bound: u64) -> u64 {
    ((number as u128 * bound as u128) >> 64) as u64
}

/// Formats 16 bytes as a UUID after setting the version (4) and variant bits of RFC 9562.
pub(super) fn uuid_v4(high: u64, low: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&high.to_be_bytes());
    bytes[8..].copy_from_slice(&low.to_be_bytes());
    bytes[6] = (bytes[6] & 0x0F) | 0x40;
    bytes[8] = (bytes[8] & 0x3F) | 0x80;
    bytes
}

/// Spells a UUID in its canonical form: 8-4-4-4-12 lower-case hex digits.
pub(super) fn spell_uuid(uuid: &[u8; 16]) -> String {
    let hex = crate::fixtures::hex(uuid);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// A bijection on the numbers of `bits` bits, and its inverse.
#[derive(Debug, Clone, Copy)]
pub(super) struct Permutation {
    bits: u32,
    factor: u64,
    inverse_factor: u64,
}

impl Permutation {
    const ROUNDS: u32 = 3;

    /// Picks one bijection on `0..2^bits`; `bits` is 1 to 48.
    pub(super) fn new(seed: u64, bits: u32) -> Self {
        let factor = mix(seed) | 1;
        // Newton's iteration doubles the number of right bits; an odd number is its own inverse modulo 8.
        let mut inverse_factor = factor;
        for _ in 0..5 {
            inverse_factor = inverse_factor.wrapping_mul(2_u64.wrapping_sub(factor.wrapping_mul(inverse_factor)));
        }
        Self { bits, factor, inverse_factor }
    }

    /// The number of values: the bijection is on `0..domain()`.
    pub(super) fn domain(&self) -> u64 {
        1 << self.bits
    }

    /// Maps a number.
    pub(super) fn apply(&self, value: u64) -> u64 {
        (0..Self::ROUNDS).fold(value, |x, _| {
            let x = x.wrapping_mul(self.factor) & (self.domain() - 1);
            x ^ (x >> self.half())
        })
    }

    /// Undoes [`Self::apply`].
    pub(super) fn invert(&self, value: u64) -> u64 {
        (0..Self::ROUNDS).fold(value, |x, _| {
            // Shifting by half the width or more makes the exclusive-or its own inverse.
            let x = x ^ (x >> self.half());
            x.wrapping_mul(self.inverse_factor) & (self.domain() - 1)
        })
    }

    fn half(&self) -> u32 {
        self.bits.div_ceil(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permutation_is_a_bijection_and_is_undone() {
        for bits in 1..=12 {
            let permutation = Permutation::new(7, bits);
            let mut seen: Vec<u64> = (0..permutation.domain()).map(|x| permutation.apply(x)).collect();
            for (value, mapped) in seen.iter().enumerate() {
                assert_eq!(permutation.invert(*mapped), value as u64);
            }
            seen.sort_unstable();
            assert!(seen.iter().copied().eq(0..permutation.domain()));
        }
    }

    #[test]
    fn uuids_carry_version_and_variant() {
        let uuid = uuid_v4(u64::MAX, u64::MAX);
        assert_eq!(spell_uuid(&uuid), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
