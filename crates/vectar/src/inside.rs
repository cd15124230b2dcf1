//! The way from a snapshot to its segments: listed once, then opened as far as needed.

use vectar_qdrant::{
    CollectionOutline, PayloadSchema, SegmentId, ShardOutline, SnapshotKind, SnapshotOutline, WalFigures,
    storage::{Owner, OwnerFiles, Segment, SnapshotFiles},
};
use vectar_tar::Catalogue;

use crate::{
    content::{Content, name_parts, subject_of},
    error::Error,
    ingest::read_small,
};

/// A snapshot with the list of what is in it.
#[derive(Debug)]
pub struct Inside<'c, 'e> {
    content: &'c Content<'e>,
    catalogue: Catalogue,
    outline: SnapshotOutline,
    named: SnapshotOutline,
    /// The name of the only collection is that of the directory, or none: any other is as good.
    is_name_guessed: bool,
}

impl<'c, 'e> Inside<'c, 'e> {
    /// Lists the snapshot: headers and small files are read.
    ///
    /// # Errors
    /// As [`Content::catalogue`].
    pub fn open(content: &'c Content<'e>) -> Result<Self, Error> {
        let catalogue = content.catalogue()?;
        let outline = SnapshotOutline::build(&catalogue, |row| read_small(content, row));
        let mut named = outline.clone();
        let subject = subject_of(content, &outline);
        name_parts(&mut named, &subject);
        let is_name_guessed = outline.collections.len() == 1
            && outline.collections[0].name.is_none()
            && subject.collection_from.is_none_or(|from| from == "directory");
        Ok(Self { content, catalogue, outline, named, is_name_guessed })
    }

    /// The snapshot.
    #[must_use]
    pub fn content(&self) -> &'c Content<'e> {
        self.content
    }

    /// Everything that is in it.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// What it says of itself, and nothing else.
    #[must_use]
    pub fn outline(&self) -> &SnapshotOutline {
        &self.outline
    }

    /// The same with the names and numbers that only the file's name or the backup's record knows.
    #[must_use]
    pub fn named_outline(&self) -> &SnapshotOutline {
        &self.named
    }

    /// Whether any name is as good for the only collection: nobody knows its own.
    pub(crate) fn takes_any_name(&self) -> bool {
        self.is_name_guessed
    }

    /// Gives the list back.
    #[must_use]
    pub fn into_catalogue(self) -> Catalogue {
        self.catalogue
    }

    /// As [`named_outline`](Self::named_outline), with live points and the other figures that stand in the stores of segments and in WALs.
    /// What cannot be read is listed in the outline.
    ///
    /// # Errors
    /// The repository's own, when it is its fault that something could not be read.
    pub fn deep_outline(&self) -> Result<SnapshotOutline, Error> {
        let mut outline = self.outline.clone();
        outline.look_inside(&self.files());
        self.content.check_failure()?;
        name_parts(&mut outline, &subject_of(self.content, &self.outline));
        Ok(outline)
    }

    /// The files by what they belong to.
    #[must_use]
    pub fn files(&self) -> SnapshotFiles<'_, Content<'e>> {
        SnapshotFiles::new(self.content, &self.catalogue)
    }

    /// The shards of a collection, or of all of them.
    ///
    /// # Errors
    /// [`Error::NoSnapshot`] and [`Error::PartialSnapshot`], whose points nobody can list; [`Error::CollectionNotFound`] when no collection
    /// has this name; [`Error::ShardNotFound`].
    pub fn shards<'f>(
        &'f self,
        files: &'f SnapshotFiles<'f, Content<'e>>,
        collection: Option<&str>,
        shard: Option<u32>,
    ) -> Result<Vec<ShardFiles<'f, 'e>>, Error> {
        match self.outline.kind {
            SnapshotKind::Unknown => return Err(Error::NoSnapshot { name: self.content.name() }),
            SnapshotKind::ShardPartial => return Err(Error::PartialSnapshot { name: self.content.name() }),
            _ => {}
        }
        let mut chosen = Vec::new();
        for (raw, named) in self.outline.collections.iter().zip(&self.named.collections) {
            let is_it = |name: &str| named.name.as_deref() == Some(name) || named.file.as_deref() == Some(name);
            // Where the directory alone says what the collection is called the caller knows better.
            if self.is_name_guessed || collection.is_none_or(is_it) {
                chosen.push((raw, named));
            }
        }
        if chosen.is_empty()
            && let Some(collection) = collection
        {
            let known = self.named.collections.iter().filter_map(|one| one.name.clone()).collect();
            return Err(Error::CollectionNotFound {
                snapshot: self.content.name(),
                collection: collection.to_owned(),
                known,
            });
        }
        let (mut found, mut known) = (Vec::new(), Vec::new());
        for (raw, named) in chosen {
            for (raw_shard, named_shard) in raw.shards.iter().zip(&named.shards) {
                known.extend(named_shard.id);
                if shard.is_none_or(|shard| named_shard.id == Some(shard)) {
                    found.push(ShardFiles::of(files, (raw, raw_shard), (named, named_shard)));
                }
            }
        }
        match (found.is_empty(), shard) {
            (true, Some(shard)) => Err(Error::ShardNotFound { snapshot: self.content.name(), shard, known }),
            _ => Ok(found),
        }
    }

    /// What the write-ahead logs of these shards hold beyond the segments: nobody who reads points offline sees it. Shards whose log is
    /// all applied, or cannot be read, are left out.
    ///
    /// # Errors
    /// As [`shards`](Self::shards); the repository's own error when it is its fault.
    pub fn wal_tails(&self, collection: Option<&str>, shard: Option<u32>) -> Result<Vec<WalTail>, Error> {
        let files = self.files();
        let mut tails = Vec::new();
        for one in self.shards(&files, collection, shard)?.iter().filter(|one| !one.shard.wal.is_empty()) {
            if let Ok(wal) = one.shard.wal_figures(&one.files)
                && wal.tail_entries > 0
            {
                let collection = one.collection.name.clone();
                let WalFigures { tail_entries: entries, tail_points: points, .. } = wal;
                tails.push(WalTail { collection, shard: one.shard.id, entries, points });
            }
            self.content.check_failure()?;
        }
        Ok(tails)
    }
}

/// Entries of a shard's write-ahead log that are in none of its segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalTail {
    /// The shard's collection, if anyone knows its name.
    pub collection: Option<String>,
    /// The shard's number, if anyone knows it.
    pub shard: Option<u32>,
    /// How many there are.
    pub entries: u64,
    /// Points that they name. Operations that choose points by a filter name none.
    pub points: u64,
}

/// The files of one shard, segment by segment.
#[derive(Debug)]
pub struct ShardFiles<'f, 'e> {
    /// The collection it belongs to, named as well as anyone knows.
    pub collection: &'f CollectionOutline,
    /// The shard.
    pub shard: &'f ShardOutline,
    /// The shard's own files: WAL, clocks, replica state.
    pub files: OwnerFiles<'f, 'f, Content<'e>>,
    segments: Vec<(SegmentId, OwnerFiles<'f, 'f, Content<'e>>)>,
}

impl<'f, 'e> ShardFiles<'f, 'e> {
    fn of(
        files: &'f SnapshotFiles<'f, Content<'e>>,
        (raw, raw_shard): (&'f CollectionOutline, &'f ShardOutline),
        (collection, shard): (&'f CollectionOutline, &'f ShardOutline),
    ) -> Self {
        let owner = Owner { collection_file: raw.file.clone(), shard: raw_shard.id, segment: None };
        let segments = raw_shard.segments.iter().map(|segment| {
            let owner = Owner { segment: Some(segment.id.clone()), ..owner.clone() };
            (segment.id.clone(), files.files(&owner))
        });
        Self { collection, shard, files: files.files(&owner), segments: segments.collect() }
    }

    /// Opens all segments.
    ///
    /// # Errors
    /// [`Error::NotReadable`] for the first one that cannot be read; the repository's own error when it is its fault.
    pub fn open(&self, content: &Content<'_>) -> Result<Vec<Segment<'_>>, Error> {
        let mut opened = Vec::with_capacity(self.segments.len());
        for (id, files) in &self.segments {
            opened.push(Segment::open(files).map_err(|source| content.segment_failed(id, source))?);
        }
        Ok(opened)
    }

    /// The segments by id.
    pub fn segment_ids(&self) -> impl Iterator<Item = &SegmentId> {
        self.segments.iter().map(|(id, _)| id)
    }

    /// How payload fields are indexed: as the collection says, or in a shard snapshot, which has no collection's files, as its
    /// segments do.
    #[must_use]
    pub fn payload_schema(&self) -> PayloadSchema {
        if let Some(schema) = &self.collection.payload_schema {
            return schema.clone();
        }
        let fields = self.shard.segments.iter().flat_map(|segment| &segment.payload_schema);
        fields.map(|(name, field)| (name.clone(), field.clone())).collect()
    }
}
