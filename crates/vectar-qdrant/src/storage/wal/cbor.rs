//! CBOR (RFC 8949) of an entry, header by header, over a window of the file.
//!
//! Nothing is allocated by the word of the entry: strings are skipped or read into a buffer of fixed length, counts only end loops
//! that the bytes end as well, and nesting has a limit.

use ciborium_io::Read;
use ciborium_ll::{Decoder, Header};

use crate::error::QdrantError;
use crate::storage::file::Window;

/// Deepest nesting. The library Qdrant reads its entries with stops at the same depth.
const DEPTH_MAX: usize = 128;

/// Longest map key, name or UUID that is looked at. The longest that Qdrant writes has 36 bytes.
const TEXT_BYTES_MAX: usize = 64;

/// Why an entry cannot be read.
#[derive(Debug)]
pub(super) enum CborFault {
    /// The entry ends within a value.
    Cut,
    /// The bytes are not what they must be.
    Wrong(String),
    /// The source failed.
    Source(QdrantError),
}

impl CborFault {
    pub(super) fn wrong(what: impl Into<String>) -> Self {
        Self::Wrong(what.into())
    }
}

impl From<ciborium_ll::Error<CborFault>> for CborFault {
    fn from(error: ciborium_ll::Error<CborFault>) -> Self {
        match error {
            ciborium_ll::Error::Io(fault) => fault,
            ciborium_ll::Error::Syntax(offset) => Self::Wrong(format!("byte {offset} of it is not CBOR")),
        }
    }
}

/// The data of one entry.
#[derive(Debug)]
pub(super) struct EntryBytes<'e, 'w> {
    window: &'e mut Window<'w>,
    start: u64,
    at: u64,
    end: u64,
}

impl<'e, 'w> EntryBytes<'e, 'w> {
    /// `len` bytes from `start` that are in the file.
    pub(super) fn new(window: &'e mut Window<'w>, start: u64, len: u64) -> Self {
        Self { window, start, at: start, end: start + len }
    }

    /// Where the data begins in the file.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Bytes of the data.
    pub(super) fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Its first byte, if it has any.
    pub(super) fn first_byte(&mut self) -> Result<Option<u8>, QdrantError> {
        match self.len() {
            0 => Ok(None),
            _ => self.window.bytes(self.start, 1).map(|bytes| bytes.first().copied()),
        }
    }
}

impl Read for EntryBytes<'_, '_> {
    type Error = CborFault;

    fn read_exact(&mut self, data: &mut [u8]) -> Result<(), CborFault> {
        if data.len() as u64 > self.end - self.at {
            return Err(CborFault::Cut);
        }
        let bytes = self.window.bytes(self.at, data.len()).map_err(CborFault::Source)?;
        data.copy_from_slice(bytes);
        self.at += data.len() as u64;
        Ok(())
    }
}

/// A short string.
#[derive(Clone, Copy, Debug)]
pub(super) struct Short {
    bytes: [u8; TEXT_BYTES_MAX],
    len: usize,
}

impl Short {
    /// Its bytes.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Its text; empty when it is none.
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

/// What is left of an array or map: items, or keys and values; `None` up to the break.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open(Option<u64>);

impl Open {
    /// An array of so many items.
    pub(super) fn array(items: Option<usize>) -> Self {
        Self(items.map(|items| items as u64))
    }

    /// A map of so many pairs.
    pub(super) fn map(pairs: Option<usize>) -> Self {
        Self(pairs.map(|pairs| (pairs as u64).saturating_mul(2)))
    }
}

/// Reads the items of one entry.
pub(super) struct CborReader<'e, 'w> {
    decoder: Decoder<EntryBytes<'e, 'w>>,
}

impl<'e, 'w> CborReader<'e, 'w> {
    pub(super) fn new(bytes: EntryBytes<'e, 'w>) -> Self {
        Self { decoder: Decoder::from(bytes) }
    }

    /// The header of the next item; tags are passed over.
    pub(super) fn header(&mut self) -> Result<Header, CborFault> {
        loop {
            match self.decoder.pull()? {
                Header::Tag(_) => {}
                header => return Ok(header),
            }
        }
    }

    /// The header of the next item of an array or map; `None` at its end.
    pub(super) fn next(&mut self, open: &mut Open) -> Result<Option<Header>, CborFault> {
        if let Some(left) = &mut open.0 {
            let Some(fewer) = left.checked_sub(1) else { return Ok(None) };
            *left = fewer;
        }
        match self.header()? {
            Header::Break if open.0.is_none() => Ok(None),
            Header::Break => Err(CborFault::wrong("a break stands where a value must be")),
            header => Ok(Some(header)),
        }
    }

    /// Reads the string that `header` begins, or skips it when it is too long to matter (`None`), or is no string.
    pub(super) fn short(&mut self, header: Header) -> Result<Option<Short>, CborFault> {
        let (Header::Text(Some(len)) | Header::Bytes(Some(len))) = header else {
            self.skip(header)?;
            return Ok(None);
        };
        if len > TEXT_BYTES_MAX {
            self.skip(header)?;
            return Ok(None);
        }
        let mut short = Short { bytes: [0; TEXT_BYTES_MAX], len };
        self.decoder.read_exact(&mut short.bytes[..len])?;
        Ok(Some(short))
    }

    /// Passes over the rest of the item that `header` begins. Without recursion, so that nesting costs a word for each level.
    pub(super) fn skip(&mut self, header: Header) -> Result<(), CborFault> {
        let mut opened: Vec<Open> = Vec::new();
        let mut header = header;
        loop {
            match header {
                Header::Array(items) => opened.push(Open::array(items)),
                Header::Map(pairs) => opened.push(Open::map(pairs)),
                Header::Bytes(Some(len)) | Header::Text(Some(len)) => self.skip_bytes(len)?,
                // Strings in pieces end with a break, as arrays do, and their pieces are strings.
                Header::Bytes(None) | Header::Text(None) => opened.push(Open(None)),
                Header::Break => return Err(CborFault::wrong("a break stands where a value must be")),
                Header::Positive(_) | Header::Negative(_) | Header::Float(_) | Header::Simple(_) | Header::Tag(_) => {}
            }
            if opened.len() > DEPTH_MAX {
                return Err(CborFault::wrong(format!("it is nested deeper than {DEPTH_MAX}")));
            }
            header = loop {
                let Some(innermost) = opened.last_mut() else { return Ok(()) };
                match self.next(innermost)? {
                    Some(header) => break header,
                    None => opened.pop(),
                };
            };
        }
    }

    /// Passes over bytes of a string.
    fn skip_bytes(&mut self, len: usize) -> Result<(), CborFault> {
        let mut buffer = [0; 1024];
        let mut left = len;
        while left > 0 {
            let piece = left.min(buffer.len());
            self.decoder.read_exact(&mut buffer[..piece])?;
            left -= piece;
        }
        Ok(())
    }

    /// How many bytes were read.
    pub(super) fn offset(&mut self) -> u64 {
        self.decoder.offset() as u64
    }
}
