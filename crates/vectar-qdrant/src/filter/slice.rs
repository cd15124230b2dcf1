//! `slice`: one of so many parts of all ids, the same on every server.
//!
//! A point is in the part whose number is the hash of its id modulo the number of parts. The hash is SipHash-2-4 with the
//! key 0 over 8 bytes little-endian of a number or the 16 bytes of a UUID (since 1.19;
//! `qdrant lib/segment/src/types.rs`, `slice_point_id_hash`).

use crate::point_id::PointId;

/// Part `index` of `total`, `index` below `total`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slice {
    pub(super) total: u32,
    pub(super) index: u32,
}

impl Slice {
    pub(super) fn holds(self, id: &PointId) -> bool {
        let hash = match id {
            PointId::Number(number) => sip_hash_2_4(&number.to_le_bytes()),
            PointId::Uuid(bytes) => sip_hash_2_4(bytes),
        };
        hash.checked_rem(u64::from(self.total)) == Some(u64::from(self.index))
    }
}

/// SipHash with 2 rounds a word and 4 at the end, its key zero (Aumasson and Bernstein, 2012).
fn sip_hash_2_4(bytes: &[u8]) -> u64 {
    let mut state: [u64; 4] =
        [0x736f_6d65_7073_6575, 0x646f_7261_6e64_6f6d, 0x6c79_6765_6e65_7261, 0x7465_6462_7974_6573];
    let mut absorb = |word: u64| {
        state[3] ^= word;
        sip_round(&mut state);
        sip_round(&mut state);
        state[0] ^= word;
    };
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        absorb(u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    // The length modulo 256 in the highest byte, as the algorithm has it.
    last[7] = bytes.len() as u8;
    absorb(u64::from_le_bytes(last));
    state[2] ^= 0xff;
    for _ in 0..4 {
        sip_round(&mut state);
    }
    state[0] ^ state[1] ^ state[2] ^ state[3]
}

fn sip_round(state: &mut [u64; 4]) {
    let [a, b, c, d] = state;
    *a = a.wrapping_add(*b);
    *b = b.rotate_left(13) ^ *a;
    *a = a.rotate_left(32);
    *c = c.wrapping_add(*d);
    *d = d.rotate_left(16) ^ *c;
    *a = a.wrapping_add(*d);
    *d = d.rotate_left(21) ^ *a;
    *c = c.wrapping_add(*b);
    *b = b.rotate_left(17) ^ *c;
    *c = c.rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(deprecated, reason = "the standard library's SipHash-2-4 is the second opinion")]
    fn the_hash_is_siphash_2_4() {
        use std::hash::{Hasher, SipHasher};
        for len in 0..40_u8 {
            let bytes: Vec<u8> = (0..len).collect();
            let mut hasher = SipHasher::new();
            hasher.write(&bytes);
            assert_eq!(sip_hash_2_4(&bytes), hasher.finish(), "{len} bytes");
        }
    }

    #[test]
    fn every_point_is_in_one_part() {
        for id in (0..100).map(PointId::Number).chain((0..100).map(|byte| PointId::Uuid([byte; 16]))) {
            let parts = (0..7).filter(|index| Slice { total: 7, index: *index }.holds(&id)).count();
            assert_eq!(parts, 1, "{id}");
        }
    }
}
