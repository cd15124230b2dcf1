//! Storages that refuse or lose what others do, by system calls put in place of the real ones.

use std::fs;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use rustix::io::Errno;
use tempfile::TempDir;

use super::system::System;
use super::{LocalBackend, LocalOptions};
use crate::{Backend, BackendError, BackendErrorKind, Durability, ObjectKey, PublishStrategy, PutOutcome};

fn backend_on(system: System) -> (TempDir, LocalBackend) {
    let directory = tempfile::tempdir().unwrap();
    let backend = LocalBackend::open_on(directory.path(), &LocalOptions::default(), system).unwrap();
    (directory, backend)
}

fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

fn put(backend: &LocalBackend, text: &str) -> Result<PutOutcome, BackendError> {
    backend.put_if_absent(&key(text), &[Bytes::from_static(b"bytes")])
}

fn unfinished(backend: &LocalBackend) -> Vec<String> {
    let entries = fs::read_dir(backend.root().join("tmp")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn refuse<T>(errno: Errno) -> io::Result<T> {
    Err(errno.into())
}

/// Whatever is refused, the object is published once and the next weaker strategy is remembered.
fn check_fallback(system: System, expected: PublishStrategy) {
    let (_directory, backend) = backend_on(system);
    assert_eq!(put(&backend, "packs/ab/1").unwrap(), PutOutcome::Created);
    assert_eq!(put(&backend, "packs/ab/1").unwrap(), PutOutcome::AlreadyExists);
    assert_eq!(backend.get(&key("packs/ab/1"), 100).unwrap(), "bytes");
    assert_eq!(backend.publish_strategy(), expected);
    assert_eq!(unfinished(&backend), [""; 0]);
    let probe = backend.probe().unwrap();
    assert_eq!(probe.publish_strategy, Some(expected));
    assert_eq!(probe.hard_links, expected == PublishStrategy::HardLink);
    assert_eq!(unfinished(&backend), [""; 0]);
}

#[test]
fn hard_links_are_first() {
    check_fallback(System::real(), PublishStrategy::HardLink);
}

#[test]
fn refused_hard_link_falls_back_to_rename() {
    let fat = System { link: |_, _| refuse(Errno::PERM), ..System::real() };
    check_fallback(fat, PublishStrategy::RenameNoReplace);
    let smb = System { link: |_, _| refuse(Errno::OPNOTSUPP), ..System::real() };
    check_fallback(smb, PublishStrategy::RenameNoReplace);
}

#[test]
fn refused_rename_flags_fall_back_to_a_claim() {
    let poor =
        System { link: |_, _| refuse(Errno::NOSYS), rename_no_replace: |_, _| refuse(Errno::INVAL), ..System::real() };
    check_fallback(poor, PublishStrategy::Claim);
}

#[test]
fn failed_link_is_no_refusal() {
    let failing = System { link: |_, _| refuse(Errno::IO), ..System::real() };
    let (_directory, backend) = backend_on(failing);
    let error = put(&backend, "packs/ab/1").unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::StorageFailed, "{error:?}");
    assert_eq!(backend.publish_strategy(), PublishStrategy::HardLink);
    assert!(backend.stat(&key("packs/ab/1")).unwrap_err().is_object_missing());
    assert_eq!(unfinished(&backend), [""; 0]);
}

/// NFS repeats a request whose answer was lost, and the repetition finds the name taken, by the first one.
#[test]
fn repeated_link_request_is_recognised() {
    let repeating = System {
        link: |from, to| {
            let _ = fs::hard_link(from, to);
            fs::hard_link(from, to)
        },
        ..System::real()
    };
    let (_directory, backend) = backend_on(repeating);
    assert_eq!(put(&backend, "packs/ab/1").unwrap(), PutOutcome::Created);
    assert_eq!(put(&backend, "packs/ab/1").unwrap(), PutOutcome::AlreadyExists);
}

#[test]
fn repeated_rename_request_is_recognised() {
    let repeating = System {
        link: |_, _| refuse(Errno::PERM),
        rename_no_replace: |from, to| {
            let real = System::real().rename_no_replace;
            let _ = real(from, to);
            real(from, to)
        },
        ..System::real()
    };
    let (_directory, backend) = backend_on(repeating);
    assert_eq!(put(&backend, "packs/ab/1").unwrap(), PutOutcome::Created);
}

/// Two writers pass the first look at the name together; the slower one must still be told that it lost.
#[test]
fn name_taken_at_the_last_moment_is_found() {
    let overtaken = System {
        link: |from, to| {
            fs::write(to, b"theirs")?;
            fs::hard_link(from, to)
        },
        ..System::real()
    };
    let (_directory, backend) = backend_on(overtaken);
    fs::create_dir(backend.root().join("packs")).unwrap();
    assert_eq!(put(&backend, "packs/1").unwrap(), PutOutcome::AlreadyExists);
    assert_eq!(backend.get(&key("packs/1"), 100).unwrap(), "theirs");
}

/// SMB servers have been seen to do this.
#[test]
fn object_that_is_short_after_publishing_is_taken_back() {
    let shortening = System {
        link: |from, to| {
            fs::hard_link(from, to)?;
            fs::OpenOptions::new().write(true).open(to)?.set_len(2)
        },
        ..System::real()
    };
    let (_directory, backend) = backend_on(shortening);
    let error = put(&backend, "packs/ab/1").unwrap_err();
    assert!(matches!(error, BackendError::LengthWrong { expected_bytes: 5, found_bytes: 2, .. }), "{error:?}");
    assert!(backend.stat(&key("packs/ab/1")).unwrap_err().is_object_missing());
}

/// The same where there are no hard links, as on SMB itself.
#[test]
fn object_that_is_short_after_a_rename_is_taken_back() {
    let shortening = System {
        link: |_, _| refuse(Errno::OPNOTSUPP),
        rename_no_replace: |from, to| {
            fs::rename(from, to)?;
            fs::OpenOptions::new().write(true).open(to)?.set_len(2)
        },
        ..System::real()
    };
    let (_directory, backend) = backend_on(shortening);
    let error = put(&backend, "packs/ab/1").unwrap_err();
    assert!(matches!(error, BackendError::LengthWrong { expected_bytes: 5, found_bytes: 2, .. }), "{error:?}");
    assert!(backend.stat(&key("packs/ab/1")).unwrap_err().is_object_missing());
    assert_eq!(unfinished(&backend), [""; 0]);
}

/// A server that loses the end while it is asked to keep it: nothing gets a name.
#[test]
fn object_that_is_short_before_publishing_gets_no_name() {
    let shortening = System { sync_file: |file| file.set_len(2), ..System::real() };
    let (_directory, backend) = backend_on(shortening);
    for put in [put(&backend, "packs/ab/1").map(drop), backend.put(&key("packs/ab/1"), &[Bytes::from_static(b"bytes")])]
    {
        let error = put.unwrap_err();
        assert!(matches!(error, BackendError::LengthWrong { expected_bytes: 5, found_bytes: 2, .. }), "{error:?}");
    }
    assert!(backend.stat(&key("packs/ab/1")).unwrap_err().is_object_missing());
    assert_eq!(unfinished(&backend), [""; 0]);
}

/// A share that refuses everything that can be refused still keeps objects, once each, and says what it cannot do.
#[test]
fn share_that_refuses_links_flags_and_syncs_still_works() {
    let poor = System {
        link: |_, _| refuse(Errno::OPNOTSUPP),
        rename_no_replace: |_, _| refuse(Errno::INVAL),
        sync_directory: |_| refuse(Errno::BADF),
        sync_file: |_| refuse(Errno::OPNOTSUPP),
    };
    let (_directory, backend) = backend_on(poor);
    assert_eq!(put(&backend, "packs/ab/1").unwrap(), PutOutcome::Created);
    assert_eq!(put(&backend, "packs/ab/1").unwrap(), PutOutcome::AlreadyExists);
    backend.sync(&[key("packs/ab/1")]).unwrap();
    assert_eq!(backend.get(&key("packs/ab/1"), 100).unwrap(), "bytes");
    assert_eq!((backend.publish_strategy(), backend.durability()), (PublishStrategy::Claim, Durability::BestEffort));
    let probe = backend.probe().unwrap();
    assert_eq!([probe.hard_links, probe.rename_no_replace, probe.file_sync, probe.directory_sync], [false; 4]);
    backend.delete(&key("packs/ab/1")).unwrap();
    assert!(backend.stat(&key("packs/ab/1")).unwrap_err().is_object_missing());
}

#[test]
fn refused_directory_sync_is_tolerated_and_told() {
    for errno in [Errno::INVAL, Errno::OPNOTSUPP, Errno::ACCESS, Errno::BADF, Errno::ISDIR] {
        // Function pointers capture nothing, so each refusal has its own.
        let sync_directory = match errno {
            Errno::INVAL => |_: &fs::File| refuse(Errno::INVAL),
            Errno::OPNOTSUPP => |_: &fs::File| refuse(Errno::OPNOTSUPP),
            Errno::BADF => |_: &fs::File| refuse(Errno::BADF),
            Errno::ISDIR => |_: &fs::File| refuse(Errno::ISDIR),
            _ => |_: &fs::File| refuse(Errno::ACCESS),
        };
        let (_directory, backend) = backend_on(System { sync_directory, ..System::real() });
        assert_eq!(put(&backend, "packs/ab/1").unwrap(), PutOutcome::Created);
        assert_eq!(backend.durability(), Durability::Full);
        backend.sync(&[]).unwrap();
        assert_eq!(backend.durability(), Durability::ContentsOnly);
        assert!(!backend.probe().unwrap().directory_sync);
    }
}

#[test]
fn refused_file_sync_is_tolerated_and_told() {
    let (_directory, backend) = backend_on(System { sync_file: |_| refuse(Errno::INVAL), ..System::real() });
    assert_eq!(put(&backend, "packs/ab/1").unwrap(), PutOutcome::Created);
    assert_eq!(backend.durability(), Durability::BestEffort);
    assert!(!backend.probe().unwrap().file_sync);
}

#[test]
fn lost_contents_are_not_published() {
    let (_directory, backend) = backend_on(System { sync_file: |_| refuse(Errno::IO), ..System::real() });
    let error = put(&backend, "packs/ab/1").unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::StorageFailed, "{error:?}");
    let error = backend.put(&key("config"), &[]).unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::StorageFailed, "{error:?}");
    for text in ["packs/ab/1", "config"] {
        assert!(backend.stat(&key(text)).unwrap_err().is_object_missing());
    }
    assert_eq!(unfinished(&backend), [""; 0]);
}

/// The kernel reports a lost write once. Were the second barrier to succeed, the caller would commit on what is lost.
#[test]
fn lost_directory_entries_fail_every_later_sync() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let failing_once = System {
        sync_directory: |_| match CALLS.fetch_add(1, Ordering::Relaxed) {
            0 => refuse(Errno::IO),
            _ => Ok(()),
        },
        ..System::real()
    };
    let (_directory, backend) = backend_on(failing_once);
    assert_eq!(put(&backend, "packs/ab/1").unwrap(), PutOutcome::Created);
    for _ in 0..3 {
        let error = backend.sync(&[]).unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::StorageFailed, "{error:?}");
    }
}

/// One barrier covers every directory on the way, once, whoever made it; and nothing that is not owed.
#[test]
fn sync_settles_each_directory_once() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let counting = System {
        sync_directory: |directory| {
            CALLS.fetch_add(1, Ordering::Relaxed);
            directory.sync_all()
        },
        ..System::real()
    };
    let (_directory, backend) = backend_on(counting);
    let syncs = |keys: &[ObjectKey]| {
        CALLS.store(0, Ordering::Relaxed);
        backend.sync(keys).unwrap();
        CALLS.load(Ordering::Relaxed)
    };
    assert_eq!(syncs(&[]), 0);
    for text in ["packs/ab/1", "packs/ab/2", "packs/cd/3"] {
        assert_eq!(put(&backend, text).unwrap(), PutOutcome::Created);
    }
    assert_eq!(syncs(&[]), 4, "packs/ab, packs/cd, packs and the root");
    assert_eq!(syncs(&[]), 0);
    assert_eq!(syncs(&[key("packs/cd/3")]), 3, "packs/cd, packs and the root");
    backend.delete(&key("packs/cd/3")).unwrap();
    assert_eq!(syncs(&[]), 2, "packs and the root; packs/cd is gone");
}

/// A barrier of another thread that runs between the debt and the deed must not settle the debt.
#[test]
fn barrier_in_the_middle_of_a_publish_does_not_settle_it() {
    static BACKEND: OnceLock<LocalBackend> = OnceLock::new();
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let interleaved = System {
        link: |from, to| {
            let other_thread = BACKEND.get().expect("set before the first publish");
            other_thread.sync(&[]).map_err(io::Error::other)?;
            fs::hard_link(from, to)
        },
        sync_directory: |directory| {
            CALLS.fetch_add(1, Ordering::Relaxed);
            directory.sync_all()
        },
        ..System::real()
    };
    let (_directory, backend) = backend_on(interleaved);
    BACKEND.set(backend.clone()).unwrap();
    fs::create_dir(backend.root().join("packs")).unwrap();
    assert_eq!(put(&backend, "packs/1").unwrap(), PutOutcome::Created);
    CALLS.store(0, Ordering::Relaxed);
    backend.sync(&[]).unwrap();
    assert_eq!(CALLS.load(Ordering::Relaxed), 2, "packs and the root");
}

/// A publisher that makes its directories anew while somebody removes them wins in the end.
#[test]
fn directory_removed_before_the_link_is_made_anew() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let disturbed = System {
        link: |from, to| {
            if CALLS.fetch_add(1, Ordering::Relaxed) < 3 {
                let _ = to.parent().map(fs::remove_dir);
            }
            fs::hard_link(from, to)
        },
        ..System::real()
    };
    let (_directory, backend) = backend_on(disturbed);
    assert_eq!(put(&backend, "packs/ab/1").unwrap(), PutOutcome::Created);
    assert_eq!(CALLS.load(Ordering::Relaxed), 4);
}
