//! Numeric header fields: octal text, or base-256 for what octal cannot hold.
//!
//! Sources: POSIX.1-2017 `pax`, "ustar Interchange Format" (leading-zero octal, ended by NUL or
//! space); GNU tar manual, "Extensions to the Archive Format" (base-256: top bit of the first byte
//! set, the rest a big-endian two's complement).

/// Returns the value of a numeric field, or `None` when it is neither octal nor base-256 or does
/// not fit an `i64`.
///
/// A field of only NULs or spaces is 0: writers leave unused fields (uid, gid, devices) empty.
/// Fields are at most 12 bytes long, so the accumulators cannot overflow.
pub(crate) fn signed(field: &[u8]) -> Option<i64> {
    debug_assert!(field.len() <= 12, "tar has no longer number fields");
    match field.first() {
        Some(first) if first & 0x80 != 0 => base256(*first, &field[1..]),
        _ => octal(field),
    }
}

/// Returns the value of a field that cannot be negative; `None` also when it is, or exceeds 63
/// bits.
pub(crate) fn unsigned(field: &[u8]) -> Option<u64> {
    signed(field).and_then(|value| u64::try_from(value).ok())
}

fn octal(field: &[u8]) -> Option<i64> {
    let text = field.split(|&byte| byte == 0).next().unwrap_or_default();
    text.trim_ascii()
        .iter()
        .try_fold(0i64, |value, &digit| matches!(digit, b'0'..=b'7').then(|| value << 3 | i64::from(digit - b'0')))
}

fn base256(first: u8, rest: &[u8]) -> Option<i64> {
    // The marker bit is dropped and bit 6, the sign, spread over the upper bits.
    let top = i128::from((first << 1).cast_signed() >> 1);
    let value = rest.iter().fold(top, |value, &byte| value << 8 | i128::from(byte));
    i64::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_with_any_ending() {
        assert_eq!(signed(b"0000644\0"), Some(0o644));
        assert_eq!(signed(b"000644 \0"), Some(0o644));
        assert_eq!(signed(b"  644\0 9"), Some(0o644));
        assert_eq!(signed(b"77777777777\0"), Some(0o77777777777));
        assert_eq!(signed(b"777777777777"), Some(0o777777777777));
    }

    #[test]
    fn empty_is_zero() {
        assert_eq!(signed(&[0; 8]), Some(0));
        assert_eq!(signed(b"        "), Some(0));
    }

    #[test]
    fn not_a_number() {
        assert_eq!(signed(b"0000648\0"), None);
        assert_eq!(signed(b"-000644\0"), None);
        assert_eq!(signed(b"12 34\0\0\0"), None);
    }

    #[test]
    fn base256_spans_the_signed_range() {
        assert_eq!(signed(&[0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]), Some(8 << 30));
        assert_eq!(signed(&[0xff; 12]), Some(-1));
        assert_eq!(unsigned(&[0xff; 12]), None);
        let mut max = [0xffu8; 12];
        max[..4].copy_from_slice(&[0x80, 0, 0, 0]);
        assert_eq!(signed(&max), None, "64 ones are more than 63 bits");
        max[4] = 0x7f;
        assert_eq!(unsigned(&max), Some(i64::MAX.unsigned_abs()));
    }
}
