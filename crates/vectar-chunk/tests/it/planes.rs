//! Rows of floats and logs with floats in them: what they are stored as, how long that is, and what is refused.

use proptest::prelude::*;
use vectar_chunk::{CHUNK_BYTES_MAX, ChunkError, CodecHint, CodecId, Decoder, Encoder, ErrorKind, decode};

use crate::noise::{Noise, noise, patchy};

const DIMENSIONS: usize = 384;

/// Vectors of normally distributed components, as embeddings have them, of length one.
fn embeddings(seed: u64, rows: usize) -> Vec<f32> {
    let mut noise = Noise(seed);
    // The sum of twelve evenly distributed numbers is normal enough; all steps are exact or rounded alike everywhere.
    let mut normal = || (0..12).map(|_| (noise.next() >> 11) as f64 / (1_u64 << 53) as f64).sum::<f64>() - 6.0;
    (0..rows)
        .flat_map(|_| {
            let row: Vec<f64> = (0..DIMENSIONS).map(|_| normal()).collect();
            let norm = row.iter().map(|component| component * component).sum::<f64>().sqrt();
            row.into_iter().map(move |component| (component / norm) as f32)
        })
        .collect()
}

fn bytes_of(vectors: &[f32]) -> Vec<u8> {
    vectors.iter().flat_map(|component| component.to_le_bytes()).collect()
}

/// Half precision by cutting the mantissa off; the components are no subnormals of it but for a few, which become zero.
fn half(component: f32) -> u16 {
    let bits = component.to_bits();
    let exponent = (bits >> 23 & 0xff) as i32 - 127 + 15;
    let sign = (bits >> 16 & 0x8000) as u16;
    if exponent <= 0 { sign } else { sign | (exponent as u16) << 10 | (bits >> 13 & 0x3ff) as u16 }
}

/// Entries of a log: an id, a vector in CBOR, a payload.
fn log(seed: u64, points: usize) -> Vec<u8> {
    let vectors = embeddings(seed, points);
    let mut log = b"upsert points".to_vec();
    for (point, vector) in vectors.chunks(DIMENSIONS).enumerate() {
        log.extend_from_slice(format!("id {point:07} vector ").as_bytes());
        vector.iter().for_each(|component| {
            log.push(0xfa);
            log.extend_from_slice(&component.to_be_bytes());
        });
        log.extend_from_slice(format!("payload city {} rank {}", point % 17, point * 31 % 1009).as_bytes());
    }
    log
}

fn encoder() -> Encoder {
    Encoder::with_planes(3).expect("a level of zstd")
}

/// Encodes, proves that it decodes to the same, and returns codec and length.
fn stored(raw: &[u8], hint: CodecHint) -> (CodecId, usize) {
    let encoded = encoder().encode(raw, hint);
    assert!(encoded.bytes.len() <= raw.len());
    assert!(decode(encoded.codec, &encoded.bytes, raw.len()).expect("just encoded") == raw);
    (encoded.codec, encoded.bytes.len())
}

/// The part of its length that a chunk is stored in, as planes.
fn ratio(raw: &[u8], hint: CodecHint) -> f64 {
    let (codec, bytes) = stored(raw, hint);
    assert_eq!(codec, CodecId::PLANES);
    bytes as f64 / raw.len() as f64
}

proptest! {
    #[test]
    fn numbers_decode_to_themselves_from_any_place_on(
        seed: u64, rows in 1_usize..8, halves: bool, skip in 0_usize..8, tail in 0_usize..4,
        hint in prop::sample::select(vec![CodecHint::Floats, CodecHint::Unknown, CodecHint::Log]),
    ) {
        let vectors = embeddings(seed, rows);
        let raw = match halves {
            true => vectors.iter().flat_map(|component| half(*component).to_le_bytes()).collect(),
            false => bytes_of(&vectors),
        };
        stored(&raw[skip..raw.len() - tail], hint);
    }

    #[test]
    fn logs_decode_to_themselves_cut_anywhere(seed: u64, points in 1_usize..6, from in 0_usize..1000, to in 1000_usize..3000) {
        let log = log(seed, points);
        stored(&log[from..to.min(log.len())], CodecHint::Log);
    }

    #[test]
    fn anything_decodes_to_itself_whatever_it_is_taken_for(
        seed: u64, length in 0_usize..60_000, tags in 0_usize..3,
        hint in prop::sample::select(vec![CodecHint::Floats, CodecHint::Unknown, CodecHint::Log]),
    ) {
        let mut raw = patchy(seed, length);
        // What looks like arrays of floats, and is cut off in many ways.
        raw.iter_mut().step_by(5).filter(|byte| usize::from(**byte % 7) < tags * 3).for_each(|byte| *byte = 0xfa);
        stored(&raw, hint);
    }

    /// Damage is refused, or gives as many bytes as were declared; the id then tells.
    #[test]
    fn damaged_planes_never_give_another_length(
        seed in 0_u64..4, log_like: bool, at in any::<prop::sample::Index>(), flip in 1_u8.., head: bool,
    ) {
        let (raw, hint) = match log_like {
            true => (log(seed, 2), CodecHint::Log),
            false => (bytes_of(&embeddings(seed, 2)), CodecHint::Floats),
        };
        let mut encoded = encoder().encode(&raw, hint).bytes.into_owned();
        let at = at.index(if head { 40 } else { encoded.len() });
        encoded[at] ^= flip;
        if let Ok(decoded) = decode(CodecId::PLANES, &encoded, raw.len()) {
            prop_assert_eq!(decoded.len(), raw.len());
            prop_assert!(decoded.capacity() <= CHUNK_BYTES_MAX);
        }
    }

    #[test]
    fn arbitrary_bytes_are_no_planes(layout in 0_u8..7, units in 0_u32..300, rest in 0_u32..300, tail: Vec<u8>, raw_bytes in 0_usize..2000) {
        let head = [&[layout][..], &units.to_le_bytes(), &rest.to_le_bytes()].concat();
        if let Ok(decoded) = decode(CodecId::PLANES, &[head, tail].concat(), raw_bytes) {
            prop_assert_eq!(decoded.len(), raw_bytes);
        }
    }
}

/// What planes are for. The bounds are those of a coder of single bytes, with the tables and headers of a chunk on top.
#[test]
fn floats_are_stored_near_their_entropy() {
    let vectors = embeddings(1, 6);
    let singles = bytes_of(&vectors);
    assert!(ratio(&singles, CodecHint::Floats) < 0.84, "{}", ratio(&singles, CodecHint::Floats));
    assert!(ratio(&singles, CodecHint::Unknown) < 0.84);
    let halves: Vec<u8> = bytes_of(&embeddings(2, 12));
    let halves: Vec<u8> =
        halves.as_chunks::<4>().0.iter().flat_map(|single| half(f32::from_le_bytes(*single)).to_le_bytes()).collect();
    assert!(ratio(&halves, CodecHint::Floats) < 0.86, "{}", ratio(&halves, CodecHint::Floats));
    // Singles with an empty half of the mantissa, as bf16 becomes; zstd needs half the space.
    let wide: Vec<u8> = vectors.iter().flat_map(|single| (single.to_bits() & 0xffff_0000).to_le_bytes()).collect();
    assert!(ratio(&wide, CodecHint::Floats) < 0.35, "{}", ratio(&wide, CodecHint::Floats));
    // One layout serves rows out of step, at a part in five hundred.
    assert!(ratio(&singles[3..], CodecHint::Floats) < 0.843, "{}", ratio(&singles[3..], CodecHint::Floats));
}

#[test]
fn floats_in_logs_are_stored_near_their_entropy() {
    let log = log(3, 40);
    let mut plain = Encoder::new(3).expect("a level of zstd");
    let zstd = plain.encode(&log, CodecHint::Log).bytes.len() as f64 / log.len() as f64;
    let planes = ratio(&log, CodecHint::Log);
    assert!(planes < 0.70 && zstd > 0.74, "{planes} {zstd}");
}

#[test]
fn what_planes_do_not_help_is_stored_otherwise() {
    let text = b"all work and no play ".repeat(1000);
    for hint in [CodecHint::Floats, CodecHint::Unknown, CodecHint::Log] {
        assert_eq!(stored(&text, hint).0, CodecId::ZSTD);
        assert!(stored(&text, hint).1 < 200);
        assert_eq!(stored(&noise(1, 50_000), hint).0, CodecId::RAW);
        assert_eq!(stored(&[], hint).0, CodecId::RAW);
    }
    // Rows that occur again are found by searching, which planes do not.
    let rows = bytes_of(&embeddings(4, 3)).repeat(4);
    let (codec, bytes) = stored(&rows, CodecHint::Floats);
    assert!(codec == CodecId::ZSTD && bytes < rows.len() / 3, "{codec:?} {bytes}");
}

#[test]
fn planes_are_made_only_where_they_are_allowed() {
    let floats = bytes_of(&embeddings(5, 4));
    let mut plain = Encoder::new(3).expect("a level of zstd");
    for hint in [CodecHint::Floats, CodecHint::Unknown, CodecHint::Log, CodecHint::Structured] {
        assert_ne!(plain.encode(&floats, hint).codec, CodecId::PLANES);
    }
    assert_eq!(encoder().encode(&floats, CodecHint::Structured).codec, CodecId::ZSTD);
    assert_eq!(encoder().encode(&floats, CodecHint::Incompressible).codec, CodecId::RAW);
}

/// Nothing of one chunk is left in the next, in either direction.
#[test]
fn an_encoder_and_a_decoder_remember_nothing() {
    let chunks = [
        (bytes_of(&embeddings(6, 5)), CodecHint::Floats),
        (log(7, 3), CodecHint::Log),
        (patchy(8, 30_000), CodecHint::Unknown),
        (bytes_of(&embeddings(9, 1)), CodecHint::Floats),
        (log(10, 1), CodecHint::Log),
    ];
    let (mut used, mut decoder) = (encoder(), Decoder::new().expect("zstd is there"));
    for (raw, hint) in chunks.iter().chain(&chunks) {
        let encoded = used.encode(raw, *hint);
        assert_eq!(encoded, encoder().encode(raw, *hint));
        assert!(decoder.decode(CodecId::PLANES, &encoded.bytes[..encoded.bytes.len() / 2], raw.len()).is_err());
        assert!(decoder.decode(encoded.codec, &encoded.bytes, raw.len()).expect("just encoded") == *raw);
    }
}

/// The bytes that `docs/format.md` describes, one by one. A decoder of every later version takes them.
#[test]
fn planes_are_these_bytes() {
    // Three tagged singles, 1.0, −1.5 and 1.0, after "ab" and before "c".
    let raw = b"ab\xfa\x3f\x80\x00\x00\xfa\xbf\xc0\x00\x00\xfa\x3f\x80\x00\x00c";
    let encoded = [
        &[5, 3, 0, 0, 0, 15, 0, 0, 0][..], // tagged singles, turned; three of them; 15 bytes of list and others
        &[1, 0xfa],                        // plane 0 is all tags
        &[0, 0, 1, 0],                     // plane 1 as it is: the lowest bits of the mantissa, and the sign
        &[1, 0],                           // plane 2 is all zero
        &[0, 0, 0x80, 0],                  // plane 3: the highest bits of the mantissa
        &[1, 0x7f],                        // plane 4: the exponent
        &[0],                              // the rest as it is:
        &[1, 0, 0, 0],                     // one run
        &[2, 0, 0, 0, 3, 0, 0, 0],         // two other bytes, then three numbers
        b"abc",
    ];
    let encoded = encoded.concat();
    assert_eq!(decode(CodecId::PLANES, &encoded, raw.len()).expect("planes"), raw);
    for length in 0..encoded.len() {
        assert!(decode(CodecId::PLANES, &encoded[..length], raw.len()).is_err(), "cut at {length}");
    }
    for declared in [0, 1, raw.len() - 1, raw.len() + 1, CHUNK_BYTES_MAX] {
        let error = decode(CodecId::PLANES, &encoded, declared).expect_err("another length");
        assert_eq!(error.kind(), ErrorKind::RepositoryDamaged, "{declared}");
    }
    let error = decode(CodecId::PLANES, &encoded, CHUNK_BYTES_MAX + 1).expect_err("too large");
    assert!(matches!(error, ChunkError::ChunkTooLarge { .. }));
    assert!(decode(CodecId::PLANES, &[&encoded[..], &[0]].concat(), raw.len()).is_err(), "bytes follow");
    // Halves, turned, and nothing but them: no list.
    let halves = [&[2, 2, 0, 0, 0, 0, 0, 0, 0][..], &[0, 1, 2], &[1, 0x7c]].concat();
    assert_eq!(decode(CodecId::PLANES, &halves, 4).expect("planes"), [0, 0xbe, 1, 0x3e]);
}

/// What a hostile length could make a decoder do is refused before anything is allocated for it.
#[test]
fn lengths_that_do_not_fit_are_refused() {
    let head = |layout: u8, units: u32, rest: u32| [&[layout][..], &units.to_le_bytes(), &rest.to_le_bytes()].concat();
    let refused = |encoded: &[u8], raw_bytes: usize, why: &str| {
        let error = decode(CodecId::PLANES, encoded, raw_bytes).expect_err(why).to_string();
        assert!(error.contains(why), "{error}");
    };
    refused(&head(0, 1, 0), 100, "no such layout");
    refused(&head(6, 1, 0), 100, "no such layout");
    refused(&head(3, 26, 0), 100, "do not fit");
    refused(&head(3, u32::MAX, 0), 100, "do not fit");
    refused(&head(3, 0, 100), 100, "do not fit");
    refused(&head(3, 25, 101), 100, "between the numbers");
    refused(&[head(1, 2, 0), vec![1, 0, 9]].concat(), 4, "no such form");
    refused(&[head(1, 2, 0), vec![1, 0, 1, 0]].concat(), 5, "its encoded form holds 4");
    // Twenty halves, all 0x0807, and a list of where they lie.
    let with_list = |list: &[u8]| {
        let mut encoded = head(1, 20, list.len() as u32);
        encoded.extend_from_slice(&[1, 7, 1, 8, 0]);
        encoded.extend_from_slice(list);
        encoded
    };
    let run = |others: u32, units: u32| [others.to_le_bytes(), units.to_le_bytes()].concat();
    let with_runs = |runs: &[Vec<u8>], others: &[u8]| {
        let count = (runs.len() as u32).to_le_bytes();
        with_list(&[&count[..], &runs.concat(), others].concat())
    };
    let fit = decode(CodecId::PLANES, &with_runs(&[run(1, 1), run(8, 19)], b"xabcdefghijk"), 52).expect("it fits");
    assert_eq!(fit, [b"x\x07\x08abcdefgh", &b"\x07\x08".repeat(19)[..], b"ijk"].concat());
    for (runs, others) in [
        (vec![], &b"xabcdefghijk"[..]),
        (vec![run(1, 19)], b"xabcdefghijklm"),
        (vec![run(1, 21)], b"xabcdefghi"),
        (vec![run(1, 20), run(0, 0)], b"xabcdefghijk"),
        (vec![run(13, 20)], b"xabcdefghijk"),
        (vec![run(1, 20)], b"xabcdefghij"),
        (vec![run(u32::MAX, 20)], b"xabcdefghijk"),
        (vec![run(1, u32::MAX)], b"xabcdefghijk"),
    ] {
        refused(&with_runs(&runs, others), 52, "its list of runs does not fit");
    }
    refused(&with_list(&[255, 255, 255, 255]), 52, "its list of runs does not fit");
    refused(&with_list(&[1]), 52, "its list of runs does not fit");
}
