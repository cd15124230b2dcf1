//! The parts of a pack: header, record, footer with trailer.

use vectar_repository::format::pack::{
    FooterError, PACK_HEADER_BYTES, PACK_TRAILER_BYTES, PackFooter, PackHeader, RecordHead,
};

use super::{Verdict, mend};

/// A header that is read is written again as the same header.
pub(super) fn check_header(input: &[u8]) -> Verdict {
    header(&mend::crc_behind(input, PACK_HEADER_BYTES as usize - 4));
    header(input)
}

fn header(input: &[u8]) -> Verdict {
    let decoded = PackHeader::decode(input);
    if let Ok(header) = &decoded {
        let encoded = header.encode();
        assert_eq!(encoded.len() as u64, PACK_HEADER_BYTES);
        assert_eq!(PackHeader::decode(&encoded).as_ref(), Ok(header), "a header changes on its way");
    }
    Verdict::of(&decoded)
}

/// A record that is read has the stored bytes it declares, and is written again as the same record.
pub(super) fn check_record(input: &[u8]) -> Verdict {
    record(&mend::pack_record(input));
    record(input)
}

fn record(input: &[u8]) -> Verdict {
    let decoded = RecordHead::decode(input);
    if let Ok((head, stored)) = &decoded {
        assert_eq!(stored.len() as u64, u64::from(head.stored_len));
        assert!(head.record_len() <= input.len() as u64, "a record is longer than the bytes it was read from");
        let encoded = [&head.encode(stored), *stored].concat();
        assert_eq!(RecordHead::decode(&encoded), Ok((*head, *stored)), "a record changes on its way");
    }
    Verdict::of(&decoded)
}

/// A footer that is read lists records without a gap, and is written again as the same footer. One whose beginning is missing asks for
/// more bytes than it was given.
pub(super) fn check_footer(input: &[u8]) -> Verdict {
    let mended = mend::pack_footer(input);
    for suffix in [&mended, input] {
        let _ = PackFooter::decode_verbatim(suffix, suffix.len() as u64);
        if let Some(object_len) = mend::pack_len(suffix) {
            footer(suffix, object_len);
        }
        footer(suffix, suffix.len() as u64);
    }
    mend::pack_len(input).map_or(Verdict::Refused, |object_len| footer(input, object_len))
}

fn footer(suffix: &[u8], object_len: u64) -> Verdict {
    let decoded = PackFooter::decode(suffix, object_len);
    match &decoded {
        Ok(footer) => {
            let footer_offset = footer.entries.iter().fold(PACK_HEADER_BYTES, |end, entry| {
                assert_eq!(u64::from(entry.offset), end, "there is a gap between two records");
                end + entry.head.record_len()
            });
            let encoded = footer.encode(footer_offset);
            let len = footer_offset + encoded.len() as u64;
            assert_eq!(len, object_len);
            assert_eq!(PackFooter::decode(&encoded, len).as_ref(), Ok(footer), "a footer changes on its way");
        }
        Err(FooterError::NeedsMore { suffix_len }) => {
            assert!(*suffix_len > suffix.len() as u64, "a footer asks for what it has");
            assert!(*suffix_len <= u64::from(u32::MAX) + PACK_TRAILER_BYTES, "no footer is that long");
        }
        Err(FooterError::Format(_)) => {}
    }
    Verdict::of(&decoded)
}
