//! vectar-tar
