//! `debug record`.

use clap::Args;
use serde_json::json;
use vectar::{debug, select};

use crate::{context::Context, error::CliError, exit_code::ExitCode, select_args::SelectArgs};

/// Show the record of a backup as it lies in the repository
#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// The backup
    #[arg(value_name = "BACKUP")]
    backup: String,
    #[command(flatten)]
    select: SelectArgs,
}

pub(super) fn run(args: &RecordArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let filter = args.select.filter()?;
    let repository = context.repository()?;
    let records = context.records(&repository)?;
    let record = select::one(&args.backup, &records.backups, &filter)?;
    let dump = debug::record(&repository, record)?;
    let out = context.out();
    if out.is_json() {
        out.json("record", &json!({ "key": dump.key, "header": dump.header, "json": dump.json }))?;
    } else {
        out.line(format_args!("# {}", dump.key))?;
        out.line(&dump.header)?;
        out.line(&dump.json)?;
    }
    Ok(context.outcome())
}
