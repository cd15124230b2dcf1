//! The drill of one shard: out of the backup, into the engine, and what it means when the engine does not do its part.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use vectar_tar::ReadAt as _;

use super::{
    Agreed, DrillOptions, EngineProgram, ShardDrill, Verdict,
    dialogue::{Dialogue, Wrong},
    process::Silence,
    program::full,
    questions::Questions,
    scratch::{self, Scratch},
};
use crate::{
    content::Content,
    error::{EngineLack, Error, ErrorKind},
    extract::{SnapshotPart, extract_to_file},
    inside::Inside,
    observer::{CancelToken, Silent},
    restore::RestoreOptions,
    words::one_line,
};

/// Nobody waits for longer; clocks count no further than some centuries.
const SHARD_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// What a shard that is loaded takes besides its own files: the engine opens a new file of the write-ahead log, of 32 MiB.
const LOG_BYTES: u64 = 64 * 1024 * 1024;

/// With less room than this left, what went wrong did so for lack of room.
const ROOM_BYTES_MIN: u64 = 1024 * 1024;

/// With what, how, and until when a shard is drilled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'s> {
    pub(super) program: &'s EngineProgram,
    pub(super) options: &'s DrillOptions,
    /// Decides which points are the sample.
    pub(super) seed: u64,
    pub(super) cancel: &'s CancelToken,
}

/// Why a drill does not go on.
#[derive(Debug)]
pub(super) enum Halt {
    /// Nothing is said about the shard.
    Error(Error),
    /// Something is wrong with it.
    Problem(String),
    /// It was not done.
    Unfinished(String),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        match error {
            Error::NotReadable { .. } | Error::PartDamaged { .. } | Error::NoSnapshot { .. } => {
                Self::Problem(one_line(&error))
            }
            error if error.kind() == ErrorKind::RepositoryDamaged => Self::Problem(one_line(&error)),
            error => Self::Error(error),
        }
    }
}

impl Halt {
    /// What is known now: what came of it, why, and the error behind it. What stands in the way of other backups too is the error.
    pub(super) fn outcome(self) -> Result<(Verdict, Option<String>, Option<Error>), Error> {
        match self {
            Self::Error(error) if stops_all(&error) => Err(error),
            Self::Error(error) => Ok((Verdict::NotDrilled, Some(one_line(&error)), Some(error))),
            Self::Problem(problem) => Ok((Verdict::Failed, Some(problem), None)),
            Self::Unfinished(why) => Ok((Verdict::Unfinished, Some(why), None)),
        }
    }
}

/// Whether no other backup can be drilled either: there is no engine, the caller does not want any more, or a scratch directory stays.
fn stops_all(error: &Error) -> bool {
    matches!(error, Error::EngineLacking { .. } | Error::Cancelled | Error::Target { action: scratch::REMOVE, .. })
}

/// A drill of which nothing is known yet.
pub(super) fn begun(collection: Option<String>, shard: Option<u32>, bytes: u64) -> ShardDrill {
    ShardDrill {
        collection,
        shard,
        verdict: Verdict::Passed,
        bytes,
        points: 0,
        points_in_engine: None,
        agreed: Agreed::default(),
        problem: None,
        error: None,
        notes: Vec::new(),
        milliseconds: 0,
    }
}

/// Drills one shard.
pub(super) fn drill(part: &SnapshotPart<'_, '_>, subject: &Subject<'_>) -> Result<ShardDrill, Error> {
    let started = Instant::now();
    let mut drill = begun(part.collection().map(str::to_owned), part.shard(), part.len());
    let needed = part.len().saturating_mul(2).saturating_add(LOG_BYTES);
    let directory = std::path::absolute(&subject.options.scratch_directory);
    let directory = directory.unwrap_or_else(|_| subject.options.scratch_directory.clone());
    let halted = match Scratch::create(&directory, needed) {
        Ok(scratch) => {
            let halted = drill_in(part, &scratch, subject, &mut drill);
            scratch.remove()?;
            halted
        }
        Err(error) => Err(error.into()),
    };
    if let Err(halt) = halted {
        (drill.verdict, drill.problem, drill.error) = halt.outcome()?;
    }
    drill.milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(drill)
}

fn drill_in(
    part: &SnapshotPart<'_, '_>,
    scratch: &Scratch,
    subject: &Subject<'_>,
    drill: &mut ShardDrill,
) -> Result<(), Halt> {
    let file = scratch.path().join("shard.snapshot");
    let options = RestoreOptions { no_checksum: true, ..RestoreOptions::default() };
    extract_to_file(part, &file, &options, &Silent, subject.cancel)?;
    let content = Content::file(&file)?;
    let inside = Inside::open(&content)?;
    let place = Place { folder: scratch.path().to_owned(), subject };
    let time = subject.options.shard_max.min(SHARD_MAX);
    let begun = Dialogue::begin(&subject.program.interpreter, scratch.path(), time, subject.cancel);
    let (mut dialogue, _) = begun.map_err(|wrong| place.halt("start", wrong))?;
    let loaded = dialogue.load(&file, scratch.path());
    drill.points_in_engine = Some(loaded.map_err(|wrong| place.halt("load the shard", wrong))?);
    let mut questions = Questions { inside: &inside, dialogue, place: &place, drill };
    if let Some(touched) = questions.counts()? {
        let sample = questions.sample(&touched)?;
        questions.points(&sample)?;
        questions.searches(&sample)?;
    }
    let Questions { dialogue, .. } = questions;
    dialogue.close().map_err(|wrong| place.halt("close the shard", wrong))
}

/// Where the engine works.
pub(super) struct Place<'s> {
    folder: PathBuf,
    pub(super) subject: &'s Subject<'s>,
}

impl Place<'_> {
    /// What it means that the engine did not do something.
    pub(super) fn halt(&self, what: &str, wrong: Wrong) -> Halt {
        let program = self.subject.program;
        let full = || full(&self.subject.options.scratch_directory);
        let lacking = |lack, said| Error::EngineLacking { version: program.version.clone(), lack, said };
        let python = || program.interpreter.clone();
        match wrong {
            Wrong::Silence(Silence::Cancelled) => Halt::Error(Error::Cancelled),
            Wrong::NoSpace(_) => Halt::Error(full()),
            Wrong::Start(error) => Halt::Error(lacking(EngineLack::NoPython { looked: python() }, error.to_string())),
            Wrong::NoPackage(said) => Halt::Error(lacking(EngineLack::NoPackage { python: python() }, said)),
            // An engine that maps files is ended by a signal when there is no room behind them.
            wrong if self.is_full() => {
                tracing::debug!(%wrong, "the scratch directory is full");
                Halt::Error(full())
            }
            Wrong::Silence(Silence::TimedOut) => {
                let seconds = self.subject.options.shard_max.as_secs();
                Halt::Unfinished(format!(
                    "engine {} had used up its {seconds} s before it could {what}",
                    program.version
                ))
            }
            // No answer is that long, and none that was cut says anything.
            wrong @ Wrong::Silence(Silence::Endless) => {
                Halt::Unfinished(format!("engine {} does not {what}: {wrong}", program.version))
            }
            Wrong::Silence(Silence::Ended { signal: Some(9), .. }) => Halt::Unfinished(format!(
                "engine {} was killed before it could {what}: most often for lack of memory",
                program.version
            )),
            wrong => Halt::Problem(format!("engine {} does not {what}: {wrong}", program.version)),
        }
    }

    fn is_full(&self) -> bool {
        let room = rustix::fs::statvfs(&self.folder);
        room.is_ok_and(|room| room.f_bavail.saturating_mul(room.f_frsize) < ROOM_BYTES_MIN)
    }
}
