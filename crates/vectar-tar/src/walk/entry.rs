//! From a block to what it opens: a record, an entry, a nested archive, the end.

use super::level::{Level, Overrides, RecordKind, path_hash};
use super::{Body, Event, Record, Stage, Walk};
use crate::anomaly::AnomalyKind;
use crate::entry::{BodyHead, BodyKind, EntryPath, TarEntry};
use crate::header::{self, BLOCK, Block, Header, HeaderStyle};
use crate::pax::PaxSize;
use crate::sparse::{SparseCollector, SparseOutcome};
use std::sync::Arc;

/// An entry whose header was read and whose body has not begun.
pub(super) struct Opening {
    path: EntryPath,
    entry: TarEntry,
    sparse: Option<SparseCollector>,
    /// The logical length of a sparse entry as its header gives it.
    real_size: Option<u64>,
}

impl Opening {
    fn head(self, depth: u8, offset: u64) -> BodyHead {
        let stored_len = Some(self.entry.stored_len);
        BodyHead { path: self.path, depth, kind: BodyKind::Entry(self.entry), offset, stored_len }
    }
}

/// How a declared length fits into its level.
struct Extent {
    /// Bytes that lie in the level.
    left: u64,
    /// Declared bytes beyond its end.
    missing: u64,
    /// Padding to whole blocks.
    padding: u64,
}

impl Walk {
    /// Takes the block at a header's place.
    pub(super) fn header(&mut self, block: &Block) {
        if block.iter().all(|&byte| byte == 0) {
            self.place_block_in_framing();
            self.stage = Stage::Trailer { zeros: BLOCK };
            return;
        }
        let Some(header) = Header::parse(block) else {
            let foreign = self.offset == 0 && !header::has_magic(block);
            return self.broken(if foreign { AnomalyKind::NotATar } else { AnomalyKind::BadChecksum });
        };
        self.note_style(header.style());
        match RecordKind::of(header.type_flag()) {
            Some(kind) => self.record(kind, header),
            None => self.entry(header),
        }
    }

    /// Gives up on the level: from this block on it is opaque.
    fn broken(&mut self, kind: AnomalyKind) {
        self.report(self.offset, kind);
        self.root_closed |= self.levels.len() == 1;
        self.begin_opaque();
        let Stage::Body(body) = &mut self.stage else { unreachable!("begin_opaque has just set it") };
        body.left -= BLOCK;
        self.events.push_back(Event::BlockIsBody);
    }

    fn note_style(&mut self, style: HeaderStyle) {
        if style != HeaderStyle::Gnu && !self.level().foreign_style_reported {
            self.level_mut().foreign_style_reported = true;
            self.report(self.offset, AnomalyKind::ForeignHeaderStyle(style));
        }
    }

    fn record(&mut self, kind: RecordKind, header: Header<'_>) {
        let Some(len) = header.size() else {
            return self.broken(AnomalyKind::SizeInvalid);
        };
        let len_max = match kind {
            RecordKind::LongName | RecordKind::LongLink => self.options.name_bytes_max,
            RecordKind::Pax | RecordKind::PaxGlobal => self.options.record_bytes_max,
        };
        let kept = (len <= len_max as u64).then(Vec::new);
        if kept.is_none() {
            self.report(self.offset, AnomalyKind::ExtensionTooLong { len });
        }
        self.place_block_in_framing();
        let Extent { left, missing, padding } = self.extent(len, self.offset + BLOCK);
        self.stage = Stage::Record(Record { kind, kept, left, missing, padding });
    }

    /// Applies a record that was read whole.
    pub(super) fn apply_record(&mut self, kind: RecordKind, bytes: &[u8]) {
        let name_bytes_max = self.options.name_bytes_max;
        let applied = self.level_mut().extensions.apply(kind, bytes, name_bytes_max);
        let findings = [
            (applied.replaced, AnomalyKind::ExtensionUnused),
            (applied.malformed, AnomalyKind::ExtensionMalformed),
            (applied.gnu_sparse, AnomalyKind::PaxSparse),
        ];
        for (_, kind) in findings.into_iter().filter(|(found, _)| *found) {
            self.report(self.offset, kind);
        }
    }

    fn entry(&mut self, header: Header<'_>) {
        let overrides = self.level_mut().extensions.take();
        let size = match overrides.size {
            Some(PaxSize::Bytes(size)) => Some(size),
            Some(PaxSize::Invalid) => None,
            None => header.size(),
        };
        let Some(stored_len) = size else {
            return self.broken(AnomalyKind::SizeInvalid);
        };
        let entry = self.describe(header, overrides, stored_len);
        let path = self.level().path.child(Arc::clone(&entry.raw_path));
        let mut opening = Opening { path, entry, sparse: None, real_size: None };
        self.inspect_entry(&opening, header);
        self.place_block_in_framing();
        if opening.entry.is_sparse() {
            let mut collector = SparseCollector::new(self.options.sparse_segments_max);
            collector.take(header.sparse_descriptors());
            opening.sparse = Some(collector);
            opening.real_size = header.real_size();
            if header.is_extended() {
                self.stage = Stage::SparseBlock(Box::new(opening));
                return;
            }
        }
        self.open(opening);
    }

    fn describe(&self, header: Header<'_>, overrides: Overrides, stored_len: u64) -> TarEntry {
        let link_name = overrides.link_name.unwrap_or_else(|| header.link_name().to_vec());
        TarEntry {
            raw_path: overrides.name.unwrap_or_else(|| header.name()).into(),
            type_flag: header.type_flag(),
            mode: header.mode().unwrap_or(0),
            mtime: header.mtime().unwrap_or(0),
            stored_len,
            logical_len: stored_len,
            sparse: None,
            link_name: (!link_name.is_empty()).then(|| link_name.into()),
            style: header.style(),
            header_offset: self.offset,
        }
    }

    /// Reports what is odd about an entry's header.
    fn inspect_entry(&mut self, opening: &Opening, header: Header<'_>) {
        let path = &opening.entry.raw_path;
        let usual_type = opening.entry.is_directory() || matches!(header.type_flag(), 0 | b'0' | b'S');
        let findings = [
            (path.starts_with(b"/"), AnomalyKind::AbsolutePath),
            (path.split(|&byte| byte == b'/').any(|name| name == b".."), AnomalyKind::ParentPath),
            (!usual_type, AnomalyKind::UnusualEntryType(header.type_flag())),
            (header.mode().is_none() || header.mtime().is_none(), AnomalyKind::FieldUnreadable),
            (self.is_duplicate(path), AnomalyKind::DuplicatePath),
        ];
        for (_, kind) in findings.into_iter().filter(|(found, _)| *found) {
            self.report_at(self.offset, opening.path.clone(), kind);
        }
    }

    /// Tells whether the level had this path before, and remembers it while there is room.
    fn is_duplicate(&mut self, path: &[u8]) -> bool {
        let hash = path_hash(path);
        if self.level().has_path(hash) {
            return true;
        }
        if self.paths < self.options.paths_max {
            self.level_mut().remember_path(hash);
            self.paths += 1;
        } else if !self.level().duplicate_check_capped {
            self.level_mut().duplicate_check_capped = true;
            self.report(self.offset, AnomalyKind::DuplicateCheckCapped);
        }
        false
    }

    /// Takes a sparse extension block.
    pub(super) fn sparse_block(&mut self, mut opening: Box<Opening>, block: &Block) {
        let (descriptors, more) = header::sparse_extension(block);
        if let Some(collector) = &mut opening.sparse {
            collector.take(descriptors);
        }
        self.place_block_in_framing();
        if more {
            self.stage = Stage::SparseBlock(opening);
        } else {
            self.open(*opening);
        }
    }

    /// Opens an entry whose last framing block is the present one.
    fn open(&mut self, mut opening: Opening) {
        if let Some(collector) = opening.sparse.take() {
            self.close_sparse_map(collector, &mut opening);
        }
        let offset = self.offset + BLOCK;
        let Extent { left, .. } = self.extent(opening.entry.stored_len, offset);
        let may_nest = opening.entry.is_plain_file() && self.level().depth < self.options.depth_max;
        if may_nest && left >= BLOCK {
            self.stage = Stage::Sniff(Box::new(opening));
        } else {
            self.begin_body(opening, offset);
        }
    }

    fn close_sparse_map(&mut self, collector: SparseCollector, opening: &mut Opening) {
        let entry = &mut opening.entry;
        entry.logical_len = opening.real_size.unwrap_or(entry.stored_len);
        let kind = match collector.finish(entry.stored_len, opening.real_size) {
            SparseOutcome::Map(map) => {
                entry.sparse = Some(Arc::new(map));
                return;
            }
            SparseOutcome::Faulty(fault) => AnomalyKind::SparseMapInconsistent(fault),
            SparseOutcome::TooLong => AnomalyKind::SparseMapTooLong,
        };
        self.report_at(entry.header_offset, opening.path.clone(), kind);
    }

    /// Takes the first block of a body that may be a nested archive.
    pub(super) fn sniff(&mut self, opening: Opening, block: &Block) {
        if header::opens_archive(block) {
            self.enter(opening);
            self.header(block);
        } else {
            self.begin_body(opening, self.offset);
            let Stage::Body(body) = &mut self.stage else { unreachable!("begin_body has just set it") };
            body.left -= BLOCK;
            self.events.push_back(Event::BlockIsBody);
        }
    }

    /// Begins the body of an entry at `offset`.
    pub(super) fn begin_body(&mut self, opening: Opening, offset: u64) {
        let Extent { left, missing, padding } = self.extent(opening.entry.stored_len, offset);
        let path = opening.path.clone();
        self.summary.bodies += 1;
        self.events.push_back(Event::BeginBody(opening.head(self.level().depth, offset)));
        self.stage = Stage::Body(Body { path, left, missing, padding, opaque: false });
    }

    /// Enters the nested archive that begins at the present offset.
    fn enter(&mut self, opening: Opening) {
        let depth = self.level().depth;
        let Extent { left, missing, padding } = self.extent(opening.entry.stored_len, self.offset);
        let end = Some(self.offset.saturating_add(left));
        let level = Level::new(depth + 1, opening.path.clone(), end, missing, padding);
        self.summary.archives += 1;
        self.events.push_back(Event::EnterArchive(opening.head(depth, self.offset)));
        self.levels.push(level);
    }

    /// Fits `len` declared bytes at `offset` into the level.
    fn extent(&self, len: u64, offset: u64) -> Extent {
        let left = len.min(self.room_from(offset));
        Extent { left, missing: len - left, padding: len.wrapping_neg() % BLOCK }
    }
}
