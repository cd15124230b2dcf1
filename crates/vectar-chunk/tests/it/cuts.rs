//! What holds for the cuts of every rule.

use std::collections::HashSet;
use std::ops::Range;

use proptest::prelude::*;
use vectar_chunk::{ChunkSizes, CutRule, Cutter, RecordLayout, cut_all};

use crate::noise::{Noise, noise, patchy};

fn small_sizes() -> ChunkSizes {
    ChunkSizes::new(256, 1024, 4096).expect("valid sizes")
}

fn any_sizes() -> impl Strategy<Value = ChunkSizes> {
    (6_u32..10, 0_u32..3, 0_u32..3).prop_map(|(min, to_avg, to_max)| {
        let (min, avg) = (1 << min, 1 << (min + to_avg).max(8));
        ChunkSizes::new(min, avg, (avg << to_max).max(1024)).expect("valid sizes")
    })
}

/// Lengths that fit, that hardly fit and that no file has.
fn any_length() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => 1_u64..300,
        2 => 300_u64..9000,
        1 => Just(0),
        1 => Just(u64::MAX),
        1 => Just(5 << 20),
    ]
}

fn any_header() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => Just(0_u64),
        3 => 1_u64..64,
        1 => Just(u64::MAX),
        1 => 1000_u64..9000,
    ]
}

/// The rules whose cuts hang on nothing but the place in the body.
fn any_rule_by_place() -> impl Strategy<Value = CutRule> {
    prop_oneof![
        any_sizes().prop_map(|sizes| CutRule::FastCdc { sizes }),
        (any_length(), any_sizes()).prop_map(|(block_bytes, sizes)| CutRule::Blocks { block_bytes, sizes }),
        (any_header(), any_length(), any_sizes())
            .prop_map(|(header_bytes, row_bytes, sizes)| { CutRule::Rows { header_bytes, row_bytes, sizes } }),
    ]
}

fn any_rule() -> impl Strategy<Value = CutRule> {
    let layout = (any_header(), 0_u32..9, 0_u32..17);
    let layout = layout.prop_map(|(header_bytes, trailer_bytes, align_bytes)| RecordLayout {
        header_bytes,
        trailer_bytes,
        align_bytes,
    });
    prop_oneof![
        3 => any_rule_by_place(),
        1 => (layout, any_sizes()).prop_map(|(layout, sizes)| CutRule::Records { layout, sizes }),
        1 => (0_u32..20_000, any_sizes())
            .prop_map(|(bytes_max, beyond)| CutRule::Whole { bytes_max, beyond }),
    ]
}

/// Noise with structure, and sometimes bytes that read as records of some length.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (any::<u64>(), 0_usize..30_000).prop_map(|(seed, length)| patchy(seed, length)),
        proptest::collection::vec(1_u32..3000, 0..30).prop_map(|lengths| crate::records::log_body(&lengths)),
        proptest::collection::vec(any::<u8>(), 0..200),
    ]
}

/// Cuts a body that arrives in pieces, always with the shortest window that the pieces allow.
fn cut_in_pieces(rule: &CutRule, body: &[u8], body_offset: u64, pieces: &mut Noise) -> Vec<Range<usize>> {
    let mut cutter = Cutter::starting_at(rule, body_offset);
    let (mut start, mut arrived) = (0, 0);
    let mut ranges = Vec::new();
    loop {
        let at_end = arrived == body.len();
        match cutter.next_cut(&body[start..arrived], at_end) {
            Some(length) => {
                assert!((1..=arrived - start).contains(&length), "a chunk lies in its window");
                ranges.push(start..start + length);
                start += length;
            }
            None if at_end => return ranges,
            None => {
                assert!(arrived - start < cutter.window_bytes(), "a full window always has a cut");
                arrived = body.len().min(arrived + 1 + (pieces.next() % 3000) as usize);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// The chunks tile the body, and none is larger than promised.
    #[test]
    fn cuts_tile_the_body(rule in any_rule(), body in any_body()) {
        let chunk_bytes_max = Cutter::new(&rule).chunk_bytes_max();
        let mut end = 0;
        for range in cut_all(&rule, &body) {
            prop_assert_eq!(range.start, end);
            prop_assert!(!range.is_empty() && range.len() <= chunk_bytes_max);
            end = range.end;
        }
        prop_assert_eq!(end, body.len());
    }

    /// How the body arrives does not matter.
    #[test]
    fn cuts_do_not_depend_on_windows(rule in any_rule(), body in any_body(), seed in any::<u64>()) {
        prop_assert_eq!(cut_in_pieces(&rule, &body, 0, &mut Noise(seed)), cut_all(&rule, &body));
    }

    /// Nor does it when the walk starts inside the body.
    #[test]
    fn cuts_from_inside_do_not_depend_on_windows(
        rule in any_rule(), body in any_body(), seed in any::<u64>(), body_offset in 0_u64..10_000,
    ) {
        let at_once = cut_in_pieces(&rule, &body, body_offset, &mut Noise(seed));
        let otherwise = cut_in_pieces(&rule, &body, body_offset, &mut Noise(!seed));
        prop_assert_eq!(at_once, otherwise);
    }

    /// A walk that starts at a cut goes on as the whole walk does, so that a body can be cut in parts.
    #[test]
    fn a_walk_from_a_cut_continues_the_cuts(rule in any_rule_by_place(), body in any_body(), first in 0_usize..5) {
        let cuts = cut_all(&rule, &body);
        for which in (first..cuts.len()).step_by(5) {
            let start = cuts[which].start;
            let rest = cut_in_pieces(&rule, &body[start..], start as u64, &mut Noise(1));
            let rest: Vec<_> = rest.into_iter().map(|range| range.start + start..range.end + start).collect();
            prop_assert_eq!(&rest, &cuts[which..]);
        }
    }

    /// Every cut between rows is where a row ends, and short chunks come only first and last.
    #[test]
    fn rows_stay_whole(body in any_body(), header in 0_u64..50, row in 1_u64..4000, body_offset in 0_u64..10_000) {
        let rule = CutRule::Rows { header_bytes: header, row_bytes: row, sizes: small_sizes() };
        let cuts = cut_in_pieces(&rule, &body, body_offset, &mut Noise(2));
        for range in cuts.iter().rev().skip(1) {
            let cut = body_offset + range.end as u64;
            prop_assert!(cut >= header && (cut - header).is_multiple_of(row), "{cut} is no row end");
            // The header, or the end of a row that began before the walk.
            let is_first = cut == header || range.start == 0;
            prop_assert!(is_first || range.len() >= small_sizes().min(), "{range:?} is short");
        }
    }
}

fn chunk_set<'body>(rule: &CutRule, body: &'body [u8]) -> HashSet<&'body [u8]> {
    cut_all(rule, body).into_iter().map(|range| &body[range]).collect()
}

/// Returns how many bytes of `later` lie in chunks that `earlier` has too.
fn bytes_in_common(rule: &CutRule, earlier: &[u8], later: &[u8]) -> usize {
    let known = chunk_set(rule, earlier);
    cut_all(rule, later)
        .into_iter()
        .map(|range| &later[range])
        .filter(|chunk| known.contains(chunk))
        .map(<[u8]>::len)
        .sum()
}

#[test]
fn cuts_meet_again_after_rows_are_removed() {
    let rule = CutRule::Rows { header_bytes: 4, row_bytes: 96, sizes: small_sizes() };
    let earlier = noise(3, 4 + 96 * 2000);
    let mut later = earlier.clone();
    later.drain(4 + 96 * 700..4 + 96 * 703);
    later.drain(4 + 96 * 50..4 + 96 * 51);
    assert!(bytes_in_common(&rule, &earlier, &later) > later.len() - 4 * small_sizes().max());
}

#[test]
fn cuts_meet_again_after_blocks_are_inserted() {
    let rule = CutRule::Blocks { block_bytes: 128, sizes: small_sizes() };
    let earlier = noise(4, 128 * 2000);
    let mut later = earlier.clone();
    later.splice(128 * 900..128 * 900, noise(5, 128 * 3));
    assert!(bytes_in_common(&rule, &earlier, &later) > later.len() - 3 * small_sizes().max());
}

#[test]
fn cuts_meet_again_after_bytes_are_inserted() {
    let rule = CutRule::FastCdc { sizes: small_sizes() };
    let earlier = noise(6, 200_000);
    let mut later = earlier.clone();
    later.splice(77_777..77_777, [1, 2, 3]);
    assert!(bytes_in_common(&rule, &earlier, &later) > later.len() - 3 * small_sizes().max());
}

#[test]
fn chunks_have_about_the_average_length() {
    let body = noise(7, 4 << 20);
    let sizes = small_sizes();
    for rule in [
        CutRule::FastCdc { sizes },
        CutRule::Blocks { block_bytes: 64, sizes },
        CutRule::Rows { header_bytes: 0, row_bytes: 64, sizes },
    ] {
        let mean = body.len() / cut_all(&rule, &body).len();
        assert!((sizes.avg() * 3 / 4..sizes.avg() * 3 / 2).contains(&mean), "{rule:?}: {mean} bytes");
    }
}

#[test]
fn the_header_is_a_chunk_of_its_own() {
    let rule = CutRule::Rows { header_bytes: 4, row_bytes: 64, sizes: small_sizes() };
    assert_eq!(cut_all(&rule, &noise(8, 10_000))[0], 0..4);
    assert_eq!(cut_all(&rule, &[1, 2, 3]).len(), 1);
    // From behind the header there is none.
    assert!(cut_in_pieces(&rule, &noise(8, 10_000), 4, &mut Noise(0))[0].len() >= small_sizes().min());
}

#[test]
fn rows_larger_than_a_chunk_are_one_chunk_each() {
    let rule = CutRule::Rows { header_bytes: 0, row_bytes: 10_000, sizes: small_sizes() };
    assert_eq!(cut_all(&rule, &noise(9, 25_000)), [0..10_000, 10_000..20_000, 20_000..25_000]);
}

/// A full window that happens to end with the body was cut at the body's end, and at a row when the caller did not know of
/// the end yet. Rows here do not divide the largest chunk.
#[test]
fn a_full_window_is_cut_alike_at_the_end_and_before_it() {
    let rule = CutRule::Rows { header_bytes: 0, row_bytes: 3000, sizes: small_sizes() };
    let body = noise(12, small_sizes().max());
    let known = Cutter::new(&rule).next_cut(&body, true);
    assert_eq!(Cutter::new(&rule).next_cut(&body, false), known);
    assert_eq!(known, Some(3000));
}

#[test]
fn rules_that_cannot_be_followed_are_cut_by_fastcdc() {
    let sizes = small_sizes();
    let body = noise(10, 100_000);
    let expected = cut_all(&CutRule::FastCdc { sizes }, &body);
    for (header_bytes, row_bytes) in [(0, 0), (4, 0), (0, u64::MAX), (0, (4 << 20) + 1), (u64::MAX, 64), (4097, 64)] {
        let rule = CutRule::Rows { header_bytes, row_bytes, sizes };
        assert_eq!(cut_all(&rule, &body), expected, "{rule:?}");
    }
    for block_bytes in [0, u64::MAX] {
        assert_eq!(cut_all(&CutRule::Blocks { block_bytes, sizes }, &body), expected);
    }
}

#[test]
fn small_bodies_stay_whole_and_larger_ones_are_cut() {
    let rule = CutRule::Whole { bytes_max: 5000, beyond: small_sizes() };
    let body = noise(11, 20_000);
    assert_eq!(cut_all(&rule, &body[..5000]).len(), 1);
    let by_fastcdc = cut_all(&CutRule::FastCdc { sizes: small_sizes() }, &body);
    assert_eq!(cut_all(&rule, &body), by_fastcdc);
    assert_eq!(cut_all(&rule, &[]), []);
}
