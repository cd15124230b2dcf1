//! Which bytes of a snapshot are the part that was asked for.

use vectar_qdrant::{CollectionOutline, ShardOutline, SnapshotKind};
use vectar_tar::{Anomaly, CatalogueRow, ReadAt, RowRole, Severity};

use super::{SnapshotPart, shard::shard_spans, span::Spans};
use crate::{content::Content, error::Error, inside::Inside};

/// Which part of a snapshot is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartChoice {
    /// The collection; may be left out where there is one only.
    pub collection: Option<String>,
    /// The shard; without it the whole collection.
    pub shard: Option<u32>,
}

/// Finds the part; see [`SnapshotPart::of`].
pub(super) fn locate<'c, 'e>(inside: &Inside<'c, 'e>, choice: &PartChoice) -> Result<SnapshotPart<'c, 'e>, Error> {
    let content = inside.content();
    let kind = inside.outline().kind;
    match kind {
        SnapshotKind::Unknown => return Err(Error::NoSnapshot { name: content.name() }),
        SnapshotKind::ShardPartial => return Err(Error::PartialSnapshot { name: content.name() }),
        _ => {}
    }
    let collection = collection_of(inside, choice)?;
    choice.shard.map_or(Ok(()), |shard| check_held(content, collection, shard))?;
    let is_of_shard = matches!(kind, SnapshotKind::Shard | SnapshotKind::ShardStreamed);
    let (spans, part_kind, is_whole) = match (&collection.file, choice.shard) {
        (None, None) => (whole(inside)?, kind, true),
        (None, Some(_)) if is_of_shard => (whole(inside)?, kind, true),
        (Some(file), None) => (member(inside, file)?, SnapshotKind::Collection, false),
        (file, Some(shard)) => (shard_spans(inside, file.as_deref(), shard)?, SnapshotKind::Shard, false),
    };
    let shard = choice.shard.or_else(|| only_shard(collection).filter(|_| is_of_shard));
    Ok(SnapshotPart { content, spans, kind: part_kind, collection: collection.name.clone(), shard, is_whole })
}

/// All of the snapshot as a part; see [`SnapshotPart::whole`].
pub(super) fn locate_whole<'c, 'e>(inside: &Inside<'c, 'e>) -> Result<SnapshotPart<'c, 'e>, Error> {
    let spans = whole(inside)?;
    let kind = inside.outline().kind;
    Ok(SnapshotPart { content: inside.content(), spans, kind, collection: None, shard: None, is_whole: true })
}

fn only_shard(collection: &CollectionOutline) -> Option<u32> {
    collection.shards.first().and_then(|shard| shard.id)
}

/// The collection that is meant, named as well as anyone knows.
fn collection_of<'i>(inside: &'i Inside<'_, '_>, choice: &PartChoice) -> Result<&'i CollectionOutline, Error> {
    let named = &inside.named_outline().collections;
    let is_it = |one: &&CollectionOutline, name: &str| {
        inside.takes_any_name() || one.name.as_deref() == Some(name) || one.file.as_deref() == Some(name)
    };
    let fitting: Vec<&CollectionOutline> =
        named.iter().filter(|one| choice.collection.as_deref().is_none_or(|name| is_it(one, name))).collect();
    let known = || named.iter().filter_map(|one| one.name.clone().or_else(|| one.file.clone())).collect();
    match (&fitting[..], &choice.collection) {
        ([collection], _) => Ok(collection),
        ([], Some(collection)) => Err(Error::CollectionNotFound {
            snapshot: inside.content().name(),
            collection: collection.clone(),
            known: known(),
        }),
        _ => Err(Error::PartUnclear { snapshot: inside.content().name(), known: known() }),
    }
}

/// Refuses shards that are not there, and those of which the snapshot has a description but no data. A shard snapshot that does not say its
/// number is any shard: the caller knows better.
fn check_held(content: &Content<'_>, collection: &CollectionOutline, shard: u32) -> Result<(), Error> {
    let held: Vec<&ShardOutline> = collection.shards.iter().filter(|shard| is_held(shard)).collect();
    match held[..] {
        [only] if only.id.is_none() => Ok(()),
        _ if held.iter().any(|one| one.id == Some(shard)) => Ok(()),
        _ => {
            let known = held.iter().filter_map(|one| one.id).collect();
            Err(Error::ShardNotFound { snapshot: content.name(), shard, known })
        }
    }
}

/// Whether the peer that made the snapshot had the shard's data: a collection snapshot describes also the shards that it had not.
pub(crate) fn is_held(shard: &ShardOutline) -> bool {
    let is_remote = shard.replicas.as_ref().is_some_and(|replicas| replicas.is_local == Some(false));
    !is_remote && !shard.segments.is_empty()
}

/// All of the snapshot.
fn whole(inside: &Inside<'_, '_>) -> Result<Spans, Error> {
    let content = inside.content();
    if let Some(damage) = damages(inside).next() {
        return Err(damaged(content, "the snapshot", damage));
    }
    let mut spans = Spans::default();
    spans.copy(0, content.len());
    Ok(spans)
}

/// The snapshot of a collection inside of a full one.
fn member(inside: &Inside<'_, '_>, file: &str) -> Result<Spans, Error> {
    let row = member_row(inside, file)?;
    let mut spans = Spans::default();
    spans.copy(row.head.offset, row.len);
    match damages(inside).find(|damage| spans.copies(damage.offset) || damage.path.names().next() == row_name(row)) {
        Some(damage) => Err(damaged(inside.content(), file, damage)),
        None => Ok(spans),
    }
}

fn row_name(row: &CatalogueRow) -> Option<&[u8]> {
    row.head.path.names().next()
}

/// The entry that is the snapshot file of a collection; the last one of that name, which is what unpacking leaves.
pub(super) fn member_row<'i>(inside: &'i Inside<'_, '_>, file: &str) -> Result<&'i CatalogueRow, Error> {
    let is_it = |row: &&CatalogueRow| row.head.depth == 0 && plain_name(row.head.path.last_name()) == file;
    let found = inside.catalogue().rows.iter().rfind(is_it);
    let is_whole = |row: &&CatalogueRow| row.role == RowRole::Archive && row.head.stored_len == Some(row.len);
    found.filter(is_whole).ok_or_else(|| Error::PartDamaged {
        part: file.to_owned(),
        snapshot: inside.content().name(),
        finding: "the snapshot is cut short inside of it".to_owned(),
    })
}

/// A name as outlines write it: without `./` before and `/` behind.
pub(super) fn plain_name(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    text.trim_start_matches("./").trim_end_matches('/').to_owned()
}

/// What makes entries of the snapshot incomplete.
pub(super) fn damages<'i>(inside: &'i Inside<'_, '_>) -> impl Iterator<Item = &'i Anomaly> {
    inside.catalogue().summary.anomalies.iter().filter(|anomaly| anomaly.severity() == Severity::Damage)
}

pub(super) fn damaged(content: &Content<'_>, part: &str, damage: &Anomaly) -> Error {
    Error::PartDamaged { part: part.to_owned(), snapshot: content.name(), finding: damage.to_string() }
}
