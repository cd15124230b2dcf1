//! Decodes a plane, whatever the coded bytes are.

use super::lengths;
use super::{CODE_BITS_MAX, GROUP, NARROW_BYTES_MAX, STREAMS, stream_lengths_bytes};

const PLACES: usize = 1 << CODE_BITS_MAX;

/// What the next bits mean: for each value of the next [`CODE_BITS_MAX`] bits the byte whose code they begin with, and in the upper half
/// the length of that code. The memory is kept between planes.
pub(crate) struct Tables {
    places: Box<[u16; PLACES]>,
}

impl Default for Tables {
    fn default() -> Self {
        Self { places: Box::new([0; PLACES]) }
    }
}

/// One stream and how many of its bits were read; more than it has when codes were read that are not there.
#[derive(Clone, Copy)]
struct Stream<'b> {
    bytes: &'b [u8],
    bits_read: usize,
}

impl Tables {
    /// Decodes a plane of `plane.len()` bytes off the start of `encoded`.
    ///
    /// # Errors
    /// What is wrong with it; `plane` then holds anything.
    pub(crate) fn take(&mut self, encoded: &mut &[u8], plane: &mut [u8]) -> Result<(), &'static str> {
        const SHORT: &str = "a coded plane is cut short";
        let lengths = lengths::take(encoded).ok_or("the code lengths of a plane make no code")?;
        let (sizes, mut ahead) = encoded.split_at_checked(stream_lengths_bytes(plane.len())).ok_or(SHORT)?;
        let mut streams = [Stream { bytes: &[], bits_read: 0 }; STREAMS];
        for (index, stream) in streams.iter_mut().enumerate() {
            let size = match plane.len() <= NARROW_BYTES_MAX {
                true => u32::from(u16::from_le_bytes(sizes.as_chunks().0[index])),
                false => u32::from_le_bytes(sizes.as_chunks().0[index]),
            };
            (stream.bytes, ahead) = ahead.split_at_checked(size as usize).ok_or(SHORT)?;
        }
        *encoded = ahead;
        let mut free = &mut self.places[..];
        for &(symbol, length) in lengths::canonical(&lengths, &mut [(0, 0); 256]) {
            // The lengths were found to fill the table exactly.
            let places = free.split_off_mut(..PLACES >> length).ok_or(SHORT)?;
            places.fill(u16::from(length) << 8 | u16::from(symbol));
        }
        self.read(&mut streams, plane);
        match streams.iter().all(|stream| stream.bits_read.div_ceil(8) == stream.bytes.len()) {
            true => Ok(()),
            false => Err("a coded plane is not as long as it states"),
        }
    }

    /// Fills the plane: groups of all four streams at once while each has a word ahead, then what is left of each.
    fn read(&self, streams: &mut [Stream<'_>; STREAMS], plane: &mut [u8]) {
        let quarter = plane.len() / STREAMS;
        let (a, plane) = plane.split_at_mut(quarter);
        let (b, plane) = plane.split_at_mut(quarter);
        let (c, d) = plane.split_at_mut(quarter);
        let mut done = quarter / GROUP;
        let [p, q, r, s] = streams;
        let targets = a.as_chunks_mut::<GROUP>().0.iter_mut().zip(b.as_chunks_mut::<GROUP>().0);
        let targets = targets.zip(c.as_chunks_mut::<GROUP>().0).zip(d.as_chunks_mut::<GROUP>().0);
        for (group, (((a, b), c), d)) in targets.enumerate() {
            let (Some(mut v), Some(mut w), Some(mut x), Some(mut y)) = (p.word(), q.word(), r.word(), s.word()) else {
                done = group;
                break;
            };
            for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
                *a = self.symbol(&mut v, &mut p.bits_read);
                *b = self.symbol(&mut w, &mut q.bits_read);
                *c = self.symbol(&mut x, &mut r.bits_read);
                *d = self.symbol(&mut y, &mut s.bits_read);
            }
        }
        for (stream, target) in streams.iter_mut().zip([a, b, c, d]) {
            for byte in &mut target[done * GROUP..] {
                let mut word = stream.last_word();
                *byte = self.symbol(&mut word, &mut stream.bits_read);
            }
        }
    }

    /// Takes the code at the top of the word.
    #[inline(always)]
    fn symbol(&self, word: &mut u64, bits_read: &mut usize) -> u8 {
        let place = self.places[(*word >> (u64::BITS - CODE_BITS_MAX)) as usize];
        *word <<= place >> 8;
        *bits_read += usize::from(place >> 8);
        place as u8
    }
}

impl Stream<'_> {
    /// The next bits, at least 57 of them, from the top; `None` when fewer than eight bytes are ahead.
    #[inline(always)]
    fn word(&self) -> Option<u64> {
        let bytes = self.bytes.get(self.bits_read / 8..)?.first_chunk()?;
        Some(u64::from_be_bytes(*bytes) << (self.bits_read % 8))
    }

    /// The next bits, as many as there are, then zeros.
    fn last_word(&self) -> u64 {
        let ahead = self.bytes.get(self.bits_read / 8..).unwrap_or_default();
        let mut bytes = [0; 8];
        let count = ahead.len().min(bytes.len());
        bytes[..count].copy_from_slice(&ahead[..count]);
        u64::from_be_bytes(bytes) << (self.bits_read % 8)
    }
}
