//! `page_<n>.dat` and `log_page_<n>.dat`: the bytes of values.

use std::collections::BTreeMap;

use super::config::{Config, Layout};
use super::tracker::Pointer;
use crate::error::QdrantError;
use crate::storage::file::{StorageFiles, StoredFile, Window};

/// Longest value that is read, stored or decompressed. Qdrant takes requests of 32 MiB unless told otherwise, and a value is part of
/// one; this leaves a factor of eight, and bounds what a value of a hostile file costs.
pub(super) const VALUE_BYTES_MAX: u64 = 256 << 20;

/// Windows that are kept: rows are mostly read in the order in which their values lie, with some values far behind or ahead.
const WINDOWS_MAX: usize = 8;

/// Longest value that is read through a window; longer ones are read by themselves, so that no window grows beyond this.
const WINDOW_VALUE_BYTES_MAX: usize = 256 << 10;

/// The page files by number. Their number is bounded by the entries of the archive.
#[derive(Debug)]
pub(super) struct Pages<'f> {
    pub(super) files: BTreeMap<u32, StoredFile<'f>>,
    pub(super) directory: String,
    pub(super) layout: Layout,
    pub(super) page_bytes: u64,
}

/// A run of bytes in one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    page: u32,
    offset: u64,
    len: u64,
}

impl<'f> Pages<'f> {
    /// Opens all pages that are there; at least the first must be.
    pub(super) fn open(files: &'f dyn StorageFiles, directory: &str, config: &Config) -> Result<Self, QdrantError> {
        let prefix = match config.layout {
            Layout::Blocks { .. } => format!("{directory}/page_"),
            Layout::Log => format!("{directory}/log_page_"),
        };
        let mut pages = BTreeMap::new();
        for path in files.list(&prefix) {
            let number = path[prefix.len()..].strip_suffix(".dat").and_then(canonical_number);
            if let Some((number, file)) = number.zip(files.open(&path)) {
                pages.insert(number, file);
            }
        }
        match pages.contains_key(&0) {
            true => Ok(Self {
                files: pages,
                directory: directory.to_owned(),
                layout: config.layout,
                page_bytes: config.page_bytes,
            }),
            false => Err(QdrantError::FileMissing { path: format!("{prefix}0.dat") }),
        }
    }

    /// The name of a page, whether it is there or not.
    pub(super) fn path(&self, page: u32) -> String {
        let log = if self.layout == Layout::Log { "log_" } else { "" };
        format!("{}/{log}page_{page}.dat", self.directory)
    }

    /// Where a value lies: its first byte, and how many bytes behind it may belong to it. Fails where a byte of it is not there.
    fn pieces(&self, pointer: Pointer) -> Result<(Piece, u64), QdrantError> {
        let len = u64::from(pointer.len);
        let unit = match self.layout {
            Layout::Blocks { block_bytes, .. } => block_bytes,
            Layout::Log => 1,
        };
        let start = u64::from(pointer.start).checked_mul(unit);
        let outside = |what: &str| QdrantError::FileDamaged {
            path: self.path(pointer.page),
            offset: start.unwrap_or(u64::MAX),
            what: format!("a value of {len} bytes is expected there, and {what}"),
        };
        if len > VALUE_BYTES_MAX {
            return Err(outside("that is longer than any value"));
        }
        let there = self.bytes_in(pointer.page).ok_or_else(|| outside("there is no such page"))?;
        let offset = start.filter(|start| *start < there).ok_or_else(|| outside("the page ends before"))?;
        let first = Piece { page: pointer.page, offset, len: len.min(there - offset) };
        let mut left = len - first.len;
        let (mut page, mut there) = (pointer.page, there);
        while left > 0 {
            if self.layout == Layout::Log || there < self.page_bytes {
                return Err(outside("the page ends within it"));
            }
            page = page.checked_add(1).ok_or_else(|| outside("no page can follow"))?;
            there = self.bytes_in(page).ok_or_else(|| outside("the page it runs on into is missing"))?;
            left -= left.min(there);
        }
        Ok((first, len - first.len))
    }

    /// Bytes of a page in which values may lie; `None` when it is not there.
    fn bytes_in(&self, page: u32) -> Option<u64> {
        let len = self.files.get(&page)?.len();
        Some(if self.layout == Layout::Log { len } else { len.min(self.page_bytes) })
    }

    /// Checks that all bytes of a value are there.
    pub(super) fn check(&self, pointer: Pointer) -> Result<(), QdrantError> {
        self.pieces(pointer).map(|_| ())
    }
}

/// A number as Qdrant writes it: decimal, without leading zeros.
fn canonical_number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number: &u32| number.to_string() == text)
}

/// Reads from pages. Bounded by [`WINDOWS_MAX`] windows and the longest value.
#[derive(Debug)]
pub(super) struct PagesReader<'r> {
    pages: &'r Pages<'r>,
    windows: Vec<(u32, Window<'r>)>,
    /// Which window is replaced next.
    oldest: usize,
    /// A value that no window holds at once.
    whole: Vec<u8>,
}

impl<'r> PagesReader<'r> {
    pub(super) fn new(pages: &'r Pages<'r>) -> Self {
        Self { pages, windows: Vec::new(), oldest: 0, whole: Vec::new() }
    }

    /// The stored bytes of a value.
    pub(super) fn stored(&mut self, pointer: Pointer) -> Result<&[u8], QdrantError> {
        let (first, rest) = self.pages.pieces(pointer)?;
        let len = usize::try_from(first.len).expect("values are at most VALUE_BYTES_MAX");
        if rest == 0 && len <= WINDOW_VALUE_BYTES_MAX {
            return self.window(first.page)?.bytes(first.offset, len);
        }
        self.whole.clear();
        let mut piece = first;
        let mut left = u64::from(pointer.len);
        while left > 0 {
            let file = &self.pages.files[&piece.page];
            let filled = self.whole.len();
            self.whole.resize(filled + piece.len as usize, 0);
            file.read_exact_at(piece.offset, &mut self.whole[filled..])?;
            left -= piece.len;
            let page = piece.page.wrapping_add(1);
            let len = self.pages.bytes_in(page).unwrap_or(0).min(left);
            piece = Piece { page, offset: 0, len };
        }
        Ok(&self.whole)
    }

    fn window(&mut self, page: u32) -> Result<&mut Window<'r>, QdrantError> {
        let found = self.windows.iter().position(|(number, _)| *number == page);
        let index = match found {
            Some(index) => index,
            None => {
                let window = Window::new(&self.pages.files[&page]);
                if self.windows.len() < WINDOWS_MAX {
                    self.windows.push((page, window));
                    self.windows.len() - 1
                } else {
                    self.oldest = (self.oldest + 1) % WINDOWS_MAX;
                    self.windows[self.oldest] = (page, window);
                    self.oldest
                }
            }
        };
        Ok(&mut self.windows[index].1)
    }
}
