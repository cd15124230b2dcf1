//! Questions to Qdrant's own engine about one shard, and its answers: one JSON object a line.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fmt, io,
    path::Path,
    time::{Duration, Instant},
};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use vectar_qdrant::PointId;

use super::{
    process::{Patience, Program, Running, Silence},
    program::is_full,
};
use crate::observer::CancelToken;

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
pub(super) struct Dialogue<'c> {
    running: Running,
    /// So long it may still take for its answers. What we do between two questions is no time of the engine's.
    left: Duration,
    cancel: &'c CancelToken,
}

impl<'c> Dialogue<'c> {
    /// Starts an interpreter that works in `directory` and may take `time` for all its answers; returns what it says of itself.
    pub(super) fn begin(
        interpreter: &Path,
        directory: &Path,
        time: Duration,
        cancel: &'c CancelToken,
    ) -> Result<(Self, Value), Wrong> {
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
        let mut dialogue = Self { running: Running::start(&program).map_err(Wrong::Start)?, left: time, cancel };
        let greeting = dialogue.hear()?;
        Ok((dialogue, greeting))
    }

    /// Has the engine unpack and load a shard snapshot below `folder`; returns how many points it counts.
    pub(super) fn load(&mut self, snapshot: &Path, folder: &Path) -> Result<u64, Wrong> {
        let question = json!({
            "do": "load", "snapshot": snapshot.to_string_lossy(), "folder": folder.to_string_lossy(),
        });
        member(&self.ask(&question)?, "count")
    }

    /// How many ids it lists besides those, and SHA-256 over them in scroll order, each with an end of line.
    pub(super) fn ids(&mut self, besides: &BTreeSet<PointId>) -> Result<(u64, String), Wrong> {
        let answer = self.ask(&json!({ "do": "ids", "besides": besides }))?;
        Ok((member(&answer, "count")?, member(&answer, "sha256")?))
    }

    /// The points of these ids, in no order: `id`, `payload`, `vector`.
    pub(super) fn points(&mut self, ids: &[Value]) -> Result<Vec<Value>, Wrong> {
        member(&self.ask(&json!({ "do": "points", "ids": ids }))?, "points")
    }

    /// Ids and scores of what is nearest, best first; a score that is no number is `None`.
    pub(super) fn search(&mut self, question: &Value) -> Result<Vec<(Value, Option<f64>)>, Wrong> {
        member(&self.ask(question)?, "hits")
    }

    /// Has the engine close the shard, and waits for its end.
    pub(super) fn close(mut self) -> Result<(), Wrong> {
        self.ask(&json!({ "do": "close" }))?;
        let patience = self.patience();
        self.running.finish(patience).map_err(Wrong::Silence)
    }

    fn ask(&mut self, question: &Value) -> Result<Value, Wrong> {
        self.running.tell(&question.to_string());
        self.hear()
    }

    fn patience(&self) -> Patience<'c> {
        Patience { deadline: Instant::now() + self.left, cancel: self.cancel }
    }

    fn hear(&mut self) -> Result<Value, Wrong> {
        let waiting = Instant::now();
        let line = self.running.hear(self.patience());
        self.left = self.left.saturating_sub(waiting.elapsed());
        let line = line.map_err(|silence| match silence {
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

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, thread};

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a script that stands in for the interpreter")]
    fn only_the_time_that_the_engine_takes_is_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("engine");
        fs::write(&path, "#!/bin/sh\necho '{}'\nread a; echo '{\"hits\":[]}'\nread b; exec sleep 20\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let cancel = CancelToken::default();
        let begun = Dialogue::begin(&path, directory.path(), Duration::from_secs(20), &cancel);
        let (mut dialogue, _) = begun.unwrap();
        dialogue.left = Duration::from_secs(2);
        thread::sleep(Duration::from_millis(2100));
        assert_eq!(dialogue.search(&json!({})).unwrap(), []);
        assert!(dialogue.left < Duration::from_secs(2), "what it took is taken off");
        let unanswered = dialogue.search(&json!({}));
        assert!(matches!(unanswered, Err(Wrong::Silence(Silence::TimedOut))), "{unanswered:?}");
    }
}
