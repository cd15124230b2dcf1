//! PAX extended header records, as far as they change where bytes lie or what they are called.
//!
//! A record is `"%d %s=%s\n"`: its own length in decimal, keyword, value (POSIX.1-2017 `pax`, "pax
//! Extended Header"). Values may hold any byte, so only the length delimits them. The GNU sparse
//! formats 0.1 and 1.0 (`GNU.sparse.*`) are not interpreted: such an entry is delivered as it is
//! stored.

/// What the records of one extended header say; the last record of a keyword wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PaxRecords {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) link_path: Option<Vec<u8>>,
    pub(crate) size: Option<PaxSize>,
    pub(crate) gnu_sparse: bool,
}

/// The `size` keyword: the stored length of the next entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PaxSize {
    Bytes(u64),
    /// Not a decimal number, or beyond 63 bits.
    Invalid,
}

impl PaxRecords {
    /// Applies all records of `bytes` in order; returns whether they were well-formed to the end.
    ///
    /// At the first malformed record the rest is left alone: without its length the next one cannot
    /// be found.
    pub(crate) fn apply(&mut self, mut bytes: &[u8], path_bytes_max: usize) -> bool {
        while !bytes.is_empty() {
            let Some((keyword, value, rest)) = next_record(bytes) else {
                return false;
            };
            self.set(keyword, value, path_bytes_max);
            bytes = rest;
        }
        true
    }

    /// Sets one keyword. An empty value unsets it ("delete", says the standard); a path beyond the
    /// cap is dropped.
    fn set(&mut self, keyword: &[u8], value: &[u8], path_bytes_max: usize) {
        let path = || Some(value).filter(|path| !path.is_empty() && path.len() <= path_bytes_max).map(<[u8]>::to_vec);
        match keyword {
            b"path" => self.path = path(),
            b"linkpath" => self.link_path = path(),
            b"size" => self.size = (!value.is_empty()).then(|| size(value)),
            _ => self.gnu_sparse |= keyword.starts_with(b"GNU.sparse."),
        }
    }
}

fn size(value: &[u8]) -> PaxSize {
    let bytes = decimal(value).filter(|&bytes| i64::try_from(bytes).is_ok());
    bytes.map_or(PaxSize::Invalid, PaxSize::Bytes)
}

fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// Splits the first record off: keyword, value, what follows.
fn next_record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().position(|&byte| byte == b' ')?;
    let len = usize::try_from(decimal(&bytes[..space])?).ok()?;
    let record = bytes.get(space + 1..len)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], &bytes[len..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> (PaxRecords, bool) {
        let mut records = PaxRecords::default();
        let whole = records.apply(bytes, 64);
        (records, whole)
    }

    #[test]
    fn last_value_wins_and_empty_unsets() {
        let (records, whole) = parse(b"10 path=a\n10 path=b\n10 size=9\n8 size=\n");
        assert!(whole);
        assert_eq!(records, PaxRecords { path: Some(b"b".to_vec()), ..PaxRecords::default() });
    }

    #[test]
    fn values_may_hold_newlines_and_equals() {
        let (records, whole) = parse(b"14 path=a\nb=c\n");
        assert!(whole);
        assert_eq!(records.path.as_deref(), Some(&b"a\nb=c"[..]));
    }

    #[test]
    fn malformed_records_end_the_parse() {
        for bytes in [
            &b"path=a\n"[..],
            b"99 path=a\n",
            b"3 a\n",
            b"0 path=a\n",
            b"9 path=a\n\n",
            b"99999999999999999999 path=a\n",
        ] {
            assert!(!parse(bytes).1, "{bytes:?}");
        }
    }

    #[test]
    fn sizes_beyond_63_bits_are_invalid() {
        assert_eq!(parse(b"28 size=9223372036854775807\n").0.size, Some(PaxSize::Bytes(i64::MAX.unsigned_abs())));
        assert_eq!(parse(b"28 size=9223372036854775808\n").0.size, Some(PaxSize::Invalid));
        assert_eq!(parse(b"11 size=-1\n").0.size, Some(PaxSize::Invalid));
    }
}
