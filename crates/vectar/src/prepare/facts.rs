//! What is known of each snapshot that a restore is made from.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use vectar_qdrant::{CollectionOutline, ReplicaState, ShardOutline, SnapshotKind, compat::Compatibility};
use vectar_repository::format::record::BackupRecord;

use crate::{
    content::{Content, subject_of},
    error::Error,
    extract::is_held,
    ingest::read_small,
    inside::Inside,
};

/// A snapshot that a restore is made from, in a backup or in a file.
#[derive(Debug)]
pub struct PlanSource<'c, 'e> {
    inside: Inside<'c, 'e>,
    facts: SourceFacts,
    collections: Vec<CollectionFacts>,
    aliases: Vec<(String, String)>,
}

/// What identifies a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFacts {
    /// What to call it: `backup 7f3a91c2 (events-….snapshot)`, `file a.snapshot`.
    pub title: String,
    /// Id of the backup; none for a file.
    pub backup: Option<String>,
    /// File name of the snapshot.
    pub name: String,
    /// Kind of snapshot.
    pub kind: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256: of a backup from the record, of a file once it was read.
    pub sha256: Option<String>,
    /// When it was taken, where known.
    pub taken_at: Option<Timestamp>,
    /// The node it is from, by name or peer id, where known.
    pub node: Option<String>,
}

/// A collection as one source has it.
#[derive(Debug)]
pub(super) struct CollectionFacts {
    pub(super) name: String,
    /// In a full snapshot its file.
    pub(super) file: Option<String>,
    pub(super) outline: CollectionOutline,
    /// `config.json`, as it is written.
    pub(super) config: Option<Value>,
    /// `schema` of `payload_index.json`, as it is written.
    pub(super) schema: Map<String, Value>,
    pub(super) compatibility: Option<Compatibility>,
    pub(super) shards: Vec<ShardFacts>,
}

/// A shard that one source holds.
#[derive(Debug, Clone)]
pub(super) struct ShardFacts {
    pub(super) id: u32,
    pub(super) points: Expected,
    pub(super) state: Option<ReplicaState>,
    pub(super) applied_seq: Option<u64>,
}

/// How many points something should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// Different points; `None` when that cannot be told offline.
    pub points: Option<u64>,
    /// What the server may count for a shard until its optimizer has merged segments: a point that lies in two of them counts twice there.
    pub points_max: Option<u64>,
    /// Entries of the write-ahead log that no segment has applied: the server applies them when it loads the shard, and may count differently
    /// then.
    pub wal_tail: u64,
}

impl Expected {
    /// Nothing.
    pub const NONE: Self = Self { points: Some(0), points_max: Some(0), wal_tail: 0 };

    /// What the server must count, if that is certain.
    #[must_use]
    pub fn certain(&self) -> Option<u64> {
        self.points.filter(|_| self.wal_tail == 0)
    }

    /// Both together.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            points: self.points.zip(other.points).map(|(a, b)| a.saturating_add(b)),
            points_max: self.points_max.zip(other.points_max).map(|(a, b)| a.saturating_add(b)),
            wal_tail: self.wal_tail.saturating_add(other.wal_tail),
        }
    }

    fn of(shard: &ShardOutline) -> Self {
        let figures = shard.figures.as_ref();
        let twice = figures.map_or(0, |figures| figures.superseded_rows);
        let wal = figures.and_then(|figures| figures.wal.as_ref());
        Self {
            points: shard.points_live,
            points_max: shard.points_live.map(|points| points.saturating_add(twice)),
            wal_tail: wal.map_or(0, |wal| wal.tail_entries),
        }
    }
}

impl<'c, 'e> PlanSource<'c, 'e> {
    /// Looks into a snapshot: headers, small files, ids and write-ahead logs.
    ///
    /// `title` is what to call it. A snapshot that does not say the name of its collection has the one its file name or its backup's record
    /// says.
    ///
    /// # Errors
    /// The source or the repository failed; [`Error::NoSnapshot`], [`Error::PartialSnapshot`].
    pub fn open(content: &'c Content<'e>, title: String) -> Result<Self, Error> {
        let inside = Inside::open(content)?;
        match inside.outline().kind {
            SnapshotKind::Unknown => return Err(Error::NoSnapshot { name: content.name() }),
            SnapshotKind::ShardPartial => return Err(Error::PartialSnapshot { name: content.name() }),
            _ => {}
        }
        let outline = inside.deep_outline()?;
        let subject = subject_of(content, inside.outline());
        let record = content.record();
        let mut judged = Compatibility::of(&outline, inside.catalogue(), |row| read_small(content, row)).into_iter();
        let mut collections = Vec::new();
        for collection in &outline.collections {
            let compatibility = judged.next();
            let Some(name) = collection.name.clone() else {
                let what = collection.file.clone().unwrap_or_else(|| "the snapshot".to_owned());
                return Err(Error::CollectionUnnamed { snapshot: content.name(), what });
            };
            let file = collection.file.as_deref();
            let schema = root_file(&inside, file, "payload_index.json").and_then(|value| match value {
                Value::Object(mut root) => root.remove("schema").and_then(|schema| schema.as_object().cloned()),
                _ => None,
            });
            collections.push(CollectionFacts {
                name,
                file: collection.file.clone(),
                config: root_file(&inside, file, "config.json"),
                schema: schema.unwrap_or_default(),
                compatibility,
                shards: shards_of(collection, &content.name())?,
                outline: collection.clone(),
            });
        }
        let node = subject.node.clone().or_else(|| peer_of(&outline.collections, subject.peer_id));
        let facts = SourceFacts {
            title,
            backup: record.map(|record| record.id.to_string()),
            name: subject.name.clone(),
            kind: outline.kind.as_str().to_owned(),
            bytes: outline.bytes,
            sha256: record.and_then(|record| record.sha256.clone()),
            taken_at: subject.taken_at,
            node,
        };
        let aliases = outline.aliases.into_iter().collect();
        content.check_failure()?;
        Ok(Self { inside, facts, collections, aliases })
    }

    /// What identifies it.
    #[must_use]
    pub fn facts(&self) -> &SourceFacts {
        &self.facts
    }

    /// The record, of a backup.
    #[must_use]
    pub fn record(&self) -> Option<&BackupRecord> {
        self.inside.content().record()
    }

    pub(super) fn inside(&self) -> &Inside<'c, 'e> {
        &self.inside
    }

    pub(super) fn collections(&self) -> &[CollectionFacts] {
        &self.collections
    }

    /// Alias and collection, from a full snapshot.
    pub(super) fn aliases(&self) -> &[(String, String)] {
        &self.aliases
    }

    pub(super) fn kind(&self) -> SnapshotKind {
        self.inside.outline().kind
    }
}

fn peer_of(collections: &[CollectionOutline], from_name: Option<u64>) -> Option<String> {
    let replicas = collections.iter().flat_map(|one| &one.shards).filter_map(|shard| shard.replicas.as_ref());
    let this = replicas.filter_map(|replicas| replicas.this_peer_id).next();
    this.or(from_name).map(|peer| peer.to_string())
}

fn shards_of(collection: &CollectionOutline, snapshot: &str) -> Result<Vec<ShardFacts>, Error> {
    let held = collection.shards.iter().filter(|shard| is_held(shard));
    held.map(|shard| {
        let state = shard.replicas.as_ref().and_then(|set| set.peers.get(&set.this_peer_id?).cloned());
        let id = shard.id.ok_or_else(|| Error::ShardUnnamed { snapshot: snapshot.to_owned() })?;
        Ok(ShardFacts { id, points: Expected::of(shard), state, applied_seq: shard.applied_seq })
    })
    .collect()
}

/// A small JSON file at the root of a collection's snapshot, as it is written; `None` when it is not there or is no JSON.
fn root_file(inside: &Inside<'_, '_>, file: Option<&str>, name: &str) -> Option<Value> {
    let plain = |raw: &[u8]| String::from_utf8_lossy(raw).trim_start_matches("./").to_owned();
    let row = inside.catalogue().rows.iter().rfind(|row| {
        let names: Vec<String> = row.head.path.names().map(plain).collect();
        match (file, &names[..]) {
            (None, [only]) => only == name,
            (Some(file), [outer, inner]) => outer == file && inner == name,
            _ => false,
        }
    })?;
    serde_json::from_slice(&read_small(inside.content(), row)?).ok()
}
