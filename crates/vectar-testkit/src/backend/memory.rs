//! Objects in memory, with a power switch.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use vectar_backend::{
    Backend, BackendError, CleanStats, Durability, KeyPrefix, ListPage, ObjectKey, ObjectMeta, ObjectSuffix,
    ObjectWriter, PutOutcome, StorageProbe,
};

use super::object_map::{ObjectMap, StoredObject, joined};

/// Objects in memory, as strict as a storage may be.
///
/// What [`Backend::sync`] did not cover is lost in a [`power_failure`](Self::power_failure): a real directory would often have
/// kept it, but a test must not count on that. Every value is a *process* with debts of its own:
/// [`another_process`](Self::another_process) sees the same objects, but its `sync` makes durable only what it wrote or names.
///
/// Time stands still until [`set_now`](Self::set_now), beginning with the Unix epoch.
#[derive(Debug)]
pub struct MemoryBackend {
    storage: Arc<Mutex<Storage>>,
    /// Keys that this process changed since its last barrier.
    owed: Arc<Mutex<BTreeSet<ObjectKey>>>,
}

#[derive(Debug)]
struct Storage {
    visible: ObjectMap,
    durable: ObjectMap,
    now: SystemTime,
}

impl MemoryBackend {
    /// Returns a storage without objects.
    pub fn new() -> Self {
        let empty = ObjectMap::new("memory");
        let storage = Storage { visible: empty.clone(), durable: empty, now: SystemTime::UNIX_EPOCH };
        Self { storage: Arc::new(Mutex::new(storage)), owed: Arc::default() }
    }

    /// Returns a backend on the same objects that owes nothing yet, as another process would have.
    pub fn another_process(&self) -> Self {
        Self { storage: Arc::clone(&self.storage), owed: Arc::default() }
    }

    /// Puts the objects back to what was durable: unsynced puts are gone, unsynced deletes undone. Writers that were begun
    /// before can still publish; drop them.
    pub fn power_failure(&self) {
        let mut storage = lock(&self.storage);
        storage.visible = storage.durable.clone();
        lock(&self.owed).clear();
    }

    /// As [`power_failure`](Self::power_failure), but of each unsynced change `is_kept` decides whether it reached the disk: a real
    /// storage keeps any of them, in any combination.
    pub fn power_failure_keeping(&self, mut is_kept: impl FnMut(&ObjectKey) -> bool) {
        let mut storage = lock(&self.storage);
        let Storage { visible, durable, .. } = &mut *storage;
        let changed: BTreeSet<ObjectKey> = visible
            .objects
            .iter()
            .filter(|(key, object)| durable.objects.get(*key).is_none_or(|durable| durable.bytes != object.bytes))
            .map(|(key, _)| key)
            .chain(durable.objects.keys().filter(|key| !visible.objects.contains_key(*key)))
            .cloned()
            .collect();
        for key in changed {
            if is_kept(&key) {
                storage.make_durable(&key);
            }
        }
        storage.visible = storage.durable.clone();
        lock(&self.owed).clear();
    }

    /// Returns a storage of its own with the same objects, visible and durable ones, that owes nothing.
    pub fn fork(&self) -> Self {
        let storage = lock(&self.storage);
        let Storage { visible, durable, now } = &*storage;
        let storage = Storage { visible: visible.clone(), durable: durable.clone(), now: *now };
        Self { storage: Arc::new(Mutex::new(storage)), owed: Arc::default() }
    }

    /// Sets the time that objects get from now on.
    pub fn set_now(&self, now: SystemTime) {
        lock(&self.storage).now = now;
    }

    /// Returns all keys in order.
    pub fn keys(&self) -> Vec<ObjectKey> {
        lock(&self.storage).visible.objects.keys().cloned().collect()
    }

    fn owe(&self, key: &ObjectKey) {
        lock(&self.owed).insert(key.clone());
    }
}

impl Default for MemoryBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl Storage {
    fn stored(&self, bytes: Bytes) -> StoredObject {
        StoredObject { bytes, modified: self.now }
    }

    fn make_durable(&mut self, key: &ObjectKey) {
        match self.visible.objects.get(key) {
            Some(object) => self.durable.objects.insert(key.clone(), object.clone()),
            None => self.durable.objects.remove(key),
        };
    }
}

impl Backend for MemoryBackend {
    fn location(&self) -> String {
        lock(&self.storage).visible.location.clone()
    }

    fn get(&self, key: &ObjectKey, bytes_max: u64) -> Result<Bytes, BackendError> {
        lock(&self.storage).visible.whole(key, bytes_max)
    }

    fn get_range(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, BackendError> {
        lock(&self.storage).visible.range(key, range)
    }

    fn get_suffix(&self, key: &ObjectKey, suffix_bytes: u64) -> Result<ObjectSuffix, BackendError> {
        lock(&self.storage).visible.suffix(key, suffix_bytes)
    }

    fn stat(&self, key: &ObjectKey) -> Result<ObjectMeta, BackendError> {
        lock(&self.storage).visible.meta(key)
    }

    fn put(&self, key: &ObjectKey, parts: &[Bytes]) -> Result<(), BackendError> {
        let mut storage = lock(&self.storage);
        let object = storage.stored(joined(parts));
        storage.visible.objects.insert(key.clone(), object);
        self.owe(key);
        Ok(())
    }

    fn begin(&self) -> Result<Box<dyn ObjectWriter>, BackendError> {
        let process = Self { storage: Arc::clone(&self.storage), owed: Arc::clone(&self.owed) };
        Ok(Box::new(MemoryWriter { process, bytes: Vec::new() }))
    }

    fn list(
        &self,
        prefix: &KeyPrefix,
        after: Option<&ObjectKey>,
        page_objects_max: NonZeroUsize,
    ) -> Result<ListPage, BackendError> {
        Ok(lock(&self.storage).visible.page(prefix, after, page_objects_max.get()))
    }

    fn delete(&self, key: &ObjectKey) -> Result<(), BackendError> {
        lock(&self.storage).visible.objects.remove(key);
        self.owe(key);
        Ok(())
    }

    fn sync(&self, keys: &[ObjectKey]) -> Result<(), BackendError> {
        let mut storage = lock(&self.storage);
        for key in keys {
            storage.visible.object(key)?;
        }
        let owed = std::mem::take(&mut *lock(&self.owed));
        for key in owed.iter().chain(keys) {
            storage.make_durable(key);
        }
        Ok(())
    }

    fn durability(&self) -> Durability {
        Durability::Volatile
    }

    fn free_space(&self) -> Result<Option<u64>, BackendError> {
        Ok(None)
    }

    fn probe(&self) -> Result<StorageProbe, BackendError> {
        Ok(memory_probe("memory", false, Durability::Volatile))
    }

    fn clean_unfinished(&self, _older_than: Duration) -> Result<CleanStats, BackendError> {
        Ok(CleanStats::default())
    }
}

#[derive(Debug)]
struct MemoryWriter {
    process: MemoryBackend,
    bytes: Vec<u8>,
}

impl ObjectWriter for MemoryWriter {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BackendError> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn written_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn publish(self: Box<Self>, key: &ObjectKey) -> Result<PutOutcome, BackendError> {
        let Self { process, bytes } = *self;
        let mut storage = lock(&process.storage);
        let object = storage.stored(bytes.into());
        let outcome = storage.visible.insert_if_absent(key, object);
        if outcome == PutOutcome::Created {
            process.owe(key);
        }
        Ok(outcome)
    }
}

/// Describes a storage that can do everything because it is only a map.
pub(super) fn memory_probe(file_system: &str, is_network: bool, durability: Durability) -> StorageProbe {
    StorageProbe {
        file_system: file_system.to_owned(),
        is_network,
        on_root_device: None,
        rename_replaces: false,
        rename_no_replace: false,
        hard_links: false,
        exclusive_create: true,
        file_sync: durability == Durability::Full,
        directory_sync: durability == Durability::Full,
        ranged_reads: true,
        case_sensitive: true,
        listing_fresh: true,
        length_kept: true,
        private_modes: true,
        free_bytes: None,
        publish_strategy: None,
        durability,
    }
}

/// A test that panicked elsewhere has failed already; the map is whole between any two statements.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ObjectKey {
        ObjectKey::parse(text).unwrap()
    }

    fn put(backend: &MemoryBackend, text: &str) {
        assert_eq!(backend.put_if_absent(&key(text), &[Bytes::from_static(b"x")]).unwrap(), PutOutcome::Created);
    }

    #[test]
    fn power_failure_takes_what_was_not_synced() {
        let backend = MemoryBackend::new();
        put(&backend, "a");
        put(&backend, "b");
        backend.sync(&[]).unwrap();
        put(&backend, "c");
        backend.delete(&key("a")).unwrap();
        backend.power_failure();
        assert_eq!(backend.keys(), [key("a"), key("b")]);
    }

    #[test]
    fn sync_covers_foreign_objects_only_if_named() {
        let ours = MemoryBackend::new();
        let theirs = ours.another_process();
        put(&theirs, "named");
        put(&theirs, "unnamed");
        put(&ours, "own");
        ours.sync(&[key("named")]).unwrap();
        ours.power_failure();
        assert_eq!(ours.keys(), [key("named"), key("own")]);
    }
}
