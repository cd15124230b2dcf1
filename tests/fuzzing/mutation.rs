//! A small fuzzer without coverage, for stable Rust: seeds, changed a few times at random, the same for the same seed.
//!
//! It finds less than libFuzzer and runs everywhere; `cargo test` gives each target some thousand inputs of it.

use vectar_tar::{SplitOptions, catalogue};
use vectar_testkit::TarParts;

use super::bundle::{Bundle, BundledFile};
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

/// Longest file of a bundle or snapshot that is made, in bytes.
const FILE_BYTES_MAX: usize = 1 << 20;

/// Changes some of the files of one of the seeds, which are bundles. Their framing stays sound, mostly.
///
/// # Panics
/// There is no seed.
pub fn mutated_bundle(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    if dice.once_in(16) {
        return mutated(seeds, dice);
    }
    let mut bundle = Bundle::decode(dice.pick(seeds).expect("a target has seeds"));
    let other = Bundle::decode(dice.pick(seeds).expect("a target has seeds"));
    for _ in 0..1 + dice.below(3) {
        let paths: Vec<String> = bundle.files.keys().cloned().collect();
        let Some(path) = dice.pick(&paths) else { break };
        let mut file = bundle.files.remove(path).unwrap_or_default();
        match dice.below(16) {
            0 => continue,
            1 => std::mem::swap(&mut file, bundle.files.values_mut().next().unwrap_or(&mut BundledFile::default())),
            2 => file = other.files.get(path).cloned().unwrap_or_default(),
            3 if dice.once_in(4) => file.zeros = dice.pick(&NUMBERS).map_or(0, |number| *number as u32),
            3 => file.zeros = dice.below(1 << 16) as u32,
            4 => file.bytes.truncate(dice.below(file.bytes.len() as u64 + 1) as usize),
            _ => change_file(&mut file.bytes, dice),
        }
        bundle.files.insert(path.clone(), file);
    }
    bundle.encode()
}

/// Changes some of the files in one of the seeds, which are snapshots or nearly so; the tars around them stay sound, mostly.
///
/// # Panics
/// There is no seed.
pub fn mutated_snapshot(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let seed = dice.pick(seeds).expect("a target has seeds");
    // What is no sound tar in Qdrant's style cannot be taken apart.
    let is_sound = catalogue(seed, &SplitOptions::default()).is_ok_and(|listed| listed.summary.anomalies.is_empty());
    let taken_apart =
        (is_sound && !seed.is_empty()).then(|| std::panic::catch_unwind(|| TarParts::of(seed)).ok()).flatten();
    let taken_apart = taken_apart.filter(|parts| parts.bytes() == *seed);
    let Some(mut parts) = taken_apart.filter(|_| !dice.once_in(8)) else {
        return mutated(seeds, dice);
    };
    for _ in 0..1 + dice.below(2) {
        let paths: Vec<String> = parts.paths().into_iter().filter(|path| !path.ends_with(".tar")).collect();
        let (Some(path), Some(other)) = (dice.pick(&paths), dice.pick(&paths)) else { break };
        match dice.below(16) {
            0 => drop(parts.remove(path)),
            1 if path != other => parts.swap(path, other),
            2 => parts.repeat(path),
            3 => parts.hollow(path),
            _ => parts.edit(path, |bytes| change_file(bytes, dice)),
        }
    }
    parts.bytes()
}

/// Changes the content of one file: more often near its beginning, where lengths and counts are.
fn change_file(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let head = match dice.below(3) {
        0 => 16,
        1 => 256,
        _ => bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1),
    };
    let tail = bytes.split_off(head.min(bytes.len()));
    let seeds = [bytes.clone()];
    for _ in 0..1 + dice.below(2) {
        match bytes.first() {
            Some(b'{') if dice.once_in(2) => change_json(bytes, dice),
            _ => change(bytes, &seeds, dice),
        }
    }
    bytes.extend_from_slice(&tail);
    bytes.truncate(FILE_BYTES_MAX.max(seeds[0].len() + tail.len()));
}

/// Puts another number, or something that is none, where a number or a word is.
fn change_json(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let starts: Vec<usize> =
        (0..bytes.len()).filter(|at| is_part(&bytes[*at]) && (*at == 0 || !is_part(&bytes[*at - 1]))).collect();
    let Some(&start) = dice.pick(&starts) else { return };
    let end = start + bytes[start..].iter().take_while(|byte| is_part(byte)).count();
    let new = match dice.below(6) {
        0 => b"null".to_vec(),
        1 => b"-1".to_vec(),
        2 => b"[]".to_vec(),
        3 => dice.below(300).to_string().into_bytes(),
        4 => {
            let &from = dice.pick(&starts).unwrap_or(&start);
            bytes[from..].iter().copied().take_while(|byte| is_part(byte)).collect()
        }
        _ => dice.pick(&NUMBERS).map_or_else(Vec::new, |number| number.to_string().into_bytes()),
    };
    drop(bytes.splice(start..end, new));
}

/// One change of any bytes.
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
