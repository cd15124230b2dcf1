//! What is made from the vectors, and can be made again: quantized codes and the HNSW index. Only lengths and counts are compared.

use super::VectorStorage;
use super::audit::audit_chunks;
use super::files::{index_directory, object};
use super::multivector::InnerRange;
use super::quantized::{QuantizedMetadata, chunked_directory, data_path};
use super::vector_chunks::VectorChunks;
use super::{Body, State};
use crate::error::QdrantError;
use crate::finding::{FindingLevel, Findings};
use crate::quantization::Quantization;
use crate::segment::{VectorIndexKind, VectorState};
use crate::storage::graph::{GraphMetadata, foreign_entry_points};
use crate::storage::tally::FaultKind;
use crate::storage::{Bits, StoredFile, Window};

const REBUILD: &str = "take another snapshot, or restore an older one; the vectors themselves are not concerned";

const CODES: FaultKind = FaultKind {
    level: FindingLevel::Damage,
    what: "the quantized vectors do not fit the vectors",
    consequence: "Qdrant does not load the segment, or finds wrong neighbours; before v1.18.2 it could crash",
    advice: REBUILD,
};

const GRAPH: FaultKind = FaultKind {
    level: FindingLevel::Damage,
    what: "the HNSW index does not fit the vectors",
    consequence: "Qdrant does not load the segment, or finds wrong neighbours",
    advice: REBUILD,
};

const GRAPH_MISSING: FaultKind = FaultKind {
    level: FindingLevel::Damage,
    what: "the HNSW index is missing",
    consequence: "Qdrant does not load the segment, or builds the index again",
    advice: REBUILD,
};

const GRAPH_CONFIG: FaultKind = FaultKind {
    level: FindingLevel::Suspicious,
    what: "the configuration of the HNSW index does not fit it",
    consequence: "Qdrant searches with other parameters than the index was built with, or builds it again",
    advice: REBUILD,
};

const UNFLAGGED: FaultKind = FaultKind {
    level: FindingLevel::Suspicious,
    what: "more vectors than were indexed",
    consequence: "if flags were lost, vectors that were deleted, or never given, come back",
    advice: "compare these points with another snapshot",
};

const CODES_MISSING: FaultKind = FaultKind {
    level: FindingLevel::Suspicious,
    what: "the quantized vectors are missing",
    consequence: "Qdrant searches this segment without quantization until it is rebuilt",
    advice: REBUILD,
};

const CODES_ZERO: FaultKind = FaultKind {
    level: FindingLevel::Suspicious,
    what: "quantized vectors of zeros",
    consequence: "searches in this segment find anything; so look files whose content was lost before the snapshot was made",
    advice: REBUILD,
};

impl VectorStorage<'_> {
    pub(super) fn audit_derived(&self, live: Option<&Bits>, findings: &mut Findings) {
        let state = match &self.state {
            State::Dense(state) => state,
            // Its index was looked at with its values.
            State::Sparse(_) => return,
        };
        match QuantizedMetadata::read(self.files, &self.name, state) {
            // Segments that take points have no codes with most methods; built ones have them from the start.
            Ok(None) if state.quantization_config.is_some() && state.index.kind == VectorIndexKind::Hnsw => {
                let path = QuantizedMetadata::config_path(&self.directory);
                findings.add(CODES_MISSING.finding(&path, format!("{path} is missing")));
            }
            Ok(None) => {}
            Ok(Some(metadata)) => {
                self.audit_codes(&metadata, state, findings);
                self.audit_scalar_codes(&metadata, live, findings);
            }
            Err(error) => findings.add(CODES.finding(object(&error, &self.directory), error.reason())),
        }
        if state.index.kind == VectorIndexKind::Hnsw {
            self.audit_graph(findings);
        }
    }

    fn audit_codes(&self, metadata: &QuantizedMetadata, state: &VectorState, findings: &mut Findings) {
        let config_path = QuantizedMetadata::config_path(&self.directory);
        if metadata.dim != state.size {
            let what = format!("{} dimensions, and the vectors have {}", metadata.dim, state.size);
            findings.add(CODES.finding(&config_path, what));
        }
        let codes_path =
            if metadata.is_chunked { chunked_directory(&self.directory) } else { data_path(&self.directory) };
        let Some(data_bytes) = metadata.data_bytes else {
            // A quantizer of no vectors has no codes to keep.
            if metadata.records != Some(0) {
                findings.add(CODES.finding(&codes_path, format!("{codes_path} is missing")));
            }
            return;
        };
        if let Some(expected) = metadata.expected_bytes.filter(|expected| *expected != data_bytes) {
            let record = metadata.record_bytes.unwrap_or_default();
            let records = metadata.records.unwrap_or_default();
            let what = format!("{data_bytes} bytes, expected {expected}: {records} records of {record}");
            findings.add(CODES.finding(&codes_path, what));
        }
        let vectors = self.vectors_to_quantize();
        if metadata.is_chunked {
            match VectorChunks::open(self.files, &codes_path, None) {
                Ok(chunks) => audit_chunks(&chunks, None, findings),
                Err(error) => findings.add(CODES.finding(object(&error, &codes_path), error.reason())),
            }
            self.audit_appendable_codes(metadata, &codes_path, findings);
        } else {
            self.audit_immutable_codes(metadata, vectors, findings);
        }
        self.audit_method(&metadata.method, findings);
        self.audit_codes_content(metadata, vectors, findings);
    }

    /// In an appendable segment the last rows need no record as long as none of them has a vector.
    fn audit_appendable_codes(&self, metadata: &QuantizedMetadata, codes_path: &str, findings: &mut Findings) {
        let Some(records) = metadata.records.filter(|_| matches!(self.body, Body::Dense(..))) else { return };
        if records > self.rows || (records..self.rows).any(|row| !self.flags.bits.get(row)) {
            let what = format!("{records} records, and there are {} rows", self.rows);
            findings.add(CODES.finding(&format!("{codes_path}/status.dat"), what));
        }
    }

    /// Once a segment is built there is a record for every row.
    fn audit_immutable_codes(&self, metadata: &QuantizedMetadata, vectors: Option<u64>, findings: &mut Findings) {
        let counts = metadata.records.zip(vectors);
        if let Some((records, vectors)) = counts.filter(|(records, vectors)| records != vectors) {
            let what = format!("{records} records, and there are {vectors} vectors");
            findings.add(CODES.finding(&QuantizedMetadata::config_path(&self.directory), what));
        }
        if let Body::Multi(..) = &self.body {
            self.audit_code_offsets(findings);
        }
    }

    /// Vectors with a record each: the rows, of multivectors all inner vectors of all rows, dead ones included.
    fn vectors_to_quantize(&self) -> Option<u64> {
        let Body::Multi(multi, _) = &self.body else { return Some(self.rows) };
        let mut reader = multi.offsets.reader();
        let mut vectors = 0;
        for row in multi.offsets.spans().flatten() {
            vectors += u64::from(InnerRange::read(reader.rows(row, 1).ok()?).count);
        }
        Some(vectors)
    }

    /// A record of `quantized.offsets.data` has 8 bytes: u32 first record, u32 how many.
    fn audit_code_offsets(&self, findings: &mut Findings) {
        let path = format!("{}/quantized.offsets.data", self.directory);
        let (found, expected) = (self.files.open(&path).map(|file| file.len()), self.rows * 8);
        match found {
            Some(found) if found == expected => {}
            Some(found) => {
                let what = format!("{found} bytes, expected {expected} for {} rows", self.rows);
                findings.add(CODES.finding(&path, what));
            }
            None => findings.add(CODES.finding(&path, format!("{path} is missing"))),
        }
        if let Some(wrong) = self.wrong_code_offsets(&path).filter(|wrong| *wrong > 0) {
            let what = format!("{wrong} rows have another number of codes than of inner vectors");
            findings.add(CODES.finding(&path, what));
        }
    }

    /// Rows whose record does not count as many codes as the row has inner vectors; `None` when they cannot be compared.
    fn wrong_code_offsets(&self, path: &str) -> Option<u64> {
        let Body::Multi(multi, _) = &self.body else { return None };
        let file = self.files.open(path)?;
        let (mut records, mut offsets) = (Window::new(&file), multi.offsets.reader());
        let (mut wrong, mut start) = (0, 0_u64);
        for row in multi.offsets.spans().flatten().take_while(|row| (row + 1) * 8 <= file.len()) {
            let count = InnerRange::read(offsets.rows(row, 1).ok()?).count;
            let record = records.bytes(row * 8, 8).ok()?;
            let word = |at: usize| u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]]);
            wrong += u64::from(u64::from(word(0)) != start || word(4) != count);
            start += u64::from(count);
        }
        Some(wrong)
    }

    fn audit_method(&self, method: &Quantization, findings: &mut Findings) {
        let path = format!("{}/quantized.meta.json", self.directory);
        if self.files.open(&path).is_none() {
            let what = format!("{path} is missing, which {} quantization needs", method.name());
            findings.add(CODES.finding(&path, what));
        }
    }

    fn audit_graph(&self, findings: &mut Findings) {
        let directory = index_directory(&self.name);
        let metadata = match GraphMetadata::read(self.files, &self.name) {
            Ok(Some(metadata)) => metadata,
            Ok(None) => {
                let what = format!("neither graph.bin nor links are in {directory}");
                return findings.add(GRAPH_MISSING.finding(&directory, what));
            }
            Err(error) => return findings.add(GRAPH.finding(object(&error, &directory), error.reason())),
        };
        let links_path = format!("{directory}/{}", metadata.links.file_name());
        if metadata.links_expected_bytes != Some(metadata.links_bytes) {
            let expected =
                metadata.links_expected_bytes.map_or("more than any file has".to_owned(), |bytes| bytes.to_string());
            let what = format!("{} bytes, expected {expected} by its header", metadata.links_bytes);
            findings.add(GRAPH.finding(&links_path, what));
        }
        self.audit_graph_config(&metadata, &format!("{directory}/hnsw_config.json"), findings);
        if metadata.points != self.rows {
            let what = format!("{} points, and there are {} rows", metadata.points, self.rows);
            findings.add(GRAPH.finding(&links_path, what));
        }
        let graph_path = format!("{directory}/graph.bin");
        if metadata.graph_expected_bytes != metadata.graph_bytes {
            let what = format!("{} bytes, expected {}", metadata.graph_bytes, metadata.graph_expected_bytes);
            findings.add(GRAPH.finding(&graph_path, what));
        }
        match foreign_entry_points(self.files, &self.name, self.rows, metadata.levels) {
            Ok(None | Some(0)) => {}
            Ok(Some(count)) => {
                let what = format!("{count} of {} entry points are no rows, or on no level", metadata.entry_points);
                findings.add(GRAPH.finding(&graph_path, what));
            }
            Err(error) => findings.add(GRAPH.finding(object(&error, &graph_path), error.reason())),
        }
    }
}

impl VectorStorage<'_> {
    /// Compares `hnsw_config.json` with the graph, and with the flags: an index of a built segment has every vector that is not flagged.
    fn audit_graph_config(&self, metadata: &GraphMetadata, path: &str, findings: &mut Findings) {
        match metadata.config_agrees {
            None => findings.add(GRAPH_CONFIG.finding(path, format!("{path} is missing"))),
            Some(false) => {
                findings.add(GRAPH_CONFIG.finding(path, "m, m0 or ef_construct is not that of graph.bin".to_owned()))
            }
            Some(true) => {}
        }
        if let Some(indexed) = metadata.indexed_vectors {
            self.audit_indexed(indexed, self.rows.saturating_sub(self.flags.bits.count_ones()), findings);
        }
    }

    /// Flags are only ever set after the index was built, so no more vectors can be there than were indexed. Flags that are missing are
    /// reported as such.
    pub(super) fn audit_indexed(&self, indexed: u64, present: u64, findings: &mut Findings) {
        if present > indexed && self.flags.file_bytes.is_some() {
            let what = format!("{present} vectors are not flagged, and the index was built of {indexed}");
            findings.add(UNFLAGGED.finding(&self.flags.path, what));
        }
    }

    /// The quantizer's parameters, and codes that are nothing but zeros.
    fn audit_codes_content(&self, metadata: &QuantizedMetadata, vectors: Option<u64>, findings: &mut Findings) {
        let path = format!("{}/quantized.meta.json", self.directory);
        match metadata.parameters_agree(self.files, &self.directory) {
            Ok(true) => {}
            Ok(false) => {
                let what = "its vector_parameters are not those of quantized.config.json".to_owned();
                findings.add(CODES.finding(&path, what));
            }
            Err(error) => findings.add(CODES.finding(object(&error, &path), error.reason())),
        }
        let data = data_path(&self.directory);
        if let Some(file) = self.files.open(&data).filter(|_| vectors > Some(0) && !metadata.is_chunked)
            && is_zero(&file).unwrap_or(false)
        {
            findings.add(CODES_ZERO.finding(&data, format!("all {} bytes are zero", file.len())));
        }
    }
}

/// Whether a file has bytes, and all of them are zero.
pub(crate) fn is_zero(file: &StoredFile<'_>) -> Result<bool, QdrantError> {
    const PIECE_BYTES: u64 = 64 << 10;
    let mut window = Window::new(file);
    let mut at = 0;
    while at < file.len() {
        let len = PIECE_BYTES.min(file.len() - at);
        if window.bytes(at, len as usize)?.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        at += len;
    }
    Ok(at > 0)
}
