//! Removing what no backup needs.
//!
//! Prune makes a plan, which touches nothing, and applies it. It works beside running ingests, restores and other prunes, without a
//! lock, because nothing goes at once:
//!
//! - A pack that is not needed, or not worth keeping, gets a **mark**. A mark is final. No new backup relies on a marked pack, because
//!   an ingest lists marks after it has announced in `pending/` what it relies on.
//! - What is still needed of a wasteful pack is copied to new packs first, durably.
//! - A marked pack is **removed** by a later prune, once the grace is over: after pending and records were listed again, and what they
//!   need of it, if anything, was copied out. The pack goes before its mark.
//! - Backups that need only small parts of chunks are **recorded afresh** with chunks of these parts, when that brings back more than may be
//!   left unused. The next prune finds the old chunks unneeded.
//!
//! So either an ingest sees the mark, or prune sees its pending object or its record; which of the two does not depend on any clock. The
//! grace is an extra margin, for storage that shows old listings and for readers that are still at it.
//!
//! **If in doubt, nothing:** when a record, a forgotten backup, a pending object, a footer or a recipe node cannot be read, or is of a
//! newer format, nothing is marked and nothing removed.

mod apply;
mod listing;
mod plan;
mod rerecord;
mod usage;

pub use apply::{PruneProgress, PruneStats};
pub use plan::{
    Condemned, GRACE_DEFAULT, MAX_UNUSED_PERCENT_DEFAULT, MaxUnused, PruneOptions, PrunePlan, Removal, Waiting, plan,
};
