//! Differences between two JSON values, leaf by leaf.

use std::collections::BTreeSet;

use serde_json::Value;

/// One leaf that differs: a scalar, a list of scalars, or something empty.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueChange {
    /// Where, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What stood there; `None` where nothing did.
    pub old: Option<Value>,
    /// What stands there now; `None` where nothing does.
    pub new: Option<Value>,
}

/// Every leaf that is not the same in both, in the order of the pointers. The depth of JSON that was parsed bounds the recursion.
#[must_use]
pub fn value_changes(old: Option<&Value>, new: Option<&Value>) -> Vec<ValueChange> {
    let mut changes = Vec::new();
    compare(String::new(), old, new, &mut changes);
    changes
}

fn compare(pointer: String, old: Option<&Value>, new: Option<&Value>, into: &mut Vec<ValueChange>) {
    if old == new {
        return;
    }
    match (old, new) {
        (Some(Value::Object(_)) | None, Some(Value::Object(_)) | None) if has_parts(old) || has_parts(new) => {
            let names = |value: Option<&Value>| value.and_then(Value::as_object).cloned().unwrap_or_default();
            let all: BTreeSet<String> = names(old).into_iter().chain(names(new)).map(|(name, _)| name).collect();
            for name in all {
                let below = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                compare(below, old.and_then(|old| old.get(&name)), new.and_then(|new| new.get(&name)), into);
            }
        }
        (Some(Value::Array(_)) | None, Some(Value::Array(_)) | None) if has_parts(old) || has_parts(new) => {
            let len = |value: Option<&Value>| value.and_then(Value::as_array).map_or(0, Vec::len);
            for number in 0..len(old).max(len(new)) {
                let below = format!("{pointer}/{number}");
                compare(below, old.and_then(|old| old.get(number)), new.and_then(|new| new.get(number)), into);
            }
        }
        _ => into.push(ValueChange { pointer, old: old.cloned(), new: new.cloned() }),
    }
}

/// Whether a value has leaves of its own below it. A list of scalars is one leaf.
fn has_parts(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Object(members)) => !members.is_empty(),
        Some(Value::Array(items)) => items.iter().any(|item| item.is_object() || item.is_array()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(old: Value, new: Value, expected: &[&str]) {
        let text = |value: Option<&Value>| value.map_or_else(|| "-".to_owned(), Value::to_string);
        let changes = value_changes(Some(&old), Some(&new));
        let lines: Vec<String> = changes
            .iter()
            .map(|change| format!("{} {} {}", change.pointer, text(change.old.as_ref()), text(change.new.as_ref())))
            .collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn leaves_are_named_by_pointers() {
        check(json!({"a": 1}), json!({"a": 1}), &[]);
        check(json!({"a": 1, "b": {"c": 2}}), json!({"a": 2, "b": {"c": 2}}), &["/a 1 2"]);
        check(json!({"a": {"b": 1, "c": {"d": 2}}}), json!({}), &["/a/b 1 -", "/a/c/d 2 -"]);
        check(json!({"a": null}), json!({}), &["/a null -"]);
        check(json!({"x/y~z": 1}), json!({"x/y~z": 2}), &["/x~1y~0z 1 2"]);
        check(json!({"a": [1, 2]}), json!({"a": [1, 3]}), &["/a [1,2] [1,3]"]);
        check(json!([{"k": 1}]), json!([{"k": 1}, {"k": 2}]), &["/1/k - 2"]);
        check(json!({"a": {"b": 1}}), json!({"a": 7}), &["/a {\"b\":1} 7"]);
        check(json!({"a": {}}), json!({"a": {"b": 1}}), &["/a/b - 1"]);
        check(json!({"a": {}}), json!({}), &["/a {} -"]);
        check(json!({"a": []}), json!({"a": [{"b": 1}]}), &["/a/0/b - 1"]);
        check(json!({"a": [1]}), json!({"a": {"b": 1}}), &["/a [1] {\"b\":1}"]);
    }
}
