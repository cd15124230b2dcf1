//! What is known about the quantized copy of a vector, from its small files and lengths.
//!
//! The codes lie in the vector's storage: `quantized.data` (immutable) or `quantized_data/` (vector chunk files, in appendable
//! segments), for multivectors with `quantized.offsets.data` (8 bytes a row: u32 start, u32 count) or
//! `quantized_offsets_data/`. `quantized.config.json` names the method, the dimensions and the number of records (for
//! multivectors that of inner vectors); `quantized.meta.json` adds parameters. There is no header: records only.
//!
//! | method | bytes of a record |
//! |---|---|
//! | scalar | 4 + dim rounded up to 16 |
//! | product | ⌈dim / d⌉; d = 1, 2, 4, 8, 16 for `x4` … `x64` |
//! | binary, one vector a point | words of 16 bytes that hold b bits; b = dim, ⌈1.5·dim⌉ or 2·dim |
//! | binary, multivector | words of 1, 4, 8 or 16 bytes that hold b bits: the largest is taken with which b > 32, 64, 128 |
//! | turbo | 1, 1.5, 2, 4 or 8 bits a dimension in whole bytes; + 4, + 8 with mode `plus`; + 4 more for Euclid |
//!
//! All of them were seen in files that Qdrant's engine wrote, with 8, 37, 100, 129 and 200 dimensions. Source:
//! `qdrant v1.19.0 lib/quantization/src/encoded_vectors_{u8,pq,binary,tq}.rs`.

use serde::{Deserialize, Serialize};

use super::files::{open, read_json, storage_directory};
use super::vector_chunks::VectorChunks;
use crate::error::QdrantError;
use crate::json::SMALL_JSON_BYTES_MAX;
use crate::quantization::{BinaryEncoding, ProductCompression, Quantization};
use crate::segment::VectorState;
use crate::storage::StorageFiles;

/// What the small files of a quantized vector say, with the lengths that follow.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct QuantizedMetadata {
    /// How it is quantized.
    pub method: Quantization,
    /// Dimensions of a vector.
    pub dim: u64,
    /// Records, for multivectors one for each inner vector; the files of appendable segments do not always say it.
    pub records: Option<u64>,
    /// Bytes of a record; `None` for a method this version does not know.
    pub record_bytes: Option<u64>,
    /// Whether the codes lie in vector chunk files, as in appendable segments.
    pub is_chunked: bool,
    /// Bytes that the records must take; `None` when a factor is not known.
    pub expected_bytes: Option<u64>,
    /// Bytes that they take: the length of `quantized.data`, or the rows of `quantized_data/`. `None` when they are missing.
    pub data_bytes: Option<u64>,
}

#[derive(Deserialize)]
struct ConfigFile {
    quantization_config: Quantization,
    vector_parameters: Parameters,
    storage_type: Option<String>,
}

#[derive(Deserialize)]
struct Parameters {
    dim: u64,
    count: Option<u64>,
    distance_type: Option<String>,
}

/// The members of a turbo quantizer's `quantized.meta.json` that decide the length of a record.
#[derive(Deserialize)]
struct TurboFile {
    bits: String,
    mode: String,
}

impl QuantizedMetadata {
    /// The file that makes a vector a quantized one.
    pub(super) fn config_path(directory: &str) -> String {
        format!("{directory}/quantized.config.json")
    }

    /// Whether `quantized.meta.json` says of the vectors what `quantized.config.json` says. Files longer than those of any method but product
    /// quantization, whose centroids can take megabytes, are not read; nor is one that is not there.
    pub(super) fn parameters_agree(&self, files: &dyn StorageFiles, directory: &str) -> Result<bool, QdrantError> {
        #[derive(Deserialize)]
        struct MetaFile {
            vector_parameters: Option<serde_json::Value>,
        }
        let Some(meta) = files.open(&format!("{directory}/quantized.meta.json")) else { return Ok(true) };
        if meta.len() > SMALL_JSON_BYTES_MAX {
            return Ok(true);
        }
        let MetaFile { vector_parameters: in_meta } = read_json(&meta)?;
        let config: MetaFile = read_json(&open(files, &Self::config_path(directory))?)?;
        Ok(in_meta.is_none() || in_meta == config.vector_parameters)
    }

    /// Reads the small files of the vector `name`; `None` when it is not quantized.
    ///
    /// # Errors
    /// [`QdrantError::FileDamaged`] when a file is not what it must be, [`QdrantError::FileUnreadable`] when the source fails.
    pub fn read(files: &dyn StorageFiles, name: &str, state: &VectorState) -> Result<Option<Self>, QdrantError> {
        let directory = storage_directory(name);
        let Some(config_file) = files.open(&Self::config_path(&directory)) else { return Ok(None) };
        let ConfigFile { quantization_config: method, vector_parameters, storage_type } = read_json(&config_file)?;
        let Parameters { dim, count, distance_type } = vector_parameters;
        let is_euclid = distance_type.as_deref() == Some("L2");
        let is_multi = state.multivector_config.is_some();
        let record_bytes = match &method {
            Quantization::Other { name } if name == "turbo" => {
                let meta: TurboFile = read_json(&open(files, &format!("{directory}/quantized.meta.json"))?)?;
                turbo_record_bytes(dim, &meta, is_euclid)
            }
            method => record_bytes(method, dim, is_multi),
        };
        let is_chunked = storage_type.as_deref() == Some("Mutable");
        let (records, data_bytes) = if is_chunked {
            match files.open(&VectorChunks::config_path(&chunked_directory(&directory))) {
                None => (count, None),
                Some(_) => {
                    let chunks = VectorChunks::open(files, &chunked_directory(&directory), None)?;
                    (Some(chunks.rows()), chunks.rows().checked_mul(u64::from(chunks.row_bytes())))
                }
            }
        } else {
            (count, files.open(&data_path(&directory)).map(|file| file.len()))
        };
        let expected_bytes = records.zip(record_bytes).and_then(|(records, bytes)| records.checked_mul(bytes));
        Ok(Some(Self { method, dim, records, record_bytes, is_chunked, expected_bytes, data_bytes }))
    }
}

/// The file of the codes of an immutable segment.
pub(super) fn data_path(directory: &str) -> String {
    format!("{directory}/quantized.data")
}

/// The directory of the codes of an appendable segment.
pub(super) fn chunked_directory(directory: &str) -> String {
    format!("{directory}/quantized_data")
}

fn record_bytes(method: &Quantization, dim: u64, is_multi: bool) -> Option<u64> {
    match method {
        Quantization::Scalar { .. } => dim.checked_next_multiple_of(16)?.checked_add(4),
        Quantization::Product { compression, .. } => Some(dim.div_ceil(match compression.as_ref()? {
            ProductCompression::X4 => 1,
            ProductCompression::X8 => 2,
            ProductCompression::X16 => 4,
            ProductCompression::X32 => 8,
            ProductCompression::X64 => 16,
            ProductCompression::Other(_) => return None,
        })),
        Quantization::Binary { encoding, .. } => {
            let bits = match encoding.as_ref().unwrap_or(&BinaryEncoding::OneBit) {
                BinaryEncoding::OneBit => dim,
                BinaryEncoding::OneAndHalfBits => dim.checked_mul(3)?.div_ceil(2),
                BinaryEncoding::TwoBits => dim.checked_mul(2)?,
                BinaryEncoding::Other(_) => return None,
            };
            let word_bytes = match bits {
                _ if !is_multi => 16,
                0..=32 => 1,
                33..=64 => 4,
                65..=128 => 8,
                _ => 16,
            };
            bits.max(1).div_ceil(word_bytes * 8).checked_mul(word_bytes)
        }
        Quantization::Other { .. } => None,
    }
}

fn turbo_record_bytes(dim: u64, meta: &TurboFile, is_euclid: bool) -> Option<u64> {
    let bits = match meta.bits.as_str() {
        "bits1" => dim,
        "bits1_5" => dim.checked_mul(3)?.div_ceil(2),
        "bits2" => dim.checked_mul(2)?,
        "bits4" => dim.checked_mul(4)?,
        "bits8" => dim.checked_mul(8)?,
        _ => return None,
    };
    let factors = match meta.mode.as_str() {
        "normal" => 1,
        "plus" => 2,
        _ => return None,
    };
    Some(bits.div_ceil(8) + 4 * (factors + u64::from(is_euclid)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(json: &str) -> Quantization {
        serde_json::from_str(json).unwrap()
    }

    /// The lengths that Qdrant's engine wrote, by dimensions 8, 37, 100, 129 and 200.
    #[test]
    fn records_are_as_long_as_those_an_engine_wrote() {
        const DIMS: [u64; 5] = [8, 37, 100, 129, 200];
        for (json, is_multi, expected) in [
            (r#"{"scalar":{"type":"int8"}}"#, false, [20, 52, 116, 148, 212]),
            (r#"{"product":{"compression":"x4"}}"#, false, [8, 37, 100, 129, 200]),
            (r#"{"product":{"compression":"x8"}}"#, false, [4, 19, 50, 65, 100]),
            (r#"{"product":{"compression":"x16"}}"#, false, [2, 10, 25, 33, 50]),
            (r#"{"product":{"compression":"x32"}}"#, false, [1, 5, 13, 17, 25]),
            (r#"{"product":{"compression":"x64"}}"#, false, [1, 3, 7, 9, 13]),
            (r#"{"binary":{}}"#, false, [16, 16, 16, 32, 32]),
            (r#"{"binary":{"encoding":"one_and_half_bits"}}"#, false, [16, 16, 32, 32, 48]),
            (r#"{"binary":{"encoding":"two_bits"}}"#, false, [16, 16, 32, 48, 64]),
            (r#"{"binary":{"encoding":"one_bit"}}"#, true, [1, 8, 16, 32, 32]),
            (r#"{"binary":{"encoding":"one_and_half_bits"}}"#, true, [2, 8, 32, 32, 48]),
            (r#"{"binary":{"encoding":"two_bits"}}"#, true, [2, 16, 32, 48, 64]),
        ] {
            let found = DIMS.map(|dim| record_bytes(&method(json), dim, is_multi).unwrap());
            assert_eq!(found, expected, "{json} {is_multi}");
        }
        for (bits, mode, is_euclid, expected) in [
            ("bits1", "plus", false, [9, 13, 21, 25, 33]),
            ("bits1", "plus", true, [13, 17, 25, 29, 37]),
            ("bits1_5", "plus", false, [10, 15, 27, 33, 46]),
            ("bits2", "plus", true, [14, 22, 37, 45, 62]),
            ("bits4", "plus", false, [12, 27, 58, 73, 108]),
            ("bits8", "normal", false, [12, 41, 104, 133, 204]),
            ("bits8", "normal", true, [16, 45, 108, 137, 208]),
        ] {
            let meta = TurboFile { bits: bits.to_owned(), mode: mode.to_owned() };
            let found = DIMS.map(|dim| turbo_record_bytes(dim, &meta, is_euclid).unwrap());
            assert_eq!(found, expected, "{bits} {mode} {is_euclid}");
        }
    }

    #[test]
    fn hostile_dimensions_do_not_overflow() {
        for json in [r#"{"scalar":{}}"#, r#"{"binary":{"encoding":"two_bits"}}"#, r#"{"product":{"compression":"x4"}}"#]
        {
            for dim in [0, 1, u64::MAX, u64::MAX - 1, u64::MAX / 2] {
                let _ = record_bytes(&method(json), dim, true);
                let _ = record_bytes(&method(json), dim, false);
                let meta = TurboFile { bits: "bits4".to_owned(), mode: "plus".to_owned() };
                let _ = turbo_record_bytes(dim, &meta, true);
            }
        }
    }
}
