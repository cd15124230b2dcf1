//! Adding packs to the index, many in one transaction.

use redb::{Durability, ReadableTable, WriteTransaction};

use super::{
    ChunkIndex,
    tables::{self, ChunkValue, PackValue, index_error},
};
use crate::{
    error::RepositoryError,
    format::{
        ids::PackId,
        pack::{BodyEntry, PackFooter},
    },
};

/// When what a transaction adds must survive a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flush {
    /// When it commits.
    Now,
    /// With a later transaction, or when the index is closed. Until then a crash loses it, and the next catch-up reads the footers
    /// again.
    Later,
}

/// A transaction that adds packs; they become known when it commits.
pub(super) struct Adding<'i> {
    index: &'i ChunkIndex,
    transaction: WriteTransaction,
    /// Numbers from here on were given out by this transaction.
    first_number: u32,
    next_number: u32,
    added: Vec<(u32, PackId)>,
    /// Of packs that are sound, and of those that are not: the latter never hide what is known.
    records: Vec<([u8; 32], ChunkValue)>,
    unsound_records: Vec<([u8; 32], ChunkValue)>,
    bodies: Vec<(BodyEntry, u32)>,
}

impl<'i> Adding<'i> {
    pub(super) fn begin(index: &'i ChunkIndex, flush: Flush) -> Result<Self, RepositoryError> {
        let mut transaction = index.database.begin_write().map_err(index_error("beginning to add packs"))?;
        if flush == Flush::Later {
            transaction.set_durability(Durability::None).expect("no savepoint was made in this transaction");
        }
        let next_number = {
            let meta = transaction.open_table(tables::META).map_err(index_error("opening the meta table"))?;
            let next = meta.get("next-pack").map_err(index_error("reading the meta table"))?;
            next.map_or(0, |value| value.value()) as u32
        };
        Ok(Self {
            index,
            transaction,
            first_number: next_number,
            next_number,
            added: Vec::new(),
            records: Vec::new(),
            unsound_records: Vec::new(),
            bodies: Vec::new(),
        })
    }

    /// Takes a pack of this name and length. One that is known already is passed over.
    pub(super) fn add(
        &mut self,
        (id, object_len): (PackId, u64),
        footer: &PackFooter,
        verbatim: &[u8],
    ) -> Result<(), RepositoryError> {
        let action = index_error("adding a pack");
        let mut packs = self.transaction.open_table(tables::PACKS).map_err(index_error("opening the pack table"))?;
        let known = self.index.known();
        let row =
            packs.get(id.as_bytes()).map_err(&action)?.and_then(|row| Some(PackValue::decode(row.value())?.number));
        if row.is_some_and(|number| number >= self.first_number || known.by_number.contains_key(&number)) {
            return Ok(());
        }
        let number = self.next_number;
        self.next_number += 1;
        let value = PackValue { number, object_len, footer: verbatim }.encode();
        packs.insert(id.as_bytes(), value.as_slice()).map_err(&action)?;
        let records = match known.unsound.contains(&id) {
            true => &mut self.unsound_records,
            false => &mut self.records,
        };
        records.extend(footer.entries.iter().map(|entry| (entry.head.id, ChunkValue::new(number, entry))));
        self.bodies.extend(footer.bodies.iter().map(|body| (*body, number)));
        self.added.push((number, id));
        Ok(())
    }

    /// Writes records and bodies in the order of their ids, so that each page of the tables is met once, and makes all known.
    pub(super) fn commit(mut self) -> Result<(), RepositoryError> {
        let (records, unsound) = (std::mem::take(&mut self.records), std::mem::take(&mut self.unsound_records));
        self.put_records(records, true)?;
        self.put_records(unsound, false)?;
        self.bodies.sort_unstable_by_key(|(body, number)| (*body.digest.as_bytes(), *number));
        {
            let action = index_error("adding a body");
            let mut bodies =
                self.transaction.open_table(tables::BODIES).map_err(index_error("opening the body table"))?;
            for (body, number) in &self.bodies {
                bodies.insert(body.digest.as_bytes(), &tables::encode_body(body, *number)).map_err(&action)?;
            }
            let mut meta = self.transaction.open_table(tables::META).map_err(index_error("opening the meta table"))?;
            meta.insert("next-pack", u64::from(self.next_number)).map_err(index_error("writing the meta table"))?;
        }
        self.transaction.commit().map_err(index_error("adding packs"))?;
        self.index.tables_changed();
        self.index.known_mut().extend(self.added);
        self.index.renew_filter();
        Ok(())
    }

    /// Of two copies the one that can be relied on is kept in sight; of two such the one that was known first, so that who looked a
    /// record up once finds it in the same place again.
    fn put_records(&self, mut records: Vec<([u8; 32], ChunkValue)>, are_sound: bool) -> Result<(), RepositoryError> {
        let action = index_error("adding a pack");
        let mut chunks = self.transaction.open_table(tables::CHUNKS).map_err(index_error("opening the chunk table"))?;
        records.sort_unstable_by_key(|(id, value)| (*id, value.pack_number));
        // Before anybody can find them: the filter may know of more than there is, and never of less.
        let filter = self.index.memory.filter();
        for (id, value) in records {
            if let Some(filter) = &filter {
                filter.insert(&id);
            }
            let other = chunks.get(&id).map_err(&action)?.map(|value| ChunkValue::decode(value.value()));
            if other.is_some_and(|other| self.is_kept(&other, are_sound)) {
                continue;
            }
            chunks.insert(&id, &value.encode()).map_err(&action)?;
        }
        Ok(())
    }

    fn is_kept(&self, other: &ChunkValue, is_new_sound: bool) -> bool {
        if other.pack_number >= self.first_number {
            return true;
        }
        let known = self.index.known();
        known.by_number.get(&other.pack_number).is_some_and(|pack| !is_new_sound || !known.unsound.contains(pack))
    }
}
