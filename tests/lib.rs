//! Whole-library scenarios live in `it/`; the fault campaign, which `it/` runs in short and `cargo xtask campaign` at length, in
//! `campaign/`. Fuzz targets live in `fuzzing/`.

#![expect(
    clippy::disallowed_methods,
    reason = "the campaign works in a folder of its own, which is no part of a repository"
)]

pub mod campaign;
pub mod fuzzing;
