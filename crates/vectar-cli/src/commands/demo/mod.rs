//! `demo`: real snapshots through a temporary repository and back, compared byte for byte.

mod environment;
mod round_trip;
mod series;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use serde_json::json;
use vectar::{Engine, EngineOptions, InitOptions, words::grouped};

use self::{
    environment::DemoEnvironment,
    round_trip::{Outcome, RoundTrip},
    series::DemoSnapshot,
};
use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{Align, Table, plain_word, size_long},
};

/// Store, restore and compare real snapshots in a temporary repository
///
/// The snapshots are a part of this program: a Qdrant 1.18.3 made them, of invented words. Each is stored, restored, compared with
/// the original byte for byte, and with the SHA-256 that the server gave. Growth is that of all files of the repository, added up.
/// Nothing is left behind. Clock and random numbers are made up, so that the table is the same each time: a kept repository is for
/// looking at, not for data.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Work in this directory, which must not exist yet, and leave everything there
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// What all snapshots came to.
#[derive(Default)]
struct Totals {
    snapshots: usize,
    different: usize,
    bytes: u64,
    new_bytes: u64,
}

/// Runs the command.
pub(crate) fn run(args: &DemoArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let temporary;
    let directory = match &args.keep {
        Some(directory) => {
            std::fs::create_dir(directory).map_err(|error| not_made(directory, error))?;
            directory.as_path()
        }
        None => {
            temporary = tempfile::tempdir().map_err(|error| not_made(&std::env::temp_dir(), error))?;
            temporary.path()
        }
    };
    let totals = round_trips(directory, context)?;
    if args.keep.is_some() {
        let shown = plain_word(&directory.display().to_string());
        context.out().note(format_args!("kept in {shown}: the snapshots, the repository, what was restored"));
        context.out().note(format_args!("look around with \"vectar -r {shown}/repository list\""));
    }
    match totals.different {
        0 => Ok(ExitCode::Done),
        different => {
            Err(CliError::new(ExitCode::OurBug, format_args!("{different} snapshots did not come back identical"))
                .cause("this is a bug in vectar or broken hardware")
                .safe("the demo works on its own copies; nothing of yours was touched")
                .hint("run \"vectar demo --keep DIR\" and report what it leaves there"))
        }
    }
}

fn not_made(directory: &Path, error: std::io::Error) -> CliError {
    CliError::new(ExitCode::Failed, format_args!("cannot make the directory of the demo, {}", directory.display()))
        .cause(error)
        .safe("nothing was written")
        .hint("name a directory that does not exist yet, where there are 100 MB free: vectar demo --keep DIR")
}

fn round_trips(directory: &Path, context: &Context<'_>) -> Result<Totals, CliError> {
    let snapshots = series::unpack(directory).map_err(|error| {
        CliError::new(ExitCode::Failed, format_args!("cannot unpack the snapshots into {}", directory.display()))
            .cause(error)
            .safe("nothing of yours was touched")
            .hint("100 MB must be free there; set TMPDIR to use another directory")
    })?;
    let restored = directory.join("restored");
    std::fs::create_dir(&restored).map_err(|error| not_made(&restored, error))?;
    let environment = Arc::new(DemoEnvironment::default());
    let (repository, _) = vectar::init_in(&directory.join("repository"), &InitOptions::default(), environment)?;
    let engine = Engine::open(&repository, &EngineOptions { index_directory: None, ..EngineOptions::default() })?;
    let mut round_trip = RoundTrip::new(&engine, restored, context.cancel());
    let (mut totals, mut outcomes) = (Totals::default(), Vec::with_capacity(snapshots.len()));
    for snapshot in &snapshots {
        let outcome = round_trip.run(snapshot)?;
        totals.add(&outcome);
        if context.out().is_json() {
            print_json(snapshot, &outcome, context)?;
        }
        outcomes.push(outcome);
    }
    if !context.out().is_json() {
        print(&snapshots, &outcomes, &totals, context)?;
    }
    Ok(totals)
}

impl Totals {
    fn add(&mut self, outcome: &Outcome) {
        self.snapshots += 1;
        self.different += usize::from(outcome.difference.is_some());
        self.bytes += outcome.bytes;
        self.new_bytes += outcome.new_bytes;
    }
}

/// How many bytes of snapshot one byte of repository stands for.
fn ratio(bytes: u64, new_bytes: u64) -> f64 {
    bytes as f64 / new_bytes.max(1) as f64
}

fn print_json(snapshot: &DemoSnapshot, outcome: &Outcome, context: &Context<'_>) -> Result<(), CliError> {
    context.out().json(
        "demo",
        &json!({
            "series": snapshot.series, "name": snapshot.name, "bytes": outcome.bytes, "new_bytes": outcome.new_bytes,
            "sha256": outcome.sha256, "identical": outcome.difference.is_none(), "difference": outcome.difference,
        }),
    )
}

fn print(
    snapshots: &[DemoSnapshot],
    outcomes: &[Outcome],
    totals: &Totals,
    context: &Context<'_>,
) -> Result<(), CliError> {
    let mut table = Table::new([
        ("SNAPSHOT", Align::Left),
        ("SIZE", Align::Right),
        ("GROWTH", Align::Right),
        ("RATIO", Align::Right),
        ("RESTORED", Align::Left),
    ]);
    for (snapshot, outcome) in snapshots.iter().zip(outcomes) {
        table.row([
            format!("{}/{}", snapshot.series, snapshot.name),
            grouped(outcome.bytes),
            grouped(outcome.new_bytes),
            format!("{:.1}", ratio(outcome.bytes, outcome.new_bytes)),
            outcome.difference.clone().unwrap_or_else(|| "identical".to_owned()),
        ]);
    }
    table.print(context.out())?;
    context.out().line(format_args!(
        "{} snapshots, {}, in {}: {:.1} to 1",
        totals.snapshots,
        size_long(totals.bytes),
        size_long(totals.new_bytes),
        ratio(totals.bytes, totals.new_bytes)
    ))
}
