//! Rows that survive the optimizer: what a rewritten body has in common with the bodies of an earlier backup, row by row and value by
//! value.
//!
//! Qdrant's optimizer copies vectors and payload values byte for byte, in another order, so no chunk of a rewritten segment is an old one
//! while nearly every row is. Rows are found in three steps:
//!
//! 1. **Predecessors**: the newest earlier backups of the same collection and shard ([`predecessor`]).
//! 2. **Index**: when the first chunk of some kind of rows turns out to be new, the predecessors' rows of that kind are listed
//!    ([`listing`]), read once and fingerprinted ([`index`]). Fingerprints live in memory, for one ingest: stored ones would cost space in every backup, and
//!    the bytes behind them have to be read anyway to be compared.
//! 3. **Compare**: a row whose fingerprint is known is compared with the decoded chunk, byte for byte. Only then is it a reference.
//!
//! Everything else is stored anew. Nothing but space depends on this: what cannot be read, does not fit into the budget or is not
//! understood is stored as new chunks.

mod body;
mod index;
mod listing;
mod predecessor;
mod units;

pub(super) use body::{OpenRows, StepSink};
pub(super) use index::RowIndexes;
pub(super) use predecessor::choose;
pub(super) use units::{RowKind, Units};
