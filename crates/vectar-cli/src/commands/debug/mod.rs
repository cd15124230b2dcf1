//! `debug`: opens every structure that vectar writes, for people who investigate.

mod chunk_index;
mod pack;
mod recipe;
mod record;
mod tar;

use clap::{Args, Subcommand};

use crate::{context::Context, error::CliError, exit_code::ExitCode};

/// Open the structures that vectar writes
///
/// For people who investigate; docs/format.md describes what is shown. Nothing is written.
#[derive(Debug, Args)]
pub(crate) struct DebugArgs {
    #[command(subcommand)]
    what: DebugCommand,
}

#[derive(Debug, Subcommand)]
enum DebugCommand {
    Pack(pack::PackArgs),
    Recipe(recipe::RecipeArgs),
    Record(record::RecordArgs),
    ChunkIndex(chunk_index::ChunkIndexArgs),
    Tar(tar::TarArgs),
}

/// Runs the command.
pub(crate) fn run(args: &DebugArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    match &args.what {
        DebugCommand::Pack(args) => pack::run(args, context),
        DebugCommand::Recipe(args) => recipe::run(args, context),
        DebugCommand::Record(args) => record::run(args, context),
        DebugCommand::ChunkIndex(args) => chunk_index::run(args, context),
        DebugCommand::Tar(args) => tar::run(args, context),
    }
}

/// Printing can fail inside a walk whose errors are the engine's: keeps what failed until the walk has ended.
fn walk_and_print(
    walk: impl FnOnce(&mut dyn FnMut(Result<(), CliError>) -> Result<(), vectar::Error>) -> Result<(), vectar::Error>,
) -> Result<(), CliError> {
    let mut unprinted = None;
    let walked = walk(&mut |printed| {
        printed.map_err(|error| {
            unprinted = Some(error);
            vectar::Error::Cancelled
        })
    });
    match unprinted {
        Some(error) => Err(error),
        None => Ok(walked?),
    }
}
