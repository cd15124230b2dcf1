//! One damage, and what must come of it.

use vectar_testkit::TarParts;

use super::look::Seen;
use super::patient::{Patient, Snapshot};
use crate::random::Random;

/// One damage.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) of: Snapshot,
    change: Change,
    pub(super) expected: Expected,
}

enum Change {
    /// To files, with sound tars around them.
    Files(Box<dyn Fn(&mut Surgery<'_>)>),
    /// To the bytes of the snapshot.
    Bytes(Box<BytesChange>),
}

type BytesChange = dyn Fn(&mut Vec<u8>, &mut Random);

/// What must come of it.
pub(super) enum Expected {
    /// A finding above note about this place.
    Reported(&'static str),
    /// No finding above note; the same points, with payloads and vectors, and the same filtered; because of this.
    Harmless(&'static str),
    /// No finding above note, although something else is stored, because of this; the digest beside the snapshot tells.
    ByDigest(&'static str),
}

impl Expected {
    /// Its place in [`Counts`](super::Counts).
    pub(super) fn column(&self) -> usize {
        match self {
            Self::Reported(_) => 0,
            Self::Harmless(_) => 1,
            Self::ByDigest(_) => 2,
        }
    }

    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Reported(_) => "reported",
            Self::Harmless(_) => "harmless",
            Self::ByDigest(_) => "by digest",
        }
    }
}

/// A damage to files that is reported; `object` is the place that the finding must name.
pub(super) fn reported(
    of: Snapshot,
    name: &'static str,
    object: &'static str,
    change: impl Fn(&mut Surgery<'_>) + 'static,
) -> Case {
    Case { name, of, change: Change::Files(Box::new(change)), expected: Expected::Reported(object) }
}

/// A change to files that harms nothing, because of `why`.
pub(super) fn harmless(
    of: Snapshot,
    name: &'static str,
    why: &'static str,
    change: impl Fn(&mut Surgery<'_>) + 'static,
) -> Case {
    Case { name, of, change: Change::Files(Box::new(change)), expected: Expected::Harmless(why) }
}

/// A damage to files that leaves what could be, because of `why`.
pub(super) fn by_digest(
    of: Snapshot,
    name: &'static str,
    why: &'static str,
    change: impl Fn(&mut Surgery<'_>) + 'static,
) -> Case {
    Case { name, of, change: Change::Files(Box::new(change)), expected: Expected::ByDigest(why) }
}

/// A damage to the bytes of a snapshot.
pub(super) fn to_bytes(
    of: Snapshot,
    name: &'static str,
    expected: Expected,
    change: impl Fn(&mut Vec<u8>, &mut Random) + 'static,
) -> Case {
    Case { name, of, change: Change::Bytes(Box::new(change)), expected }
}

impl Case {
    /// What was done, and the damaged snapshot. What is chance in it follows from the name of the case.
    pub(super) fn damaged(&self, patient: &Patient) -> (&'static str, Vec<u8>) {
        let seed = self.name.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        let mut random = Random::new(seed);
        let damaged = match &self.change {
            Change::Files(change) => {
                let mut surgery = Surgery { patient, parts: patient.parts.clone(), random, done: "edited" };
                change(&mut surgery);
                (surgery.done, surgery.parts.bytes())
            }
            Change::Bytes(change) => {
                let mut bytes = patient.bytes.clone();
                change(&mut bytes, &mut random);
                ("tar damaged", bytes)
            }
        };
        assert!(damaged.1 != patient.bytes, "{} changes nothing", self.name);
        damaged
    }

    /// What came of it; an error when it is not what must.
    pub(super) fn verdict(&self, patient: &Patient, seen: &Seen) -> Result<String, String> {
        let all = || seen.grave().iter().map(|one| format!("\n    {one:?}")).collect::<String>();
        let points = || format!("the points are {:?}, and were {:?}", seen.points, patient.seen.points);
        match self.expected {
            Expected::Reported(place) => {
                let object = patient.path(place);
                let found = seen.grave().iter().find(|(_, found, _)| *found == object);
                let found =
                    found.ok_or_else(|| format!("nothing is said of {object}, but{}\n    {}", all(), points()))?;
                Ok(format!("{} {place}: {}", found.0, found.2.chars().take(100).collect::<String>()))
            }
            Expected::Harmless(_) | Expected::ByDigest(_) if !seen.grave().is_empty() => {
                Err(format!("it is reported:{}", all()))
            }
            Expected::Harmless(_) if seen.points.is_err() || seen.points != patient.seen.points => Err(points()),
            Expected::Harmless(why) | Expected::ByDigest(why) => Ok(why.to_owned()),
        }
    }
}

/// A snapshot on the table. Places are those of [`Patient::path`].
pub(super) struct Surgery<'p> {
    patient: &'p Patient,
    pub(super) parts: TarParts,
    pub(super) random: Random,
    /// What was done last.
    done: &'static str,
}

impl Surgery<'_> {
    pub(super) fn path(&self, place: &str) -> String {
        self.patient.path(place)
    }

    pub(super) fn file(&self, place: &str) -> Vec<u8> {
        self.parts.file(&self.path(place))
    }

    pub(super) fn edit(&mut self, place: &str, change: impl FnOnce(&mut Vec<u8>)) {
        self.parts.edit(&self.path(place), change);
    }

    /// Flips bits of one byte.
    pub(super) fn flip(&mut self, place: &str, at: usize, bits: u8) {
        self.edit(place, |content| content[at] ^= bits);
        self.done = "bits flipped";
    }

    /// Flips a random bit of a random byte in the range.
    pub(super) fn flip_within(&mut self, place: &str, range: std::ops::Range<usize>) {
        let at = range.start + self.random.below(range.len() as u64) as usize;
        let bit = self.random.below(8);
        self.flip(place, at, 1 << bit);
    }

    /// Writes bytes over others.
    pub(super) fn put(&mut self, place: &str, at: usize, bytes: &[u8]) {
        self.edit(place, |content| content[at..at + bytes.len()].copy_from_slice(bytes));
        self.done = "overwritten";
    }

    pub(super) fn u64_at(&self, place: &str, at: usize) -> u64 {
        u64::from_le_bytes(self.file(place)[at..at + 8].try_into().unwrap())
    }

    /// Adds to a count.
    pub(super) fn add(&mut self, place: &str, at: usize, more: i64) {
        let sum = self.u64_at(place, at).checked_add_signed(more).unwrap();
        self.put(place, at, &sum.to_le_bytes());
        self.done = "count edited";
    }

    pub(super) fn zero(&mut self, place: &str) {
        self.edit(place, |content| content.fill(0));
        self.done = "zero";
    }

    /// Cuts a file at a random byte that is not its last.
    pub(super) fn cut(&mut self, place: &str) {
        let len = self.file(place).len() as u64;
        let keep = self.random.below(len) as usize;
        self.keep(place, keep);
    }

    /// Leaves the first bytes of a file.
    pub(super) fn keep(&mut self, place: &str, bytes: usize) {
        self.edit(place, |content| content.truncate(bytes));
        self.done = "cut";
    }

    pub(super) fn remove(&mut self, place: &str) {
        let path = self.path(place);
        assert!(self.parts.remove(&path) > 0, "{place} is not there");
        self.done = "removed";
    }

    pub(super) fn hollow(&mut self, place: &str) {
        let path = self.path(place);
        self.parts.hollow(&path);
        self.done = "zero";
    }

    pub(super) fn swap(&mut self, one: &str, other: &str) {
        let (one, other) = (self.path(one), self.path(other));
        self.parts.swap(&one, &other);
        self.done = "swapped";
    }

    /// Takes a whole segment out, which is a tar.
    pub(super) fn remove_segment(&mut self, place: &str) {
        let path = self.path(place);
        let tar = path.split_once('!').expect("the segment is a tar").0;
        assert_eq!(self.parts.remove(tar), 1);
        self.done = "removed";
    }

    /// Swaps whole segments.
    pub(super) fn swap_segments(&mut self, one: &str, other: &str) {
        let tar = |path: String| path.split_once('!').expect("the segment is a tar").0.to_owned();
        let (one, other) = (tar(self.path(one)), tar(self.path(other)));
        self.parts.swap(&one, &other);
        self.done = "swapped";
    }

    /// Removes all files below a path, and there are several.
    pub(super) fn remove_below(&mut self, path: &str) {
        assert!(self.parts.remove(path) > 2, "{path} has no files");
        self.done = "removed";
    }

    /// Replaces text that must be there.
    pub(super) fn replace(&mut self, place: &str, from: &str, to: &str) {
        self.edit(place, |content| {
            let text = String::from_utf8(std::mem::take(content)).unwrap();
            assert!(text.contains(from), "{place} has no {from}: {text}");
            *content = text.replacen(from, to, 1).into_bytes();
        });
        self.done = "JSON edited";
    }

    /// A row of the built segment, by whether it is live as `id_tracker.deleted` says: one in the middle, with neighbours on both sides.
    pub(super) fn built_row(&self, is_live: bool) -> usize {
        let deleted = self.file("built/id_tracker.deleted");
        let rows = self.file("built/id_tracker.versions").len() / 8;
        let is_wanted = |row: &usize| (deleted[row / 8] >> (row % 8) & 1 == 0) == is_live;
        let rows: Vec<usize> = (0..rows).filter(is_wanted).collect();
        *rows.get(rows.len() / 2).expect("there are such rows")
    }

    /// A live row of the built segment whose bit in a file of flags is as wanted.
    pub(super) fn flagged_row(&self, flags: &str, is_flagged: bool) -> usize {
        let (deleted, flags) = (self.file("built/id_tracker.deleted"), self.file(flags));
        let rows = self.file("built/id_tracker.versions").len() / 8;
        let bit = |bits: &[u8], row: usize| bits[row / 8] >> (row % 8) & 1 == 1;
        let found = (rows / 2..rows).find(|row| !bit(&deleted, *row) && bit(&flags, *row) == is_flagged);
        found.expect("there are such rows")
    }
}
