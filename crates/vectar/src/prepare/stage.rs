//! Taking out of the sources what the servers get: into a directory, or only read through.

use std::{
    fs::{File, Permissions},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use vectar_qdrant::FindingLevel;
use vectar_tar::ReadAt as _;

use super::{
    draft::{Draft, FileDraft},
    facts::PlanSource,
};
use crate::{
    content::Content,
    deep::verify_deep,
    engine::Engine,
    error::Error,
    extract::{PartChoice, SnapshotPart, extract_to_file, prove},
    observer::{CancelToken, Observer},
    restore::{RestoreOptions, restore_to_file, sync_directory},
    source::read_sidecar,
    words::hex,
};

/// A file that was staged, or read through as if.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Staged {
    pub(super) draft: FileDraft,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    pub(super) whole: bool,
}

/// A directory in the making. It appears under its name when it is finished, and is gone without a trace when it is not.
#[derive(Debug)]
pub struct StageDirectory {
    making: TempDir,
    path: PathBuf,
}

impl StageDirectory {
    /// Begins a directory that will be `path`: beside it, so that it can be renamed.
    ///
    /// # Errors
    /// [`Error::DirectoryTaken`] when something is there; [`Error::Target`].
    pub fn begin(path: &Path) -> Result<Self, Error> {
        check_empty(path)?;
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let failed = |action| move |source| Error::Target { action, path: parent.to_owned(), source };
        std::fs::create_dir_all(parent).map_err(failed("create"))?;
        // Snapshots lie there in the clear, and unless it is said, the umask decides who may look.
        let private = Permissions::from_mode(0o700);
        let making =
            tempfile::Builder::new().prefix(".vectar-").suffix(".partial").permissions(private).tempdir_in(parent);
        Ok(Self { making: making.map_err(failed("create a directory in"))?, path: path.to_owned() })
    }

    /// Bytes that are free for it; `None` when the system does not say.
    fn free_bytes(&self) -> Option<u64> {
        let found = rustix::fs::statvfs(self.making.path()).ok()?;
        found.f_bavail.checked_mul(found.f_frsize)
    }

    /// Writes a file of the plan and makes it durable; `is_program` makes it one that can be run.
    ///
    /// # Errors
    /// [`Error::Target`].
    pub fn write(&self, name: &str, text: &str, is_program: bool) -> Result<(), Error> {
        let path = self.making.path().join(name);
        let failed = |source| Error::Target { action: "write", path: path.clone(), source };
        let mode = if is_program { 0o700 } else { 0o600 };
        let mut file = File::create_new(&path).map_err(&failed)?;
        file.set_permissions(Permissions::from_mode(mode)).map_err(&failed)?;
        file.write_all(text.as_bytes()).map_err(&failed)?;
        file.sync_all().map_err(&failed)?;
        sync_directory(&path)
    }

    /// Gives the directory its name.
    ///
    /// # Errors
    /// [`Error::DirectoryTaken`] when something came up there meanwhile; [`Error::Target`].
    #[expect(clippy::disallowed_methods, reason = "a named target module of the engine")]
    pub fn publish(self) -> Result<(), Error> {
        check_empty(&self.path)?;
        let failed = |source| Error::Target { action: "rename to", path: self.path.clone(), source };
        // An empty directory may lie there; renaming over it replaces it.
        std::fs::rename(self.making.path(), &self.path).map_err(failed)?;
        sync_directory(&self.path)
    }
}

/// Refuses a directory in which something lies: plans must not be mixed.
fn check_empty(path: &Path) -> Result<(), Error> {
    match std::fs::read_dir(path) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Error::DirectoryTaken { path: path.to_owned() }),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(Error::Target { action: "look into", path: path.to_owned(), source }),
    }
}

/// Stages files one after the other.
pub(super) struct Stager<'s, 'c, 'e> {
    pub(super) sources: &'s [PlanSource<'c, 'e>],
    pub(super) engine: Option<&'e Engine>,
    /// `None` reads everything and writes nothing.
    pub(super) directory: Option<&'s StageDirectory>,
    pub(super) observer: &'s dyn Observer,
    pub(super) cancel: &'s CancelToken,
}

impl Stager<'_, '_, '_> {
    /// Stages what these drafts need, each file once.
    pub(super) fn stage_all(&self, drafts: &[Draft]) -> Result<Vec<Staged>, Error> {
        let files: Vec<&FileDraft> = drafts.iter().flat_map(|draft| &draft.files).collect();
        self.check_room(&files)?;
        let mut staged: Vec<Staged> = Vec::new();
        for file in files {
            // Several collections may come from one full snapshot that goes as it is.
            let same = staged.iter().find(|one| one.draft.path == file.path).cloned();
            staged.push(match same {
                Some(same) => Staged { draft: file.clone(), ..same },
                None => self.stage(file)?,
            });
        }
        Ok(staged)
    }

    fn check_room(&self, files: &[&FileDraft]) -> Result<(), Error> {
        let Some(directory) = self.directory else { return Ok(()) };
        let mut needed = 0_u64;
        for file in files {
            needed = needed.saturating_add(self.part(file)?.len());
        }
        match directory.free_bytes() {
            Some(free) if free < needed => Err(Error::StageFull { path: directory.path.clone(), free, needed }),
            _ => Ok(()),
        }
    }

    fn part(&self, file: &FileDraft) -> Result<SnapshotPart<'_, '_>, Error> {
        let inside = self.sources[file.source].inside();
        // A full snapshot that goes as it is has several collections and is wanted whole.
        if file.choice == PartChoice::default() {
            SnapshotPart::whole(inside)
        } else {
            SnapshotPart::of(inside, &file.choice)
        }
    }

    fn stage(&self, file: &FileDraft) -> Result<Staged, Error> {
        let part = self.part(file)?;
        let whole = part.is_whole();
        let Some(directory) = self.directory else {
            let proven = prove(&part, self.observer, self.cancel)?;
            self.check_digest(file, whole, &proven.sha256)?;
            return Ok(Staged { draft: file.clone(), bytes: proven.bytes, sha256: proven.sha256, whole });
        };
        let path = directory.making.path().join(&file.path);
        let parent = path.parent().expect("staged files lie in a directory");
        std::fs::create_dir_all(parent).map_err(|source| Error::Target {
            action: "create",
            path: parent.to_owned(),
            source,
        })?;
        let options = RestoreOptions::default();
        let (bytes, sha256) = match (self.engine, self.sources[file.source].record()) {
            // All cores rebuild a whole backup, and the digest is compared with the record's.
            (Some(engine), Some(record)) if whole => {
                let rebuilt = restore_to_file(engine, record, &path, &options, self.observer, self.cancel)?.rebuilt;
                (rebuilt.bytes, rebuilt.sha256)
            }
            _ => {
                let proven = extract_to_file(&part, &path, &options, self.observer, self.cancel)?.proven;
                (proven.bytes, proven.sha256)
            }
        };
        self.check_digest(file, whole, &sha256)?;
        Ok(Staged { draft: file.clone(), bytes, sha256, whole })
    }

    /// A whole snapshot must be what the record, or the `.checksum` beside the file, says.
    fn check_digest(&self, file: &FileDraft, whole: bool, found: &str) -> Result<(), Error> {
        let source = &self.sources[file.source];
        match (source.inside().content(), source.record()) {
            (_, Some(record)) if whole => match &record.sha256 {
                Some(expected) if expected != found => Err(Error::RebuiltWrong {
                    backup: record.id.short(),
                    expected: expected.clone(),
                    found: found.to_owned(),
                }),
                _ => Ok(()),
            },
            (Content::File(snapshot), _) if whole => match read_sidecar(snapshot.path())? {
                Some(sidecar) if hex(&sidecar.sha256) != found => Err(Error::ChecksumMismatch {
                    path: snapshot.path().to_owned(),
                    sidecar: sidecar.path,
                    expected: hex(&sidecar.sha256),
                    found: found.to_owned(),
                }),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

/// Reads every value of a source; what is wrong with it, as one text, or nothing.
pub(super) fn first_damage(
    source: &PlanSource<'_, '_>,
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<Option<String>, Error> {
    let findings = verify_deep(source.inside().content(), observer, cancel)?;
    let grave = findings.list.iter().find(|finding| finding.level >= FindingLevel::DataLoss);
    Ok(grave.map(|finding| format!("{}: {} ({})", finding.object, finding.what, finding.consequence)))
}
