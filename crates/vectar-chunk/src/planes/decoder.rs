//! Puts a chunk together from its planes, whatever the stored bytes are.

use zstd::bulk::Decompressor;

use super::huffman::Tables;
use super::layout::{Layout, PLANES_MAX};
use super::part;
use super::runs::{RUN_BYTES, Run};
use crate::error::ChunkError;
use crate::frame::decode_frame;

/// The memory that is kept between chunks: planes and rest, about twice the longest chunk.
#[derive(Default)]
pub(crate) struct PlanesDecoder {
    planes: [Vec<u8>; PLANES_MAX],
    rest: Vec<u8>,
    tables: Tables,
}

impl PlanesDecoder {
    /// Decodes `encoded` into `target`, which holds exactly `raw_bytes` bytes then; `raw_bytes` is at most the longest chunk.
    ///
    /// # Errors
    /// [`ChunkError::ChunkUndecodable`] or [`ChunkError::ChunkLengthWrong`]; `target` then holds anything.
    pub(crate) fn decode(
        &mut self,
        decompressor: &mut Decompressor<'static>,
        encoded: &[u8],
        raw_bytes: usize,
        target: &mut Vec<u8>,
    ) -> Result<(), ChunkError> {
        let undecodable = |reason| ChunkError::ChunkUndecodable { encoded_bytes: encoded.len() as u64, reason };
        let mut input = Input { ahead: encoded, undecodable: &undecodable, decompressor, tables: &mut self.tables };
        let [code] = input.array()?;
        let layout = Layout::from_code(code).ok_or_else(|| undecodable("no such layout of planes"))?;
        let (units, rest_bytes) = (input.u32()?, input.u32()?);
        let numbers_bytes = units.checked_mul(layout.unit_bytes()).filter(|&bytes| bytes > 0 && bytes <= raw_bytes);
        let numbers_bytes = numbers_bytes.ok_or_else(|| undecodable("its planes do not fit into the chunk"))?;
        if rest_bytes > raw_bytes {
            return Err(undecodable("what lies between the numbers does not fit into the chunk"));
        }
        let mut planes: [&[u8]; PLANES_MAX] = [&[]; PLANES_MAX];
        for (plane, scratch) in planes.iter_mut().zip(&mut self.planes).take(layout.unit_bytes()) {
            *plane = input.part(units, scratch)?;
        }
        let rest = match rest_bytes {
            0 => &[],
            _ => input.part(rest_bytes, &mut self.rest)?,
        };
        if !input.ahead.is_empty() {
            return Err(undecodable("bytes follow the planes"));
        }
        fit(target, raw_bytes);
        if rest.is_empty() {
            if numbers_bytes != raw_bytes {
                return Err(ChunkError::ChunkLengthWrong { expected: raw_bytes as u64, found: numbers_bytes as u64 });
            }
            layout.join(&planes, 0, target);
            return Ok(());
        }
        join_runs(layout, &planes, (units, rest), target).map_err(undecodable)
    }
}

/// Makes a buffer exactly so long. Whatever it holds is written over, so it need not be cleared.
fn fit(buffer: &mut Vec<u8>, len: usize) {
    buffer.truncate(len);
    buffer.reserve_exact(len - buffer.len());
    buffer.resize(len, 0);
}

/// Lays out numbers and what is between them.
fn join_runs(
    layout: Layout,
    planes: &[&[u8]; PLANES_MAX],
    (units, rest): (usize, &[u8]),
    target: &mut [u8],
) -> Result<(), &'static str> {
    const UNFIT: &str = "its list of runs does not fit the chunk";
    let (count, rest) = rest.split_first_chunk::<4>().ok_or(UNFIT)?;
    let list_bytes = (u32::from_le_bytes(*count) as usize).checked_mul(RUN_BYTES).ok_or(UNFIT)?;
    let (list, mut others) = rest.split_at_checked(list_bytes).ok_or(UNFIT)?;
    let (mut ahead, mut at) = (target, 0_usize);
    for run in list.as_chunks::<RUN_BYTES>().0 {
        let run = Run::decode(*run);
        let (between, behind) = others.split_at_checked(run.others as usize).ok_or(UNFIT)?;
        let run_units = run.units as usize;
        let end = at.checked_add(run_units).filter(|&end| run_units > 0 && end <= units).ok_or(UNFIT)?;
        let (gap, numbers) = ahead.split_at_mut_checked(between.len()).ok_or(UNFIT)?;
        let (numbers, next) = numbers.split_at_mut_checked(run_units * layout.unit_bytes()).ok_or(UNFIT)?;
        gap.copy_from_slice(between);
        layout.join(planes, at, numbers);
        (others, ahead, at) = (behind, next, end);
    }
    if at != units || ahead.len() != others.len() {
        return Err(UNFIT);
    }
    ahead.copy_from_slice(others);
    Ok(())
}

/// What is not read yet, and what reads it.
struct Input<'b, 'e> {
    ahead: &'b [u8],
    undecodable: &'e dyn Fn(&'static str) -> ChunkError,
    decompressor: &'e mut Decompressor<'static>,
    tables: &'e mut Tables,
}

impl<'b> Input<'b, '_> {
    fn bytes(&mut self, count: usize) -> Result<&'b [u8], ChunkError> {
        let (bytes, ahead) =
            self.ahead.split_at_checked(count).ok_or_else(|| (self.undecodable)("its planes are cut short"))?;
        self.ahead = ahead;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ChunkError> {
        Ok(*self.bytes(N)?.first_chunk().expect("as many bytes were taken"))
    }

    fn u32(&mut self) -> Result<usize, ChunkError> {
        self.array().map(|bytes| u32::from_le_bytes(bytes) as usize)
    }

    /// Reads a part of `len` bytes, at most as many as the chunk has, in place or into `scratch`.
    fn part<'p>(&mut self, len: usize, scratch: &'p mut Vec<u8>) -> Result<&'p [u8], ChunkError>
    where
        'b: 'p,
    {
        match self.array()? {
            [part::RAW] => self.bytes(len),
            [part::CONSTANT] => {
                let [byte] = self.array()?;
                scratch.clear();
                scratch.reserve_exact(len);
                scratch.resize(len, byte);
                Ok(scratch)
            }
            [part::FRAME] => {
                let frame_bytes = self.u32()?;
                let frame = self.bytes(frame_bytes)?;
                decode_frame(self.decompressor, frame, len, scratch)?;
                Ok(scratch)
            }
            [part::HUFFMAN] => {
                fit(scratch, len);
                self.tables.take(&mut self.ahead, scratch).map_err(self.undecodable)?;
                Ok(scratch)
            }
            _ => Err((self.undecodable)("no such form of a plane")),
        }
    }
}
