//! The HNSW index of a vector: what its small files say, and how long its files must be. Derived data: the links themselves are
//! not looked at, a Qdrant can build them again.
//!
//! `graph.bin` (`qdrant v1.19.0 lib/segment/src/index/hnsw_index/graph_layers.rs`, `entry_points.rs`):
//!
//! | offset | bytes | meaning |
//! |---|---|---|
//! | 0, 8, 16 | 8 each | u64 m, m0, ef_construct |
//! | 24 | 8 | u64 a |
//! | 32 | 12·a | entry points: u32 row, u64 level |
//! | 32 + 12·a | 8 | u64 b |
//! | 40 + 12·a | 12·b | further entry points, alike |
//! | 40 + 12·(a + b) | 8 | u64 how many of these are kept |
//!
//! Beside it lies one file of links (`…/hnsw_index/graph_links/header.rs`); P is the length of its packed offsets:
//!
//! | file | header | length |
//! |---|---|---|
//! | `links.bin` | 64 bytes: u64 points, levels, neighbours, offsets, padding | 64 + 8·levels + 4·points + 4·neighbours + padding + 8·offsets |
//! | `links_compressed.bin` | 64: u64 points, `0xFFFFFFFFFFFFFF01`, levels, neighbour bytes, parameters (11), u64 m, m0 | 64 + 8·levels + 4·points + neighbour bytes + P |
//! | `links_comp_vec.bin` | 80: the same with `…FF02`, then two layouts: u64 size, u8 alignment | 80 + 8·levels + 4·points, aligned to the larger layout, + neighbour bytes + P |
//!
//! Parameters are u64 count, u8 base bits, u8 delta bits, u8 k; P = ⌈count / 2^k⌉ · ⌈(base + delta·(2^k − 1)) / 8⌉ + 7
//! (`lib/common/common/src/bitpacking_ordered.rs`). `points` is the number of rows, dead ones included.
//!
//! Seen to hold for every graph in the snapshots of the tests (`links_compressed.bin`, the only kind there) and for a
//! `links_comp_vec.bin` of Qdrant's engine; `links.bin` is from the source alone.

use serde::{Deserialize, Serialize};

use super::vectors::files::{index_directory, open, read_json};
use super::{StorageFiles, StoredFile, Window};
use crate::error::QdrantError;

/// Which file holds the links of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum GraphLinksKind {
    /// `links.bin`.
    Plain,
    /// `links_compressed.bin` (v1.13.0+).
    Compressed,
    /// `links_comp_vec.bin`: with a copy of the vectors (v1.15.3+).
    WithVectors,
}

impl GraphLinksKind {
    /// The file's name.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Plain => "links.bin",
            Self::Compressed => "links_compressed.bin",
            Self::WithVectors => "links_comp_vec.bin",
        }
    }
}

/// A row from which a search may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EntryPoint {
    /// The row.
    pub row: u32,
    /// Its highest level.
    pub level: u64,
}

/// What the small files and headers of an HNSW index say, with the lengths that follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GraphMetadata {
    /// Edges per node above the lowest level.
    pub m: u64,
    /// Edges per node on the lowest level.
    pub m0: u64,
    /// Neighbours considered while building.
    pub ef_construct: u64,
    /// The first entry point.
    pub entry_point: Option<EntryPoint>,
    /// How many entry points there are, the further ones included.
    pub entry_points: u64,
    /// Bytes of `graph.bin`.
    pub graph_bytes: u64,
    /// Bytes that its entry points make of it.
    pub graph_expected_bytes: u64,
    /// Rows in the graph, dead ones included.
    pub points: u64,
    /// Levels of the graph.
    pub levels: u64,
    /// Which file holds the links.
    pub links: GraphLinksKind,
    /// Bytes of that file.
    pub links_bytes: u64,
    /// Bytes that its header makes of it; `None` when its numbers are beyond any file.
    pub links_expected_bytes: Option<u64>,
    /// How many vectors were indexed, by `hnsw_config.json`.
    pub indexed_vectors: Option<u64>,
    /// Whether `hnsw_config.json` has the parameters of `graph.bin`; `None` without that file.
    pub config_agrees: Option<bool>,
}

/// `hnsw_config.json`, as far as it is compared.
#[derive(Debug, Deserialize)]
struct GraphConfig {
    m: Option<u64>,
    m0: Option<u64>,
    ef_construct: Option<u64>,
    indexed_vector_count: Option<u64>,
}

impl GraphConfig {
    /// `None` when the file is not there.
    fn read(files: &dyn StorageFiles, directory: &str) -> Result<Option<Self>, QdrantError> {
        let Some(file) = files.open(&format!("{directory}/hnsw_config.json")) else { return Ok(None) };
        read_json(&file).map(Some)
    }

    /// Parameters that a version does not write agree with all.
    fn agrees(&self, words: &[u8; 24]) -> bool {
        let is = |name: Option<u64>, at: usize| name.is_none_or(|value| value == word(words, at));
        is(self.m, 0) && is(self.m0, 8) && is(self.ef_construct, 16)
    }
}

impl GraphMetadata {
    /// Reads the index of the vector `name`; `None` when there is none.
    ///
    /// # Errors
    /// [`QdrantError::FileMissing`] when only a part of it is there, [`QdrantError::FileDamaged`] when a file ends within its
    /// header or the header is none, [`QdrantError::FileUnreadable`] when the source fails.
    pub fn read(files: &dyn StorageFiles, name: &str) -> Result<Option<Self>, QdrantError> {
        let directory = index_directory(name);
        let graph_path = format!("{directory}/graph.bin");
        let kinds = [GraphLinksKind::WithVectors, GraphLinksKind::Compressed, GraphLinksKind::Plain];
        let found = kinds
            .into_iter()
            .find_map(|kind| files.open(&format!("{directory}/{}", kind.file_name())).map(|file| (kind, file)));
        let (graph_file, links_kind, links_file) = match (files.open(&graph_path), found) {
            (None, None) => return Ok(None),
            (None, Some(_)) => return Err(QdrantError::FileMissing { path: graph_path }),
            (Some(_), None) => return Err(missing_links(&directory)),
            (Some(graph_file), Some((kind, links_file))) => (graph_file, kind, links_file),
        };
        let entries = EntryTable::read(&graph_file)?;
        let header = LinksHeader::read(links_kind, &links_file)?;
        let mut words = [0; 24];
        graph_file.read_exact_at(0, &mut words)?;
        let config = GraphConfig::read(files, &directory)?;
        Ok(Some(Self {
            m: word(&words, 0),
            m0: word(&words, 8),
            ef_construct: word(&words, 16),
            entry_point: entries.first(&graph_file)?,
            entry_points: entries.main + entries.further,
            graph_bytes: graph_file.len(),
            graph_expected_bytes: entries.file_bytes(),
            points: header.points,
            levels: header.levels,
            links: links_kind,
            links_bytes: links_file.len(),
            links_expected_bytes: header.file_bytes(),
            indexed_vectors: config.as_ref().and_then(|config| config.indexed_vector_count),
            config_agrees: config.map(|config| config.agrees(&words)),
        }))
    }
}

fn missing_links(directory: &str) -> QdrantError {
    QdrantError::FileMissing { path: format!("{directory}/{}", GraphLinksKind::Compressed.file_name()) }
}

/// The u64 at `offset`, which lies within `bytes`.
fn word(bytes: &[u8], offset: usize) -> u64 {
    let word = bytes[offset..].first_chunk().expect("callers pass headers of a fixed length");
    u64::from_le_bytes(*word)
}

const ENTRY_BYTES: u64 = 12;

/// Where the entry points of a `graph.bin` lie, each table within the file.
#[derive(Clone, Copy, Debug)]
struct EntryTable {
    main: u64,
    further: u64,
}

impl EntryTable {
    fn read(file: &StoredFile<'_>) -> Result<Self, QdrantError> {
        let count_at = |offset: u64| {
            let mut bytes = [0; 8];
            file.read_exact_at(offset, &mut bytes)?;
            let count = u64::from_le_bytes(bytes);
            let rest = file.len() - offset - 8;
            if count > rest / ENTRY_BYTES {
                return Err(
                    file.damaged(offset, format!("{count} entry points are announced, and {rest} bytes follow"))
                );
            }
            Ok(count)
        };
        let main = count_at(24)?;
        let further = count_at(32 + ENTRY_BYTES * main)?;
        Ok(Self { main, further })
    }

    fn file_bytes(self) -> u64 {
        48 + ENTRY_BYTES * (self.main + self.further)
    }

    fn first(self, file: &StoredFile<'_>) -> Result<Option<EntryPoint>, QdrantError> {
        if self.main == 0 {
            return Ok(None);
        }
        let mut bytes = [0; ENTRY_BYTES as usize];
        file.read_exact_at(32, &mut bytes)?;
        Ok(Some(entry_point(&bytes)))
    }

    /// Calls `see` with every entry point.
    fn for_each(self, file: &StoredFile<'_>, mut see: impl FnMut(EntryPoint)) -> Result<(), QdrantError> {
        let mut window = Window::new(file);
        for (count, start) in [(self.main, 32), (self.further, 40 + ENTRY_BYTES * self.main)] {
            for index in 0..count {
                see(entry_point(window.bytes(start + ENTRY_BYTES * index, ENTRY_BYTES as usize)?));
            }
        }
        Ok(())
    }
}

fn entry_point(bytes: &[u8]) -> EntryPoint {
    let (row, level) = bytes.split_first_chunk().expect("an entry has 12 bytes");
    EntryPoint { row: u32::from_le_bytes(*row), level: word(level, 0) }
}

/// How many of the entry points of the vector `name` are rows, or on levels, that are not there; `None` when there is no graph.
pub(super) fn foreign_entry_points(
    files: &dyn StorageFiles,
    name: &str,
    rows: u64,
    levels: u64,
) -> Result<Option<u64>, QdrantError> {
    let Some(file) = files.open(&format!("{}/graph.bin", index_directory(name))) else { return Ok(None) };
    let mut foreign = 0;
    EntryTable::read(&file)?.for_each(&file, |entry| {
        foreign += u64::from(u64::from(entry.row) >= rows || entry.level >= levels);
    })?;
    Ok(Some(foreign))
}

/// What the packed offsets of a file of links are like.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackedOffsets {
    pub(super) count: u64,
    pub(super) base_bits: u8,
    pub(super) delta_bits: u8,
    pub(super) group_log2: u8,
}

impl PackedOffsets {
    /// Bytes of a group of 2^k offsets; `None` for parameters that no version writes.
    pub(super) fn group_bytes(self) -> Option<u64> {
        let is_believable = self.base_bits <= 64 && (1..=56).contains(&self.delta_bits) && self.group_log2 <= 7;
        let bits = u64::from(self.base_bits) + u64::from(self.delta_bits) * ((1 << self.group_log2.min(7)) - 1);
        is_believable.then_some(bits.div_ceil(8))
    }

    /// Bytes of all groups and the tail.
    fn bytes(self) -> Option<u64> {
        self.count.div_ceil(1 << self.group_log2.min(7)).checked_mul(self.group_bytes()?)?.checked_add(7)
    }
}

/// The header of a file of links.
#[derive(Clone, Copy, Debug)]
pub(super) struct LinksHeader {
    pub(super) points: u64,
    levels: u64,
    /// Bytes of the neighbours.
    pub(super) neighbor_bytes: Option<u64>,
    /// Bytes of the offsets behind the neighbours.
    offset_bytes: Option<u64>,
    /// Where the levels begin.
    header_bytes: u64,
    /// To what the neighbours are aligned.
    alignment: u64,
    /// In a compressed file.
    pub(super) packed: Option<PackedOffsets>,
    /// In a file with vectors: bytes of a vector.
    pub(super) vector_bytes: Option<u64>,
}

impl LinksHeader {
    pub(super) fn read(kind: GraphLinksKind, file: &StoredFile<'_>) -> Result<Self, QdrantError> {
        let mut bytes = [0; 80];
        let header_bytes = if kind == GraphLinksKind::WithVectors { 80 } else { 64 };
        file.read_exact_at(0, &mut bytes[..header_bytes])?;
        if kind == GraphLinksKind::Plain {
            let (neighbors, offsets, padding) = (word(&bytes, 16), word(&bytes, 24), word(&bytes, 32));
            return Ok(Self {
                points: word(&bytes, 0),
                levels: word(&bytes, 8),
                neighbor_bytes: neighbors.checked_mul(4),
                offset_bytes: offsets.checked_mul(8).and_then(|bytes| bytes.checked_add(padding)),
                header_bytes: 64,
                alignment: 1,
                packed: None,
                vector_bytes: None,
            });
        }
        let has_vectors = kind == GraphLinksKind::WithVectors;
        let version = if has_vectors { 0xFFFF_FFFF_FFFF_FF02 } else { 0xFFFF_FFFF_FFFF_FF01 };
        if word(&bytes, 8) != version {
            let what = format!("the version is {:#x}, expected {version:#x}", word(&bytes, 8));
            return Err(file.damaged(8, what));
        }
        let packed = PackedOffsets {
            count: word(&bytes, 32),
            base_bits: bytes[40],
            delta_bits: bytes[41],
            group_log2: bytes[42],
        };
        let alignment = if has_vectors { u64::from(bytes[67].max(bytes[76])).max(1) } else { 1 };
        Ok(Self {
            points: word(&bytes, 0),
            levels: word(&bytes, 16),
            neighbor_bytes: Some(word(&bytes, 24)),
            offset_bytes: packed.bytes(),
            header_bytes: header_bytes as u64,
            alignment,
            packed: Some(packed),
            vector_bytes: has_vectors.then(|| word(&bytes, 59)),
        })
    }

    /// Where the neighbours begin.
    pub(super) fn neighbors_start(&self) -> Option<u64> {
        let levels = self.levels.checked_mul(8)?.checked_add(self.header_bytes)?;
        self.points.checked_mul(4)?.checked_add(levels)?.checked_next_multiple_of(self.alignment)
    }

    /// Where the offsets begin.
    pub(super) fn offsets_start(&self) -> Option<u64> {
        self.neighbors_start()?.checked_add(self.neighbor_bytes?)
    }

    fn file_bytes(&self) -> Option<u64> {
        self.offsets_start()?.checked_add(self.offset_bytes?)
    }
}

/// Opens the file of links that holds vectors.
pub(super) fn open_links_with_vectors<'f>(
    files: &'f dyn StorageFiles,
    name: &str,
) -> Result<StoredFile<'f>, QdrantError> {
    open(files, &format!("{}/{}", index_directory(name), GraphLinksKind::WithVectors.file_name()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn read(links_file: &str, links: Vec<u8>) -> Result<Option<GraphMetadata>, QdrantError> {
        let graph = [words(&[16, 32, 100, 0, 0, 1])].concat();
        let files = BTreeMap::from([
            ("vector_index-v/graph.bin".to_owned(), graph),
            (format!("vector_index-v/{links_file}"), links),
        ]);
        GraphMetadata::read(&files, "v")
    }

    #[test]
    fn plain_links_are_as_long_as_their_header_says() {
        // Three points, two levels, five neighbours, six offsets, four bytes of padding.
        let links = [words(&[3, 2, 5, 6, 4, 0, 0, 0]), vec![0; 16 + 12 + 20 + 4 + 48]].concat();
        let graph = read("links.bin", links.clone()).unwrap().unwrap();
        assert_eq!((graph.links, graph.points, graph.levels), (GraphLinksKind::Plain, 3, 2));
        assert_eq!((graph.links_bytes, graph.links_expected_bytes), (164, Some(164)));
        assert_eq!((graph.entry_point, graph.entry_points, graph.graph_expected_bytes), (None, 0, 48));
    }

    #[test]
    fn numbers_beyond_any_file_give_no_length() {
        let graph = read("links.bin", words(&[u64::MAX; 8])).unwrap().unwrap();
        assert_eq!(graph.links_expected_bytes, None);
        let mut compressed = words(&[u64::MAX, 0xFFFF_FFFF_FFFF_FF01, u64::MAX, u64::MAX, u64::MAX]);
        compressed.resize(64, 0xff);
        let graph = read("links_compressed.bin", compressed).unwrap().unwrap();
        assert_eq!(graph.links_expected_bytes, None);
    }

    #[test]
    fn a_part_of_an_index_is_an_error() {
        assert!(matches!(read("other", Vec::new()), Err(QdrantError::FileMissing { .. })));
        assert!(matches!(read("links.bin", vec![0; 63]), Err(QdrantError::FileDamaged { .. })));
        assert!(matches!(read("links_compressed.bin", vec![0; 64]), Err(QdrantError::FileDamaged { offset: 8, .. })));
        assert_eq!(GraphMetadata::read(&BTreeMap::new(), "v").unwrap(), None);
        let announced = BTreeMap::from([
            ("vector_index/graph.bin".to_owned(), words(&[16, 32, 100, u64::MAX, 0, 1])),
            ("vector_index/links.bin".to_owned(), vec![0; 64]),
        ]);
        assert!(matches!(GraphMetadata::read(&announced, ""), Err(QdrantError::FileDamaged { offset: 24, .. })));
    }
}
