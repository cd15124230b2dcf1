//! The exit codes of real commands, as `docs/json.md` promises them.

use std::fs;

use crate::environment::TestEnvironment;

#[test]
fn what_each_command_ends_with() {
    let environment = TestEnvironment::with_backups();
    let whole = environment.snapshot("notes", "00-base", "cut/whole.snapshot");
    environment.write("cut/cut.snapshot", &whole[..500_000]);
    crate::prepare::two_nodes(&environment);
    let one_node = environment.path("nodes/catalog-11-2026-11-20-16-24-27.snapshot");
    fs::rename(one_node, environment.path("catalog-11-2026-11-20-16-24-27.snapshot")).unwrap();
    for (code, arguments) in [
        (0, "list"),
        (0, "verify notes@latest"),
        (0, "status --max-age 5000w"),
        (0, "compat"),
        (0, "compat notes@latest --to 1.18.3"),
        (0, "diff notes/00-base.snapshot notes/01-insert-5pct.snapshot"),
        (1, "compat notes@latest --to 1.10.1"),
        (1, "compat --to 1.13.4"),
        (1, "explain nobody"),
        (1, "diff nobody notes@latest"),
        (2, "compat --to newest"),
        (2, "diff notes@latest"),
        (3, "compat notes@latest --to 1.20.0"),
        (3, "compat --to 1.20.0"),
        (3, "compat cut/cut.snapshot"),
        (3, "diff cut/cut.snapshot cut/whole.snapshot"),
        (1, "show nobody"),
        (1, "status --max-age 1s"),
        (1, "find nothing.here"),
        (1, "ingest cut/cut.snapshot"),
        (2, "nonsense"),
        (2, "list --latest x"),
        (2, "list --since yesterday"),
        (2, "--config nowhere.toml list"),
        (3, "ingest cut"),
        (3, "ls cut/cut.snapshot"),
        (3, "inspect cut/cut.snapshot"),
        (4, "verify cut/cut.snapshot"),
        (0, "extract full.snapshot --collection catalog --shard 1 -o shard.snapshot"),
        (0, "prepare notes@latest --for single -n"),
        // The record of a full snapshot does not say which shards it holds.
        (0, "points full.snapshot --collection catalog --shard 1 --count"),
        (1, "points full.snapshot --collection catalog --shard 7 --count"),
        (1, "extract full.snapshot --collection catalog --shard 2 -o shard-2.snapshot"),
        (1, "prepare --from nodes --for single -n"),
        (1, "prepare notes@latest --for single -n --to 1.7.0"),
        (2, "extract full.snapshot -o all.snapshot"),
        (2, "prepare notes@latest --for single"),
        (2, "prepare notes@latest --for nowhere -n"),
        (3, "prepare --from nodes --for single -n --allow-gaps"),
        (4, "extract cut/cut.snapshot -o all.snapshot"),
        (4, "prepare --from cut/cut.snapshot --for single -n"),
        (10, "-r nowhere list"),
    ] {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let ran = environment.run(&arguments);
        assert_eq!(ran.code, Some(code), "vectar {}: {}", arguments.join(" "), ran.stderr);
    }
}

#[test]
fn an_unreadable_record_hides_nothing_else() {
    let environment = TestEnvironment::with_backups();
    let folder = environment.repository().join("backups").join(&environment.backups()[0]);
    let record = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    fs::write(record, "no record").unwrap();
    let ran = environment.run(&["list", "--json"]);
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(3), 8), "{}", ran.stderr);
    assert!(ran.stderr.starts_with("warning: a record cannot be read: "), "{}", ran.stderr);
}
