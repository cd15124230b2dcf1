//! `generate systemd` and `generate cronjob`: what runs vectar again and again, in the words of what runs it.
//!
//! There is no daemon. Each job is a process of its own that ends; clients of one repository need no lock, and a job that runs longer than its
//! interval is not begun a second time. Jobs use what was in use when they were generated: the profile, with the repository that it pins, and
//! the limits on threads and memory.

mod cronjob;
mod job;
mod systemd;

pub(crate) use cronjob::{CronJobArgs, run as run_cronjob};
pub(crate) use systemd::{SystemdArgs, run as run_systemd};

use crate::context::Context;

/// The options before every command: the profile in the file where the job finds it, and what bounds its share of the machine.
fn global_options(profile: Option<(&str, &str)>, context: &Context<'_>) -> Vec<String> {
    let options = context.engine_options();
    let mut words = Vec::new();
    if let Some((name, file)) = profile {
        words.extend([format!("--config={file}"), format!("--profile={name}")]);
    }
    words.extend((options.threads > 0).then(|| format!("--threads={}", options.threads)));
    words.extend(options.memory_bytes.map(|bytes| format!("--memory={bytes}")));
    words
}
