//! Questions to the engine about a snapshot: which points match, and does it load.
//!
//! Engines disagree about some filters on the same snapshot, seen on generated ones:
//!
//! | condition | up to | from | where |
//! |---|---|---|---|
//! | `values_count` on an absent field | 0.7.2 (1.18): never true | 0.8.0 (1.19): counts 0 | indexed or not |
//! | `is_null` on an array that holds a null | 0.8.0 (1.19): false | 0.9.0 (1.20): true | without an index; with one always true |
//! | match text, text_any, phrase | 0.8.0 (1.19): part of the text, letter by letter | 0.9.0 (1.20): lower-case words | without a text index |
//!
//! And one engine answers otherwise about an indexed field than about the same one without an index: phrases on a text
//! index without phrase matching match nothing; `except` on a keyword index passes over values that are no keywords;
//! a geo index misses some points in boxes across the 180th meridian.

#![expect(clippy::disallowed_methods, reason = "questions are handed over in a temporary file")]

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::workshop::{output, python, run};

/// What the engine answered to a filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The ids of the matching points in scroll order: JSON numbers, and UUIDs as strings.
    Ids(Vec<Value>),
    /// Why there is no answer: the engine refuses the filter, or this version does not know a condition in it.
    Refused(String),
}

impl Answer {
    fn parse(line: &str) -> Self {
        let answer: Value = serde_json::from_str(line).expect("the script answers in JSON");
        match (&answer["ids"], &answer["error"]) {
            (Value::Array(ids), _) => Self::Ids(ids.clone()),
            (_, Value::String(error)) => Self::Refused(error.clone()),
            _ => panic!("the script answered {line}"),
        }
    }
}

/// Returns this version's answers to filters in Qdrant's REST JSON, in their order, about a shard snapshot or the folder
/// of a shard. `None`, with the reason printed, where the version cannot be had.
///
/// # Panics
///
/// When the engine cannot open the shard.
pub fn answer(version: &str, shard: &Path, filters: &[Value]) -> Option<Vec<Answer>> {
    let python = python(version)?;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let questions = folder.path().join("filters.jsonl");
    let lines: String = filters.iter().map(|filter| format!("{filter}\n")).collect();
    fs::write(&questions, lines).expect("a temporary file can be written");
    let printed = run(&python, "answer_filters.py", &[&shard.to_string_lossy(), &questions.to_string_lossy()]);
    let answers: Vec<Answer> = printed.lines().map(Answer::parse).collect();
    assert_eq!(answers.len(), filters.len(), "one answer for each filter");
    Some(answers)
}

/// Which points [`load`] brings back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wanted<'a> {
    /// These, in this order; absent ones are left out.
    Ids(&'a [Value]),
    /// All, in scroll order.
    All,
}

/// What the engine found in a snapshot that it unpacked and loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The exact count.
    pub count: u64,
    /// SHA-256 over the ids in scroll order, one a line.
    pub ids_sha256: String,
    /// The points asked for: `id`, `payload`, `vector`.
    pub points: Vec<Value>,
}

/// Unpacks a shard snapshot with the engine's `unpack_snapshot`, loads it, and says what is in it; `Err` has the
/// engine's words when it refuses. `None`, with the reason printed, where the version cannot be had.
///
/// # Panics
///
/// When the script prints something else than its answer.
pub fn load(version: &str, snapshot: &Path, wanted: Wanted<'_>) -> Option<Result<Loaded, String>> {
    let python = python(version)?;
    let wanted = match wanted {
        Wanted::Ids(ids) => json!(ids),
        Wanted::All => json!("all"),
    };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let question = folder.path().join("wanted.json");
    fs::write(&question, wanted.to_string()).expect("a temporary file can be written");
    let output = output(&python, "load_restored.py", &[&snapshot.to_string_lossy(), &question.to_string_lossy()]);
    if !output.status.success() {
        return Some(Err(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let answer: Value = serde_json::from_slice(&output.stdout).expect("the script answers in JSON");
    Some(Ok(Loaded {
        count: answer["count"].as_u64().expect("the count is a number"),
        ids_sha256: answer["ids_sha256"].as_str().expect("the digest is text").to_owned(),
        points: answer["points"].as_array().expect("the points are a list").clone(),
    }))
}
