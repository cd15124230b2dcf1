//! Whether a point matches.
//!
//! `qdrant v1.19.0 lib/segment/src/index/query_optimization/optimized_filter.rs` outside of `nested`, and
//! `lib/segment/src/payload_storage/query_checker.rs` within. They differ in what an empty list says: `"should": []` says
//! nothing outside and is false within. Ids, vectors and slices are unknown within: such conditions are false there, and true
//! under `must_not`.

use serde_json::{Map, Value};

use super::FilterSubject;
use super::condition::{Clauses, Condition, FieldClauses, FieldCondition, NullCondition};
use super::geo::GeoPoint;
use super::index::{FieldIndex, has_null, has_null_value, is_empty_of, is_empty_value};
use super::payload_path::{Values, elements};
use super::range::count_of;
use super::rules::Rules;

/// Where a condition is checked: on a point, or on an object in its payload.
#[derive(Clone, Copy)]
pub(super) enum Place<'p> {
    Point(&'p FilterSubject<'p>),
    Object(&'p Map<String, Value>),
}

impl<'p> Place<'p> {
    fn payload(self) -> &'p Map<String, Value> {
        match self {
            Self::Point(subject) => subject.payload,
            Self::Object(object) => object,
        }
    }
}

impl Clauses {
    pub(super) fn hold(&self, place: Place<'_>, rules: &Rules) -> bool {
        let holds = |condition: &Condition| condition.holds(place, rules);
        let is_point = matches!(place, Place::Point(_));
        let should =
            self.should.as_ref().is_none_or(|should| is_point && should.is_empty() || should.iter().any(holds));
        should
            && self.min_should.as_ref().is_none_or(|min_should| {
                is_count_reached(min_should.min_count, min_should.conditions.iter().map(holds))
            })
            && self.must.iter().flatten().all(holds)
            && !self.must_not.iter().flatten().any(holds)
    }
}

/// Stops asking as soon as enough are true.
fn is_count_reached(count: u64, answers: impl Iterator<Item = bool>) -> bool {
    let Some(last) = count.checked_sub(1).map(usize::try_from) else { return true };
    last.is_ok_and(|last| answers.filter(|answer| *answer).nth(last).is_some())
}

impl Condition {
    fn holds(&self, place: Place<'_>, rules: &Rules) -> bool {
        match (self, place) {
            (Self::Field(condition), _) => condition.holds(place, rules),
            (Self::IsEmpty(path), _) => is_empty_of(&path.values(place.payload())),
            (Self::IsNull(condition), _) => condition.is_null(place, rules),
            (Self::Nested(nested), _) => {
                let objects = nested.array.values(place.payload());
                objects
                    .iter()
                    .filter_map(Value::as_object)
                    .any(|object| nested.clauses.hold(Place::Object(object), rules))
            }
            (Self::Filter(clauses), _) => clauses.hold(place, rules),
            (Self::HasId(ids), Place::Point(subject)) => ids.contains(subject.id),
            (Self::HasVector(name), Place::Point(subject)) => (subject.has_vector)(name),
            (Self::Slice(slice), Place::Point(subject)) => slice.holds(subject.id),
            (Self::HasId(_) | Self::HasVector(_) | Self::Slice(_), Place::Object(_)) => false,
        }
    }
}

impl NullCondition {
    fn is_null(&self, place: Place<'_>, rules: &Rules) -> bool {
        let values = self.path.values(place.payload());
        let is_answered_by_index = self.is_indexed && matches!(place, Place::Point(_));
        if is_answered_by_index || rules.null_in_array { has_null(&values) } else { values.iter().any(Value::is_null) }
    }
}

impl FieldCondition {
    fn holds(&self, place: Place<'_>, rules: &Rules) -> bool {
        let values = self.path.values(place.payload());
        match place {
            Place::Point(_) => {
                let answer = self.indexes.iter().find_map(|index| index.answer(self, &values, rules));
                answer.unwrap_or_else(|| self.holds_of_payload(&values, rules))
            }
            Place::Object(_) => match self.text_index_in_object(rules) {
                Some(index) if !values.is_empty() => index.holds_of_elements(self, &values),
                _ => self.holds_of_payload(&values, rules),
            },
        }
    }

    /// The text index that cuts words within a nested condition.
    fn text_index_in_object(&self, rules: &Rules) -> Option<&FieldIndex> {
        self.text_query.as_ref().filter(|query| rules.nested_any_by_index || !query.is_any())?;
        self.indexes.iter().find(|index| matches!(index, FieldIndex::Text(_)))
    }

    fn holds_of_payload(&self, values: &Values<'_>, rules: &Rules) -> bool {
        if values.is_empty() {
            return self.clauses.hold_of_nothing(rules);
        }
        values.iter().any(|value| self.clauses.hold(value, rules))
    }
}

impl FieldClauses {
    /// Of a key that is not there.
    fn hold_of_nothing(&self, rules: &Rules) -> bool {
        match self {
            Self { values_count: Some(bounds), .. } if rules.missing_has_zero_values => bounds.hold(0),
            Self { is_empty: Some(expected), .. } => *expected,
            Self { is_null: Some(expected), .. } => !*expected,
            _ => false,
        }
    }

    fn hold(&self, value: &Value, rules: &Rules) -> bool {
        match self {
            Self { values_count: Some(bounds), .. } => bounds.hold(count_of(value)),
            Self { is_empty: Some(expected), .. } => is_empty_value(value) == *expected,
            Self { is_null: Some(expected), .. } => has_null_value(value) == *expected,
            _ => elements(value).iter().any(|element| self.hold_of_element(element, rules)),
        }
    }

    fn hold_of_element(&self, element: &Value, rules: &Rules) -> bool {
        self.matching.as_ref().is_some_and(|matching| matching.holds(element, rules))
            || self.range.as_ref().is_some_and(|range| range.holds(element, rules))
            || GeoPoint::of(element).is_some_and(|point| {
                self.circle.as_ref().is_some_and(|circle| circle.holds(point))
                    || self.area.as_ref().is_some_and(|area| area.holds(point))
                    || self.polygon.as_ref().is_some_and(|polygon| polygon.holds(point))
            })
    }
}
