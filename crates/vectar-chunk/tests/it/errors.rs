//! The text of every error.

use expect_test::{Expect, expect};
use vectar_chunk::{ChunkError, ChunkId, ChunkSizes, CodecId, CutParameters, Encoder, decode};

fn check<T>(result: Result<T, ChunkError>, expected: Expect) {
    expected.assert_eq(&result.err().expect("refused").to_string());
}

#[test]
fn errors_say_what_is_wrong() {
    check("12".parse::<ChunkId>(), expect!["an id has 64 hexadecimal digits, found 2 bytes of text that are not that"]);
    check(
        ChunkSizes::new(64, 1000, 2000),
        expect!["chunk sizes min 64, avg 1000, max 2000 are not usable: avg is a power of two between 256 and 1048576"],
    );
    check(
        CutParameters::from_list([("cut.colour", 1)]),
        expect![[r#"cut parameter "cut.colour" is not known to this version"#]],
    );
    check(
        CutParameters::from_list([("cut.version", 1), ("cut.version", 1)]),
        expect![[r#"cut parameter "cut.version" is recorded twice"#]],
    );
    check(CutParameters::from_list([]), expect![[r#"cut parameter "cut.version" is missing"#]]);
    let changed = |name, value| {
        let list = CutParameters::V2.to_list();
        CutParameters::from_list(list.into_iter().map(move |entry| if entry.0 == name { (name, value) } else { entry }))
    };
    check(
        changed("cut.version", 9),
        expect!["cut parameters of version 9 are not known to this version, which knows up to 1"],
    );
    check(
        changed("cut.small.bytes_max", 1 << 30),
        expect![[r#"cut parameter "cut.small.bytes_max" is 1073741824, at most 4194304 is possible"#]],
    );
    check(Encoder::new(99), expect!["zstd level 99 does not exist, levels -131072 to 22 do"]);
    check(decode(CodecId::new(7), b"", 0), expect!["codec 7 is not known to this version"]);
    check(
        decode(CodecId::RAW, b"", 5 << 20),
        expect!["a chunk of 5242880 bytes is declared, at most 4194304 are possible"],
    );
    check(decode(CodecId::RAW, b"abc", 4), expect!["a chunk of 4 bytes is declared, its encoded form holds 3"]);
    check(
        decode(CodecId::ZSTD, b"abc", 4),
        expect!["encoded chunk of 3 bytes does not decode: no zstd frame starts here"],
    );
}
