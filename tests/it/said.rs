//! What a server or an engine said about points, held against what is read of them offline.

use serde_json::{Map, Value};
use vectar::{
    CancelToken, Content, Finding, FindingLevel, Inside, PointId, Silent, SnapshotOutline,
    points::{Point, PointQuery, count, scroll},
    verify_deep,
};

use crate::scene::sha256;

/// How much was compared, for the line that a test prints at its end.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compared {
    pub(crate) snapshots: u64,
    /// Ids, by their digest or one by one.
    pub(crate) ids: u64,
    pub(crate) payloads: u64,
    /// Dense, multi and sparse ones, each name by itself.
    pub(crate) vectors: u64,
}

impl std::ops::AddAssign for Compared {
    fn add_assign(&mut self, other: Self) {
        self.snapshots += other.snapshots;
        self.ids += other.ids;
        self.payloads += other.payloads;
        self.vectors += other.vectors;
    }
}

impl std::fmt::Display for Compared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { snapshots, ids, payloads, vectors } = self;
        write!(f, "{snapshots} snapshots, {ids} ids, {payloads} payloads, {vectors} vectors compared")
    }
}

/// All that a query finds.
pub(crate) fn scrolled(inside: &Inside<'_, '_>, query: &PointQuery) -> Vec<Point> {
    let mut points = Vec::new();
    let found = scroll(inside, query, &CancelToken::default(), |point| {
        points.push(point);
        Ok(())
    });
    assert_eq!(found.unwrap(), points.len() as u64, "{}", inside.content().name());
    points
}

/// The ids that a query finds, in scroll order.
pub(crate) fn ids(inside: &Inside<'_, '_>, query: &PointQuery) -> Vec<PointId> {
    let query = PointQuery { without_payload: true, ..query.clone() };
    scrolled(inside, &query).into_iter().map(|point| point.id).collect()
}

/// How many points a query finds.
pub(crate) fn counted(inside: &Inside<'_, '_>, query: &PointQuery) -> u64 {
    count(inside, query, &CancelToken::default()).unwrap()
}

/// SHA-256 over ids, one a line, without an end of line behind the last.
fn ids_sha256(ids: &[PointId]) -> String {
    let lines: Vec<String> = ids.iter().map(PointId::to_string).collect();
    sha256(lines.join("\n").as_bytes())
}

/// Reads an id of a JSON answer: a number, or a UUID as text.
pub(crate) fn id_of(value: &Value) -> PointId {
    serde_json::from_value(value.clone()).unwrap()
}

/// What is said and found otherwise, in words.
pub(crate) type Verdict<T> = Result<T, String>;

/// Whether a thing is what was said of it.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(what: impl std::fmt::Display, found: T, said: T) -> Verdict<()> {
    match found == said {
        true => Ok(()),
        false => Err(format!("{what}: found {found:?}, said was {said:?}")),
    }
}

/// Compares a point with what someone said it is, by the JSON that we print of it. Payloads are the same when they are equal as JSON
/// values, vectors when they are equal bit for bit.
pub(crate) fn compare_point(found: &Point, said: &Value) -> Verdict<Compared> {
    let printed = printed(found);
    let vectors = compare_vectors(&printed["vector"], &said["vector"]);
    let vectors = vectors.map_err(|why| format!("point {}: {why}", said["id"]))?;
    Ok(Compared { vectors, ..compare_printed(&printed, said)? })
}

/// The same without its vectors.
pub(crate) fn compare_point_without_vectors(found: &Point, said: &Value) -> Verdict<Compared> {
    compare_printed(&printed(found), said)
}

fn printed(point: &Point) -> Value {
    serde_json::from_str(&serde_json::to_string(point).unwrap()).unwrap()
}

fn compare_printed(printed: &Value, said: &Value) -> Verdict<Compared> {
    let id = &said["id"];
    same("id", &printed["id"], id)?;
    compare_payload(&printed["payload"], &said["payload"]).map_err(|why| format!("point {id}: {why}"))?;
    Ok(Compared { ids: 1, payloads: 1, ..Compared::default() })
}

/// Nothing is the same as no members.
pub(crate) fn compare_payload(found: &Value, said: &Value) -> Verdict<()> {
    let empty = Value::Object(Map::new());
    same("payload", found, if said.is_null() { &empty } else { said })
}

/// Compares the vectors of a point, an unnamed one or all by name, and returns how many they are.
pub(crate) fn compare_vectors(found: &Value, said: &Value) -> Verdict<u64> {
    let (Value::Object(found), Value::Object(said)) = (found, said) else {
        return if is_same_vector(found, said) { Ok(1) } else { same("vector", found, said).map(|()| 1) };
    };
    same("names of vectors", found.keys().collect::<Vec<_>>(), said.keys().collect())?;
    for (name, vector) in said {
        if !is_same_vector(&found[name], vector) {
            return Err(format!("vector {name:?}: found {}, said was {vector}", found[name]));
        }
    }
    Ok(said.len() as u64)
}

/// Whether two vectors have the same numbers, as `f32` and bit for bit: zeros differ by their sign.
fn is_same_vector(found: &Value, said: &Value) -> bool {
    match (found, said) {
        (Value::Number(found), Value::Number(said)) => {
            // The shortest text of an `f32` is nowhere near the middle between two, so that the way over `f64` rounds right.
            let bits = |number: &serde_json::Number| number.as_f64().map(|number| (number as f32).to_bits());
            bits(found) == bits(said)
        }
        (Value::Array(found), Value::Array(said)) => {
            found.len() == said.len() && found.iter().zip(said).all(|(found, said)| is_same_vector(found, said))
        }
        (Value::Object(found), Value::Object(said)) => {
            let is_sparse = |vector: &Map<String, Value>| vector.keys().eq(["indices", "values"]);
            is_sparse(found)
                && is_sparse(said)
                && found["indices"] == said["indices"]
                && is_same_vector(&found["values"], &said["values"])
        }
        _ => false,
    }
}

/// Compares counts of a snapshot of one collection with what was said, in all the ways in which they can be asked for.
pub(crate) fn compare_counts(inside: &Inside<'_, '_>, outline: &SnapshotOutline, said: &Value) -> Verdict<Compared> {
    let points = said["points"].as_u64().unwrap();
    same("count", counted(inside, &PointQuery::default()), points)?;
    same("points_live of the snapshot", outline.points_live, Some(points))?;
    let of_collections: Vec<_> = outline.collections.iter().map(|collection| collection.points_live).collect();
    same("points_live of its collections", of_collections, vec![Some(points)])?;
    Ok(Compared { snapshots: 1, ..Compared::default() })
}

/// Compares ids in scroll order with the digest of those that were said.
pub(crate) fn compare_ids(found: &[PointId], said: &Value) -> Verdict<Compared> {
    same("ascending ids", found.is_sorted_by(|one, next| one < next), true)?;
    same("digest of the ids", ids_sha256(found).as_str(), said["ids_sha256"].as_str().unwrap())?;
    Ok(Compared { ids: found.len() as u64, ..Compared::default() })
}

/// What is found that is worse than a note.
pub(crate) fn found_above_note(content: &Content<'_>) -> Vec<Finding> {
    let findings = verify_deep(content, &Silent, &CancelToken::default()).unwrap();
    assert_eq!(findings.more, 0, "{}", content.name());
    findings.list.into_iter().filter(|finding| finding.level > FindingLevel::Note).collect()
}
