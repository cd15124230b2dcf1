//! `debug tar`.

use clap::Args;
use serde_json::json;
use vectar::debug::{self, SpanRole, TarSpan};

use super::walk_and_print;
use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{Out, plain_word},
    select_args::SelectArgs,
    snapshot_arg::NamedSnapshot,
};

/// Show how the tar levels of a snapshot lie in its bytes: framing, bodies, nested archives
#[derive(Debug, Args)]
pub(crate) struct TarArgs {
    /// The backup or file to look into
    #[arg(value_name = "BACKUP|FILE")]
    snapshot: String,
    #[command(flatten)]
    select: SelectArgs,
}

pub(super) fn run(args: &TarArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let snapshot = NamedSnapshot::announce(&args.snapshot, &args.select.filter()?, context)?;
    let content = snapshot.open()?;
    let out = context.out();
    walk_and_print(|print| debug::tar_spans(&content, |span| print(print_span(span, out))))?;
    Ok(context.outcome())
}

fn print_span(span: &TarSpan, out: &Out) -> Result<(), CliError> {
    let (role, path, complete) = match &span.role {
        SpanRole::Framing => ("framing", None, None),
        SpanRole::Body { path, complete } => ("body", Some(path), Some(*complete)),
        SpanRole::Archive { path } => ("archive", Some(path), None),
    };
    let TarSpan { depth, offset, len, .. } = span;
    if out.is_json() {
        let fields =
            json!({ "offset": offset, "bytes": len, "depth": depth, "role": role, "path": path, "complete": complete });
        return out.json("tar-span", &fields);
    }
    let path = path.map(|path| plain_word(path)).unwrap_or_default();
    let cut_short = if complete == Some(false) { "  (cut short)" } else { "" };
    out.line(format_args!("{offset:>14}  {len:>12}  {depth}  {role:<7}  {path}{cut_short}").to_string().trim_end())
}
