//! Every fuzz target over every file in its folder, and over some thousand inputs made from them.
//!
//! Files are named for what they are: `valid-…` must be taken, `hostile-…` must be refused, `find-…` once broke a promise and must be
//! survived. A new find is a file and nothing else.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use vectar_testkit::fixtures::{skipped, workspace_root};
use vectar_tests::{
    campaign::Dice,
    fuzzing::{TARGETS, Target, Verdict},
};

/// The folders below `fixtures/fuzz`, each replayed here.
const FOLDERS: [&str; 29] = [
    "bitmask",
    "chunk",
    "clocks",
    "config",
    "dense-vectors",
    "filter",
    "frames",
    "graph",
    "gridstore",
    "id-tracker",
    "keys",
    "labels",
    "multivectors",
    "outline",
    "pack-footer",
    "pack-header",
    "pack-record",
    "payload",
    "payload-path",
    "quantized",
    "recipe-node",
    "record",
    "shard",
    "small-json",
    "snapshot",
    "sparse-vectors",
    "tar",
    "vector-flags",
    "wal",
];

/// Set in the process whose memory is measured.
const MEASURED_VARIABLE: &str = "VECTAR_TESTS_MEASURED_PARSERS";

/// The line with which it answers.
const ANSWER: &str = "address space in KiB:";

/// What parsing all hostile files may add to the address space. The largest thing that a parser may make is one chunk of 4 MiB, the
/// smallest that a lying file asks for has 64 MiB; allocators take their memory in pieces of some MiB.
const GROWTH_KIB_MAX: u64 = 32 * 1024;

fn folder(name: &str) -> PathBuf {
    workspace_root().join("fixtures/fuzz").join(name)
}

/// The files of a target, by name.
fn files(target: &Target) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(folder(target.name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Replays the files of every target that `is_wanted`, and returns how many there were.
fn replay(is_wanted: impl Fn(&str) -> bool) -> usize {
    let (mut replayed, mut wrong) = (0, Vec::new());
    for target in &TARGETS {
        for (name, bytes) in files(target) {
            if !is_wanted(&name) {
                continue;
            }
            let verdict = (target.check)(&bytes);
            let expected = match name.split_once('-').map(|(kind, _)| kind) {
                Some("valid") => Some(Verdict::Accepted),
                Some("hostile") => Some(Verdict::Refused),
                Some("find") => None,
                _ => panic!("{}/{name} is named neither valid-, hostile- nor find-", target.name),
            };
            if expected.is_some_and(|expected| expected != verdict) {
                wrong.push(format!("{}/{name}: {verdict:?}", target.name));
            }
            replayed += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    replayed
}

#[test]
fn kept_inputs_are_taken_or_refused_as_they_were() {
    assert!(replay(|_| true) > 10 * TARGETS.len());
}

#[test]
fn every_target_has_a_folder_and_every_folder_a_target() {
    let names = |paths: Vec<PathBuf>| -> BTreeSet<String> {
        paths.iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let entries = |path: &Path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(targets, BTreeSet::from(FOLDERS.map(str::to_owned)));
    assert_eq!(targets, names(entries(&workspace_root().join("fixtures/fuzz"))), "fixtures/fuzz");
    assert_eq!(targets, names(entries(&workspace_root().join("fuzz/fuzz_targets"))), "fuzz/fuzz_targets");
    // cargo-fuzz takes only the binaries that the manifest names, and each must run the target of its own name.
    let manifest = fs::read_to_string(workspace_root().join("fuzz/Cargo.toml")).unwrap();
    for name in &targets {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml does not build {name}");
        let body = fs::read_to_string(workspace_root().join(format!("fuzz/fuzz_targets/{name}.rs"))).unwrap();
        assert!(body.contains(&format!("run(\"{name}\", ")), "fuzz/fuzz_targets/{name}.rs runs another target");
    }
}

#[test]
fn mutated_inputs_break_no_promise() {
    for target in &TARGETS {
        let mut seeds: Vec<Vec<u8>> = files(target).into_iter().map(|(_, bytes)| bytes).collect();
        seeds.extend((target.seeds)());
        let mut dice = Dice::new(1);
        let mut verdicts = [0_u64; 2];
        for _ in 0..target.rounds {
            verdicts[(target.check)(&(target.mutate)(&seeds, &mut dice)) as usize] += 1;
        }
        // Inputs that are all refused, or none, would reach nothing.
        assert!(verdicts.iter().all(|&count| count > 0), "{}: {verdicts:?}", target.name);
    }
}

/// The hostile files declare up to 2^64 bytes. That nothing is allocated for them shows in the address space, which grows with what is
/// asked for, touched or not; in a process of its own, because that of this one is everybody's.
#[test]
fn declared_lengths_never_drive_an_allocation() {
    if std::env::var_os(MEASURED_VARIABLE).is_some() {
        // Once without measuring: what the parsers keep for ever is theirs.
        replay(|name| name.starts_with("valid-"));
        let before = address_space_kib().expect("the parent saw that the system tells");
        let replayed = replay(|name| name.starts_with("hostile-"));
        assert!(replayed > 50, "only {replayed} files");
        println!("\n{ANSWER} {before} {}", address_space_kib().expect("it told before"));
        return;
    }
    if address_space_kib().is_none() {
        return skipped("this system does not tell the address space of a process");
    }
    let (before, after) = measure();
    assert!(after - before <= GROWTH_KIB_MAX, "parsing hostile files took {} KiB", after - before);
}

fn measure() -> (u64, u64) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "fuzzing::declared_lengths_never_drive_an_allocation", "--nocapture", "--test-threads=1"])
        .env(MEASURED_VARIABLE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let answer = said.lines().find_map(|line| line.strip_prefix(ANSWER)).unwrap_or_else(|| panic!("no answer: {said}"));
    let (before, after) = answer.trim().split_once(' ').unwrap();
    (before.parse().unwrap(), after.parse().unwrap())
}

/// The largest address space this process ever had.
fn address_space_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmPeak:"))?.trim().trim_end_matches(" kB").parse().ok()
}
