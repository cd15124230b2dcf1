//! Guesses from a sample how a chunk is best laid out.

use std::ops::Range;

/// Bytes of each plane that are looked at, at most.
const SAMPLE_UNITS: usize = 256;

/// Number of places the sample is taken from, spread evenly; few, because each may be a wait for memory.
const SAMPLE_PLACES: usize = 4;

/// Bytes of a unit while nothing is known: singles, or two halves.
const UNIT: usize = 4;

/// Counts equal pairs of bytes as they come.
struct Pairs {
    /// How often each byte value was seen.
    counts: [u8; 256],
    pairs: u32,
}

/// Tells of each byte of a unit whether it is as good as random over the whole chunk; takes half a microsecond.
pub(super) fn look(raw: &[u8]) -> [bool; UNIT] {
    let units = raw.as_chunks::<UNIT>().0;
    let mut pairs: [Pairs; UNIT] = std::array::from_fn(|_| Pairs::new());
    for place in sampled(units.len()) {
        for unit in &units[place] {
            pairs.iter_mut().zip(unit).for_each(|(pairs, &byte)| pairs.add(byte));
        }
    }
    pairs.each_ref().map(|pairs| pairs.are_noise(units.len()))
}

/// Tells whether a plane is as good as random.
pub(super) fn plane_is_noise(plane: &[u8]) -> bool {
    let mut pairs = Pairs::new();
    sampled(plane.len()).flat_map(|place| &plane[place]).for_each(|&byte| pairs.add(byte));
    pairs.are_noise(plane.len())
}

/// Up to [`SAMPLE_UNITS`] of so many units, in runs from [`SAMPLE_PLACES`] places.
fn sampled(units: usize) -> impl Iterator<Item = Range<usize>> {
    let (places, place_units) = match units > SAMPLE_UNITS {
        true => (SAMPLE_PLACES, SAMPLE_UNITS / SAMPLE_PLACES),
        false => (1, units),
    };
    let stride = (units - place_units) / (places - 1).max(1);
    (0..places).map(move |place| place * stride..place * stride + place_units)
}

impl Pairs {
    fn new() -> Self {
        Self { counts: [0; 256], pairs: 0 }
    }

    fn add(&mut self, byte: u8) {
        let count = &mut self.counts[usize::from(byte)];
        self.pairs += u32::from(*count);
        // The last of a sample of 256 equal bytes is not counted any more.
        *count = count.wrapping_add(1);
    }

    /// The measure is that of the probe for whole chunks: a sample of n bytes of noise has n²/512 equal pairs, give or take. One part in three
    /// more is nearly four standard deviations of a full sample; a plane with less skew than that saves too little to be coded.
    fn are_noise(&self, units: usize) -> bool {
        let sample = units.min(SAMPLE_UNITS) as u32;
        let pairs_of_noise = sample * sample.saturating_sub(1) / 512;
        self.pairs <= pairs_of_noise + pairs_of_noise / 3
    }
}
