//! Giving an entry another name, so that it can stand in another archive.
//!
//! Only the header changes: sparse descriptors, extension blocks and body stay what they are. Sources: GNU tar manual, "Basic Tar
//! Format" (`././@LongLink`, type `L`); POSIX.1-2017 `pax`, "ustar Interchange Format" (prefix, chksum).

use crate::header::{BLOCK, Block, Header, HeaderStyle, TAR_BLOCK_BYTES};

/// What ends an archive: two blocks of zeros.
pub const END_OF_ARCHIVE: [u8; 2 * TAR_BLOCK_BYTES] = [0; 2 * TAR_BLOCK_BYTES];

/// The longest name that fits into a header; a longer one gets a record of its own before it.
const NAME_BYTES: usize = 100;

/// The header of an entry under another name: with a GNU long-name record before it when the name is longer than 100 bytes.
///
/// `header` is the entry's own header, without records before it. Everything but name and checksum stays as it is; a POSIX header loses
/// its prefix and becomes a GNU one, which has none.
///
/// Returns `None` when that would not be the same entry: the block is no header, or it declares another length than `stored_len` because
/// a PAX record before it overrules it. The name must not be empty nor contain a NUL.
pub fn renamed_header(header: &Block, name: &[u8], stored_len: u64) -> Option<Vec<u8>> {
    let parsed = Header::parse(header)?;
    if parsed.size() != Some(stored_len) || name.is_empty() || name.contains(&0) {
        return None;
    }
    let mut block = *header;
    if parsed.style() == HeaderStyle::Posix {
        block[257..265].copy_from_slice(b"ustar  \0");
        // The GNU fields that lie in the place of the prefix (times, sparse descriptors) are empty.
        block[345..].fill(0);
    }
    let mut blocks = Vec::with_capacity(TAR_BLOCK_BYTES);
    if name.len() > NAME_BYTES {
        blocks.extend(long_name(name));
    }
    let in_header = &name[..name.len().min(NAME_BYTES)];
    block[..NAME_BYTES].fill(0);
    block[..in_header.len()].copy_from_slice(in_header);
    seal(&mut block);
    blocks.extend(block);
    Some(blocks)
}

/// Zeros that fill the last block of a body of `len` bytes.
pub fn padding_of(len: u64) -> usize {
    let over = len % BLOCK;
    usize::try_from((BLOCK - over) % BLOCK).expect("less than a block")
}

/// A record with the name of the next entry, as the `tar` crate writes it: the name, one NUL, padding.
fn long_name(name: &[u8]) -> Vec<u8> {
    let len = name.len() as u64 + 1;
    let mut block: Block = [0; TAR_BLOCK_BYTES];
    block[..13].copy_from_slice(b"././@LongLink");
    for (field, value) in [(100..108, 0o644), (108..116, 0), (116..124, 0)] {
        block[field].copy_from_slice(format!("{value:07o}\0").as_bytes());
    }
    block[124..136].copy_from_slice(format!("{len:011o}\0").as_bytes());
    block[136..148].copy_from_slice(b"00000000000\0");
    block[156] = b'L';
    block[257..265].copy_from_slice(b"ustar  \0");
    seal(&mut block);
    let mut record = block.to_vec();
    record.extend(name);
    record.resize(record.len() + 1 + padding_of(len), 0);
    record
}

/// Writes the checksum as the `tar` crate does: seven octal digits and a NUL.
fn seal(block: &mut Block) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:07o}\0").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SplitOptions, catalogue};

    fn entry(name: &str, body: &[u8], header: tar::Header) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = header;
        header.set_size(body.len() as u64);
        header.set_mode(0o640);
        header.set_mtime(77);
        builder.append_data(&mut header, name, body).unwrap();
        builder.into_inner().unwrap()
    }

    /// Takes the only entry out of an archive and puts it into a new one under `name`; what the `tar` crate reads of it there.
    fn moved(archive: &[u8], name: &str) -> Option<(String, u32, u64, Vec<u8>)> {
        let listed = catalogue(archive, &SplitOptions::default()).unwrap();
        let head = &listed.rows[0].head;
        let entry = head.entry().unwrap();
        let (header, body) = (entry.header_offset as usize, head.offset as usize);
        let block = archive[header..header + 512].try_into().unwrap();
        let mut new = renamed_header(block, name.as_bytes(), entry.stored_len)?;
        new.extend(&archive[body..body + entry.stored_len as usize]);
        new.resize(new.len() + padding_of(entry.stored_len), 0);
        new.extend(END_OF_ARCHIVE);
        assert!(catalogue(&new, &SplitOptions::default()).unwrap().summary.anomalies.is_empty());
        let mut read = tar::Archive::new(&new[..]);
        let mut entry = read.entries().unwrap().next().unwrap().unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        Some((path, entry.header().mode().unwrap(), entry.header().mtime().unwrap(), bytes))
    }

    #[test]
    fn only_the_name_changes_whatever_its_length() {
        for length in [1, 99, 100, 101, 511, 512, 600] {
            for old in [5, 150] {
                let (old, new) = ("o".repeat(old), "n".repeat(length));
                let archive = entry(&old, b"body", tar::Header::new_gnu());
                assert_eq!(moved(&archive, &new).unwrap(), (new, 0o640, 77, b"body".to_vec()));
            }
        }
    }

    #[test]
    fn a_posix_prefix_does_not_stay() {
        let old = format!("{}/{}", "d".repeat(90), "f".repeat(90));
        let archive = entry(&old, b"body", tar::Header::new_ustar());
        assert_eq!(moved(&archive, "short").unwrap(), ("short".to_owned(), 0o640, 77, b"body".to_vec()));
    }

    #[test]
    fn what_would_be_another_entry_is_refused() {
        let archive = entry("a", b"body", tar::Header::new_gnu());
        let header: &Block = archive[..512].try_into().unwrap();
        assert!(renamed_header(header, b"b", 4).is_some());
        assert_eq!(renamed_header(header, b"b", 5), None, "another length");
        assert_eq!(renamed_header(header, b"", 4), None, "no name");
        assert_eq!(renamed_header(header, b"a\0b", 4), None, "a name that would end early");
        let mut broken = *header;
        broken[0] ^= 1;
        assert_eq!(renamed_header(&broken, b"b", 4), None, "no header");
    }

    #[test]
    fn padding_fills_blocks() {
        assert_eq!([0, 1, 511, 512, 513, u64::MAX].map(padding_of), [0, 511, 1, 0, 511, 1]);
    }
}
