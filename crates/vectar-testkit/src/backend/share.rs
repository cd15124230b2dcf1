//! A share as SMB and NFS servers give it: listings out of a cache, a refused sync, objects that lose their end.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use vectar_backend::{
    Backend, BackendError, BackendExt, CleanStats, Durability, KeyPrefix, ListPage, ListedObject, ObjectKey,
    ObjectMeta, ObjectSuffix, ObjectWriter, PutOutcome, StorageProbe,
};

use super::memory::lock;

/// What is wrong with a share. The default is a share without a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareOptions {
    /// What is chance follows from this.
    pub seed: u64,
    /// How many operations (changes and listings of all clients) a listing may lag behind, each directory by itself. Until then what
    /// another client published is not shown, and what it deleted still is. A client's own changes show at once.
    pub lag_max: u64,
    /// Of the objects that another client published within the lag, one in so many is not found when it is looked at first; 0: none.
    pub missed_once_in: u64,
    /// Of the objects below [`short_below`](Self::short_below), one in so many loses its end; 0: none.
    pub short_once_in: u64,
    /// Where objects may lose their end.
    pub short_below: KeyPrefix,
    /// When they do.
    pub shortening: Shortening,
    /// What a sync makes durable. Anything but [`Durability::Full`] is refused to the storage behind, and told as a local
    /// file system tells it: once it was tried.
    pub durability: Durability,
}

impl Default for ShareOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            lag_max: 0,
            missed_once_in: 0,
            short_once_in: 0,
            short_below: KeyPrefix::everything(),
            shortening: Shortening::AtOnce,
            durability: Durability::Full,
        }
    }
}

/// When an object that loses its end does so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortening {
    /// When it is published: whoever looks at it, sees it.
    AtOnce,
    /// When the server restarts, at [`ShareBackend::settle`]: until then everybody sees it whole.
    Later,
}

/// One client of a share.
///
/// Put-if-absent, reads of old objects and deletes are the server's and exact; what a client's caches answer is not.
/// The same calls in the same order meet the same faults.
#[derive(Debug)]
pub struct ShareBackend<B> {
    inner: B,
    share: Arc<Share>,
    /// Number of the client.
    client: u64,
    cache: Mutex<Cache>,
}

#[derive(Debug)]
struct Share {
    options: ShareOptions,
    state: Mutex<ShareState>,
}

#[derive(Debug, Default)]
struct ShareState {
    clients: u64,
    /// Counts changes and listings.
    operations: u64,
    /// The last change of each key, as long as a cache may not know of it.
    changes: BTreeMap<ObjectKey, Change>,
    /// Objects that will lose their end, with the bytes that stay.
    to_shorten: Vec<(ObjectKey, usize)>,
    /// Objects that have lost it.
    shortened: Vec<ObjectKey>,
    sync_refused: bool,
}

#[derive(Debug)]
struct Change {
    at: u64,
    client: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    Published,
    Deleted(ListedObject),
}

/// What a client believes.
#[derive(Debug, Default)]
struct Cache {
    /// Up to which operation each directory is known. It only moves forward.
    seen: HashMap<String, u64>,
    /// Listings so far.
    listings: u64,
    /// Objects that were looked at while they were fresh.
    looked_at: HashSet<ObjectKey>,
}

impl Share {
    /// A number that follows from the seed and these words.
    fn draw(&self, what: &str, client: u64, name: &str, count: u64) -> u64 {
        let mut hasher = Sha256::new();
        hasher.update([self.options.seed, client, count].map(u64::to_le_bytes).concat());
        hasher.update(format!("{what}/{name}"));
        u64::from_le_bytes(hasher.finalize()[..8].try_into().expect("a SHA-256 has more than eight bytes"))
    }

    fn is_one_in(&self, times: u64, what: &str, client: u64, key: &ObjectKey) -> bool {
        times > 0 && self.draw(what, client, key.as_str(), 0).is_multiple_of(times)
    }

    /// How many bytes of a new object stay, if it loses its end.
    fn kept_bytes(&self, key: &ObjectKey, len: usize) -> Option<usize> {
        let options = &self.options;
        let loses =
            len > 0 && options.short_below.covers(key) && self.is_one_in(options.short_once_in, "short", 0, key);
        loses.then(|| (self.draw("kept", 0, key.as_str(), 0) % len as u64) as usize)
    }

    fn note(&self, key: &ObjectKey, client: u64, what: What) {
        let mut state = lock(&self.state);
        state.operations += 1;
        let at = state.operations;
        state.changes.insert(key.clone(), Change { at, client, what });
        let over = at.saturating_sub(self.options.lag_max);
        state.changes.retain(|_, change| change.at > over);
    }

    /// Publishes through `put`, which gets the bytes that the server will have at first.
    fn publish(
        &self,
        key: &ObjectKey,
        client: u64,
        bytes: Bytes,
        put: impl FnOnce(&[Bytes]) -> Result<PutOutcome, BackendError>,
    ) -> Result<PutOutcome, BackendError> {
        let kept = self.kept_bytes(key, bytes.len());
        let at_first = match (kept, self.options.shortening) {
            (Some(kept), Shortening::AtOnce) => bytes.slice(..kept),
            _ => bytes,
        };
        let outcome = put(&[at_first])?;
        if outcome == PutOutcome::Created {
            self.note(key, client, What::Published);
            let mut state = lock(&self.state);
            match (kept, self.options.shortening) {
                (Some(_), Shortening::AtOnce) => state.shortened.push(key.clone()),
                (Some(kept), Shortening::Later) => state.to_shorten.push((key.clone(), kept)),
                (None, _) => {}
            }
        }
        Ok(outcome)
    }
}

impl<B: Backend> ShareBackend<B> {
    /// Returns the first client of a new share in front of a storage.
    pub fn new(inner: B, options: ShareOptions) -> Self {
        Self::join(inner, Arc::new(Share { options, state: Mutex::default() }))
    }

    /// Returns another client of the same share; `inner` is another process on the same storage.
    pub fn another_client(&self, inner: B) -> Self {
        Self::join(inner, Arc::clone(&self.share))
    }

    fn join(inner: B, share: Arc<Share>) -> Self {
        let client = {
            let mut state = lock(&share.state);
            state.clients += 1;
            state.clients
        };
        Self { inner, share, client, cache: Mutex::default() }
    }

    /// Lets so much time pass that every cache is over and every object that loses its end has lost it.
    ///
    /// # Errors
    ///
    /// The storage behind fails.
    pub fn settle(&self) -> Result<(), BackendError> {
        let to_shorten = {
            let mut state = lock(&self.share.state);
            state.changes.clear();
            std::mem::take(&mut state.to_shorten)
        };
        for (key, kept) in to_shorten {
            match self.inner.get(&key, u64::MAX) {
                Ok(bytes) => {
                    self.inner.put(&key, &[bytes.slice(..kept)])?;
                    lock(&self.share.state).shortened.push(key);
                }
                Err(error) if error.is_object_missing() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns the objects that have lost their end so far, deleted ones included.
    pub fn shortened(&self) -> Vec<ObjectKey> {
        lock(&self.share.state).shortened.clone()
    }

    /// What this client's caches say of everything below `prefix`.
    fn view(&self, prefix: &KeyPrefix) -> Result<Vec<ListedObject>, BackendError> {
        let exact = self.inner.list_all(prefix).map(|object| object.map(|object| (object.key.clone(), object)));
        let mut view: BTreeMap<ObjectKey, ListedObject> = exact.collect::<Result<_, _>>()?;
        let mut state = lock(&self.share.state);
        state.operations += 1;
        let mut cache = lock(&self.cache);
        cache.listings += 1;
        let mut horizons: HashMap<&str, u64> = HashMap::new();
        let foreign = state.changes.iter().filter(|(key, change)| change.client != self.client && prefix.covers(key));
        for (key, change) in foreign {
            let directory = directory_of(key);
            let horizon =
                *horizons.entry(directory).or_insert_with(|| self.look_into(directory, state.operations, &mut cache));
            match &change.what {
                _ if change.at <= horizon => {}
                What::Published => drop(view.remove(key)),
                What::Deleted(object) => drop(view.insert(key.clone(), object.clone())),
            }
        }
        Ok(view.into_values().collect())
    }

    /// Lists a directory: returns up to which operation this client knows it now.
    fn look_into(&self, directory: &str, now: u64, cache: &mut Cache) -> u64 {
        let lag = self.share.draw("lag", self.client, directory, cache.listings) % (self.share.options.lag_max + 1);
        let seen = cache.seen.entry(directory.to_owned()).or_default();
        *seen = now.saturating_sub(lag).max(*seen);
        *seen
    }

    /// Looks an object up: fails once where a cache still says that there is none.
    fn look_up(&self, key: &ObjectKey) -> Result<(), BackendError> {
        let is_fresh = {
            let state = lock(&self.share.state);
            let change = state.changes.get(key).filter(|change| change.client != self.client);
            change.is_some_and(|change| matches!(change.what, What::Published))
        };
        let is_missed = is_fresh
            && lock(&self.cache).looked_at.insert(key.clone())
            && self.share.is_one_in(self.share.options.missed_once_in, "missed", self.client, key);
        match is_missed {
            true => Err(BackendError::NotFound { key: key.clone(), location: self.location() }),
            false => Ok(()),
        }
    }
}

fn directory_of(key: &ObjectKey) -> &str {
    key.as_str().rsplit_once('/').map_or("", |(directory, _)| directory)
}

impl<B: Backend> Backend for ShareBackend<B> {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn get(&self, key: &ObjectKey, bytes_max: u64) -> Result<Bytes, BackendError> {
        self.look_up(key)?;
        self.inner.get(key, bytes_max)
    }

    fn get_range(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, BackendError> {
        self.look_up(key)?;
        self.inner.get_range(key, range)
    }

    fn get_suffix(&self, key: &ObjectKey, suffix_bytes: u64) -> Result<ObjectSuffix, BackendError> {
        self.look_up(key)?;
        self.inner.get_suffix(key, suffix_bytes)
    }

    fn stat(&self, key: &ObjectKey) -> Result<ObjectMeta, BackendError> {
        self.look_up(key)?;
        self.inner.stat(key)
    }

    fn put_if_absent(&self, key: &ObjectKey, parts: &[Bytes]) -> Result<PutOutcome, BackendError> {
        let bytes = Bytes::from(parts.concat());
        self.share.publish(key, self.client, bytes, |parts| self.inner.put_if_absent(key, parts))
    }

    fn put(&self, key: &ObjectKey, parts: &[Bytes]) -> Result<(), BackendError> {
        // Under a name that is listed already nothing becomes visible.
        if self.inner.stat(key).is_ok() {
            return self.inner.put(key, parts);
        }
        let bytes = Bytes::from(parts.concat());
        let put = |parts: &[Bytes]| self.inner.put(key, parts).map(|()| PutOutcome::Created);
        self.share.publish(key, self.client, bytes, put).map(drop)
    }

    fn begin(&self) -> Result<Box<dyn ObjectWriter>, BackendError> {
        let inner = self.inner.begin()?;
        Ok(Box::new(ShareWriter { inner, share: Arc::clone(&self.share), client: self.client, bytes: Vec::new() }))
    }

    fn list(
        &self,
        prefix: &KeyPrefix,
        after: Option<&ObjectKey>,
        page_objects_max: NonZeroUsize,
    ) -> Result<ListPage, BackendError> {
        let mut behind = self.view(prefix)?;
        behind.retain(|object| after.is_none_or(|after| object.key > *after));
        let is_last = behind.len() <= page_objects_max.get();
        behind.truncate(page_objects_max.get());
        let next = behind.last().filter(|_| !is_last).map(|object| object.key.clone());
        Ok(ListPage { objects: behind, next })
    }

    fn delete(&self, key: &ObjectKey) -> Result<(), BackendError> {
        let there = self.inner.stat(key);
        self.inner.delete(key)?;
        if let Ok(meta) = there {
            self.share.note(key, self.client, What::Deleted(ListedObject { key: key.clone(), meta }));
        }
        Ok(())
    }

    fn sync(&self, keys: &[ObjectKey]) -> Result<(), BackendError> {
        if self.share.options.durability == Durability::Full {
            return self.inner.sync(keys);
        }
        for key in keys {
            self.inner.stat(key)?;
        }
        lock(&self.share.state).sync_refused = true;
        Ok(())
    }

    fn durability(&self) -> Durability {
        match lock(&self.share.state).sync_refused {
            true => self.share.options.durability,
            false => Durability::Full,
        }
    }

    fn free_space(&self) -> Result<Option<u64>, BackendError> {
        self.inner.free_space()
    }

    fn probe(&self) -> Result<StorageProbe, BackendError> {
        let options = &self.share.options;
        Ok(StorageProbe {
            file_system: "share".to_owned(),
            is_network: true,
            file_sync: options.durability <= Durability::ContentsOnly,
            directory_sync: options.durability == Durability::Full,
            listing_fresh: options.lag_max == 0,
            durability: options.durability,
            ..self.inner.probe()?
        })
    }

    fn clean_unfinished(&self, older_than: Duration) -> Result<CleanStats, BackendError> {
        self.inner.clean_unfinished(older_than)
    }
}

/// Keeps what is written until it is published, because only the name decides whether it loses its end.
#[derive(Debug)]
struct ShareWriter {
    inner: Box<dyn ObjectWriter>,
    share: Arc<Share>,
    client: u64,
    bytes: Vec<u8>,
}

impl ObjectWriter for ShareWriter {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BackendError> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn written_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn publish(self: Box<Self>, key: &ObjectKey) -> Result<PutOutcome, BackendError> {
        let Self { mut inner, share, client, bytes } = *self;
        share.publish(key, client, Bytes::from(bytes), |parts| {
            for part in parts {
                inner.write(part)?;
            }
            inner.publish(key)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryBackend;
    use super::*;
    use vectar_backend::BackendErrorKind;

    fn key(text: &str) -> ObjectKey {
        ObjectKey::parse(text).unwrap()
    }

    fn two_clients(options: ShareOptions) -> (ShareBackend<MemoryBackend>, ShareBackend<MemoryBackend>) {
        let storage = MemoryBackend::new();
        let one = ShareBackend::new(storage.another_process(), options);
        let other = one.another_client(storage);
        (one, other)
    }

    fn put(backend: &dyn Backend, text: &str) {
        assert_eq!(backend.put_if_absent(&key(text), &[Bytes::from_static(b"012345")]).unwrap(), PutOutcome::Created);
    }

    fn listed(backend: &dyn Backend) -> Vec<String> {
        backend.list_all(&KeyPrefix::everything()).map(|object| object.unwrap().key.to_string()).collect()
    }

    /// Over some seeds, a listing of the other client comes late, and in the end it comes.
    #[test]
    fn listings_lag_and_own_changes_do_not() {
        let mut late = 0;
        for seed in 0..20 {
            let (one, other) = two_clients(ShareOptions { seed, lag_max: 8, ..ShareOptions::default() });
            put(&one, "packs/ab/1");
            assert_eq!(listed(&one), ["packs/ab/1"]);
            late += u64::from(listed(&other).is_empty());
            for _ in 0..8 {
                listed(&other);
            }
            assert_eq!(listed(&other), ["packs/ab/1"]);
            one.delete(&key("packs/ab/1")).unwrap();
            assert_eq!(listed(&one), [""; 0]);
            late += u64::from(!listed(&other).is_empty());
            one.settle().unwrap();
            assert_eq!(listed(&other), [""; 0]);
        }
        assert!((10..40).contains(&late), "{late} of 40 listings came late");
    }

    #[test]
    fn what_a_client_has_seen_stays() {
        for seed in 0..20 {
            let (one, other) = two_clients(ShareOptions { seed, lag_max: 8, ..ShareOptions::default() });
            put(&one, "a");
            let seen: Vec<usize> = (0..12).map(|_| listed(&other).len()).collect();
            assert!(seen.is_sorted(), "{seen:?}");
        }
    }

    #[test]
    fn fresh_object_is_missed_once_and_the_name_is_taken_all_the_same() {
        let (one, other) = two_clients(ShareOptions { lag_max: 8, missed_once_in: 1, ..ShareOptions::default() });
        put(&one, "a");
        assert!(one.get(&key("a"), 9).is_ok());
        assert_eq!(other.stat(&key("a")).unwrap_err().kind(), BackendErrorKind::NotFound);
        assert_eq!(&other.get(&key("a"), 9).unwrap()[..], b"012345");
        assert_eq!(other.put_if_absent(&key("a"), &[]).unwrap(), PutOutcome::AlreadyExists);
    }

    #[test]
    fn short_objects_are_reported_as_whole() {
        for (shortening, len_before) in [(Shortening::AtOnce, None), (Shortening::Later, Some(6))] {
            let packs = KeyPrefix::parse("packs").unwrap();
            let options = ShareOptions { short_once_in: 1, short_below: packs, shortening, ..ShareOptions::default() };
            let (one, other) = two_clients(options);
            put(&one, "packs/ab/1");
            put(&one, "config");
            let len = |text: &str| other.stat(&key(text)).unwrap().object_bytes;
            assert!(len_before.is_none_or(|expected| expected == len("packs/ab/1")), "{shortening:?}");
            one.settle().unwrap();
            assert!(len("packs/ab/1") < 6 && len("config") == 6, "{shortening:?}");
            assert_eq!(one.shortened(), [key("packs/ab/1")]);
        }
    }

    #[test]
    fn refused_sync_is_told_and_loses_everything() {
        let storage = MemoryBackend::new();
        let options = ShareOptions { durability: Durability::ContentsOnly, ..ShareOptions::default() };
        let share = ShareBackend::new(storage.another_process(), options);
        put(&share, "a");
        assert_eq!(share.durability(), Durability::Full);
        share.sync(&[key("a")]).unwrap();
        assert_eq!(share.durability(), Durability::ContentsOnly);
        assert!(share.sync(&[key("b")]).unwrap_err().is_object_missing());
        storage.power_failure();
        assert_eq!(listed(&share), [""; 0]);
    }
}
