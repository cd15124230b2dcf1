//! Logs made by hand.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::finding::FindingLevel;
use crate::point_id::PointId;

type Files = BTreeMap<String, Vec<u8>>;

const UPSERT: &[u8] = b"\xBFmupsert_points\xA1fpoints\x82\xA2bid\x07gpayload\xA1fpoints\x81\x09\xA1bid\x18\xFF\xFF";
const DELETE: &[u8] = b"\xA1mdelete_points\xA1cids\x82\x01\x02";

/// A file of these entries, with room behind.
fn wal_file(seed: u32, entries: &[&[u8]]) -> Vec<u8> {
    let mut bytes = [b"wal\0".as_slice(), &seed.to_le_bytes()].concat();
    let mut crc = seed;
    for entry in entries {
        let start = bytes.len();
        bytes.extend((entry.len() as u64).to_le_bytes());
        bytes.extend_from_slice(entry);
        while bytes.len() % 8 != 4 {
            bytes.push(0);
        }
        crc = crc32c::crc32c_append(!crc.reverse_bits(), &bytes[start..]);
        bytes.extend(crc.to_le_bytes());
    }
    bytes.resize(bytes.len() + 200, 0);
    bytes
}

fn files<const N: usize>(files: [(&str, Vec<u8>); N]) -> Files {
    files.into_iter().map(|(name, bytes)| (format!("wal/{name}"), bytes)).collect()
}

fn numbers(wal: &Wal<'_>) -> Vec<u64> {
    wal.entries().map(|entry| entry.unwrap().number).collect()
}

fn audit(files: &Files, version: Option<u64>) -> Findings {
    let mut findings = Findings::default();
    Wal::open(files).unwrap().audit(version, None, &mut findings);
    findings
}

/// Expects one finding of that level about that file whose text contains these words.
fn check(files: &Files, level: FindingLevel, object: &str, words: &str) {
    let findings = audit(files, None);
    let fits = |finding: &&Finding| finding.level == level && finding.object == object && finding.what.contains(words);
    assert!(findings.list.iter().any(|finding| fits(&finding)), "{words}: {findings:#?}");
}

#[test]
fn closed_files_are_numbered_by_their_names_and_open_ones_follow() {
    let files = files([
        ("closed-5", wal_file(1, &[UPSERT, DELETE])),
        ("closed-7", wal_file(2, &[DELETE])),
        ("open-11", wal_file(4, &[])),
        ("open-9", wal_file(3, &[UPSERT, UPSERT])),
        ("tmp-open-12", b"anything".to_vec()),
        ("first-index", br#"{"ack_index":6}"#.to_vec()),
        (".wal", Vec::new()),
    ]);
    let wal = Wal::open(&files).unwrap();
    assert_eq!(wal.faults(), []);
    assert_eq!((wal.first_operation(), wal.last_operation(), wal.next_operation()), (Some(5), Some(9), 10));
    assert_eq!(wal.acknowledged(), Some(6));
    assert_eq!(numbers(&wal), [5, 6, 7, 8, 9]);
    assert_eq!(wal.entries_after(7).map(|entry| entry.unwrap().number).collect::<Vec<_>>(), [8, 9]);
    assert_eq!(wal.entries_after(u64::MAX).count(), 0);
    let names: Vec<_> = wal.segments().iter().map(|segment| segment.name.as_str()).collect();
    assert_eq!(names, ["closed-5", "closed-7", "open-9", "open-11"]);
    let first = &wal.segments()[0];
    assert_eq!((first.used_bytes, first.file_bytes), (first.file_bytes - 200, files["wal/closed-5"].len() as u64));
    assert_eq!(audit(&files, Some(9)), Findings::default());
    let note = audit(&files, Some(7));
    assert_eq!(
        (note.worst, note.list[0].what.as_str()),
        (Some(FindingLevel::Note), "operations up to 9 are newer than all segments: 2")
    );
}

#[test]
fn a_new_log_begins_with_0_whatever_is_acknowledged() {
    let files = files([("open-1", wal_file(1, &[UPSERT])), ("first-index", br#"{"ack_index":6}"#.to_vec())]);
    assert_eq!(numbers(&Wal::open(&files).unwrap()), [0]);
    check(
        &files,
        FindingLevel::Suspicious,
        "wal/first-index",
        "6 is acknowledged, and the next operation of the log is 1",
    );
}

#[test]
fn the_empty_log_of_shard_snapshots_knows_the_next_number() {
    let files = files([("closed-10", wal_file(77, &[]))]);
    let wal = Wal::open(&files).unwrap();
    assert_eq!((wal.first_operation(), wal.last_operation(), wal.next_operation()), (None, None, 10));
    assert_eq!(audit(&files, Some(9)), Findings::default());
    assert_eq!(audit(&files, Some(10)).worst, Some(FindingLevel::DataLoss));
    assert!(matches!(Wal::open(&Files::new()), Err(QdrantError::FileMissing { .. })));
}

#[test]
fn numbers_beyond_the_log_are_found() {
    let files = files([("open-1", wal_file(1, &[UPSERT, DELETE]))]);
    let wal = Wal::open(&files).unwrap();
    let worst = |version, applied| {
        let mut findings = Findings::default();
        wal.audit(version, applied, &mut findings);
        findings.worst
    };
    assert_eq!(worst(Some(1), Some(1)), None);
    assert_eq!(worst(Some(0), Some(0)), Some(FindingLevel::Note));
    assert_eq!(worst(Some(1), Some(2)), Some(FindingLevel::Suspicious));
    assert_eq!(worst(Some(2), None), Some(FindingLevel::DataLoss));
    assert_eq!(worst(Some(u64::MAX), Some(u64::MAX)), Some(FindingLevel::DataLoss));
}

#[test]
fn ends_that_are_not_clean() {
    let whole = wal_file(1, &[UPSERT, DELETE, UPSERT]);
    let second = 8 + (UPSERT.len() + 12).next_multiple_of(8);
    let end = |damage: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        damage(&mut bytes);
        let file = StoredFile::new("wal/open-1", bytes);
        let segment = WalSegment::scan("open-1", &file).unwrap();
        (segment.entries, segment.end)
    };
    let used = whole.len() - 200;
    let offset = second as u64;
    assert_eq!(end(&|_| ()), (3, WalEnd::Clean));
    assert_eq!(end(&|bytes| bytes.truncate(used)), (3, WalEnd::Clean));
    assert_eq!(end(&|bytes| bytes.truncate(used + 15)), (3, WalEnd::Clean));
    assert_eq!(end(&|bytes| bytes[second + 10] ^= 1), (1, WalEnd::Broken { offset }));
    assert_eq!(end(&|bytes| bytes[second + 7] = 0xff), (1, WalEnd::Torn { offset }));
    assert_eq!(end(&|bytes| bytes[second..].fill(0)), (1, WalEnd::Clean));
    // The data is there and the checksum is not.
    let third = offset + (DELETE.len() as u64 + 12).next_multiple_of(8);
    assert_eq!(end(&|bytes| bytes[used - 4..].fill(0)), (2, WalEnd::Torn { offset: third }));
    assert!(matches!(end(&|bytes| bytes[..8].fill(0)).1, WalEnd::NoSegment { what } if what.contains("lost before")));
    assert!(matches!(end(&|bytes| bytes[3] = 1).1, WalEnd::NoSegment { what } if what.contains("version 1")));
    assert!(matches!(end(&|bytes| bytes.truncate(7)).1, WalEnd::NoSegment { what } if what.contains("7 bytes")));
}

#[test]
fn files_that_do_not_follow_each_other_are_found() {
    use FindingLevel::{Damage, Suspicious};
    let gap = files([("closed-5", wal_file(1, &[UPSERT])), ("closed-7", wal_file(2, &[DELETE]))]);
    check(&gap, Damage, "wal/closed-7", "operation 6 follows on the files before, and the first one here is 7");
    assert_eq!(numbers(&Wal::open(&gap).unwrap()), [5, 7]);
    let overlap = files([("closed-5", wal_file(1, &[UPSERT, UPSERT])), ("closed-6", wal_file(2, &[DELETE]))]);
    check(&overlap, Damage, "wal/closed-6", "operation 7 follows");
    let mut torn = files([("closed-5", wal_file(1, &[UPSERT, UPSERT])), ("open-2", wal_file(2, &[DELETE]))]);
    torn.get_mut("wal/closed-5").unwrap()[8 + 7] = 9;
    check(&torn, Suspicious, "wal/closed-5", "an unfinished entry is at byte 8, behind 0 whole ones");
    check(&torn, Damage, "wal/open-2", "a file that ends early comes before these entries: 1");
    let mut broken = files([("open-2", wal_file(2, &[DELETE, DELETE]))]);
    broken.get_mut("wal/open-2").unwrap()[20] ^= 4;
    check(&broken, Damage, "wal/open-2", "wrong checksum is at byte 8, behind 0 whole ones, and more follow");
    check(&files([("open-x", wal_file(1, &[]))]), Damage, "wal/open-x", "no number");
    check(&files([("open-1", vec![0; 64])]), Damage, "wal/open-1", "begins with");
    check(&files([("open-1", wal_file(1, &[])), ("first-index", vec![0; 16])]), Damage, "wal/first-index", "NUL");
    let last = format!("closed-{}", u64::MAX);
    let beyond = files([(last.as_str(), wal_file(1, &[UPSERT]))]);
    check(&beyond, Damage, &format!("wal/{last}"), "more than there are numbers");
    let full =
        files([(format!("closed-{}", u64::MAX - 1).as_str(), wal_file(1, &[UPSERT])), ("open-1", wal_file(1, &[]))]);
    assert_eq!(numbers(&Wal::open(&full).unwrap()), [u64::MAX - 1]);
    audit(&full, None);
}

#[test]
fn entries_that_are_no_operations_are_found_and_the_others_read() {
    let mut files = files([("open-1", wal_file(1, &[UPSERT, b"\xA1", b"\x81\xA6upsert\xC0", DELETE]))]);
    let wal = Wal::open(&files).unwrap();
    let read: Vec<_> =
        wal.entries().map(|entry| entry.map(|entry| entry.number).map_err(|error| error.to_string())).collect();
    assert_eq!((&read[0], &read[3]), (&Ok(0), &Ok(3)));
    assert!(read[1].as_ref().unwrap_err().contains("the entry ends within a value"), "{read:?}");
    assert!(read[2].as_ref().unwrap_err().contains("MessagePack"), "{read:?}");
    check(&files, FindingLevel::Damage, "wal", "read at load and are no operations: 1 (operation 1: ");
    check(&files, FindingLevel::Note, "wal", "cannot be read here: 1 (operation 2: ");
    drop(wal);
    files.insert("wal/first-index".to_owned(), br#"{"ack_index":2}"#.to_vec());
    check(&files, FindingLevel::Suspicious, "wal", "acknowledged entries that are no operations: 1");
}

fn operation(data: &[u8]) -> Result<WalOperation, String> {
    let files = files([("open-1", wal_file(1, &[data]))]);
    let wal = Wal::open(&files).unwrap();
    let entry = wal.entries().next().expect("one entry was written");
    entry.map(|entry| entry.operation).map_err(|error| error.to_string())
}

#[test]
fn operations_of_all_shapes() {
    let uuid = PointId::Uuid(*b"0123456789abcdef");
    let number = PointId::Number;
    let check = |data: &[u8], name: &str, points: &[PointId], has_filter: bool| {
        let expected = WalOperation { name: name.to_owned(), points: points.to_vec(), points_more: 0, has_filter };
        assert_eq!(operation(data), Ok(expected));
    };
    check(UPSERT, "upsert_points", &[number(7), number(255)], false);
    check(DELETE, "delete_points", &[number(1), number(2)], false);
    check(
        b"\xBFmupsert_points\xA1ebatch\xA2cids\x81\x500123456789abcdefgvectors\x80\xFF",
        "upsert_points",
        &[uuid],
        false,
    );
    check(b"\xA1mdelete_points\xA1cids\x81x$30313233-3435-3637-3839-616263646566", "delete_points", &[uuid], false);
    let conditional = b"\xA1x\x19upsert_points_conditional\xA2ipoints_op\xA1fpoints\x81\xA1bid\x05icondition\xA0";
    check(conditional, "upsert_points_conditional", &[number(5)], true);
    check(
        b"\xA1kset_payload\xA4gpayload\xA1aa\x01fpoints\x81\x03ffilter\xF6ckey\xF6",
        "set_payload",
        &[number(3)],
        false,
    );
    check(b"\xA1kset_payload\xA2fpoints\xF6ffilter\xA1dmust\x80", "set_payload", &[], true);
    check(b"\xA1x\x17clear_payload_by_filter\xA1dmust\x80", "clear_payload_by_filter", &[], true);
    check(b"\xA1ndelete_vectors\x82\xA1fpoints\x82\x01\x02\x81dtext", "delete_vectors", &[number(1), number(2)], false);
    check(b"\xA1ksync_points\xA3gfrom_id\xF6eto_id\xF6fpoints\x9F\xA1bid\x01\xFF", "sync_points", &[number(1)], true);
    check(b"\xA1ldelete_indexetopic", "delete_index", &[], false);
    check(b"\xBFlcreate_index\xA1jfield_name\x7Fbtobpi\xFFiclock_tag\xA1gpeer_id\x01\xFF", "create_index", &[], false);
    check(b"\xA1fcoming\xD8\x20\x82\x01\xFB\x3F\xF0\0\0\0\0\0\0", "coming", &[], false);
}

#[test]
fn what_is_no_operation_says_why() {
    let check = |data: &[u8], words: &str| {
        let error = operation(data).unwrap_err();
        assert!(error.contains(words), "{error}");
    };
    check(b"", "ends within a value");
    check(b"\x01", "it is no map");
    check(b"\xA0", "it holds no operation");
    check(b"\xBF\xFF", "it holds no operation");
    check(b"\xA1\x01\x02", "an operation has no name");
    check(b"\xA1iclock_tag\xA0", "it holds no operation");
    check(b"\xA2aa\xA0ab\xA0", "it holds two operations");
    check(b"\xA1aa\xA0\x00", "1 bytes stand behind it");
    check(b"\xBFaa\xFF", "a name stands without a value");
    check(b"\xA1aa\xFF", "a break stands where a value must be");
    check(b"\xA1aa\x1C", "byte 3 of it is not CBOR");
    check(b"\xA1mdelete_points\xA1cids\x81\x20", "another value stands where a point id must be");
    check(b"\xA1mdelete_points\xA1cids\x81b17", "17 stands where a point id must be");
    check(b"\xA1mupsert_points\xA1fpoints\x81\xA0", "a point has no id");
    check(b"\xDE\0\x01", "MessagePack");
    check(b"\x91\x01", "MessagePack");
}

#[test]
fn counts_and_depths_of_a_hostile_entry_cost_nothing() {
    for head in [0x9B_u8, 0xBB, 0x5B, 0x7B] {
        let data = [b"\xA1mdelete_points\xA1cids".as_slice(), &[head], &[0xff; 8]].concat();
        assert!(operation(&data).unwrap_err().contains("ends within a value"), "{head:x}");
    }
    for open in [b"\x9F".as_slice(), b"\x81", b"\xA1\x01", b"\xBF\x01"] {
        let deep = [b"\xA1ao".as_slice(), &open.repeat(100_000)].concat();
        assert!(operation(&deep).unwrap_err().contains("nested deeper than 128"));
    }
    let tags = [b"\xA1ao".as_slice(), &[0xC1; 100_000], &[0]].concat();
    assert_eq!(operation(&tags).unwrap().name, "o");
    // A level that holds itself is followed no deeper than operations go.
    let batches = [b"\xA1ao".as_slice(), &b"\xA1ebatch".repeat(50), b"\xA1cids\x81\x01"].concat();
    assert_eq!(operation(&batches).unwrap().points, []);
    let many = [b"\xA1mdelete_points\xA1cids\x9A\x00\x10\x00\x03".as_slice(), &vec![1; (1 << 20) + 3]].concat();
    let many = operation(&many).unwrap();
    assert_eq!((many.points.len(), many.points_more), (1 << 20, 3));
}

proptest! {
    #[test]
    fn no_entry_panics(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = operation(&data);
        let _ = operation(&[b"\xA1mupsert_points".as_slice(), &data].concat());
    }

    #[test]
    fn no_file_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        audit(&files([("open-1", bytes.clone())]), None);
        audit(&files([("closed-1", [b"wal\0".as_slice(), &bytes].concat())]), Some(3));
    }

    /// No single changed bit leaves the same entries behind a clean end.
    #[test]
    fn every_flip_shows(at: prop::sample::Index, bit in 0_u8..8) {
        let mut bytes = wal_file(0x1234_5678, &[UPSERT, DELETE, UPSERT]);
        let at = at.index(bytes.len() - 200);
        bytes[at] ^= 1 << bit;
        let segment = WalSegment::scan("open-1", &StoredFile::new("wal/open-1", bytes)).unwrap();
        prop_assert!(segment.entries < 3);
    }
}
