//! A whole repository on every backend: what it promises when calls fail, processes die, packs go and writers meet.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests may panic, and touch the files of a repository behind its back"
)]

mod backends;
mod codecs;
mod crashes;
mod damage;
mod fixtures;
mod forgetting;
mod healing;
mod index;
mod look_ups;
mod messages;
mod musts;
mod newer;
mod planes;
mod prunes;
mod rerecording;
mod scene;
mod writers;
