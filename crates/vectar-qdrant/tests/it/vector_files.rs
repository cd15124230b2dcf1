//! Vectors of handmade files: read, damaged, and made up to do harm.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;
use vectar_qdrant::storage::{Bits, GraphMetadata, QuantizedMetadata, Vector, VectorStorage};
use vectar_qdrant::{Findings, SegmentState, VectorState};

fn u64s(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn f32s(elements: &[f32]) -> Vec<u8> {
    elements.iter().flat_map(|element| element.to_le_bytes()).collect()
}

fn u32s(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn state(json: &str) -> VectorState {
    let common = r#""size":2,"distance":"Cosine","storage_type":"InRamChunkedMmap","index":{"type":"plain"}"#;
    let mut members: serde_json::Map<String, Value> = serde_json::from_str(&format!("{{{common}}}")).unwrap();
    members.extend(serde_json::from_str::<serde_json::Map<String, Value>>(json).unwrap());
    serde_json::from_value(Value::Object(members)).unwrap()
}

type Files = BTreeMap<String, Vec<u8>>;

/// Four rows of two f32 each, two in a file; row 1 is flagged.
fn chunked() -> Files {
    Files::from([
        (
            "vector_storage/vectors/config.json".to_owned(),
            br#"{"chunk_size_bytes":16,"chunk_size_vectors":2,"dim":2,"populate":true}"#.to_vec(),
        ),
        ("vector_storage/vectors/status.dat".to_owned(), u64s(&[4])),
        ("vector_storage/vectors/chunk_0.mmap".to_owned(), f32s(&[1.0, 0.0, 0.0, 0.0])),
        ("vector_storage/vectors/chunk_1.mmap".to_owned(), f32s(&[0.6, 0.8, 0.0, 1.0])),
        ("vector_storage/deleted/status.dat".to_owned(), u64s(&[4, 0])),
        ("vector_storage/deleted/flags_a.dat".to_owned(), vec![0b0010, 0, 0]),
    ])
}

/// The same as `matrix.dat`.
fn single_file() -> Files {
    let rows = f32s(&[1.0, 0.0, 0.0, 0.0, 0.6, 0.8, 0.0, 1.0]);
    Files::from([
        ("vector_storage-v/matrix.dat".to_owned(), [b"data".to_vec(), rows].concat()),
        ("vector_storage-v/deleted.dat".to_owned(), [b"drop\0\0\0\0".to_vec(), u64s(&[0b0010])].concat()),
    ])
}

/// Two rows: two inner vectors, then three; two inner vectors are dead.
fn multi() -> Files {
    let inner = |first: f32| f32s(&[first, 0.0]);
    Files::from([
        (
            "vector_storage/vectors/config.json".to_owned(),
            br#"{"chunk_size_bytes":32,"chunk_size_vectors":4,"dim":2}"#.to_vec(),
        ),
        ("vector_storage/vectors/status.dat".to_owned(), u64s(&[7])),
        ("vector_storage/vectors/chunk_0.mmap".to_owned(), [inner(1.0), inner(-1.0), inner(0.0), inner(0.0)].concat()),
        ("vector_storage/vectors/chunk_1.mmap".to_owned(), [inner(1.0), inner(1.0), inner(-1.0), inner(0.0)].concat()),
        (
            "vector_storage/offsets/config.json".to_owned(),
            br#"{"chunk_size_bytes":24,"chunk_size_vectors":2,"dim":1}"#.to_vec(),
        ),
        ("vector_storage/offsets/status.dat".to_owned(), u64s(&[2])),
        ("vector_storage/offsets/chunk_0.mmap".to_owned(), u32s(&[0, 2, 2, 4, 3, 3])),
        ("vector_storage/deleted/status.dat".to_owned(), u64s(&[0, 0])),
        ("vector_storage/deleted/flags_a.dat".to_owned(), vec![0; 8]),
    ])
}

fn multi_state() -> VectorState {
    state(r#"{"multivector_config":{"comparator":"max_sim"}}"#)
}

fn all_live(rows: u64) -> Bits {
    Bits::new(vec![0xff; 8], rows)
}

/// `level: object: what` of each finding.
fn findings(files: &Files, name: &str, state: &VectorState, rows: u64, is_appendable: bool) -> Vec<String> {
    let storage = match VectorStorage::open_dense(files, name, state) {
        Ok(storage) => storage,
        Err(error) => return vec![format!("cannot open: {error}")],
    };
    let mut findings = Findings::default();
    storage.audit(Some(rows), Some(&all_live(rows)), Some(is_appendable), &mut findings);
    findings.list.iter().map(|finding| format!("{}: {}: {}", finding.level, finding.object, finding.what)).collect()
}

#[test]
fn handmade_rows_are_read() {
    for (files, name, kind) in
        [(chunked(), "", "ChunkedMmap"), (single_file(), "v", "Mmap"), (single_file(), "v", "New")]
    {
        let state = state(&format!(r#"{{"storage_type":"{kind}"}}"#));
        let storage = VectorStorage::open_dense(&files, name, &state).unwrap();
        assert_eq!((storage.rows(), storage.deleted().count_ones()), (4, 1));
        let mut reader = storage.reader();
        assert_eq!(reader.vector(2).unwrap(), Some(Vector::Dense(vec![0.6, 0.8])));
        for absent in [1, 4, u32::MAX] {
            assert_eq!(reader.vector(absent).unwrap(), None);
        }
        let mut buf = Vec::new();
        assert_eq!(reader.stored(0, &mut buf).unwrap(), Some(&f32s(&[1.0, 0.0])[..]));
        assert_eq!(findings(&files, name, &state, 4, false), [""; 0]);
    }
    let files = multi();
    let storage = VectorStorage::open_dense(&files, "", &multi_state()).unwrap();
    let vector = storage.reader().vector(1).unwrap().unwrap();
    assert_eq!(vector, Vector::Multi(vec![vec![1.0, 0.0], vec![1.0, 0.0], vec![-1.0, 0.0]]));
    assert_eq!(serde_json::to_string(&vector).unwrap(), "[[1.0,0.0],[1.0,0.0],[-1.0,0.0]]");
    assert_eq!(findings(&files, "", &multi_state(), 2, true), [""; 0]);
    let sparse = Vector::Sparse { indices: vec![7], values: vec![0.5] };
    assert_eq!(serde_json::to_string(&sparse).unwrap(), r#"{"indices":[7],"values":[0.5]}"#);
}

#[test]
fn what_cannot_be_read_says_why() {
    for (json, expected) in [
        (
            r#"{"storage_type":"Memory"}"#,
            "vector_storage: the vectors are in RocksDB, which this version does not read",
        ),
        (
            r#"{"datatype":"turbo4"}"#,
            "vector_storage: the vectors are stored as turbo4 codes, from which they cannot be had back",
        ),
        (r#"{"datatype":"float8"}"#, "segment.json: the datatype of vector \"\" is none that is known"),
        (r#"{"size":0}"#, "segment.json: 0 dimensions of vector \"\" are none that Qdrant takes"),
        (
            r#"{"size":18446744073709551615}"#,
            "segment.json: 18446744073709551615 dimensions of vector \"\" are none that Qdrant takes",
        ),
        (r#"{"storage_type":"Mmap"}"#, "vector_storage/matrix.dat is missing"),
        (r#"{}"#, "vector_storage/vectors/config.json is missing"),
        (r#"{"multivector_config":{}}"#, "vector_storage/offsets/config.json is missing"),
        (r#"{"storage_type":"GraphInline"}"#, "vector_index/links_comp_vec.bin is missing"),
    ] {
        let error = VectorStorage::open_dense(&Files::new(), "", &state(json)).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let empty = Files::new();
    let storage = VectorStorage::open_dense(&empty, "", &state(r#"{"storage_type":"Empty"}"#)).unwrap();
    assert_eq!((storage.rows(), storage.reader().vector(0).unwrap()), (0, None));
    assert_eq!(findings(&empty, "", &state(r#"{"storage_type":"Empty"}"#), 9, false), [""; 0]);
}

/// A vector that was added by name to a built segment has no files; one that was there from the start has lost them.
#[test]
fn a_vector_that_was_added_to_a_built_segment_has_no_files() {
    let dense = |name: &str, kind: &str, index: &str| {
        format!(r#""{name}":{{"size":2,"distance":"Dot","storage_type":"{kind}","index":{index}}}"#)
    };
    let segment = |first: &str, index: &str| {
        let vectors = [dense("first", first, index), dense("v", "InRamChunkedMmap", r#"{"type":"plain"}"#)].join(",");
        let sparse = r#""words":{"storage_type":"mmap","index":{"index_type":"Mmap"}}"#;
        format!(r#"{{"version":1,"config":{{"vector_data":{{{vectors}}},"sparse_vector_data":{{{sparse}}}}}}}"#)
    };
    let hnsw = r#"{"type":"hnsw","options":{"m":16,"ef_construct":100,"full_scan_threshold":10000}}"#;
    let built = segment("InRamChunkedMmap", hnsw);
    let state = SegmentState::read(built.as_bytes()).unwrap().value;
    assert_eq!(state.is_appendable(), Some(false));
    let index = |vectors: u32| format!(r#"{{"posting_count":0,"vector_count":{vectors},"total_sparse_size":0}}"#);
    let files = |segment: &str, vectors: u32| {
        Files::from([
            ("segment.json".to_owned(), segment.as_bytes().to_vec()),
            ("vector_index-words/inverted_index_config.json".to_owned(), index(vectors).into_bytes()),
        ])
    };
    let open = |files: &Files, name: &str| {
        let storage = match name {
            "words" => VectorStorage::open_sparse(files, name, &state.sparse_vectors[name]),
            name => VectorStorage::open_dense(files, name, &state.vectors[name]),
        };
        storage.map(|storage| (storage.rows(), storage.reader().vector(0).unwrap())).map_err(|error| error.to_string())
    };
    let added = files(&built, 0);
    assert_eq!(open(&added, "v"), Ok((0, None)));
    assert_eq!(open(&added, "words"), Ok((0, None)));
    assert_eq!(open(&added, "first"), Err("vector_storage-first/vectors/config.json is missing".to_owned()));
    assert_eq!(findings(&added, "v", &state.vectors["v"], 9, false), [""; 0]);
    // A segment that takes points, an index with vectors in it, a file that is left: then the others are lost.
    let appendable =
        files(&segment("InRamChunkedMmap", r#"{"type":"plain"}"#).replace(r#""Mmap""#, r#""MutableRam""#), 0);
    let indexed = files(&built, 7);
    let mut left = files(&built, 0);
    left.insert("vector_storage-v/deleted/status.dat".to_owned(), u64s(&[0, 0]));
    left.insert("vector_storage-words/deleted/status.dat".to_owned(), u64s(&[0, 0]));
    for (files, name) in
        [(&appendable, "v"), (&appendable, "words"), (&indexed, "words"), (&left, "v"), (&left, "words")]
    {
        assert!(open(files, name).unwrap_err().ends_with("config.json is missing"), "{name}");
    }
}

/// A single vector of zeros is what a client may send; a block of them is what storage loses.
#[test]
fn zeros_are_suspicious_where_they_fill_a_block() {
    let rows_bytes = |zeros: usize| {
        let other = f32s(&[0.6, 0.8]).repeat(2);
        [other.clone(), vec![0; 8 * zeros], other].concat()
    };
    for (zeros, level) in [(1, "note"), (511, "note"), (512, "suspicious"), (2000, "suspicious")] {
        let rows = zeros + 4;
        let files = Files::from([
            ("vector_storage-v/matrix.dat".to_owned(), [b"data".to_vec(), rows_bytes(zeros)].concat()),
            (
                "vector_storage-v/deleted.dat".to_owned(),
                [b"drop\0\0\0\0".to_vec(), vec![0; rows.div_ceil(64) * 8]].concat(),
            ),
        ]);
        let state = state(r#"{"storage_type":"Mmap"}"#);
        let storage = VectorStorage::open_dense(&files, "v", &state).unwrap();
        let mut findings = Findings::default();
        let live = Bits::new(vec![0xff; rows.div_ceil(8)], rows as u64);
        storage.audit(Some(rows as u64), Some(&live), Some(false), &mut findings);
        let [finding] = findings.list.as_slice() else { panic!("{:?}", findings.list) };
        assert_eq!(finding.level.as_str(), level, "{zeros}");
        assert!(finding.what.starts_with(&format!("vectors of zeros: {zeros} (row 2")), "{}", finding.what);
    }
}

/// One damage to a file: a new content, or none.
fn with(mut files: Files, path: &str, content: Option<Vec<u8>>) -> Files {
    assert!(files.remove(path).is_some(), "{path}");
    files.extend(content.map(|content| (path.to_owned(), content)));
    files
}

#[test]
fn damage_to_chunked_vectors_is_found() {
    let path = |file: &str| format!("vector_storage/{file}");
    let check = |file: &str, content: Option<Vec<u8>>, expected: &[&str]| {
        assert_eq!(findings(&with(chunked(), &path(file), content), "", &state("{}"), 4, true), expected, "{file}");
    };
    check(
        "vectors/status.dat",
        Some(u64s(&[u64::MAX])),
        &[
            "cannot open: vector_storage/vectors/status.dat, byte 0: 18446744073709551615 rows are announced, and rows are numbered with 32 bits",
        ],
    );
    check(
        "vectors/status.dat",
        Some(u64s(&[1 << 32])),
        &[
            "damage: vector_storage/vectors: vector chunk files that are missing: 2147483646 (vector_storage/vectors/chunk_2.mmap; …)",
        ],
    );
    check(
        "vectors/status.dat",
        Some(u64s(&[3])),
        &[
            "damage: vector_storage/vectors/status.dat: 3 rows, and the id tracker has 4",
            "suspicious: vector_storage/deleted/flags_a.dat: 4 flags, and there are 3 rows",
        ],
    );
    check(
        "vectors/status.dat",
        Some(vec![4]),
        &["cannot open: vector_storage/vectors/status.dat, byte 0: 8 bytes are expected there, and the file has 1"],
    );
    check(
        "vectors/chunk_0.mmap",
        None,
        &[
            "damage: vector_storage/vectors: vector chunk files that are missing: 1 (vector_storage/vectors/chunk_0.mmap)",
        ],
    );
    check(
        "vectors/chunk_1.mmap",
        Some(f32s(&[0.6])),
        &[
            "damage: vector_storage/vectors: vector chunk files that do not have their full length: 1 (vector_storage/vectors/chunk_1.mmap: 4 bytes, expected 16)",
        ],
    );
    check(
        "vectors/chunk_1.mmap",
        Some(f32s(&[0.6, f32::NAN, 0.0, 1.5])),
        &[
            "damage: vector_storage: vectors with an element that is not finite: 1 (row 2)",
            "damage: vector_storage: cosine vectors whose norm is not 1: 1 (row 3: 1.5)",
        ],
    );
    check("vectors/chunk_1.mmap", Some(vec![0; 16]), &["note: vector_storage: vectors of zeros: 2 (row 2; row 3)"]);
    check(
        "vectors/config.json",
        Some(br#"{"chunk_size_bytes":16,"chunk_size_vectors":0,"dim":2}"#.to_vec()),
        &[
            "cannot open: vector_storage/vectors/config.json, byte 0: 0 rows in 16 bytes, expected rows in at most 33554432",
        ],
    );
    check(
        "vectors/config.json",
        Some(vec![0; 60]),
        &[
            "cannot open: vector_storage/vectors/config.json, byte 0: the file starts with a NUL byte, expected JSON: its content was lost before the snapshot was made",
        ],
    );
    check(
        "deleted/status.dat",
        None,
        &[
            "data-loss: vector_storage/deleted/status.dat: vector_storage/deleted/status.dat is missing",
            "note: vector_storage: vectors of zeros: 1 (row 1)",
        ],
    );
    check("deleted/flags_a.dat", None, &["cannot open: vector_storage/deleted/flags_a.dat is missing"]);
    check(
        "deleted/flags_a.dat",
        Some(vec![0b1_0010]),
        &["suspicious: vector_storage/deleted/flags_a.dat: a bit is set behind the last of 4 flags"],
    );
}

#[test]
fn damage_to_a_matrix_is_found() {
    let check = |file: &str, content: Option<Vec<u8>>, expected: &[&str]| {
        let files = with(single_file(), &format!("vector_storage-v/{file}"), content);
        assert_eq!(findings(&files, "v", &state(r#"{"storage_type":"Mmap"}"#), 4, false), expected, "{file}");
    };
    let matrix = single_file().remove("vector_storage-v/matrix.dat").unwrap();
    check(
        "matrix.dat",
        Some(vec![0; matrix.len()]),
        &["cannot open: vector_storage-v/matrix.dat, byte 0: the file begins with [00, 00, 00, 00], expected \"data\""],
    );
    check(
        "matrix.dat",
        Some(matrix[..30].to_vec()),
        &[
            "damage: vector_storage-v/matrix.dat: 2 bytes follow the last whole row",
            "damage: vector_storage-v/matrix.dat: 3 rows, and the id tracker has 4",
        ],
    );
    check(
        "matrix.dat",
        Some([matrix.clone(), f32s(&[1.0, 0.0])].concat()),
        &["damage: vector_storage-v/matrix.dat: 5 rows, and the id tracker has 4"],
    );
    check(
        "deleted.dat",
        None,
        &[
            "data-loss: vector_storage-v/deleted.dat: vector_storage-v/deleted.dat is missing",
            "note: vector_storage-v: vectors of zeros: 1 (row 1)",
        ],
    );
    check(
        "deleted.dat",
        Some(b"drop\0\0\0\0\x02".to_vec()),
        &["damage: vector_storage-v/deleted.dat: 9 bytes, expected 16 for 4 rows"],
    );
}

#[test]
fn damage_to_multivectors_is_found() {
    let check = |file: &str, content: Option<Vec<u8>>, expected: &[&str]| {
        let files = with(multi(), &format!("vector_storage/{file}"), content);
        assert_eq!(findings(&files, "", &multi_state(), 2, true), expected, "{file}");
    };
    for (record, expected) in [
        ([4, 4, 4], "outside: 4 of 4 from 4 on"),
        ([3, 2, 2], "outside: 2 of 2 from 3 on"),
        ([4, 3, 2], "outside: 3 of 2 from 4 on"),
        ([u32::MAX, u32::MAX, u32::MAX], "outside: 4294967295 of 4294967295 from 4294967295 on"),
    ] {
        let expected = expected.trim_start_matches("outside: ");
        let expected = format!(
            "damage: vector_storage/offsets: rows whose inner vectors are not where they are said to be: 1 (row 1: {expected})"
        );
        check("offsets/chunk_0.mmap", Some(u32s(&[&[0, 2, 2][..], &record].concat())), &[&expected]);
    }
    check(
        "offsets/chunk_0.mmap",
        Some(u32s(&[0, 2, 2, 1, 1, 1])),
        &["damage: vector_storage/offsets: rows that share inner vectors: 1 (row 1: inner vector 1)"],
    );
    check(
        "vectors/chunk_1.mmap",
        None,
        &[
            "damage: vector_storage/vectors: vector chunk files that are missing: 1 (vector_storage/vectors/chunk_1.mmap)",
            "damage: vector_storage/offsets: rows whose inner vectors are not where they are said to be: 1 (row 1: 3 of 3 from 4 on)",
        ],
    );
    check(
        "offsets/config.json",
        Some(br#"{"chunk_size_bytes":16,"chunk_size_vectors":2,"dim":1}"#.to_vec()),
        &["cannot open: vector_storage/offsets/config.json, byte 0: 2 rows in 16 bytes, expected rows of 12 bytes"],
    );
    let files = with(multi(), "vector_storage/offsets/chunk_0.mmap", Some(u32s(&[0, 5, 5, 4, 3, 3])));
    let storage = VectorStorage::open_dense(&files, "", &multi_state()).unwrap();
    let mut reader = storage.reader();
    assert!(reader.vector(0).is_err());
    assert!(reader.vector(1).unwrap().is_some());
}

/// Vectors that an engine put into its graph: rows of two f32, two offsets to a group.
fn inline() -> Files {
    let mut links = u64s(&[3, 0xFFFF_FFFF_FFFF_FF02, 1, 40, 4]);
    links.extend([6, 5, 1]);
    links.extend(u64s(&[16, 32, 8]));
    links.push(4);
    links.extend(u64s(&[4]));
    links.extend([1, 0, 0, 0]);
    links[77..80].fill(0);
    links.truncate(80);
    links.extend(u64s(&[0]));
    links.extend(u32s(&[0, 1, 2]));
    // Each neighbour list is a vector and four bytes more, of which this reader knows nothing.
    links
        .extend([f32s(&[1.0, 0.0]), vec![9; 4], f32s(&[0.0, 1.0]), vec![9; 4], f32s(&[0.6, 0.8]), vec![9; 8]].concat());
    // Offsets 0, 12; 24, 40: six bits, then five of distance.
    for group in [12_u16 << 6, 16 << 6 | 24] {
        links.extend(group.to_le_bytes());
    }
    links.extend([0xff; 7]);
    let graph = [u64s(&[16, 32, 100, 1]), u32s(&[2]), u64s(&[0, 0, 1])].concat();
    Files::from([
        ("vector_index/links_comp_vec.bin".to_owned(), links),
        ("vector_index/graph.bin".to_owned(), graph),
        (
            "vector_index/hnsw_config.json".to_owned(),
            br#"{"m":16,"m0":32,"ef_construct":100,"indexed_vector_count":3}"#.to_vec(),
        ),
        ("vector_storage/deleted/status.dat".to_owned(), u64s(&[3, 0])),
        ("vector_storage/deleted/flags_a.dat".to_owned(), vec![0; 8]),
    ])
}

fn inline_state() -> VectorState {
    state(r#"{"storage_type":"GraphInline","index":{"type":"hnsw"}}"#)
}

#[test]
fn vectors_in_the_graph_are_read() {
    let files = inline();
    let storage = VectorStorage::open_dense(&files, "", &inline_state()).unwrap();
    let mut reader = storage.reader();
    let rows: Vec<_> = (0..4).map(|row| reader.vector(row).unwrap()).collect();
    let dense = |x, y| Some(Vector::Dense(vec![x, y]));
    assert_eq!(rows, [dense(1.0, 0.0), dense(0.0, 1.0), dense(0.6, 0.8), None]);
    assert_eq!(findings(&files, "", &inline_state(), 3, false), [""; 0]);
}

/// Reads and audits whatever opens.
fn exercise(files: &Files, name: &str, state: &VectorState) {
    if let Ok(storage) = VectorStorage::open_dense(files, name, state) {
        let mut reader = storage.reader();
        let mut buf = Vec::new();
        for row in [0, 1, 2, 3, 7, u32::MAX] {
            let is_read = reader.vector(row).is_ok();
            assert_eq!(reader.stored(row, &mut buf).is_ok(), is_read);
        }
        let mut findings = Findings::default();
        storage.audit(Some(4), Some(&all_live(4)), Some(false), &mut findings);
        storage.audit(None, None, None, &mut findings);
    }
    let _ = QuantizedMetadata::read(files, name, state);
    let _ = GraphMetadata::read(files, name);
}

/// Overwrites a few bytes of some file, or cuts it.
fn tampered(files: Files) -> impl Strategy<Value = Files> {
    let word = prop_oneof![any::<u64>(), 0_u64..40, Just(u64::MAX), Just(1 << 32), Just(u64::MAX / 2)];
    let damage = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), word, 1_usize..9, any::<bool>());
    prop::collection::vec(damage, 1..4).prop_map(move |damages| {
        let mut files = files.clone();
        for (file, at, word, len, is_cut) in damages {
            let content = file.get(&files.keys().cloned().collect::<Vec<_>>()).clone();
            let content = files.get_mut(&content).unwrap();
            let at = at.index(content.len() + 1);
            if is_cut {
                content.truncate(at);
            } else {
                content.iter_mut().skip(at).zip(word.to_le_bytes()).take(len).for_each(|(byte, new)| *byte = new);
            }
        }
        files
    })
}

fn quantized() -> Files {
    let mut files = chunked();
    files.extend([
        (
            "vector_storage/quantized.config.json".to_owned(),
            br#"{"quantization_config":{"turbo":{"bits":"bits4"}},"vector_parameters":{"dim":2,"count":4,"distance_type":"Dot"}}"#.to_vec(),
        ),
        ("vector_storage/quantized.meta.json".to_owned(), br#"{"bits":"bits4","mode":"plus"}"#.to_vec()),
        ("vector_storage/quantized.data".to_owned(), vec![7; 36]),
    ]);
    files
}

#[test]
fn handmade_codes_fit() {
    assert_eq!(findings(&quantized(), "", &state("{}"), 4, true), [""; 0]);
}

proptest! {
    #[test]
    fn tampered_files_never_panic(
        chunked in tampered(quantized()),
        single in tampered(single_file()),
        multi in tampered(multi()),
        inline in tampered(inline()),
    ) {
        exercise(&chunked, "", &state("{}"));
        exercise(&single, "v", &state(r#"{"storage_type":"Mmap"}"#));
        exercise(&multi, "", &multi_state());
        exercise(&inline, "", &inline_state());
    }

    #[test]
    fn random_files_never_panic(
        contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 8),
        size in prop_oneof![0_u64..9, any::<u64>(), Just(262_144)],
    ) {
        for (files, name, json) in [
            (chunked(), "", r#"{}"#),
            (single_file(), "v", r#"{"storage_type":"Mmap"}"#),
            (multi(), "", r#"{"multivector_config":{}}"#),
            (inline(), "", r#"{"storage_type":"GraphInline","index":{"type":"hnsw"}}"#),
        ] {
            let mut state = state(json);
            state.size = size;
            exercise(&files, name, &state);
            let random = files.keys().cloned().zip(contents.iter().cloned().cycle()).collect();
            exercise(&random, name, &state);
        }
    }
}
