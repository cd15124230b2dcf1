//! What it costs to look at the points of a large snapshot: in two files, the second of them a day younger, and in backups of them.
//! A filter also meets a snapshot whose rows are in no order.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::claim::Claim;
use super::measured::Measured;
use super::{GIB, INSPECT_TIME_MAX, MEMORY_BYTES_MAX, MIB, Scene, len, median};

/// Points in each snapshot, with vectors of 384 numbers and payloads of some 400 bytes.
const POINTS: &str = "1000000";

/// The snapshots; the first one is a day old itself, so that some of its points lie in the segment that takes new ones.
const SNAPSHOTS: [&str; 2] = ["01-day.snapshot", "02-day.snapshot"];

/// A filter over two fields of the payload that about every fourth point fits.
const FILTER: &str = concat!(
    r#"{"must":[{"key":"nested.flag","match":{"value":true}},"#,
    r#"{"key":"rank","range":{"gte":250000,"lt":750000}}]}"#
);

/// Points that are listed with their vectors.
const LISTED: &str = "100000";

/// How long a deep look may take, and what it may read: a twelfth of the snapshot. Ids and versions take some 32 bytes of the 2 KB of a
/// point, and are read when they are opened, when they are checked, and when segments are merged.
const INSPECT_DEEP_TIME_MAX: Duration = Duration::from_secs(3);
const INSPECT_DEEP_READ_BYTES_MAX: u64 = GIB / 6;

const FILTER_TIME_MAX: Duration = Duration::from_secs(10);
const DIFF_TIME_MAX: Duration = Duration::from_secs(10);

/// Anonymous memory of whatever only looks.
const LOOK_MEMORY_BYTES_MAX: u64 = 256 * MIB;

/// The scenes that are looked at.
pub(super) struct DeepScenes<'p> {
    /// Ids are UUIDs, and rows lie in their order.
    pub(super) uuids: Scene<'p>,
    /// Ids are numbers, and rows lie in their order.
    pub(super) numbers: Scene<'p>,
    /// Ids are UUIDs, and most rows lie in the order of writing.
    pub(super) unordered: Scene<'p>,
}

/// Measures files and backups of all these.
///
/// # Errors
///
/// When a corpus cannot be made, or a command fails.
pub(super) fn measure_deep(scenes: &DeepScenes<'_>) -> Result<Vec<Claim>> {
    let DeepScenes { uuids, numbers, unordered } = scenes;
    let made = made_daily(uuids, "uuid")?;
    let of_files = Looked::at(uuids, made.files())?;
    let mut claims = of_files.claims("10^6 points in 2 GiB, ids are UUIDs", made.points)?;
    made.ingest(uuids)?;
    let of_backups = Looked::at(uuids, made.names())?;
    claims.push(Claim::holds("  backups: the same is said", of_files.answers() == of_backups.answers()));
    claims.extend(of_backups.figures()?);
    uuids.discard()?;

    let made = made_daily(numbers, "numeric")?;
    claims.extend(Looked::at(numbers, made.files())?.claims("10^6 points in 2 GiB, ids are numbers", made.points)?);
    numbers.discard()?;

    claims.extend(measure_unordered(unordered)?);
    unordered.discard()?;
    Ok(claims)
}

/// Points of which seven of eight are where no optimizer was yet: to read them by id is to jump.
fn measure_unordered(scene: &Scene<'_>) -> Result<Vec<Claim>> {
    let growing = ["--points", "125000", "--steps", "growing", "--generations", "4", "--first", "3"];
    let made = Made::by(scene, &growing, "uuid", &["03-growth.snapshot"])?;
    let filtered = |snapshot: &OsStr| look(scene, &["points", "--count", "--filter", FILTER], &[snapshot]);
    let of_file = filtered(made.files()[0])?;
    made.ingest(scene)?;
    let of_backup = filtered(made.names()[0])?;
    let same = of_file.stdout == of_backup.stdout && !of_file.stdout.is_empty();
    Ok(vec![
        Claim::holds("10^6 points in no order: file and backup say the same", same),
        Claim::at_most_time("  points --count --filter: time", FILTER_TIME_MAX, of_file.elapsed),
        memory("  points --count --filter: anonymous memory", &of_file)?,
        Claim::at_most_time("  backup, points --count --filter: time", FILTER_TIME_MAX, of_backup.elapsed),
        memory("  backup, points --count --filter: anonymous memory", &of_backup)?,
    ])
}

/// Some snapshots of one collection.
struct Made {
    files: Vec<PathBuf>,
    /// Live points of the first.
    points: u64,
}

fn made_daily(scene: &Scene<'_>, ids: &str) -> Result<Made> {
    let days = ["--points", POINTS, "--steps", "daily", "--generations", "3", "--first", "1"];
    Made::by(scene, &days, ids, &SNAPSHOTS)
}

impl Made {
    fn by(scene: &Scene<'_>, steps: &[&str], ids: &str, names: &[&str]) -> Result<Self> {
        let said = scene.make_corpus(&[steps, &["--segments", "4", "--ids", ids]].concat())?;
        let points = points_said(said.lines().next().unwrap_or_default())?;
        let files: Vec<PathBuf> = names.iter().map(|name| scene.corpus_folder().join(name)).collect();
        let bytes = len(&files[0])?;
        ensure!(bytes.abs_diff(2 * GIB) < GIB / 5, "{bytes} bytes were made, 2 GiB wanted");
        Ok(Self { files, points })
    }

    fn files(&self) -> Vec<&OsStr> {
        self.files.iter().map(|path| path.as_os_str()).collect()
    }

    /// The names by which backups are chosen.
    fn names(&self) -> Vec<&OsStr> {
        self.files.iter().filter_map(|path| path.file_name()).collect()
    }

    /// Stores them in a new repository.
    fn ingest(&self, scene: &Scene<'_>) -> Result<()> {
        scene.vectar().arg("init").measured()?;
        for path in &self.files {
            scene.vectar().arg("ingest").arg(path).measured()?;
        }
        Ok(())
    }
}

/// How many points a line of the corpus's maker names: `<sha256> <path> <bytes> bytes, <points> points`.
fn points_said(line: &str) -> Result<u64> {
    let count = line.strip_suffix(" points").and_then(|line| line.rsplit(' ').next()?.parse().ok());
    count.with_context(|| format!("the maker of the corpus said {line:?}"))
}

fn look(scene: &Scene<'_>, arguments: &[&str], snapshots: &[&OsStr]) -> Result<Measured> {
    let arguments = arguments.iter().map(OsStr::new).chain(snapshots.iter().copied());
    arguments.fold(scene.vectar(), |call, argument| call.arg(argument)).measured()
}

/// Everything that was measured of two files, or of two backups.
struct Looked {
    inspect: Measured,
    deep: Measured,
    count: Measured,
    filtered: Measured,
    listed: Measured,
    verified: Measured,
    changes: Measured,
}

impl Looked {
    fn at(scene: &Scene<'_>, snapshots: Vec<&OsStr>) -> Result<Self> {
        let first = &snapshots[..1];
        Ok(Self {
            inspect: median(|| look(scene, &["inspect"], first))?,
            deep: median(|| look(scene, &["inspect", "--deep"], first))?,
            count: look(scene, &["points", "--count"], first)?,
            filtered: look(scene, &["points", "--count", "--filter", FILTER], first)?,
            listed: look(scene, &["points", "--with-vectors", "--limit", LISTED], first)?,
            verified: look(scene, &["verify", "--deep"], first)?,
            changes: look(scene, &["diff", "--points", "--json"], &snapshots)?,
        })
    }

    /// What must not depend on where the snapshots lie.
    fn answers(&self) -> [&str; 3] {
        [&self.count, &self.filtered, &self.listed].map(|measured| measured.stdout.as_str())
    }

    /// What is promised of files, the first of which has so many points.
    fn claims(&self, what: &str, points: u64) -> Result<Vec<Claim>> {
        let counted = self.count.stdout.trim() == points.to_string();
        Ok(vec![
            Claim::holds(&format!("{what}: all are counted"), counted),
            Claim::at_most_time("  inspect: time", INSPECT_TIME_MAX, self.inspect.elapsed),
            Claim::at_most_time("  inspect --deep: time", INSPECT_DEEP_TIME_MAX, self.deep.elapsed),
            Claim::at_most_bytes("  inspect --deep: bytes read", INSPECT_DEEP_READ_BYTES_MAX, self.deep.read_bytes),
            memory("  inspect --deep: anonymous memory", &self.deep)?,
            Claim::time("  points --count: time", self.count.elapsed),
            Claim::at_most_time("  points --count --filter: time", FILTER_TIME_MAX, self.filtered.elapsed),
            memory("  points --count --filter: anonymous memory", &self.filtered)?,
            Claim::figure("  points --with-vectors: JSON", self.listed.rate(self.listed.stdout_bytes)),
            memory("  points --with-vectors: anonymous memory", &self.listed)?,
            Claim::time("  verify --deep: time", self.verified.elapsed),
            memory("  verify --deep: anonymous memory", &self.verified)?,
            Claim::at_most_time("  diff --points: time", DIFF_TIME_MAX, self.changes.elapsed),
            memory("  diff --points: anonymous memory", &self.changes)?,
        ])
    }

    /// The same of backups, where the time depends on the storage too: only that of a filter is bounded.
    fn figures(&self) -> Result<Vec<Claim>> {
        let looked = [
            ("inspect", None, &self.inspect),
            ("inspect --deep", None, &self.deep),
            ("points --count", None, &self.count),
            ("points --count --filter", Some(FILTER_TIME_MAX), &self.filtered),
            ("points --with-vectors", None, &self.listed),
            ("diff --points", None, &self.changes),
        ];
        let mut claims = Vec::new();
        for (what, bound, measured) in looked {
            let time = format!("  backup, {what}: time");
            claims.push(match bound {
                Some(bound) => Claim::at_most_time(&time, bound, measured.elapsed),
                None => Claim::time(&time, measured.elapsed),
            });
            claims.push(memory(&format!("  backup, {what}: anonymous memory"), measured)?);
        }
        // This rebuilds the snapshot too, as every verify of a backup does.
        claims.push(Claim::time("  backup, verify --deep: time", self.verified.elapsed));
        let (what, memory) = ("  backup, verify --deep: anonymous memory", self.verified.memory()?);
        claims.push(Claim::at_most_bytes(what, MEMORY_BYTES_MAX, memory));
        Ok(claims)
    }
}

fn memory(what: &str, measured: &Measured) -> Result<Claim> {
    Ok(Claim::at_most_bytes(what, LOOK_MEMORY_BYTES_MAX, measured.memory()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_of_points_is_read_from_the_line_that_names_it() {
        assert_eq!(points_said("0af3 /x y/01-day.snapshot 2232577536 bytes, 1000088 points").unwrap(), 1_000_088);
        assert!(points_said("nothing").is_err());
    }
}
