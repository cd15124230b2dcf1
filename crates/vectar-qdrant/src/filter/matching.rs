//! `match`: equality, sets of values, prefixes, parts and words of texts.
//!
//! Without an index (`qdrant v1.19.0 lib/segment/src/payload_storage/condition_checker.rs`): types are never converted, so
//! the integer 1 does not equal the payload `1.0` or `"1"`, and an integer beyond `i64` equals nothing. `except` is true of
//! every value of another type but null.

use std::collections::HashSet;

use serde_json::Value;

use super::rules::Rules;
use super::text::{TextQuery, Tokenizer};
use super::uuid::parse_uuid;

#[derive(Clone, Debug)]
pub(super) enum Match {
    Text(TextMatch),
    Equals(OneOf),
    Bool(bool),
    Any(OneOf),
    Except(OneOf),
    Prefix(String),
    Part(String),
}

/// What `any` and `except` list, or the one thing that `value` says. An empty list is a list of texts.
#[derive(Clone, Debug)]
pub(super) enum OneOf {
    Integers(HashSet<i64>),
    Texts {
        texts: HashSet<String>,
        /// The same as UUIDs, when all of them are.
        uuids: Option<HashSet<[u8; 16]>>,
    },
}

impl OneOf {
    pub(super) fn texts(texts: HashSet<String>) -> Self {
        let uuids = texts.iter().map(|text| parse_uuid(text)).collect();
        Self::Texts { texts, uuids }
    }
}

/// A search for words.
#[derive(Clone, Debug)]
pub(super) struct TextMatch {
    pub(super) kind: TextKind,
    pub(super) text: String,
    /// The words of the text where no index says how to cut it.
    plain_words: TextQuery,
}

/// Which of the words must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextKind {
    /// All, in any order.
    All,
    /// At least one.
    Any,
    /// All, one behind the other.
    Phrase,
}

impl TextMatch {
    pub(super) fn new(kind: TextKind, text: String) -> Self {
        let plain_words = Tokenizer::default().query(kind, &text);
        Self { kind, text, plain_words }
    }

    fn holds_without_index(&self, stored: &str, rules: &Rules) -> bool {
        if rules.words_without_index {
            return Tokenizer::default().holds(&self.plain_words, [stored].into_iter());
        }
        match self.kind {
            TextKind::All | TextKind::Phrase => stored.contains(&self.text),
            TextKind::Any => self.text.split_whitespace().any(|word| stored.contains(word)),
        }
    }
}

impl Match {
    /// Without an index, of one value that is not taken apart any more.
    pub(super) fn holds(&self, value: &Value, rules: &Rules) -> bool {
        match (self, value) {
            (Self::Bool(expected), Value::Bool(stored)) => expected == stored,
            (Self::Text(text), Value::String(stored)) => text.holds_without_index(stored, rules),
            (Self::Prefix(prefix), Value::String(stored)) => stored.starts_with(prefix),
            (Self::Part(part), Value::String(stored)) => stored.contains(part),
            (Self::Equals(one) | Self::Any(one), value) => one.holds(value).unwrap_or(false),
            (Self::Except(one), value) => !value.is_null() && !one.holds(value).unwrap_or(false),
            _ => false,
        }
    }
}

impl OneOf {
    /// Whether a value is listed; `None` when it is of another type than the list.
    fn holds(&self, value: &Value) -> Option<bool> {
        match (self, value) {
            (Self::Texts { texts, .. }, Value::String(stored)) => Some(texts.contains(stored)),
            (Self::Integers(integers), Value::Number(stored)) => Some(integers.contains(&stored.as_i64()?)),
            _ => None,
        }
    }
}
