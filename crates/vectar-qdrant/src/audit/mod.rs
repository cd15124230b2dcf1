//! Whether a snapshot will restore, by value: every invariant of the format that can be checked without a server.
//!
//! The tar structure and the digest are not looked at here; whoever split the file knows what is wrong with them. What a snapshot of an
//! older version or of a kind this version cannot read holds is said to be unread, never to be damaged.

mod collection;
mod full;
mod log_witness;
mod payload_index;
mod rows;
mod segment;
mod shard;
mod small_files;

use vectar_tar::{CatalogueRow, ReadAt};

use crate::finding::{Finding, FindingLevel, Findings};
use crate::outline::{CollectionOutline, ShardOutline, SnapshotKind, SnapshotOutline};
use crate::path::{SegmentId, SegmentLayout};
use crate::storage::{LivePoints, Owner, Segment, SnapshotFiles, StorageFiles, Wal};
use log_witness::LogWitness;

/// Checks a snapshot.
///
/// `outline` must be the one that [`SnapshotOutline::build`] made of the same catalogue, names and numbers not filled in by others.
/// Every vector and every payload is read once, a segment at a time. `goes_on` is asked before each segment; `false` ends the audit early.
pub fn audit<R: ReadAt + Send + Sync + ?Sized>(
    files: &SnapshotFiles<'_, R>,
    outline: &SnapshotOutline,
    goes_on: &mut dyn FnMut() -> bool,
) -> Findings {
    let mut findings = Findings::default();
    unread(outline, &mut findings);
    zeroed(files, &mut findings);
    match outline.kind {
        SnapshotKind::Unknown => findings.add(Finding {
            level: FindingLevel::Suspicious,
            object: String::new(),
            what: "nothing in it looks like a snapshot that Qdrant makes".to_owned(),
            consequence: "Qdrant will refuse it".to_owned(),
            advice:
                "find out where the file comes from; an error page saved under the name of a snapshot looks like this"
                    .to_owned(),
        }),
        SnapshotKind::ShardPartial => findings.add(Finding {
            level: FindingLevel::Note,
            object: String::new(),
            what: "a partial snapshot: it has only the files that the one who asked for it lacked".to_owned(),
            consequence: "it can be recovered only onto the shard it was made for, not as a shard of its own"
                .to_owned(),
            advice: "make a shard or collection snapshot for a backup".to_owned(),
        }),
        SnapshotKind::Full => full::audit(&files.files(&Owner::default()), outline, &mut findings),
        SnapshotKind::Collection | SnapshotKind::Shard | SnapshotKind::ShardStreamed => {}
    }
    let is_partial = outline.kind == SnapshotKind::ShardPartial;
    for collection in &outline.collections {
        let prefix = collection.file.as_ref().map_or_else(String::new, |file| format!("{file}!"));
        if !matches!(outline.kind, SnapshotKind::Shard | SnapshotKind::ShardStreamed | SnapshotKind::ShardPartial) {
            let owner = Owner { collection_file: collection.file.clone(), ..Owner::default() };
            findings.append(collection::audit(&files.files(&owner), collection), &prefix);
        }
        for shard in &collection.shards {
            if !goes_on() {
                return findings;
            }
            audit_shard(files, (collection, shard, is_partial), &prefix, goes_on, &mut findings);
        }
    }
    findings
}

fn audit_shard<R: ReadAt + Send + Sync + ?Sized>(
    files: &SnapshotFiles<'_, R>,
    (collection, shard, is_partial): (&CollectionOutline, &ShardOutline, bool),
    prefix: &str,
    goes_on: &mut dyn FnMut() -> bool,
    findings: &mut Findings,
) {
    let owner = Owner { collection_file: collection.file.clone(), shard: shard.id, segment: None };
    let prefix = shard.id.map_or_else(|| prefix.to_owned(), |id| format!("{prefix}{id}/"));
    findings.append(shard::audit(&files.files(&owner), shard, is_partial), &prefix);
    if !is_partial {
        findings.append(points(files, &owner, shard), &prefix);
    }
    for segment in &shard.segments {
        if !goes_on() {
            return;
        }
        let owner = Owner { segment: Some(segment.id.clone()), ..owner.clone() };
        let part = segment::audit(&files.files(&owner), segment, collection, is_partial);
        findings.append(part, &format!("{prefix}{}", segment_prefix(&segment.id, segment.layout)));
    }
}

/// The points of all segments of a shard as one list, beside its log. Segments that cannot be opened are reported by themselves.
fn points<R: ReadAt + Send + Sync + ?Sized>(
    files: &SnapshotFiles<'_, R>,
    owner: &Owner,
    shard: &ShardOutline,
) -> Findings {
    let owners = shard.segments.iter().map(|segment| Owner { segment: Some(segment.id.clone()), ..owner.clone() });
    let segments: Vec<_> = owners.map(|owner| files.files(&owner)).collect();
    let opened: Vec<Segment<'_>> = segments.iter().filter_map(|files| Segment::open(files).ok()).collect();
    let mut findings = Findings::default();
    let trackers = || LivePoints::new(opened.iter().map(Segment::tracker));
    let Ok(points) = trackers() else { return findings };
    twins(points, &mut findings);
    // With a segment that cannot be opened, its points would all be missing.
    let version = opened.iter().filter_map(|segment| segment.state().version).max();
    if let Some(version) = version.filter(|_| opened.len() == segments.len())
        && let (Ok(wal), Ok(points)) = (Wal::open(&files.files(owner)), trackers())
    {
        LogWitness::of(&wal, version).compare(points, &mut findings);
    }
    findings
}

/// Points that lie in several segments: Qdrant moves a point by writing it anew, and takes the newest.
fn twins(points: LivePoints<'_>, findings: &mut Findings) {
    let twice = points.filter(|point| point.as_ref().is_ok_and(|point| point.superseded > 0)).count();
    if twice > 0 {
        findings.add(Finding {
            level: FindingLevel::Note,
            object: "segments/".to_owned(),
            what: format!("{twice} points lie in several segments"),
            consequence: "none: the newest counts, the others go when the segments are optimized".to_owned(),
            advice: "nothing".to_owned(),
        });
    }
}

/// What stands before the files of a segment in the paths of a snapshot.
fn segment_prefix(id: &SegmentId, layout: Option<SegmentLayout>) -> String {
    match layout {
        Some(SegmentLayout::Streamable) => format!("segments/{id}/files/"),
        Some(SegmentLayout::Ancient) => format!("segments/{id}.tar!"),
        Some(SegmentLayout::Regular) | None => format!("segments/{id}.tar!snapshot/files/"),
    }
}

/// Small files that could not be read.
fn unread(outline: &SnapshotOutline, findings: &mut Findings) {
    for unread in &outline.unread {
        let at = if unread.pointer.is_empty() { String::new() } else { format!(" at {}", unread.pointer) };
        findings.add(Finding {
            level: FindingLevel::Damage,
            object: unread.path.clone(),
            what: format!("cannot be read{at}: {}", unread.reason),
            consequence: "Qdrant will most likely refuse what it belongs to".to_owned(),
            advice: "restore from another backup, or make the snapshot again".to_owned(),
        });
    }
}

/// Files that are declared to be one big hole although their content cannot be all zeros. A server on a file system that reports no blocks
/// for small files writes such entries, and the content is lost (`qdrant v1.19.0`, the `tar` crate's sparse writer).
fn zeroed<R: ReadAt + Send + Sync + ?Sized>(files: &SnapshotFiles<'_, R>, findings: &mut Findings) {
    let is_hole = |row: &CatalogueRow| {
        row.len == 0 && row.head.entry().is_some_and(|entry| entry.is_sparse() && entry.logical_len > 0)
    };
    for row in files.rows().filter(|row| is_hole(row)) {
        let path = row.head.path.to_string();
        let name = path.rsplit(['/', '!']).next().unwrap_or(&path);
        let is_never_zero = name.ends_with(".json")
            || matches!(name, "version.info" | "first-index" | "matrix.dat" | "id_tracker.mappings")
            || name.starts_with("open-")
            || name.starts_with("closed-");
        if is_never_zero {
            findings.add(Finding {
                level: FindingLevel::Damage,
                object: path,
                what: "the whole file is a hole, which reads as zeros; its content was lost before the snapshot was made".to_owned(),
                consequence: "Qdrant cannot read the file".to_owned(),
                advice: "do not keep Qdrant's storage on a file system that is not POSIX (bind mounts of Docker on Windows, some network mounts)".to_owned(),
            });
        }
    }
}

/// The finding that a file which must be there is not.
fn missing(path: &str, level: FindingLevel, consequence: &str) -> Finding {
    Finding {
        level,
        object: path.to_owned(),
        what: "is missing".to_owned(),
        consequence: consequence.to_owned(),
        advice: "restore from another backup, or make the snapshot again".to_owned(),
    }
}

fn has(files: &dyn StorageFiles, path: &str) -> bool {
    files.list(path).iter().any(|found| found == path)
}
