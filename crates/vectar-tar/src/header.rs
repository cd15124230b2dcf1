//! One 512-byte header block, decoded field by field.
//!
//! ```text
//! offset  bytes  field            offset  bytes  field (GNU)
//!      0    100  name                345     12  atime
//!    100      8  mode                357     12  ctime
//!    108      8  uid                 369     12  offset
//!    116      8  gid                 386     96  4 sparse descriptors of 12 + 12 bytes
//!    124     12  size                482      1  isextended
//!    136     12  mtime               483     12  realsize
//!    148      8  checksum
//!    156      1  typeflag                         (POSIX)
//!    157    100  linkname            345    155  prefix
//!    257      8  magic, version
//! ```
//! Sources: POSIX.1-2017 `pax`, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format"
//! (`struct oldgnu_header`).

use crate::number;
use std::fmt;
use std::ops::Range;

/// Bytes of a tar block: headers are one block long, bodies are padded to whole blocks.
pub const TAR_BLOCK_BYTES: usize = 512;

/// [`TAR_BLOCK_BYTES`] where it is added to offsets.
pub(crate) const BLOCK: u64 = TAR_BLOCK_BYTES as u64;

/// The bytes of one block.
pub(crate) type Block = [u8; TAR_BLOCK_BYTES];

/// Bytes of one sparse descriptor: offset and length, 12 bytes each.
pub(crate) const SPARSE_DESCRIPTOR_BYTES: usize = 24;

const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const SIZE: Range<usize> = 124..136;
const MTIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const TYPE_FLAG: usize = 156;
const LINK_NAME: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..265;
const PREFIX: Range<usize> = 345..500;
const SPARSE: Range<usize> = 386..482;
const IS_EXTENDED: usize = 482;
const REAL_SIZE: Range<usize> = 483..495;
const EXTENSION_SPARSE: Range<usize> = 0..504;
const EXTENSION_IS_EXTENDED: usize = 504;

/// The dialect of a header, told by its magic and version fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeaderStyle {
    /// `"ustar  \0"`: old GNU, what the `tar` crate and GNU tar write by default.
    Gnu,
    /// `"ustar\0"` and version `"00"`: POSIX, the only one in which the name may have a prefix.
    Posix,
    /// Anything else: the header of Unix V7, which has no magic, or an unknown version.
    Old,
}

impl fmt::Display for HeaderStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gnu => "gnu",
            Self::Posix => "posix",
            Self::Old => "old",
        })
    }
}

/// A block whose checksum holds.
#[derive(Clone, Copy)]
pub(crate) struct Header<'a> {
    block: &'a Block,
}

impl<'a> Header<'a> {
    /// Returns the header in `block` if its checksum is right. The magic may be anything: V7
    /// headers have none.
    pub(crate) fn parse(block: &'a Block) -> Option<Self> {
        let declared = number::unsigned(&block[CHECKSUM])?;
        (declared == checksum(block)).then_some(Self { block })
    }

    pub(crate) fn style(self) -> HeaderStyle {
        match &self.block[MAGIC] {
            b"ustar  \0" => HeaderStyle::Gnu,
            b"ustar\x0000" => HeaderStyle::Posix,
            _ => HeaderStyle::Old,
        }
    }

    pub(crate) fn type_flag(self) -> u8 {
        self.block[TYPE_FLAG]
    }

    /// Returns the stored length, or `None` when the field is unreadable, negative or exceeds 63
    /// bits.
    pub(crate) fn size(self) -> Option<u64> {
        number::unsigned(&self.block[SIZE])
    }

    pub(crate) fn mode(self) -> Option<u32> {
        number::unsigned(&self.block[MODE]).and_then(|mode| u32::try_from(mode).ok())
    }

    pub(crate) fn mtime(self) -> Option<i64> {
        number::signed(&self.block[MTIME])
    }

    /// Returns the name with the POSIX prefix before it.
    pub(crate) fn name(self) -> Vec<u8> {
        let name = until_nul(&self.block[NAME]);
        let prefix = match self.style() {
            HeaderStyle::Posix => until_nul(&self.block[PREFIX]),
            HeaderStyle::Gnu | HeaderStyle::Old => &[],
        };
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    pub(crate) fn link_name(self) -> &'a [u8] {
        until_nul(&self.block[LINK_NAME])
    }

    /// Returns the sparse descriptors in the header, used and unused.
    pub(crate) fn sparse_descriptors(self) -> &'a [u8] {
        &self.block[SPARSE]
    }

    /// Tells whether sparse extension blocks follow.
    pub(crate) fn is_extended(self) -> bool {
        self.block[IS_EXTENDED] != 0
    }

    /// Returns the length of a sparse file with its holes.
    pub(crate) fn real_size(self) -> Option<u64> {
        number::unsigned(&self.block[REAL_SIZE])
    }
}

/// Tells whether `block` can open a nested archive: `ustar` magic of any version and the right
/// checksum.
pub(crate) fn opens_archive(block: &Block) -> bool {
    has_magic(block) && Header::parse(block).is_some()
}

/// Tells whether `block` has the magic that GNU and POSIX headers share.
pub(crate) fn has_magic(block: &Block) -> bool {
    block[MAGIC].starts_with(b"ustar")
}

/// Returns the descriptors of a sparse extension block and whether another block follows it.
pub(crate) fn sparse_extension(block: &Block) -> (&[u8], bool) {
    (&block[EXTENSION_SPARSE], block[EXTENSION_IS_EXTENDED] != 0)
}

/// Returns the bytes before the first NUL, or all.
pub(crate) fn until_nul(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    &bytes[..end]
}

/// Returns the sum of all bytes, with the checksum field taken as spaces (POSIX `pax`, "chksum").
fn checksum(block: &Block) -> u64 {
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    let spaces = u32::from(b' ') * 8;
    u64::from(sum(block) - sum(&block[CHECKSUM]) + spaces)
}
