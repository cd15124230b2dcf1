//! Damage to what Qdrant derives from points: graphs, quantized vectors, indexes of sparse vectors and of payload fields.

use super::case::{Case, by_digest, reported};
use super::patient::Snapshot::{Catalog, Notes, Streamed};

pub(super) fn cases() -> Vec<Case> {
    [of_graphs(), of_codes(), of_sparse_indexes()].into_iter().flatten().collect()
}

/// Those of the indexes of payload fields.
pub(super) fn of_payloads() -> Vec<Case> {
    [of_payload_indexes(), of_gridstore_indexes()].into_iter().flatten().collect()
}

fn of_graphs() -> Vec<Case> {
    const GRAPH: &str = "built/vector_index/graph.bin";
    const LINKS: &str = "built/vector_index/links_compressed.bin";
    const CONFIG: &str = "built/vector_index/hnsw_config.json";
    vec![
        reported(Streamed, "the graph's header is flipped", CONFIG, |s| s.flip(GRAPH, 1, 1 << 5)),
        reported(Streamed, "the graph's header is cut", GRAPH, |s| s.cut(GRAPH)),
        reported(Streamed, "the graph's header is zero", GRAPH, |s| s.zero(GRAPH)),
        reported(Streamed, "the graph's header is missing", GRAPH, |s| s.remove(GRAPH)),
        reported(Streamed, "links are cut", LINKS, |s| s.cut(LINKS)),
        reported(Streamed, "links are missing", LINKS, |s| s.remove(LINKS)),
        reported(Streamed, "the header of links is flipped", LINKS, |s| s.flip(LINKS, 0, 1 << 4)),
        reported(Streamed, "links are zero", LINKS, |s| s.zero(LINKS)),
        reported(Streamed, "the configuration of the graph is of another", CONFIG, |s| {
            s.replace(CONFIG, ":16,", ":61,")
        }),
        reported(Streamed, "the configuration of the graph is no JSON", CONFIG, |s| s.flip(CONFIG, 5, 0x80)),
        reported(Streamed, "the configuration of the graph is missing", CONFIG, |s| s.remove(CONFIG)),
        reported(Catalog, "links of two shards are swapped", "built/vector_index-text/links_compressed.bin", |s| {
            let name = "vector_index-text/links_compressed.bin";
            s.swap(&format!("built/{name}"), &format!("other-built/{name}"));
        }),
        by_digest(
            Notes,
            "a bit of a link is flipped",
            "links are not followed: points stay as they are, a search may find other neighbours",
            |s| {
                let len = s.file(LINKS).len();
                s.flip_within(LINKS, len / 4..len / 2);
            },
        ),
    ]
}

fn of_codes() -> Vec<Case> {
    const DATA: &str = "built/vector_storage-text/quantized.data";
    const META: &str = "built/vector_storage-text/quantized.meta.json";
    const CONFIG: &str = "built/vector_storage-text/quantized.config.json";
    const OFFSETS: &str = "built/vector_storage-colbert/quantized.offsets.data";
    const VECTORS: &str = "built/vector_storage-text";
    const RECORD: usize = 4 + 64;
    vec![
        reported(Catalog, "quantized vectors are cut", DATA, |s| s.cut(DATA)),
        reported(Catalog, "quantized vectors are missing", DATA, |s| s.remove(DATA)),
        reported(Catalog, "quantized vectors are zero", DATA, |s| s.zero(DATA)),
        reported(Catalog, "quantized vectors of two shards are swapped", DATA, |s| {
            s.swap(DATA, "other-built/vector_storage-text/quantized.data");
        }),
        reported(Catalog, "the count of quantized vectors is another", META, |s| {
            s.replace(META, "\"count\":", "\"count\":1")
        }),
        reported(Catalog, "the quantizer's parameters are zero", META, |s| s.zero(META)),
        reported(Catalog, "the quantizer's parameters are missing", META, |s| s.remove(META)),
        reported(Catalog, "the quantized dimensions are others", CONFIG, |s| {
            s.replace(CONFIG, "\"dim\":64", "\"dim\":46")
        }),
        reported(Catalog, "the quantization is missing", CONFIG, |s| s.remove(CONFIG)),
        reported(Catalog, "an offset of quantized inner vectors is flipped", OFFSETS, |s| s.flip(OFFSETS, 804, 1)),
        reported(Catalog, "offsets of quantized inner vectors are missing", OFFSETS, |s| s.remove(OFFSETS)),
        reported(Catalog, "a high bit of a quantized vector is flipped", VECTORS, |s| {
            let row = s.built_row(true);
            s.flip(DATA, row * RECORD + 20, 1 << 5);
        }),
        reported(Catalog, "the quantizer's scale is another", VECTORS, |s| {
            s.replace(META, "\"alpha\":0.", "\"alpha\":1.");
        }),
        by_digest(
            Catalog,
            "what a quantized vector's scores are corrected by is another",
            "any number could be: points stay as they are, a search may rank them otherwise",
            |s| {
                let row = s.built_row(true);
                s.flip(DATA, row * RECORD + 2, 1 << 5);
            },
        ),
        by_digest(
            Catalog,
            "a quantized vector of a row that is deleted is another",
            "codes of rows without a point are not compared, and no search finds them",
            |s| {
                let row = s.built_row(false);
                s.flip(DATA, row * RECORD + 20, 1 << 5);
            },
        ),
    ]
}

fn of_sparse_indexes() -> Vec<Case> {
    const DATA: &str = "built/vector_index-bm25/inverted_index.dat";
    const CONFIG: &str = "built/vector_index-bm25/inverted_index_config.json";
    const DIMENSIONS: &str = "built/vector_index-bm25/indices_tracker.json";
    const KIND: &str = "built/vector_index-bm25/sparse_index_config.json";
    const VERSION: &str = "built/vector_index-bm25/version.info";
    vec![
        reported(Catalog, "posting lists are cut", DATA, |s| s.cut(DATA)),
        reported(Catalog, "posting lists are missing", DATA, |s| s.remove(DATA)),
        reported(Catalog, "posting lists are zero", DATA, |s| s.zero(DATA)),
        reported(Catalog, "a posting list more is counted", DIMENSIONS, |s| {
            s.replace(CONFIG, "\"posting_count\":1", "\"posting_count\":2");
        }),
        reported(Catalog, "more sparse vectors are indexed than there are", CONFIG, |s| {
            s.replace(CONFIG, "\"vector_count\":", "\"vector_count\":9");
        }),
        reported(Catalog, "the posting lists' dimensions are cut", DIMENSIONS, |s| s.cut(DIMENSIONS)),
        reported(Catalog, "the posting lists' dimensions are missing", DIMENSIONS, |s| s.remove(DIMENSIONS)),
        reported(Catalog, "the sparse index is of another kind", KIND, |s| s.replace(KIND, "ImmutableRam", "Mmap")),
        reported(Catalog, "the sparse index has no version", VERSION, |s| s.remove(VERSION)),
        by_digest(
            Catalog,
            "a bit of a posting list is flipped",
            "posting lists are not read: points stay as they are, a search may find others",
            |s| s.flip(DATA, 40_000, 1),
        ),
    ]
}

fn of_payload_indexes() -> Vec<Case> {
    const CONFIG: &str = "built/payload_index/config.json";
    const DIRECTORY: &str = "built/payload_index/";
    const WORDS: &str = "built/payload_index/?-doc-map/values_to_points.bin";
    const PRICES: &str = "built/payload_index/?-price-numeric/data.bin";
    const DELETED: &str = "built/payload_index/?-price-numeric/deleted.bin";
    const BORDERS: &str = "built/payload_index/?-created-numeric/histogram_borders.bin";
    const POINTS: &str = "built/payload_index/?-loc-map/points_map.bin";
    const POSTINGS: &str = "built/payload_index/?-text-text/postings.dat";
    const TOKENS: &str = "built/payload_index/?-text-text/point_to_tokens_count.dat";
    const FLAGS: &str = "built/payload_index/?-doc-null/has_values/flags_a.dat";
    vec![
        reported(Catalog, "a map of values is missing", WORDS, |s| s.remove(WORDS)),
        reported(Catalog, "a map of values is zero", WORDS, |s| s.zero(WORDS)),
        reported(Catalog, "an index of numbers is cut", PRICES, |s| s.cut(PRICES)),
        reported(Catalog, "an index of numbers is missing", PRICES, |s| s.remove(PRICES)),
        reported(Catalog, "an index's delete flags are cut", DELETED, |s| s.cut(DELETED)),
        reported(Catalog, "a histogram is missing", BORDERS, |s| s.remove(BORDERS)),
        reported(Catalog, "an index of places is missing", POINTS, |s| s.remove(POINTS)),
        reported(Catalog, "an index of words is missing", POSTINGS, |s| s.remove(POSTINGS)),
        reported(Catalog, "an index of words is zero", POSTINGS, |s| s.zero(POSTINGS)),
        reported(Catalog, "an index counts words of more points", TOKENS, |s| s.edit(TOKENS, |c| c.extend([1; 80]))),
        reported(Catalog, "flags of fields are missing", FLAGS, |s| s.remove(FLAGS)),
        reported(Catalog, "the directory of an index is missing", DIRECTORY, |s| {
            let path = s.path(WORDS);
            let directory = path.trim_end_matches("values_to_points.bin").to_owned();
            s.remove_below(&directory);
        }),
        reported(Catalog, "the configuration of indexes is cut", CONFIG, |s| s.cut(CONFIG)),
        reported(Catalog, "the configuration of indexes is missing", CONFIG, |s| s.remove(CONFIG)),
        reported(Catalog, "a field is indexed as another kind", CONFIG, |s| s.replace(CONFIG, "\"float\"", "\"bool\"")),
        reported(Catalog, "a field more is indexed", CONFIG, |s| s.replace(CONFIG, "\"price\":\"", "\"cost\":\"")),
        by_digest(
            Catalog,
            "a number in an index is another",
            "indexes of built segments are not read: filters are answered from payloads here, by a Qdrant from the index",
            |s| s.flip(PRICES, 1600, 1 << 5),
        ),
    ]
}

fn of_gridstore_indexes() -> Vec<Case> {
    const SLOTS: &str = "growing/payload_index/?-topic-map/tracker.dat";
    const MASK: &str = "growing/payload_index/?-rank-numeric/bitmask.dat";
    const PAGE: &str = "growing/payload_index/?-rank-map/page_0.dat";
    vec![
        reported(Notes, "a slot of an index is of no known kind", SLOTS, |s| s.put(SLOTS, 4 + 16 * 20, &[9])),
        reported(Notes, "the mask of an index is zero", MASK, |s| s.zero(MASK)),
        reported(Notes, "the page of an index is missing", PAGE, |s| s.remove(PAGE)),
    ]
}
