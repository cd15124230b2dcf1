use proptest::prelude::*;

use super::lengths;
use super::{HuffmanEncoder, Tables};

fn coded(plane: &[u8]) -> Option<Vec<u8>> {
    // What lies before is left alone.
    let mut encoded = b"before".to_vec();
    let was_put = HuffmanEncoder::default().put(plane, usize::MAX, &mut encoded);
    assert!(encoded.starts_with(b"before"));
    was_put.then(|| encoded.split_off(6))
}

fn decoded(encoded: &[u8], plane_bytes: usize) -> Result<Vec<u8>, &'static str> {
    let mut plane = vec![0xee; plane_bytes];
    let mut ahead = encoded;
    Tables::default().take(&mut ahead, &mut plane)?;
    assert!(ahead.is_empty(), "{} bytes were not read", ahead.len());
    Ok(plane)
}

/// Bytes with a skew: each bit of `skew` that is set halves the chance of what follows.
fn skewed(seed: u64, length: usize, kinds: u32) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 32
    };
    (0..length).map(|_| 0x40 + (next() as u32 | 1 << kinds).trailing_zeros() as u8 * 3).collect()
}

proptest! {
    #[test]
    fn every_plane_comes_back(seed: u64, length in 0_usize..5000, kinds in 1_u32..31, noise: bool) {
        let mut plane = skewed(seed, length, kinds);
        if noise {
            plane.iter_mut().zip(skewed(!seed, length, 30)).for_each(|(byte, other)| *byte = byte.wrapping_mul(31) ^ other);
        }
        match coded(&plane) {
            Some(encoded) => prop_assert_eq!(decoded(&encoded, plane.len()), Ok(plane)),
            None => prop_assert!(plane.iter().all(|byte| *byte == plane[0])),
        }
    }

    #[test]
    fn any_bytes_come_back(plane: Vec<u8>) {
        if let Some(encoded) = coded(&plane) {
            prop_assert_eq!(decoded(&encoded, plane.len()), Ok(plane));
        }
    }

    /// Whatever is read as a plane fills it or is refused; nothing panics, and nothing is read behind its end.
    #[test]
    fn damage_is_refused_or_gives_a_plane(seed: u64, at in any::<prop::sample::Index>(), flip in 1_u8.., cut: bool) {
        let plane = skewed(seed, 900, 8);
        let mut encoded = coded(&plane).expect("two kinds of bytes occur");
        let at = at.index(encoded.len());
        if cut {
            encoded.truncate(at);
            prop_assert!(decoded(&encoded, plane.len()).is_err());
        } else {
            encoded[at] ^= flip;
            let mut ahead = &encoded[..];
            let mut target = vec![0; plane.len()];
            let _ = Tables::default().take(&mut ahead, &mut target);
        }
    }

    #[test]
    fn noise_is_no_plane(encoded: Vec<u8>, plane_bytes in 0_usize..300) {
        let mut plane = vec![0; plane_bytes];
        let _ = Tables::default().take(&mut &encoded[..], &mut plane);
    }

    /// As many bits as the best code without a limit, or a few more where the limit binds; and never a code that a decoder cannot follow.
    #[test]
    fn lengths_come_back(counts in proptest::collection::vec(0_u32..10_000, 256), shift in 0_u32..20) {
        let mut table = [0; 256];
        table.iter_mut().zip(counts).enumerate().for_each(|(byte, (table, count))| *table = count >> (shift * byte as u32 / 256));
        if let Some(lengths) = lengths::shortest(&table) {
            for (count, length) in table.iter().zip(lengths.bits) {
                prop_assert_eq!(*count > 0, length > 0);
            }
            let mut encoded = Vec::new();
            lengths::put(&lengths, &mut encoded);
            let mut ahead = &encoded[..];
            prop_assert_eq!(lengths::take(&mut ahead), Some(lengths));
            prop_assert!(ahead.is_empty());
        }
    }
}

fn lengths_of(counts: &[(u8, u32)]) -> [u8; 256] {
    let mut table = [0; 256];
    counts.iter().for_each(|&(byte, count)| table[usize::from(byte)] = count);
    lengths::shortest(&table).expect("two bytes occur").bits
}

#[test]
fn frequent_bytes_have_short_codes() {
    let counts = [(10, 1), (11, 1), (12, 2), (13, 4), (14, 8)];
    let lengths = lengths_of(&counts);
    assert_eq!(counts.map(|(byte, _)| lengths[usize::from(byte)]), [4, 4, 3, 2, 1]);
    // Fibonacci's numbers make the deepest trees; the limit holds and the code is complete.
    let (mut counts, mut pair) = (Vec::new(), (1, 1));
    for byte in 0..30 {
        counts.push((byte, pair.0));
        pair = (pair.1, pair.0 + pair.1);
    }
    let lengths = lengths_of(&counts);
    assert_eq!(lengths.iter().max(), Some(&11));
    let places: u32 = lengths.iter().filter(|length| **length > 0).map(|length| 1 << (11 - length)).sum();
    assert_eq!(places, 1 << 11);
    assert!(lengths[..30].is_sorted_by(|rare, frequent| rare >= frequent));
}

/// The bytes that `docs/format.md` describes, one by one. These must never change.
#[test]
fn a_coded_plane_is_these_bytes() {
    // Lengths: 1 for 'b', 2 for 'a', 2 for 'e'; codes 0, 10, 11.
    let plane = b"babebbeb";
    let encoded = coded(plane).unwrap();
    assert_eq!(
        encoded,
        [
            b'a',
            b'e',
            0x21,
            0x01,
            0x20, // lengths: 2, 1, two without, 2, filled up
            1,
            0,
            1,
            0,
            1,
            0,
            1,
            0,           // bytes of the streams
            0b0100_0000, // ba
            0b0110_0000, // be
            0b0000_0000, // bb
            0b1100_0000, // eb
        ]
    );
    assert_eq!(decoded(&encoded, plane.len()).as_deref(), Ok(&plane[..]));
}

/// The lengths of streams are two bytes each up to a plane of 65,536 bytes and four beyond.
#[test]
fn long_planes_have_long_lengths() {
    for (plane_bytes, lengths_bytes) in [(1 << 16, 8), ((1 << 16) + 1, 16)] {
        let plane = skewed(7, plane_bytes, 5);
        let encoded = coded(&plane).unwrap();
        assert_eq!(decoded(&encoded, plane.len()).as_deref(), Ok(&plane[..]));
        let mut streams = &encoded[..];
        lengths::take(&mut streams).unwrap();
        let stated: usize = match lengths_bytes {
            8 => streams[..8].as_chunks().0.iter().map(|bytes| usize::from(u16::from_le_bytes(*bytes))).sum(),
            _ => streams[..16].as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes) as usize).sum(),
        };
        assert_eq!(stated, streams.len() - lengths_bytes);
    }
}

#[test]
fn what_saves_too_little_is_not_coded() {
    let plane = skewed(1, 4000, 9);
    let encoded = coded(&plane).unwrap();
    let mut other = Vec::new();
    // The bound is checked before the streams are written, with a byte for the end of each.
    assert!(HuffmanEncoder::default().put(&plane, encoded.len() + 5, &mut other));
    assert_eq!(other, encoded);
    assert!(!HuffmanEncoder::default().put(&plane, encoded.len(), &mut other));
    assert_eq!(other, encoded, "nothing was written");
    assert_eq!(coded(&[7; 100]), None);
    assert_eq!(coded(b""), None);
}

#[test]
fn impossible_codes_are_refused() {
    let refused = |bytes: &[u8]| lengths::take(&mut &bytes[..]).is_none();
    assert!(!refused(&[1, 2, 0x11]));
    assert!(refused(&[1, 1, 0x10]), "half of all bits mean nothing");
    assert!(refused(&[1, 3, 0x11, 0x10]), "a third of one half");
    assert!(refused(&[2, 1, 0x11]), "the last before the first");
    assert!(refused(&[1, 2, 0xc1]), "twelve bits");
    assert!(refused(&[1, 2]), "no lengths");
    assert!(refused(&[1]));
    // Codes that go on behind their stream are not those of a plane.
    let error = decoded(&[1, 2, 0x11, 0, 0, 0, 0, 0, 0, 0, 0], 1);
    assert_eq!(error, Err("a coded plane is not as long as it states"));
}
