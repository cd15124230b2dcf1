//! `inspect`: what a snapshot is and holds, from its headers and small files.

use clap::Args;
use serde::Serialize;
use vectar::{
    Catalogue, Content, SnapshotOutline, outline_deep,
    source::{SnapshotFile, read_sidecar},
    words::one_line,
};

use super::finding::FindingView;
use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{Out, hex, plain_word, size_long, utc},
    select_args::SelectArgs,
    snapshot_arg::NamedSnapshot,
};

/// Say what a snapshot is and holds
///
/// Kind, collections with their configuration, shards, segments, bytes by class, holes, digests, which Qdrant can have written it,
/// and everything odd about it. Only headers and small files are read, whatever the size; with --deep ids, flags and the write-ahead log
/// as well. Ends with 3 when the snapshot is damaged,
/// and with 4 when --sha256 shows other bytes than its checksum file speaks of.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The backup or file to look into
    #[arg(value_name = "BACKUP|FILE")]
    snapshot: String,
    /// Count live points too, and everything else that only ids, flags and the write-ahead log know
    #[arg(long)]
    deep: bool,
    /// Read the whole file and compute its SHA-256; a backup's is in its record
    #[arg(long)]
    sha256: bool,
    #[command(flatten)]
    select: SelectArgs,
}

/// The digests of a snapshot, and who says so.
#[derive(Debug, Default, Serialize)]
struct Digests {
    /// What the bytes have: computed now, or when the backup was stored.
    sha256: Option<String>,
    /// `computed` or `record`.
    sha256_from: Option<&'static str>,
    /// What the `.checksum` beside a file says; nobody compared it unless `sha256` is there.
    sha256_claimed: Option<String>,
    /// Where it says so.
    sidecar: Option<String>,
}

impl Digests {
    fn disagree(&self) -> bool {
        matches!((&self.sha256, &self.sha256_claimed), (Some(found), Some(claimed)) if found != claimed)
    }
}

#[derive(Serialize)]
struct InspectLine<'i> {
    file: Option<String>,
    backup: Option<String>,
    name: String,
    taken_at: Option<String>,
    #[serde(flatten)]
    digests: &'i Digests,
    #[serde(flatten)]
    outline: &'i SnapshotOutline,
    findings: Vec<FindingView>,
    findings_more: u64,
}

/// Runs the command.
pub(crate) fn run(args: &InspectArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let snapshot = NamedSnapshot::find(&args.snapshot, &args.select.filter()?, context)?;
    let content = snapshot.open()?;
    let (outline, listed) = if args.deep { outline_deep(&content)? } else { content.outline()? };
    let digests = digests(&snapshot, &content, args, context)?;
    let out = context.out();
    match out.is_json() {
        true => out.json("inspect", &line(&snapshot, &outline, &listed, &digests))?,
        false => print(&snapshot, &outline, &listed, &digests, out)?,
    }
    if digests.disagree() {
        out.warn("the file is not the one its checksum file speaks of");
        return Ok(ExitCode::Damage);
    }
    if args.deep && !outline.unread.is_empty() {
        out.warn("some of it could not be read; counts that depend on it are missing above");
        context.note_incomplete();
    }
    if listed.summary.anomalies.count(vectar::Severity::Damage) > 0 {
        out.warn("the snapshot is damaged; what is behind the damage may be missing above");
        context.note_incomplete();
    }
    Ok(context.outcome())
}

fn digests(
    snapshot: &NamedSnapshot,
    content: &Content<'_>,
    args: &InspectArgs,
    context: &Context<'_>,
) -> Result<Digests, CliError> {
    let path = match snapshot {
        NamedSnapshot::Backup { record, .. } => {
            let (sha256, sha256_from) = (record.sha256.clone(), record.sha256.as_ref().map(|_| "record"));
            return Ok(Digests { sha256, sha256_from, ..Digests::default() });
        }
        NamedSnapshot::File(path) => path,
    };
    let mut digests = Digests::default();
    match read_sidecar(path) {
        Ok(Some(sidecar)) => {
            digests.sha256_claimed = Some(hex(&sidecar.sha256));
            digests.sidecar = Some(sidecar.path.display().to_string());
        }
        Ok(None) => {}
        Err(error) => context.out().warn(one_line(&error)),
    }
    if args.sha256
        && let Content::File(file) = content
    {
        digests.sha256 = Some(sha256(file, context)?);
        digests.sha256_from = Some("computed");
    }
    Ok(digests)
}

fn sha256(file: &SnapshotFile, context: &Context<'_>) -> Result<String, CliError> {
    Ok(hex(&file.sha256(context.cancel())?))
}

fn line<'i>(
    snapshot: &NamedSnapshot,
    outline: &'i SnapshotOutline,
    listed: &Catalogue,
    digests: &'i Digests,
) -> InspectLine<'i> {
    let (file, backup, taken_at) = match snapshot {
        NamedSnapshot::File(path) => (Some(path.display().to_string()), None, None),
        NamedSnapshot::Backup { record, .. } => (None, Some(record.id.to_string()), record.subject.taken_at.map(utc)),
    };
    let findings: Vec<_> = listed.summary.anomalies.iter().map(FindingView::of).collect();
    InspectLine {
        file,
        backup,
        name: snapshot.name(),
        taken_at,
        digests,
        outline,
        findings_more: finding_count(listed) - findings.len() as u64,
        findings,
    }
}

fn finding_count(listed: &Catalogue) -> u64 {
    use vectar::Severity::{Damage, Note, Suspicious};
    [Note, Suspicious, Damage].into_iter().map(|severity| listed.summary.anomalies.count(severity)).sum()
}

fn print(
    snapshot: &NamedSnapshot,
    outline: &SnapshotOutline,
    listed: &Catalogue,
    digests: &Digests,
    out: &Out,
) -> Result<(), CliError> {
    out.line(plain_word(&snapshot.title()))?;
    out.line(size_long(outline.bytes))?;
    if let NamedSnapshot::Backup { record, .. } = snapshot
        && let Some(taken_at) = record.subject.taken_at
    {
        let from = record.subject.taken_at_from.as_deref().unwrap_or("unknown");
        out.line(format_args!("taken at {} (by {})", utc(taken_at), plain_word(from)))?;
    }
    print_digests(digests, out)?;
    out.line(outline.to_string().trim_end())?;
    for finding in &listed.summary.anomalies {
        out.line(plain_word(&finding.to_string()))?;
    }
    let kept = listed.summary.anomalies.iter().len() as u64;
    match finding_count(listed) - kept {
        0 => Ok(()),
        more => out.line(format_args!("{more} more findings")),
    }
}

fn print_digests(digests: &Digests, out: &Out) -> Result<(), CliError> {
    if let (Some(sha256), Some(from)) = (&digests.sha256, digests.sha256_from) {
        let how = match from {
            "computed" => "computed now",
            _ => "by the backup's record",
        };
        out.line(format_args!("sha256 {sha256} ({how})"))?;
    }
    let (Some(claimed), Some(sidecar)) = (&digests.sha256_claimed, &digests.sidecar) else { return Ok(()) };
    let sidecar = plain_word(sidecar);
    match &digests.sha256 {
        None => out.line(format_args!("sha256 {claimed} (claimed by {sidecar}; --sha256 compares)")),
        Some(found) if found == claimed => out.line(format_args!("sha256 as claimed by {sidecar}")),
        Some(_) => out.line(format_args!("sha256 {claimed} (claimed by {sidecar}, but wrong)")),
    }
}
