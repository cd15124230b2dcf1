//! Bounded, forgiving JSON: one bad field costs that field, never the file.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{QdrantError, brief};

/// Longest JSON file that is parsed, in bytes, inclusive.
///
/// The largest that grow with use are the manifest of a partial snapshot (about 60 bytes per file of a segment, a few
/// hundred files) and the shard key mapping (about 40 bytes per key, thousands of keys); 1 MiB leaves a factor of ten.
/// A `serde_json::Value` costs at most about 32 times its text, so a hostile file costs 32 MiB for a moment.
pub const SMALL_JSON_BYTES_MAX: u64 = 1024 * 1024;

/// A value of which every readable part was read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tolerant<T> {
    /// What could be read; unreadable parts are absent.
    pub value: T,
    /// The parts that could not be read, each once.
    pub unread: Vec<UnreadField>,
}

/// One part of a JSON file that was there and could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnreadField {
    /// Where in the file, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What was wrong with it.
    pub reason: String,
}

/// Parses `bytes`, which must be JSON of the shape of `T` and at most [`SMALL_JSON_BYTES_MAX`] long.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, QdrantError> {
    if bytes.len() as u64 > SMALL_JSON_BYTES_MAX {
        return Err(QdrantError::JsonTooLong { found_bytes: bytes.len() as u64, limit_bytes: SMALL_JSON_BYTES_MAX });
    }
    match bytes.first() {
        None => Err(QdrantError::JsonEmpty),
        Some(0) => Err(QdrantError::JsonZeroed),
        Some(_) => serde_json::from_slice(bytes).map_err(|source| QdrantError::JsonInvalid { source }),
    }
}

/// A JSON file taken apart section by section.
pub(crate) struct Sections {
    root: Value,
    unread: Vec<UnreadField>,
}

impl Sections {
    /// Parses the file as an object; anything else has no sections and is refused.
    pub(crate) fn open(bytes: &[u8]) -> Result<Self, QdrantError> {
        let members: serde_json::Map<String, Value> = parse(bytes)?;
        Ok(Self { root: Value::Object(members), unread: Vec::new() })
    }

    /// Reads what stands at `pointer`. Absent and `null` are `None` without a remark; another type is remembered.
    pub(crate) fn read<T: DeserializeOwned>(&mut self, pointer: &str) -> Option<T> {
        let section = self.root.pointer(pointer)?;
        if section.is_null() {
            return None;
        }
        match T::deserialize(section) {
            Ok(value) => Some(value),
            Err(error) => {
                self.note(pointer, &error);
                None
            }
        }
    }

    /// Reads each member of the object at `pointer` by itself, so that one bad member does not hide the others.
    pub(crate) fn read_members<T: DeserializeOwned>(&mut self, pointer: &str) -> Vec<(String, T)> {
        let members: serde_json::Map<String, Value> = self.read(pointer).unwrap_or_default();
        let mut values = Vec::with_capacity(members.len());
        for (name, member) in members {
            match T::deserialize(member) {
                Ok(value) => values.push((name, value)),
                Err(error) => self.note(&format!("{pointer}/{}", escape_pointer(&name)), &error),
            }
        }
        values
    }

    /// Whether something other than `null` stands at `pointer`.
    pub(crate) fn has(&self, pointer: &str) -> bool {
        self.root.pointer(pointer).is_some_and(|section| !section.is_null())
    }

    /// Whether anything stands at `pointer`, `null` included.
    pub(crate) fn has_member(&self, pointer: &str) -> bool {
        self.root.pointer(pointer).is_some()
    }

    /// Closes the file: the value built from its sections, with what could not be read.
    pub(crate) fn finish<T>(self, value: T) -> Tolerant<T> {
        Tolerant { value, unread: self.unread }
    }

    fn note(&mut self, pointer: &str, error: &serde_json::Error) {
        self.unread.push(UnreadField { pointer: pointer.to_owned(), reason: brief(error) });
    }
}

/// A member name as one reference token of a JSON pointer (RFC 6901 §3).
fn escape_pointer(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// An enum of the spellings we know, which keeps any other spelling as it stood in the file.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, ::serde::Deserialize, ::serde::Serialize)]
        #[serde(from = "String", into = "String")]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
            /// A spelling this version does not know, as it stood in the file.
            Other(String),
        }

        impl $name {
            /// The spelling in Qdrant's files.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                match text.as_str() {
                    $($text => Self::$variant,)+
                    _ => Self::Other(text),
                }
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.as_str().to_owned()
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use open_enum;
