//! Real snapshots: those committed with the project, and larger ones where they are at hand.

use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;

use vectar_tar::{BodyKind, Severity, SplitOptions};

use crate::drivers::{Seen, agree};

/// A snapshot by its name in the archive it came in.
pub(crate) struct Snapshot {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// Returns the committed snapshots, made by Qdrant 1.18.3.
pub(crate) fn fixtures() -> &'static [Snapshot] {
    static FIXTURES: OnceLock<Vec<Snapshot>> = OnceLock::new();
    FIXTURES.get_or_init(|| unpack(include_bytes!("../../../../fixtures/qdrant-1.18.3.tar.zst")))
}

/// Returns the fixture whose name ends so.
pub(crate) fn fixture(name: &str) -> &'static Snapshot {
    fixtures().iter().find(|snapshot| snapshot.name.ends_with(name)).expect("the fixture has this name")
}

fn unpack(compressed: &[u8]) -> Vec<Snapshot> {
    let archive = zstd::decode_all(compressed).expect("fixtures are whole");
    let mut snapshots = Vec::new();
    for entry in tar::Archive::new(&archive[..]).entries().expect("a tar") {
        let mut entry = entry.expect("a whole tar");
        let name = entry.path().expect("UTF-8 names").display().to_string();
        if name.ends_with(".snapshot") {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("memory can be read");
            snapshots.push(Snapshot { name, bytes });
        }
    }
    assert!(!snapshots.is_empty());
    snapshots
}

/// Splits a snapshot every way; nothing in it may be opaque or odd.
fn check(snapshot: &Snapshot) {
    let (seen, summary) = agree(&snapshot.bytes, &[&[65_537], &[1 << 20, 100, 3]], &SplitOptions::default());
    let anomalies: Vec<String> = summary.anomalies.iter().map(ToString::to_string).collect();
    assert!(anomalies.is_empty(), "{}: {anomalies:#?}", snapshot.name);
    assert!(summary.bodies > 0 && summary.anomalies.count(Severity::Note) == 0);
    for seen in seen {
        if let Seen::Body { head, complete, .. } = seen {
            assert!(complete && head.kind != BodyKind::Opaque, "{}: {}", snapshot.name, head.path);
            let entry = head.entry().expect("not opaque");
            assert_eq!(entry.is_sparse(), entry.sparse.is_some(), "{}: {}", snapshot.name, head.path);
        }
    }
}

#[test]
fn committed_snapshots_are_taken_apart_without_a_finding() {
    fixtures().iter().for_each(check);
    let depths = |snapshot: &Snapshot| {
        let layout = vectar_tar::Layout::of(&snapshot.bytes, &SplitOptions::default());
        let depths =
            layout.spans().map(|span| if let vectar_tar::Span::Body(body) = span { body.head.depth } else { 0 });
        depths.max()
    };
    assert_eq!(depths(fixture("kinds/full.snapshot")), Some(2), "full, collection, segment");
    assert_eq!(depths(fixture("kinds/shard-streamed.snapshot")), Some(0), "a streamed snapshot nests nothing");
}

/// The larger snapshots beside the workspace; half a gigabyte of them.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the archives are too large to be committed, so they are read where they lie"
)]
fn shared_snapshots_are_taken_apart_without_a_finding() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/snapshots");
    let Ok(archives) = std::fs::read_dir(&folder) else {
        println!("skipped: there is no ../shared/snapshots beside the workspace");
        return;
    };
    for archive in archives {
        let path = archive.expect("a readable folder").path();
        if path.extension().is_some_and(|extension| extension == "zst") {
            unpack(&std::fs::read(&path).expect("a readable file")).iter().for_each(check);
        }
    }
}
