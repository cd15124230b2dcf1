//! Deleting a snapshot file once it is a backup.
//!
//! **Invariant:** a file is deleted only when its bytes, read once more for this, have the SHA-256 of what came back from the repository just
//! before, and nothing wrote to it since before it was stored.

use std::{
    io,
    path::{Path, PathBuf},
};

use vectar_qdrant::in_progress;
use vectar_repository::format::record::BackupRecord;

use super::{SnapshotFile, file::FileState, sidecar_path};
use crate::{
    engine::Engine,
    error::Error,
    observer::{CancelToken, Observer},
    select::is_good,
    verify::verify_backup,
    words::hex,
};

/// A snapshot file as it was before it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceState {
    path: PathBuf,
    state: FileState,
}

/// What was deleted.
#[derive(Debug)]
pub struct Deleted {
    /// The snapshot.
    pub path: PathBuf,
    /// The `.checksum` beside it, if there was one and it is gone too.
    pub sidecar: Option<PathBuf>,
    /// Why the `.checksum` is still there, if it is.
    pub sidecar_left: Option<Error>,
    /// Length of the snapshot.
    pub bytes: u64,
}

impl SourceState {
    /// Looks at a file. To be called before it is read.
    ///
    /// # Errors
    /// [`Error::Source`] when it is not there, or is not a regular file: a link is somebody else's file.
    pub fn of(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Source { action: "look at", path: path.to_owned(), source };
        let found = path.symlink_metadata().map_err(failed)?;
        match found.is_file() {
            true => Ok(Self { path: path.to_owned(), state: FileState::of(&found) }),
            false => Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))),
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether both are names of one file, by device and inode: the same path, or hard links.
    #[must_use]
    pub fn is_same_file(&self, other: &Self) -> bool {
        self.state.inode == other.state.inode
    }

    /// Compares it with what it was.
    ///
    /// # Errors
    /// [`Error::SourceChanged`]; as [`of`](Self::of).
    fn check_unchanged(&self) -> Result<(), Error> {
        let change = "it is not the file any more that was stored".to_owned();
        match Self::of(&self.path)? == *self {
            true => Ok(()),
            false => Err(Error::SourceChanged { path: self.path.clone(), change }),
        }
    }
}

/// Deletes a snapshot file that was stored as `record`, and its `.checksum`: after the backup was found in the repository and rebuilt as
/// recorded, the file was read again and has the SHA-256 of what was rebuilt, and it was seen to be what it was. The record may have been
/// without a SHA-256: the file is compared with the rebuilt bytes, and not with what is written about them.
///
/// A name that somebody gives to another file between the last look and the deletion is lost; Qdrant gives no name twice.
///
/// # Errors
/// [`Error::SourceKept`] for what must not be deleted; what [`verify_backup`] meets; [`Error::SourceChanged`]; [`Error::Source`] when the file
/// cannot be read; [`Error::Target`] when it cannot be deleted. The file is there then.
#[expect(clippy::disallowed_methods, reason = "a named source module of the engine")]
pub fn delete_source(
    engine: &Engine,
    record: &BackupRecord,
    source: &SourceState,
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<Deleted, Error> {
    let kept = |reason: &str| Error::SourceKept { path: source.path.clone(), reason: reason.to_owned() };
    if !is_good(record) {
        return Err(kept("its backup is damaged, partial or of unknown kind"));
    }
    // Its name alone: the directories above it may be called anything.
    let name = source.path.file_name().unwrap_or_default().to_string_lossy();
    if in_progress(&name).is_some() {
        return Err(kept("its name is that of a file that is still written"));
    }
    // What is listed now counts: the record at hand may be from before somebody recorded the backup afresh.
    let listed = engine.repository().records()?;
    let Some(record) = listed.backups.iter().find(|known| known.id == record.id).filter(|known| is_good(known)) else {
        return Err(kept("its backup is not listed in the repository"));
    };
    source.check_unchanged()?;
    let (rebuilt, _) = verify_backup(engine, record, observer, cancel)?;
    let found = SnapshotFile::open(&source.path)?.sha256(cancel)?;
    source.check_unchanged()?;
    if hex(&found) != rebuilt.sha256 {
        return Err(kept("its bytes are not those of its backup"));
    }
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Target { action: "delete", path, source }
    };
    std::fs::remove_file(&source.path).map_err(failed(&source.path))?;
    // The snapshot first: a checksum alone is what Qdrant leaves behind too, a snapshot alone would be compared with nothing.
    let sidecar = sidecar_path(&source.path);
    let (sidecar, sidecar_left) = match std::fs::remove_file(&sidecar) {
        Ok(()) => (Some(sidecar), None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (None, None),
        Err(error) => (None, Some(failed(&sidecar)(error))),
    };
    Ok(Deleted { path: source.path.clone(), sidecar, sidecar_left, bytes: record.bytes })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests touch the files around and in a repository")]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::{
        EngineOptions, ErrorKind, IngestOptions, IngestOutcome, InitOptions, Silent, Source, ingest,
        ingest::DigestTime, init,
    };

    /// A repository with one backup, and the file that it was stored from.
    struct Ground {
        directory: TempDir,
        engine: Engine,
        record: BackupRecord,
        source: SourceState,
    }

    impl Ground {
        fn new() -> Self {
            Self::with(DigestTime::Now)
        }

        fn with(digest: DigestTime) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let fixture = &vectar_testkit::fixtures::series("notes")[0].path;
            let path = directory.path().join("notes.snapshot");
            fs::copy(fixture, &path).unwrap();
            let (repository, _) = init(&directory.path().join("repository"), &InitOptions::default()).unwrap();
            let engine = Engine::open(&repository, &EngineOptions::default()).unwrap();
            let source = SourceState::of(&path).unwrap();
            let cancel = CancelToken::default();
            let options = IngestOptions { digest, ..IngestOptions::default() };
            let stored = ingest(&engine, Source::file(&path).unwrap(), &options, &[], &Silent, &cancel).unwrap();
            let IngestOutcome::Stored(committed) = stored else { panic!("the repository was empty") };
            Self { directory, engine, record: committed.record, source }
        }

        fn delete(&self) -> Result<Deleted, Error> {
            delete_source(&self.engine, &self.record, &self.source, &Silent, &CancelToken::default())
        }

        /// Damages every pack.
        fn damage(&self) {
            for folder in self.directory.path().join("repository/packs").read_dir().unwrap() {
                for pack in folder.unwrap().path().read_dir().unwrap() {
                    let path = pack.unwrap().path();
                    let mut bytes = fs::read(&path).unwrap();
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 1;
                    fs::write(&path, bytes).unwrap();
                }
            }
        }
    }

    #[test]
    fn a_verified_source_goes_with_its_checksum() {
        let ground = Ground::new();
        let sidecar = sidecar_path(ground.source.path());
        fs::write(&sidecar, "it is not looked into").unwrap();
        let deleted = ground.delete().unwrap();
        assert_eq!((deleted.sidecar.as_ref(), deleted.bytes), (Some(&sidecar), ground.record.bytes));
        assert!(!ground.source.path().exists() && !sidecar.exists());
        assert_eq!(ground.engine.repository().proofs().unwrap().len(), 1, "it was verified");
    }

    #[test]
    fn a_checksum_that_cannot_be_deleted_is_said_beside_what_was() {
        let ground = Ground::new();
        // No file, so it is not deleted as one.
        let sidecar = sidecar_path(ground.source.path());
        fs::create_dir(&sidecar).unwrap();
        let deleted = ground.delete().unwrap();
        assert!(matches!(&deleted.sidecar_left, Some(Error::Target { path, .. }) if *path == sidecar), "{deleted:?}");
        assert!(deleted.sidecar.is_none() && !ground.source.path().exists() && sidecar.exists());
    }

    /// The record says nothing of the digest of a file that was stored so, and another file of that name and length would have the same
    /// record: only its bytes tell.
    #[test]
    fn a_file_whose_backup_has_no_digest_is_compared_by_its_bytes() {
        for is_same in [true, false] {
            let mut ground = Ground::with(DigestTime::Later);
            assert_eq!(ground.record.sha256, None);
            if !is_same {
                let mut bytes = fs::read(ground.source.path()).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                fs::write(ground.source.path(), bytes).unwrap();
                ground.source = SourceState::of(ground.source.path()).unwrap();
            }
            let deleted = ground.delete();
            assert_eq!((deleted.is_ok(), ground.source.path().exists()), (is_same, !is_same), "{deleted:?}");
            assert!(is_same || matches!(deleted, Err(Error::SourceKept { .. })));
        }
    }

    #[test]
    fn a_source_that_changed_stays() {
        type Change = fn(&Path);
        let changes: [Change; 3] = [
            |path| fs::write(path, fs::read(path).unwrap()).unwrap(),
            |path| fs::File::options().append(true).open(path).unwrap().set_len(7).unwrap(),
            |path| {
                fs::copy(path, path.with_extension("new")).unwrap();
                fs::rename(path.with_extension("new"), path).unwrap();
            },
        ];
        for change in changes {
            let ground = Ground::new();
            // The clock of a file system may stand still for some milliseconds.
            std::thread::sleep(std::time::Duration::from_millis(20));
            change(ground.source.path());
            assert!(matches!(ground.delete(), Err(Error::SourceChanged { .. })));
            assert!(ground.source.path().exists());
        }
    }

    #[test]
    fn a_source_whose_backup_does_not_come_back_stays() {
        let ground = Ground::new();
        ground.damage();
        assert_eq!(ground.delete().unwrap_err().kind(), ErrorKind::RepositoryDamaged);
        assert!(ground.source.path().exists());
        let forgotten = Ground::new();
        fs::remove_dir_all(forgotten.directory.path().join("repository/backups")).unwrap();
        assert!(matches!(forgotten.delete(), Err(Error::SourceKept { .. })));
        assert!(forgotten.source.path().exists());
    }

    #[test]
    fn a_damaged_snapshot_and_one_in_progress_stay() {
        let mut ground = Ground::new();
        ground.record.damaged = Some("cut short".to_owned());
        assert!(matches!(ground.delete(), Err(Error::SourceKept { .. })));
        ground.record.damaged = None;
        let place = ground.directory.path().join("tmp");
        fs::create_dir(&place).unwrap();
        let path = place.join("notes.snapshot.tmp");
        fs::rename(ground.source.path(), &path).unwrap();
        ground.source = SourceState::of(&path).unwrap();
        assert!(matches!(ground.delete(), Err(Error::SourceKept { .. })));
        assert!(path.exists());
    }
}
