//! Whether two bodies are the same file: by their recipes where both lie in one repository, by their bytes where they must be.
//!
//! Sparse maps come from the file system of the moment, so the same file can have holes in one snapshot and zeros in the next: what is
//! compared is the file with its holes as zeros. Where both have a hole nothing is read, so the work is bounded by the stored bytes,
//! whatever length a header claims.

use std::borrow::Cow;

use vectar_repository::{ChunkReader, Placed, RecipeWalker, RepositoryError, format::node::RecipeItem, piece_of};
use vectar_tar::{CatalogueRow, ReadAt as _, RowRole};

use super::Side;
use crate::{error::Error, observer::CancelToken};

/// Bytes of each side that are read at once.
const WINDOW_BYTES: usize = 256 * 1024;

/// Decoded chunks and nodes kept while recipes are compared, in bytes.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// Compares bodies of two snapshots.
pub(super) struct BodyComparer<'c, 'e> {
    a: &'c Side<'e>,
    b: &'c Side<'e>,
    /// Set when both are backups of one repository: equal extents need no look at their bytes.
    reader: Option<ChunkReader<'e>>,
    cancel: &'c CancelToken,
}

/// A run of stored bytes of a body and where it lies in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    logical: u64,
    /// Offset in the snapshot.
    stored: u64,
    len: u64,
}

/// A piece of a file: where each side stores it, nowhere in a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    len: u64,
    a: Option<u64>,
    b: Option<u64>,
}

impl<'c, 'e> BodyComparer<'c, 'e> {
    pub(super) fn new(a: &'c Side<'e>, b: &'c Side<'e>, cancel: &'c CancelToken) -> Self {
        let reader = match (&a.backup, &b.backup) {
            (Some((engine, _)), Some((other, _))) if engine.repository().id() == other.repository().id() => {
                Some(ChunkReader::new(engine.repository(), CACHE_BYTES))
            }
            _ => None,
        };
        Self { a, b, reader, cancel }
    }

    /// Whether both rows stand for the same file. What is cut short is the same as nothing.
    pub(super) fn is_same(&self, a: &CatalogueRow, b: &CatalogueRow) -> Result<bool, Error> {
        let (Some((len_a, runs_a)), Some((len_b, runs_b))) = (runs(a), runs(b)) else { return Ok(false) };
        if len_a != len_b {
            return Ok(false);
        }
        for piece in pieces(&runs_a, &runs_b) {
            self.cancel.check()?;
            let same = match (piece.a, piece.b) {
                (Some(a), Some(b)) => self.is_same_stored(a, b, piece.len)?,
                (Some(a), None) => self.a.is_zero(a, piece.len, self.cancel)?,
                (None, Some(b)) => self.b.is_zero(b, piece.len, self.cancel)?,
                (None, None) => true,
            };
            if !same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_same_stored(&self, a: u64, b: u64, len: u64) -> Result<bool, Error> {
        match (&self.reader, &self.a.backup, &self.b.backup) {
            (Some(reader), Some((_, of_a)), Some((_, of_b))) => {
                let walk_a = RecipeWalker::new(reader, &of_a.root, of_a.bytes, a)?;
                let walk_b = RecipeWalker::new(reader, &of_b.root, of_b.bytes, b)?;
                let (mut a, mut b) = (Extents::new(reader, walk_a, a), Extents::new(reader, walk_b, b));
                let mut left = len;
                while left > 0 {
                    self.cancel.check()?;
                    let step = a.rest()?.min(b.rest()?).min(left);
                    if step == 0 || !a.is_same(&b, step)? {
                        return Ok(false);
                    }
                    a.advance(step);
                    b.advance(step);
                    left -= step;
                }
                Ok(true)
            }
            _ => self.is_same_read(a, b, len),
        }
    }

    fn is_same_read(&self, a: u64, b: u64, len: u64) -> Result<bool, Error> {
        let mut windows = (vec![0; window(len)], vec![0; window(len)]);
        let mut done = 0;
        while done < len {
            self.cancel.check()?;
            let count = window(len - done);
            let (left, right) = (&mut windows.0[..count], &mut windows.1[..count]);
            if !self.a.fill(a + done, left)? || !self.b.fill(b + done, right)? || left != right {
                return Ok(false);
            }
            done += count as u64;
        }
        Ok(true)
    }
}

impl Side<'_> {
    /// Reads until `buffer` is full; `false` when the snapshot ends before.
    fn fill(&self, offset: u64, buffer: &mut [u8]) -> Result<bool, Error> {
        let mut filled = 0;
        while filled < buffer.len() {
            let read = self.content.read_at(offset + filled as u64, &mut buffer[filled..]);
            match read.map_err(|error| self.content.read_failed(error))? {
                0 => return Ok(false),
                count => filled += count,
            }
        }
        Ok(true)
    }

    fn is_zero(&self, offset: u64, len: u64, cancel: &CancelToken) -> Result<bool, Error> {
        let mut buffer = vec![0; window(len)];
        let mut done = 0;
        while done < len {
            cancel.check()?;
            let count = window(len - done);
            if !self.fill(offset + done, &mut buffer[..count])? || buffer[..count].iter().any(|&byte| byte != 0) {
                return Ok(false);
            }
            done += count as u64;
        }
        Ok(true)
    }
}

fn window(len: u64) -> usize {
    usize::try_from(len).map_or(WINDOW_BYTES, |len| len.min(WINDOW_BYTES))
}

/// The length of a row's file and its stored runs; `None` for one that is cut short or whose map is damaged.
fn runs(row: &CatalogueRow) -> Option<(u64, Vec<Run>)> {
    if row.role != (RowRole::Leaf { complete: true }) {
        return None;
    }
    let Some(entry) = row.head.entry().filter(|entry| entry.is_sparse()) else {
        let whole = Run { logical: 0, stored: row.head.offset, len: row.len };
        return Some((row.len, if row.len > 0 { vec![whole] } else { Vec::new() }));
    };
    let map = entry.sparse.as_ref()?;
    let of_segment = |segment: &vectar_tar::SparseSegment| {
        let stored = row.head.offset.checked_add(segment.stored_offset)?;
        Some(Run { logical: segment.logical_offset, stored, len: segment.len })
    };
    Some((map.logical_len(), map.segments().iter().map(of_segment).collect::<Option<_>>()?))
}

/// Cuts two files where a run of either begins or ends. Both lists ascend and do not overlap; what is a hole in both is left out.
fn pieces(a: &[Run], b: &[Run]) -> Vec<Piece> {
    let mut cuts: Vec<u64> = a.iter().chain(b).flat_map(|run| [run.logical, run.logical + run.len]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let (mut next_a, mut next_b) = (0, 0);
    let piece = |pair: &[u64]| {
        let (start, len) = (pair[0], pair[1] - pair[0]);
        let piece = Piece { len, a: stored_at(a, &mut next_a, start), b: stored_at(b, &mut next_b, start) };
        (piece.a.is_some() || piece.b.is_some()).then_some(piece)
    };
    cuts.windows(2).filter_map(piece).collect()
}

/// Where the byte at `logical` is stored; `next` is the first run that may hold it or a later one.
fn stored_at(runs: &[Run], next: &mut usize, logical: u64) -> Option<u64> {
    while runs.get(*next).is_some_and(|run| run.logical + run.len <= logical) {
        *next += 1;
    }
    let run = runs.get(*next).filter(|run| run.logical <= logical)?;
    Some(run.stored + (logical - run.logical))
}

/// The extents of a recipe from some byte on.
struct Extents<'w, 'r> {
    reader: &'w ChunkReader<'r>,
    walker: RecipeWalker<'w, 'r>,
    /// Offset in the snapshot of the next byte.
    at: u64,
    current: Option<Placed>,
}

impl<'w, 'r> Extents<'w, 'r> {
    fn new(reader: &'w ChunkReader<'r>, walker: RecipeWalker<'w, 'r>, at: u64) -> Self {
        Self { reader, walker, at, current: None }
    }

    /// Bytes left of the current extent, which is the next one if that was used up; 0 at the end.
    fn rest(&mut self) -> Result<u64, Error> {
        loop {
            if let Some(Placed { offset, extent }) = &self.current {
                let rest = (offset + extent.len()).saturating_sub(self.at);
                if rest > 0 {
                    return Ok(rest);
                }
            }
            match self.walker.next().transpose()? {
                Some(placed) => self.current = Some(placed),
                None => return Ok(0),
            }
        }
    }

    fn advance(&mut self, len: u64) {
        self.at += len;
    }

    /// Whether the next `len` bytes, which lie in the current extents, are those of another recipe.
    fn is_same(&self, other: &Self, len: u64) -> Result<bool, Error> {
        let (Some(mine), Some(theirs)) = (&self.current, &other.current) else { return Ok(false) };
        let (skip_mine, skip_theirs) = (self.at - mine.offset, other.at - theirs.offset);
        match (&mine.extent, &theirs.extent) {
            (RecipeItem::Fill { byte, .. }, RecipeItem::Fill { byte: other, .. }) => return Ok(byte == other),
            (RecipeItem::Copy { chunk: a, start: from_a, .. }, RecipeItem::Copy { chunk: b, start: from_b, .. })
                if a == b && u64::from(*from_a) + skip_mine == u64::from(*from_b) + skip_theirs =>
            {
                return Ok(true);
            }
            _ => {}
        }
        Ok(self.bytes(&mine.extent, skip_mine, len)? == other.bytes(&theirs.extent, skip_theirs, len)?)
    }

    /// `len` bytes of an extent. One of the two that are compared is a chunk or inline, so `len` is at most the length of a chunk.
    fn bytes<'b>(&self, extent: &'b RecipeItem, skip: u64, len: u64) -> Result<Cow<'b, [u8]>, RepositoryError> {
        let outside =
            || RepositoryError::RecipeInvalid { reason: "an extent is longer than a chunk can be".to_owned() };
        let count = usize::try_from(len).map_err(|_| outside())?;
        match extent {
            RecipeItem::Inline(bytes) => {
                let start = usize::try_from(skip).map_err(|_| outside())?;
                Ok(Cow::Borrowed(bytes.get(start..start.saturating_add(count)).ok_or_else(outside)?))
            }
            RecipeItem::Fill { byte, .. } => Ok(Cow::Owned(vec![*byte; count])),
            RecipeItem::Copy { chunk, start, len: whole } => {
                let bytes = self.reader.chunk(chunk)?;
                let piece = piece_of(chunk, &bytes, *start, *whole)?;
                let from = usize::try_from(skip).map_err(|_| outside())?;
                Ok(Cow::Owned(piece.get(from..from.saturating_add(count)).ok_or_else(outside)?.to_vec()))
            }
            RecipeItem::Node { .. } => unreachable!("a walker enters nodes and never returns them"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(logical: u64, stored: u64, len: u64) -> Run {
        Run { logical, stored, len }
    }

    #[test]
    fn files_are_cut_where_either_has_a_hole() {
        let piece = |len, a, b| Piece { len, a, b };
        let dense = [run(0, 1000, 100)];
        assert_eq!(pieces(&dense, &dense), [piece(100, Some(1000), Some(1000))]);
        let sparse = [run(10, 500, 20), run(80, 520, 20)];
        assert_eq!(
            pieces(&dense, &sparse),
            [
                piece(10, Some(1000), None),
                piece(20, Some(1010), Some(500)),
                piece(50, Some(1030), None),
                piece(20, Some(1080), Some(520)),
            ]
        );
        // Holes of both are nobody's work, whatever their length.
        let far = [run(0, 7, 1), run(u64::MAX / 2, 8, 1)];
        assert_eq!(pieces(&far, &far), [piece(1, Some(7), Some(7)), piece(1, Some(8), Some(8))]);
        assert_eq!(pieces(&[], &[]), []);
    }
}
