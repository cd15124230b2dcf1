//! What a point holds: its vector and its payload, as functions of (seed, point, step).

use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};

use super::cbor::CborWriter;
use super::noise::{Role, draw, mix, stream};
use super::options::{CorpusOptions, Distance, VectorContent};

/// Four 16-bit numbers add up to this on average.
const COMPONENT_MEAN: i64 = 2 * 0xFFFF;
/// Brings a component, whose deviation is about 37,800, to the size clients send; an odd factor fills the mantissa.
const CLIENT_SCALE: f32 = 1.937_261_3e-5;
/// JSON bytes of a payload beside its `text`, nearly.
const PAYLOAD_REST_BYTES: usize = 210;
/// Distinct words in payloads.
const WORDS: u64 = 4096;
/// Distinct values of `topic` and `tags`.
const TOPICS: u64 = 64;

const SYLLABLES: [&str; 32] = [
    "bel", "cri", "dor", "fen", "hal", "ka", "lo", "mi", "ne", "or", "pi", "qua", "ren", "sa", "tu", "ve", "wi", "xo",
    "yl", "zu", "bra", "cho", "dun", "esk", "fli", "gor", "hem", "ist", "jul", "kor", "lum", "mar",
];

/// Produces vectors; keeps the buffers of one row.
#[derive(Debug)]
pub(super) struct VectorSource<'o> {
    options: &'o CorpusOptions,
    components: Vec<i32>,
}

impl<'o> VectorSource<'o> {
    pub(super) fn new(options: &'o CorpusOptions) -> Self {
        Self { options, components: vec![0; options.dimensions] }
    }

    /// Bytes of one stored row.
    pub(super) fn row_bytes(options: &CorpusOptions) -> u64 {
        options.dimensions as u64 * 4
    }

    /// Appends a point's vector as Qdrant stores it, little-endian `f32`, given the step it was set in.
    pub(super) fn append_stored(&mut self, point: u64, vector_step: u32, row: &mut Vec<u8>) {
        let scale = self.draw_components(point, vector_step, true);
        let half = self.options.vectors == VectorContent::HalfPrecision;
        let start = row.len();
        row.resize(start + self.components.len() * 4, 0);
        let (cells, _) = row[start..].as_chunks_mut::<4>();
        for (cell, component) in cells.iter_mut().zip(&self.components) {
            let value = *component as f32 * scale;
            *cell = if half { round_to_half(value) } else { value }.to_le_bytes();
        }
    }

    /// A point's vector as Qdrant stores it and returns it.
    pub(super) fn stored(&mut self, point: u64, vector_step: u32) -> Vec<f32> {
        let scale = self.draw_components(point, vector_step, true);
        self.scaled(scale)
    }

    /// A point's vector as the client sent it: not normalised, except where normalising would leave half precision.
    pub(super) fn sent(&mut self, point: u64, vector_step: u32) -> Vec<f32> {
        let normalised = self.options.vectors == VectorContent::HalfPrecision;
        let scale = self.draw_components(point, vector_step, normalised);
        self.scaled(scale)
    }

    fn scaled(&self, scale: f32) -> Vec<f32> {
        let half = self.options.vectors == VectorContent::HalfPrecision;
        let value = |component: &i32| *component as f32 * scale;
        self.components.iter().map(|c| if half { round_to_half(value(c)) } else { value(c) }).collect()
    }

    /// Draws the integer components of a vector and returns the factor that makes them floats.
    ///
    /// A component is the sum of four 16-bit numbers, which is close to Gaussian. Integers keep the length exact
    /// whatever the order of additions, hence equal on every machine.
    fn draw_components(&mut self, point: u64, vector_step: u32, normalised: bool) -> f32 {
        let key = draw(self.options.seed, Role::Vector, point, u64::from(vector_step));
        for (counter, component) in self.components.iter_mut().enumerate() {
            let x = stream(key, counter as u64);
            let sum = (x & 0xFFFF) + ((x >> 16) & 0xFFFF) + ((x >> 32) & 0xFFFF) + (x >> 48);
            *component = (sum as i64 - COMPONENT_MEAN) as i32;
        }
        if !normalised || self.options.distance != Distance::Cosine {
            return CLIENT_SCALE;
        }
        let square: i64 = self.components.iter().map(|&c| i64::from(c) * i64::from(c)).sum();
        // A vector of nothing but zeros cannot be normalised; Qdrant stores it as it is.
        (1.0 / (square.max(1) as f64).sqrt()) as f32
    }
}

/// Rounds to the nearest half-precision value, ties to even, and widens it again.
fn round_to_half(value: f32) -> f32 {
    const SMALLEST_NORMAL: f32 = 6.103_515_6e-5;
    const SUBNORMAL_STEPS: f32 = 16_777_216.0;
    if value.abs() < SMALLEST_NORMAL {
        return (value * SUBNORMAL_STEPS).round_ties_even() / SUBNORMAL_STEPS;
    }
    let bits = value.to_bits();
    let odd = (bits >> 13) & 1;
    f32::from_bits((bits + 0x0FFF + odd) & !0x1FFF)
}

/// One point's payload. `reviewed` is the step of its last `set_payload`, 0 for none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Payload<'o> {
    options: &'o CorpusOptions,
    point: u64,
    reviewed: u32,
}

impl<'o> Payload<'o> {
    pub(super) fn new(options: &'o CorpusOptions, point: u64, payload_step: u32) -> Self {
        Self { options, point, reviewed: payload_step }
    }

    /// Appends the payload as the compact JSON that Gridstore keeps.
    pub(super) fn append_json(&self, json: &mut String) {
        use std::fmt::Write as _;
        let start = json.len();
        json.push_str("{\"title\":\"");
        self.push_words(0, 5, json);
        json.push_str("\",\"topic\":\"");
        self.push_topic(0, json);
        write!(json, "\",\"rank\":{},\"tags\":[\"", self.point).expect("writing to a String cannot fail");
        self.push_topic(1, json);
        json.push_str("\",\"");
        self.push_topic(2, json);
        let half = if self.point.is_multiple_of(2) { "0" } else { "5" };
        write!(
            json,
            "\"],\"nested\":{{\"a\":{{\"b\":{}.{half}}},\"empty\":[],\"none\":null,\"flag\":{},\"uni\":\"{UNICODE}\"}}",
            self.point / 2,
            self.flag()
        )
        .expect("writing to a String cannot fail");
        json.push_str(",\"text\":\"");
        self.push_text(json);
        json.push('"');
        if self.reviewed > 0 {
            write!(json, ",\"reviewed\":{}", self.reviewed).expect("writing to a String cannot fail");
        }
        json.push('}');
        debug_assert!(json[start..].len() >= 2);
    }

    /// Writes the payload as the CBOR map of a WAL entry.
    pub(super) fn write_cbor(&self, cbor: &mut CborWriter) {
        let text = |push: &dyn Fn(&mut String)| {
            let mut text = String::new();
            push(&mut text);
            text
        };
        cbor.map(if self.reviewed > 0 { 7 } else { 6 });
        cbor.text("title").text(&text(&|t| self.push_words(0, 5, t)));
        cbor.text("topic").text(&text(&|t| self.push_topic(0, t)));
        cbor.text("rank").unsigned(self.point);
        cbor.text("tags").array(2);
        cbor.text(&text(&|t| self.push_topic(1, t))).text(&text(&|t| self.push_topic(2, t)));
        cbor.text("nested").map(5);
        cbor.text("a").map(1).text("b").float64(self.point as f64 / 2.0);
        cbor.text("empty").array(0).text("none").null();
        cbor.text("flag").boolean(self.flag()).text("uni").text(UNICODE);
        cbor.text("text").text(&text(&|t| self.push_text(t)));
        if self.reviewed > 0 {
            cbor.text("reviewed").unsigned(u64::from(self.reviewed));
        }
    }

    fn flag(&self) -> bool {
        self.point.is_multiple_of(2)
    }

    fn push_topic(&self, which: u64, text: &mut String) {
        push_word(self.word(1000 + which) % TOPICS, text);
    }

    fn push_words(&self, first: u64, count: u64, text: &mut String) {
        for index in first..first + count {
            if index > first {
                text.push(' ');
            }
            push_word(self.word(index) % WORDS, text);
        }
    }

    fn push_text(&self, text: &mut String) {
        let end = text.len() + self.options.payload_bytes.saturating_sub(PAYLOAD_REST_BYTES);
        let mut index = 2000;
        while text.len() < end {
            push_word(self.word(index) % WORDS, text);
            text.push(if index % 12 == 0 { '.' } else { ' ' });
            index += 1;
        }
    }

    fn word(&self, index: u64) -> u64 {
        draw(self.options.seed, Role::Payload, self.point, index)
    }
}

const UNICODE: &str = "žluťoučký 漢字 🙂";

/// Appends a word of two to four syllables.
fn push_word(word: u64, text: &mut String) {
    let noise = mix(word);
    for syllable in 0..2 + noise % 3 {
        text.push_str(SYLLABLES[(noise >> (8 + 5 * syllable)) as usize % SYLLABLES.len()]);
    }
}

/// Compresses payloads as Gridstore does: a `u32` of the plain length, then one raw LZ4 block (Qdrant
/// `lib/gridstore/src/gridstore/mod.rs`, v1.18.3).
pub(super) struct PayloadEncoder<'o> {
    options: &'o CorpusOptions,
    table: CompressTable,
    json: String,
    stored: Vec<u8>,
}

impl<'o> PayloadEncoder<'o> {
    pub(super) fn new(options: &'o CorpusOptions) -> Self {
        Self { options, table: CompressTable::default(), json: String::new(), stored: Vec::new() }
    }

    /// Returns the stored bytes of a point's payload; they stay valid until the next call.
    pub(super) fn encode(&mut self, point: u64, payload_step: u32) -> &[u8] {
        self.json.clear();
        Payload::new(self.options, point, payload_step).append_json(&mut self.json);
        let plain = self.json.as_bytes();
        let plain_bytes = u32::try_from(plain.len()).expect("validate() bounds a payload to 256 KiB");
        self.stored.resize(4 + get_maximum_output_size(plain.len()), 0);
        self.stored[..4].copy_from_slice(&plain_bytes.to_le_bytes());
        let bytes = compress_into_with_table(plain, &mut self.stored[4..], &mut self.table)
            .expect("the buffer has the size LZ4 needs at worst");
        &self.stored[..4 + bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_rows_have_length_one() {
        let options = CorpusOptions::default();
        let mut source = VectorSource::new(&options);
        let vector = source.stored(3, 0);
        let length: f64 = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        assert!((length - 1.0).abs() < 1e-6, "{length}");
        let mut row = Vec::new();
        source.append_stored(3, 0, &mut row);
        let read: Vec<f32> = row.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        assert_eq!(read, vector);
        assert_ne!(source.stored(3, 1), vector);
    }

    #[test]
    fn half_precision_leaves_thirteen_mantissa_bits_zero() {
        let options = CorpusOptions { vectors: VectorContent::HalfPrecision, ..CorpusOptions::default() };
        let vector = VectorSource::new(&options).stored(3, 0);
        assert!(vector.iter().filter(|x| x.abs() >= 6.2e-5).all(|x| x.to_bits() & 0x1FFF == 0));
    }

    #[test]
    fn stored_payload_decompresses_to_the_json() {
        let options = CorpusOptions::default();
        let mut encoder = PayloadEncoder::new(&options);
        let stored = encoder.encode(41, 2).to_vec();
        let plain = lz4_flex::block::decompress_size_prepended(&stored).unwrap();
        let payload: serde_json::Value = serde_json::from_slice(&plain).unwrap();
        assert_eq!(payload["rank"], 41);
        assert_eq!(payload["nested"]["a"]["b"], 20.5);
        assert_eq!(payload["reviewed"], 2);
        assert!(plain.len().abs_diff(options.payload_bytes) < 60, "{}", plain.len());
    }
}
