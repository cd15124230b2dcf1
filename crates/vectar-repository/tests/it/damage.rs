//! Each object, damaged in each way: wrong bytes are never served, what is lost is named, and storing goes on.

use std::sync::Arc;

use vectar_backend::{Backend, ObjectKey};
use vectar_repository::{
    ChunkReader, DamageReason, ErrorKind, IndexedRepository, RepositoryError,
    format::{pack::RecordKind, record::BackupRecord},
};
use vectar_testkit::backend::MemoryBackend;

use crate::scene::{first_bytes, keys_below, object, open, overwrite, publish_pack, rebuilt, store, with_one_backup};

/// Does something to an object; the number says where.
type Harm = fn(&MemoryBackend, &ObjectKey, usize);

const HARMS: [(&str, Harm); 6] = [
    ("deleted", |memory, key, _| {
        memory.delete(key).unwrap();
    }),
    ("emptied", |memory, key, _| overwrite(memory, key, "")),
    ("cut", |memory, key, at| {
        let bytes = object(memory, key);
        overwrite(memory, key, bytes.slice(..bytes.len() * at / PLACES));
    }),
    ("flipped", |memory, key, at| {
        let mut bytes = object(memory, key).to_vec();
        let place = bytes.len() * at / PLACES;
        bytes[place] ^= 1 << (at % 8);
        overwrite(memory, key, bytes);
    }),
    ("zeroed", |memory, key, at| {
        let mut bytes = object(memory, key).to_vec();
        let place = bytes.len() * at / PLACES;
        let end = (place + 512).min(bytes.len());
        bytes[place..end].fill(0);
        overwrite(memory, key, bytes);
    }),
    ("lengthened", |memory, key, _| {
        let bytes = [&object(memory, key)[..], b"more"].concat();
        overwrite(memory, key, bytes);
    }),
];

/// How many places of each object are hurt.
const PLACES: usize = 24;

#[test]
fn damage_anywhere_is_named_and_never_served() {
    let keys = with_one_backup().keys();
    let mut hurt = 0;
    for (what, harm) in HARMS {
        for key in &keys {
            for at in 0..PLACES {
                let label = format!("{key} {what} at {at}");
                let memory = with_one_backup();
                let before = object(&memory, key);
                harm(&memory, key, at);
                if memory.keys().contains(key) && object(&memory, key) == before {
                    continue;
                }
                hurt += 1;
                assert_honest(&memory, key, &label);
                if matches!(what, "deleted" | "emptied" | "lengthened") {
                    break;
                }
            }
        }
    }
    assert!(hurt > 300, "{hurt} damages");
}

fn assert_honest(memory: &MemoryBackend, key: &ObjectKey, label: &str) {
    let repository = match open(Arc::new(memory.another_process()), 3) {
        Ok(repository) => repository,
        Err(error) => {
            assert_eq!(key.as_str(), "config", "{label}: only the config keeps a repository closed: {error}");
            return assert_is_damage(&error, label);
        }
    };
    let list = repository.records().unwrap();
    list.unreadable.iter().for_each(|unreadable| assert_is_damage(&unreadable.error, label));
    assert!(key.as_str().starts_with("backups/") || list.backups.len() == 1, "{label}: the backup is listed");
    list.backups.iter().for_each(|record| assert_right_or_damaged(&repository, record, label));

    // The same bytes are stored again, over what can be relied on and nothing else.
    let again = store(&repository, "again", &first_bytes()).unwrap_or_else(|error| panic!("{label}: {error}")).record;
    let fresh = open(Arc::new(memory.another_process()), 4).unwrap();
    assert_right_or_damaged(&fresh, &again, label);
}

fn assert_right_or_damaged(repository: &IndexedRepository, record: &BackupRecord, label: &str) {
    match rebuilt(repository, record) {
        Ok(bytes) => assert!(bytes == first_bytes(), "{label}: wrong bytes were served"),
        Err(error) => assert_is_damage(&error, label),
    }
}

/// A flipped bit may turn a version into a later one, and what is not there may never have been.
fn assert_is_damage(error: &RepositoryError, label: &str) {
    let kinds = [ErrorKind::RepositoryDamaged, ErrorKind::NewerFormat, ErrorKind::NotFound];
    assert!(kinds.contains(&error.kind()), "{label}: {:?}: {error}", error.kind());
}

/// What a listing shows to be lost is stored again, and the old backup comes back by it.
#[test]
fn the_same_bytes_heal_what_a_listing_can_tell() {
    for (what, harm) in [HARMS[0], HARMS[1], HARMS[2], HARMS[5]] {
        for pack in keys_below(&with_one_backup(), "packs") {
            let memory = with_one_backup();
            harm(&memory, &pack, 5);
            let repository = open(Arc::new(memory.another_process()), 3).unwrap();
            let old = repository.records().unwrap().backups.remove(0);
            assert!(rebuilt(&repository, &old).is_err(), "{what}: {pack}");
            store(&repository, "again", &first_bytes()).unwrap();
            let fresh = open(Arc::new(memory.another_process()), 4).unwrap();
            for record in fresh.records().unwrap().backups {
                assert!(rebuilt(&fresh, &record).unwrap() == first_bytes(), "{what}: {pack}");
            }
        }
    }
}

/// Of a backup that was recorded twice, the damaged newer record does not hide the older one; a record under a foreign key is none.
#[test]
fn a_record_is_believed_only_under_its_own_key() {
    let memory = with_one_backup();
    let key = keys_below(&memory, "backups").remove(0);
    let bytes = object(&memory, &key);
    let beside = |seq: &str| ObjectKey::parse(&key.as_str().replace("0000000000", seq)).unwrap();
    overwrite(&memory, &beside("0000000001"), bytes.clone());
    overwrite(&memory, &beside("0000000002"), bytes.slice(..bytes.len() - 1));
    overwrite(&memory, &ObjectKey::parse("backups/readme").unwrap(), "hello");
    let list = open(Arc::new(memory.another_process()), 3).unwrap().records().unwrap();
    assert_eq!(list.backups.len(), 1);
    assert_eq!(list.backups[0].seq, 0);
    let mut unreadable: Vec<_> = list.unreadable.iter().map(|unreadable| unreadable.key.to_string()).collect();
    unreadable.sort();
    assert_eq!(
        unreadable,
        [beside("0000000001").to_string(), beside("0000000002").to_string(), "backups/readme".into()]
    );
}

/// Packs of one repository that someone copies into another are of no use there and do no harm: all ids are keyed.
#[test]
fn packs_of_another_repository_do_no_harm() {
    let (memory, other) = (with_one_backup(), MemoryBackend::new());
    vectar_repository::Repository::init(
        Arc::new(other.another_process()),
        crate::scene::process(55),
        &crate::scene::init_options(),
    )
    .unwrap();
    store(&open(Arc::new(other.another_process()), 56).unwrap(), "other", &first_bytes()).unwrap();
    for key in keys_below(&other, "packs") {
        overwrite(&memory, &key, object(&other, &key));
    }
    let repository = open(Arc::new(memory.another_process()), 3).unwrap();
    let record = repository.records().unwrap().backups.remove(0);
    assert!(rebuilt(&repository, &record).unwrap() == first_bytes());
}

/// Checksums guard against accidents; only the id says that the bytes are the right ones.
#[test]
fn a_record_that_decodes_to_something_else_is_damage() {
    let memory = with_one_backup();
    let repository = open(Arc::new(memory.another_process()), 3).unwrap();
    let (chunk, node) = (repository.id_key().chunk_id(b"right"), repository.id_key().node_id(b"right"));
    publish_pack(&memory, &repository, (RecordKind::Chunk, 0, *chunk.as_bytes(), b"wrong", 5));
    // The right bytes under the id of another domain are as wrong as any.
    publish_pack(&memory, &repository, (RecordKind::Node, 0, *node.as_bytes(), b"Right", 5));
    let repository = open(Arc::new(memory.another_process()), 4).unwrap();
    let reader = ChunkReader::new(&repository, 1 << 20);
    for error in [reader.chunk(&chunk).unwrap_err(), reader.node(&node).unwrap_err()] {
        let is_id = matches!(&error, RepositoryError::ChunkDamaged { source: DamageReason::IdWrong { .. }, .. });
        assert!(is_id, "{error:?}");
    }
    // Who compares the bytes with his own has no need of the id; a node is never believed without it.
    let by_checksum = ChunkReader::by_checksum(&repository, 1 << 20);
    assert_eq!(&by_checksum.chunk(&chunk).unwrap()[..], b"wrong");
    assert!(by_checksum.node(&node).is_err());
    let as_node = reader.node(&vectar_chunk::NodeId::from_bytes(*chunk.as_bytes())).unwrap_err();
    assert!(matches!(as_node, RepositoryError::ChunkMissing { .. }), "a chunk is no node: {as_node:?}");
}
