//! Changes that harm nothing: to what no one reads, or to how the same is written.

use super::case::{Case, harmless};
use super::patient::Snapshot::{Catalog, Notes, Streamed};

pub(super) fn cases() -> Vec<Case> {
    [unread_bytes(), other_writing()].into_iter().flatten().collect()
}

fn unread_bytes() -> Vec<Case> {
    const CHUNK: &str = "built/vector_storage/vectors/chunk_0.mmap";
    vec![
        harmless(
            Notes,
            "bytes behind the last row",
            "rows that are not counted are overwritten before they are read",
            |s| {
                s.put(CHUNK, 2_000_000, &[0xff; 64]);
            },
        ),
        harmless(Notes, "the vector of a dead row", "a vector of a deleted point is never read", |s| {
            let row = s.built_row(false);
            s.put(CHUNK, row * 192, &[0xff; 64]);
        }),
        harmless(Notes, "the id of a dead row", "the id in a row that is flagged is of no use", |s| {
            let row = s.built_row(false);
            s.flip("built/id_tracker.mappings", 8 + row * 13 + 1, 1 << 3);
        }),
        harmless(Notes, "payload bytes that no slot leads to", "a page is read only where a slot leads", |s| {
            s.put("built/payload_storage/page_0.dat", 30_000_000, &[0x55; 128]);
        }),
        harmless(Notes, "the rest of a payload's last block", "a slot says how long its value is", |s| {
            let slots = s.file("built/payload_storage/tracker.dat");
            let word = |at: usize| u32::from_le_bytes(slots[at..at + 4].try_into().unwrap()) as usize;
            let (start, len) = (word(4 + 16 * 7 + 8) * 128, word(4 + 16 * 7 + 12));
            assert!(!len.is_multiple_of(128));
            s.put("built/payload_storage/page_0.dat", start + len, &[0xaa]);
        }),
        harmless(Notes, "a slot of no point", "a slot that is empty says nothing by its other bytes", |s| {
            let slots = "growing/payload_storage/tracker.dat";
            let last = s.file(slots).len() - 16;
            s.put(slots, last + 8, &[7]);
        }),
        harmless(
            Notes,
            "bytes in the part of the log that is not written yet",
            "a chain of entries ends where none continues it",
            |s| {
                s.put("shard/wal/open-1", 30_000_000, &[0x77; 32]);
            },
        ),
        harmless(Catalog, "the vector of a row that has none", "a flagged row's bytes are never read", |s| {
            let flags = "built/vector_storage-image/deleted/flags_a.dat";
            let row = s.flagged_row(flags, true);
            s.put("built/vector_storage-image/vectors/chunk_0.mmap", row * 48, &[0; 48]);
        }),
        harmless(Catalog, "an inner vector that no row has", "the capacity of a row beyond its count is spare", |s| {
            let last = s.u64_at("built/vector_storage-colbert/vectors/status.dat", 0) as usize;
            s.put("built/vector_storage-colbert/vectors/chunk_0.mmap", (last + 4) * 32, &[0xff; 32]);
        }),
    ]
}

fn other_writing() -> Vec<Case> {
    vec![
        harmless(Notes, "JSON with spaces", "a parser skips them", |s| {
            s.replace("config.json", "\"shard_number\":1", "\"shard_number\": 1");
        }),
        harmless(Notes, "a member that no version knows", "Qdrant ignores members that it does not know", |s| {
            s.replace("built/segment.json", "{", "{\"mood\":\"good\",");
        }),
        harmless(Notes, "a file that nobody asks for", "Qdrant opens the files it knows by name", |s| {
            let like = s.path("built/segment.json");
            let path = like.replace("segment.json", "README");
            s.parts.add(&path, &like, b"hello".to_vec());
        }),
        harmless(Notes, "a hole that is written out", "a hole reads as the zeros that it stands for", |s| {
            let path = s.path("built/vector_storage/deleted/flags_a.dat");
            let content = s.parts.file(&path);
            s.parts.remove(&path);
            let like = s.path("built/segment.json");
            s.parts.add(&path, &like, content);
        }),
        harmless(Streamed, "the graph of no vector", "an empty directory of an index that no vector has", |s| {
            let like = s.path("built/segment.json");
            let path = like.replace("segment.json", "vector_index/rest.tmp");
            s.parts.add(&path, &like, vec![1; 10]);
        }),
    ]
}
