//! The command line as clap sees it.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};
use vectar::MEMORY_BYTES_MIN;

use crate::commands::{
    annotate::{NoteArgs, PinArgs, TagArgs, UnpinArgs},
    cat::CatArgs,
    check::CheckArgs,
    compat::CompatArgs,
    copy::CopyArgs,
    debug::DebugArgs,
    demo::DemoArgs,
    diff::DiffArgs,
    drill::DrillArgs,
    explain::ExplainArgs,
    extract::ExtractArgs,
    find::FindArgs,
    forget::{ForgetArgs, UndeleteArgs},
    generate::GenerateArgs,
    ingest::IngestArgs,
    init::InitArgs,
    inspect::InspectArgs,
    list::ListArgs,
    log::LogArgs,
    ls::LsArgs,
    points::PointsArgs,
    prepare::PrepareArgs,
    prune::PruneArgs,
    repair::RepairArgs,
    restore::RestoreArgs,
    show::ShowArgs,
    stats::StatsArgs,
    status::StatusArgs,
    verify::VerifyArgs,
};
use crate::output::size::parse_size;

/// Keep Qdrant snapshots in a deduplicating repository and get each one back byte for byte
#[derive(Debug, Parser)]
#[command(name = "vectar", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Takes a memory budget that something can be done with.
fn parse_memory(text: &str) -> Result<u64, String> {
    let bytes = parse_size(text)?;
    if bytes < MEMORY_BYTES_MIN {
        return Err(format!("at least {}MiB are needed", MEMORY_BYTES_MIN >> 20));
    }
    Ok(bytes)
}

/// What every command takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Use the repository in this directory
    #[arg(short, long, global = true, env = "VECTAR_REPO", hide_env_values = true, value_name = "PATH")]
    pub(crate) repo: Option<PathBuf>,
    /// Use this profile of the configuration file
    #[arg(long, global = true, env = "VECTAR_PROFILE", hide_env = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Read this configuration file instead of the user's own
    #[arg(long, global = true, env = "VECTAR_CONFIG", hide_env = true, value_name = "FILE", hide_short_help = true)]
    pub(crate) config: Option<PathBuf>,
    /// Keep chunk indexes in this directory instead of the user's cache
    #[arg(long, global = true, env = "VECTAR_INDEX_DIR", hide_env = true, value_name = "DIR", hide_short_help = true)]
    pub(crate) index_dir: Option<PathBuf>,
    /// Work on this many threads; on as many as there are cores unless told otherwise
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), hide_short_help = true)]
    pub(crate) threads: Option<u16>,
    /// Ingest and restore within about this much memory, at least 320MiB; 512MiB unless told otherwise
    ///
    /// With less, an ingest finds fewer moved vectors again, and a restore reads more twice; what other commands take does not depend on it. Files that
    /// the system keeps in memory on its own do not count.
    #[arg(long, global = true, value_name = "SIZE", value_parser = parse_memory, hide_short_help = true)]
    pub(crate) memory: Option<u64>,
    /// Print JSON Lines instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say nothing on stderr but errors and warnings
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more on stderr; twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count, hide_short_help = true)]
    pub(crate) verbose: u8,
    /// Show no progress bar
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) no_progress: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(InitArgs),
    Ingest(IngestArgs),
    #[command(visible_alias = "snapshots")]
    List(ListArgs),
    Show(ShowArgs),
    Restore(RestoreArgs),
    Extract(ExtractArgs),
    Prepare(PrepareArgs),
    Verify(VerifyArgs),
    Drill(DrillArgs),
    Ls(LsArgs),
    #[command(visible_alias = "dump")]
    Cat(CatArgs),
    Find(FindArgs),
    Points(PointsArgs),
    Inspect(InspectArgs),
    Diff(DiffArgs),
    Compat(CompatArgs),
    Stats(StatsArgs),
    Explain(ExplainArgs),
    Status(StatusArgs),
    Log(LogArgs),
    Tag(TagArgs),
    Note(NoteArgs),
    Pin(PinArgs),
    Unpin(UnpinArgs),
    Forget(ForgetArgs),
    Undelete(UndeleteArgs),
    Prune(PruneArgs),
    Check(CheckArgs),
    Repair(RepairArgs),
    Copy(CopyArgs),
    Debug(DebugArgs),
    Generate(GenerateArgs),
    Demo(DemoArgs),
}
