//! Commands that call cargo, built so that they can be shown to a person who wants to repeat them.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};

/// One call of cargo: its arguments and the environment variables it adds.
#[derive(Clone, Debug)]
pub(crate) struct Cargo {
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, String)>,
}

impl Cargo {
    /// Starts the call of one cargo sub-command.
    pub(crate) fn new(subcommand: &str) -> Self {
        Self { arguments: vec![subcommand.into()], environment: Vec::new() }
    }

    /// Adds one argument.
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments in their order.
    pub(crate) fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        for argument in arguments {
            self = self.arg(argument);
        }
        self
    }

    /// Sets an environment variable of the call; it becomes part of the text that repeats it.
    pub(crate) fn env(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// Returns the command line as a person types it in the workspace root.
    pub(crate) fn shown(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        for (name, value) in &self.environment {
            words.push(format!("{name}={}", quoted(value)));
        }
        words.push("cargo".to_owned());
        words.extend(self.arguments.iter().map(|a| quoted(&a.to_string_lossy())));
        words.join(" ")
    }

    /// Returns the process to start, in `root`, free of what `cargo run` exported for xtask itself.
    pub(crate) fn process(&self, root: &Path) -> Command {
        let mut process = Command::new("cargo");
        process.current_dir(root).args(&self.arguments);
        for (name, _) in std::env::vars_os() {
            // These describe the package xtask; a build script that asks to be rerun when one changes would
            // otherwise be rebuilt on each change between `cargo xtask ci` and a plain `cargo test`.
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                process.env_remove(&name);
            }
        }
        if std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
            // Output that passes through our pipe would otherwise lose its colours.
            process.env("CARGO_TERM_COLOR", "always");
        }
        process.envs(self.environment.iter().map(|(name, value)| (name, value)));
        process
    }

    /// Runs the call with our own terminal as its terminal and hands its exit code on.
    ///
    /// # Errors
    ///
    /// When cargo cannot be started.
    pub(crate) fn pass_through(&self, root: &Path) -> Result<ExitCode> {
        let status = self.process(root).status().with_context(|| format!("cannot start `{}`", self.shown()))?;
        // A code outside one byte, or none at all after a signal, is a plain failure.
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        Ok(ExitCode::from(code.unwrap_or(1)))
    }

    /// Tells whether the call ends well; its output goes nowhere. Meant for `--version` of tools that may be absent.
    pub(crate) fn succeeds(&self, root: &Path) -> bool {
        self.process(root)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

/// Quotes a word for a POSIX shell when it needs that.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_command_can_be_pasted_into_a_shell() {
        let call = Cargo::new("doc").args(["--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(call.shown(), "RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
