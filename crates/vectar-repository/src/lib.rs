//! vectar-repository
