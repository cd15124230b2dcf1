//! Which backups a restore is made from.

use std::collections::BTreeMap;

use jiff::Timestamp;
use vectar_repository::format::record::BackupRecord;

use crate::{
    error::Error,
    select::{Filter, Group, counts_from, is_good, many, parse_time},
};

/// Finds the backups that go by `name` and belong together: as [`many`], but that `COLLECTION@TIME` and `COLLECTION@latest` mean the newest
/// backup of *each* node, or of the whole capture set that the newest one is part of. The collection is returned where the name says it: a
/// full snapshot may hold others.
///
/// # Errors
/// As [`many`].
pub fn pick<'r>(
    name: &str,
    records: &'r [BackupRecord],
    filter: &Filter,
) -> Result<(Vec<&'r BackupRecord>, Option<String>), Error> {
    let Some((collection, time)) = name.rsplit_once('@') else { return Ok((many(name, records, filter)?, None)) };
    let before = match time {
        "latest" => None,
        time => match parse_time("time", time) {
            Ok(before) => Some(before),
            // A name of a snapshot with an @ in it.
            Err(_) => return Ok((many(name, records, filter)?, None)),
        },
    };
    let found = of_each_node(collection, before, filter.apply(records));
    match found.is_empty() {
        true => Err(Error::BackupNotFound {
            name: name.to_owned(),
            reason: Some("no backup of that collection is here, or all are damaged or younger than that".to_owned()),
        }),
        false => Ok((found, Some(collection.to_owned()))),
    }
}

fn of_each_node<'r>(
    collection: &str,
    before: Option<Timestamp>,
    records: Vec<&'r BackupRecord>,
) -> Vec<&'r BackupRecord> {
    let has = |record: &&BackupRecord| {
        let subject = &record.subject;
        subject.collection.as_deref() == Some(collection) || subject.contains.contains_key(collection)
    };
    let in_time = |record: &&BackupRecord| before.is_none_or(|before| counts_from(record) <= before);
    let fitting: Vec<&BackupRecord> =
        records.into_iter().filter(|record| is_good(record)).filter(has).filter(in_time).collect();
    let rank = |record: &&BackupRecord| (counts_from(record), record.stored_at);
    let Some(newest) = fitting.iter().copied().max_by_key(rank) else { return Vec::new() };
    // Others of the same set were taken together with it, and were meant to be restored together.
    let (set, kind, cluster) = (&newest.subject.set, &newest.subject.kind, &newest.subject.cluster);
    let beside = fitting.into_iter().filter(|record| match set {
        Some(set) => record.subject.set.as_ref() == Some(set),
        None => record.subject.set.is_none() && record.subject.kind == *kind && record.subject.cluster == *cluster,
    });
    let mut each: BTreeMap<Group, &BackupRecord> = BTreeMap::new();
    for record in beside {
        let newest = each.entry(Group::of(record)).or_insert(record);
        if rank(newest) < rank(&record) {
            *newest = record;
        }
    }
    each.into_values().collect()
}
