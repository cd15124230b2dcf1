//! What errors say, and that parts which do not belong together are refused.

use std::error::Error;
use std::io;

use expect_test::{Expect, expect};
use vectar_tar::{ErrorKind, ReadAt, SplitOptions, SplitSink, Splitter, TarError, catalogue, join, split};

use crate::samples;

fn check(error: &TarError, kind: ErrorKind, expected: Expect) {
    assert_eq!(error.kind(), kind);
    let cause = error.source().map_or(String::new(), |cause| format!(": {cause}"));
    expected.assert_eq(&format!("{error}{cause}"));
}

#[test]
fn parts_of_other_lengths_are_refused() {
    let input = samples::tar_in_tar();
    let mut parts = split(&input);
    parts.framing[1].pop();
    check(
        &join(&parts).expect_err("a byte is gone"),
        ErrorKind::FixInput,
        expect!["the framing of level 1 has 1857 bytes, the layout says 1858"],
    );
    parts = split(&input);
    parts.framing.push(vec![0]);
    check(
        &join(&parts).expect_err("a level too many"),
        ErrorKind::FixInput,
        expect!["the framing of level 2 has 1 bytes, the layout says 0"],
    );
    parts = split(&input);
    parts.bodies[1] = b"short";
    check(
        &join(&parts).expect_err("another body"),
        ErrorKind::FixInput,
        expect![
            "the body `0/segments/u.tar!snapshot/files/matrix.dat` at offset 2048 has 5 bytes, the layout says 700"
        ],
    );
    parts = split(&input);
    parts.bodies.pop();
    check(
        &join(&parts).expect_err("a body is gone"),
        ErrorKind::FixInput,
        expect!["2 bodies were given, the layout has 3"],
    );
    parts = split(&input);
    parts.bodies.push(b"");
    check(
        &join(&parts).expect_err("a body too many"),
        ErrorKind::FixInput,
        expect!["4 bodies were given, the layout has 3"],
    );
}

/// Promises more bytes than it has, or fails.
struct Faulty {
    bytes: Vec<u8>,
    fails: bool,
}

impl ReadAt for Faulty {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        match self.bytes.read_at(offset, buf)? {
            0 if self.fails => Err(io::Error::other("the disk is gone")),
            n => Ok(n),
        }
    }

    fn len(&self) -> u64 {
        1 << 20
    }
}

#[test]
fn sources_that_fail_or_shrink() {
    let bytes = samples::nested();
    let read = |fails| catalogue(&Faulty { bytes: bytes.clone(), fails }, &SplitOptions::default());
    check(
        &read(true).expect_err("it fails"),
        ErrorKind::Retry,
        expect!["cannot read the source at offset 2560: the disk is gone"],
    );
    check(
        &read(false).expect_err("it shrinks"),
        ErrorKind::Retry,
        expect!["the source ends at offset 2560, but its length is 1048576 bytes"],
    );
    check(&TarError::TooManyRows { rows_max: 3 }, ErrorKind::FixInput, expect!["the archive has more than 3 entries"]);
}

/// Fails at the n-th call.
struct Failing(u32);

impl Failing {
    fn count(&mut self) -> Result<(), &'static str> {
        self.0 = self.0.checked_sub(1).ok_or("the sink is full")?;
        Ok(())
    }
}

impl SplitSink for Failing {
    type Error = &'static str;
    fn framing(&mut self, _depth: u8, _bytes: &[u8]) -> Result<(), Self::Error> {
        self.count()
    }
    fn begin_body(&mut self, _body: &vectar_tar::BodyHead) -> Result<(), Self::Error> {
        self.count()
    }
    fn body(&mut self, _bytes: &[u8]) -> Result<(), Self::Error> {
        self.count()
    }
    fn end_body(&mut self, _complete: bool) -> Result<(), Self::Error> {
        self.count()
    }
    fn enter_archive(&mut self, _body: &vectar_tar::BodyHead) -> Result<(), Self::Error> {
        self.count()
    }
    fn leave_archive(&mut self) -> Result<(), Self::Error> {
        self.count()
    }
}

/// An error of the sink comes out unchanged, at whichever call it happens.
#[test]
fn errors_of_the_sink_come_out() {
    let input = samples::tar_in_tar();
    let run = |calls| {
        let mut sink = Failing(calls);
        let mut splitter = Splitter::new(&SplitOptions::default());
        splitter.push(&input[..input.len() - 1], &mut sink)?;
        splitter.finish(&mut sink).map(|_| sink.0)
    };
    let left = run(1000).expect("a thousand calls are enough");
    let calls = 1000 - left;
    assert!(calls > 10);
    assert!((0..calls).all(|calls| run(calls) == Err("the sink is full")));
    assert_eq!(run(calls), Ok(0));
}
