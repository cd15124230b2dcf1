//! Handmade trackers: each layout byte by byte, hostile ones, and any bytes at all.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

type Files = BTreeMap<String, Vec<u8>>;

fn uuid(last: u8) -> PointId {
    let mut bytes = *b"\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff\0";
    bytes[15] = last;
    PointId::Uuid(bytes)
}

fn files<const LEN: usize>(files: [(&str, Vec<u8>); LEN]) -> Files {
    files.into_iter().map(|(path, bytes)| (path.to_owned(), bytes)).collect()
}

fn u64s(values: impl IntoIterator<Item = u64>) -> Vec<u8> {
    values.into_iter().flat_map(u64::to_le_bytes).collect()
}

fn id_bytes(id: &PointId) -> Vec<u8> {
    match id {
        PointId::Number(number) => number.to_le_bytes().to_vec(),
        PointId::Uuid(bytes) => bytes.to_vec(),
    }
}

/// A record of a log: inserts have a row.
fn record(id: PointId, row: Option<u32>) -> Vec<u8> {
    let is_uuid = matches!(id, PointId::Uuid(_));
    let kind = 1 + u8::from(is_uuid) + if row.is_none() { 2 } else { 0 };
    [vec![kind], id_bytes(&id), row.map_or(Vec::new(), |row| row.to_le_bytes().to_vec())].concat()
}

fn log(records: &[(PointId, Option<u32>)], versions: impl IntoIterator<Item = u64>) -> Files {
    let mappings = records.iter().flat_map(|(id, row)| record(*id, *row)).collect();
    files([(mutable::MAPPINGS, mappings), (mutable::VERSIONS, u64s(versions))])
}

/// An immutable tracker of `ids`, row by row; row `i` has version `100 + i`.
fn list(ids: &[PointId], deleted: &[u64]) -> Files {
    let mut mappings = u64s([ids.len() as u64]);
    for (row, id) in ids.iter().enumerate() {
        mappings.push(u8::from(matches!(id, PointId::Uuid(_))));
        mappings.extend(id_bytes(id));
        mappings.extend((row as u32).to_le_bytes());
    }
    files([
        (immutable::MAPPINGS, mappings),
        (deleted::DELETED, flags(ids.len(), deleted)),
        (immutable::VERSIONS, u64s((0..ids.len() as u64).map(|row| 100 + row))),
    ])
}

fn flags(rows: usize, set: &[u64]) -> Vec<u8> {
    let mut words = vec![0_u64; rows.div_ceil(64)];
    for row in set {
        words[*row as usize / 64] |= 1 << (row % 64);
    }
    u64s(words)
}

/// A disk tracker of `ids`, row by row, written down from the byte table as the server would; `unlisted` rows were deleted before.
fn runs(ids: &[PointId], unlisted: &[u64], deleted_since: &[u64]) -> Files {
    let wide = |id: &PointId| match id {
        PointId::Number(number) => u128::from(*number),
        PointId::Uuid(bytes) => u128::from_be_bytes(*bytes),
    };
    let is_uuid = |id: &PointId| matches!(id, PointId::Uuid(_));
    let header = |magic: u64| [u64s([magic]), vec![2, 0, 0, 0, 0, 0, 0, 0]].concat();
    let mut row_ids = [header(0x5144_5f49_3245_0001), u64s([ids.len() as u64, 0])].concat();
    ids.iter().for_each(|id| row_ids.extend(wide(id).to_le_bytes()));

    let mut listed: Vec<_> = ids.iter().zip(0_u32..).filter(|(_, row)| !unlisted.contains(&u64::from(*row))).collect();
    listed.sort();
    let (uuids, numbers): (Vec<_>, Vec<_>) = listed.into_iter().partition(|(id, _)| is_uuid(id));
    let mut id_rows = [header(0x5144_5f45_3249_0001), u64s([numbers.len() as u64, uuids.len() as u64])].concat();
    id_rows.extend([1365_u32, 819, 0, 0].into_iter().flat_map(u32::to_le_bytes));
    let pad = |bytes: &mut Vec<u8>| bytes.resize(bytes.len().next_multiple_of(16), 0);
    numbers.chunks(1365).for_each(|block| id_rows.extend((wide(block[0].0) as u64).to_le_bytes()));
    pad(&mut id_rows);
    uuids.chunks(819).for_each(|block| id_rows.extend(wide(block[0].0).to_le_bytes()));
    for (id, row) in &numbers {
        id_rows.extend((wide(id) as u64).to_le_bytes());
        id_rows.extend(row.to_le_bytes());
    }
    pad(&mut id_rows);
    for (id, row) in &uuids {
        id_rows.extend(wide(id).to_le_bytes());
        id_rows.extend(row.to_le_bytes());
    }

    let uuid_rows: Vec<_> = (0..ids.len() as u64).filter(|row| is_uuid(&ids[*row as usize])).collect();
    let words = flags(ids.len(), &uuid_rows);
    let mut mask = b"QBMK\x01\0\0\0".to_vec();
    mask.extend(u64s([ids.len() as u64, 0, words.len() as u64]));
    mask.extend(words);
    files([
        ("id_tracker.i2e", row_ids),
        ("id_tracker.e2i", id_rows),
        ("id_tracker.is_uuid", mask),
        (deleted::DELETED, flags(ids.len(), &[unlisted, deleted_since].concat())),
        (immutable::VERSIONS, u64s((0..ids.len() as u64).map(|row| 100 + row))),
    ])
}

fn points(tracker: &IdTracker<'_>) -> Vec<(PointId, u32, Option<u64>)> {
    let points: Vec<_> = tracker.points().unwrap().map(Result::unwrap).collect();
    for point in &points {
        assert_eq!(tracker.find(&point.id).unwrap(), Some(*point));
    }
    assert_eq!(tracker.live_rows().count_ones(), points.len() as u64);
    assert_eq!(tracker.live_rows().len(), tracker.rows());
    assert_eq!(tracker.live_points(), points.len() as u64);
    points.into_iter().map(|point| (point.id, point.row, point.version)).collect()
}

fn error(files: &Files, is_appendable: Option<bool>) -> String {
    IdTracker::open(files, is_appendable).unwrap_err().to_string()
}

/// The findings in short: level, object, what.
fn audit(files: &Files, is_appendable: Option<bool>) -> Vec<String> {
    let mut findings = Findings::default();
    IdTracker::open_audited(files, is_appendable, Some(10_000), &mut findings);
    findings.list.iter().map(|finding| format!("{} {}: {}", finding.level, finding.object, finding.what)).collect()
}

#[test]
fn a_log_is_replayed() {
    let files = log(
        &[
            (PointId::Number(7), Some(0)),
            (uuid(2), Some(1)),
            (uuid(1), Some(2)),
            (PointId::Number(3), Some(3)),
            (PointId::Number(7), None),
            (uuid(9), None),
            (PointId::Number(9), Some(5)),
        ],
        [10, 11, 12],
    );
    let tracker = IdTracker::open(&files, Some(true)).unwrap();
    assert_eq!(tracker.kind(), IdTrackerKind::Mutable);
    assert_eq!(
        points(&tracker),
        [(PointId::Number(3), 3, None), (PointId::Number(9), 5, None), (uuid(1), 2, Some(12)), (uuid(2), 1, Some(11)),]
    );
    // Row 4 was never linked; it counts, and is dead.
    assert_eq!(
        (tracker.rows(), tracker.live_rows().get(4), tracker.find(&PointId::Number(7)).unwrap()),
        (6, false, None)
    );
    assert_eq!(
        audit(&files, Some(true)),
        ["data-loss mutable_id_tracker.versions: 2 live points have no version, expected one for each of 6 rows"]
    );
}

#[test]
fn the_last_link_of_an_id_and_of_a_row_counts() {
    let moved = log(&[(PointId::Number(1), Some(0)), (PointId::Number(1), Some(1))], [1, 2]);
    let tracker = IdTracker::open(&moved, Some(true)).unwrap();
    assert_eq!(points(&tracker), [(PointId::Number(1), 1, Some(2))]);
    assert_eq!((tracker.duplicate_rows(), tracker.rows()), (1, 2));
    assert_eq!(
        audit(&moved, Some(true)),
        ["note mutable_id_tracker.mappings: 1 ids were linked to another row without a delete"]
    );

    let taken = log(&[(PointId::Number(1), Some(0)), (uuid(1), Some(0))], [5]);
    let tracker = IdTracker::open(&taken, Some(true)).unwrap();
    assert_eq!(points(&tracker), [(uuid(1), 0, Some(5))]);
    assert_eq!(tracker.duplicate_rows(), 0);
}

#[test]
fn a_log_may_be_cut_but_not_be_wrong() {
    let mut cut = log(&[(PointId::Number(1), Some(0)), (uuid(1), Some(1))], [1]);
    cut.get_mut(mutable::MAPPINGS).unwrap().pop();
    assert_eq!(points(&IdTracker::open(&cut, None).unwrap()), [(PointId::Number(1), 0, Some(1))]);
    assert_eq!(
        audit(&cut, None),
        ["suspicious mutable_id_tracker.mappings: the log ends inside of a record: 20 of its bytes are there"]
    );

    let wrong = files([(mutable::MAPPINGS, [record(uuid(1), Some(0)), vec![5]].concat())]);
    let expected = "mutable_id_tracker.mappings, byte 21: a record begins with 0x05, expected 1 to 4";
    assert_eq!(error(&wrong, Some(true)), expected);
    assert_eq!(audit(&wrong, Some(true)), [format!("damage mutable_id_tracker.mappings: {expected}")]);

    let far = log(&[(PointId::Number(1), Some(u32::MAX))], []);
    assert_eq!(
        error(&far, Some(true)),
        "mutable_id_tracker.mappings, byte 0: row 4294967295 in a log of 13 bytes, expected a row below 1048680"
    );
}

#[test]
fn versions_of_a_log_may_be_missing_or_too_many() {
    let mut files = log(&[(PointId::Number(1), Some(0))], [1, 2]);
    assert_eq!(audit(&files, Some(true)), ["suspicious mutable_id_tracker.versions: 16 bytes, expected 8 for 1 rows"]);
    files.remove(mutable::VERSIONS);
    assert_eq!(
        audit(&files, Some(true)),
        ["data-loss mutable_id_tracker.versions: the file is missing, expected versions of 1 rows"]
    );
    assert_eq!(points(&IdTracker::open(&files, Some(true)).unwrap()), [(PointId::Number(1), 0, None)]);
}

/// Numbers of 13 bytes and UUIDs of 21, blocks of 1024 rows, some of them without a live row.
#[test]
fn an_ascending_list_is_read_in_place() {
    let numbers = (0..3000).map(|number| PointId::Number(number * 2));
    let ids: Vec<_> = numbers.chain((0..250).map(uuid)).collect();
    let dead: Vec<_> = (1000..2100).chain([2999, 3249]).collect();
    let files = list(&ids, &dead);
    let expected: Vec<_> = ids
        .iter()
        .zip(0_u32..)
        .filter(|(_, row)| !dead.contains(&u64::from(*row)))
        .map(|(id, row)| (*id, row, Some(100 + u64::from(row))))
        .collect();
    let tracker = IdTracker::open(&files, Some(false)).unwrap();
    assert!(matches!(tracker.mapping, Mapping::Ascending(_)));
    assert_eq!(points(&tracker), expected);
    assert_eq!((tracker.rows(), tracker.live_rows().len()), (3250, 3250));
    for absent in [PointId::Number(1), PointId::Number(2000), PointId::Number(u64::MAX), uuid(249), uuid(250)] {
        assert_eq!(tracker.find(&absent).unwrap(), None, "{absent}");
    }
    assert_eq!(audit(&files, Some(false)).len(), 0);
}

/// Searches go by the first live id of a block, which most blocks lack here.
#[test]
fn a_list_of_few_live_rows_is_searched() {
    let ids: Vec<_> = (0..7000).map(PointId::Number).collect();
    let live = [3, 6143, 6144, 6146];
    let dead: Vec<_> = (0..7000).filter(|row| !live.contains(row)).collect();
    let files = list(&ids, &dead);
    let tracker = IdTracker::open(&files, Some(false)).unwrap();
    assert_eq!(points(&tracker).iter().map(|point| u64::from(point.1)).collect::<Vec<_>>(), live);
    for absent in [0, 4, 2000, 6142, 6145, 6999] {
        assert_eq!(tracker.find(&PointId::Number(absent)).unwrap(), None, "{absent}");
    }
}

/// As v1.11.0 to v1.13.0 leave it, and tenant indexes; ids of dead rows never matter.
#[test]
fn a_list_out_of_order_is_sorted() {
    let ids = [uuid(5), PointId::Number(9), PointId::Number(u64::MAX), PointId::Number(2), uuid(1)];
    let sorted = list(&ids, &[2]);
    let tracker = IdTracker::open(&sorted, Some(false)).unwrap();
    assert!(matches!(tracker.mapping, Mapping::Sorted(_)));
    assert_eq!(
        points(&tracker),
        [
            (PointId::Number(2), 3, Some(103)),
            (PointId::Number(9), 1, Some(101)),
            (uuid(1), 4, Some(104)),
            (uuid(5), 0, Some(100)),
        ]
    );
    assert_eq!(audit(&sorted, Some(false)), ["note id_tracker.mappings: ids do not ascend"]);
    let in_order = list(&[PointId::Number(9), PointId::Number(2), PointId::Number(10)], &[1]);
    assert!(matches!(IdTracker::open(&in_order, None).unwrap().mapping, Mapping::Ascending(_)));
}

#[test]
fn an_id_twice_counts_once() {
    let files = list(&[PointId::Number(1), PointId::Number(1), PointId::Number(4)], &[]);
    let tracker = IdTracker::open(&files, Some(false)).unwrap();
    assert_eq!((tracker.live_points(), tracker.duplicate_rows(), points(&tracker).len()), (2, 1, 2));
    assert_eq!(
        audit(&files, Some(false)),
        ["damage id_tracker.mappings: 1 live rows have the id of another live row, expected each id once"]
    );
}

#[test]
fn hostile_lists_are_refused() {
    let good = list(&[PointId::Number(1), uuid(1)], &[]);
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut files = good.clone();
        change(files.get_mut(immutable::MAPPINGS).unwrap());
        error(&files, Some(false))
    };
    let huge = with(&|bytes| bytes[..8].fill(0xff));
    assert_eq!(
        huge,
        "id_tracker.mappings, byte 0: 18446744073709551615 records, expected at most 2 in a file of 42 bytes"
    );
    let kind = with(&|bytes| bytes[21] = 2);
    assert_eq!(kind, "id_tracker.mappings, byte 21: the record of row 1 begins with 0x02, expected 0 or 1");
    let row = with(&|bytes| bytes[38] = 9);
    assert_eq!(row, "id_tracker.mappings, byte 21: row 9 stands at the place of row 1");
    let twice = with(&|bytes| bytes[38] = 0);
    assert_eq!(twice, "id_tracker.mappings, byte 21: row 0 stands at the place of row 1");
    let cut = with(&|bytes| bytes.truncate(41));
    assert_eq!(cut, "id_tracker.mappings, byte 21: 21 bytes are expected there, and the file has 41");
    assert!(with(&|bytes| bytes.truncate(7)).contains("8 bytes are expected there"));

    let mut longer = good.clone();
    longer.get_mut(immutable::MAPPINGS).unwrap().push(0);
    assert_eq!(audit(&longer, Some(false)), ["suspicious id_tracker.mappings: 1 bytes follow the last of 2 records"]);
}

#[test]
fn flags_may_be_shorter_or_longer_than_the_list() {
    let ids: Vec<_> = (0..100).map(PointId::Number).collect();
    let mut files = list(&ids, &[3, 70]);
    assert_eq!(IdTracker::open(&files, None).unwrap().live_points(), 98);

    files.insert(deleted::DELETED.to_owned(), flags(64, &[3]));
    assert_eq!(IdTracker::open(&files, None).unwrap().live_points(), 99);
    assert_eq!(audit(&files, None), ["damage id_tracker.deleted: the flags end at row 64, expected 100 rows"]);

    files.insert(deleted::DELETED.to_owned(), flags(200, &[3, 70, 150]));
    assert_eq!(IdTracker::open(&files, None).unwrap().live_points(), 98);
    let longer =
        "suspicious id_tracker.deleted: 32 bytes with flags behind the last row, expected 16 bytes for 100 rows";
    assert_eq!(audit(&files, None), [longer]);

    // The right length, but a row that is not there is deleted.
    files.insert(deleted::DELETED.to_owned(), flags(128, &[3, 120]));
    assert_eq!(audit(&files, None).len(), 1);

    files.remove(deleted::DELETED);
    assert_eq!(error(&files, None), "id_tracker.deleted is missing");
    let mut mask = b"QBMK\x01\0\0\0".to_vec();
    mask.extend(u64s([100, 0, 16]));
    mask.extend(flags(100, &[0, 99]));
    files.insert(deleted::DELETED_MASK.to_owned(), mask);
    assert_eq!(IdTracker::open(&files, None).unwrap().live_points(), 98);
    assert_eq!(audit(&files, None), Vec::<String>::new());
}

#[test]
fn versions_of_a_list_are_audited() {
    let mut files = list(&[PointId::Number(1), PointId::Number(2), PointId::Number(3)], &[0]);
    files.get_mut(immutable::VERSIONS).unwrap().truncate(17);
    assert_eq!(points(&IdTracker::open(&files, None).unwrap())[1], (PointId::Number(3), 2, None));
    assert_eq!(
        audit(&files, None),
        [
            "suspicious id_tracker.versions: 17 bytes, expected 24 for 3 rows",
            "data-loss id_tracker.versions: 1 live points have no version, expected one for each of 3 rows",
        ]
    );
    // The dead row's version does not matter.
    files.insert(immutable::VERSIONS.to_owned(), u64s([50_000, 10_000, 10_001]));
    assert_eq!(
        audit(&files, None),
        [
            "suspicious id_tracker.versions: 1 live points are newer than the segment: version 10001, expected at most 10000"
        ]
    );
    files.remove(immutable::VERSIONS);
    assert_eq!(audit(&files, None), ["damage id_tracker.versions: the file is missing, expected versions of 3 rows"]);
}

/// Enough ids for several blocks, rows in another order than ids.
fn disk_ids() -> Vec<PointId> {
    let numbers = (0..3000_u64).map(|number| PointId::Number(number * 7919 % 3001));
    let uuids = (0..2000_u128).map(|number| PointId::Uuid((((number * 7919 % 2003) << 90) | 0xabcd).to_be_bytes()));
    numbers.chain(uuids).collect()
}

#[test]
fn a_disk_tracker_is_read_in_place() {
    let ids = disk_ids();
    let mut files = runs(&ids, &[17, 4000], &[0, 4999]);
    let tracker = IdTracker::open(&files, Some(false)).unwrap();
    assert_eq!((tracker.kind(), tracker.rows(), tracker.live_points()), (IdTrackerKind::Disk, 5000, 4996));
    let mut expected: Vec<_> = ids
        .iter()
        .zip(0_u32..)
        .filter(|(_, row)| ![17, 4000, 0, 4999].contains(row))
        .map(|(id, row)| (*id, row, Some(100 + u64::from(row))))
        .collect();
    expected.sort();
    assert_eq!(points(&tracker), expected);
    for row in [17, 4000, 0, 4999] {
        assert_eq!(tracker.find(&ids[row]).unwrap(), None);
    }
    let mut findings = Findings::default();
    tracker.audit(None, &mut findings);
    assert_eq!(findings, Findings::default());
    drop(tracker);

    files.remove(immutable::VERSIONS);
    files.insert(disk::COMPACT_VERSIONS.to_owned(), b"QDRANTCV".to_vec());
    assert_eq!(
        audit(&files, Some(false)),
        ["note id_tracker.compact_versions: versions of points are in a form that is not read"]
    );
    assert_eq!(IdTracker::open(&files, None).unwrap().points().unwrap().next().unwrap().unwrap().version, None);
}

#[test]
fn hostile_disk_trackers_are_refused() {
    let ids = [PointId::Number(5), uuid(1), PointId::Number(2), uuid(0)];
    let good = runs(&ids, &[], &[]);
    assert_eq!(audit(&good, Some(false)), Vec::<String>::new());
    let with = |path: &str, at: usize, bytes: &[u8]| {
        let mut files = good.clone();
        files.get_mut(path).unwrap()[at..at + bytes.len()].copy_from_slice(bytes);
        audit(&files, Some(false)).join("\n")
    };
    let (row_ids, id_rows) = ("id_tracker.i2e", "id_tracker.e2i");
    // The header takes 48 bytes, the first number 8 and padding, the first UUID 16: numbers begin at 80, UUIDs at 112.
    assert!(with(row_ids, 0, &[2]).contains("byte 0: the file begins with 0x51445f4932450002"));
    assert!(with(row_ids, 8, &[1]).contains("note id_tracker.i2e: id_tracker.i2e: a disk id tracker of version 1"));
    assert!(with(row_ids, 16, &[0xff; 8]).contains("18446744073709551615 rows, and the file holds 4"));
    assert!(with(row_ids, 16, &[3]).contains("3 rows, which does not fit the 4 ids"));
    assert!(with(row_ids, 32, &[6]).contains("1 rows have another id than in id_tracker.e2i"));
    assert!(with(row_ids, 40, &[1]).contains("1 rows have another id than in id_tracker.e2i"));
    assert!(with(id_rows, 16, &[0xff; 8]).contains("18446744073709551615 numbers and 2 UUIDs"));
    assert!(with(id_rows, 16, &[3]).contains("3 numbers and 2 UUIDs end at"));
    assert!(with(id_rows, 32, &[0; 4]).contains("blocks without entries"));
    assert!(with(id_rows, 48, &[1]).contains("1 blocks do not begin with the id that the index names"));
    assert!(with(id_rows, 64, &[1]).contains("1 blocks do not begin with the id that the index names"));
    assert!(with(id_rows, 80, &[5]).contains("byte 92: 5 does not come after the id before it"));
    assert!(with(id_rows, 88, &[9]).contains("byte 80: 2 has row 9, expected a row of its own below 4"));
    assert!(with(id_rows, 88, &[0]).contains("byte 92: 5 has row 0"));
    assert!(with("id_tracker.is_uuid", 32, &[0b1011]).contains("1 rows have another id"));
    assert!(with("id_tracker.is_uuid", 8, &[3]).contains("the mask has 3 bits, expected 4"));
    assert!(with("id_tracker.deleted", 0, &[0]).is_empty());

    let mut unlisted = runs(&ids, &[2], &[]);
    unlisted.insert(deleted::DELETED.to_owned(), flags(4, &[]));
    assert_eq!(
        audit(&unlisted, Some(false)),
        ["damage id_tracker.e2i: 1 rows that are not deleted have no id, expected one for each"]
    );
    for path in [id_rows, "id_tracker.is_uuid", deleted::DELETED] {
        let mut files = good.clone();
        files.remove(path);
        assert_eq!(audit(&files, Some(false)), [format!("damage {path}: {path} is missing")]);
    }
}

/// A small file cannot claim so many rows that flags take much memory.
#[test]
fn disk_rows_must_fit_the_ids() {
    let mut files = runs(&[PointId::Number(1)], &[], &[]);
    let rows = (1_u64 << 20) + 65;
    let row_ids = files.get_mut("id_tracker.i2e").unwrap();
    row_ids[16..24].copy_from_slice(&rows.to_le_bytes());
    row_ids.resize(32 + 16 * rows as usize, 0);
    let expected = "id_tracker.i2e, byte 16: 1048641 rows, which does not fit the 1 ids of id_tracker.e2i";
    assert_eq!(error(&files, Some(false)), expected);
}

#[test]
fn which_tracker_counts_is_decided_as_the_server_does() {
    let kind = |files: &Files, is_appendable| IdTracker::open(files, is_appendable).map(|tracker| tracker.kind());
    let none = Files::new();
    assert_eq!(kind(&none, Some(true)).unwrap(), IdTrackerKind::Empty);
    assert_eq!(error(&none, Some(false)), "id_tracker.mappings is missing");
    assert_eq!(error(&none, None), "id_tracker.mappings is missing");
    assert_eq!(audit(&none, Some(true)), Vec::<String>::new());
    assert_eq!(IdTracker::open(&none, Some(true)).unwrap().points().unwrap().count(), 0);

    for path in ["db_backup/meta/1", "CURRENT"] {
        let rocksdb = files([(path, Vec::new())]);
        let path = path.split('/').next().unwrap();
        let expected = format!("{path}: ids are in RocksDB (up to v1.17), which is not read");
        assert_eq!(error(&rocksdb, Some(true)), expected);
        assert_eq!(audit(&rocksdb, None), [format!("note {path}: {expected}")]);
    }

    let versions_only = files([(mutable::VERSIONS, u64s([1]))]);
    assert_eq!(error(&versions_only, Some(true)), "mutable_id_tracker.mappings is missing");
    let deleted_only = files([(deleted::DELETED, Vec::new())]);
    assert_eq!(error(&deleted_only, Some(true)), "id_tracker.mappings is missing");

    let list = list(&[PointId::Number(1)], &[]);
    let both: Files = list.clone().into_iter().chain(log(&[(uuid(1), Some(0))], [1])).collect();
    assert_eq!(kind(&both, Some(true)).unwrap(), IdTrackerKind::Mutable);
    assert_eq!(kind(&both, Some(false)).unwrap(), IdTrackerKind::Immutable);
    assert_eq!(
        audit(&both, Some(false)),
        ["note mutable_id_tracker.mappings: the segment has two id trackers, of which id_tracker.mappings counts"]
    );
    assert_eq!(
        audit(&list, Some(true)),
        ["data-loss id_tracker.mappings: the segment is appendable, expected mutable_id_tracker.mappings"]
    );
    assert_eq!(kind(&log(&[(uuid(1), Some(0))], [1]), Some(false)).unwrap(), IdTrackerKind::Mutable);
}

#[test]
fn several_threads_may_ask_one_tracker() {
    fn shared<T: Sync>(_: &T) {}
    let files = list(&[PointId::Number(1)], &[]);
    shared(&IdTracker::open(&files, None).unwrap());
}

/// Reads all there is; whatever the bytes are, what comes out keeps the promises.
fn exercise(files: &Files) {
    for is_appendable in [Some(true), Some(false), None] {
        let mut findings = Findings::default();
        let Some(tracker) = IdTracker::open_audited(files, is_appendable, Some(5), &mut findings) else { continue };
        let held: usize = files.values().map(Vec::len).sum();
        // Flags are what rows cost; eight rows a byte of the log are the widest gap that is believed.
        assert!(tracker.rows() <= held as u64 * 8 + (1 << 20), "{} rows of {held} bytes", tracker.rows());
        let points = points(&tracker);
        assert!(points.is_sorted_by(|a, b| a.0 < b.0));
        assert!(points.iter().all(|point| u64::from(point.1) < tracker.rows()));
    }
}

fn ids() -> impl Strategy<Value = PointId> {
    prop_oneof![(0..40_u64).prop_map(PointId::Number), (0..40_u8).prop_map(uuid)]
}

proptest! {
    #[test]
    fn no_bytes_panic(contents: [Vec<u8>; 8]) {
        let names = [
            mutable::MAPPINGS, mutable::VERSIONS, immutable::MAPPINGS, immutable::VERSIONS, deleted::DELETED,
            "id_tracker.i2e", "id_tracker.e2i", "id_tracker.is_uuid",
        ];
        let files: Files = names.map(str::to_owned).into_iter().zip(contents).collect();
        exercise(&files);
        for prefix in ["mutable_", "id_tracker.m"] {
            exercise(&files.clone().into_iter().filter(|(path, _)| path.starts_with(prefix)).collect());
        }
    }

    /// Damage that leaves most of a tracker as it was reaches deeper than noise.
    #[test]
    fn no_damage_panics(
        ids in proptest::collection::btree_set(ids(), 1..60),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of((any::<prop::sample::Index>(), any::<prop::sample::Index>())),
    ) {
        let ids: Vec<_> = ids.into_iter().rev().collect();
        let records: Vec<_> = ids.iter().zip(0..).map(|(id, row)| (*id, (row != 7).then_some(row))).collect();
        for mut files in [log(&records, 0..ids.len() as u64), list(&ids, &[0]), runs(&ids, &[], &[0])] {
            let names: Vec<_> = files.keys().cloned().collect();
            for (name, at, byte) in &flips {
                let bytes = files.get_mut(name.get(&names)).unwrap();
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] ^= byte;
                }
            }
            if let Some((name, at)) = &cut {
                let bytes = files.get_mut(name.get(&names)).unwrap();
                bytes.truncate(at.index(bytes.len() + 1));
            }
            exercise(&files);
        }
    }

    /// The three trackers of the same points tell the same.
    #[test]
    fn trackers_agree(
        ids in proptest::collection::hash_set(ids(), 1..60),
        dead in proptest::collection::btree_set(0..60_u64, 0..10),
    ) {
        let ids: Vec<_> = ids.into_iter().collect();
        let dead: Vec<_> = dead.into_iter().filter(|row| *row < ids.len() as u64).collect();
        let mut records: Vec<_> = ids.iter().zip(0_u32..).map(|(id, row)| (*id, Some(row))).collect();
        records.extend(dead.iter().map(|row| (ids[*row as usize], None)));
        let logged = log(&records, (0..ids.len() as u64).map(|row| 100 + row));
        let expected = points(&IdTracker::open(&logged, Some(true)).unwrap());
        prop_assert_eq!(expected.len(), ids.len() - dead.len());
        for files in [list(&ids, &dead), runs(&ids, &[], &dead), runs(&ids, &dead, &[])] {
            prop_assert_eq!(&points(&IdTracker::open(&files, Some(false)).unwrap()), &expected);
            // Order is worth a note, no more.
            prop_assert!(audit(&files, Some(false)).iter().all(|finding| finding.starts_with("note")));
        }
    }
}
