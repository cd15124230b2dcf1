//! Runs the stages of one ingest side by side, with a bounded number of batches between them.
//!
//! ```text
//! read ─► dissect, label, cut ─► batches ─► identify, look up, encode (all cores) ─► assemble (in order) ─► packs
//!   └──► SHA-256
//! ```

use std::{path::PathBuf, time::Duration};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use vectar_qdrant::Classifier;
use vectar_repository::{ChunkReader, Ingest, RepositoryError};
use vectar_tar::{SplitOptions, SplitSummary, Splitter};

use super::{
    assembler::{Assembled, Assembler},
    batch::Batch,
    dissector::{BatchQueue, Dissector, Seen},
    known::KnownBody,
    reading::{self, Read},
    rows::RowIndexes,
    worker::{WorkedBatch, Workers},
};
use crate::{
    digest_lane::DigestLane,
    engine::Engine,
    error::Error,
    observer::{CancelToken, Observer},
    source::Source,
};

/// The first block of a body is always read: it tells whether the body is an archive itself.
const TAR_BLOCK_BYTES: u64 = 512;

/// How often a silent source is left alone to see whether the caller asked to stop.
const CANCEL_POLL: Duration = Duration::from_millis(100);

/// Decoded recipe nodes kept while known bodies are looked up, in bytes.
const NODE_CACHE_BYTES: usize = 16 * 1024 * 1024;

/// What a whole snapshot came to.
pub(super) struct Piped<'r> {
    pub(super) assembled: Assembled<'r>,
    pub(super) seen: Seen,
    pub(super) summary: SplitSummary,
    pub(super) sha256: Option<[u8; 32]>,
}

/// What the stages of one ingest work with.
pub(super) struct Stages<'r> {
    pub(super) classifier: Classifier,
    pub(super) rows: Option<RowIndexes<'r>>,
    /// Their view of the index is of when the ingest began. What a worker finds in it `ingest` finds too, which sees what came since; it must,
    /// because a chunk that is known is not kept.
    pub(super) workers: Workers<'r>,
    pub(super) ingest: Ingest<'r>,
    /// Bodies that are not read, because they are stored already; none when SHA-256 is computed.
    pub(super) known: Vec<KnownBody>,
    /// Whether SHA-256 is computed.
    pub(super) is_digested: bool,
}

/// Sends every byte of `source` through the stages into the ingest.
pub(super) fn run<'r>(
    engine: &'r Engine,
    source: &mut Source,
    stages: Stages<'r>,
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<Piped<'r>, Error> {
    let Stages { classifier, rows, workers, ingest, known, is_digested } = stages;
    let repository = engine.repository();
    let reader = ChunkReader::new(repository, NODE_CACHE_BYTES);
    let (name, total) = (source.origin().to_owned(), source.len());
    std::thread::scope(|threads| {
        let (queue, worked) = bounded::<Receiver<Worked>>(engine.memory().batches());
        let assembler = Assembler::new(ingest, repository.config(), rows.is_some());
        let assembling = threads.spawn(move || assemble(assembler, &worked));
        let gaps = known.iter().map(|body| body.offset + TAR_BLOCK_BYTES..body.offset + body.len).collect();
        let read = reading::start(threads, source, gaps);
        let lane = is_digested.then(|| DigestLane::start(threads));
        let dissected = engine.pool().in_place_scope(|scope| {
            let queue = WorkQueue { scope, workers: &workers, queue };
            let mut dissector = Dissector::new(repository.cut_parameters().clone(), classifier, &reader, rows, queue)?;
            dissector.expect_known(known);
            dissect(dissector, &read, lane.as_ref(), &Caller { observer, name, total, cancel })
        });
        drop(read);
        let sha256 = lane.map(DigestLane::finish).transpose();
        let assembled = assembling.join().map_err(|_| Error::ThreadLost { task: "builds the recipe" })?;
        // The assembler's error comes first: when it stops, the dissector only learns that nobody listens.
        let assembled = assembled?;
        let (seen, summary) = dissected?;
        Ok(Piped { assembled, seen, summary, sha256: sha256? })
    })
}

type Worked = Result<WorkedBatch, RepositoryError>;

/// Gives batches to the pool and keeps their order: the queue holds a place for each result before the work begins.
struct WorkQueue<'q, 'scope> {
    scope: &'q rayon::Scope<'scope>,
    workers: &'scope Workers<'scope>,
    queue: Sender<Receiver<Worked>>,
}

impl BatchQueue for WorkQueue<'_, '_> {
    fn hand_over(&mut self, batch: Batch) -> Result<Batch, Error> {
        let (done, place) = bounded(1);
        self.queue.send(place).map_err(|_| Error::ThreadLost { task: "builds the recipe" })?;
        let workers = self.workers;
        self.scope.spawn(move |_| {
            // A closed place means that the assembler has stopped; its error is reported.
            let _ = done.send(workers.work(batch));
        });
        Ok(workers.empty_batch())
    }
}

struct Caller<'c> {
    observer: &'c dyn Observer,
    name: PathBuf,
    total: Option<u64>,
    cancel: &'c CancelToken,
}

fn dissect<Q: BatchQueue>(
    mut dissector: Dissector<'_, Q>,
    read: &Receiver<Read>,
    lane: Option<&DigestLane<'_>>,
    caller: &Caller<'_>,
) -> Result<(Seen, SplitSummary), Error> {
    let mut splitter = Splitter::new(&SplitOptions::default());
    let mut done = 0;
    loop {
        caller.cancel.check()?;
        let window = match read.recv_timeout(CANCEL_POLL) {
            Ok(Read::Window(window)) => window,
            Ok(Read::Passed(count)) => {
                if !splitter.skip_body(count, &mut dissector)? {
                    let change = format!("its headers moved while it was read, at byte {done} or before");
                    return Err(Error::SourceChanged { path: caller.name.clone(), change });
                }
                done += count;
                continue;
            }
            Ok(Read::End) => break,
            Ok(Read::Failed(error)) => return Err(error),
            Err(RecvTimeoutError::Timeout) => continue,
            // No end was announced: what came so far must not be taken for the whole.
            Err(RecvTimeoutError::Disconnected) => return Err(Error::ThreadLost { task: "reads the snapshot" }),
        };
        if let Some(lane) = lane {
            lane.update(&window)?;
        }
        dissector.look_at(&window);
        splitter.push(&window, &mut dissector)?;
        done += window.len() as u64;
        caller.observer.progress(done, caller.total);
    }
    let summary = splitter.finish(&mut dissector)?;
    let (seen, _queue) = dissector.finish()?;
    Ok((seen, summary))
}

fn assemble<'r>(mut assembler: Assembler<'r>, queue: &Receiver<Receiver<Worked>>) -> Result<Assembled<'r>, Error> {
    for place in queue {
        let batch = place.recv().map_err(|_| Error::ThreadLost { task: "encodes chunks" })??;
        assembler.take(batch)?;
    }
    Ok(assembler.finish()?)
}
