//! Some members of a JSON object, without building the others.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

/// Parses a JSON object and keeps the members of these names; of two of one name the last, as `serde_json` does. The others must be JSON
/// too, but how deep they nest and how large their numbers are is not looked at.
pub(super) fn parse(text: &[u8], keys: &BTreeSet<String>) -> serde_json::Result<Map<String, Value>> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let members = deserializer.deserialize_map(Members(keys))?;
    deserializer.end()?;
    Ok(members)
}

struct Members<'k>(&'k BTreeSet<String>);

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Map::new();
        while let Some(wanted) = map.next_key_seed(Wanted(self.0))? {
            match wanted {
                Some(key) => drop(members.insert(key.clone(), map.next_value()?)),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(members)
    }
}

/// Reads a name and tells whether it is wanted, without making a text of it.
struct Wanted<'k>(&'k BTreeSet<String>);

impl<'de, 'k> DeserializeSeed<'de> for Wanted<'k> {
    type Value = Option<&'k String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'k> Visitor<'_> for Wanted<'k> {
    type Value = Option<&'k String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.get(name))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn wanted_members_are_those_of_the_whole_object() {
        let text = r#"{"a":{"b":[1,2.5e3]},"x":"\u017e\"}","A":null,"žá":[[]],"a":7,"":{}}"#;
        let whole: Map<String, Value> = serde_json::from_str(text).unwrap();
        for names in [&[][..], &["a"], &["žá", "", "missing"], &["a", "x", "A", "žá", ""]] {
            let expected: Map<String, Value> = whole
                .iter()
                .filter(|(name, _)| names.contains(&name.as_str()))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            assert_eq!(parse(text.as_bytes(), &keys(names)).unwrap(), expected, "{names:?}");
        }
        // A name that is written with an escape is the same name.
        assert_eq!(parse(br#"{"\u0061":1}"#, &keys(&["a"])).unwrap()["a"], 1);
    }

    #[test]
    fn what_is_no_object_is_refused_whatever_is_wanted() {
        for text in ["", "[]", "7", "{", r#"{"a":}"#, r#"{"a":1}x"#, r#"{"a" 1}"#, "{\"a\":\"\u{0}\"}"] {
            parse(text.as_bytes(), &keys(&[])).unwrap_err();
            parse(text.as_bytes(), &keys(&["a"])).unwrap_err();
        }
        parse(b"{\"\xff\":1}", &keys(&[])).unwrap_err();
    }

    proptest! {
        #[test]
        fn no_bytes_panic(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse(&text, &keys(&["a"]));
            let _ = parse(&[b"{\"a\":", text.as_slice()].concat(), &keys(&["a"]));
        }
    }
}
