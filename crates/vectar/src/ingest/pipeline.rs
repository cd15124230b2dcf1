//! Runs the stages of one ingest side by side, with a bounded number of batches between them.
//!
//! ```text
//! read ─► dissect, label, cut ─► batches ─► identify, look up, encode (all cores) ─► assemble (in order) ─► packs
//!   └──► SHA-256
//! ```

use std::{io::Read, sync::Arc};

use crossbeam_channel::{Receiver, Sender, bounded};
use vectar_qdrant::Classifier;
use vectar_repository::{ChunkReader, Ingest, RepositoryError};
use vectar_tar::{SplitOptions, SplitSummary, Splitter};

use super::{
    assembler::{Assembled, Assembler},
    batch::Batch,
    digest_lane::{DigestLane, Window},
    dissector::{BatchQueue, Dissector, Seen},
    worker::{WorkedBatch, Workers},
};
use crate::{
    engine::Engine,
    error::Error,
    observer::{CancelToken, Observer},
    source::Source,
};

/// Bytes read at once. The windows in flight (reader, dissector, hash lane) make about 32 MiB.
const WINDOW_BYTES: usize = 4 * 1024 * 1024;

/// Windows that were read and wait.
const READ_AHEAD_WINDOWS: usize = 2;

/// Decoded recipe nodes kept while known bodies are looked up, in bytes.
const NODE_CACHE_BYTES: usize = 16 * 1024 * 1024;

/// What a whole snapshot came to.
pub(super) struct Piped<'r> {
    pub(super) assembled: Assembled<'r>,
    pub(super) seen: Seen,
    pub(super) summary: SplitSummary,
    pub(super) sha256: [u8; 32],
}

/// Sends every byte of `source` through the stages into `ingest`.
pub(super) fn run<'r>(
    engine: &'r Engine,
    source: &mut Source,
    classifier: Classifier,
    ingest: Ingest<'r>,
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<Piped<'r>, Error> {
    let repository = engine.repository();
    let reader = ChunkReader::new(repository, NODE_CACHE_BYTES);
    let workers = Workers::new(repository.id_key(), repository.index().reader()?, engine.zstd_level());
    let total = source.len();
    let in_flight = engine.threads() + 2;
    std::thread::scope(|threads| {
        let (queue, worked) = bounded::<Receiver<Worked>>(in_flight);
        let assembler = Assembler::new(ingest, repository.config().node_cut);
        let assembling = threads.spawn(move || assemble(assembler, &worked));
        let (windows, read) = bounded(READ_AHEAD_WINDOWS);
        let reading = threads.spawn(move || read_windows(source, &windows));
        let lane = DigestLane::start(threads);
        let dissected = engine.pool().in_place_scope(|scope| {
            let queue = WorkQueue { scope, workers: &workers, queue };
            let dissector = Dissector::new(repository.cut_parameters().clone(), classifier, &reader, cancel, queue);
            dissect(dissector, &read, &lane, &Progress { observer, total })
        });
        drop(read);
        let sha256 = lane.finish();
        let read = reading.join().map_err(|_| Error::ThreadLost { task: "reads the snapshot" })?;
        let assembled = assembling.join().map_err(|_| Error::ThreadLost { task: "builds the recipe" })?;
        // The assembler's error comes first: when it stops, the dissector only learns that nobody listens.
        let assembled = assembled?;
        read?;
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
    fn hand_over(&mut self, batch: Batch) -> Result<(), Error> {
        let (done, place) = bounded(1);
        self.queue.send(place).map_err(|_| Error::ThreadLost { task: "builds the recipe" })?;
        let workers = self.workers;
        self.scope.spawn(move |_| {
            // A closed place means that the assembler has stopped; its error is reported.
            let _ = done.send(workers.work(batch));
        });
        Ok(())
    }
}

struct Progress<'p> {
    observer: &'p dyn Observer,
    total: Option<u64>,
}

fn dissect<Q: BatchQueue>(
    mut dissector: Dissector<'_, Q>,
    windows: &Receiver<Window>,
    lane: &DigestLane<'_>,
    progress: &Progress<'_>,
) -> Result<(Seen, SplitSummary), Error> {
    let mut splitter = Splitter::new(&SplitOptions::default());
    let mut done = 0;
    for window in windows {
        lane.update(&window)?;
        splitter.push(&window, &mut dissector)?;
        done += window.len() as u64;
        progress.observer.progress(done, progress.total);
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

fn read_windows(source: &mut Source, windows: &Sender<Window>) -> Result<(), Error> {
    let mut offset = 0;
    loop {
        let mut window = vec![0; WINDOW_BYTES];
        let count = match source {
            Source::File(file) => file.read_window(offset, &mut window)?,
            Source::Stream { reader, origin, .. } => read_full(reader, &mut window)
                .map_err(|source| Error::Source { action: "read", path: origin.clone(), source })?,
        };
        if count == 0 {
            return Ok(());
        }
        offset += count as u64;
        window.truncate(count);
        // Nobody listens any more: another stage has stopped and reports why.
        if windows.send(Arc::new(window)).is_err() {
            return Ok(());
        }
    }
}

/// Reads until the buffer is full or the stream ends.
fn read_full(reader: &mut dyn Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
