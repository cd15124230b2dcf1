//! Where in a chunk the numbers lie.

use super::layout::{CBOR_SINGLE, Layout};

/// Bytes of one run in the list: two little-endian `u32`s.
pub(super) const RUN_BYTES: usize = 8;

/// Numbers in a run at least: shorter ones save less than their place in the list costs.
const TAGGED_UNITS_MIN: usize = 16;

/// Some bytes that are no numbers, then some numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Bytes before the numbers.
    pub(super) others: u32,
    /// How many numbers follow; at least one.
    pub(super) units: u32,
}

impl Run {
    pub(super) fn encode(self) -> [u8; RUN_BYTES] {
        let mut bytes = [0; RUN_BYTES];
        bytes[..4].copy_from_slice(&self.others.to_le_bytes());
        bytes[4..].copy_from_slice(&self.units.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: [u8; RUN_BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h] = bytes;
        Self { others: u32::from_le_bytes([a, b, c, d]), units: u32::from_le_bytes([e, f, g, h]) }
    }
}

/// Lists the arrays of single-precision numbers in CBOR, as an entry of Qdrant's WAL holds its vectors: every fifth byte is the tag.
///
/// The runs end at most where `raw` does. Bytes that only look like such an array cost space and nothing else.
pub(super) fn tagged_runs(raw: &[u8], runs: &mut Vec<Run>) {
    let unit = Layout::TaggedSingles.unit_bytes();
    runs.clear();
    let (mut listed, mut at) = (0, 0);
    while let Some(ahead) = raw[at..].iter().position(|&byte| byte == CBOR_SINGLE) {
        at += ahead;
        let units = raw[at..].chunks_exact(unit).take_while(|unit| unit[0] == CBOR_SINGLE).count();
        if units < TAGGED_UNITS_MIN {
            at += 1;
            continue;
        }
        let narrow = |value: usize| u32::try_from(value).expect("a chunk has at most CHUNK_BYTES_MAX bytes");
        runs.push(Run { others: narrow(at - listed), units: narrow(units) });
        at += units * unit;
        listed = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(numbers: usize) -> Vec<u8> {
        (0..numbers).flat_map(|number| [CBOR_SINGLE, 0x3d, number as u8, 7, 9]).collect()
    }

    fn runs_of(raw: &[u8]) -> Vec<(u32, u32)> {
        // What an earlier chunk left is forgotten.
        let mut runs = vec![Run { others: 1, units: 1 }];
        tagged_runs(raw, &mut runs);
        runs.into_iter().map(|run| (run.others, run.units)).collect()
    }

    #[test]
    fn arrays_of_singles_are_found_wherever_they_lie() {
        assert_eq!(runs_of(b""), []);
        assert_eq!(runs_of(&array(16)), [(0, 16)]);
        assert_eq!(runs_of(&array(15)), []);
        let between = b"x\xfa id \xfa".as_slice();
        let entry = [b"points", &array(40)[..], between, &array(20), b"t\xfail"].concat();
        assert_eq!(runs_of(&entry), [(6, 40), (7, 20)]);
        // A half in between, which CBOR takes where it suffices, ends a run; the next begins behind it.
        let halved = [&array(30)[..], &[0xf9, 0, 0], &array(30)].concat();
        assert_eq!(runs_of(&halved), [(0, 30), (3, 30)]);
        // The last number is not whole.
        assert_eq!(runs_of(&array(20)[..98]), [(0, 19)]);
        assert_eq!(runs_of(&[CBOR_SINGLE; 103]), [(0, 20)]);
    }

    #[test]
    fn a_run_is_eight_bytes() {
        let run = Run { others: 0x0102, units: 0x0304_0506 };
        assert_eq!(run.encode(), [2, 1, 0, 0, 6, 5, 4, 3]);
        assert_eq!(Run::decode(run.encode()), run);
    }
}
