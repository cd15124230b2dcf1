//! Nothing that a file can hold makes a label, a lesson or an outline panic.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use vectar_qdrant::{
    BodyLayout, BodyPath, BodySize, Class, Classifier, CollectionConfig, FullMapping, Identity, PayloadIndexConfig,
    ReplicaSetState, SegmentState, ShardKind, SnapshotName, in_progress, parse_checksum, read_applied_seq,
    read_manifest_file_count, read_payload_schema, read_shard_key_mapping,
};

use crate::support::Snapshot;

/// Words of real paths, so that random paths reach deep into the tables.
const WORDS: &[&str] = &[
    "0",
    "7",
    "4294967296",
    ".",
    "..",
    "",
    "a.snapshot",
    "segments",
    "u",
    "u.tar",
    ".u",
    "snapshot",
    "files",
    "wal",
    "open-1",
    "closed-0",
    "tmp-1",
    "first-index",
    "config.json",
    "version.info",
    "segment.json",
    "shard_config.json",
    "replica_state.json",
    "applied_seq.json",
    "newest_clocks.json",
    "shard_key_mapping.json",
    "payload_index.json",
    "segment_manifest.json",
    "vector_storage",
    "vector_storage-v",
    "vector_index-v",
    "payload_storage",
    "payload_index",
    "vectors",
    "offsets",
    "deleted",
    "store",
    "quantized_data",
    "tq_vectors",
    "chunk_0.mmap",
    "status.dat",
    "flags_a.dat",
    "matrix.dat",
    "tq_vectors.dat",
    "quantized.data",
    "quantized.offsets.data",
    "quantized.config.json",
    "quantized.meta.json",
    "page_0.dat",
    "tracker.dat",
    "gaps.dat",
    "bitmask.dat",
    "log_page_0.dat",
    "id_tracker.mappings",
    "id_tracker.versions",
    "mutable_id_tracker.mappings",
    "db_backup",
    "000001.sst",
    "ünï",
];

/// Members of real JSON files, so that random JSON has something to say.
const MEMBERS: &[&str] = &[
    "params",
    "vectors",
    "size",
    "distance",
    "datatype",
    "shard_number",
    "config",
    "vector_data",
    "storage_type",
    "index",
    "type",
    "version",
    "chunk_size_bytes",
    "chunk_size_vectors",
    "dim",
    "block_size_bytes",
    "quantization_config",
    "scalar",
    "binary",
    "product",
    "compression",
    "vector_parameters",
    "count",
    "collections_mapping",
    "collections_aliases",
    "schema",
    "peers",
    "is_local",
    "op_num",
    "key",
    "shard_ids",
    "file_versions",
    "",
];

fn path() -> impl Strategy<Value = BodyPath> {
    let word = prop_oneof![8 => select(WORDS).prop_map(str::to_owned), 1 => ".{0,12}"];
    let level = vec(word, 0..6).prop_map(|words| words.join("/"));
    vec(level, 0..5).prop_map(BodyPath::new)
}

/// Paths that lead to one of the files a classifier learns from, or to one that it labels by what it learned.
fn lesson_path() -> impl Strategy<Value = BodyPath> {
    const FILES: &[&str] = &[
        "vector_storage-v/vectors/config.json",
        "vector_storage-v/quantized.config.json",
        "vector_storage-v/quantized.meta.json",
        "vector_storage-v/quantized_data/config.json",
        "payload_storage/config.json",
        "segment.json",
        "vector_storage-v/vectors/chunk_0.mmap",
        "vector_storage-v/quantized_data/chunk_0.mmap",
        "vector_storage-v/matrix.dat",
        "vector_storage-v/quantized.data",
        "vector_storage-v/tq_vectors.dat",
        "payload_storage/page_0.dat",
    ];
    prop_oneof![
        4 => select(FILES).prop_map(|file| BodyPath::new(["0/segments/u.tar".to_owned(), format!("snapshot/files/{file}")])),
        1 => Just(BodyPath::new(["config.json"])),
    ]
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        (0_u32..300).prop_map(|number| number.to_string()),
        select(
            &[
                "-1",
                "1e308",
                "0.5",
                "4294967295",
                "4294967296",
                "18446744073709551615",
                "1e999",
                "99999999999999999999999"
            ][..]
        )
        .prop_map(str::to_owned),
    ]
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => number(),
        1 => Just("null".to_owned()),
        1 => Just("true".to_owned()),
        2 => select(&["Dot", "Mmap", "plain", "float16", "turbo4", "x16", "two_bits", "Active"][..]).prop_map(|text| format!("\"{text}\"")),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        let members = vec((select(MEMBERS), inner.clone()), 0..6).prop_map(|members| {
            let members = members.into_iter().map(|(name, value)| format!("\"{name}\":{value}"));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        });
        let items = vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(",")));
        prop_oneof![6 => members, 1 => items]
    })
}

/// JSON whose members are where the lessons look for them.
fn lesson() -> impl Strategy<Value = String> {
    (number(), number(), number(), json()).prop_map(|(a, b, c, rest)| {
        format!(
            r#"{{"chunk_size_bytes":{a},"chunk_size_vectors":{b},"dim":{c},"block_size_bytes":{a},
            "quantization_config":{{"scalar":{{}}}},"vector_parameters":{{"dim":{a},"count":{b}}},
            "params":{{"vectors":{{"v":{{"size":{c},"distance":"Dot"}}}}}},"version":{a},"rest":{rest},
            "config":{{"vector_data":{{"v":{{"size":{c},"distance":"Euclid","storage_type":"Mmap","index":{{"type":"plain"}}}}}}}}}}"#
        )
    })
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => json().prop_map(String::into_bytes),
        4 => lesson().prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..64),
    ]
}

fn size() -> impl Strategy<Value = BodySize> {
    let length = || prop_oneof![0_u64..5000, select(&[33_554_432_u64, 2_097_152, u64::MAX, u64::MAX - 1, 1 << 40][..])];
    (length(), length()).prop_map(|(stored_bytes, logical_bytes)| BodySize { stored_bytes, logical_bytes })
}

/// What a layout promises to those who cut by it.
fn assert_layout_is_usable(class: Class, layout: BodyLayout, size: BodySize) {
    match layout {
        BodyLayout::Rows { header_bytes, row_bytes, .. } => {
            assert_eq!(class, Class::DenseRows);
            assert!((1..=vectar_qdrant::ROW_BYTES_MAX).contains(&row_bytes));
            assert!((size.logical_bytes - u64::from(header_bytes)).is_multiple_of(u64::from(row_bytes)));
        }
        BodyLayout::Blocks { block_bytes } => {
            assert!((1..=vectar_qdrant::BLOCK_BYTES_MAX).contains(&block_bytes))
        }
        BodyLayout::Slots { slot_bytes, .. } => assert!(slot_bytes > 0),
        BodyLayout::Tiny => assert!(size.stored_bytes <= vectar_qdrant::TINY_BYTES_MAX),
        _ => {}
    }
}

proptest! {
    #[test]
    fn labels_and_lessons_never_panic(
        lessons in vec((prop_oneof![path(), lesson_path()], content()), 0..12),
        asked in vec((prop_oneof![path(), lesson_path()], size()), 1..12),
    ) {
        let mut classifier = Classifier::new();
        for (path, bytes) in &lessons {
            classifier.wants(path, BodySize::plain(bytes.len() as u64));
            classifier.learn(path, bytes);
        }
        for (path, size) in asked {
            let label = classifier.label(&path, size);
            prop_assert_eq!(&label.identity, &Identity::of(&path));
            assert_layout_is_usable(label.class, label.layout, size);
        }
    }

    #[test]
    fn readers_never_panic(bytes in content()) {
        let _ = CollectionConfig::read(&bytes);
        let _ = SegmentState::read(&bytes).map(|state| state.value.is_appendable());
        let _ = PayloadIndexConfig::read(&bytes);
        let _ = ReplicaSetState::read(&bytes);
        let _ = ShardKind::read(&bytes);
        let _ = FullMapping::read(&bytes);
        let _ = read_applied_seq(&bytes);
        let _ = read_manifest_file_count(&bytes);
        let _ = read_payload_schema(&bytes);
        let _ = read_shard_key_mapping(&bytes);
        let _ = parse_checksum(&bytes);
    }

    #[test]
    fn names_never_panic(name in "(.{0,20})(-shard)?(-[0-9]{0,22})?(-[0-9]{4}(-[0-9]{2}){5})?(\\.snapshot)?(\\.tmp)?") {
        let _ = in_progress(&name);
        if let Some(parsed) = SnapshotName::parse(&name) {
            prop_assert!(name.contains(parsed.collection().unwrap_or("full-snapshot")));
        }
    }

    #[test]
    fn outlines_never_panic(entries in vec((path(), content(), any::<bool>()), 0..12)) {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, body, from_memory) in &entries {
            let mut header = tar::Header::new_gnu();
            let name = path.to_string();
            let name = &name.as_bytes()[..name.len().min(100)];
            header.as_old_mut().name[..name.len()].copy_from_slice(name);
            header.set_size(body.len() as u64);
            header.as_old_mut().linkflag[0] = if *from_memory { 0 } else { b'0' };
            header.set_cksum();
            builder.append(&header, &body[..]).unwrap();
        }
        let snapshot = Snapshot::of(builder.into_inner().unwrap());
        let outline = snapshot.outline();
        prop_assert_eq!(outline.classes.stored_bytes(), snapshot.bytes.len() as u64);
        serde_json::to_string(&outline).unwrap();
        outline.to_string();
    }

    #[test]
    fn outlines_of_damaged_snapshots_add_up(flips in vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let mut bytes = Snapshot::fixture("kinds", "empty").bytes;
        for (place, value) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= value;
        }
        let snapshot = Snapshot::of(bytes);
        let outline = snapshot.outline();
        prop_assert_eq!(outline.classes.stored_bytes(), snapshot.bytes.len() as u64);
        outline.to_string();
    }
}

#[test]
fn nested_json_is_refused_before_the_stack_is() {
    for depth in [100, 1_000, 500_000] {
        let text = "[".repeat(depth);
        assert!(CollectionConfig::read(text.as_bytes()).is_err());
        let text = format!(r#"{{"params":{}"#, r#"{"a":"#.repeat(depth / 5));
        assert!(CollectionConfig::read(text.as_bytes()).is_err());
    }
}

#[test]
fn json_beyond_the_cap_is_not_parsed_and_not_small() {
    let text = format!("{{\"params\":\"{}\"}}", "x".repeat(1 << 20));
    assert_eq!(
        CollectionConfig::read(text.as_bytes()).unwrap_err().to_string(),
        "1048589 bytes of JSON, expected at most 1048576"
    );
    let (classifier, path) = (Classifier::new(), BodyPath::new(["config.json"]));
    let size = BodySize::plain(text.len() as u64);
    assert!(!classifier.wants(&path, size));
    assert_eq!(classifier.label(&path, size).class, Class::Unknown);
    let sparse = BodySize { stored_bytes: 100, logical_bytes: 4096 };
    assert!(!classifier.wants(&path, sparse), "a hole in JSON is a lost page");
}
