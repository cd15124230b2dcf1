//! vectar-qdrant
