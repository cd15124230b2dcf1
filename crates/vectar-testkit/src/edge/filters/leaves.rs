//! The values inside a payload and the paths by which a filter names them.

use serde_json::Value;

/// A value and a path to it as Qdrant spells paths: `a.b`, `a[].b`, `a[0]`, `"a.b"`.
#[derive(Debug, Clone)]
pub(super) struct Leaf<'p> {
    /// With `[]` for every array on the way.
    pub(super) wild: String,
    /// With the index of every array element on the way.
    pub(super) exact: String,
    pub(super) value: &'p Value,
}

/// Returns every value in a payload, objects and arrays too, but not the payload itself.
pub(super) fn leaves(payload: &Value) -> Vec<Leaf<'_>> {
    let mut found = Vec::new();
    if let Value::Object(fields) = payload {
        for (key, value) in fields {
            if let Some(spelled) = spelled(key) {
                descend(&Leaf { wild: spelled.clone(), exact: spelled, value }, &mut found);
            }
        }
    }
    found
}

/// The payloads are made by this crate and not deep, so recursion is bounded.
fn descend<'p>(leaf: &Leaf<'p>, found: &mut Vec<Leaf<'p>>) {
    found.push(leaf.clone());
    match leaf.value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let Some(key) = spelled(key) else { continue };
                let (wild, exact) = (format!("{}.{key}", leaf.wild), format!("{}.{key}", leaf.exact));
                descend(&Leaf { wild, exact, value }, found);
            }
        }
        Value::Array(elements) => {
            for (index, value) in elements.iter().enumerate() {
                let (wild, exact) = (format!("{}[]", leaf.wild), format!("{}[{index}]", leaf.exact));
                descend(&Leaf { wild, exact, value }, found);
            }
        }
        _ => {}
    }
}

/// Spells one key of a path; `None` for a key with a quote, which no path can name.
fn spelled(key: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if key.contains('"') {
        return None;
    }
    Some(if !key.is_empty() && key.chars().all(plain) { key.to_owned() } else { format!("\"{key}\"") })
}
