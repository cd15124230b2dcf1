//! Reads a filter: its lists and conditions.
//!
//! `qdrant v1.19.0 lib/segment/src/types.rs`. Qdrant ignores members it does not know everywhere but at the filter itself,
//! and takes the first of several kinds of condition in one object. Here both are refused: whoever wrote them meant something,
//! and it is not what would run.

use std::collections::BTreeSet;

use super::condition::{Clauses, Condition, MinShould, Nested, NullCondition};
use super::error::{FILTER_DEPTH_MAX, FilterError};
use super::parse_field::{field_condition, payload_path};
use super::slice::Slice;
use super::source::{At, Node, each};
use super::tree::Tree;
use super::uuid::parse_uuid;
use crate::point_id::PointId;

const CLAUSES: &[&str] = &["must", "should", "must_not", "min_should"];

/// Conditions that are an object with one member, beside those with a `key`.
const CONDITIONS: &[&str] = &["is_empty", "is_null", "has_id", "has_vector", "slice", "nested"];

pub(super) fn filter(tree: &Tree) -> Result<Clauses, FilterError> {
    clauses(Node { tree, at: &At::Filter }, FILTER_DEPTH_MAX)
}

/// `depth_left`: how many filters may still be nested, this one included.
fn clauses(node: Node<'_>, depth_left: usize) -> Result<Clauses, FilterError> {
    let Some(depth_left) = depth_left.checked_sub(1) else {
        return Err(FilterError::TooDeep { at: node.at.to_string() });
    };
    let members = node.members("an object with must, should, must_not or min_should", CLAUSES)?;
    let conditions = |node: Node<'_>| match node.tree {
        // One condition may stand without its list.
        Tree::Object(_) => Ok(vec![condition(node, depth_left)?]),
        _ => conditions(node, depth_left),
    };
    Ok(Clauses {
        must: members.read_optional("must", conditions)?,
        should: members.read_optional("should", conditions)?,
        must_not: members.read_optional("must_not", conditions)?,
        min_should: members.read_optional("min_should", |node| min_should(node, depth_left))?,
    })
}

fn conditions(node: Node<'_>, depth_left: usize) -> Result<Vec<Condition>, FilterError> {
    each(node.list("a list of conditions")?, node.at, |node| condition(node, depth_left))
}

fn min_should(node: Node<'_>, depth_left: usize) -> Result<MinShould, FilterError> {
    let members = node.members("an object with conditions and min_count", &["conditions", "min_count"])?;
    Ok(MinShould {
        conditions: members.read("conditions", |node| match conditions(node, depth_left)? {
            // Qdrant takes it, and answers by its release and its plan: nothing, everything, or as if it were not there.
            none if none.is_empty() => Err(node.at.malformed("expected at least one condition")),
            conditions => Ok(conditions),
        })?,
        min_count: members.read("min_count", |node| match node.count("a number of conditions")? {
            0 => Err(node.unexpected("at least 1")),
            count => Ok(count),
        })?,
    })
}

fn condition(node: Node<'_>, depth_left: usize) -> Result<Condition, FilterError> {
    let Tree::Object(members) = node.tree else {
        return Err(node.unexpected("a condition"));
    };
    let has = |name: &str| members.iter().any(|(member, _)| member == name);
    if has("key") {
        return Ok(Condition::Field(Box::new(field_condition(node)?)));
    }
    if !CONDITIONS.iter().any(|name| has(name)) {
        if let Some((name, _)) = members.iter().find(|(name, _)| !CLAUSES.contains(&name.as_str())) {
            let name = Tree::Text(name.clone()).describe();
            let expected = [&["key"], CONDITIONS, CLAUSES].concat().join(", ");
            return Err(node.at.malformed(format!("no condition has a member {name}, expected one of {expected}")));
        }
        return clauses(node, depth_left).map(Condition::Filter);
    }
    special(node, depth_left)
}

/// A condition that is one member of [`CONDITIONS`].
fn special(node: Node<'_>, depth_left: usize) -> Result<Condition, FilterError> {
    let members = node.members("a condition", CONDITIONS)?;
    let mut names = members.names();
    let (Some(name), None) = (names.next(), names.next()) else {
        return Err(node.at.malformed("several conditions in one object, expected one"));
    };
    members.read(name, |node| match name {
        "is_empty" => Ok(Condition::IsEmpty(key(node)?)),
        "is_null" => Ok(Condition::IsNull(NullCondition { path: key(node)?, is_indexed: false })),
        "has_id" => {
            let ids = each(node.list("a list of ids")?, node.at, point_id)?;
            Ok(Condition::HasId(BTreeSet::from_iter(ids)))
        }
        "has_vector" => Ok(Condition::HasVector(node.text("the name of a vector")?.to_owned())),
        "slice" => slice(node).map(Condition::Slice),
        _ => nested(node, depth_left).map(Condition::Nested),
    })
}

/// `{"key":…}`.
fn key(node: Node<'_>) -> Result<super::payload_path::PayloadPath, FilterError> {
    node.members("an object with a key", &["key"])?.read("key", |node| Ok(payload_path(node)?.1))
}

fn point_id(node: Node<'_>) -> Result<PointId, FilterError> {
    const EXPECTED: &str = "a number below 2^64 or a UUID";
    match node.tree {
        Tree::Number(_) => node.count(EXPECTED).map(PointId::Number),
        Tree::Text(text) => parse_uuid(text).map(PointId::Uuid).ok_or_else(|| node.unexpected(EXPECTED)),
        _ => Err(node.unexpected(EXPECTED)),
    }
}

fn slice(node: Node<'_>) -> Result<Slice, FilterError> {
    let members = node.members("an object with total and index", &["total", "index"])?;
    let number = |node: Node<'_>| {
        let number = node.count("a number below 2^32")?;
        u32::try_from(number).map_err(|_| node.unexpected("a number below 2^32"))
    };
    let total = members.read("total", |node| match number(node)? {
        0 => Err(node.unexpected("at least 1")),
        total => Ok(total),
    })?;
    let index = members.read("index", |node| match number(node)? {
        index if index < total => Ok(index),
        _ => Err(node.unexpected(&format!("a number below the total of {total}"))),
    })?;
    Ok(Slice { total, index })
}

fn nested(node: Node<'_>, depth_left: usize) -> Result<Nested, FilterError> {
    let members = node.members("an object with key and filter", &["key", "filter"])?;
    Ok(Nested {
        array: members.read("key", payload_path)?.1.every_element(),
        clauses: members.read("filter", |node| clauses(node, depth_left))?,
    })
}
