//! The sparse giant, small in stored bytes and full in logical length.

use vectar_testkit::corpus::{CorpusError, SparseGiantOptions, write_sparse_giant};

const LOGICAL_BYTES: u64 = 9 << 30;

fn small() -> SparseGiantOptions {
    SparseGiantOptions { stored_bytes: 400 << 10, ..SparseGiantOptions::default() }
}

#[test]
fn entries_are_sparse_with_base_256_lengths() {
    let mut snapshot = Vec::new();
    let bytes = write_sparse_giant(&small(), &mut snapshot).unwrap();
    assert_eq!(bytes, snapshot.len() as u64);
    assert!(snapshot.ends_with(&[0; 1024]));

    let mut outer = tar::Archive::new(&snapshot[..]);
    let mut sparse = 0;
    for entry in outer.entries().unwrap() {
        let entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        if path.ends_with(".tar") {
            let start = entry.raw_file_position() as usize;
            let nested = &snapshot[start..start + entry.size() as usize];
            let mut nested = tar::Archive::new(nested);
            let first = nested.entries().unwrap().next().unwrap().unwrap();
            assert_giant(&first);
            sparse += 1;
        } else if entry.header().entry_type().is_gnu_sparse() {
            assert_giant(&entry);
            sparse += 1;
        }
    }
    assert_eq!(sparse, 2);
}

fn assert_giant<R: std::io::Read>(entry: &tar::Entry<'_, R>) {
    let header = entry.header().as_gnu().unwrap();
    assert_eq!(header.real_size().unwrap(), LOGICAL_BYTES);
    assert_eq!(header.realsize[0], 0x80, "9 GiB do not fit into octal digits");
    assert!(header.is_extended(), "16 extents and a terminator need extension blocks");
    assert_eq!(entry.size(), LOGICAL_BYTES, "the reader expands the entry");
}

#[test]
fn equal_options_give_equal_bytes() {
    let write = |options: SparseGiantOptions| {
        let mut snapshot = Vec::new();
        write_sparse_giant(&options, &mut snapshot).unwrap();
        snapshot
    };
    assert!(write(small()) == write(small()));
    assert!(write(small()) != write(SparseGiantOptions { seed: 2, ..small() }));
}

#[test]
fn sizes_that_make_no_giant_are_refused() {
    let options = SparseGiantOptions { stored_bytes: 1000, ..small() };
    let error = write_sparse_giant(&options, Vec::new()).unwrap_err();
    assert!(matches!(error, CorpusError::Options { .. }));
    assert_eq!(
        error.to_string(),
        "cannot lay out the corpus: a sparse giant stores at least 131072 bytes and is logically larger than that"
    );
}
