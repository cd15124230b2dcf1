//! The few CBOR forms (RFC 8949) that Qdrant's WAL entries are made of.
//!
//! Qdrant writes its entries with `serde_cbor` 0.11: lengths in the shortest form, a flattened struct as a map of
//! indefinite length, and a float in the narrowest width that holds it exactly.

const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;

/// Appends CBOR items to a buffer.
#[derive(Debug, Default)]
pub(super) struct CborWriter {
    bytes: Vec<u8>,
}

impl CborWriter {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn unsigned(&mut self, value: u64) -> &mut Self {
        self.head(UNSIGNED, value)
    }

    pub(super) fn byte_string(&mut self, bytes: &[u8]) -> &mut Self {
        self.head(BYTES, bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.head(TEXT, text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
        self
    }

    /// Opens an array; exactly `items` items follow.
    pub(super) fn array(&mut self, items: usize) -> &mut Self {
        self.head(ARRAY, items as u64)
    }

    /// Opens a map; exactly `pairs` keys, each with its value, follow.
    pub(super) fn map(&mut self, pairs: usize) -> &mut Self {
        self.head(MAP, pairs as u64)
    }

    /// Opens a map that [`Self::end`] closes.
    pub(super) fn open_map(&mut self) -> &mut Self {
        self.byte(0xBF)
    }

    pub(super) fn end(&mut self) -> &mut Self {
        self.byte(0xFF)
    }

    pub(super) fn boolean(&mut self, value: bool) -> &mut Self {
        self.byte(if value { 0xF5 } else { 0xF4 })
    }

    pub(super) fn null(&mut self) -> &mut Self {
        self.byte(0xF6)
    }

    pub(super) fn float32(&mut self, value: f32) -> &mut Self {
        if let Some(half) = exact_half(value) {
            self.byte(0xF9);
            self.bytes.extend_from_slice(&half.to_be_bytes());
        } else {
            self.byte(0xFA);
            self.bytes.extend_from_slice(&value.to_be_bytes());
        }
        self
    }

    pub(super) fn float64(&mut self, value: f64) -> &mut Self {
        let narrow = value as f32;
        if f64::from(narrow) == value {
            return self.float32(narrow);
        }
        self.byte(0xFB);
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    fn byte(&mut self, byte: u8) -> &mut Self {
        self.bytes.push(byte);
        self
    }

    fn head(&mut self, major: u8, value: u64) -> &mut Self {
        let major = major << 5;
        if value < 24 {
            self.bytes.push(major | value as u8);
        } else if let Ok(value) = u8::try_from(value) {
            self.bytes.extend_from_slice(&[major | 24, value]);
        } else if let Ok(value) = u16::try_from(value) {
            self.bytes.push(major | 25);
            self.bytes.extend_from_slice(&value.to_be_bytes());
        } else if let Ok(value) = u32::try_from(value) {
            self.bytes.push(major | 26);
            self.bytes.extend_from_slice(&value.to_be_bytes());
        } else {
            self.bytes.push(major | 27);
            self.bytes.extend_from_slice(&value.to_be_bytes());
        }
        self
    }
}

/// Returns the IEEE half that equals a finite `f32` in the half's normal range or zero, if there is one.
fn exact_half(value: f32) -> Option<u16> {
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    if bits & 0x7FFF_FFFF == 0 {
        return Some(sign);
    }
    let exponent = ((bits >> 23) & 0xFF) as i32 - 127;
    let fits = (-14..=15).contains(&exponent) && bits & 0x1FFF == 0;
    fits.then(|| sign | (((exponent + 15) as u16) << 10) | ((bits >> 13) & 0x03FF) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut CborWriter) -> &mut CborWriter) -> Vec<u8> {
        let mut writer = CborWriter::default();
        write(&mut writer);
        writer.into_bytes()
    }

    #[test]
    fn heads_take_the_shortest_form() {
        let cases: [(u64, &[u8]); 6] = [
            (0, &[0x00]),
            (23, &[0x17]),
            (24, &[0x18, 24]),
            (500, &[0x19, 0x01, 0xF4]),
            (70_000, &[0x1A, 0, 1, 0x11, 0x70]),
            (4_831_547_486_316_841, &[0x1B, 0x00, 0x11, 0x2A, 0x44, 0x4F, 0xA3, 0x29, 0x29]),
        ];
        for (value, expected) in cases {
            assert_eq!(written(|w| w.unsigned(value)), expected);
        }
    }

    /// The float forms as they stand in the WAL of the fixture `notes/00-base`.
    #[test]
    fn floats_take_the_narrowest_exact_width() {
        assert_eq!(written(|w| w.float64(0.0)), [0xF9, 0, 0]);
        assert_eq!(written(|w| w.float64(9.0)), [0xF9, 0x48, 0x80]);
        assert_eq!(written(|w| w.float32(f32::from_bits(0x3F38_FFDA))), [0xFA, 0x3F, 0x38, 0xFF, 0xDA]);
        assert_eq!(written(|w| w.float64(0.1))[0], 0xFB);
    }
}
