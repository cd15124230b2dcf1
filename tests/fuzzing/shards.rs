//! Write-ahead logs, whole shards, whole snapshots.

use std::{collections::BTreeSet, fmt::Write as _};

use vectar::{
    CancelToken, Content, Error, Inside, Silent, outline_deep,
    points::{Filter, PointQuery, count, scroll},
    verify_deep,
};
use vectar_qdrant::{
    FilterSubject, Finding, FindingLevel, Findings, QdrantError, QdrantVersion, SnapshotKind,
    compat::Compatibility,
    storage::{LivePoints, PayloadStorage, Segment, ShardClocks, VectorStorage, Wal, Wanted, WantedVectors},
};

use super::{
    Verdict,
    bundle::{Bundle, Metered},
    mend,
    segments::{digest, is_clean},
    twice,
};

/// Points that are read of a shard in full.
const POINTS_MAX: usize = 256;

/// One filter of each kind that looks somewhere else.
const FILTERS: [&str; 4] = [
    r#"{"must_not":[{"key":"reviewed","is_empty":true}]}"#,
    r#"{"should":[{"has_vector":""},{"key":"price","range":{"gte":10}}]}"#,
    r#"{"must":[{"has_id":[1,2,3,"f47ac10b-58cc-4372-a567-0e02b2c3d479"]}]}"#,
    r#"{"min_should":{"conditions":[{"key":"text","match":{"text":"a"}},{"key":"tags[]","is_null":true}],"min_count":1}}"#,
];

/// Entries are numbered without a gap where there is no fault, and the tail of a log is its end; as it is, and with the chain of
/// checksums put right.
pub(super) fn check_wal(input: &[u8]) -> Verdict {
    let bundle = Bundle::decode(input);
    let mut mended = bundle.clone();
    let files = mended.files.iter_mut().filter(|(path, _)| path.starts_with("wal/"));
    files.for_each(|(_, file)| mend::wal(&mut file.bytes, u64::from(file.zeros)));
    let verdict = twice(|| wal(&mended));
    if mended == bundle { verdict } else { twice(|| wal(&bundle)) }
}

fn wal(bundle: &Bundle) -> (Verdict, String) {
    let files = Metered::new(bundle, "");
    let wal = match Wal::open(&files) {
        Ok(wal) => wal,
        Err(error) => return (Verdict::Refused, error.to_string()),
    };
    let mut findings = Findings::default();
    wal.audit(Some(5), bundle.files.contains_key("applied_seq.json").then_some(5), &mut findings);
    let is_clean = is_clean(&files, &findings);
    let mut iterated = wal.entries();
    let (mut numbers, mut entries) = (Vec::new(), Vec::new());
    while let Some(entry) = iterated.next() {
        numbers.push(iterated.last_number().expect("an entry was given"));
        let is_unknown = matches!(&entry, Err(QdrantError::NotReadable { .. }));
        assert!(!is_clean || entry.is_ok() || is_unknown, "no finding, and an entry cannot be read: {entry:?}");
        entries.push(entry.map_err(|error| error.to_string()));
    }
    let declared: u64 = wal.segments().iter().map(|segment| segment.entries).sum();
    assert_eq!(entries.len() as u64, declared, "entries are lost on the way");
    for segment in wal.segments() {
        assert!(segment.used_bytes <= segment.file_bytes, "{segment:?}");
        assert!(segment.entries <= segment.used_bytes / 16, "more entries than bytes: {segment:?}");
    }
    if wal.faults().is_empty() {
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "numbers have a gap: {numbers:?}");
        assert_eq!((wal.first_operation(), wal.last_operation()), (numbers.first().copied(), numbers.last().copied()));
        if let Some(middle) = numbers.get(numbers.len() / 2) {
            let tail: Vec<_> =
                wal.entries_after(*middle).map(|entry| entry.map_err(|error| error.to_string())).collect();
            assert!(entries.ends_with(&tail) && tail.len() == numbers.len() - 1 - numbers.len() / 2, "another tail");
        }
    }
    for (number, entry) in numbers.iter().zip(&entries) {
        assert!(entry.as_ref().is_ok_and(|entry| entry.number == *number) || entry.is_err());
    }
    let verdict = if is_clean { Verdict::Accepted } else { Verdict::Refused };
    (verdict, format!("{wal:?} {} {findings:?}", digest(format!("{entries:?}").as_bytes())))
}

/// Ids of a shard ascend strictly over all its segments, each filter and its opposite share the points, and a shard without a finding
/// can be read in full.
pub(super) fn check_shard(input: &[u8]) -> Verdict {
    let bundle = Bundle::decode(input);
    twice(|| shard(&bundle))
}

fn shard(bundle: &Bundle) -> (Verdict, String) {
    let names = bundle.files.keys().filter_map(|path| path.strip_prefix("segments/")?.split_once('/'));
    let names: BTreeSet<&str> = names.map(|(name, _)| name).collect();
    let files: Vec<Metered<'_>> = names.iter().map(|name| Metered::new(bundle, &format!("segments/{name}/"))).collect();
    let (mut segments, mut is_sound, mut said) = (Vec::new(), !names.is_empty(), String::new());
    for files in &files {
        match Segment::open(files) {
            Ok(segment) => {
                let mut findings = Findings::default();
                audit(files, &segment, &mut findings);
                is_sound &= is_clean(files, &findings);
                let _ = write!(said, "{findings:?}");
                segments.push(segment);
            }
            Err(error) => {
                is_sound = false;
                let _ = write!(said, "{error}");
            }
        }
    }
    match read_points(&segments) {
        Ok(read) => said += &read,
        Err(error) => {
            assert!(!is_sound, "no finding, and points cannot be read: {error}");
            said += &error;
        }
    }
    let own = Metered::new(bundle, "");
    let _ = write!(said, "{:?}", ShardClocks::open(&own).map_err(|error| error.to_string()));
    (if is_sound { Verdict::Accepted } else { Verdict::Refused }, said)
}

fn audit(files: &Metered<'_>, segment: &Segment<'_>, findings: &mut Findings) {
    let (state, tracker) = (segment.state(), segment.tracker());
    let (rows, live) = (Some(tracker.rows()), Some(tracker.live_rows()));
    tracker.audit(state.version, findings);
    let dense = state.vectors.iter().map(|(name, vector)| VectorStorage::open_dense(files, name, vector));
    let sparse = state.sparse_vectors.iter().map(|(name, vector)| VectorStorage::open_sparse(files, name, vector));
    for storage in dense.chain(sparse) {
        match storage {
            Ok(storage) => storage.audit(rows, live, state.is_appendable(), findings),
            Err(error) => findings.add(Finding { level: FindingLevel::Damage, ..Finding::unreadable("", &error) }),
        }
    }
    match PayloadStorage::open(files, state) {
        Ok(payload) => payload.audit(live, findings),
        Err(error) => findings.add(Finding { level: FindingLevel::Damage, ..Finding::unreadable("", &error) }),
    }
}

/// All points of these segments; what cannot be read is the error.
fn read_points(segments: &[Segment<'_>]) -> Result<String, String> {
    let text = |error: QdrantError| error.to_string();
    let wanted = Wanted { payload: true, vectors: WantedVectors::All };
    let stores = segments.iter().map(|segment| segment.stores(&wanted).map_err(text)).collect::<Result<Vec<_>, _>>()?;
    let live = LivePoints::new(segments.iter().map(Segment::tracker)).map_err(text)?;
    let live = live.collect::<Result<Vec<_>, _>>().map_err(text)?;
    assert!(live.is_sorted_by(|one, other| one.id < other.id), "ids do not ascend");
    let rows: u64 = segments.iter().map(|segment| segment.tracker().live_points()).sum();
    let superseded: u64 = live.iter().map(|point| u64::from(point.superseded)).sum();
    assert_eq!(live.len() as u64 + superseded, rows, "points are lost between the segments");
    let filters = FILTERS.map(|filter| Filter::parse(filter.as_bytes()).expect("they are filters"));
    let opposites =
        FILTERS.map(|filter| Filter::parse(format!("{{\"must_not\":{filter}}}").as_bytes()).expect("they are filters"));
    let mut readers: Vec<_> = stores.iter().map(|store| store.reader()).collect();
    let (mut said, mut matched) = (String::new(), [0_usize; FILTERS.len()]);
    let (mut first_error, mut read) = (None, 0);
    for point in live.iter().take(POINTS_MAX) {
        let reader = &mut readers[point.segment];
        let payload = match reader.payload(point.row) {
            Ok(payload) => payload,
            Err(error) => {
                first_error.get_or_insert(text(error));
                continue;
            }
        };
        match reader.vectors(point.row) {
            Ok(vectors) => {
                assert!(vectors.iter().all(|(name, _)| reader.has_vector(name, point.row)), "a vector without a flag");
                let _ = write!(said, "{} {payload:?} {}", point.id, digest(format!("{vectors:?}").as_bytes()));
            }
            Err(error) => drop(first_error.get_or_insert(text(error))),
        }
        let has_vector = |name: &str| reader.has_vector(name, point.row);
        let subject = FilterSubject { id: &point.id, payload: &payload, has_vector: &has_vector };
        for ((filter, opposite), matched) in filters.iter().zip(&opposites).zip(&mut matched) {
            assert_ne!(filter.matches(&subject), opposite.matches(&subject), "a filter and its opposite agree");
            *matched += usize::from(filter.matches(&subject));
        }
        read += 1;
    }
    assert!(matched.iter().all(|matched| *matched <= read));
    first_error.map_or(Ok(said), Err)
}

/// What can be counted can be listed, a filter finds no more than there is, and a snapshot without a finding can be read in full.
pub(super) fn check_snapshot(input: &[u8]) -> Verdict {
    let mended = mend::tar(input);
    let verdict = snapshot(&mended);
    if mended == input { verdict } else { snapshot(input) }
}

fn snapshot(input: &[u8]) -> Verdict {
    let folder = tempfile::tempdir().expect("a folder for the snapshot");
    let path = folder.path().join("fuzzed-1-2024-05-01-12-00-00.snapshot");
    std::fs::write(&path, input).expect("a snapshot is written");
    let content = Content::file(&path).expect("the file is there");
    twice(|| read_snapshot(&content, input.len() as u64))
}

fn read_snapshot(content: &Content<'_>, len: u64) -> (Verdict, String) {
    let (outline, catalogue) = outline_deep(content).expect("a file can be read");
    assert_eq!(outline.classes.stored_bytes(), len, "classes do not add up to the snapshot");
    let findings = verify_deep(content, &Silent, &CancelToken::default()).expect("a file can be read");
    let is_clean = findings.worst <= Some(FindingLevel::Note);
    let mut said = format!("{findings:?} {outline:?}");
    for judged in Compatibility::of(&outline, &catalogue, |_| None) {
        for minor in [0, 7, 12, 15, 16, 17, 18, 19, 20] {
            let target = QdrantVersion::new(1, minor, 0);
            let _ = write!(said, "{:?} {:?}", judged.verdict(target), judged.official(target));
        }
    }
    let inside = Inside::open(content).expect("a file can be read");
    match scrolled(&inside) {
        Ok((listed, points)) => {
            let live: Option<u64> = outline.collections.iter().map(|collection| collection.points_live).sum();
            assert!(live.is_none_or(|live| live <= points), "{live:?} live points, {points} are listed");
            said += &listed;
        }
        Err(error) => {
            let is_whole = !matches!(outline.kind, SnapshotKind::ShardPartial | SnapshotKind::Unknown);
            // Of what is of a kind that is not known only a note says that it was not checked.
            let is_unknown = findings.list.iter().any(|finding| finding.consequence == "what it holds was not checked");
            assert!(!is_clean || !is_whole || is_unknown, "no finding, and points cannot be read: {error:?}");
            let _ = write!(said, "{error:?}");
        }
    }
    (if is_clean { Verdict::Accepted } else { Verdict::Refused }, said)
}

/// All points of the snapshot, and how many there are.
fn scrolled(inside: &Inside<'_, '_>) -> Result<(String, u64), Error> {
    let (mut said, mut before) = (String::new(), None);
    let cancel = CancelToken::default();
    let all = PointQuery { with_vectors: true, ..PointQuery::default() };
    let points = scroll(inside, &all, &cancel, |point| {
        assert!(before.is_none_or(|before| before <= point.id), "{} comes too late", point.id);
        before = Some(point.id);
        let _ = write!(said, "{}", digest(serde_json::to_string(&point).expect("a point has a text").as_bytes()));
        Ok(())
    })?;
    assert_eq!(count(inside, &PointQuery::default(), &cancel)?, points, "as many are counted as are listed");
    for filter in FILTERS {
        let query = |text: &str| PointQuery { filter: Filter::parse(text.as_bytes()).ok(), ..PointQuery::default() };
        let found = count(inside, &query(filter), &cancel);
        let others = count(inside, &query(&format!("{{\"must_not\":{filter}}}")), &cancel);
        if let (Ok(found), Ok(others)) = (&found, &others) {
            assert_eq!(found + others, points, "{filter} and its opposite do not share the points");
        }
        let _ = write!(said, "{found:?} {others:?}");
    }
    Ok((said, points))
}
