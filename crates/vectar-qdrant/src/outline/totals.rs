//! Bytes by class.

use serde::Serialize;

use crate::class::Class;
use crate::entry::BodySize;

/// Bytes and bodies by class; classes without either are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ClassTotals {
    /// At most one per class, in the order of the codes.
    totals: Vec<ClassTotal>,
}

/// What one class amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ClassTotal {
    /// The class.
    pub class: Class,
    /// Bodies of it; zero for framing, which has none.
    pub bodies: u64,
    /// Bytes in the tar.
    pub stored_bytes: u64,
    /// Bytes with holes expanded. Sums of declared lengths stop at 2^64 − 1.
    pub logical_bytes: u64,
    /// Bytes that exist only logically.
    pub hole_bytes: u64,
}

impl ClassTotals {
    /// The totals, in the order of the classes' codes.
    pub fn iter(&self) -> impl Iterator<Item = &ClassTotal> {
        self.totals.iter()
    }

    /// Stored bytes of all classes together.
    pub fn stored_bytes(&self) -> u64 {
        self.sum(|total| total.stored_bytes)
    }

    /// Logical bytes of all classes together.
    pub fn logical_bytes(&self) -> u64 {
        self.sum(|total| total.logical_bytes)
    }

    /// Counts one body.
    pub(crate) fn add_body(&mut self, class: Class, size: BodySize) {
        let total = self.total_mut(class);
        total.bodies += 1;
        total.stored_bytes = total.stored_bytes.saturating_add(size.stored_bytes);
        total.logical_bytes = total.logical_bytes.saturating_add(size.logical_bytes);
        total.hole_bytes = total.hole_bytes.saturating_add(size.hole_bytes());
    }

    /// Counts what is left of a file after its bodies.
    pub(crate) fn add_framing(&mut self, bytes: u64) {
        let total = self.total_mut(Class::Framing);
        total.stored_bytes = total.stored_bytes.saturating_add(bytes);
        total.logical_bytes = total.logical_bytes.saturating_add(bytes);
    }

    fn sum(&self, of: impl Fn(&ClassTotal) -> u64) -> u64 {
        self.totals.iter().map(of).fold(0, u64::saturating_add)
    }

    fn total_mut(&mut self, class: Class) -> &mut ClassTotal {
        let position = self.totals.partition_point(|total| total.class < class);
        if self.totals.get(position).is_none_or(|total| total.class != class) {
            let empty = ClassTotal { class, bodies: 0, stored_bytes: 0, logical_bytes: 0, hole_bytes: 0 };
            self.totals.insert(position, empty);
        }
        &mut self.totals[position]
    }
}
