//! The write-ahead log of a shard (format reference §4.8; Qdrant `lib/wal/src/segment.rs`, v1.18.3).
//!
//! A segment file is a header and entries; each entry's CRC-32C continues from the one before, so that a reader finds
//! the end by the first that does not fit.

use super::cbor::CborWriter;
use super::content::{Payload, VectorSource};
use super::noise::{Role, draw};
use super::points::{Operation, PointId, Population};
use super::segment::time_s;
use super::tar_writer::PlannedFile;

/// The one peer that made every snapshot of a corpus.
pub(super) const PEER_ID: u64 = 7_205_759_403_792_794;

/// A WAL segment file is preallocated to this length; larger only if one entry needs it.
const SEGMENT_BYTES: u64 = 32 << 20;

/// One WAL segment file under construction.
#[derive(Debug)]
pub(super) struct WalSegment {
    bytes: Vec<u8>,
    crc: u32,
}

impl WalSegment {
    /// Starts a file: magic, version 0, CRC seed.
    pub(super) fn new(crc_seed: u32) -> Self {
        let mut bytes = b"wal\0".to_vec();
        bytes.extend_from_slice(&crc_seed.to_le_bytes());
        Self { bytes, crc: crc_seed }
    }

    /// Appends an entry: length, data, zeros up to 4 bytes before an 8-byte boundary, CRC.
    pub(super) fn append(&mut self, data: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&(data.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(data);
        let padding = (12 - data.len() % 8) % 8;
        self.bytes.resize(self.bytes.len() + padding, 0);
        self.crc = crc32c::crc32c_append(!self.crc.reverse_bits(), &self.bytes[start..]);
        self.bytes.extend_from_slice(&self.crc.to_le_bytes());
    }

    /// Bytes an entry takes.
    fn entry_bytes(data_bytes: usize) -> u64 {
        (data_bytes as u64 + 12).next_multiple_of(8)
    }

    fn into_file<'p>(self, path: &str, modified_s: u64) -> PlannedFile<'p> {
        let data_bytes = self.bytes.len() as u64;
        let real_bytes = data_bytes.next_multiple_of(8).max(SEGMENT_BYTES);
        let mut stored = self.bytes;
        stored.resize(super::tar_writer::prefix_bytes(data_bytes, real_bytes) as usize, 0);
        let body = Box::new(move |out: &mut dyn std::io::Write| out.write_all(&stored));
        PlannedFile::preallocated(path.to_owned(), modified_s, data_bytes, real_bytes, body)
    }
}

/// Plans the WAL of a collection snapshot: the last operations that fit into `wal_bytes_max`, the file that will take
/// the next ones, and `first-index`.
pub(super) fn full_wal<'p>(population: &Population<'_>, generation: u32, shard: u64) -> Vec<PlannedFile<'p>> {
    let last = population.last_operation(generation);
    let (first, entries) = last_entries(population, shard, last);
    let modified_s = time_s(population.last_written_step(generation));
    let mut segment = WalSegment::new(seed(population, shard, 1));
    entries.iter().rev().for_each(|entry| segment.append(entry));
    // Qdrant keeps the whole log in its first file until that is full and closed; a closed file is named by the number
    // of its first entry.
    let filled = if first == 0 { "wal/open-1".to_owned() } else { format!("wal/closed-{first}") };
    let next = WalSegment::new(seed(population, shard, 2));
    let ack_index = format!(r#"{{"ack_index":{last}}}"#);
    vec![
        segment.into_file(&filled, modified_s),
        next.into_file("wal/open-2", time_s(0)),
        PlannedFile::small("wal/first-index", modified_s, ack_index.into()),
    ]
}

/// Plans the one file of the empty WAL in a shard snapshot, named by the number the next operation will have. Its seed
/// is drawn anew for each snapshot.
pub(super) fn empty_wal<'p>(population: &Population<'_>, generation: u32) -> PlannedFile<'p> {
    let next = population.last_operation(generation) + 1;
    let segment = WalSegment::new(seed(population, u64::from(generation), 3));
    segment.into_file(&format!("wal/closed-{next}"), time_s(generation))
}

/// `newest_clocks.json`: every operation was one tick of clock 0.
pub(super) fn clocks(population: &Population<'_>, generation: u32, shard: u64) -> String {
    let tick = population.last_operation(generation);
    let token = token(population, shard, tick);
    format!(r#"{{"clocks":[{{"peer_id":{PEER_ID},"clock_id":0,"current_tick":{tick},"token":{token}}}]}}"#)
}

/// Returns the entries that fit, last first, and the number of the first operation among them.
fn last_entries(population: &Population<'_>, shard: u64, last: u64) -> (u64, Vec<Vec<u8>>) {
    let mut vectors = VectorSource::new(population.options());
    let mut entries = Vec::new();
    let mut left = population.options().wal_bytes_max;
    let mut first = last + 1;
    for number in (0..=last).rev() {
        let entry = entry(population, shard, number, &mut vectors);
        let bytes = WalSegment::entry_bytes(entry.len());
        // At least the last operation is kept, whatever its size.
        if bytes > left && !entries.is_empty() {
            break;
        }
        left = left.saturating_sub(bytes);
        first = number;
        entries.push(entry);
    }
    (first, entries)
}

/// Encodes one operation with its clock tag. The operation that opens a WAL has none.
fn entry(population: &Population<'_>, shard: u64, number: u64, vectors: &mut VectorSource<'_>) -> Vec<u8> {
    let mut cbor = CborWriter::default();
    cbor.open_map();
    if number == 0 {
        cbor.text("upsert_points").map(1).text("points").array(0).end();
        return cbor.into_bytes();
    }
    match population.operation(number, shard) {
        Operation::Upsert { step, points } => {
            cbor.text("upsert_points").map(1).text("points").array(points.len());
            points.iter().for_each(|&point| write_point(population, point, step, vectors, &mut cbor));
        }
        Operation::SetPayload { step, points } => {
            cbor.text("set_payload").map(4);
            cbor.text("payload").map(1).text("reviewed").unsigned(u64::from(step));
            cbor.text("points").array(points.len());
            points.iter().for_each(|&point| write_id(population, point, &mut cbor));
            cbor.text("filter").null().text("key").null();
        }
        Operation::Delete { points } => {
            cbor.text("delete_points").map(1).text("ids").array(points.len());
            points.iter().for_each(|&point| write_id(population, point, &mut cbor));
        }
    }
    cbor.text("clock_tag").map(5);
    cbor.text("peer_id").unsigned(PEER_ID).text("clock_id").unsigned(0);
    cbor.text("clock_tick").unsigned(number);
    cbor.text("token").unsigned(token(population, shard, number));
    cbor.text("force").boolean(false).end();
    cbor.into_bytes()
}

fn write_point(
    population: &Population<'_>,
    point: u64,
    step: u32,
    vectors: &mut VectorSource<'_>,
    cbor: &mut CborWriter,
) {
    let life = population.life(point, step).expect("an operation names inserted points");
    cbor.map(3).text("id");
    write_id(population, point, cbor);
    let vector = vectors.sent(point, life.vector_step);
    cbor.text("vector").array(vector.len());
    for component in vector {
        cbor.float32(component);
    }
    cbor.text("payload");
    Payload::new(population.options(), point, life.payload_step).write_cbor(cbor);
}

fn write_id(population: &Population<'_>, point: u64, cbor: &mut CborWriter) {
    match population.id(point) {
        PointId::Number(number) => cbor.unsigned(number),
        PointId::Uuid(uuid) => cbor.byte_string(&uuid),
    };
}

fn seed(population: &Population<'_>, place: u64, file: u64) -> u32 {
    draw(population.options().seed, Role::WalSeed, place, file) as u32
}

fn token(population: &Population<'_>, shard: u64, tick: u64) -> u64 {
    draw(population.options().seed, Role::ClockToken, shard, tick)
}
