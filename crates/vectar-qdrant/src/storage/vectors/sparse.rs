//! The stored value of a sparse vector, as it lies in the Gridstore `store/` (which does not compress it).
//!
//! | offset | bytes | meaning |
//! |---|---|---|
//! | 0 | 8 | u64 p, length of the packed indices |
//! | 8 | p | packed indices |
//! | 8 + p | 8 | u64 n, number of values |
//! | 16 + p | 4·n | values, f32 |
//!
//! Packed indices are nothing at all when there are none. Else they are a stream of bits, least significant first: six bits
//! hold w − 8; then each index takes w bits, the first as it is, every other as its distance from the one before; zeros fill
//! the last byte. w is between 8 and 64, so the stream's length alone says how many indices there are: ⌊(8p − 6) / w⌋, which
//! must be n. Indices ascend and fit in 32 bits.
//!
//! Source: `qdrant v1.19.0 lib/segment/src/vector_storage/sparse/stored_sparse_vectors.rs`,
//! `lib/common/common/src/delta_pack.rs`. Seen to hold for every value in the snapshots of the tests.

/// Bits that hold the width.
const WIDTH_BITS: u64 = 6;

/// The smallest width.
const WIDTH_MIN: u64 = 8;

/// Indices and values of a stored sparse vector; an error says in words what is wrong with it.
///
/// Memory: eight bytes for each value, which takes at least five in `bytes`.
pub(super) fn decode(bytes: &[u8]) -> Result<(Vec<u32>, Vec<f32>), String> {
    let (packed, rest) = counted(bytes, 1).ok_or("it ends within its indices")?;
    let (values, rest) = counted(rest, 4).ok_or("it ends within its values")?;
    if !rest.is_empty() {
        return Err(format!("{} bytes follow its values", rest.len()));
    }
    let indices = unpack(packed)?;
    let values: Vec<f32> = values.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    if indices.len() != values.len() {
        return Err(format!("it has {} indices and {} values", indices.len(), values.len()));
    }
    Ok((indices, values))
}

/// The items behind a u64 count of items of `item_bytes` each, and what follows them.
fn counted(bytes: &[u8], item_bytes: u64) -> Option<(&[u8], &[u8])> {
    let (count, rest) = bytes.split_first_chunk()?;
    let len = u64::from_le_bytes(*count).checked_mul(item_bytes)?;
    rest.split_at_checked(usize::try_from(len).ok()?)
}

fn unpack(packed: &[u8]) -> Result<Vec<u32>, String> {
    if packed.is_empty() {
        return Ok(Vec::new());
    }
    let width = bits(packed, 0, WIDTH_BITS) + WIDTH_MIN;
    if width > 64 {
        return Err(format!("its indices take {width} bits each, expected at most 64"));
    }
    let count = (packed.len() as u64 * 8 - WIDTH_BITS) / width;
    let mut indices = Vec::with_capacity(count as usize);
    let mut previous: u64 = 0;
    for item in 0..count {
        let distance = bits(packed, WIDTH_BITS + item * width, width);
        if item > 0 && distance == 0 {
            return Err(format!("index {previous} stands in it twice"));
        }
        let index = previous.checked_add(distance).and_then(|index| u32::try_from(index).ok());
        let index = index.ok_or_else(|| format!("the index behind {previous} does not fit in 32 bits"))?;
        indices.push(index);
        previous = u64::from(index);
    }
    Ok(indices)
}

/// `count` bits (at most 64, which may be none) of a stream from bit `start` on, least significant first; bits behind its end are zero.
pub(super) fn bits(stream: &[u8], start: u64, count: u64) -> u64 {
    let first = (start / 8) as usize;
    let mut word = [0; 16];
    let part = stream.get(first..).unwrap_or_default();
    let part = &part[..part.len().min(word.len())];
    word[..part.len()].copy_from_slice(part);
    let shifted = u128::from_le_bytes(word) >> (start % 8);
    shifted as u64 & u64::MAX.checked_shr(64 - count as u32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(packed: &[u8], values: &[f32]) -> Vec<u8> {
        let mut bytes = (packed.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(packed);
        bytes.extend_from_slice(&(values.len() as u64).to_le_bytes());
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        bytes
    }

    /// Packs bit by bit, so that it shares nothing with the code under test.
    fn pack(indices: &[u32], width: u32) -> Vec<u8> {
        if indices.is_empty() {
            return Vec::new();
        }
        let mut stream: Vec<bool> = (0..6).map(|bit| (width - 8) >> bit & 1 == 1).collect();
        let mut previous = 0;
        for index in indices {
            stream.extend((0..width).map(|bit| u64::from(index - previous) >> bit & 1 == 1));
            previous = *index;
        }
        stream.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
    }

    /// A value of Qdrant 1.18.3: eight indices of ten bits each.
    #[test]
    fn a_value_as_a_server_wrote_it() {
        const VALUE: &str = "0b0000000000000082002ff7c9e575800d701b0800000000000000\
            ec51783f8fe4523ff8c2a43ea4df9e3e4a7b033e1973d73e0e2d323e68222c3f";
        let digits: Vec<_> = VALUE.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
        let bytes: Vec<_> = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        let indices = vec![2, 817, 1454, 2058, 2529, 2913, 2916, 3355];
        let values = vec![0.97, 0.8238, 0.3218, 0.3103, 0.1284, 0.4208, 0.174, 0.6724];
        assert_eq!(decode(&bytes).unwrap(), (indices.clone(), values));
        assert_eq!(pack(&indices, 10), bytes[8..19]);
        assert_eq!(decode(&value(&[], &[])).unwrap(), (vec![], vec![]));
    }

    #[test]
    fn what_does_not_fit_is_said() {
        for (bytes, expected) in [
            (vec![], "it ends within its indices"),
            (vec![1, 0, 0, 0, 0, 0, 0, 0], "it ends within its indices"),
            (vec![0xff; 16], "it ends within its indices"),
            (vec![0; 15], "it ends within its values"),
            ([vec![0; 8], vec![0xff; 8]].concat(), "it ends within its values"),
            ([value(&[], &[]), vec![0]].concat(), "1 bytes follow its values"),
            (value(&pack(&[1, 2], 8), &[1.0]), "it has 2 indices and 1 values"),
            (value(&[], &[1.0]), "it has 0 indices and 1 values"),
            (value(&[63], &[]), "its indices take 71 bits each, expected at most 64"),
            (value(&pack(&[5, 5], 8), &[1.0, 1.0]), "index 5 stands in it twice"),
            (value(&[0xff; 20], &[1.0, 1.0]), "its indices take 71 bits each, expected at most 64"),
        ] {
            assert_eq!(decode(&bytes).unwrap_err(), expected, "{bytes:?}");
        }
        let wide = [vec![56], vec![0xff; 16]].concat();
        assert_eq!(decode(&value(&wide, &[1.0, 1.0])).unwrap_err(), "the index behind 0 does not fit in 32 bits");
    }

    proptest! {
        #[test]
        fn any_indices_come_back(indices in proptest::collection::btree_set(any::<u32>(), 0..50), extra in 0_u32..9) {
            let indices: Vec<u32> = indices.into_iter().collect();
            let values: Vec<f32> = indices.iter().map(|index| *index as f32).collect();
            let packed = pack(&indices, 32 + extra);
            prop_assert_eq!(decode(&value(&packed, &values)), Ok((indices, values)));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), packed in 0_u64..70, count in 0_u64..20) {
            let _ = decode(&bytes);
            let tail = bytes.len().min(packed as usize);
            let framed = [&packed.to_le_bytes(), &bytes[..tail], &count.to_le_bytes(), &bytes[tail..]].concat();
            let _ = decode(&framed);
        }
    }
}
