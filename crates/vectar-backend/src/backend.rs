//! The interface of every storage: whole objects by key.

use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::{BackendError, KeyPrefix, ObjectKey, StorageProbe};

/// A place where whole, immutable objects lie under keys.
///
/// What holds for every implementation, and is tested by one suite for all of them:
/// - **Whole or not at all.** Under a key there is never a part of an object, not even after a crash; so a reader needs no
///   lock. [`PublishStrategy::Claim`](crate::PublishStrategy::Claim) is the one, stated, exception.
/// - **Visible, then durable.** A published object can be read and listed at once by everybody. It survives a power failure
///   only once [`sync`](Backend::sync) has returned: one barrier for as many objects as the caller likes.
/// - **Put-if-absent decides.** Of any number of concurrent [`put_if_absent`](Backend::put_if_absent) or
///   [`publish`](ObjectWriter::publish) calls for one key, in any number of processes, exactly one is told
///   [`PutOutcome::Created`].
/// - **No prefix is an object.** A caller never uses both `a` and `a/b` as keys; on a file system the second one fails.
///
/// All calls block. They may be made from any number of threads at once.
pub trait Backend: Send + Sync + fmt::Debug {
    /// Returns where the objects lie, for messages: a path or a URL without secrets.
    fn location(&self) -> String;

    /// Returns the whole object, if it has at most `bytes_max` bytes. Meant for small objects; nothing is allocated for a
    /// longer one.
    ///
    /// # Errors
    ///
    /// [`BackendError::NotFound`]; [`BackendError::TooLong`] with the length it has.
    fn get(&self, key: &ObjectKey, bytes_max: u64) -> Result<Bytes, BackendError>;

    /// Returns exactly the bytes `range` (end exclusive) of the object. An empty range inside the object, or at its end, gives
    /// no bytes.
    ///
    /// # Errors
    ///
    /// [`BackendError::NotFound`]; [`BackendError::RangeOutside`], with the length of the object, if it ends before the range
    /// does (nothing is allocated then); [`BackendError::RangeBackwards`].
    fn get_range(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, BackendError>;

    /// Returns the last `suffix_bytes` bytes, or the whole object if it is shorter, and the length of the object: a footer and its
    /// place in one request.
    ///
    /// # Errors
    ///
    /// [`BackendError::NotFound`].
    fn get_suffix(&self, key: &ObjectKey, suffix_bytes: u64) -> Result<ObjectSuffix, BackendError>;

    /// Returns what is known of the object without reading it.
    ///
    /// # Errors
    ///
    /// [`BackendError::NotFound`].
    fn stat(&self, key: &ObjectKey) -> Result<ObjectMeta, BackendError>;

    /// Publishes an object of the bytes of `parts`, laid end to end, unless the key is taken.
    ///
    /// [`PutOutcome::AlreadyExists`] says nothing about the bytes of the object that is there: the caller compares.
    ///
    /// # Errors
    ///
    /// Any kind but not found. Nothing is visible under the key then, unless someone else put it there, or the storage did the
    /// work and failed to say so; what else was begun is cleaned up, or left to [`clean_unfinished`](Backend::clean_unfinished).
    fn put_if_absent(&self, key: &ObjectKey, parts: &[Bytes]) -> Result<PutOutcome, BackendError> {
        let mut writer = self.begin()?;
        for part in parts {
            writer.write(part)?;
        }
        writer.publish(key)
    }

    /// Publishes an object of the bytes of `parts` in place of what is under the key, if anything. A reader sees the old
    /// object or the new one, whole.
    ///
    /// Rare: nearly every object is written once. Last caller wins.
    ///
    /// # Errors
    ///
    /// As [`put_if_absent`](Backend::put_if_absent); the old object is still there then.
    fn put(&self, key: &ObjectKey, parts: &[Bytes]) -> Result<(), BackendError>;

    /// Begins an object whose key is known only at its end, such as the hash of its bytes.
    ///
    /// # Errors
    ///
    /// Any kind but not found of a key; nothing is visible under any key.
    fn begin(&self) -> Result<Box<dyn ObjectWriter>, BackendError>;

    /// Returns the next objects below `prefix` (at any depth), behind the key `after` (exclusive), sorted by key.
    ///
    /// A page has at most `page_objects_max` objects and may have fewer, even none; only [`ListPage::next`] says whether it was the
    /// last one. Every object that was there before the first page and until after the last is listed, once;
    /// one that comes or goes meanwhile may be listed or not. What is not published yet is never listed. A prefix below which
    /// there is nothing gives an empty page. [`BackendExt::list_all`](crate::BackendExt::list_all) walks all pages.
    ///
    /// # Errors
    ///
    /// Any kind. A missing root is an error and never an empty page.
    fn list(
        &self,
        prefix: &KeyPrefix,
        after: Option<&ObjectKey>,
        page_objects_max: NonZeroUsize,
    ) -> Result<ListPage, BackendError>;

    /// Removes the object. That there is none is success: a delete that is tried again after a lost answer must not fail. Either way
    /// the next [`sync`](Self::sync) makes durable that there is none, whoever removed it.
    ///
    /// # Errors
    ///
    /// Any kind but not found; the object may be there or not.
    fn delete(&self, key: &ObjectKey) -> Result<(), BackendError>;

    /// Returns when all of this survives a power failure: every put, publish and delete that returned through this backend value
    /// before the call, and every object named in `keys`, whoever published it through a backend.
    ///
    /// Name the objects that others published and that you are about to rely on, such as a pack that was there already.
    ///
    /// # Errors
    ///
    /// [`BackendError::NotFound`] if a named object does not exist. After any other error none of those objects may be taken to
    /// be durable, and a second call does not help: storages report a lost write once. The caller gives up what it was about
    /// to commit and writes it again.
    fn sync(&self, keys: &[ObjectKey]) -> Result<(), BackendError>;

    /// Says how far [`sync`](Backend::sync) can be trusted, as far as is known by now. It may get worse after the first `sync`
    /// and never better.
    fn durability(&self) -> Durability;

    /// Returns how many bytes may still be written, if the storage can tell.
    ///
    /// # Errors
    ///
    /// The kinds of a storage that cannot be reached.
    fn free_space(&self) -> Result<Option<u64>, BackendError>;

    /// Finds out, by trying, what the storage can do. Writes and removes a few unfinished objects and takes some
    /// dozen requests.
    ///
    /// # Errors
    ///
    /// Only if nothing can be tried at all, as when the storage cannot be written. What a storage refuses is an answer.
    fn probe(&self) -> Result<StorageProbe, BackendError>;

    /// Removes what interrupted writers left behind, if it is at least `older_than` old by the storage's own clock and no live
    /// process is known to write it. Objects under keys are not touched.
    ///
    /// # Errors
    ///
    /// Any kind; some of it may be removed.
    fn clean_unfinished(&self, older_than: Duration) -> Result<CleanStats, BackendError>;
}

/// An object that is being written and is visible nowhere. Dropping it abandons it.
#[must_use = "an object that is dropped before it is published is abandoned"]
pub trait ObjectWriter: Send + fmt::Debug {
    /// Appends `bytes`.
    ///
    /// # Errors
    ///
    /// Any kind but not found. The writer is of no further use, since some of the bytes may have been taken: drop it.
    fn write(&mut self, bytes: &[u8]) -> Result<(), BackendError>;

    /// Returns how many bytes were written so far.
    fn written_bytes(&self) -> u64;

    /// Publishes what was written under `key`, unless that is taken. In both cases nothing unfinished is left.
    ///
    /// # Errors
    ///
    /// As [`Backend::put_if_absent`].
    fn publish(self: Box<Self>, key: &ObjectKey) -> Result<PutOutcome, BackendError>;
}

/// What put-if-absent did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use = "an object that was there already must be compared before it is relied on"]
pub enum PutOutcome {
    /// The object is there and it is the caller's.
    Created,
    /// The key was taken; the object there was not touched.
    AlreadyExists,
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Its length.
    pub object_bytes: u64,
    /// When it was written, by the clock of the storage, if that is known. Clocks differ: compare only with other times of the
    /// same storage.
    pub modified: Option<SystemTime>,
}

/// The end of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectSuffix {
    /// The last bytes of the object.
    pub bytes: Bytes,
    /// The length of the whole object; `bytes` starts at `object_bytes - bytes.len()`.
    pub object_bytes: u64,
}

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key.
    pub key: ObjectKey,
    /// What the listing says of it.
    pub meta: ObjectMeta,
}

/// Some objects in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListPage {
    /// The objects, in ascending order of their keys.
    pub objects: Vec<ListedObject>,
    /// What to give as `after` for the next page; `None` if there is no further page.
    pub next: Option<ObjectKey>,
}

/// What [`Backend::clean_unfinished`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CleanStats {
    /// How many unfinished objects were removed.
    pub removed_count: u64,
    /// How many bytes they had.
    pub removed_bytes: u64,
    /// How many are too young.
    pub young_count: u64,
    /// How many are old enough but belong to a process that lives.
    pub in_use_count: u64,
}

/// How far [`Backend::sync`] can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// What was synced survives a power failure, as far as the storage tells the truth.
    Full,
    /// Contents are made durable, but the storage refuses to make directory entries durable: after a power failure an
    /// object may be gone although `sync` returned. Some SMB and FUSE file systems are like this.
    ContentsOnly,
    /// The storage refuses to make even contents durable; what survives a power failure is chance.
    BestEffort,
    /// Nothing outlives the process or a restart of the machine.
    Volatile,
}

/// A shared backend is a backend.
impl<B: Backend + ?Sized> Backend for Arc<B> {
    fn location(&self) -> String {
        (**self).location()
    }

    fn get(&self, key: &ObjectKey, bytes_max: u64) -> Result<Bytes, BackendError> {
        (**self).get(key, bytes_max)
    }

    fn get_range(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, BackendError> {
        (**self).get_range(key, range)
    }

    fn get_suffix(&self, key: &ObjectKey, suffix_bytes: u64) -> Result<ObjectSuffix, BackendError> {
        (**self).get_suffix(key, suffix_bytes)
    }

    fn stat(&self, key: &ObjectKey) -> Result<ObjectMeta, BackendError> {
        (**self).stat(key)
    }

    fn put_if_absent(&self, key: &ObjectKey, parts: &[Bytes]) -> Result<PutOutcome, BackendError> {
        (**self).put_if_absent(key, parts)
    }

    fn put(&self, key: &ObjectKey, parts: &[Bytes]) -> Result<(), BackendError> {
        (**self).put(key, parts)
    }

    fn begin(&self) -> Result<Box<dyn ObjectWriter>, BackendError> {
        (**self).begin()
    }

    fn list(
        &self,
        prefix: &KeyPrefix,
        after: Option<&ObjectKey>,
        page_objects_max: NonZeroUsize,
    ) -> Result<ListPage, BackendError> {
        (**self).list(prefix, after, page_objects_max)
    }

    fn delete(&self, key: &ObjectKey) -> Result<(), BackendError> {
        (**self).delete(key)
    }

    fn sync(&self, keys: &[ObjectKey]) -> Result<(), BackendError> {
        (**self).sync(keys)
    }

    fn durability(&self) -> Durability {
        (**self).durability()
    }

    fn free_space(&self) -> Result<Option<u64>, BackendError> {
        (**self).free_space()
    }

    fn probe(&self) -> Result<StorageProbe, BackendError> {
        (**self).probe()
    }

    fn clean_unfinished(&self, older_than: Duration) -> Result<CleanStats, BackendError> {
        (**self).clean_unfinished(older_than)
    }
}
