//! Logs of length-prefixed records, as Qdrant's WAL segments hold them.

use vectar_chunk::{ChunkSizes, CutParameters, CutRule, RecordLayout, cut_all};

use crate::noise::noise;

const LAYOUT: RecordLayout = RecordLayout { header_bytes: 8, trailer_bytes: 4, align_bytes: 8 };

/// Returns an 8-byte header and one record per length: `u64` length, that many bytes, padding, 4 bytes of trailer.
pub(crate) fn log_body(lengths: &[u32]) -> Vec<u8> {
    let mut body = b"log\0seed".to_vec();
    for (index, &length) in lengths.iter().enumerate() {
        body.extend(u64::from(length).to_le_bytes());
        body.extend(noise(index as u64, length as usize + 4));
        body.resize(body.len().next_multiple_of(8), 0);
    }
    body
}

fn rule() -> CutRule {
    let sizes = ChunkSizes::new(1024, 4096, 16_384).expect("valid sizes");
    CutRule::Records { layout: LAYOUT, sizes }
}

fn ends(body: &[u8]) -> Vec<usize> {
    cut_all(&rule(), body).iter().map(|range| range.end).collect()
}

#[test]
fn small_records_share_chunks_and_large_ones_stand_alone() {
    // The first record end from 4096 bytes on ends a chunk; a record larger than that fills one.
    let expected = [
        log_body(&[1000; 5]).len(),
        log_body(&[1000, 1000, 1000, 1000, 1000, 9000]).len(),
        log_body(&[1000, 1000, 1000, 1000, 1000, 9000, 10]).len(),
    ];
    assert_eq!(ends(&log_body(&[1000, 1000, 1000, 1000, 1000, 9000, 10])), expected);
}

#[test]
fn what_is_appended_leaves_full_chunks_alone() {
    let lengths: Vec<u32> = (0..200).map(|index| 1 + index * 37 % 3000).collect();
    let earlier = log_body(&lengths[..150]);
    let later = log_body(&lengths);
    let (earlier, later) = (ends(&earlier), ends(&later));
    assert_eq!(earlier[..earlier.len() - 1], later[..earlier.len() - 1]);
}

#[test]
fn empty_space_behind_the_last_record_is_apart() {
    let records = log_body(&[5000, 600]);
    let mut body = records.clone();
    body.resize(40_000, 0);
    assert!(ends(&body).contains(&records.len()));
}

#[test]
fn records_larger_than_a_chunk_are_cut_inside_and_end_a_chunk() {
    let upto = log_body(&[300, 100_000]).len();
    let body = log_body(&[300, 100_000, 2000]);
    let ends = ends(&body);
    assert_eq!(ends[0], log_body(&[300]).len());
    assert!(ends.contains(&upto), "the record after the large one starts a chunk");
    assert!(ends.len() > 8, "the large record is cut");
}

#[test]
fn lengths_that_no_file_has_are_no_records() {
    for length in [u64::MAX, u64::MAX - 12, 1 << 62] {
        let mut body = log_body(&[5000, 5000]);
        let records = body.len();
        body.extend(length.to_le_bytes());
        body.extend(noise(1, 50_000));
        let ends = ends(&body);
        assert!(ends.contains(&records), "{length}");
        assert_eq!(*ends.last().expect("not empty"), body.len());
    }
}

#[test]
fn a_body_without_records_is_cut_by_fastcdc() {
    let body = vec![0; 300_000];
    let sizes = ChunkSizes::new(1024, 4096, 16_384).expect("valid sizes");
    let layout = RecordLayout { header_bytes: 0, ..LAYOUT };
    assert_eq!(cut_all(&CutRule::Records { layout, sizes }, &body), cut_all(&CutRule::FastCdc { sizes }, &body));
}

#[test]
fn v1_keeps_a_record_of_megabytes_whole() {
    let body = log_body(&[100, 3_000_000, 100]);
    let lengths: Vec<usize> =
        cut_all(&CutParameters::V2.log_rule(LAYOUT), &body).iter().map(|range| range.len()).collect();
    assert!(lengths.iter().any(|&length| length > 3_000_000), "{lengths:?}");
}
