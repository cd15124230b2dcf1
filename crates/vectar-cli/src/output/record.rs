//! A backup as one JSON line, and as words.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::Serialize;
use vectar::{BackupId, BackupRecord, DrillNote, Proven, ShardNote, Space, words::grouped};

/// A backup, as `list`, `show` and `ingest` print it.
#[derive(Debug, Serialize)]
pub(crate) struct BackupLine<'r> {
    pub(crate) id: String,
    name: &'r str,
    kind: &'r str,
    bytes: u64,
    sha256: Option<&'r str>,
    taken_at: String,
    stored_at: String,
    collection: Option<&'r str>,
    cluster: Option<&'r str>,
    node: Option<&'r str>,
    peer_id: Option<u64>,
    set: Option<&'r str>,
    shards: &'r [ShardNote],
    contains: &'r BTreeMap<String, String>,
    source: Option<&'r str>,
    qdrant_at_least: Option<&'r str>,
    damaged: Option<&'r str>,
    tags: &'r [String],
    note: Option<&'r str>,
    pinned: Option<&'r str>,
    space: &'r Space,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verified_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drill: Option<DrillView<'r>>,
}

/// What a drill showed, as `show` and `status` print it.
#[derive(Debug, Serialize)]
pub(crate) struct DrillView<'r> {
    at: String,
    #[serde(flatten)]
    note: &'r DrillNote,
}

impl<'r> DrillView<'r> {
    /// The view of a drill.
    pub(crate) fn of((at, note): &'r (Timestamp, DrillNote)) -> Self {
        Self { at: super::utc(*at), note }
    }
}

/// What was shown of a backup, and when: `bytes identical · loads in engine 0.9.0 · 41,220 points · 2026-11-20`.
pub(crate) fn shown(at: Option<Timestamp>, drill: Option<&(Timestamp, DrillNote)>) -> String {
    let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    let Some(at) = at else { return "never".to_owned() };
    let Some((drilled, note)) = drill else { return format!("bytes identical · {}", day(at)) };
    let compared = match note.ids.filter(|ids| *ids < note.points) {
        Some(ids) => format!(", {} compared", grouped(ids)),
        None => String::new(),
    };
    let loads = format!(
        "loads in engine {} · {}{compared} · {}",
        super::plain_word(&note.engine),
        super::counted(note.points, "point"),
        day(*drilled)
    );
    match day(at) == day(*drilled) {
        true => format!("bytes identical · {loads}"),
        false => format!("bytes identical · {} · {loads}", day(at)),
    }
}

impl<'r> BackupLine<'r> {
    /// The line of a backup.
    pub(crate) fn new(record: &'r BackupRecord) -> Self {
        let subject = &record.subject;
        Self {
            id: record.id.to_string(),
            name: &subject.name,
            kind: &subject.kind,
            bytes: record.bytes,
            sha256: record.sha256.as_deref(),
            taken_at: super::utc(record.taken_or_stored_at()),
            stored_at: super::utc(record.stored_at),
            collection: subject.collection.as_deref(),
            cluster: subject.cluster.as_deref(),
            node: subject.node.as_deref(),
            peer_id: subject.peer_id,
            set: subject.set.as_deref(),
            shards: &subject.shards,
            contains: &subject.contains,
            source: subject.source.as_deref(),
            qdrant_at_least: subject.qdrant_at_least.as_deref(),
            damaged: record.damaged.as_deref(),
            tags: &record.tags,
            note: record.note.as_deref(),
            pinned: None,
            space: &record.space,
            verified_at: None,
            drill: None,
        }
    }

    /// Adds why the backup is pinned, if it is.
    pub(crate) fn pinned(mut self, pins: &'r HashMap<BackupId, String>, id: BackupId) -> Self {
        self.pinned = pins.get(&id).map(String::as_str);
        self
    }

    /// Adds what was shown of the backup.
    pub(crate) fn proven(mut self, proven: Option<&'r Proven>) -> Self {
        self.verified_at = proven.map(|proven| super::utc(proven.at));
        self.drill = proven.and_then(|proven| proven.drill.as_ref()).map(DrillView::of);
        self
    }
}

/// What a backup is of, in a table: its collection, or all those in a full snapshot.
pub(crate) fn subject(record: &BackupRecord) -> String {
    let subject = &record.subject;
    match (&subject.collection, subject.contains.is_empty()) {
        (Some(collection), _) => collection.clone(),
        (None, false) => subject.contains.keys().cloned().collect::<Vec<_>>().join(","),
        (None, true) => "-".to_owned(),
    }
}

/// Shards in a table: `0,1,2`.
pub(crate) fn shards(record: &BackupRecord) -> String {
    let ids: Vec<String> = record
        .subject
        .shards
        .iter()
        .map(|shard| shard.id.map_or_else(|| "?".to_owned(), |id| id.to_string()))
        .collect();
    if ids.is_empty() { "-".to_owned() } else { ids.join(",") }
}
