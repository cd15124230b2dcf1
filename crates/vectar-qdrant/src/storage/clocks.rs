//! `newest_clocks.json` and `oldest_clocks.json` of a shard (v1.8.0+): which writes of which peer it has seen.
//!
//! `{"clocks":[{"peer_id","clock_id","current_tick","token"}…],"snapshot":[…]?}` (`qdrant v1.19.0 lib/collection/src/shards/local_shard/clock_map.rs`).
//! The list has no order. The newest clocks say the last tick seen, the oldest the first one the WAL can still replay; copies of a shard
//! use them to send each other only what is missing.

use serde::{Deserialize, Serialize};

use super::file::StorageFiles;
use crate::error::QdrantError;
use crate::json::{SMALL_JSON_BYTES_MAX, Sections, Tolerant};

/// One clock of one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Clock {
    /// The peer that counts.
    pub peer_id: u64,
    /// Which of its clocks.
    pub clock_id: u32,
    /// The tick.
    pub current_tick: u64,
    /// A random number that tells apart clocks of the same name after a peer forgot its state; absent in old files.
    #[serde(default)]
    pub token: u64,
}

/// The clocks of one file, sorted by peer and clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Clocks {
    /// The clocks.
    pub clocks: Vec<Clock>,
    /// The clocks as they were when a snapshot began, while one is made.
    pub snapshot: Option<Vec<Clock>>,
}

impl Clocks {
    /// Reads a file; unreadable members are listed.
    ///
    /// # Errors
    ///
    /// When the bytes are not a JSON object of at most [`SMALL_JSON_BYTES_MAX`].
    pub fn read(bytes: &[u8]) -> Result<Tolerant<Self>, QdrantError> {
        let mut sections = Sections::open(bytes)?;
        let mut clocks: Vec<Clock> = sections.read("/clocks").unwrap_or_default();
        let mut snapshot: Option<Vec<Clock>> = sections.read("/snapshot");
        clocks.sort_unstable();
        if let Some(snapshot) = &mut snapshot {
            snapshot.sort_unstable();
        }
        Ok(sections.finish(Self { clocks, snapshot }))
    }
}

/// Both clock files of a shard.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ShardClocks {
    /// The last tick seen of each clock; `None` without the file.
    pub newest: Option<Tolerant<Clocks>>,
    /// The first tick that the WAL can still replay; `None` without the file, which is the usual case.
    pub oldest: Option<Tolerant<Clocks>>,
}

impl ShardClocks {
    /// Reads the files of a shard that are there.
    ///
    /// # Errors
    /// [`QdrantError::FileDamaged`] when one of them is not JSON; [`QdrantError::FileUnreadable`] when the source fails.
    pub fn open(files: &dyn StorageFiles) -> Result<Self, QdrantError> {
        let read = |path: &str| {
            let Some(file) = files.open(path) else { return Ok(None) };
            let bytes = file.read_all(SMALL_JSON_BYTES_MAX)?;
            Clocks::read(&bytes).map(Some).map_err(|error| file.damaged(0, error.reason()))
        };
        Ok(Self { newest: read("newest_clocks.json")?, oldest: read("oldest_clocks.json")? })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn clocks_are_sorted_and_absent_files_are_none() {
        let text = r#"{"clocks":[{"peer_id":7,"clock_id":1,"current_tick":4,"token":866116589918071958},
            {"peer_id":7,"clock_id":0,"current_tick":9}],"snapshot":null}"#;
        let files = BTreeMap::from([("newest_clocks.json".to_owned(), text.as_bytes().to_vec())]);
        let clocks = ShardClocks::open(&files).unwrap();
        assert_eq!(clocks.oldest, None);
        let newest = clocks.newest.unwrap();
        assert_eq!(newest.unread, []);
        let expected = [
            Clock { peer_id: 7, clock_id: 0, current_tick: 9, token: 0 },
            Clock { peer_id: 7, clock_id: 1, current_tick: 4, token: 866_116_589_918_071_958 },
        ];
        assert_eq!(newest.value, Clocks { clocks: expected.to_vec(), snapshot: None });
    }

    #[test]
    fn a_clock_that_cannot_be_is_named_and_a_zeroed_file_is_damage() {
        let clocks = Clocks::read(br#"{"clocks":[{"peer_id":-1}]}"#).unwrap();
        assert_eq!((clocks.value, clocks.unread[0].pointer.as_str()), (Clocks::default(), "/clocks"));
        let files = BTreeMap::from([("oldest_clocks.json".to_owned(), vec![0; 98])]);
        assert!(matches!(ShardClocks::open(&files), Err(QdrantError::FileDamaged { .. })));
    }
}
