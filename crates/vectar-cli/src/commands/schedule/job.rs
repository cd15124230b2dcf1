//! The jobs, whatever runs them.

use clap::Args;

/// What the jobs are told.
#[derive(Debug, Clone, Args)]
pub(super) struct JobArgs {
    /// The node these snapshots come from, as ingest records it
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Delete snapshot files that are stored and verified, but for the newest N of each collection
    #[arg(long, value_name = "N")]
    pub(super) keep_source: Option<usize>,
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
    #[arg(long, value_name = "AGE", default_value = "26h")]
    max_age: String,
    /// Fail when a newest proof is older than this
    #[arg(long, value_name = "AGE", default_value = "8d")]
    max_proof_age: String,
    /// Begin no further drill after this time
    #[arg(long, value_name = "TIME", default_value = "2h")]
    drill_budget: String,
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

/// All jobs. `snapshots` is where Qdrant writes them, `reports` where drills leave theirs.
pub(super) fn jobs(args: &JobArgs, snapshots: &str, reports: &str) -> Vec<Job> {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<String>>();
    let job = |name, what, arguments, (calendar, cron)| Job {
        name,
        what,
        arguments,
        calendar,
        cron,
        reads_snapshots: name == "ingest",
    };
    let mut ingest = words("ingest --quiet");
    ingest.extend(args.node.iter().flat_map(|node| ["--node".to_owned(), node.clone()]));
    if let Some(keep) = args.keep_source {
        ingest.extend(words(&format!("--delete-source --keep-source {keep}")));
    }
    ingest.extend(["--".to_owned(), snapshots.to_owned()]);
    let forget = words(&format!(
        "forget --quiet --keep-daily {} --keep-weekly {} --keep-monthly {}",
        args.keep_daily, args.keep_weekly, args.keep_monthly
    ));
    let mut drill = words("drill --engine --quiet --budget");
    drill.extend([args.drill_budget.clone(), "--report".to_owned(), reports.to_owned()]);
    let mut status = words("status --quiet --max-age");
    status.extend([args.max_age.clone(), "--max-proof-age".to_owned(), args.max_proof_age.clone()]);
    vec![
        job("ingest", "store finished Qdrant snapshots", ingest, ("*-*-* *:15:00", "15 * * * *")),
        job("forget", "let old backups go", forget, ("*-*-* 04:15:00", "15 4 * * *")),
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
