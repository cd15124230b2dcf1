//! What the local backend leaves on the disk.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tempfile::TempDir;
use vectar_backend::{
    Backend, BackendError, BackendErrorKind, BackendExt, KeyPrefix, LocalBackend, ObjectKey, PutOutcome,
};

fn new_backend() -> (TempDir, LocalBackend) {
    let directory = tempfile::tempdir().unwrap();
    let backend = LocalBackend::create(directory.path().join("repository")).unwrap();
    (directory, backend)
}

fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

fn create(backend: &LocalBackend, text: &str, bytes: &'static str) {
    assert_eq!(backend.put_if_absent(&key(text), &[Bytes::from(bytes)]).unwrap(), PutOutcome::Created);
}

fn all_keys(backend: &LocalBackend) -> Vec<String> {
    backend.list_all(&KeyPrefix::everything()).map(|object| object.unwrap().key.to_string()).collect()
}

/// Every path below `directory`, relative to it, sorted, with its mode.
fn tree(directory: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                open.push(entry.path());
            }
            let path = entry.path().strip_prefix(directory).unwrap().to_path_buf();
            found.push((path, metadata.permissions().mode() & 0o7777));
        }
    }
    found.sort();
    found
}

fn make_old(path: &Path, age: Duration) {
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH.max(file_time(path) - age))
        .unwrap();
}

fn file_time(path: &Path) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

#[test]
fn files_and_directories_are_private() {
    let (_directory, backend) = new_backend();
    create(&backend, "packs/ab/1", "x");
    backend.put(&key("config"), &[Bytes::from("y")]).unwrap();
    let expected: Vec<(PathBuf, u32)> =
        [("config", 0o600), ("packs", 0o700), ("packs/ab", 0o700), ("packs/ab/1", 0o600), ("tmp", 0o700)]
            .map(|(path, mode)| (PathBuf::from(path), mode))
            .to_vec();
    assert_eq!(tree(backend.root()), expected);
    assert_eq!(fs::metadata(backend.root()).unwrap().permissions().mode() & 0o7777, 0o700);
}

#[test]
fn nothing_unfinished_stays_behind() {
    let (_directory, backend) = new_backend();
    create(&backend, "packs/ab/1", "x");
    let mut abandoned = backend.begin().unwrap();
    abandoned.write(b"never").unwrap();
    let beaten = backend.begin().unwrap();
    assert_eq!(tree(&backend.root().join("tmp")).len(), 2);
    drop(abandoned);
    assert_eq!(beaten.publish(&key("packs/ab/1")).unwrap(), PutOutcome::AlreadyExists);
    backend.put(&key("packs/ab/1"), &[]).unwrap();
    backend.probe().unwrap();
    backend.clean_unfinished(Duration::ZERO).unwrap();
    assert_eq!(tree(&backend.root().join("tmp")), []);
}

#[test]
fn debris_is_not_listed_and_goes_by_age() {
    let (_directory, backend) = new_backend();
    create(&backend, "config", "x");
    let tmp = backend.root().join("tmp");
    for (name, age_hours) in [("elsewhere-77-0", 48), ("elsewhere-77-1", 1), ("no owner", 48)] {
        fs::write(tmp.join(name), b"debris").unwrap();
        make_old(&tmp.join(name), Duration::from_secs(age_hours * 3600));
    }
    assert_eq!(all_keys(&backend), ["config"]);
    let stats = backend.clean_unfinished(Duration::from_secs(24 * 3600)).unwrap();
    assert_eq!((stats.removed_count, stats.removed_bytes, stats.young_count, stats.in_use_count), (2, 12, 1, 0));
    assert_eq!(tree(&tmp).len(), 1);
    assert!(tmp.join("elsewhere-77-1").exists());
}

/// A file of this process that no writer holds is debris of an earlier process with the same id.
#[test]
fn debris_of_an_earlier_process_with_this_id_goes() {
    let (_directory, backend) = new_backend();
    let writer = backend.begin().unwrap();
    let tmp = backend.root().join("tmp");
    let held = tree(&tmp)[0].0.to_string_lossy().into_owned();
    let (owner, _number) = held.rsplit_once('-').unwrap();
    fs::write(tmp.join(format!("{owner}-999999")), b"debris").unwrap();
    let stats = backend.clean_unfinished(Duration::ZERO).unwrap();
    assert_eq!((stats.removed_count, stats.in_use_count), (1, 1));
    assert_eq!(writer.publish(&key("late")).unwrap(), PutOutcome::Created);
}

#[test]
fn debris_of_an_ended_process_goes_and_that_of_a_live_one_stays() {
    let (_directory, backend) = new_backend();
    let writer = backend.begin().unwrap();
    let tmp = backend.root().join("tmp");
    let held = tree(&tmp)[0].0.to_string_lossy().into_owned();
    let host = held.rsplitn(3, '-').last().unwrap();
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let name = tmp.join(format!("{host}-{}-0", child.id()));
    fs::write(&name, b"debris").unwrap();
    let while_alive = backend.clean_unfinished(Duration::ZERO).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let when_ended = backend.clean_unfinished(Duration::ZERO).unwrap();
    assert_eq!((while_alive.removed_count, while_alive.in_use_count), (0, 2));
    assert_eq!((when_ended.removed_count, when_ended.in_use_count), (1, 1));
    drop(writer);
}

#[test]
fn publishing_what_somebody_cleaned_away_can_be_tried_again() {
    let (_directory, backend) = new_backend();
    let mut writer = backend.begin().unwrap();
    writer.write(b"x").unwrap();
    let tmp = backend.root().join("tmp");
    fs::remove_file(tmp.join(&tree(&tmp)[0].0)).unwrap();
    let error = writer.publish(&key("packs/ab/1")).unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Retry, "{error:?}");
    assert_eq!(all_keys(&backend), [""; 0]);
}

#[test]
fn deleted_objects_leave_no_empty_directories() {
    let (_directory, backend) = new_backend();
    create(&backend, "backups/01/0", "x");
    create(&backend, "backups/02/0", "x");
    backend.delete(&key("backups/01/0")).unwrap();
    assert!(!backend.root().join("backups/01").exists());
    assert!(backend.root().join("backups/02/0").exists());
    backend.delete(&key("backups/02/0")).unwrap();
    backend.sync(&[]).unwrap();
    assert!(backend.root().exists());
}

#[test]
fn foreign_names_are_left_alone() {
    let (_directory, backend) = new_backend();
    create(&backend, "packs/ab/1", "x");
    for name in ["lost+found", "@eaDir", "packs/.nfs0001", "packs/ab/Thumbs.db", "packs/ab/\u{e9}"] {
        fs::write(backend.root().join(name), b"").unwrap();
    }
    assert_eq!(all_keys(&backend), ["packs/ab/1"]);
}

#[test]
fn symbolic_links_are_refused_loudly() {
    let (directory, backend) = new_backend();
    create(&backend, "packs/ab/1", "x");
    fs::write(directory.path().join("outside"), b"secret").unwrap();
    symlink(directory.path().join("outside"), backend.root().join("packs/ab/2")).unwrap();
    let link = key("packs/ab/2");
    let errors = [
        backend.get(&link, 100).unwrap_err(),
        backend.stat(&link).unwrap_err(),
        backend.delete(&link).unwrap_err(),
        backend.put_if_absent(&link, &[]).unwrap_err(),
        backend.put(&link, &[]).unwrap_err(),
        backend.list_all(&KeyPrefix::everything()).find_map(Result::err).unwrap(),
    ];
    for error in errors {
        assert!(matches!(error, BackendError::NotAPlainFile { found: "a symbolic link", .. }), "{error:?}");
    }
    assert_eq!(fs::read(directory.path().join("outside")).unwrap(), b"secret");
}

#[test]
fn linked_directory_does_not_look_like_an_empty_one() {
    let (directory, backend) = new_backend();
    let elsewhere = directory.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, backend.root().join("packs")).unwrap();
    for text in ["packs", "packs/ab"] {
        let error = backend.list_all(&KeyPrefix::parse(text).unwrap()).find_map(Result::err).unwrap();
        assert!(matches!(error, BackendError::NotAPlainFile { found: "a symbolic link", .. }), "{error:?}");
    }
}

#[test]
fn a_directory_under_a_key_is_refused() {
    let (_directory, backend) = new_backend();
    create(&backend, "packs/ab/1", "x");
    let error = backend.put_if_absent(&key("packs/ab"), &[]).unwrap_err();
    assert!(matches!(error, BackendError::NotAPlainFile { found: "a directory", .. }), "{error:?}");
    let error = backend.put_if_absent(&key("packs/ab/1/2"), &[]).unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unsupported, "{error:?}");
    assert_eq!(all_keys(&backend), ["packs/ab/1"]);
}

/// Opening a pipe for reading waits for its writer, for ever.
#[test]
fn a_pipe_under_a_key_does_not_hang() {
    let (_directory, backend) = new_backend();
    let made = Command::new("mkfifo").arg(backend.root().join("pipe")).status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: there is no mkfifo here");
        return;
    }
    let error = backend.get(&key("pipe"), 100).unwrap_err();
    assert!(matches!(error, BackendError::NotAPlainFile { .. }), "{error:?}");
    assert_eq!(all_keys(&backend), [""; 0]);
}

#[test]
fn missing_root_is_no_empty_repository() {
    let (directory, backend) = new_backend();
    create(&backend, "config", "x");
    fs::rename(backend.root(), directory.path().join("unmounted")).unwrap();
    let errors = [
        LocalBackend::open(backend.root()).unwrap_err(),
        backend.get(&key("config"), 100).unwrap_err(),
        backend.stat(&key("config")).unwrap_err(),
        backend.list_all(&KeyPrefix::everything()).find_map(Result::err).unwrap(),
        backend.list_all(&KeyPrefix::parse("packs").unwrap()).find_map(Result::err).unwrap(),
        backend.delete(&key("config")).unwrap_err(),
        backend.put_if_absent(&key("config"), &[]).unwrap_err(),
        backend.clean_unfinished(Duration::ZERO).unwrap_err(),
        backend.sync(&[]).unwrap_err(),
        backend.probe().unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(&error, BackendError::RootMissing { path } if path == backend.root()), "{error:?}");
        assert!(!error.is_object_missing());
        assert_eq!(error.kind(), BackendErrorKind::NotFound);
    }
    assert!(!backend.root().exists(), "the root was made anew");
}

#[test]
fn create_takes_only_what_is_new_or_empty() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("a/b/c");
    LocalBackend::create(&root).unwrap();
    assert_eq!(fs::metadata(directory.path().join("a")).unwrap().permissions().mode() & 0o777, 0o700);
    fs::create_dir(root.join("lost+found")).unwrap();
    let backend = LocalBackend::create(&root).unwrap();
    create(&backend, "config", "x");
    let error = LocalBackend::create(&root).unwrap_err();
    assert!(matches!(error, BackendError::RootNotEmpty { .. }), "{error:?}");
    assert_eq!(error.kind(), BackendErrorKind::AlreadyExists);
    fs::write(directory.path().join("file"), b"").unwrap();
    for path in ["file", "file/below"] {
        let path = directory.path().join(path);
        let error = LocalBackend::create(&path).unwrap_err();
        assert!(matches!(error, BackendError::RootNotADirectory { .. }), "{error:?}");
        let error = LocalBackend::open(&path).unwrap_err();
        assert!(matches!(error, BackendError::RootNotADirectory { .. }), "{error:?}");
    }
}

/// Whoever may ignore permissions, as root does, cannot be kept out by them.
fn may_ignore_permissions(directory: &Path) -> bool {
    File::create(directory.join("tmp/attempt")).is_ok()
}

#[test]
fn read_only_directory_can_be_read_and_says_why_it_cannot_be_written() {
    let (_directory, backend) = new_backend();
    create(&backend, "config", "x");
    let set_modes = |mode| {
        for path in [backend.root().join("tmp"), backend.root().to_path_buf()] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    set_modes(0o500);
    if may_ignore_permissions(backend.root()) {
        set_modes(0o700);
        println!("skipped: this user may write everywhere");
        return;
    }
    let reader = LocalBackend::open(backend.root()).unwrap();
    assert_eq!(reader.get(&key("config"), 100).unwrap(), "x");
    let error = reader.put_if_absent(&key("other"), &[]).unwrap_err();
    let refused = reader.delete(&key("config")).unwrap_err();
    set_modes(0o700);
    assert_eq!(error.kind(), BackendErrorKind::Permission, "{error:?}");
    assert_eq!(refused.kind(), BackendErrorKind::Permission, "{refused:?}");
    assert_eq!(all_keys(&backend), ["config"]);
}

/// Mounts a small file system in memory, which needs the right to mount.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(directory.path());
        let mounted = mount.stderr(std::process::Stdio::null()).status().is_ok_and(|status| status.success());
        mounted.then(|| Self(directory))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0.path()).status();
        let is_unmounted = unmounted.is_ok_and(|status| status.success());
        // A second panic would hide the first.
        assert!(is_unmounted || std::thread::panicking(), "the small disk is still mounted");
    }
}

#[test]
fn full_disk_leaves_nothing_and_says_so() {
    let Some(disk) = SmallDisk::mount() else {
        println!("skipped: this user may not mount");
        return;
    };
    let backend = LocalBackend::create(disk.0.path()).unwrap();
    create(&backend, "config", "x");
    let error = backend.put_if_absent(&key("packs/ab/1"), &[Bytes::from(vec![1; 2 << 20])]).unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::NoSpace, "{error:?}");
    assert_eq!(all_keys(&backend), ["config"]);
    assert_eq!(tree(&backend.root().join("tmp")), []);
    let probe = backend.probe().unwrap();
    assert_eq!((probe.file_system.as_str(), probe.on_root_device), ("tmpfs", Some(false)));
    assert!(probe.free_bytes.is_some_and(|bytes| bytes <= 1 << 20), "{probe:?}");
}

#[test]
fn clones_share_what_is_owed() {
    let (_directory, backend) = new_backend();
    let clone = backend.clone();
    create(&clone, "packs/ab/1", "x");
    backend.sync(&[key("packs/ab/1")]).unwrap();
    assert_eq!(clone.get(&key("packs/ab/1"), 1).unwrap(), "x");
    assert_eq!(clone.root(), backend.root());
}
