//! Damage to vectors and to the flags of rows that have none.

use super::case::{Case, by_digest, reported};
use super::patient::Snapshot::{Catalog, Notes, Streamed};

/// Bytes of a row of each vector.
const NOTE: usize = 48 * 4;
const TEXT: usize = 64 * 4;
const MATRIX_HEADER: usize = 4;
const IMAGE: usize = 24 * 2;
const INNER: usize = 8 * 4;
const OFFSETS: usize = 12;

pub(super) fn cases() -> Vec<Case> {
    [of_values(), of_files(), of_flags(), of_multivectors(), of_sparse()].into_iter().flatten().collect()
}

fn of_values() -> Vec<Case> {
    const NOTES: &str = "built/vector_storage/vectors/chunk_0.mmap";
    const TEXTS: &str = "built/vector_storage-text/matrix.dat";
    const IMAGES: &str = "built/vector_storage-image/vectors/chunk_0.mmap";
    vec![
        reported(Streamed, "a high bit of a cosine vector is flipped", "built/vector_storage", |s| {
            let row = s.built_row(true);
            s.flip(NOTES, row * NOTE + 3, 1 << 6);
        }),
        reported(Streamed, "an element of a cosine vector is zero", "built/vector_storage", |s| {
            let row = s.built_row(true);
            s.put(NOTES, row * NOTE + 8, &[0; 4]);
        }),
        reported(Catalog, "an element is not a number", "built/vector_storage-text", |s| {
            let row = s.built_row(true);
            s.put(TEXTS, MATRIX_HEADER + row * TEXT, &f32::NAN.to_le_bytes());
        }),
        reported(Catalog, "an element of two bytes is infinite", "built/vector_storage-image", |s| {
            let row = s.flagged_row("built/vector_storage-image/deleted/flags_a.dat", false);
            s.put(IMAGES, row * IMAGE, &0x7c00_u16.to_le_bytes());
        }),
        reported(Notes, "a block of vectors is zero", "built/vector_storage", |s| s.put(NOTES, 8192, &[0; 8192])),
        reported(Catalog, "the sign of an element is flipped", "built/vector_storage-text", |s| {
            let row = s.built_row(true);
            s.flip(TEXTS, MATRIX_HEADER + row * TEXT + 83, 1 << 7);
        }),
        reported(Catalog, "a high bit of an element of two bytes is flipped", "built/vector_storage-image", |s| {
            let row = s.flagged_row("built/vector_storage-image/deleted/flags_a.dat", false);
            s.flip(IMAGES, row * IMAGE + 7, 1 << 6);
        }),
        reported(Catalog, "two quantized vectors are exchanged", "built/vector_storage-text", |s| {
            let (one, other) = (MATRIX_HEADER + 100 * TEXT, MATRIX_HEADER + 200 * TEXT);
            let content = s.file(TEXTS);
            s.put(TEXTS, one, &content[other..other + TEXT]);
            s.put(TEXTS, other, &content[one..one + TEXT]);
        }),
        by_digest(
            Catalog,
            "a low bit of an element is flipped",
            "it is less than a step of its code; without a norm that it must have, any such number could be",
            |s| {
                let row = s.built_row(true);
                s.flip(TEXTS, MATRIX_HEADER + row * TEXT + 1, 1 << 3);
            },
        ),
        by_digest(Catalog, "a low bit of an element of two bytes is flipped", "the same, in fewer bits", |s| {
            let row = s.flagged_row("built/vector_storage-image/deleted/flags_a.dat", false);
            s.flip(IMAGES, row * IMAGE, 1);
        }),
        by_digest(Notes, "the sign of a cosine vector's element is flipped", "its norm stays 1", |s| {
            let row = s.built_row(true);
            s.flip(NOTES, row * NOTE + 3, 1 << 7);
        }),
        by_digest(Notes, "two vectors are exchanged", "each of them could be that of either point", |s| {
            let (one, other) = (100 * NOTE, 500 * NOTE);
            let content = s.file(NOTES);
            s.put(NOTES, one, &content[other..other + NOTE]);
            s.put(NOTES, other, &content[one..one + NOTE]);
        }),
    ]
}

fn of_files() -> Vec<Case> {
    const CHUNK: &str = "built/vector_storage/vectors/chunk_0.mmap";
    const CHUNKS: &str = "built/vector_storage/vectors";
    const STATUS: &str = "built/vector_storage/vectors/status.dat";
    const CONFIG: &str = "built/vector_storage/vectors/config.json";
    const MATRIX: &str = "built/vector_storage-text/matrix.dat";
    const GROWING_STATUS: &str = "growing/vector_storage/vectors/status.dat";
    const IMAGES: &str = "built/vector_storage-image/vectors";
    vec![
        reported(Streamed, "a vector chunk file is cut", CHUNKS, |s| s.cut(CHUNK)),
        reported(Streamed, "a vector chunk file is missing", CHUNKS, |s| s.remove(CHUNK)),
        reported(Streamed, "a vector chunk file is one hole", "built/vector_storage", |s| s.hollow(CHUNK)),
        reported(Streamed, "a vector chunk file is longer", CHUNKS, |s| {
            s.edit(CHUNK, |content| content.extend([0; 64]))
        }),
        reported(Streamed, "one row more is counted", STATUS, |s| s.add(STATUS, 0, 1)),
        reported(Streamed, "one row less is counted", STATUS, |s| s.add(STATUS, 0, -1)),
        reported(Streamed, "more rows are counted than there are numbers", STATUS, |s| s.add(STATUS, 0, 1 << 40)),
        reported(Streamed, "the count of rows is cut", STATUS, |s| s.cut(STATUS)),
        reported(Streamed, "the count of rows is missing", STATUS, |s| s.remove(STATUS)),
        reported(Streamed, "the dimensions in the store are others", CONFIG, |s| s.replace(CONFIG, ":48", ":84")),
        reported(Streamed, "the store's configuration is no JSON", CONFIG, |s| s.flip(CONFIG, 0, 0x40)),
        reported(Streamed, "the store's configuration is zero", CONFIG, |s| s.zero(CONFIG)),
        reported(Catalog, "vector files of two vectors are swapped", IMAGES, |s| {
            s.swap(
                "built/vector_storage-colbert/vectors/chunk_0.mmap",
                "built/vector_storage-image/vectors/chunk_0.mmap",
            );
        }),
        reported(Catalog, "a matrix is cut", MATRIX, |s| s.cut(MATRIX)),
        reported(Catalog, "a matrix is missing", MATRIX, |s| s.remove(MATRIX)),
        reported(Catalog, "a matrix begins otherwise", MATRIX, |s| s.flip(MATRIX, 2, 1)),
        reported(Catalog, "the matrices of two shards are swapped", MATRIX, |s| {
            s.swap(MATRIX, "other-built/vector_storage-text/matrix.dat");
        }),
        reported(Notes, "rows are counted that were never written", GROWING_STATUS, |s| s.add(GROWING_STATUS, 0, 64)),
        reported(Notes, "the counts of rows of two segments are swapped", STATUS, |s| {
            s.swap(STATUS, "growing/vector_storage/vectors/status.dat");
        }),
    ]
}

fn of_flags() -> Vec<Case> {
    const STATUS: &str = "built/vector_storage-image/deleted/status.dat";
    const FLAGS: &str = "built/vector_storage-image/deleted/flags_a.dat";
    vec![
        reported(Catalog, "a row is flagged as without its vector", FLAGS, |s| {
            let row = s.flagged_row(FLAGS, false);
            s.flip(FLAGS, row / 8, 1 << (row % 8));
        }),
        reported(Catalog, "a row without a vector is not flagged", FLAGS, |s| {
            let row = s.flagged_row(FLAGS, true);
            s.flip(FLAGS, row / 8, 1 << (row % 8));
        }),
        reported(Catalog, "all flags are lost", FLAGS, |s| s.hollow(FLAGS)),
        reported(Catalog, "the flags are missing", FLAGS, |s| s.remove(FLAGS)),
        reported(Catalog, "the flags are cut", STATUS, |s| s.keep(FLAGS, 20)),
        reported(Catalog, "the flags are said to be in a file that cannot be", STATUS, |s| s.put(STATUS, 8, &[7])),
        reported(Catalog, "more flags are counted than rows", FLAGS, |s| s.add(STATUS, 0, 8)),
        reported(Catalog, "the count of flags is missing", STATUS, |s| s.remove(STATUS)),
        reported(Catalog, "a flag is set behind the last row", FLAGS, |s| s.flip(FLAGS, 5000, 1)),
    ]
}

fn of_multivectors() -> Vec<Case> {
    const RECORDS: &str = "built/vector_storage-colbert/offsets/chunk_0.mmap";
    const DIRECTORY: &str = "built/vector_storage-colbert/offsets";
    const INNERS: &str = "built/vector_storage-colbert/vectors/chunk_0.mmap";
    vec![
        reported(Catalog, "inner vectors lie behind the last", DIRECTORY, |s| {
            let row = s.built_row(true);
            s.put(RECORDS, row * OFFSETS, &1_000_000_u32.to_le_bytes());
        }),
        reported(Catalog, "a row counts four billion inner vectors", DIRECTORY, |s| {
            let row = s.built_row(true);
            s.put(RECORDS, row * OFFSETS + 4, &u32::MAX.to_le_bytes());
        }),
        reported(Catalog, "two rows share inner vectors", DIRECTORY, |s| {
            let row = s.built_row(true);
            let record = s.file(RECORDS)[row * OFFSETS..][..OFFSETS].to_vec();
            s.put(RECORDS, (row - 1) * OFFSETS, &record);
        }),
        reported(Catalog, "a row has no inner vector", DIRECTORY, |s| {
            let row = s.built_row(true);
            s.put(RECORDS, row * OFFSETS + 4, &0_u32.to_le_bytes());
        }),
        reported(Catalog, "a high bit of an inner vector is flipped", "built/vector_storage-colbert", |s| {
            let row = s.built_row(true);
            let first = s.file(RECORDS)[row * OFFSETS..][..4].to_vec();
            let first = u32::from_le_bytes(first.try_into().unwrap()) as usize;
            s.flip(INNERS, first * INNER + 3, 1 << 6);
        }),
        reported(Catalog, "the count of offsets is one less", "built/vector_storage-colbert/offsets/status.dat", |s| {
            s.add("built/vector_storage-colbert/offsets/status.dat", 0, -1);
        }),
    ]
}

fn of_sparse() -> Vec<Case> {
    const SLOTS: &str = "built/vector_storage-bm25/store/tracker.dat";
    const PAGES: &str = "built/vector_storage-bm25/store/page_*.dat";
    const PAGE: &str = "built/vector_storage-bm25/store/page_0.dat";
    const FLAGS: &str = "built/vector_storage-bm25/deleted/flags_a.dat";
    vec![
        reported(Catalog, "a sparse vector's length is flipped", PAGES, |s| s.flip(PAGE, 0, 1 << 7)),
        reported(Catalog, "the page of sparse vectors is missing", PAGE, |s| s.remove(PAGE)),
        reported(Catalog, "the page of sparse vectors is one hole", PAGES, |s| s.hollow(PAGE)),
        reported(Catalog, "all slots of sparse vectors are zero", "built/vector_storage-bm25", |s| s.hollow(SLOTS)),
        reported(Catalog, "a row is flagged as without its sparse vector", FLAGS, |s| {
            let row = s.flagged_row(FLAGS, false);
            s.flip(FLAGS, row / 8, 1 << (row % 8));
        }),
    ]
}
