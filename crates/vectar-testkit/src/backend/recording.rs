//! Keeps a log of what is asked of a backend. Cost is behaviour: tests assert the number of requests.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use vectar_backend::{
    Backend, BackendError, CleanStats, Durability, KeyPrefix, ListPage, ObjectKey, ObjectMeta, ObjectSuffix,
    ObjectWriter, PutOutcome, StorageProbe,
};

use super::memory::lock;
use super::operation::{Call, Operation};

/// Hands every call on to another backend and logs it.
#[derive(Debug)]
pub struct RecordingBackend<B> {
    inner: B,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl<B> RecordingBackend<B> {
    /// Returns a backend that logs what it hands on to `inner`.
    pub fn new(inner: B) -> Self {
        Self { inner, calls: Arc::default() }
    }

    /// Returns the backend behind this one; what is asked of it directly is not logged.
    pub fn inner(&self) -> &B {
        &self.inner
    }

    /// Returns the calls so far, in the order in which they ended.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }

    /// Returns the calls so far and begins a new log.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut *lock(&self.calls))
    }

    /// Returns the calls so far as text, one line each.
    pub fn log(&self) -> String {
        lock(&self.calls).iter().map(|call| format!("{call}\n")).collect()
    }

    /// Returns how many calls of any of `operations` there were so far.
    pub fn count(&self, operations: &[Operation]) -> usize {
        lock(&self.calls).iter().filter(|call| operations.contains(&call.operation)).count()
    }

    /// Returns the sum of [`Call::amount`] over the calls of `operation` so far.
    pub fn amount(&self, operation: Operation) -> u64 {
        lock(&self.calls).iter().filter(|call| call.operation == operation).map(|call| call.amount).sum()
    }

    fn note<T>(
        &self,
        operation: Operation,
        target: Option<String>,
        result: Result<T, BackendError>,
        amount: impl FnOnce(&T) -> u64,
    ) -> Result<T, BackendError> {
        note(&self.calls, Call { operation, target, range: None, amount: 0, succeeded: true }, result, amount)
    }
}

fn note<T>(
    calls: &Mutex<Vec<Call>>,
    mut call: Call,
    result: Result<T, BackendError>,
    amount: impl FnOnce(&T) -> u64,
) -> Result<T, BackendError> {
    call.succeeded = result.is_ok();
    call.amount = result.as_ref().map_or(0, amount);
    lock(calls).push(call);
    result
}

fn text_of(key: &ObjectKey) -> Option<String> {
    Some(key.to_string())
}

fn length_of(parts: &[Bytes]) -> u64 {
    parts.iter().map(|part| part.len() as u64).sum()
}

impl<B: Backend> Backend for RecordingBackend<B> {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn get(&self, key: &ObjectKey, bytes_max: u64) -> Result<Bytes, BackendError> {
        self.note(Operation::Get, text_of(key), self.inner.get(key, bytes_max), |bytes| bytes.len() as u64)
    }

    fn get_range(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, BackendError> {
        let call = Call {
            operation: Operation::GetRange,
            target: text_of(key),
            range: Some(range.clone()),
            amount: 0,
            succeeded: true,
        };
        note(&self.calls, call, self.inner.get_range(key, range), |bytes| bytes.len() as u64)
    }

    fn get_suffix(&self, key: &ObjectKey, suffix_bytes: u64) -> Result<ObjectSuffix, BackendError> {
        let result = self.inner.get_suffix(key, suffix_bytes);
        self.note(Operation::GetSuffix, text_of(key), result, |suffix| suffix.bytes.len() as u64)
    }

    fn stat(&self, key: &ObjectKey) -> Result<ObjectMeta, BackendError> {
        self.note(Operation::Stat, text_of(key), self.inner.stat(key), |_| 0)
    }

    fn put_if_absent(&self, key: &ObjectKey, parts: &[Bytes]) -> Result<PutOutcome, BackendError> {
        let result = self.inner.put_if_absent(key, parts);
        self.note(Operation::PutIfAbsent, text_of(key), result, |_| length_of(parts))
    }

    fn put(&self, key: &ObjectKey, parts: &[Bytes]) -> Result<(), BackendError> {
        self.note(Operation::Put, text_of(key), self.inner.put(key, parts), |()| length_of(parts))
    }

    fn begin(&self) -> Result<Box<dyn ObjectWriter>, BackendError> {
        let inner = self.note(Operation::Begin, None, self.inner.begin(), |_| 0)?;
        Ok(Box::new(RecordingWriter { inner, calls: Arc::clone(&self.calls) }))
    }

    fn list(
        &self,
        prefix: &KeyPrefix,
        after: Option<&ObjectKey>,
        page_objects_max: NonZeroUsize,
    ) -> Result<ListPage, BackendError> {
        let result = self.inner.list(prefix, after, page_objects_max);
        self.note(Operation::List, Some(format!("{prefix}/")), result, |page| page.objects.len() as u64)
    }

    fn delete(&self, key: &ObjectKey) -> Result<(), BackendError> {
        self.note(Operation::Delete, text_of(key), self.inner.delete(key), |()| 0)
    }

    fn sync(&self, keys: &[ObjectKey]) -> Result<(), BackendError> {
        self.note(Operation::Sync, None, self.inner.sync(keys), |()| keys.len() as u64)
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    fn free_space(&self) -> Result<Option<u64>, BackendError> {
        self.note(Operation::FreeSpace, None, self.inner.free_space(), |_| 0)
    }

    fn probe(&self) -> Result<StorageProbe, BackendError> {
        self.note(Operation::Probe, None, self.inner.probe(), |_| 0)
    }

    fn clean_unfinished(&self, older_than: Duration) -> Result<CleanStats, BackendError> {
        let result = self.inner.clean_unfinished(older_than);
        self.note(Operation::CleanUnfinished, None, result, |stats| stats.removed_count)
    }
}

#[derive(Debug)]
struct RecordingWriter {
    inner: Box<dyn ObjectWriter>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl ObjectWriter for RecordingWriter {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BackendError> {
        let call = Call { operation: Operation::Write, target: None, range: None, amount: 0, succeeded: true };
        note(&self.calls, call, self.inner.write(bytes), |()| bytes.len() as u64)
    }

    fn written_bytes(&self) -> u64 {
        self.inner.written_bytes()
    }

    fn publish(self: Box<Self>, key: &ObjectKey) -> Result<PutOutcome, BackendError> {
        let call =
            Call { operation: Operation::Publish, target: text_of(key), range: None, amount: 0, succeeded: true };
        let written_bytes = self.inner.written_bytes();
        note(&self.calls, call, self.inner.publish(key), |_| written_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryBackend;
    use super::*;

    #[test]
    fn log_has_one_line_per_call() {
        let backend = RecordingBackend::new(MemoryBackend::new());
        let key = ObjectKey::parse("packs/ab/1").unwrap();
        let mut writer = backend.begin().unwrap();
        writer.write(b"01234567").unwrap();
        assert_eq!(writer.publish(&key).unwrap(), PutOutcome::Created);
        backend.sync(std::slice::from_ref(&key)).unwrap();
        backend.get_range(&key, 1..4).unwrap();
        backend.get_range(&key, 1..40).unwrap_err();
        backend.list(&KeyPrefix::parse("packs").unwrap(), None, NonZeroUsize::MIN).unwrap();
        let expected = "begin -> 0\nwrite -> 8\npublish packs/ab/1 -> 8\nsync -> 1\nget_range packs/ab/1 1..4 -> 3\n\
                        get_range packs/ab/1 1..40 -> failed\nlist packs/ -> 1\n";
        assert_eq!(backend.log(), expected);
        assert_eq!(backend.count(Operation::READS), 3);
        assert_eq!(backend.amount(Operation::GetRange), 3);
    }
}
