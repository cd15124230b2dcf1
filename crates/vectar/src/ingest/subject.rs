//! What a record says about its snapshot, and where each statement comes from.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use vectar_qdrant::{NameSubject, SnapshotKind, SnapshotName, SnapshotOutline};
use vectar_repository::format::record::{ShardNote, Subject};

use super::IngestOptions;
use crate::source::SnapshotFile;

/// Collections that a record lists by name: a full snapshot of more is described by its count alone.
const CONTAINS_MAX: usize = 1000;

/// Segments that a record lists for each shard.
const SEGMENTS_MAX: usize = 1000;

/// What is known beside the snapshot's bytes.
pub(super) struct Origin<'o> {
    pub(super) name: &'o str,
    pub(super) path: &'o Path,
    pub(super) mtime_seconds: Option<i64>,
    pub(super) levels: u32,
}

/// Collects what is known, in the order of trust: option, file name, directory.
pub(super) fn describe(origin: &Origin<'_>, outline: &SnapshotOutline, options: &IngestOptions) -> Subject {
    let parsed = SnapshotName::parse(origin.name);
    let (collection, collection_from) = collection(origin, outline, parsed.as_ref(), options).unzip();
    let (taken_at, taken_at_from) = taken_at(origin, parsed.as_ref()).unzip();
    Subject {
        name: origin.name.to_owned(),
        kind: outline.kind.as_str().to_owned(),
        levels: origin.levels,
        collection,
        collection_from,
        cluster: options.cluster.clone(),
        node: options.node.clone(),
        peer_id: parsed.as_ref().and_then(SnapshotName::peer).or_else(|| this_peer(outline)),
        set: options.set.clone(),
        shards: shards(origin, outline, parsed.as_ref()),
        contains: contains(outline),
        source: Some(origin.path.to_string_lossy().into_owned()),
        qdrant_at_least: outline.written_by.at_least.map(|version| version.to_string()),
        taken_at,
        taken_at_from,
    }
}

/// What an ingest without options would say about a file.
pub(crate) fn describe_file(file: &SnapshotFile, outline: &SnapshotOutline) -> Subject {
    let name = file.name();
    let origin = Origin { name: &name, path: file.path(), mtime_seconds: Some(file.mtime_seconds()), levels: 0 };
    describe(&origin, outline, &IngestOptions::default())
}

fn collection(
    origin: &Origin<'_>,
    outline: &SnapshotOutline,
    parsed: Option<&SnapshotName>,
    options: &IngestOptions,
) -> Option<(String, String)> {
    if let Some(name) = &options.collection {
        return Some((name.clone(), "option".to_owned()));
    }
    if matches!(outline.kind, SnapshotKind::Full | SnapshotKind::Unknown) {
        return None;
    }
    if let Some(name) = parsed.and_then(SnapshotName::collection) {
        return Some((name.to_owned(), "name".to_owned()));
    }
    let mut directories = directories(origin.path);
    let nearest = directories.next().filter(|name| !name.is_empty() && *name != "/")?;
    let name = if shard_directory(origin.path).is_some() { directories.nth(1)? } else { nearest };
    (name != "snapshots" && name != "." && name != "..").then(|| (name.to_owned(), "directory".to_owned()))
}

/// The directories that hold a file, nearest first.
fn directories(path: &Path) -> impl Iterator<Item = &str> {
    path.parent().into_iter().flat_map(Path::components).rev().filter_map(|part| part.as_os_str().to_str())
}

/// The number of the directory a server keeps a shard's snapshots in: `<collection>/shards/<shard id>/`.
fn shard_directory(path: &Path) -> Option<u32> {
    let mut directories = directories(path);
    let shard = directories.next()?.parse().ok()?;
    (directories.next() == Some("shards")).then_some(shard)
}

fn taken_at(origin: &Origin<'_>, parsed: Option<&SnapshotName>) -> Option<(Timestamp, String)> {
    if let Some(at) = parsed.and_then(|name| name.taken_at.to_string().parse().ok()) {
        return Some((at, "name".to_owned()));
    }
    let seconds = origin.mtime_seconds?;
    let at = Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_secs(seconds)).ok()?;
    Some((at, "mtime".to_owned()))
}

/// The peer that the replica states call "this one", if all shards agree.
fn this_peer(outline: &SnapshotOutline) -> Option<u64> {
    let mut peers = outline
        .collections
        .iter()
        .flat_map(|collection| &collection.shards)
        .filter_map(|shard| shard.replicas.as_ref()?.this_peer_id);
    let first = peers.next()?;
    peers.all(|peer| peer == first).then_some(first)
}

fn shards(origin: &Origin<'_>, outline: &SnapshotOutline, parsed: Option<&SnapshotName>) -> Vec<ShardNote> {
    let named = parsed.and_then(|name| match name.subject {
        NameSubject::Shard { shard, .. } => Some(shard),
        _ => None,
    });
    let named = named.or_else(|| shard_directory(origin.path));
    let [collection] = &outline.collections[..] else { return Vec::new() };
    let note = |shard: &vectar_qdrant::ShardOutline| ShardNote {
        id: shard.id.or(named),
        replicas: shard
            .replicas
            .iter()
            .flat_map(|state| state.peers.iter())
            .map(|(peer, state)| (peer.to_string(), state.as_str().to_owned()))
            .collect(),
        segments: shard.segments.iter().take(SEGMENTS_MAX).map(|segment| segment.id.as_str().to_owned()).collect(),
    };
    collection.shards.iter().map(note).collect()
}

fn contains(outline: &SnapshotOutline) -> std::collections::BTreeMap<String, String> {
    if outline.kind != SnapshotKind::Full {
        return std::collections::BTreeMap::new();
    }
    let named =
        outline.collections.iter().filter_map(|collection| Some((collection.name.clone()?, collection.file.clone()?)));
    named.take(CONTAINS_MAX).collect()
}
