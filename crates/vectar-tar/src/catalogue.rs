//! The random-access driver: headers only, bodies skipped.

use crate::entry::{BodyHead, EntryPath};
use crate::error::TarError;
use crate::header::{BLOCK, Block, TAR_BLOCK_BYTES};
use crate::options::SplitOptions;
use crate::read_at::ReadAt;
use crate::sparse::bounded;
use crate::summary::SplitSummary;
use crate::walk::{Demand, Event, Walk};
use std::io;

/// How many zeros behind an end-of-archive block are read before the rest is taken for zeros: 1
/// MiB, a hundred times what GNU tar's record size of 10 KiB adds.
pub const TRAILER_SCAN_BYTES_MAX: u64 = 1 << 20;

/// Bytes read at once. A long-name record, the name, the entry's header and the first block of its
/// body fit.
const WINDOW_BYTES: usize = 4 * TAR_BLOCK_BYTES;

/// All bodies of an archive, without their bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    /// Leaf bodies and nested archives in the order of the input; an archive comes before what is
    /// in it.
    pub rows: Vec<CatalogueRow>,
    /// Figures and anomalies, those that can be seen without reading bodies and padding.
    pub summary: SplitSummary,
}

/// One body of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueRow {
    /// What is known about it, its absolute offset included.
    pub head: BodyHead,
    /// Bytes that are there.
    pub len: u64,
    /// Leaf or archive.
    pub role: RowRole,
}

/// What a row of a catalogue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowRole {
    /// A body whose bytes are nobody else's.
    Leaf {
        /// Whether all declared bytes are there.
        complete: bool,
    },
    /// A body that is itself a tar; the rows of its bodies follow.
    Archive,
}

impl Catalogue {
    /// Returns the row of the entry at `path`; the last one if there are several, because that is
    /// what unpacking leaves.
    pub fn find(&self, path: &EntryPath) -> Option<&CatalogueRow> {
        self.rows.iter().rfind(|row| row.head.path == *path && row.head.entry().is_some())
    }
}

/// Lists the bodies of an archive by reading headers, records, sparse extension blocks, and the
/// first block of each body that may be a nested archive. Rows, nesting and anomalies are those of
/// a split of the same bytes, except that padding is not looked at, and zeros behind the end only
/// up to [`TRAILER_SCAN_BYTES_MAX`].
///
/// Costs one or two reads of 2 KiB per entry, and memory for the rows.
///
/// # Errors
///
/// [`TarError::Read`] and [`TarError::SourceShrank`] from the source, [`TarError::TooManyRows`]
/// beyond [`SplitOptions::rows_max`]. Damage in the archive is no error but an anomaly.
pub fn catalogue<R: ReadAt + ?Sized>(source: &R, options: &SplitOptions) -> Result<Catalogue, TarError> {
    let mut walk = Walk::new(options);
    let mut rows = RowCollector::new(options.rows_max);
    let mut window = Window::new(source);
    while walk.offset() < window.len {
        step(&mut walk, &mut window)?;
        rows.drain(&mut walk)?;
    }
    walk.end();
    rows.drain(&mut walk)?;
    Ok(Catalogue { rows: rows.rows, summary: walk.into_summary() })
}

/// Gives the walk what it demands, as far as the source goes. There is at least one byte left.
fn step<R: ReadAt + ?Sized>(walk: &mut Walk, window: &mut Window<'_, R>) -> Result<(), TarError> {
    let offset = walk.offset();
    let rest = window.len - offset;
    match walk.demand() {
        Demand::Block if rest < BLOCK => walk.starve(),
        Demand::Block => walk.block(window.block(offset)?),
        Demand::Framing { left, wanted: true, .. } => walk.pass(window.up_to(offset, left)?),
        Demand::Framing { left, .. } | Demand::Body { left } => walk.skip(left.min(rest)),
        Demand::Trailer { left, zeros, .. } if zeros >= TRAILER_SCAN_BYTES_MAX => walk.skip(left.min(rest)),
        Demand::Trailer { left, .. } => {
            walk.trailer(window.up_to(offset, left)?);
        }
    }
    Ok(())
}

/// Turns events into rows.
struct RowCollector {
    rows: Vec<CatalogueRow>,
    rows_max: usize,
    /// Indices of the archives that are open, outermost first.
    open: Vec<usize>,
}

impl RowCollector {
    fn new(rows_max: usize) -> Self {
        Self { rows: Vec::new(), rows_max, open: Vec::new() }
    }

    fn drain(&mut self, walk: &mut Walk) -> Result<(), TarError> {
        while let Some(event) = walk.next_event() {
            match event {
                Event::BlockIsFraming { .. } | Event::BlockIsBody => {}
                Event::BeginBody(head) => self.add(head, RowRole::Leaf { complete: false })?,
                Event::EnterArchive(head) => {
                    self.open.push(self.rows.len());
                    self.add(head, RowRole::Archive)?;
                }
                Event::EndBody { complete, end } => {
                    if let Some(row) = self.rows.last_mut() {
                        row.len = end - row.head.offset;
                        row.role = RowRole::Leaf { complete };
                    }
                }
                Event::LeaveArchive { end } => {
                    if let Some(row) = self.open.pop().and_then(|index| self.rows.get_mut(index)) {
                        row.len = end - row.head.offset;
                    }
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, head: BodyHead, role: RowRole) -> Result<(), TarError> {
        if self.rows.len() == self.rows_max {
            return Err(TarError::TooManyRows { rows_max: self.rows_max });
        }
        self.rows.push(CatalogueRow { head, len: 0, role });
        Ok(())
    }
}

/// A small read-ahead over the source.
struct Window<'r, R: ?Sized> {
    source: &'r R,
    /// The length of the source.
    len: u64,
    bytes: [u8; WINDOW_BYTES],
    /// The source offset of the first byte held.
    start: u64,
    held: usize,
}

impl<'r, R: ReadAt + ?Sized> Window<'r, R> {
    fn new(source: &'r R) -> Self {
        Self { source, len: source.len(), bytes: [0; WINDOW_BYTES], start: 0, held: 0 }
    }

    /// Returns the block at `offset`, which lies wholly in the source.
    fn block(&mut self, offset: u64) -> Result<&Block, TarError> {
        let bytes = self.fill(offset, TAR_BLOCK_BYTES)?;
        Ok(bytes.first_chunk().expect("fill returns as many bytes as asked for"))
    }

    /// Returns some bytes from `offset`, at least one and at most `left`.
    fn up_to(&mut self, offset: u64, left: u64) -> Result<&[u8], TarError> {
        let len = bounded(left.min(self.len - offset), WINDOW_BYTES);
        self.fill(offset, len)
    }

    /// Returns the `len` bytes from `offset`, which lie in the source and are not more than the
    /// window.
    fn fill(&mut self, offset: u64, len: usize) -> Result<&[u8], TarError> {
        let within = offset.checked_sub(self.start).map(|within| bounded(within, usize::MAX));
        if let Some(within) = within
            && within.checked_add(len).is_some_and(|end| end <= self.held)
        {
            return Ok(&self.bytes[within..within + len]);
        }
        self.read(offset)?;
        Ok(&self.bytes[..len])
    }

    /// Reads the window at `offset` full, or up to the end of the source.
    fn read(&mut self, offset: u64) -> Result<(), TarError> {
        let wanted = bounded(self.len - offset, WINDOW_BYTES);
        (self.start, self.held) = (offset, 0);
        while self.held < wanted {
            let at = offset + self.held as u64;
            match self.source.read_at(at, &mut self.bytes[self.held..wanted]) {
                Ok(0) => {
                    return Err(TarError::SourceShrank { offset: at, len: self.len });
                }
                Ok(n) => self.held += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(TarError::Read { offset: at, source }),
            }
        }
        Ok(())
    }
}
