//! Opening every structure we write, for people who investigate.

use vectar_chunk::CodecId;
use vectar_repository::{
    ChunkReader, PackId, Placed, RecipeWalker, Repository, RepositoryError,
    format::{
        keys,
        node::RecipeItem,
        pack::{PACK_HEADER_BYTES, PackFooter, PackHeader, PackKind, RecordKind},
        record::{BackupRecord, RECORD_BYTES_MAX},
    },
    index::IndexCounts,
};

use vectar_tar::{BodyHead, ReadAt as _, SplitOptions, SplitSink, Splitter};

use crate::{content::Content, engine::Engine, error::Error};

/// Bytes of a snapshot read at once while its tar levels are shown.
const WINDOW_BYTES: usize = 1024 * 1024;

/// Decoded nodes kept while a recipe is walked, in bytes.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// A pack, opened.
#[derive(Debug, Clone)]
pub struct PackDump {
    /// Its header.
    pub header: PackHeader,
    /// Length of the object.
    pub object_bytes: u64,
    /// Its footer.
    pub footer: PackFooter,
}

/// Opens a pack by its id or a unique prefix of it.
///
/// # Errors
/// No pack or several go by that name, or the pack is damaged.
pub fn pack(engine: &Engine, name: &str) -> Result<(PackId, PackDump), Error> {
    let repository = engine.repository();
    let mut fitting: Vec<PackId> =
        repository.index().pack_ids().into_iter().filter(|id| id.to_string().starts_with(name)).collect();
    fitting.sort_unstable();
    let id = match fitting[..] {
        [id] => id,
        [] => return Err(Error::PackNotFound { name: name.to_owned() }),
        _ => {
            let candidates = fitting.iter().map(PackId::short).collect();
            return Err(Error::PackAmbiguous { name: name.to_owned(), candidates });
        }
    };
    let (backend, key) = (repository.backend(), keys::pack(&id));
    let object_bytes = backend.stat(&key).map_err(RepositoryError::from)?.object_bytes;
    let head = backend.get_range(&key, 0..PACK_HEADER_BYTES.min(object_bytes)).map_err(RepositoryError::from)?;
    let damaged = |source| RepositoryError::Object { key: key.clone(), location: backend.location(), source };
    let header = PackHeader::decode(&head).map_err(damaged)?;
    let (footer, _) = vectar_repository::index::read_footer(backend, &id, object_bytes)?;
    Ok((id, PackDump { header, object_bytes, footer }))
}

/// Whether there is an object under the name of a pack, whatever it holds.
///
/// # Errors
/// The storage failed.
pub fn pack_is_there(engine: &Engine, id: &PackId) -> Result<bool, Error> {
    match engine.repository().backend().stat(&keys::pack(id)) {
        Ok(_) => Ok(true),
        Err(error) if error.is_object_missing() => Ok(false),
        Err(error) => Err(RepositoryError::from(error).into()),
    }
}

/// The object of a record, as it lies on the storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordDump {
    /// Its key.
    pub key: String,
    /// Its header line: kind, version, length and checksum, without the newline.
    pub header: String,
    /// The JSON behind it, byte for byte.
    pub json: String,
}

/// Reads the object of a record again, verbatim. Its checksum was compared.
///
/// # Errors
/// The object cannot be read or is damaged.
pub fn record(repository: &Repository, record: &BackupRecord) -> Result<RecordDump, Error> {
    let (backend, key) = (repository.backend(), keys::record(&record.id, record.seq));
    let bytes = backend.get(&key, RECORD_BYTES_MAX).map_err(RepositoryError::from)?;
    let damaged = |source| RepositoryError::Object { key: key.clone(), location: backend.location(), source };
    BackupRecord::decode(&bytes).map_err(damaged)?;
    // What was decoded is one line of ASCII, then JSON: all of it is text.
    let text = String::from_utf8_lossy(&bytes);
    let (header, json) = text.split_once('\n').unwrap_or((&text, ""));
    Ok(RecordDump { key: key.to_string(), header: header.to_owned(), json: json.trim_end().to_owned() })
}

/// What a pack of this kind holds, in one word.
#[must_use]
pub fn pack_kind_name(kind: PackKind) -> &'static str {
    match kind {
        PackKind::Data => "data",
        PackKind::Metadata => "metadata",
    }
}

/// What a record in a pack is, in one word or two.
#[must_use]
pub fn record_kind_name(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Chunk => "chunk",
        RecordKind::Node => "node",
        RecordKind::RowDirectory => "row-directory",
    }
}

/// The name of a codec as recorded; `codec 7` for one of a later version.
#[must_use]
pub fn codec_name(codec: u8) -> String {
    match CodecId::new(codec) {
        CodecId::RAW => "raw".to_owned(),
        CodecId::ZSTD => "zstd".to_owned(),
        CodecId::PLANES => "planes".to_owned(),
        _ => format!("codec {codec}"),
    }
}

/// Walks the recipe of a backup and hands each extent over, with its offset in the snapshot.
///
/// # Errors
/// A node cannot be read, or `take` failed.
pub fn recipe(
    engine: &Engine,
    record: &BackupRecord,
    mut take: impl FnMut(u64, &RecipeItem) -> Result<(), Error>,
) -> Result<(), Error> {
    let reader = ChunkReader::new(engine.repository(), CACHE_BYTES);
    for placed in RecipeWalker::new(&reader, &record.root, record.bytes, 0)? {
        let Placed { offset, extent } = placed?;
        take(offset, &extent)?;
    }
    Ok(())
}

/// What the chunk index holds and where it lies.
///
/// # Errors
/// The index failed.
pub fn chunk_index(engine: &Engine) -> Result<(String, IndexCounts), Error> {
    let index = engine.repository().index();
    let place = match index.place() {
        vectar_repository::IndexPlace::File(path) => path.display().to_string(),
        vectar_repository::IndexPlace::Memory => "memory".to_owned(),
    };
    Ok((place, index.counts()?))
}

/// A run of bytes of a snapshot and what the tar splitter says that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TarSpan {
    /// Tar level, 0 for the outermost.
    pub depth: u8,
    /// Offset of the first byte in the snapshot.
    pub offset: u64,
    /// Bytes; of a nested archive 0, because the spans that follow are its bytes.
    pub len: u64,
    /// What the bytes are.
    pub role: SpanRole,
}

/// What a run of bytes is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpanRole {
    /// Headers, padding, trailers.
    Framing,
    /// A leaf body.
    Body {
        /// Its path through all levels.
        path: String,
        /// Whether all declared bytes are there.
        complete: bool,
    },
    /// A body that is itself a tar: its spans follow, one level deeper.
    Archive {
        /// Its path through all levels.
        path: String,
    },
}

/// Splits a snapshot and hands each span over in order; the spans tile it without gap or overlap. All bytes are read.
///
/// # Errors
/// The snapshot cannot be read, or `take` failed.
pub fn tar_spans(content: &Content<'_>, take: impl FnMut(&TarSpan) -> Result<(), Error>) -> Result<(), Error> {
    let mut spans = SpanSink { take, offset: 0, open: None };
    let mut splitter = Splitter::new(&SplitOptions::default());
    let mut window = vec![0; WINDOW_BYTES];
    loop {
        let count = content.read_at(splitter.offset(), &mut window).map_err(|source| content.read_failed(source))?;
        if count == 0 {
            break;
        }
        splitter.push(&window[..count], &mut spans)?;
    }
    splitter.finish(&mut spans)?;
    spans.flush()
}

/// Joins what the splitter hands over in pieces.
struct SpanSink<F> {
    take: F,
    offset: u64,
    open: Option<TarSpan>,
}

impl<F: FnMut(&TarSpan) -> Result<(), Error>> SpanSink<F> {
    fn flush(&mut self) -> Result<(), Error> {
        self.open.take().map_or(Ok(()), |span| (self.take)(&span))
    }

    fn begin(&mut self, depth: u8, role: SpanRole) -> Result<(), Error> {
        self.flush()?;
        self.open = Some(TarSpan { depth, offset: self.offset, len: 0, role });
        Ok(())
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.offset += bytes.len() as u64;
        if let Some(span) = &mut self.open {
            span.len += bytes.len() as u64;
        }
    }
}

impl<F: FnMut(&TarSpan) -> Result<(), Error>> SplitSink for SpanSink<F> {
    type Error = Error;

    fn framing(&mut self, depth: u8, bytes: &[u8]) -> Result<(), Error> {
        let goes_on = |span: &TarSpan| span.role == SpanRole::Framing && span.depth == depth;
        if !self.open.as_ref().is_some_and(goes_on) {
            self.begin(depth, SpanRole::Framing)?;
        }
        self.extend(bytes);
        Ok(())
    }

    fn begin_body(&mut self, body: &BodyHead) -> Result<(), Error> {
        self.begin(body.depth, SpanRole::Body { path: body.path.to_string(), complete: false })
    }

    fn body(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.extend(bytes);
        Ok(())
    }

    fn end_body(&mut self, whole: bool) -> Result<(), Error> {
        if let Some(TarSpan { role: SpanRole::Body { complete, .. }, .. }) = &mut self.open {
            *complete = whole;
        }
        self.flush()
    }

    fn enter_archive(&mut self, body: &BodyHead) -> Result<(), Error> {
        self.begin(body.depth, SpanRole::Archive { path: body.path.to_string() })?;
        self.flush()
    }

    fn leave_archive(&mut self) -> Result<(), Error> {
        self.flush()
    }
}
