//! What can be had of a damaged backup: everything that is there, the rest filled, and a list of what is not.

use vectar_chunk::NodeId;
use vectar_repository::{
    ChunkReader, ErrorKind as RepositoryErrorKind, RepositoryError, error_chain,
    format::{
        node::{NODE_DEPTH_MAX, RecipeItem},
        record::BackupRecord,
    },
    piece_of,
};
use vectar_tar::{BodyHead, SplitOptions, SplitSink, Splitter};

use crate::{
    engine::Engine,
    error::Error,
    observer::{CancelToken, Observer},
    rebuild::Target,
};

/// Decoded chunks and nodes kept meanwhile, in bytes.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// Length of the pieces in which runs of one byte are written.
const FILL_BYTES: usize = 64 * 1024;

/// What stands in for bytes that are lost.
const FILLER: u8 = 0;

/// What of a backup is there and what is not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Salvaged {
    /// Bytes of the snapshot, lost ones included.
    pub bytes: u64,
    /// Bytes that are lost.
    pub lost_bytes: u64,
    /// The lost ranges, in order; neighbours with one reason are one.
    pub lost: Vec<LostRange>,
}

/// A range of a snapshot that is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostRange {
    /// Its first byte in the snapshot.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
    /// Why.
    pub reason: String,
    /// Entries it lies in, as far as the headers that are there tell; framing has none.
    pub paths: Vec<String>,
}

/// Rebuilds a backup as far as it can be had and hands all of it to `target`, lost ranges filled with zeros.
///
/// # Errors
/// The storage fails in another way than by lacking something; the target refuses; cancelled.
pub fn salvage(
    engine: &Engine,
    record: &BackupRecord,
    target: &mut dyn Target,
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<Salvaged, Error> {
    let reader = ChunkReader::new(engine.repository(), CACHE_BYTES);
    let mut output = Output {
        target,
        observer,
        cancel,
        total: record.bytes,
        splitter: Splitter::new(&SplitOptions::default()),
        paths: PathsOfLost::default(),
        report: Salvaged::default(),
    };
    output.node(&reader, &record.root, record.bytes, 0)?;
    let Output { splitter, mut paths, mut report, .. } = output;
    let Ok(_) = splitter.finish(&mut paths);
    for (range, found) in report.lost.iter_mut().zip(paths.found) {
        range.paths = found;
    }
    Ok(report)
}

struct Output<'o> {
    target: &'o mut dyn Target,
    observer: &'o dyn Observer,
    cancel: &'o CancelToken,
    total: u64,
    splitter: Splitter,
    paths: PathsOfLost,
    report: Salvaged,
}

impl Output<'_> {
    /// Writes the bytes of a node that stands for `len` bytes; exactly so many are written whatever the node says.
    fn node(&mut self, reader: &ChunkReader<'_>, id: &NodeId, len: u64, depth: usize) -> Result<(), Error> {
        if depth >= NODE_DEPTH_MAX {
            return self.lose(len, "the recipe is nested too deep");
        }
        let node = match reader.node(id) {
            Ok(node) => node,
            Err(error) => return self.lose(len, &reason(error)?),
        };
        if node.len() != len {
            return self.lose(len, &format!("recipe node {} stands for {} bytes", id.short(), node.len()));
        }
        for item in &node.items {
            self.cancel.check()?;
            match item {
                RecipeItem::Inline(bytes) => self.write(bytes)?,
                RecipeItem::Fill { byte, len } => self.fill(*byte, *len)?,
                RecipeItem::Node { node, len } => self.node(reader, node, *len, depth + 1)?,
                RecipeItem::Copy { chunk, start, len } => {
                    let piece = reader
                        .chunk(chunk)
                        .and_then(|bytes| Ok(bytes.slice_ref(piece_of(chunk, &bytes, *start, *len)?)));
                    match piece {
                        Ok(piece) => self.write(&piece)?,
                        Err(error) => self.lose(u64::from(*len), &reason(error)?)?,
                    }
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.target.write(bytes)?;
        let Ok(()) = self.splitter.push(bytes, &mut self.paths);
        self.report.bytes += bytes.len() as u64;
        self.observer.progress(self.report.bytes, Some(self.total));
        Ok(())
    }

    fn fill(&mut self, byte: u8, len: u64) -> Result<(), Error> {
        let piece = vec![byte; usize::try_from(len).map_or(FILL_BYTES, |len| len.min(FILL_BYTES))];
        let mut left = len;
        while left > 0 {
            let count = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
            self.write(&piece[..count])?;
            left -= count as u64;
        }
        Ok(())
    }

    /// Fills a lost range and notes it.
    fn lose(&mut self, len: u64, reason: &str) -> Result<(), Error> {
        let offset = self.report.bytes;
        self.report.lost_bytes += len;
        match self.report.lost.last_mut() {
            Some(last) if last.offset + last.bytes == offset && last.reason == reason => {
                last.bytes += len;
                self.paths.extend_last(len);
            }
            _ => {
                let (reason, paths) = (reason.to_owned(), Vec::new());
                self.report.lost.push(LostRange { offset, bytes: len, reason, paths });
                self.paths.add(offset, len);
            }
        }
        self.fill(FILLER, len)
    }
}

/// Why something cannot be had; another failure than a lack goes on as an error.
fn reason(error: RepositoryError) -> Result<String, Error> {
    match error.kind() {
        RepositoryErrorKind::RepositoryDamaged | RepositoryErrorKind::NotFound => Ok(error_chain(&error)),
        _ => Err(error.into()),
    }
}

/// Follows the tar structure of what is written and notes in which entries the lost ranges lie.
#[derive(Default)]
struct PathsOfLost {
    offset: u64,
    path: Option<String>,
    /// Start and end of each lost range.
    lost: Vec<(u64, u64)>,
    found: Vec<Vec<String>>,
}

impl PathsOfLost {
    fn add(&mut self, offset: u64, len: u64) {
        self.lost.push((offset, offset + len));
        self.found.push(Vec::new());
    }

    fn extend_last(&mut self, len: u64) {
        if let Some((_, end)) = self.lost.last_mut() {
            *end += len;
        }
    }

    /// Ranges are noted before their bytes come, so those that matter are at the end.
    fn pass(&mut self, len: usize) {
        let (from, to) = (self.offset, self.offset + len as u64);
        self.offset = to;
        let Some(path) = &self.path else { return };
        for ((start, end), paths) in self.lost.iter().zip(&mut self.found).rev().take_while(|((_, end), _)| *end > from)
        {
            if *start < to && *end > from && paths.last() != Some(path) {
                paths.push(path.clone());
            }
        }
    }
}

impl SplitSink for PathsOfLost {
    type Error = std::convert::Infallible;

    fn framing(&mut self, _depth: u8, bytes: &[u8]) -> Result<(), Self::Error> {
        self.path = None;
        self.pass(bytes.len());
        Ok(())
    }

    fn begin_body(&mut self, body: &BodyHead) -> Result<(), Self::Error> {
        self.path = Some(body.path.to_string());
        Ok(())
    }

    fn body(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        self.pass(bytes.len());
        Ok(())
    }

    fn end_body(&mut self, _complete: bool) -> Result<(), Self::Error> {
        self.path = None;
        Ok(())
    }

    fn enter_archive(&mut self, _body: &BodyHead) -> Result<(), Self::Error> {
        Ok(())
    }

    fn leave_archive(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}
