//! A filter in typed form.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::geo::{GeoBox, GeoCircle, GeoPolygon};
use super::index::FieldIndex;
use super::matching::Match;
use super::payload_path::PayloadPath;
use super::range::{Bounds, Range};
use super::slice::Slice;
use super::text::TextQuery;
use crate::point_id::PointId;

/// Four lists of conditions. A list that is not there says nothing; what an empty one says depends on where it stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Clauses {
    pub(super) must: Option<Vec<Condition>>,
    pub(super) should: Option<Vec<Condition>>,
    pub(super) must_not: Option<Vec<Condition>>,
    pub(super) min_should: Option<MinShould>,
}

/// At least so many of these, which are not none: what an empty list means depends on the release and on the server's plan.
#[derive(Clone, Debug)]
pub(super) struct MinShould {
    pub(super) conditions: Vec<Condition>,
    /// At least 1: Qdrant's API refuses 0 since 1.19, before it held of every point.
    pub(super) min_count: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Condition {
    Field(Box<FieldCondition>),
    IsEmpty(PayloadPath),
    IsNull(NullCondition),
    HasId(BTreeSet<PointId>),
    HasVector(String),
    Slice(Slice),
    Nested(Nested),
    Filter(Clauses),
}

/// `is_null` of a key.
#[derive(Clone, Debug)]
pub(super) struct NullCondition {
    pub(super) path: PayloadPath,
    /// Whether the field has an index, which answers unless the condition is nested.
    pub(super) is_indexed: bool,
}

/// Some object of an array matches a filter.
#[derive(Clone, Debug)]
pub(super) struct Nested {
    /// Ends with `[]`.
    pub(super) array: PayloadPath,
    pub(super) clauses: Clauses,
}

/// A condition on the values of a key.
#[derive(Clone, Debug)]
pub(super) struct FieldCondition {
    pub(super) path: PayloadPath,
    pub(super) clauses: FieldClauses,
    /// Indexes of the field, in the order they are asked.
    pub(super) indexes: Arc<[FieldIndex]>,
    /// What is looked for, cut by the text index among them.
    pub(super) text_query: Option<TextQuery>,
}

/// What is asked of the values; mostly one thing. Several are alternatives: one that holds will do. But `values_count`,
/// `is_empty` and `is_null`, in this order, silence all others. Qdrant documents none of that.
#[derive(Clone, Debug, Default)]
pub(super) struct FieldClauses {
    pub(super) matching: Option<Match>,
    pub(super) range: Option<Range>,
    pub(super) circle: Option<GeoCircle>,
    pub(super) area: Option<GeoBox>,
    pub(super) polygon: Option<GeoPolygon>,
    pub(super) values_count: Option<Bounds<u64>>,
    pub(super) is_empty: Option<bool>,
    pub(super) is_null: Option<bool>,
}

impl FieldClauses {
    /// Whether nothing is asked.
    pub(super) fn is_empty(&self) -> bool {
        let Self { matching, range, circle, area, polygon, values_count, is_empty, is_null } = self;
        matching.is_none()
            && range.is_none()
            && circle.is_none()
            && area.is_none()
            && polygon.is_none()
            && values_count.is_none()
            && is_empty.is_none()
            && is_null.is_none()
    }
}

impl Clauses {
    pub(super) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        let min_should = self.min_should.as_ref().map(|min_should| &min_should.conditions);
        [self.must.as_ref(), self.should.as_ref(), self.must_not.as_ref(), min_should].into_iter().flatten().flatten()
    }

    pub(super) fn conditions_mut(&mut self) -> impl Iterator<Item = &mut Condition> {
        let min_should = self.min_should.as_mut().map(|min_should| &mut min_should.conditions);
        [self.must.as_mut(), self.should.as_mut(), self.must_not.as_mut(), min_should].into_iter().flatten().flatten()
    }

    /// Adds the names of vectors that are asked for.
    pub(super) fn name_vectors(&self, names: &mut BTreeSet<String>) {
        for condition in self.conditions() {
            match condition {
                Condition::HasVector(name) => drop(names.insert(name.clone())),
                Condition::Filter(clauses) => clauses.name_vectors(names),
                // What is nested is asked of an object in the payload, which has no vectors.
                _ => {}
            }
        }
    }

    /// Adds the members of the payload that conditions look into.
    pub(super) fn name_payload_keys(&self, keys: &mut BTreeSet<String>) {
        for condition in self.conditions() {
            let path = match condition {
                Condition::Field(condition) => &condition.path,
                Condition::IsEmpty(path) => path,
                Condition::IsNull(condition) => &condition.path,
                // What is nested is asked of what lies in the array.
                Condition::Nested(nested) => &nested.array,
                Condition::Filter(clauses) => {
                    clauses.name_payload_keys(keys);
                    continue;
                }
                Condition::HasId(_) | Condition::HasVector(_) | Condition::Slice(_) => continue,
            };
            keys.insert(path.member().to_owned());
        }
    }

    /// Whether some condition asks for the point's id.
    pub(super) fn need_id(&self) -> bool {
        self.conditions().any(|condition| match condition {
            Condition::HasId(_) | Condition::Slice(_) => true,
            Condition::Filter(clauses) => clauses.need_id(),
            // What is nested is asked of an object in the payload.
            Condition::Field(_) | Condition::IsEmpty(_) | Condition::IsNull(_) | Condition::Nested(_) => false,
            Condition::HasVector(_) => false,
        })
    }

    /// Whether some condition looks into the payload.
    pub(super) fn need_payload(&self) -> bool {
        self.conditions().any(|condition| match condition {
            Condition::Field(_) | Condition::IsEmpty(_) | Condition::IsNull(_) | Condition::Nested(_) => true,
            Condition::HasId(_) | Condition::HasVector(_) | Condition::Slice(_) => false,
            Condition::Filter(clauses) => clauses.need_payload(),
        })
    }
}
