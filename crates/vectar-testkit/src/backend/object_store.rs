//! An object store in memory: conditional put, ranged get, paged listing, and nothing else.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use vectar_backend::{
    Backend, BackendError, CleanStats, Durability, KeyPrefix, ListPage, ObjectKey, ObjectMeta, ObjectSuffix,
    ObjectWriter, PutOutcome, StorageProbe,
};

use super::memory::{lock, memory_probe};
use super::object_map::{ObjectMap, StoredObject, joined};

/// How the store behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectStoreOptions {
    /// How long every request takes, beginning with the default of zero. Slept, so keep it short.
    pub latency: Duration,
    /// The longest page of a listing, whatever the caller asks for. The default, 7, makes every walk turn pages.
    pub page_objects_max: NonZeroUsize,
}

impl Default for ObjectStoreOptions {
    fn default() -> Self {
        Self { latency: Duration::ZERO, page_objects_max: NonZeroUsize::new(7).expect("seven is not zero") }
    }
}

/// An object store without rename: an object is uploaded whole by one request, which is also what makes it durable.
///
/// Differs from [`MemoryBackend`](super::MemoryBackend) where stores differ from disks: pages are shorter than asked for,
/// `sync` sends a request for each named object and none for its own, keys may be prefixes of other keys, and every request costs
/// [`latency`](ObjectStoreOptions::latency).
#[derive(Debug, Clone)]
pub struct ObjectStoreBackend {
    options: ObjectStoreOptions,
    objects: Arc<Mutex<ObjectMap>>,
}

impl ObjectStoreBackend {
    /// Returns an empty store.
    pub fn new(options: ObjectStoreOptions) -> Self {
        Self { options, objects: Arc::new(Mutex::new(ObjectMap::new("object-store"))) }
    }

    /// Sends a request: waits, then lets `serve` at the objects.
    fn request<T>(&self, serve: impl FnOnce(&mut ObjectMap) -> T) -> T {
        if !self.options.latency.is_zero() {
            thread::sleep(self.options.latency);
        }
        serve(&mut lock(&self.objects))
    }
}

fn stored(bytes: Bytes) -> StoredObject {
    StoredObject { bytes, modified: SystemTime::UNIX_EPOCH }
}

impl Backend for ObjectStoreBackend {
    fn location(&self) -> String {
        lock(&self.objects).location.clone()
    }

    fn get(&self, key: &ObjectKey, bytes_max: u64) -> Result<Bytes, BackendError> {
        self.request(|objects| objects.whole(key, bytes_max))
    }

    fn get_range(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, BackendError> {
        self.request(|objects| objects.range(key, range))
    }

    fn get_suffix(&self, key: &ObjectKey, suffix_bytes: u64) -> Result<ObjectSuffix, BackendError> {
        self.request(|objects| objects.suffix(key, suffix_bytes))
    }

    fn stat(&self, key: &ObjectKey) -> Result<ObjectMeta, BackendError> {
        self.request(|objects| objects.meta(key))
    }

    fn put_if_absent(&self, key: &ObjectKey, parts: &[Bytes]) -> Result<PutOutcome, BackendError> {
        Ok(self.request(|objects| objects.insert_if_absent(key, stored(joined(parts)))))
    }

    fn put(&self, key: &ObjectKey, parts: &[Bytes]) -> Result<(), BackendError> {
        self.request(|objects| objects.objects.insert(key.clone(), stored(joined(parts))));
        Ok(())
    }

    fn begin(&self) -> Result<Box<dyn ObjectWriter>, BackendError> {
        Ok(Box::new(UploadWriter { store: self.clone(), bytes: Vec::new() }))
    }

    fn list(
        &self,
        prefix: &KeyPrefix,
        after: Option<&ObjectKey>,
        page_objects_max: NonZeroUsize,
    ) -> Result<ListPage, BackendError> {
        let page_objects_max = page_objects_max.min(self.options.page_objects_max);
        Ok(self.request(|objects| objects.page(prefix, after, page_objects_max.get())))
    }

    fn delete(&self, key: &ObjectKey) -> Result<(), BackendError> {
        self.request(|objects| objects.objects.remove(key));
        Ok(())
    }

    fn sync(&self, keys: &[ObjectKey]) -> Result<(), BackendError> {
        for key in keys {
            self.stat(key)?;
        }
        Ok(())
    }

    fn durability(&self) -> Durability {
        Durability::Full
    }

    fn free_space(&self) -> Result<Option<u64>, BackendError> {
        Ok(None)
    }

    fn probe(&self) -> Result<StorageProbe, BackendError> {
        Ok(memory_probe("object store", true, Durability::Full))
    }

    fn clean_unfinished(&self, _older_than: Duration) -> Result<CleanStats, BackendError> {
        Ok(CleanStats::default())
    }
}

/// Collects the object and uploads it with one conditional request.
#[derive(Debug)]
struct UploadWriter {
    store: ObjectStoreBackend,
    bytes: Vec<u8>,
}

impl ObjectWriter for UploadWriter {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BackendError> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn written_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn publish(self: Box<Self>, key: &ObjectKey) -> Result<PutOutcome, BackendError> {
        self.store.put_if_absent(key, &[Bytes::from(self.bytes)])
    }
}
