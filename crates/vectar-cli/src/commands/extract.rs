//! `extract`: one valid snapshot out of a larger one.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use vectar::{
    Inside, RestoreOptions,
    extract::{Extracted, PartChoice, SnapshotPart, extract_to_file},
};

use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{plain_word, size_long},
    select_args::SelectArgs,
    snapshot_arg::NamedSnapshot,
};

/// Take one valid snapshot out of a larger one
///
/// A collection's snapshot out of a full one (--collection), or a shard's out of a collection's (--shard), or both at once. Every file in it is
/// the same bytes as in the larger snapshot; a .checksum file as Qdrant writes it is put beside it. Only what is taken out is read, from a
/// backup too. Ends with 4, and leaves no file behind, when the part is damaged.
#[derive(Debug, Args)]
pub(crate) struct ExtractArgs {
    /// The backup or file to take it from
    #[arg(value_name = "BACKUP|FILE")]
    snapshot: String,
    /// Write to this file
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Replace what lies under the name
    #[arg(short, long)]
    force: bool,
    /// Write no .checksum beside the file
    #[arg(long)]
    no_checksum: bool,
    #[command(flatten)]
    select: SelectArgs,
}

/// The line of `--json`.
#[derive(Serialize)]
struct ExtractedLine<'l> {
    from: String,
    kind: &'static str,
    collection: Option<&'l str>,
    shard: Option<u32>,
    path: String,
    checksum_path: Option<String>,
    bytes: u64,
    sha256: &'l str,
}

/// Runs the command.
pub(crate) fn run(args: &ExtractArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    if args.output == Path::new("-") {
        return Err(CliError::new(ExitCode::Usage, "what is taken out is not written to stdout")
            .cause("whether it is whole is known only at its end")
            .safe("nothing was written")
            .hint("name a file with -o FILE"));
    }
    let snapshot = NamedSnapshot::find(&args.snapshot, &args.select.filter()?, context)?;
    let content = snapshot.open()?;
    let inside = Inside::open(&content)?;
    let choice = PartChoice { collection: args.select.collection.clone(), shard: args.select.shard };
    let part = SnapshotPart::of(&inside, &choice)?;
    let options = RestoreOptions { force: args.force, no_checksum: args.no_checksum, sparse: false };
    let observer = context.observer("extracting");
    let extracted = extract_to_file(&part, &args.output, &options, &observer, context.cancel())
        .map_err(|error| CliError::from(error).context(format_args!("cannot extract from {}", snapshot.title())))?;
    drop(observer);
    print(&snapshot, &part, &extracted, context)?;
    Ok(context.outcome())
}

fn print(
    snapshot: &NamedSnapshot,
    part: &SnapshotPart<'_, '_>,
    extracted: &Extracted,
    context: &Context<'_>,
) -> Result<(), CliError> {
    let (out, proven) = (context.out(), &extracted.proven);
    if out.is_json() {
        let line = ExtractedLine {
            from: snapshot.title(),
            kind: part.kind().as_str(),
            collection: part.collection(),
            shard: part.shard(),
            path: extracted.path.display().to_string(),
            checksum_path: extracted.sidecar.as_ref().map(|path| path.display().to_string()),
            bytes: proven.bytes,
            sha256: &proven.sha256,
        };
        return out.json("extracted", &line);
    }
    out.line(format_args!(
        "extracted {} from {} to {}",
        title(part),
        plain_word(&snapshot.title()),
        extracted.path.display()
    ))?;
    out.line(format_args!("{}, sha-256 {}", size_long(proven.bytes), proven.sha256))?;
    if let Some(sidecar) = &extracted.sidecar {
        out.line(format_args!("checksum beside it: {}", sidecar.display()))?;
    }
    if part.is_whole() {
        out.note("that is all of the snapshot: nothing had to be taken apart");
    }
    Ok(())
}

fn title(part: &SnapshotPart<'_, '_>) -> String {
    let collection = part
        .collection()
        .map_or_else(|| "the collection".to_owned(), |name| format!("collection {}", plain_word(name)));
    match part.shard() {
        Some(shard) => format!("shard {shard} of {collection}"),
        None => collection,
    }
}
