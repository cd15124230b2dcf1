//! Collects records until a pack is full, then seals it: footer, trailer, name.

use bytes::Bytes;

use super::prepare::PreparedRecord;
use crate::format::{
    ids::{IngestNonce, PackId, RepositoryId},
    pack::{BodyEntry, FOOTER_BODY_BYTES, FooterEntry, PACK_HEADER_BYTES, PackFooter, PackHeader, PackKind},
};

/// One pack under construction. Its bytes stay in memory, as parts, until it is published.
#[derive(Debug)]
pub(super) struct PackBuilder {
    kind: PackKind,
    repository: RepositoryId,
    nonce: IngestNonce,
    parts: Vec<Bytes>,
    len: u64,
    footer: PackFooter,
}

/// A complete pack that is not published yet.
#[derive(Debug, Clone)]
pub(super) struct SealedPack {
    pub(super) id: PackId,
    pub(super) parts: Vec<Bytes>,
    pub(super) len: u64,
    header: PackHeader,
    pub(super) footer_verbatim: Vec<u8>,
}

impl PackBuilder {
    pub(super) fn new(kind: PackKind, repository: RepositoryId, nonce: IngestNonce) -> Self {
        Self { kind, repository, nonce, parts: Vec::new(), len: PACK_HEADER_BYTES, footer: PackFooter::default() }
    }

    /// Bytes of header and records so far, and of what the footer says of bodies: a pack of many digests is full at some time too.
    pub(super) fn len(&self) -> u64 {
        self.len + self.footer.bodies.len() as u64 * FOOTER_BODY_BYTES as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.footer.entries.is_empty() && self.footer.bodies.is_empty()
    }

    pub(super) fn push(&mut self, record: PreparedRecord) {
        let offset = u32::try_from(self.len).expect("a pack is sealed long before 4 GiB");
        self.len += record.record_len();
        self.footer.entries.push(FooterEntry { head: record.head, offset });
        self.parts.push(Bytes::from(record.head.encode(&record.stored)));
        self.parts.push(record.stored);
    }

    pub(super) fn push_body(&mut self, body: BodyEntry) {
        self.footer.bodies.push(body);
    }

    /// Closes the pack as number `counter` of its ingest and leaves an empty builder behind.
    pub(super) fn seal(&mut self, counter: u64) -> SealedPack {
        let done = std::mem::replace(self, Self::new(self.kind, self.repository, self.nonce));
        let header = PackHeader { kind: done.kind, repository: done.repository, nonce: done.nonce, counter };
        let mut end = done.footer.encode(done.len);
        let mut parts = Vec::with_capacity(done.parts.len() + 2);
        parts.push(Bytes::from(header.encode()));
        parts.extend(done.parts);
        let len = done.len + end.len() as u64;
        let footer_verbatim = end[..end.len() - crate::format::pack::PACK_TRAILER_BYTES as usize].to_vec();
        parts.push(Bytes::from(std::mem::take(&mut end)));
        SealedPack { id: name_of(&parts), parts, len, header, footer_verbatim }
    }
}

impl SealedPack {
    /// Whether it holds recipe nodes.
    pub(super) fn is_metadata(&self) -> bool {
        self.header.kind == PackKind::Metadata
    }

    /// The same records under another name: the counter in the header is another one.
    ///
    /// Counted down from the largest number, it never meets the counter of another pack of the ingest.
    pub(super) fn renamed(mut self) -> Self {
        self.header.counter = u64::MAX - self.header.counter;
        self.parts[0] = Bytes::from(self.header.encode());
        self.id = name_of(&self.parts);
        self
    }
}

fn name_of(parts: &[Bytes]) -> PackId {
    let mut hasher = blake3::Hasher::new();
    parts.iter().for_each(|part| {
        hasher.update(part);
    });
    PackId::from_bytes(*hasher.finalize().as_bytes())
}
