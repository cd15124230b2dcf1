//! One module for each command: its arguments, and what it does with them.

pub(crate) mod annotate;
pub(crate) mod cat;
pub(crate) mod check;
mod check_report;
pub(crate) mod compat;
pub(crate) mod copy;
pub(crate) mod debug;
pub(crate) mod demo;
pub(crate) mod diff;
pub(crate) mod drill;
mod drill_report;
mod entry;
pub(crate) mod explain;
pub(crate) mod extract;
pub(crate) mod find;
mod find_points;
mod finding;
pub(crate) mod forget;
pub(crate) mod generate;
pub(crate) mod ingest;
mod ingest_sources;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod log;
pub(crate) mod ls;
mod point_arguments;
pub(crate) mod points;
pub(crate) mod prepare;
pub(crate) mod prune;
pub(crate) mod repair;
mod repair_backups;
mod repair_packs;
pub(crate) mod restore;
mod schedule;
pub(crate) mod show;
pub(crate) mod stats;
pub(crate) mod status;
pub(crate) mod verify;
mod verify_deep;

use crate::{args::Command, context::Context, error::CliError, exit_code::ExitCode, output::Out};

/// What `vectar` alone says.
const WELCOME: [&str; 5] = [
    "vectar keeps Qdrant snapshots in a deduplicating repository and gives each one back byte for byte.",
    "  vectar demo                                     try it: real snapshots, a temporary repository, a table",
    "  vectar -r PATH init                             create a repository",
    "  vectar -r PATH ingest DIR                       store every finished snapshot in a directory",
    "  vectar -r PATH list, or vectar --help           see what is there, or all commands",
];

/// Runs a command.
pub(crate) fn run(command: &Command, context: &Context<'_>) -> Result<ExitCode, CliError> {
    match command {
        Command::Init(args) => init::run(args, context),
        Command::Ingest(args) => ingest::run(args, context),
        Command::List(args) => list::run(args, context),
        Command::Show(args) => show::run(args, context),
        Command::Restore(args) => restore::run(args, context),
        Command::Extract(args) => extract::run(args, context),
        Command::Prepare(args) => prepare::run(args, context),
        Command::Verify(args) => verify::run(args, context),
        Command::Drill(args) => drill::run(args, context),
        Command::Ls(args) => ls::run(args, context),
        Command::Cat(args) => cat::run(args, context),
        Command::Find(args) => find::run(args, context),
        Command::Points(args) => points::run(args, context),
        Command::Inspect(args) => inspect::run(args, context),
        Command::Diff(args) => diff::run(args, context),
        Command::Compat(args) => compat::run(args, context),
        Command::Stats(args) => stats::run(args, context),
        Command::Explain(args) => explain::run(args, context),
        Command::Status(args) => status::run(args, context),
        Command::Log(args) => log::run(args, context),
        Command::Tag(args) => annotate::tag(args, context),
        Command::Note(args) => annotate::note(args, context),
        Command::Pin(args) => annotate::pin(args, context),
        Command::Unpin(args) => annotate::unpin(args, context),
        Command::Forget(args) => forget::run(args, context),
        Command::Undelete(args) => forget::undelete(args, context),
        Command::Prune(args) => prune::run(args, context),
        Command::Check(args) => check::run(args, context),
        Command::Repair(args) => repair::run(args, context),
        Command::Copy(args) => copy::run(args, context),
        Command::Debug(args) => debug::run(args, context),
        Command::Generate(args) => generate::run(args, context),
        Command::Demo(args) => demo::run(args, context),
    }
}

/// Greets whoever typed the bare name.
pub(crate) fn welcome(out: &Out) -> Result<ExitCode, CliError> {
    WELCOME.iter().try_for_each(|line| out.line(line))?;
    Ok(ExitCode::Done)
}
