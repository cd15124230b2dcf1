//! Codes a plane.

use super::lengths::{self, Lengths};
use super::{GROUP, NARROW_BYTES_MAX, STREAMS, stream_lengths_bytes};

/// The codes of all bytes and the memory that is kept between planes.
#[derive(Default)]
pub(crate) struct HuffmanEncoder {
    head: Vec<u8>,
}

/// The code of a byte, in the lowest bits, and its length from bit 16 on: one word to load for both.
type Code = u32;

fn bits_of(code: Code) -> u64 {
    u64::from(code & 0xffff)
}

fn length_of(code: Code) -> u32 {
    code >> 16
}

impl HuffmanEncoder {
    /// Appends the coded plane if it has fewer than `bytes_max` bytes; tells whether it did.
    pub(crate) fn put(&mut self, plane: &[u8], bytes_max: usize, encoded: &mut Vec<u8>) -> bool {
        let counts = count(plane);
        let Some(lengths) = lengths::shortest(&counts) else { return false };
        self.head.clear();
        lengths::put(&lengths, &mut self.head);
        let bits = lengths.bits_of(&counts);
        // Each stream may end inside a byte.
        let longest = self.head.len() + stream_lengths_bytes(plane.len()) + (bits / 8) as usize + STREAMS;
        if longest >= bytes_max {
            return false;
        }
        encoded.extend_from_slice(&self.head);
        let lengths_at = encoded.len();
        let streams_at = lengths_at + stream_lengths_bytes(plane.len());
        // A group is written as a whole word, of which only its own bytes count.
        encoded.resize(streams_at + (bits / 8) as usize + STREAMS + size_of::<u64>(), 0);
        let codes = codes(&lengths);
        let (quarter, mut at) = (plane.len() / STREAMS, streams_at);
        for stream in 0..STREAMS {
            let end = if stream + 1 < STREAMS { (stream + 1) * quarter } else { plane.len() };
            let stream_bytes = put_stream(&plane[stream * quarter..end], &codes, &mut encoded[at..]);
            at += stream_bytes;
            let place = &mut encoded[lengths_at..streams_at];
            if plane.len() <= NARROW_BYTES_MAX {
                place.as_chunks_mut().0[stream] = (stream_bytes as u16).to_le_bytes();
            } else {
                place.as_chunks_mut().0[stream] = (stream_bytes as u32).to_le_bytes();
            }
        }
        encoded.truncate(at);
        true
    }
}

/// Counts each byte, in four tables, because neighbours are often equal and would wait for each other in one.
fn count(plane: &[u8]) -> [u32; 256] {
    let mut tables = [[0_u32; 256]; 4];
    let (groups, others) = plane.as_chunks::<4>();
    for group in groups {
        for (table, &byte) in tables.iter_mut().zip(group) {
            table[usize::from(byte)] += 1;
        }
    }
    others.iter().for_each(|&byte| tables[0][usize::from(byte)] += 1);
    std::array::from_fn(|byte| tables.iter().map(|table| table[byte]).sum())
}

fn codes(lengths: &Lengths) -> [Code; 256] {
    let mut codes = [0; 256];
    let (mut next, mut before) = (0, 0);
    for &(symbol, length) in lengths::canonical(lengths, &mut [(0, 0); 256]) {
        next <<= length - before;
        codes[usize::from(symbol)] = u32::from(length) << 16 | next;
        (next, before) = (next + 1, length);
    }
    codes
}

/// One code behind the other.
fn joined(one: (u64, u32), other: (u64, u32)) -> (u64, u32) {
    (one.0 << other.1 | other.0, one.1 + other.1)
}

/// Writes the codes of `bytes` to the start of `target`, which is at least eight bytes longer than they are, and returns how many
/// bytes they take.
fn put_stream(bytes: &[u8], codes: &[Code; 256], target: &mut [u8]) -> usize {
    let (mut at, mut word, mut used) = (0, 0_u64, 0_u32);
    let mut put = |bits: u64, length: u32| {
        // At least one bit is free, as a group has 55 at most and 7 lie in the word already.
        word |= bits << (u64::BITS - used - length);
        used += length;
        target[at..at + size_of::<u64>()].copy_from_slice(&word.to_be_bytes());
        let whole = used / 8;
        at += whole as usize;
        word <<= whole * 8;
        used %= 8;
    };
    let (groups, others) = bytes.as_chunks::<GROUP>();
    for group in groups {
        let [a, b, c, d, e] = group.map(|byte| codes[usize::from(byte)]).map(|code| (bits_of(code), length_of(code)));
        // As a tree, so that one does not wait for the other.
        let (bits, length) = joined(joined(joined(a, b), joined(c, d)), e);
        put(bits, length);
    }
    for &byte in others {
        let code = codes[usize::from(byte)];
        put(bits_of(code), length_of(code));
    }
    at + usize::from(used > 0)
}
