//! Recorded cuts and ids. **They must never change**: repositories were written with them, and a different cut or id finds
//! nothing in common with what is stored. If a test here fails, the code is wrong, whatever was gained by it; other cuts
//! need another version of the parameters.

use expect_test::{Expect, expect};
use vectar_chunk::{ChunkSizes, CutParameters, CutRule, IdKey, RecordLayout, cut_all};

use crate::noise::patchy;
use crate::records::log_body;

fn check(rule: &CutRule, body: &[u8], expected: Expect) {
    let mut text = String::new();
    for (index, range) in cut_all(rule, body).iter().enumerate() {
        text += if index > 0 && index % 12 == 0 { "\n" } else { " " };
        text += &range.end.to_string();
    }
    expected.assert_eq(text.trim_start());
}

fn body() -> Vec<u8> {
    patchy(1, 500_001)
}

/// The cuts of every rule, for the sizes of new repositories and for others. These must never change.
#[test]
fn same_bytes_and_parameters_give_the_same_cuts() {
    let v1 = CutParameters::V1;
    let body = body();
    check(&v1.opaque_rule(), &body, expect!["85198 178976 247434 385360 453280 500001"]);
    check(&v1.framing_rule(), &body, expect!["85198 178976 247434 385360 453280 500001"]);
    check(
        &v1.rebuilt_rule(),
        &body,
        expect!["35110 69965 103008 165907 212415 247434 281032 334066 385360 424894 473724 500001"],
    );
    check(
        &v1.blocks_rule(128),
        &body,
        expect!["76160 86528 127360 202240 211072 247424 285312 385152 431872 457728 492928 500001"],
    );
    check(
        &v1.blocks_rule(4096),
        &body,
        expect![[r#"
        36864 73728 118784 167936 212992 249856 266240 286720 385024 430080 462848 495616
        500001"#]],
    );
    check(&v1.slots_rule(4, 16), &body, expect!["4 33092 119364 129524 260596 391668 436244 469252 500001"]);
    check(
        &v1.rows_rule(4, 1536),
        &body,
        expect![[r#"
        4 10756 21508 24580 26116 27652 32260 33796 36868 38404 46084 69124
        70660 72196 89092 93700 98308 109060 110596 116740 127492 175108 201220 202756
        205828 224260 231940 236548 242692 251908 254980 256516 261124 264196 268804 325636
        328708 384004 388612 396292 405508 407044 408580 410116 428548 431620 433156 434692
        450052 457732 470020 471556 473092 482308 488452 500001"#]],
    );
    check(&v1.rows_rule(0, 100_000), &body, expect!["100000 200000 300000 400000 500000 500001"]);
    check(
        &CutParameters::V2.rows_rule(4, 1536),
        &body,
        expect![[r#"
        4 27652 32260 38404 72196 89092 109060 205828 224260 256516 387076 407044
        457732 500001"#]],
    );
    check(&v1.small_rule(), &body[..4096], expect!["4096"]);
    check(&v1.small_rule(), &body[..40_960], expect!["35110 40960"]);
}

/// The cuts of FastCDC at small sizes, where every mask is used often. These must never change.
#[test]
fn small_sizes_give_the_same_cuts() {
    let sizes = ChunkSizes::new(512, 2048, 16_384).expect("valid sizes");
    check(
        &CutRule::FastCdc { sizes },
        &body()[..100_000],
        expect![[r#"
        2432 4561 7097 9346 11475 14011 16093 19609 21675 23805 25838 26596
        28672 31036 33256 35110 37161 39910 42074 43047 59431 63965 66811 68917
        69965 72199 74786 78962 81588 83241 85198 87341 89963 92052 94326 96394
        99016 100000"#]],
    );
    let sizes = ChunkSizes::new(64, 256, 1024).expect("valid sizes");
    check(
        &CutRule::FastCdc { sizes },
        &body()[..10_000],
        expect![[r#"
        185 468 759 1032 1104 1387 1691 1879 2274 2538 2807 2992
        3351 3439 3700 4010 4454 4762 4881 5306 5599 5971 6236 6500
        6713 6969 7248 7553 7823 7905 8168 8445 8583 8793 9188 9452
        9721 9906 10000"#]],
    );
    check(
        &CutRule::Blocks { block_bytes: 7, sizes },
        &body()[..10_000],
        expect![[r#"
            280 546 840 1134 1498 1778 2086 2401 2660 2947 3164 3283
            3591 3906 4221 4536 4725 4991 5187 5537 5838 6104 6440 6888
            7203 7469 7756 7896 8155 8253 8610 8757 9093 9408 9695 9989
            10000"#]],
    );
}

/// The cuts of a log: header, small and large records, one too large, empty space. These must never change.
#[test]
fn records_give_the_same_cuts() {
    let layout = RecordLayout { header_bytes: 8, trailer_bytes: 4, align_bytes: 8 };
    let mut body = log_body(&[3, 900, 20_000, 1, 70_000, 5, 6, 7, 40_000, 12_000, 9_000, 100]);
    body.resize(body.len() + 30_000, 0);
    check(&CutParameters::V1.log_rule(layout), &body, expect!["20952 90984 131072 152104 152216 182216"]);
    let sizes = ChunkSizes::new(1024, 8192, 32_768).expect("valid sizes");
    check(
        &CutRule::Records { layout, sizes },
        &body,
        expect![[r#"
        20952 20968 31415 42000 51633 54133 70542 81640 90984 91056 93386 102273
        111450 121913 131072 143088 152104 152216 182216"#]],
    );
}

/// The ids of given bytes under a given key. These must never change.
#[test]
fn same_key_and_bytes_give_the_same_ids() {
    let key = IdKey::new(&std::array::from_fn(|index| index as u8));
    let bytes = b"the same bytes in four domains";
    let body_digest = key.body_hasher().update(bytes).finalize();
    let text =
        format!("{}\n{}\n{}\n{}", key.chunk_id(bytes), key.node_id(bytes), key.row_directory_id(bytes), body_digest);
    expect![[r#"
        5ed51e31a65912735a81ca780fa8401713336edb4a11f05e0fd774c3d2ad4d08
        2c549999b3ab466dc943b8b769f65eaf504a4d7c1ac8ecad2a07f5a52db51f7a
        0207c5bb8e52eeeec6b8d455f92c8e1481c55a4e5a02d4d94df38996a365213b
        1703ca6df97a814e4d9a3f1a1e9d0b106973e1ccc24f8201dd7d9acf32b46818"#]]
    .assert_eq(&text);
}

/// The names and numbers that new repositories record. These must never change for version 1.
#[test]
fn v1_is_recorded_like_this() {
    let text = recorded(&CutParameters::V1);
    expect![[r#"
        cut.version = 1
        cut.small.bytes_max = 4096
        cut.rows.bytes_min = 1024
        cut.rows.bytes_avg = 8192
        cut.rows.bytes_max = 65536
        cut.blocks.bytes_min = 8192
        cut.blocks.bytes_avg = 32768
        cut.blocks.bytes_max = 131072
        cut.log.bytes_min = 4096
        cut.log.bytes_avg = 16384
        cut.log.bytes_max = 4194304
        cut.rebuilt.bytes_min = 8192
        cut.rebuilt.bytes_avg = 32768
        cut.rebuilt.bytes_max = 131072
        cut.framing.bytes_min = 16384
        cut.framing.bytes_avg = 65536
        cut.framing.bytes_max = 262144
        cut.opaque.bytes_min = 16384
        cut.opaque.bytes_avg = 65536
        cut.opaque.bytes_max = 262144
    "#]]
    .assert_eq(&text);
}

/// What changed after it: rows and blocks.
#[test]
fn v2_is_recorded_like_this() {
    let (one, two) = (recorded(&CutParameters::V1), recorded(&CutParameters::V2));
    let changed: Vec<_> = one.lines().zip(two.lines()).filter(|(one, two)| one != two).map(|(_, two)| two).collect();
    let expected = [
        "cut.rows.bytes_min = 4096",
        "cut.rows.bytes_avg = 32768",
        "cut.rows.bytes_max = 131072",
        "cut.blocks.bytes_min = 16384",
        "cut.blocks.bytes_avg = 65536",
        "cut.blocks.bytes_max = 262144",
    ];
    assert_eq!(changed, expected);
    assert_eq!(one.lines().count(), two.lines().count());
}

fn recorded(parameters: &CutParameters) -> String {
    parameters.to_list().iter().map(|(name, value)| format!("{name} = {value}\n")).collect()
}
