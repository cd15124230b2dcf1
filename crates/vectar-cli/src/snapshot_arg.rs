//! The argument `BACKUP|FILE`: which of the two it is, opened for reading.

use std::path::{Path, PathBuf};

use vectar::{
    BackupRecord, Catalogue, Content, Engine, Severity,
    select::{Filter, Named, backup_or_file},
};

use crate::{context::Context, error::CliError, output::plain_word};

/// Findings about a snapshot that stderr lists one by one.
const FINDINGS_MAX: usize = 10;

/// A snapshot, in a file or in a backup.
#[derive(Debug)]
pub(crate) enum NamedSnapshot {
    /// A file; no repository was touched for it unless its name could have been a backup's.
    File(PathBuf),
    /// A backup.
    Backup {
        /// Its repository.
        engine: Box<Engine>,
        /// Its record.
        record: Box<BackupRecord>,
    },
}

impl NamedSnapshot {
    /// Finds what `name` means: a file if it has a `/` or no backup goes by that name, else a backup.
    pub(crate) fn find(name: &str, filter: &Filter, context: &Context<'_>) -> Result<Self, CliError> {
        let path = PathBuf::from(name);
        if name.contains('/') || (context.repository_path().is_err() && path.is_file()) {
            return Ok(Self::File(path));
        }
        let repository = context.repository()?;
        let records = context.records(&repository)?;
        match find_in(name, &records.backups, filter)? {
            Named::File(path) => Ok(Self::File(path)),
            Named::Backup(record) => {
                Ok(Self::Backup { engine: Box::new(context.engine_of(&repository)?), record: Box::new(record.clone()) })
            }
        }
    }

    /// As [`find`](Self::find), and says on stderr which of the two is read.
    pub(crate) fn announce(name: &str, filter: &Filter, context: &Context<'_>) -> Result<Self, CliError> {
        let found = Self::find(name, filter, context)?;
        context.out().note(format_args!("reading {}", plain_word(&found.title())));
        Ok(found)
    }

    /// Opens it.
    pub(crate) fn open(&self) -> Result<Content<'_>, CliError> {
        match self {
            Self::File(path) => open_file(path),
            Self::Backup { engine, record } => Ok(Content::backup(engine, record)),
        }
    }

    /// File name of the snapshot.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            Self::Backup { record, .. } => record.subject.name.clone(),
        }
    }

    /// What it is, for people: `file ./a.snapshot`, `backup 7f3a91c2 (a.snapshot)`.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::File(path) => format!("file {}", path.display()),
            Self::Backup { record, .. } => format!("backup {} ({})", record.id.short(), record.subject.name),
        }
    }
}

/// Finds what `name` means. The record of a full snapshot does not say which shards its collections have: with a shard wanted of it, only
/// looking inside tells.
fn find_in<'r>(name: &str, backups: &'r [BackupRecord], filter: &Filter) -> Result<Named<'r>, vectar::Error> {
    let any_shard = Filter { shard: None, ..filter.clone() };
    let is_full = |found: &Named<'_>| matches!(found, Named::Backup(record) if record.subject.kind == "full");
    match backup_or_file(name, backups, filter) {
        Err(error @ vectar::Error::BackupNotFound { .. }) if filter.shard.is_some() => {
            backup_or_file(name, backups, &any_shard).ok().filter(is_full).ok_or(error)
        }
        found => found,
    }
}

/// Opens a snapshot file to look inside.
pub(crate) fn open_file(path: &Path) -> Result<Content<'static>, CliError> {
    Content::file(path).map_err(|error| CliError::from(error).safe("nothing was read or written"))
}

/// Tells on stderr what is odd about a snapshot. Damage means that something could not be listed, so the command ends with 3.
pub(crate) fn mention_findings(listed: &Catalogue, context: &Context<'_>) {
    let (out, findings) = (context.out(), &listed.summary.anomalies);
    let grave = findings.iter().filter(|finding| finding.severity() > Severity::Note);
    for finding in grave.take(FINDINGS_MAX) {
        out.warn(plain_word(&finding.to_string()));
    }
    let grave = findings.count(Severity::Damage) + findings.count(Severity::Suspicious);
    match grave.saturating_sub(FINDINGS_MAX as u64) {
        0 => {}
        more => out.warn(format_args!("{more} more findings; \"vectar inspect\" lists them")),
    }
    match findings.count(Severity::Note) {
        0 => {}
        notes => out.note(format_args!("{notes} harmless oddities; \"vectar inspect\" lists them")),
    }
    if findings.count(Severity::Damage) > 0 {
        context.note_incomplete();
    }
}
