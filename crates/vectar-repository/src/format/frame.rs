//! Text objects: one header line that says kind, version, length and checksum, then JSON.
//!
//! Small objects (config, records, intents, events…) are read by people at three in the morning, so they are text:
//! `cat` shows them. The header makes them self-checking and keeps one kind from being taken for another.
//!
//! ```text
//! vectar record 1 412 6fe4323c06c0072f…\n      kind, version, bytes of JSON, BLAKE3 of the JSON in hex
//! {"id":"…",…}\n                               exactly that many bytes, then one newline
//! ```

use serde::{Serialize, de::DeserializeOwned};

use super::FormatError;

/// Largest text object that is read, in bytes. The longest is a `pending` object: 65 bytes for each pack it names.
pub const FRAME_BYTES_MAX: u64 = 64 * 1024 * 1024;

const HEADER_BYTES_MAX: usize = 160;

/// The kinds of text object, each with the newest version this code reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// `config`.
    Config,
    /// `backups/<id>/<seq>`.
    Record,
    /// `backups/<id>/<seq>` of an ingest that was taken for dead.
    Void,
    /// `intents/<nonce>`.
    Intent,
    /// `pending/<id>`.
    Pending,
    /// `events/<time>-<nonce>`.
    Event,
    /// `proofs/<id>/<time>-<nonce>`.
    Proof,
    /// `proofs/packs/<time>-<nonce>`.
    PackProof,
    /// `forgotten/<id>`.
    Forgotten,
    /// `notes/<id>/<time>-<nonce>`.
    Note,
    /// `condemned/<pack>`.
    Mark,
    /// `intents/<nonce>.<time>-<nonce>`.
    IntentSeen,
}

impl FrameKind {
    /// The word in the header line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Record => "record",
            Self::Void => "void",
            Self::Intent => "intent",
            Self::Pending => "pending",
            Self::Event => "event",
            Self::Proof => "proof",
            Self::PackProof => "pack-proof",
            Self::Forgotten => "forgotten",
            Self::Note => "note",
            Self::Mark => "mark",
            Self::IntentSeen => "intent-seen",
        }
    }

    /// The newest version of this kind.
    #[must_use]
    pub fn version(self) -> u64 {
        1
    }
}

/// Encodes `value` as a text object of `kind`.
///
/// # Panics
/// Never for the types of this crate: they have string keys and finite numbers, which JSON can always hold.
#[must_use]
pub fn encode<T: Serialize>(kind: FrameKind, value: &T) -> Vec<u8> {
    let json = serde_json::to_vec(value).expect("format types have string keys and finite numbers");
    let mut out =
        format!("vectar {} {} {} {}\n", kind.name(), kind.version(), json.len(), blake3::hash(&json).to_hex())
            .into_bytes();
    out.extend_from_slice(&json);
    out.push(b'\n');
    out
}

/// Decodes a text object of `kind`.
///
/// Unknown JSON fields are ignored: later versions may add them (they raise the version, or name a required feature,
/// when an old reader must not ignore them).
///
/// # Errors
/// Any [`FormatError`]: another kind, a newer version, a wrong length or checksum, JSON that does not fit the type.
pub fn decode<T: DeserializeOwned>(kind: FrameKind, bytes: &[u8]) -> Result<T, FormatError> {
    let json = checked_json(kind, bytes)?;
    serde_json::from_slice(json).map_err(|error| FormatError::invalid(kind.name(), error))
}

fn checked_json(kind: FrameKind, bytes: &[u8]) -> Result<&[u8], FormatError> {
    let what = kind.name();
    let head = &bytes[..bytes.len().min(HEADER_BYTES_MAX)];
    if !head.starts_with(b"vectar ") {
        return Err(FormatError::Magic { what });
    }
    let line_end = head
        .iter()
        .position(|&byte| byte == b'\n')
        .ok_or_else(|| FormatError::invalid(what, "its header line has no end"))?;
    let line = std::str::from_utf8(&head[..line_end])
        .map_err(|_| FormatError::invalid(what, "its header line is not text"))?;
    let mut words = line.split(' ').skip(1);
    let mut word =
        |name| words.next().ok_or_else(|| FormatError::invalid(what, format_args!("its header line lacks the {name}")));
    let found_kind = word("kind")?;
    if found_kind != what {
        return Err(FormatError::invalid(what, format_args!("the object is a {found_kind:?}")));
    }
    let version: u64 =
        word("version")?.parse().map_err(|_| FormatError::invalid(what, "its version is not a number"))?;
    if version == 0 {
        // The checksum does not cover the header, so one flipped bit in the version must not lead to another valid one.
        return Err(FormatError::invalid(what, "version 0 was never written"));
    }
    if version > kind.version() {
        return Err(FormatError::NewerVersion { what, found: version, supported: kind.version() });
    }
    let len: usize = word("length")?.parse().map_err(|_| FormatError::invalid(what, "its length is not a number"))?;
    let recorded = word("checksum")?;
    if words.next().is_some() {
        return Err(FormatError::invalid(what, "its header line holds more than it should"));
    }
    let rest = &bytes[line_end + 1..];
    if rest.len() != len.saturating_add(1) {
        return Err(FormatError::Truncated {
            what,
            offset: line_end as u64 + 1,
            needed: (len as u64).saturating_add(1),
            found: rest.len() as u64,
        });
    }
    let (json, end) = rest.split_at(len);
    if end != b"\n" {
        return Err(FormatError::invalid(what, "it does not end in a newline"));
    }
    let computed = blake3::hash(json).to_hex();
    if computed.as_str() != recorded {
        return Err(FormatError::Checksum { what, recorded: recorded.to_owned(), computed: computed.to_string() });
    }
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Vec<u8> {
        encode(FrameKind::Record, &vec!["a", "b"])
    }

    #[test]
    fn a_frame_is_text_and_comes_back() {
        let bytes = sample();
        assert!(bytes.starts_with(b"vectar record 1 9 "), "{:?}", String::from_utf8_lossy(&bytes));
        assert!(bytes.ends_with(b"\n[\"a\",\"b\"]\n"));
        assert_eq!(decode::<Vec<String>>(FrameKind::Record, &bytes).unwrap(), ["a", "b"]);
    }

    #[test]
    fn one_kind_is_not_taken_for_another() {
        let error = decode::<Vec<String>>(FrameKind::Config, &sample()).unwrap_err();
        assert_eq!(error.to_string(), "config: the object is a \"record\"");
    }

    #[test]
    fn a_newer_version_is_refused_by_number() {
        let bytes = String::from_utf8(sample()).unwrap().replacen("record 1", "record 2", 1);
        let error = decode::<Vec<String>>(FrameKind::Record, bytes.as_bytes()).unwrap_err();
        assert!(error.is_newer_format(), "{error}");
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = sample();
        for position in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[position] ^= 1 << bit;
                assert!(decode::<Vec<String>>(FrameKind::Record, &flipped).is_err(), "bit {bit} of byte {position}");
            }
            assert!(decode::<Vec<String>>(FrameKind::Record, &bytes[..position]).is_err(), "{position} bytes");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_behind_the_first_word_are_refused(tail: Vec<u8>) {
            let bytes = [b"vectar record ".as_slice(), &tail].concat();
            prop_assert!(decode::<Vec<String>>(FrameKind::Record, &bytes).is_err());
        }
    }
}
