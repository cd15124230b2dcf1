//! What a repository records about cuts, and what it refuses.

use vectar_chunk::{ChunkError, ChunkSizes, CutParameters, CutRule, ErrorKind, RecordLayout};

fn read(list: &[(&str, u64)]) -> Result<CutParameters, ChunkError> {
    CutParameters::from_list(list.iter().copied())
}

fn v1_with(name: &str, value: u64) -> Result<CutParameters, ChunkError> {
    let mut list = CutParameters::V2.to_list();
    let entry = list.iter_mut().find(|entry| entry.0 == name).expect("a recorded name");
    entry.1 = value;
    read(&list)
}

#[test]
fn what_was_recorded_reads_back_in_any_order() {
    let mut list = CutParameters::V2.to_list();
    assert_eq!(read(&list).expect("recorded by us"), CutParameters::V2);
    list.reverse();
    assert_eq!(read(&list).expect("recorded by us"), CutParameters::V2);
    assert_eq!(CutParameters::V2.version(), 1);
}

/// Each kind gets sizes of its own, which come back in the list and in the rule of that kind.
#[test]
fn every_recorded_value_counts() {
    let kinds = ["rows", "blocks", "log", "rebuilt", "framing", "opaque"];
    let sizes_of = |kind: usize| [64 + 2 * kind as u64, 1024 << kind, 100_000 + 2 * kind as u64];
    let mut list = vec![("cut.version".to_owned(), 1), ("cut.small.bytes_max".to_owned(), 1234)];
    for (index, kind) in kinds.iter().enumerate() {
        for (part, size) in ["min", "avg", "max"].iter().zip(sizes_of(index)) {
            list.push((format!("cut.{kind}.bytes_{part}"), size));
        }
    }
    let borrowed: Vec<(&str, u64)> = list.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let parameters = read(&borrowed).expect("valid sizes");
    assert_eq!(parameters.to_list(), borrowed);

    let sizes = |kind| {
        let [min, avg, max] = sizes_of(kind).map(|size| size as u32);
        ChunkSizes::new(min, avg, max).expect("valid sizes")
    };
    let layout = RecordLayout { header_bytes: 8, trailer_bytes: 4, align_bytes: 8 };
    let rows = |header_bytes, row_bytes, kind| CutRule::Rows { header_bytes, row_bytes, sizes: sizes(kind) };
    assert_eq!(parameters.rows_rule(4, 96), rows(4, 96, 0));
    assert_eq!(parameters.blocks_rule(128), CutRule::Blocks { block_bytes: 128, sizes: sizes(1) });
    let [_, avg, max] = sizes_of(1).map(|size| size as u32);
    let gathered = ChunkSizes::new(avg, avg, max).expect("valid sizes");
    assert_eq!(parameters.gathered_rule(), CutRule::FastCdc { sizes: gathered });
    assert_eq!(parameters.slots_rule(4, 16), rows(4, 16, 3));
    assert_eq!(parameters.log_rule(layout), CutRule::Records { layout, sizes: sizes(2) });
    assert_eq!(parameters.rebuilt_rule(), CutRule::FastCdc { sizes: sizes(3) });
    assert_eq!(parameters.framing_rule(), CutRule::FastCdc { sizes: sizes(4) });
    assert_eq!(parameters.opaque_rule(), CutRule::FastCdc { sizes: sizes(5) });
    assert_eq!(parameters.small_rule(), CutRule::Whole { bytes_max: 1234, beyond: sizes(3) });
}

#[test]
fn every_missing_name_is_refused() {
    let list = CutParameters::V2.to_list();
    for index in 0..list.len() {
        let mut fewer = list.clone();
        let (missing, _) = fewer.remove(index);
        let error = read(&fewer).expect_err("one is missing");
        assert!(matches!(error, ChunkError::CutParameterMissing { name } if name == missing), "{error}");
        assert_eq!(error.kind(), ErrorKind::RepositoryDamaged);
    }
}

#[test]
fn what_a_later_version_recorded_is_refused_as_such() {
    let mut list = CutParameters::V2.to_list();
    list.push(("cut.rows.flavour", 1));
    for error in [read(&list).expect_err("unknown name"), v1_with("cut.version", 2).expect_err("unknown version")] {
        assert_eq!(error.kind(), ErrorKind::NewerFormat, "{error}");
    }
}

#[test]
fn damaged_values_are_refused() {
    let mut twice = CutParameters::V2.to_list();
    twice.push(twice[3]);
    assert!(matches!(read(&twice), Err(ChunkError::CutParameterRepeated { .. })));
    for (name, value) in [
        ("cut.small.bytes_max", (4 << 20) + 1),
        ("cut.rows.bytes_avg", 0),
        ("cut.rows.bytes_avg", 5000),
        ("cut.rows.bytes_min", 1 << 40),
        ("cut.framing.bytes_max", u64::MAX),
        ("cut.log.bytes_min", 1),
    ] {
        assert!(v1_with(name, value).is_err(), "{name} = {value}");
    }
}
