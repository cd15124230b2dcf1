//! `restore`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use vectar::{BackupRecord, RestoreOptions, select};

use super::repair_backups::print_lost;
use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{plain_word, size_long},
    select_args::SelectArgs,
};

/// Write the snapshot of a backup to a file
///
/// The bytes are compared with the recorded digests before the file gets its name. A .checksum file as Qdrant writes it is put beside it.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The backup
    #[arg(value_name = "BACKUP")]
    backup: String,
    /// Write to this file; - is stdout
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Replace what lies under the name
    #[arg(short, long)]
    force: bool,
    /// Write no .checksum beside the file
    #[arg(long)]
    no_checksum: bool,
    /// Leave holes in the file where the snapshot has zeros
    ///
    /// The file takes less room on the disk and reads the same. Without this, room for the whole is reserved before anything is read, where the file
    /// system can do that, so that a disk that is too small says so at once. One that compresses may ask for more room than the file will take:
    /// with this it does not.
    #[arg(long, conflicts_with = "salvage")]
    sparse: bool,
    /// Write what is left of a damaged backup to FILE.damaged, with zeros for what is lost, and list what that is
    #[arg(long, conflicts_with = "no_checksum")]
    salvage: bool,
    #[command(flatten)]
    select: SelectArgs,
}

/// The line of `--json`.
#[derive(Serialize)]
struct RestoreLine<'l> {
    id: String,
    name: &'l str,
    path: String,
    checksum_path: Option<String>,
    bytes: u64,
    sha256: String,
}

/// Runs the command.
pub(crate) fn run(args: &RestoreArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let filter = args.select.filter()?;
    let repository = context.repository()?;
    let records = context.records(&repository)?;
    let record = select::one(&args.backup, &records.backups, &filter)?;
    match (args.output == Path::new("-"), args.salvage) {
        (true, true) => Err(CliError::new(ExitCode::Usage, "what is salvaged is not written to stdout")
            .cause("nobody could tell it from a snapshot there")
            .safe("nothing was written")
            .hint("name a file with -o FILE")),
        (true, false) if args.sparse => Err(CliError::new(ExitCode::Usage, "a stream has no holes")
            .cause("--sparse is for a file")
            .safe("nothing was written")
            .hint("name a file with -o FILE")),
        (true, false) => to_stdout(context, record, &repository),
        (false, true) => salvaged(args, context, record, &repository),
        (false, false) => to_file(args, context, record, &repository),
    }
}

/// Writes what is left, under a name that nobody takes for the snapshot.
fn salvaged(
    args: &RestoreArgs,
    context: &Context<'_>,
    record: &BackupRecord,
    repository: &vectar::Repository,
) -> Result<ExitCode, CliError> {
    let options = RestoreOptions { force: args.force, no_checksum: true, sparse: false };
    let engine = context.engine_of(repository)?;
    let observer = context.observer("salvaging");
    let (path, salvaged) =
        vectar::salvage_to_file(&engine, record, &args.output, &options, &observer, context.cancel())
            .map_err(|error| failed(record, error))?;
    drop(observer);
    print_lost(record, &salvaged, context)?;
    context.out().note(format_args!("wrote {}, without a checksum", plain_word(&path.display().to_string())));
    match salvaged.lost.is_empty() {
        true => {
            context.out().note("nothing is lost: \"vectar restore\" without --salvage writes the snapshot itself");
            Ok(ExitCode::Done)
        }
        false => Ok(ExitCode::Incomplete),
    }
}

fn to_file(
    args: &RestoreArgs,
    context: &Context<'_>,
    record: &BackupRecord,
    repository: &vectar::Repository,
) -> Result<ExitCode, CliError> {
    let options = RestoreOptions { force: args.force, no_checksum: args.no_checksum, sparse: args.sparse };
    let engine = context.engine_of(repository)?;
    let observer = context.observer("restoring");
    let restored = vectar::restore_to_file(&engine, record, &args.output, &options, &observer, context.cancel())
        .map_err(|error| {
            failed(record, error).safe(format_args!("nothing was written to {}", args.output.display()))
        })?;
    drop(observer);
    if context.out().is_json() {
        context.out().json(
            "restored",
            &RestoreLine {
                id: record.id.to_string(),
                name: &record.subject.name,
                path: restored.path.display().to_string(),
                checksum_path: restored.sidecar.as_ref().map(|path| path.display().to_string()),
                bytes: restored.rebuilt.bytes,
                sha256: restored.rebuilt.sha256,
            },
        )?;
        return Ok(ExitCode::Done);
    }
    let out = context.out();
    out.line(format_args!("restored backup {} to {}", record.id.short(), restored.path.display()))?;
    let known = if record.sha256.is_some() { "as recorded" } else { "computed now" };
    out.line(format_args!("{}, sha-256 {} {known}", size_long(restored.rebuilt.bytes), restored.rebuilt.sha256))?;
    if let Some(sidecar) = &restored.sidecar {
        out.line(format_args!("checksum beside it: {}", sidecar.display()))?;
    }
    if record.damaged.is_some() {
        out.warn("the snapshot was damaged before it was stored; it is the same damaged snapshot again");
    }
    out.note("this wrote a file; no Qdrant has loaded it. To load it:");
    loading(record, &restored.path, &restored.rebuilt.sha256)
        .iter()
        .for_each(|line| out.note(format_args!("  {line}")));
    Ok(ExitCode::Done)
}

fn to_stdout(
    context: &Context<'_>,
    record: &BackupRecord,
    repository: &vectar::Repository,
) -> Result<ExitCode, CliError> {
    if context.out().stdout_is_terminal() {
        return Err(CliError::new(ExitCode::Usage, "a snapshot is not written to a terminal")
            .safe("nothing was written")
            .hint("redirect stdout, or name a file with -o FILE"));
    }
    let engine = context.engine_of(repository)?;
    let observer = context.observer("restoring");
    let mut stdout = context.out().bytes();
    let rebuilt =
        vectar::restore_to_stream(&engine, record, &mut stdout, &observer, context.cancel()).map_err(|error| {
            failed(record, error).safe("what was written to stdout is not the whole snapshot; do not use it")
        })?;
    let known = if record.sha256.is_some() { "as recorded" } else { "computed now" };
    context.out().note(format_args!(
        "restored backup {} to stdout, sha-256 {} {known}",
        record.id.short(),
        rebuilt.sha256
    ));
    Ok(ExitCode::Done)
}

fn failed(record: &BackupRecord, error: vectar::Error) -> CliError {
    let damaged = error.kind() == vectar::ErrorKind::RepositoryDamaged;
    let error = CliError::from(error).context(format_args!("cannot restore backup {}", record.id.short()));
    match damaged {
        true => error.hint("run \"vectar restore BACKUP -o FILE --salvage\" to write what is left of it"),
        false => error,
    }
}

/// How a Qdrant would load the file, by its kind. The default target is a new name: loading over a live collection replaces it.
fn loading(record: &BackupRecord, path: &Path, sha256: &str) -> Vec<String> {
    let file = path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string();
    let collection = plain_word(record.subject.collection.as_deref().unwrap_or("COLLECTION"));
    let shard = record
        .subject
        .shards
        .first()
        .and_then(|shard| shard.id)
        .map_or_else(|| "SHARD".to_owned(), |id| id.to_string());
    let upload = |place: String| {
        format!(
            "curl -X POST 'http://HOST:6333/collections/{place}/snapshots/upload?priority=snapshot&checksum={sha256}' -F 'snapshot=@{file}'"
        )
    };
    match record.subject.kind.as_str() {
        "collection" => vec![
            upload(format!("{collection}-restored")),
            "or, with the file in the server's snapshots directory:".to_owned(),
            format!(
                "curl -X PUT 'http://HOST:6333/collections/{collection}-restored/snapshots/recover' -H 'content-type: application/json' \\"
            ),
            format!(
                "  -d '{{\"location\":\"file:///qdrant/snapshots/{}\",\"checksum\":\"{sha256}\",\"priority\":\"snapshot\"}}'",
                path.file_name().unwrap_or_default().display()
            ),
            "a cluster needs one such file from each node, each loaded on its node".to_owned(),
        ],
        "shard" | "shard-streamed" => vec![
            upload(format!("{collection}/shards/{shard}")),
            "the collection must exist, with that shard".to_owned(),
        ],
        "shard-partial" => {
            vec!["a partial snapshot brings only what changed; it needs the shard it was made against".to_owned()]
        }
        "full" => vec![
            format!("qdrant --storage-snapshot '{file}'"),
            "a full snapshot is loaded when a single node starts with empty storage".to_owned(),
        ],
        _ => vec!["nothing: this is no Qdrant snapshot that vectar knows".to_owned()],
    }
}
