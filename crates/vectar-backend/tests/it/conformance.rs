//! Every backend passes the one suite.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use vectar_backend::{Backend, LocalBackend, LocalOptions, PublishStrategy};
use vectar_testkit::backend::{
    FailingBackend, MemoryBackend, ObjectStoreBackend, ObjectStoreOptions, RecordingBackend, ShareBackend,
    ShareOptions, run_conformance,
};

/// Runs the suite on new directories, which publish by `first_strategy`.
fn check_local(first_strategy: PublishStrategy) {
    let directories: Mutex<Vec<TempDir>> = Mutex::default();
    run_conformance(|| {
        let directory = tempfile::tempdir().unwrap();
        let options = LocalOptions { first_strategy };
        let backend = LocalBackend::open_with(directory.path(), &options).unwrap();
        directories.lock().unwrap().push(directory);
        Arc::new(backend)
    });
    assert!(!directories.lock().unwrap().is_empty(), "the suite made no backend");
}

#[test]
fn local_backend_passes() {
    check_local(PublishStrategy::HardLink);
}

#[test]
fn local_backend_that_renames_passes() {
    check_local(PublishStrategy::RenameNoReplace);
}

#[test]
fn local_backend_that_claims_passes_but_for_readers_of_the_moment() {
    check_local(PublishStrategy::Claim);
}

#[test]
fn memory_backend_passes() {
    run_conformance(|| Arc::new(MemoryBackend::new()));
}

#[test]
fn object_store_backend_passes() {
    run_conformance(|| Arc::new(ObjectStoreBackend::new(ObjectStoreOptions::default())));
}

#[test]
fn slow_object_store_backend_passes() {
    let options = ObjectStoreOptions { latency: Duration::from_micros(200), ..ObjectStoreOptions::default() };
    run_conformance(|| Arc::new(ObjectStoreBackend::new(options.clone())));
}

#[test]
fn wrapped_backends_pass() {
    run_conformance(|| Arc::new(RecordingBackend::new(FailingBackend::counting(MemoryBackend::new()))));
    run_conformance(|| {
        let shared: Arc<dyn Backend> = Arc::new(ObjectStoreBackend::new(ObjectStoreOptions::default()));
        Arc::new(FailingBackend::counting(RecordingBackend::new(shared)))
    });
}

/// One client alone sees all it does: what a share's caches get wrong is what others do.
#[test]
fn share_with_one_client_passes() {
    let options = ShareOptions { lag_max: 50, missed_once_in: 1, ..ShareOptions::default() };
    run_conformance(|| Arc::new(ShareBackend::new(MemoryBackend::new(), options.clone())));
}
