//! Splits any tar byte stream into framing and bodies, and joins them back byte for byte.
//!
//! *Invariant*: `join(split(x)) == x` for every byte string `x`, tar or not. What is not understood
//! (no tar at all, whatever follows a broken header, garbage behind the end) is kept as one opaque
//! body; no input is refused, none makes the splitter panic, and memory is bounded by
//! [`SplitOptions`] whatever the input declares.
//!
//! One sans-IO core decodes headers and walks the nested levels. Three thin drivers feed it, so
//! paths, nesting decisions and anomalies are the same in all of them:
//!
//! - [`Splitter`] takes pushed slices of any size and hands framing and bodies to a [`SplitSink`],
//!   without copying bodies;
//! - [`split`] and [`join`] do the same in memory and keep the result as a [`Layout`];
//! - [`catalogue`] reads headers only, over random access ([`ReadAt`]), and lists every body with
//!   its absolute offset.
//!
//! Meet first: [`BodyHead`] (what is known about a body before its bytes), [`SplitSink`] (the order
//! of events) and [`Anomaly`] (what is odd or damaged, as data).
//!
//! # What counts as what
//!
//! A tar is a row of 512-byte blocks (POSIX.1-2017 `pax`, "ustar Interchange Format"; GNU tar
//! manual, "Basic Tar Format"). *Framing* is every byte of a level that is not in a body: headers,
//! long-name and PAX records, sparse extension blocks, padding, the end-of-archive blocks and the
//! zeros behind them. A *body* is the stored bytes of an entry. A body whose first block is a
//! header with `ustar` magic and the right checksum is a *nested archive*: its bytes are framing
//! and bodies one level deeper. Nested archives may end without end-of-archive blocks, at the end
//! of their body; the outermost may not.
//!
//! The stored length of an entry is what its header or PAX record says for every entry type, as the
//! `tar` crate reads it; GNU tar ignores the size of hard links. One zero block ends an archive for
//! us, as for GNU tar and the `tar` crate.
//!
//! An input that begins with a zero block is an empty archive with whatever follows it; one that begins
//! with anything else but a header is no tar and one opaque body.
//!
//! # Example
//!
//! ```
//! use vectar_tar::{join, split};
//!
//! let mut builder = tar::Builder::new(Vec::new());
//! let mut header = tar::Header::new_gnu();
//! header.set_size(5);
//! builder.append_data(&mut header, "greeting.txt", &b"hello"[..])?;
//! let archive = builder.into_inner()?;
//!
//! let parts = split(&archive);
//! assert_eq!(parts.bodies, [b"hello"]);
//! assert_eq!(parts.framing[0].len(), archive.len() - 5);
//! assert_eq!(join(&parts)?, archive);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod anomaly;
mod catalogue;
mod entry;
mod error;
mod header;
mod layout;
mod number;
mod options;
mod pax;
mod read_at;
mod rename;
mod sparse;
mod splitter;
mod summary;
mod walk;

pub use crate::anomaly::{Anomalies, Anomaly, AnomalyKind, Severity};
pub use crate::catalogue::{Catalogue, CatalogueRow, RowRole, TRAILER_SCAN_BYTES_MAX, catalogue};
pub use crate::entry::{BodyHead, BodyKind, EntryPath, TarEntry};
pub use crate::error::{ErrorKind, TarError};
pub use crate::header::{HeaderStyle, TAR_BLOCK_BYTES};
pub use crate::layout::{ArchiveSpan, BodySpan, FramingSpan, Layout, Span, Spans, Split, join, split};
pub use crate::options::SplitOptions;
pub use crate::read_at::{ReadAt, ReadRange};
pub use crate::rename::{END_OF_ARCHIVE, padding_of, renamed_header};
pub use crate::sparse::{ExpandedBody, SparseFault, SparseMap, SparseSegment};
pub use crate::splitter::{SplitSink, Splitter};
pub use crate::summary::SplitSummary;
