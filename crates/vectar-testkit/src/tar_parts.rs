//! A snapshot taken apart and written again, so that a test can change one file of it while every tar in it stays sound.
//!
//! Invariants:
//! - What nobody changed is written as it was read: `TarParts::of(x).bytes() == x` for every snapshot that Qdrant 1.12 or newer writes.
//! - After a change the sizes, checksums and sparse maps of the entry and of the tars around it are right again.
//!
//! Reads only sound tars in the style that Qdrant writes, and panics on others: what is taken apart here is a fixture.

use crate::corpus::{HOLE_BYTES, TAR_BLOCK_BYTES, put_number};

const BLOCK: usize = TAR_BLOCK_BYTES as usize;
/// Bytes of one descriptor of a sparse map.
const DESCRIPTOR_BYTES: usize = 24;
const DESCRIPTORS_IN_HEADER: usize = 4;
const DESCRIPTORS_IN_EXTENSION: usize = 21;

/// One tar level of a snapshot.
#[derive(Debug, Clone)]
pub struct TarParts {
    entries: Vec<PartEntry>,
    /// What follows the last entry.
    end: Vec<u8>,
}

#[derive(Debug, Clone)]
struct PartEntry {
    /// Long-name records before the header, as they are.
    records: Vec<u8>,
    header: [u8; BLOCK],
    path: String,
    body: PartBody,
}

#[derive(Debug, Clone)]
enum PartBody {
    Plain(Vec<u8>),
    Sparse { len: u64, extents: Vec<(u64, Vec<u8>)> },
    Nested(TarParts),
}

impl TarParts {
    /// Takes a sound tar apart, nested ones included.
    pub fn of(bytes: &[u8]) -> Self {
        let mut entries = Vec::new();
        let (mut at, mut records, mut long_name) = (0, 0, None);
        while at < bytes.len() && bytes[at..at + BLOCK].iter().any(|byte| *byte != 0) {
            let header: [u8; BLOCK] = bytes[at..at + BLOCK].try_into().expect("a block was cut out");
            let stored = number(&header[124..136]) as usize;
            if header[156] == b'L' {
                let name = &bytes[at + BLOCK..at + BLOCK + stored];
                long_name = Some(text(name));
                at += BLOCK + stored.next_multiple_of(BLOCK);
                continue;
            }
            let before = bytes[records..at].to_vec();
            let path = long_name.take().unwrap_or_else(|| text(&header[..100]));
            let (map, head_bytes) = sparse_map(&bytes[at..]);
            let start = at + head_bytes;
            let body = PartBody::of(&path, &header, map, &bytes[start..start + stored]);
            entries.push(PartEntry { records: before, header, path, body });
            at = start + stored.next_multiple_of(BLOCK);
            records = at;
        }
        Self { entries, end: bytes[at.min(bytes.len())..].to_vec() }
    }

    /// The tar again.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for entry in &self.entries {
            entry.write(&mut out);
        }
        out.extend_from_slice(&self.end);
        out
    }

    /// The paths of all files, `!` between tar levels; nested tars are listed too, directories are not.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.header[156] != b'5') {
            paths.push(entry.path.clone());
            if let PartBody::Nested(nested) = &entry.body {
                paths.extend(nested.paths().into_iter().map(|inner| format!("{}!{inner}", entry.path)));
            }
        }
        paths
    }

    /// The one path that ends in `suffix`.
    pub fn path(&self, suffix: &str) -> String {
        let mut paths: Vec<String> = self.paths().into_iter().filter(|path| path.ends_with(suffix)).collect();
        assert_eq!(paths.len(), 1, "{suffix} is not one file: {paths:?}");
        paths.remove(0)
    }

    /// The content of a file, holes expanded.
    pub fn file(&self, path: &str) -> Vec<u8> {
        self.entry(path).body.bytes()
    }

    /// Gives a file another content. One that had holes gets them again wherever whole file-system blocks are zero.
    pub fn replace(&mut self, path: &str, content: Vec<u8>) {
        let body = &mut self.entry_mut(path).body;
        *body = match body {
            PartBody::Sparse { .. } => PartBody::with_holes(&content),
            PartBody::Plain(_) | PartBody::Nested(_) => PartBody::Plain(content),
        };
    }

    /// Changes the content of a file.
    pub fn edit(&mut self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut content = self.file(path);
        change(&mut content);
        self.replace(path, content);
    }

    /// Declares a file to be one hole of its own length.
    pub fn hollow(&mut self, path: &str) {
        let entry = self.entry_mut(path);
        entry.body = PartBody::Sparse { len: entry.body.bytes().len() as u64, extents: Vec::new() };
    }

    /// Removes all entries, directories too, whose path begins with `prefix`; returns how many.
    pub fn remove(&mut self, prefix: &str) -> usize {
        let before = self.entries.len();
        if let Some((archive, inner)) = prefix.split_once('!') {
            return self.nested_mut(archive).remove(inner);
        }
        self.entries.retain(|entry| !entry.path.starts_with(prefix));
        before - self.entries.len()
    }

    /// Exchanges the contents of two files.
    pub fn swap(&mut self, one: &str, other: &str) {
        let (first, second) = (self.entry(one).body.clone(), self.entry(other).body.clone());
        self.entry_mut(one).body = second;
        self.entry_mut(other).body = first;
    }

    /// Writes an entry a second time, behind all others of its level.
    pub fn repeat(&mut self, path: &str) {
        if let Some((archive, inner)) = path.split_once('!') {
            return self.nested_mut(archive).repeat(inner);
        }
        let copy = self.entry(path).clone();
        self.entries.push(copy);
    }

    /// Adds a file behind all others of its level, with the header of `like`, a file of the same level. `path` has at most 100 bytes
    /// in its own tar.
    pub fn add(&mut self, path: &str, like: &str, content: Vec<u8>) {
        if let (Some((archive, inner)), Some((_, like))) = (path.split_once('!'), like.split_once('!')) {
            return self.nested_mut(archive).add(inner, like, content);
        }
        let mut header = self.entry(like).header;
        header[..100].fill(0);
        header[..path.len()].copy_from_slice(path.as_bytes());
        header[156] = b'0';
        let body = PartBody::Plain(content);
        self.entries.push(PartEntry { records: Vec::new(), header, path: path.to_owned(), body });
    }

    fn entry(&self, path: &str) -> &PartEntry {
        let (outer, inner) = path.split_once('!').map_or((path, None), |(outer, inner)| (outer, Some(inner)));
        let entry = self.entries.iter().find(|entry| entry.path == outer);
        let entry = entry.unwrap_or_else(|| panic!("there is no {outer} in the tar"));
        match (inner, &entry.body) {
            (Some(inner), PartBody::Nested(nested)) => nested.entry(inner),
            (Some(_), _) => panic!("{outer} is no tar"),
            (None, _) => entry,
        }
    }

    fn entry_mut(&mut self, path: &str) -> &mut PartEntry {
        match path.split_once('!') {
            Some((archive, inner)) => self.nested_mut(archive).entry_mut(inner),
            None => {
                let entry = self.entries.iter_mut().find(|entry| entry.path == path);
                entry.unwrap_or_else(|| panic!("there is no {path} in the tar"))
            }
        }
    }

    fn nested_mut(&mut self, archive: &str) -> &mut TarParts {
        match &mut self.entry_mut(archive).body {
            PartBody::Nested(nested) => nested,
            PartBody::Plain(_) | PartBody::Sparse { .. } => panic!("{archive} is no tar"),
        }
    }
}

impl PartEntry {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.records);
        let mut header = self.header;
        let mut extensions = Vec::new();
        let stored = match &self.body {
            PartBody::Plain(bytes) => bytes.clone(),
            PartBody::Nested(nested) => nested.bytes(),
            PartBody::Sparse { len, extents } => {
                header[156] = b'S';
                extensions = write_map(&mut header, *len, extents);
                extents.iter().flat_map(|(_, bytes)| bytes).copied().collect()
            }
        };
        if !matches!(self.body, PartBody::Sparse { .. }) && header[156] == b'S' {
            header[156] = b'0';
            header[386..495].fill(0);
        }
        put_number(&mut header[124..136], stored.len() as u64);
        seal(&mut header);
        out.extend_from_slice(&header);
        out.extend_from_slice(&extensions);
        out.extend_from_slice(&stored);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
}

impl PartBody {
    fn of(path: &str, header: &[u8; BLOCK], map: Vec<(u64, u64)>, stored: &[u8]) -> Self {
        if header[156] == b'S' {
            let (mut extents, mut at) = (Vec::new(), 0);
            for (offset, bytes) in map.into_iter().filter(|(_, bytes)| *bytes > 0) {
                extents.push((offset, stored[at..at + bytes as usize].to_vec()));
                at += bytes as usize;
            }
            return Self::Sparse { len: number(&header[483..495]), extents };
        }
        let is_archive = path.ends_with(".tar") || path.ends_with(".snapshot");
        match is_archive && stored.get(257..262) == Some(b"ustar") {
            true => Self::Nested(TarParts::of(stored)),
            false => Self::Plain(stored.to_vec()),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Plain(bytes) => bytes.clone(),
            Self::Nested(nested) => nested.bytes(),
            Self::Sparse { len, extents } => {
                let mut content = vec![0; *len as usize];
                for (offset, bytes) in extents {
                    content[*offset as usize..][..bytes.len()].copy_from_slice(bytes);
                }
                content
            }
        }
    }

    /// A sparse body whose extents are the runs of file-system blocks that are not zero.
    fn with_holes(content: &[u8]) -> Self {
        let mut extents: Vec<(u64, Vec<u8>)> = Vec::new();
        for (block, offset) in content.chunks(HOLE_BYTES as usize).zip((0..).step_by(HOLE_BYTES as usize)) {
            if block.iter().all(|byte| *byte == 0) {
                continue;
            }
            match extents.last_mut() {
                Some((start, bytes)) if *start + bytes.len() as u64 == offset => bytes.extend_from_slice(block),
                _ => extents.push((offset, block.to_vec())),
            }
        }
        Self::Sparse { len: content.len() as u64, extents }
    }
}

/// The sparse map of the entry that begins with `bytes`, and the length of its header with all extensions.
fn sparse_map(bytes: &[u8]) -> (Vec<(u64, u64)>, usize) {
    let mut map = Vec::new();
    if bytes[156] != b'S' {
        return (map, BLOCK);
    }
    let mut read = |table: &[u8]| {
        for field in table.chunks_exact(DESCRIPTOR_BYTES).filter(|field| field[0] != 0) {
            map.push((number(&field[..12]), number(&field[12..])));
        }
    };
    read(&bytes[386..482]);
    let mut head_bytes = BLOCK;
    let mut goes_on = bytes[482] == 1;
    while goes_on {
        let extension = &bytes[head_bytes..head_bytes + BLOCK];
        read(&extension[..504]);
        goes_on = extension[504] == 1;
        head_bytes += BLOCK;
    }
    (map, head_bytes)
}

/// Writes a sparse map into the header; returns the blocks that follow it.
fn write_map(header: &mut [u8; BLOCK], len: u64, extents: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut map: Vec<(u64, u64)> = extents.iter().map(|(offset, bytes)| (*offset, bytes.len() as u64)).collect();
    map.push((len, 0));
    let put = |table: &mut [u8], part: &[(u64, u64)]| {
        for (field, (offset, bytes)) in table.chunks_exact_mut(DESCRIPTOR_BYTES).zip(part) {
            put_number(&mut field[..12], *offset);
            put_number(&mut field[12..], *bytes);
        }
    };
    let (inside, rest) = map.split_at(map.len().min(DESCRIPTORS_IN_HEADER));
    header[386..495].fill(0);
    put(&mut header[386..482], inside);
    header[482] = u8::from(!rest.is_empty());
    put_number(&mut header[483..495], len);
    let mut extensions = Vec::new();
    let mut parts = rest.chunks(DESCRIPTORS_IN_EXTENSION).peekable();
    while let Some(part) = parts.next() {
        let mut block = [0; BLOCK];
        put(&mut block[..504], part);
        block[504] = u8::from(parts.peek().is_some());
        extensions.extend_from_slice(&block);
    }
    extensions
}

/// Puts the checksum of a header right: seven octal digits and a NUL.
fn seal(header: &mut [u8; BLOCK]) {
    header[148..156].fill(b' ');
    let sum = header.iter().map(|byte| u64::from(*byte)).sum();
    put_number(&mut header[148..156], sum);
}

/// An octal or base-256 number.
fn number(field: &[u8]) -> u64 {
    if field[0] & 0x80 != 0 {
        return field[1..].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    }
    let digits = field.iter().filter(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number << 3 | u64::from(digit - b'0'))
}

/// The text before the first NUL.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8(bytes[..end].to_vec()).expect("Qdrant's paths are text")
}
