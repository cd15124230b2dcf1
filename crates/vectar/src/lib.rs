//! vectar
