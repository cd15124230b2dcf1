//! A bit of each file of a snapshot, whatever it means there. Nothing is said beforehand about what must come of it, but how often it is
//! what: so it cannot silently become worse.

use std::collections::{BTreeMap, BTreeSet};

use super::look::{self, look_in_another_process};
use super::patient::{Patient, Snapshot};
use super::{digest_tells, is_bounded};
use crate::random::Random;

/// Files of flags that are all zero have their first flags here.
const FLAGS_BYTES: u64 = 64;

/// What stands before the files of the segment, or of the shard, that a file belongs to; a file of the collection stands for itself.
fn owner(path: &str) -> &str {
    match (path.rfind("snapshot/files/"), path.find('/')) {
        (Some(files), _) => &path[..files],
        (None, Some(shard)) => &path[..shard],
        (None, None) => path,
    }
}

/// One flipped bit in each file, with the path of the file.
fn flipped(patient: &Patient, random: &mut Random) -> Vec<(String, Vec<u8>)> {
    let paths = patient.parts.paths().into_iter().filter(|path| !path.ends_with(".tar"));
    let flip = |path: String| {
        let content = patient.parts.file(&path);
        let used = content.iter().rposition(|byte| *byte != 0).map_or(FLAGS_BYTES, |last| last as u64 + 1);
        let (at, bit) = (random.below(used.min(content.len() as u64)) as usize, random.below(8));
        let mut parts = patient.parts.clone();
        parts.edit(&path, |content| content[at] ^= 1 << bit);
        (path, parts.bytes())
    };
    paths.map(flip).collect()
}

#[test]
fn sweep() {
    if look::is_looking() {
        return;
    }
    let patients: BTreeMap<Snapshot, Patient> =
        Patient::all("sweep::sweep", &BTreeSet::from([Snapshot::Notes])).expect("it is committed");
    let patient = &patients[&Snapshot::Notes];
    let flipped = flipped(patient, &mut Random::new(20_260_401));
    let named = flipped.iter().map(|(_, bytes)| ("Notes".to_owned(), bytes.clone()));
    let (mut reported, mut same_points, mut other_points) = (0, 0, 0);
    for ((path, bytes), seen) in flipped.iter().zip(look_in_another_process("sweep::sweep", named)) {
        is_bounded(&patients, patient, &seen).unwrap_or_else(|fault| panic!("{path}: {fault}"));
        if !seen.grave().is_empty() {
            // The log witnesses which points the segments should have, and segments what the collection should say.
            let is_named = |object: &str| object.starts_with(owner(path)) || object == "0/wal" || !path.contains('/');
            assert!(seen.grave().iter().any(|(_, object, _)| is_named(object)), "{path}: {:?}", seen.grave());
            reported += 1;
            continue;
        }
        digest_tells(patient, bytes).unwrap_or_else(|fault| panic!("{path}: {fault}"));
        let is_same = seen.points == patient.seen.points;
        let short = path.rsplit("snapshot/files/").next().unwrap_or_default();
        println!("{}  {short}", if is_same { "same points " } else { "other points" });
        *if is_same { &mut same_points } else { &mut other_points } += 1;
    }
    println!("a bit of each of {} files: {reported} reported", flipped.len());
    println!("by digest only: {same_points} with the same points, {other_points} with others");
    assert_eq!((reported, same_points, other_points), (60, 28, 1));
}
