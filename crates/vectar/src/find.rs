//! Looking for an entry over many backups.

use vectar_repository::format::record::BackupRecord;
use vectar_tar::CatalogueRow;

use crate::{content::Content, engine::Engine, error::Error, observer::CancelToken};

/// An entry that was looked for, and the backup it is in.
#[derive(Debug, Clone)]
pub struct Found<'r> {
    /// The backup.
    pub record: &'r BackupRecord,
    /// The entry.
    pub row: CatalogueRow,
}

/// What a search over backups came to.
#[derive(Debug, Default)]
pub struct Search<'r> {
    /// Entries whose path fits, backup by backup.
    pub found: Vec<Found<'r>>,
    /// Backups that could not be searched: the others were.
    pub failed: Vec<(&'r BackupRecord, Error)>,
}

/// Searches the entries of backups; `fits` sees each path as `ls` shows it, `!` between tar levels. Reads headers only.
///
/// # Errors
/// [`Error::Cancelled`]. A backup that cannot be read is part of the answer.
pub fn find<'r>(
    engine: &Engine,
    records: &[&'r BackupRecord],
    fits: &dyn Fn(&str) -> bool,
    cancel: &CancelToken,
) -> Result<Search<'r>, Error> {
    let mut search = Search::default();
    for &record in records {
        cancel.check()?;
        match Content::backup(engine, record).catalogue() {
            Ok(listed) => {
                let named = listed.rows.into_iter().filter(|row| row.head.entry().is_some());
                let fitting = named.filter(|row| fits(&row.head.path.to_string()));
                search.found.extend(fitting.map(|row| Found { record, row }));
            }
            Err(error) => search.failed.push((record, error)),
        }
    }
    Ok(search)
}
