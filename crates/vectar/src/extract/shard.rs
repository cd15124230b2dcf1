//! The snapshot of one shard, out of the directory that it is in a collection's snapshot.

use vectar_tar::{
    CatalogueRow, END_OF_ARCHIVE, ReadAt, RowRole, TAR_BLOCK_BYTES, TarEntry, padding_of, renamed_header,
};

use super::{
    locate::{damaged, damages, member_row, plain_name},
    span::Spans,
};
use crate::{content::Content, error::Error, inside::Inside};

/// The shard's entries under the names that they have in a snapshot of their own: `3/segments/u.tar` becomes `segments/u.tar`.
pub(super) fn shard_spans(inside: &Inside<'_, '_>, file: Option<&str>, shard: u32) -> Result<Spans, Error> {
    let content = inside.content();
    let title = format!("shard {shard}");
    // In a full snapshot the collection's own tar must be all there, or the last entries of the shard may lack without a trace.
    let archive = file.map(|file| member_row(inside, file)).transpose()?;
    let depth = archive.map_or(0, |row| row.head.depth + 1);
    let within = archive.map_or(0..content.len(), |row| row.head.offset..row.head.offset + row.len);
    let mut spans = Spans::default();
    for row in &inside.catalogue().rows {
        if row.head.depth != depth || !within.contains(&row.head.offset) {
            continue;
        }
        let Some(entry) = row.head.entry() else { continue };
        // Whatever the entry belongs to: what is cut short has lost the entries behind it, and nobody knows whose they were.
        if row.role == (RowRole::Leaf { complete: false }) || row.len != entry.stored_len {
            let why = "the snapshot is cut short inside of it, and entries of the shard may have come later";
            return Err(Refusal::Entry { path: row.head.path.to_string(), why }.into_error(content, &title));
        }
        if let Some(name) = name_in(&entry.raw_path, shard) {
            add_entry(&mut spans, content, row, entry, &name).map_err(|reason| reason.into_error(content, &title))?;
        }
    }
    spans.literal(END_OF_ARCHIVE.to_vec());
    let is_level = |names: usize| names == usize::from(depth);
    let ours = |damage: &&vectar_tar::Anomaly| {
        spans.copies(damage.offset) || (within.contains(&damage.offset) && is_level(damage.path.names().len()))
    };
    match damages(inside).find(ours) {
        Some(damage) => Err(damaged(content, &title, damage)),
        None => Ok(spans),
    }
}

/// The name without the shard's directory; `None` for what is not in it, and for the directory itself. A directory keeps its slash.
fn name_in(raw: &[u8], shard: u32) -> Option<Vec<u8>> {
    let name = raw.strip_prefix(b"./").unwrap_or(raw);
    let slash = name.iter().position(|&byte| byte == b'/')?;
    let is_shard = plain_name(&name[..slash]).parse() == Ok(shard);
    let rest = &name[slash + 1..];
    (is_shard && !rest.is_empty()).then(|| rest.to_vec())
}

/// Why an entry cannot be taken over.
enum Refusal {
    Entry { path: String, why: &'static str },
    Read(std::io::Error),
}

impl Refusal {
    fn into_error(self, content: &Content<'_>, part: &str) -> Error {
        match self {
            Self::Entry { path, why } => Error::PartDamaged {
                part: part.to_owned(),
                snapshot: content.name(),
                finding: format!("{path}: {why}"),
            },
            Self::Read(error) => content.read_failed(error),
        }
    }
}

fn add_entry(
    spans: &mut Spans,
    content: &Content<'_>,
    row: &CatalogueRow,
    entry: &TarEntry,
    name: &[u8],
) -> Result<(), Refusal> {
    let refuse = |why| Refusal::Entry { path: row.head.path.to_string(), why };
    if !entry.is_file() && !entry.is_directory() {
        return Err(refuse("it is neither a file nor a directory, and Qdrant takes nothing else"));
    }
    let mut header = [0; TAR_BLOCK_BYTES];
    read_full(content, entry.header_offset, &mut header).map_err(Refusal::Read)?;
    let renamed = renamed_header(&header, name, entry.stored_len)
        .ok_or_else(|| refuse("another header overrules its own, which Qdrant never writes"))?;
    spans.literal(renamed);
    // Sparse extension blocks lie between the header and the body and go with it.
    let behind_header = entry.header_offset + TAR_BLOCK_BYTES as u64;
    spans.copy(behind_header, row.head.offset - behind_header + row.len);
    spans.literal(vec![0; padding_of(row.len)]);
    Ok(())
}

fn read_full(source: &impl ReadAt, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read_at(offset + filled as u64, &mut buffer[filled..]) {
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_shard_and_nothing_else() {
        let renamed = |raw: &str| name_in(raw.as_bytes(), 3).map(|name| String::from_utf8(name).unwrap());
        assert_eq!(renamed("3/segments/u.tar").as_deref(), Some("segments/u.tar"));
        assert_eq!(renamed("./3/wal/").as_deref(), Some("wal/"));
        assert_eq!(renamed("3/3/x").as_deref(), Some("3/x"));
        for other in ["3", "3/", "./3/", "33/x", "version.info", "/3/x", "4/3/x", "3x/y"] {
            assert_eq!(renamed(other), None, "{other}");
        }
    }
}
