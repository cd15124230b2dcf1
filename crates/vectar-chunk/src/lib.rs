//! vectar-chunk
