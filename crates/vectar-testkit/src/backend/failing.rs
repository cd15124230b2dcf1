//! Fails, or stops for good, at a chosen call.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use vectar_backend::{
    Backend, BackendError, BackendErrorKind, CleanStats, Durability, KeyPrefix, ListPage, ObjectKey, ObjectMeta,
    ObjectSuffix, ObjectWriter, PutOutcome, StorageProbe,
};

use super::memory::lock;
use super::operation::Operation;

/// Which call fails, how, and what comes after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailurePlan {
    /// The operations that count; all, if empty.
    pub operations: Vec<Operation>,
    /// Which of the counted calls fails, from 1.
    pub nth: u64,
    /// What the failing call does.
    pub effect: Effect,
    /// What later calls do.
    pub aftermath: Aftermath,
}

/// What the failing call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing; it returns an error of this kind.
    Refuse(BackendErrorKind),
    /// All of it; but the answer is lost, and it returns an error of this kind.
    LoseAnswer(BackendErrorKind),
    /// Of a write or put only these first bytes are taken, and success is reported: a storage that lies. Other calls do all
    /// they should.
    Shorten {
        /// How many bytes are taken.
        kept_bytes: usize,
    },
}

/// What calls after the failing one do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aftermath {
    /// They work.
    Recover,
    /// They fail, whatever they are: the process has crashed.
    Stop,
}

impl FailurePlan {
    /// A crash at the `nth` call, from 1, that changes something: the call does nothing and no later one does.
    pub fn stop_at_write(nth: u64) -> Self {
        let effect = Effect::Refuse(BackendErrorKind::StorageFailed);
        Self { operations: Operation::WRITES.to_vec(), nth, effect, aftermath: Aftermath::Stop }
    }

    /// One failure of the `nth` call, from 1, of `operation`, after which all is well.
    pub fn refuse_once(operation: Operation, nth: u64, kind: BackendErrorKind) -> Self {
        Self { operations: vec![operation], nth, effect: Effect::Refuse(kind), aftermath: Aftermath::Recover }
    }
}

/// Hands calls on to another backend until one fails by plan.
///
/// To test every crash: run once with [`FailingBackend::counting`], read [`matching_calls`](Self::matching_calls), and run again
/// with [`FailurePlan::stop_at_write`] for each number up to that.
#[derive(Debug)]
pub struct FailingBackend<B> {
    inner: B,
    switch: Arc<Switch>,
}

#[derive(Debug)]
struct Switch {
    plan: FailurePlan,
    location: String,
    state: Mutex<SwitchState>,
}

#[derive(Debug, Default)]
struct SwitchState {
    matching_calls: u64,
    stopped: bool,
}

/// What a call is to do.
enum Fate {
    Work,
    Fail(BackendErrorKind),
    WorkThenFail(BackendErrorKind),
    Shorten(usize),
}

impl<B: Backend> FailingBackend<B> {
    /// Returns a backend that fails by `plan`.
    pub fn new(inner: B, plan: FailurePlan) -> Self {
        let switch = Switch { plan, location: inner.location(), state: Mutex::default() };
        Self { inner, switch: Arc::new(switch) }
    }

    /// Returns a backend that never fails and counts the calls that [`FailurePlan::stop_at_write`] would count.
    pub fn counting(inner: B) -> Self {
        Self::new(inner, FailurePlan::stop_at_write(u64::MAX))
    }

    /// Returns the backend behind this one, which does not fail.
    pub fn inner(&self) -> &B {
        &self.inner
    }

    /// Returns how many calls of the plan's operations were made so far, failed ones and those after a stop included.
    pub fn matching_calls(&self) -> u64 {
        lock(&self.switch.state).matching_calls
    }

    /// Says whether the planned failure has happened. A test that never reached it proves nothing.
    pub fn has_failed(&self) -> bool {
        self.matching_calls() >= self.switch.plan.nth
    }

    fn call<T>(&self, operation: Operation, work: impl FnOnce() -> Result<T, BackendError>) -> Result<T, BackendError> {
        self.switch.call(operation, work)
    }
}

impl Switch {
    fn fate_of(&self, operation: Operation) -> Fate {
        let mut state = lock(&self.state);
        let matches = self.plan.operations.is_empty() || self.plan.operations.contains(&operation);
        if matches {
            state.matching_calls += 1;
        }
        if state.stopped {
            return Fate::Fail(BackendErrorKind::StorageFailed);
        }
        if !matches || state.matching_calls != self.plan.nth {
            return Fate::Work;
        }
        state.stopped = self.plan.aftermath == Aftermath::Stop;
        match self.plan.effect {
            Effect::Refuse(kind) => Fate::Fail(kind),
            Effect::LoseAnswer(kind) => Fate::WorkThenFail(kind),
            Effect::Shorten { kept_bytes } => Fate::Shorten(kept_bytes),
        }
    }

    fn call<T>(&self, operation: Operation, work: impl FnOnce() -> Result<T, BackendError>) -> Result<T, BackendError> {
        match self.fate_of(operation) {
            Fate::Work | Fate::Shorten(_) => work(),
            Fate::Fail(kind) => Err(self.error(operation, kind)),
            Fate::WorkThenFail(kind) => work().and_then(|_| Err(self.error(operation, kind))),
        }
    }

    /// As [`Switch::call`], for what can be shortened.
    fn call_with_parts<T>(
        &self,
        operation: Operation,
        parts: &[Bytes],
        work: impl FnOnce(&[Bytes]) -> Result<T, BackendError>,
    ) -> Result<T, BackendError> {
        match self.fate_of(operation) {
            Fate::Work => work(parts),
            Fate::Shorten(kept_bytes) => {
                let mut bytes = parts.concat();
                bytes.truncate(kept_bytes);
                work(&[Bytes::from(bytes)])
            }
            Fate::Fail(kind) => Err(self.error(operation, kind)),
            Fate::WorkThenFail(kind) => work(parts).and_then(|_| Err(self.error(operation, kind))),
        }
    }

    fn error(&self, operation: Operation, kind: BackendErrorKind) -> BackendError {
        BackendError::Storage {
            action: operation.name().to_owned(),
            location: self.location.clone(),
            kind,
            source: "planned failure".into(),
        }
    }
}

impl<B: Backend> Backend for FailingBackend<B> {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn get(&self, key: &ObjectKey, bytes_max: u64) -> Result<Bytes, BackendError> {
        self.call(Operation::Get, || self.inner.get(key, bytes_max))
    }

    fn get_range(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, BackendError> {
        self.call(Operation::GetRange, || self.inner.get_range(key, range))
    }

    fn get_suffix(&self, key: &ObjectKey, suffix_bytes: u64) -> Result<ObjectSuffix, BackendError> {
        self.call(Operation::GetSuffix, || self.inner.get_suffix(key, suffix_bytes))
    }

    fn stat(&self, key: &ObjectKey) -> Result<ObjectMeta, BackendError> {
        self.call(Operation::Stat, || self.inner.stat(key))
    }

    fn put_if_absent(&self, key: &ObjectKey, parts: &[Bytes]) -> Result<PutOutcome, BackendError> {
        self.switch.call_with_parts(Operation::PutIfAbsent, parts, |parts| self.inner.put_if_absent(key, parts))
    }

    fn put(&self, key: &ObjectKey, parts: &[Bytes]) -> Result<(), BackendError> {
        self.switch.call_with_parts(Operation::Put, parts, |parts| self.inner.put(key, parts))
    }

    fn begin(&self) -> Result<Box<dyn ObjectWriter>, BackendError> {
        let inner = self.call(Operation::Begin, || self.inner.begin())?;
        Ok(Box::new(FailingWriter { inner, switch: Arc::clone(&self.switch), offered_bytes: 0 }))
    }

    fn list(
        &self,
        prefix: &KeyPrefix,
        after: Option<&ObjectKey>,
        page_objects_max: NonZeroUsize,
    ) -> Result<ListPage, BackendError> {
        self.call(Operation::List, || self.inner.list(prefix, after, page_objects_max))
    }

    fn delete(&self, key: &ObjectKey) -> Result<(), BackendError> {
        self.call(Operation::Delete, || self.inner.delete(key))
    }

    fn sync(&self, keys: &[ObjectKey]) -> Result<(), BackendError> {
        self.call(Operation::Sync, || self.inner.sync(keys))
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    fn free_space(&self) -> Result<Option<u64>, BackendError> {
        self.call(Operation::FreeSpace, || self.inner.free_space())
    }

    fn probe(&self) -> Result<StorageProbe, BackendError> {
        self.call(Operation::Probe, || self.inner.probe())
    }

    fn clean_unfinished(&self, older_than: Duration) -> Result<CleanStats, BackendError> {
        self.call(Operation::CleanUnfinished, || self.inner.clean_unfinished(older_than))
    }
}

#[derive(Debug)]
struct FailingWriter {
    inner: Box<dyn ObjectWriter>,
    switch: Arc<Switch>,
    /// What the caller wrote, which is more than the inner writer got once a write was shortened.
    offered_bytes: u64,
}

impl ObjectWriter for FailingWriter {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BackendError> {
        let kept = match self.switch.fate_of(Operation::Write) {
            Fate::Fail(kind) => return Err(self.switch.error(Operation::Write, kind)),
            Fate::WorkThenFail(kind) => {
                self.inner.write(bytes)?;
                return Err(self.switch.error(Operation::Write, kind));
            }
            Fate::Shorten(kept_bytes) => &bytes[..kept_bytes.min(bytes.len())],
            Fate::Work => bytes,
        };
        self.inner.write(kept)?;
        self.offered_bytes += bytes.len() as u64;
        Ok(())
    }

    fn written_bytes(&self) -> u64 {
        self.offered_bytes
    }

    fn publish(self: Box<Self>, key: &ObjectKey) -> Result<PutOutcome, BackendError> {
        let Self { inner, switch, .. } = *self;
        switch.call(Operation::Publish, || inner.publish(key))
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryBackend;
    use super::*;

    fn key(text: &str) -> ObjectKey {
        ObjectKey::parse(text).unwrap()
    }

    fn put(backend: &dyn Backend, text: &str) -> Result<PutOutcome, BackendErrorKind> {
        backend.put_if_absent(&key(text), &[Bytes::from_static(b"012345")]).map_err(|error| error.kind())
    }

    #[test]
    fn stopped_backend_does_nothing_more() {
        let backend = FailingBackend::new(MemoryBackend::new(), FailurePlan::stop_at_write(2));
        assert_eq!(put(&backend, "a"), Ok(PutOutcome::Created));
        assert!(!backend.has_failed());
        assert_eq!(put(&backend, "b"), Err(BackendErrorKind::StorageFailed));
        assert!(backend.has_failed());
        assert_eq!(backend.get(&key("a"), 9).unwrap_err().kind(), BackendErrorKind::StorageFailed);
        assert_eq!(backend.inner().keys(), [key("a")]);
    }

    #[test]
    fn writer_stops_with_its_backend() {
        let backend = FailingBackend::new(MemoryBackend::new(), FailurePlan::stop_at_write(3));
        let mut writer = backend.begin().unwrap();
        writer.write(b"x").unwrap();
        assert_eq!(writer.publish(&key("a")).unwrap_err().kind(), BackendErrorKind::StorageFailed);
        assert_eq!(backend.inner().keys(), []);
        assert_eq!(backend.matching_calls(), 3);
    }

    #[test]
    fn failure_may_come_once_and_of_any_kind() {
        let plan = FailurePlan::refuse_once(Operation::PutIfAbsent, 1, BackendErrorKind::NoSpace);
        let backend = FailingBackend::new(MemoryBackend::new(), plan);
        assert_eq!(put(&backend, "a"), Err(BackendErrorKind::NoSpace));
        assert_eq!(put(&backend, "a"), Ok(PutOutcome::Created));
    }

    #[test]
    fn lost_answer_leaves_the_object() {
        let mut plan = FailurePlan::refuse_once(Operation::PutIfAbsent, 1, BackendErrorKind::Retry);
        plan.effect = Effect::LoseAnswer(BackendErrorKind::Retry);
        let backend = FailingBackend::new(MemoryBackend::new(), plan);
        assert_eq!(put(&backend, "a"), Err(BackendErrorKind::Retry));
        assert_eq!(put(&backend, "a"), Ok(PutOutcome::AlreadyExists));
    }

    #[test]
    fn shortened_object_is_reported_as_whole() {
        for operation in [Operation::PutIfAbsent, Operation::Write] {
            let mut plan = FailurePlan::refuse_once(operation, 1, BackendErrorKind::Retry);
            plan.effect = Effect::Shorten { kept_bytes: 4 };
            let backend = FailingBackend::new(MemoryBackend::new(), plan);
            let outcome = match operation {
                Operation::Write => {
                    let mut writer = backend.begin().unwrap();
                    writer.write(b"012345").unwrap();
                    assert_eq!(writer.written_bytes(), 6);
                    writer.publish(&key("a")).unwrap()
                }
                _ => put(&backend, "a").unwrap(),
            };
            assert_eq!(outcome, PutOutcome::Created);
            assert_eq!(&backend.get(&key("a"), 9).unwrap()[..], b"0123");
        }
    }
}
