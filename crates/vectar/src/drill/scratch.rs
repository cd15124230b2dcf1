//! A private directory for one shard at a time, which is gone afterwards.
//!
//! - Only this user may look into it (mode 0700): payloads lie there in the clear.
//! - [`Scratch::remove`] returns only when nothing is left under the name; a scratch that is dropped on the way of an error goes too.
//! - What a killed process leaves is found by the lock that nobody holds any more, and removed by the next drill ([`sweep`]).

use std::{
    fs::{File, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::error::Error;

/// What the name of every scratch directory begins with.
const PREFIX: &str = "vectar-drill-";

/// The file in it that its owner holds a lock on.
const LOCK: &str = "owner.lock";

/// What was tried when a scratch directory stays: whoever meets that makes no other one.
pub(super) const REMOVE: &str = "remove";

/// A directory of its own.
#[derive(Debug)]
pub(super) struct Scratch {
    directory: TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes one in `parent`, which must have room for `needed` bytes.
    ///
    /// # Errors
    /// [`Error::ScratchFull`]; [`Error::Target`] when it cannot be made.
    #[expect(clippy::disallowed_methods, reason = "the drill's module of scratch files")]
    pub(super) fn create(parent: &Path, needed: u64) -> Result<Self, Error> {
        let room = rustix::fs::statvfs(parent).map_err(|error| failed("look at", parent)(error.into()))?;
        let free = room.f_bavail.saturating_mul(room.f_frsize);
        if free < needed {
            return Err(Error::ScratchFull { directory: parent.to_owned(), free, needed });
        }
        // Unless it is said, the umask decides, and that lets others look.
        let private = Permissions::from_mode(0o700);
        let made = tempfile::Builder::new().prefix(PREFIX).permissions(private).tempdir_in(parent);
        let directory = made.map_err(failed("create a directory in", parent))?;
        // The lock appears under its name only when it is held: a sweep never takes a directory for one that was left behind.
        let (unnamed, named) = (directory.path().join("new"), directory.path().join(LOCK));
        let lock = File::create(&unnamed).map_err(failed("create", &unnamed))?;
        // Where the file system has no locks, nobody sweeps.
        if lock.try_lock().is_ok() {
            std::fs::rename(&unnamed, &named).map_err(failed("rename to", &named))?;
        }
        Ok(Self { directory, _lock: lock })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Removes it with all that is in it, and looks that it is gone.
    ///
    /// # Errors
    /// [`Error::Target`] when anything is left.
    pub(super) fn remove(self) -> Result<(), Error> {
        let path = self.directory.path().to_owned();
        self.directory.close().map_err(failed(REMOVE, &path))?;
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed(REMOVE, &path)(error)),
            Ok(_) => Err(failed(REMOVE, &path)(io::Error::other("something is there still"))),
        }
    }
}

/// Removes what killed drills left in `parent`, and returns what that was. What belongs to another user, or to a drill that runs, stays.
#[expect(clippy::disallowed_methods, reason = "the drill's module of scratch files")]
pub(super) fn sweep(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    let mine = rustix::process::geteuid().as_raw();
    let mut removed = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_named = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        let is_mine = || path.symlink_metadata().is_ok_and(|found| found.is_dir() && found.uid() == mine);
        if !is_named || !is_mine() {
            continue;
        }
        let Ok(lock) = File::open(path.join(LOCK)) else { continue };
        if lock.try_lock().is_ok() && std::fs::remove_dir_all(&path).is_ok() {
            removed.push(path);
        }
    }
    removed
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Target { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_private_and_gone_afterwards() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(parent.path(), 1).unwrap();
        let path = scratch.path().to_owned();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::create_dir(path.join("shard")).unwrap();
        assert!(sweep(parent.path()).is_empty(), "its owner lives");
        scratch.remove().unwrap();
        assert!(path.symlink_metadata().is_err());
        drop(Scratch::create(parent.path(), 1).unwrap());
        assert_eq!(parent.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn what_was_left_behind_is_swept_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(parent.path(), 1).unwrap();
        let left = scratch.directory.keep();
        let (other, stranger) = (parent.path().join("other"), parent.path().join(format!("{PREFIX}without-lock")));
        std::fs::create_dir(&other).unwrap();
        std::fs::create_dir(&stranger).unwrap();
        drop(scratch._lock);
        assert_eq!(sweep(parent.path()), [left]);
        assert!(other.is_dir() && stranger.is_dir());
    }

    #[test]
    fn too_little_room_is_said_before_anything_is_written() {
        let parent = tempfile::tempdir().unwrap();
        let error = Scratch::create(parent.path(), u64::MAX).unwrap_err();
        assert!(matches!(error, Error::ScratchFull { needed: u64::MAX, .. }), "{error}");
        assert_eq!(parent.path().read_dir().unwrap().count(), 0);
    }
}
