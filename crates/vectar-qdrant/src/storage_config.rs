//! The configuration files beside vectors and Gridstores: the lengths of their rows and blocks.

use serde::Deserialize;
use serde_json::Value;

use crate::class::{BLOCK_BYTES_MAX, Element, ROW_BYTES_MAX};
use crate::error::QdrantError;
use crate::json;
use crate::quantization::Quantization;

/// `config.json` of a directory of `chunk_<n>.mmap` files
/// (`qdrant v1.19.0 lib/segment/src/vector_storage/chunked_vectors/`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChunkedConfig {
    /// Elements in a row; 1 for offset records.
    pub(crate) dim: u32,
    /// Bytes of a row, at least 1 and at most `ROW_BYTES_MAX`.
    pub(crate) row_bytes: u32,
}

impl ChunkedConfig {
    /// Reads the file; `None` when it is not one or its numbers are not believable.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct File {
            chunk_size_bytes: u64,
            chunk_size_vectors: u64,
            dim: u32,
        }
        let file: File = json::parse(bytes).ok()?;
        // A chunk is full of rows, so the quotient is a row's length whatever the datatype.
        let row_bytes = file.chunk_size_bytes.checked_div(file.chunk_size_vectors)?;
        let exact = row_bytes.checked_mul(file.chunk_size_vectors) == Some(file.chunk_size_bytes);
        let row_bytes = u32::try_from(row_bytes).ok().filter(|bytes| (1..=ROW_BYTES_MAX).contains(bytes))?;
        exact.then_some(Self { dim: file.dim, row_bytes })
    }

    /// The datatype that the lengths imply.
    pub(crate) fn element(&self) -> Option<Element> {
        let element_bytes = self.row_bytes.checked_div(self.dim)?;
        match (self.row_bytes.is_multiple_of(self.dim), element_bytes) {
            (true, 4) => Some(Element::F32),
            (true, 2) => Some(Element::F16),
            (true, 1) => Some(Element::U8),
            _ => None,
        }
    }
}

/// `config.json` of a Gridstore (`qdrant v1.18.3 lib/gridstore/src/config.rs`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GridstoreConfig {
    /// Bytes of a block, at least 1 and at most `BLOCK_BYTES_MAX`.
    pub(crate) block_bytes: Option<u32>,
    /// Whether the file has a `mode` (v1.19.0+).
    pub(crate) has_mode: bool,
}

impl GridstoreConfig {
    /// Reads the file. A block length that is not believable counts as unknown.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, QdrantError> {
        #[derive(Deserialize)]
        struct File {
            block_size_bytes: u64,
            mode: Option<Value>,
        }
        let file: File = json::parse(bytes)?;
        let block_bytes = u32::try_from(file.block_size_bytes).ok();
        Ok(Self {
            block_bytes: block_bytes.filter(|bytes| (1..=BLOCK_BYTES_MAX).contains(bytes)),
            has_mode: file.mode.is_some(),
        })
    }
}

/// `quantized.config.json`, or what `quantized.meta.json` says of the same
/// (`qdrant v1.19.0 lib/segment/src/vector_storage/quantized/quantized_vectors.rs`).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct QuantizedConfig {
    /// The method, only in the config.
    pub(crate) quantization: Option<Quantization>,
    /// Elements in a vector.
    pub(crate) dim: Option<u32>,
    /// Quantized vectors; for multivectors the inner ones.
    pub(crate) count: Option<u64>,
}

impl QuantizedConfig {
    /// Reads the file; `None` when it is not one.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct File {
            quantization_config: Option<Quantization>,
            vector_parameters: Option<Parameters>,
        }
        #[derive(Deserialize)]
        struct Parameters {
            dim: Option<u32>,
            count: Option<u64>,
        }
        let file: File = json::parse(bytes).ok()?;
        Some(Self {
            quantization: file.quantization_config,
            dim: file.vector_parameters.as_ref().and_then(|parameters| parameters.dim),
            count: file.vector_parameters.as_ref().and_then(|parameters| parameters.count),
        })
    }
}
