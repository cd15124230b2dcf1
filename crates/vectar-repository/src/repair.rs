//! Setting damaged packs aside, after everything in them that is still good was stored anew.
//!
//! A pack that is damaged may hold thousands of good records and one bad one; a pack whose footer is gone holds nothing that anyone
//! can find. Both are read from front to back, record by record, because each record says what it is and proves it. What is good
//! goes to new packs, durably; then the bytes as they were go to `quarantine/`; then the pack goes. No record of a backup is touched:
//! a backup that needs what is lost says so, and is whole again once the same bytes are ingested.

use std::{collections::HashSet, ops::Range};

use bytes::Bytes;
use vectar_backend::PutOutcome;
use vectar_chunk::{CodecId, Decoder};

use crate::{
    error::RepositoryError,
    format::{
        ids::PackId,
        keys,
        pack::{FooterEntry, PACK_HEADER_BYTES, PackFooter, RECORD_MAGIC, RecordHead, RecordKind},
    },
    index::read_footer,
    ingest::{Ingest, PreparedRecord},
    reader::{ChunkReader, id_of},
    repository::IndexedRepository,
};

/// The largest pack that is read as a whole, in bytes. Offsets in a pack have 32 bits; the packs of this version hold 64 MiB.
const PACK_BYTES_MAX: u64 = 1 << 30;

/// A pack that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// The pack.
    pub pack: PackId,
    /// Records of it that are good; those that no other pack held were stored anew.
    pub salvaged_records: u64,
    /// What its footer listed and no longer lies there, or in any other pack. Empty as well when the footer is gone and nobody
    /// knows what it listed.
    pub lost: Vec<LostRecord>,
    /// Whether the footer could be read, here or from the chunk index, so that `lost` is complete.
    pub footer_known: bool,
}

/// A record that is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostRecord {
    /// Chunk, node or row directory.
    pub kind: RecordKind,
    /// Its id.
    pub id: [u8; 32],
    /// Where it lay in the pack, end exclusive.
    pub range: Range<u64>,
}

/// Sets a pack aside.
///
/// # Errors
/// The storage refused something. Then the pack is where it was, or in both places; doing it again ends that.
pub fn quarantine(repository: &IndexedRepository, pack: &PackId) -> Result<Quarantined, RepositoryError> {
    let backend = &*repository.backend;
    let key = keys::pack(pack);
    let bytes = backend.get(&key, PACK_BYTES_MAX)?;
    let footer = match read_footer(backend, pack, bytes.len() as u64) {
        Ok((footer, _)) => Some(footer),
        // The footer that the index keeps verbatim is as good as the one that was there.
        Err(_) => repository.index().footer(pack)?,
    };
    let good = salvage(repository, &bytes, footer.as_ref())?;
    let salvaged: HashSet<[u8; 32]> = good.iter().map(|record| record.head.id).collect();
    store_anew(repository, pack, good, footer.as_ref())?;
    let set_aside = keys::quarantined(pack);
    match backend.put_if_absent(&set_aside, &[bytes])? {
        // An earlier try got this far.
        PutOutcome::Created | PutOutcome::AlreadyExists => {}
    }
    backend.sync(&[set_aside])?;
    backend.delete(&key)?;
    repository.catch_up()?;
    let footer_known = footer.is_some();
    let view = repository.index().reader()?;
    let mut lost = Vec::new();
    for entry in footer.into_iter().flat_map(|footer| footer.entries) {
        if !salvaged.contains(&entry.head.id) && view.locate(&entry.head.id)?.is_none() {
            lost.push(LostRecord { kind: entry.head.kind, id: entry.head.id, range: range_of(&entry) });
        }
    }
    Ok(Quarantined { pack: *pack, salvaged_records: salvaged.len() as u64, lost, footer_known })
}

/// Stores good records in new packs, unless another sound pack holds them.
fn store_anew(
    repository: &IndexedRepository,
    pack: &PackId,
    good: Vec<PreparedRecord>,
    footer: Option<&PackFooter>,
) -> Result<(), RepositoryError> {
    if good.is_empty() && repository.config().metadata_copies == 1 {
        return Ok(());
    }
    let mut ingest = Ingest::begin_carrying_over(repository)?;
    let view = repository.index().reader()?;
    let is_doubled = repository.config().metadata_copies > 1;
    let reader = ChunkReader::new(repository, 0);
    for record in good {
        let elsewhere = view.locate_sound(&record.head.id)?.filter(|location| location.pack != *pack);
        // The other copy is read before it is relied on: its pack may be damaged too. And it is made durable with the new packs.
        let elsewhere = elsewhere.filter(|location| reader.stored_record(location, &record.head.id).is_ok());
        ingest.rely_on_packs(elsewhere.map(|location| location.pack));
        if elsewhere.is_none() || (is_doubled && record.head.kind == RecordKind::Node) {
            ingest.carry_over(record)?;
        }
    }
    if is_doubled {
        double_again(repository, pack, footer, &mut ingest)?;
    }
    // Digests of bodies are shortcuts that prove nothing by themselves: who uses one resolves everything behind it.
    footer.iter().flat_map(|footer| &footer.bodies).for_each(|body| ingest.carry_over_body(*body));
    ingest.finish_packs()?;
    Ok(())
}

/// Stores anew the recipe nodes that the pack should have held and that lie in another one, so that there are two of each again.
fn double_again(
    repository: &IndexedRepository,
    pack: &PackId,
    footer: Option<&PackFooter>,
    ingest: &mut Ingest<'_>,
) -> Result<(), RepositoryError> {
    let entries = footer.iter().flat_map(|footer| &footer.entries);
    let nodes: HashSet<[u8; 32]> =
        entries.filter(|entry| entry.head.kind == RecordKind::Node).map(|entry| entry.head.id).collect();
    let reader = ChunkReader::new(repository, 0);
    for (id, copies) in repository.index().copies_of(|id| nodes.contains(id))? {
        let mut elsewhere = copies.iter().filter(|copy| copy.pack != *pack);
        if let Some(record) = elsewhere.find_map(|copy| reader.stored_record(copy, &id).ok()) {
            ingest.carry_over(record)?;
        }
    }
    Ok(())
}

/// Every record in a pack that is what it says, in the order of their offsets.
fn salvage(
    repository: &IndexedRepository,
    bytes: &Bytes,
    footer: Option<&PackFooter>,
) -> Result<Vec<PreparedRecord>, RepositoryError> {
    let mut decoder = Decoder::new()?;
    let mut good = Vec::new();
    let mut offset = PACK_HEADER_BYTES as usize;
    while offset < bytes.len() {
        match proven_at(repository, &mut decoder, bytes, offset) {
            Some(record) => {
                offset += usize::try_from(record.record_len()).expect("it lies in memory");
                good.push(record);
            }
            None => match next_start(bytes, offset, footer) {
                Some(next) => offset = next,
                None => break,
            },
        }
    }
    Ok(good)
}

/// The record at an offset, if its checksum holds and its bytes decode to what its id says.
fn proven_at(
    repository: &IndexedRepository,
    decoder: &mut Decoder,
    bytes: &Bytes,
    offset: usize,
) -> Option<PreparedRecord> {
    let (head, stored) = RecordHead::decode(&bytes[offset..]).ok()?;
    let raw = decoder.borrow(CodecId::new(head.codec), stored, head.raw_len as usize).ok()?;
    (id_of(repository.id_key(), head.kind, raw) == head.id)
        .then(|| PreparedRecord { head, stored: bytes.slice_ref(stored) })
}

/// Where the next record may start: where the footer says, or where the bytes look like one.
fn next_start(bytes: &[u8], offset: usize, footer: Option<&PackFooter>) -> Option<usize> {
    if let Some(footer) = footer {
        let next = footer.entries.iter().map(|entry| entry.offset as usize).find(|&start| start > offset);
        return next.filter(|&start| start < bytes.len());
    }
    let from = offset + 1;
    let tail = bytes.get(from..)?;
    tail.windows(RECORD_MAGIC.len()).position(|window| window == RECORD_MAGIC).map(|position| from + position)
}

fn range_of(entry: &FooterEntry) -> Range<u64> {
    let start = u64::from(entry.offset);
    start..start + entry.head.record_len()
}
