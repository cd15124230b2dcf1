//! Where in a payload a condition looks: `a.b`, `a[].b`, `a[0]`, `"with dots.and spaces".c`.
//!
//! The grammar (`qdrant v1.19.0 lib/segment/src/json_path/parse.rs`): a key, then any number of `.key`, `[number]`, `[]`.
//! A key is letters, digits, `_` and `-` of any alphabet, or anything but `"` and `\` between quotes; there are no escapes.
//! Looking up (`json_path/mod.rs`, `value_get`): a key looks into an object only, an index and `[]` into an array only; what
//! does not fit gives no value. `[]` is not implied: `a.b` finds nothing where `a` is an array.

use serde_json::{Map, Value};

/// A payload key of a condition, or of an indexed field; equal when they mean the same place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PayloadPath {
    first: String,
    rest: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
    Every,
}

/// The values a path found. Nearly always at most one, and then nothing is allocated; otherwise as many as the payload has
/// array elements on the way.
#[derive(Debug, Default)]
pub(super) struct Values<'p> {
    first: Option<&'p Value>,
    rest: Vec<&'p Value>,
}

impl<'p> Values<'p> {
    fn push(&mut self, value: &'p Value) {
        if self.first.is_none() {
            self.first = Some(value);
        } else {
            self.rest.push(value);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'p Value> {
        self.first.into_iter().chain(self.rest.iter().copied())
    }

    /// The values an index of a field stores: arrays taken apart, one level of them.
    pub(super) fn flat(&self) -> impl Iterator<Item = &'p Value> {
        self.iter().flat_map(elements)
    }
}

/// The elements of an array, or the value itself.
pub(super) fn elements(value: &Value) -> &[Value] {
    match value {
        Value::Array(elements) => elements,
        _ => std::slice::from_ref(value),
    }
}

impl PayloadPath {
    /// Reads a path; the error is what could not be read.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let unexpected = |rest: &str| match rest {
            "" => format!("{text:?} is no payload key, it ends too early"),
            rest => format!("{text:?} is no payload key, unexpected {rest:?}; quote keys that have other characters"),
        };
        let (first, mut rest) = key(text).ok_or_else(|| unexpected(text))?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, behind) = step(rest).ok_or_else(|| unexpected(rest))?;
            steps.push(step);
            rest = behind;
        }
        Ok(Self { first, rest: steps })
    }

    /// The same path with `[]` behind it, unless it is there: how a nested condition reads its key.
    pub(super) fn every_element(mut self) -> Self {
        if self.rest.last() != Some(&Step::Every) {
            self.rest.push(Step::Every);
        }
        self
    }

    /// What is left of this path below `prefix`; `None` when it is not below it, or begins with an index.
    pub(super) fn below(&self, prefix: &Self) -> Option<Self> {
        if self.first != prefix.first {
            return None;
        }
        match self.rest.strip_prefix(prefix.rest.as_slice())?.split_first()? {
            (Step::Key(first), rest) => Some(Self { first: first.clone(), rest: rest.to_vec() }),
            (Step::Index(_) | Step::Every, _) => None,
        }
    }

    /// The member of the payload in which everything lies that the path can find.
    pub(super) fn member(&self) -> &str {
        &self.first
    }

    /// Looks into a payload.
    pub(super) fn values<'p>(&self, payload: &'p Map<String, Value>) -> Values<'p> {
        let mut values = Values::default();
        if let Some(value) = payload.get(&self.first) {
            descend(&self.rest, value, &mut values);
        }
        values
    }
}

/// Goes as deep as the payload does, which the JSON parser bounded.
fn descend<'p>(steps: &[Step], value: &'p Value, values: &mut Values<'p>) {
    let Some((step, steps)) = steps.split_first() else {
        return values.push(value);
    };
    match (step, value) {
        (Step::Key(key), Value::Object(members)) => {
            if let Some(value) = members.get(key) {
                descend(steps, value, values);
            }
        }
        (Step::Index(index), Value::Array(elements)) => {
            if let Some(value) = elements.get(*index) {
                descend(steps, value, values);
            }
        }
        (Step::Every, Value::Array(elements)) => {
            for value in elements {
                descend(steps, value, values);
            }
        }
        _ => {}
    }
}

fn key(text: &str) -> Option<(String, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (key, rest) = quoted.split_once('"')?;
        return (!key.contains('\\')).then(|| (key.to_owned(), rest));
    }
    let is_plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let end = text.find(|c| !is_plain(c)).unwrap_or(text.len());
    (end > 0).then(|| (text[..end].to_owned(), &text[end..]))
}

fn step(text: &str) -> Option<(Step, &str)> {
    if let Some(text) = text.strip_prefix('.') {
        return key(text).map(|(key, rest)| (Step::Key(key), rest));
    }
    let (index, rest) = text.strip_prefix('[')?.split_once(']')?;
    if index.is_empty() {
        return Some((Step::Every, rest));
    }
    // `parse` alone would take a sign.
    let is_digits = index.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| index.parse().ok())?.map(|index| (Step::Index(index), rest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(path: &str) -> Vec<Value> {
        let payload = json!({
            "a": {"b": 1, "c.d": 2, "": 3},
            "list": [{"b": 10}, {"b": [11, 12]}, 13, [{"b": 14}]],
            "город": "here",
            "x-y_z": null,
        });
        let path = PayloadPath::parse(path).unwrap();
        path.values(payload.as_object().unwrap()).iter().cloned().collect()
    }

    #[test]
    fn paths_find_what_is_there_and_nothing_else() {
        assert_eq!(found("a.b"), [json!(1)]);
        assert_eq!(found("\"a\".\"b\""), [json!(1)]);
        assert_eq!(found("a.\"c.d\""), [json!(2)]);
        assert_eq!(found("a.\"\""), [json!(3)]);
        assert_eq!(found("a.c.d"), [] as [Value; 0]);
        assert_eq!(found("list[].b"), [json!(10), json!([11, 12])]);
        assert_eq!(found("list[1].b[0]"), [json!(11)]);
        assert_eq!(found("list[].b[]"), [json!(11), json!(12)]);
        assert_eq!(found("list[][].b"), [json!(14)]);
        assert_eq!(found("list.b"), [] as [Value; 0]);
        assert_eq!(found("list[007].b"), [] as [Value; 0]);
        assert_eq!(found("a[]"), [] as [Value; 0]);
        assert_eq!(found("list[9]"), [] as [Value; 0]);
        assert_eq!(found("город"), [json!("here")]);
        assert_eq!(found("x-y_z"), [Value::Null]);
    }

    #[test]
    fn other_texts_are_no_paths() {
        for text in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "a b",
            "[]",
            "[0].a",
            "a[",
            "a[-1]",
            "a[+1]",
            "a[1",
            "a]",
            "a[]b",
            "a[18446744073709551616]",
            "\"a",
            "\"a\"b",
            "\"a\\\"b\"",
            "a.[0]",
            "a[x]",
        ] {
            assert!(PayloadPath::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_below_another_is_what_a_nested_condition_says() {
        let path = |text| PayloadPath::parse(text).unwrap();
        assert_eq!(path("a[].b.c").below(&path("a[]")), Some(path("b.c")));
        assert_eq!(path("a.b").below(&path("a[]")), None);
        assert_eq!(path("a[]").below(&path("a[]")), None);
        assert_eq!(path("a[][0]").below(&path("a[]")), None);
        assert_eq!(path("b").below(&path("a")), None);
        assert_eq!(path("a").every_element(), path("a[]"));
        assert_eq!(path("a[]").every_element(), path("a[]"));
        assert_eq!(path("a[0]").every_element(), path("a[0][]"));
    }
}
