//! The numbers in a row: how they are stored, and what a server makes of them.
//!
//! | datatype | bytes | value |
//! |---|---|---|
//! | float32 | 4 | IEEE single, little-endian |
//! | float16 | 2 | IEEE half, little-endian; given out as the f32 of the same value |
//! | uint8 | 1 | 0 to 255, given out as f32; not normalised, even for Cosine |
//!
//! Source: `qdrant v1.19.0 lib/segment/src/data_types/primitive.rs`; the order of the elements is that of the user's vector.

use crate::config::Datatype;

/// How an element of a dense vector is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    F32,
    F16,
    U8,
}

/// What a row looks like as a whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum RowLook {
    /// An element is NaN or infinite.
    NotFinite,
    /// Every element is zero.
    Zero,
    /// The sum of the squares of its elements, infinite when f32 cannot hold it.
    NormSquared(f32),
}

impl Scalar {
    /// `None` for datatypes from which the vector cannot be had back, or that this version does not know.
    pub(super) fn of(datatype: Option<&Datatype>) -> Option<Self> {
        match datatype {
            None | Some(Datatype::Float32) => Some(Self::F32),
            Some(Datatype::Float16) => Some(Self::F16),
            Some(Datatype::Uint8) => Some(Self::U8),
            Some(Datatype::Turbo4 | Datatype::Other(_)) => None,
        }
    }

    pub(super) fn bytes(self) -> u32 {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::U8 => 1,
        }
    }

    /// The elements of `bytes` as a server returns them.
    pub(super) fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F32 => singles(bytes).collect(),
            Self::F16 => halves(bytes).collect(),
            Self::U8 => bytes.iter().map(|byte| f32::from(*byte)).collect(),
        }
    }

    /// Looks a row over, once.
    pub(super) fn look(self, bytes: &[u8]) -> RowLook {
        let norm_squared = match self {
            Self::F32 => squares(bytes, f32::from_le_bytes),
            Self::F16 => squares(bytes, |half| single_of_half(u16::from_le_bytes(half))),
            Self::U8 => squares(bytes, |[byte]| f32::from(byte)),
        };
        // Only the rare rows are looked at twice: squares overflow and vanish before the elements do.
        if !norm_squared.is_finite() && self != Self::U8 {
            let is_finite = match self {
                Self::F16 => halves(bytes).all(f32::is_finite),
                _ => singles(bytes).all(f32::is_finite),
            };
            if !is_finite {
                return RowLook::NotFinite;
            }
        }
        let is_zero = norm_squared == 0.0
            && match self {
                Self::F32 => singles(bytes).all(|element| element == 0.0),
                Self::F16 => halves(bytes).all(|element| element == 0.0),
                Self::U8 => true,
            };
        if is_zero { RowLook::Zero } else { RowLook::NormSquared(norm_squared) }
    }
}

fn singles(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes))
}

fn halves(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks().0.iter().map(|bytes| single_of_half(u16::from_le_bytes(*bytes)))
}

/// The f32 of an IEEE half. Every half has one, so nothing is rounded.
fn single_of_half(half: u16) -> f32 {
    /// 2^112, the difference between the exponent biases 127 and 15.
    const REBIAS: f32 = f32::from_bits((127 + 112) << 23);
    let magnitude = u32::from(half & 0x7fff) << 13;
    let sign = u32::from(half & 0x8000) << 16;
    let bits = if half & 0x7c00 == 0x7c00 {
        0x7f80_0000 | (magnitude & 0x007f_ffff)
    } else {
        // Right for subnormal halves too: as bits of a single they are subnormal with the same digits.
        (f32::from_bits(magnitude) * REBIAS).to_bits()
    };
    f32::from_bits(sign | bits)
}

/// The sum of squares in sixteen lanes, which is what vector units add up at once.
fn squares<const BYTES: usize>(bytes: &[u8], decode: impl Fn([u8; BYTES]) -> f32) -> f32 {
    let mut lanes = [0.0_f32; 16];
    let (blocks, rest) = bytes.as_chunks::<BYTES>().0.as_chunks::<16>();
    for block in blocks {
        for (lane, element) in lanes.iter_mut().zip(block) {
            let element = decode(*element);
            *lane += element * element;
        }
    }
    for (lane, element) in lanes.iter_mut().zip(rest) {
        let element = decode(*element);
        *lane += element * element;
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_read_as_ieee_says() {
        for (half, expected) in [
            (0x0000, 0.0),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0x0400, 6.103_515_6e-5),
            (0x3555, 0.333_251_95),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x7c00, f32::INFINITY),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(single_of_half(half), expected, "{half:#x}");
        }
        assert!(single_of_half(0x7e00).is_nan());
        assert_eq!(single_of_half(0x8000).to_bits(), (-0.0_f32).to_bits());
    }

    #[test]
    fn rows_are_looked_over() {
        let row = |elements: &[f32]| elements.iter().flat_map(|element| element.to_le_bytes()).collect::<Vec<_>>();
        let long = vec![0.5_f32; 37];
        assert_eq!(Scalar::F32.look(&row(&long)), RowLook::NormSquared(9.25));
        assert_eq!(Scalar::F32.look(&row(&[0.0; 21])), RowLook::Zero);
        assert_eq!(Scalar::F32.look(&row(&[-0.0, 1e-30])), RowLook::NormSquared(0.0));
        assert_eq!(Scalar::F32.look(&row(&[1.0, f32::NAN])), RowLook::NotFinite);
        assert_eq!(Scalar::F32.look(&row(&[f32::NEG_INFINITY])), RowLook::NotFinite);
        assert_eq!(Scalar::F32.look(&row(&[3e30, 1.0])), RowLook::NormSquared(f32::INFINITY));
        assert_eq!(Scalar::F16.look(&[0x00, 0x3c, 0x00, 0x7c]), RowLook::NotFinite);
        assert_eq!(Scalar::F16.look(&[0x00, 0x3c, 0x00, 0x40]), RowLook::NormSquared(5.0));
        assert_eq!(Scalar::U8.look(&[0, 0]), RowLook::Zero);
        assert_eq!(Scalar::U8.decode(&[0, 255]), [0.0, 255.0]);
    }
}
