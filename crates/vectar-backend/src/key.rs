//! Names of objects, and of groups of objects.
//!
//! Invariants:
//! - A value of these types is safe to join to a directory path and to put into a URL: it never climbs, is never absolute and
//!   needs no escaping.
//! - Keys differ on every storage, also on those that fold case, because upper case is refused.
//! - No key lies in `tmp/`, where the local backend keeps what is not published yet.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// The longest key or prefix, in bytes.
///
/// The longest name in use is `packs/ab/` and 64 hexadecimal digits; path limits of network file systems start at 255.
pub const KEY_BYTES_MAX: usize = 255;

/// The longest segment of a key, in bytes. Encrypting file systems cut the usual 255 down to 143.
pub const SEGMENT_BYTES_MAX: usize = 128;

/// The first segment that no key may have: what lies below it is unfinished and belongs to the backend.
pub const RESERVED_SEGMENT: &str = "tmp";

/// How much of a text that is no key is repeated in a message, in characters.
const QUOTED_CHARS_MAX: usize = 100;

/// What keeps a text from being an [`ObjectKey`] or a [`KeyPrefix`].
///
/// The offending text is quoted with escapes and cut after 100 characters, so a message stays one readable line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is longer than [`KEY_BYTES_MAX`].
    #[error("key {quoted} has {key_bytes} bytes, at most {KEY_BYTES_MAX} are allowed")]
    TooLong {
        /// The text, escaped and cut.
        quoted: String,
        /// Its length in bytes.
        key_bytes: usize,
    },
    /// A segment is empty, too long, begins or ends with a dot, or holds a character outside `a-z 0-9 . _ -`.
    #[error(
        "key {quoted} has the segment {segment}; segments are 1 to {SEGMENT_BYTES_MAX} \
         of a-z 0-9 . _ - and neither begin nor end with a dot"
    )]
    SegmentInvalid {
        /// The whole text, escaped.
        quoted: String,
        /// The segment, escaped.
        segment: String,
    },
    /// The first segment is [`RESERVED_SEGMENT`].
    #[error("key {quoted} lies in {RESERVED_SEGMENT}/, which belongs to the backend")]
    Reserved {
        /// The text, escaped.
        quoted: String,
    },
}

/// The name of one object: segments of `a-z 0-9 . _ -`, separated by single slashes, such as `packs/ab/ab12`.
///
/// Ordered by its bytes, which is the order of [`Backend::list`](crate::Backend::list). Cloning is cheap.
///
/// ```
/// use vectar_backend::ObjectKey;
///
/// let key = ObjectKey::parse("packs/ab/ab12")?;
/// assert_eq!(key.segments().last(), Some("ab12"));
/// assert!(ObjectKey::parse("packs/../config").is_err());
/// # Ok::<(), vectar_backend::KeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(Arc<str>);

impl ObjectKey {
    /// Returns `text` as a key.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if it is empty, too long, reserved, or has a segment that is not allowed; hostile texts (`..`, an absolute
    /// path, a NUL, upper case) all end here.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        check_segments(text)?;
        Ok(Self(Arc::from(text)))
    }

    /// Returns the whole key, without a slash at either end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the segments in order; there is at least one and none is empty.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }
}

/// A group of keys: all that have these leading segments.
///
/// Compared by whole segments and never by characters: `packs/ab` covers `packs/ab/1`, but neither `packs/abc/1` nor an
/// object that is itself called `packs/ab`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPrefix(Arc<str>);

impl KeyPrefix {
    /// Returns the prefix that covers every key.
    pub fn everything() -> Self {
        Self(Arc::from(""))
    }

    /// Returns the prefix with the segments of `text`, which has no slash at either end.
    ///
    /// # Errors
    ///
    /// As [`ObjectKey::parse`]; the empty text is refused too, because it is more often a mistake than a wish for
    /// [`KeyPrefix::everything`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        check_segments(text)?;
        Ok(Self(Arc::from(text)))
    }

    /// Returns the segments joined by slashes; empty for [`KeyPrefix::everything`].
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says whether `key` lies below this prefix.
    pub fn covers(&self, key: &ObjectKey) -> bool {
        if self.0.is_empty() {
            return true;
        }
        key.as_str().strip_prefix(&*self.0).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Returns the key with these leading segments and `rest` after them.
    ///
    /// # Errors
    ///
    /// As [`ObjectKey::parse`], for the joined text.
    pub fn key(&self, rest: &str) -> Result<ObjectKey, KeyError> {
        if self.0.is_empty() {
            return ObjectKey::parse(rest);
        }
        ObjectKey::parse(&format!("{}/{rest}", self.0))
    }
}

fn check_segments(text: &str) -> Result<(), KeyError> {
    if text.len() > KEY_BYTES_MAX {
        return Err(KeyError::TooLong { quoted: quote(text), key_bytes: text.len() });
    }
    for segment in text.split('/') {
        if !is_segment(segment) {
            return Err(KeyError::SegmentInvalid { quoted: quote(text), segment: quote(segment) });
        }
    }
    if text.split('/').next() == Some(RESERVED_SEGMENT) {
        return Err(KeyError::Reserved { quoted: quote(text) });
    }
    Ok(())
}

/// A leading dot would let in `.` and `..` and the debris of network file systems (`.nfs0001`); a trailing one is dropped by SMB
/// servers, which would make two keys one file.
fn is_segment(segment: &str) -> bool {
    !segment.is_empty()
        && segment.len() <= SEGMENT_BYTES_MAX
        && !segment.starts_with('.')
        && !segment.ends_with('.')
        && segment.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
}

fn quote(text: &str) -> String {
    let cut: String = text.chars().take(QUOTED_CHARS_MAX).collect();
    format!("{cut:?}")
}

macro_rules! text_traits {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), &self.0)
            }
        }

        impl FromStr for $name {
            type Err = KeyError;

            fn from_str(text: &str) -> Result<Self, KeyError> {
                Self::parse(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = KeyError;

            fn try_from(text: &str) -> Result<Self, KeyError> {
                Self::parse(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

text_traits!(ObjectKey);
text_traits!(KeyPrefix);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_keys_are_refused() {
        let too_long_segment = "a".repeat(SEGMENT_BYTES_MAX + 1);
        let too_long = ["a".repeat(100), "b".repeat(100), "c".repeat(100)].join("/");
        for text in [
            "",
            "/",
            "/etc/passwd",
            "a/",
            "a//b",
            ".",
            "..",
            "a/..",
            "../a",
            "a/./b",
            ".hidden",
            "a.",
            "A",
            "ä",
            "a b",
            "a\0",
            "a\\b",
            "a\n",
            "tmp",
            "tmp/x",
            "a:b",
            &too_long_segment,
            &too_long,
        ] {
            assert!(ObjectKey::parse(text).is_err(), "{text:?} was accepted as a key");
            assert!(KeyPrefix::parse(text).is_err(), "{text:?} was accepted as a prefix");
        }
    }

    #[test]
    fn ordinary_keys_are_accepted() {
        let longest_segment = "a".repeat(SEGMENT_BYTES_MAX);
        for text in ["config", "packs/ab/ab12", "a/tmp", "tmp2/x", "backups/0f/0", "a-b_c.d", &longest_segment] {
            assert_eq!(ObjectKey::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn prefix_covers_whole_segments_only() {
        let prefix = KeyPrefix::parse("packs/ab").unwrap();
        let covers = |text: &str| prefix.covers(&ObjectKey::parse(text).unwrap());
        assert!(covers("packs/ab/1"));
        assert!(covers("packs/ab/1/2"));
        assert!(!covers("packs/abc/1"));
        assert!(!covers("packs/ab"));
        assert!(!covers("packs"));
        assert!(KeyPrefix::everything().covers(&ObjectKey::parse("packs").unwrap()));
    }

    #[test]
    fn message_quotes_and_cuts_the_text() {
        let text = "\u{7f}é".repeat(1000);
        let message = ObjectKey::parse(&text).unwrap_err().to_string();
        assert!(message.len() < 4 * KEY_BYTES_MAX, "{} bytes", message.len());
        assert!(message.contains("\\u{7f}"));
    }

    proptest! {
        #[test]
        fn parse_never_panics_and_accepts_only_plain_paths(text in any::<String>()) {
            if let Ok(key) = ObjectKey::parse(&text) {
                prop_assert!(key.segments().all(|segment| !segment.is_empty() && segment != "." && segment != ".."));
                prop_assert_eq!(key.as_str(), text.as_str());
            }
        }

        #[test]
        fn prefix_key_is_covered(prefix in "[a-s]{1,5}(/[a-z0-9]{1,5}){0,3}", rest in "[a-z0-9]{1,5}(/[a-z]{1,5}){0,2}") {
            let prefix = KeyPrefix::parse(&prefix).unwrap();
            let key = prefix.key(&rest).unwrap();
            prop_assert!(prefix.covers(&key));
        }
    }
}
