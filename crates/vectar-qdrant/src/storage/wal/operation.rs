//! What an entry of the WAL does.

use ciborium_ll::Header;

use super::cbor::{CborFault, CborReader, EntryBytes, Open, Short};
use crate::error::{QdrantError, brief};
use crate::point_id::PointId;

/// Most point ids that are kept of one operation, 24 MiB of them; the rest is counted. A request of 32 MiB that only deletes can name
/// more; one that writes points cannot.
const POINTS_MAX: usize = 1 << 20;

/// How deep the maps that lead to point ids can lie in each other: operation, conditional upsert, batch.
const LEVELS_MAX: usize = 4;

/// What an entry does: enough to say what it would change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalOperation {
    /// The operation as stored: `upsert_points`, `delete_points`, `set_payload`, `create_index`, …
    pub name: String,
    /// The points it names, in its order; at most 2^20 of them.
    pub points: Vec<PointId>,
    /// How many points it names beyond these.
    pub points_more: u64,
    /// Whether a filter, or a range of ids (`sync_points`), also decides which points it touches: then it may touch points that
    /// it does not name, or leave some that it does.
    pub has_filter: bool,
}

/// Where in an operation a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It holds lists of points by name.
    Operation,
    /// It is a list of points: ids, or maps with an `id`.
    Points,
    /// It is a filter, or nothing.
    Filter,
    /// It says nothing about points.
    Elsewhere,
}

impl Place {
    /// Where the value of a member of an operation stands.
    fn of_member(key: &str) -> Self {
        match key {
            "points" | "ids" => Self::Points,
            "points_op" | "batch" => Self::Operation,
            "filter" | "update_filter" | "condition" => Self::Filter,
            _ => Self::Elsewhere,
        }
    }
}

impl WalOperation {
    /// Whether it is the upsert of no points with which every new log begins: nothing is missing where it was not applied.
    pub fn is_opening(&self) -> bool {
        self.name == "upsert_points" && self.points.is_empty() && self.points_more == 0 && !self.has_filter
    }

    /// Reads an entry: a map of the operation's name to what it needs, with an optional `clock_tag` beside it.
    pub(super) fn read(mut entry: EntryBytes<'_, '_>, path: &str) -> Result<Self, QdrantError> {
        let offset = entry.start();
        let damaged = |what: String| QdrantError::FileDamaged { path: path.to_owned(), offset, what };
        // No map of CBOR begins so, but a map or an array of MessagePack does.
        if let Some(0x80..=0x9f | 0xdc..=0xdf) = entry.first_byte()? {
            return Err(QdrantError::NotReadable {
                path: path.to_owned(),
                what: format!("the entry at byte {offset} is MessagePack, as very old versions wrote it"),
            });
        }
        let len = entry.len();
        let mut reader = OperationReader { cbor: CborReader::new(entry), operation: Self::default() };
        match reader.read(len) {
            Ok(()) => Ok(reader.operation),
            Err(CborFault::Cut) => Err(damaged("the entry ends within a value".to_owned())),
            Err(CborFault::Wrong(what)) => Err(damaged(format!("the entry is no operation: {what}"))),
            Err(CborFault::Source(error)) => Err(error),
        }
    }
}

struct OperationReader<'e, 'w> {
    cbor: CborReader<'e, 'w>,
    operation: WalOperation,
}

impl OperationReader<'_, '_> {
    fn read(&mut self, len: u64) -> Result<(), CborFault> {
        let Header::Map(pairs) = self.cbor.header()? else { return Err(CborFault::wrong("it is no map")) };
        let mut members = Open::map(pairs);
        while let Some(key) = self.cbor.next(&mut members)? {
            let key = self.cbor.short(key)?;
            let value =
                self.cbor.next(&mut members)?.ok_or_else(|| CborFault::wrong("a name stands without a value"))?;
            match key.as_ref().map(Short::as_str) {
                Some("") | None => return Err(CborFault::wrong("an operation has no name")),
                Some("clock_tag") => self.cbor.skip(value)?,
                Some(_) if !self.operation.name.is_empty() => {
                    return Err(CborFault::wrong("it holds two operations"));
                }
                Some(name) => {
                    self.operation.name = name.to_owned();
                    self.operation.has_filter = name.ends_with("_by_filter") || name == "sync_points";
                    self.read_operation(value, LEVELS_MAX)?;
                }
            }
        }
        if self.operation.name.is_empty() {
            return Err(CborFault::wrong("it holds no operation"));
        }
        match len - self.cbor.offset() {
            0 => Ok(()),
            more => Err(CborFault::wrong(format!("{more} bytes stand behind it"))),
        }
    }

    /// Reads what an operation needs: a map, or, for operations on vectors, an array whose first item is one.
    fn read_operation(&mut self, value: Header, levels: usize) -> Result<(), CborFault> {
        let Some(levels) = levels.checked_sub(1) else { return self.cbor.skip(value) };
        match value {
            Header::Map(pairs) => {
                let mut members = Open::map(pairs);
                while let Some(key) = self.cbor.next(&mut members)? {
                    let key = self.cbor.short(key)?;
                    let value = self
                        .cbor
                        .next(&mut members)?
                        .ok_or_else(|| CborFault::wrong("a key stands without a value"))?;
                    match key.as_ref().map_or(Place::Elsewhere, |key| Place::of_member(key.as_str())) {
                        Place::Operation => self.read_operation(value, levels)?,
                        Place::Points => self.read_points(value)?,
                        Place::Filter => self.read_filter(value)?,
                        Place::Elsewhere => self.cbor.skip(value)?,
                    }
                }
                Ok(())
            }
            Header::Array(items) => {
                let mut items = Open::array(items);
                while let Some(item) = self.cbor.next(&mut items)? {
                    match item {
                        Header::Map(_) => self.read_operation(item, levels)?,
                        _ => self.cbor.skip(item)?,
                    }
                }
                Ok(())
            }
            _ => self.cbor.skip(value),
        }
    }

    /// A filter that is not `null` (simple value 22) or undefined.
    fn read_filter(&mut self, value: Header) -> Result<(), CborFault> {
        self.operation.has_filter |= !matches!(value, Header::Simple(22 | 23));
        self.cbor.skip(value)
    }

    /// A list of points, or nothing.
    fn read_points(&mut self, value: Header) -> Result<(), CborFault> {
        let Header::Array(items) = value else { return self.cbor.skip(value) };
        let mut items = Open::array(items);
        while let Some(item) = self.cbor.next(&mut items)? {
            let id = match item {
                Header::Map(pairs) => self.read_point(pairs)?,
                _ => self.read_id(item)?,
            };
            if self.operation.points.len() < POINTS_MAX {
                self.operation.points.push(id);
            } else {
                self.operation.points_more += 1;
            }
        }
        Ok(())
    }

    /// A point, of which only the id matters.
    fn read_point(&mut self, pairs: Option<usize>) -> Result<PointId, CborFault> {
        let mut id = None;
        let mut members = Open::map(pairs);
        while let Some(key) = self.cbor.next(&mut members)? {
            let key = self.cbor.short(key)?;
            let value =
                self.cbor.next(&mut members)?.ok_or_else(|| CborFault::wrong("a key stands without a value"))?;
            match key.as_ref().map(Short::as_str) {
                Some("id") => id = Some(self.read_id(value)?),
                _ => self.cbor.skip(value)?,
            }
        }
        id.ok_or_else(|| CborFault::wrong("a point has no id"))
    }

    /// A number, or a UUID as 16 bytes or as text.
    fn read_id(&mut self, header: Header) -> Result<PointId, CborFault> {
        if let Header::Positive(number) = header {
            return Ok(PointId::Number(number));
        }
        let short = self.cbor.short(header)?;
        let uuid = match (header, &short) {
            (Header::Bytes(_), Some(short)) => short.as_bytes().try_into().ok().map(PointId::Uuid),
            (Header::Text(_), Some(short)) => short.as_str().parse().ok().filter(|id| matches!(id, PointId::Uuid(_))),
            _ => None,
        };
        uuid.ok_or_else(|| {
            let found =
                short.map_or_else(|| "another value".to_owned(), |short| short.as_bytes().escape_ascii().to_string());
            CborFault::wrong(format!("{} stands where a point id must be", brief(&found)))
        })
    }
}
