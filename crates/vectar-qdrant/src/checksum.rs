//! The `.checksum` sidecar: 64 hexadecimal digits of SHA-256 beside a snapshot.

use crate::error::QdrantError;

/// What a sidecar's name adds to the snapshot's full file name (v1.8.0+; the local backend only, never S3).
pub const CHECKSUM_SUFFIX: &str = ".checksum";

/// The sidecar's name for a snapshot's file name: `x.snapshot` → `x.snapshot.checksum`.
pub fn checksum_sidecar_name(snapshot_name: &str) -> String {
    format!("{snapshot_name}{CHECKSUM_SUFFIX}")
}

/// The snapshot's name for a sidecar's: the reverse of [`checksum_sidecar_name`], `None` for other names.
pub fn checksummed_snapshot_name(sidecar_name: &str) -> Option<&str> {
    sidecar_name
        .strip_suffix(CHECKSUM_SUFFIX)
        .filter(|name| name.strip_suffix(".snapshot").is_some_and(|stem| !stem.is_empty()))
}

/// Digits of a SHA-256 in hexadecimal.
const DIGITS: usize = 64;

/// Reads a sidecar's content as the SHA-256 of the whole snapshot file.
///
/// Case and ASCII white space are ignored wherever they stand, as Qdrant compares them
/// (`qdrant v1.19.0 lib/collection/src/common/sha_256.rs`), so a trailing newline does no harm.
///
/// # Errors
///
/// [`QdrantError::ChecksumMalformed`] for anything but 64 digits. An empty sidecar is routine (a crash between two
/// renames): it proves nothing, neither for nor against its snapshot.
pub fn parse_checksum(content: &[u8]) -> Result<[u8; 32], QdrantError> {
    let mut sha256 = [0_u8; DIGITS / 2];
    let mut digits = 0_usize;
    for byte in content.iter().copied().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ => {
                return Err(malformed(format!("\"{}\" after {digits} digits", byte.escape_ascii())));
            }
        };
        if let Some(pair) = sha256.get_mut(digits / 2) {
            *pair = *pair << 4 | value;
        }
        digits += 1;
    }
    match digits {
        DIGITS => Ok(sha256),
        0 => Err(malformed("nothing".to_owned())),
        _ => Err(malformed(format!("{digits} hexadecimal digits"))),
    }
}

fn malformed(found: String) -> QdrantError {
    QdrantError::ChecksumMalformed { found }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const HEX: &str = "01158e9f41a7854e3182459641c131519696323fa07e2c2c0fca898f125cd7fc";

    #[test]
    fn case_and_white_space_are_ignored() {
        let plain = parse_checksum(HEX.as_bytes()).unwrap();
        assert_eq!(plain[..4], [0x01, 0x15, 0x8e, 0x9f]);
        assert_eq!(plain[31], 0xfc);
        for text in [HEX.to_uppercase(), format!("{HEX}\n"), format!(" {}\r\n{}\t", &HEX[..10], &HEX[10..])] {
            assert_eq!(parse_checksum(text.as_bytes()).unwrap(), plain, "{text:?}");
        }
    }

    #[test]
    fn other_content_is_named() {
        let check = |content: &[u8], expected: Expect| {
            expected.assert_eq(&parse_checksum(content).unwrap_err().to_string());
        };
        check(b" \n", expect!["the checksum sidecar holds nothing, expected 64 hexadecimal digits"]);
        check(
            &HEX.as_bytes()[1..],
            expect!["the checksum sidecar holds 63 hexadecimal digits, expected 64 hexadecimal digits"],
        );
        check(
            format!("{HEX}{HEX}").as_bytes(),
            expect!["the checksum sidecar holds 128 hexadecimal digits, expected 64 hexadecimal digits"],
        );
        check(
            format!("{HEX}  x.snapshot\n").as_bytes(),
            expect![[r#"the checksum sidecar holds "x" after 64 digits, expected 64 hexadecimal digits"#]],
        );
        check(b"<html>", expect![[r#"the checksum sidecar holds "<" after 0 digits, expected 64 hexadecimal digits"#]]);
    }

    #[test]
    fn sidecar_names_go_both_ways() {
        assert_eq!(checksum_sidecar_name("x.snapshot"), "x.snapshot.checksum");
        assert_eq!(checksummed_snapshot_name("x.snapshot.checksum"), Some("x.snapshot"));
        for name in ["x.snapshot", ".snapshot.checksum", "x.checksum", ".checksum"] {
            assert_eq!(checksummed_snapshot_name(name), None, "{name}");
        }
    }
}
