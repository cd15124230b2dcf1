//! The releases of Qdrant that are known here, and what people write when they mean one.

use std::fmt;
use std::str::FromStr;

use crate::version::QdrantVersion;

/// The last patch of each minor version, oldest first, as of this program. A later patch of the newest minor version is
/// taken for that minor version; whatever comes behind it is not known.
///
/// Snapshots of one collection exist since v0.8.4; what 0.8 to 0.10 wrote was not looked at.
pub const RELEASES: [QdrantVersion; 21] = [
    QdrantVersion::new(0, 11, 7),
    QdrantVersion::new(1, 0, 3),
    QdrantVersion::new(1, 1, 3),
    QdrantVersion::new(1, 2, 2),
    QdrantVersion::new(1, 3, 2),
    QdrantVersion::new(1, 4, 1),
    QdrantVersion::new(1, 5, 1),
    QdrantVersion::new(1, 6, 1),
    QdrantVersion::new(1, 7, 4),
    QdrantVersion::new(1, 8, 4),
    QdrantVersion::new(1, 9, 7),
    QdrantVersion::new(1, 10, 1),
    QdrantVersion::new(1, 11, 5),
    QdrantVersion::new(1, 12, 6),
    QdrantVersion::new(1, 13, 6),
    QdrantVersion::new(1, 14, 1),
    QdrantVersion::new(1, 15, 5),
    QdrantVersion::new(1, 16, 3),
    QdrantVersion::new(1, 17, 1),
    QdrantVersion::new(1, 18, 3),
    QdrantVersion::new(1, 19, 0),
];

/// The newest release that is known here.
pub const NEWEST: QdrantVersion = RELEASES[RELEASES.len() - 1];

impl QdrantVersion {
    /// Major and minor number: what the official rule counts in.
    pub fn line(self) -> (u16, u16) {
        (self.major, self.minor)
    }

    /// Whether this minor version is newer than every one that is known here.
    pub fn is_unknown_future(self) -> bool {
        self.line() > NEWEST.line()
    }
}

/// The newest known release before `bound`, which is the first version that is excluded.
pub(super) fn newest_before(bound: QdrantVersion) -> Option<QdrantVersion> {
    let listed = RELEASES.iter().copied().rfind(|release| *release < bound);
    // Of a minor version whose later patches are excluded, an earlier patch can be the newest.
    let same_line = (bound.patch > 0).then(|| QdrantVersion { patch: bound.patch - 1, ..bound });
    listed.max(same_line)
}

/// A text that is not a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QdrantVersionInvalid;

impl fmt::Display for QdrantVersionInvalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is not a version of Qdrant such as 1.18.3 or 1.18")
    }
}

impl std::error::Error for QdrantVersionInvalid {}

impl FromStr for QdrantVersion {
    type Err = QdrantVersionInvalid;

    /// Reads `1.18.3`, `v1.18.3` and `1.18`. Without a patch the last one of that minor version is meant, as far as it is
    /// known here.
    fn from_str(text: &str) -> Result<Self, QdrantVersionInvalid> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let numbers: Result<Vec<u16>, _> = text.split('.').map(number).collect();
        match numbers?[..] {
            [major, minor, patch] => Ok(Self::new(major, minor, patch)),
            [major, minor] => {
                let last = RELEASES.into_iter().find(|release| release.line() == (major, minor));
                Ok(last.unwrap_or(Self::new(major, minor, 0)))
            }
            _ => Err(QdrantVersionInvalid),
        }
    }
}

fn number(text: &str) -> Result<u16, QdrantVersionInvalid> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten().ok_or(QdrantVersionInvalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_people_write_them() {
        let read = |text: &str| text.parse::<QdrantVersion>().map(|version| version.to_string());
        assert_eq!(read("1.18.1").as_deref(), Ok("1.18.1"));
        assert_eq!(read("v1.18.1").as_deref(), Ok("1.18.1"));
        assert_eq!(read("1.18").as_deref(), Ok("1.18.3"), "the last patch");
        assert_eq!(read("1.42").as_deref(), Ok("1.42.0"), "nothing is known of it");
        for text in ["", "1", "1.", "1.x", "1.2.3.4", "+1.2", "1.2.70000", "latest", "vv1.2"] {
            assert_eq!(read(text), Err(QdrantVersionInvalid), "{text}");
        }
    }

    #[test]
    fn releases_ascend_and_none_is_skipped() {
        assert!(RELEASES.windows(2).all(|pair| pair[0] < pair[1]));
        let minors: Vec<u16> = RELEASES[1..].iter().map(|release| release.minor).collect();
        assert_eq!(minors, (0..=NEWEST.minor).collect::<Vec<_>>());
        assert_eq!(newest_before(QdrantVersion::new(1, 18, 0)), Some(QdrantVersion::new(1, 17, 1)));
        assert_eq!(newest_before(QdrantVersion::new(1, 18, 2)), Some(QdrantVersion::new(1, 18, 1)));
        assert_eq!(newest_before(QdrantVersion::new(0, 3, 0)), None);
        assert!(QdrantVersion::new(1, 20, 0).is_unknown_future());
        assert!(!QdrantVersion::new(1, 19, 7).is_unknown_future());
    }
}
