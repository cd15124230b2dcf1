//! What only the stores of the segments know: live points, deleted rows, vectors that are there, the tail of the WAL.

use serde::Serialize;
use vectar_tar::ReadAt;

use super::{CollectionOutline, SegmentOutline, ShardOutline, SnapshotKind, SnapshotOutline, UNREAD_MAX, Unread};
use crate::error::QdrantError;
use crate::point_id::PointId;
use crate::segment::{SegmentState, SparseIndexKind, VectorIndexKind};
use crate::storage::{LivePoints, Owner, OwnerFiles, Segment, SnapshotFiles, VectorStorage, Wal, WalEntry};

/// Ids of points, by kind. The first and the last are those in the server's order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IdFigures {
    /// Points whose id is a number.
    pub numbers: u64,
    /// Points whose id is a UUID.
    pub uuids: u64,
    /// The first id.
    pub first: Option<PointId>,
    /// The last id.
    pub last: Option<PointId>,
}

impl IdFigures {
    fn see(&mut self, id: PointId) {
        match id {
            PointId::Number(_) => self.numbers += 1,
            PointId::Uuid(_) => self.uuids += 1,
        }
        self.first = Some(self.first.map_or(id, |first| first.min(id)));
        self.last = Some(self.last.map_or(id, |last| last.max(id)));
    }

    fn add(&mut self, other: &Self) {
        self.numbers += other.numbers;
        self.uuids += other.uuids;
        self.first = self.first.into_iter().chain(other.first).min();
        self.last = self.last.into_iter().chain(other.last).max();
    }
}

/// One vector of a segment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VectorFigures {
    /// Its name; empty for the unnamed one.
    pub name: String,
    /// `dense`, `multi` or `sparse`.
    pub kind: &'static str,
    /// Dimensions; none for a sparse vector.
    pub dimensions: Option<u64>,
    /// How two of them are compared; none for a sparse vector.
    pub distance: Option<String>,
    /// How an element is stored.
    pub datatype: String,
    /// Which files hold them.
    pub storage: Option<String>,
    /// Which index they have.
    pub index: String,
    /// Rows of the storage; absent when it cannot be read.
    pub rows: Option<u64>,
    /// Live points that have this vector.
    pub points: Option<u64>,
}

impl VectorFigures {
    /// Whether searches have more than a full scan.
    pub fn is_indexed(&self) -> bool {
        self.index != VectorIndexKind::Plain.as_str() && self.index != SparseIndexKind::MutableRam.as_str()
    }
}

/// Figures of a segment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SegmentFigures {
    /// Rows, live and dead.
    pub rows: u64,
    /// Rows that are dead.
    pub deleted_rows: u64,
    /// The ids of its live points.
    pub ids: IdFigures,
    /// Its vectors.
    pub vectors: Vec<VectorFigures>,
    /// Bytes of holes: space that Qdrant sets aside and that takes none in the snapshot.
    pub preallocated_bytes: u64,
}

/// What a WAL holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WalFigures {
    /// Entries in it.
    pub entries: u64,
    /// Operation of its first entry.
    pub first_operation: Option<u64>,
    /// Operation of its last entry.
    pub last_operation: Option<u64>,
    /// Entries that no segment has applied yet: the live points above do not count them. The upsert of no points with which a log begins
    /// is none.
    pub tail_entries: u64,
    /// Points that these name. Operations that choose points by a filter name none.
    pub tail_points: u64,
    /// Bytes of its files as stored.
    pub bytes: u64,
}

/// Figures of a shard.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ShardFigures {
    /// The ids of its live points.
    pub ids: IdFigures,
    /// Live rows whose point has a newer row in another segment.
    pub superseded_rows: u64,
    /// Its write-ahead log; absent when it cannot be read.
    pub wal: Option<WalFigures>,
}

/// Figures of a collection.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CollectionFigures {
    /// The ids of its live points.
    pub ids: IdFigures,
    /// Bytes of the snapshot for each live point, WAL and indexes included.
    pub bytes_per_point: Option<f64>,
    /// Part of the rows that are dead, 0 to 1.
    pub deleted_share: f64,
    /// Part of the vectors of live points that no index covers, 0 to 1.
    pub unindexed_share: f64,
    /// Part of its bytes that is WAL, 0 to 1.
    pub wal_share: f64,
    /// Bytes of holes.
    pub preallocated_bytes: u64,
}

impl SnapshotOutline {
    /// Fills in what only the stores know. What cannot be read is listed under [`unread`](Self::unread), and the counts that depend on it stay
    /// absent. A partial snapshot has no counts.
    pub fn look_inside<R: ReadAt + Send + Sync + ?Sized>(&mut self, files: &SnapshotFiles<'_, R>) {
        if matches!(self.kind, SnapshotKind::ShardPartial | SnapshotKind::Unknown) {
            return;
        }
        let mut notes = Vec::new();
        for collection in &mut self.collections {
            collection.look_inside(files, &mut notes);
        }
        self.points_live = self.collections.iter().map(|collection| collection.points_live).sum();
        for unread in notes {
            match self.unread.len() < UNREAD_MAX {
                true => self.unread.push(unread),
                false => self.unread_more += 1,
            }
        }
    }
}

impl CollectionOutline {
    fn look_inside<R: ReadAt + Send + Sync + ?Sized>(&mut self, files: &SnapshotFiles<'_, R>, notes: &mut Vec<Unread>) {
        for shard in &mut self.shards {
            // A shard of another peer has neither segments nor points here.
            let owner = Owner { collection_file: self.file.clone(), shard: shard.id, segment: None };
            shard.look_inside(files, &owner, notes);
        }
        self.points_live = self.shards.iter().map(|shard| shard.points_live).sum();
        self.figures = Some(self.sum());
    }

    fn sum(&self) -> CollectionFigures {
        let mut sum = CollectionFigures::default();
        let (mut rows, mut deleted_rows, mut vectors, mut unindexed, mut wal_bytes) = (0, 0, 0, 0, 0);
        for shard in &self.shards {
            if let Some(figures) = &shard.figures {
                sum.ids.add(&figures.ids);
            }
            wal_bytes += shard.wal.iter().map(|file| file.bytes).sum::<u64>();
            for segment in shard.segments.iter().filter_map(|segment| segment.figures.as_ref()) {
                rows += segment.rows;
                deleted_rows += segment.deleted_rows;
                sum.preallocated_bytes += segment.preallocated_bytes;
                for vector in &segment.vectors {
                    let points = vector.points.unwrap_or(0);
                    vectors += points;
                    unindexed += if vector.is_indexed() { 0 } else { points };
                }
            }
        }
        let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        sum.deleted_share = share(deleted_rows, rows);
        sum.unindexed_share = share(unindexed, vectors);
        sum.wal_share = share(wal_bytes, self.bytes);
        let points = self.points_live.filter(|points| *points > 0);
        sum.bytes_per_point = points.map(|points| self.bytes as f64 / points as f64);
        sum
    }
}

impl ShardOutline {
    fn look_inside<R: ReadAt + Send + Sync + ?Sized>(
        &mut self,
        files: &SnapshotFiles<'_, R>,
        owner: &Owner,
        notes: &mut Vec<Unread>,
    ) {
        let prefix = owner.prefix();
        let segment_files: Vec<OwnerFiles<'_, '_, R>> = self
            .segments
            .iter()
            .map(|segment| files.files(&Owner { segment: Some(segment.id.clone()), ..owner.clone() }))
            .collect();
        let mut opened = Vec::with_capacity(segment_files.len());
        for (outline, files) in self.segments.iter_mut().zip(&segment_files) {
            match Segment::open(files) {
                Ok(segment) => {
                    outline.look_inside(&segment, files, &prefix, notes);
                    opened.push(segment);
                }
                Err(error) => notes.push(note(&format!("{prefix}segments/{}/", outline.id), &error)),
            }
        }
        let mut figures = ShardFigures::default();
        match self.count(&opened, &mut figures) {
            // The points of a segment that cannot be read are nobody's guess.
            Ok(points) if opened.len() == self.segments.len() => self.points_live = Some(points),
            Ok(_) => {}
            Err(error) => notes.push(note(&prefix, &error)),
        }
        if !self.wal.is_empty() {
            match self.wal_figures(&files.files(owner)) {
                Ok(wal) => figures.wal = Some(wal),
                Err(error) => notes.push(note(&prefix, &error)),
            }
        }
        self.figures = Some(figures);
    }

    fn count(&self, segments: &[Segment<'_>], figures: &mut ShardFigures) -> Result<u64, QdrantError> {
        let mut points = 0;
        for point in LivePoints::new(segments.iter().map(Segment::tracker))? {
            let point = point?;
            points += 1;
            figures.ids.see(point.id);
            figures.superseded_rows += u64::from(point.superseded);
        }
        Ok(points)
    }

    /// What the shard's WAL holds, and how much of it no segment has applied. Reads what is used of it.
    ///
    /// # Errors
    /// The WAL cannot be read.
    pub fn wal_figures<R: ReadAt + Send + Sync + ?Sized>(
        &self,
        files: &OwnerFiles<'_, '_, R>,
    ) -> Result<WalFigures, QdrantError> {
        let wal = Wal::open(files)?;
        let mut figures = WalFigures {
            entries: wal.segments().iter().map(|segment| segment.entries).sum(),
            first_operation: wal.first_operation(),
            last_operation: wal.last_operation(),
            bytes: self.wal.iter().map(|file| file.bytes).sum(),
            ..WalFigures::default()
        };
        for entry in self.wal_tail(&wal) {
            let operation = entry?.operation;
            figures.tail_entries += 1;
            figures.tail_points += operation.points.len() as u64 + operation.points_more;
        }
        Ok(figures)
    }

    /// The entries of the shard's WAL that none of its segments has applied, ascending. An entry that is no operation is an error, and the
    /// next one follows all the same.
    pub fn wal_tail<'w>(&self, wal: &'w Wal<'_>) -> impl Iterator<Item = Result<WalEntry, QdrantError>> + use<'w> {
        let applied = self.segments.iter().filter_map(|segment| segment.state.as_ref()?.version).max();
        // Without any version nothing was ever written, and whatever the log holds is news.
        let entries = applied.map_or_else(|| wal.entries(), |applied| wal.entries_after(applied));
        entries.filter(|entry| entry.as_ref().map_or(true, |entry| !entry.operation.is_opening()))
    }
}

impl SegmentOutline {
    fn look_inside<R: ReadAt + Send + Sync + ?Sized>(
        &mut self,
        segment: &Segment<'_>,
        files: &OwnerFiles<'_, '_, R>,
        prefix: &str,
        notes: &mut Vec<Unread>,
    ) {
        let tracker = segment.tracker();
        let mut figures = SegmentFigures {
            rows: tracker.rows(),
            deleted_rows: tracker.rows().saturating_sub(tracker.live_points()),
            preallocated_bytes: self.classes.iter().map(|class| class.hole_bytes).sum(),
            ..SegmentFigures::default()
        };
        self.points_live = Some(tracker.live_points());
        let prefix = format!("{prefix}segments/{}/", self.id);
        let ids = tracker
            .points()
            .and_then(|points| points.into_iter().try_for_each(|point| point.map(|point| figures.ids.see(point.id))));
        if let Err(error) = ids {
            notes.push(note(&prefix, &error));
            self.points_live = None;
        }
        for mut vector in vectors_of(segment.state()) {
            let storage = match vector.kind {
                "sparse" => {
                    VectorStorage::open_sparse(files, &vector.name, &segment.state().sparse_vectors[&vector.name])
                }
                _ => VectorStorage::open_dense(files, &vector.name, &segment.state().vectors[&vector.name]),
            };
            match storage {
                Ok(storage) => {
                    vector.rows = Some(storage.rows());
                    let live = tracker.live_rows();
                    let has = |row: &u64| live.get(*row) && !storage.deleted().get(*row);
                    vector.points = Some((0..storage.rows().min(live.len())).filter(has).count() as u64);
                }
                Err(error) => notes.push(note(&prefix, &error)),
            }
            figures.vectors.push(vector);
        }
        self.figures = Some(figures);
    }
}

fn vectors_of(state: &SegmentState) -> impl Iterator<Item = VectorFigures> {
    let dense = state.vectors.iter().map(|(name, vector)| VectorFigures {
        name: name.clone(),
        kind: if vector.multivector_config.is_some() { "multi" } else { "dense" },
        dimensions: Some(vector.size),
        distance: Some(vector.distance.to_string()),
        datatype: vector.datatype.as_ref().map_or_else(|| "float32".to_owned(), ToString::to_string),
        storage: Some(vector.storage_type.to_string()),
        index: vector.index.kind.to_string(),
        rows: None,
        points: None,
    });
    let sparse = state.sparse_vectors.iter().map(|(name, vector)| VectorFigures {
        name: name.clone(),
        kind: "sparse",
        dimensions: None,
        distance: None,
        datatype: vector.index.datatype.as_ref().map_or_else(|| "float32".to_owned(), ToString::to_string),
        storage: vector.storage_type.clone(),
        index: vector.index.index_type.to_string(),
        rows: None,
        points: None,
    });
    dense.chain(sparse)
}

/// An error about a file of an owner, as something that was not read.
fn note(prefix: &str, error: &QdrantError) -> Unread {
    let (path, reason) = match error {
        QdrantError::FileDamaged { path, offset, what } => (path.as_str(), format!("byte {offset}: {what}")),
        QdrantError::NotReadable { path, what } | QdrantError::NotKnown { path, what } => (path.as_str(), what.clone()),
        QdrantError::FileMissing { path } => (path.as_str(), "it is missing".to_owned()),
        error => ("", error.reason()),
    };
    Unread { path: format!("{prefix}{path}"), pointer: String::new(), reason }
}
