//! Damage to the tars themselves.

use super::case::{Case, Expected::Reported, reported, to_bytes};
use super::patient::Snapshot::{Full, Notes, Streamed};

const BLOCK: usize = 512;

/// Where the header of the entry with this path begins. Long names have a record of their own before it.
fn header_of(bytes: &[u8], path: &str) -> usize {
    let is_here = |block: &usize| bytes[*block..].starts_with(path.as_bytes());
    (0..bytes.len()).step_by(BLOCK).find(is_here).unwrap_or_else(|| panic!("no header of {path}"))
}

/// Puts the checksum of a header right.
fn seal(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:07o}\0").as_bytes());
}

pub(super) fn cases() -> Vec<Case> {
    [cuts(), headers()].into_iter().flatten().collect()
}

fn cuts() -> Vec<Case> {
    vec![
        to_bytes(Notes, "nothing is left", Reported(""), |bytes, _| bytes.clear()),
        to_bytes(Notes, "less than a block is left", Reported(""), |bytes, _| bytes.truncate(100)),
        to_bytes(Notes, "cut in a header", Reported(""), |bytes, _| {
            let at = header_of(bytes, "0/wal/open-1");
            bytes.truncate(at + 200);
        }),
        to_bytes(Notes, "cut between two entries", Reported(""), |bytes, _| {
            let at = header_of(bytes, "config.json");
            bytes.truncate(at);
        }),
        to_bytes(Notes, "cut in the log", Reported("0/wal/open-1"), |bytes, random| {
            let at = header_of(bytes, "0/wal/open-1");
            bytes.truncate(at + 2 * BLOCK + random.below(100_000) as usize);
        }),
        to_bytes(Notes, "cut in the configuration", Reported("config.json"), |bytes, _| {
            let at = header_of(bytes, "config.json");
            bytes.truncate(at + BLOCK + 100);
        }),
        to_bytes(
            Notes,
            "cut in a file of a segment",
            Reported("built/vector_storage/vectors/chunk_0.mmap"),
            |bytes, _| {
                let at = header_of(bytes, "snapshot/files/vector_index/graph.bin");
                bytes.truncate(at + 80_000);
            },
        ),
        to_bytes(Notes, "a zero block of the end is missing", Reported(""), |bytes, _| {
            let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
            bytes.truncate(end.next_multiple_of(BLOCK) + BLOCK);
        }),
        to_bytes(Full, "cut in a collection of a full snapshot", Reported(""), |bytes, _| bytes.truncate(1_000_000)),
        to_bytes(Streamed, "cut in a streamed shard", Reported(""), |bytes, _| bytes.truncate(300_000)),
        to_bytes(Notes, "a block of the middle is missing", Reported(""), |bytes, _| {
            let at = header_of(bytes, "0/wal/open-1");
            bytes.drain(at - 4 * BLOCK..at - 3 * BLOCK);
        }),
        to_bytes(Notes, "the rest of the file is zero", Reported("built/segment.json"), |bytes, _| {
            let half = bytes.len() / 2;
            bytes[half..].fill(0);
        }),
    ]
}

fn headers() -> Vec<Case> {
    const LOG: &str = "0/wal/open-1";
    vec![
        to_bytes(Notes, "a bit of a header is flipped", Reported(""), |bytes, random| {
            let at = header_of(bytes, LOG);
            bytes[at + random.below(100) as usize] ^= 1 << random.below(7);
        }),
        to_bytes(Notes, "a header is zero", Reported(""), |bytes, _| {
            let at = header_of(bytes, LOG);
            bytes[at..at + BLOCK].fill(0);
        }),
        to_bytes(Notes, "the length in a sound header is huge", Reported("config.json"), |bytes, _| {
            let at = header_of(bytes, "config.json");
            bytes[at + 124..at + 136].copy_from_slice(b"77777777777\0");
            seal(&mut bytes[at..at + BLOCK]);
        }),
        to_bytes(Notes, "the map of holes leads behind the file", Reported(LOG), |bytes, _| {
            let at = header_of(bytes, LOG);
            assert_eq!(bytes[at + 156], b'S');
            bytes[at + 386..at + 398].copy_from_slice(b"77777777777\0");
            seal(&mut bytes[at..at + BLOCK]);
        }),
        to_bytes(Notes, "an entry is of another type", Reported("config.json"), |bytes, _| {
            let at = header_of(bytes, "config.json");
            bytes[at + 156] = b'2';
            seal(&mut bytes[at..at + BLOCK]);
        }),
        to_bytes(Notes, "an entry has another name", Reported("config.json"), |bytes, _| {
            let at = header_of(bytes, "config.json");
            bytes[at..at + 6].copy_from_slice(b"canfig");
            seal(&mut bytes[at..at + BLOCK]);
        }),
        to_bytes(Notes, "a name leads out of the snapshot", Reported("../fig.json"), |bytes, _| {
            let at = header_of(bytes, "config.json");
            bytes[at..at + 3].copy_from_slice(b"../");
            seal(&mut bytes[at..at + BLOCK]);
        }),
        reported(Notes, "an entry is there twice, with another content", "config.json", |s| {
            s.parts.repeat("config.json");
            s.replace("config.json", "\"size\":48", "\"size\":49");
        }),
    ]
}
