//! One place where a rule does not hold.

use std::fmt;

/// A broken rule: where, which, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    rule: &'static str,
    message: String,
}

impl Finding {
    /// Describes a finding at `line` (counted from 1) of `path` (relative to the root, with `/`).
    pub(crate) fn new(path: &str, line: usize, rule: &'static str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule, message: message.into() }
    }

    /// Describes a finding about a whole file, or about one that is not there.
    pub(crate) fn of_file(path: &str, rule: &'static str, message: impl Into<String>) -> Self {
        Self::new(path, 1, rule, message)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.message)
    }
}
