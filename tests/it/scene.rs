//! One repository on disk, and what the scenarios do with it.

use std::{
    collections::BTreeMap,
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use vectar::{
    BackupRecord, CancelToken, Committed, Engine, EngineOptions, Error, IngestOptions, IngestOutcome, InitOptions,
    Rebuilt, Repository, Silent, Source, Target,
};
use vectar_testkit::fixtures::{FixtureSnapshot, shared_snapshots, snapshots};

/// A repository on the local file system, and a folder beside it for snapshots.
pub(crate) struct Scene {
    folder: TempDir,
    pub(crate) repository: Repository,
    pub(crate) engine: Engine,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with_threads(2)
    }

    pub(crate) fn with_threads(threads: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (repository, _) = vectar::init(&folder.path().join("repository"), &InitOptions::default()).unwrap();
        let engine =
            Engine::open(&repository, &EngineOptions { threads, index_directory: None, ..EngineOptions::default() })
                .unwrap();
        fs::create_dir(folder.path().join("files")).unwrap();
        Self { folder, repository, engine }
    }

    /// The folder of the repository.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    /// A path for a file that is no part of the repository.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("files").join(name)
    }

    /// Writes such a file.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A second engine on the same repository, as another process would open it.
    pub(crate) fn another_engine(&self) -> Engine {
        let repository = vectar::open(&self.root(), None).unwrap();
        Engine::open(&repository, &EngineOptions { threads: 2, index_directory: None, ..EngineOptions::default() })
            .unwrap()
    }

    pub(crate) fn records(&self) -> Vec<BackupRecord> {
        let list = self.repository.records().unwrap();
        assert!(list.unreadable.is_empty(), "{:?}", list.unreadable);
        list.backups
    }

    pub(crate) fn try_ingest(&self, source: Source, options: &IngestOptions) -> Result<IngestOutcome, Error> {
        let known = self.records();
        vectar::ingest(&self.engine, source, options, &known, &Silent, &CancelToken::default())
    }

    /// Stores a file that is not stored yet.
    pub(crate) fn ingest(&self, path: &Path) -> Committed {
        self.ingest_with(Source::file(path).unwrap(), &IngestOptions::default())
    }

    pub(crate) fn ingest_with(&self, source: Source, options: &IngestOptions) -> Committed {
        stored(self.try_ingest(source, options).unwrap())
    }

    /// Stores bytes that come as a stream.
    pub(crate) fn ingest_stream(&self, name: &str, bytes: Vec<u8>, options: &IngestOptions) -> Committed {
        self.ingest_with(stream(name, bytes), options)
    }

    /// Rebuilds a backup into memory.
    pub(crate) fn rebuilt(&self, record: &BackupRecord) -> Vec<u8> {
        rebuilt_by(&self.engine, record).unwrap().1
    }

    /// The same, of a record whose digest is none of its bytes.
    pub(crate) fn rebuilt_whatever_its_digest(&self, record: &BackupRecord) -> Vec<u8> {
        let mut bytes = Collected(Vec::new());
        match vectar::rebuild(&self.engine, record, &mut bytes, &Silent, &CancelToken::default()) {
            Ok(_) | Err(Error::RebuiltWrong { .. }) => bytes.0,
            Err(error) => panic!("{error}"),
        }
    }

    /// Asserts that a backup comes back as `expected`, with its length and digest in the record.
    pub(crate) fn assert_comes_back(&self, record: &BackupRecord, expected: &[u8]) {
        assert_eq!(record.bytes, expected.len() as u64);
        assert_eq!(record.sha256, Some(sha256(expected)));
        let found = self.rebuilt(record);
        assert!(found == expected, "{}: {}", record.subject.name, first_difference(&found, expected));
    }

    /// Every object of the repository with its length, as the file system shows them; leftovers in `tmp/` included.
    pub(crate) fn objects(&self) -> BTreeMap<String, u64> {
        let mut objects = BTreeMap::new();
        collect(&self.root(), &self.root(), &mut objects);
        objects
    }

    /// The same without packs and the log: what an ingest that fails must not have touched.
    pub(crate) fn objects_but_packs(&self) -> BTreeMap<String, u64> {
        let mut objects = self.objects();
        objects.retain(|key, _| !key.starts_with("packs/"));
        objects
    }

    /// The lengths of all objects, added up.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.objects().values().sum()
    }
}

fn collect(root: &Path, folder: &Path, objects: &mut BTreeMap<String, u64>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            collect(root, &entry.path(), objects);
        } else {
            let key = entry.path().strip_prefix(root).unwrap().to_string_lossy().into_owned();
            objects.insert(key, entry.metadata().unwrap().len());
        }
    }
}

/// The bytes of a stream that can be read once.
pub(crate) fn stream(name: &str, bytes: Vec<u8>) -> Source {
    Source::Stream { reader: Box::new(Cursor::new(bytes)), name: name.to_owned(), origin: PathBuf::from("-") }
}

/// What was committed; anything else is a failure of the test.
pub(crate) fn stored(outcome: IngestOutcome) -> Committed {
    match outcome {
        IngestOutcome::Stored(committed) => *committed,
        other => panic!("expected a new backup, found {other:?}"),
    }
}

/// Rebuilds a backup into memory with any engine.
pub(crate) fn rebuilt_by(engine: &Engine, record: &BackupRecord) -> Result<(Rebuilt, Vec<u8>), Error> {
    let mut bytes = Collected(Vec::new());
    let rebuilt = vectar::rebuild(engine, record, &mut bytes, &Silent, &CancelToken::default())?;
    Ok((rebuilt, bytes.0))
}

struct Collected(Vec<u8>);

impl Target for Collected {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where two byte strings part, for messages that can be read.
pub(crate) fn first_difference(found: &[u8], expected: &[u8]) -> String {
    let at = found.iter().zip(expected).position(|(found, expected)| found != expected);
    format!("{} bytes, expected {}; they first differ at {at:?}", found.len(), expected.len())
}

/// The committed fixtures and, where they are, the larger series.
pub(crate) fn every_snapshot() -> Vec<FixtureSnapshot> {
    let mut all = snapshots();
    all.extend(shared_snapshots().unwrap_or_default());
    all
}

/// One committed fixture.
pub(crate) fn fixture(series: &str, name: &str) -> FixtureSnapshot {
    let found = snapshots().into_iter().find(|snapshot| snapshot.series == series && snapshot.name == name);
    found.unwrap_or_else(|| panic!("the fixtures hold no {series}/{name}"))
}
