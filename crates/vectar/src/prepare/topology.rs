//! Where a restore goes: the nodes of the target and what is known of them.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Nodes that a description may have. A Qdrant cluster of that size has not been seen; a list that long is a mistake.
const NODES_MAX: usize = 1000;

/// The target of a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// Its nodes, at least one.
    pub nodes: Vec<TargetNode>,
}

/// One node of the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetNode {
    /// What to call it; `node1`, `node2`, … unless it is given.
    #[serde(default)]
    pub name: String,
    /// Address of its HTTP API, such as `http://n1:6333`, without a slash at the end.
    pub url: String,
    /// Bytes free in its storage, where known.
    #[serde(default)]
    pub free_bytes: Option<u64>,
}

impl Topology {
    /// Reads the short form: `single` for one node at `http://localhost:6333`, or addresses with commas between them, each with a name and `=`
    /// before it where it should have one.
    ///
    /// # Errors
    /// As [`checked`](Self::checked).
    pub fn parse_short(text: &str) -> Result<Self, Error> {
        let node = |part: &str| {
            let (name, url) = match part.split_once('=') {
                Some((name, url)) if !name.contains(['/', ':']) => (name, url),
                _ => ("", part),
            };
            TargetNode { name: name.trim().to_owned(), url: url.trim().to_owned(), free_bytes: None }
        };
        let nodes = match text.trim() {
            "single" => vec![node("http://localhost:6333")],
            text => text.split(',').map(node).collect(),
        };
        Self { nodes }.checked()
    }

    /// Gives nodes without a name one, and refuses what commands could not be written for.
    ///
    /// # Errors
    /// [`Error::OptionInvalid`]: no node or too many, a name twice or with odd characters, an address that is none.
    pub fn checked(mut self) -> Result<Self, Error> {
        let refuse = |value: &str, reason: &str| {
            Err(Error::OptionInvalid { what: "the target", value: value.to_owned(), reason: reason.to_owned() })
        };
        if self.nodes.is_empty() || self.nodes.len() > NODES_MAX {
            return refuse("nodes", "it needs at least one node and at most a thousand");
        }
        for index in 0..self.nodes.len() {
            let node = &mut self.nodes[index];
            if node.name.is_empty() {
                node.name = format!("node{}", index + 1);
            }
            node.url.truncate(node.url.trim_end_matches('/').len());
            let node = &self.nodes[index];
            if !is_name(&node.name) {
                return refuse(&node.name, "the name of a node has letters, digits, - _ and . only");
            }
            if !is_address(&node.url) {
                // What stands before an @ is a secret.
                let shown = node.url.rsplit_once('@').map_or(node.url.clone(), |(_, host)| format!("...@{host}"));
                return refuse(
                    &shown,
                    "a node is an address such as http://n1:6333, without a user or a key; keys go into a file or the environment",
                );
            }
            if self.nodes[..index].iter().any(|other| other.name == node.name || other.url == node.url) {
                return refuse(&node.name, "two nodes have the same name or address");
            }
        }
        Ok(self)
    }

    /// Whether there is one node only.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.nodes.len() == 1
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Whether commands can name it: http or https, a host, nothing that a shell or `curl` takes for something else (`curl` expands brackets
/// and braces, and `@` would be a user).
fn is_address(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    rest.is_some_and(|rest| {
        let host = rest.split(['/', ':']).next().unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/~".contains(&byte);
        !host.is_empty() && rest.len() <= 1024 && rest.bytes().all(plain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(text: &str) -> Option<Vec<(String, String)>> {
        let topology = Topology::parse_short(text).ok()?;
        Some(topology.nodes.into_iter().map(|node| (node.name, node.url)).collect())
    }

    #[test]
    fn short_forms() {
        let one = |name: &str, url: &str| (name.to_owned(), url.to_owned());
        assert_eq!(short("single"), Some(vec![one("node1", "http://localhost:6333")]));
        assert_eq!(short("http://n1:6333/"), Some(vec![one("node1", "http://n1:6333")]));
        assert_eq!(
            short("a=http://n1:6333, https://n2/qdrant"),
            Some(vec![one("a", "http://n1:6333"), one("node2", "https://n2/qdrant")])
        );
    }

    #[test]
    fn what_commands_cannot_be_written_for_is_refused() {
        for text in [
            "",
            "n1:6333",
            "ftp://n1",
            "http://",
            "http://u:p@n1",
            "http://n1/$(id)",
            "http://n1/a b",
            "http://n1/'x'",
            "http://[::1]:6333",
            "http://n1,http://n1",
            "a b=http://n1",
            "a=http://n1,a=http://n2",
        ] {
            assert_eq!(short(text), None, "{text}");
        }
        assert!(Topology { nodes: Vec::new() }.checked().is_err());
    }
}
