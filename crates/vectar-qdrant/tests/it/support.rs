//! Snapshots in memory, and what the tests ask of them.

#![expect(clippy::disallowed_methods, reason = "fixtures are plain files beside the tests")]

use std::fs;

use vectar_qdrant::{BodyPath, BodySize, Classifier, SnapshotOutline};
use vectar_tar::{Catalogue, CatalogueRow, RowRole, SplitOptions, catalogue};
use vectar_testkit::fixtures::{self, FixtureSnapshot};

/// A snapshot in memory with its catalogue.
pub(crate) struct Snapshot {
    pub(crate) bytes: Vec<u8>,
    pub(crate) catalogue: Catalogue,
}

impl Snapshot {
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        let catalogue = catalogue(&bytes, &SplitOptions::default()).unwrap();
        Self { bytes, catalogue }
    }

    pub(crate) fn read(fixture: &FixtureSnapshot) -> Self {
        Self::of(fs::read(&fixture.path).unwrap())
    }

    /// A committed fixture by its series and name.
    pub(crate) fn fixture(series: &str, name: &str) -> Self {
        let all = fixtures::series(series);
        Self::read(all.iter().find(|fixture| fixture.name == name).unwrap())
    }

    pub(crate) fn body(&self, row: &CatalogueRow) -> Option<Vec<u8>> {
        let start = usize::try_from(row.head.offset).ok()?;
        let end = start.checked_add(usize::try_from(row.len).ok()?)?;
        Some(self.bytes.get(start..end)?.to_vec())
    }

    pub(crate) fn outline(&self) -> SnapshotOutline {
        SnapshotOutline::build(&self.catalogue, |row| self.body(row))
    }

    /// A classifier that learned everything before the first label.
    pub(crate) fn classifier(&self) -> Classifier {
        let mut classifier = Classifier::new();
        classifier.learn_catalogue(&self.catalogue, |row| self.body(row));
        classifier
    }

    /// The bodies: leaves that are not directories.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = (&CatalogueRow, BodyPath, BodySize)> {
        self.catalogue
            .rows
            .iter()
            .filter(|row| row.role != RowRole::Archive)
            .filter(|row| row.head.entry().is_none_or(|entry| !entry.is_directory()))
            .map(|row| (row, BodyPath::from(&row.head.path), BodySize::declared(&row.head)))
    }
}

/// Every snapshot at hand: the committed fixtures, and the larger series where they are.
pub(crate) fn real_snapshots() -> impl Iterator<Item = (String, Snapshot)> {
    let mut all = fixtures::snapshots();
    all.extend(fixtures::shared_snapshots().into_iter().flatten());
    all.into_iter().map(|fixture| (format!("{}/{}", fixture.series, fixture.name), Snapshot::read(&fixture)))
}
