//! The same archives through the `tar` crate and through GNU tar.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use vectar_tar::{BodyHead, EntryPath, ExpandedBody, Layout, ReadAt, ReadRange, Span, SplitOptions, catalogue};

use crate::raw::RawTar;
use crate::samples;
use crate::snapshots::{fixture, fixtures};

/// Compares one level with what the `tar` crate says, then the levels below.
fn compare_with_tar_crate(input: &[u8], base: u64, level: &[Span]) -> usize {
    let ours: Vec<&Span> = level.iter().filter(|span| !matches!(span, Span::Framing(_))).collect();
    let mut archive = tar::Archive::new(input);
    let theirs = archive.entries().expect("a tar").map(|entry| entry.expect("a whole tar"));
    let mut compared = 0;
    for (span, entry) in ours.iter().zip(theirs) {
        let head = head(span);
        let ours = head.entry().expect("no opaque bodies here");
        assert_eq!(&*ours.raw_path, &*entry.path_bytes());
        assert_eq!(ours.logical_len, entry.size(), "{}", head.path);
        assert_eq!(ours.stored_len, entry.header().entry_size().expect("a size").max(ours.stored_len));
        assert_eq!(ours.header_offset, base + entry.raw_header_position());
        if !ours.is_sparse() {
            // The crate's position of a sparse body does not count extension blocks.
            assert_eq!(head.offset, base + entry.raw_file_position());
        }
        assert_eq!(u64::from(ours.mode), u64::from(entry.header().mode().expect("a mode")));
        assert_eq!(ours.mtime.unsigned_abs(), entry.header().mtime().expect("a time"));
        compared += 1;
    }
    assert_eq!(compared, ours.len());
    assert_eq!(tar::Archive::new(input).entries().expect("a tar").count(), compared);
    for span in ours {
        if let Span::Archive(nested) = span {
            let begin = usize::try_from(nested.head.offset - base).expect("in memory");
            let body = &input[begin..][..usize::try_from(nested.len).expect("in memory")];
            compared += compare_with_tar_crate(body, nested.head.offset, &nested.spans);
        }
    }
    compared
}

fn head(span: &Span) -> &BodyHead {
    match span {
        Span::Body(body) => &body.head,
        Span::Archive(archive) => &archive.head,
        Span::Framing(_) => unreachable!("framing was filtered out"),
    }
}

#[test]
fn paths_sizes_and_offsets_are_those_of_the_tar_crate() {
    let mut compared = 0;
    for snapshot in fixtures() {
        let layout = Layout::of(&snapshot.bytes, &SplitOptions::default());
        compared += compare_with_tar_crate(&snapshot.bytes, 0, layout.root());
    }
    assert!(compared > 500, "only {compared} entries were compared");
    for sample in samples::all() {
        if sample != samples::pax() {
            // Its global header is an entry of its own for the crate.
            compare_with_tar_crate(&sample, 0, Layout::of(&sample, &SplitOptions::default()).root());
        }
    }
}

/// Reads all of a source.
fn read_all(source: &impl ReadAt) -> Vec<u8> {
    let mut bytes = vec![0xaa; usize::try_from(source.len()).expect("it fits in memory")];
    let mut done = 0;
    while done < bytes.len() {
        let n = source.read_at(done as u64, &mut bytes[done..]).expect("memory can be read");
        assert!(n > 0, "it ends at {done}");
        done += n;
    }
    bytes
}

/// Every entry of a streamed snapshot, found by the catalogue and read through it, is what the `tar` crate unpacks: holes
/// of sparse files included.
#[test]
fn contents_are_those_the_tar_crate_unpacks() {
    let input = &fixture("kinds/shard-streamed.snapshot").bytes;
    let catalogue = catalogue(input, &SplitOptions::default()).expect("memory can be read");
    let mut sparse = 0;
    for entry in tar::Archive::new(&input[..]).entries().expect("a tar") {
        let mut entry = entry.expect("a whole tar");
        let path = EntryPath::root().child(entry.path_bytes().into_owned());
        let row = catalogue.find(&path).expect("a row of that path");
        let stored = ReadRange::new(input, row.head.offset, row.len);
        let ours = match row.head.entry().and_then(|entry| entry.sparse.as_deref()) {
            Some(map) => {
                sparse += 1;
                read_all(&ExpandedBody::new(map, stored))
            }
            None => read_all(&stored),
        };
        let mut theirs = Vec::new();
        entry.read_to_end(&mut theirs).expect("memory can be read");
        assert!(ours == theirs, "{path}");
    }
    assert!(sparse > 5, "only {sparse} sparse entries");
}

/// Lists `input` by GNU tar: path without trailing slash, logical length. `None` where there is no
/// GNU tar.
fn gnu_tar_list(input: &[u8]) -> Option<Vec<(String, u64)>> {
    let version = Command::new("tar").arg("--version").output().ok()?;
    if !String::from_utf8_lossy(&version.stdout).contains("GNU tar") {
        return None;
    }
    let options = ["--list", "--verbose", "--numeric-owner", "--quoting-style=literal", "--absolute-names", "--file=-"];
    let piped = Command::new("tar").args(options).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = piped.expect("it ran a moment ago");
    let mut stdin = child.stdin.take().expect("piped");
    let output = std::thread::scope(|scope| {
        // GNU tar closes its input at the end-of-archive blocks, so a failed write is no failure.
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().expect("it can be waited for")
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).lines().map(parse_line).collect())
}

/// Reads `-rw-r--r-- 0/0 12 2026-01-01 00:00 path`.
fn parse_line(line: &str) -> (String, u64) {
    let mut words = line.split_whitespace();
    let size = words.nth(2).and_then(|size| size.parse().ok()).expect("a size in the third column");
    let path = words.nth(2).expect("a path in the sixth column");
    (path.trim_end_matches('/').to_owned(), size)
}

fn ours(input: &[u8]) -> Vec<(String, u64)> {
    let layout = Layout::of(input, &SplitOptions::default());
    let heads = layout.root().iter().filter(|span| !matches!(span, Span::Framing(_))).map(head);
    let entries = heads.filter_map(BodyHead::entry);
    entries.map(|entry| (entry.lossy_path().trim_end_matches('/').to_owned(), entry.logical_len)).collect()
}

#[test]
fn the_outer_level_is_what_gnu_tar_lists() {
    let built = RawTar::new().file("a", b"x").file("b", &[1; 600]).close();
    let Some(listed) = gnu_tar_list(&built) else {
        println!("skipped: there is no GNU tar");
        return;
    };
    assert_eq!(listed, [("a".to_owned(), 1), ("b".to_owned(), 600)]);
    for sample in samples::all() {
        assert_eq!(Some(ours(&sample)), gnu_tar_list(&sample));
    }
    for snapshot in fixtures() {
        assert_eq!(Some(ours(&snapshot.bytes)), gnu_tar_list(&snapshot.bytes), "{}", snapshot.name);
    }
}
