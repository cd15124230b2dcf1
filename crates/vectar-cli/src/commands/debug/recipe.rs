//! `debug recipe`.

use clap::Args;
use serde_json::json;
use vectar::{RecipeItem, debug, select};

use super::walk_and_print;
use crate::{context::Context, error::CliError, exit_code::ExitCode, output::Out, select_args::SelectArgs};

/// Show the extents that make up a backup, in the order of its bytes
#[derive(Debug, Args)]
pub(crate) struct RecipeArgs {
    /// The backup
    #[arg(value_name = "BACKUP")]
    backup: String,
    #[command(flatten)]
    select: SelectArgs,
}

pub(super) fn run(args: &RecipeArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let filter = args.select.filter()?;
    let engine = context.engine()?;
    let records = context.records(engine.repository())?;
    let record = select::one(&args.backup, &records.backups, &filter)?;
    let out = context.out();
    walk_and_print(|print| debug::recipe(&engine, record, |offset, extent| print(print_extent(offset, extent, out))))?;
    Ok(context.outcome())
}

fn print_extent(offset: u64, extent: &RecipeItem, out: &Out) -> Result<(), CliError> {
    let bytes = extent.len();
    if out.is_json() {
        let fields = match extent {
            RecipeItem::Inline(_) => json!({ "extent": "inline", "offset": offset, "bytes": bytes }),
            RecipeItem::Fill { byte, .. } => {
                json!({ "extent": "fill", "offset": offset, "bytes": bytes, "byte": byte })
            }
            RecipeItem::Copy { chunk, start, .. } => {
                json!({ "extent": "copy", "offset": offset, "bytes": bytes, "chunk": chunk.to_string(), "start": start })
            }
            RecipeItem::Node { node, .. } => {
                json!({ "extent": "node", "offset": offset, "bytes": bytes, "node": node.to_string() })
            }
        };
        return out.json("extent", &fields);
    }
    let what = match extent {
        RecipeItem::Inline(_) => "inline".to_owned(),
        RecipeItem::Fill { byte, .. } => format!("fill    {byte:#04x}"),
        RecipeItem::Copy { chunk, start, .. } => format!("copy    {chunk} from {start}"),
        RecipeItem::Node { node, .. } => format!("node    {node}"),
    };
    out.line(format_args!("{offset:>14}  {bytes:>12}  {what}"))
}
