//! Objects in a sorted map: what the memory and the object store backend have in common.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::time::SystemTime;

use bytes::Bytes;
use vectar_backend::{
    BackendError, KeyPrefix, ListPage, ListedObject, ObjectKey, ObjectMeta, ObjectSuffix, PutOutcome,
};

#[derive(Debug, Clone)]
pub(super) struct StoredObject {
    pub(super) bytes: Bytes,
    pub(super) modified: SystemTime,
}

/// Objects by key, and where they lie, for messages.
#[derive(Debug, Clone)]
pub(super) struct ObjectMap {
    pub(super) location: String,
    pub(super) objects: BTreeMap<ObjectKey, StoredObject>,
}

impl ObjectMap {
    pub(super) fn new(location: &str) -> Self {
        Self { location: location.to_owned(), objects: BTreeMap::new() }
    }

    pub(super) fn object(&self, key: &ObjectKey) -> Result<&StoredObject, BackendError> {
        self.objects
            .get(key)
            .ok_or_else(|| BackendError::NotFound { key: key.clone(), location: self.location.clone() })
    }

    pub(super) fn whole(&self, key: &ObjectKey, bytes_max: u64) -> Result<Bytes, BackendError> {
        let object = self.object(key)?;
        let object_bytes = object.bytes.len() as u64;
        if object_bytes > bytes_max {
            let location = self.location.clone();
            return Err(BackendError::TooLong { key: key.clone(), location, object_bytes, bytes_max });
        }
        Ok(object.bytes.clone())
    }

    pub(super) fn range(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, BackendError> {
        if range.start > range.end {
            return Err(BackendError::RangeBackwards { key: key.clone(), range });
        }
        let object = self.object(key)?;
        let object_bytes = object.bytes.len() as u64;
        if range.end > object_bytes {
            let location = self.location.clone();
            return Err(BackendError::RangeOutside { key: key.clone(), location, range, object_bytes });
        }
        Ok(object.bytes.slice(index(range.start)..index(range.end)))
    }

    pub(super) fn suffix(&self, key: &ObjectKey, suffix_bytes: u64) -> Result<ObjectSuffix, BackendError> {
        let object = self.object(key)?;
        let object_bytes = object.bytes.len() as u64;
        let start = object_bytes.saturating_sub(suffix_bytes);
        Ok(ObjectSuffix { bytes: object.bytes.slice(index(start)..), object_bytes })
    }

    pub(super) fn meta(&self, key: &ObjectKey) -> Result<ObjectMeta, BackendError> {
        self.object(key).map(meta_of)
    }

    pub(super) fn insert_if_absent(&mut self, key: &ObjectKey, object: StoredObject) -> PutOutcome {
        if self.objects.contains_key(key) {
            return PutOutcome::AlreadyExists;
        }
        self.objects.insert(key.clone(), object);
        PutOutcome::Created
    }

    pub(super) fn page(&self, prefix: &KeyPrefix, after: Option<&ObjectKey>, page_objects_max: usize) -> ListPage {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut behind = self.objects.range((start, Bound::Unbounded)).filter(|(key, _)| prefix.covers(key));
        let listed =
            |(key, object): (&ObjectKey, &StoredObject)| ListedObject { key: key.clone(), meta: meta_of(object) };
        let objects: Vec<ListedObject> = behind.by_ref().take(page_objects_max).map(listed).collect();
        let next = behind.next().and_then(|_| objects.last()).map(|object| object.key.clone());
        ListPage { objects, next }
    }
}

/// Returns the bytes of `parts`, laid end to end.
pub(super) fn joined(parts: &[Bytes]) -> Bytes {
    match parts {
        [only] => only.clone(),
        parts => Bytes::from(parts.concat()),
    }
}

fn meta_of(object: &StoredObject) -> ObjectMeta {
    ObjectMeta { object_bytes: object.bytes.len() as u64, modified: Some(object.modified) }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("the offset lies inside an object that is in memory")
}
