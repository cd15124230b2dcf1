//! `join(split(x)) == x`, and all drivers agree, for every `x`.

use proptest::collection::vec;
use proptest::prelude::*;
use vectar_tar::{Layout, Span, SplitOptions, join, split};

use crate::drivers::agree;
use crate::raw::RawHeader;
use crate::samples;
use crate::snapshots::{fixture, fixtures};

/// The invariant of the crate, by its name.
#[test]
fn join_of_split_is_the_identity() {
    let inputs = samples::all().into_iter().chain(fixtures().iter().map(|snapshot| snapshot.bytes.clone()));
    for input in inputs {
        assert!(join(&split(&input)).expect("parts fit their own layout") == input);
    }
    assert_eq!(join(&split(b"")).expect("parts fit their own layout"), b"");
}

/// One change to an archive. Positions are fractions of the length, or of its framing, where
/// changes tell most.
#[derive(Clone, Debug)]
enum Change {
    Truncate(f64),
    FlipBit { at: f64, bit: u8 },
    FlipFramingBit { at: f64, bit: u8 },
    SetByte { at: f64, value: u8 },
    CutOut { at: f64, len: usize },
    Repeat { at: f64, len: usize },
    Insert { at: f64, bytes: Vec<u8> },
    CopyBlock { from: f64, to: f64 },
}

fn change() -> impl Strategy<Value = Change> {
    let at = || 0.0..1.0f64;
    let len = || prop_oneof![Just(512usize), 1..3000usize];
    prop_oneof![
        at().prop_map(Change::Truncate),
        (at(), 0..8u8).prop_map(|(at, bit)| Change::FlipBit { at, bit }),
        (at(), 0..8u8).prop_map(|(at, bit)| Change::FlipFramingBit { at, bit }),
        (at(), any::<u8>()).prop_map(|(at, value)| Change::SetByte { at, value }),
        (at(), len()).prop_map(|(at, len)| Change::CutOut { at, len }),
        (at(), len()).prop_map(|(at, len)| Change::Repeat { at, len }),
        (at(), vec(any::<u8>(), 0..1025)).prop_map(|(at, bytes)| Change::Insert { at, bytes }),
        (at(), at()).prop_map(|(from, to)| Change::CopyBlock { from, to }),
    ]
}

fn position(at: f64, len: usize) -> usize {
    (at * len as f64) as usize
}

/// Applies a change, and sometimes repairs the checksum of the header it fell into, so that the
/// walk goes on behind it.
fn mutate(input: &mut Vec<u8>, change: &Change, reseal: bool) {
    let len = input.len();
    if len == 0 {
        return;
    }
    let cut = |at: f64, span: usize| position(at, len)..(position(at, len) + span).min(len);
    let touched = match change {
        Change::Truncate(at) => {
            input.truncate(position(*at, len));
            return;
        }
        Change::FlipBit { at, bit } => flip(input, position(*at, len), *bit),
        Change::FlipFramingBit { at, bit } => {
            let framing = framing_positions(input);
            let at = framing.get(position(*at, framing.len())).copied().unwrap_or(0);
            flip(input, at, *bit)
        }
        Change::SetByte { at, value } => {
            input[position(*at, len)] = *value;
            position(*at, len)
        }
        Change::CutOut { at, len: span } => {
            input.drain(cut(*at, *span));
            return;
        }
        Change::Repeat { at, len: span } => {
            let copy = input[cut(*at, *span)].to_vec();
            let at = position(*at, len);
            input.splice(at..at, copy);
            return;
        }
        Change::Insert { at, bytes } => {
            let at = position(*at, len);
            input.splice(at..at, bytes.iter().copied());
            return;
        }
        Change::CopyBlock { from, to } => {
            let from = position(*from, len) / 512 * 512;
            let to = position(*to, len) / 512 * 512;
            let span = 512.min(len - from).min(len - to);
            input.copy_within(from..from + span, to);
            return;
        }
    };
    if reseal {
        reseal_block(input, touched / 512 * 512);
    }
}

fn flip(input: &mut [u8], at: usize, bit: u8) -> usize {
    input[at] ^= 1 << bit;
    at
}

/// Offsets of some framing bytes: every 13th, which in time touches every field.
fn framing_positions(input: &[u8]) -> Vec<usize> {
    let layout = Layout::of(input, &SplitOptions::default());
    let framing = layout.spans().filter_map(|span| if let Span::Framing(span) = span { Some(span) } else { None });
    framing.flat_map(|span| (span.offset as usize..(span.offset + span.len) as usize).step_by(13)).collect()
}

fn reseal_block(input: &mut [u8], at: usize) {
    if let Some(block) = input[at..].first_chunk_mut::<512>() {
        *block = RawHeader::gnu("").field(0, block).seal();
    }
}

/// Pieces of which an archive might consist, most of them wrong where they stand.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let header =
        (any::<u8>(), any::<u16>(), any::<bool>(), vec(any::<u8>(), 0..40)).prop_map(|(kind, size, nul, name)| {
            let kinds = *b"0LKxgS51\0";
            let header = RawHeader::gnu("f").kind(kinds[usize::from(kind) % kinds.len()]).size(u64::from(size) % 3000);
            let header = if nul { header.field(0, &name) } else { header };
            header.seal().to_vec()
        });
    prop_oneof![
        6 => header,
        2 => Just(vec![0; 512]),
        1 => Just(samples::nested()),
        1 => vec(any::<u8>(), 0..1100),
        1 => (0..600usize).prop_map(|len| vec![0; len]),
    ]
}

proptest! {
    #[test]
    fn arbitrary_bytes(input in vec(any::<u8>(), 0..3000), slices in vec(1..700usize, 1..5)) {
        agree(&input, &[&slices], &SplitOptions::default());
    }

    #[test]
    fn arbitrary_pieces(pieces in vec(piece(), 0..12), slices in vec(1..700usize, 1..5), depth_max in 0..4u8) {
        let options = SplitOptions { depth_max, paths_max: 3, ..SplitOptions::default() };
        agree(&pieces.concat(), &[&slices], &options);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn mutated_samples(
        sample in 0..5usize,
        changes in vec((change(), any::<bool>()), 1..4),
        slices in vec(1..2000usize, 1..4),
    ) {
        let mut input = samples::all().swap_remove(sample);
        changes.iter().for_each(|(change, reseal)| mutate(&mut input, change, *reseal));
        agree(&input, &[&slices], &SplitOptions::default());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn mutated_snapshots(
        name in prop_oneof![Just("empty.snapshot"), Just("shard-partial.snapshot"), Just("shard.snapshot")],
        changes in vec((change(), any::<bool>()), 1..6),
        slices in vec(1..100_000usize, 1..4),
    ) {
        let mut input = fixture(name).bytes.clone();
        changes.iter().for_each(|(change, reseal)| mutate(&mut input, change, *reseal));
        agree(&input, &[&slices], &SplitOptions::default());
    }

    /// The head of one snapshot and the tail of another.
    #[test]
    fn spliced_snapshots(head in 0.0..1.0f64, tail in 0.0..1.0f64, slices in vec(1..100_000usize, 1..4)) {
        let (one, other) = (&fixture("shard-partial.snapshot").bytes, &fixture("empty.snapshot").bytes);
        let input = [&one[..position(head, one.len())], &other[position(tail, other.len())..]].concat();
        agree(&input, &[&slices], &SplitOptions::default());
    }
}
