//! A segment: its files, its configuration against the collection's, and everything it stores.

use super::{has, missing, payload_index, rows, small_files};
use crate::collection_files::PayloadSchema;
use crate::config::CollectionConfig;
use crate::finding::{Finding, FindingLevel, Findings};
use crate::outline::{CollectionOutline, SegmentOutline};
use crate::segment::SegmentState;
use crate::storage::{PayloadStorage, Segment, StorageFiles, VectorStorage};

pub(super) fn audit(
    files: &dyn StorageFiles,
    outline: &SegmentOutline,
    collection: &CollectionOutline,
    is_partial: bool,
) -> Findings {
    let mut findings = Findings::default();
    if is_partial {
        part(files, &mut findings);
        return findings;
    }
    if !has(files, "version.info") {
        let consequence = "Qdrant deletes a segment without it when it loads, with a warning in its log: all points of the segment are lost";
        findings.add(missing("version.info", FindingLevel::DataLoss, consequence));
    }
    small_files::version(files, small_files::SEGMENT_VERSION, &mut findings);
    if !has(files, "segment.json") {
        let consequence = "Qdrant cannot load the segment";
        findings.add(missing("segment.json", FindingLevel::Damage, consequence));
        return findings;
    }
    let Some(state) = &outline.state else { return findings };
    if let Some(config) = &collection.config {
        vectors_by_config(state, config, &mut findings);
    }
    match Segment::open(files) {
        Ok(segment) => stored(files, &segment, collection.payload_schema.as_ref(), &mut findings),
        Err(error) => findings.add(Finding::unreadable("", &error)),
    }
    findings
}

/// Of a partial snapshot only changed files are there, and none of those that the manifest lists need be. The manifest itself and two small
/// files always come (`qdrant v1.19.0 lib/segment/src/segment/snapshot.rs`).
fn part(files: &dyn StorageFiles, findings: &mut Findings) {
    for path in ["segment_manifest.json", "segment.json", "version.info"].iter().filter(|path| !has(files, path)) {
        let consequence = "Qdrant cannot merge the segment into the one that it changes";
        findings.add(missing(path, FindingLevel::Damage, consequence));
    }
    small_files::version(files, small_files::SEGMENT_VERSION, findings);
}

/// The vectors of the segment are those of the collection.
fn vectors_by_config(state: &SegmentState, config: &CollectionConfig, findings: &mut Findings) {
    let mut differs = |what: String| {
        findings.add(Finding {
            level: FindingLevel::Damage,
            object: "segment.json".to_owned(),
            what,
            consequence: "Qdrant refuses the segment, or answers searches wrongly".to_owned(),
            advice: "restore from another backup, or make the snapshot again".to_owned(),
        });
    };
    for (name, vector) in &config.vectors {
        match state.vectors.get(name) {
            None => differs(format!("lacks vector {name:?} of the collection")),
            Some(found) if (found.size, &found.distance) != (vector.size, &vector.distance) => differs(format!(
                "vector {name:?} has {} dimensions and {}, that of the collection {} and {}",
                found.size, found.distance, vector.size, vector.distance
            )),
            Some(_) => {}
        }
    }
    for name in state.vectors.keys().filter(|name| !config.vectors.contains_key(*name)) {
        differs(format!("has vector {name:?}, which the collection has not"));
    }
    for name in config.sparse_vectors.keys().filter(|name| !state.sparse_vectors.contains_key(*name)) {
        differs(format!("lacks sparse vector {name:?} of the collection"));
    }
}

fn stored(files: &dyn StorageFiles, segment: &Segment<'_>, schema: Option<&PayloadSchema>, findings: &mut Findings) {
    let (state, tracker) = (segment.state(), segment.tracker());
    small_files::segment(state, tracker.live_points() > 0, findings);
    tracker.audit(state.version, findings);
    let (rows, live) = (Some(tracker.rows()), Some(tracker.live_rows()));
    let is_appendable = state.is_appendable();
    for (name, vector) in &state.vectors {
        match VectorStorage::open_dense(files, name, vector) {
            Ok(storage) => storage.audit(rows, live, is_appendable, findings),
            Err(error) => findings.add(Finding::unreadable("", &error)),
        }
    }
    for (name, vector) in &state.sparse_vectors {
        match VectorStorage::open_sparse(files, name, vector) {
            Ok(storage) => storage.audit(rows, live, is_appendable, findings),
            Err(error) => findings.add(Finding::unreadable("", &error)),
        }
    }
    match PayloadStorage::open(files, state) {
        Ok(payload) => {
            payload.audit(live, findings);
            rows::audit(segment, &payload, findings);
        }
        Err(error) => findings.add(Finding::unreadable("", &error)),
    }
    payload_index::audit(files, tracker.rows(), schema, findings);
}
