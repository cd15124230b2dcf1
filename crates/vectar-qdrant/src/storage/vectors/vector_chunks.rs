//! A directory of vector chunk files: `vectors/`, `offsets/`, `quantized_data/`.
//!
//! | file | content |
//! |---|---|
//! | `config.json` | `{"chunk_size_bytes","chunk_size_vectors","dim","populate"}`; some versions add `mlock` |
//! | `status.dat` | u64 number of rows |
//! | `chunk_<n>.mmap` | row i at `(i mod chunk_size_vectors)·row` of file `i / chunk_size_vectors`, no header, zeros behind the last row |
//!
//! No row lies in two files. Each file has its full length from the start, so `chunk_size_bytes`, which is the largest
//! multiple of a row in 32 MiB. A storage without rows has no chunk file. Source:
//! `qdrant v1.19.0 lib/segment/src/vector_storage/chunked_vectors/`.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;

use super::files::{missing, open, read_json, read_status};
use crate::error::QdrantError;
use crate::storage::{StorageFiles, StoredFile, Window};

/// Longest vector chunk file. Every version writes 32 MiB at most, and a row (256 KiB at most) always fits.
pub(super) const CHUNK_BYTES_MAX: u64 = 32 * 1024 * 1024;

#[derive(Deserialize)]
struct Config {
    chunk_size_bytes: u64,
    chunk_size_vectors: u64,
    dim: u64,
}

/// The rows in a directory of vector chunk files. Files that are missing are noticed when a row of theirs is read.
#[derive(Debug)]
pub(super) struct VectorChunks<'f> {
    directory: String,
    files: BTreeMap<u64, StoredFile<'f>>,
    rows: u64,
    row_bytes: u32,
    rows_per_file: u64,
    dim: u64,
}

impl<'f> VectorChunks<'f> {
    /// The file that says how long a row is.
    pub(super) fn config_path(directory: &str) -> String {
        format!("{directory}/config.json")
    }

    /// Opens a directory whose rows are `row_bytes` long (any length that is believable where `None`).
    pub(super) fn open(
        storage: &'f dyn StorageFiles,
        directory: &str,
        row_bytes: Option<u32>,
    ) -> Result<Self, QdrantError> {
        let config_file = open(storage, &Self::config_path(directory))?;
        let config: Config = read_json(&config_file)?;
        let (file_bytes, rows_per_file) = (config.chunk_size_bytes, config.chunk_size_vectors);
        if file_bytes > CHUNK_BYTES_MAX || rows_per_file == 0 || file_bytes < rows_per_file {
            let what =
                format!("{rows_per_file} rows in {file_bytes} bytes, expected rows in at most {CHUNK_BYTES_MAX}");
            return Err(config_file.damaged(0, what));
        }
        let exact = file_bytes / rows_per_file;
        let expected = row_bytes.map_or(exact, u64::from);
        if expected * rows_per_file != file_bytes {
            let what = format!("{rows_per_file} rows in {file_bytes} bytes, expected rows of {expected} bytes");
            return Err(config_file.damaged(0, what));
        }
        let rows = read_status(&open(storage, &format!("{directory}/status.dat"))?)?;
        let row_bytes = expected as u32;
        let files = chunk_files(storage, directory);
        Ok(Self { directory: directory.to_owned(), files, rows, row_bytes, rows_per_file, dim: config.dim })
    }

    pub(super) fn directory(&self) -> &str {
        &self.directory
    }

    /// How many rows `status.dat` announces, at most 2^32.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn row_bytes(&self) -> u32 {
        self.row_bytes
    }

    /// Elements in a row, as `config.json` says.
    pub(super) fn dim(&self) -> u64 {
        self.dim
    }

    pub(super) fn rows_per_file(&self) -> u64 {
        self.rows_per_file
    }

    /// The full length of each file.
    pub(super) fn file_bytes(&self) -> u64 {
        self.rows_per_file * u64::from(self.row_bytes)
    }

    /// The files by their number.
    pub(super) fn files(&self) -> &BTreeMap<u64, StoredFile<'f>> {
        &self.files
    }

    pub(super) fn reader(&self) -> ChunksReader<'_> {
        ChunksReader { chunks: self, window: None }
    }

    /// The rows that are there, file by file.
    pub(super) fn spans(&self) -> impl Iterator<Item = Range<u64>> {
        self.files.range(..self.rows.div_ceil(self.rows_per_file)).map(|(number, file)| {
            let start = number * self.rows_per_file;
            let rows = (file.len() / u64::from(self.row_bytes)).min(self.rows_per_file).min(self.rows - start);
            start..start + rows
        })
    }

    /// Whether all of these rows are there, in one file. No rows are anywhere.
    pub(super) fn holds(&self, rows: &Range<u64>) -> bool {
        let number = rows.start / self.rows_per_file;
        let in_file = |file: &StoredFile<'_>| {
            let end = (rows.end - number * self.rows_per_file).checked_mul(u64::from(self.row_bytes));
            end.is_some_and(|end| end <= file.len().min(self.file_bytes()))
        };
        rows.is_empty() || (rows.end <= self.rows && self.files.get(&number).is_some_and(in_file))
    }

    pub(super) fn file_path(&self, number: u64) -> String {
        format!("{}/chunk_{number}.mmap", self.directory)
    }
}

fn chunk_files<'f>(storage: &'f dyn StorageFiles, directory: &str) -> BTreeMap<u64, StoredFile<'f>> {
    let prefix = format!("{directory}/chunk_");
    let numbered = storage.list(&prefix).into_iter().filter_map(|path| {
        let digits = path.strip_prefix(&prefix)?.strip_suffix(".mmap")?;
        let number: u64 = digits.parse().ok().filter(|number: &u64| number.to_string() == digits)?;
        Some((number, storage.open(&path)?))
    });
    numbered.collect()
}

/// Reads rows from vector chunk files, through a window on one of them at a time.
#[derive(Debug)]
pub(super) struct ChunksReader<'r> {
    chunks: &'r VectorChunks<'r>,
    window: Option<(u64, Window<'r>)>,
}

impl<'r> ChunksReader<'r> {
    /// The bytes of `count` rows from `first` on, all of them in one file.
    pub(super) fn rows(&mut self, first: u64, count: u64) -> Result<&[u8], QdrantError> {
        let chunks = self.chunks;
        let (number, start) = (first / chunks.rows_per_file, first % chunks.rows_per_file);
        let is_within = first.checked_add(count).is_some_and(|end| end <= chunks.rows)
            && start.checked_add(count).is_some_and(|end| end <= chunks.rows_per_file);
        if !is_within {
            let what = format!(
                "{count} rows from {first} on are asked for, and there are {} with {} in a file",
                chunks.rows, chunks.rows_per_file
            );
            let path = chunks.file_path(number);
            return Err(QdrantError::FileDamaged { path, offset: start * u64::from(chunks.row_bytes), what });
        }
        if self.window.as_ref().is_none_or(|(open, _)| *open != number) {
            let file = chunks.files.get(&number).ok_or_else(|| missing(&chunks.file_path(number)))?;
            self.window = Some((number, Window::new(file)));
        }
        let (_, window) = self.window.as_mut().expect("it was opened above");
        let row_bytes = u64::from(chunks.row_bytes);
        window.bytes(start * row_bytes, (count * row_bytes) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(config: &str, status: u64, chunks: &[(u64, usize)]) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::from([
            ("v/config.json".to_owned(), config.as_bytes().to_vec()),
            ("v/status.dat".to_owned(), status.to_le_bytes().to_vec()),
        ]);
        for (number, len) in chunks {
            files.insert(format!("v/chunk_{number}.mmap"), (0..*len).map(|byte| byte as u8).collect());
        }
        files
    }

    const CONFIG: &str = r#"{"chunk_size_bytes":12,"chunk_size_vectors":3,"dim":1,"populate":true}"#;

    #[test]
    fn rows_lie_in_the_file_of_their_number() {
        let files = files(CONFIG, 8, &[(0, 12), (2, 12), (10, 12)]);
        let chunks = VectorChunks::open(&files, "v", Some(4)).unwrap();
        assert_eq!((chunks.rows(), chunks.files().len()), (8, 3));
        let mut reader = chunks.reader();
        assert_eq!(reader.rows(1, 2).unwrap(), [4, 5, 6, 7, 8, 9, 10, 11]);
        assert_eq!(reader.rows(7, 1).unwrap(), [4, 5, 6, 7]);
        let gap = reader.rows(3, 1).unwrap_err();
        assert!(matches!(gap, QdrantError::FileMissing { path } if path == "v/chunk_1.mmap"));
        for (first, count) in [(2, 2), (8, 1), (7, 2), (u64::MAX, 1), (1, u64::MAX)] {
            assert!(reader.rows(first, count).is_err(), "{first} {count}");
        }
    }

    #[test]
    fn a_short_file_is_an_error_where_it_ends() {
        let files = files(CONFIG, 3, &[(0, 7)]);
        let chunks = VectorChunks::open(&files, "v", Some(4)).unwrap();
        assert!(chunks.reader().rows(0, 1).is_ok());
        assert!(chunks.reader().rows(1, 1).is_err());
    }

    #[test]
    fn hostile_numbers_are_errors() {
        for config in [
            r#"{"chunk_size_bytes":12,"chunk_size_vectors":0,"dim":1}"#,
            r#"{"chunk_size_bytes":0,"chunk_size_vectors":0,"dim":0}"#,
            r#"{"chunk_size_bytes":0,"chunk_size_vectors":3,"dim":0}"#,
            r#"{"chunk_size_bytes":18446744073709551612,"chunk_size_vectors":4611686018427387903,"dim":1}"#,
            r#"{"chunk_size_bytes":12,"chunk_size_vectors":18446744073709551615,"dim":1}"#,
            r#"{"chunk_size_bytes":13,"chunk_size_vectors":3,"dim":1}"#,
            r#"{"chunk_size_bytes":24,"chunk_size_vectors":3,"dim":2}"#,
            r#"{"chunk_size_bytes":-12,"chunk_size_vectors":3,"dim":1}"#,
            "",
            "\0\0",
        ] {
            let files = files(config, 3, &[(0, 12)]);
            assert!(VectorChunks::open(&files, "v", Some(4)).is_err(), "{config}");
            let _ = VectorChunks::open(&files, "v", None);
        }
        assert!(VectorChunks::open(&files(CONFIG, u64::MAX, &[]), "v", Some(4)).is_err());
        let announced = files(CONFIG, 1 << 32, &[]);
        let chunks = VectorChunks::open(&announced, "v", Some(4)).unwrap();
        assert!(chunks.reader().rows((1 << 32) - 1, 1).is_err());
    }
}
