//! Which bytes of a number go to which plane.

/// The most planes that a layout has.
pub(super) const PLANES_MAX: usize = 5;

/// The first byte of a single-precision number in CBOR (RFC 8949, 3.3: major type 7, additional information 26).
pub(super) const CBOR_SINGLE: u8 = 0xfa;

/// How numbers lie in the rows, and how their bytes are dealt out to planes.
///
/// *Turned* means that the bits of a number are rotated left by one first, so that the exponent begins with the last byte, of which it is
/// all in a single, and the sign joins the lowest bits of the mantissa.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Numbers of two bytes; byte `i` goes to plane `i`.
    Halves,
    /// Little-endian `u16`s, turned; byte `i` of the turned number, little-endian, goes to plane `i`.
    TurnedHalves,
    /// Numbers of four bytes; byte `i` goes to plane `i`.
    Singles,
    /// Little-endian `u32`s, turned; byte `i` of the turned number, little-endian, goes to plane `i`.
    TurnedSingles,
    /// A tag byte, plane 0, and a big-endian `u32`, turned; byte `i` of the turned number, little-endian, goes to plane `i + 1`.
    TaggedSingles,
}

impl Layout {
    const ALL: [Self; 5] = [Self::Halves, Self::TurnedHalves, Self::Singles, Self::TurnedSingles, Self::TaggedSingles];

    /// The byte that is stored.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Halves => 1,
            Self::TurnedHalves => 2,
            Self::Singles => 3,
            Self::TurnedSingles => 4,
            Self::TaggedSingles => 5,
        }
    }

    /// The layout of a stored byte, if it is one.
    pub(super) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|layout| layout.code() == code)
    }

    /// Bytes of a number, and so the count of planes.
    pub(super) const fn unit_bytes(self) -> usize {
        match self {
            Self::Halves | Self::TurnedHalves => 2,
            Self::Singles | Self::TurnedSingles => 4,
            Self::TaggedSingles => 5,
        }
    }

    /// Deals whole numbers out to the planes, from place `at` of each on. Planes beyond the layout's are not looked at.
    ///
    /// # Panics
    /// When a plane ends before the numbers do.
    pub(super) fn split(self, units: &[u8], planes: &mut [Vec<u8>; PLANES_MAX], at: usize) {
        let count = units.len() / self.unit_bytes();
        let mut parts = planes.iter_mut().map(|plane| &mut plane[at..at + count]);
        let mut part = || parts.next().expect("a layout has at most PLANES_MAX planes");
        match self {
            Self::Halves => split_halves(units, [part(), part()], |unit| unit),
            Self::TurnedHalves => {
                split_halves(units, [part(), part()], |unit| u16::from_le_bytes(unit).rotate_left(1).to_le_bytes())
            }
            Self::Singles => split_singles(units, [part(), part(), part(), part()], |unit| unit),
            Self::TurnedSingles => {
                split_singles(units, [part(), part(), part(), part()], |unit| turned(u32::from_le_bytes(unit)))
            }
            Self::TaggedSingles => split_tagged(units, part(), [part(), part(), part(), part()]),
        }
    }

    /// Puts numbers together from the planes, from place `at` of each on, until `units` is full of whole ones.
    ///
    /// # Panics
    /// When a plane ends before the numbers do.
    pub(super) fn join(self, planes: &[&[u8]; PLANES_MAX], at: usize, units: &mut [u8]) {
        let count = units.len() / self.unit_bytes();
        let part = |index: usize| &planes[index][at..at + count];
        match self {
            Self::Halves => join_halves([part(0), part(1)], units, |unit| unit),
            Self::TurnedHalves => {
                join_halves([part(0), part(1)], units, |unit| u16::from_le_bytes(unit).rotate_right(1).to_le_bytes())
            }
            Self::Singles => join_singles([part(0), part(1), part(2), part(3)], units, |unit| unit),
            Self::TurnedSingles => {
                join_singles([part(0), part(1), part(2), part(3)], units, |unit| turned_back(unit).to_le_bytes())
            }
            Self::TaggedSingles => join_tagged(part(0), [part(1), part(2), part(3), part(4)], units),
        }
    }
}

fn turned(bits: u32) -> [u8; 4] {
    bits.rotate_left(1).to_le_bytes()
}

fn turned_back(unit: [u8; 4]) -> u32 {
    u32::from_le_bytes(unit).rotate_right(1)
}

// The loops below zip slices of equal length and so compile to vector instructions without bounds checks.

fn split_halves(units: &[u8], [a, b]: [&mut [u8]; 2], turn: impl Fn([u8; 2]) -> [u8; 2]) {
    for ((unit, a), b) in units.as_chunks::<2>().0.iter().zip(a).zip(b) {
        [*a, *b] = turn(*unit);
    }
}

fn join_halves([a, b]: [&[u8]; 2], units: &mut [u8], turn: impl Fn([u8; 2]) -> [u8; 2]) {
    for ((unit, a), b) in units.as_chunks_mut::<2>().0.iter_mut().zip(a).zip(b) {
        *unit = turn([*a, *b]);
    }
}

fn split_singles(units: &[u8], [a, b, c, d]: [&mut [u8]; 4], turn: impl Fn([u8; 4]) -> [u8; 4]) {
    for ((((unit, a), b), c), d) in units.as_chunks::<4>().0.iter().zip(a).zip(b).zip(c).zip(d) {
        [*a, *b, *c, *d] = turn(*unit);
    }
}

fn join_singles([a, b, c, d]: [&[u8]; 4], units: &mut [u8], turn: impl Fn([u8; 4]) -> [u8; 4]) {
    for ((((unit, a), b), c), d) in units.as_chunks_mut::<4>().0.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        *unit = turn([*a, *b, *c, *d]);
    }
}

fn split_tagged(units: &[u8], tags: &mut [u8], [a, b, c, d]: [&mut [u8]; 4]) {
    for (((((unit, tag), a), b), c), d) in units.as_chunks::<5>().0.iter().zip(tags).zip(a).zip(b).zip(c).zip(d) {
        let [first, number @ ..] = *unit;
        *tag = first;
        [*a, *b, *c, *d] = turned(u32::from_be_bytes(number));
    }
}

fn join_tagged(tags: &[u8], [a, b, c, d]: [&[u8]; 4], units: &mut [u8]) {
    for (((((unit, tag), a), b), c), d) in units.as_chunks_mut::<5>().0.iter_mut().zip(tags).zip(a).zip(b).zip(c).zip(d)
    {
        let [p, q, r, s] = turned_back([*a, *b, *c, *d]).to_be_bytes();
        *unit = [*tag, p, q, r, s];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every layout gives back what it took, from any place on, and touches nothing beside.
    #[test]
    fn numbers_come_back_from_their_planes() {
        let bytes: Vec<u8> = (0..2000_u32).map(|place| (place.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for layout in Layout::ALL {
            assert_eq!(Layout::from_code(layout.code()), Some(layout));
            let unit = layout.unit_bytes();
            for (at, count) in [(0, 0), (0, 1), (3, 17), (1, 64), (40, 301)] {
                let units = &bytes[7..7 + count * unit];
                let mut planes: [Vec<u8>; PLANES_MAX] = std::array::from_fn(|_| vec![0xee; at + count + 2]);
                layout.split(units, &mut planes, at);
                let mut joined = vec![0; units.len()];
                layout.join(&planes.each_ref().map(Vec::as_slice), at, &mut joined);
                assert!(joined == units, "{layout:?} at {at}");
                for plane in &planes[..unit] {
                    assert!(plane[..at].iter().chain(&plane[at + count..]).all(|&byte| byte == 0xee), "{layout:?}");
                }
                assert!(planes[unit..].iter().flatten().all(|&byte| byte == 0xee), "{layout:?}");
            }
        }
        assert_eq!([0, 6, 255].map(Layout::from_code), [None; 3]);
    }

    /// What `docs/format.md` says of the planes, by example.
    #[test]
    fn the_exponent_is_the_last_plane() {
        // −1.5 is sign 1, exponent 0x7f, mantissa 0x400000.
        let bits = (-1.5_f32).to_bits();
        let planes_of = |layout: Layout, unit: &[u8]| {
            let mut planes: [Vec<u8>; PLANES_MAX] = std::array::from_fn(|_| vec![0]);
            layout.split(unit, &mut planes, 0);
            planes.iter().take(unit.len()).map(|plane| plane[0]).collect::<Vec<_>>()
        };
        assert_eq!(planes_of(Layout::Singles, &bits.to_le_bytes()), [0, 0, 0xc0, 0xbf]);
        assert_eq!(planes_of(Layout::TurnedSingles, &bits.to_le_bytes()), [1, 0, 0x80, 0x7f]);
        let tagged = [&[CBOR_SINGLE][..], &bits.to_be_bytes()].concat();
        assert_eq!(planes_of(Layout::TaggedSingles, &tagged), [0xfa, 1, 0, 0x80, 0x7f]);
        // In half precision −1.5 is 0xbe00.
        assert_eq!(planes_of(Layout::Halves, &[0, 0xbe]), [0, 0xbe]);
        assert_eq!(planes_of(Layout::TurnedHalves, &[0, 0xbe]), [1, 0x7c]);
    }
}
