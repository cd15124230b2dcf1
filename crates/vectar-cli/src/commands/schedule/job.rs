//! The jobs, whatever runs them.

use clap::Args;

use crate::output::{size::parse_size, time::parse_age};

/// What the jobs are told. Values are kept as they were written, once the command that gets them would take them.
#[derive(Debug, Clone, Args)]
pub(super) struct JobArgs {
    /// The node these snapshots come from, as ingest records it
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    node: Option<String>,
    /// Store nothing when less than this might be left on the storage, such as 20GiB
    #[arg(long, value_name = "SIZE", value_parser = as_written(parse_size))]
    keep_free: Option<String>,
    /// Delete snapshot files that are stored and verified, but for the newest N of each collection
    #[arg(long, value_name = "N")]
    pub(super) keep_source: Option<usize>,
    /// Keep all backups that are not older than this: with --max-proof-age, the proofs it asks for, which go with their backups
    #[arg(long, value_name = "AGE", default_value = "8d", value_parser = as_written(parse_age))]
    keep_within: String,
    /// Keep the newest backup of each of the last N days
    #[arg(long, value_name = "N", default_value_t = 14)]
    keep_daily: usize,
    /// Keep the newest backup of each of the last N weeks
    #[arg(long, value_name = "N", default_value_t = 8)]
    keep_weekly: usize,
    /// Keep the newest backup of each of the last N months
    #[arg(long, value_name = "N", default_value_t = 12)]
    keep_monthly: usize,
    /// Fail when a newest good backup is older than this
    #[arg(long, value_name = "AGE", default_value = "26h", value_parser = as_written(parse_age))]
    max_age: String,
    /// Fail when a newest proof is older than this
    #[arg(long, value_name = "AGE", default_value = "8d", value_parser = as_written(parse_age))]
    max_proof_age: String,
    /// Begin no further drill after this time
    #[arg(long, value_name = "TIME", default_value = "2h", value_parser = as_written(parse_age))]
    drill_budget: String,
}

/// The text itself, when `parse` takes it.
fn as_written<T>(parse: fn(&str) -> Result<T, String>) -> impl Fn(&str) -> Result<String, String> + Clone {
    move |text| parse(text).map(|_| text.to_owned())
}

/// A name that stands on one line of a unit and means something.
pub(super) fn parse_name(text: &str) -> Result<String, String> {
    match text {
        _ if text.trim().is_empty() => Err("a name cannot be empty".to_owned()),
        _ if text.chars().any(char::is_control) => Err("it has a control character".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

/// Where a job finds and leaves things, as it sees them.
#[derive(Debug)]
pub(super) struct Places<'p> {
    /// Where Qdrant writes its snapshots.
    pub(super) snapshots: &'p str,
    /// Where drills leave their reports.
    pub(super) reports: &'p str,
    /// What can be had again; drills load shards below it.
    pub(super) cache: &'p str,
}

/// One job.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) name: &'static str,
    /// What it does, for people.
    pub(super) what: &'static str,
    /// The arguments of `vectar`.
    pub(super) arguments: Vec<String>,
    /// When, as systemd writes it.
    pub(super) calendar: &'static str,
    /// When, as cron writes it.
    pub(super) cron: &'static str,
    /// Whether it reads Qdrant's snapshot directory.
    pub(super) reads_snapshots: bool,
}

/// All jobs. `global` are the options that each of them gets.
pub(super) fn jobs(args: &JobArgs, places: &Places<'_>, global: &[String]) -> Vec<Job> {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<String>>();
    let job = |name, what, arguments: Vec<String>, (calendar, cron)| Job {
        name,
        what,
        arguments: global.iter().cloned().chain(arguments).collect(),
        calendar,
        cron,
        reads_snapshots: name == "ingest",
    };
    let mut ingest = words("ingest --quiet");
    // Whatever a name begins with, it is no option.
    ingest.extend(args.node.iter().map(|node| format!("--node={node}")));
    ingest.extend(args.keep_free.iter().map(|size| format!("--keep-free={size}")));
    if let Some(keep) = args.keep_source {
        ingest.extend(words(&format!("--delete-source --keep-source {keep}")));
    }
    ingest.extend(["--".to_owned(), places.snapshots.to_owned()]);
    let mut drill = words("drill --engine --quiet --budget");
    drill.push(args.drill_budget.clone());
    drill.extend(["--scratch", places.cache, "--report", places.reports].map(str::to_owned));
    let mut status = words("status --quiet --max-age");
    status.extend([args.max_age.clone(), "--max-proof-age".to_owned(), args.max_proof_age.clone()]);
    vec![
        job("ingest", "store finished Qdrant snapshots", ingest, ("*-*-* *:15:00", "15 * * * *")),
        job("forget", "let old backups go", args.forget(), ("*-*-* 04:15:00", "15 4 * * *")),
        job("prune", "free the space of what was let go", words("prune --quiet"), ("*-*-* 04:45:00", "45 4 * * *")),
        job(
            "check",
            "read a twentieth of the repository",
            words("check --quiet --read-data-subset 5%"),
            ("*-*-* 05:15:00", "15 5 * * *"),
        ),
        job("drill", "load backups with Qdrant's own engine", drill, ("Sun *-*-* 01:15:00", "15 1 * * 0")),
        job("status", "fail when a backup or a proof is too old", status, ("*-*-* *:45:00", "45 * * * *")),
    ]
}

impl JobArgs {
    /// `forget`, without `--yes`: what leaves in one night is a small part of what is kept. Of hourly snapshots those of eight days stay, and those
    /// of one day leave.
    fn forget(&self) -> Vec<String> {
        let counts = [("daily", self.keep_daily), ("weekly", self.keep_weekly), ("monthly", self.keep_monthly)];
        let mut words = ["forget", "--quiet", "--keep-within", &self.keep_within].map(str::to_owned).to_vec();
        words.extend(counts.into_iter().flat_map(|(every, count)| [format!("--keep-{every}"), count.to_string()]));
        words
    }
}

/// What people are told beside what is generated, where a first drill is begun so.
pub(super) fn first_steps(first_drill: &str) -> [String; 2] {
    [
        format!("until a first drill \"status\" fails, because nothing is proven: once something is stored, run {first_drill}"),
        "\"forget\" refuses to take more than 30 percent at once: where much is stored already, run its command by hand, with -n first and then --yes"
            .to_owned(),
    ]
}
