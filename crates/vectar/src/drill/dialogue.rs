//! Questions to Qdrant's own engine about one shard, and its answers: one JSON object a line.

use std::{ffi::OsString, fmt, io, path::Path};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    process::{Patience, Program, Running, Silence},
    program::is_full,
};

/// The other side of the dialogue. It is handed over as an argument: no file of ours lies about.
const SCRIPT: &str = include_str!("drill_shard.py");

/// Shown of an answer that is none.
const GARBLED_CHARS_MAX: usize = 200;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Wrong {
    /// The interpreter does not start.
    Start(io::Error),
    /// It has no such package.
    NoPackage(String),
    /// The engine refuses, in its own words.
    Refused(String),
    /// The engine ran out of room.
    NoSpace(String),
    /// It said something else than an answer.
    Garbled(String),
    /// It said nothing.
    Silence(Silence),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => write!(f, "it does not start: {error}"),
            Self::NoPackage(said) | Self::Refused(said) | Self::NoSpace(said) => f.write_str(said),
            Self::Garbled(said) => write!(f, "it answered {said:?}"),
            Self::Silence(Silence::Cancelled) => f.write_str("stopped before it was done"),
            Self::Silence(Silence::TimedOut) => f.write_str("it took too long"),
            Self::Silence(Silence::Endless) => f.write_str("it answered with a line that is too long"),
            Self::Silence(Silence::Ended { how, said, .. }) => {
                let how = if how.is_empty() { "it ended" } else { how };
                match said.lines().rfind(|line| !line.trim().is_empty()) {
                    Some(last) => write!(f, "{how}: {}", last.trim()),
                    None => f.write_str(how),
                }
            }
        }
    }
}

/// An engine that runs and answers.
#[derive(Debug)]
pub(super) struct Dialogue {
    running: Running,
}

impl Dialogue {
    /// Starts an interpreter that works in `directory`, and returns what it says of itself.
    pub(super) fn begin(interpreter: &Path, directory: &Path, patience: Patience<'_>) -> Result<(Self, Value), Wrong> {
        let program = Program {
            path: interpreter,
            // Isolated: no package of the user, of the working directory or of a variable comes before the environment's own.
            arguments: ["-I", "-B", "-X", "utf8", "-c", SCRIPT].map(OsString::from).to_vec(),
            variables: vec![
                ("HOME".into(), directory.as_os_str().to_owned()),
                ("TMPDIR".into(), directory.as_os_str().to_owned()),
                ("LC_ALL".into(), "C.UTF-8".into()),
                ("RUST_BACKTRACE".into(), "0".into()),
            ],
            directory,
        };
        let mut dialogue = Self { running: Running::start(&program).map_err(Wrong::Start)? };
        let greeting = dialogue.hear(patience)?;
        Ok((dialogue, greeting))
    }

    /// Has the engine unpack and load a shard snapshot below `folder`; returns how many points it counts.
    pub(super) fn load(&mut self, snapshot: &Path, folder: &Path, patience: Patience<'_>) -> Result<u64, Wrong> {
        let question = json!({
            "do": "load", "snapshot": snapshot.to_string_lossy(), "folder": folder.to_string_lossy(),
        });
        member(&self.ask(&question, patience)?, "count")
    }

    /// How many ids it lists, and SHA-256 over them in scroll order, each with an end of line.
    pub(super) fn ids(&mut self, patience: Patience<'_>) -> Result<(u64, String), Wrong> {
        let answer = self.ask(&json!({ "do": "ids" }), patience)?;
        Ok((member(&answer, "count")?, member(&answer, "sha256")?))
    }

    /// The points of these ids, in no order: `id`, `payload`, `vector`.
    pub(super) fn points(&mut self, ids: &[Value], patience: Patience<'_>) -> Result<Vec<Value>, Wrong> {
        member(&self.ask(&json!({ "do": "points", "ids": ids }), patience)?, "points")
    }

    /// Ids and scores of what is nearest, best first.
    pub(super) fn search(&mut self, question: &Value, patience: Patience<'_>) -> Result<Vec<(Value, f64)>, Wrong> {
        member(&self.ask(question, patience)?, "hits")
    }

    /// Has the engine close the shard, and waits for its end.
    pub(super) fn close(mut self, patience: Patience<'_>) -> Result<(), Wrong> {
        self.ask(&json!({ "do": "close" }), patience)?;
        self.running.finish(patience).map_err(Wrong::Silence)
    }

    fn ask(&mut self, question: &Value, patience: Patience<'_>) -> Result<Value, Wrong> {
        self.running.tell(&question.to_string());
        self.hear(patience)
    }

    fn hear(&mut self, patience: Patience<'_>) -> Result<Value, Wrong> {
        let line = self.running.hear(patience).map_err(|silence| match silence {
            Silence::Ended { said, .. } if is_full(&said) => Wrong::NoSpace(said),
            other => Wrong::Silence(other),
        })?;
        let answer: Value = serde_json::from_slice(&line).map_err(|_| garbled(&String::from_utf8_lossy(&line)))?;
        let Some(error) = answer.get("error").and_then(Value::as_str) else { return Ok(answer) };
        let error = error.to_owned();
        Err(match answer["kind"].as_str() {
            Some("no-package") => Wrong::NoPackage(error),
            Some("no-space") => Wrong::NoSpace(error),
            _ => Wrong::Refused(error),
        })
    }
}

fn member<T: DeserializeOwned>(answer: &Value, name: &str) -> Result<T, Wrong> {
    let value = answer.get(name).cloned().unwrap_or_default();
    serde_json::from_value(value).map_err(|_| garbled(&answer.to_string()))
}

fn garbled(text: &str) -> Wrong {
    Wrong::Garbled(text.chars().take(GARBLED_CHARS_MAX).collect())
}
