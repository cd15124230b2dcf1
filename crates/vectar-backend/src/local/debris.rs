//! Removes what interrupted writers left in `tmp/`.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::publish::is_absence;
use super::temp::{TempOwner, owner_of};
use super::{Inner, io_error};
use crate::{BackendError, CleanStats};

impl Inner {
    pub(super) fn clean_debris(&self, older_than: Duration) -> Result<CleanStats, BackendError> {
        let directory = self.tmp_directory();
        let mut stats = CleanStats::default();
        let listing = match fs::read_dir(&directory) {
            Ok(listing) => listing,
            Err(error) if is_absence(&error) => return self.require_root().map(|()| stats),
            Err(source) => return Err(io_error("list", &directory, source)),
        };
        let now = self.storage_now()?;
        for listed in listing {
            let listed = listed.map_err(|source| io_error("list", &directory, source))?;
            let name = listed.file_name();
            let owner = name.to_str().map_or(TempOwner::GoneOrUnknown, |name| owner_of(&directory, name));
            clean_one(&listed.path(), owner, now, older_than, &mut stats)?;
        }
        Ok(stats)
    }

    /// Returns the time by the clock of the storage, which on a network is not ours: when a file written now was written.
    fn storage_now(&self) -> Result<SystemTime, BackendError> {
        let (path, mut file) = self.create_in_tmp()?;
        let written = file.write_all(b"now").and_then(|()| file.metadata()?.modified());
        let _ = fs::remove_file(&path);
        written.map_err(|source| io_error("read the time from", &path, source))
    }
}

fn clean_one(
    path: &Path,
    owner: TempOwner,
    now: SystemTime,
    older_than: Duration,
    stats: &mut CleanStats,
) -> Result<(), BackendError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if is_absence(&error) => return Ok(()),
        Err(source) => return Err(io_error("stat", path, source)),
    };
    // We make no directories here.
    if metadata.is_dir() {
        return Ok(());
    }
    let modified = metadata.modified().map_err(|source| io_error("stat", path, source))?;
    // A file from the future is young.
    let age = now.duration_since(modified).unwrap_or(Duration::ZERO);
    if age < older_than {
        stats.young_count += 1;
        return Ok(());
    }
    if owner == TempOwner::Alive {
        stats.in_use_count += 1;
        return Ok(());
    }
    match fs::remove_file(path) {
        Ok(()) => {
            stats.removed_count += 1;
            stats.removed_bytes += metadata.len();
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(io_error("delete", path, source)),
    }
}
