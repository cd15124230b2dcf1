//! Looks at everything in a Gridstore.

use std::fmt;

use super::bitmask::{Gaps, count_ones};
use super::config::Layout;
use super::tracker::{Pointer, Slot};
use super::{Gridstore, GridstoreReader, ValueCheck};
use crate::error::QdrantError;
use crate::finding::{FindingLevel, Findings};
use crate::storage::bits::Bits;
use crate::storage::file::{StoredFile, Window};
use crate::storage::tally::{FaultKind, Tally};

/// Most blocks of which two bits are kept, 512 MiB of bits. With the blocks of payloads that is 256 GiB of pages in one segment.
const BLOCKS_MAX: u64 = 1 << 31;

const GOOD_COPY: &str = "restore another snapshot or backup of this collection";

const FILE: FaultKind = FaultKind {
    level: FindingLevel::Damage,
    what: "a file is not as it must be",
    consequence: "Qdrant cannot open this storage, so the shard does not load",
    advice: GOOD_COPY,
};
const SLOT: FaultKind = FaultKind {
    level: FindingLevel::Damage,
    what: "slots that cannot be",
    consequence: "reading these rows fails, or gives what belongs to other rows",
    advice: GOOD_COPY,
};
const VALUE: FaultKind = FaultKind {
    level: FindingLevel::Damage,
    what: "values that cannot be read",
    consequence: "reading these rows fails or stops the server",
    advice: GOOD_COPY,
};
const CONTENT: FaultKind = FaultKind { what: "values of the wrong content", ..VALUE };
const SHARED: FaultKind = FaultKind {
    level: FindingLevel::Damage,
    what: "values that share blocks with another value",
    consequence: "at least one of the rows has bytes of the other",
    advice: GOOD_COPY,
};
const FREED: FaultKind = FaultKind {
    level: FindingLevel::Damage,
    what: "values in blocks that are marked free",
    consequence: "the next writes overwrite these values",
    advice: "restore another snapshot, or write these points again after the restore",
};
const DEAD: FaultKind = FaultKind {
    level: FindingLevel::Suspicious,
    what: "values of deleted rows that cannot be",
    consequence: "none: Qdrant does not read the values of deleted rows",
    advice: "nothing, unless there is more amiss",
};
const TORN: FaultKind = FaultKind {
    level: FindingLevel::Suspicious,
    what: "slots of values without a byte",
    consequence: "Qdrant takes these rows as rows without a value",
    advice: "compare these points with another snapshot",
};
const BEHIND: FaultKind = FaultKind {
    level: FindingLevel::Suspicious,
    what: "slots in use behind the number of slots",
    consequence: "these rows are read, but an index that is rebuilt lacks them",
    advice: "compare these points with another snapshot",
};
const LOST: FaultKind = FaultKind {
    level: FindingLevel::Suspicious,
    what: "rows without a value, and blocks in use to which no slot leads",
    consequence: "if the slots were lost, these rows come back without what they stored",
    advice: "compare these points with another snapshot",
};
const LEAKED: FaultKind = FaultKind {
    level: FindingLevel::Note,
    what: "blocks that are marked used and hold no value",
    consequence: "none but space: they stay unused until the segment is rebuilt",
    advice: "nothing",
};
const GAPS: FaultKind = FaultKind {
    level: FindingLevel::Suspicious,
    what: "regions whose gaps are not those of the mask",
    consequence: "space is wasted, or a page more is allocated than needed",
    advice: "nothing, unless there is more amiss",
};

/// The faults of slots and values.
struct Tallies {
    /// Slots that lead to a value.
    value_count: u64,
    /// Live rows without one.
    rows_without: u64,
    slots: Tally,
    values: Tally,
    contents: Tally,
    shared: Tally,
    freed: Tally,
    dead: Tally,
    torn: Tally,
    behind: Tally,
}

impl Tallies {
    fn new() -> Self {
        Self {
            value_count: 0,
            rows_without: 0,
            slots: Tally::new(SLOT),
            values: Tally::new(VALUE),
            contents: Tally::new(CONTENT),
            shared: Tally::new(SHARED),
            freed: Tally::new(FREED),
            dead: Tally::new(DEAD),
            torn: Tally::new(TORN),
            behind: Tally::new(BEHIND),
        }
    }

    fn report(self, tracker: &str, pages: &str, bitmask: &str, findings: &mut Findings) {
        self.slots.report(tracker, findings);
        self.torn.report(tracker, findings);
        self.behind.report(tracker, findings);
        self.shared.report(tracker, findings);
        self.values.report(pages, findings);
        self.contents.report(pages, findings);
        self.dead.report(tracker, findings);
        self.freed.report(bitmask, findings);
    }
}

/// The files beside the pages, when their lengths fit the pages.
struct Blocks<'f> {
    block_bytes: u64,
    page_blocks: u64,
    region_blocks: u64,
    /// Blocks of all pages.
    count: u64,
    bitmask: Option<StoredFile<'f>>,
    gaps: Option<StoredFile<'f>>,
    /// Blocks of the values seen so far.
    claimed: Bits,
    /// Blocks to which slots of dead rows lead.
    dead: Bits,
}

impl Blocks<'_> {
    /// The blocks of a value whose bytes are all there: the first, and the one behind the last.
    fn of(&self, pointer: Pointer) -> (u64, u64) {
        let first = u64::from(pointer.page) * self.page_blocks + u64::from(pointer.start);
        (first, (first + u64::from(pointer.len).div_ceil(self.block_bytes)).min(self.count))
    }

    fn set_dead(&mut self, pointer: Pointer) {
        let (first, end) = self.of(pointer);
        (first..end).for_each(|block| self.dead.set(block, true));
    }
}

/// A slot, as an example.
struct SlotName<'a>(u64, &'a dyn fmt::Display);

impl fmt::Display for SlotName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slot {}: {}", self.0, self.1)
    }
}

/// See [`Gridstore::audit`].
pub(super) fn audit(
    store: &Gridstore<'_>,
    live: Option<&Bits>,
    findings: &mut Findings,
    check_value: &mut ValueCheck<'_>,
) {
    check_lengths(store, findings);
    let mut blocks = match store.config.layout {
        Layout::Blocks { block_bytes, region_blocks } => open_blocks(store, block_bytes, region_blocks, findings),
        Layout::Log => None,
    };
    let mut tallies = Tallies::new();
    check_slots(store, live, blocks.as_mut(), &mut tallies, check_value);
    let path = |name: &str| format!("{}/{name}", store.directory);
    let lost = if tallies.value_count == 0 { u64::MAX } else { tallies.rows_without };
    let rows_without = tallies.rows_without;
    tallies.report(store.tracker.file.path(), &pages_object(store), &path("bitmask.dat"), findings);
    let leaked = blocks.map_or(0, |blocks| check_mask(&blocks, findings));
    // A value takes a block at least. Where there is no value at all, any block in use had one.
    if leaked > 0 && lost > 0 && (lost == u64::MAX || leaked >= lost) {
        let what = format!("no slot leads to {leaked} blocks in use, and {rows_without} rows have no value");
        findings.add(LOST.finding(store.tracker.file.path(), what));
    }
}

/// The lengths of tracker and pages, and that no page is missing.
fn check_lengths(store: &Gridstore<'_>, findings: &mut Findings) {
    let (declared, room) = (store.tracker.declared, store.tracker.room());
    if declared > room {
        let what = format!("{declared} slots are declared, and the file has room for {room}");
        findings.add(SLOT.finding(store.tracker.file.path(), what));
    }
    let mut lengths = Tally::new(FILE);
    let expected = store.config.page_bytes;
    for (index, (number, file)) in store.pages.files.iter().enumerate() {
        if u64::from(*number) != index as u64 {
            lengths.add(&format!("{} is missing", store.pages.path(index as u32)));
            break;
        }
        if store.config.layout != Layout::Log && file.len() != expected {
            lengths.add(&format!("{} has {} bytes, expected {expected}", file.path(), file.len()));
        }
    }
    lengths.report(&pages_object(store), findings);
}

/// All pages, as the object of a finding.
fn pages_object(store: &Gridstore<'_>) -> String {
    let log = if store.config.layout == Layout::Log { "log_" } else { "" };
    format!("{}/{log}page_*.dat", store.directory)
}

/// Opens mask and gaps, if they have the lengths that the pages demand. `None` when there are more blocks than bits are kept of.
fn open_blocks<'f>(
    store: &Gridstore<'f>,
    block_bytes: u64,
    region_blocks: u64,
    findings: &mut Findings,
) -> Option<Blocks<'f>> {
    let page_blocks = store.config.page_bytes / block_bytes;
    let pages = store.pages.files.last_key_value().map_or(0, |(number, _)| u64::from(*number) + 1);
    let count = pages.checked_mul(page_blocks).filter(|count| *count <= BLOCKS_MAX);
    let Some(count) = count else {
        let what = format!("{pages} pages of {page_blocks} blocks are more than are looked at one by one");
        findings.add(LEAKED.finding(&format!("{}/bitmask.dat", store.directory), what));
        return None;
    };
    let mut open = |name: &str, expected: u64| {
        let file = match store.file(name) {
            Ok(file) => file,
            Err(error) => {
                findings.add(FILE.finding(&format!("{}/{name}", store.directory), error.reason()));
                return None;
            }
        };
        if file.len() == expected {
            return Some(file);
        }
        let what = format!("the file has {} bytes, expected {expected} for {pages} pages", file.len());
        findings.add(FILE.finding(file.path(), what));
        None
    };
    let bitmask = open("bitmask.dat", count / 8);
    let gaps = open("gaps.dat", Gaps::file_bytes(count / region_blocks).expect("blocks are at most BLOCKS_MAX"));
    // Zeros the system hands out when they are touched: memory grows with the values, not with a declared length.
    let free = || Bits::new(vec![0; (count / 8) as usize], count);
    Some(Blocks { block_bytes, page_blocks, region_blocks, count, bitmask, gaps, claimed: free(), dead: free() })
}

/// Looks at all slots, those behind the declared number included. Reads no more than twice the bytes of the pages: live values share
/// none, and those of deleted rows at most one other's.
fn check_slots(
    store: &Gridstore<'_>,
    live: Option<&Bits>,
    blocks: Option<&mut Blocks<'_>>,
    tallies: &mut Tallies,
    check_value: &mut ValueCheck<'_>,
) {
    let mut reader = store.reader();
    let (mut blocks, mask) = match blocks {
        Some(blocks) => {
            let mask = blocks.bitmask.take();
            (Some(blocks), mask)
        }
        None => (None, None),
    };
    let mut mask_window = mask.as_ref().map(Window::new);
    let mut bytes_left = store.pages.files.values().map(StoredFile::len).sum::<u64>().saturating_mul(2);
    // Live rows without a value are counted, so that no slot of theirs is passed over.
    let (mut next, rows) = (0, live.map_or(0, Bits::len));
    loop {
        let (slot, found) = match reader.next_slot(next, rows) {
            Ok(Some(found)) => found,
            Ok(None) => break,
            Err(error) => {
                // The source failed; it will fail for the rest as well.
                tallies.slots.add(&SlotName(next, &error.reason()));
                break;
            }
        };
        next = slot + 1;
        let is_live = live.is_none_or(|live| live.get(slot));
        if slot >= store.slots() && found != Slot::Empty {
            tallies.behind.add(&SlotName(slot, &"in use"));
        }
        tallies.rows_without += u64::from(live.is_some() && is_live && !matches!(found, Slot::Value(_)));
        match found {
            Slot::Empty => {}
            Slot::Torn => tallies.torn.add(&SlotName(slot, &"length 0")),
            Slot::Tag(tag) => {
                let tally = if is_live { &mut tallies.slots } else { &mut tallies.dead };
                tally.add(&SlotName(slot, &format!("tag {tag}, expected 0 or 1")));
            }
            Slot::Value(pointer) if u64::from(pointer.len) > bytes_left && reader.check(pointer).is_ok() => {
                tallies.shared.add(&SlotName(slot, &"the values before have all bytes of the pages, twice"));
            }
            Slot::Value(pointer) => {
                tallies.value_count += 1;
                bytes_left = bytes_left.saturating_sub(pointer.len.into());
                let is_there = check_value_at(&mut reader, (slot, pointer), is_live, tallies, check_value);
                match blocks.as_deref_mut() {
                    Some(blocks) if is_there && is_live => claim(blocks, slot, pointer, mask_window.as_mut(), tallies),
                    Some(blocks) if is_there => blocks.set_dead(pointer),
                    _ => {}
                }
            }
        }
    }
    drop(mask_window);
    if let Some(blocks) = blocks {
        blocks.bitmask = mask;
    }
}

/// Reads a value and has its content checked. Returns whether all its bytes are there.
fn check_value_at(
    reader: &mut GridstoreReader<'_>,
    (slot, pointer): (u64, Pointer),
    is_live: bool,
    tallies: &mut Tallies,
    check_value: &mut ValueCheck<'_>,
) -> bool {
    if let Err(error) = reader.check(pointer) {
        let tally = if is_live { &mut tallies.slots } else { &mut tallies.dead };
        tally.add(&SlotName(slot, &error.reason()));
        return false;
    }
    match reader.at(slot, pointer) {
        Ok(value) => {
            if let Err(what) = check_value(slot, value) {
                let tally = if is_live { &mut tallies.contents } else { &mut tallies.dead };
                tally.add(&SlotName(slot, &what));
            }
        }
        Err(error) => {
            let tally = if is_live { &mut tallies.values } else { &mut tallies.dead };
            tally.add(&SlotName(slot, &error.reason()));
        }
    }
    true
}

/// Takes the blocks of a value whose bytes are all there.
fn claim(blocks: &mut Blocks<'_>, slot: u64, pointer: Pointer, mask: Option<&mut Window<'_>>, tallies: &mut Tallies) {
    let (first, end) = blocks.of(pointer);
    let mut is_shared = false;
    for block in first..end {
        is_shared |= blocks.claimed.get(block);
        blocks.claimed.set(block, true);
    }
    if is_shared {
        tallies.shared.add(&SlotName(slot, &format!("blocks {first} to {end}")));
    }
    let Some(mask) = mask else { return };
    match is_marked(mask, first, end) {
        Ok(true) => {}
        Ok(false) => tallies.freed.add(&SlotName(slot, &format!("blocks {first} to {end}"))),
        Err(error) => tallies.freed.add(&SlotName(slot, &error.reason())),
    }
}

/// Whether all blocks of `first..end` are marked used.
fn is_marked(mask: &mut Window<'_>, first: u64, end: u64) -> Result<bool, QdrantError> {
    let bytes = mask.bytes(first / 8, (end.div_ceil(8) - first / 8) as usize)?;
    let start = first / 8 * 8;
    Ok((first..end).all(|block| bytes[((block - start) / 8) as usize] >> (block % 8) & 1 == 1))
}

/// Looks for blocks that are used by nobody, and compares the gaps with the mask. Returns how many blocks are used by nobody.
fn check_mask(blocks: &Blocks<'_>, findings: &mut Findings) -> u64 {
    let Some(bitmask) = &blocks.bitmask else { return 0 };
    let mut all_unclaimed = 0;
    let (mut leaked, mut wrong_gaps) = (Tally::new(LEAKED), Tally::new(GAPS));
    let (mut mask, mut gaps) = (Window::new(bitmask), blocks.gaps.as_ref().map(Window::new));
    let region_bytes = blocks.region_blocks / 8;
    for region in 0..blocks.count / blocks.region_blocks {
        let Ok(bytes) = mask.bytes(region * region_bytes, region_bytes as usize) else { break };
        let start = region * blocks.region_blocks;
        let unclaimed = count_unclaimed(bytes, blocks, start);
        all_unclaimed += unclaimed;
        if unclaimed > 0 {
            leaked.add_many(unclaimed, &format!("{unclaimed} in region {region}"));
        }
        if let Some(gaps) = &mut gaps {
            let expected = Gaps::of(bytes);
            match Gaps::read(gaps, region) {
                Ok(found) if found == expected => {}
                Ok(found) => wrong_gaps.add(&format!("region {region}: {found}, expected {expected}")),
                Err(_) => break,
            }
        }
    }
    leaked.report(bitmask.path(), findings);
    if let Some(gaps) = &blocks.gaps {
        wrong_gaps.report(gaps.path(), findings);
    }
    all_unclaimed
}

/// Blocks from `start` that `mask` marks used and no value has.
fn count_unclaimed(mask: &[u8], blocks: &Blocks<'_>, start: u64) -> u64 {
    if count_ones(mask) == 0 {
        return 0;
    }
    let is_used = |block: &u64| mask[(block / 8) as usize] >> (block % 8) & 1 == 1;
    let is_nobodys = |block: &u64| !blocks.claimed.get(start + block) && !blocks.dead.get(start + block);
    (0..mask.len() as u64 * 8).filter(is_used).filter(is_nobodys).count() as u64
}
