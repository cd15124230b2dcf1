//! Parts of a filter's JSON with the place they stand at, so that every refusal names it.

use std::fmt;

use super::error::FilterError;
use super::tree::Tree;

/// A place in a filter, as `filter.must[0].match`.
#[derive(Clone, Copy)]
pub(super) enum At<'a> {
    Filter,
    Member(&'a At<'a>, &'a str),
    Element(&'a At<'a>, usize),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter => f.write_str("filter"),
            Self::Member(parent, name) => write!(f, "{parent}.{name}"),
            Self::Element(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

impl At<'_> {
    pub(super) fn malformed(&self, what: impl Into<String>) -> FilterError {
        FilterError::Malformed { at: self.to_string(), what: what.into() }
    }

    pub(super) fn unexpected(&self, expected: &str, found: &Tree) -> FilterError {
        self.malformed(format!("expected {expected}, found {}", found.describe()))
    }
}

/// A part of the filter.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    pub(super) tree: &'a Tree,
    pub(super) at: &'a At<'a>,
}

impl<'a> Node<'a> {
    pub(super) fn unexpected(self, expected: &str) -> FilterError {
        self.at.unexpected(expected, self.tree)
    }

    /// The members of an object, none of which is unknown or there twice.
    pub(super) fn members(self, expected: &str, known: &'static [&'static str]) -> Result<Members<'a>, FilterError> {
        let Tree::Object(members) = self.tree else {
            return Err(self.unexpected(expected));
        };
        for (index, (name, _)) in members.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let name = Tree::Text(name.clone()).describe();
                return Err(self.at.malformed(format!("unknown member {name}, expected {}", known.join(", "))));
            }
            // Known names are few, so what comes before is at most that many when no name is there twice.
            if members[..index].iter().any(|(other, _)| other == name) {
                return Err(self.at.malformed(format!("member {name} is there twice")));
            }
        }
        Ok(Members { members, at: self.at })
    }

    pub(super) fn list(self, expected: &str) -> Result<&'a [Tree], FilterError> {
        match self.tree {
            Tree::List(list) => Ok(list),
            _ => Err(self.unexpected(expected)),
        }
    }

    pub(super) fn text(self, expected: &str) -> Result<&'a str, FilterError> {
        match self.tree {
            Tree::Text(text) => Ok(text),
            _ => Err(self.unexpected(expected)),
        }
    }

    pub(super) fn bool(self) -> Result<bool, FilterError> {
        match self.tree {
            Tree::Bool(value) => Ok(*value),
            _ => Err(self.unexpected("true or false")),
        }
    }

    pub(super) fn float(self) -> Result<f64, FilterError> {
        match self.tree {
            Tree::Number(number) => number.as_f64().ok_or_else(|| self.unexpected("a number")),
            _ => Err(self.unexpected("a number")),
        }
    }

    pub(super) fn count(self, expected: &str) -> Result<u64, FilterError> {
        match self.tree {
            Tree::Number(number) => number.as_u64().ok_or_else(|| self.unexpected(expected)),
            _ => Err(self.unexpected(expected)),
        }
    }
}

/// Members of an object, each of them known.
#[derive(Clone, Copy)]
pub(super) struct Members<'a> {
    members: &'a [(String, Tree)],
    pub(super) at: &'a At<'a>,
}

impl<'a> Members<'a> {
    fn get(&self, name: &str) -> Option<&'a Tree> {
        self.members.iter().find(|(member, _)| member == name).map(|(_, tree)| tree)
    }

    /// The names that are there.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.members.iter().map(|(name, _)| name.as_str())
    }

    /// Reads a member that must be there.
    pub(super) fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(Node<'_>) -> Result<T, FilterError>,
    ) -> Result<T, FilterError> {
        let tree = self.get(name).ok_or_else(|| self.at.malformed(format!("member {name} is missing")))?;
        read(Node { tree, at: &At::Member(self.at, name) })
    }

    /// Reads a member that may be missing, or null.
    pub(super) fn read_optional<T>(
        &self,
        name: &str,
        read: impl FnOnce(Node<'_>) -> Result<T, FilterError>,
    ) -> Result<Option<T>, FilterError> {
        match self.get(name) {
            None | Some(Tree::Null) => Ok(None),
            Some(tree) => read(Node { tree, at: &At::Member(self.at, name) }).map(Some),
        }
    }
}

/// Reads each element of a list.
pub(super) fn each<T>(
    list: &[Tree],
    at: &At<'_>,
    mut read: impl FnMut(Node<'_>) -> Result<T, FilterError>,
) -> Result<Vec<T>, FilterError> {
    let element = |(index, tree)| read(Node { tree, at: &At::Element(at, index) });
    list.iter().enumerate().map(element).collect()
}
