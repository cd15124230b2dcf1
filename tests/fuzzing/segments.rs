//! What a segment stores of its points beside vectors: ids, bitmasks, Gridstores, payloads.

use std::collections::BTreeMap;

use vectar_qdrant::{
    FINDINGS_MAX, FindingLevel, Findings, PointId, SegmentState,
    storage::{
        Gridstore, IdTracker, PayloadStorage, PointRow, StorageFiles as _, StoredFile, ValuePlaces, read_stored_bitmask,
    },
};

use super::{
    Verdict,
    bundle::{Bundle, Metered},
    twice,
};

/// Ids that are looked up one by one, and slots that are read again backwards.
const LOOKUPS_MAX: usize = 64;

/// Holds findings to what they promise, and tells whether there is none above a note.
pub(super) fn is_clean(files: &Metered<'_>, findings: &Findings) -> bool {
    assert!(findings.list.len() <= FINDINGS_MAX, "{} findings", findings.list.len());
    let worst = findings.list.iter().map(|finding| finding.level).max();
    assert!(findings.more > 0 || worst == findings.worst, "the worst of {findings:?}");
    for finding in &findings.list {
        let is_absent = ["missing", "lacks", "neither"].iter().any(|word| finding.what.contains(word));
        assert!(files.knows(&finding.object) || is_absent, "about a file that is not there: {finding:?}");
        assert!(!finding.what.is_empty() && !finding.consequence.is_empty(), "{finding:?}");
    }
    findings.worst <= Some(FindingLevel::Note)
}

/// Points ascend strictly, each is live and found by its id, and there are as many as the tracker says; whatever `segment.json` says.
pub(super) fn check_id_tracker(input: &[u8]) -> Verdict {
    let bundle = Bundle::decode(input);
    let said = [None, Some(true), Some(false)].map(|is_appendable| twice(|| id_tracker(&bundle, is_appendable)));
    if said.contains(&Verdict::Accepted) { Verdict::Accepted } else { Verdict::Refused }
}

fn id_tracker(bundle: &Bundle, is_appendable: Option<bool>) -> (Verdict, String) {
    let files = Metered::new(bundle, "");
    let mut findings = Findings::default();
    let audited = IdTracker::open_audited(&files, is_appendable, Some(1000), &mut findings).is_some();
    let is_clean = is_clean(&files, &findings);
    let tracker = match IdTracker::open(&files, is_appendable) {
        Ok(tracker) => tracker,
        Err(error) => {
            assert!(!audited && !findings.list.is_empty(), "an audit that does not say {error}");
            return (Verdict::Refused, format!("{error} {findings:?}"));
        }
    };
    assert!(audited, "the audit opens another tracker");
    let points: Vec<PointRow> =
        tracker.points().expect("memory can be read").map(|point| point.expect("records were checked")).collect();
    assert!(points.is_sorted_by(|one, other| one.id < other.id), "ids do not ascend");
    assert_eq!(points.len() as u64, tracker.live_points());
    assert_eq!(tracker.live_rows().count_ones(), tracker.live_points());
    assert_eq!(tracker.live_rows().len(), tracker.rows());
    assert!(points.iter().all(|point| tracker.live_rows().get(point.row.into())), "a point without a live row");
    for point in points.iter().step_by(1 + points.len() / LOOKUPS_MAX) {
        assert_eq!(tracker.find(&point.id).expect("memory can be read"), Some(*point));
        for id in neighbours(&point.id) {
            let found = tracker.find(&id).expect("memory can be read");
            let expected = points.binary_search_by_key(&id, |point| point.id).ok().map(|at| points[at]);
            assert_eq!(found, expected, "looked up {id}");
        }
    }
    let verdict = if is_clean { Verdict::Accepted } else { Verdict::Refused };
    (verdict, format!("{tracker:?} {points:?} {findings:?}"))
}

/// Ids close to this one, of both kinds.
fn neighbours(id: &PointId) -> [PointId; 3] {
    match *id {
        PointId::Number(number) => [number.wrapping_add(1), number.wrapping_sub(1), !number].map(PointId::Number),
        PointId::Uuid(bytes) => {
            let (mut more, mut less) = (bytes, bytes);
            more[15] = more[15].wrapping_add(1);
            less[0] = less[0].wrapping_sub(1);
            [PointId::Uuid(more), PointId::Uuid(less), PointId::Number(0)]
        }
    }
}

/// Bits that the mask of the target may have: rows of a segment.
const MASK_BITS_MAX: u64 = 1 << 22;

/// A mask has as many bits as its header says, which are no more than the caller allows.
pub(super) fn check_bitmask(input: &[u8]) -> Verdict {
    let read = |bits_max| read_stored_bitmask(&StoredFile::new("mask", input), bits_max);
    let mask = read(MASK_BITS_MAX);
    if let Ok(mask) = &mask {
        assert!(mask.len() <= MASK_BITS_MAX && mask.count_ones() <= mask.len());
        assert!(!mask.get(mask.len()) && !mask.get(u64::MAX), "a bit behind the end");
        let set = (0..mask.len()).filter(|row| mask.get(*row)).count() as u64;
        assert_eq!(set, mask.count_ones());
        assert_eq!(read(mask.len()).ok().as_ref(), Some(mask));
        if let Some(fewer) = mask.len().checked_sub(1) {
            assert!(read(fewer).is_err(), "more bits than are allowed");
        }
    }
    Verdict::of(&mask)
}

/// Slots that are read of a store.
const SLOTS_MAX: u64 = 2048;

/// Values are the same in whatever order they are read, figures are theirs, and a store without a finding can be read in full.
pub(super) fn check_gridstore(input: &[u8]) -> Verdict {
    let bundle = Bundle::decode(input);
    twice(|| gridstore(&bundle))
}

fn gridstore(bundle: &Bundle) -> (Verdict, String) {
    let files = Metered::new(bundle, "");
    let places = files.open("store/tracker.dat").map(|file| ValuePlaces::read(file).map_err(|error| error.to_string()));
    let store = match Gridstore::open(&files, "store") {
        Ok(store) => store,
        Err(error) => return (Verdict::Refused, format!("{error} {places:?}")),
    };
    let slots = store.slots();
    // A server also reads slots behind the count, as far as the file reaches.
    let asked: Vec<u64> = (0..SLOTS_MAX).chain([slots, slots.saturating_add(1), u64::MAX]).collect();
    let ascending = values(&store, asked.iter().copied());
    let descending = values(&store, asked.iter().rev().copied());
    assert_eq!(ascending, descending, "a value depends on what was read before");
    let figures = store.figures();
    let found = ascending.range(..slots).filter(|(_, value)| matches!(value, Ok(Some(_)))).count() as u64;
    if let Ok(figures) = &figures {
        assert!(figures.values <= slots && found <= figures.values, "{found} values, and {figures:?}");
        assert!(figures.value_bytes <= figures.values.saturating_mul(u64::from(u32::MAX)));
    }
    let (mut seen, mut findings) = (0_u64, Findings::default());
    store.audit(&mut findings, &mut |slot, value| {
        seen += 1;
        match ascending.get(&slot) {
            Some(read) => assert_eq!(*read, Ok(Some(digest(value))), "the audit reads another value in slot {slot}"),
            None => assert!(slot >= SLOTS_MAX, "slot {slot} was not asked for"),
        }
        Ok(())
    });
    let is_clean = is_clean(&files, &findings);
    if is_clean {
        assert!(ascending.values().all(Result::is_ok), "no finding, and a value that cannot be read: {ascending:?}");
        let readable = ascending.values().filter(|value| matches!(value, Ok(Some(_)))).count() as u64;
        assert!(seen >= readable.min(SLOTS_MAX), "the audit saw {seen} values, there are {readable}");
    }
    let verdict = if is_clean { Verdict::Accepted } else { Verdict::Refused };
    (verdict, format!("{ascending:?} {figures:?} {findings:?} {places:?}"))
}

type Read = Result<Option<String>, String>;

fn values(store: &Gridstore<'_>, slots: impl Iterator<Item = u64>) -> BTreeMap<u64, Read> {
    let mut reader = store.reader();
    let read = |slot| (slot, reader.value(slot).map(|value| value.map(digest)).map_err(|error| error.to_string()));
    slots.map(read).collect()
}

pub(super) fn digest(bytes: &[u8]) -> String {
    format!("{} {:08x}", bytes.len(), crc32c::crc32c(bytes))
}

/// What a payload says as text it says as an object, and payloads without a finding can be read in full.
pub(super) fn check_payload(input: &[u8]) -> Verdict {
    let bundle = Bundle::decode(input);
    twice(|| payload(&bundle))
}

fn payload(bundle: &Bundle) -> (Verdict, String) {
    let files = Metered::new(bundle, "");
    let state = SegmentState::read(bundle.bytes("segment.json").unwrap_or(b"{}")).map(|state| state.value);
    let storage = state.and_then(|state| PayloadStorage::open(&files, &state));
    let storage = match storage {
        Ok(storage) => storage,
        Err(error) => return (Verdict::Refused, error.to_string()),
    };
    let mut findings = Findings::default();
    storage.audit(None, &mut findings);
    let is_clean = is_clean(&files, &findings);
    let mut reader = storage.reader();
    let mut said = format!("{findings:?} {:?}", storage.figures());
    for row in (0..storage.rows().min(SLOTS_MAX) as u32).chain([u32::MAX]) {
        let text = reader.json(row).map(<[u8]>::to_vec);
        let parsed = reader.payload(row);
        assert!(!is_clean || parsed.is_ok(), "no finding, and row {row} cannot be read: {parsed:?}");
        match (&text, &parsed) {
            (Err(_), Ok(_)) => panic!("row {row} has a payload and no text"),
            (Ok(text), Ok(payload)) => {
                assert!(text.first() == Some(&b'{') || text.iter().any(u8::is_ascii_whitespace), "no object");
                let again = serde_json::to_vec(payload).expect("a map has a text");
                let again: serde_json::Value = serde_json::from_slice(&again).expect("we wrote it");
                assert_eq!(again.as_object(), Some(payload), "row {row} changes on its way");
            }
            _ => {}
        }
        said += &format!("{:?}", parsed.map_err(|error| error.to_string()));
    }
    (if is_clean { Verdict::Accepted } else { Verdict::Refused }, said)
}
