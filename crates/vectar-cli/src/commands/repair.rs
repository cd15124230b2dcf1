//! `repair`: what can be made right again.

use clap::{Args, Subcommand};
use vectar::Engine;

use crate::{
    context::{Context, one_line},
    error::CliError,
    exit_code::ExitCode,
    output::{grouped, plain_word},
};

/// Repair what can be repaired
#[derive(Debug, Args)]
pub(crate) struct RepairArgs {
    #[command(subcommand)]
    what: RepairCommand,
}

#[derive(Debug, Subcommand)]
enum RepairCommand {
    /// Build the chunk index anew from the packs of the repository
    ///
    /// The chunk index is a cache on this machine: throwing it away loses nothing, and nothing in the repository is written. Ends with 4
    /// when a pack cannot be read; what it holds cannot be found then.
    Index,
}

/// Runs the command.
pub(crate) fn run(args: &RepairArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    match args.what {
        RepairCommand::Index => repair_index(context),
    }
}

fn repair_index(context: &Context<'_>) -> Result<ExitCode, CliError> {
    let repository = context.repository()?;
    let engine = Engine::rebuild_index(&repository, &context.engine_options())?;
    let (place, counts) = vectar::debug::chunk_index(&engine)?;
    let (out, unreadable) = (context.out(), &engine.caught_up().unreadable);
    if out.is_json() {
        let unreadable: Vec<_> = unreadable
            .iter()
            .map(|(pack, error)| serde_json::json!({ "pack": pack.to_string(), "reason": one_line(error) }))
            .collect();
        out.json(
            "repair-index",
            &serde_json::json!({
                "repository": repository.id().to_string(),
                "place": place,
                "packs": counts.packs,
                "chunks": counts.records,
                "bodies": counts.bodies,
                "unreadable": unreadable,
            }),
        )?;
    } else {
        out.line(format_args!(
            "the chunk index of repository {} was built anew from {} packs: {} chunks and recipe nodes, {} bodies",
            repository.id(),
            grouped(counts.packs),
            grouped(counts.records),
            grouped(counts.bodies),
        ))?;
        out.line(format_args!("it lies in {}", plain_word(&place)))?;
    }
    context.warn_of_packs(&engine);
    match unreadable.is_empty() {
        true => Ok(ExitCode::Done),
        false => {
            out.warn(format_args!("{} packs cannot be read; what they hold cannot be found", unreadable.len()));
            Ok(ExitCode::Damage)
        }
    }
}
