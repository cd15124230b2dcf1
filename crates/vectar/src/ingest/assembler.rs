//! The third stage, one thread: lays the recipe and hands new records to the packs, in the order of the snapshot.

use std::collections::{BTreeMap, VecDeque};

use vectar_chunk::{ChunkId, NodeId};
use vectar_qdrant::Class;
use vectar_repository::{
    Ingest, NodeSink, NodeWriter, RepositoryError, Stored,
    format::{
        config::Config,
        node::{RecipeItem, RecipeNode},
        record::{ClassSpace, Space},
    },
};

use super::{
    batch::Step,
    worker::{Outcome, WorkedBatch, WorkedStep},
};

/// Builds one backup out of worked batches.
pub(super) struct Assembler<'r> {
    ingest: Ingest<'r>,
    config: &'r Config,
    levels: Vec<List>,
    body: Option<List>,
    shares_rows: bool,
    figures: Figures,
}

/// The list of a tar level, or of a body, whose end has not come. Some of its bytes are gathered into chunks of their own: framing in a
/// level, loose bytes in a body. Where such a piece lies is known only once the chunk that holds it was cut, so whatever follows
/// the piece waits too. The dissector bounds how much that can be.
struct List {
    writer: NodeWriter,
    waiting: VecDeque<Waiting>,
}

enum Waiting {
    Gathered(u64),
    Item(RecipeItem),
}

/// What the record will say about space.
#[derive(Debug, Default)]
struct Figures {
    chunks: u64,
    new_chunks: u64,
    classes: BTreeMap<Class, ClassSpace>,
}

/// A complete recipe, ready to be committed.
pub(super) struct Assembled<'r> {
    pub(super) ingest: Ingest<'r>,
    pub(super) root: NodeId,
    pub(super) covered: u64,
    pub(super) space: Space,
}

impl<'r> Assembler<'r> {
    pub(super) fn new(ingest: Ingest<'r>, config: &'r Config, shares_rows: bool) -> Self {
        let levels = vec![List::new(NodeWriter::new(config.node_cut))];
        Self { ingest, config, levels, body: None, shares_rows, figures: Figures::default() }
    }

    /// Takes the next batch.
    ///
    /// # Errors
    /// The repository refused something; the ingest is of no further use.
    pub(super) fn take(&mut self, batch: WorkedBatch) -> Result<(), RepositoryError> {
        batch.steps.into_iter().try_for_each(|step| match step {
            WorkedStep::Chunk { class, len, outcome } => {
                let item = self.settle(class, len, outcome)?.item(0, len);
                self.extend_body(item)
            }
            WorkedStep::FramingChunk { len, outcome } => {
                let settled = self.settle(Class::Framing, len, outcome)?;
                self.level().place(&settled, len);
                self.release()
            }
            WorkedStep::LooseChunk { class, len, outcome } => {
                let settled = self.settle(class, len, outcome)?;
                let body = self.body.as_mut().expect("a chunk step lies between begin and end of a body");
                body.place(&settled, len);
                body.release(&mut self.ingest)
            }
            WorkedStep::Other(step) => self.follow(step),
        })
    }

    /// Ends the recipe.
    ///
    /// # Errors
    /// The repository refused the last nodes.
    pub(super) fn finish(mut self) -> Result<Assembled<'r>, RepositoryError> {
        let level = self.levels.pop().expect("the outermost level is never left");
        let covered = level.writer.len();
        let root = level.writer.finish_root(&mut self.ingest)?;
        Ok(Assembled { ingest: self.ingest, root, covered, space: self.figures.into_space() })
    }

    fn follow(&mut self, step: Step) -> Result<(), RepositoryError> {
        match step {
            Step::BeginBody => self.body = Some(List::new(NodeWriter::of_body(self.config))),
            Step::Copy { chunk, start, len, class } => {
                if self.ingest.rely_on(&chunk)? == Stored::New {
                    return Err(RepositoryError::ChunkGone { id: chunk });
                }
                self.figures.class(class).bytes += u64::from(len);
                self.figures.chunks += 1;
                return self.extend_body(RecipeItem::Copy { chunk, start, len });
            }
            Step::Loose { len } => {
                self.body.as_mut().expect("loose bytes lie between begin and end of a body").wait(len);
                return Ok(());
            }
            Step::EndBody { digest } => {
                let list = self.body.take().expect("a body ends after it began").writer;
                let len = list.len();
                let mut items = list.finish(&mut self.ingest)?;
                if let Some(digest) = digest.filter(|_| len > 0) {
                    let node = match &items[..] {
                        [RecipeItem::Node { node, .. }] => Some(*node),
                        // A digest stands for a node, so a body of a few items gets one too: with rows shared, the same body could
                        // otherwise be cut in another way the next time.
                        _ if self.shares_rows => {
                            let node = self.ingest.store(&RecipeNode { items: std::mem::take(&mut items) })?;
                            items = vec![RecipeItem::Node { node, len }];
                            Some(node)
                        }
                        _ => None,
                    };
                    if let Some(node) = node {
                        self.ingest.add_body(digest, node, len);
                    }
                }
                self.append(items);
            }
            Step::KnownBody { node, len, class, packs } => {
                self.ingest.rely_on_packs(packs);
                self.figures.class(class).bytes += len;
                self.append([RecipeItem::Node { node, len }]);
            }
            Step::EnterArchive => self.levels.push(List::new(NodeWriter::new(self.config.node_cut))),
            Step::LeaveArchive => {
                let level = self.levels.pop().expect("an archive is left after it was entered");
                let items = level.writer.finish(&mut self.ingest)?;
                self.append(items);
            }
            Step::Framing { len } => self.level().wait(len),
            Step::Chunk { .. } | Step::FramingChunk { .. } | Step::LooseChunk { .. } => {
                unreachable!("workers turn chunk steps into worked ones")
            }
        }
        self.release()
    }

    fn extend_body(&mut self, item: RecipeItem) -> Result<(), RepositoryError> {
        let body = self.body.as_mut().expect("a chunk step lies between begin and end of a body");
        body.waiting.push_back(Waiting::Item(item));
        body.release(&mut self.ingest)
    }

    fn level(&mut self) -> &mut List {
        self.levels.last_mut().expect("the outermost level is never left")
    }

    fn append(&mut self, items: impl IntoIterator<Item = RecipeItem>) {
        self.level().waiting.extend(items.into_iter().map(Waiting::Item));
    }

    /// Moves what no longer waits into the list of the current level.
    fn release(&mut self) -> Result<(), RepositoryError> {
        let level = self.levels.last_mut().expect("the outermost level is never left");
        level.release(&mut self.ingest)
    }

    /// Stores a chunk if it is new, and counts it.
    fn settle(&mut self, class: Class, len: u64, outcome: Outcome) -> Result<Settled, RepositoryError> {
        let figures = self.figures.class(class);
        figures.bytes += len;
        let (id, stored) = match outcome {
            Outcome::Fill(byte) => return Ok(Settled::Fill(byte)),
            Outcome::Inline(bytes) => return Ok(Settled::Inline(bytes)),
            Outcome::Known(id) => (id, self.ingest.rely_on(&id)?),
            Outcome::New(id, record) => {
                let record_len = record.record_len();
                let stored = self.ingest.add(record)?;
                if stored == Stored::New {
                    figures.new_bytes += len;
                    figures.stored_bytes += record_len;
                    self.figures.new_chunks += 1;
                }
                (id, Stored::Known)
            }
        };
        self.figures.chunks += 1;
        match stored {
            Stored::Known => Ok(Settled::Chunk(id)),
            // Its pack was marked between the worker's look and ours, and the bytes are gone from memory.
            Stored::New => Err(RepositoryError::ChunkGone { id }),
        }
    }
}

/// A chunk that has its place.
enum Settled {
    Fill(u8),
    Inline(Vec<u8>),
    Chunk(ChunkId),
}

impl Settled {
    /// The recipe item for `len` bytes from `start` of it.
    fn item(&self, start: u64, len: u64) -> RecipeItem {
        let narrow = |value: u64| u32::try_from(value).expect("a chunk has at most a few MiB");
        match self {
            Self::Fill(byte) => RecipeItem::Fill { byte: *byte, len },
            Self::Inline(bytes) => RecipeItem::Inline(bytes[start as usize..(start + len) as usize].to_vec()),
            Self::Chunk(chunk) => RecipeItem::Copy { chunk: *chunk, start: narrow(start), len: narrow(len) },
        }
    }
}

impl List {
    fn new(writer: NodeWriter) -> Self {
        Self { writer, waiting: VecDeque::new() }
    }

    fn wait(&mut self, len: u64) {
        match self.waiting.back_mut() {
            Some(Waiting::Gathered(waiting)) => *waiting += len,
            _ => self.waiting.push_back(Waiting::Gathered(len)),
        }
    }

    /// Moves what no longer waits into the list.
    fn release(&mut self, ingest: &mut Ingest<'_>) -> Result<(), RepositoryError> {
        while let Some(Waiting::Item(_)) = self.waiting.front() {
            let Some(Waiting::Item(item)) = self.waiting.pop_front() else { break };
            self.writer.push(item, ingest)?;
        }
        Ok(())
    }

    /// Gives the `len` bytes of a chunk to the pieces that wait first.
    fn place(&mut self, chunk: &Settled, len: u64) {
        let mut placed = VecDeque::new();
        let mut start = 0;
        while start < len {
            match self.waiting.pop_front().expect("no more is cut than was announced") {
                Waiting::Item(item) => placed.push_back(Waiting::Item(item)),
                Waiting::Gathered(wanted) => {
                    let piece = wanted.min(len - start);
                    placed.push_back(Waiting::Item(chunk.item(start, piece)));
                    start += piece;
                    if piece < wanted {
                        self.waiting.push_front(Waiting::Gathered(wanted - piece));
                    }
                }
            }
        }
        placed.append(&mut self.waiting);
        self.waiting = placed;
    }
}

impl Figures {
    fn class(&mut self, class: Class) -> &mut ClassSpace {
        self.classes.entry(class).or_default()
    }

    fn into_space(self) -> Space {
        let classes = self.classes.into_iter().map(|(class, space)| (class.as_str().to_owned(), space)).collect();
        Space { new_pack_bytes: 0, chunks: self.chunks, new_chunks: self.new_chunks, classes }
    }
}
