//! Labels and outlines of real and made-up snapshots.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands, helper functions included")]

mod compat;
mod filter_indexes;
mod filter_refusals;
mod filters;
mod hostile;
mod id_trackers;
mod labels;
mod learning;
mod old_versions;
mod outlines;
mod payloads;
mod stored_payloads;
mod support;
mod totals;
mod vector_files;
mod vectors;
mod wals;
