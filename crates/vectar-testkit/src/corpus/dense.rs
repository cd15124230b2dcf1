//! Dense vector storages: chunk files and the single file (format reference §4.2; Qdrant
//! `lib/segment/src/vector_storage/dense/` and `…/chunked_vectors/`, v1.18.3).

use std::io::{self, Write};

use super::content::VectorSource;
use super::segment::{Row, SegmentPlan};
use super::tar_writer::{PlannedFile, prefix_bytes};

const CHUNK_BYTES_TARGET: u64 = 32 << 20;
const FLAGS_BYTES_MIN: u64 = 1 << 20;
/// Rows are produced into a buffer of about this size before they are written.
const BUFFER_BYTES: usize = 1 << 20;

/// Plans `vector_storage/` in vector chunk files, with its flags directory.
pub(super) fn chunked_files<'p>(segment: &'p SegmentPlan<'_>) -> Vec<PlannedFile<'p>> {
    let options = segment.population.options();
    let row_bytes = VectorSource::row_bytes(options);
    let chunk_rows = CHUNK_BYTES_TARGET / row_bytes;
    let chunk_bytes = chunk_rows * row_bytes;
    let config = format!(
        r#"{{"chunk_size_bytes":{chunk_bytes},"chunk_size_vectors":{chunk_rows},"dim":{},"populate":true}}"#,
        options.dimensions
    );
    let rows = segment.rows.len() as u64;
    let mut files = vec![
        PlannedFile::small("vector_storage/vectors/config.json", segment.built_s, config.into()),
        PlannedFile::small("vector_storage/vectors/status.dat", segment.flushed_s, rows.to_le_bytes().to_vec()),
    ];
    for (chunk, rows) in segment.rows.chunks(chunk_rows as usize).enumerate() {
        let data_bytes = rows.len() as u64 * row_bytes;
        let stored_bytes = prefix_bytes(data_bytes, chunk_bytes);
        files.push(PlannedFile::preallocated(
            format!("vector_storage/vectors/chunk_{chunk}.mmap"),
            segment.changed_s,
            data_bytes,
            chunk_bytes,
            Box::new(move |out| {
                write_rows(segment, rows, out)?;
                out.write_all(&vec![0; (stored_bytes - data_bytes) as usize])
            }),
        ));
    }
    files.push(flags_status_file(segment, rows));
    files.push(flags_file(segment, rows));
    files
}

/// Plans `vector_storage/` as `matrix.dat` and `deleted.dat`.
pub(super) fn matrix_files<'p>(segment: &'p SegmentPlan<'_>) -> Vec<PlannedFile<'p>> {
    let rows = segment.rows.len() as u64;
    // Both files begin with a magic; the flags follow in 8-byte words and are all clear: deleting a point does not
    // mark its vectors.
    let mut deleted = b"drop\0\0\0\0".to_vec();
    deleted.resize(8 + rows.div_ceil(8).next_multiple_of(8) as usize, 0);
    vec![
        PlannedFile {
            path: "vector_storage/matrix.dat".to_owned(),
            real_bytes: 4 + rows * VectorSource::row_bytes(segment.population.options()),
            extents: None,
            modified_s: segment.built_s,
            body: Box::new(move |out| {
                out.write_all(b"data")?;
                write_rows(segment, &segment.rows, out)
            }),
        },
        PlannedFile::small("vector_storage/deleted.dat", segment.built_s, deleted),
    ]
}

/// The number of flags and the number of the flags file; an untouched hole while there are none.
fn flags_status_file<'p>(segment: &SegmentPlan<'_>, rows: u64) -> PlannedFile<'p> {
    const PATH: &str = "vector_storage/deleted/status.dat";
    const BYTES: usize = 16;
    if rows == 0 {
        return PlannedFile::untouched(PATH, segment.changed_s, BYTES as u64);
    }
    let mut status = rows.to_le_bytes().to_vec();
    status.resize(BYTES, 0);
    PlannedFile::small(PATH, segment.changed_s, status)
}

fn flags_file<'p>(segment: &SegmentPlan<'_>, rows: u64) -> PlannedFile<'p> {
    let data_bytes = rows.div_ceil(8);
    let real_bytes = data_bytes.next_power_of_two().max(FLAGS_BYTES_MIN);
    let stored = vec![0; prefix_bytes(data_bytes, real_bytes) as usize];
    PlannedFile::preallocated(
        "vector_storage/deleted/flags_a.dat".to_owned(),
        segment.changed_s,
        data_bytes,
        real_bytes,
        Box::new(move |out| out.write_all(&stored)),
    )
}

fn write_rows(segment: &SegmentPlan<'_>, rows: &[Row], out: &mut dyn Write) -> io::Result<()> {
    let mut source = VectorSource::new(segment.population.options());
    let mut buffer = Vec::new();
    for row in rows {
        source.append_stored(row.point, row.vector_step, &mut buffer);
        if buffer.len() >= BUFFER_BYTES {
            out.write_all(&buffer)?;
            buffer.clear();
        }
    }
    out.write_all(&buffer)
}
