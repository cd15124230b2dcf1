//! A small fuzzer without coverage, for stable Rust: seeds, changed a few times at random, the same for the same seed.
//!
//! It finds less than libFuzzer and runs everywhere; `cargo test` gives each target some thousand inputs of it.

use crate::campaign::Dice;

/// Longest input that is made, in bytes: every parser has met all it can by then.
const INPUT_BYTES_MAX: usize = 64 * 1024;

/// Most changes of one input.
const CHANGES_MAX: u64 = 6;

/// Numbers at which lengths and counts break.
const NUMBERS: [u64; 14] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xff,
    0x1ff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_ffff,
];

/// Changes one of the seeds.
///
/// # Panics
/// There is no seed.
pub fn mutated(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut input = dice.pick(seeds).expect("a target has seeds").clone();
    for _ in 0..1 + dice.below(CHANGES_MAX) {
        change(&mut input, seeds, dice);
        input.truncate(INPUT_BYTES_MAX);
    }
    input
}

fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], dice: &mut Dice) {
    let (from, to) = range(input.len(), dice);
    match dice.below(12) {
        0 | 1 => flip(input, dice),
        2 => put(input, from, &[dice.throw() as u8]),
        3 | 4 => put(input, from, &number(dice)),
        5 => put(input, from, &digits(dice)),
        6 => drop(input.drain(from..to)),
        7 => input.truncate(from),
        8 => {
            let copied = input[from..to].to_vec();
            splice(input, dice, &copied);
        }
        9 => {
            let noise: Vec<u8> = (0..1 + dice.below(16)).map(|_| dice.throw() as u8).collect();
            splice(input, dice, &noise);
        }
        10 => {
            let other = dice.pick(seeds).map_or(&[][..], Vec::as_slice);
            let (from, to) = range(other.len(), dice);
            splice(input, dice, &other[from..to]);
        }
        _ => {
            let byte = *dice.pick(&[0, b' ', 0xff]).unwrap_or(&0);
            input[from..to].fill(byte);
        }
    }
}

/// A range of the input; in half of the cases at boundaries of blocks, where tar is decided.
fn range(len: usize, dice: &mut Dice) -> (usize, usize) {
    let mut at = || usize::try_from(dice.below(len as u64 + 1)).unwrap_or(0);
    let (one, other) = (at(), at());
    let (from, to) = (one.min(other), one.max(other));
    match dice.below(4) {
        0 => (from / 512 * 512, to / 512 * 512),
        1 | 2 => (from, to.min(from + 16)),
        _ => (from, to),
    }
}

fn flip(input: &mut [u8], dice: &mut Dice) {
    if !input.is_empty() {
        let at = dice.below(input.len() as u64) as usize;
        input[at] ^= 1 << dice.below(8);
    }
}

/// A number that is special, or next to one, in one of the ways in which our formats write numbers.
fn number(dice: &mut Dice) -> Vec<u8> {
    let near = dice.below(3).wrapping_sub(1);
    let number = dice.pick(&NUMBERS).copied().unwrap_or(0).wrapping_add(near);
    match dice.below(5) {
        0 => (number as u16).to_le_bytes().to_vec(),
        1 => (number as u32).to_le_bytes().to_vec(),
        2 => number.to_le_bytes().to_vec(),
        3 => number.to_be_bytes().to_vec(),
        _ => {
            let mut varint = Vec::new();
            vectar_repository::format::varint::encode(number, &mut varint);
            varint
        }
    }
}

/// The same in digits: octal as in tar, decimal as in JSON.
fn digits(dice: &mut Dice) -> Vec<u8> {
    let number = dice.pick(&NUMBERS).copied().unwrap_or(0);
    let text = if dice.once_in(2) { format!("{number:011o}\0") } else { number.to_string() };
    text.into_bytes()
}

fn put(input: &mut [u8], at: usize, bytes: &[u8]) {
    let end = input.len().min(at + bytes.len());
    input[at..end].copy_from_slice(&bytes[..end - at]);
}

fn splice(input: &mut Vec<u8>, dice: &mut Dice, bytes: &[u8]) {
    let at = range(input.len(), dice).0;
    drop(input.splice(at..at, bytes.iter().copied()));
}
