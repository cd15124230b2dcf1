//! Archives built byte by byte, so that a test can get every field wrong.

use std::ops::Range;

/// A header that is not sealed yet: any field may be overwritten.
#[derive(Clone)]
pub(crate) struct RawHeader {
    bytes: [u8; 512],
}

impl RawHeader {
    /// A GNU header of a file with the usual fields.
    pub(crate) fn gnu(name: &str) -> Self {
        let mut bytes = [0; 512];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        bytes[257..265].copy_from_slice(b"ustar  \0");
        bytes[156] = b'0';
        Self { bytes }
            .octal(100..108, 0o644)
            .octal(108..116, 1000)
            .octal(116..124, 1000)
            .octal(124..136, 0)
            .octal(136..148, 1)
    }

    pub(crate) fn posix(name: &str) -> Self {
        Self::gnu(name).field(257, b"ustar\x0000")
    }

    pub(crate) fn field(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.bytes[offset..][..bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Writes octal digits that fill the field up to a NUL, as the `tar` crate does.
    pub(crate) fn octal(self, field: Range<usize>, value: u64) -> Self {
        let digits = field.len() - 1;
        self.field(field.start, format!("{value:0digits$o}\0").as_bytes())
    }

    /// Writes a big-endian number with the top bit of the field set.
    pub(crate) fn base256(mut self, field: Range<usize>, value: u64) -> Self {
        self.bytes[field.clone()].fill(0);
        self.bytes[field.end - 8..field.end].copy_from_slice(&value.to_be_bytes());
        self.bytes[field.start] |= 0x80;
        self
    }

    pub(crate) fn kind(self, type_flag: u8) -> Self {
        self.field(156, &[type_flag])
    }

    pub(crate) fn size(self, bytes: u64) -> Self {
        self.octal(124..136, bytes)
    }

    /// Writes up to four sparse descriptors and the real size.
    pub(crate) fn sparse(mut self, segments: &[(u64, u64)], real_size: u64, extended: bool) -> Self {
        for (i, &(offset, len)) in segments.iter().enumerate() {
            let at = 386 + i * 24;
            self = self.octal(at..at + 12, offset).octal(at + 12..at + 24, len);
        }
        self.kind(b'S').field(482, &[u8::from(extended)]).octal(483..495, real_size)
    }

    /// Writes the checksum.
    pub(crate) fn seal(mut self) -> [u8; 512] {
        self.bytes[148..156].fill(b' ');
        let sum: u64 = self.bytes.iter().map(|&byte| u64::from(byte)).sum();
        self.octal(148..156, sum).bytes
    }
}

/// A sparse extension block of up to 21 descriptors.
pub(crate) fn sparse_extension(segments: &[(u64, u64)], more: bool) -> [u8; 512] {
    let mut block = [0; 512];
    for (i, &(offset, len)) in segments.iter().enumerate() {
        let text = format!("{offset:011o}\0{len:011o}\0");
        block[i * 24..][..24].copy_from_slice(text.as_bytes());
    }
    block[504] = u8::from(more);
    block
}

/// An archive under construction.
#[derive(Clone, Default)]
pub(crate) struct RawTar {
    bytes: Vec<u8>,
}

impl RawTar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(crate) fn header(self, header: RawHeader) -> Self {
        self.raw(&header.seal())
    }

    /// Bytes and their padding.
    pub(crate) fn body(self, bytes: &[u8]) -> Self {
        let padding = bytes.len().wrapping_neg() % 512;
        self.raw(bytes).raw(&vec![0; padding])
    }

    /// An entry with its size filled in.
    pub(crate) fn entry(self, header: RawHeader, body: &[u8]) -> Self {
        self.header(header.size(body.len() as u64)).body(body)
    }

    pub(crate) fn file(self, name: &str, body: &[u8]) -> Self {
        self.entry(RawHeader::gnu(name), body)
    }

    /// A record of type `L` or `K`, as GNU tar writes it.
    pub(crate) fn long(self, type_flag: u8, name: &str) -> Self {
        let body = [name.as_bytes(), b"\0"].concat();
        self.entry(RawHeader::gnu("././@LongLink").kind(type_flag), &body)
    }

    /// A PAX header of type `x` or `g`.
    pub(crate) fn pax(self, type_flag: u8, records: &[(&str, &str)]) -> Self {
        let body: String = records.iter().map(|(keyword, value)| pax_record(keyword, value)).collect();
        self.entry(RawHeader::posix("PaxHeaders/x").kind(type_flag), body.as_bytes())
    }

    pub(crate) fn zero_blocks(self, count: usize) -> Self {
        self.raw(&vec![0; 512 * count])
    }

    /// The archive without any end.
    pub(crate) fn open(self) -> Vec<u8> {
        self.bytes
    }

    /// The archive with its two zero blocks.
    pub(crate) fn close(self) -> Vec<u8> {
        self.zero_blocks(2).bytes
    }
}

/// A record with its own length before it.
fn pax_record(keyword: &str, value: &str) -> String {
    let rest = format!(" {keyword}={value}\n");
    let mut len = rest.len();
    while len != rest.len() + len.to_string().len() {
        len = rest.len() + len.to_string().len();
    }
    format!("{len}{rest}")
}
