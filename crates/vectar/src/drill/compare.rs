//! A point as the files say it is, held against what the engine says.

use serde_json::{Map, Value};
use vectar_qdrant::storage::Vector;

use crate::points::Point;

/// What was compared of a point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Compared {
    /// Vectors that agree, each name by itself.
    pub(super) vectors: u64,
}

/// Compares a point: payloads as JSON values, vectors number by number as `f32`, bit for bit. What differs is said in words.
pub(super) fn compare_point(found: &Point, said: &Value) -> Result<Compared, String> {
    let payload = found.payload.clone().unwrap_or_default();
    if !is_same_payload(payload, &said["payload"]) {
        return Err(format!("point {}: its payload differs", found.id));
    }
    let Some(vectors) = &found.vectors else { return Ok(Compared::default()) };
    let wrong = |name: &str, what: &str| match name {
        "" => format!("point {}: its vector {what}", found.id),
        name => format!("point {}: its vector {name:?} {what}", found.id),
    };
    for (name, vector) in vectors {
        match said_vector(&said["vector"], name) {
            None => return Err(wrong(name, "is in the files and not in the engine")),
            Some(said) if !is_same_vector(vector, said) => return Err(wrong(name, "differs")),
            Some(_) => {}
        }
    }
    if let Some(more) = said_names(&said["vector"]).find(|name| !vectors.iter().any(|(known, _)| known == name)) {
        return Err(wrong(more, "is in the engine and not in the files"));
    }
    Ok(Compared { vectors: vectors.len() as u64 })
}

/// Nothing is the same as no members.
fn is_same_payload(found: Map<String, Value>, said: &Value) -> bool {
    if said.is_null() {
        return found.is_empty();
    }
    // Both went through text once, so that a number has the same form on both sides.
    let printed = Value::Object(found).to_string();
    serde_json::from_str::<Value>(&printed).is_ok_and(|found| found == *said)
}

/// The unnamed vector stands alone or under the empty name.
fn said_vector<'v>(said: &'v Value, name: &str) -> Option<&'v Value> {
    match said {
        Value::Object(names) => names.get(name),
        Value::Array(_) if name.is_empty() => Some(said),
        _ => None,
    }
}

fn said_names(said: &Value) -> impl Iterator<Item = &str> {
    let (names, unnamed) = match said {
        Value::Object(names) => (Some(names.keys().map(String::as_str)), None),
        Value::Array(_) => (None, Some("")),
        _ => (None, None),
    };
    names.into_iter().flatten().chain(unnamed)
}

fn is_same_vector(found: &Vector, said: &Value) -> bool {
    match (found, said) {
        (Vector::Dense(found), said) => is_same_row(found, said),
        (Vector::Multi(found), Value::Array(said)) => {
            found.len() == said.len() && found.iter().zip(said).all(|(found, said)| is_same_row(found, said))
        }
        (Vector::Sparse { indices, values }, Value::Object(said)) => {
            said.get("indices") == Some(&Value::from(indices.clone()))
                && said.get("values").is_some_and(|said| is_same_row(values, said))
        }
        _ => false,
    }
}

fn is_same_row(found: &[f32], said: &Value) -> bool {
    let Value::Array(said) = said else { return false };
    found.len() == said.len() && found.iter().zip(said).all(|(found, said)| is_same_number(*found, said))
}

/// JSON has no word for what is no number; the engine's side says `null` then.
fn is_same_number(found: f32, said: &Value) -> bool {
    match said {
        Value::Null => !found.is_finite(),
        said => said.as_f64().is_some_and(|said| (said as f32).to_bits() == found.to_bits()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vectar_qdrant::PointId;

    use super::*;

    fn point(payload: Value, vectors: Vec<(&str, Vector)>) -> Point {
        let Value::Object(payload) = payload else { panic!("a payload is an object") };
        let vectors = vectors.into_iter().map(|(name, vector)| (name.to_owned(), vector)).collect();
        Point { id: PointId::Number(7), payload: Some(payload), vectors: Some(vectors) }
    }

    #[test]
    fn what_is_the_same_is_counted() {
        let dense = Vector::Dense(vec![0.1, -0.0]);
        let sparse = Vector::Sparse { indices: vec![3, 9], values: vec![0.5, f32::NAN] };
        let multi = Vector::Multi(vec![vec![1.0], vec![2.0]]);
        let found = point(json!({"a": 1e22, "b": [1, 1.0]}), vec![("d", dense.clone()), ("m", multi), ("s", sparse)]);
        let said = json!({
            "payload": {"b": [1, 1.0], "a": 1e22},
            "vector": {"d": [0.10000000149011612, -0.0], "m": [[1.0], [2.0]], "s": {"indices": [3, 9], "values": [0.5, null]}},
        });
        assert_eq!(compare_point(&found, &said), Ok(Compared { vectors: 3 }));
        let unnamed = json!({"payload": null, "vector": [0.10000000149011612, -0.0]});
        assert_eq!(compare_point(&point(json!({}), vec![("", dense)]), &unnamed), Ok(Compared { vectors: 1 }));
    }

    #[test]
    fn what_differs_is_named() {
        let found = point(json!({"a": 1}), vec![("d", Vector::Dense(vec![1.0, 2.0]))]);
        for (said, words) in [
            (json!({"payload": {"a": 2}, "vector": {"d": [1.0, 2.0]}}), "point 7: its payload differs"),
            (json!({"payload": null, "vector": {"d": [1.0, 2.0]}}), "point 7: its payload differs"),
            (json!({"payload": {"a": 1}, "vector": {"d": [1.0, 2.0000002]}}), "point 7: its vector \"d\" differs"),
            (json!({"payload": {"a": 1}, "vector": {"d": [1.0]}}), "point 7: its vector \"d\" differs"),
            (
                json!({"payload": {"a": 1}, "vector": {}}),
                "point 7: its vector \"d\" is in the files and not in the engine",
            ),
            (
                json!({"payload": {"a": 1}, "vector": {"d": [1.0, 2.0], "e": [1.0]}}),
                "point 7: its vector \"e\" is in the engine and not in the files",
            ),
        ] {
            assert_eq!(compare_point(&found, &said), Err(words.to_owned()));
        }
    }
}
