//! Names for collections, files and paths of requests. What they are made from is hostile.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::error::Error;

/// Longest name of a collection that we make a directory of; file systems take 255 bytes, and the names of the files in it add to it.
const NAME_BYTES_MAX: usize = 180;

/// What restored collections are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Naming {
    /// The old name with this behind it.
    Suffix(String),
    /// This, of the only collection.
    As(String),
    /// The old name: for a target where nothing is yet.
    Keep,
}

impl Naming {
    /// The new name of a collection.
    ///
    /// # Errors
    /// [`Error::OptionInvalid`] for a name that Qdrant refuses, or that cannot be a directory.
    pub(super) fn target(&self, name: &str) -> Result<String, Error> {
        let target = match self {
            Self::Suffix(suffix) => format!("{name}{suffix}"),
            Self::As(target) => target.clone(),
            Self::Keep => name.to_owned(),
        };
        match why_unusable(&target) {
            None => Ok(target),
            Some(reason) => Err(Error::OptionInvalid {
                what: "the new name of a collection",
                value: target,
                reason: reason.to_owned(),
            }),
        }
    }
}

/// Characters that Qdrant takes in no new name (`qdrant v1.19.0 lib/common/common/src/validation.rs`), and others that no directory should
/// have.
fn why_unusable(name: &str) -> Option<&'static str> {
    if name.is_empty() || name == "." || name == ".." || name.len() > NAME_BYTES_MAX {
        return Some("it is empty, a dot, or longer than 180 bytes");
    }
    let is_illegal = |character: char| character.is_control() || "<>:\"/\\|?*".contains(character);
    name.chars().any(is_illegal).then_some("Qdrant takes no < > : \" / \\ | ? * and no control characters in names")
}

/// A segment of a path in a URL: everything but unreserved characters of RFC 3986 is encoded.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Names of staged files, each once.
#[derive(Debug, Default)]
pub(super) struct FileNames {
    taken: BTreeSet<String>,
    /// Full snapshots by source.
    full: BTreeMap<usize, String>,
}

impl FileNames {
    /// The path of a full snapshot that goes as it is; the same each time for one source.
    pub(super) fn full(&mut self, source: usize, name: &str) -> String {
        if let Some(path) = self.full.get(&source) {
            return path.clone();
        }
        let path = self.path("snapshots", name);
        self.full.insert(source, path.clone());
        path
    }

    /// `directory/name`, the name reduced to letters, digits, `-`, `_` and `.`, and with a number where it is taken.
    pub(super) fn path(&mut self, directory: &str, name: &str) -> String {
        let keep = |character: char| match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => character,
            _ => '_',
        };
        let plain: String = name.chars().map(keep).take(NAME_BYTES_MAX).collect();
        let stem = plain.strip_suffix(".snapshot").unwrap_or(&plain).trim_start_matches('.');
        let stem = if stem.is_empty() { "snapshot" } else { stem };
        let numbered = |number: usize| match number {
            1 => format!("{directory}/{stem}.snapshot"),
            number => format!("{directory}/{stem}-{number}.snapshot"),
        };
        let path = (1..).map(numbered).find(|path| !self.taken.contains(path)).expect("some number is free");
        self.taken.insert(path.clone());
        path
    }
}

/// A time as names of snapshots spell it: `2026-11-20-16-24-27`.
pub(super) fn spelled(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d-%H-%M-%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_leave_the_directory_are_refused() {
        let keep = |name: &str| Naming::Keep.target(name).is_ok();
        assert!(keep("events") && keep("größe 'x' $(id)"));
        for name in ["", ".", "..", "a/b", "a\0b", "a\nb", "a:b", "a\"b", "a\\b", &"x".repeat(181)] {
            assert!(!keep(name), "{name:?}");
        }
        assert_eq!(Naming::Suffix("-restored".to_owned()).target("events").unwrap(), "events-restored");
        assert_eq!(Naming::As("new".to_owned()).target("events").unwrap(), "new");
    }

    #[test]
    fn urls_and_files_hold_plain_characters_only() {
        assert_eq!(encoded("a b/ö'$"), "a%20b%2F%C3%B6%27%24");
        let mut names = FileNames::default();
        assert_eq!(names.path("d", "../../x y.snapshot"), "d/_.._x_y.snapshot");
        assert_eq!(names.path("d", "a.snapshot"), "d/a.snapshot");
        assert_eq!(names.path("d", "a.snapshot"), "d/a-2.snapshot");
        assert_eq!(names.path("d", "...snapshot"), "d/snapshot.snapshot");
        assert_eq!(spelled("2026-11-20T16:24:07Z".parse().unwrap()), "2026-11-20-16-24-07");
    }
}
