//! Writing files: never over another one, never a part of one.

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::Path,
};

use vectar::{
    BackupRecord, CancelToken, Error, ErrorKind, IngestOptions, Observer, RestoreOptions, Restored, Silent, Source,
    restore_to_file,
};
use vectar_chunk::CodecId;
use vectar_repository::{
    DamageReason, RepositoryError,
    format::pack::{PACK_HEADER_BYTES, RECORD_HEAD_BYTES, RecordHead, RecordKind},
};

use crate::scene::{Scene, fixture, sha256};

const FORCE: RestoreOptions = RestoreOptions { force: true, no_checksum: false, sparse: false };

struct Stored {
    scene: Scene,
    record: BackupRecord,
    bytes: Vec<u8>,
}

fn stored() -> Stored {
    let scene = Scene::new();
    let path = fixture("kinds", "shard").path;
    let record = scene.ingest(&path).record;
    Stored { scene, record, bytes: fs::read(path).unwrap() }
}

impl Stored {
    fn restore(&self, path: &Path, options: &RestoreOptions) -> Result<Restored, Error> {
        restore_to_file(&self.scene.engine, &self.record, path, options, &Silent, &CancelToken::default())
    }

    /// Names in the folder of the restored files, in order.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.scene.file("")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn nothing_is_overwritten_without_force() {
    let stored = stored();
    let path = stored.scene.write("s.snapshot", b"precious");
    let error = stored.restore(&path, &RestoreOptions::default()).unwrap_err();
    assert!(matches!(&error, Error::TargetExists { path: found } if *found == path), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::FixInput);
    assert_eq!((fs::read(&path).unwrap(), stored.names()), (b"precious".to_vec(), vec!["s.snapshot".to_owned()]));

    stored.restore(&path, &FORCE).unwrap();
    assert!(fs::read(&path).unwrap() == stored.bytes);
    assert_eq!(stored.names(), ["s.snapshot", "s.snapshot.checksum"]);
}

#[test]
fn a_checksum_file_in_the_way_is_not_overwritten_either() {
    let stored = stored();
    stored.scene.write("s.snapshot.checksum", b"precious");
    let path = stored.scene.file("s.snapshot");
    let error = stored.restore(&path, &RestoreOptions::default()).unwrap_err();
    assert!(matches!(error, Error::TargetExists { .. }), "{error:?}");
    assert_eq!(stored.names(), ["s.snapshot.checksum"]);
    stored.restore(&path, &RestoreOptions { no_checksum: true, ..RestoreOptions::default() }).unwrap();
    assert_eq!(fs::read(stored.scene.file("s.snapshot.checksum")).unwrap(), b"precious");
}

/// Qdrant refuses a file whose checksum is another's.
#[test]
fn a_checksum_never_lies_beside_a_file_it_is_not_of() {
    let stored = stored();
    let path = stored.scene.write("s.snapshot", b"old");
    stored.scene.write("s.snapshot.checksum", b"of the old one");
    stored.restore(&path, &RestoreOptions { no_checksum: true, ..FORCE }).unwrap();
    assert!(fs::read(&path).unwrap() == stored.bytes);
    assert_eq!(stored.names(), ["s.snapshot"]);
    // A directory under its name cannot go, so nothing is replaced.
    fs::create_dir(stored.scene.file("s.snapshot.checksum")).unwrap();
    fs::write(&path, b"old").unwrap();
    assert!(matches!(stored.restore(&path, &RestoreOptions { no_checksum: true, ..FORCE }), Err(Error::Target { .. })));
    assert_eq!(fs::read(&path).unwrap(), b"old");
}

#[test]
fn a_link_is_in_the_way_as_a_file_is_even_if_it_leads_nowhere() {
    let stored = stored();
    let path = stored.scene.file("link.snapshot");
    symlink("nowhere", &path).unwrap();
    assert!(matches!(stored.restore(&path, &RestoreOptions::default()), Err(Error::TargetExists { .. })));
    assert_eq!(stored.names(), ["link.snapshot"]);
}

/// With force the name is taken over; what a link led to is somebody else's.
#[test]
fn force_replaces_a_link_and_not_what_it_leads_to() {
    let stored = stored();
    let precious = stored.scene.write("precious", b"precious");
    let path = stored.scene.file("s.snapshot");
    symlink(&precious, &path).unwrap();
    stored.restore(&path, &FORCE).unwrap();
    assert_eq!(fs::read(&precious).unwrap(), b"precious");
    assert!(fs::read(&path).unwrap() == stored.bytes);
}

/// `-o /dev/null --force` by root must not turn the device into a file.
#[test]
fn force_replaces_files_and_links_only() {
    let stored = stored();
    let directory = stored.scene.file("directory");
    fs::create_dir(&directory).unwrap();
    let socket = stored.scene.file("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for path in [directory, socket] {
        let error = stored.restore(&path, &FORCE).unwrap_err();
        assert!(matches!(&error, Error::Target { .. }), "{error:?}");
        assert!(!path.is_file());
    }
    assert_eq!(stored.names(), ["directory", "socket"]);
}

#[test]
fn a_restore_that_is_stopped_leaves_nothing_behind() {
    #[derive(Debug)]
    struct CancelAtOnce(CancelToken);
    impl Observer for CancelAtOnce {
        fn progress(&self, _: u64, _: Option<u64>) {
            self.0.cancel();
        }
    }
    let stored = stored();
    let path = stored.scene.write("s.snapshot", b"precious");
    let cancel = CancelToken::default();
    cancel.cancel();
    let outcome =
        restore_to_file(&stored.scene.engine, &stored.record, &path, &FORCE, &CancelAtOnce(cancel.clone()), &cancel);
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!((fs::read(&path).unwrap(), stored.names()), (b"precious".to_vec(), vec!["s.snapshot".to_owned()]));
}

/// A run of zeros is one extent however long it is.
#[test]
fn a_restore_of_one_long_run_can_be_stopped() {
    struct Counting(u64, CancelToken);
    impl vectar::Target for Counting {
        fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
            self.0 += bytes.len() as u64;
            self.1.cancel();
            Ok(())
        }
    }
    let scene = Scene::new();
    let options = vectar::IngestOptions { allow_damaged: true, ..vectar::IngestOptions::default() };
    let record = scene.ingest_stream("zeros", vec![0; 100 << 20], &options).record;
    let cancel = CancelToken::default();
    let mut target = Counting(0, cancel.clone());
    let outcome = vectar::rebuild(&scene.engine, &record, &mut target, &Silent, &cancel);
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(target.0 <= 1 << 20, "{} bytes were written after the caller asked to stop", target.0);
}

#[test]
fn a_missing_directory_is_an_error_and_stays_missing() {
    let stored = stored();
    let error = stored.restore(&stored.scene.file("missing/s.snapshot"), &RestoreOptions::default()).unwrap_err();
    assert!(matches!(&error, Error::Target { .. }), "{error:?}");
    assert_eq!(stored.names(), Vec::<String>::new());
}

/// A name that is as long as a name can be leaves no room for a longer one beside it.
#[test]
fn a_long_name_can_be_written_to() {
    let stored = stored();
    let path = stored.scene.file(&format!("{}.snapshot", "n".repeat(236)));
    stored.restore(&path, &RestoreOptions::default()).unwrap();
    assert!(fs::read(&path).unwrap() == stored.bytes);
    assert_eq!(stored.names().len(), 2);
}

/// A temporary file with a name that can be foreseen would follow a link that someone laid there.
#[test]
fn two_restores_into_one_folder_do_not_meet() {
    let stored = stored();
    std::thread::scope(|scope| {
        let restores: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| stored.restore(&stored.scene.file("s.snapshot"), &FORCE).map(|_| ())))
            .collect();
        for restore in restores {
            restore.join().unwrap().unwrap();
        }
    });
    assert!(fs::read(stored.scene.file("s.snapshot")).unwrap() == stored.bytes);
    assert_eq!(stored.names(), ["s.snapshot", "s.snapshot.checksum"]);
}

#[test]
fn zeros_become_holes_when_asked_for() {
    let bytes = [&[1; 1_000_003][..], &[0; 5_000_000], &[2; 77], &[0; 3_000_000]].concat();
    let scene = Scene::new();
    let record = scene.ingest(&scene.write("zeros.snapshot", &bytes)).record;
    let stored = Stored { scene, record, bytes };
    let path = stored.scene.file("s.snapshot");
    let taken = |options: &RestoreOptions| {
        let restored = stored.restore(&path, options).unwrap();
        assert!(fs::read(&path).unwrap() == stored.bytes);
        assert_eq!(restored.rebuilt.sha256, sha256(&stored.bytes));
        512 * fs::metadata(&path).unwrap().blocks()
    };
    let (whole, sparse) = (taken(&FORCE), taken(&RestoreOptions { sparse: true, ..FORCE }));
    assert!(whole >= stored.bytes.len() as u64, "{whole}");
    assert!(sparse < 1_100_000, "{sparse} of {whole}");
}

/// Changes a byte of the first chunk that is stored as it is, in the first pack of the repository that has one, and makes its checksum hold again.
fn replace_a_chunk(scene: &Scene, packs: &[String]) -> String {
    for pack in packs {
        let path = scene.root().join(pack);
        let mut bytes = fs::read(&path).unwrap();
        let mut at = usize::try_from(PACK_HEADER_BYTES).unwrap();
        while let Ok((head, stored)) = RecordHead::decode(&bytes[at..]) {
            let stored_at = at + usize::try_from(RECORD_HEAD_BYTES).unwrap();
            if head.kind == RecordKind::Chunk && CodecId::new(head.codec) == CodecId::RAW {
                let mut wrong = stored.to_vec();
                wrong[head.stored_len as usize / 2] ^= 1;
                bytes.splice(at..stored_at + wrong.len(), [head.encode(&wrong), wrong].concat());
                fs::write(&path, bytes).unwrap();
                return pack.clone();
            }
            at = stored_at + stored.len();
        }
    }
    panic!("no chunk is stored as it is")
}

fn packs(scene: &Scene) -> Vec<String> {
    scene.objects().into_keys().filter(|key| key.starts_with("packs/")).collect()
}

/// The SHA-256 of the whole is what finds it; which chunk it is the second attempt says.
#[test]
fn a_wrong_chunk_whose_checksum_holds_is_found_and_named() {
    let stored = stored();
    replace_a_chunk(&stored.scene, &packs(&stored.scene));
    let path = stored.scene.write("s.snapshot", b"precious");
    let error = stored.restore(&path, &FORCE).unwrap_err();
    let Error::Repository(RepositoryError::ChunkDamaged { source: DamageReason::IdWrong { .. }, .. }) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(error.kind(), ErrorKind::RepositoryDamaged);
    assert_eq!((fs::read(&path).unwrap(), stored.names()), (b"precious".to_vec(), vec!["s.snapshot".to_owned()]));
}

/// Two ingests that do not know of each other store the same chunks; one of them serves when the other is wrong, whichever that is.
#[test]
fn a_sound_copy_serves_instead_of_a_wrong_one() {
    for damaged in 0..2 {
        let scene = Scene::new();
        let (other, bytes) = (scene.another_engine(), fs::read(fixture("kinds", "shard").path).unwrap());
        let file = scene.write("s.snapshot", &bytes);
        let record = scene.ingest(&file).record;
        let first = packs(&scene);
        let ingest = |name: &str| {
            let source = Source::file(&scene.write(name, &bytes)).unwrap();
            vectar::ingest(&other, source, &IngestOptions::default(), &[], &Silent, &CancelToken::default()).unwrap()
        };
        ingest("again.snapshot");
        let second: Vec<_> = packs(&scene).into_iter().filter(|pack| !first.contains(pack)).collect();
        assert_eq!(first.len(), second.len(), "each has packs of its own");
        replace_a_chunk(&scene, [&first, &second][damaged]);
        let (engine, path) = (scene.another_engine(), scene.file("back.snapshot"));
        let cancel = CancelToken::default();
        for sparse in [false, true] {
            restore_to_file(&engine, &record, &path, &RestoreOptions { sparse, ..FORCE }, &Silent, &cancel).unwrap();
            assert!(fs::read(&path).unwrap() == bytes, "{damaged} {sparse}");
        }
    }
}
