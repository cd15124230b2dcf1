//! The WAL's chain of checksums, read by code that shares nothing with the writer, on real and on written files.

use vectar_testkit::corpus::{CorpusOptions, write_snapshot};
use vectar_testkit::fixtures;

use crate::reader::{self, Files};

/// Returns the entries of a WAL segment file; panics where a checksum is neither right nor the zero of the end.
fn entries(file: &[u8]) -> Vec<&[u8]> {
    assert_eq!(&file[..4], b"wal\0");
    let mut previous = u32::from_le_bytes(file[4..8].try_into().unwrap());
    let (mut entries, mut at) = (Vec::new(), 8);
    while at + 12 <= file.len() {
        let bytes = u64::from_le_bytes(file[at..at + 8].try_into().unwrap()) as usize;
        let padding = (4 + 8 - bytes % 8) % 8;
        let end = at + 8 + bytes + padding;
        let stored = u32::from_le_bytes(file[end..end + 4].try_into().unwrap());
        if bytes == 0 && stored == 0 {
            break;
        }
        assert_eq!(crc_from(previous.reverse_bits(), &file[at..end]), stored, "entry at byte {at}");
        previous = stored;
        entries.push(&file[at + 8..at + 8 + bytes]);
        at = end + 4;
    }
    entries
}

/// CRC-32C bit by bit, from a start register, with the final inversion.
fn crc_from(register: u32, bytes: &[u8]) -> u32 {
    !bytes.iter().fold(register, |register, &byte| {
        (0..8).fold(register ^ u32::from(byte), |register, _| {
            let carry = register & 1 == 1;
            (register >> 1) ^ if carry { 0x82F6_3B78 } else { 0 }
        })
    })
}

fn wal_files<'f>(files: &'f Files, kind: &'f str) -> impl Iterator<Item = (&'f str, &'f [u8])> {
    files.iter().filter(move |(path, _)| path.contains(kind)).map(|(path, body)| (path.as_str(), body.as_slice()))
}

#[test]
fn real_logs_have_the_chain_we_compute() {
    let mut read = 0;
    for snapshot in fixtures::series("notes") {
        let bytes = std::fs::read(&snapshot.path).unwrap();
        for (_, file) in wal_files(&reader::files(&bytes), "wal/open-") {
            read += entries(file).len();
        }
    }
    assert_eq!(read, 7 + 8 + 9 + 10, "entries of the four snapshots of notes");
}

#[test]
fn written_log_holds_every_operation_when_there_is_room() {
    let options = CorpusOptions { points: 600, dimensions: 8, shards: 2, ..CorpusOptions::default() };
    let mut snapshot = Vec::new();
    write_snapshot(&options, 5, &mut snapshot).unwrap();
    let files = reader::files(&snapshot);
    for shard in 0..2 {
        let log = entries(&files[&format!("{shard}/wal/open-1")]);
        // Operation 0 opens the log; 600 points make 3 upserts; inserts, payloads, vectors in 3 ranges, deletes.
        assert_eq!(log.len(), 1 + 3 + 1 + 1 + 3 + 1);
        assert!(log[0].starts_with(b"\xBFmupsert_points\xA1fpoints\x80\xFF"));
        assert!(log[5].starts_with(b"\xBFkset_payload\xA4gpayload\xA1hreviewed\x03"));
        assert!(log[9].starts_with(b"\xBFmdelete_points\xA1cids"));
        assert_eq!(entries(&files[&format!("{shard}/wal/open-2")]).len(), 0);
        let ack: serde_json::Value = serde_json::from_slice(&files[&format!("{shard}/wal/first-index")]).unwrap();
        assert_eq!(ack["ack_index"], log.len() - 1);
    }
}

#[test]
fn written_log_keeps_the_last_operations_within_its_limit() {
    let options = CorpusOptions {
        points: 2000,
        dimensions: 16,
        wal_bytes_max: 500_000,
        steps: Vec::new(),
        ..CorpusOptions::default()
    };
    let mut snapshot = Vec::new();
    write_snapshot(&options, 0, &mut snapshot).unwrap();
    let files = reader::files(&snapshot);
    let (path, file) = wal_files(&files, "wal/closed-").next().unwrap();
    let first: usize = path.rsplit('-').next().unwrap().parse().unwrap();
    let log = entries(file);
    // 2000 points are operations 1 to 8.
    assert_eq!(first + log.len(), 9);
    assert!(first > 1);
    let bytes: usize = log.iter().map(|entry| (entry.len() + 12).next_multiple_of(8)).sum();
    assert!((300_000..=500_000).contains(&bytes), "{bytes}");
}

#[test]
fn a_flipped_bit_breaks_the_chain() {
    let options = CorpusOptions { points: 10, dimensions: 4, ..CorpusOptions::default() };
    let mut snapshot = Vec::new();
    write_snapshot(&options, 0, &mut snapshot).unwrap();
    let files = reader::files(&snapshot);
    let mut file = files["0/wal/open-1"].clone();
    assert_eq!(entries(&file).len(), 2);
    file[100] ^= 1;
    assert!(std::panic::catch_unwind(|| entries(&file).len()).is_err());
}
