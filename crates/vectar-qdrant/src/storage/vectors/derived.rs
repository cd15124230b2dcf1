//! What is made from the vectors, and can be made again: quantized codes and the HNSW index. Only lengths and counts are compared.

use super::VectorStorage;
use super::audit::audit_chunks;
use super::files::{index_directory, object};
use super::multivector::InnerRange;
use super::quantized::{QuantizedMetadata, chunked_directory, data_path};
use super::vector_chunks::VectorChunks;
use super::{Body, State, sparse_index};
use crate::finding::{FindingLevel, Findings};
use crate::quantization::Quantization;
use crate::segment::{VectorIndexKind, VectorState};
use crate::storage::graph::{GraphMetadata, foreign_entry_points};
use crate::storage::tally::FaultKind;

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

impl VectorStorage<'_> {
    pub(super) fn audit_derived(&self, findings: &mut Findings) {
        let state = match &self.state {
            State::Dense(state) => state,
            State::Sparse(state) => return sparse_index::audit(self.files, &self.name, state, findings),
        };
        match QuantizedMetadata::read(self.files, &self.name, state) {
            Ok(None) => {}
            Ok(Some(metadata)) => self.audit_codes(&metadata, state, findings),
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
        if metadata.is_chunked {
            match VectorChunks::open(self.files, &codes_path, None) {
                Ok(chunks) => audit_chunks(&chunks, None, findings),
                Err(error) => findings.add(CODES.finding(object(&error, &codes_path), error.reason())),
            }
        } else {
            self.audit_immutable_codes(metadata, findings);
        }
        self.audit_method(&metadata.method, findings);
    }

    /// In an appendable segment rows without a vector need no record; once it is built there is one for every row.
    fn audit_immutable_codes(&self, metadata: &QuantizedMetadata, findings: &mut Findings) {
        let counts = metadata.records.zip(self.vectors_to_quantize());
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
        if metadata.points != self.rows {
            let what = format!("{} points, and there are {} rows", metadata.points, self.rows);
            findings.add(GRAPH.finding(&links_path, what));
        }
        let graph_path = format!("{directory}/graph.bin");
        if metadata.graph_expected_bytes != metadata.graph_bytes {
            let what = format!("{} bytes, expected {}", metadata.graph_bytes, metadata.graph_expected_bytes);
            findings.add(GRAPH.finding(&graph_path, what));
        }
        match foreign_entry_points(self.files, &self.name, self.rows) {
            Ok(None | Some(0)) => {}
            Ok(Some(count)) => {
                let what = format!("{count} of {} entry points are no rows", metadata.entry_points);
                findings.add(GRAPH.finding(&graph_path, what));
            }
            Err(error) => findings.add(GRAPH.finding(object(&error, &graph_path), error.reason())),
        }
    }
}
