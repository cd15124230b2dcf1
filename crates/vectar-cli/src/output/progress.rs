//! How far an operation is, with rate and time left, for a person at a terminal.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};
use vectar::Observer;

/// A progress bar on stderr, or nothing when that is no terminal. It disappears when it is dropped.
#[derive(Debug)]
pub(crate) struct Progress(Option<ProgressBar>);

impl Progress {
    /// Starts a bar that is called `step`.
    pub(crate) fn new(step: &str) -> Self {
        if !io::stderr().is_terminal() {
            return Self::silent();
        }
        let bar = ProgressBar::no_length().with_message(super::plain_word(step));
        bar.set_style(spinner());
        Self(Some(bar))
    }

    /// Shows nothing.
    pub(crate) fn silent() -> Self {
        Self(None)
    }
}

impl Observer for Progress {
    fn progress(&self, done: u64, total: Option<u64>) {
        let Some(bar) = &self.0 else { return };
        if let Some(total) = total.filter(|&total| bar.length() != Some(total)) {
            bar.set_length(total);
            bar.set_style(known_length());
        }
        bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn known_length() -> ProgressStyle {
    template("{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} eta {eta}")
}

fn spinner() -> ProgressStyle {
    template("{msg} {spinner} {binary_bytes} {binary_bytes_per_sec}")
}

fn template(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates of this file are valid")
}
