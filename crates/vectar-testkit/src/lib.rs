//! vectar-testkit
