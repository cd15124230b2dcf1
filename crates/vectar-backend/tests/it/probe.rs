//! What the probe finds out about the disk of the tests.

use vectar_backend::{Backend, Durability, LocalBackend, PublishStrategy};

#[test]
fn probe_of_an_ordinary_disk() {
    let directory = tempfile::tempdir().unwrap();
    let backend = LocalBackend::open(directory.path()).unwrap();
    let probe = backend.probe().unwrap();
    // True of every file system that a developer's temporary directory lies on.
    assert!(probe.rename_replaces, "{probe:?}");
    assert!(probe.exclusive_create, "{probe:?}");
    assert!(probe.ranged_reads, "{probe:?}");
    assert!(probe.listing_fresh, "{probe:?}");
    assert!(probe.length_kept, "{probe:?}");
    assert!(probe.private_modes, "{probe:?}");
    assert!(probe.free_bytes.is_some_and(|bytes| bytes > 0), "{probe:?}");
    assert!(probe.on_root_device.is_some(), "{probe:?}");
    let expected = match (probe.hard_links, probe.rename_no_replace) {
        (true, _) => PublishStrategy::HardLink,
        (false, true) => PublishStrategy::RenameNoReplace,
        (false, false) => PublishStrategy::Claim,
    };
    assert_eq!(probe.publish_strategy, Some(expected));
}

#[cfg(target_os = "linux")]
#[test]
fn probe_of_memory_is_volatile() {
    let Ok(directory) = tempfile::tempdir_in("/dev/shm") else {
        println!("skipped: there is no /dev/shm here");
        return;
    };
    let probe = LocalBackend::open(directory.path()).unwrap().probe().unwrap();
    if probe.file_system != "tmpfs" {
        println!("skipped: /dev/shm is {} here", probe.file_system);
        return;
    }
    assert_eq!(probe.durability, Durability::Volatile);
    assert!(!probe.is_network);
    assert!(probe.hard_links);
    assert!(probe.rename_no_replace);
    assert!(probe.case_sensitive);
}

#[test]
fn probe_leaves_nothing_but_the_directory_for_unfinished_files() {
    let directory = tempfile::tempdir().unwrap();
    LocalBackend::open(directory.path()).unwrap().probe().unwrap();
    let names: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["tmp"]);
    assert_eq!(std::fs::read_dir(directory.path().join("tmp")).unwrap().count(), 0);
}
