//! One repository, and what the tests do with it: the only module here that knows the order of the library's calls.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use bytes::Bytes;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use vectar_backend::{Backend, BackendExt, KeyPrefix, LocalBackend, ObjectKey};
use vectar_chunk::{CodecHint, cut_all};
use vectar_repository::{
    ChunkReader, Committed, Environment, IndexedRepository, Ingest, InitOptions, NodeSink, NodeWriter, Preparer,
    RecipeWalker, RecordDraft, Repository, RepositoryError, SeededEnvironment, Stored,
    format::{
        frame::{self, FrameKind},
        ids::{IngestNonce, PackId},
        ingest_marks::Void,
        keys,
        node::RecipeItem,
        pack::{FooterEntry, PACK_HEADER_BYTES, PackFooter, PackHeader, PackKind, RecordHead, RecordKind},
        record::{BackupRecord, Space, Subject},
    },
};
use vectar_testkit::backend::{
    FailingBackend, MemoryBackend, ObjectStoreBackend, ObjectStoreOptions, RecordingBackend,
};

/// Small packs, so that a few hundred kilobytes fill several.
pub(crate) fn init_options() -> InitOptions {
    InitOptions { pack_bytes: 64 * 1024, reserve: false, ..InitOptions::default() }
}

/// The world as one process sees it. Processes have different seeds, or their "random" names would recur; one with a higher seed
/// runs later.
pub(crate) fn process(seed: u64) -> Arc<SeededEnvironment> {
    let start = 1_700_000_000 + 1000 * i64::try_from(seed).unwrap();
    Arc::new(SeededEnvironment::new(seed, Timestamp::from_second(start).unwrap()))
}

/// Makes a repository.
pub(crate) fn init(backend: Arc<dyn Backend>) -> Repository {
    Repository::init(backend, process(1), &init_options()).unwrap().0
}

/// Opens it as the process with this seed, with an index of its own in memory. Each pack of an ingest goes into the index by itself while the
/// ingest runs, so that whatever a test lets happen meets packs in the index that are not durable and that no backup needs.
pub(crate) fn open(backend: Arc<dyn Backend>, seed: u64) -> Result<IndexedRepository, RepositoryError> {
    let repository = Repository::open(backend, process(seed))?;
    Ok(repository.with_index(None)?.0.with_index_batch(0))
}

/// A storage in memory with a repository and one durable backup of [`first_bytes`].
pub(crate) fn with_one_backup() -> MemoryBackend {
    let memory = MemoryBackend::new();
    init(Arc::new(memory.another_process()));
    store(&open(Arc::new(memory.another_process()), 2).unwrap(), "first", &first_bytes()).unwrap();
    memory
}

/// Bytes that do not shrink and are a function of `seed`.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// What the first backup of a test holds: some packs of noise, and a long run of zeros.
pub(crate) fn first_bytes() -> Vec<u8> {
    [noise(1, 200_000), vec![0; 300_000]].concat()
}

/// What the second one holds: half of it is in the first.
pub(crate) fn second_bytes() -> Vec<u8> {
    [noise(2, 120_000), first_bytes()].concat()
}

/// Stores bytes as a backup called `name`.
pub(crate) fn store(repository: &IndexedRepository, name: &str, bytes: &[u8]) -> Result<Committed, RepositoryError> {
    let mut ingest = Ingest::begin(repository, 1)?;
    let (root, covered) = lay(repository, &mut ingest, bytes)?;
    ingest.commit(root, covered, draft(name, bytes))
}

/// Puts bytes into the packs of an ingest and returns the recipe's root, and what it covers.
pub(crate) fn lay(
    repository: &IndexedRepository,
    ingest: &mut Ingest<'_>,
    bytes: &[u8],
) -> Result<(vectar_chunk::NodeId, u64), RepositoryError> {
    let mut preparer = Preparer::new(1)?;
    let mut recipe = NodeWriter::new(repository.config().node_cut);
    for range in cut_all(&repository.cut_parameters().rebuilt_rule(), bytes) {
        let chunk = &bytes[range];
        let item = match vectar_chunk::fill_byte(chunk) {
            Some(byte) => RecipeItem::Fill { byte, len: chunk.len() as u64 },
            None => {
                let id = repository.id_key().chunk_id(chunk);
                if ingest.rely_on(&id)? == Stored::New {
                    ingest.add(preparer.chunk(&id, chunk, 0, CodecHint::Structured)?)?;
                }
                RecipeItem::Copy { chunk: id, start: 0, len: chunk.len() as u32 }
            }
        };
        recipe.push(item, ingest)?;
    }
    let covered = recipe.len();
    Ok((recipe.finish_root(ingest as &mut dyn NodeSink)?, covered))
}

/// What is said of a backup that a test stores.
pub(crate) fn draft(name: &str, bytes: &[u8]) -> RecordDraft {
    RecordDraft {
        subject: Subject { name: name.to_owned(), kind: "unknown".to_owned(), ..Subject::default() },
        bytes: bytes.len() as u64,
        sha256: Some(sha256(bytes)),
        damaged: None,
        tags: Vec::new(),
        note: None,
        space: Space::default(),
    }
}

/// Stores a backup that refers to these ranges of these chunks, end to end.
pub(crate) fn store_parts(
    repository: &IndexedRepository,
    name: &str,
    parts: &[(&[u8], Range<usize>)],
) -> Result<BackupRecord, RepositoryError> {
    let mut ingest = Ingest::begin(repository, 1)?;
    let mut preparer = Preparer::new(1)?;
    let mut recipe = NodeWriter::new(repository.config().node_cut);
    let mut bytes = Vec::new();
    for (chunk, range) in parts {
        let id = repository.id_key().chunk_id(chunk);
        ingest.add(preparer.chunk(&id, chunk, 0, CodecHint::Unknown)?)?;
        let (start, len) = (range.start as u32, range.len() as u32);
        recipe.push(RecipeItem::Copy { chunk: id, start, len }, &mut ingest)?;
        bytes.extend_from_slice(&chunk[range.clone()]);
    }
    let (covered, root) = (recipe.len(), recipe.finish_root(&mut ingest)?);
    Ok(ingest.commit(root, covered, draft(name, &bytes))?.record)
}

/// Takes the name of a record, as prune does with that of an ingest that it takes for dead.
pub(crate) fn publish_void(memory: &MemoryBackend, key: &ObjectKey, nonce: IngestNonce) {
    let void = Void { nonce, at: Timestamp::UNIX_EPOCH, client: process(1).client() };
    overwrite(memory, key, frame::encode(FrameKind::Void, &void));
}

/// Rebuilds a backup into memory, proven chunk by chunk.
pub(crate) fn rebuilt(repository: &IndexedRepository, record: &BackupRecord) -> Result<Vec<u8>, RepositoryError> {
    let reader = ChunkReader::new(repository, 1 << 20);
    let mut bytes = Vec::new();
    for placed in RecipeWalker::new(&reader, &record.root, record.bytes, 0)? {
        let placed = placed?;
        assert_eq!(placed.offset, bytes.len() as u64, "extents lie end to end");
        match placed.extent {
            RecipeItem::Inline(literal) => bytes.extend(literal),
            RecipeItem::Fill { byte, len } => bytes.resize(bytes.len() + len as usize, byte),
            RecipeItem::Copy { chunk, start, len } => {
                bytes.extend_from_slice(&reader.chunk(&chunk)?[start as usize..(start + len) as usize]);
            }
            RecipeItem::Node { .. } => panic!("a walk enters nodes"),
        }
    }
    Ok(bytes)
}

/// Asserts that exactly the backups `names` are listed and that each comes back with the digest in its record.
pub(crate) fn assert_backups(repository: &IndexedRepository, names: &[&str], label: &str) {
    let list = repository.records().unwrap();
    assert!(list.unreadable.is_empty(), "{label}: {:?}", list.unreadable);
    let mut found: Vec<&str> = list.backups.iter().map(|record| record.subject.name.as_str()).collect();
    found.sort_unstable();
    assert_eq!(found, names, "{label}");
    for record in &list.backups {
        let bytes = rebuilt(repository, record).unwrap_or_else(|error| panic!("{label}: {error}"));
        assert_eq!(Some(sha256(&bytes)), record.sha256, "{label}: {}", record.subject.name);
    }
}

/// Asserts that the backups are there for a process that begins now, and that it can store one more. `seed` is its own.
pub(crate) fn assert_sound(memory: &MemoryBackend, names: &[&str], seed: u64, label: &str) {
    let next = open(Arc::new(memory.another_process()), seed).unwrap_or_else(|error| panic!("{label}: {error}"));
    assert_backups(&next, names, label);
    let bytes = second_bytes();
    let committed = store(&next, "next", &bytes).unwrap_or_else(|error| panic!("{label}: the next ingest: {error}"));
    let fresh = open(Arc::new(memory.another_process()), seed + 1_000_000).unwrap();
    assert!(rebuilt(&fresh, &committed.record).unwrap() == bytes, "{label}: the next backup comes back");
}

/// Names of the backups that a process would list now, sorted.
pub(crate) fn names(backend: Arc<dyn Backend>) -> Vec<String> {
    let list = Repository::open(backend, process(99)).unwrap().records().unwrap();
    let mut names: Vec<String> = list.backups.into_iter().map(|record| record.subject.name).collect();
    names.sort();
    names
}

/// All keys below a prefix of the layout, such as `packs`.
pub(crate) fn keys_below(backend: &dyn Backend, prefix: &str) -> Vec<ObjectKey> {
    let prefix = KeyPrefix::parse(prefix).unwrap();
    backend.list_all(&prefix).map(|object| object.unwrap().key).collect()
}

/// All packs that are there.
pub(crate) fn packs(backend: &dyn Backend) -> BTreeSet<PackId> {
    keys_below(backend, "packs").iter().map(|key| keys::pack_id_of(key).unwrap()).collect()
}

/// The packs that a process which opens the repository now finds behind a record.
pub(crate) fn packs_behind(backend: Arc<dyn Backend>, record: &BackupRecord) -> BTreeSet<PackId> {
    let repository = open(backend, 98).unwrap();
    let reader = ChunkReader::new(&repository, 1 << 20);
    let ids = reader.ids_behind(&record.root).unwrap();
    ids.iter().map(|id| repository.index().locate(id).unwrap().unwrap().pack).collect()
}

/// Replaces an object, whatever it is.
pub(crate) fn overwrite(backend: &dyn Backend, key: &ObjectKey, bytes: impl Into<Bytes>) {
    backend.put(key, &[bytes.into()]).unwrap();
    backend.sync(std::slice::from_ref(key)).unwrap();
}

/// Reads an object whole.
pub(crate) fn object(backend: &dyn Backend, key: &ObjectKey) -> Bytes {
    backend.get(key, u64::MAX).unwrap()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs a test on an empty storage of every kind.
pub(crate) fn on_every_backend(test: impl Fn(&str, Arc<dyn Backend>)) {
    let folder: TempDir = tempfile::tempdir().unwrap();
    let memory = MemoryBackend::new;
    let kinds: [(&str, Arc<dyn Backend>); 5] = [
        ("memory", Arc::new(memory())),
        ("object store", Arc::new(ObjectStoreBackend::new(ObjectStoreOptions::default()))),
        ("local", Arc::new(LocalBackend::create(folder.path().join("repository")).unwrap())),
        ("recording", Arc::new(RecordingBackend::new(memory()))),
        ("failing, but not yet", Arc::new(FailingBackend::counting(memory()))),
    ];
    for (kind, backend) in kinds {
        test(kind, backend);
    }
}

/// Publishes a pack with one record, which may be anything: kind, codec, id, stored bytes and declared length.
pub(crate) fn publish_pack(
    memory: &MemoryBackend,
    repository: &Repository,
    record: (RecordKind, u8, [u8; 32], &[u8], u32),
) {
    let (kind, codec, id, stored, raw_len) = record;
    let head = RecordHead { kind, codec, label: 200, stored_len: stored.len() as u32, raw_len, id };
    let header = PackHeader {
        kind: PackKind::Data,
        repository: repository.id(),
        nonce: IngestNonce::from_bytes([9; 16]),
        counter: 0,
    };
    let footer = PackFooter { entries: vec![FooterEntry { head, offset: PACK_HEADER_BYTES as u32 }], bodies: vec![] };
    let mut bytes = [header.encode(), head.encode(stored), stored.to_vec()].concat();
    bytes.extend(footer.encode(bytes.len() as u64));
    let id = PackId::from_bytes(*blake3::hash(&bytes).as_bytes());
    overwrite(memory, &keys::pack(&id), bytes);
}
