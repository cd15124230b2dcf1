//! Several files as one input: what a reader opens that takes the files of a segment or shard.
//!
//! An input is a row of files, each u8 length of its path, the path, u32 length, u32 zeros that follow, the bytes. Qdrant's files are
//! mostly preallocated zeros; so they cost an input nothing. Lengths that do not fit are cut to what is there: every input is some files.

use std::{
    collections::BTreeMap,
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use vectar_qdrant::storage::{StorageFiles, StoredFile};
use vectar_tar::ReadAt;

/// Zeros behind all files of an input together, at most: those of a small real shard.
const ZEROS_MAX: u64 = 256 << 20;

/// Files of an input, at most.
const FILES_MAX: usize = 512;

/// What a reader may read of files without any length, in bytes. Each read counts as 64 bytes more than it gives.
const READ_BYTES_BASE: u64 = 64 << 20;

/// What it may read more for each byte of its files: those that are there, and those that are only announced to be zero.
const READ_BYTES_FOR_EACH: u64 = 4096;
const READ_BYTES_FOR_EACH_ZERO: u64 = 16;

/// Files by their path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bundle {
    /// The files.
    pub files: BTreeMap<String, BundledFile>,
}

/// One file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BundledFile {
    /// Its first bytes.
    pub bytes: Vec<u8>,
    /// How many zeros follow.
    pub zeros: u32,
}

impl BundledFile {
    /// The file of these bytes; what is zero at its end costs nothing.
    #[must_use]
    pub fn of(mut bytes: Vec<u8>, zeros: u64) -> Self {
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let zeros = zeros + (bytes.len() - end) as u64;
        bytes.truncate(end);
        Self { bytes, zeros: u32::try_from(zeros).unwrap_or(u32::MAX) }
    }

    /// Its length, zeros included.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.bytes.len() as u64 + u64::from(self.zeros)
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Bundle {
    /// The files that an input stands for.
    #[must_use]
    pub fn decode(mut input: &[u8]) -> Self {
        let mut bundle = Self::default();
        let mut zeros_left = ZEROS_MAX;
        while let Some((&path_len, rest)) = input.split_first() {
            let (path, rest) = rest.split_at(usize::from(path_len).min(rest.len()));
            let Some((lengths, rest)) = rest.split_first_chunk::<8>() else { break };
            let (len, zeros) = (u32::from_le_bytes(lengths[..4].try_into().expect("four of eight")), &lengths[4..]);
            let (bytes, rest) = rest.split_at((len as usize).min(rest.len()));
            let zeros = u64::from(u32::from_le_bytes(zeros.try_into().expect("four of eight"))).min(zeros_left);
            zeros_left -= zeros;
            let file = BundledFile { bytes: bytes.to_vec(), zeros: zeros as u32 };
            bundle.files.insert(String::from_utf8_lossy(path).into_owned(), file);
            input = rest;
            if bundle.files.len() == FILES_MAX {
                break;
            }
        }
        bundle
    }

    /// The input that stands for these files. Paths longer than 255 bytes are left out.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut input = Vec::new();
        for (path, file) in &self.files {
            let Ok(path_len) = u8::try_from(path.len()) else { continue };
            input.push(path_len);
            input.extend_from_slice(path.as_bytes());
            input.extend_from_slice(&(file.bytes.len() as u32).to_le_bytes());
            input.extend_from_slice(&file.zeros.to_le_bytes());
            input.extend_from_slice(&file.bytes);
        }
        input
    }

    /// The bytes of a file without the zeros behind them.
    pub(super) fn bytes(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(|file| file.bytes.as_slice())
    }
}

/// The files of a bundle as readers see them, below `prefix`. Whoever reads far more than there is goes round in circles and is stopped.
pub(super) struct Metered<'b> {
    bundle: &'b Bundle,
    prefix: String,
    left: AtomicU64,
}

impl<'b> Metered<'b> {
    pub(super) fn new(bundle: &'b Bundle, prefix: &str) -> Self {
        let files = bundle.files.values();
        let allowed = files.map(|file| {
            file.bytes.len() as u64 * READ_BYTES_FOR_EACH + u64::from(file.zeros) * READ_BYTES_FOR_EACH_ZERO
        });
        let left = AtomicU64::new(READ_BYTES_BASE + allowed.sum::<u64>());
        Self { bundle, prefix: prefix.to_owned(), left }
    }

    /// Whether `object` of a finding is a file that is there, or a directory or pattern of such files.
    pub(super) fn knows(&self, object: &str) -> bool {
        let prefix = object.split_once('*').map_or(object, |(prefix, _)| prefix);
        object.is_empty() || !self.list(prefix).is_empty()
    }
}

impl StorageFiles for Metered<'_> {
    fn open(&self, path: &str) -> Option<StoredFile<'_>> {
        let file = self.bundle.files.get(&format!("{}{path}", self.prefix))?;
        Some(StoredFile::new(path, MeteredFile { file, left: &self.left }))
    }

    fn list(&self, prefix: &str) -> Vec<String> {
        let prefix = format!("{}{prefix}", self.prefix);
        let paths = self.bundle.files.range(prefix.clone()..).map(|(path, _)| path);
        let below = paths.take_while(|path| path.starts_with(&prefix));
        below.map(|path| path[self.prefix.len()..].to_owned()).collect()
    }
}

struct MeteredFile<'b> {
    file: &'b BundledFile,
    left: &'b AtomicU64,
}

impl ReadAt for MeteredFile<'_> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let there = self.file.len().saturating_sub(offset).min(buf.len() as u64) as usize;
        let cost = there as u64 + 64;
        let paid = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(cost));
        assert!(paid.is_ok(), "far more is read than there is");
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.file.bytes.len());
        let stored = &self.file.bytes[start..];
        let stored = &stored[..stored.len().min(there)];
        buf[..stored.len()].copy_from_slice(stored);
        buf[stored.len()..there].fill(0);
        Ok(there)
    }

    fn len(&self) -> u64 {
        self.file.len()
    }
}
