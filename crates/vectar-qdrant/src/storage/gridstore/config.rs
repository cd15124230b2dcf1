//! `config.json` of a Gridstore.

use serde::Deserialize;

use crate::error::QdrantError;
use crate::json;
use crate::storage::file::{StorageFiles, StoredFile};

/// How values lie in their pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// In blocks of preallocated pages, freed and used again; a value may run on into the next page.
    Blocks {
        block_bytes: u64,
        /// Blocks that one record of `gaps.dat` sums up.
        region_blocks: u64,
    },
    /// One behind the other, never across pages (v1.19.0+, `"mode":"append_only"`).
    Log,
}

/// What reading a value depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) layout: Layout,
    /// Length of a page; of a log the length at which the next page begins.
    pub(super) page_bytes: u64,
    /// Whether each value is an LZ4 block behind its length.
    pub(super) is_lz4: bool,
}

impl Config {
    /// Reads `<directory>/config.json`.
    pub(super) fn open(files: &dyn StorageFiles, directory: &str) -> Result<Self, QdrantError> {
        let path = format!("{directory}/config.json");
        let Some(file) = files.open(&path) else { return Err(QdrantError::FileMissing { path }) };
        let bytes = file.read_all(json::SMALL_JSON_BYTES_MAX)?;
        Self::read(&file, &bytes)
    }

    fn read(file: &StoredFile<'_>, bytes: &[u8]) -> Result<Self, QdrantError> {
        #[derive(Deserialize)]
        struct File {
            page_size_bytes: u64,
            block_size_bytes: Option<u64>,
            region_size_blocks: Option<u64>,
            compression: Option<String>,
            mode: Option<String>,
        }
        let config: File = json::parse(bytes).map_err(|error| file.damaged(0, error.reason()))?;
        let not_known = |what: String| QdrantError::NotKnown { path: file.path().to_owned(), what };
        let is_lz4 = match config.compression.as_deref() {
            None | Some("LZ4") => true,
            Some("None") => false,
            Some(other) => {
                return Err(not_known(format!("compression {:?} is not known", crate::error::brief(other))));
            }
        };
        let page_bytes = config.page_size_bytes;
        let layout = match config.mode.as_deref() {
            None | Some("mutable") => blocks(page_bytes, config.block_size_bytes, config.region_size_blocks),
            Some("append_only") => (page_bytes > 0).then_some(Layout::Log),
            Some(other) => return Err(not_known(format!("mode {:?} is not known", crate::error::brief(other)))),
        };
        let layout = layout.ok_or_else(|| {
            file.damaged(0, format!("pages of {page_bytes} bytes are not whole regions of whole blocks"))
        })?;
        Ok(Self { layout, page_bytes, is_lz4 })
    }
}

/// The block layout, if its lengths are what Qdrant accepts: nothing is zero, and a page is whole regions.
fn blocks(page_bytes: u64, block_bytes: Option<u64>, region_blocks: Option<u64>) -> Option<Layout> {
    let (block_bytes, region_blocks) = (block_bytes?, region_blocks?);
    let region_bytes = block_bytes.checked_mul(region_blocks)?;
    let fits = region_bytes > 0 && page_bytes > 0 && page_bytes.is_multiple_of(region_bytes);
    // Gaps are written as u16, and the mask of a region as whole bytes.
    let is_storable = u16::try_from(region_blocks).is_ok() && region_blocks.is_multiple_of(8);
    (fits && is_storable).then_some(Layout::Blocks { block_bytes, region_blocks })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(text: &str) -> Result<Config, QdrantError> {
        let files = BTreeMap::from([("d/config.json".to_owned(), text.as_bytes().to_vec())]);
        Config::open(&files, "d")
    }

    #[test]
    fn all_versions_of_the_file() {
        let blocks = Layout::Blocks { block_bytes: 128, region_blocks: 8192 };
        let old = read(r#"{"page_size_bytes":33554432,"block_size_bytes":128,"region_size_blocks":8192}"#).unwrap();
        assert_eq!(old, Config { layout: blocks, page_bytes: 1 << 25, is_lz4: true });
        let sparse = r#"{"page_size_bytes":33554432,"block_size_bytes":128,"region_size_blocks":8192,"compression":"None","mode":"mutable"}"#;
        assert_eq!(read(sparse).unwrap(), Config { is_lz4: false, ..old });
        let log = r#"{"page_size_bytes":33554432,"compression":"LZ4","mode":"append_only"}"#;
        assert_eq!(read(log).unwrap(), Config { layout: Layout::Log, ..old });
    }

    #[test]
    fn lengths_that_cannot_be_are_damage_and_words_we_do_not_know_are_not_readable() {
        for text in [
            "",
            "\0\0\0\0",
            "{}",
            r#"{"page_size_bytes":0,"block_size_bytes":0,"region_size_blocks":0}"#,
            r#"{"page_size_bytes":100,"block_size_bytes":128,"region_size_blocks":8192}"#,
            r#"{"page_size_bytes":33554432,"block_size_bytes":18446744073709551615,"region_size_blocks":8192}"#,
            r#"{"page_size_bytes":33554432,"block_size_bytes":1,"region_size_blocks":131072}"#,
            r#"{"page_size_bytes":0,"mode":"append_only"}"#,
        ] {
            assert!(matches!(read(text), Err(QdrantError::FileDamaged { .. })), "{text}");
        }
        for text in [r#"{"page_size_bytes":1,"mode":"frozen"}"#, r#"{"page_size_bytes":1,"compression":"Zstd"}"#] {
            assert!(matches!(read(text), Err(QdrantError::NotKnown { .. })), "{text}");
        }
        assert!(matches!(Config::open(&BTreeMap::new(), "d"), Err(QdrantError::FileMissing { .. })));
    }
}
