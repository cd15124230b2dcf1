//! Limits of a split.

/// The limits of one split or catalogue; each bounds memory, none bounds what is kept exactly.
///
/// The defaults together allow about 80 MiB in the worst case that a hostile input can construct
/// (3000 anomalies with a name each, all paths, one sparse map); real snapshots need some
/// kilobytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitOptions {
    /// The deepest tar level that is entered, the outermost being 0. A tar at the next depth is a
    /// leaf body.
    pub depth_max: u8,
    /// The longest GNU long name or PAX path that is applied, in bytes. 16 KiB is four times
    /// Linux's `PATH_MAX`; every kept anomaly may hold one such name.
    pub name_bytes_max: usize,
    /// The longest PAX extended header that is parsed, in bytes.
    pub record_bytes_max: usize,
    /// The most sparse segments kept of one entry. A 1 GiB file with every other 4 KiB page a hole
    /// has half as many.
    pub sparse_segments_max: usize,
    /// The most paths remembered for finding duplicates, over all open levels: 8 bytes each plus
    /// hash table slack.
    pub paths_max: usize,
    /// The most anomalies kept of each [`Severity`](crate::Severity); all are counted.
    pub anomalies_max: usize,
    /// The most rows of a [`catalogue`](crate::catalogue()), which is an error beyond it. The other
    /// drivers keep no rows.
    pub rows_max: usize,
}

impl Default for SplitOptions {
    fn default() -> Self {
        Self {
            depth_max: 8,
            name_bytes_max: 16 << 10,
            record_bytes_max: 1 << 20,
            sparse_segments_max: 1 << 18,
            paths_max: 1 << 20,
            anomalies_max: 1000,
            rows_max: 1 << 20,
        }
    }
}
