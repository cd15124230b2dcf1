//! Qdrant's filter JSON, evaluated without a Qdrant.
//!
//! [`Filter::parse`] reads what a client sends as `filter`; [`Filter::matches`] says of one point what a server would.
//! *Invariant*: a filter that is not understood in full never runs. Unknown members, members that are there twice, shapes
//! that do not fit, two conditions in one object and settings of an index that are not known here are errors that name the
//! place, also where Qdrant would ignore them.
//!
//! ```text
//! {"must": [C…], "should": [C…], "must_not": [C…], "min_should": {"conditions": [C…], "min_count": 1…}}   all optional
//! C = {"key": "a[].b", "match": {"value" | "any" | "except" | "text" | "text_any" | "phrase" | "prefix" | "substring": …}}
//!   | {"key": …, "range": {"lt" | "gt" | "lte" | "gte": number or datetime}}      | {"key": …, "values_count": {…}}
//!   | {"key": …, "geo_bounding_box" | "geo_radius" | "geo_polygon": …}            | {"key": …, "is_empty" | "is_null": bool}
//!   | {"is_empty" | "is_null": {"key": …}}   | {"has_id": [id…]}   | {"has_vector": "name"}   | {"slice": {"total", "index"}}
//!   | {"nested": {"key": "array", "filter": F}}   | F
//! ```
//!
//! # What is not obvious
//!
//! Read from Qdrant's sources and compared with its own engine (1.17 to 1.20):
//!
//! - A filter without conditions matches every point. `"should": []` says nothing, but within `nested` it matches nothing.
//! - A key finds values of one array level: `a` is true when some element of the array `a` is, and `a[]` looks one deeper.
//!   `a.b` finds nothing where `a` is an array; that takes `a[].b`.
//! - Every positive condition is false of a missing key, `except` too. `values_count` counts a missing key as 0 (since 1.19).
//! - `is_empty` is true of a missing key, null and `[]`; `is_null` of null only, not of a missing key. As
//!   `{"key": "a", "is_null": true}`, and with an index, it is true of `[null]`; as `{"is_null": {"key": "a"}}` without an
//!   index only since 1.20.
//! - Types are not converted: integers match integers, a range of numbers no texts. Ranges compare as `f64`.
//! - Text without a text index is searched as a part of the stored text, case and all, also as `phrase`; since 1.20 word by
//!   word in lower case.
//! - `nested` looks into arrays of objects alone. Ids, vectors and slices are unknown in it, so conditions on them are false.
//! - Borders of boxes, circles and polygons are outside.
//!
//! An index of a field changes some of this: [`Filter::with_schema`] says so to the filter (the differences are in a table at the
//! top of `index.rs`). Releases differ: [`Filter::as_of`], 1.19 unless said otherwise.
//!
//! # What is not repeated
//!
//! - Work of text indexes with stemmers, stop words of a language, ASCII folding, the tokenizers `multilingual` and `code`, and
//!   indexes of nested objects one by one (1.20): refused by `with_schema`.
//! - What a server answers by accident of its plan, which depends on how many points it expects. Where it walks over an index
//!   instead of over all points, it loses points for which the conditions hold: `is_null: false`, `is_empty` within `nested`
//!   over an indexed key are then asked of all elements together; a box across the date line is covered with holes by the geo
//!   index; of two lower bounds in one range (`gt` and `gte`) one may be dropped; a UUID as `match` of a field with an index of
//!   numbers is looked up as a number. In 1.17 also: ranges of datetimes over an index of numbers and the reverse, `except` of
//!   an empty list. Over 13,500 random filters on 300 points such answers were seen for about one filter with indexes in a
//!   thousand (1.18 to 1.20); without indexes there was no difference.
//! - The condition by a callback that Qdrant uses within itself has no JSON.
//!
//! Depth is bounded by [`FILTER_DEPTH_MAX`]; memory by the length of the filter and, while matching, of the point's payload.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::collection_files::PayloadSchema;
use crate::point_id::PointId;
use crate::version::QdrantVersion;

// From bytes to conditions.
mod error;
mod parse;
mod parse_field;
mod source;
mod tree;

// What is asked.
mod condition;
mod datetime;
mod geo;
mod matching;
mod orientation;
mod payload_path;
mod range;
mod slice;
mod text;
mod uuid;

// What is answered.
mod bind;
mod check;
mod index;
mod rules;

use self::bind::IndexedFields;
use self::check::Place;
use self::condition::{Clauses, Condition};
use self::rules::Rules;
use self::tree::Tree;

pub use self::error::{FILTER_DEPTH_MAX, FilterError};

/// A condition on points, as clients of Qdrant write it.
///
/// ```
/// use serde_json::json;
/// use vectar_qdrant::{Filter, FilterSubject, PointId};
///
/// let filter = Filter::parse(br#"{"must": [{"key": "city", "match": {"value": "Berlin"}}]}"#)?;
/// let payload = json!({"city": ["London", "Berlin"]});
/// let point = FilterSubject {
///     id: &PointId::Number(7),
///     payload: payload.as_object().expect("an object"),
///     has_vector: &|name| name.is_empty(),
/// };
/// assert!(filter.matches(&point));
///
/// let refused = Filter::parse(br#"{"must": [{"key": "city", "match": {"valu": "Berlin"}}]}"#).unwrap_err();
/// assert!(refused.to_string().starts_with("filter.must[0].match: unknown member \"valu\""));
/// # Ok::<(), vectar_qdrant::FilterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Filter {
    clauses: Clauses,
    rules: Rules,
}

/// What a filter asks a point.
#[derive(Clone, Copy)]
pub struct FilterSubject<'p> {
    /// The point's id.
    pub id: &'p PointId,
    /// Its payload; may be empty when the filter does not [need](Filter::needs_payload) it.
    pub payload: &'p Map<String, Value>,
    /// Whether it has a vector of that name; the unnamed vector is `""`. False for names that the collection does not have.
    pub has_vector: &'p dyn Fn(&str) -> bool,
}

impl Filter {
    /// Reads a filter. It is evaluated as by Qdrant 1.19 over fields without indexes until [`as_of`](Self::as_of) and
    /// [`with_schema`](Self::with_schema) say otherwise.
    ///
    /// # Errors
    ///
    /// When the bytes are not JSON, or not a filter in every part, or filters are nested deeper than [`FILTER_DEPTH_MAX`].
    pub fn parse(json: &[u8]) -> Result<Self, FilterError> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let tree = Tree::deserialize(&mut deserializer).and_then(|tree| deserializer.end().map(|()| tree));
        Self::of(&tree.map_err(|source| FilterError::NotJson { source })?)
    }

    fn of(tree: &Tree) -> Result<Self, FilterError> {
        Ok(Self { clauses: parse::filter(tree)?, rules: Rules::default() })
    }

    /// The same filter over a collection whose fields have these indexes, as the server that wrote the snapshot had.
    ///
    /// # Errors
    ///
    /// When a condition asks an index for something that is not evaluated offline. Other fields may have such indexes.
    pub fn with_schema(mut self, schema: &PayloadSchema) -> Result<Self, FilterError> {
        IndexedFields::of(schema).bind(&mut self.clauses)?;
        Ok(self)
    }

    /// The same filter as that release answers it. Of 1.17 to 1.20 the differences are known; older ones are taken as 1.17,
    /// newer ones as 1.20. Kinds of conditions that the release did not have yet are not refused.
    #[must_use]
    pub fn as_of(mut self, version: QdrantVersion) -> Self {
        self.rules = Rules::of(version);
        self
    }

    /// Whether a point matches. Costs as much as the payload is long, for each condition.
    pub fn matches(&self, point: &FilterSubject<'_>) -> bool {
        self.clauses.hold(Place::Point(point), &self.rules)
    }

    /// Whether some condition asks for the point's id; without one, any id will do.
    pub fn needs_id(&self) -> bool {
        self.clauses.need_id()
    }

    /// Whether some condition looks into the payload; without one, payloads need not be read.
    pub fn needs_payload(&self) -> bool {
        self.clauses.need_payload()
    }

    /// The members of the payload that conditions look into; others may be missing from what [`matches`](Self::matches) is given.
    pub fn payload_keys(&self) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        self.clauses.name_payload_keys(&mut keys);
        keys
    }

    /// Names of the vectors that conditions ask for; others need not be looked at.
    pub fn vector_names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        self.clauses.name_vectors(&mut names);
        names
    }

    /// Ids that hold all points that can match, ascending, when the filter demands (`must`) that a point be one of them.
    /// [`matches`](Self::matches) still decides on each.
    pub fn ids(&self) -> Option<impl ExactSizeIterator<Item = &PointId>> {
        let demanded = self.clauses.must.iter().flatten().filter_map(|condition| match condition {
            Condition::HasId(ids) => Some(ids),
            _ => None,
        });
        demanded.min_by_key(|ids| ids.len()).map(|ids| ids.iter())
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of(&Tree::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
