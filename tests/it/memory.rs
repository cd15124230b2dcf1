//! How much memory an ingest takes: the kernel's own high-water mark of a process that does nothing else.
//!
//! The promise is for 2 GiB (`cargo xtask acceptance` measures that); here smaller snapshots show that the parts which do not grow
//! stay within their share, and that the rest grows with what is new by little.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use vectar_testkit::{
    corpus::{CorpusOptions, points_for_bytes, write_snapshot},
    fixtures::skipped,
};

use crate::scene::Scene;

const MIB: u64 = 1 << 20;

/// What an ingest of 2 GiB may take.
const BUDGET_BYTES: u64 = 512 * MIB;

/// What it may add for each chunk that is new: its place in the chunk index, which lies in memory here, and in the filter before it.
const CHUNK_MEMORY_BYTES: u64 = 512;

/// Chunks of 2 GiB, all new, at the 8 KiB at which most of a snapshot is cut.
const CHUNKS: u64 = (2 << 30) / (8 << 10);

/// What is left of the budget for all that does not grow: windows, a body, batches, packs, caches, the program itself.
const FIXED_BYTES: u64 = BUDGET_BYTES - CHUNKS * CHUNK_MEMORY_BYTES;

/// Where the process that is measured finds its snapshot.
const SNAPSHOT_VARIABLE: &str = "VECTAR_TESTS_MEASURED_SNAPSHOT";

/// The line with which it answers.
const ANSWER: &str = "peak memory in KiB:";

/// The test runs itself in a process of its own, because the high-water mark of this one may be somebody else's.
#[test]
fn memory_of_an_ingest_is_bounded() {
    if let Some(path) = std::env::var_os(SNAPSHOT_VARIABLE) {
        Scene::new().ingest(Path::new(&path));
        println!("\n{ANSWER} {}", peak_kib().expect("the parent saw that the system tells"));
        return;
    }
    if peak_kib().is_none() {
        return skipped("this system does not tell the memory of a process");
    }
    let folder = tempfile::tempdir().unwrap();
    let (smaller, larger) = (synthetic(folder.path(), 256 * MIB), synthetic(folder.path(), 512 * MIB));
    let (of_smaller, of_larger) = (peak_of_ingest(&smaller), peak_of_ingest(&larger));
    println!("peak memory: {} MiB for 256 MiB, {} MiB for 512 MiB", of_smaller / MIB, of_larger / MIB);
    assert!(of_smaller <= FIXED_BYTES, "{of_smaller} bytes, at most {FIXED_BYTES} are allowed");
    assert!(of_larger <= FIXED_BYTES, "{of_larger} bytes, at most {FIXED_BYTES} are allowed");
    let growth = of_larger.saturating_sub(of_smaller);
    // How full the queues are at the worst moment is chance, some tens of MiB of it. What is kept of a snapshot would be all of it.
    assert!(growth <= 128 * MIB, "256 MiB more of a snapshot took {growth} bytes more of memory");
}

/// A snapshot of about `bytes`, all new.
fn synthetic(folder: &Path, bytes: u64) -> PathBuf {
    let options = CorpusOptions::default();
    let options = CorpusOptions { points: points_for_bytes(&options, bytes), ..options };
    let path = folder.join(format!("{bytes}.snapshot"));
    let written = write_snapshot(&options, 0, fs::File::create(&path).unwrap()).unwrap();
    assert!(written.abs_diff(bytes) < bytes / 10, "{written} bytes were written, {bytes} wanted");
    path
}

fn peak_of_ingest(snapshot: &Path) -> u64 {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "memory::memory_of_an_ingest_is_bounded", "--nocapture", "--test-threads=1"])
        .env(SNAPSHOT_VARIABLE, snapshot)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let answer = said.lines().find_map(|line| line.strip_prefix(ANSWER)).unwrap_or_else(|| panic!("no answer: {said}"));
    answer.trim().parse::<u64>().unwrap() * 1024
}

/// The most this process ever held, in KiB. It counts pages of files too, which are those of the program: snapshots and packs are
/// read and written, not mapped. So it is a little more than the anonymous memory the promise is about.
fn peak_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().trim_end_matches(" kB").parse().ok()
}
