//! The compact bitmask: one flag for each row, written as a whole (`qdrant v1.19.0 lib/common/common/src/stored_bitmask/`).
//!
//! | Bytes | Content |
//! |---|---|
//! | 0..4 | `QBMK` |
//! | 4..8 | u32 version, 1 |
//! | 8..16 | u64 number of bits |
//! | 16..20 | u32 encoding: 0 dense, 1 roaring bitmap of the ones, 2 roaring bitmap of the zeros |
//! | 20..24 | u32 0 |
//! | 24..32 | u64 length of the rest |
//! | 32.. | dense: bits, least significant first, in whole 8-byte words; else the portable serialisation of a roaring bitmap |
//!
//! The server takes whichever of the three is shortest. A roaring bitmap (`RoaringFormatSpec`, 32 bits) is, little-endian:
//!
//! | Part | Content |
//! |---|---|
//! | cookie | u32 12346, then u32 containers; or u16 12347, u16 containers − 1, then one bit for each container: it holds runs |
//! | heads | for each container u16 key, u16 members − 1; keys ascend and are the upper 16 bits of the members |
//! | offsets | for each container u32; absent where there are runs and fewer than four containers. Not needed to read in order |
//! | containers | runs: u16 count, then u16 first, u16 length − 1 each; at most 4096 members: u16 each; else 8192 bytes of bits |
//!
//! Seen in `id_tracker.is_uuid` as Qdrant's own engine writes it (`qdrant-edge-py` 0.9.0): dense, and ones in runs. The other
//! containers are checked against the bytes of an independent roaring implementation.

use super::bits::Bits;
use super::file::{StoredFile, Window};
use crate::error::QdrantError;

const MAGIC: [u8; 4] = *b"QBMK";
const VERSION: u32 = 1;
const HEADER_BYTES: u64 = 32;

const COOKIE_WITHOUT_RUNS: u32 = 12_346;
const COOKIE_WITH_RUNS: u32 = 12_347;
/// Containers in the whole space of 32 bits.
const CONTAINERS_MAX: u32 = 1 << 16;
/// With runs, fewer containers than these have no offsets.
const OFFSETS_FROM: u32 = 4;
/// A container with more members is a bitmap.
const ARRAY_MEMBERS_MAX: u32 = 4096;
const BITMAP_BYTES: u64 = 8192;

/// Reads a compact bitmask of at most `bits_max` bits.
///
/// Takes `bits_max / 8` bytes of memory at most, whatever the file says; time is bounded by the file's length and `bits_max`.
///
/// # Errors
/// [`QdrantError::FileDamaged`] when the file is not what the table above says, or has more bits;
/// [`QdrantError::NotKnown`] for another version.
pub fn read_stored_bitmask(file: &StoredFile<'_>, bits_max: u64) -> Result<Bits, QdrantError> {
    let header = Header::read(file)?;
    if header.bits > bits_max {
        return Err(file.damaged(8, format!("the mask has {} bits, expected at most {bits_max}", header.bits)));
    }
    match header.encoding {
        Encoding::Dense => {
            let bytes = header.bits.div_ceil(8);
            if bytes > header.payload_bytes {
                let what = format!("{} bytes hold the mask, expected at least {bytes}", header.payload_bytes);
                return Err(file.damaged(24, what));
            }
            let mut dense = vec![0; bytes as usize];
            file.read_exact_at(HEADER_BYTES, &mut dense)?;
            Ok(Bits::new(dense, header.bits))
        }
        Encoding::Ones => Roaring::new(file, &header).read(true),
        Encoding::Zeros => Roaring::new(file, &header).read(false),
    }
}

enum Encoding {
    Dense,
    Ones,
    Zeros,
}

struct Header {
    bits: u64,
    encoding: Encoding,
    payload_bytes: u64,
}

impl Header {
    fn read(file: &StoredFile<'_>) -> Result<Self, QdrantError> {
        let mut bytes = [0; HEADER_BYTES as usize];
        file.read_exact_at(0, &mut bytes)?;
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        if bytes[..4] != MAGIC {
            return Err(file.damaged(0, "the file does not begin with QBMK"));
        }
        if u32_at(4) != VERSION {
            let what = format!("a bitmask of version {}, only version {VERSION} is known", u32_at(4));
            return Err(QdrantError::NotKnown { path: file.path().to_owned(), what });
        }
        let bits = u64_at(8);
        if bits > 1 << 32 {
            return Err(file.damaged(8, format!("the mask has {bits} bits, expected at most 2^32")));
        }
        let encoding = match u32_at(16) {
            0 => Encoding::Dense,
            1 => Encoding::Ones,
            2 => Encoding::Zeros,
            other => return Err(file.damaged(16, format!("encoding {other}, expected 0, 1 or 2"))),
        };
        let payload_bytes = u64_at(24);
        if payload_bytes > file.len() - HEADER_BYTES {
            let what =
                format!("{payload_bytes} bytes follow the header, and the file has {}", file.len() - HEADER_BYTES);
            return Err(file.damaged(24, what));
        }
        Ok(Self { bits, encoding, payload_bytes })
    }
}

/// A roaring bitmap, read from front to back.
struct Roaring<'f> {
    window: Window<'f>,
    at: u64,
    end: u64,
    bits: u64,
}

struct Container {
    key: u16,
    members: u32,
    has_runs: bool,
}

impl<'f> Roaring<'f> {
    fn new(file: &'f StoredFile<'f>, header: &Header) -> Self {
        Self {
            window: Window::new(file),
            at: HEADER_BYTES,
            end: HEADER_BYTES + header.payload_bytes,
            bits: header.bits,
        }
    }

    /// The mask: members are `is_set`, all others are not.
    fn read(mut self, is_set: bool) -> Result<Bits, QdrantError> {
        let containers = self.heads()?;
        // Bounded by the caller, who names the most bits there may be.
        let background = if is_set { 0 } else { 0xff };
        let mut mask = Bits::new(vec![background; self.bits.div_ceil(8) as usize], self.bits);
        for container in containers {
            self.container(&container, |row| mask.set(row, is_set))?;
        }
        Ok(mask)
    }

    fn heads(&mut self) -> Result<Vec<Container>, QdrantError> {
        let at = self.at;
        let cookie = u32::from_le_bytes(self.take()?);
        let (count, run_flags) = match cookie {
            COOKIE_WITHOUT_RUNS => (u32::from_le_bytes(self.take()?), None),
            _ if cookie & 0xffff == COOKIE_WITH_RUNS => {
                let count = (cookie >> 16) + 1;
                // At most 8192 bytes.
                (count, Some(self.bytes(count.div_ceil(8) as usize)?.to_vec()))
            }
            _ => return Err(self.damaged(at, format!("{cookie:#010x} begins no roaring bitmap"))),
        };
        if count > CONTAINERS_MAX {
            return Err(self.damaged(at, format!("{count} containers, expected at most {CONTAINERS_MAX}")));
        }
        let mut containers: Vec<Container> = Vec::new();
        for index in 0..count {
            let at = self.at;
            let key = u16::from_le_bytes(self.take()?);
            let members = u32::from(u16::from_le_bytes(self.take()?)) + 1;
            if containers.last().is_some_and(|last| last.key >= key) {
                return Err(self.damaged(at, format!("container {key} does not come after the one before it")));
            }
            let has_runs = run_flags.as_ref().is_some_and(|flags| flags[index as usize / 8] >> (index % 8) & 1 == 1);
            containers.push(Container { key, members, has_runs });
        }
        if run_flags.is_none() || count >= OFFSETS_FROM {
            self.at = self.at.saturating_add(4 * u64::from(count));
        }
        Ok(containers)
    }

    fn container(&mut self, container: &Container, mut member: impl FnMut(u64)) -> Result<(), QdrantError> {
        let base = u64::from(container.key) << 16;
        let rows = self.bits;
        let is_outside = |row: u64| row >= rows;
        if container.has_runs {
            let runs = u16::from_le_bytes(self.take()?);
            // Runs must ascend: overlapping ones would cost a hostile file nothing and us 2^32 steps a container.
            let mut free_from = 0;
            for _ in 0..runs {
                let at = self.at;
                let first = u64::from(u16::from_le_bytes(self.take()?));
                let last = first + u64::from(u16::from_le_bytes(self.take()?));
                if first < free_from || is_outside(base + last) || last > 0xffff {
                    return Err(self.damaged(at, format!("a run of {first} to {last} does not fit there")));
                }
                (base + first..=base + last).for_each(&mut member);
                free_from = last + 1;
            }
        } else if container.members <= ARRAY_MEMBERS_MAX {
            for _ in 0..container.members {
                let at = self.at;
                let row = base + u64::from(u16::from_le_bytes(self.take()?));
                if is_outside(row) {
                    return Err(self.damaged(at, format!("bit {row}, and the mask has {rows}")));
                }
                member(row);
            }
        } else {
            let at = self.at;
            let bitmap = self.bytes(BITMAP_BYTES as usize)?.to_vec();
            for (index, byte) in bitmap.iter().enumerate().filter(|(_, byte)| **byte != 0) {
                for bit in (0..8).filter(|bit| byte >> bit & 1 == 1) {
                    let row = base + index as u64 * 8 + bit;
                    if is_outside(row) {
                        return Err(self.damaged(at + index as u64, format!("bit {row}, and the mask has {rows}")));
                    }
                    member(row);
                }
            }
        }
        Ok(())
    }

    fn bytes(&mut self, len: usize) -> Result<&[u8], QdrantError> {
        let at = self.at;
        self.at = at.saturating_add(len as u64);
        if self.at > self.end {
            let what = format!("the roaring bitmap needs {len} bytes there, and ends at {}", self.end);
            return Err(self.window.file().damaged(at, what));
        }
        self.window.bytes(at, len)
    }

    fn take<const LEN: usize>(&mut self) -> Result<[u8; LEN], QdrantError> {
        Ok(self.bytes(LEN)?.try_into().expect("as many bytes as asked for"))
    }

    fn damaged(&self, at: u64, what: String) -> QdrantError {
        self.window.file().damaged(at, what)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(bits: u64, encoding: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = b"QBMK\x01\0\0\0".to_vec();
        bytes.extend(bits.to_le_bytes());
        bytes.extend(encoding.to_le_bytes());
        bytes.extend(0_u32.to_le_bytes());
        bytes.extend((payload.len() as u64).to_le_bytes());
        bytes.extend(payload);
        bytes
    }

    fn read(bytes: &[u8], bits_max: u64) -> Result<Bits, QdrantError> {
        read_stored_bitmask(&StoredFile::new("id_tracker.is_uuid", bytes), bits_max)
    }

    fn ones(mask: &Bits) -> Vec<u64> {
        (0..mask.len()).filter(|row| mask.get(*row)).collect()
    }

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn dense() {
        let bytes = file(11, 0, &[0b101, 0xff, 0, 0, 0, 0, 0, 0]);
        assert_eq!(ones(&read(&bytes, 11).unwrap()), [0, 2, 8, 9, 10]);
        let error = read(&bytes, 10).unwrap_err().to_string();
        assert_eq!(error, "id_tracker.is_uuid, byte 8: the mask has 11 bits, expected at most 10");
        assert!(read(&file(65, 0, &[0; 8]), 100).is_err());
    }

    /// The payloads are what CRoaring serialises.
    #[test]
    fn roaring_as_others_write_it() {
        let array = unhex("3a300000020000000000020001000000180000001e0000000000030009007011");
        assert_eq!(ones(&read(&file(70_001, 1, &array), 70_001).unwrap()), [0, 3, 9, 70_000]);
        let zeros = read(&file(70_001, 2, &array), 70_001).unwrap();
        assert_eq!((zeros.len(), zeros.count_ones(), zeros.get(9), zeros.get(10)), (70_001, 69_997, false, true));

        let runs = unhex("3b300200050000e901010000000300630001000a00e90171110100400d6300");
        let expected: Vec<u64> = (10..500).chain([70_001]).chain(200_000..200_100).collect();
        assert_eq!(ones(&read(&file(200_100, 1, &runs), 1 << 32).unwrap()), expected);
        // One bit fewer than the last run needs.
        assert!(read(&file(200_099, 1, &runs), 1 << 32).is_err());

        // Five containers: with offsets.
        let runs = unhex(
            "3b3004001f00002601010026010200260103002601040026012d00000033000000390000003f0000004500000001000500260101000500\
             260101000500260101000500260101000500\
             2601",
        );
        let expected: Vec<u64> = (0..5_u64).flat_map(|key| key * 65_536 + 5..key * 65_536 + 300).collect();
        assert_eq!(ones(&read(&file(1 << 19, 1, &runs), 1 << 32).unwrap()), expected);
    }

    #[test]
    fn roaring_bitmap_container() {
        let mut payload = unhex("3a30000001000000");
        payload.extend(unhex("0000ff1f10000000"));
        let mut bits = vec![0; BITMAP_BYTES as usize];
        bits[..1024].fill(0xff);
        payload.extend(&bits);
        assert_eq!(read(&file(8192, 1, &payload), 8192).unwrap().count_ones(), 8192);
        assert!(read(&file(8191, 1, &payload), 8192).is_err());
        payload.pop();
        assert!(read(&file(8192, 1, &payload), 8192).is_err());
    }

    /// Overlapping runs and containers would make a small file costly.
    #[test]
    fn what_repeats_is_refused() {
        let runs = unhex("3b3000000100000100020000000f0005000300");
        assert!(read(&file(100, 1, &runs), 100).unwrap_err().to_string().contains("a run of 5 to 8"));
        let containers = unhex("3a30000002000000000000000000000000000000000000000000");
        assert!(read(&file(100, 1, &containers), 100).unwrap_err().to_string().contains("does not come after"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bits in 0..300_u64, encoding in 0..4_u32, payload: Vec<u8>, head in 0..3_u8) {
            let mut bytes = unhex(["", "3a300000", "3b300000"][usize::from(head)]);
            bytes.extend(payload);
            if let Ok(mask) = read(&file(bits, encoding, &bytes), 300) {
                prop_assert_eq!(mask.len(), bits);
            }
            let _ = read(&bytes, 300);
        }
    }
}
