//! What is wrong with an id tracker.

use super::{IdTracker, IdTrackerKind, Mapping, disk, immutable, mutable, report, unreadable};
use crate::error::QdrantError;
use crate::finding::{FindingLevel, Findings};

impl IdTracker<'_> {
    /// Adds what is wrong with the tracker. `segment_version` is the version in `segment.json`; no point may be newer.
    ///
    /// Opening has looked at every record already; this reads the versions, and compares the files of a disk tracker.
    pub fn audit(&self, segment_version: Option<u64>, findings: &mut Findings) {
        findings.append(self.found.clone(), "");
        if self.kind == IdTrackerKind::Empty {
            self.audit_absence(findings);
        }
        if self.duplicate_rows > 0 && self.kind == IdTrackerKind::Mutable {
            findings.add(report(
                FindingLevel::Note,
                mutable::MAPPINGS,
                format!("{} ids were linked to another row without a delete", self.duplicate_rows),
                "none: the newer row counts; v1.19.0 and newer may show the older one until they optimize",
                "nothing",
            ));
        }
        if let Err(error) = self.audit_versions(segment_version, findings) {
            findings.add(unreadable(&error));
        }
        if let Mapping::Disk(disk) = &self.mapping {
            disk.audit(self.files, self.rows, findings);
        }
    }

    /// A segment without a tracker never got a point: then nothing else is stored in it either.
    fn audit_absence(&self, findings: &mut Findings) {
        let is_count = |path: &&String| {
            path.ends_with("/vectors/status.dat")
                || path.ends_with("/offsets/status.dat")
                || path.ends_with("/tracker.dat")
        };
        let mut paths = self.files.list("payload_storage/");
        paths.extend(self.files.list("vector_storage"));
        let rows = |path: &String| {
            let file = self.files.open(path)?;
            let mut count = [0; 8];
            // A Gridstore counts in four bytes, and its first slot follows.
            let count_bytes = if path.ends_with("/tracker.dat") { 4 } else { 8 };
            file.read_exact_at(0, &mut count[..count_bytes]).ok()?;
            Some((u64::from_le_bytes(count), path.clone())).filter(|(rows, _)| *rows > 0)
        };
        if let Some((rows, path)) = paths.iter().filter(is_count).find_map(rows) {
            findings.add(report(
                FindingLevel::DataLoss,
                mutable::MAPPINGS,
                format!("the file is missing, and {path} counts {rows} rows"),
                "Qdrant takes the segment for empty: its points are lost, unless the WAL holds them",
                "restore another snapshot",
            ));
        }
    }

    fn audit_versions(&self, segment_version: Option<u64>, findings: &mut Findings) -> Result<(), QdrantError> {
        let object = match self.kind {
            IdTrackerKind::Empty => return Ok(()),
            IdTrackerKind::Mutable => mutable::VERSIONS,
            IdTrackerKind::Immutable | IdTrackerKind::Disk => immutable::VERSIONS,
        };
        if self.versions.file().is_none() {
            self.report_versions_missing(object, findings);
            return Ok(());
        }
        self.audit_versions_len(object, findings);
        let (mut missing, mut newer, mut newest, mut zero) = (0_u64, 0_u64, 0, 0_u64);
        let mut versions = self.versions.in_order();
        for row in (0..self.rows).filter(|row| self.live.get(*row)) {
            // Rows are below 2^32 in every tracker.
            match versions.of(row as u32)? {
                None => missing += 1,
                Some(version) if segment_version.is_some_and(|segment| version > segment) => {
                    newer += 1;
                    newest = newest.max(version);
                }
                Some(version) => zero += u64::from(version == 0),
            }
        }
        if zero > 0 && zero == self.live_points && segment_version > Some(0) {
            findings.add(report(
                FindingLevel::Note,
                object,
                format!("all {zero} live points have version 0, and the segment has {}", segment_version.unwrap_or(0)),
                "none, unless another segment has an older copy of such a point, which then counts as newer",
                "nothing, if operations are numbered from 0, as those of an embedded engine; a server begins with 1",
            ));
        }
        if missing > 0 {
            findings.add(report(
                FindingLevel::DataLoss,
                object,
                format!("{missing} live points have no version, expected one for each of {} rows", self.rows),
                "Qdrant drops these points when it loads the segment; they are lost unless the WAL still holds them",
                "compare the number of points after the restore, or restore another snapshot",
            ));
        }
        if let Some(segment) = segment_version.filter(|_| newer > 0) {
            findings.add(report(
                FindingLevel::Suspicious,
                object,
                format!("{newer} live points are newer than the segment: version {newest}, expected at most {segment}"),
                "older copies or operations of these points may be taken for newer ones, or skipped",
                "check that segment.json and the tracker are of the same snapshot",
            ));
        }
        Ok(())
    }

    fn report_versions_missing(&self, object: &str, findings: &mut Findings) {
        let is_mutable = self.kind == IdTrackerKind::Mutable;
        let has_compact = self.kind == IdTrackerKind::Disk && self.files.open(disk::COMPACT_VERSIONS).is_some();
        if has_compact || (is_mutable && self.live_points == 0) {
            return;
        }
        let (level, consequence) = if is_mutable {
            let consequence = "Qdrant drops all points of the segment when it loads it, unless the WAL holds them";
            (FindingLevel::DataLoss, consequence)
        } else {
            (FindingLevel::Damage, "Qdrant refuses the segment")
        };
        let what = format!("the file is missing, expected versions of {} rows", self.rows);
        findings.add(report(level, object, what, consequence, "restore another snapshot"));
    }

    fn audit_versions_len(&self, object: &str, findings: &mut Findings) {
        let bytes = self.versions.file().map_or(0, |file| file.len());
        let expected = self.rows * 8;
        // A mutable tracker may lag behind: what it lacks is reported for the points that need it.
        let is_behind = self.kind == IdTrackerKind::Mutable && bytes.is_multiple_of(8) && bytes < expected;
        if bytes != expected && !is_behind {
            findings.add(report(
                FindingLevel::Suspicious,
                object,
                format!("{bytes} bytes, expected {expected} for {} rows", self.rows),
                "none for the points that have a version",
                "check that the files of the tracker are of the same snapshot",
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    type Files = BTreeMap<String, Vec<u8>>;

    #[test]
    fn a_segment_that_stores_rows_has_a_tracker() {
        let audited = |files: &Files| {
            let mut findings = Findings::default();
            assert!(IdTracker::open_audited(files, Some(true), None, &mut findings).is_some());
            findings.list.iter().map(|finding| format!("{}: {}", finding.level, finding.what)).collect::<Vec<_>>()
        };
        let three = 3_u64.to_le_bytes().to_vec();
        let never_written = Files::from([
            ("payload_storage/tracker.dat".to_owned(), vec![0; 64]),
            ("vector_storage/vectors/status.dat".to_owned(), vec![0; 8]),
            ("vector_storage/deleted/status.dat".to_owned(), vec![7, 0, 0, 0, 0, 0, 0, 0]),
        ]);
        assert_eq!(audited(&never_written), [] as [&str; 0]);
        for (path, count) in [
            ("payload_storage/tracker.dat", vec![3, 0, 0, 0, 1, 0, 0, 0]),
            ("vector_storage-v/vectors/status.dat", three.clone()),
            ("vector_storage-m/offsets/status.dat", three.clone()),
            ("vector_storage-s/store/tracker.dat", three[..4].to_vec()),
        ] {
            let written = Files::from([(path.to_owned(), count)]);
            let expected = format!("data-loss: the file is missing, and {path} counts 3 rows");
            assert_eq!(audited(&written), [expected]);
        }
    }
}
