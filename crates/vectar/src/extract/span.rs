//! A file that is put together from pieces of another one.

use std::io;

use vectar_tar::ReadAt;

/// Pieces laid end to end.
#[derive(Debug, Default)]
pub(super) struct Spans {
    spans: Vec<Placed>,
    len: u64,
}

/// A piece and where it begins in the result.
#[derive(Debug)]
struct Placed {
    start: u64,
    span: Span,
}

/// One piece. None is empty.
#[derive(Debug)]
enum Span {
    /// Bytes that are not in the source: headers, padding.
    Literal(Vec<u8>),
    /// Bytes of the source.
    Copy { offset: u64, len: u64 },
}

impl Span {
    fn len(&self) -> u64 {
        match self {
            Self::Literal(bytes) => bytes.len() as u64,
            Self::Copy { len, .. } => *len,
        }
    }
}

impl Spans {
    /// Adds bytes.
    pub(super) fn literal(&mut self, bytes: Vec<u8>) {
        self.add(Span::Literal(bytes));
    }

    /// Adds `len` bytes of the source from `offset`.
    pub(super) fn copy(&mut self, offset: u64, len: u64) {
        self.add(Span::Copy { offset, len });
    }

    fn add(&mut self, span: Span) {
        let (start, len) = (self.len, span.len());
        if len > 0 {
            // The source has no more than 2^63 bytes and no byte of it is copied twice, so that this cannot overflow.
            self.len += len;
            self.spans.push(Placed { start, span });
        }
    }

    /// Length of all pieces together.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Reads from the piece at `offset`, at most to its end.
    pub(super) fn read_at(&self, source: &impl ReadAt, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let Some(index) = self.spans.partition_point(|placed| placed.start <= offset).checked_sub(1) else {
            return Ok(0);
        };
        let Placed { start, span } = &self.spans[index];
        let within = offset - start;
        let rest = span.len().saturating_sub(within);
        let wanted = usize::try_from(rest).map_or(buf.len(), |rest| rest.min(buf.len()));
        match span {
            _ if wanted == 0 => Ok(0),
            Span::Literal(bytes) => bytes.as_slice().read_at(within, &mut buf[..wanted]),
            Span::Copy { offset, .. } => source.read_at(offset + within, &mut buf[..wanted]),
        }
    }

    /// Whether the byte of the source at `offset` is part of the result.
    pub(super) fn copies(&self, offset: u64) -> bool {
        // Entries lie in the order of the source, so that the pieces copied do as well.
        self.spans.iter().any(|placed| match placed.span {
            Span::Copy { offset: start, len } => (start..start + len).contains(&offset),
            Span::Literal(_) => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_read_as_one_file() {
        let source = b"0123456789".to_vec();
        let mut spans = Spans::default();
        spans.literal(b"ab".to_vec());
        spans.copy(3, 4);
        spans.literal(Vec::new());
        spans.literal(b"c".to_vec());
        spans.copy(9, 1);
        assert_eq!(spans.len(), 8);
        for start in 0..10 {
            let (mut read, mut buffer) = (Vec::<u8>::new(), [0; 3]);
            while let count @ 1.. = spans.read_at(&source, start + read.len() as u64, &mut buffer).unwrap() {
                read.extend(&buffer[..count]);
            }
            assert_eq!(read, b"ab3456c9".get(start as usize..).unwrap_or_default(), "from {start}");
        }
        assert!(spans.copies(3) && spans.copies(6) && spans.copies(9));
        assert!(!spans.copies(2) && !spans.copies(7));
    }
}
