//! `debug chunk-index`.

use clap::Args;
use serde_json::json;
use vectar::{debug, words::grouped};

use crate::{context::Context, error::CliError, exit_code::ExitCode, output::plain_word};

/// Show where the chunk index lies and what it holds
#[derive(Debug, Args)]
pub(crate) struct ChunkIndexArgs {}

pub(super) fn run(_args: &ChunkIndexArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let engine = context.engine()?;
    let (place, counts) = debug::chunk_index(&engine)?;
    let (out, caught_up) = (context.out(), engine.caught_up());
    if out.is_json() {
        out.json(
            "chunk-index",
            &json!({
                "place": place, "packs": counts.packs, "chunks": counts.records, "bodies": counts.bodies,
                "packs_added": caught_up.added, "packs_dropped": caught_up.dropped, "packs_unreadable": caught_up.unreadable.len(),
            }),
        )?;
        return Ok(context.outcome());
    }
    out.line(format_args!("place       {}", plain_word(&place)))?;
    out.line(format_args!(
        "packs       {} ({} new to the index, {} gone, {} unreadable)",
        grouped(counts.packs),
        caught_up.added,
        caught_up.dropped,
        caught_up.unreadable.len()
    ))?;
    out.line(format_args!("chunks      {}, recipe nodes included", grouped(counts.records)))?;
    out.line(format_args!("bodies      {}", grouped(counts.bodies)))?;
    Ok(context.outcome())
}
