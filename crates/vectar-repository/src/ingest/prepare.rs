//! From raw bytes to a record that may be stored: identified, encoded, and decoded once more to prove it.

use bytes::Bytes;
use vectar_chunk::{ChunkId, CodecHint, CodecId, Decoder, Encoder, NodeId};

use crate::{
    error::RepositoryError,
    format::{
        config::Config,
        pack::{RecordHead, RecordKind},
    },
};

/// An encoded chunk or node that was decoded once after encoding and found equal.
#[derive(Debug, Clone)]
pub struct PreparedRecord {
    pub(crate) head: RecordHead,
    pub(crate) stored: Bytes,
}

impl PreparedRecord {
    /// Bytes that it will take in a pack, its head included, footer entry not.
    #[must_use]
    pub fn record_len(&self) -> u64 {
        self.head.record_len()
    }

    /// The same chunk under the name that another repository's key gives it. A checksum over head and bytes is made when it is put
    /// into a pack.
    #[must_use]
    pub fn renamed(mut self, name: &ChunkId) -> Self {
        self.head.id = *name.as_bytes();
        self
    }
}

/// Encodes chunks and nodes; one per thread.
#[derive(Debug)]
pub struct Preparer {
    encoder: Encoder,
    decoder: Decoder,
}

impl Preparer {
    /// Sets up the codecs that every repository may hold, at a zstd level.
    ///
    /// # Errors
    /// [`RepositoryError::Chunk`] when the level does not exist.
    pub fn new(zstd_level: i32) -> Result<Self, RepositoryError> {
        Ok(Self { encoder: Encoder::new(zstd_level)?, decoder: Decoder::new()? })
    }

    /// Sets up the codecs that the repository of this config may hold, at a zstd level.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn for_repository(config: &Config, zstd_level: i32) -> Result<Self, RepositoryError> {
        match config.allows_planes() {
            true => Ok(Self { encoder: Encoder::with_planes(zstd_level)?, decoder: Decoder::new()? }),
            false => Self::new(zstd_level),
        }
    }

    /// Takes a record of another repository over in a codec that this one may hold.
    ///
    /// # Errors
    /// [`RepositoryError::Chunk`] when the record does not decode.
    pub(crate) fn adapt(&mut self, config: &Config, record: PreparedRecord) -> Result<PreparedRecord, RepositoryError> {
        let RecordHead { kind, codec, label, raw_len, id, .. } = record.head;
        let codec = CodecId::new(codec);
        if codec != CodecId::PLANES || config.allows_planes() {
            return Ok(record);
        }
        let raw = self.decoder.decode(codec, &record.stored, raw_len as usize)?;
        self.prepare(kind, id, &raw, label, CodecHint::Unknown)
    }

    /// Prepares a data chunk whose id the caller computed from these very bytes.
    ///
    /// # Errors
    /// [`RepositoryError::Chunk`] when the chunk is longer than [`CHUNK_BYTES_MAX`](vectar_chunk::CHUNK_BYTES_MAX).
    pub fn chunk(
        &mut self,
        id: &ChunkId,
        raw: &[u8],
        label: u8,
        hint: CodecHint,
    ) -> Result<PreparedRecord, RepositoryError> {
        self.prepare(RecordKind::Chunk, *id.as_bytes(), raw, label, hint)
    }

    /// Prepares a recipe node.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk).
    pub fn node(&mut self, id: &NodeId, raw: &[u8]) -> Result<PreparedRecord, RepositoryError> {
        self.prepare(RecordKind::Node, *id.as_bytes(), raw, 0, CodecHint::Structured)
    }

    fn prepare(
        &mut self,
        kind: RecordKind,
        id: [u8; 32],
        raw: &[u8],
        label: u8,
        hint: CodecHint,
    ) -> Result<PreparedRecord, RepositoryError> {
        let raw_len = u32::try_from(raw.len()).ok().filter(|&len| len as usize <= vectar_chunk::CHUNK_BYTES_MAX);
        let raw_len = raw_len.ok_or(vectar_chunk::ChunkError::ChunkTooLarge {
            raw_bytes: raw.len() as u64,
            max: vectar_chunk::CHUNK_BYTES_MAX as u64,
        })?;
        let encoded = self.encoder.encode(raw, hint);
        // A codec that is wrong once in a billion chunks is caught here, while the bytes are still at hand.
        let proven = match encoded.codec {
            CodecId::RAW => true,
            codec => self.decoder.borrow(codec, &encoded.bytes, raw.len()).is_ok_and(|decoded| decoded == raw),
        };
        let encoded = if proven { encoded } else { self.encoder.encode(raw, CodecHint::Incompressible) };
        let stored = Bytes::from(encoded.bytes.into_owned());
        let stored_len = u32::try_from(stored.len()).expect("an encoded chunk is never longer than the raw one");
        let head = RecordHead { kind, codec: encoded.codec.get(), label, stored_len, raw_len, id };
        Ok(PreparedRecord { head, stored })
    }
}
