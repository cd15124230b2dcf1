//! Criterion benches over generated snapshots, in bytes per second: `stages` measures what an ingest is made of, each stage alone
//! and on one thread; `whole` measures ingest and restore as a user meets them, files and barriers included.
