//! `repair`: what can be made right again.

use clap::{Args, Subcommand};
use vectar::{
    Engine, PackId,
    words::{grouped, one_line},
};

use super::{repair_backups, repair_packs};
use crate::{context::Context, error::CliError, exit_code::ExitCode, output::plain_word, select_args::SelectArgs};

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
    /// Set damaged packs aside, after storing anew what is good in them
    ///
    /// Every pack is read and every chunk compared with its id, as "vectar check --read-data" does; a part with --read-data-subset there
    /// finds the same packs sooner, which can be named here. The bytes as they are go to quarantine/. No backup is removed: one that needs what is
    /// lost stays listed, and is whole again once the same snapshot is ingested. Ends with 3 when a backup is not whole then; with -n, with 4
    /// when a pack is damaged.
    Packs {
        /// Only these packs, by their whole ids; without one all are read
        #[arg(value_name = "PACK")]
        packs: Vec<PackId>,
        /// Show what is damaged and stop
        #[arg(short = 'n', long)]
        dry_run: bool,
    },
    /// List what of each backup cannot be restored: byte ranges, and the files in the snapshot that they lie in
    ///
    /// Backups are read as a restore would read them. Nothing is written, no backup is removed. Ends with 3 when something is lost.
    Backups {
        /// The backups; all without a name
        #[arg(value_name = "BACKUP")]
        backups: Vec<String>,
        #[command(flatten)]
        select: SelectArgs,
    },
}

/// Runs the command.
pub(crate) fn run(args: &RepairArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    match &args.what {
        RepairCommand::Index => repair_index(context),
        RepairCommand::Packs { packs, dry_run } => repair_packs::run(packs, *dry_run, context),
        RepairCommand::Backups { backups, select } => repair_backups::run(backups, select, context),
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
