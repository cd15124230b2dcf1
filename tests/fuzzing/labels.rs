//! Small files of a snapshot, which are JSON, and the names and versions that people and servers write.

use vectar_qdrant::{
    CollectionConfig, FullMapping, PayloadIndexConfig, PointId, QdrantVersion, ReplicaSetState, SegmentState,
    ShardKind, SnapshotName, in_progress, is_in_progress, parse_checksum, read_applied_seq, read_manifest_file_count,
    read_payload_schema, read_shard_key_mapping,
    storage::{Clocks, ShardClocks},
};

use super::{
    Verdict,
    bundle::{Bundle, BundledFile, Metered},
    twice,
};

/// Each reader of a small file says the same each time, and nothing much longer than the file.
pub(super) fn check_json(input: &[u8]) -> Verdict {
    twice(|| {
        let said = [
            describe(&CollectionConfig::read(input)),
            describe(&SegmentState::read(input).map(|state| (state.value.is_appendable(), state))),
            describe(&PayloadIndexConfig::read(input)),
            describe(&read_payload_schema(input)),
            describe(&ReplicaSetState::read(input)),
            describe(&ShardKind::read(input)),
            describe(&FullMapping::read(input)),
            describe(&read_applied_seq(input)),
            describe(&read_manifest_file_count(input)),
            describe(&read_shard_key_mapping(input)),
        ];
        for (_, text) in &said {
            assert!(text.len() <= 4096 + 64 * input.len(), "{} bytes are said of {}", text.len(), input.len());
        }
        let is_read = said.iter().any(|(is_read, _)| *is_read);
        (if is_read { Verdict::Accepted } else { Verdict::Refused }, format!("{said:?}"))
    })
}

fn describe<T: std::fmt::Debug, E: std::fmt::Display + std::fmt::Debug>(read: &Result<T, E>) -> (bool, String) {
    let text = match read {
        Ok(value) => format!("{value:?}"),
        Err(error) => error.to_string(),
    };
    (read.is_ok(), text)
}

/// Clocks are sorted, and the files of a shard say what each says alone.
pub(super) fn check_clocks(input: &[u8]) -> Verdict {
    let read = Clocks::read(input);
    if let Ok(clocks) = &read {
        assert!(
            clocks.value.clocks.is_sorted() && clocks.value.snapshot.as_ref().is_none_or(|clocks| clocks.is_sorted())
        );
        // A clock has at least the names of its members.
        assert!(clocks.value.clocks.len() <= input.len() / 40, "more clocks than the file can hold");
    }
    let mut bundle = Bundle::default();
    bundle.files.insert("newest_clocks.json".to_owned(), BundledFile { bytes: input.to_vec(), zeros: 0 });
    match (ShardClocks::open(&Metered::new(&bundle, "")), &read) {
        (Ok(shard), Ok(clocks)) => assert_eq!((shard.newest.as_ref(), &shard.oldest), (Some(clocks), &None)),
        (shard, read) => assert!(shard.is_err() && read.is_err(), "{shard:?} and {read:?}"),
    }
    Verdict::of(&read)
}

/// Lines, each taken for a version, a point id, a file name and a checksum. What is read is written again as the same.
pub(super) fn check_labels(input: &[u8]) -> Verdict {
    let mut verdict = Verdict::Refused;
    for line in input.split(|&byte| byte == b'\n') {
        verdict = verdict.or(Verdict::of(&parse_checksum(line)));
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let version = line.parse::<QdrantVersion>();
        if let Ok(version) = &version {
            assert_eq!(version.to_string().parse(), Ok(*version), "another version");
        }
        let id = line.parse::<PointId>();
        if let Ok(id) = &id {
            assert_eq!(id.to_string().parse(), Ok(*id), "another id");
            let text = serde_json::to_string(id).expect("an id has a text");
            assert_eq!(serde_json::from_str::<PointId>(&text).ok(), Some(*id), "another id in JSON");
        }
        let name = SnapshotName::parse(line);
        if let Some(name) = &name {
            assert!(line.contains(name.collection().unwrap_or("full-snapshot")), "{name:?} is not in {line}");
        }
        assert_eq!(in_progress(line).is_some(), is_in_progress(line));
        let is_read = version.is_ok() || id.is_ok() || name.is_some();
        verdict = if is_read { Verdict::Accepted } else { verdict };
    }
    verdict
}
