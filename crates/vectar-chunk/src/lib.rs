//! Cuts bytes at content-defined places, names each chunk by its hash, encodes and decodes chunks.
//!
//! **Invariant:** the same bytes and parameters give the same cuts on every machine and in every later version.
//! The test `same_bytes_and_parameters_give_the_same_cuts` holds it against recorded cuts.
//!
//! Types to meet first: [`Cutter`] follows a [`CutRule`] through a body, [`CutParameters`] hold the chunk sizes a
//! repository records; [`IdKey`] names bytes by keyed BLAKE3; [`Encoder`] and [`Decoder`] turn chunks into what is stored
//! and back. The crate knows neither what the bytes mean nor where they are kept.
//!
//! ```
//! use vectar_chunk::{CodecHint, CutParameters, Decoder, Encoder, IdKey, cut_all};
//!
//! # fn main() -> Result<(), vectar_chunk::ChunkError> {
//! let body: Vec<u8> = (0..500_000_u32).flat_map(u32::to_le_bytes).collect();
//! let key = IdKey::new(&[7; 32]);
//! let mut encoder = Encoder::new(3)?;
//! let mut decoder = Decoder::new()?;
//!
//! let rule = CutParameters::V2.rows_rule(0, 400);
//! for range in cut_all(&rule, &body) {
//!     let chunk = &body[range];
//!     let stored = encoder.encode(chunk, CodecHint::Structured);
//!     let restored = decoder.decode(stored.codec, &stored.bytes, chunk.len())?;
//!     assert_eq!(key.chunk_id(&restored), key.chunk_id(chunk));
//! }
//! # Ok(())
//! # }
//! ```

mod codec;
mod cutter;
mod decoder;
mod encoder;
mod error;
mod fastcdc_cutter;
mod fill;
mod frame;
mod grid;
mod id;
mod key;
mod parameters;
mod planes;
mod probe;
mod records;
mod rule;
mod sizes;

pub use codec::{CodecHint, CodecId, Encoded, PLANES_FEATURE};
pub use cutter::{Cutter, cut_all};
pub use decoder::{Decoder, decode};
pub use encoder::Encoder;
pub use error::{ChunkError, ErrorKind};
pub use fill::fill_byte;
pub use id::{BodyDigest, ChunkId, ID_BYTES, NodeId, RowDirectoryId};
pub use key::{BODY_PIECE_BYTES, BodyHasher, BodyPiece, IdKey};
pub use parameters::CutParameters;
pub use rule::{CutRule, RecordLayout};
pub use sizes::{CHUNK_BYTES_MAX, ChunkSizes};
