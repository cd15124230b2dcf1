//! Deleted flags: which rows have no vector.
//!
//! `deleted.dat`, beside `matrix.dat` (`qdrant v1.19.0 lib/segment/src/vector_storage/dense/immutable_dense_vectors.rs`):
//!
//! | offset | bytes | meaning |
//! |---|---|---|
//! | 0 | 4 | `drop` |
//! | 4 | 4 | zeros |
//! | 8 | 8·⌈rows/64⌉ | one bit a row, least significant first |
//!
//! `deleted/`, beside everything else (`…/common/flags/dynamic_stored_flags.rs`):
//!
//! | file | offset | bytes | meaning |
//! |---|---|---|---|
//! | `status.dat` | 0 | 8 | number of flags, at most that of rows; a missing flag is clear |
//! | | 8 | 8 | 0: the flags are in `flags_a.dat`; 1: in `flags_b.dat` (before v1.11.1) |
//! | `flags_a.dat` | 0 | ⌈flags/8⌉ | one bit a row, least significant first; zeros up to 1 MiB or a power of two above |
//!
//! A point that is deleted keeps a clear flag: flags are about vectors, the id tracker is about points.
//!
//! Memory: one bit for each row up to the last one that is flagged.

use super::files::{missing, read_status};
use crate::error::QdrantError;
use crate::finding::{Finding, Findings};
use crate::storage::FaultKind;
use crate::storage::{Bits, StorageFiles, StoredFile, Window};

/// Bytes looked at at once.
const PIECE_BYTES: usize = 128 * 1024;

/// The shortest file of flags in a directory. No file is more than twice as long as its flags, or this long.
const FLAG_FILE_BYTES_MIN: u64 = 1024 * 1024;

/// The flags of a storage.
#[derive(Debug, Default)]
pub(super) struct Flags {
    /// The flags up to the last one that is set.
    pub(super) bits: Bits,
    /// How many rows it is said to cover.
    pub(super) len: u64,
    /// One more than the last row that is flagged.
    pub(super) set_end: u64,
    /// The file that holds them.
    pub(super) path: String,
    /// Length of that file; `None` when there is none, which reads as no flag at all.
    pub(super) file_bytes: Option<u64>,
    /// Whether a bit behind the last flag is set.
    pub(super) has_set_behind: bool,
}

const MATRIX_FLAGS_MAGIC: [u8; 4] = *b"drop";
const MATRIX_FLAGS_HEADER_BYTES: u64 = 8;

impl Flags {
    /// Reads `deleted.dat` in `directory`, which flags `rows` rows.
    pub(super) fn of_matrix(files: &dyn StorageFiles, directory: &str, rows: u64) -> Result<Self, QdrantError> {
        let path = format!("{directory}/deleted.dat");
        let Some(file) = files.open(&path) else {
            return Ok(Self { path, len: rows, ..Self::default() });
        };
        let mut magic = [0; 4];
        file.read_exact_at(0, &mut magic)?;
        if magic != MATRIX_FLAGS_MAGIC {
            return Err(file.damaged(0, format!("the file begins with {magic:02x?}, expected \"drop\"")));
        }
        Self::read(&file, MATRIX_FLAGS_HEADER_BYTES, rows)
    }

    /// How long `deleted.dat` must be for `rows` rows.
    pub(super) fn matrix_file_bytes(rows: u64) -> u64 {
        MATRIX_FLAGS_HEADER_BYTES + rows.div_ceil(64) * 8
    }

    /// Reads `deleted/` in `directory`.
    pub(super) fn of_directory(files: &dyn StorageFiles, directory: &str) -> Result<Self, QdrantError> {
        Self::read_in(files, &format!("{directory}/deleted"))
    }

    /// Reads a directory of flags.
    fn read_in(files: &dyn StorageFiles, directory: &str) -> Result<Self, QdrantError> {
        let status_path = format!("{directory}/status.dat");
        let Some(status) = files.open(&status_path) else {
            return Ok(Self { path: status_path, ..Self::default() });
        };
        let len = read_status(&status)?;
        let mut which = [0; 8];
        status.read_exact_at(8, &mut which)?;
        let path = match u64::from_le_bytes(which) {
            0 => format!("{directory}/flags_a.dat"),
            1 => format!("{directory}/flags_b.dat"),
            other => return Err(status.damaged(8, format!("the flags are in file {other}, expected 0 or 1"))),
        };
        let file = files.open(&path).ok_or_else(|| missing(&path))?;
        if file.len() < len.div_ceil(8) {
            let what = format!("{len} flags are announced, and {path} has {} bytes", file.len());
            return Err(status.damaged(0, what));
        }
        Self::read(&file, 0, len)
    }

    /// Reads `len` flags from `offset` on; fewer when the file is shorter.
    fn read(file: &StoredFile<'_>, offset: u64, len: u64) -> Result<Self, QdrantError> {
        let mut bytes: Vec<u8> = Vec::new();
        let mut has_set_behind = false;
        let mut window = Window::new(file);
        let mut at = offset;
        let end = file.len().min(offset + FLAG_FILE_BYTES_MIN.max(len.div_ceil(8) * 2));
        while at < end {
            let piece_bytes = PIECE_BYTES.min(usize::try_from(end - at).unwrap_or(PIECE_BYTES));
            let piece = window.bytes(at, piece_bytes)?;
            // Files of flags are long and mostly zero: what is behind the last flag that is set is never kept.
            if let Some(last) = piece.iter().rposition(|byte| *byte != 0) {
                let start = at - offset;
                let inside = len.div_ceil(8).saturating_sub(start).min(last as u64 + 1) as usize;
                has_set_behind |= inside <= last;
                if inside > 0 {
                    bytes.resize(start as usize, 0);
                    bytes.extend_from_slice(&piece[..inside]);
                }
            }
            at += piece_bytes as u64;
        }
        if !len.is_multiple_of(8)
            && bytes.len() as u64 == len.div_ceil(8)
            && let Some(last) = bytes.last_mut()
        {
            has_set_behind |= *last >> (len % 8) != 0;
            *last &= (1 << (len % 8)) - 1;
        }
        let set_bytes = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        bytes.truncate(set_bytes);
        let set_end = bytes.last().map_or(0, |last| bytes.len() as u64 * 8 - u64::from(last.leading_zeros()));
        let bits = Bits::new(bytes, len);
        Ok(Self { bits, len, set_end, path: file.path().to_owned(), file_bytes: Some(file.len()), has_set_behind })
    }
}

/// Reports what is wrong with a directory of flags about `rows` rows, such as the indexes of payload fields have.
pub(crate) fn audit_flags(
    files: &dyn StorageFiles,
    directory: &str,
    rows: u64,
    fault: &FaultKind,
    findings: &mut Findings,
) {
    match Flags::read_in(files, directory) {
        Ok(flags) if flags.file_bytes.is_none() => {
            findings.add(fault.finding(&flags.path, format!("{} is missing", flags.path)))
        }
        Ok(flags) if flags.has_set_behind => {
            findings.add(fault.finding(&flags.path, format!("a bit is set behind the last of {} flags", flags.len)));
        }
        Ok(flags) if flags.len > rows => {
            findings.add(fault.finding(&flags.path, format!("{} flags, and there are {rows} rows", flags.len)));
        }
        Ok(flags) if flags.set_end > rows => {
            let what = format!("row {} is flagged, and there are {rows} rows", flags.set_end - 1);
            findings.add(fault.finding(&flags.path, what));
        }
        Ok(_) => {}
        Err(error) => findings.add(Finding::unreadable("", &error)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn directory(status: &[u64], flags: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let status = status.iter().flat_map(|word| word.to_le_bytes()).collect();
        BTreeMap::from([
            ("v/deleted/status.dat".to_owned(), status),
            ("v/deleted/flags_a.dat".to_owned(), flags.to_owned()),
        ])
    }

    #[test]
    fn flags_are_kept_up_to_the_last_one_that_is_set() {
        let mut file = vec![0; 300_000];
        file[200_000] = 0b100;
        let flags = Flags::of_directory(&directory(&[2_000_000, 0], &file), "v").unwrap();
        assert_eq!((flags.set_end, flags.bits.count_ones(), flags.has_set_behind), (1_600_003, 1, false));
        assert!(flags.bits.get(1_600_002));
        let fewer = Flags::of_directory(&directory(&[1_600_002, 0], &file), "v").unwrap();
        assert_eq!((fewer.set_end, fewer.has_set_behind), (0, true));
        let much_fewer = Flags::of_directory(&directory(&[8, 0], &file), "v").unwrap();
        assert_eq!((much_fewer.bits.count_ones(), much_fewer.has_set_behind), (0, true));
    }

    #[test]
    fn hostile_flags_are_errors() {
        for status in [&[u64::MAX, 0][..], &[9, 0], &[1, 2], &[1], &[]] {
            let files = directory(status, &[0]);
            assert!(Flags::of_directory(&files, "v").is_err(), "{status:?}");
        }
        assert_eq!(Flags::of_directory(&BTreeMap::new(), "v").unwrap().file_bytes, None);
    }

    #[test]
    fn matrix_flags_have_a_header() {
        let file = |bytes: &[u8]| BTreeMap::from([("v/deleted.dat".to_owned(), bytes.to_owned())]);
        let flags = Flags::of_matrix(&file(b"drop\0\0\0\0\x81\x01\0\0\0\0\0\0"), "v", 9).unwrap();
        assert_eq!((flags.bits.count_ones(), flags.set_end), (3, 9));
        assert_eq!(Flags::matrix_file_bytes(9), 16);
        assert_eq!(Flags::matrix_file_bytes(65), 24);
        assert!(Flags::of_matrix(&file(b"data\0\0\0\0"), "v", 9).is_err());
        assert!(Flags::of_matrix(&file(b"dr"), "v", 9).is_err());
    }
}
