//! What must come back, in words.

use super::super::{facts::Expected, plan::Expect};
use crate::words::grouped;

/// One line for people.
pub(super) fn in_words(expect: &Expect) -> String {
    match expect {
        Expect::Ok => "200 and `\"status\":\"ok\"`".to_owned(),
        Expect::True => "200 and `\"result\":true`".to_owned(),
        Expect::Version { line: Some(line) } => format!("`\"version\":\"{line}.…\"`"),
        Expect::Version { line: None } => {
            "a version that can load the snapshots; the warnings above say which".to_owned()
        }
        Expect::Cluster { peers } => format!("`\"status\":\"enabled\"` and {peers} peers"),
        Expect::Absent { .. } => "a list without it".to_owned(),
        Expect::Held { shards } => {
            let shards: Vec<String> = shards.iter().map(u32::to_string).collect();
            format!("in `local_shards` the shards {} and no other", shards.join(", "))
        }
        Expect::ShardKey { shard, .. } => {
            format!("shard {shard} with this key. Another number: stop, the next calls would fill the wrong shard")
        }
        Expect::ShardPoints { shard, expected } => format!("in `local_shards` shard {shard} with {}", points(expected)),
        Expect::Active => "no `shard_transfers`, and every `state` is `Active`. Ask again until it is so".to_owned(),
        Expect::Count { expected } => format!("`\"count\"`: {}", points(expected)),
    }
}

/// `1,200 points`, or why nobody can say.
pub(super) fn points(expected: &Expected) -> String {
    match (expected.certain(), expected.points, expected.points_max) {
        (Some(points), _, Some(most)) if most > points => {
            format!("{} points (up to {} until segments were merged)", grouped(points), grouped(most))
        }
        (Some(points), _, _) => format!("{} points", grouped(points)),
        (None, Some(points), _) => format!("about {} points (the write-ahead log holds more writes)", grouped(points)),
        (None, None, _) => "a number of points that cannot be told offline".to_owned(),
    }
}
