//! How much of what an optimizer moved is shared: rows and values are counted from outside, by the snapshots and by the recipe of the
//! newer one, without what the ingest itself says.
//!
//! A row or value *exists already* when the snapshot before holds one of the same bytes. It is *shared* when every byte of it comes from a
//! chunk that was stored before the ingest began, or from none.

mod recipe;
mod units;

use std::{
    collections::HashMap,
    fmt,
    fs::File,
    io::Read as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use vectar::{
    BackupRecord, CancelToken, Engine, IngestOptions, IngestOutcome, Silent, Source, Target, ingest, rebuild,
};
use vectar_testkit::edge::{ROW_STEPS, RowsShard};

use recipe::Stored;
use units::{UnitKind, Units};

/// Rows or values of one snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// All of them.
    pub all: u64,
    /// Those that exist already.
    pub existing: u64,
    /// Those of the existing ones that are shared.
    pub shared: u64,
    /// Those of the existing ones that follow the same one as before: the fewer, the more the optimizer has moved.
    pub in_order: u64,
    /// Bytes of all.
    pub bytes: u64,
    /// What the newly stored nodes of the recipe that list their bodies take, in bytes.
    pub recipe_bytes: u64,
}

impl Counted {
    /// Of the existing ones those that are shared, in percent.
    #[must_use]
    pub fn shared_percent(&self) -> f64 {
        percent(self.shared, self.existing)
    }

    /// The recipe as a part of the bytes, in percent.
    #[must_use]
    pub fn recipe_percent(&self) -> f64 {
        percent(self.recipe_bytes, self.bytes)
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

/// What one step of a shard's life came to.
#[derive(Debug, Clone)]
pub struct StepFigures {
    /// The step.
    pub step: &'static str,
    /// What the engine said of the shard after it.
    pub said: serde_json::Value,
    /// Dense vectors.
    pub rows: Counted,
    /// Payload values.
    pub values: Counted,
    /// Length of the snapshot.
    pub snapshot_bytes: u64,
    /// What the repository grew by.
    pub new_bytes: u64,
    /// What its metadata packs alone grew by.
    pub metadata_bytes: u64,
    /// How long the ingest took.
    pub ingest: Duration,
    /// How long it took to restore the backup, which came out identical.
    pub restore: Duration,
}

impl fmt::Display for StepFigures {
    /// One line of names and values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {} points {}", self.step, self.said["points"])?;
        for (name, counted) in [("rows", &self.rows), ("values", &self.values)] {
            let Counted { all, existing, shared, in_order, bytes, recipe_bytes } = counted;
            write!(f, " {name} {all} {name}_existing {existing} {name}_shared {shared} {name}_in_order {in_order}")?;
            write!(f, " {name}_bytes {bytes} {name}_recipe_bytes {recipe_bytes}")?;
        }
        let Self { snapshot_bytes, new_bytes, metadata_bytes, .. } = self;
        write!(f, " snapshot_bytes {snapshot_bytes} new_bytes {new_bytes} metadata_bytes {metadata_bytes}")?;
        write!(f, " ingest_ms {} restore_ms {}", self.ingest.as_millis(), self.restore.as_millis())
    }
}

/// Leads a shard of Qdrant's own engine through [`ROW_STEPS`] in `folder`, which exists and is empty, and stores it after each. `None`,
/// with the reason printed, where the engine cannot be had.
///
/// Snapshots are removed as soon as they are counted.
///
/// # Errors
/// Something failed, or a backup did not come out as it went in.
pub fn live(
    folder: &Path,
    (points, dimensions): (u32, u32),
    mut take: impl FnMut(&StepFigures),
) -> Result<Option<Vec<StepFigures>>> {
    let Some(shard) = RowsShard::new(folder, points, dimensions, 1) else { return Ok(None) };
    let root = folder.join("repository");
    vectar::init(&root, &vectar::InitOptions { reserve: false, ..vectar::InitOptions::default() })?;
    let mut before: Option<Units> = None;
    let mut all = Vec::new();
    for step in ROW_STEPS {
        let (snapshot, said) = shard.take(step);
        let units = Units::read(&snapshot)?;
        let (mut figures, stored) = store(&root, &snapshot, step, &units)?;
        figures.said = said;
        figures.rows = count(before.as_ref(), &units, &stored, UnitKind::Row);
        figures.values = count(before.as_ref(), &units, &stored, UnitKind::Value);
        std::fs::remove_file(&snapshot)?;
        take(&figures);
        all.push(figures);
        before = Some(units);
    }
    Ok(Some(all))
}

/// Stores a snapshot and restores it; returns what it took, and what of it was stored before.
fn store(root: &Path, snapshot: &Path, step: &'static str, units: &Units) -> Result<(StepFigures, Stored)> {
    let repository = vectar::open(root, None)?;
    let engine =
        Engine::open(&repository, &vectar::EngineOptions { threads: 2, index_directory: None, ..Default::default() })?;
    let packs = engine.repository().index().pack_ids();
    let options = IngestOptions { collection: Some("rows".to_owned()), ..IngestOptions::default() };
    let known = repository.records()?.backups;
    let started = Instant::now();
    let outcome = ingest(&engine, Source::file(snapshot)?, &options, &known, &Silent, &CancelToken::default())?;
    let took = started.elapsed();
    let IngestOutcome::Stored(committed) = outcome else { bail!("{step} was stored already") };
    // As whoever restores it opens the repository.
    let engine =
        Engine::open(&repository, &vectar::EngineOptions { threads: 2, index_directory: None, ..Default::default() })?;
    let started = Instant::now();
    compare(&engine, &committed.record, snapshot)?;
    let restore = started.elapsed();
    let stored = Stored::read(&engine, &committed.record, &packs, &units.bodies)?;
    let figures = StepFigures {
        step,
        said: serde_json::Value::Null,
        rows: Counted::default(),
        values: Counted::default(),
        snapshot_bytes: committed.record.bytes,
        new_bytes: committed.new_bytes,
        metadata_bytes: stored.metadata_bytes,
        ingest: took,
        restore,
    };
    Ok((figures, stored))
}

/// Counts the rows or values of a snapshot after those of the one before it.
fn count(before: Option<&Units>, after: &Units, stored: &Stored, kind: UnitKind) -> Counted {
    let mut counted = Counted { recipe_bytes: stored.recipe_bytes(kind), ..Counted::default() };
    let known: HashMap<[u8; 16], usize> = before
        .into_iter()
        .flat_map(|before| before.of(kind).enumerate().map(|(nth, unit)| (unit.digest, nth)))
        .collect();
    let mut last = None;
    for unit in after.of(kind) {
        counted.all += 1;
        counted.bytes += unit.bytes();
        let nth = known.get(&unit.digest).copied();
        counted.existing += u64::from(nth.is_some());
        counted.shared += u64::from(nth.is_some() && stored.holds(unit));
        counted.in_order += u64::from(nth.is_some() && nth == last);
        last = nth.map(|nth| nth + 1);
    }
    counted
}

/// Rebuilds a backup and compares it with its snapshot, byte for byte.
fn compare(engine: &Engine, record: &BackupRecord, snapshot: &Path) -> Result<()> {
    let mut compared = Compared { snapshot: File::open(snapshot)?, bytes: 0, differs_at: None, window: Vec::new() };
    rebuild(engine, record, &mut compared, &Silent, &CancelToken::default())?;
    ensure!(compared.differs_at.is_none(), "the backup differs from its snapshot at {:?}", compared.differs_at);
    ensure!(compared.bytes == snapshot.metadata()?.len(), "the backup has {} bytes", compared.bytes);
    Ok(())
}

/// Compares what comes with a file.
struct Compared {
    snapshot: File,
    bytes: u64,
    differs_at: Option<u64>,
    window: Vec<u8>,
}

impl Target for Compared {
    fn write(&mut self, bytes: &[u8]) -> Result<(), vectar::Error> {
        self.window.resize(bytes.len(), 0);
        let same = self.snapshot.read_exact(&mut self.window).is_ok() && self.window == bytes;
        if !same && self.differs_at.is_none() {
            self.differs_at = Some(self.bytes);
        }
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}
