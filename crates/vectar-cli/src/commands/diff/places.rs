//! The two snapshots that `diff` compares: files or backups.

use std::path::PathBuf;

use serde::Serialize;
use vectar::{
    BackupRecord, Content, Engine, Repository, SnapshotOutline,
    diff::Side,
    select::{Filter, Named, backup_or_file},
};

use super::DiffArgs;
use crate::{
    context::Context,
    error::CliError,
    output::{plain_word, size_long},
    snapshot_arg::open_file,
};

/// A snapshot that was named, and where it is.
pub(super) enum Place {
    File(PathBuf),
    Backup(Box<BackupRecord>),
}

/// Both snapshots that were named. One engine serves both: a second one would need a chunk index of its own.
pub(super) struct Places {
    pub(super) old: Place,
    pub(super) new: Place,
    engine: Option<Engine>,
}

/// A snapshot in `--json`.
#[derive(Serialize)]
pub(super) struct SideView {
    file: Option<String>,
    backup: Option<String>,
    name: String,
    kind: &'static str,
    bytes: u64,
}

const ENGINE: &str = "an engine is opened when a backup is among them";

impl Places {
    pub(super) fn find(args: &DiffArgs, context: &Context<'_>) -> Result<Self, CliError> {
        let filter = args.select.filter()?;
        let is_file =
            |name: &str| name.contains('/') || (context.repository_path().is_err() && PathBuf::from(name).is_file());
        if is_file(&args.old) && is_file(&args.new) {
            let file = |name: &str| Place::File(PathBuf::from(name));
            return Ok(Self { old: file(&args.old), new: file(&args.new), engine: None });
        }
        let repository = context.repository()?;
        let records = context.records(&repository)?;
        let old = Place::find(&args.old, &records.backups, &filter)?;
        let new = Place::find(&args.new, &records.backups, &filter)?;
        let needs_engine = [&old, &new].iter().any(|place| matches!(place, Place::Backup(_)));
        let open = |repository: &Repository| context.engine_of(repository);
        Ok(Self { engine: needs_engine.then(|| open(&repository)).transpose()?, old, new })
    }

    /// Opens one of them to compare its files.
    pub(super) fn open<'p>(&'p self, place: &'p Place) -> Result<Side<'p>, CliError> {
        match place {
            Place::File(path) => {
                Side::file(path).map_err(|error| CliError::from(error).safe("nothing was read or written"))
            }
            Place::Backup(record) => Ok(Side::backup(self.engine.as_ref().expect(ENGINE), record)?),
        }
    }

    /// Opens one of them to look inside.
    pub(super) fn content<'p>(&'p self, place: &'p Place) -> Result<Content<'p>, CliError> {
        match place {
            Place::File(path) => open_file(path),
            Place::Backup(record) => Ok(Content::backup(self.engine.as_ref().expect(ENGINE), record)),
        }
    }
}

impl Place {
    fn find(name: &str, records: &[BackupRecord], filter: &Filter) -> Result<Self, CliError> {
        Ok(match backup_or_file(name, records, filter)? {
            Named::File(path) => Self::File(path),
            Named::Backup(record) => Self::Backup(Box::new(record.clone())),
        })
    }

    pub(super) fn view(&self, outline: &SnapshotOutline) -> SideView {
        let (file, backup, name) = match self {
            Self::File(path) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                (Some(path.display().to_string()), None, name)
            }
            Self::Backup(record) => (None, Some(record.id.to_string()), record.subject.name.clone()),
        };
        SideView { file, backup, name, kind: outline.kind.as_str(), bytes: outline.bytes }
    }

    pub(super) fn title(&self, outline: &SnapshotOutline) -> String {
        format!("{}, {}, {}", plain_word(&self.name()), outline.kind, size_long(outline.bytes))
    }

    /// What it is, for people.
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(path) => format!("file {}", path.display()),
            Self::Backup(record) => format!("backup {} ({})", record.id.short(), record.subject.name),
        }
    }
}
