//! Restore drills: the shards of a backup are loaded by Qdrant's own engine, and it must say of them what their files say.
//!
//! A drill of a backup rebuilds it and compares length and SHA-256, then takes out one shard after the other ([`extract`](crate::extract)) into a
//! private directory, has the engine unpack and load it there, and compares:
//!
//! - the number of points, and SHA-256 over all their ids, but for points that operations in the write-ahead log may have changed: the
//!   engine applies those, and no segment has them;
//! - payloads and vectors of some, spread over all ids and others each time;
//! - exact searches with the vectors of some of those: over the sample, against a ranking by scores worked out here; over all points, where
//!   none may be farther than the point itself; and through the index, where it is counted how many find themselves.
//!
//! **Invariants.** Nothing is left of it: each scratch directory is seen to be gone before the next is made, children are dead before we go
//! on, and what a killed drill left is removed by the next. Only what was compared and agreed becomes a proof. What keeps a shard from being
//! drilled, such as no room, says nothing about its backup and nothing against the next one: it is noted as an error beside what was found.
//! That the engine cannot be had says nothing about any backup and ends it all.
//!
//! [`EngineSource::find`] gets the engine, [`drill_backup`] drills; `process` is the one module that starts programs.

mod compare;
mod dialogue;
mod order;
mod process;
mod program;
mod questions;
mod report;
mod scratch;
mod search;
mod searches;
mod shard;
mod tail;

use std::{path::PathBuf, time::Duration};

use serde::Serialize;
use vectar_qdrant::SnapshotKind;
use vectar_repository::format::{
    event::{DrillNote, Proof},
    record::BackupRecord,
};

use crate::{
    content::Content,
    engine::Engine,
    error::Error,
    extract::{PartChoice, SnapshotPart, is_held},
    inside::Inside,
    observer::{CancelToken, Observer},
    rebuild::{Nowhere, rebuild},
};

pub use order::{order_drills, why_not};
pub use program::{ENGINE_VERSION, EngineProgram, EngineSource};
pub use report::{PassedOver, Report, ReportHead, ReportLine, compared};
use shard::{Halt, Subject};

/// How a drill is made.
#[derive(Debug, Clone)]
pub struct DrillOptions {
    /// Where scratch directories are made; it needs twice the length of the largest shard, and room for a write-ahead log.
    pub scratch_directory: PathBuf,
    /// Points of each shard whose payloads and vectors are compared.
    pub sample_points: u64,
    /// Points of each shard that are searched for, by each of its vectors.
    pub searches: usize,
    /// So long one shard may take the engine.
    pub shard_max: Duration,
}

/// What came of a drill, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All that was compared agrees.
    Passed,
    /// The engine was not done in time, or was ended from outside.
    Unfinished,
    /// An error kept it from being drilled, such as too little room; nothing is said about it.
    NotDrilled,
    /// The backup is damaged, the engine does not load it, or it says something else than the files.
    Failed,
}

/// The drill of one backup.
#[derive(Debug, Serialize)]
pub struct BackupDrill {
    /// What came of it: the worst of its shards.
    pub verdict: Verdict,
    /// Whether it was rebuilt with all as recorded; `false` too when that was not done.
    pub bytes_identical: bool,
    /// Whether a SHA-256 was recorded to compare with; where not, the ids of the chunks prove the bytes.
    pub sha256_compared: bool,
    /// What is wrong with the backup as a whole; why it was not drilled.
    pub problem: Option<String>,
    /// The error that kept the whole from being drilled.
    #[serde(skip)]
    pub error: Option<Error>,
    /// Its shards, in the order of the snapshot.
    pub shards: Vec<ShardDrill>,
    /// The proof that was recorded, when it passed and the storage took it.
    #[serde(skip)]
    pub proof: Option<Proof>,
}

/// The drill of one shard.
#[derive(Debug, Serialize)]
pub struct ShardDrill {
    /// Its collection, if anyone knows its name.
    pub collection: Option<String>,
    /// Its number, if anyone knows it.
    pub shard: Option<u32>,
    /// What came of it.
    pub verdict: Verdict,
    /// Length of its snapshot.
    pub bytes: u64,
    /// Points that its files hold.
    pub points: u64,
    /// Points that the engine counts; `None` when it did not load.
    pub points_in_engine: Option<u64>,
    /// What was compared and agreed.
    #[serde(flatten)]
    pub agreed: Agreed,
    /// What is wrong, in words; why it is unfinished or was not drilled.
    pub problem: Option<String>,
    /// The error that kept it from being drilled.
    #[serde(skip)]
    pub error: Option<Error>,
    /// What was not compared, and why; what else is worth a word.
    pub notes: Vec<String>,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
}

/// What was compared and agreed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Agreed {
    /// Ids, by one digest over all that operations in the write-ahead log cannot have changed.
    pub ids: u64,
    /// Payloads.
    pub payloads: u64,
    /// Vectors, each name by itself.
    pub vectors: u64,
    /// Exact searches: over the sample and over all points.
    pub searches: u64,
    /// Searches through the index.
    pub index_searches: u64,
    /// Of those, how many found the point whose vector was asked for, or one as near. An index may miss some.
    pub index_found: u64,
}

impl Agreed {
    /// Adds what was compared elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.ids += other.ids;
        self.payloads += other.payloads;
        self.vectors += other.vectors;
        self.searches += other.searches;
        self.index_searches += other.index_searches;
        self.index_found += other.index_found;
    }
}

impl BackupDrill {
    /// What was compared and agreed in all shards.
    #[must_use]
    pub fn agreed(&self) -> Agreed {
        self.shards.iter().fold(Agreed::default(), |mut sum, shard| {
            sum.add(&shard.agreed);
            sum
        })
    }

    /// Points that the engine counted in all shards.
    #[must_use]
    pub fn points(&self) -> u64 {
        self.shards.iter().filter_map(|shard| shard.points_in_engine).sum()
    }

    /// What kept the whole, or some of its shards, from being drilled.
    pub fn errors(&self) -> impl Iterator<Item = &Error> {
        self.error.iter().chain(self.shards.iter().filter_map(|shard| shard.error.as_ref()))
    }

    /// Ends the drill before a shard was looked at.
    fn halted(mut self, halt: Halt) -> Result<Self, Error> {
        (self.verdict, self.problem, self.error) = halt.outcome()?;
        Ok(self)
    }
}

/// Removes what killed drills left in a directory; returns what that was.
#[must_use]
pub fn sweep(scratch_directory: &std::path::Path) -> Vec<PathBuf> {
    scratch::sweep(scratch_directory)
}

/// Drills one backup, and records the proof when it passes.
///
/// Memory: a window of 1 MiB, the sample, and what the engine takes in its own process.
///
/// # Errors
/// What stands in the way of other backups as well: [`Error::EngineLacking`], [`Error::Cancelled`], and [`Error::Target`] when a scratch
/// directory cannot be removed. But for that, nothing is left behind. Damage, an engine that refuses, and what keeps only this one from being
/// drilled, such as too little room or a storage that fails, is part of the answer.
pub fn drill_backup(
    engine: &Engine,
    record: &BackupRecord,
    program: &EngineProgram,
    options: &DrillOptions,
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<BackupDrill, Error> {
    let mut drill = BackupDrill {
        verdict: Verdict::Passed,
        bytes_identical: false,
        sha256_compared: false,
        problem: None,
        error: None,
        shards: Vec::new(),
        proof: None,
    };
    match rebuild(engine, record, &mut Nowhere, observer, cancel) {
        Ok(rebuilt) => (drill.bytes_identical, drill.sha256_compared) = (true, rebuilt.sha256_compared),
        Err(error) => return drill.halted(error.into()),
    }
    let content = Content::backup(engine, record);
    let inside = match Inside::open(&content) {
        Ok(inside) => inside,
        Err(error) => return drill.halted(error.into()),
    };
    // A sample that is another one each time, and the same when the clock is.
    let seed = engine.repository().environment().now().as_millisecond().unsigned_abs();
    for choice in shards_of(&inside) {
        let subject = Subject { program, options, seed, cancel };
        drill.shards.push(drill_part(&inside, &choice, &subject)?);
    }
    drill.verdict = drill.shards.iter().map(|shard| shard.verdict).max().unwrap_or(Verdict::Passed);
    let noted = if drill.shards.is_empty() {
        // Its bytes are what there is to show.
        Some(engine.repository().add_proof(record.id, drill.sha256_compared))
    } else if drill.verdict == Verdict::Passed {
        let agreed = drill.agreed();
        let note = DrillNote {
            engine: program.version.clone(),
            shards: drill.shards.len() as u64,
            points: drill.points(),
            ids: Some(agreed.ids),
            payloads: agreed.payloads,
            vectors: agreed.vectors,
            searches: agreed.searches,
        };
        Some(engine.repository().add_drill_proof(record.id, drill.sha256_compared, note))
    } else {
        None
    };
    let warn = |error: &_| tracing::warn!(%error, "the drill passed; that could not be noted");
    drill.proof = noted.and_then(|proof| proof.inspect_err(warn).ok());
    Ok(drill)
}

/// The shards whose data is there.
fn shards_of(inside: &Inside<'_, '_>) -> Vec<PartChoice> {
    let is_of_shard = matches!(inside.outline().kind, SnapshotKind::Shard | SnapshotKind::ShardStreamed);
    let mut choices = Vec::new();
    for collection in &inside.named_outline().collections {
        let name = collection.file.clone().or_else(|| collection.name.clone());
        for shard in collection.shards.iter().filter(|shard| is_held(shard) || is_of_shard) {
            choices.push(PartChoice { collection: name.clone(), shard: shard.id });
        }
    }
    choices
}

fn drill_part(inside: &Inside<'_, '_>, choice: &PartChoice, subject: &Subject<'_>) -> Result<ShardDrill, Error> {
    let part = match SnapshotPart::of(inside, choice) {
        Ok(part) => part,
        Err(error) => {
            let mut drill = shard::begun(choice.collection.clone(), choice.shard, 0);
            (drill.verdict, drill.problem, drill.error) = Halt::from(error).outcome()?;
            return Ok(drill);
        }
    };
    shard::drill(&part, subject)
}
