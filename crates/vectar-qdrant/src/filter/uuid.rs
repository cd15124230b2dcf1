//! UUIDs as Qdrant reads them: in ids, and in values of fields with a UUID index.

/// The 16 bytes of a UUID: 32 hexadecimal digits, with hyphens, with hyphens in braces, or with hyphens behind `urn:uuid:`
/// (crate `uuid` 1, `Uuid::parse_str`).
pub(super) fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];
    let bytes = match text.len() {
        32 => text,
        36 => text,
        38 => text.strip_prefix('{')?.strip_suffix('}')?,
        45 => text.strip_prefix("urn:uuid:")?,
        _ => return None,
    }
    .as_bytes();
    let has_hyphens = bytes.len() == 36;
    if has_hyphens && HYPHENS.iter().any(|at| bytes[*at] != b'-') {
        return None;
    }
    let mut digits =
        bytes.iter().enumerate().filter(|(at, _)| !has_hyphens || !HYPHENS.contains(at)).map(|(_, byte)| byte);
    let mut uuid = [0; 16];
    for byte in &mut uuid {
        let mut digit = || char::from(*digits.next()?).to_digit(16);
        *byte = (digit()? * 16 + digit()?) as u8;
    }
    Some(uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_spellings_and_no_other() {
        let expected = parse_uuid("f47ac10b-58cc-4372-a567-0e02b2c3d479");
        assert_eq!(expected.unwrap()[..4], [0xf4, 0x7a, 0xc1, 0x0b]);
        for same in [
            "F47AC10B-58cc-4372-a567-0e02b2c3d479",
            "f47ac10b58cc4372a5670e02b2c3d479",
            "{f47ac10b-58cc-4372-a567-0e02b2c3d479}",
            "urn:uuid:f47ac10b-58cc-4372-a567-0e02b2c3d479",
        ] {
            assert_eq!(parse_uuid(same), expected, "{same}");
        }
        for other in [
            "",
            "f47ac10b-58cc-4372-a567-0e02b2c3d47",
            "f47ac10b-58cc-4372-a567-0e02b2c3d47g",
            "f47ac10b058cc-4372-a567-0e02b2c3d479",
            "urn:uuid:f47ac10b58cc4372a5670e02b2c3d479",
            "URN:UUID:f47ac10b-58cc-4372-a567-0e02b2c3d479",
            "[f47ac10b-58cc-4372-a567-0e02b2c3d479]",
            "-f47ac10b-58cc-4372-a567-0e02b2c3d47",
            "é47ac10b-58cc-4372-a567-0e02b2c3d479",
        ] {
            assert_eq!(parse_uuid(other), None, "{other}");
        }
    }
}
