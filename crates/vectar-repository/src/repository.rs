//! Opening and creating a repository.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use bytes::Bytes;
use vectar_backend::{
    Backend, BackendError, BackendExt, Durability, ObjectKey, PublishStrategy, PutOutcome, StorageProbe,
};
use vectar_chunk::{CutParameters, IdKey};

use crate::{
    environment::Environment,
    error::RepositoryError,
    format::{
        FORMAT_VERSION, REPOSITORY_FEATURES,
        config::{Config, NodeCut, PACK_BYTES_DEFAULT, StorageNote},
        ids::{IngestNonce, RepositoryId},
        keys,
    },
    index::{CatchUpStats, ChunkIndex},
    reserve,
};

/// The name this program signs objects with.
pub const TOOL: &str = concat!("vectar ", env!("CARGO_PKG_VERSION"));

/// Footers of packs that a running ingest adds to the index at once, in bytes: of some 20,000 chunks, which come from 500 MiB or more.
const INDEX_BATCH_BYTES: usize = 1024 * 1024;

/// Largest `config` that is read, in bytes.
const CONFIG_BYTES_MAX: u64 = 1024 * 1024;

/// What `init` may choose.
#[derive(Debug, Clone)]
pub struct InitOptions {
    /// A pack is closed once it holds this many bytes.
    pub pack_bytes: u64,
    /// Where bodies are cut.
    pub cut: CutParameters,
    /// How recipes are cut.
    pub node_cut: NodeCut,
    /// The key of all ids, in hex; a new random one without. A repository with the key of another takes over its chunks as they are.
    pub id_key: Option<String>,
    /// In how many packs each recipe node is stored: 1 or 2.
    pub metadata_copies: u32,
    /// Features that every reader and writer must know: by default [`REPOSITORY_FEATURES`]. A vectar that lacks one refuses the repository
    /// by that name, which is why a repository that exists is left as it is.
    pub required_features: Vec<String>,
    /// Whether bytes are set aside that a prune may spend when the storage is full.
    pub reserve: bool,
}

impl InitOptions {
    /// Key and cuts of another repository, so that copies between the two need no new names.
    #[must_use]
    pub fn like(repository: &Repository) -> Self {
        let config = repository.config();
        Self {
            pack_bytes: config.pack_bytes,
            cut: repository.cut_parameters().clone(),
            node_cut: config.node_cut,
            id_key: Some(config.id_key.clone()),
            ..Self::default()
        }
    }
}

impl Default for InitOptions {
    fn default() -> Self {
        Self {
            pack_bytes: PACK_BYTES_DEFAULT,
            cut: CutParameters::V2,
            node_cut: NodeCut::default(),
            id_key: None,
            metadata_copies: 1,
            required_features: REPOSITORY_FEATURES.iter().map(|feature| (*feature).to_owned()).collect(),
            reserve: true,
        }
    }
}

/// An open repository: its config is known and valid. Records can be listed; chunks need the index, see
/// [`with_index`](Self::with_index).
#[derive(Debug, Clone)]
pub struct Repository {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) environment: Arc<dyn Environment>,
    config: Arc<Config>,
    id_key: IdKey,
    cut: CutParameters,
}

impl Repository {
    /// Creates a repository on an empty backend. The config is published last and durably: it is the commit.
    ///
    /// # Errors
    /// [`RepositoryError::AlreadyARepository`] or [`RepositoryError::NotEmpty`] when there is something already,
    /// [`RepositoryError::OptionsUnusable`], and whatever the storage meets.
    pub fn init(
        backend: Arc<dyn Backend>,
        environment: Arc<dyn Environment>,
        options: &InitOptions,
    ) -> Result<(Self, StorageProbe), RepositoryError> {
        let location = backend.location();
        if let Some(object) = backend.list_all(&keys::everything()).next().transpose()? {
            return Err(match object.key == keys::config() || backend.stat(&keys::config()).is_ok() {
                true => RepositoryError::AlreadyARepository { location },
                false => RepositoryError::NotEmpty { location, object: object.key },
            });
        }
        let probe = backend.probe()?;
        let config = new_config(&*environment, options, &probe);
        config.validate().map_err(|source| RepositoryError::OptionsUnusable { source })?;
        let outcome = backend.put_if_absent(&keys::config(), &[Bytes::from(config.encode())])?;
        if outcome == PutOutcome::AlreadyExists {
            return Err(RepositoryError::AlreadyARepository { location });
        }
        backend.sync(&[keys::config()])?;
        let repository = Self::from_config(backend, environment, config)?;
        if options.reserve {
            reserve::make(&repository);
        }
        if let Err(error) = repository.log_event("init", None, format!("created repository {}", repository.id())) {
            tracing::warn!(%error, "the repository is there, but the log has no line for it");
        }
        Ok((repository, probe))
    }

    /// Opens the repository on a backend.
    ///
    /// # Errors
    /// [`RepositoryError::NotARepository`] when there is no config; [`RepositoryError::Object`] when it is damaged, or of
    /// a later format (then `kind()` is `NewerFormat`).
    pub fn open(backend: Arc<dyn Backend>, environment: Arc<dyn Environment>) -> Result<Self, RepositoryError> {
        let key = keys::config();
        let bytes = match backend.get(&key, CONFIG_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) => return Err(not_a_repository(&*backend, &key, error)),
        };
        let config = Config::decode(&bytes).map_err(|error| RepositoryError::object(&*backend, &key, error))?;
        Self::from_config(backend, environment, config)
    }

    fn from_config(
        backend: Arc<dyn Backend>,
        environment: Arc<dyn Environment>,
        config: Config,
    ) -> Result<Self, RepositoryError> {
        let invalid = |error| RepositoryError::object(&*backend, &keys::config(), error);
        let (id_key, cut) = (config.id_key().map_err(invalid)?, config.cut_parameters().map_err(invalid)?);
        Ok(Self { backend, environment, config: Arc::new(config), id_key, cut })
    }

    /// Tries out what the storage can do, as `init` did: what differs now from what `config` says is worth knowing.
    ///
    /// # Errors
    /// The storage refuses to be written.
    pub fn probe_storage(&self) -> Result<(StorageProbe, Vec<StorageChange>), RepositoryError> {
        let probe = self.backend.probe()?;
        let (then, now) = (&self.config.storage, storage_note(&probe));
        let word = |able: &bool| if *able { "yes" } else { "no" }.to_owned();
        let abilities = now.abilities.iter().map(|(name, now)| {
            let then = then.abilities.get(name).map_or_else(|| "unknown".to_owned(), word);
            StorageChange { what: name.clone(), then, now: word(now) }
        });
        let others = [
            StorageChange {
                what: "file system".to_owned(),
                then: then.file_system.clone(),
                now: now.file_system.clone(),
            },
            StorageChange { what: "durability".to_owned(), then: then.durability.clone(), now: now.durability.clone() },
            StorageChange { what: "publish".to_owned(), then: then.publish.clone(), now: now.publish.clone() },
        ];
        let changes = others.into_iter().chain(abilities).filter(|change| change.then != change.now).collect();
        Ok((probe, changes))
    }

    /// Opens the chunk index in `directory` (in memory without one) and brings it up to date.
    ///
    /// # Errors
    /// The packs cannot be listed, or no index can be made.
    pub fn with_index(&self, directory: Option<&Path>) -> Result<(IndexedRepository, CatchUpStats), RepositoryError> {
        let index = ChunkIndex::open(directory, self.id())?;
        let stats = index.catch_up(&*self.backend)?;
        let (repository, index) = (self.clone(), Arc::new(index));
        Ok((IndexedRepository { repository, index, index_batch_bytes: INDEX_BATCH_BYTES }, stats))
    }

    /// The repository's random name.
    #[must_use]
    pub fn id(&self) -> RepositoryId {
        self.config.repository_id
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The key of all ids.
    #[must_use]
    pub fn id_key(&self) -> &IdKey {
        &self.id_key
    }

    /// Where bodies are cut.
    #[must_use]
    pub fn cut_parameters(&self) -> &CutParameters {
        &self.cut
    }

    /// The storage.
    #[must_use]
    pub fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// Time, randomness and identity.
    #[must_use]
    pub fn environment(&self) -> &dyn Environment {
        &*self.environment
    }

    /// Bytes of all objects in the repository, added up, and how many there are; the reserve aside. Lists everything.
    ///
    /// # Errors
    /// The listing failed.
    pub fn stored_bytes(&self) -> Result<StoredBytes, RepositoryError> {
        let mut stored = StoredBytes::default();
        for object in self.backend.list_all(&keys::everything()) {
            let object = object?;
            if object.key != keys::reserve() {
                stored.bytes += object.meta.object_bytes;
                stored.objects += 1;
            }
        }
        Ok(stored)
    }

    pub(crate) fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.environment.fill_random(&mut bytes);
        bytes
    }

    pub(crate) fn random_suffix(&self) -> String {
        IngestNonce::from_bytes(self.random()).short()
    }
}

/// A repository whose chunks can be found: the state in which backups are made and read.
#[derive(Debug, Clone)]
pub struct IndexedRepository {
    repository: Repository,
    index: Arc<ChunkIndex>,
    index_batch_bytes: usize,
}

impl IndexedRepository {
    /// The chunk index.
    #[must_use]
    pub fn index(&self) -> &ChunkIndex {
        &self.index
    }

    /// After how many bytes of footers an ingest adds its packs to the index while it runs, instead of 1 MiB. What it keeps
    /// of new chunks in memory is some eight times as much.
    #[must_use]
    pub fn with_index_batch(self, footer_bytes: usize) -> Self {
        Self { index_batch_bytes: footer_bytes, ..self }
    }

    pub(crate) fn index_batch_bytes(&self) -> usize {
        self.index_batch_bytes
    }

    pub(crate) fn shared_index(&self) -> Arc<ChunkIndex> {
        Arc::clone(&self.index)
    }

    /// Lists packs and marks again and reads what is new.
    ///
    /// # Errors
    /// The packs cannot be listed, or redb failed.
    pub fn catch_up(&self) -> Result<CatchUpStats, RepositoryError> {
        self.index.catch_up(&*self.backend)
    }
}

impl std::ops::Deref for IndexedRepository {
    type Target = Repository;

    fn deref(&self) -> &Repository {
        &self.repository
    }
}

/// Something that the storage does otherwise than when the repository was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageChange {
    /// The ability, as in `config`.
    pub what: String,
    /// What `config` says.
    pub then: String,
    /// What was found.
    pub now: String,
}

/// What all objects of a repository take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoredBytes {
    /// Their lengths, added up.
    pub bytes: u64,
    /// Their number.
    pub objects: u64,
}

fn not_a_repository(backend: &dyn Backend, key: &ObjectKey, error: BackendError) -> RepositoryError {
    let location = backend.location();
    match error {
        BackendError::NotFound { .. } => RepositoryError::NotARepository { location, source: None },
        error @ (BackendError::RootMissing { .. } | BackendError::RootNotADirectory { .. }) => {
            RepositoryError::NotARepository { location, source: Some(error) }
        }
        BackendError::TooLong { object_bytes, bytes_max, .. } => RepositoryError::object(
            backend,
            key,
            crate::format::FormatError::invalid(
                "config",
                format_args!("it has {object_bytes} bytes, at most {bytes_max} are possible"),
            ),
        ),
        error => error.into(),
    }
}

fn new_config(environment: &dyn Environment, options: &InitOptions, probe: &StorageProbe) -> Config {
    let (mut id, mut key) = ([0; 16], [0; 32]);
    environment.fill_random(&mut id);
    environment.fill_random(&mut key);
    Config {
        format: FORMAT_VERSION,
        required_features: options.required_features.clone(),
        repository_id: RepositoryId::from_bytes(id),
        id_key: options.id_key.clone().unwrap_or_else(|| crate::format::ids::PackId::from_bytes(key).to_string()),
        encryption: "none".to_owned(),
        cut: options.cut.to_list().into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        node_cut: options.node_cut,
        pack_bytes: options.pack_bytes,
        metadata_copies: options.metadata_copies,
        created_at: environment.now(),
        created_by: TOOL.to_owned(),
        storage: storage_note(probe),
    }
}

fn storage_note(probe: &StorageProbe) -> StorageNote {
    let abilities = [
        ("rename-replaces", probe.rename_replaces),
        ("rename-no-replace", probe.rename_no_replace),
        ("hard-links", probe.hard_links),
        ("exclusive-create", probe.exclusive_create),
        ("file-sync", probe.file_sync),
        ("directory-sync", probe.directory_sync),
        ("ranged-reads", probe.ranged_reads),
        ("case-sensitive", probe.case_sensitive),
        ("listing-fresh", probe.listing_fresh),
        ("length-kept", probe.length_kept),
        ("private-modes", probe.private_modes),
    ];
    StorageNote {
        file_system: probe.file_system.clone(),
        network: probe.is_network,
        durability: durability_name(probe.durability).to_owned(),
        publish: publish_name(probe.publish_strategy).to_owned(),
        abilities: abilities.map(|(name, value)| (name.to_owned(), value)).into_iter().collect::<BTreeMap<_, _>>(),
    }
}

/// The word for a durability in `config` and in messages.
#[must_use]
pub fn durability_name(durability: Durability) -> &'static str {
    match durability {
        Durability::Full => "full",
        Durability::ContentsOnly => "contents-only",
        _ => "volatile",
    }
}

fn publish_name(strategy: Option<PublishStrategy>) -> &'static str {
    match strategy {
        Some(PublishStrategy::HardLink) => "hard-link",
        Some(PublishStrategy::RenameNoReplace) => "rename-no-replace",
        Some(PublishStrategy::Claim) => "claim",
        _ => "conditional-put",
    }
}
