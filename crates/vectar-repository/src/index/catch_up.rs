//! Bringing the index up to what lies in the repository now.

use std::collections::{HashMap, HashSet};

use redb::{Database, ReadableDatabase, ReadableTable};
use vectar_backend::{Backend, BackendExt};

use super::{
    ChunkIndex, KnownPacks,
    adding::{Adding, Flush},
    tables::{self, ChunkValue, PackValue, index_error},
};
use crate::{
    error::RepositoryError,
    fetch,
    format::{
        FormatError,
        ids::PackId,
        keys,
        pack::{FooterError, PACK_TRAILER_BYTES, PackFooter},
    },
};

/// First guess at how many bytes from the end of a pack hold its footer; most need no second read.
const FOOTER_GUESS_BYTES: u64 = 64 * 1024;

/// Packs whose footers are added in one transaction: about 100,000 chunks, a few MiB of redb pages.
const PACKS_PER_TRANSACTION: usize = 64;

/// What a catch-up found.
#[derive(Debug, Default)]
pub struct CatchUpStats {
    /// Packs in the repository now.
    pub packs: u64,
    /// Of them, packs that were new to the index.
    pub added: u64,
    /// Packs the index knew that are gone.
    pub dropped: u64,
    /// Packs that are there but whose footer cannot be read; nothing in them can be found.
    pub unreadable: Vec<(PackId, RepositoryError)>,
}

impl ChunkIndex {
    /// Lists the marks and packs, reads the footers it lacks, drops packs that are gone.
    ///
    /// A pack that cannot be read is reported and left out; the rest is usable. A pack that has another length than its footer was
    /// read at counts as gone and is looked at afresh.
    ///
    /// # Errors
    /// The listing failed, or redb did. What was added before stays.
    pub fn catch_up(&self, backend: &dyn Backend) -> Result<CatchUpStats, RepositoryError> {
        // From the listing on: a pack that another thread adds meanwhile must not look gone for want of being listed.
        let _turn = self.take_turn();
        let Present { packs: listed, marked } = list_present(backend)?;
        let known = known_packs(&self.database)?;
        let gone: HashMap<PackId, u32> = known
            .iter()
            .filter(|(id, (_, object_len))| listed.get(id) != Some(object_len))
            .map(|(id, (number, _))| (*id, *number))
            .collect();
        let mut stats =
            CatchUpStats { packs: listed.len() as u64, dropped: gone.len() as u64, ..CatchUpStats::default() };
        let number_of = |id: &PackId| known.get(id).map(|(number, _)| *number);
        let unsound: HashSet<u32> = marked.iter().filter_map(number_of).collect();
        let marks = marks_digest(&marked);
        if !gone.is_empty() || (!unsound.is_empty() && meta(&self.database, tables::MARKS_SEEN)? != Some(marks)) {
            resettle(&self.database, &gone, &unsound, marks)?;
            self.tables_changed();
            self.memory.clear();
        }
        let kept = known.into_iter().filter(|(id, _)| !gone.contains_key(id));
        *self.known_mut() = KnownPacks::new(kept.map(|(id, (number, _))| (number, id)).collect(), marked);

        let have = self.pack_ids();
        let mut lacking: Vec<(PackId, u64)> = listed.into_iter().filter(|(id, _)| !have.contains(id)).collect();
        lacking.sort_unstable();
        for batch in lacking.chunks(PACKS_PER_TRANSACTION) {
            let footers = fetch::all(batch, |(id, object_len)| read_footer(backend, id, *object_len));
            let mut adding = Adding::begin(self, Flush::Now)?;
            for ((id, object_len), footer) in batch.iter().zip(footers) {
                match footer {
                    Ok((footer, verbatim)) => {
                        adding.add((*id, *object_len), &footer, &verbatim)?;
                        stats.added += 1;
                    }
                    // Pruned between the listing and now.
                    Err(RepositoryError::Backend(error)) if error.is_object_missing() => stats.packs -= 1,
                    Err(error) => stats.unreadable.push((*id, error)),
                }
            }
            adding.commit()?;
        }
        Ok(stats)
    }
}

/// The packs that lie in a repository, and which of them a new backup must not rely on.
#[derive(Debug)]
pub(crate) struct Present {
    /// Every pack with the length of its object.
    pub(crate) packs: HashMap<PackId, u64>,
    /// Condemned or quarantined packs, present or not.
    pub(crate) marked: HashSet<PackId>,
}

/// Lists marks and packs.
///
/// The marks come first. Prune removes a pack before its mark, so a pack that is listed after its mark was seen to be absent is
/// not one that prune is about to take; the other way round both could vanish between the two listings, and the pack would look
/// present and unmarked.
pub(crate) fn list_present(backend: &dyn Backend) -> Result<Present, RepositoryError> {
    let marked = list_marks(backend)?;
    Ok(Present { packs: list_packs(backend)?, marked })
}

/// Lists all packs with their lengths. Objects below `packs/` with other names are none of ours and passed over.
pub(crate) fn list_packs(backend: &dyn Backend) -> Result<HashMap<PackId, u64>, RepositoryError> {
    let mut packs = HashMap::new();
    for object in backend.list_all(&keys::packs()) {
        let object = object?;
        // Under any other key it could be listed, but never read.
        if let Some(id) = keys::pack_id_of(&object.key).filter(|id| keys::pack(id) == object.key) {
            packs.insert(id, object.meta.object_bytes);
        }
    }
    Ok(packs)
}

/// Lists the packs that are condemned or quarantined.
fn list_marks(backend: &dyn Backend) -> Result<HashSet<PackId>, RepositoryError> {
    let mut marked = HashSet::new();
    for prefix in [keys::condemned(), keys::quarantine()] {
        for object in backend.list_all(&prefix) {
            marked.extend(keys::pack_id_of(&object?.key));
        }
    }
    Ok(marked)
}

/// Reads the footer of one pack: its typed form and its own bytes, from its magic to before the trailer.
///
/// # Errors
/// The pack has another length, or its footer is damaged.
pub fn read_footer(
    backend: &dyn Backend,
    pack: &PackId,
    object_len: u64,
) -> Result<(PackFooter, Vec<u8>), RepositoryError> {
    let key = keys::pack(pack);
    let mut suffix_len = FOOTER_GUESS_BYTES;
    loop {
        let suffix = backend.get_suffix(&key, suffix_len)?;
        if suffix.object_bytes != object_len {
            let (needed, found) = (object_len, suffix.object_bytes);
            return Err(RepositoryError::object(
                backend,
                &key,
                FormatError::Truncated { what: "pack", offset: 0, needed, found },
            ));
        }
        match PackFooter::decode(&suffix.bytes, object_len) {
            Ok(footer) => return Ok((footer, verbatim(&suffix.bytes, object_len))),
            Err(FooterError::NeedsMore { suffix_len: needed }) if needed > suffix_len => suffix_len = needed,
            Err(FooterError::NeedsMore { .. }) => {
                let error = FormatError::invalid("pack footer", "it does not fit into the pack");
                return Err(RepositoryError::object(backend, &key, error));
            }
            Err(FooterError::Format(error)) => {
                return Err(RepositoryError::object(backend, &key, error));
            }
        }
    }
}

fn verbatim(suffix: &[u8], object_len: u64) -> Vec<u8> {
    let trailer =
        crate::format::pack::Trailer::decode(suffix, object_len).expect("the footer was just decoded by this trailer");
    let end = suffix.len() - PACK_TRAILER_BYTES as usize;
    suffix[end - trailer.footer_len as usize..end].to_vec()
}

/// Number and length of every pack in the index.
fn known_packs(database: &Database) -> Result<HashMap<PackId, (u32, u64)>, RepositoryError> {
    let read = index_error("reading the pack table");
    let transaction = database.begin_read().map_err(index_error("opening a view"))?;
    let table = transaction.open_table(tables::PACKS).map_err(index_error("opening the pack table"))?;
    let mut known = HashMap::new();
    for row in table.iter().map_err(&read)? {
        let (key, value) = row.map_err(&read)?;
        if let Some(pack) = PackValue::decode(value.value()) {
            known.insert(tables::pack_id(key.value()), (pack.number, pack.object_len));
        }
    }
    Ok(known)
}

/// A number that differs when other packs are marked.
fn marks_digest(marked: &HashSet<PackId>) -> u64 {
    let mut sorted: Vec<&PackId> = marked.iter().collect();
    sorted.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    sorted.iter().for_each(|id| {
        hasher.update(id.as_bytes());
    });
    u64::from_le_bytes(*hasher.finalize().as_bytes().first_chunk().expect("a BLAKE3 hash has 32 bytes"))
}

fn meta(database: &Database, name: &str) -> Result<Option<u64>, RepositoryError> {
    let transaction = database.begin_read().map_err(index_error("opening a view"))?;
    let table = transaction.open_table(tables::META).map_err(index_error("opening the meta table"))?;
    Ok(table.get(name).map_err(index_error("reading the meta table"))?.map(|value| value.value()))
}

/// Removes packs and what only they held. A chunk that another pack holds too is found there from now on, and so is one whose
/// pack was marked while a sound one has it.
///
/// Reads every kept footer: 48 bytes a chunk. It happens after a prune or a quarantine, not in daily work.
fn resettle(
    database: &Database,
    gone: &HashMap<PackId, u32>,
    unsound: &HashSet<u32>,
    marks: u64,
) -> Result<(), RepositoryError> {
    let action = index_error("dropping packs");
    let numbers: HashSet<u32> = gone.values().copied().collect();
    let transaction = database.begin_write().map_err(index_error("dropping packs"))?;
    {
        let mut meta = transaction.open_table(tables::META).map_err(index_error("opening the meta table"))?;
        let mut packs = transaction.open_table(tables::PACKS).map_err(index_error("opening the pack table"))?;
        let mut chunks = transaction.open_table(tables::CHUNKS).map_err(index_error("opening the chunk table"))?;
        let mut bodies = transaction.open_table(tables::BODIES).map_err(index_error("opening the body table"))?;
        meta.insert(tables::MARKS_SEEN, marks).map_err(&action)?;
        for id in gone.keys() {
            packs.remove(id.as_bytes()).map_err(&action)?;
        }
        if !gone.is_empty() {
            chunks.retain(|_, value| !numbers.contains(&ChunkValue::decode(value).pack_number)).map_err(&action)?;
            bodies.retain(|_, _| false).map_err(&action)?;
        }
        for row in packs.iter().map_err(&action)? {
            let (_, value) = row.map_err(&action)?;
            let Some((pack, footer)) =
                PackValue::decode(value.value()).and_then(|pack| Some((pack.number, pack.footer()?)))
            else {
                continue;
            };
            for entry in &footer.entries {
                let found = chunks.get(&entry.head.id).map_err(&action)?;
                let found = found.map(|value| ChunkValue::decode(value.value()).pack_number);
                if found.is_none_or(|found| unsound.contains(&found) && !unsound.contains(&pack)) {
                    chunks.insert(&entry.head.id, &ChunkValue::new(pack, entry).encode()).map_err(&action)?;
                }
            }
            for body in &footer.bodies {
                bodies.insert(body.digest.as_bytes(), &tables::encode_body(body, pack)).map_err(&action)?;
            }
        }
    }
    transaction.commit().map_err(index_error("dropping packs"))
}
