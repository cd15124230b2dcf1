//! Gridstores made by hand: small pages, so that values run over them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::finding::FindingLevel;

type Files = BTreeMap<String, Vec<u8>>;

const BLOCK: usize = 16;
const REGION: usize = 8;
const PAGE: usize = BLOCK * REGION * 4;

/// A store of these values, laid one behind the other.
fn store(values: &[Option<&[u8]>], is_lz4: bool) -> Files {
    let (mut tracker, mut bytes, mut used) = ((values.len() as u32).to_le_bytes().to_vec(), Vec::new(), 0);
    for value in values {
        let stored =
            value.map(|value| if is_lz4 { lz4_flex::block::compress_prepend_size(value) } else { value.to_vec() });
        let block = bytes.len() / BLOCK;
        let fields = match &stored {
            Some(stored) => [1, block / (PAGE / BLOCK), block % (PAGE / BLOCK), stored.len()],
            None => [0, 9, 9, 9],
        };
        tracker.extend(fields.iter().flat_map(|field| (*field as u32).to_le_bytes()));
        bytes.extend(stored.unwrap_or_default());
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        used = bytes.len() / BLOCK;
    }
    tracker.resize(tracker.len() + 64, 0);
    bytes.resize(bytes.len().next_multiple_of(PAGE).max(PAGE), 0);
    let mask: Vec<u8> = (0..bytes.len() / BLOCK / 8)
        .map(|byte| (0..8).fold(0, |bits, bit| bits | u8::from(byte * 8 + bit < used) << bit))
        .collect();
    let gaps = mask.chunks(REGION / 8).flat_map(|region| {
        let gaps = bitmask::Gaps::of(region);
        [gaps.longest, gaps.leading, gaps.trailing].into_iter().flat_map(u16::to_le_bytes)
    });
    let compression = if is_lz4 { "LZ4" } else { "None" };
    let config = format!(
        r#"{{"page_size_bytes":{PAGE},"block_size_bytes":{BLOCK},"region_size_blocks":{REGION},"compression":"{compression}"}}"#
    );
    let mut files = Files::from([
        ("d/config.json".to_owned(), config.into_bytes()),
        ("d/tracker.dat".to_owned(), tracker),
        ("d/gaps.dat".to_owned(), gaps.collect()),
        ("d/bitmask.dat".to_owned(), mask),
    ]);
    for (number, page) in bytes.chunks(PAGE).enumerate() {
        files.insert(format!("d/page_{number}.dat"), page.to_vec());
    }
    files
}

/// Values of 3, 700 (over a page's end and a whole page), 0 and 40 bytes.
fn sample() -> Files {
    let long: Vec<u8> = (0..1100_u32).map(|at| (at % 251) as u8).collect();
    store(&[Some(b"abc"), Some(&long), None, Some(&[7; 40])], false)
}

fn set_slot(files: &mut Files, slot: usize, fields: [u32; 4]) {
    let bytes = &mut files.get_mut("d/tracker.dat").unwrap()[4 + slot * 16..][..16];
    bytes.copy_from_slice(&fields.map(u32::to_le_bytes).concat());
}

fn audit_rows(files: &Files, live: Option<&Bits>) -> Findings {
    let mut findings = Findings::default();
    let check = &mut |_: u64, value: &[u8]| if value.is_empty() { Err("empty".to_owned()) } else { Ok(()) };
    Gridstore::open(files, "d").unwrap().audit_rows(live, &mut findings, check);
    findings
}

fn audit(files: &Files) -> Findings {
    audit_rows(files, None)
}

#[test]
fn values_come_back_also_over_the_ends_of_pages() {
    let long: Vec<u8> = (0..1100_u32).map(|at| (at % 251) as u8).collect();
    let noise: Vec<u8> = (0..2000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let values: [Option<&[u8]>; 5] = [Some(b"{}"), Some(&long), None, Some(&noise), Some(b"last")];
    for is_lz4 in [false, true] {
        let files = store(&values, is_lz4);
        let store = Gridstore::open(&files, "d").unwrap();
        assert_eq!(store.slots(), 5);
        let mut reader = store.reader();
        for slot in [0, 1, 2, 3, 4, 3, 0, 4, 1] {
            assert_eq!(reader.value(slot as u64).unwrap(), values[slot], "slot {slot}, lz4 {is_lz4}");
        }
        for slot in [5, 9, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            assert_eq!(reader.value(slot).unwrap(), None);
        }
        assert_eq!(audit(&files), Findings::default(), "lz4 {is_lz4}");
        let figures = store.figures().unwrap();
        assert_eq!(
            (figures.values, figures.pages),
            (4, files.keys().filter(|path| path.contains("page_")).count() as u64)
        );
        assert_eq!(figures.preallocated_bytes, figures.pages * PAGE as u64);
        assert!(
            figures.value_bytes <= figures.used_bytes && figures.used_bytes < figures.value_bytes + 4 * BLOCK as u64
        );
    }
}

#[test]
fn a_log_has_slots_from_the_first_byte_and_values_without_blocks() {
    let slots: [[u32; 4]; 4] = [[1, 0, 0, 3], [0; 4], [1, 0, 3, 5], [1, 1, 0, 2]];
    let mut files = Files::from([
        ("d/config.json".to_owned(), br#"{"page_size_bytes":8,"compression":"None","mode":"append_only"}"#.to_vec()),
        ("d/log_tracker.dat".to_owned(), slots.concat().into_iter().flat_map(u32::to_le_bytes).chain([1; 7]).collect()),
        ("d/log_page_0.dat".to_owned(), b"abcdefgh".to_vec()),
        ("d/log_page_1.dat".to_owned(), b"ij".to_vec()),
    ]);
    let store = Gridstore::open(&files, "d").unwrap();
    let mut reader = store.reader();
    let values: Vec<_> = (0..store.slots()).map(|slot| reader.value(slot).unwrap().map(<[u8]>::to_vec)).collect();
    assert_eq!(values, [Some(b"abc".to_vec()), None, Some(b"defgh".to_vec()), Some(b"ij".to_vec())]);
    assert_eq!(store.figures().unwrap().used_bytes, 10);
    assert_eq!(audit(&files), Findings::default());

    drop(store);
    files.get_mut("d/log_page_0.dat").unwrap().pop();
    let findings = audit(&files);
    assert_eq!(findings.list.len(), 1);
    assert!(findings.list[0].what.contains("slot 2: d/log_page_0.dat, byte 3"), "{findings:?}");

    let tracker = files.remove("d/log_tracker.dat").unwrap();
    assert!(matches!(Gridstore::open(&files, "d"), Err(QdrantError::FileMissing { .. })));
    files.insert("d/compacted_tracker.dat".to_owned(), tracker);
    assert!(matches!(Gridstore::open(&files, "d"), Err(QdrantError::NotReadable { .. })));
}

/// Damages the sample, and expects one finding of that level whose object and text contain these words.
fn check(damage: impl FnOnce(&mut Files), level: FindingLevel, object: &str, words: &str) {
    let mut files = sample();
    damage(&mut files);
    let findings = audit(&files);
    let fits =
        |finding: &&crate::Finding| finding.level == level && finding.object == object && finding.what.contains(words);
    assert!(findings.list.iter().any(|finding| fits(&finding)), "{words}: {findings:#?}");
    assert_eq!(findings.worst, Some(level), "{words}: {findings:#?}");
}

#[test]
fn slots_that_cannot_be_are_found() {
    use FindingLevel::{Damage, Suspicious};
    let tracker = "d/tracker.dat";
    check(|files| set_slot(files, 3, [2, 0, 0, 1]), Damage, tracker, "slot 3: tag 2");
    check(|files| set_slot(files, 3, [1, 9, 0, 1]), Damage, tracker, "there is no such page");
    check(|files| set_slot(files, 3, [1, 2, 31, 17]), Damage, tracker, "the page it runs on into is missing");
    check(|files| set_slot(files, 3, [1, 0, 32, 1]), Damage, tracker, "the page ends before");
    check(|files| set_slot(files, 3, [1, u32::MAX, u32::MAX, u32::MAX]), Damage, tracker, "longer than any value");
    check(|files| set_slot(files, 3, [1, 0, 1, 3]), Damage, tracker, "share blocks");
    check(|files| set_slot(files, 2, [1, 2, 31, 16]), Damage, "d/bitmask.dat", "marked free: 1 (slot 2");
    check(|files| set_slot(files, 3, [1, 1, 0, 0]), Suspicious, tracker, "without a byte: 1 (slot 3");
    check(|files| set_slot(files, 5, [1, 2, 31, 1]), Damage, "d/bitmask.dat", "slot 5: blocks 95 to 96");
    check(
        |files| files.get_mut("d/tracker.dat").unwrap()[..4].fill(0xff),
        Damage,
        tracker,
        "4294967295 slots are declared",
    );
    check(|files| files.get_mut("d/tracker.dat").unwrap()[0] = 3, Suspicious, tracker, "slot 3: in use");
}

#[test]
fn files_that_do_not_fit_each_other_are_found() {
    use FindingLevel::{Damage, Note, Suspicious};
    check(|files| drop(files.remove("d/page_1.dat")), Damage, "d/page_*.dat", "d/page_1.dat is missing");
    check(|files| files.get_mut("d/page_1.dat").unwrap().truncate(100), Damage, "d/page_*.dat", "has 100 bytes");
    check(|files| files.get_mut("d/page_0.dat").unwrap().truncate(100), Damage, "d/tracker.dat", "ends within it");
    check(|files| drop(files.remove("d/bitmask.dat")), Damage, "d/bitmask.dat", "is missing");
    check(|files| files.get_mut("d/bitmask.dat").unwrap().push(0), Damage, "d/bitmask.dat", "13 bytes, expected 12");
    check(|files| drop(files.remove("d/gaps.dat")), Damage, "d/gaps.dat", "is missing");
    check(|files| files.get_mut("d/gaps.dat").unwrap()[0] = 1, Suspicious, "d/gaps.dat", "region 0");
    check(|files| set_slot(files, 3, [0; 4]), Note, "d/bitmask.dat", "hold no value: 3");
    check(|files| files.get_mut("d/bitmask.dat").unwrap()[0] = 0, Damage, "d/bitmask.dat", "marked free: 2");
}

#[test]
fn values_that_cannot_be_are_found() {
    let mut files = store(&[Some(b"{}"), Some(&[1; 300])], true);
    let page = files.get_mut("d/page_0.dat").unwrap();
    page[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let findings = audit(&files);
    assert_eq!(findings.list.len(), 1);
    let finding = &findings.list[0];
    assert!(finding.what.starts_with("values that cannot be read: 1 (slot 0: d/page_0.dat, byte 0"), "{finding:?}");
    assert!(finding.what.contains("4294967295 bytes are declared"), "{finding:?}");
    let files = store(&[Some(b"")], true);
    assert_eq!(audit(&files).list[0].what, "values of the wrong content: 1 (slot 0: empty)");
}

#[test]
fn values_of_deleted_rows_matter_less() {
    let mut files = sample();
    set_slot(&mut files, 3, [1, 0, 1, 3]);
    let mut live = Bits::default();
    live.set(0, true);
    live.set(1, true);
    assert_eq!(audit_rows(&files, Some(&live)).worst, Some(FindingLevel::Note));
    set_slot(&mut files, 3, [1, 9, 9, 9]);
    assert_eq!(audit_rows(&files, Some(&live)).worst, Some(FindingLevel::Suspicious));
    live.set(3, true);
    assert_eq!(audit_rows(&files, Some(&live)).worst, Some(FindingLevel::Damage));
}

#[test]
fn more_blocks_than_bits_are_kept_of_are_not_counted_one_by_one() {
    let mut files = sample();
    let huge = format!(
        r#"{{"page_size_bytes":{},"block_size_bytes":8,"region_size_blocks":8,"compression":"None"}}"#,
        1_u64 << 62
    );
    files.insert("d/config.json".to_owned(), huge.into_bytes());
    let findings = audit(&files);
    assert!(findings.list.iter().any(|finding| finding.what.contains("more than are looked at")), "{findings:?}");
    files.insert("d/page_4294967295.dat".to_owned(), vec![0; 8]);
    files.insert("d/page_04.dat".to_owned(), vec![0; 8]);
    files.insert("d/page_4294967296.dat".to_owned(), vec![0; 8]);
    assert_eq!(Gridstore::open(&files, "d").unwrap().pages.files.len(), 4);
    audit(&files);
}

/// A tracker of zeros with a value here and there.
#[test]
fn slots_between_long_runs_of_zeros_are_found() {
    let mut files = store(&[Some([1; 4].as_slice())], false);
    let last = 9 * 1024 - 1;
    let tracker = files.get_mut("d/tracker.dat").unwrap();
    tracker.resize(4 + (last + 1) * 16 + 5, 0);
    tracker[..4].copy_from_slice(&(last as u32 + 1).to_le_bytes());
    for (slot, block) in [(5 * 1024, 1), (6 * 1024 + 1023, 2), (last, 3)] {
        set_slot(&mut files, slot, [1, 0, block, 4]);
    }
    let store = Gridstore::open(&files, "d").unwrap();
    assert_eq!((store.slots(), store.figures().unwrap().values), (last as u64 + 1, 4));
    assert_eq!(ValuePlaces::read(store.file("tracker.dat").unwrap()).unwrap().of_page(0).len(), 4);
    for live in [None, Some(Bits::new(vec![0xff; 16], 128)), Some(Bits::new(vec![0; 2048], last as u64))] {
        let mut seen = Vec::new();
        store.audit_rows(live.as_ref(), &mut Findings::default(), &mut |slot, _| {
            seen.push(slot);
            Ok(())
        });
        assert_eq!(seen, [0, 5 * 1024, 6 * 1024 + 1023, last as u64]);
    }
}

/// A log's tracker of zeros, as a hole gives them, would have so many slots that looking at each takes minutes.
#[test]
fn a_tracker_that_is_one_long_hole_is_soon_looked_at() {
    struct Hole(u64);
    impl vectar_tar::ReadAt for Hole {
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
            let len = self.0.saturating_sub(offset).min(buf.len() as u64) as usize;
            buf[..len].fill(0);
            Ok(len)
        }

        fn len(&self) -> u64 {
            self.0
        }
    }
    let hole = Hole(256 << 20);
    let tracker = Tracker { file: StoredFile::new("t", &hole), header_bytes: 0, declared: 1 << 24 };
    let mut window = Window::new(&tracker.file);
    assert_eq!(tracker.next_used(&mut window, 0, tracker.room()).unwrap(), None);
    assert_eq!(tracker.next_used(&mut window, 1, tracker.room()).unwrap(), Some(1));
    assert_eq!(tracker.next_used(&mut window, 1024, 2047).unwrap(), Some(1024));
    assert_eq!(tracker.next_used(&mut window, 1024, 2048).unwrap(), None);
}

/// Many slots that all lead to the same long value cost no more than the pages have bytes.
#[test]
fn values_that_together_exceed_the_pages_are_not_all_read() {
    let mut files = store(&[Some([1; 1000].as_slice()); 500], false);
    (0..500).for_each(|slot| set_slot(&mut files, slot, [1, 0, 0, 500_000]));
    let mut read = 0;
    let mut findings = Findings::default();
    Gridstore::open(&files, "d").unwrap().audit(&mut findings, &mut |_, _| {
        read += 1;
        Ok(())
    });
    assert_eq!(read, 2);
    assert!(
        findings.list[0].what.starts_with("values that share blocks with another value: 499 (slot 1"),
        "{findings:?}"
    );
}

fn read_all(files: &Files) {
    if let Ok(store) = Gridstore::open(files, "d") {
        let mut reader = store.reader();
        for slot in 0..store.slots().min(100) {
            let _ = reader.value(slot);
        }
        let _ = store.figures();
        store.audit(&mut Findings::default(), &mut |_, _| Ok(()));
    }
}

proptest! {
    #[test]
    fn random_values_come_back(values in proptest::collection::vec(proptest::option::of(proptest::collection::vec(any::<u8>(), 1..600)), 0..20), is_lz4: bool) {
        let values: Vec<_> = values.iter().map(Option::as_deref).collect();
        let files = store(&values, is_lz4);
        let store = Gridstore::open(&files, "d").unwrap();
        let mut reader = store.reader();
        for (slot, value) in values.iter().enumerate() {
            prop_assert_eq!(reader.value(slot as u64).unwrap(), *value);
        }
        prop_assert_eq!(audit(&files), Findings::default());
    }

    #[test]
    fn no_damage_panics(file in 0_usize..7, at: prop::sample::Index, byte: u8, cut in proptest::option::of(any::<prop::sample::Index>()), is_lz4: bool) {
        let mut files = store(&[Some(&[3; 900]), None, Some(b"abc"), Some(&[9; 700])], is_lz4);
        let count = files.len();
        let bytes = files.values_mut().nth(file % count).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        read_all(&files);
    }

    #[test]
    fn every_flip_in_mask_or_gaps_is_found(is_mask: bool, at: prop::sample::Index, bit in 0_u8..8) {
        let mut files = sample();
        let bytes = files.get_mut(if is_mask { "d/bitmask.dat" } else { "d/gaps.dat" }).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(audit(&files).worst.is_some());
    }
}
