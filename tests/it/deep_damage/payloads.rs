//! Damage to payloads: the pages, the slots that lead into them, and the mask of what is in use.

use super::case::{Case, by_digest, reported};
use super::patient::Snapshot::{Catalog, Notes, Streamed};

const PAGE: &str = "built/payload_storage/page_0.dat";
const PAGES: &str = "built/payload_storage/page_*.dat";
const SLOTS: &str = "built/payload_storage/tracker.dat";
const MASK: &str = "built/payload_storage/bitmask.dat";
const GAPS: &str = "built/payload_storage/gaps.dat";
const CONFIG: &str = "built/payload_storage/config.json";

/// Bytes before the first slot, and of a slot: tag, page, block, length.
const SLOTS_START: usize = 4;
const SLOT: usize = 16;
const BLOCK: usize = 128;

pub(super) fn cases() -> Vec<Case> {
    [of_pages(), of_slots(), of_masks()].into_iter().flatten().collect()
}

fn of_pages() -> Vec<Case> {
    vec![
        reported(Streamed, "the length of a payload is flipped", PAGES, |s| s.flip(PAGE, 2, 1 << 4)),
        reported(Streamed, "the start of a payload is overwritten", PAGES, |s| s.put(PAGE, 40 * BLOCK, &[0xff; 16])),
        reported(Streamed, "a block of payloads is zero", PAGES, |s| s.put(PAGE, 8192, &[0; 4096])),
        reported(Streamed, "the page of payloads is cut", PAGES, |s| s.cut(PAGE)),
        reported(Streamed, "the page of payloads is missing", PAGE, |s| s.remove(PAGE)),
        reported(Streamed, "the page of payloads is one hole", PAGES, |s| s.hollow(PAGE)),
        reported(Catalog, "payload pages of two shards are swapped", PAGES, |s| {
            s.swap(PAGE, "other-built/payload_storage/page_0.dat");
        }),
        reported(Notes, "payload pages of two segments are swapped", "growing/payload_storage/page_*.dat", |s| {
            s.swap(PAGE, "growing/payload_storage/page_0.dat");
        }),
        by_digest(
            Notes,
            "a letter in a payload is another",
            "it is still JSON, and Qdrant has no checksum of it",
            |s| {
                let content = s.file(PAGE);
                let word = b"\"topic\":\"";
                let at = content.windows(word.len()).position(|bytes| bytes == word).unwrap() + word.len();
                s.flip(PAGE, at, 1);
            },
        ),
    ]
}

fn of_slots() -> Vec<Case> {
    let slot = |row: usize| SLOTS_START + row * SLOT;
    vec![
        reported(Streamed, "a slot leads to a page that is not there", SLOTS, move |s| {
            s.put(SLOTS, slot(20) + 4, &9_u32.to_le_bytes());
        }),
        reported(Streamed, "a slot leads behind its page", SLOTS, move |s| {
            s.put(SLOTS, slot(20) + 8, &(1_u32 << 28).to_le_bytes());
        }),
        reported(Streamed, "a slot is of no known kind", SLOTS, move |s| s.put(SLOTS, slot(20), &[9])),
        reported(Streamed, "two slots lead to the same payload", SLOTS, move |s| {
            let other = s.file(SLOTS)[slot(21)..slot(22)].to_vec();
            s.put(SLOTS, slot(20), &other);
        }),
        reported(Streamed, "a payload is a byte shorter", PAGES, move |s| {
            let len = s.file(SLOTS)[slot(20) + 12..slot(21)].to_vec();
            let len = u32::from_le_bytes(len.try_into().unwrap());
            s.put(SLOTS, slot(20) + 12, &(len - 1).to_le_bytes());
        }),
        reported(Streamed, "a slot is emptied", SLOTS, move |s| s.put(SLOTS, slot(20), &[0; SLOT])),
        reported(Streamed, "all slots are zero", SLOTS, |s| s.hollow(SLOTS)),
        reported(Streamed, "slots are cut", SLOTS, |s| s.keep(SLOTS, 1000)),
        reported(Streamed, "slots are missing", SLOTS, |s| s.remove(SLOTS)),
        reported(Streamed, "more slots are counted than fit", SLOTS, |s| s.put(SLOTS, 0, &(1_u32 << 31).to_le_bytes())),
        reported(Streamed, "fewer slots are counted than are used", SLOTS, |s| s.put(SLOTS, 0, &5_u32.to_le_bytes())),
        by_digest(Notes, "two slots are exchanged", "each payload could be that of either point", move |s| {
            let content = s.file(SLOTS);
            s.put(SLOTS, slot(100), &content[slot(500)..slot(501)]);
            s.put(SLOTS, slot(500), &content[slot(100)..slot(101)]);
        }),
    ]
}

fn of_masks() -> Vec<Case> {
    vec![
        reported(Streamed, "a used block is marked free", MASK, |s| s.flip(MASK, 3, 1 << 2)),
        reported(Streamed, "all blocks are marked free", MASK, |s| s.zero(MASK)),
        reported(Streamed, "the mask is cut", MASK, |s| s.cut(MASK)),
        reported(Streamed, "the mask is missing", MASK, |s| s.remove(MASK)),
        reported(Streamed, "a gap is another", GAPS, |s| s.flip(GAPS, 2, 1 << 4)),
        reported(Streamed, "the gaps are zero", GAPS, |s| s.zero(GAPS)),
        reported(Streamed, "blocks have another length", "built/payload_storage/bitmask.dat", |s| {
            s.replace(CONFIG, "\"block_size_bytes\":128", "\"block_size_bytes\":256");
        }),
        reported(Streamed, "pages have another length", PAGES, |s| s.replace(CONFIG, ":33554432", ":16777216")),
        reported(Streamed, "the compression is unknown", CONFIG, |s| s.replace(CONFIG, "LZ4", "LZ5")),
        reported(Streamed, "the compression is said to be none", PAGES, |s| s.replace(CONFIG, "LZ4", "None")),
        reported(Streamed, "the configuration of payloads is missing", CONFIG, |s| s.remove(CONFIG)),
    ]
}
