//! A backend that lets a test do something behind a caller's back, or refuse, just before a call.

use std::{
    fmt,
    num::NonZeroUsize,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::Operation;
use bytes::Bytes;
use vectar_backend::{
    Backend, BackendError, BackendErrorKind, CleanStats, Durability, KeyPrefix, ListPage, ObjectKey, ObjectMeta,
    ObjectSuffix, ObjectWriter, PutOutcome, StorageProbe,
};

/// Hands every call on, after its hook has seen operation and target and allowed it.
pub struct HookedBackend {
    inner: Arc<dyn Backend>,
    hook: Box<Hook>,
}

type Hook = dyn Fn(Operation, &str) -> Result<(), BackendError> + Send + Sync;

/// Something to be done once, when its call comes and only after [`arm`](Self::arm).
#[derive(Default)]
pub struct Switch {
    armed: AtomicBool,
    done: AtomicBool,
}

impl HookedBackend {
    /// Calls `hook` before each call; the target of a barrier is the first key that it names, or nothing.
    pub fn new(
        inner: Arc<dyn Backend>,
        hook: impl Fn(Operation, &str) -> Result<(), BackendError> + Send + Sync + 'static,
    ) -> Self {
        Self { inner, hook: Box::new(hook) }
    }

    /// Does `deed` once, before the first call of an operation on a target that starts so, after the switch was armed: opening a
    /// repository lists things too.
    pub fn once(
        inner: Arc<dyn Backend>,
        (operation, target): (Operation, &'static str),
        deed: impl Fn() + Send + Sync + 'static,
    ) -> (Arc<Self>, Arc<Switch>) {
        let switch = Arc::new(Switch::default());
        let watched = switch.clone();
        let hook = move |called: Operation, on: &str| {
            let comes = watched.armed.load(Ordering::SeqCst) && called == operation && on.starts_with(target);
            if comes && !watched.done.swap(true, Ordering::SeqCst) {
                deed();
            }
            Ok(())
        };
        (Arc::new(Self::new(inner, hook)), switch)
    }

    /// A storage without room from its `nth` put on, counted from 1. Removing and reading work.
    pub fn full_from_put(inner: Arc<dyn Backend>, nth: u64) -> Self {
        let puts = AtomicU64::new(0);
        let location = inner.location();
        Self::new(inner, move |operation, target| {
            let is_put = matches!(operation, Operation::PutIfAbsent | Operation::Put);
            if !is_put || puts.fetch_add(1, Ordering::SeqCst) + 1 < nth {
                return Ok(());
            }
            Err(BackendError::Storage {
                action: format!("put {target}"),
                location: location.clone(),
                kind: BackendErrorKind::NoSpace,
                source: "no room is left".into(),
            })
        })
    }

    fn before(&self, operation: Operation, target: &str) -> Result<(), BackendError> {
        (self.hook)(operation, target)
    }
}

impl Switch {
    /// From now on the deed is done when its call comes.
    pub fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    /// Whether the call came. A test that never reached it proves nothing.
    pub fn is_done(&self) -> bool {
        self.done.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for HookedBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HookedBackend over {:?}", self.inner)
    }
}

impl Backend for HookedBackend {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn get(&self, key: &ObjectKey, bytes_max: u64) -> Result<Bytes, BackendError> {
        self.before(Operation::Get, key.as_str())?;
        self.inner.get(key, bytes_max)
    }

    fn get_range(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, BackendError> {
        self.before(Operation::GetRange, key.as_str())?;
        self.inner.get_range(key, range)
    }

    fn get_suffix(&self, key: &ObjectKey, suffix_bytes: u64) -> Result<ObjectSuffix, BackendError> {
        self.before(Operation::GetSuffix, key.as_str())?;
        self.inner.get_suffix(key, suffix_bytes)
    }

    fn stat(&self, key: &ObjectKey) -> Result<ObjectMeta, BackendError> {
        self.before(Operation::Stat, key.as_str())?;
        self.inner.stat(key)
    }

    fn put_if_absent(&self, key: &ObjectKey, parts: &[Bytes]) -> Result<PutOutcome, BackendError> {
        self.before(Operation::PutIfAbsent, key.as_str())?;
        self.inner.put_if_absent(key, parts)
    }

    fn put(&self, key: &ObjectKey, parts: &[Bytes]) -> Result<(), BackendError> {
        self.before(Operation::Put, key.as_str())?;
        self.inner.put(key, parts)
    }

    fn begin(&self) -> Result<Box<dyn ObjectWriter>, BackendError> {
        self.inner.begin()
    }

    fn list(
        &self,
        prefix: &KeyPrefix,
        after: Option<&ObjectKey>,
        page_objects_max: NonZeroUsize,
    ) -> Result<ListPage, BackendError> {
        self.before(Operation::List, prefix.as_str())?;
        self.inner.list(prefix, after, page_objects_max)
    }

    fn delete(&self, key: &ObjectKey) -> Result<(), BackendError> {
        self.before(Operation::Delete, key.as_str())?;
        self.inner.delete(key)
    }

    fn sync(&self, keys: &[ObjectKey]) -> Result<(), BackendError> {
        self.before(Operation::Sync, keys.first().map_or("", ObjectKey::as_str))?;
        self.inner.sync(keys)
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    fn free_space(&self) -> Result<Option<u64>, BackendError> {
        self.inner.free_space()
    }

    fn probe(&self) -> Result<StorageProbe, BackendError> {
        self.inner.probe()
    }

    fn clean_unfinished(&self, older_than: Duration) -> Result<CleanStats, BackendError> {
        self.inner.clean_unfinished(older_than)
    }
}
