//! Reads a condition on the values of a key.

use std::collections::HashSet;
use std::sync::Arc;

use super::condition::{FieldClauses, FieldCondition};
use super::datetime::Datetime;
use super::error::FilterError;
use super::geo::{GeoBox, GeoCircle, GeoPoint, GeoPolygon, Ring};
use super::matching::{Match, OneOf, TextKind, TextMatch};
use super::payload_path::PayloadPath;
use super::range::{Bounds, Range};
use super::source::{Node, each};
use super::tree::Tree;

const FIELD_MEMBERS: &[&str] =
    &["key", "match", "range", "geo_bounding_box", "geo_radius", "geo_polygon", "values_count", "is_empty", "is_null"];

const MATCHES: &[&str] = &["value", "text", "text_any", "phrase", "prefix", "substring", "any", "except"];

const BOUNDS: &[&str] = &["lt", "gt", "gte", "lte"];

/// The key as it is written, and read.
pub(super) fn payload_path(node: Node<'_>) -> Result<(String, PayloadPath), FilterError> {
    let key = node.text("a payload key")?;
    Ok((key.to_owned(), PayloadPath::parse(key).map_err(|what| node.at.malformed(what))?))
}

pub(super) fn field_condition(node: Node<'_>) -> Result<FieldCondition, FilterError> {
    let members = node.members("a condition", FIELD_MEMBERS)?;
    let (key, path) = members.read("key", payload_path)?;
    let clauses = FieldClauses {
        matching: members.read_optional("match", matching)?,
        range: members.read_optional("range", range)?,
        circle: members.read_optional("geo_radius", circle)?,
        area: members.read_optional("geo_bounding_box", area)?,
        polygon: members.read_optional("geo_polygon", polygon)?,
        values_count: members.read_optional("values_count", |node| {
            bounds(node, "an object with bounds of a count", |node| node.count("a number of values"))
        })?,
        is_empty: members.read_optional("is_empty", |node| node.bool())?,
        is_null: members.read_optional("is_null", |node| node.bool())?,
    };
    if clauses.is_empty() {
        let expected = FIELD_MEMBERS[1..].join(", ");
        return Err(node.at.malformed(format!("nothing is asked of key {key:?}, expected one of {expected}")));
    }
    Ok(FieldCondition { path, clauses, indexes: Arc::from([]), text_query: None })
}

fn matching(node: Node<'_>) -> Result<Match, FilterError> {
    let members = node.members("an object with one way to match", MATCHES)?;
    let mut names = members.names();
    let (Some(name), None) = (names.next(), names.next()) else {
        return Err(node.at.malformed(format!("expected one of {}", MATCHES.join(", "))));
    };
    members.read(name, |node| {
        let text = || node.text("text").map(str::to_owned);
        let words = |kind| Ok(Match::Text(TextMatch::new(kind, text()?)));
        match name {
            "value" => value(node),
            "text" => words(TextKind::All),
            "text_any" => words(TextKind::Any),
            "phrase" => words(TextKind::Phrase),
            "prefix" => text().map(Match::Prefix),
            "substring" => text().map(Match::Part),
            "any" => one_of(node).map(Match::Any),
            _ => one_of(node).map(Match::Except),
        }
    })
}

fn value(node: Node<'_>) -> Result<Match, FilterError> {
    match node.tree {
        Tree::Bool(value) => Ok(Match::Bool(*value)),
        Tree::Text(text) => Ok(Match::Equals(OneOf::texts(HashSet::from([text.clone()])))),
        Tree::Number(_) => Ok(Match::Equals(OneOf::Integers(HashSet::from([integer(node)?])))),
        _ => Err(node.unexpected("text, an integer, true or false")),
    }
}

/// Texts or integers, not both. An empty list is a list of texts.
fn one_of(node: Node<'_>) -> Result<OneOf, FilterError> {
    let list = node.list("a list of texts or of integers")?;
    if matches!(list.first(), Some(Tree::Number(_))) {
        return Ok(OneOf::Integers(each(list, node.at, integer)?.into_iter().collect()));
    }
    let text = |node: Node<'_>| node.text("text, or integers alone").map(str::to_owned);
    Ok(OneOf::texts(each(list, node.at, text)?.into_iter().collect()))
}

fn integer(node: Node<'_>) -> Result<i64, FilterError> {
    const EXPECTED: &str = "an integer of 64 bits with sign";
    match node.tree {
        Tree::Number(number) => number.as_i64().ok_or_else(|| node.unexpected(EXPECTED)),
        _ => Err(node.unexpected(EXPECTED)),
    }
}

fn bounds<T>(
    node: Node<'_>,
    expected: &str,
    read: impl Fn(Node<'_>) -> Result<T, FilterError>,
) -> Result<Bounds<T>, FilterError> {
    let members = node.members(expected, BOUNDS)?;
    Ok(Bounds {
        lt: members.read_optional("lt", &read)?,
        gt: members.read_optional("gt", &read)?,
        gte: members.read_optional("gte", &read)?,
        lte: members.read_optional("lte", &read)?,
    })
}

fn range(node: Node<'_>) -> Result<Range, FilterError> {
    const EXPECTED: &str = "an object with bounds";
    let has_text = match node.tree {
        Tree::Object(members) => members.iter().any(|(_, bound)| matches!(bound, Tree::Text(_))),
        _ => false,
    };
    if has_text {
        return bounds(node, EXPECTED, datetime).map(Range::Datetimes);
    }
    bounds(node, EXPECTED, |node| node.float()).map(Range::Numbers)
}

fn datetime(node: Node<'_>) -> Result<Datetime, FilterError> {
    const EXPECTED: &str = "a datetime such as 2014-01-01T00:00:00Z";
    Datetime::parse(node.text(EXPECTED)?, true).ok_or_else(|| node.unexpected(EXPECTED))
}

fn geo_point(node: Node<'_>) -> Result<GeoPoint, FilterError> {
    let members = node.members("an object with lon and lat", &["lon", "lat"])?;
    let point =
        GeoPoint { lon: members.read("lon", |node| node.float())?, lat: members.read("lat", |node| node.float())? };
    if !point.is_on_globe() {
        let GeoPoint { lon, lat } = point;
        return Err(node.at.malformed(format!(
            "expected lon within -180 and 180 and lat within -90 and 90, found lon {lon} and lat {lat}"
        )));
    }
    Ok(point)
}

fn circle(node: Node<'_>) -> Result<GeoCircle, FilterError> {
    let members = node.members("an object with center and radius", &["center", "radius"])?;
    let center = members.read("center", geo_point)?;
    Ok(GeoCircle { center, radius_meters: members.read("radius", |node| node.float())? })
}

fn area(node: Node<'_>) -> Result<GeoBox, FilterError> {
    let members = node.members("an object with top_left and bottom_right", &["top_left", "bottom_right"])?;
    let top_left = members.read("top_left", geo_point)?;
    Ok(GeoBox { top_left, bottom_right: members.read("bottom_right", geo_point)? })
}

fn polygon(node: Node<'_>) -> Result<GeoPolygon, FilterError> {
    let members = node.members("an object with exterior and interiors", &["exterior", "interiors"])?;
    let exterior = members.read("exterior", ring)?;
    let holes = |node: Node<'_>| each(node.list("a list of rings")?, node.at, ring);
    Ok(GeoPolygon::new(exterior, members.read_optional("interiors", holes)?.unwrap_or_default()))
}

fn ring(node: Node<'_>) -> Result<Ring, FilterError> {
    let points = node
        .members("an object with points", &["points"])?
        .read("points", |node| each(node.list("a list of points")?, node.at, geo_point))?;
    Ring::of(points).map_err(|what| node.at.malformed(what))
}
