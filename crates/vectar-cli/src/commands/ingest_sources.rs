//! `ingest --delete-source`: the files that are backups now, and which of them go.

use std::{cmp::Reverse, collections::BTreeMap};

use serde::Serialize;
use vectar::{
    BackupRecord, Engine, Error, ErrorKind,
    select::{Group, counts_from},
    source::{SourceState, delete_source},
    words::one_line,
};

use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{counted, plain_word, size_long},
};

/// A file that was stored, and as what.
#[derive(Debug)]
pub(crate) struct StoredSource {
    /// The file before it was read.
    pub(crate) state: SourceState,
    /// Its backup.
    pub(crate) record: BackupRecord,
}

/// The line of `--json` for a file that is gone.
#[derive(Serialize)]
struct DeletedLine {
    path: String,
    checksum_path: Option<String>,
    bytes: u64,
    id: String,
}

/// Deletes all but the newest `keep` files of each group, after their backups were verified. What cannot be deleted is said and stays; the
/// code says what it came to.
pub(crate) fn delete(
    engine: &Engine,
    sources: &[StoredSource],
    keep: usize,
    context: &Context<'_>,
) -> Result<ExitCode, CliError> {
    let (out, mut code) = (context.out(), ExitCode::Done);
    let (mut gone, mut bytes) = (0, 0);
    let Superseded { files, linked } = superseded(sources, keep);
    for (source, known) in linked {
        let [path, known] = [source, known].map(|one| plain_word(&one.state.path().display().to_string()));
        out.note(format_args!("keeping {path}: it is the same file as {known}, and they count as one"));
    }
    for source in files {
        context.cancel().check()?;
        let observer = context.observer(&format!("verifying {}", source.record.id.short()));
        let deleted = delete_source(engine, &source.record, &source.state, &observer, context.cancel());
        drop(observer);
        match deleted {
            Ok(deleted) => {
                gone += 1;
                bytes += deleted.bytes;
                if let Some(error) = &deleted.sidecar_left {
                    out.warn(format_args!("its checksum is still there: {}", one_line(error)));
                }
                let line = DeletedLine {
                    path: deleted.path.display().to_string(),
                    checksum_path: deleted.sidecar.map(|path| path.display().to_string()),
                    bytes: deleted.bytes,
                    id: source.record.id.to_string(),
                };
                match out.is_json() {
                    true => out.json("source-deleted", &line)?,
                    false => {
                        let path = plain_word(&line.path);
                        out.line(format_args!("deleted {path}: backup {} is verified", source.record.id.short()))?;
                    }
                }
            }
            Err(Error::SourceKept { path, reason }) => {
                out.note(format_args!("keeping {}: {reason}", plain_word(&path.display().to_string())));
            }
            Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error.into()),
            Err(error) => {
                let path = source.state.path().display().to_string();
                let error = CliError::from(error).context(format_args!("{} is not deleted", plain_word(&path)));
                let is_damage = error.exit_code == ExitCode::Damage;
                code = if is_damage || code == ExitCode::Damage { ExitCode::Damage } else { ExitCode::Incomplete };
                out.error(&error);
            }
        }
    }
    if gone > 0 {
        out.note(format_args!("deleted {}, {}", counted(gone, "snapshot file"), size_long(bytes)));
    }
    Ok(code)
}

/// What `--keep-source` does not keep.
#[derive(Default)]
struct Superseded<'s> {
    /// The files that newer ones of the same group stand beside, oldest first.
    files: Vec<&'s StoredSource>,
    /// Further names of files, each with the one that stands for it. To remove a name frees nothing while there is another, and changes the
    /// file's times, so that the others could not be told from files that were written to: they stay, for the next run.
    linked: Vec<(&'s StoredSource, &'s StoredSource)>,
}

fn superseded(sources: &[StoredSource], keep: usize) -> Superseded<'_> {
    let mut groups: BTreeMap<Group, Vec<&StoredSource>> = BTreeMap::new();
    for source in sources {
        groups.entry(Group::of(&source.record)).or_default().push(source);
    }
    let mut superseded = Superseded::default();
    for mut group in groups.into_values() {
        group.sort_by_key(|source| Reverse((counts_from(&source.record), source.state.path())));
        let mut files: Vec<&StoredSource> = Vec::new();
        for source in group {
            match files.iter().find(|known| known.state.is_same_file(&source.state)) {
                Some(known) => superseded.linked.push((source, known)),
                None => files.push(source),
            }
        }
        superseded.files.extend(files.into_iter().skip(keep).rev());
    }
    superseded
}
