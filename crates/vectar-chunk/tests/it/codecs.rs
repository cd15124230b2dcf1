//! What is stored decodes to what it was, and what was never stored does not decode.

use proptest::prelude::*;
use vectar_chunk::{CHUNK_BYTES_MAX, ChunkError, CodecHint, CodecId, Decoder, Encoder, ErrorKind, decode};

use crate::noise::{noise, patchy};

const HINTS: [CodecHint; 5] =
    [CodecHint::Structured, CodecHint::Floats, CodecHint::Log, CodecHint::Unknown, CodecHint::Incompressible];

fn zstd_frame(raw: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(raw, 3).expect("zstd compresses anything")
}

fn decode_zstd(encoded: &[u8], raw_bytes: usize) -> Result<Vec<u8>, ChunkError> {
    decode(CodecId::ZSTD, encoded, raw_bytes)
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_itself(
        level in 1..20_i32, hint in prop::sample::select(HINTS.to_vec()),
        raw in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..500),
            (any::<u64>(), 0_usize..100_000).prop_map(|(seed, length)| patchy(seed, length)),
        ],
    ) {
        let encoded = Encoder::new(level).expect("a level of zstd").encode(&raw, hint);
        prop_assert!(encoded.bytes.len() <= raw.len());
        prop_assert_eq!(decode(encoded.codec, &encoded.bytes, raw.len()).expect("just encoded"), raw);
    }

    #[test]
    fn arbitrary_bytes_never_panic(codec in 0_u8..4, encoded: Vec<u8>, raw_bytes in 0_usize..1000) {
        if let Ok(raw) = decode(CodecId::new(codec), &encoded, raw_bytes) {
            prop_assert_eq!(raw.len(), raw_bytes);
        }
    }

    /// A damaged frame either fails or gives as many bytes as were declared; its id then tells.
    #[test]
    fn damaged_frames_never_give_another_length(seed: u64, at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let raw = patchy(seed, 20_000);
        let mut encoded = zstd_frame(&raw);
        let at = at.index(encoded.len());
        encoded[at] ^= flip;
        if let Ok(raw) = decode_zstd(&encoded, raw.len()) {
            prop_assert_eq!(raw.len(), 20_000);
        }
    }
}

#[test]
fn one_encoder_and_decoder_serve_many_chunks() {
    let mut encoder = Encoder::new(3).expect("a level of zstd");
    let mut decoder = Decoder::new().expect("zstd is there");
    for seed in 0..50 {
        let raw = patchy(seed, 1000 * seed as usize);
        let encoded = encoder.encode(&raw, CodecHint::Structured);
        assert!(decoder.decode(CodecId::ZSTD, b"rubbish", 10).is_err());
        assert_eq!(decoder.decode(encoded.codec, &encoded.bytes, raw.len()).expect("just encoded"), raw);
    }
}

#[test]
fn codecs_are_chosen_by_what_they_save() {
    let mut encoder = Encoder::new(3).expect("a level of zstd");
    let text = b"all work and no play ".repeat(1000);
    for hint in [CodecHint::Structured, CodecHint::Floats, CodecHint::Log, CodecHint::Unknown] {
        let encoded = encoder.encode(&text, hint);
        assert_eq!(encoded.codec, CodecId::ZSTD);
        assert!(encoded.bytes.len() < 200);
    }
    assert_eq!(encoder.encode(&text, CodecHint::Incompressible).codec, CodecId::RAW);
    for hint in HINTS {
        assert_eq!(encoder.encode(&noise(1, 50_000), hint).codec, CodecId::RAW);
        assert_eq!(encoder.encode(b"", hint).codec, CodecId::RAW);
        assert_eq!(encoder.encode(b"x", hint).codec, CodecId::RAW);
    }
    // One part in 128 is less than decoding is worth, though zstd would save it.
    let mut nearly_noise = noise(2, 1 << 20);
    nearly_noise[..1 << 13].fill(0);
    assert!(zstd_frame(&nearly_noise).len() < nearly_noise.len());
    assert_eq!(encoder.encode(&nearly_noise, CodecHint::Structured).codec, CodecId::RAW);
}

/// The probe tells noise from vectors: their sign and exponent bytes are worth compressing.
#[test]
fn floats_do_not_look_like_noise() {
    let mut encoder = Encoder::new(3).expect("a level of zstd");
    let floats: Vec<u8> = noise(3, 64_000)
        .chunks_exact(4)
        .flat_map(|bits| {
            let unit = f32::from(u16::from_le_bytes([bits[0], bits[1]])) / 65_536.0 - 0.5;
            ((unit + f32::from(bits[2]) / 16_777_216.0) * 0.1).to_le_bytes()
        })
        .collect();
    assert_eq!(encoder.encode(&floats, CodecHint::Unknown).codec, CodecId::ZSTD);
}

#[test]
fn declared_lengths_are_exact() {
    let raw = patchy(4, 10_000);
    for (codec, encoded) in [(CodecId::ZSTD, zstd_frame(&raw)), (CodecId::RAW, raw.clone())] {
        assert_eq!(decode(codec, &encoded, raw.len()).expect("a whole chunk"), raw);
        for declared in [0, 9_999, 10_001, CHUNK_BYTES_MAX] {
            let error = decode(codec, &encoded, declared).expect_err("another length");
            assert!(matches!(error, ChunkError::ChunkLengthWrong { found: 10_000, .. }), "{error}");
            assert_eq!(error.kind(), ErrorKind::RepositoryDamaged);
        }
    }
}

#[test]
fn no_chunk_is_larger_than_the_largest() {
    let bomb = zstd_frame(&vec![0; CHUNK_BYTES_MAX + 1]);
    for declared in [CHUNK_BYTES_MAX + 1, usize::MAX] {
        assert!(matches!(decode_zstd(&bomb, declared), Err(ChunkError::ChunkTooLarge { .. })));
    }
    assert!(matches!(decode_zstd(&bomb, 1000), Err(ChunkError::ChunkLengthWrong { .. })));
    let largest = vec![0; CHUNK_BYTES_MAX];
    assert_eq!(decode_zstd(&zstd_frame(&largest), CHUNK_BYTES_MAX).expect("the largest chunk"), largest);
}

#[test]
fn a_chunk_is_exactly_one_whole_frame() {
    let raw = patchy(5, 5000);
    let frame = zstd_frame(&raw);
    for length in 0..frame.len() {
        assert!(decode_zstd(&frame[..length], raw.len()).is_err(), "cut at {length}");
    }
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0];
    for tail in [&[0][..], &zstd_frame(b""), &skippable, &frame] {
        let error = decode_zstd(&[&frame, tail].concat(), raw.len()).expect_err("bytes follow");
        assert!(matches!(error, ChunkError::ChunkUndecodable { .. }), "{error}");
    }
    assert!(decode_zstd(&[&skippable, &frame[..]].concat(), raw.len()).is_err());
    let sizeless = zstd::stream::encode_all(&raw[..], 3).expect("zstd compresses anything");
    assert!(matches!(decode_zstd(&sizeless, raw.len()), Err(ChunkError::ChunkUndecodable { .. })));
}

/// A frame that states a small size and holds more is stopped by its stated size.
#[test]
fn a_frame_that_lies_about_its_size_is_refused() {
    let mut frame = zstd_frame(&[0; 200]);
    let stated = frame.iter().position(|&byte| byte == 200).expect("the content size is one byte here");
    frame[stated] = 100;
    assert!(matches!(decode_zstd(&frame, 100), Err(ChunkError::ChunkUndecodable { .. })));
}

#[test]
fn unknown_codecs_and_levels_are_refused() {
    let error = decode(CodecId::new(7), b"", 0).expect_err("no such codec");
    assert_eq!(error.kind(), ErrorKind::NewerFormat);
    assert!([CodecId::RAW, CodecId::ZSTD, CodecId::PLANES].iter().all(|codec| codec.is_known()));
    assert!(!CodecId::new(3).is_known());
    assert!(matches!(Encoder::new(1000), Err(ChunkError::LevelInvalid { .. })));
}
