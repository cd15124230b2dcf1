//! What a classifier makes of what it learned, on files that the real snapshots at hand do not have.

use vectar_qdrant::{BodyLayout, BodyPath, BodySize, Class, Classifier, Element};

fn body(segment: &str, file: &str) -> BodyPath {
    BodyPath::new([format!("0/segments/{segment}.tar"), format!("snapshot/files/{file}")])
}

fn layout(classifier: &Classifier, path: &BodyPath, bytes: u64) -> BodyLayout {
    let label = classifier.label(path, BodySize::plain(bytes));
    assert_eq!(label, classifier.label(path, BodySize::plain(bytes)), "labels are a function of their input");
    label.layout
}

fn rows(header_bytes: u32, row_bytes: u32, element: Element) -> BodyLayout {
    BodyLayout::Rows { header_bytes, row_bytes, element }
}

const STATE: &[u8] = br#"{"version":7,"config":{"vector_data":{
    "a":{"size":10,"distance":"Euclid","storage_type":"InRamMmap","index":{"type":"plain"},"datatype":"uint8"},
    "t":{"size":7,"distance":"Euclid","storage_type":"Mmap","index":{"type":"plain"},"datatype":"turbo4"},
    "b":{"size":130,"distance":"Dot","storage_type":"Mmap","index":{"type":"plain"},"quantization_config":{"binary":{}}}}}}"#;

#[test]
fn a_matrix_is_measured_by_its_segment() {
    let mut classifier = Classifier::new();
    let matrix = body("u", "vector_storage-a/matrix.dat");
    assert_eq!(layout(&classifier, &matrix, 4 + 500), BodyLayout::Opaque);
    assert_eq!(classifier.label(&matrix, BodySize::plain(504)).class, Class::DenseRows);
    classifier.learn(&body("u", "segment.json"), STATE);
    assert_eq!(layout(&classifier, &matrix, 4 + 500), rows(4, 10, Element::U8));
    assert_eq!(layout(&classifier, &matrix, 4 + 501), BodyLayout::Opaque, "not a whole number of rows");
    assert_eq!(layout(&classifier, &matrix, 3), BodyLayout::Opaque, "shorter than its header");
}

#[test]
fn turbo_and_binary_records() {
    let mut classifier = Classifier::new();
    classifier.learn(&body("u", "segment.json"), STATE);
    let turbo = body("u", "vector_storage-t/tq_vectors.dat");
    assert_eq!(layout(&classifier, &turbo, 120), rows(0, 12, Element::Codes), "8 half bytes, two factors");
    let binary = body("u", "vector_storage-b/quantized.data");
    assert_eq!(layout(&classifier, &binary, 320), rows(0, 32, Element::Codes), "130 bits in words of 128");
}

#[test]
fn another_segment_of_the_collection_lends_its_numbers() {
    let mut classifier = Classifier::new();
    classifier.learn(&body("u", "segment.json"), STATE);
    let other = body("v", "vector_storage-a/matrix.dat");
    assert_eq!(layout(&classifier, &other, 504), rows(4, 10, Element::U8));
    // Until it speaks for itself.
    let config = br#"{"chunk_size_bytes":33554400,"chunk_size_vectors":1677720,"dim":5}"#;
    classifier.learn(&body("v", "vector_storage-a/vectors/config.json"), config);
    assert_eq!(layout(&classifier, &other, 504), rows(4, 20, Element::F32));
    let elsewhere = BodyPath::new(["b.snapshot", "0/segments/v.tar", "snapshot/files/vector_storage-a/matrix.dat"]);
    assert_eq!(layout(&classifier, &elsewhere, 504), BodyLayout::Opaque, "another collection");
}

#[test]
fn the_collection_lends_its_numbers_too() {
    let mut classifier = Classifier::new();
    let config = br#"{"params":{"vectors":{"size":6,"distance":"Dot","datatype":"float16"}},
        "quantization_config":{"product":{"compression":"x8"}}}"#;
    classifier.learn(&BodyPath::new(["config.json"]), config);
    let matrix = body("u", "vector_storage/matrix.dat");
    assert_eq!(layout(&classifier, &matrix, 4 + 120), rows(4, 12, Element::F16));
    let codes = body("u", "vector_storage/quantized.data");
    assert_eq!(layout(&classifier, &codes, 300), rows(0, 3, Element::Codes));
}

#[test]
fn appended_codes_and_offsets_are_chunked() {
    let mut classifier = Classifier::new();
    let config = br#"{"chunk_size_bytes":3600,"chunk_size_vectors":100,"dim":36}"#;
    classifier.learn(&body("u", "vector_storage-a/quantized_data/config.json"), config);
    let codes = body("u", "vector_storage-a/quantized_data/chunk_3.mmap");
    assert_eq!(layout(&classifier, &codes, 3600), rows(0, 36, Element::Codes));
    let offsets = body("u", "vector_storage-a/offsets/chunk_0.mmap");
    assert_eq!(layout(&classifier, &offsets, 33_554_424), rows(0, 12, Element::Offsets), "always 12");
}

#[test]
fn a_gridstore_may_have_any_block_length() {
    let mut classifier = Classifier::new();
    let page = body("u", "payload_storage/page_7.dat");
    assert_eq!(layout(&classifier, &page, 1000), BodyLayout::Opaque, "no default page");
    assert_eq!(layout(&classifier, &page, 33_554_432), BodyLayout::Blocks { block_bytes: 128 });
    classifier.learn(&body("u", "payload_storage/config.json"), br#"{"block_size_bytes":50}"#);
    assert_eq!(layout(&classifier, &page, 1000), BodyLayout::Blocks { block_bytes: 50 });
    classifier.learn(&body("u", "payload_storage/config.json"), br#"{"block_size_bytes":0}"#);
    assert_eq!(layout(&classifier, &page, 1000), BodyLayout::Blocks { block_bytes: 50 }, "not believable");
}

#[test]
fn rows_that_no_vector_can_have_are_not_believed() {
    let mut classifier = Classifier::new();
    for config in [
        &br#"{"chunk_size_bytes":100,"chunk_size_vectors":0,"dim":1}"#[..],
        br#"{"chunk_size_bytes":0,"chunk_size_vectors":5,"dim":1}"#,
        br#"{"chunk_size_bytes":101,"chunk_size_vectors":10,"dim":1}"#,
        br#"{"chunk_size_bytes":18446744073709551615,"chunk_size_vectors":1,"dim":1}"#,
        br#"{"chunk_size_bytes":-1,"chunk_size_vectors":1,"dim":1}"#,
        b"\0\0\0\0",
        b"",
    ] {
        classifier.learn(&body("u", "vector_storage/vectors/config.json"), config);
    }
    let chunk = body("u", "vector_storage/vectors/chunk_0.mmap");
    assert_eq!(layout(&classifier, &chunk, 1000), BodyLayout::Opaque);
}

#[test]
fn only_lessons_are_wanted() {
    let classifier = Classifier::new();
    for (file, expected) in [
        ("segment.json", true),
        ("vector_storage/vectors/config.json", true),
        ("vector_storage-a/store/config.json", true),
        ("vector_storage-a/quantized.meta.json", true),
        ("payload_storage/config.json", true),
        ("payload_index/x-map/config.json", true),
        ("payload_index/config.json", false),
        ("vector_index/hnsw_config.json", false),
        ("vector_storage/vectors/chunk_0.mmap", false),
        ("version.info", false),
    ] {
        assert_eq!(classifier.wants(&body("u", file), BodySize::plain(100)), expected, "{file}");
    }
    assert!(!classifier.wants(&body("u", "segment.json"), BodySize::plain(0)));
}
