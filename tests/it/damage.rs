//! A repository that lost something: what is gone is named, and the same bytes heal it when they are ingested again.

use std::{fs, path::Path};

use vectar::{
    CancelToken, Engine, EngineOptions, Error, ErrorKind, IngestOptions, IngestOutcome, RestoreOptions, Silent, Source,
    ingest, restore_to_file,
};

use crate::scene::{Scene, fixture, rebuilt_by, sha256, stored};

/// The objects below `packs/`, largest last.
fn packs(scene: &Scene) -> Vec<String> {
    let mut packs: Vec<_> = scene.objects().into_iter().filter(|(key, _)| key.starts_with("packs/")).collect();
    packs.sort_by_key(|(_, len)| *len);
    packs.into_iter().map(|(key, _)| key).collect()
}

/// Does something to a pack of a stored snapshot, ingests the same file with `open`'s engine, and expects the old backup back.
fn assert_heals(harm: impl Fn(&Path), open: impl Fn(&Scene) -> Engine) {
    let whole = Scene::new();
    let count = packs(&{
        whole.ingest(&fixture("notes", "00-base").path);
        whole
    })
    .len();
    for index in 0..count {
        let scene = Scene::new();
        let path = fixture("notes", "00-base").path;
        let first = scene.ingest(&path).record;
        // The index of this engine, if it has a file, knows the packs while they are whole.
        drop(open(&scene));
        harm(&scene.root().join(&packs(&scene)[index]));

        let engine = open(&scene);
        let lost = rebuilt_by(&engine, &first).unwrap_err();
        assert_eq!(lost.kind(), ErrorKind::RepositoryDamaged, "{lost:?}");
        let source = Source::file(&path).unwrap();
        let outcome =
            ingest(&engine, source, &IngestOptions::default(), &scene.records(), &Silent, &CancelToken::default());
        let outcome = outcome.unwrap();
        assert!(matches!(outcome, IngestOutcome::Stored(_)), "pack {index}: what is not whole is stored again");
        let second = stored(outcome).record;
        let fresh = open(&scene);
        for record in [&first, &second] {
            let (_, bytes) = rebuilt_by(&fresh, record).unwrap();
            assert!(bytes == fs::read(&path).unwrap(), "pack {index}: both backups come back");
        }
    }
}

fn in_memory(scene: &Scene) -> Engine {
    scene.another_engine()
}

fn with_index_file(scene: &Scene) -> Engine {
    let repository = vectar::open(&scene.root(), None).unwrap();
    let options = EngineOptions { threads: 2, index_directory: Some(scene.file("index")), ..Default::default() };
    Engine::open(&repository, &options).unwrap()
}

#[test]
fn a_lost_pack_is_healed_by_the_same_bytes() {
    assert_heals(|pack| fs::remove_file(pack).unwrap(), in_memory);
}

/// Found by its length in the listing, before anything relies on it.
#[test]
fn a_pack_cut_short_is_healed_by_the_same_bytes() {
    let shorten = |pack: &Path| {
        let len = fs::metadata(pack).unwrap().len();
        fs::File::options().write(true).open(pack).unwrap().set_len(len - 100).unwrap();
    };
    assert_heals(shorten, in_memory);
}

/// The index file remembers the pack as it was; the listing says what it is now.
#[test]
fn a_pack_cut_short_behind_the_back_of_an_index_file_is_healed() {
    let shorten = |pack: &Path| {
        let len = fs::metadata(pack).unwrap().len();
        fs::File::options().write(true).open(pack).unwrap().set_len(len / 2).unwrap();
    };
    assert_heals(shorten, with_index_file);
}

#[test]
fn a_lost_pack_is_noticed_behind_the_back_of_an_index_file() {
    assert_heals(|pack| fs::remove_file(pack).unwrap(), with_index_file);
}

#[test]
fn a_flipped_bit_is_named_and_never_restored() {
    let scene = Scene::new();
    let path = fixture("notes", "00-base").path;
    let record = scene.ingest(&path).record;
    let largest = scene.root().join(packs(&scene).last().unwrap());
    let mut bytes = fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&largest, bytes).unwrap();
    let engine = scene.another_engine();
    let target = scene.file("out.snapshot");
    let error =
        restore_to_file(&engine, &record, &target, &RestoreOptions::default(), &Silent, &CancelToken::default())
            .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RepositoryDamaged);
    assert!(matches!(error, Error::Repository(_)), "{error:?}");
    assert_eq!(fs::read_dir(scene.file("")).unwrap().count(), 0, "no part of a file is left");
    let verified = vectar::verify::verify_backup(&engine, &record, &Silent, &CancelToken::default());
    assert_eq!(verified.unwrap_err().kind(), ErrorKind::RepositoryDamaged);
    assert!(scene.repository.proven_at().unwrap().is_empty(), "what failed proves nothing");
}

/// Wherever a bit of a pack is flipped, each backup comes back as it was or not at all.
#[test]
fn no_flipped_bit_ever_gives_wrong_bytes() {
    let scene = Scene::new();
    let snapshots = ["empty", "shard", "shard-partial"].map(|name| fixture("kinds", name));
    let records = snapshots.each_ref().map(|snapshot| scene.ingest(&snapshot.path).record);
    let (mut harmed, mut unharmed) = (0, 0);
    for key in packs(&scene) {
        let path = scene.root().join(&key);
        let whole = fs::read(&path).unwrap();
        // Both ends in full, where the structure is, and samples of what lies between.
        let ends = (0..64).chain(whole.len() - 64..whole.len());
        for at in ends.chain((64..whole.len() - 64).step_by(whole.len() / 40 + 1)) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(&path, &flipped).unwrap();
            let engine = scene.another_engine();
            for (snapshot, record) in snapshots.iter().zip(&records) {
                match rebuilt_by(&engine, record) {
                    Ok((_, bytes)) => {
                        assert_eq!(sha256(&bytes), snapshot.sha256, "{key}, byte {at}");
                        unharmed += 1;
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::RepositoryDamaged, "{key}, byte {at}: {error:?}");
                        harmed += 1;
                    }
                }
            }
        }
        fs::write(&path, whole).unwrap();
    }
    assert!(harmed > 100 && unharmed > 100, "{harmed} backups were harmed and {unharmed} were not");
}

/// What is wrong with one record concerns no other backup.
#[test]
fn a_damaged_record_is_named_and_the_others_are_listed() {
    let scene = Scene::new();
    let lost = scene.ingest(&fixture("kinds", "empty").path).record;
    let kept = scene.ingest(&fixture("kinds", "shard").path).record;
    let key = format!("backups/{}/", lost.id);
    let key = scene.objects().into_keys().find(|object| object.starts_with(&key)).unwrap();
    let path = scene.root().join(&key);
    let whole = fs::read(&path).unwrap();
    for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..cut]).unwrap();
        let list = scene.repository.records().unwrap();
        assert_eq!(list.backups, std::slice::from_ref(&kept), "cut to {cut} bytes");
        assert_eq!(list.unreadable.iter().map(|record| record.key.as_str()).collect::<Vec<_>>(), [&key[..]]);
    }
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::write(&path, flipped).unwrap();
    assert_eq!(scene.repository.records().unwrap().backups, std::slice::from_ref(&kept));
    scene.assert_comes_back(&kept, &fs::read(fixture("kinds", "shard").path).unwrap());
}

#[test]
fn a_damaged_configuration_is_refused() {
    let scene = Scene::new();
    scene.ingest(&fixture("kinds", "empty").path);
    let path = scene.root().join("config");
    let whole = fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(7) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x04;
        fs::write(&path, flipped).unwrap();
        assert!(vectar::open(&scene.root(), None).is_err(), "byte {at} of {} was flipped", whole.len());
    }
    fs::write(&path, whole).unwrap();
    assert_eq!(scene.records().len(), 1);
}

#[test]
fn what_was_verified_is_on_record() {
    let scene = Scene::new();
    let record = scene.ingest(&fixture("kinds", "empty").path).record;
    vectar::verify::verify_backup(&scene.engine, &record, &Silent, &CancelToken::default()).unwrap();
    assert!(scene.repository.proven_at().unwrap().contains_key(&record.id));
}
