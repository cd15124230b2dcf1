//! The tables of the index file and the bytes of their values. Nobody but this machine ever reads them.

use redb::TableDefinition;
use vectar_chunk::NodeId;

use super::{ChunkLocation, KnownPacks};
use crate::{
    error::RepositoryError,
    format::{
        ids::PackId,
        pack::{BodyEntry, FooterEntry, PackFooter, RecordKind},
    },
};

/// Raised whenever the tables change; another number in the file makes it start empty.
pub(super) const INDEX_VERSION: u64 = 2;

/// Name in [`META`] of the digest of the marks that the chunk table was last settled by.
pub(super) const MARKS_SEEN: &str = "marks-seen";

/// `version`, `repository` (two halves), `next-pack`, `marks-seen`.
pub(super) const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");
/// Pack name → [`PackValue`].
pub(super) const PACKS: TableDefinition<'static, &[u8; 32], &[u8]> = TableDefinition::new("packs");
/// Id → [`ChunkValue`]. The ids of different kinds never meet: they are keyed hashes in different domains.
pub(super) const CHUNKS: TableDefinition<'static, &[u8; 32], &[u8; ChunkValue::BYTES]> = TableDefinition::new("chunks");
/// Body digest → node id, length, number of the pack.
pub(super) const BODIES: TableDefinition<'static, &[u8; 32], &[u8; BODY_VALUE_BYTES]> = TableDefinition::new("bodies");

pub(super) const BODY_VALUE_BYTES: usize = 44;

/// Turns any redb error into ours, with what was being done.
pub(super) fn index_error<E: Into<redb::Error>>(action: &'static str) -> impl Fn(E) -> RepositoryError {
    move |error| RepositoryError::Index { action, source: Box::new(error.into()) }
}

/// A pack: its number in this index, the object's length, its footer verbatim.
pub(super) struct PackValue<'a> {
    pub(super) number: u32,
    pub(super) object_len: u64,
    pub(super) footer: &'a [u8],
}

impl<'a> PackValue<'a> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(12 + self.footer.len());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.object_len.to_le_bytes());
        out.extend_from_slice(self.footer);
        out
    }

    /// `None` for a value too short to be one: a damaged cache, which the caller treats as a pack it does not know.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk()?;
        let (object_len, footer) = rest.split_first_chunk()?;
        Some(Self { number: u32::from_le_bytes(*number), object_len: u64::from_le_bytes(*object_len), footer })
    }

    pub(super) fn footer(&self) -> Option<PackFooter> {
        let trailing = self.footer.len() as u64 + crate::format::pack::PACK_TRAILER_BYTES;
        PackFooter::decode_verbatim(self.footer, self.object_len.checked_sub(trailing)?).ok()
    }
}

/// Where a chunk lies, in 18 bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChunkValue {
    pub(super) pack_number: u32,
    kind: u8,
    codec: u8,
    offset: u32,
    stored_len: u32,
    raw_len: u32,
}

impl ChunkValue {
    pub(super) const BYTES: usize = 18;

    pub(super) fn new(pack_number: u32, entry: &FooterEntry) -> Self {
        let FooterEntry { head, offset } = entry;
        let (kind, codec) = (head.kind.code(), head.codec);
        Self { pack_number, kind, codec, offset: *offset, stored_len: head.stored_len, raw_len: head.raw_len }
    }

    pub(super) fn encode(&self) -> [u8; Self::BYTES] {
        let mut out = [0; Self::BYTES];
        out[0..4].copy_from_slice(&self.pack_number.to_le_bytes());
        out[4..8].copy_from_slice(&self.offset.to_le_bytes());
        out[8..12].copy_from_slice(&self.stored_len.to_le_bytes());
        out[12..16].copy_from_slice(&self.raw_len.to_le_bytes());
        out[16..].copy_from_slice(&[self.kind, self.codec]);
        out
    }

    pub(super) fn decode(bytes: &[u8; Self::BYTES]) -> Self {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Self {
            pack_number: word(0),
            offset: word(4),
            stored_len: word(8),
            raw_len: word(12),
            kind: bytes[16],
            codec: bytes[17],
        }
    }

    /// `None` when the pack is not among those listed last.
    pub(super) fn location(&self, known: &KnownPacks) -> Option<ChunkLocation> {
        Some(ChunkLocation {
            pack: *known.by_number.get(&self.pack_number)?,
            kind: RecordKind::from_code(self.kind).ok()?,
            codec: self.codec,
            offset: self.offset,
            stored_len: self.stored_len,
            raw_len: self.raw_len,
        })
    }
}

pub(super) fn encode_body(body: &BodyEntry, pack_number: u32) -> [u8; BODY_VALUE_BYTES] {
    let mut out = [0; BODY_VALUE_BYTES];
    out[..32].copy_from_slice(body.node.as_bytes());
    out[32..40].copy_from_slice(&body.len.to_le_bytes());
    out[40..].copy_from_slice(&pack_number.to_le_bytes());
    out
}

/// Node, length, and the number of the pack whose footer said so.
pub(super) fn decode_body(bytes: &[u8; BODY_VALUE_BYTES]) -> (NodeId, u64, u32) {
    let (node, rest) = bytes.split_first_chunk().expect("a body's value is longer than an id");
    let (len, number) = rest.split_first_chunk().expect("a length lies behind the id");
    let number = number.first_chunk().expect("a number lies behind the length");
    (NodeId::from_bytes(*node), u64::from_le_bytes(*len), u32::from_le_bytes(*number))
}

pub(super) fn pack_id(key: &[u8; 32]) -> PackId {
    PackId::from_bytes(*key)
}
