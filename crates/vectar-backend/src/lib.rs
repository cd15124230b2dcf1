//! vectar-backend
