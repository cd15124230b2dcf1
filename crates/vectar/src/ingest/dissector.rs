//! The first stage: splits the snapshot, labels and cuts its bodies, and fills batches with what is to be done.
//!
//! A body that fits into [`BODY_BUFFER_BYTES`] is looked at whole before it is cut: if its digest is known and everything behind
//! it is sound, one reference replaces it and no byte of it is cut, hashed again or compressed. Almost every body of a snapshot
//! fits, because Qdrant's files are 32 MiB long at most, `matrix.dat` excepted.

use std::collections::HashMap;

use bytes::Bytes;
use vectar_chunk::{BodyHasher, CutParameters, Cutter};

use vectar_qdrant::{
    BodyLabel, BodyPath, BodySize, Class, Classifier, SMALL_JSON_BYTES_MAX, SegmentId,
    storage::{StoredFile, ValuePlaces},
};
use vectar_repository::{ChunkReader, PackId, index::IndexReader};
use vectar_tar::{BodyHead, CatalogueRow, ExpandedBody, RowRole, SparseMap, SplitSink};

use super::{
    batch::{Batch, Step},
    body_cutter::{BodyCutter, codec_hint},
    known::{self, BODY_DIGEST_BYTES_MIN, KnownBody},
    rows::{OpenRows, RowIndexes, RowKind, StepSink, Units},
};
use crate::{
    error::Error,
    window::{WINDOW_BYTES, Window},
};

/// Bodies up to this length are awaited whole before they are cut.
const BODY_BUFFER_BYTES: u64 = 34 * 1024 * 1024;

/// Bytes of a body whose rows are looked for together: the more, the fewer times a chunk that they lie in is read where they lie in another
/// order. A body without rows is cut as it comes.
const ROWS_TOGETHER_BYTES: usize = 32 * 1024 * 1024;

/// Memory that rows and small files may take, about, so that the outline of a snapshot stays a small part of the budget: some
/// 200,000 entries. What comes later is stored like the rest and only missing in the description.
const SEEN_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Receives full batches.
pub(super) trait BatchQueue {
    /// Hands a batch over and returns an empty one; waits while too many are under way.
    ///
    /// # Errors
    /// A later stage has failed; its own error is the one to report.
    fn hand_over(&mut self, batch: Batch) -> Result<Batch, Error>;
}

/// What the dissector saw besides bytes.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Bodies in order, as a catalogue lists them.
    pub(super) rows: Vec<CatalogueRow>,
    /// Small files that say what the snapshot is, by the offset of their bodies.
    pub(super) small: std::collections::HashMap<u64, Vec<u8>>,
    /// The deepest tar level, counted from 1; 0 when nothing was tar.
    pub(super) levels: u32,
    /// Memory that the rows and small files take, about.
    bytes: usize,
}

/// The sink of the splitter.
pub(super) struct Dissector<'d, Q> {
    cut: CutParameters,
    classifier: Classifier,
    reader: &'d ChunkReader<'d>,
    view: IndexReader<'d>,
    queue: Q,
    batch: Batch,
    /// The window at hand: bodies that are awaited whole hold on to it instead of copying.
    window: Window,
    body: Option<OpenBody>,
    /// Bodies whose bytes do not come, because they are stored already, by where they begin.
    known: HashMap<u64, KnownBody>,
    /// The one of them that is at hand.
    passed: Option<(KnownBody, Class)>,
    /// Memory for the next body that is gathered.
    spare: Vec<u8>,
    framing: Vec<FramingStream>,
    seen: Seen,
    rows: Option<RowIndexes<'d>>,
    /// The trackers of the segment at hand, by path: they lie before the pages whose values they place.
    trackers: Trackers,
}

/// The framing of one level that is not cut yet.
struct FramingStream {
    cutter: Cutter,
    window: Vec<u8>,
}

/// The body whose bytes are arriving.
struct OpenBody {
    path: BodyPath,
    label: BodyLabel,
    /// Its row, if there was room for one.
    row: Option<usize>,
    learns: bool,
    /// Whether its bytes belong to the description of the snapshot: replica states and the like teach the classifier nothing.
    describes: bool,
    /// Its length as declared, which may not be what comes.
    len: u64,
    received: u64,
    hasher: Option<BodyHasher>,
    /// Everything that came and is not gathered yet, while the whole body is awaited and its rows are not looked for.
    held: Vec<Bytes>,
    /// What is gathered and not cut yet.
    window: Vec<u8>,
    buffered: bool,
    cutter: BodyCutter,
    /// Where `window` begins among its bytes.
    offset: u64,
    rows: Option<OpenRows>,
    sparse: Option<SparseMap>,
}

/// The values of the segment at hand by the path of their tracker.
#[derive(Debug, Default)]
struct Trackers {
    segment: Option<(Option<String>, Option<u32>, Option<SegmentId>)>,
    values: HashMap<String, ValuePlaces>,
}

impl<'d, Q: BatchQueue> Dissector<'d, Q> {
    pub(super) fn new(
        cut: CutParameters,
        classifier: Classifier,
        reader: &'d ChunkReader<'d>,
        rows: Option<RowIndexes<'d>>,
        queue: Q,
    ) -> Result<Self, Error> {
        let view = reader.repository().index().reader()?;
        let framing = vec![FramingStream::new(&cut)];
        let (batch, seen, trackers) = (Batch::default(), Seen::default(), Trackers::default());
        let (window, spare) = (Window::new(), Vec::new());
        let (known, passed) = (HashMap::new(), None);
        Ok(Self {
            cut,
            classifier,
            reader,
            view,
            queue,
            batch,
            window,
            body: None,
            known,
            passed,
            spare,
            framing,
            seen,
            rows,
            trackers,
        })
    }

    /// Announces bodies of which at most the first block will come, because they are stored already, in packs that the ingest relies on.
    pub(super) fn expect_known(&mut self, known: impl IntoIterator<Item = KnownBody>) {
        self.known.extend(known.into_iter().map(|body| (body.offset, body)));
    }

    /// Tells which window the bytes to come are slices of.
    pub(super) fn look_at(&mut self, window: &Window) {
        self.window = window.clone();
    }

    /// The same bytes, held: as a part of the window at hand, or of their own if they are no part of it.
    fn hold(&self, bytes: &[u8]) -> Bytes {
        let (window, part) = (self.window.as_ptr_range(), bytes.as_ptr_range());
        match window.start <= part.start && part.end <= window.end {
            true => self.window.slice_ref(bytes),
            false => Bytes::copy_from_slice(bytes),
        }
    }

    /// Brings what a body holds side by side.
    fn gather(&mut self, body: &mut OpenBody) {
        if body.held.is_empty() {
            return;
        }
        body.window = std::mem::take(&mut self.spare);
        body.window.clear();
        // The whole is awaited, so its length is known; where it is declared too long, less has come.
        body.window.reserve(body.held.iter().map(Bytes::len).sum());
        for piece in body.held.drain(..) {
            body.window.extend_from_slice(&piece);
        }
    }

    /// Cuts what is left of the outermost framing and hands over the last batch.
    pub(super) fn finish(mut self) -> Result<(Seen, Q), Error> {
        self.cut_framing(true)?;
        if !self.batch.is_empty() {
            self.queue.hand_over(std::mem::take(&mut self.batch))?;
        }
        Ok((self.seen, self.queue))
    }

    fn step(&mut self, step: Step) -> Result<(), Error> {
        self.batch.steps.push(step);
        if self.batch.is_full() {
            self.batch = self.queue.hand_over(std::mem::take(&mut self.batch))?;
        }
        Ok(())
    }

    fn cut_framing(&mut self, at_end: bool) -> Result<(), Error> {
        loop {
            let stream = self.framing.last_mut().expect("the outermost level is never left");
            let Some(len) = stream.cutter.next_cut(&stream.window, at_end) else { return Ok(()) };
            let range = self.batch.hold(&stream.window[..len]);
            stream.window.drain(..len);
            self.step(Step::FramingChunk { range })?;
        }
    }

    fn note_row(&mut self, head: &BodyHead, role: RowRole) -> Option<usize> {
        self.seen.levels = self.seen.levels.max(u32::from(head.depth) + u32::from(head.entry().is_some()));
        let row = CatalogueRow { head: head.clone(), len: head.stored_len.unwrap_or(0), role };
        self.seen.has_room_for(memory_of(&row)).then(|| {
            self.seen.rows.push(row);
            self.seen.rows.len() - 1
        })
    }

    fn open_body(&mut self, head: &BodyHead) -> OpenBody {
        let (path, size) = (body_path(head), body_size(head));
        let label = self.classifier.label(&path, size);
        let row = self.note_row(head, RowRole::Leaf { complete: true });
        let len = head.stored_len.unwrap_or(u64::MAX);
        let sparse = head.entry().and_then(|entry| entry.sparse.as_deref());
        let cutter = BodyCutter::new(&label, &self.cut, sparse);
        let rows = self.open_rows(&label, sparse, len);
        OpenBody {
            learns: self.classifier.wants(&path, size),
            describes: label.class == Class::SmallJson && size.stored_bytes <= SMALL_JSON_BYTES_MAX,
            hasher: (len >= BODY_DIGEST_BYTES_MIN).then(|| self.reader.repository().id_key().body_hasher()),
            buffered: len <= BODY_BUFFER_BYTES,
            held: Vec::new(),
            window: Vec::new(),
            len,
            received: 0,
            path,
            label,
            row,
            cutter,
            offset: 0,
            rows,
            sparse: sparse.cloned(),
        }
    }

    /// What is needed to look for the rows of a body; `None` when there is nothing to find them in.
    fn open_rows(&mut self, label: &BodyLabel, sparse: Option<&SparseMap>, len: u64) -> Option<OpenRows> {
        let rows = self.rows.as_mut()?;
        if let Some(segment) = &label.identity.segment {
            rows.meet_segment(segment.as_str());
        }
        if rows.is_empty() {
            return None;
        }
        let kind = RowKind::of(label)?;
        let values = RowKind::tracker_path(label).and_then(|path| self.trackers.values.get(&path));
        let units = Units::of(label, sparse, len, values)?;
        Some(OpenRows::new(kind, units, label, codec_hint(label), &self.cut))
    }

    /// Whether a body says where values lie that rows are looked for among.
    fn is_tracker(&self, body: &OpenBody) -> bool {
        let identity = &body.label.identity;
        self.rows.is_some() && identity.segment.is_some() && identity.path.ends_with("/tracker.dat") && body.buffered
    }

    /// Remembers where values lie, for the pages that follow their tracker.
    fn note_tracker(&mut self, body: &OpenBody) {
        let identity = &body.label.identity;
        let segment = Some((identity.collection_file.clone(), identity.shard, identity.segment.clone()));
        if self.trackers.segment != segment {
            self.trackers = Trackers { segment, values: HashMap::new() };
        }
        let stored = &body.window[..];
        let tracker = match &body.sparse {
            Some(map) => StoredFile::new(&identity.path, ExpandedBody::new(map, stored)),
            None => StoredFile::new(&identity.path, stored),
        };
        // A tracker that cannot be read costs space and nothing else.
        if let Ok(values) = ValuePlaces::read(tracker) {
            self.trackers.values.insert(identity.path.clone(), values);
        }
    }

    /// Puts bytes side by side with those before them, of a body that is awaited whole and whose rows will be looked for: while it comes, the others
    /// read and hash.
    fn gather_more(&mut self, body: &mut OpenBody, bytes: &[u8]) {
        if body.window.capacity() == 0 {
            body.window = std::mem::take(&mut self.spare);
            body.window.clear();
            body.window.reserve(usize::try_from(body.len).unwrap_or_default());
        }
        body.window.extend_from_slice(bytes);
    }

    /// Cuts what a body holds, piece by piece: what is behind a cut goes back to where windows come from.
    fn cut_held(&mut self, body: &mut OpenBody) -> Result<(), Error> {
        let held = std::mem::take(&mut body.held);
        if !held.is_empty() {
            body.window = std::mem::take(&mut self.spare);
            body.window.clear();
        }
        held.into_iter().try_for_each(|piece| self.extend_body(body, &piece))
    }

    /// Puts bytes behind those that are not cut yet, and cuts what there are enough of.
    fn extend_body(&mut self, body: &mut OpenBody, bytes: &[u8]) -> Result<(), Error> {
        let cuts_at = if body.rows.is_some() { ROWS_TOGETHER_BYTES } else { 0 };
        // Once for all that is put together, instead of more and more.
        let room = cuts_at.min(usize::try_from(body.len).unwrap_or(usize::MAX)) + WINDOW_BYTES;
        body.window.reserve(room.saturating_sub(body.window.len()));
        body.window.extend_from_slice(bytes);
        match body.window.len() >= cuts_at {
            true => self.cut_body(body, false),
            false => Ok(()),
        }
    }

    fn cut_body(&mut self, body: &mut OpenBody, at_end: bool) -> Result<(), Error> {
        if let Some(rows) = body.rows.take() {
            return self.share_body(body, rows, at_end);
        }
        let (class, hint) = (body.label.class, codec_hint(&body.label));
        let mut start = 0;
        while let Some(len) = body.cutter.next_cut(&body.window[start..], at_end) {
            let range = self.batch.hold(&body.window[start..start + len]);
            start += len;
            self.step(Step::Chunk { range, class, hint })?;
        }
        body.window.drain(..start);
        Ok(())
    }

    /// As [`cut_body`](Self::cut_body), and looks for the rows of what is not stored yet.
    fn share_body(&mut self, body: &mut OpenBody, mut rows: OpenRows, at_end: bool) -> Result<(), Error> {
        let mut indexes = self.rows.take().expect("rows are open only while there is an index");
        let window = std::mem::take(&mut body.window);
        let (mut cut, mut start) = (Vec::new(), 0);
        while let Some(len) = body.cutter.next_cut(&window[start..], at_end) {
            cut.push(start..start + len);
            start += len;
        }
        let met = indexes.meet(&window, &cut)?;
        let pieces: Vec<_> = cut.into_iter().zip(met).collect();
        rows.share((&window, body.offset), &pieces, &mut indexes, self)?;
        if at_end {
            rows.finish(self)?;
        }
        body.window = window;
        body.window.drain(..start);
        body.offset += start as u64;
        (body.rows, self.rows) = (Some(rows), Some(indexes));
        Ok(())
    }

    /// Replaces a body by one reference. The packs are those that the ingest was not told of yet.
    fn refer_to(&mut self, known: KnownBody, packs: Vec<PackId>, class: Class) -> Result<(), Error> {
        let KnownBody { len, node, .. } = known;
        self.step(Step::KnownBody { node, len, class, packs })
    }
}

impl<Q: BatchQueue> StepSink for Dissector<'_, Q> {
    fn batch(&mut self) -> &mut Batch {
        &mut self.batch
    }

    fn step(&mut self, step: Step) -> Result<(), Error> {
        Self::step(self, step)
    }
}

impl<Q: BatchQueue> SplitSink for Dissector<'_, Q> {
    type Error = Error;

    fn framing(&mut self, _depth: u8, bytes: &[u8]) -> Result<(), Error> {
        self.framing.last_mut().expect("the outermost level is never left").window.extend_from_slice(bytes);
        self.step(Step::Framing { len: bytes.len() as u64 })?;
        self.cut_framing(false)
    }

    fn begin_body(&mut self, head: &BodyHead) -> Result<(), Error> {
        // Of what is no tar the length is not known before its end.
        let has_len = |known: &KnownBody| head.stored_len.is_none_or(|len| len == known.len);
        if let Some(known) = self.known.remove(&head.offset).filter(has_len) {
            let class = self.classifier.label(&body_path(head), body_size(head)).class;
            self.note_row(head, RowRole::Leaf { complete: true });
            self.passed = Some((known, class));
            return Ok(());
        }
        let body = self.open_body(head);
        if !body.buffered {
            self.step(Step::BeginBody)?;
        }
        self.body = Some(body);
        Ok(())
    }

    fn body(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.passed.is_some() {
            return Ok(());
        }
        let mut body = self.body.take().expect("the splitter begins a body before it hands out its bytes");
        body.received += bytes.len() as u64;
        if let Some(hasher) = &mut body.hasher {
            hasher.update(bytes);
        }
        match (body.buffered, &body.rows) {
            (true, None) => body.held.push(self.hold(bytes)),
            (true, Some(_)) => self.gather_more(&mut body, bytes),
            (false, _) => self.extend_body(&mut body, bytes)?,
        }
        self.body = Some(body);
        Ok(())
    }

    fn end_body(&mut self, complete: bool) -> Result<(), Error> {
        if let Some((known, class)) = self.passed.take() {
            debug_assert!(complete, "what is passed over was there when it was hashed");
            return self.refer_to(known, Vec::new(), class);
        }
        let mut body = self.body.take().expect("the splitter ends only what it began");
        let row = body.row.map(|row| &mut self.seen.rows[row]);
        let offset = row.map(|row| {
            (row.len, row.role) = (body.received, RowRole::Leaf { complete });
            row.head.offset
        });
        let (is_read, is_tracker) = (body.learns || body.describes, self.is_tracker(&body));
        if complete && (is_read || is_tracker) {
            self.gather(&mut body);
        }
        if body.learns && complete {
            self.classifier.learn(&body.path, &body.window);
        }
        if is_read
            && complete
            && let Some(offset) = offset.filter(|_| self.seen.has_room_for(body.window.len()))
        {
            self.seen.small.insert(offset, body.window.clone());
        }
        if is_tracker && complete {
            self.note_tracker(&body);
        }
        let digest = body.hasher.as_ref().filter(|_| complete).map(BodyHasher::finalize);
        let place = (offset.unwrap_or_default(), body.received);
        let looked_up =
            digest.filter(|_| body.buffered).map(|digest| known::look_up(&self.view, self.reader, &digest, place));
        match looked_up.transpose()?.flatten() {
            Some((known, packs)) => self.refer_to(known, packs, body.label.class)?,
            None => {
                if body.buffered {
                    self.step(Step::BeginBody)?;
                    self.cut_held(&mut body)?;
                }
                self.cut_body(&mut body, true)?;
                self.step(Step::EndBody { digest })?;
            }
        }
        if body.buffered && body.window.capacity() > 0 {
            self.spare = body.window;
        }
        Ok(())
    }

    fn enter_archive(&mut self, head: &BodyHead) -> Result<(), Error> {
        self.note_row(head, RowRole::Archive);
        self.framing.push(FramingStream::new(&self.cut));
        self.step(Step::EnterArchive)
    }

    fn leave_archive(&mut self) -> Result<(), Error> {
        self.cut_framing(true)?;
        self.framing.pop();
        self.step(Step::LeaveArchive)
    }
}

impl Seen {
    /// Takes `bytes` from the budget, if that much is left.
    fn has_room_for(&mut self, bytes: usize) -> bool {
        let has_room = bytes <= SEEN_BYTES_MAX - self.bytes;
        self.bytes += if has_room { bytes } else { 0 };
        has_room
    }
}

/// About what a row takes; names and sparse maps come from the snapshot and may be long.
fn memory_of(row: &CatalogueRow) -> usize {
    let entry = row.head.entry();
    let segments = entry.and_then(|entry| entry.sparse.as_ref()).map_or(0, |map| map.segments().len());
    let link = entry.and_then(|entry| entry.link_name.as_ref()).map_or(0, |link| link.len());
    size_of::<CatalogueRow>()
        + row.head.path.last_name().len()
        + link
        + segments * size_of::<vectar_tar::SparseSegment>()
}

impl FramingStream {
    fn new(cut: &CutParameters) -> Self {
        Self { cutter: Cutter::new(&cut.framing_rule()), window: Vec::new() }
    }
}

/// The path and the sizes by which a body is labelled.
pub(crate) fn body_path(head: &BodyHead) -> BodyPath {
    BodyPath::new(head.path.names().map(|name| String::from_utf8_lossy(name).into_owned()))
}

pub(crate) fn body_size(head: &BodyHead) -> BodySize {
    let stored = head.stored_len.unwrap_or(u64::MAX);
    let logical = head.entry().map_or(stored, |entry| entry.logical_len);
    BodySize { stored_bytes: stored, logical_bytes: logical }
}
