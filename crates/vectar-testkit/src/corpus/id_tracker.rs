//! Id trackers (format reference §4.3; Qdrant `lib/segment/src/id_tracker/`, v1.18.3).

use std::io::{self, Write};

use super::gridstore::BlockFilled;
use super::points::PointId;
use super::segment::{Row, SegmentPlan};
use super::tar_writer::PlannedFile;

const INSERT_NUMBER: u8 = 1;
const INSERT_UUID: u8 = 2;
const DELETE_NUMBER: u8 = 3;
const DELETE_UUID: u8 = 4;
const NUMBER_BYTES: u64 = 8;
const UUID_BYTES: u64 = 16;

/// Plans the immutable tracker of an optimized segment: deletes, mappings, versions.
pub(super) fn immutable_files<'p>(segment: &'p SegmentPlan<'_>) -> Vec<PlannedFile<'p>> {
    let rows = segment.rows.len() as u64;
    // Each record is a kind, the id and the row number.
    let mappings_bytes = 8 + segment.rows.iter().map(|row| 1 + id_bytes(segment, row) + 4).sum::<u64>();
    vec![
        PlannedFile::small("id_tracker.deleted", segment.changed_s, deleted_bits(&segment.rows)),
        PlannedFile {
            path: "id_tracker.mappings".to_owned(),
            real_bytes: mappings_bytes,
            extents: None,
            modified_s: segment.built_s,
            body: Box::new(move |out| write_immutable_mappings(segment, out)),
        },
        versions_file("id_tracker.versions", segment, rows),
    ]
}

/// Plans the mutable tracker: the log of mappings and the versions. An empty segment has neither.
pub(super) fn mutable_files<'p>(segment: &'p SegmentPlan<'_>) -> Vec<PlannedFile<'p>> {
    let rows = segment.rows.len() as u64;
    if rows == 0 {
        return Vec::new();
    }
    let record_bytes = |row: &Row| {
        let id = id_bytes(segment, row);
        1 + id + 4 + if row.is_live() { 0 } else { 1 + id }
    };
    vec![
        PlannedFile {
            path: "mutable_id_tracker.mappings".to_owned(),
            real_bytes: segment.rows.iter().map(record_bytes).sum(),
            extents: None,
            modified_s: segment.changed_s,
            body: Box::new(move |out| write_mutable_mappings(segment, out)),
        },
        versions_file("mutable_id_tracker.versions", segment, rows),
    ]
}

fn id_bytes(segment: &SegmentPlan<'_>, row: &Row) -> u64 {
    match segment.population.id(row.point) {
        PointId::Number(_) => NUMBER_BYTES,
        PointId::Uuid(_) => UUID_BYTES,
    }
}

/// One bit per row, lowest first, in whole 8-byte words; 1 for dead.
fn deleted_bits(rows: &[Row]) -> Vec<u8> {
    let mut bits = vec![0_u8; rows.len().div_ceil(8).next_multiple_of(8)];
    for (index, row) in rows.iter().enumerate() {
        if !row.is_live() {
            bits[index / 8] |= 1 << (index % 8);
        }
    }
    bits
}

fn versions_file<'p>(path: &str, segment: &'p SegmentPlan<'_>, rows: u64) -> PlannedFile<'p> {
    PlannedFile {
        path: path.to_owned(),
        real_bytes: rows * 8,
        extents: None,
        modified_s: segment.changed_s,
        body: Box::new(move |out| {
            let mut out = BlockFilled::new(out);
            for row in &segment.rows {
                // Since v1.16.0 a dead row's version is 0.
                let version = if row.is_live() { row.version } else { 0 };
                out.write_all(&version.to_le_bytes())?;
            }
            out.finish_unfilled()
        }),
    }
}

fn write_immutable_mappings(segment: &SegmentPlan<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut out = BlockFilled::new(out);
    out.write_all(&(segment.rows.len() as u64).to_le_bytes())?;
    for (index, row) in segment.rows.iter().enumerate() {
        match segment.population.id(row.point) {
            PointId::Number(number) => {
                out.write_all(&[0])?;
                out.write_all(&number.to_le_bytes())?;
            }
            PointId::Uuid(uuid) => {
                out.write_all(&[1])?;
                out.write_all(&uuid)?;
            }
        }
        out.write_all(&(index as u32).to_le_bytes())?;
    }
    out.finish_unfilled()
}

/// Writes the log step by step: rows that were appended, then rows that died. So the log of one generation begins
/// with the log of the generation before, as a real one does.
fn write_mutable_mappings(segment: &SegmentPlan<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut out = BlockFilled::new(out);
    for step in segment.made..=segment.generation {
        for (index, row) in segment.rows.iter().enumerate() {
            if row.appended_step == step {
                log_record(segment, row, INSERT_NUMBER, INSERT_UUID, &mut out)?;
                out.write_all(&(index as u32).to_le_bytes())?;
            }
        }
        for row in segment.rows.iter().filter(|row| row.dead_step == Some(step)) {
            log_record(segment, row, DELETE_NUMBER, DELETE_UUID, &mut out)?;
        }
    }
    out.finish_unfilled()
}

fn log_record(
    segment: &SegmentPlan<'_>,
    row: &Row,
    number_kind: u8,
    uuid_kind: u8,
    out: &mut BlockFilled<'_>,
) -> io::Result<()> {
    match segment.population.id(row.point) {
        PointId::Number(number) => {
            out.write_all(&[number_kind])?;
            out.write_all(&number.to_le_bytes())
        }
        PointId::Uuid(uuid) => {
            out.write_all(&[uuid_kind])?;
            out.write_all(&uuid)
        }
    }
}
