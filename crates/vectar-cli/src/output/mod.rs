//! The one module that prints: data to stdout, everything else to stderr.
//!
//! Names in a snapshot are somebody else's text: whatever is printed as text goes through [`plain`], so that no name moves the cursor
//! or forges a line.

mod file;
pub(crate) mod json;
pub(crate) mod progress;
pub(crate) mod record;
pub(crate) mod size;
pub(crate) mod table;
pub(crate) mod time;

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
};

use serde::Serialize;
use tracing_subscriber::EnvFilter;

pub(crate) use file::{Existing, write_readable};
pub(crate) use progress::Progress;
pub(crate) use size::{counted, size, size_long};
pub(crate) use table::{Align, Table};
pub(crate) use time::{age, utc};

use crate::{error::CliError, exit_code::ExitCode};

/// stdout and stderr, and how much to say.
#[derive(Debug)]
pub(crate) struct Out {
    json: bool,
    quiet: bool,
}

impl Out {
    /// `json` prints JSON Lines on stdout; `quiet` keeps notes off stderr.
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Whether stdout takes JSON Lines.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether notes and progress are unwanted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether a person reads stdout.
    pub(crate) fn stdout_is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Prints a line of data.
    pub(crate) fn line(&self, line: impl Display) -> Result<(), CliError> {
        stdout_line(plain(&line.to_string()))
    }

    /// Prints one JSON object on a line of its own, with `"v":1` and its type before the fields of `value`.
    pub(crate) fn json(&self, kind: &str, value: &impl Serialize) -> Result<(), CliError> {
        stdout_line(json::line(kind, value))
    }

    /// stdout for bytes.
    pub(crate) fn bytes(&self) -> io::Stdout {
        io::stdout()
    }

    /// Tells the person at the terminal something that is no data.
    pub(crate) fn note(&self, note: impl Display) {
        if !self.quiet {
            stderr(&plain(&note.to_string()));
        }
    }

    /// Tells of something that is wrong but stops nothing.
    pub(crate) fn warn(&self, warning: impl Display) {
        stderr(&format!("warning: {}", plain(&warning.to_string())));
    }

    /// Prints an error.
    pub(crate) fn error(&self, error: &CliError) {
        // The reader of stdout has gone away, as `head` does: it knows.
        if error.message != STDOUT_CLOSED {
            stderr(plain(&error.text()).trim_end_matches('\n'));
        }
    }
}

const STDOUT_CLOSED: &str = "stdout was closed";

pub(crate) fn stdout_failed(error: io::Error) -> CliError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => CliError::new(ExitCode::Failed, STDOUT_CLOSED),
        _ => CliError::new(ExitCode::Failed, "cannot write to stdout").cause(error),
    }
}

/// Writes a line in one piece: a reader sees all of it or nothing, and ten thousand lines are as many calls.
fn stdout_line(mut line: String) -> Result<(), CliError> {
    line.push('\n');
    io::stdout().lock().write_all(line.as_bytes()).map_err(stdout_failed)
}

/// Writes a line to stderr. When even that fails there is nobody left to tell.
fn stderr(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text with its control characters, line feeds and tabs aside, spelled out.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => plain.push(character),
            character if character.is_control() => plain.extend(character.escape_default()),
            // Marks that reorder what is around them can make one name look like another.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => plain.extend(character.escape_default()),
            character => plain.push(character),
        }
    }
    plain
}

/// As [`plain`], on one line: for a name or a value inside a line.
pub(crate) fn plain_word(text: &str) -> String {
    plain(text).replace('\n', "\\n").replace('\t', "\\t")
}

/// Sends what the libraries log to stderr: warnings, with `-v` what they do, with `-vv` everything. `VECTAR_LOG` overrides it.
pub(crate) fn start_log(quiet: bool, verbose: u8) {
    let level = match (quiet, verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info",
        (false, _) => "debug",
    };
    let filter = EnvFilter::try_from_env("VECTAR_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false);
    log.without_time().with_target(false).init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_move_the_cursor() {
        assert_eq!(plain("a\u{1b}[2Jb\rc\u{202e}"), "a\\u{1b}[2Jb\\rc\\u{202e}");
        assert_eq!(plain_word("two\nlines"), "two\\nlines");
        assert_eq!(plain("größe\n"), "größe\n");
    }
}
