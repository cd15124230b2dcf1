//! `log`.

use clap::Args;
use vectar::Event;

use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{Align, Table, utc},
};

/// Show who did what when
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// Only the newest N lines
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

/// Runs the command.
pub(crate) fn run(args: &LogArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let events = context.repository()?.events()?;
    let first = args.limit.map_or(0, |limit| events.len().saturating_sub(limit));
    let shown: &[Event] = &events[first..];
    if context.out().is_json() {
        shown.iter().try_for_each(|event| context.out().json("event", event))?;
        return Ok(ExitCode::Done);
    }
    let mut table =
        Table::new([("TIME", Align::Left), ("WHAT", Align::Left), ("BY", Align::Left), ("SUMMARY", Align::Left)]);
    for event in shown {
        table.row([utc(event.at), event.action.clone(), event.client.clone(), event.summary.clone()]);
    }
    table.print(context.out())?;
    Ok(ExitCode::Done)
}
