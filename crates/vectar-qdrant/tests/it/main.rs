//! Labels and outlines of real and made-up snapshots.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands, helper functions included")]

mod hostile;
mod labels;
mod learning;
mod old_versions;
mod outlines;
mod support;
mod totals;
