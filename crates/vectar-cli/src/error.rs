//! The error as people see it: what happened, to what, what is safe, what now.

use std::fmt::Display;

use vectar::QdrantErrorKind;

use crate::{advice, exit_code::ExitCode};

/// An error on its way to the terminal.
#[derive(Debug)]
pub(crate) struct CliError {
    /// What the process ends with.
    pub(crate) exit_code: ExitCode,
    /// What happened, in one line.
    pub(crate) message: String,
    /// To which object, where, why: one line each, outermost first.
    pub(crate) causes: Vec<String>,
    /// What is still as it was.
    pub(crate) safe: Option<String>,
    /// What to do now. A command in it stands in double quotes and begins with `vectar `; the tests run each of them.
    pub(crate) hints: Vec<String>,
}

impl CliError {
    /// An error of the command line itself.
    pub(crate) fn new(exit_code: ExitCode, message: impl Display) -> Self {
        Self { exit_code, message: message.to_string(), causes: Vec::new(), safe: None, hints: Vec::new() }
    }

    /// Puts what was being done above what happened: `cannot restore backup 7f3a91c2`.
    #[must_use]
    pub(crate) fn context(mut self, message: impl Display) -> Self {
        let below = std::mem::replace(&mut self.message, message.to_string());
        self.causes.insert(0, below);
        self
    }

    /// Adds a line that says to what it happened, or why.
    #[must_use]
    pub(crate) fn cause(mut self, cause: impl Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Says what is as it was before; replaces what was said about it.
    #[must_use]
    pub(crate) fn safe(mut self, safe: impl Display) -> Self {
        self.safe = Some(safe.to_string());
        self
    }

    /// Adds what to do now.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// Says what to do now; replaces what was said about it.
    #[must_use]
    pub(crate) fn hints(mut self, hints: impl IntoIterator<Item = String>) -> Self {
        self.hints = hints.into_iter().collect();
        self
    }

    /// The whole text, as it goes to stderr: ends with a newline.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("error: {}\n", self.message);
        for line in self.causes.iter().chain(&self.safe) {
            text.push_str(&format!("  {line}\n"));
        }
        if !self.hints.is_empty() {
            text.push('\n');
        }
        for hint in &self.hints {
            text.push_str(&format!("hint: {hint}\n"));
        }
        text
    }
}

impl From<vectar::Error> for CliError {
    fn from(error: vectar::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&vectar::Error> for CliError {
    fn from(error: &vectar::Error) -> Self {
        let advice = advice::on(error);
        let mut causes = Vec::new();
        let mut below = std::error::Error::source(error);
        while let Some(cause) = below {
            causes.push(cause.to_string());
            below = cause.source();
        }
        causes.extend(advice.objects);
        let exit_code = match error {
            vectar::Error::OptionInvalid { .. } => ExitCode::Usage,
            vectar::Error::FilterInvalid { source } if source.kind() == QdrantErrorKind::FixInput => ExitCode::Usage,
            vectar::Error::PartDamaged { .. } => ExitCode::Damage,
            vectar::Error::PartUnclear { .. } => ExitCode::Usage,
            _ => error.kind().into(),
        };
        let message = advice.message.unwrap_or_else(|| error.to_string());
        Self { exit_code, message, causes, safe: advice.safe, hints: advice.hints }
    }
}

impl From<vectar::RepositoryError> for CliError {
    fn from(error: vectar::RepositoryError) -> Self {
        vectar::Error::from(error).into()
    }
}
