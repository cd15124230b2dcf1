//! Whole-library scenarios live in `it/`; the fault campaign, which `it/` runs in short and `cargo xtask campaign` at length, in
//! `campaign/`. Fuzz targets live in `fuzzing/`; what
//! counts the rows that are shared, in `sharing/`.

#![expect(
    clippy::disallowed_methods,
    reason = "the campaign and the counts work in folders of their own, which are no part of a repository"
)]

pub mod campaign;
pub mod fuzzing;
pub mod sharing;
