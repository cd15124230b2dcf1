//! Deals a chunk out to planes and codes those that shrink.

use zstd::bulk::Compressor;
use zstd::zstd_safe;

use super::huffman::HuffmanEncoder;
use super::layout::{Layout, PLANES_MAX};
use super::part;
use super::runs::{Run, tagged_runs};
use super::sample::{look, plane_is_noise};
use crate::codec::CodecHint;

/// A plane is stored raw unless coding it saves more than this fraction of it (1/64).
const SAVING_DIVISOR: usize = 64;

/// Numbers below which nothing is tried: a table of codes would cost what it saves.
const UNITS_MIN: usize = 64;

/// What a coder takes for a moment beyond its result.
const SLACK_BYTES: usize = 64;

/// Planes of a chunk, and the memory that is kept between chunks: about twice the longest chunk.
#[derive(Default)]
pub(crate) struct PlanesEncoder {
    huffman: HuffmanEncoder,
    planes: [Vec<u8>; PLANES_MAX],
    runs: Vec<Run>,
    /// The list of runs, then what lies between them.
    rest: Vec<u8>,
    frame: Vec<u8>,
}

/// What became of a chunk.
pub(crate) enum Attempt {
    /// It was laid out.
    Planes(Planed),
    /// All of it is as good as random: nothing shortens it.
    Noise,
    /// There are no numbers in it, or too few.
    Unsuited,
}

/// A chunk in planes.
pub(crate) struct Planed {
    /// What is to be stored; it may be longer than the chunk.
    pub(crate) bytes: Vec<u8>,
    /// Whether much of it occurs more than once, or is no numbers: then something that searches for repeats may do better.
    pub(crate) doubtful: bool,
}

impl PlanesEncoder {
    /// Encodes a chunk that may consist of numbers from its first byte on. Where the caller says so it is tried even if it does not look
    /// like it.
    pub(crate) fn encode_rows(&mut self, raw: &[u8], hint: CodecHint) -> Attempt {
        if raw.len() / Layout::Singles.unit_bytes() < UNITS_MIN {
            return Attempt::Unsuited;
        }
        let noisy = look(raw);
        let (layout, clear) = match noisy {
            [true, true, true, true] => return Attempt::Noise,
            // As embeddings hold them: exponents are skewed, the rest is noise.
            [true, true, true, false] => (Layout::TurnedSingles, true),
            [true, false, true, false] => (Layout::TurnedHalves, true),
            [true, _, _, false] => (Layout::TurnedSingles, false),
            [false, true, false, true] => (Layout::Halves, false),
            [false, false, false, false] if hint != CodecHint::Floats => return Attempt::Unsuited,
            _ => (Layout::Singles, false),
        };
        let planed = self.encode_whole(raw, layout, noisy);
        planed.map_or(Attempt::Unsuited, |planed| {
            let doubtful = planed.doubtful || !(clear || hint == CodecHint::Floats);
            Attempt::Planes(Planed { doubtful, ..planed })
        })
    }

    fn encode_whole(&mut self, raw: &[u8], layout: Layout, noisy: [bool; 4]) -> Option<Planed> {
        let units = raw.len() / layout.unit_bytes();
        let (units_bytes, tail) = raw.split_at(units * layout.unit_bytes());
        self.prepare(layout, units);
        layout.split(units_bytes, &mut self.planes, 0);
        self.rest.clear();
        if !tail.is_empty() {
            self.rest.extend_from_slice(&1_u32.to_le_bytes());
            self.rest.extend_from_slice(&Run { others: 0, units: narrow(units) }.encode());
            self.rest.extend_from_slice(tail);
        }
        // A turned byte has seven bits of the byte in its place.
        let noisy = std::array::from_fn(|plane| noisy.get(plane).is_some_and(|noisy| *noisy));
        self.finish(raw.len(), layout, noisy, None)
    }

    /// Encodes a chunk with arrays of numbers in CBOR; what lies between them is left to `others`.
    pub(crate) fn encode_tagged(&mut self, raw: &[u8], others: &mut Compressor<'static>) -> Attempt {
        let layout = Layout::TaggedSingles;
        tagged_runs(raw, &mut self.runs);
        let units: usize = self.runs.iter().map(|run| run.units as usize).sum();
        if units < UNITS_MIN {
            return Attempt::Unsuited;
        }
        self.prepare(layout, units);
        self.rest.clear();
        self.rest.extend_from_slice(&narrow(self.runs.len()).to_le_bytes());
        self.rest.extend(self.runs.iter().copied().flat_map(Run::encode));
        let (mut ahead, mut at) = (raw, 0);
        for run in &self.runs {
            let (between, numbers) = ahead.split_at(run.others as usize);
            let (numbers, behind) = numbers.split_at(run.units as usize * layout.unit_bytes());
            self.rest.extend_from_slice(between);
            layout.split(numbers, &mut self.planes, at);
            (ahead, at) = (behind, at + run.units as usize);
        }
        self.rest.extend_from_slice(ahead);
        let noisy = self.planes.each_ref().map(|plane| plane_is_noise(plane));
        self.finish(raw.len(), layout, noisy, Some(others)).map_or(Attempt::Unsuited, Attempt::Planes)
    }

    fn prepare(&mut self, layout: Layout, units: usize) {
        // Every byte that is looked at is written first.
        self.planes.iter_mut().take(layout.unit_bytes()).for_each(|plane| plane.resize(units, 0));
        self.planes.iter_mut().skip(layout.unit_bytes()).for_each(Vec::clear);
    }

    fn finish(
        &mut self,
        raw_bytes: usize,
        layout: Layout,
        noisy: [bool; PLANES_MAX],
        others: Option<&mut Compressor<'static>>,
    ) -> Option<Planed> {
        // A decoder refuses more, because it need not have the memory.
        if self.rest.len() > raw_bytes {
            return None;
        }
        let mut encoded = Vec::with_capacity(raw_bytes + SLACK_BYTES);
        encoded.push(layout.code());
        encoded.extend_from_slice(&narrow(self.planes[0].len()).to_le_bytes());
        encoded.extend_from_slice(&narrow(self.rest.len()).to_le_bytes());
        let mut doubtful = self.rest.len() > raw_bytes / 2;
        // Rows that are the same are the same in every plane, and in one of noise nothing else is. Without noise anything may repeat.
        let planes = &self.planes[..layout.unit_bytes()];
        doubtful |= planes.iter().zip(noisy).find(|(_, noisy)| *noisy).is_none_or(|(plane, _)| repeats(plane));
        for (plane, noisy) in planes.iter().zip(noisy) {
            if let Some(byte) = constant(plane).filter(|_| !noisy) {
                encoded.extend_from_slice(&[part::CONSTANT, byte]);
                continue;
            }
            encoded.push(part::HUFFMAN);
            if noisy || !self.huffman.put(plane, worthwhile(plane.len()), &mut encoded) {
                encoded.pop();
                encoded.push(part::RAW);
                encoded.extend_from_slice(plane);
            }
        }
        if !self.rest.is_empty() {
            self.put_rest(others, &mut encoded);
        }
        if encoded.len() < encoded.capacity() / 4 * 3 {
            encoded.shrink_to_fit();
        }
        Some(Planed { bytes: encoded, doubtful })
    }

    fn put_rest(&mut self, compressor: Option<&mut Compressor<'static>>, encoded: &mut Vec<u8>) {
        if let Some(compressor) = compressor {
            self.frame.clear();
            self.frame.reserve(zstd_safe::compress_bound(self.rest.len()));
            // A failure to compress is no failure to store.
            let length = compressor.compress_to_buffer(&self.rest, &mut self.frame).unwrap_or(usize::MAX);
            if length < worthwhile(self.rest.len()) {
                encoded.push(part::FRAME);
                encoded.extend_from_slice(&narrow(length).to_le_bytes());
                encoded.extend_from_slice(&self.frame);
                return;
            }
        }
        encoded.push(part::RAW);
        encoded.extend_from_slice(&self.rest);
    }
}

/// Tells whether all bytes are the same, of which there is at least one.
fn constant(bytes: &[u8]) -> Option<u8> {
    let (first, others) = bytes.split_first()?;
    others.iter().all(|byte| byte == first).then_some(*first)
}

/// The length that a part of so many bytes must have less than to be worth decoding.
fn worthwhile(bytes: usize) -> usize {
    bytes - bytes / SAVING_DIVISOR
}

/// Tells whether noise occurs more than once, as it does when a chunk holds the same rows again: one group of eight bytes in 16 was seen
/// before. Rows that lie out of step with the groups are not found, which costs space and nothing else.
fn repeats(plane: &[u8]) -> bool {
    const SLOTS_LOG: u32 = 9;
    let groups = plane.as_chunks::<8>().0;
    let mut seen = [0_u64; 1 << SLOTS_LOG];
    let mut again = 0;
    for group in groups {
        let group = u64::from_le_bytes(*group);
        // Knuth's multiplier: the upper bits depend on all of the group.
        let slot = &mut seen[(group.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - SLOTS_LOG)) as usize];
        again += usize::from(*slot == group);
        *slot = group;
    }
    again > groups.len() / 16
}

fn narrow(value: usize) -> u32 {
    u32::try_from(value).expect("a chunk has at most CHUNK_BYTES_MAX bytes")
}
