//! Input that cannot be stored: a typed error, and a repository that is as it was.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use vectar::{CancelToken, Error, ErrorKind, IngestOptions, IngestOutcome, Observer, Silent, Source, ingest};

use crate::{
    random::Random,
    scene::{Scene, fixture, stored, stream},
};

/// Acts when a progress call comes: a fault at a certain place of an ingest, without any clock.
struct AtCall<F> {
    nth: u64,
    calls: AtomicU64,
    act: F,
}

impl<F: Fn() + Send + Sync> AtCall<F> {
    fn new(nth: u64, act: F) -> Self {
        Self { nth, calls: AtomicU64::new(0), act }
    }

    fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

impl<F: Fn() + Send + Sync> Observer for AtCall<F> {
    fn progress(&self, _done: u64, _total: Option<u64>) {
        if self.calls.fetch_add(1, Ordering::Relaxed) + 1 == self.nth {
            (self.act)();
        }
    }
}

impl<F> fmt::Debug for AtCall<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AtCall").field("nth", &self.nth).finish_non_exhaustive()
    }
}

/// A tar of many windows whose bytes are all new, last changed long ago.
fn large_file(scene: &Scene) -> PathBuf {
    let mut random = Random::new(17);
    let mut builder = tar::Builder::new(Vec::new());
    for index in 0..12 {
        let body = random.bytes(3 << 20);
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(body.len() as u64);
        builder.append_data(&mut header, format!("0/segments/{index}"), &body[..]).unwrap();
    }
    let path = scene.write("large.snapshot", &builder.into_inner().unwrap());
    set_modified(&path, SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    path
}

fn set_modified(path: &Path, time: SystemTime) {
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// Returns once a change made now carries a later time than the last one of `path`: the clock of a file system moves in steps of a
/// few milliseconds, and nothing can tell two changes within one step apart.
fn await_later_change_time(scene: &Scene, path: &Path) {
    let change_time = |path: &Path| {
        let metadata = fs::metadata(path).unwrap();
        (metadata.ctime(), metadata.ctime_nsec())
    };
    while change_time(&scene.write("clock", b"tick")) <= change_time(path) {}
}

/// Asserts that the repository holds what it held, but for packs that the next try uses, and that the next try succeeds.
fn assert_unharmed(scene: &Scene, before: &std::collections::BTreeMap<String, u64>) {
    assert_eq!(&scene.objects_but_packs(), before, "no record, no intent, nothing half-made");
    let path = fixture("notes", "01-insert-5pct").path;
    let known = scene.records();
    let outcome = ingest(
        &scene.another_engine(),
        Source::file(&path).unwrap(),
        &IngestOptions::default(),
        &known,
        &Silent,
        &CancelToken::default(),
    );
    let record = stored(outcome.unwrap()).record;
    let engine = scene.another_engine();
    let (_, bytes) = crate::scene::rebuilt_by(&engine, &record).unwrap();
    assert!(bytes == fs::read(&path).unwrap(), "what is stored next comes back");
    for earlier in &known {
        crate::scene::rebuilt_by(&engine, earlier).unwrap();
    }
}

/// Ingests a file under an observer; the repository holds one backup already.
fn ingest_while(
    scene: &Scene,
    source: Source,
    observer: &dyn Observer,
) -> (Result<IngestOutcome, Error>, std::collections::BTreeMap<String, u64>) {
    scene.ingest(&fixture("notes", "00-base").path);
    let before = scene.objects_but_packs();
    let outcome =
        ingest(&scene.engine, source, &IngestOptions::default(), &scene.records(), observer, &CancelToken::default());
    (outcome, before)
}

#[test]
fn a_checksum_that_disagrees_is_refused_before_anything_is_written() {
    let scene = Scene::new();
    let bytes = fs::read(fixture("kinds", "shard").path).unwrap();
    let path = scene.write("s.snapshot", &bytes);
    let sidecar = scene.write("s.snapshot.checksum", "0".repeat(64).as_bytes());
    let before = scene.objects();
    let error = scene.try_ingest(Source::file(&path).unwrap(), &IngestOptions::default()).unwrap_err();
    let Error::ChecksumMismatch { expected, found, .. } = &error else { panic!("{error:?}") };
    assert_eq!(
        (error.kind(), expected.as_str(), found),
        (ErrorKind::FixInput, "0".repeat(64).as_str(), &fixture("kinds", "shard").sha256)
    );
    assert_eq!(scene.objects(), before);

    fs::write(&sidecar, "no checksum at all").unwrap();
    let error = scene.try_ingest(Source::file(&path).unwrap(), &IngestOptions::default()).unwrap_err();
    assert!(matches!(error, Error::SidecarInvalid { .. }), "{error:?}");
    assert_eq!(scene.objects(), before);

    // Qdrant leaves an empty one behind when it is killed; it proves nothing and disproves nothing.
    fs::write(&sidecar, "").unwrap();
    scene.ingest(&path);
}

/// What disagrees with its checksum is damaged, also when its tar structure is whole: `latest` must pass over it.
#[test]
fn a_snapshot_stored_against_its_checksum_is_marked_damaged() {
    let scene = Scene::new();
    let bytes = fs::read(fixture("kinds", "shard").path).unwrap();
    let path = scene.write("s.snapshot", &bytes);
    scene.write("s.snapshot.checksum", "0".repeat(64).as_bytes());
    let options = IngestOptions { allow_damaged: true, ..IngestOptions::default() };
    let record = scene.ingest_with(Source::file(&path).unwrap(), &options).record;
    let damaged = record.damaged.clone().expect("it is marked");
    assert!(damaged.contains("checksum"), "{damaged}");
    assert!(!vectar::select::is_good(&record));
    scene.assert_comes_back(&record, &bytes);
}

#[test]
fn what_cannot_be_read_is_an_error_of_its_own() {
    let scene = Scene::new();
    let missing = Source::file(&scene.file("missing.snapshot")).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let directory = Source::file(&scene.root()).unwrap_err();
    assert!(directory.to_string().starts_with("cannot read"), "{directory}");
    let device = Source::file(Path::new("/dev/zero")).unwrap_err();
    assert!(matches!(device, Error::Source { .. }), "{device:?}");
}

/// A stream that fails half-way, as a broken pipe or a cut connection does.
#[test]
fn a_stream_that_fails_leaves_nothing_behind() {
    struct Failing(u64);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::Error::other("the cable was pulled"));
            }
            let count = buffer.len().min(self.0 as usize);
            buffer[..count].copy_from_slice(&Random::new(self.0).bytes(count));
            self.0 -= count as u64;
            Ok(count)
        }
    }
    let scene = Scene::new();
    let source = Source::Stream { reader: Box::new(Failing(20 << 20)), name: "s".to_owned(), origin: "-".into() };
    let (outcome, before) = ingest_while(&scene, source, &Silent);
    let error = outcome.unwrap_err();
    assert!(matches!(&error, Error::Source { action: "read", .. }), "{error:?}");
    assert_unharmed(&scene, &before);
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_refused() {
    let scene = Scene::new();
    let path = large_file(&scene);
    let observer = AtCall::new(1, || File::options().write(true).open(&path).unwrap().set_len(25 << 20).unwrap());
    let (outcome, before) = ingest_while(&scene, Source::file(&path).unwrap(), &observer);
    let error = outcome.unwrap_err();
    assert!(matches!(&error, Error::SourceChanged { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Retry);
    assert!(error.to_string().contains(&format!("{}", 25 << 20)), "{error}");
    assert_unharmed(&scene, &before);
}

#[test]
fn a_file_that_grows_while_it_is_read_is_refused() {
    let scene = Scene::new();
    let path = large_file(&scene);
    let len = fs::metadata(&path).unwrap().len();
    let observer =
        AtCall::new(1, || File::options().write(true).open(&path).unwrap().write_all_at(b"more", len).unwrap());
    let (outcome, before) = ingest_while(&scene, Source::file(&path).unwrap(), &observer);
    let error = outcome.unwrap_err();
    assert!(error.to_string().contains(&format!("it had {len} bytes and now has {}", len + 4)), "{error}");
    assert_unharmed(&scene, &before);
}

#[test]
fn a_file_that_is_written_to_while_it_is_read_is_refused() {
    let scene = Scene::new();
    let path = large_file(&scene);
    let observer =
        AtCall::new(2, || File::options().write(true).open(&path).unwrap().write_all_at(b"!", 1 << 20).unwrap());
    let (outcome, before) = ingest_while(&scene, Source::file(&path).unwrap(), &observer);
    let error = outcome.unwrap_err();
    assert!(error.to_string().ends_with("its modification time moved"), "{error}");
    assert_unharmed(&scene, &before);
}

/// Whoever writes and sets the clock back is found out by the time of the inode.
#[test]
fn a_file_that_is_written_to_in_secret_is_refused() {
    let scene = Scene::new();
    let path = large_file(&scene);
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    await_later_change_time(&scene, &path);
    let observer = AtCall::new(2, || {
        File::options().write(true).open(&path).unwrap().write_all_at(b"!", 1 << 20).unwrap();
        set_modified(&path, modified);
    });
    let (outcome, before) = ingest_while(&scene, Source::file(&path).unwrap(), &observer);
    let error = outcome.unwrap_err();
    assert!(matches!(&error, Error::SourceChanged { .. }), "{error:?}");
    assert_unharmed(&scene, &before);
}

/// Between the look at its digest and the reading of its bytes.
#[test]
fn a_file_that_changes_after_its_checksum_was_compared_is_refused() {
    let scene = Scene::new();
    let path = large_file(&scene);
    let digest = crate::scene::sha256(&fs::read(&path).unwrap());
    scene.write("large.snapshot.checksum", digest.as_bytes());
    let observer =
        AtCall::new(1, || File::options().write(true).open(&path).unwrap().write_all_at(b"!", 30 << 20).unwrap());
    let (outcome, before) = ingest_while(&scene, Source::file(&path).unwrap(), &observer);
    let error = outcome.unwrap_err();
    assert!(matches!(&error, Error::SourceChanged { .. }), "{error:?}");
    assert_unharmed(&scene, &before);
}

#[test]
fn too_little_room_is_said_before_anything_is_written() {
    let scene = Scene::new();
    let before = scene.objects();
    let options = IngestOptions { keep_free: Some(u64::MAX / 2), ..IngestOptions::default() };
    let bytes = fs::read(fixture("kinds", "empty").path).unwrap();
    for source in [Source::file(&fixture("kinds", "empty").path).unwrap(), stream("s", bytes)] {
        let error = scene.try_ingest(source, &options).unwrap_err();
        assert!(matches!(&error, Error::KeepFree { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::NoSpace);
        assert_eq!(scene.objects(), before);
    }
    let options = IngestOptions { keep_free: Some(1), ..IngestOptions::default() };
    scene.ingest_with(Source::file(&fixture("kinds", "empty").path).unwrap(), &options);
}

#[test]
fn a_rehearsal_writes_nothing_and_foretells_the_packs() {
    let scene = Scene::new();
    scene.ingest(&fixture("notes", "00-base").path);
    let path = fixture("notes", "01-insert-5pct").path;
    let before = scene.objects();
    let options = IngestOptions { dry_run: true, ..IngestOptions::default() };
    let outcome = scene.try_ingest(Source::file(&path).unwrap(), &options).unwrap();
    let IngestOutcome::Rehearsed(rehearsal) = outcome else { panic!("{outcome:?}") };
    assert_eq!(scene.objects(), before);
    let committed = scene.ingest(&path);
    assert_eq!(rehearsal.new_bytes, committed.record.space.new_pack_bytes);
    assert_eq!(rehearsal.sha256, committed.record.sha256);
    assert_eq!(rehearsal.classes, committed.record.space.classes);
}

#[test]
fn an_ingest_can_be_stopped_at_every_stage() {
    let scene = Scene::new();
    let path = large_file(&scene);
    let whole = AtCall::new(u64::MAX, || ());
    scene.ingest(&fixture("notes", "00-base").path);
    let options = IngestOptions { dry_run: true, ..IngestOptions::default() };
    ingest(&scene.engine, Source::file(&path).unwrap(), &options, &[], &whole, &CancelToken::default()).unwrap();
    assert!(whole.calls() >= 8, "{} calls", whole.calls());

    let before = scene.objects_but_packs();
    for nth in 0..=whole.calls() {
        let cancel = CancelToken::default();
        if nth == 0 {
            cancel.cancel();
        }
        let observer = AtCall::new(nth, || cancel.cancel());
        let outcome =
            ingest(&scene.engine, Source::file(&path).unwrap(), &IngestOptions::default(), &[], &observer, &cancel);
        let error = outcome.expect_err("it was stopped before it was done");
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}");
        assert!(observer.calls() <= nth + 1, "it goes on for {} windows", observer.calls() - nth);
        assert_eq!(scene.objects_but_packs(), before, "stopped at call {nth}");
    }
    assert_unharmed(&scene, &before);
}

/// Bodies that are all known make no batches, and there may be terabytes of them.
#[test]
fn an_ingest_of_what_is_known_can_be_stopped_too() {
    let scene = Scene::new();
    let path = large_file(&scene);
    scene.ingest(&path);
    let before = scene.objects();
    let copy = scene.file("copy.snapshot");
    fs::copy(&path, &copy).unwrap();
    let cancel = CancelToken::default();
    let observer = AtCall::new(2, || cancel.cancel());
    let outcome =
        ingest(&scene.engine, Source::file(&copy).unwrap(), &IngestOptions::default(), &[], &observer, &cancel);
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(observer.calls() <= 3, "it goes on for {} windows", observer.calls() - 2);
    assert_eq!(scene.objects(), before);
}

/// Standard input may have nothing to say for hours.
#[test]
fn an_ingest_of_a_silent_stream_can_be_stopped() {
    struct Stalled(CancelToken, std::sync::mpsc::Receiver<()>);
    impl Read for Stalled {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            self.0.cancel();
            // Returns when the test is over and the other end is dropped.
            let _ = self.1.recv();
            Ok(0)
        }
    }
    let scene = Scene::new();
    scene.ingest(&fixture("notes", "00-base").path);
    let before = scene.objects();
    let cancel = CancelToken::default();
    let (plug, stalled) = std::sync::mpsc::channel();
    let source =
        Source::Stream { reader: Box::new(Stalled(cancel.clone(), stalled)), name: "s".to_owned(), origin: "-".into() };
    let outcome = ingest(&scene.engine, source, &IngestOptions::default(), &[], &Silent, &cancel);
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(scene.objects(), before);
    drop(plug);
}
