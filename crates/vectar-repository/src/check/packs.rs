//! Reads packs from end to end: bytes against names, records against ids.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vectar_chunk::{CodecId, Decoder};

use super::{CheckOptions, CheckReport, Depth, Level, selection};
use crate::{
    error::{RepositoryError, error_chain},
    format::{
        FormatError,
        frame::{self, FrameKind},
        ids::PackId,
        keys,
        pack::{FooterEntry, PackFooter, PackHeader, RecordHead},
        record::BackupRecord,
    },
    index::{list_packs, read_footer},
    reader::{ChunkReader, id_of},
    repository::{IndexedRepository, TOOL},
};

/// Bytes of a pack read at once: they are hashed and decoded while they lie in the processor's cache.
const WINDOW_BYTES: u64 = 1024 * 1024;

/// Largest note of proven packs that is read: 70 bytes for each of a million packs.
const PROOF_BYTES_MAX: u64 = 70 * 1024 * 1024;

/// Decoded nodes kept while the backups that need a damaged chunk are looked for, in bytes.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// How far the reading of packs is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackProgress {
    /// Bytes read so far.
    pub done_bytes: u64,
    /// Bytes that were selected.
    pub total_bytes: u64,
}

/// `proofs/packs/…`: which packs were read without a finding, and how thoroughly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PacksProven {
    /// When, by the client's clock.
    at: Timestamp,
    /// `packs` or `data`.
    depth: String,
    /// The packs.
    packs: Vec<PackId>,
    /// Host name and process of the client.
    client: String,
    /// Which program.
    tool: String,
}

pub(super) fn check(
    repository: &IndexedRepository,
    options: &CheckOptions,
    records: &[BackupRecord],
    progress: &(dyn Fn(PackProgress) -> bool + Sync),
    report: &mut CheckReport,
) -> Result<(), RepositoryError> {
    let proven = proven_at(repository, options.depth)?;
    let packs: Vec<(PackId, u64)> = list_packs(&*repository.backend)?.into_iter().collect();
    let selected = selection::select(packs, options.subset, &proven);
    let results = read_all(repository, options, &selected, progress);
    let mut good = Vec::new();
    let mut damaged: HashMap<[u8; 32], Vec<usize>> = HashMap::new();
    for (pack, result) in results {
        report.packs_read += 1;
        report.bytes_read += result.bytes;
        report.records_proven += result.records_proven;
        if result.faults.is_empty() {
            good.push(pack);
        }
        for fault in result.faults {
            if let Some(id) = fault.record {
                damaged.entry(id).or_default().push(report.findings.len());
            }
            report.add(Level::Damage, keys::pack(&pack), fault.what, BTreeSet::new());
        }
    }
    blame(repository, records, &damaged, report)?;
    // A full or read-only storage must not cost what was found.
    if let Err(error) = remember(repository, options.depth, good) {
        let what =
            format!("what was proven could not be noted, so the next check reads it again: {}", error_chain(&error));
        report.add(Level::Warning, keys::pack_proofs(), what, BTreeSet::new());
    }
    Ok(())
}

/// A pack that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedPack {
    /// The pack.
    pub pack: PackId,
    /// What is wrong with it, at least one thing.
    pub faults: Vec<String>,
}

/// Reads packs (all of them when none is named), decodes every chunk, and returns those with faults, by name. Nothing is written.
///
/// # Errors
/// The packs cannot be listed. Whatever is wrong with one of them is part of the answer; one that is not there is passed over.
pub fn damaged_packs(
    repository: &IndexedRepository,
    only: &[PackId],
    progress: &(dyn Fn(PackProgress) -> bool + Sync),
) -> Result<Vec<DamagedPack>, RepositoryError> {
    let listed = list_packs(&*repository.backend)?;
    let selected: Vec<(PackId, u64)> =
        listed.into_iter().filter(|(id, _)| only.is_empty() || only.contains(id)).collect();
    let options = CheckOptions { depth: Depth::Data, ..CheckOptions::default() };
    let results = read_all(repository, &options, &selected, progress);
    let faulty = results.into_iter().filter(|(_, result)| !result.faults.is_empty());
    let texts = |result: PackResult| result.faults.into_iter().map(|fault| fault.what).collect();
    let mut damaged: Vec<DamagedPack> =
        faulty.map(|(pack, result)| DamagedPack { pack, faults: texts(result) }).collect();
    damaged.sort_unstable_by_key(|damaged| damaged.pack);
    Ok(damaged)
}

/// What reading one pack showed.
#[derive(Debug, Default)]
struct PackResult {
    bytes: u64,
    records_proven: u64,
    faults: Vec<PackFault>,
}

#[derive(Debug)]
struct PackFault {
    what: String,
    /// The record that is hurt, where it is one.
    record: Option<[u8; 32]>,
}

impl PackResult {
    fn fault(&mut self, what: impl ToString) {
        self.faults.push(PackFault { what: what.to_string(), record: None });
    }
}

/// Reads packs on all cores, each by one thread from end to end; stops taking new ones when time or patience is over.
fn read_all(
    repository: &IndexedRepository,
    options: &CheckOptions,
    selected: &[(PackId, u64)],
    progress: &(dyn Fn(PackProgress) -> bool + Sync),
) -> Vec<(PackId, PackResult)> {
    let started = repository.environment.now();
    let in_time =
        || options.time_budget.is_none_or(|budget| repository.environment.now().duration_since(started) < budget);
    let total_bytes = selected.iter().map(|(_, len)| len).sum();
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let results = Mutex::new((Vec::with_capacity(selected.len()), 0));
    let worker = || {
        while !stop.load(Ordering::Relaxed) && in_time() {
            let Some((pack, len)) = selected.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
            let result = read_pack(repository, pack, *len, options.depth);
            let mut results = results.lock().expect("no thread panics while it holds this lock");
            results.1 += result.bytes;
            results.0.push((*pack, result));
            if !progress(PackProgress { done_bytes: results.1, total_bytes }) {
                stop.store(true, Ordering::Relaxed);
            }
        }
    };
    let threads = match options.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let threads = threads.min(selected.len()).max(1);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(worker);
        }
    });
    results.into_inner().expect("no thread panicked").0
}

fn read_pack(repository: &IndexedRepository, pack: &PackId, len: u64, depth: Depth) -> PackResult {
    let mut result = PackResult::default();
    if let Err(error) = try_read_pack(repository, pack, len, depth, &mut result) {
        result.fault(error_chain(&error));
    }
    result
}

fn try_read_pack(
    repository: &IndexedRepository,
    pack: &PackId,
    len: u64,
    depth: Depth,
    result: &mut PackResult,
) -> Result<(), RepositoryError> {
    let backend = &*repository.backend;
    let (footer, _) = read_footer(backend, pack, len)?;
    let mut scan = Scan { repository, footer: &footer, next: 0, decoder: Decoder::new()? };
    let mut hasher = blake3::Hasher::new();
    let mut offset = 0;
    while offset < len {
        let end = match depth {
            Depth::Data => scan.window_end(offset, len),
            _ => (offset + WINDOW_BYTES).min(len),
        };
        let bytes = backend.get_range(&keys::pack(pack), offset..end)?;
        hasher.update(&bytes);
        if offset == 0 {
            check_header(repository, pack, &bytes)?;
        }
        if depth == Depth::Data {
            scan.records(&bytes, offset, result);
        }
        result.bytes += bytes.len() as u64;
        offset = end;
    }
    let found = PackId::from_bytes(*hasher.finalize().as_bytes());
    if found != *pack {
        result.fault(format_args!("its bytes have the hash {found}, which is not its name"));
    }
    Ok(())
}

fn check_header(repository: &IndexedRepository, pack: &PackId, bytes: &[u8]) -> Result<(), RepositoryError> {
    let key = keys::pack(pack);
    let header =
        PackHeader::decode(bytes).map_err(|error| RepositoryError::object(&*repository.backend, &key, error))?;
    match header.repository == repository.id() {
        true => Ok(()),
        false => Err(RepositoryError::WrongRepository {
            location: key.to_string(),
            expected: repository.id(),
            found: header.repository,
        }),
    }
}

/// Goes through the records of one pack as its bytes arrive.
struct Scan<'s> {
    repository: &'s IndexedRepository,
    footer: &'s PackFooter,
    /// The first record that was not proven yet.
    next: usize,
    decoder: Decoder,
}

impl Scan<'_> {
    /// Where a window ends that begins at `offset`: behind as many whole records as fit, behind one at least. What follows the last
    /// record is one window.
    fn window_end(&self, offset: u64, len: u64) -> u64 {
        let ends =
            self.footer.entries[self.next..].iter().map(|entry| u64::from(entry.offset) + entry.head.record_len());
        let mut fitting = None;
        for end in ends {
            if fitting.is_some() && end - offset > WINDOW_BYTES {
                break;
            }
            fitting = Some(end);
        }
        fitting.unwrap_or(len).min(len)
    }

    /// Proves the records in a window, which holds whole ones only.
    fn records(&mut self, window: &[u8], start: u64, result: &mut PackResult) {
        while let Some(entry) = self.footer.entries.get(self.next) {
            let from = (u64::from(entry.offset) - start) as usize;
            let to = from + entry.head.record_len() as usize;
            let Some(record) = window.get(from..to) else { return };
            match self.prove(entry, record) {
                Ok(()) => result.records_proven += 1,
                Err(what) => result.faults.push(PackFault { what, record: Some(entry.head.id) }),
            }
            self.next += 1;
        }
    }

    fn prove(&mut self, entry: &FooterEntry, record: &[u8]) -> Result<(), String> {
        let place = format!("bytes {}..{}", entry.offset, u64::from(entry.offset) + entry.head.record_len());
        let at = |error: &dyn std::error::Error| format!("{place}: {}", error_chain(error));
        let (head, stored) = RecordHead::decode(record).map_err(|error: FormatError| at(&error))?;
        if head != entry.head {
            return Err(format!("{place}: its record is not the one that the footer lists"));
        }
        let raw =
            self.decoder.borrow(CodecId::new(head.codec), stored, head.raw_len as usize).map_err(|error| at(&error))?;
        let found = id_of(self.repository.id_key(), head.kind, raw);
        match found == head.id {
            true => Ok(()),
            false => Err(format!("{place}: its bytes decode to something with the id {}", PackId::from_bytes(found))),
        }
    }
}

/// Finds the backups that need damaged records. One that lies undamaged in another pack too hurts nobody: readers find it there.
fn blame(
    repository: &IndexedRepository,
    records: &[BackupRecord],
    damaged: &HashMap<[u8; 32], Vec<usize>>,
    report: &mut CheckReport,
) -> Result<(), RepositoryError> {
    if damaged.is_empty() {
        return Ok(());
    }
    let copies = repository.index().copies_of(|id| damaged.contains_key(id))?;
    let is_lost = |id: &[u8; 32], findings: &[usize]| copies.get(id).map_or(0, Vec::len) <= findings.len();
    let lost: HashMap<&[u8; 32], &Vec<usize>> = damaged.iter().filter(|(id, findings)| is_lost(id, findings)).collect();
    let reader = ChunkReader::new(repository, CACHE_BYTES);
    for record in records {
        // A recipe that cannot be read has been reported by the structural part.
        let Ok(ids) = reader.ids_behind(&record.root) else { continue };
        let hurting: HashSet<usize> = ids.iter().filter_map(|id| lost.get(id)).copied().flatten().copied().collect();
        for finding in hurting {
            report.findings[finding].backups.insert(record.id);
            report.backups_hurt.insert(record.id);
        }
    }
    Ok(())
}

/// When each pack was last read without a finding, at least as thoroughly as now.
fn proven_at(repository: &IndexedRepository, depth: Depth) -> Result<HashMap<PackId, Timestamp>, RepositoryError> {
    let mut newest: HashMap<PackId, Timestamp> = HashMap::new();
    for object in repository.list(&keys::pack_proofs())? {
        let Ok(bytes) = repository.backend.get(&object.key, PROOF_BYTES_MAX) else { continue };
        let proven: PacksProven = match frame::decode(FrameKind::PackProof, &bytes) {
            Ok(proven) => proven,
            Err(error) => {
                tracing::warn!(key = %object.key, %error, "a note of proven packs is damaged; they count as not proven");
                continue;
            }
        };
        if depth == Depth::Data && proven.depth != depth_name(Depth::Data) {
            continue;
        }
        for pack in proven.packs {
            newest.entry(pack).and_modify(|known| *known = proven.at.max(*known)).or_insert(proven.at);
        }
    }
    Ok(newest)
}

fn remember(repository: &IndexedRepository, depth: Depth, mut packs: Vec<PackId>) -> Result<(), RepositoryError> {
    if packs.is_empty() {
        return Ok(());
    }
    packs.sort_unstable();
    let at = repository.environment.now();
    let (client, tool) = (repository.environment.client(), TOOL.to_owned());
    let proven = PacksProven { at, depth: depth_name(depth).to_owned(), packs, client, tool };
    let key = keys::pack_proof(at.as_millisecond(), &repository.random_suffix());
    repository.put_small(&key, frame::encode(FrameKind::PackProof, &proven))?;
    Ok(())
}

fn depth_name(depth: Depth) -> &'static str {
    match depth {
        Depth::Data => "data",
        _ => "packs",
    }
}
