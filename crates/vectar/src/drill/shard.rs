//! The drill of one shard: out of the backup, into the engine, and question by question.

use std::{
    collections::HashMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use vectar_qdrant::{PointId, QdrantErrorKind, storage::Vector};
use vectar_tar::ReadAt as _;

use super::{
    Agreed, DrillOptions, EngineProgram, ShardDrill, Verdict,
    compare::compare_point,
    dialogue::{Dialogue, Wrong},
    process::Silence,
    scratch::Scratch,
    search::{Rule, rules},
};
use crate::{
    content::Content,
    error::{EngineLack, Error, ErrorKind},
    extract::{SnapshotPart, extract_to_file},
    inside::Inside,
    observer::{CancelToken, Silent},
    points::{Point, PointQuery, count, scroll},
    restore::RestoreOptions,
    words::{hex, one_line},
};

/// Points asked for at once.
const POINTS_AT_ONCE: usize = 16;

/// Nobody waits for longer; clocks count no further than some centuries.
const SHARD_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// Nearest points asked for.
const HITS: usize = 10;

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
    /// Writes down what is known of the shard; what says nothing about it is the error.
    pub(super) fn note(self, drill: &mut ShardDrill) -> Result<(), Error> {
        (drill.verdict, drill.problem) = match self {
            Self::Error(error) => return Err(error),
            Self::Problem(problem) => (Verdict::Failed, Some(problem)),
            Self::Unfinished(why) => (Verdict::Unfinished, Some(why)),
        };
        Ok(())
    }
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
    let scratch = Scratch::create(&directory, needed)?;
    let halted = drill_in(part, &scratch, subject, &mut drill);
    scratch.remove()?;
    if let Err(halt) = halted {
        halt.note(&mut drill)?;
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
    if questions.counts()? {
        let sample = questions.sample()?;
        questions.points(&sample)?;
        questions.searches(&sample)?;
    }
    let Questions { dialogue, .. } = questions;
    dialogue.close().map_err(|wrong| place.halt("close the shard", wrong))
}

/// Where the engine works.
struct Place<'s> {
    folder: PathBuf,
    subject: &'s Subject<'s>,
}

impl Place<'_> {
    /// What it means that the engine did not do something.
    fn halt(&self, what: &str, wrong: Wrong) -> Halt {
        let program = self.subject.program;
        let full = || Error::Target {
            action: "write into",
            path: self.subject.options.scratch_directory.clone(),
            source: std::io::ErrorKind::StorageFull.into(),
        };
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

/// The questions about a shard, and what came of them.
struct Questions<'q> {
    inside: &'q Inside<'q, 'q>,
    dialogue: Dialogue<'q>,
    place: &'q Place<'q>,
    drill: &'q mut ShardDrill,
}

impl Questions<'_> {
    /// Compares how many points there are. `false` when nothing else can be compared.
    fn counts(&mut self) -> Result<bool, Halt> {
        self.drill.points = count(self.inside, &PointQuery::default(), self.place.subject.cancel)?;
        let (held, counted) = (self.drill.points, self.drill.points_in_engine.unwrap_or_default());
        let entries: u64 = self.inside.wal_tails(None, None)?.iter().map(|tail| tail.entries).sum();
        if entries > 0 {
            self.drill.notes.push(format!(
                "points were not compared: its write-ahead log holds {entries} operations that no segment has, and the engine applied them \
                 ({held} points in the segments, {counted} in the engine)"
            ));
            return Ok(false);
        }
        match counted == held {
            true => Ok(true),
            false => Err(Halt::Problem(format!("the engine counts {counted} points, the files hold {held}"))),
        }
    }

    /// Compares all ids, and returns the points of the sample as the files say they are.
    fn sample(&mut self) -> Result<Vec<Point>, Halt> {
        let subject = self.place.subject;
        let stride = self.drill.points.div_ceil(subject.options.sample_points.max(1)).max(1);
        let first = subject.seed % stride;
        let (mut hasher, mut index, mut ids) = (Sha256::new(), 0, Vec::new());
        let query = PointQuery { without_payload: true, ..PointQuery::default() };
        scroll(self.inside, &query, subject.cancel, |point| {
            hasher.update(format!("{}\n", point.id));
            if index % stride == first {
                ids.push(point.id);
            }
            index += 1;
            Ok(())
        })?;
        let said = self.dialogue.ids();
        let (counted, digest) = said.map_err(|wrong| self.place.halt("list its ids", wrong))?;
        if (counted, digest) != (index, hex(&hasher.finalize())) {
            return Err(Halt::Problem("the engine lists other ids than the files hold".to_owned()));
        }
        self.drill.agreed.ids = index;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.read(ids)
    }

    fn read(&mut self, ids: Vec<PointId>) -> Result<Vec<Point>, Halt> {
        let query = PointQuery { ids: Some(ids.into_iter().collect()), with_vectors: true, ..PointQuery::default() };
        let cancel = self.place.subject.cancel;
        let scrolled = |query: &PointQuery| {
            let mut points = Vec::new();
            scroll(self.inside, query, cancel, |point| {
                points.push(point);
                Ok(())
            })
            .map(|_| points)
        };
        match scrolled(&query) {
            Err(Error::NotReadable { source, .. }) if source.kind() == QdrantErrorKind::Unsupported => {
                let points = scrolled(&PointQuery { with_vectors: false, ..query })?;
                self.drill.notes.push(format!("vectors and searches were not compared: {source}"));
                Ok(points)
            }
            points => Ok(points?),
        }
    }

    /// Compares payloads and vectors.
    fn points(&mut self, sample: &[Point]) -> Result<(), Halt> {
        for some in sample.chunks(POINTS_AT_ONCE) {
            let ids: Vec<Value> = some.iter().map(|point| json!(point.id)).collect();
            let said = self.dialogue.points(&ids);
            let said = said.map_err(|wrong| self.place.halt("give its points back", wrong))?;
            let said: HashMap<String, &Value> = said.iter().map(|point| (point["id"].to_string(), point)).collect();
            for (point, id) in some.iter().zip(&ids) {
                let Some(said) = said.get(&id.to_string()) else {
                    return Err(Halt::Problem(format!("point {} is in the files and not in the engine", point.id)));
                };
                self.drill.agreed.vectors += compare_point(point, said).map_err(Halt::Problem)?.vectors;
                self.drill.agreed.payloads += 1;
            }
        }
        Ok(())
    }

    /// Compares searches, vector by vector.
    fn searches(&mut self, sample: &[Point]) -> Result<(), Halt> {
        let rules: Vec<(String, Rule)> = {
            let outline = self.inside.outline();
            outline.collections.iter().flat_map(|one| &one.shards).flat_map(rules).collect()
        };
        for (name, rule) in &rules {
            let having: Vec<(PointId, &Vector)> =
                sample.iter().filter_map(|point| Some((point.id, vector_of(point, name)?))).collect();
            if having.is_empty() {
                continue;
            }
            if let Rule::Unknown(why) = rule {
                let shown = if name.is_empty() { String::new() } else { format!(" by {name:?}") };
                self.drill.notes.push(format!("searches{shown} were not compared: {why}"));
                continue;
            }
            let step = having.len().div_ceil(self.place.subject.options.searches.max(1));
            let before = self.drill.agreed;
            for (id, vector) in having.iter().step_by(step) {
                let asked = Asked { name, rule, id, vector };
                self.ask(&asked, &having).map_err(|halt| match halt {
                    Halt::Problem(what) => Halt::Problem(format!("a search for the nearest to point {id}: {what}")),
                    halt => halt,
                })?;
            }
            self.note_misses(name, &before);
        }
        Ok(())
    }

    /// Says when the index misses more than half of what it is asked for: exact searches find all of it.
    fn note_misses(&mut self, name: &str, before: &Agreed) {
        let asked = self.drill.agreed.index_searches - before.index_searches;
        let found = self.drill.agreed.index_found - before.index_found;
        if found * 2 < asked {
            let by = if name.is_empty() { String::new() } else { format!(" by {name:?}") };
            self.drill.notes.push(format!(
                "the index found the point itself in {found} of {asked} searches{by}, exact searches in all: its codes or its graph are coarse"
            ));
        }
    }

    fn ask(&mut self, asked: &Asked<'_>, having: &[(PointId, &Vector)]) -> Result<(), Halt> {
        let among: Vec<Value> = having.iter().map(|(id, _)| json!(id)).collect();
        let ranked = self.hits(&asked.question(Some(&among), true))?;
        asked.check_ranking(&ranked, having).map_err(Halt::Problem)?;
        let Some(own) = asked.rule.score(asked.vector, asked.vector) else { return Ok(()) };
        let nearest = self.hits(&asked.question(None, true))?;
        match nearest.first() {
            None => return Err(Halt::Problem("the engine finds nothing, not even itself".to_owned())),
            Some((_, best)) if asked.rule.is_better(own.value, *best) && (own.value - best).abs() > own.tolerance => {
                return Err(Halt::Problem(format!(
                    "the nearest that the engine finds has the score {best}, it itself has {}",
                    own.value
                )));
            }
            Some(_) => self.drill.agreed.searches += 2,
        }
        let found = self.hits(&asked.question(None, false))?;
        let itself = json!(asked.id);
        let is_as_near = |(id, score): &(Value, f64)| *id == itself || (score - own.value).abs() <= own.tolerance;
        self.drill.agreed.index_searches += 1;
        self.drill.agreed.index_found += u64::from(found.iter().any(is_as_near));
        Ok(())
    }

    fn hits(&mut self, question: &Value) -> Result<Vec<(Value, f64)>, Halt> {
        let hits = self.dialogue.search(question);
        hits.map_err(|wrong| self.place.halt("search", wrong))
    }
}

/// The vector of this name; the unnamed one has an empty name.
fn vector_of<'p>(point: &'p Point, name: &str) -> Option<&'p Vector> {
    let vectors = point.vectors.as_ref()?;
    vectors.iter().find(|(known, _)| known == name).map(|(_, vector)| vector)
}

/// A search with the vector of a point.
struct Asked<'a> {
    name: &'a str,
    rule: &'a Rule,
    id: &'a PointId,
    vector: &'a Vector,
}

impl Asked<'_> {
    fn question(&self, among: Option<&[Value]>, exact: bool) -> Value {
        let using = Some(self.name).filter(|name| !name.is_empty());
        json!({ "do": "search", "using": using, "vector": self.vector, "among": among, "exact": exact, "limit": HITS })
    }

    /// Compares a ranking of the sample with the one that follows from the vectors: each score by itself, and each place by its score.
    fn check_ranking(&self, hits: &[(Value, f64)], having: &[(PointId, &Vector)]) -> Result<(), String> {
        let scored = having
            .iter()
            .filter_map(|(id, vector)| Some((json!(id).to_string(), self.rule.score(self.vector, vector)?)));
        let scores: HashMap<String, _> = scored.collect();
        // A sparse search may leave out what scores nothing, or less.
        let is_certain = |value: f64| *self.rule != Rule::Sparse || value > 0.0;
        let mut ranked: Vec<_> = scores.values().copied().filter(|score| is_certain(score.value)).collect();
        ranked.sort_by(|one, other| match self.rule.is_better(one.value, other.value) {
            true => std::cmp::Ordering::Less,
            false if one.value == other.value => std::cmp::Ordering::Equal,
            false => std::cmp::Ordering::Greater,
        });
        let certain: Vec<&(Value, f64)> = hits.iter().filter(|(_, score)| is_certain(*score)).collect();
        if certain.len() != ranked.len().min(HITS) {
            return Err(format!(
                "the engine finds {} points of the sample, {} were to be found",
                certain.len(),
                ranked.len().min(HITS)
            ));
        }
        for (place, ((id, said), expected)) in certain.into_iter().zip(&ranked).enumerate() {
            let Some(own) = scores.get(&id.to_string()) else {
                return Err(format!("the engine finds {id}, which was not asked for"));
            };
            if (own.value - said).abs() > own.tolerance {
                return Err(format!("the engine scores point {id} {said}, its vectors say {}", own.value));
            }
            if (expected.value - said).abs() > expected.tolerance + own.tolerance {
                return Err(format!(
                    "at place {} the engine has the score {said}, the vectors say {}",
                    place + 1,
                    expected.value
                ));
            }
        }
        Ok(())
    }
}
