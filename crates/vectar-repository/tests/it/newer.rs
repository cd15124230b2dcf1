//! What a later version wrote is refused by name or number, and the rest stays usable.

use std::sync::Arc;

use serde_json::{Value, json};
use vectar_backend::ObjectKey;
use vectar_chunk::{CodecHint, NodeId};
use vectar_repository::{
    ErrorKind, Ingest, Preparer, Repository, RepositoryError,
    format::{
        frame::{self, FrameKind},
        keys,
        node::{NodeVersion, RecipeNode},
        pack::RecordKind,
    },
};
use vectar_testkit::backend::MemoryBackend;

use crate::scene::{
    assert_backups, draft, first_bytes, keys_below, names, object, open, overwrite, process, publish_pack, rebuilt,
    second_bytes, store, with_one_backup,
};

/// Writes a text object with changed JSON, its checksum made right again.
fn change(memory: &MemoryBackend, key: &ObjectKey, kind: FrameKind, change: impl FnOnce(&mut Value)) {
    let mut value: Value = frame::decode(kind, &object(memory, key)).unwrap();
    change(&mut value);
    overwrite(memory, key, frame::encode(kind, &value));
}

/// Raises the version in the header of a text object, which its checksum does not cover.
fn raise_version(memory: &MemoryBackend, key: &ObjectKey, kind: &str) {
    let text = String::from_utf8(object(memory, key).to_vec()).unwrap();
    overwrite(memory, key, text.replacen(&format!("vectar {kind} 1 "), &format!("vectar {kind} 2 "), 1));
}

fn refusal(memory: &MemoryBackend) -> String {
    let error = Repository::open(Arc::new(memory.another_process()), process(3)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NewerFormat, "{error:?}");
    assert_eq!(error.to_string(), "object config in memory cannot be used");
    std::error::Error::source(&error).unwrap().to_string()
}

#[test]
fn a_newer_repository_is_refused_by_number() {
    let memory = with_one_backup();
    // A later config may lack what this version needs and hold what it cannot know.
    change(&memory, &keys::config(), FrameKind::Config, |config| {
        *config = json!({"format": 2, "cut": "see elsewhere"})
    });
    assert_eq!(refusal(&memory), "config has version 2, this vectar reads up to 1");
    let memory = with_one_backup();
    raise_version(&memory, &keys::config(), "config");
    assert_eq!(refusal(&memory), "config has version 2, this vectar reads up to 1");
}

#[test]
fn an_unknown_required_feature_is_refused_by_name() {
    let memory = with_one_backup();
    change(&memory, &keys::config(), FrameKind::Config, |config| {
        config["required_features"] = json!(["rows-1", "encryption-1"]);
        config["encryption"] = json!("chacha20");
    });
    assert_eq!(refusal(&memory), "config requires rows-1, encryption-1, which this vectar does not know");
}

/// What may be ignored is ignored.
#[test]
fn unknown_fields_are_no_reason_to_refuse() {
    let memory = with_one_backup();
    change(&memory, &keys::config(), FrameKind::Config, |config| config["colour"] = json!("green"));
    let record = keys_below(&memory, "backups").remove(0);
    change(&memory, &record, FrameKind::Record, |record| record["mood"] = json!({"of": ["the", "day"]}));
    assert_backups(&open(Arc::new(memory.another_process()), 3).unwrap(), &["first"], "with more fields");
}

/// One backup that this version cannot restore keeps nobody from the others, nor from storing.
#[test]
fn a_newer_record_hides_only_its_own_backup() {
    type MakeNewer = fn(&MemoryBackend, &ObjectKey);
    let newer: [(&str, MakeNewer); 2] = [
        ("record requires rows-1, which this vectar does not know", |memory, key| {
            change(memory, key, FrameKind::Record, |record| record["requires"] = json!(["rows-1"]));
        }),
        ("record has version 2, this vectar reads up to 1", |memory, key| raise_version(memory, key, "record")),
    ];
    for (reason, make_newer) in newer {
        let memory = with_one_backup();
        let key = keys_below(&memory, "backups").remove(0);
        store(&open(Arc::new(memory.another_process()), 3).unwrap(), "second", &second_bytes()).unwrap();
        make_newer(&memory, &key);
        let repository = open(Arc::new(memory.another_process()), 4).unwrap();
        let list = repository.records().unwrap();
        assert_eq!(list.unreadable.len(), 1);
        assert_eq!(list.unreadable[0].error.kind(), ErrorKind::NewerFormat);
        assert_eq!(std::error::Error::source(&list.unreadable[0].error).unwrap().to_string(), reason);
        assert!(rebuilt(&repository, &list.backups[0]).unwrap() == second_bytes());
        store(&repository, "third", &first_bytes()).unwrap();
        assert_eq!(names(Arc::new(memory.another_process())), ["second", "third"]);
    }
}

/// A pack whose trailer is of a later version is reported and left out.
#[test]
fn a_newer_pack_is_reported_and_left_out() {
    let memory = with_one_backup();
    let pack = keys_below(&memory, "packs").remove(0);
    let mut bytes = object(&memory, &pack).to_vec();
    *bytes.last_mut().unwrap() = b'2';
    overwrite(&memory, &pack, bytes);
    let repository = Repository::open(Arc::new(memory.another_process()), process(3)).unwrap();
    let (indexed, stats) = repository.with_index(None).unwrap();
    assert_eq!(stats.unreadable.len(), 1);
    assert_eq!(stats.unreadable[0].1.kind(), ErrorKind::NewerFormat);
    store(&indexed, "again", &first_bytes()).unwrap();
    assert_backups(&open(Arc::new(memory.another_process()), 4).unwrap(), &["again", "first"], "stored afresh");
}

#[test]
fn an_unknown_codec_is_refused_for_its_chunk_only() {
    let memory = with_one_backup();
    let repository = Repository::open(Arc::new(memory.another_process()), process(3)).unwrap();
    let id = repository.id_key().chunk_id(b"raw");
    publish_pack(&memory, &repository, (RecordKind::Chunk, 7, *id.as_bytes(), b"coded", 3));
    let indexed = open(Arc::new(memory.another_process()), 4).unwrap();
    let error = vectar_repository::ChunkReader::new(&indexed, 1 << 20).chunk(&id).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NewerFormat, "{error:?}");
    assert_backups(&indexed, &["first"], "the others");
}

#[test]
fn a_newer_recipe_node_is_refused() {
    let memory = with_one_backup();
    let repository = Repository::open(Arc::new(memory.another_process()), process(3)).unwrap();
    let mut node = RecipeNode::default().encode(NodeVersion::NEWEST);
    node[0] = 4;
    let id: NodeId = repository.id_key().node_id(&node);
    publish_pack(&memory, &repository, (RecordKind::Node, 0, *id.as_bytes(), &node, node.len() as u32));
    let indexed = open(Arc::new(memory.another_process()), 4).unwrap();
    let error = vectar_repository::ChunkReader::new(&indexed, 1 << 20).node(&id).unwrap_err();
    assert!(error.to_string().ends_with("recipe node has version 4, this vectar reads up to 3"), "{error}");
}

/// Row directories are reserved: a pack that holds one is read, and what lies beside it is served.
#[test]
fn a_row_directory_beside_chunks_is_passed_over() {
    let memory = with_one_backup();
    let repository = Repository::open(Arc::new(memory.another_process()), process(3)).unwrap();
    let id = repository.id_key().row_directory_id(b"rows");
    publish_pack(&memory, &repository, (RecordKind::RowDirectory, 0, *id.as_bytes(), b"rows", 4));
    let repository = Repository::open(Arc::new(memory.another_process()), process(4)).unwrap();
    let (indexed, stats) = repository.with_index(None).unwrap();
    assert!(stats.unreadable.is_empty(), "{:?}", stats.unreadable);
    assert_eq!(indexed.index().locate(id.as_bytes()).unwrap().unwrap().kind, RecordKind::RowDirectory);
    assert_backups(&indexed, &["first"], "beside rows");
}

/// A chunk that claims to be longer than any chunk is refused before anything is allocated for it.
#[test]
fn a_declared_length_never_drives_an_allocation() {
    let memory = with_one_backup();
    let repository = Repository::open(Arc::new(memory.another_process()), process(3)).unwrap();
    let id = repository.id_key().chunk_id(b"small");
    publish_pack(&memory, &repository, (RecordKind::Chunk, 1, *id.as_bytes(), b"small", u32::MAX));
    let indexed = open(Arc::new(memory.another_process()), 4).unwrap();
    let error = vectar_repository::ChunkReader::new(&indexed, 1 << 20).chunk(&id).unwrap_err();
    assert!(matches!(error, RepositoryError::ChunkDamaged { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::RepositoryDamaged);
}

/// What would not be readable again is not written.
#[test]
fn a_record_that_no_reader_would_take_is_not_published() {
    let memory = with_one_backup();
    let repository = open(Arc::new(memory.another_process()), 3).unwrap();
    let mut ingest = Ingest::begin(&repository, 1).unwrap();
    let (root, covered) = crate::scene::lay(&repository, &mut ingest, &second_bytes()).unwrap();
    let mut draft = draft("second", &second_bytes());
    draft.note = Some("x".repeat(5 << 20));
    let error = ingest.commit(root, covered, draft).unwrap_err();
    assert!(matches!(error, RepositoryError::RecordTooLong { .. }), "{error:?}");
    assert_eq!(names(Arc::new(memory.another_process())), ["first"]);
    assert_eq!(keys_below(&memory, "pending"), []);

    let id = repository.id_key().chunk_id(b"");
    let too_long = vec![0; vectar_chunk::CHUNK_BYTES_MAX + 1];
    let error = Preparer::new(1).unwrap().chunk(&id, &too_long, 0, CodecHint::Unknown).unwrap_err();
    assert!(matches!(error, RepositoryError::Chunk(_)), "{error:?}");

    let ingest = Ingest::begin(&repository, 1).unwrap();
    let error = ingest.commit(root, covered - 1, crate::scene::draft("second", &second_bytes())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OurBug, "{error:?}");
}
