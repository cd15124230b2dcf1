//! Reading chunks and nodes back, each proven by its id.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use vectar_backend::{BackendError, BackendErrorKind};
use vectar_chunk::{CHUNK_BYTES_MAX, ChunkError, ChunkId, CodecId, Decoder, IdKey, NodeId};

use crate::{
    cache::{Cached, ChunkCache},
    error::{DamageReason, RepositoryError},
    fetch,
    format::{
        ids::PackId,
        keys,
        node::{NODE_DEPTH_MAX, RecipeItem, RecipeNode},
        pack::{RecordHead, RecordKind},
    },
    index::ChunkLocation,
    ingest::PreparedRecord,
    repository::IndexedRepository,
};

/// A request is not made longer than this, in bytes.
const RUN_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Nor, when there are fewer requests than readers, shorter than this.
const RUN_BYTES_FAIR_MIN: u64 = 1024 * 1024;

/// Requests that each of several readers gets, if they are not too short then: who is done first takes another.
const RUNS_PER_READER: u64 = 2;

/// Longest run of nodes that is read in one request, and what the runs that are read before their nodes are handed on come to, in stored bytes.
/// Decoded nodes take some ten times as much. A single node may be longer than either.
const NODE_RUN_BYTES_MAX: u64 = 256 * 1024;
const NODE_RUNS_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// Reads chunks and nodes of one repository, with a bounded cache. Shared by reference between threads.
///
/// Everything it returns was decoded and hashed: its id is the one that was asked for. [`by_checksum`](Self::by_checksum) leaves the
/// hash out.
#[derive(Debug)]
pub struct ChunkReader<'r> {
    repository: &'r IndexedRepository,
    hashes_chunks: bool,
    /// Whether the index was brought up to date because something was missing: once, or a backup that lacks a million
    /// chunks would list the repository a million times.
    looked_again: AtomicBool,
    cache: Arc<ChunkCache>,
    /// Decoders that nobody uses just now; as many as threads ever read at once. To set one up takes longer than to decode a chunk.
    decoders: Mutex<Vec<Decoder>>,
}

/// Records that lie near each other in one pack and are read in one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRun {
    /// The pack.
    pub pack: PackId,
    /// The bytes to read, end exclusive.
    pub range: Range<u64>,
    /// The chunks in them, in the order of their offsets.
    pub chunks: Vec<(ChunkId, ChunkLocation)>,
}

impl<'r> ChunkReader<'r> {
    /// Makes a reader that keeps at most `cache_bytes` of decoded bytes (and always the last entry).
    #[must_use]
    pub fn new(repository: &'r IndexedRepository, cache_bytes: usize) -> Self {
        Self::sharing(repository, Arc::new(ChunkCache::new(cache_bytes)))
    }

    /// Makes a reader that shares its cache with others of the same repository.
    #[must_use]
    pub fn sharing(repository: &'r IndexedRepository, cache: Arc<ChunkCache>) -> Self {
        let (looked_again, decoders) = (AtomicBool::new(false), Mutex::new(Vec::new()));
        Self { repository, hashes_chunks: true, looked_again, cache, decoders }
    }

    /// Makes a reader that takes a chunk for what it should be once the checksum of its record holds, without hashing it. For those who
    /// compare what they get with bytes they have: a chunk that is relied on because its id is known is not read at all. Nodes are
    /// hashed as ever.
    #[must_use]
    pub fn by_checksum(repository: &'r IndexedRepository, cache_bytes: usize) -> Self {
        Self { hashes_chunks: false, ..Self::new(repository, cache_bytes) }
    }

    /// The repository it reads.
    #[must_use]
    pub fn repository(&self) -> &'r IndexedRepository {
        self.repository
    }

    /// Reads one chunk.
    ///
    /// # Errors
    /// [`RepositoryError::ChunkMissing`], [`RepositoryError::ChunkDamaged`], or a failing storage.
    pub fn chunk(&self, id: &ChunkId) -> Result<Bytes, RepositoryError> {
        self.raw(RecordKind::Chunk, id.as_bytes())
    }

    /// Reads several chunks, those that are not in the cache in few requests.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk), for the first chunk that cannot be had.
    pub fn chunks(&self, ids: &[ChunkId]) -> Result<HashMap<ChunkId, Bytes>, RepositoryError> {
        let cached = |id: &ChunkId| Some((*id, self.cache.chunk(id.as_bytes())?));
        let mut found: HashMap<ChunkId, Bytes> = ids.iter().filter_map(cached).collect();
        let missing: Vec<ChunkId> = ids.iter().filter(|id| !found.contains_key(id)).copied().collect();
        for run in self.plan_runs(&missing, 1)? {
            found.extend(self.read_run(&run)?);
        }
        for id in missing {
            // Another thread has put it into the cache meanwhile, so that the plan left it out.
            if let Entry::Vacant(place) = found.entry(id) {
                place.insert(self.chunk(&id)?);
            }
        }
        Ok(found)
    }

    /// Reads one recipe node.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk); a node that is not one is [`RepositoryError::ChunkDamaged`].
    pub fn node(&self, id: &NodeId) -> Result<Arc<RecipeNode>, RepositoryError> {
        if let Some(node) = self.cache.node(id) {
            return Ok(node);
        }
        let raw = self.raw(RecordKind::Node, id.as_bytes())?;
        let node = Arc::new(decode_node(id, &raw)?);
        // Decoded items take several times their encoded bytes.
        let len = raw.len() + node.items.len() * size_of::<RecipeItem>();
        self.cache.insert(*id.as_bytes(), Cached::Node(node.clone()), len);
        Ok(node)
    }

    /// Looks chunks up and sorts them into reads, each chunk once, in the order of packs and offsets; the reads are made so short that each of
    /// `readers` gets some of them. Chunks in the cache are left out.
    ///
    /// # Errors
    /// [`RepositoryError::ChunkMissing`] for the first chunk that is in no pack.
    pub fn plan_runs(&self, chunks: &[ChunkId], readers: usize) -> Result<Vec<ReadRun>, RepositoryError> {
        let mut seen = HashSet::with_capacity(chunks.len());
        let mut wanted = Vec::with_capacity(chunks.len());
        let view = self.repository.index().reader()?;
        for id in chunks {
            if seen.insert(*id) && !self.cache.contains(id.as_bytes()) {
                let known = view.locate(id.as_bytes())?;
                wanted.push((*id, self.locate_from(known, RecordKind::Chunk, id.as_bytes())?));
            }
        }
        wanted.sort_unstable_by_key(|(_, location)| (location.pack, location.offset));
        let stored: u64 = wanted.iter().map(|(_, location)| range_bytes(&location.record_range())).sum();
        let fair = stored / (RUNS_PER_READER * readers.max(1) as u64);
        let bytes_max = fair.clamp(RUN_BYTES_FAIR_MIN, RUN_BYTES_MAX);
        let mut runs: Vec<ReadRun> = Vec::new();
        for (id, location) in wanted {
            let range = location.record_range();
            match runs.last_mut() {
                Some(run) if run.takes(&location, bytes_max) => {
                    run.range.end = run.range.end.max(range.end);
                    run.chunks.push((id, location));
                }
                _ => runs.push(ReadRun { pack: location.pack, range, chunks: vec![(id, location)] }),
            }
        }
        Ok(runs)
    }

    /// Reads one run and puts its chunks into the cache.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk), for the first chunk that cannot be had.
    pub fn read_run(&self, run: &ReadRun) -> Result<Vec<(ChunkId, Bytes)>, RepositoryError> {
        let bytes = match self.repository.backend.get_range(&keys::pack(&run.pack), run.range.clone()) {
            Ok(bytes) => bytes,
            // The pack went, or is too short: ask chunk by chunk, which looks again and names the one that is lost.
            Err(error) if is_absence(&error) => {
                return run.chunks.iter().map(|(id, _)| Ok((*id, self.chunk(id)?))).collect();
            }
            Err(error) => return Err(error.into()),
        };
        self.decoding(|decoder| {
            let mut chunks = Vec::with_capacity(run.chunks.len());
            for (id, location) in &run.chunks {
                let start = (location.record_range().start - run.range.start) as usize;
                let raw = match self.prove(decoder, location, RecordKind::Chunk, id.as_bytes(), &bytes[start..]) {
                    Err(RepositoryError::ChunkDamaged { .. }) => self.chunk(id)?,
                    result => result?,
                };
                self.cache.insert(*id.as_bytes(), Cached::Chunk(raw.clone()), raw.len());
                chunks.push((*id, raw));
            }
            Ok(chunks)
        })
    }

    /// Reads many nodes in few requests, each once, and hands them over in the order in which they lie. Nothing is kept in the cache.
    ///
    /// # Errors
    /// As [`node`](Self::node), for the first node that cannot be had, and what `take` returns.
    pub(crate) fn for_each_node(
        &self,
        mut nodes: Vec<(NodeId, ChunkLocation)>,
        mut take: impl FnMut(NodeId, RecipeNode) -> Result<(), RepositoryError>,
    ) -> Result<(), RepositoryError> {
        nodes.sort_unstable_by_key(|(_, location)| (location.pack, location.offset));
        let mut runs: Vec<&[(NodeId, ChunkLocation)]> = Vec::new();
        let mut rest = &nodes[..];
        while let Some(((_, first), _)) = rest.split_first() {
            let start = first.record_range().start;
            let joins = |pair: &&[(NodeId, ChunkLocation)]| {
                let (one, next) = (&pair[0].1, &pair[1].1);
                one.pack == next.pack && one.is_near(next) && next.record_range().end - start <= NODE_RUN_BYTES_MAX
            };
            let (run, later) = rest.split_at(1 + rest.windows(2).take_while(joins).count());
            runs.push(run);
            rest = later;
        }
        // Of each batch the decoded nodes are in memory at once.
        let mut rest = &runs[..];
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |run: &&&[(NodeId, ChunkLocation)]| {
                let fits = bytes < NODE_RUNS_BYTES_MAX;
                bytes += run_bytes(run);
                fits
            };
            let (batch, later) = rest.split_at(rest.iter().take_while(fits).count());
            for read in fetch::all(batch, |run| self.read_nodes(run)) {
                read?.into_iter().try_for_each(|(id, node)| take(id, node))?;
            }
            rest = later;
        }
        Ok(())
    }

    /// Reads a run of nodes in one pack with one request.
    fn read_nodes(&self, run: &[(NodeId, ChunkLocation)]) -> Result<Vec<(NodeId, RecipeNode)>, RepositoryError> {
        let (Some((_, first)), Some((_, last))) = (run.first(), run.last()) else { return Ok(Vec::new()) };
        let range = first.record_range().start..last.record_range().end;
        let start = range.start;
        let bytes = match self.repository.backend.get_range(&keys::pack(&first.pack), range) {
            Ok(bytes) => Some(bytes),
            Err(error) if is_absence(&error) => None,
            Err(error) => return Err(error.into()),
        };
        self.decoding(|decoder| {
            let decoded = run.iter().map(|(id, location)| {
                let raw = match &bytes {
                    Some(bytes) => {
                        let bytes = &bytes[(location.record_range().start - start) as usize..];
                        match self.prove(decoder, location, RecordKind::Node, id.as_bytes(), bytes) {
                            Err(RepositoryError::ChunkDamaged { .. }) => self.raw(RecordKind::Node, id.as_bytes())?,
                            result => result?,
                        }
                    }
                    // The pack went, or is too short: one by one, which looks again and names what is lost.
                    None => self.raw(RecordKind::Node, id.as_bytes())?,
                };
                Ok((*id, decode_node(id, &raw)?))
            });
            decoded.collect()
        })
    }

    /// Every id behind a node, itself included: nodes and chunks, each once, children after parents.
    ///
    /// Takes 32 bytes and some for each distinct id.
    ///
    /// # Errors
    /// A node cannot be read, or stands for another count of bytes than the node above it says.
    pub fn ids_behind(&self, root: &NodeId) -> Result<Vec<[u8; 32]>, RepositoryError> {
        let (mut seen, mut ids) = (HashSet::new(), Vec::new());
        self.visit_behind(root, None, &mut |id| {
            if seen.insert(*id) {
                ids.push(*id);
            }
            Ok(true)
        })?;
        Ok(ids)
    }

    /// Shows every id behind a node to `visit`, itself first: nodes once, chunks as often as they are named; children after parents. Stops where it
    /// says `false`, and says whether it did not. Takes some 50 bytes for each distinct node.
    fn visit_behind(
        &self,
        root: &NodeId,
        len: Option<u64>,
        visit: &mut dyn FnMut(&[u8; 32]) -> Result<bool, RepositoryError>,
    ) -> Result<bool, RepositoryError> {
        let mut seen = HashSet::from([*root]);
        let mut nodes = vec![(*root, len, 0)];
        while let Some((id, promised, depth)) = nodes.pop() {
            check_depth(depth)?;
            let node = self.node(&id)?;
            if let Some(promised) = promised {
                check_len(&id, &node, promised)?;
            }
            if !visit(id.as_bytes())? {
                return Ok(false);
            }
            for item in &node.items {
                match item {
                    RecipeItem::Copy { chunk, .. } if !visit(chunk.as_bytes())? => return Ok(false),
                    RecipeItem::Node { node, len } if seen.insert(*node) => nodes.push((*node, Some(*len), depth + 1)),
                    _ => {}
                }
            }
        }
        Ok(true)
    }

    /// The packs that hold everything behind a node that should stand for `len` bytes, if a new backup may rely on all of them;
    /// `None` when it stands for another count, or something is missing, damaged, condemned or quarantined.
    ///
    /// # Errors
    /// The index failed, or the storage did.
    pub fn sound_packs_behind(&self, root: &NodeId, len: u64) -> Result<Option<Vec<PackId>>, RepositoryError> {
        let view = self.repository.index().reader()?;
        let mut packs = HashSet::new();
        let visited = self.visit_behind(root, Some(len), &mut |id| {
            let location = view.locate_sound(id)?;
            packs.extend(location.map(|location| location.pack));
            Ok(location.is_some())
        });
        match visited {
            Ok(is_sound) => Ok(is_sound.then(|| packs.into_iter().collect())),
            Err(error) if error.kind() == crate::error::ErrorKind::RepositoryDamaged => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a chunk or node as it is stored, proven like any other, to be put into another repository.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk).
    pub fn record(&self, id: &[u8; 32]) -> Result<PreparedRecord, RepositoryError> {
        let found = self.repository.index().locate(id)?;
        let location = found.ok_or(RepositoryError::ChunkMissing { kind: RecordKind::Chunk, id: *id })?;
        self.stored_record(&location, id)
    }

    /// Reads a record as it is stored, proven like any other, to be put into another pack unchanged.
    pub(crate) fn stored_record(
        &self,
        location: &ChunkLocation,
        id: &[u8; 32],
    ) -> Result<PreparedRecord, RepositoryError> {
        let bytes = self.read_location(location, id)?;
        self.decoding(|decoder| self.prove(decoder, location, location.kind, id, &bytes))?;
        let (head, stored) = RecordHead::decode(&bytes).expect("prove has just decoded it");
        Ok(PreparedRecord { head, stored: Bytes::copy_from_slice(stored) })
    }

    /// As [`stored_record`](Self::stored_record), for records that lie side by side in one pack, with one request.
    pub(crate) fn stored_records(
        &self,
        run: &[([u8; 32], ChunkLocation)],
    ) -> Result<Vec<PreparedRecord>, RepositoryError> {
        let (Some((_, first)), Some((_, last))) = (run.first(), run.last()) else { return Ok(Vec::new()) };
        let start = first.record_range().start;
        let bytes = self.repository.backend.get_range(&keys::pack(&first.pack), start..last.record_range().end)?;
        self.decoding(|decoder| {
            let proven = run.iter().map(|(id, location)| {
                let record = bytes.slice((location.record_range().start - start) as usize..);
                self.prove(decoder, location, location.kind, id, &record)?;
                let (head, stored) = RecordHead::decode(&record).expect("prove has just decoded it");
                Ok(PreparedRecord { head, stored: record.slice_ref(stored) })
            });
            proven.collect()
        })
    }

    fn raw(&self, kind: RecordKind, id: &[u8; 32]) -> Result<Bytes, RepositoryError> {
        if let Some(raw) = self.cache.chunk(id) {
            return Ok(raw);
        }
        let raw = match self.raw_at(kind, id, &self.locate(kind, id)?) {
            // The pack went away while we read, as after a prune by another client: look again, once.
            Err(RepositoryError::Backend(error)) if error.is_object_missing() => {
                self.repository.catch_up()?;
                self.raw_at(kind, id, &self.locate(kind, id)?)?
            }
            Err(error @ RepositoryError::ChunkDamaged { .. }) => self.raw_elsewhere(kind, id).ok_or(error)?,
            result => result?,
        };
        if kind == RecordKind::Chunk {
            self.cache.insert(*id, Cached::Chunk(raw.clone()), raw.len());
        }
        Ok(raw)
    }

    /// Reads a record whose first place is damaged from another one. Two clients that store the same chunk at once leave two copies.
    fn raw_elsewhere(&self, kind: RecordKind, id: &[u8; 32]) -> Option<Bytes> {
        let copies = self.repository.index().copies_of(|other| other == id).ok()?.remove(id)?;
        copies.iter().find_map(|location| self.raw_at(kind, id, location).ok())
    }

    fn raw_at(&self, kind: RecordKind, id: &[u8; 32], location: &ChunkLocation) -> Result<Bytes, RepositoryError> {
        let bytes = self.read_location(location, id)?;
        self.decoding(|decoder| self.prove(decoder, location, kind, id, &bytes))
    }

    fn read_location(&self, location: &ChunkLocation, id: &[u8; 32]) -> Result<Bytes, RepositoryError> {
        let key = keys::pack(&location.pack);
        self.repository.backend.get_range(&key, location.record_range()).map_err(|error| match error.kind() {
            BackendErrorKind::Corrupt => damaged(location, id, error.into()),
            _ => error.into(),
        })
    }

    /// Finds a record; what is not there may have been stored by another client since the index was brought up to date.
    fn locate(&self, kind: RecordKind, id: &[u8; 32]) -> Result<ChunkLocation, RepositoryError> {
        self.locate_from(self.repository.index().locate(id)?, kind, id)
    }

    /// As [`locate`](Self::locate), where the index has already said `known`.
    fn locate_from(
        &self,
        known: Option<ChunkLocation>,
        kind: RecordKind,
        id: &[u8; 32],
    ) -> Result<ChunkLocation, RepositoryError> {
        let mut found = known.filter(|location| location.kind == kind);
        if found.is_none() && !self.looked_again.swap(true, Ordering::Relaxed) {
            self.repository.catch_up()?;
            found = self.repository.index().locate(id)?.filter(|location| location.kind == kind);
        }
        let location = found.ok_or(RepositoryError::ChunkMissing { kind, id: *id })?;
        // A footer can claim any length; what no chunk can have is not asked for, so it is not allocated either.
        if location.stored_len as usize > CHUNK_BYTES_MAX {
            let (raw_bytes, max) = (location.stored_len.into(), CHUNK_BYTES_MAX as u64);
            return Err(damaged(&location, id, ChunkError::ChunkTooLarge { raw_bytes, max }.into()));
        }
        Ok(location)
    }

    /// Decodes a record and compares it with what was asked for.
    fn prove(
        &self,
        decoder: &mut Decoder,
        location: &ChunkLocation,
        kind: RecordKind,
        id: &[u8; 32],
        bytes: &[u8],
    ) -> Result<Bytes, RepositoryError> {
        let damaged = |source: DamageReason| damaged(location, id, source);
        let (head, stored) = RecordHead::decode(bytes).map_err(|error| damaged(error.into()))?;
        if head.kind != kind || head.id != *id {
            return Err(damaged(DamageReason::OtherRecord { kind: head.kind, id: head.id }));
        }
        let raw = decoder
            .decode(CodecId::new(head.codec), stored, head.raw_len as usize)
            .map_err(|error| damaged(error.into()))?;
        if kind == RecordKind::Chunk && !self.hashes_chunks {
            return Ok(Bytes::from(raw));
        }
        let found = id_of(self.repository.id_key(), kind, &raw);
        match found == *id {
            true => Ok(Bytes::from(raw)),
            false => Err(damaged(DamageReason::IdWrong { found })),
        }
    }

    /// Lends a decoder.
    fn decoding<T>(
        &self,
        decode: impl FnOnce(&mut Decoder) -> Result<T, RepositoryError>,
    ) -> Result<T, RepositoryError> {
        let idle = self.decoders().pop();
        let mut decoder = idle.map_or_else(Decoder::new, Ok)?;
        let decoded = decode(&mut decoder);
        self.decoders().push(decoder);
        decoded
    }

    fn decoders(&self) -> MutexGuard<'_, Vec<Decoder>> {
        self.decoders.lock().expect("no thread panics while it holds this lock")
    }
}

impl ReadRun {
    /// Bytes that the read takes.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        range_bytes(&self.range)
    }

    /// Whether a chunk that lies behind belongs to the same request, which is not made longer than `bytes_max`.
    fn takes(&self, next: &ChunkLocation, bytes_max: u64) -> bool {
        let is_near = self.chunks.last().is_some_and(|(_, last)| last.is_near(next));
        next.pack == self.pack && is_near && next.record_range().end.saturating_sub(self.range.start) <= bytes_max
    }
}

fn range_bytes(range: &Range<u64>) -> u64 {
    range.end - range.start
}

/// Stored bytes from the first of these nodes to the last, which lie in one pack.
fn run_bytes(run: &[(NodeId, ChunkLocation)]) -> u64 {
    let ends = run.first().zip(run.last());
    ends.map_or(0, |((_, first), (_, last))| last.record_range().end - first.record_range().start)
}

/// The id of decoded bytes, in the domain of what they are.
pub(crate) fn id_of(key: &IdKey, kind: RecordKind, raw: &[u8]) -> [u8; 32] {
    match kind {
        RecordKind::Chunk => *key.chunk_id(raw).as_bytes(),
        RecordKind::Node => *key.node_id(raw).as_bytes(),
        RecordKind::RowDirectory => *key.row_directory_id(raw).as_bytes(),
    }
}

pub(crate) fn check_depth(depth: usize) -> Result<(), RepositoryError> {
    match depth < NODE_DEPTH_MAX {
        true => Ok(()),
        false => Err(RepositoryError::RecipeInvalid { reason: format!("its nodes nest deeper than {NODE_DEPTH_MAX}") }),
    }
}

pub(crate) fn check_len(id: &NodeId, node: &RecipeNode, promised: u64) -> Result<(), RepositoryError> {
    match node.len() == promised {
        true => Ok(()),
        false => Err(RepositoryError::RecipeInvalid {
            reason: format!("node {} stands for {} bytes, {promised} were promised", id.short(), node.len()),
        }),
    }
}

fn damaged(location: &ChunkLocation, id: &[u8; 32], source: DamageReason) -> RepositoryError {
    let (pack, range) = (location.pack, location.record_range());
    RepositoryError::ChunkDamaged { kind: location.kind, id: *id, pack, range, source }
}

fn decode_node(id: &NodeId, raw: &[u8]) -> Result<RecipeNode, RepositoryError> {
    RecipeNode::decode(raw)
        .map_err(|error| RepositoryError::RecipeInvalid { reason: format!("node {}: {error}", id.short()) })
}

fn is_absence(error: &BackendError) -> bool {
    error.is_object_missing() || error.kind() == BackendErrorKind::Corrupt
}
