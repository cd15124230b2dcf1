//! `generate systemd` and `generate cronjob`: what runs vectar again and again, in the words of what runs it.
//!
//! There is no daemon. Each job is a process of its own that ends; clients of one repository need no lock, and a job that runs longer than its
//! interval is not begun a second time.

mod cronjob;
mod job;
mod systemd;

pub(crate) use cronjob::{CronJobArgs, run as run_cronjob};
pub(crate) use systemd::{SystemdArgs, run as run_systemd};

use std::path::Path;

use crate::{error::CliError, exit_code::ExitCode};

/// Refuses a path that means something else in another directory, and text that breaks a line.
fn check_path(what: &str, path: &Path) -> Result<String, CliError> {
    let refuse = |why: &str| {
        Err(CliError::new(ExitCode::Usage, format_args!("{what} {:?} cannot be used", path.display().to_string()))
            .cause(why)
            .safe("nothing was written")
            .hint("write the whole path, beginning with /"))
    };
    match path.to_str() {
        None => refuse("it is no text"),
        Some(text) if text.chars().any(char::is_control) => refuse("it has a control character"),
        Some(text) if !text.starts_with('/') => refuse("it is relative: a unit has no directory to begin at"),
        Some(text) => Ok(text.to_owned()),
    }
}
