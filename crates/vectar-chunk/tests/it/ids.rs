//! Ids and the key behind them.

use proptest::prelude::*;
use vectar_chunk::{BODY_PIECE_BYTES, BodyDigest, BodyPiece, ChunkId, IdKey, NodeId};

#[test]
fn domains_and_keys_give_unrelated_ids() {
    let (one, other) = (IdKey::new(&[1; 32]), IdKey::new(&[2; 32]));
    let digest = |key: &IdKey| key.body_hasher().update(b"x").finalize();
    let ids = [
        *one.chunk_id(b"x").as_bytes(),
        *one.node_id(b"x").as_bytes(),
        *one.row_directory_id(b"x").as_bytes(),
        *digest(&one).as_bytes(),
        *other.chunk_id(b"x").as_bytes(),
        *other.node_id(b"x").as_bytes(),
        *other.row_directory_id(b"x").as_bytes(),
        *digest(&other).as_bytes(),
        *one.chunk_id(b"y").as_bytes(),
    ];
    for (index, id) in ids.iter().enumerate() {
        assert!(!ids[index + 1..].contains(id), "id {index} occurs twice");
    }
}

#[test]
fn debug_shows_no_key() {
    let text = format!("{:?}", IdKey::new(&[0xab; 32]));
    assert_eq!(text, "IdKey(secret)");
}

#[test]
fn ids_are_shown_in_full_and_in_short() {
    let id = ChunkId::from_bytes(std::array::from_fn(|index| index as u8 * 8));
    assert_eq!(id.to_string(), "0008101820283038404850586068707880889098a0a8b0b8c0c8d0d8e0e8f0f8");
    assert_eq!(id.short(), "00081018");
    assert_eq!(format!("{id:?}"), "ChunkId(00081018)");
    assert_eq!(format!("{id:>66}").len(), 66);
}

#[test]
fn texts_that_are_no_ids_are_refused() {
    let good = "00".repeat(32);
    for text in
        ["", "00", &good[1..], &format!("{good}0"), &good.replace("00", "0g"), &"é".repeat(32), &format!("{good} ")]
    {
        assert!(text.parse::<NodeId>().is_err(), "{text:?}");
    }
    assert!(good.parse::<NodeId>().is_ok());
}

proptest! {
    #[test]
    fn ids_read_back_as_they_were_shown(bytes: [u8; 32]) {
        let id = BodyDigest::from_bytes(bytes);
        prop_assert_eq!(id.to_string().parse::<BodyDigest>().expect("64 digits"), id);
        prop_assert_eq!(id.to_string().to_uppercase().parse::<BodyDigest>().expect("64 digits"), id);
    }

    #[test]
    fn ids_order_like_their_text(one: [u8; 32], other: [u8; 32]) {
        let (one, other) = (ChunkId::from_bytes(one), ChunkId::from_bytes(other));
        prop_assert_eq!(one.cmp(&other), one.to_string().cmp(&other.to_string()));
    }

    /// In how many pieces a body is hashed does not matter.
    #[test]
    fn body_digests_do_not_depend_on_pieces(body: Vec<u8>, at in any::<prop::sample::Index>()) {
        let key = IdKey::new(&[3; 32]);
        let (front, back) = body.split_at(at.index(body.len() + 1));
        let in_pieces = key.body_hasher().update(front).update(back).finalize();
        prop_assert_eq!(in_pieces, key.body_hasher().update(&body).finalize());
    }
}

/// Pieces that were hashed apart, in any order, make the digest of the whole.
#[test]
fn pieces_join_to_the_digest_of_the_body() {
    let key = IdKey::new(&[3; 32]);
    let pattern: Vec<u8> = (0..7 * BODY_PIECE_BYTES + 1).map(|at| (at / 7 % 251) as u8).collect();
    for pieces in 2..=7 {
        for len in [pieces * BODY_PIECE_BYTES, (pieces - 1) * BODY_PIECE_BYTES + 1, pieces * BODY_PIECE_BYTES - 1000] {
            let body = &pattern[..len];
            let mut hashed: Vec<(u64, &[u8])> = (0..).zip(body.chunks(BODY_PIECE_BYTES)).collect();
            hashed.sort_by_key(|(index, _)| index % 3);
            let mut joined: Vec<_> =
                hashed.iter().map(|(index, bytes)| (*index, key.body_piece(*index, bytes))).collect();
            joined.sort_by_key(|(index, _)| *index);
            let joined: Vec<BodyPiece> = joined.into_iter().map(|(_, piece)| piece).collect();
            assert_eq!(key.join_body(&joined, len as u64), Some(key.body_hasher().update(body).finalize()), "{len}");
            assert_eq!(key.join_body(&joined[1..], len as u64), None, "a piece is missing");
        }
    }
    let short = key.body_piece(0, b"short");
    assert_eq!(key.join_body(&[short], 5), None, "a body of one piece has no other parts");
}
