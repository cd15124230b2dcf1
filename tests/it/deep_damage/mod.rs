//! Damage to real snapshots, seeded: whatever is changed in them is reported with the right object, is shown to change nothing, or is a
//! value that became another value that could be.
//!
//! Most cases change one thing in a snapshot that a server made and leave every tar around it sound, so that the tar layer has nothing
//! to say; those of [`tars`] damage the tars themselves. A case is *reported* when `verify_deep` has a finding above note about the
//! object that the case names. It is *harmless* when there is no such finding, and every point with payload and vectors and whatever
//! filters find is as before; the case says why that is so for what listing does not read. The third kind no look inside can tell,
//! because Qdrant has no checksum of values: `verify` tells it where the digest that Qdrant wrote lies beside the snapshot, and each such case
//! is put to that proof. [`sweep`] flips a bit in every file and counts what comes of it.
//!
//! All are looked at in processes that do nothing else, which tell how much they read and held: no count or length of a file is believed.

mod case;
mod harmless;
mod ids;
mod indexes;
mod look;
mod patient;
mod payloads;
mod shards;
mod shared;
mod sweep;
mod tars;
mod vectors;

use std::collections::BTreeMap;

use case::{Case, Expected};
use look::{Seen, look_in_another_process};
use patient::{Patient, Snapshot};
use sha2::{Digest, Sha256};
use vectar::{CancelToken, Silent};
use vectar_testkit::fixtures::snapshots;

/// How many of a group are reported, harmless, and told by the digest alone.
type Counts = [usize; 3];

/// A look at a damaged snapshot reads no more than a look at the sound one, times this. Damage can keep a file from being read, or have it
/// read once more in search of what is wrong.
const READ_SHARE_MAX: u64 = 2;

/// What a look may hold above what a look at the sound snapshots held.
const MEMORY_KIB_MAX: u64 = 8 * 1024;

/// Runs the cases of a group and prints what came of each. All faults are collected before the test fails.
fn run(test: &str, cases: Vec<Case>, expected: Counts) {
    if look::is_looking() {
        return;
    }
    // Where a snapshot is not there, that was said.
    let Some(patients) = Patient::all(test, &cases.iter().map(|case| case.of).collect()) else { return };
    let mut done = Vec::new();
    let damaged = cases.iter().map(|case| {
        let (what, bytes) = case.damaged(&patients[&case.of]);
        done.push(what);
        (format!("{:?}", case.of), bytes)
    });
    let seen = look_in_another_process(test, damaged);
    let mut faults = Vec::new();
    let mut table: BTreeMap<&str, Counts> = BTreeMap::new();
    for ((case, seen), done) in cases.iter().zip(&seen).zip(done) {
        let patient = &patients[&case.of];
        let verdict = case.verdict(patient, seen).and_then(|verdict| {
            is_bounded(&patients, patient, seen)?;
            if matches!(case.expected, Expected::ByDigest(_)) {
                digest_tells(patient, &case.damaged(patient).1)?;
            }
            Ok(verdict)
        });
        match verdict {
            Ok(verdict) => println!("{:<9}  {:<60} {verdict}", case.expected.word(), case.name),
            Err(fault) => faults.push(format!("{}: {fault}", case.name)),
        }
        table.entry(done).or_default()[case.expected.column()] += 1;
    }
    let counts = print(test, &table);
    let held = seen.iter().map(|seen| seen.peak_kib).max().unwrap_or_default();
    println!("a look held {} MiB at most", held / 1024);
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), cases.len(), faults.join("\n"));
    assert_eq!(counts, expected, "{test}");
}

/// Prints what came of each kind of damage; returns the sums.
fn print(test: &str, table: &BTreeMap<&str, Counts>) -> Counts {
    println!("\n{test:<14} reported  harmless  by digest only");
    let mut sums = Counts::default();
    for (done, counts) in table {
        let [reported, harmless, by_digest] = counts;
        println!("{done:<14} {reported:>8}  {harmless:>8}  {by_digest:>14}");
        (0..3).for_each(|column| sums[column] += counts[column]);
    }
    println!("{:<14} {:>8}  {:>8}  {:>14}", "all", sums[0], sums[1], sums[2]);
    sums
}

/// An error when a look read or held too much.
fn is_bounded(patients: &BTreeMap<Snapshot, Patient>, patient: &Patient, seen: &Seen) -> Result<(), String> {
    let (read, may_read) = (seen.read_bytes, patient.seen.read_bytes * READ_SHARE_MAX);
    if read > may_read {
        return Err(format!("it read {read} bytes, at most {may_read} are allowed"));
    }
    let sound = patients.values().map(|patient| patient.seen.peak_kib).max().unwrap_or_default();
    let (held, may_hold) = (seen.peak_kib, sound + MEMORY_KIB_MAX);
    if held > may_hold {
        return Err(format!("it held {held} KiB, at most {may_hold} are allowed"));
    }
    Ok(())
}

/// An error unless `verify` says that the snapshot is not the one whose digest lies beside it, and says nothing else of it.
fn digest_tells(patient: &Patient, damaged: &[u8]) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.snapshot");
    let digest: String = Sha256::digest(&patient.bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(folder.path().join("damaged.snapshot.checksum"), &digest).unwrap();
    let verify = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        vectar::verify::verify_file(&path, &Silent, &CancelToken::default()).unwrap()
    };
    if verify(&patient.bytes).is_damaged() {
        return Err("the sound snapshot is not the one whose digest lies beside it".to_owned());
    }
    let report = verify(damaged);
    match (report.checksum_agrees(), report.sidecar) {
        (Some(false), Some((beside, said))) if said == digest && beside.ends_with("damaged.snapshot.checksum") => {
            Ok(())
        }
        other => Err(format!("the digest does not tell: {other:?}")),
    }
}

#[test]
fn ids() {
    run("ids", ids::cases(), [27, 0, 1]);
}

#[test]
fn vectors() {
    run("vectors", vectors::cases(), [47, 0, 4]);
}

#[test]
fn payloads() {
    run("payloads", payloads::cases(), [30, 0, 2]);
}

#[test]
fn indexes() {
    run("indexes", indexes::cases(), [34, 0, 4]);
}

#[test]
fn payload_indexes() {
    run("payload_indexes", indexes::of_payloads(), [19, 0, 1]);
}

#[test]
fn shards() {
    run("shards", shards::cases(), [57, 0, 1]);
}

#[test]
fn tars() {
    run("tars", tars::cases(), [20, 0, 0]);
}

#[test]
fn harmless() {
    run("harmless", harmless::cases(), [0, 14, 0]);
}

#[test]
fn shared() {
    run("shared", shared::cases(), [16, 0, 1]);
}

/// Else everything would count as reported.
#[test]
fn undamaged_snapshots_give_notes_at_most() {
    if look::is_looking() {
        return;
    }
    let all = snapshots();
    let bytes = all.iter().map(|snapshot| (snapshot.name.clone(), std::fs::read(&snapshot.path).unwrap()));
    let seen = look_in_another_process("undamaged_snapshots_give_notes_at_most", bytes);
    for (snapshot, seen) in all.iter().zip(&seen) {
        assert!(seen.grave().is_empty(), "{}/{}: {:?}", snapshot.series, snapshot.name, seen.grave());
    }
    assert_eq!(seen.len(), 13);
}
