//! What changed from release to release in what a filter means.
//!
//! Read from the sources of four engines: 1.17.1-dev, 1.18.2-dev, 1.19.1-dev and 1.20.1-dev, which are what the crates
//! `qdrant-edge` 0.6.0 to 0.9.0 carry. A difference between two of them is dated to the later one's minor release; its
//! patch release is not known.

use crate::version::QdrantVersion;

/// How one release answers where releases differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    /// Text of a field without a text index is compared word by word, lower case; before 1.20 as a part of the text, exactly.
    pub(super) words_without_index: bool,
    /// `is_null` without an index is true of `[null]` (1.20); with an index it always was.
    pub(super) null_in_array: bool,
    /// A missing field has zero values (1.19); before, `values_count` was false of it.
    pub(super) missing_has_zero_values: bool,
    /// `2020-01-01T10:00` is a datetime (1.18).
    pub(super) datetime_without_seconds: bool,
    /// Datetimes are cut to microseconds also without an index (1.20).
    pub(super) datetime_in_micros: bool,
    /// A range over integers with an index rounds its bounds away from what matches (1.18); before, it cut their fraction off.
    pub(super) integer_range_rounded: bool,
    /// A numeric index answers ranges of the other kind too, a datetime being its microseconds (1.18).
    pub(super) any_range_by_index: bool,
    /// `except` over another type than the index's is "has a value that is indexed" (before 1.18).
    pub(super) foreign_except_counts: bool,
    /// Within a nested condition a text index cuts words for `text_any` too (1.18), not only for `text` and `phrase`.
    pub(super) nested_any_by_index: bool,
    /// A phrase does not run on from one element of an array into the next, where the field has a text index (1.18).
    pub(super) phrase_ends_at_element: bool,
}

impl Rules {
    /// The release that filters are read as unless said otherwise: the newest whose behaviour is described here and released.
    pub(super) const DEFAULT_VERSION: QdrantVersion = QdrantVersion::new(1, 19, 0);

    pub(super) fn of(version: QdrantVersion) -> Self {
        let since = |minor| (version.major, version.minor) >= (1, minor);
        Self {
            words_without_index: since(20),
            null_in_array: since(20),
            missing_has_zero_values: since(19),
            datetime_without_seconds: since(18),
            datetime_in_micros: since(20),
            integer_range_rounded: since(18),
            any_range_by_index: since(18),
            foreign_except_counts: !since(18),
            nested_any_by_index: since(18),
            phrase_ends_at_element: since(18),
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::of(Self::DEFAULT_VERSION)
    }
}
