//! An outline in human words.

use std::fmt::{self, Arguments, Display, Formatter, Write};

use crate::config::{CollectionConfig, VectorConfig};
use crate::segment::VectorState;

use super::{
    ClassTotals, CollectionFigures, CollectionOutline, IdFigures, SegmentFigures, SegmentOutline, ShardFigures,
    ShardOutline, SnapshotOutline, Unread,
};

impl Display for SnapshotOutline {
    /// Writes a few lines per collection, shard and segment, then the classes and what could not be read. Names come
    /// from the file, so control characters in them are escaped. Ends with a newline.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut report = Report { f };
        report.line(format_args!("{} snapshot, {}", self.kind, Bytes(self.bytes)))?;
        report.line(format_args!("Qdrant version {}", self.written_by))?;
        if let Some(points) = self.points_live {
            report.line(format_args!("{}", counted_points(points)))?;
        }
        for collection in &self.collections {
            report.collection(collection)?;
        }
        for (alias, collection) in &self.aliases {
            report.line(format_args!("alias {alias} of {collection}"))?;
        }
        report.classes(&self.classes)?;
        report.unread(&self.unread, self.unread_more)
    }
}

/// Writes lines, and nothing into a line that could leave it.
struct Report<'a, 'b> {
    f: &'a mut Formatter<'b>,
}

impl Report<'_, '_> {
    fn line(&mut self, text: Arguments<'_>) -> fmt::Result {
        for character in text.to_string().chars() {
            if character.is_control() {
                write!(self.f, "{}", character.escape_default())?;
            } else {
                self.f.write_char(character)?;
            }
        }
        self.f.write_char('\n')
    }

    fn collection(&mut self, collection: &CollectionOutline) -> fmt::Result {
        let name = collection.name.as_deref().unwrap_or("(name unknown)");
        let file = prefixed(" in ", collection.file.as_ref());
        self.line(format_args!("collection {name}{file}, {}", Bytes(collection.bytes)))?;
        if let Some(figures) = &collection.figures {
            self.collection_figures(collection.points_live, figures)?;
        }
        if let Some(config) = &collection.config {
            self.config(config)?;
        }
        for entry in &collection.shard_keys {
            self.line(format_args!("  shard key {}: shards {:?}", entry.key, entry.shard_ids))?;
        }
        for (name, field) in collection.payload_schema.iter().flatten() {
            let tenant = flag(field.is_tenant, ", tenant");
            let on_disk = flag(field.on_disk, ", on disk");
            self.line(format_args!("  payload field {name}: {}{tenant}{on_disk}", field.kind))?;
        }
        collection.shards.iter().try_for_each(|shard| self.shard(shard))
    }

    fn collection_figures(&mut self, points_live: Option<u64>, figures: &CollectionFigures) -> fmt::Result {
        let points = points_live.map_or_else(|| "live points unknown".to_owned(), counted_points);
        self.line(format_args!("  {points}{}", ids(&figures.ids)))?;
        if let Some(bytes) = figures.bytes_per_point {
            self.line(format_args!("  {} of the snapshot for each point", Bytes(bytes as u64)))?;
        }
        let (deleted, unindexed) = (Percent(figures.deleted_share), Percent(figures.unindexed_share));
        let (wal, reserved) = (Percent(figures.wal_share), Bytes(figures.preallocated_bytes));
        self.line(format_args!("  {deleted} of the rows are dead, {unindexed} of the vectors have no index"))?;
        self.line(format_args!("  {wal} of the bytes are WAL; {reserved} of preallocated holes come on top"))
    }

    fn shard_figures(&mut self, points_live: Option<u64>, figures: &ShardFigures) -> fmt::Result {
        let points = points_live.map_or_else(|| "live points unknown".to_owned(), counted_points);
        let superseded = match figures.superseded_rows {
            0 => String::new(),
            rows => format!(", {} older rows of them in other segments", Grouped(rows)),
        };
        self.line(format_args!("    {points}{superseded}"))?;
        let Some(wal) = &figures.wal else { return Ok(()) };
        let range = match (wal.first_operation, wal.last_operation) {
            (Some(first), Some(last)) => format!("operations {first} to {last}"),
            _ => "no operations".to_owned(),
        };
        let tail = match wal.tail_entries {
            0 => "all applied".to_owned(),
            1 => format!("1 of them in no segment yet, naming {}; not counted above", named_points(wal.tail_points)),
            entries => {
                format!(
                    "{} of them in no segment yet, naming {}; not counted above",
                    Grouped(entries),
                    named_points(wal.tail_points)
                )
            }
        };
        self.line(format_args!("    wal: {range}, {tail}"))
    }

    fn segment_figures(&mut self, points_live: Option<u64>, figures: &SegmentFigures) -> fmt::Result {
        let points = points_live.map_or_else(|| "live points unknown".to_owned(), counted_points);
        let (rows, dead) = (Grouped(figures.rows), Grouped(figures.deleted_rows));
        self.line(format_args!("      {points} in {rows} rows, {dead} dead{}", ids(&figures.ids)))
    }

    fn config(&mut self, config: &CollectionConfig) -> fmt::Result {
        for (name, vector) in &config.vectors {
            self.vector(name, vector)?;
        }
        for (name, vector) in &config.sparse_vectors {
            let modifier = prefixed(", ", vector.modifier.as_ref());
            self.line(format_args!("  sparse vector \"{name}\"{modifier}"))?;
        }
        let shards = counted(config.shard_number, "shard", "shards");
        let method = prefixed(", sharding ", config.sharding_method.as_ref());
        let copies = counted(config.replication_factor, "copy", "copies");
        let confirmed = or_unknown(config.write_consistency_factor.as_ref());
        self.line(format_args!("  {shards}{method}, {copies}, writes confirmed by {confirmed}"))?;
        if let Some(hnsw) = &config.hnsw {
            let (m, ef) = (or_unknown(hnsw.m.as_ref()), or_unknown(hnsw.ef_construct.as_ref()));
            self.line(format_args!("  hnsw m {m}, ef_construct {ef}"))?;
        }
        if let Some(quantization) = &config.quantization {
            self.line(format_args!("  quantization {}", quantization.name()))?;
        }
        match &config.wal {
            Some(wal) => {
                let capacity = or_unknown(wal.wal_capacity_mb.as_ref());
                self.line(format_args!("  WAL segments of {capacity} MiB"))
            }
            None => Ok(()),
        }
    }

    fn vector(&mut self, name: &str, vector: &VectorConfig) -> fmt::Result {
        let (size, distance) = (vector.size, &vector.distance);
        let datatype = prefixed(", ", vector.datatype.as_ref());
        let on_disk = flag(vector.on_disk, ", on disk");
        let multivector = flag(vector.multivector_config.as_ref().map(|_| true), ", multivector");
        let quantization = vector.quantization_config.as_ref().map(|quantization| quantization.name());
        let quantization = prefixed(", quantization ", quantization.as_ref());
        self.line(format_args!(
            "  vector \"{name}\": {size} dimensions, {distance}{datatype}{on_disk}{multivector}{quantization}"
        ))
    }

    fn shard(&mut self, shard: &ShardOutline) -> fmt::Result {
        let id = shard.id.map_or("(number unknown)".to_owned(), |id| id.to_string());
        let mut text = format!("  shard {id}, {}", Bytes(shard.bytes));
        if let Some(replicas) = &shard.replicas {
            text += flag(replicas.is_local.map(|is_local| !is_local), ", not on this peer");
            for (peer, state) in &replicas.peers {
                write!(text, ", {state} on {peer}")?;
            }
        }
        text += &prefixed(", applied up to ", shard.applied_seq.as_ref());
        self.line(format_args!("{text}"))?;
        if let Some(figures) = &shard.figures {
            self.shard_figures(shard.points_live, figures)?;
        }
        for file in &shard.wal {
            let (stored, logical) = (Bytes(file.bytes), Bytes(file.logical_bytes));
            self.line(format_args!("    wal {}: {stored} of {logical}", file.name))?;
        }
        shard.segments.iter().try_for_each(|segment| self.segment(segment))
    }

    fn segment(&mut self, segment: &SegmentOutline) -> fmt::Result {
        let layout = segment.layout.map_or("not split", |layout| layout.as_str());
        let (bytes, logical) = (Bytes(segment.bytes), Bytes(segment.logical_bytes));
        let growth = match segment.appendable {
            Some(true) => ", appendable",
            Some(false) => ", immutable",
            None => "",
        };
        let version = segment.state.as_ref().and_then(|state| state.version.as_ref());
        let version = prefixed(", version ", version);
        let manifest = prefixed(", files by its manifest ", segment.manifest_files.as_ref());
        self.line(format_args!(
            "    segment {}: {layout}, {bytes}, {logical} logical{growth}{version}{manifest}",
            segment.id
        ))?;
        if let Some(figures) = &segment.figures {
            self.segment_figures(segment.points_live, figures)?;
        }
        let Some(state) = &segment.state else { return Ok(()) };
        // Of how many points there are vectors is known only after a look inside.
        let figures = segment.figures.iter().flat_map(|figures| &figures.vectors);
        let of_points =
            |name: &str| match figures.clone().find(|vector| vector.name == name).and_then(|vector| vector.points) {
                Some(count) => format!(", of {}", named_points(count)),
                None => String::new(),
            };
        for (name, vector) in &state.vectors {
            self.segment_vector(name, vector, &of_points(name))?;
        }
        for (name, vector) in &state.sparse_vectors {
            let (index, of_points) = (&vector.index.index_type, of_points(name));
            self.line(format_args!("      sparse vector \"{name}\": {index}{of_points}"))?;
        }
        Ok(())
    }

    fn segment_vector(&mut self, name: &str, vector: &VectorState, of_points: &str) -> fmt::Result {
        let quantization = vector.quantization_config.as_ref().map(|quantization| quantization.name());
        let quantization = prefixed(", ", quantization.as_ref());
        let (storage, index) = (&vector.storage_type, &vector.index.kind);
        self.line(format_args!("      vector \"{name}\": {storage}, {index}{quantization}{of_points}"))
    }

    fn classes(&mut self, classes: &ClassTotals) -> fmt::Result {
        self.line(format_args!("classes"))?;
        for total in classes.iter() {
            let mut text = format!("  {:<12}{:>14} bytes", total.class, total.stored_bytes);
            if total.bodies > 0 {
                write!(text, " in {}", counted(Some(total.bodies), "file", "files"))?;
            }
            if total.hole_bytes > 0 {
                write!(text, ", {} of holes", Bytes(total.hole_bytes))?;
            }
            self.line(format_args!("{text}"))?;
        }
        Ok(())
    }

    fn unread(&mut self, unread: &[Unread], more: u64) -> fmt::Result {
        for Unread { path, pointer, reason } in unread {
            let at = if pointer.is_empty() { "" } else { " at " };
            self.line(format_args!("not read: {path}{at}{pointer}: {reason}"))?;
        }
        match more {
            0 => Ok(()),
            more => self.line(format_args!("not read: {more} more")),
        }
    }
}

/// A size in the largest unit of which it has at least one, with one decimal place, cut and not rounded.
struct Bytes(u64);

impl Display for Bytes {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        const UNITS: [(u32, &str); 4] = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
        match UNITS.into_iter().find(|(bits, _)| self.0 >> bits > 0) {
            None => write!(f, "{} bytes", self.0),
            Some((bits, unit)) => {
                let tenths = (u128::from(self.0) * 10) >> bits;
                write!(f, "{}.{} {unit}", tenths / 10, tenths % 10)
            }
        }
    }
}

/// A share of 0 to 1.
struct Percent(f64);

impl Display for Percent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} %", self.0 * 100.0)
    }
}

/// A number with commas between groups of three digits.
struct Grouped(u64);

impl Display for Grouped {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_char(',')?;
            }
            f.write_char(digit)?;
        }
        Ok(())
    }
}

fn named_points(points: u64) -> String {
    match points {
        1 => "1 point".to_owned(),
        points => format!("{} points", Grouped(points)),
    }
}

fn counted_points(points: u64) -> String {
    match points {
        1 => "1 live point".to_owned(),
        points => format!("{} live points", Grouped(points)),
    }
}

fn ids(ids: &IdFigures) -> String {
    match (&ids.first, &ids.last) {
        (Some(first), Some(last)) => format!(", ids {first} to {last}"),
        _ => String::new(),
    }
}

fn prefixed<T: Display>(prefix: &str, value: Option<&T>) -> String {
    value.map(|value| format!("{prefix}{value}")).unwrap_or_default()
}

fn flag(is_set: Option<bool>, text: &str) -> &str {
    if is_set == Some(true) { text } else { "" }
}

/// A number with its noun.
fn counted<T: Display + PartialEq + From<u8>>(count: Option<T>, singular: &str, plural: &str) -> String {
    match count {
        Some(one) if one == T::from(1) => format!("1 {singular}"),
        count => format!("{} {plural}", or_unknown(count.as_ref())),
    }
}

fn or_unknown<T: Display>(value: Option<&T>) -> String {
    value.map_or_else(|| "?".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::{Bytes, Grouped};

    #[test]
    fn numbers_in_groups() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(|number| Grouped(number).to_string()),
            ["0", "999", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn sizes_in_words() {
        for (bytes, expected) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (1_048_575, "1023.9 KiB"),
            (33_554_432, "32.0 MiB"),
            (3 << 40, "3.0 TiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), expected);
        }
    }
}
