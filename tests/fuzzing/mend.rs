//! Puts checksums right, so that what lies behind them is reached.

/// Bytes of a tar header, and where its checksum and its magic stand in it.
const TAR_BLOCK_BYTES: usize = 512;
const TAR_CHECKSUM: std::ops::Range<usize> = 148..156;
const TAR_MAGIC: std::ops::Range<usize> = 257..262;

/// Bytes of the head of a pack record; the last four are the CRC over the rest and the stored bytes.
const RECORD_HEAD_BYTES: usize = 52;

/// Bytes of a pack's trailer: footer length, CRC of the footer, footer offset, four zeros, CRC of these, magic.
const TRAILER_BYTES: usize = 32;

/// Seals every block that has the magic of a tar header.
pub(super) fn tar(input: &[u8]) -> Vec<u8> {
    let mut mended = input.to_vec();
    for block in mended.chunks_exact_mut(TAR_BLOCK_BYTES).filter(|block| &block[TAR_MAGIC] == b"ustar") {
        block[TAR_CHECKSUM].fill(b' ');
        let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
        block[TAR_CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    mended
}

/// Seals the entries of a WAL file, of whose zeros at the end `zeros` are left out.
pub(super) fn wal(bytes: &mut Vec<u8>, zeros: u64) {
    let Some(mut previous) = u32_at(bytes, 4) else { return };
    let mut at = 8_usize;
    while let Some(len) = bytes.get(at..at + 8) {
        let len = u64::from_le_bytes(len.try_into().expect("eight bytes were taken"));
        let Some(end) =
            usize::try_from(len).ok().and_then(|len| (at + 8 + (4_usize.wrapping_sub(len) & 7)).checked_add(len))
        else {
            return;
        };
        // A checksum that ends in zeros may be left out in part.
        if len == 0 || end > bytes.len() || end + 4 > bytes.len() + zeros.min(4) as usize {
            return;
        }
        bytes.resize(bytes.len().max(end + 4), 0);
        previous = crc32c::crc32c_append(!previous.reverse_bits(), &bytes[at..end]);
        bytes[end..end + 4].copy_from_slice(&previous.to_le_bytes());
        at = end + 4;
    }
}

/// The last four of the first `covered + 4` bytes become the CRC of those before.
pub(super) fn crc_behind(input: &[u8], covered: usize) -> Vec<u8> {
    let mut mended = input.to_vec();
    if mended.len() >= covered + 4 {
        let crc = crc32c::crc32c(&mended[..covered]);
        mended[covered..covered + 4].copy_from_slice(&crc.to_le_bytes());
    }
    mended
}

/// Seals a pack record, over as many stored bytes as its head declares.
pub(super) fn pack_record(input: &[u8]) -> Vec<u8> {
    let mut mended = input.to_vec();
    let Some(stored_len) = u32_at(input, 8) else { return mended };
    let Some(stored) = input.get(RECORD_HEAD_BYTES..).and_then(|rest| rest.get(..stored_len as usize)) else {
        return mended;
    };
    let crc = crc32c::crc32c_append(crc32c::crc32c(&input[..RECORD_HEAD_BYTES - 4]), stored);
    mended[RECORD_HEAD_BYTES - 4..RECORD_HEAD_BYTES].copy_from_slice(&crc.to_le_bytes());
    mended
}

/// Seals a footer of the length that the trailer declares, and the trailer.
pub(super) fn pack_footer(input: &[u8]) -> Vec<u8> {
    let mut mended = input.to_vec();
    let Some(trailer) = input.len().checked_sub(TRAILER_BYTES) else { return mended };
    let footer_len = u32_at(input, trailer).map_or(0, |len| len as usize);
    if let Some(start) = trailer.checked_sub(footer_len) {
        let crc = crc32c::crc32c(&input[start..trailer]);
        mended[trailer + 4..trailer + 8].copy_from_slice(&crc.to_le_bytes());
    }
    let crc = crc32c::crc32c(&mended[trailer..trailer + 20]);
    mended[trailer + 20..trailer + 24].copy_from_slice(&crc.to_le_bytes());
    mended
}

/// The length of the pack that a trailer at the end of `input` describes.
pub(super) fn pack_len(input: &[u8]) -> Option<u64> {
    let trailer = input.len().checked_sub(TRAILER_BYTES)?;
    let footer_len = u64::from(u32_at(input, trailer)?);
    let footer_offset = u64::from_le_bytes(input.get(trailer + 8..trailer + 16)?.try_into().ok()?);
    footer_offset.checked_add(footer_len)?.checked_add(TRAILER_BYTES as u64)
}

/// A text object of this kind with what follows the first line of `input`, or all of it, as its JSON.
pub(super) fn frame(kind: &str, input: &[u8]) -> Vec<u8> {
    let start = if input.starts_with(b"vectar ") { input.iter().position(|&byte| byte == b'\n') } else { None };
    let json = start.map_or(input, |end| &input[end + 1..]);
    let json = json.strip_suffix(b"\n").unwrap_or(json);
    let head = format!("vectar {kind} 1 {} {}\n", json.len(), blake3::hash(json).to_hex());
    [head.as_bytes(), json, b"\n"].concat()
}

fn u32_at(input: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(input.get(at..at + 4)?.try_into().ok()?))
}
