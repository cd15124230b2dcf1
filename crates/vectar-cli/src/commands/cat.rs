//! `cat`: the bytes of one entry.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use vectar::{CatalogueRow, Content, EntryOptions, Error, ReadAt, content::check_entry_path};

use super::entry::is_complete;
use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{plain_word, size_long, stdout_failed},
    select_args::SelectArgs,
    snapshot_arg::NamedSnapshot,
};

/// Bytes that decide whether an entry is text.
const PROBE_BYTES: usize = 4096;

/// Write one file of a snapshot to stdout
///
/// The bytes are those stored in the snapshot; of a sparse file that is its data without the holes, unless --expand is given. The
/// path is written as "vectar ls" shows it, with "!" between tar levels, and may end at a nested tar to get it whole.
#[derive(Debug, Args)]
pub(crate) struct CatArgs {
    /// The backup or file to look into
    #[arg(value_name = "BACKUP|FILE")]
    snapshot: String,
    /// The entry, as "vectar ls" shows it
    path: String,
    /// Write into this file instead of stdout; it must not exist yet
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file that --output names
    #[arg(long, requires = "output")]
    force: bool,
    /// Write the holes of a sparse file as zeros
    #[arg(long)]
    expand: bool,
    #[command(flatten)]
    select: SelectArgs,
}

/// Runs the command.
pub(crate) fn run(args: &CatArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    check_entry_path(&args.path)?;
    let snapshot = NamedSnapshot::announce(&args.snapshot, &args.select.filter()?, context)?;
    let content = snapshot.open()?;
    let listed = content.catalogue()?;
    let row = content.find(&listed, &args.path)?;
    if row.head.entry().is_some_and(|entry| entry.is_directory()) {
        let reason = "it is a directory and has no bytes";
        return Err(Error::EntryPathInvalid { path: args.path.clone(), reason }.into());
    }
    match &args.output {
        Some(path) => write_file(&content, &row, path, args, context)?,
        None => write_stdout(&content, &row, args, context)?,
    }
    if !is_complete(&row) {
        context.out().warn(format_args!(
            "{} is cut short in the snapshot: {} of {} bytes are there",
            plain_word(&args.path),
            row.len,
            row.head.stored_len.unwrap_or(row.len),
        ));
        context.note_incomplete();
    }
    Ok(context.outcome())
}

fn write_file(
    content: &Content<'_>,
    row: &CatalogueRow,
    path: &Path,
    args: &CatArgs,
    context: &Context<'_>,
) -> Result<(), CliError> {
    let options = EntryOptions { expand: args.expand, force: args.force };
    let bytes = vectar::entry_to_file(content, row, path, &options, context.cancel())?;
    let written = format!("wrote {} to {}", size_long(bytes), plain_word(&path.display().to_string()));
    match context.out().is_json() {
        true => context.out().json("written", &serde_json::json!({ "path": path, "bytes": bytes })),
        false => {
            context.out().note(written);
            Ok(())
        }
    }
}

fn write_stdout(
    content: &Content<'_>,
    row: &CatalogueRow,
    args: &CatArgs,
    context: &Context<'_>,
) -> Result<(), CliError> {
    if context.out().stdout_is_terminal() && is_binary(content, row)? {
        return Err(CliError::new(ExitCode::Usage, format_args!("{} is binary, and stdout is a terminal", args.path))
            .safe("nothing was written")
            .hint("add -o FILE, or send stdout elsewhere"));
    }
    let mut stdout = context.out().bytes().lock();
    let take = |bytes: &[u8]| {
        // A cancelled read ends between two windows, so that the exit code says that not all is there.
        if context.cancel().is_cancelled() {
            return Err(Error::Cancelled);
        }
        stdout.write_all(bytes).map_err(|source| Error::Target { action: "write to", path: "-".into(), source })
    };
    let written = match args.expand {
        true => content.read_expanded(row, take),
        false => content.read_entry(row, take),
    };
    match written {
        Err(Error::Target { source, .. }) => Err(stdout_failed(source)),
        written => Ok(written?),
    }?;
    stdout.flush().map_err(stdout_failed)
}

/// Whether the entry begins with bytes that a terminal could take for commands.
fn is_binary(content: &Content<'_>, row: &CatalogueRow) -> Result<bool, CliError> {
    let mut start = vec![0; usize::try_from(row.len).map_or(PROBE_BYTES, |len| len.min(PROBE_BYTES))];
    let count = content.read_at(row.head.offset, &mut start).map_err(|source: io::Error| Error::Source {
        action: "read",
        path: content.name().into(),
        source,
    })?;
    Ok(looks_binary(&start[..count]))
}

fn looks_binary(bytes: &[u8]) -> bool {
    // The probe may end inside of a character; that alone makes no binary.
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).expect("valid up to there")
        }
        Err(_) => return true,
    };
    text.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\r' | '\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_told_from_binary() {
        assert!(!looks_binary(b"{\"a\":1}\n"));
        assert!(!looks_binary("größe".as_bytes()));
        assert!(!looks_binary(&"größe".as_bytes()[..3]), "cut inside of a character");
        assert!(looks_binary(b"\0\0\0\0"));
        assert!(looks_binary(b"\x1b[2J"));
        assert!(looks_binary(&[0xff, 0xfe]));
    }
}
