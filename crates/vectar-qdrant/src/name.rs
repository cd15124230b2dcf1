//! What a snapshot's file name says: collection, peer, shard and time.
//!
//! Names are read from the right, because a collection's name may itself contain `-` and digits. The patterns and the
//! versions that introduced them are those of `qdrant v1.19.0 lib/collection/src/collection/snapshots.rs` and
//! `lib/storage/src/content_manager/snapshots/mod.rs`.

use std::fmt;

use serde::Serialize;

/// The extension of every finished snapshot; Qdrant's own listing shows nothing else.
pub const SNAPSHOT_EXTENSION: &str = "snapshot";

/// What a snapshot's file name says. A name is a hint, not a fact: uploads keep the name their client chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SnapshotName {
    /// What the snapshot is of.
    pub subject: NameSubject,
    /// When the server says it was taken, in whole seconds of UTC.
    pub taken_at: UtcSecond,
}

/// What a snapshot is of, as its name says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum NameSubject {
    /// `{collection}-{peer id}-{date}.snapshot`.
    Collection {
        /// The collection's name.
        collection: String,
        /// The peer that made it; absent in names of v0.11 and before.
        peer: Option<u64>,
    },
    /// `{collection}-shard-{shard id}-{date}.snapshot` (v1.5.0+); stored, streamed and partial ones alike.
    Shard {
        /// The collection's name.
        collection: String,
        /// The shard's number.
        shard: u32,
    },
    /// `full-snapshot-{date}.snapshot` (v0.8.5+).
    Full,
}

/// A second of UTC as a snapshot's name spells it. Ordered by time. Not checked against the calendar beyond the
/// range of each field: a name with the 31st of February is still a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcSecond {
    /// Year, four digits.
    pub year: u16,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, 1 to 31.
    pub day: u8,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Second, 0 to 60 (a leap second has the number 60).
    pub second: u8,
}

impl fmt::Display for UtcSecond {
    /// Writes RFC 3339 with `Z`: `2026-11-20T16:24:27Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second } = self;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

impl Serialize for UtcSecond {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Length of `YYYY-MM-DD-HH-MM-SS`.
const DATE_BYTES: usize = 19;

impl SnapshotName {
    /// Reads a file name without its directory. `None` when it is not one of the server's patterns, as for a snapshot
    /// that a user renamed.
    ///
    /// Two patterns can be read twice, and the likelier reading wins: `a-shard-7-{date}` is shard 7 of `a`, because a
    /// peer id is a random number below 2^53 and hardly ever fits a shard number; for the same reason the last run of
    /// digits is a peer id and not the end of a name from before v1.0.
    pub fn parse(file_name: &str) -> Option<Self> {
        let stem = file_name.strip_suffix(SNAPSHOT_EXTENSION)?.strip_suffix('.')?;
        let date_start = stem.len().checked_sub(DATE_BYTES)?;
        let taken_at = parse_date(stem.get(date_start..)?)?;
        let subject = stem[..date_start].strip_suffix('-')?;
        Some(Self { subject: NameSubject::parse(subject)?, taken_at })
    }

    /// The collection's name, if the snapshot is of one collection.
    pub fn collection(&self) -> Option<&str> {
        match &self.subject {
            NameSubject::Collection { collection, .. } | NameSubject::Shard { collection, .. } => Some(collection),
            NameSubject::Full => None,
        }
    }

    /// The peer that made the snapshot, if the name says so.
    pub fn peer(&self) -> Option<u64> {
        match self.subject {
            NameSubject::Collection { peer, .. } => peer,
            NameSubject::Shard { .. } | NameSubject::Full => None,
        }
    }

    /// The shard the snapshot is of, if it is of one shard.
    pub fn shard(&self) -> Option<u32> {
        match self.subject {
            NameSubject::Shard { shard, .. } => Some(shard),
            NameSubject::Collection { .. } | NameSubject::Full => None,
        }
    }
}

impl NameSubject {
    fn parse(text: &str) -> Option<Self> {
        if text == "full-snapshot" {
            return Some(Self::Full);
        }
        if text.is_empty() {
            return None;
        }
        let whole = || Self::Collection { collection: text.to_owned(), peer: None };
        let Some((front, digits)) = text.rsplit_once('-') else {
            return Some(whole());
        };
        if front.is_empty() || digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(whole());
        }
        if let Some(collection) = front.strip_suffix("-shard").filter(|name| !name.is_empty())
            && let Ok(shard) = digits.parse()
        {
            return Some(Self::Shard { collection: collection.to_owned(), shard });
        }
        match digits.parse() {
            Ok(peer) => Some(Self::Collection { collection: front.to_owned(), peer: Some(peer) }),
            Err(_) => Some(whole()),
        }
    }
}

/// Reads `YYYY-MM-DD-HH-MM-SS`.
fn parse_date(text: &str) -> Option<UtcSecond> {
    let bytes = text.as_bytes();
    let dashed = |index: usize| matches!(index, 4 | 7 | 10 | 13 | 16);
    let shaped = bytes.len() == DATE_BYTES
        && bytes.iter().enumerate().all(
            |(index, byte)| {
                if dashed(index) { *byte == b'-' } else { byte.is_ascii_digit() }
            },
        );
    if !shaped {
        return None;
    }
    let two_digits = |from: usize| text[from..from + 2].parse::<u8>().ok();
    let at = UtcSecond {
        year: text[..4].parse().ok()?,
        month: two_digits(5)?,
        day: two_digits(8)?,
        hour: two_digits(11)?,
        minute: two_digits(14)?,
        second: two_digits(17)?,
    };
    let in_range = (1..=12).contains(&at.month)
        && (1..=31).contains(&at.day)
        && at.hour <= 23
        && at.minute <= 59
        && at.second <= 60;
    in_range.then_some(at)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(file_name: &str, expected: Expect) {
        let text = match SnapshotName::parse(file_name) {
            Some(name) => serde_json::to_string(&name).unwrap(),
            None => "no pattern of the server".to_owned(),
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn names_are_read_from_the_right() {
        check(
            "my-docs-2-4831547486316841-2026-11-20-16-24-27.snapshot",
            expect![[
                r#"{"subject":{"kind":"collection","collection":"my-docs-2","peer":4831547486316841},"taken_at":"2026-11-20T16:24:27Z"}"#
            ]],
        );
        check(
            "notes-shard-0-2026-11-20-16-24-36.snapshot",
            expect![[
                r#"{"subject":{"kind":"shard","collection":"notes","shard":0},"taken_at":"2026-11-20T16:24:36Z"}"#
            ]],
        );
        check(
            "full-snapshot-2026-11-20-16-24-36.snapshot",
            expect![[r#"{"subject":{"kind":"full"},"taken_at":"2026-11-20T16:24:36Z"}"#]],
        );
    }

    #[test]
    fn names_before_v1_0_have_no_peer() {
        check(
            "old docs-2022-01-02-03-04-05.snapshot",
            expect![[
                r#"{"subject":{"kind":"collection","collection":"old docs","peer":null},"taken_at":"2022-01-02T03:04:05Z"}"#
            ]],
        );
    }

    #[test]
    fn a_peer_id_is_no_shard_number() {
        check(
            "a-shard-4831547486316841-2026-11-20-16-24-36.snapshot",
            expect![[
                r#"{"subject":{"kind":"collection","collection":"a-shard","peer":4831547486316841},"taken_at":"2026-11-20T16:24:36Z"}"#
            ]],
        );
        check(
            "shard-3-2026-11-20-16-24-36.snapshot",
            expect![[
                r#"{"subject":{"kind":"collection","collection":"shard","peer":3},"taken_at":"2026-11-20T16:24:36Z"}"#
            ]],
        );
        check(
            "a-99999999999999999999999-2026-11-20-16-24-36.snapshot",
            expect![[
                r#"{"subject":{"kind":"collection","collection":"a-99999999999999999999999","peer":null},"taken_at":"2026-11-20T16:24:36Z"}"#
            ]],
        );
    }

    #[test]
    fn other_names_say_nothing() {
        for name in [
            "",
            ".snapshot",
            "00-base.snapshot",
            "-2026-11-20-16-24-36.snapshot",
            "2026-11-20-16-24-36.snapshot",
            "a-2026-13-20-16-24-36.snapshot",
            "a-2026-11-20-16-24-36",
            "a-2026-11-20-16-24-36.snapshot.checksum",
            "äöü-ÄÖÜ-äöüäöü.snapshot",
        ] {
            assert_eq!(SnapshotName::parse(name), None, "{name}");
        }
    }
}
