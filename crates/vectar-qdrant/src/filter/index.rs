//! What an index of a field changes.
//!
//! A server asks the field's indexes first, in the order they are made, and the first that can answer decides alone, from the
//! values it stored; only otherwise the payload is read (`qdrant v1.19.0
//! lib/segment/src/index/struct_payload_index/read_view/condition_converter.rs`). The stored values differ from the payload:
//!
//! | index | stores | so |
//! |---|---|---|
//! | `keyword` | texts | `except` texts is false where a field has no text, true without an index |
//! | `integer` (lookup) | integers, and floats without a fraction | `1` equals `1.0`; `except` integers is false of other types |
//! | `integer` (range) | the same | a range never holds of `1.5`; bounds are rounded, beyond 2⁵³ they are exact |
//! | `float` | numbers as `f64` | nothing |
//! | `datetime` | microseconds | moments that differ by less are equal (without an index from 1.20 on) |
//! | `uuid` | UUIDs | all spellings of a UUID are equal |
//! | `bool` | true, false | nothing |
//! | `geo` | points on the globe | others never match |
//! | `text` | words of all values of a point together | words may be in different elements of an array |
//! | every one | is empty, has null | `is_null` is true of `[null]` (without an index from 1.20 on) |
//!
//! From 1.18 on a numeric index answers every range: of datetimes over an integer index the bounds are microseconds.
//! Within a `nested` condition the payload is read, and only a text index has a say: its way to cut words.

use serde_json::Value;

use super::condition::{FieldClauses, FieldCondition};
use super::geo::GeoPoint;
use super::matching::{Match, OneOf};
use super::payload_path::Values;
use super::range::{Range, datetime_of};
use super::rules::Rules;
use super::text::Tokenizer;
use super::uuid::parse_uuid;
use crate::collection_files::PayloadField;

/// One of the indexes of a field.
#[derive(Clone, Debug)]
pub(super) enum FieldIndex {
    Keyword,
    IntegerLookup,
    IntegerRange,
    Float,
    Datetime,
    Uuid,
    Bool,
    Geo,
    Text(TextIndex),
    /// Whether a point has values, and nulls; beside every other index (v1.13.5+).
    Null,
}

/// A full-text index, or why its work is not done here.
#[derive(Clone, Debug)]
pub(super) struct TextIndex {
    pub(super) tokenizer: Result<Tokenizer, String>,
    pub(super) has_phrases: bool,
}

impl FieldIndex {
    /// The indexes a field of the schema has, in the order a server asks them; the error is what is not known here.
    pub(super) fn all_of(field: &PayloadField) -> Result<Vec<Self>, String> {
        // Since 1.20: each object of an array is indexed as if it were a point.
        if field.params.get("nested").is_some_and(|nested| !nested.is_null()) {
            return Err("an index of nested objects one by one".into());
        }
        let is_on = |name| field.params.get(name).and_then(Value::as_bool).unwrap_or(true);
        let has_phrases = field.params.get("phrase_matching").and_then(Value::as_bool).unwrap_or(false);
        let mut indexes = match field.kind.as_str() {
            "keyword" => vec![Self::Keyword],
            "integer" => {
                let lookup = is_on("lookup").then_some(Self::IntegerLookup);
                lookup.into_iter().chain(is_on("range").then_some(Self::IntegerRange)).collect()
            }
            "float" => vec![Self::Float],
            "datetime" => vec![Self::Datetime],
            "uuid" => vec![Self::Uuid],
            "bool" => vec![Self::Bool],
            "geo" => vec![Self::Geo],
            "text" => vec![Self::Text(TextIndex { tokenizer: Tokenizer::of(&field.params), has_phrases })],
            other => return Err(format!("an index of the unknown type {other:?}")),
        };
        indexes.push(Self::Null);
        Ok(indexes)
    }

    /// What this index answers, or `None` when it cannot.
    pub(super) fn answer(&self, condition: &FieldCondition, values: &Values<'_>, rules: &Rules) -> Option<bool> {
        let FieldClauses { matching, range, .. } = &condition.clauses;
        let matching = matching.as_ref();
        let answer = match self {
            Self::Keyword => matching.and_then(|matching| keyword(matching, values)),
            Self::IntegerLookup => matching.and_then(|matching| integer_lookup(matching, values)),
            Self::Uuid => matching.and_then(|matching| uuid(matching, values)),
            Self::Bool => match matching {
                Some(Match::Bool(expected)) => Some(values.flat().any(|value| value.as_bool() == Some(*expected))),
                _ => None,
            },
            Self::Text(index) => match matching {
                Some(Match::Text(_)) => Some(index.holds(condition, values, rules)),
                _ => None,
            },
            Self::IntegerRange | Self::Float | Self::Datetime => {
                range.as_ref().and_then(|range| self.range(range, values, rules))
            }
            Self::Geo => geo(&condition.clauses, values),
            Self::Null => match (condition.clauses.is_empty, condition.clauses.is_null) {
                (Some(expected), _) => Some(is_empty_of(values) == expected),
                (None, Some(expected)) => Some(has_null(values) == expected),
                (None, None) => None,
            },
        };
        answer.or_else(|| self.foreign_except(matching?, values, rules))
    }

    fn range(&self, range: &Range, values: &Values<'_>, rules: &Rules) -> Option<bool> {
        let mut values = values.flat();
        Some(match self {
            Self::Float => {
                let bounds = range.of_floats(rules)?;
                values.filter_map(Value::as_f64).any(|number| bounds.hold(number))
            }
            Self::Datetime => {
                let bounds = range.of_integers(true, rules)?;
                values.filter_map(|value| datetime_of(value, rules)).any(|moment| bounds.hold(moment.micros()))
            }
            _ => {
                let bounds = range.of_integers(false, rules)?;
                values.any(|value| integer_of(value).is_some_and(|integer| bounds.hold(integer)))
            }
        })
    }

    /// Within a nested condition, where words are looked for in each text of its own.
    pub(super) fn holds_of_elements(&self, condition: &FieldCondition, values: &Values<'_>) -> bool {
        let (Self::Text(TextIndex { tokenizer: Ok(tokenizer), .. }), Some(query)) = (self, &condition.text_query)
        else {
            return false;
        };
        values.flat().filter_map(Value::as_str).any(|text| tokenizer.holds(query, [text].into_iter()))
    }

    /// Before 1.18: an `except` that the first index of a field cannot answer is true of points that have values in it.
    fn foreign_except(&self, matching: &Match, values: &Values<'_>, rules: &Rules) -> Option<bool> {
        let Match::Except(listed) = matching else { return None };
        // A list with texts that are no UUIDs is left to the next index.
        let is_passed_on = matches!((self, listed), (Self::Uuid, OneOf::Texts { .. }));
        if !rules.foreign_except_counts || is_passed_on {
            return None;
        }
        let mut flat = values.flat();
        Some(match self {
            Self::Keyword => flat.any(Value::is_string),
            Self::IntegerLookup | Self::IntegerRange => flat.any(|value| integer_of(value).is_some()),
            Self::Float => flat.any(Value::is_number),
            Self::Datetime => flat.any(|value| datetime_of(value, rules).is_some()),
            Self::Uuid => flat.any(|value| value.as_str().and_then(parse_uuid).is_some()),
            Self::Bool => flat.any(Value::is_boolean),
            Self::Geo => flat.filter_map(GeoPoint::of).any(GeoPoint::is_on_globe),
            // Of an index that is not known here nothing better can be said than that there is text.
            Self::Text(index) => flat
                .filter_map(Value::as_str)
                .any(|text| index.tokenizer.as_ref().map_or(true, |tokenizer| tokenizer.has_tokens(text))),
            Self::Null => !is_empty_of(values),
        })
    }
}

impl TextIndex {
    fn holds(&self, condition: &FieldCondition, values: &Values<'_>, rules: &Rules) -> bool {
        let (Ok(tokenizer), Some(query)) = (&self.tokenizer, &condition.text_query) else {
            return false;
        };
        let texts = values.flat().filter_map(Value::as_str);
        if !query.is_phrase() {
            return tokenizer.holds(query, texts);
        }
        self.has_phrases
            && if rules.phrase_ends_at_element {
                tokenizer.holds(query, texts)
            } else {
                tokenizer.has_phrase(query, texts)
            }
    }
}

fn keyword(matching: &Match, values: &Values<'_>) -> Option<bool> {
    let mut texts = values.flat().filter_map(Value::as_str);
    match matching {
        Match::Equals(OneOf::Texts { texts: listed, .. }) | Match::Any(OneOf::Texts { texts: listed, .. }) => {
            Some(texts.any(|text| listed.contains(text)))
        }
        Match::Except(OneOf::Texts { texts: listed, .. }) => Some(texts.any(|text| !listed.contains(text))),
        Match::Prefix(prefix) => Some(texts.any(|text| text.starts_with(prefix))),
        Match::Part(part) => Some(texts.any(|text| text.contains(part))),
        _ => None,
    }
}

fn integer_lookup(matching: &Match, values: &Values<'_>) -> Option<bool> {
    let mut integers = values.flat().filter_map(integer_of);
    match matching {
        Match::Equals(OneOf::Integers(listed)) | Match::Any(OneOf::Integers(listed)) => {
            Some(integers.any(|integer| listed.contains(&integer)))
        }
        Match::Except(OneOf::Integers(listed)) => Some(integers.any(|integer| !listed.contains(&integer))),
        _ => None,
    }
}

fn uuid(matching: &Match, values: &Values<'_>) -> Option<bool> {
    let mut uuids = values.flat().filter_map(|value| parse_uuid(value.as_str()?));
    match matching {
        Match::Equals(OneOf::Texts { uuids: listed, .. }) | Match::Any(OneOf::Texts { uuids: listed, .. }) => {
            let listed = listed.as_ref()?;
            Some(uuids.any(|uuid| listed.contains(&uuid)))
        }
        Match::Except(OneOf::Texts { uuids: listed, .. }) => {
            let listed = listed.as_ref()?;
            Some(uuids.any(|uuid| !listed.contains(&uuid)))
        }
        _ => None,
    }
}

/// The first of circle, box and polygon alone, over the points that are on the globe.
fn geo(clauses: &FieldClauses, values: &Values<'_>) -> Option<bool> {
    let mut points = values.flat().filter_map(GeoPoint::of).filter(|point| point.is_on_globe());
    match clauses {
        FieldClauses { circle: Some(circle), .. } => Some(points.any(|point| circle.holds(point))),
        FieldClauses { area: Some(area), .. } => Some(points.any(|point| area.holds(point))),
        FieldClauses { polygon: Some(polygon), .. } => Some(points.any(|point| polygon.holds(point))),
        _ => None,
    }
}

/// The integer an index stores for a value: also of a float without fraction that fits.
fn integer_of(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let number = value.as_f64()?;
        // Saturating, so that 2⁶³ becomes the largest integer; Qdrant's cast does the same.
        let integer = number as i64;
        (integer as f64 == number).then_some(integer)
    })
}

/// No value, or nothing but nulls and empty arrays.
pub(super) fn is_empty_of(values: &Values<'_>) -> bool {
    values.iter().all(is_empty_value)
}

pub(super) fn is_empty_value(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(elements) => elements.is_empty(),
        _ => false,
    }
}

/// A null, or an array with one.
pub(super) fn has_null(values: &Values<'_>) -> bool {
    values.iter().any(has_null_value)
}

pub(super) fn has_null_value(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(elements) => elements.iter().any(Value::is_null),
        _ => false,
    }
}
