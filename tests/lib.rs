//! Whole-library scenarios live in `it/`.
