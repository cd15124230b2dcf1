//! LEB128: seven bits a byte, least significant first, the top bit set on all but the last byte.
//!
//! Encodings are canonical: a decoder refuses a number that could have been written shorter, so that equal recipes are
//! equal bytes.

/// Longest encoding of a `u64`, in bytes.
pub const VARINT_BYTES_MAX: usize = 10;

/// Appends `value` to `out`.
pub fn encode(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads one number from the start of `bytes`; returns it with the count of bytes it took.
///
/// Returns `None` when the bytes end too early, the number exceeds 64 bits, or it is not written in its shortest form.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().take(VARINT_BYTES_MAX).enumerate() {
        let bits = u64::from(byte & 0x7f);
        if index == VARINT_BYTES_MAX - 1 && bits > 1 {
            return None;
        }
        value |= bits << (7 * index);
        if byte & 0x80 == 0 {
            let shortest = byte != 0 || index == 0;
            return shortest.then_some((value, index + 1));
        }
    }
    None
}

/// Maps a signed number to an unsigned one so that small magnitudes stay small: 0, -1, 1, -2 become 0, 1, 2, 3.
#[must_use]
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Undoes [`zigzag`].
#[must_use]
pub fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_number_comes_back(value: u64, tail: Vec<u8>) {
            let mut bytes = Vec::new();
            encode(value, &mut bytes);
            let len = bytes.len();
            bytes.extend(tail);
            prop_assert_eq!(decode(&bytes), Some((value, len)));
        }

        #[test]
        fn zigzag_comes_back(value: i64) {
            prop_assert_eq!(unzigzag(zigzag(value)), value);
        }

        #[test]
        fn any_bytes_decode_or_are_refused(bytes: Vec<u8>) {
            if let Some((value, len)) = decode(&bytes) {
                let mut again = Vec::new();
                encode(value, &mut again);
                prop_assert_eq!(&again[..], &bytes[..len]);
            }
        }
    }

    #[test]
    fn padded_and_overlong_numbers_are_refused() {
        assert_eq!(decode(&[0x80, 0x00]), None);
        assert_eq!(decode(&[0xff; 10]), None);
        assert_eq!(decode(&[0x80]), None);
        assert_eq!(decode(&[]), None);
    }
}
