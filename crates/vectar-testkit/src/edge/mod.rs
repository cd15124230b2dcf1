//! The second opinion: Qdrant's own engine, as the Python package `qdrant-edge-py` (0.3.0 to 0.9.0).
//!
//! It makes shards ([`write_shard`]), answers filters about them ([`answer`]) and loads what was restored ([`load`]).
//! The package has no snapshots of its own making, so `python/shard_tar.py` packs the flushed shard as a server would.
//!
//! | package | Qdrant it was built from | what it stores that older ones do not |
//! |---|---|---|
//! | 0.3.0 to 0.5.0 | development after 1.16.3 | appendable segments only: no optimizer, no payload index, no `first-index` |
//! | 0.6.0, 0.6.1 | 1.17.1-dev | optimized segments, payload indexes; `first-index` appears with 0.9.0 only |
//! | 0.7.0 to 0.7.2 | 1.18.2-dev | TurboQuant, vectors added and removed by name |
//! | 0.8.0 | 1.19.1-dev | `matrix.dat` for vectors in RAM, `mode` in Gridstore's `config.json`, the Turbo4 datatype |
//! | 0.9.0 | 1.20.1-dev | Turbo8 and Turbo16, components placed by hand, id tracker on disk, shards without a WAL |
//!
//! Invariants:
//! - What needs the engine is `None` where Python or the package cannot be had, after the line of
//!   [`skipped`](crate::fixtures::skipped); a caller only has to return.
//! - Environments and shards are made once per build directory, aside, and appear by one rename; the name of a shard's
//!   folder is a digest of the scripts and the options. A file lock keeps parallel processes from making one twice.
//! - Points, payloads and changes are a function of kind, count and seed. Segment names, graphs and times are the
//!   engine's and differ from one making to the next.

mod filters;
mod questions;
mod rows;
mod shards;
mod workshop;

pub use filters::{FilterOptions, filters};
pub use questions::{Answer, Loaded, Wanted, answer, load};
pub use rows::{ROW_STEPS, RowsShard};
pub use shards::{BigShard, EdgeSnapshot, KINDS, ShardOptions, shards, write_big, write_shard};
pub use workshop::{python, script};

/// The versions that tests go through: one for each release line of Qdrant from 1.16 on.
pub const VERSIONS: [&str; 5] = ["0.5.0", "0.6.1", "0.7.2", "0.8.0", NEWEST];

/// The newest version, which reads what all of [`VERSIONS`] wrote.
pub const NEWEST: &str = "0.9.0";
