//! What to tell people about each error beside its own text: to which object, what is safe, what now.

use vectar::{
    EngineLack, Error, QdrantErrorKind, RepositoryError,
    prepare::{Concern, ConcernLevel},
};

use crate::output::size_long;

/// What belongs to an error and does not stand in its text.
#[derive(Debug, Default)]
pub(crate) struct Advice {
    /// Replaces the error's own line, where that would grow too long.
    pub(crate) message: Option<String>,
    /// More lines about the object: expected and found, candidates.
    pub(crate) objects: Vec<String>,
    /// What is as it was.
    pub(crate) safe: Option<String>,
    /// What to do now.
    pub(crate) hints: Vec<String>,
}

impl Advice {
    fn safe(safe: &str) -> Self {
        Self { safe: Some(safe.to_owned()), ..Self::default() }
    }

    fn hints(mut self, hints: impl IntoIterator<Item = String>) -> Self {
        self.hints.extend(hints);
        self
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

const NOTHING_STORED: &str = "no backup was stored; those in the repository are as they were";
const NOTHING_CHANGED: &str = "nothing was written; the repository was not changed";

/// The advice on an error.
pub(crate) fn on(error: &Error) -> Advice {
    match error {
        Error::Repository(error) => on_repository(error),
        Error::Source { .. }
        | Error::SourceChanged { .. }
        | Error::SourceKept { .. }
        | Error::Tar { .. }
        | Error::SnapshotDamaged { .. }
        | Error::ChecksumMismatch { .. }
        | Error::SidecarInvalid { .. }
        | Error::KeepFree { .. } => on_snapshot(error),
        Error::Target { .. } => Advice::safe("no file was left behind; the repository was not changed")
            .hint("check that the directory exists, has room and may be written by this user"),
        Error::TargetExists { .. } => Advice::safe("the file is as it was; the repository was not changed")
            .hint("choose another name, or add --force to replace it"),
        Error::RebuiltWrong { .. } => Advice::safe("no file was left behind; the repository was not changed")
            .hint("run \"vectar list\" and restore another backup of the collection")
            .hint("keep the repository as it is and report this: every part was right and the whole is not"),
        Error::BackupNotFound { reason, .. } => Advice {
            objects: reason.iter().cloned().collect(),
            ..Advice::safe(NOTHING_CHANGED)
                .hint("run \"vectar list\" to see what is there, \"vectar undelete\" to see what was forgotten")
        },
        Error::BackupAmbiguous { name, candidates } => Advice {
            message: Some(format!("{name:?} names {} backups", candidates.len())),
            objects: candidates.clone(),
            ..Advice::safe(NOTHING_CHANGED)
                .hint("use one of these ids, or narrow down with --collection, --cluster, --node or --shard")
                .hints(
                    (name == "latest").then(|| "write COLLECTION@latest for the newest of one collection".to_owned()),
                )
        },
        Error::BackupOrFile { backup, file, .. } => Advice::safe(NOTHING_CHANGED)
            .hint(format!("write {backup} for the backup"))
            .hint(format!("write {file} for the file")),
        Error::EntryNotFound { near, .. } => Advice {
            objects: near.iter().map(|path| format!("there is {path}")).collect(),
            ..Advice::safe(NOTHING_CHANGED).hint("run \"vectar ls BACKUP\" to see all of them")
        },
        Error::EntryPathInvalid { .. } => Advice::safe(NOTHING_CHANGED)
            .hint("run \"vectar ls BACKUP\": it shows paths as they are to be written, with ! between tar levels"),
        Error::NotReadable { .. }
        | Error::NoSnapshot { .. }
        | Error::PartialSnapshot { .. }
        | Error::CollectionNotFound { .. }
        | Error::ShardNotFound { .. }
        | Error::PartUnclear { .. }
        | Error::CollectionUnnamed { .. }
        | Error::ShardUnnamed { .. }
        | Error::PartDamaged { .. }
        | Error::FilterInvalid { .. } => on_inside(error),
        Error::OthersActive { .. } => Advice {
            objects: vec!["what it has just seen could be taken away from under it".to_owned()],
            ..Advice::safe("nothing was pruned; the repository was not changed")
                .hint("run \"vectar prune\" with a grace: it works beside others, and finds out which ingests are dead")
                .hint("wait until that client was quiet for a day, if there must be no grace")
        },
        Error::Refused { .. } | Error::DirectoryTaken { .. } | Error::StageFull { .. } => on_prepare(error),
        Error::OptionInvalid { .. } => Advice::safe(NOTHING_CHANGED),
        Error::EngineLacking { .. } | Error::ScratchFull { .. } => on_drill(error),
        Error::Cancelled => Advice::safe("nothing is half-published; what was written before is used by the next try"),
        Error::ThreadLost { .. } => {
            Advice::safe(NOTHING_STORED).hint("this is a defect of vectar; report it with what was being done")
        }
        _ => Advice::default(),
    }
}

/// The advice on a restore that was not prepared.
fn on_prepare(error: &Error) -> Advice {
    const NOTHING_STAGED: &str = "nothing was staged; the snapshots were only read";
    match error {
        Error::Refused { concerns } => {
            let is_gap = |concern: &&Concern| concern.level == ConcernLevel::Gap;
            let gap = concerns
                .iter()
                .any(|concern| is_gap(&concern))
                .then(|| "add the snapshots of the missing nodes, or --allow-gaps to prepare what is there".to_owned());
            Advice {
                message: Some("the restore was not prepared".to_owned()),
                objects: concerns.iter().map(|concern| format!("{}: {}", concern.text, concern.reason)).collect(),
                ..Advice::safe(NOTHING_STAGED).hints(gap)
            }
        }
        Error::DirectoryTaken { .. } => {
            Advice::safe("the directory is as it was").hint("choose another --out; plans are never mixed")
        }
        Error::StageFull { free, needed, .. } => Advice {
            message: Some("there is too little room for what is to be staged".to_owned()),
            objects: vec![format!("free now:  {}", size_long(*free)), format!("needed:    {}", size_long(*needed))],
            ..Advice::safe(NOTHING_STAGED).hint("make room, or choose an --out on another disk")
        },
        _ => Advice::default(),
    }
}

/// The advice on a drill that was not made.
fn on_drill(error: &Error) -> Advice {
    match error {
        Error::EngineLacking { lack, said, .. } => on_engine(lack, said),
        Error::ScratchFull { directory, free, needed } => Advice {
            message: Some(format!("{} has too little room for the drill", directory.display())),
            objects: vec![format!("free now:    {}", size_long(*free)), format!("it may need: {}", size_long(*needed))],
            ..Advice::safe(
                "nothing was left behind; nothing is said about the backup, and proofs of earlier drills stay",
            )
            .hint("make room there, or name a larger directory with --scratch")
        },
        _ => Advice::default(),
    }
}

/// Lines shown of what Python or pip said, from the end, and characters of each.
const SAID_LINES_MAX: usize = 3;
const SAID_CHARS_MAX: usize = 300;

/// The advice on an engine that cannot be had.
fn on_engine(lack: &EngineLack, said: &str) -> Advice {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines.iter().skip(lines.len().saturating_sub(SAID_LINES_MAX));
    let advice = Advice {
        objects: last.map(|line| line.chars().take(SAID_CHARS_MAX).collect()).collect(),
        ..Advice::safe("nothing is said about any backup, and none was changed; nothing was left behind")
    };
    match lack {
        EngineLack::NoPython { .. } => advice
            .hint("install Python 3.10 or newer with its venv module, so that python3 is found in PATH")
            .hint("or name one with --python INTERPRETER that has the package"),
        EngineLack::NoVenv { .. } => advice
            .hint("install Python's venv module; some systems have it in a package python3-venv")
            .hint("or name a Python with --python INTERPRETER that has the package"),
        EngineLack::NotInstallable => advice
            .hint("check that pip reaches its index; its own settings and variables (PIP_INDEX_URL, PIP_FIND_LINKS, proxies) are used")
            .hint("check that the version exists for this Python and this machine, or choose another with --engine-version")
            .hint("without a network: install the package into an environment elsewhere, and name its Python with --python INTERPRETER"),
        EngineLack::NoPackage { .. } => advice
            .hint("install the package into that Python's environment; what is installed for a user only is not seen")
            .hint("or leave --python out: an environment is made then, once"),
        EngineLack::OtherVersion { .. } => advice
            .hint("say --engine-version with the version that Python has, if that is the one to drill with")
            .hint("or leave --python out: an environment is made for each version"),
        EngineLack::NoAnswer { .. } => advice.hint("try again when the machine has time and memory to spare"),
        _ => advice.hint("name a Python that has the package with --python INTERPRETER"),
    }
}

const ONLY_READ: &str = "nothing was changed; the snapshot was only read";

/// The advice on looking inside a snapshot.
fn on_inside(error: &Error) -> Advice {
    match error {
        Error::NotReadable { source, .. } if source.kind() == QdrantErrorKind::Unsupported => {
            Advice::safe("nothing is wrong with the snapshot: vectar keeps and restores it as any other, and cannot read this part")
                .hint("run \"vectar compat\" on it: that says which Qdrant can load it and answer instead")
        }
        Error::NotReadable { .. } => Advice::safe("what was printed before is right; nothing was changed")
            .hint("run \"vectar verify --deep\" on it: that lists everything that is wrong, and what each means for a restore")
            .hint("ask another backup of the collection, or with --shard one of its other shards"),
        Error::NoSnapshot { .. } => Advice::safe(ONLY_READ)
            .hint("check the name; an error page saved under the name of a snapshot looks like this")
            .hint("run \"vectar inspect\" on it: that says what is in the file"),
        Error::PartialSnapshot { .. } => Advice {
            objects: vec!["it has only the files that had changed since the one who asked for it had the shard".to_owned()],
            ..Advice::safe(ONLY_READ)
                .hint("ask the shard or collection snapshot it belongs to")
                .hint("run \"vectar ls\" on it: that lists the files it has")
        },
        Error::CollectionNotFound { known, .. } => Advice {
            objects: known.iter().map(|name| format!("there is {name}")).collect(),
            ..Advice::safe(ONLY_READ).hint("write one of these behind --collection")
        },
        Error::ShardNotFound { known, .. } => Advice {
            objects: known.iter().map(|shard| format!("there is shard {shard}")).collect(),
            ..Advice::safe(ONLY_READ).hint("write one of these behind --shard; other nodes have the other shards")
        },
        Error::PartUnclear { known, .. } => Advice {
            objects: known.iter().map(|name| format!("there is {name}")).collect(),
            ..Advice::safe("nothing was written").hint("write one of these behind --collection")
        },
        Error::PartDamaged { .. } => Advice::safe("no file was left behind; the snapshot was only read")
            .hint("run \"vectar verify --deep\" on the snapshot: that lists everything that is wrong")
            .hint("take another backup of the same collection or shard: \"vectar list\" shows them"),
        Error::CollectionUnnamed { .. } | Error::ShardUnnamed { .. } => Advice::safe("nothing was written")
            .hint("call the file as Qdrant does, NAME-shard-7-2026-11-20-16-24-27.snapshot, or store it with \"vectar ingest --collection NAME\""),
        Error::FilterInvalid { source } if source.kind() == QdrantErrorKind::Unsupported => {
            Advice::safe("no point was listed: an answer could differ from the server's")
                .hint("leave that condition out, and look for the words in what is listed")
                .hint("or recover the snapshot into a Qdrant and ask that")
        }
        Error::FilterInvalid { .. } => Advice::safe("no point was listed; nothing was changed")
            .hint("write the filter as a client of Qdrant does, as {\"must\":[{\"key\":\"city\",\"match\":{\"value\":\"Berlin\"}}]}")
            .hint("\"vectar points --help\" names the conditions"),
        _ => Advice::default(),
    }
}

/// The advice on a snapshot that is not stored.
fn on_snapshot(error: &Error) -> Advice {
    match error {
        Error::Source { .. } => {
            Advice::safe(NOTHING_STORED).hint("check that the file exists and that this user may read it")
        }
        Error::SourceChanged { .. } => {
            Advice::safe("no backup was stored; what was written before is used by the next try")
                .hint("wait until Qdrant has finished the snapshot (no .tmp beside it), then ingest it again")
        }
        Error::SourceKept { .. } => Advice::safe("the file is as it was; the backups in the repository are too")
            .hint("run \"vectar list\" to see what it was stored as; delete it by hand if it is not needed"),
        Error::Tar { .. } => Advice::safe(NOTHING_CHANGED),
        Error::SnapshotDamaged { name, finding } => Advice {
            message: Some(format!("{name} is damaged")),
            objects: vec![finding.clone()],
            ..Advice::safe(NOTHING_STORED)
                .hint("take the snapshot again, or copy it again from the server")
                .hint("add --allow-damaged to keep it all the same, marked as damaged")
        },
        Error::ChecksumMismatch { path, sidecar, expected, found } => Advice {
            message: Some(format!("{} does not match its checksum", path.display())),
            objects: vec![format!("expected {expected}, by {}", sidecar.display()), format!("found    {found}")],
            ..Advice::safe(NOTHING_CHANGED)
                .hint("copy the snapshot and its .checksum again from the server")
                .hint("add --allow-damaged to keep the file as it is, marked as damaged")
        },
        Error::SidecarInvalid { path, .. } => Advice::safe(NOTHING_CHANGED)
            .hint(format!("remove {} if it does not belong to the snapshot", path.display())),
        Error::KeepFree { location, free, keep_free, needed } => Advice {
            message: Some(format!("{location} would have too little room left")),
            objects: vec![
                format!("free now:            {}", size_long(*free)),
                format!("the snapshot needs:  {} at most", size_long(*needed)),
                format!("to be kept free:     {}", size_long(*keep_free)),
            ],
            ..Advice::safe(NOTHING_CHANGED).hint("make room, or lower --keep-free")
        },
        _ => Advice::default(),
    }
}

fn on_repository(error: &RepositoryError) -> Advice {
    use vectar::RepositoryErrorKind as Kind;
    match error {
        RepositoryError::NotARepository { .. } => Advice::safe("nothing was written")
            .hint("check the path, and that its storage is mounted")
            .hint("run \"vectar -r PATH init\" to create a repository"),
        RepositoryError::AlreadyARepository { .. } => {
            Advice::safe("the repository is as it was").hint("run \"vectar list\" to see what is in it")
        }
        RepositoryError::NotEmpty { .. } => {
            Advice::safe("nothing was written").hint("choose an empty directory, or one that does not exist yet")
        }
        RepositoryError::WrongRepository { .. } => Advice::safe("nothing was read or written there")
            .hint("check that the right storage is mounted, and the profile's repository_id"),
        RepositoryError::NeededPacksGone { .. } | RepositoryError::ChunkGone { .. } => {
            Advice::safe(NOTHING_STORED).hint("ingest the snapshot again")
        }
        RepositoryError::LayoutWrong { .. } | RepositoryError::ThreadLost { .. } => {
            Advice::safe(NOTHING_STORED).hint("this is a defect of vectar; report it with what was being done")
        }
        RepositoryError::PruneUnsafe { source, .. } if source.kind() == Kind::RepositoryDamaged => Advice::safe(
            "nothing was marked or removed; the repository was not changed",
        )
        .hint("run \"vectar check\" to list every backup that is hurt")
        .hint("run \"vectar repair packs\", then ingest the same snapshots again: that stores what is missing")
        .hint("forget hurt backups whose snapshots are gone; once their grace is over, prune needs nothing of them"),
        error => match error.kind() {
            Kind::NewerFormat => Advice::safe("nothing was written; the repository was not changed")
                .hint("use the newer vectar that wrote it"),
            Kind::RepositoryDamaged => Advice::safe("nothing was written; the repository was not changed")
                .hint("run \"vectar check --read-data\" to list every backup that is hurt")
                .hint("run \"vectar repair packs\", then ingest the same snapshot again: that stores what is missing"),
            Kind::NoSpace => Advice::safe(NOTHING_STORED).hint("make room on the storage, then try again"),
            Kind::Retry => Advice::safe(NOTHING_STORED).hint("try again"),
            _ => Advice::safe(NOTHING_STORED).hint("look at the storage: is it mounted, may this user write there?"),
        },
    }
}
