//! Packs: a header, self-describing records, a footer that lists them, a fixed trailer.
//!
//! ```text
//! header 64 │ record │ record │ … │ footer: 16 + 48·entries + 72·bodies │ trailer 32
//! record = 52-byte head (magic, kind, codec, label, lengths, id, CRC32C) + stored bytes
//! ```
//!
//! - The footer makes opening cheap: one read of the object's end lists every chunk.
//! - The records make losing the footer survivable: a forward scan finds each of them.
//! - The pack's name is the BLAKE3 of all its bytes, so a name can be checked without key or index.
//! - The header holds the ingest's random nonce and a counter, so no two packs ever have the same bytes and no name recurs.

use vectar_chunk::{BodyDigest, NodeId};

use super::{
    Fields, FormatError,
    ids::{IngestNonce, RepositoryId},
};

/// Bytes of the pack header.
pub const PACK_HEADER_BYTES: u64 = 64;
/// Bytes of the head of each record.
pub const RECORD_HEAD_BYTES: u64 = 52;
/// Bytes of the trailer, the last thing in a pack.
pub const PACK_TRAILER_BYTES: u64 = 32;
/// Largest pack that is read: offsets inside a pack are 32 bits wide.
pub const PACK_BYTES_MAX: u64 = u32::MAX as u64;

const FOOTER_HEAD_BYTES: usize = 16;
pub(crate) const FOOTER_ENTRY_BYTES: usize = 48;
pub(crate) const FOOTER_BODY_BYTES: usize = 72;

const PACK_MAGIC: &[u8; 8] = b"VCTRPACK";
pub(crate) const RECORD_MAGIC: &[u8; 4] = b"VREC";
const FOOTER_MAGIC: &[u8; 8] = b"VCTRFOOT";
/// The last byte is the version of pack, footer and trailer as an ASCII digit: whoever reads a pack begins here.
const TRAILER_MAGIC: &[u8; 8] = b"VCTREND1";
const PACK_VERSION: u16 = 1;

/// What a pack holds. Recipes and data are kept apart so that opening, listing and tiering touch small objects only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PackKind {
    /// Data chunks.
    Data,
    /// Recipe nodes, later row directories.
    Metadata,
}

impl PackKind {
    fn code(self) -> u8 {
        match self {
            Self::Data => 1,
            Self::Metadata => 2,
        }
    }

    fn from_code(code: u8) -> Result<Self, FormatError> {
        match code {
            1 => Ok(Self::Data),
            2 => Ok(Self::Metadata),
            other => Err(FormatError::invalid("pack header", format_args!("pack kind {other} is not known"))),
        }
    }
}

/// What one record in a pack is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordKind {
    /// A data chunk.
    Chunk,
    /// A recipe node.
    Node,
    /// A row directory. Reserved: version 1 writes none, and reads packs that hold some.
    RowDirectory,
}

impl RecordKind {
    /// The code in records and footers.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Chunk => 1,
            Self::Node => 2,
            Self::RowDirectory => 3,
        }
    }

    /// Reads the code back.
    ///
    /// # Errors
    /// [`FormatError::Invalid`] for a code this version does not know.
    pub fn from_code(code: u8) -> Result<Self, FormatError> {
        match code {
            1 => Ok(Self::Chunk),
            2 => Ok(Self::Node),
            3 => Ok(Self::RowDirectory),
            other => Err(FormatError::invalid("pack", format_args!("record kind {other} is not known"))),
        }
    }
}

/// The first 64 bytes of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackHeader {
    /// What the pack holds.
    pub kind: PackKind,
    /// The repository it was written for.
    pub repository: RepositoryId,
    /// The ingest that wrote it.
    pub nonce: IngestNonce,
    /// Counts the packs of that ingest from 0.
    pub counter: u64,
}

impl PackHeader {
    /// Encodes the header.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(PACK_HEADER_BYTES as usize);
        out.extend_from_slice(PACK_MAGIC);
        out.extend_from_slice(&PACK_VERSION.to_le_bytes());
        out.extend_from_slice(&[self.kind.code(), 0]);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(self.repository.as_bytes());
        out.extend_from_slice(self.nonce.as_bytes());
        out.extend_from_slice(&self.counter.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        append_crc(&mut out, 0);
        out
    }

    /// Decodes the header from the start of a pack.
    ///
    /// # Errors
    /// Any [`FormatError`]; a version above 1 is [`FormatError::NewerVersion`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let what = "pack header";
        let mut fields = Fields::new(what, bytes);
        let head = fields.take(PACK_HEADER_BYTES as usize)?;
        let mut fields = Fields::new(what, head);
        if fields.take(8)? != PACK_MAGIC {
            return Err(FormatError::Magic { what });
        }
        check_crc(what, head)?;
        let version = fields.u16()?;
        if version > PACK_VERSION {
            return Err(FormatError::NewerVersion { what, found: version.into(), supported: PACK_VERSION.into() });
        }
        let kind = PackKind::from_code(fields.u8()?)?;
        fields.take(5)?;
        Ok(Self {
            kind,
            repository: RepositoryId::from_bytes(fields.array()?),
            nonce: IngestNonce::from_bytes(fields.array()?),
            counter: fields.u64()?,
        })
    }
}

/// What stands in front of the stored bytes of one record, and once more in the footer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHead {
    /// Chunk, node, …
    pub kind: RecordKind,
    /// How the bytes are encoded; `vectar_chunk::CodecId` as a number.
    pub codec: u8,
    /// A free label the writer gave (the engine: the class of the bytes). It informs statistics and nothing else.
    pub label: u8,
    /// Bytes that follow the head.
    pub stored_len: u32,
    /// Bytes after decoding.
    pub raw_len: u32,
    /// Keyed BLAKE3 of the decoded bytes, in the domain that `kind` says.
    pub id: [u8; 32],
}

impl RecordHead {
    /// Encodes the head for these stored bytes; the CRC covers both.
    #[must_use]
    pub fn encode(&self, stored: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(RECORD_HEAD_BYTES as usize);
        out.extend_from_slice(RECORD_MAGIC);
        out.extend_from_slice(&[self.kind.code(), self.codec, self.label, 0]);
        out.extend_from_slice(&self.stored_len.to_le_bytes());
        out.extend_from_slice(&self.raw_len.to_le_bytes());
        out.extend_from_slice(&self.id);
        let crc = crc32c::crc32c_append(crc32c::crc32c(&out), stored);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// Decodes a record: the head and the stored bytes behind it, CRC checked.
    ///
    /// `bytes` starts at the record and may run on behind it.
    ///
    /// # Errors
    /// Any [`FormatError`]. Nothing is allocated.
    pub fn decode(bytes: &[u8]) -> Result<(Self, &[u8]), FormatError> {
        let what = "pack record";
        let mut fields = Fields::new(what, bytes);
        if fields.take(4)? != RECORD_MAGIC {
            return Err(FormatError::Magic { what });
        }
        let (kind, codec, label, _) = (fields.u8()?, fields.u8()?, fields.u8()?, fields.u8()?);
        let (stored_len, raw_len) = (fields.u32()?, fields.u32()?);
        let (id, crc) = (fields.array()?, fields.u32()?);
        let stored = fields.take(stored_len as usize)?;
        let computed = crc32c::crc32c_append(crc32c::crc32c(&bytes[..RECORD_HEAD_BYTES as usize - 4]), stored);
        if computed != crc {
            return Err(FormatError::Checksum {
                what,
                recorded: format!("{crc:08x}"),
                computed: format!("{computed:08x}"),
            });
        }
        Ok((Self { kind: RecordKind::from_code(kind)?, codec, label, stored_len, raw_len, id }, stored))
    }

    /// Bytes of the whole record, head included.
    #[must_use]
    pub fn record_len(&self) -> u64 {
        RECORD_HEAD_BYTES + u64::from(self.stored_len)
    }
}

/// One line of a footer: a record and where it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FooterEntry {
    /// The record's head.
    pub head: RecordHead,
    /// Offset of the record's head in the pack.
    pub offset: u32,
}

/// A body digest and the recipe node that rebuilds that body.
///
/// It is a shortcut: losing it costs time, never bytes, and it is used only when the node and everything behind it resolve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyEntry {
    /// Keyed BLAKE3 of the body, in the domain of bodies.
    pub digest: BodyDigest,
    /// The node that rebuilds it.
    pub node: NodeId,
    /// Length of the body in bytes.
    pub len: u64,
}

/// The list of everything in a pack, which lies near its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PackFooter {
    /// One line for each record, in the order of their offsets, which leave no gap.
    pub entries: Vec<FooterEntry>,
    /// Bodies whose recipes were written by the same ingest.
    pub bodies: Vec<BodyEntry>,
}

impl PackFooter {
    /// Encodes footer and trailer for records that end at `footer_offset`.
    #[must_use]
    pub fn encode(&self, footer_offset: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_len() + PACK_TRAILER_BYTES as usize);
        out.extend_from_slice(FOOTER_MAGIC);
        out.extend_from_slice(&count(self.entries.len()).to_le_bytes());
        out.extend_from_slice(&count(self.bodies.len()).to_le_bytes());
        for FooterEntry { head, offset } in &self.entries {
            out.extend_from_slice(&head.id);
            out.extend_from_slice(&offset.to_le_bytes());
            out.extend_from_slice(&head.stored_len.to_le_bytes());
            out.extend_from_slice(&head.raw_len.to_le_bytes());
            out.extend_from_slice(&[head.kind.code(), head.codec, head.label, 0]);
        }
        for body in &self.bodies {
            out.extend_from_slice(body.digest.as_bytes());
            out.extend_from_slice(body.node.as_bytes());
            out.extend_from_slice(&body.len.to_le_bytes());
        }
        let footer_crc = crc32c::crc32c(&out);
        let footer_len = count(out.len());
        let trailer_start = out.len();
        out.extend_from_slice(&footer_len.to_le_bytes());
        out.extend_from_slice(&footer_crc.to_le_bytes());
        out.extend_from_slice(&footer_offset.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        append_crc(&mut out, trailer_start);
        out.extend_from_slice(TRAILER_MAGIC);
        out
    }

    fn encoded_len(&self) -> usize {
        FOOTER_HEAD_BYTES + FOOTER_ENTRY_BYTES * self.entries.len() + FOOTER_BODY_BYTES * self.bodies.len()
    }

    /// Decodes the footer of an object of `object_len` bytes, given its last bytes.
    ///
    /// # Errors
    /// [`FooterError::NeedsMore`] when `suffix` does not reach back to the footer's start, else the damage.
    pub fn decode(suffix: &[u8], object_len: u64) -> Result<Self, FooterError> {
        let trailer = Trailer::decode(suffix, object_len)?;
        let needed = u64::from(trailer.footer_len) + PACK_TRAILER_BYTES;
        if needed > suffix.len() as u64 {
            return Err(FooterError::NeedsMore { suffix_len: needed });
        }
        let start = suffix.len() - needed as usize;
        let footer = &suffix[start..suffix.len() - PACK_TRAILER_BYTES as usize];
        let computed = crc32c::crc32c(footer);
        if computed != trailer.footer_crc {
            let (recorded, computed) = (format!("{:08x}", trailer.footer_crc), format!("{computed:08x}"));
            return Err(FormatError::Checksum { what: "pack footer", recorded, computed }.into());
        }
        Ok(Self::decode_verbatim(footer, trailer.footer_offset)?)
    }

    /// Decodes the footer's own bytes, as the chunk index keeps them: from its magic to before the trailer.
    ///
    /// # Errors
    /// Any [`FormatError`], among them entries that do not tile the bytes between header and `footer_offset`.
    pub fn decode_verbatim(footer: &[u8], footer_offset: u64) -> Result<Self, FormatError> {
        let what = "pack footer";
        let mut fields = Fields::new(what, footer);
        if fields.take(8)? != FOOTER_MAGIC {
            return Err(FormatError::Magic { what });
        }
        let (entry_count, body_count) = (fields.u32()? as usize, fields.u32()? as usize);
        let expected =
            (entry_count as u64) * FOOTER_ENTRY_BYTES as u64 + (body_count as u64) * FOOTER_BODY_BYTES as u64;
        if expected != fields.remaining() as u64 {
            let (needed, found) = (expected, fields.remaining() as u64);
            return Err(FormatError::Truncated { what, offset: FOOTER_HEAD_BYTES as u64, needed, found });
        }
        let mut next_offset = PACK_HEADER_BYTES;
        let mut footer = Self { entries: Vec::with_capacity(entry_count), bodies: Vec::with_capacity(body_count) };
        for _ in 0..entry_count {
            let entry = decode_entry(&mut fields)?;
            if u64::from(entry.offset) != next_offset {
                let reason =
                    format_args!("a record is listed at {}, expected at {next_offset}", entry.offset).to_string();
                return Err(FormatError::invalid(what, reason));
            }
            next_offset += entry.head.record_len();
            footer.entries.push(entry);
        }
        if next_offset != footer_offset {
            return Err(FormatError::invalid(
                what,
                format_args!("records end at {next_offset}, the footer starts at {footer_offset}"),
            ));
        }
        for _ in 0..body_count {
            let digest = BodyDigest::from_bytes(fields.array()?);
            let node = NodeId::from_bytes(fields.array()?);
            footer.bodies.push(BodyEntry { digest, node, len: fields.u64()? });
        }
        fields.finish()?;
        Ok(footer)
    }
}

/// The ids in a footer's own bytes, without looking at anything else of it.
///
/// # Errors
/// It is no footer, or has another length than it says.
pub(crate) fn ids_in_footer(footer: &[u8]) -> Result<impl Iterator<Item = &[u8; 32]>, FormatError> {
    let what = "pack footer";
    let mut fields = Fields::new(what, footer);
    if fields.take(8)? != FOOTER_MAGIC {
        return Err(FormatError::Magic { what });
    }
    let (entry_count, body_count) = (u64::from(fields.u32()?), u64::from(fields.u32()?));
    let entries_bytes = entry_count * FOOTER_ENTRY_BYTES as u64;
    let (needed, found) = (entries_bytes + body_count * FOOTER_BODY_BYTES as u64, fields.remaining() as u64);
    if needed != found {
        return Err(FormatError::Truncated { what, offset: FOOTER_HEAD_BYTES as u64, needed, found });
    }
    let entries = fields.take(entries_bytes as usize)?.chunks_exact(FOOTER_ENTRY_BYTES);
    Ok(entries.map(|entry| entry.first_chunk().expect("a line of a footer begins with an id")))
}

fn decode_entry(fields: &mut Fields<'_>) -> Result<FooterEntry, FormatError> {
    let id = fields.array()?;
    let (offset, stored_len, raw_len) = (fields.u32()?, fields.u32()?, fields.u32()?);
    let (kind, codec, label, _) = (fields.u8()?, fields.u8()?, fields.u8()?, fields.u8()?);
    let head = RecordHead { kind: RecordKind::from_code(kind)?, codec, label, stored_len, raw_len, id };
    Ok(FooterEntry { head, offset })
}

/// Why a footer could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FooterError {
    /// The footer is longer than the bytes at hand; read that many from the end and decode again.
    #[error("the footer needs the last {suffix_len} bytes of the pack")]
    NeedsMore {
        /// Bytes to read from the end of the object, trailer included.
        suffix_len: u64,
    },
    /// The footer or the trailer is damaged.
    #[error(transparent)]
    Format(#[from] FormatError),
}

/// The last 32 bytes of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    /// Bytes of the footer, which ends where the trailer starts.
    pub footer_len: u32,
    /// CRC32C of the footer.
    pub footer_crc: u32,
    /// Offset of the footer in the pack.
    pub footer_offset: u64,
}

impl Trailer {
    /// Decodes the trailer from the last bytes of an object of `object_len` bytes.
    ///
    /// # Errors
    /// Any [`FormatError`], among them lengths that do not add up to `object_len`.
    pub fn decode(suffix: &[u8], object_len: u64) -> Result<Self, FormatError> {
        let what = "pack trailer";
        let short = FormatError::Truncated { what, offset: 0, needed: PACK_TRAILER_BYTES, found: suffix.len() as u64 };
        let start = suffix.len().checked_sub(PACK_TRAILER_BYTES as usize).ok_or(short)?;
        let (body, magic) = suffix[start..].split_at(PACK_TRAILER_BYTES as usize - 8);
        if magic != TRAILER_MAGIC {
            return Err(match (magic.strip_prefix(&TRAILER_MAGIC[..7]), u64::from(PACK_VERSION)) {
                (Some([digit @ b'2'..=b'9']), supported) => {
                    FormatError::NewerVersion { what, found: u64::from(digit - b'0'), supported }
                }
                _ => FormatError::Magic { what },
            });
        }
        check_crc(what, body)?;
        let mut fields = Fields::new(what, body);
        let trailer = Self { footer_len: fields.u32()?, footer_crc: fields.u32()?, footer_offset: fields.u64()? };
        let end = trailer.footer_offset.checked_add(u64::from(trailer.footer_len) + PACK_TRAILER_BYTES);
        if end != Some(object_len) || object_len > PACK_BYTES_MAX {
            let reason =
                format!("it describes a pack of {} bytes, the object has {object_len}", end.unwrap_or(u64::MAX));
            return Err(FormatError::invalid(what, reason));
        }
        Ok(trailer)
    }
}

fn count(len: usize) -> u32 {
    u32::try_from(len).expect("packs stay below 4 GiB, so their parts do")
}

fn append_crc(out: &mut Vec<u8>, from: usize) {
    let crc = crc32c::crc32c(&out[from..]);
    out.extend_from_slice(&crc.to_le_bytes());
}

fn check_crc(what: &'static str, bytes: &[u8]) -> Result<(), FormatError> {
    let (covered, crc) = bytes.split_at(bytes.len() - 4);
    let recorded = u32::from_le_bytes(crc.try_into().expect("split off four bytes"));
    let computed = crc32c::crc32c(covered);
    if recorded == computed {
        return Ok(());
    }
    Err(FormatError::Checksum { what, recorded: format!("{recorded:08x}"), computed: format!("{computed:08x}") })
}
