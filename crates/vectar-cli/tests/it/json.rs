//! `--json`: every line has its version and type, and `docs/json.md` describes each type with all its fields, and no others.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::Value;
use vectar_testkit::fixtures::workspace_root;

use crate::environment::TestEnvironment;

type Fields = BTreeMap<String, BTreeSet<String>>;

/// Commands whose lines show every type and every field.
const COMMANDS: &[&str] = &[
    "-r other init",
    "ingest notes/01-insert-5pct.snapshot --cluster prod --node n1 --set s --tag a --note b",
    "ingest kinds",
    "ingest -n notes",
    "ingest --allow-damaged cut.snapshot",
    "list",
    "verify latest --node n1",
    "show latest --node n1",
    "restore latest --node n1 -o out.snapshot",
    "extract full.snapshot --collection notes -o notes.snapshot",
    "drill --engine -n --all",
    "drill --engine --python ./engine empty.snapshot",
    "show empty.snapshot",
    "ingest --delete-source --keep-source 0 twice",
    "verify ./cut.snapshot",
    "ls full.snapshot",
    "cat full.snapshot config.json -o config.json",
    "find config.json",
    "extract full.snapshot --collection catalog --shard 1 -o shard.snapshot",
    "prepare full.snapshot --for a=http://n1:6333 -n --alias live=notes",
    "prepare full.snapshot --for target.json --by start --out prepared",
    "prepare --from nodes --for http://n1,http://n2 -n --location http://backup/s",
    "prepare --from keys --for http://n1,http://n2 -n",
    "stats",
    "compat full.snapshot --to 1.18.3",
    "compat --to 1.13.4",
    "explain 01-insert-5pct.snapshot",
    "diff notes/02-payload-3pct.snapshot notes/03-delete-33pct-vacuum.snapshot",
    "diff notes/00-base.snapshot kinds/full.snapshot",
    "diff notes/00-base.snapshot kinds/empty.snapshot",
    "points full.snapshot --collection notes --ids 0,1 --without-payload --with-vectors",
    "points full.snapshot --collection catalog --ids 00fac34d-7f4e-57a7-80f1-79b3fc755e29 --with-vectors",
    "points full.snapshot --collection catalog --count",
    "find --id 0 --collection notes",
    "diff --points notes/00-base.snapshot notes/03-delete-33pct-vacuum.snapshot",
    "diff --points 01-insert-5pct.snapshot kinds/full.snapshot",
    "verify --deep latest --node n1",
    "verify --deep ./cut.snapshot",
    "status",
    "log",
    "repair index",
    "debug record full.snapshot",
    "debug recipe full.snapshot",
    "debug tar ./kinds/shard.snapshot",
    "tag full.snapshot --add weekly",
    "note full.snapshot -m good",
    "copy full.snapshot --to other",
    "check --read-data --storage",
    "forget shard-streamed.snapshot --unsafe-allow-remove-all",
    "undelete",
    "undelete shard-streamed.snapshot",
    "forget shard-partial.snapshot --unsafe-allow-remove-all",
    "prune --grace 0s",
    "prune",
    "prune --grace 0s",
    "debug chunk-index",
];

/// The same, once a pack is damaged.
const COMMANDS_ON_DAMAGE: &[&str] = &[
    "check --read-data",
    "repair packs -n",
    "repair packs",
    "repair backups",
    "restore 01-insert-5pct.snapshot -o salvaged --salvage",
];

#[test]
fn the_document_describes_every_field_of_every_type() {
    let (emitted, documented) = (emitted(), documented());
    assert_eq!(emitted.keys().collect::<Vec<_>>(), documented.keys().collect::<Vec<_>>(), "types");
    for (kind, fields) in &emitted {
        let missing: Vec<_> =
            fields.iter().filter(|field| !documented[kind].iter().any(|known| covers(known, field))).collect();
        assert!(missing.is_empty(), "docs/json.md does not describe these fields of {kind}: {missing:#?}");
        let stale: Vec<_> =
            documented[kind].iter().filter(|known| !fields.iter().any(|field| covers(known, field))).collect();
        assert!(stale.is_empty(), "no {kind} line had these fields of docs/json.md: {stale:#?}");
    }
}

/// A type that no command of this test prints would be in no list above: the sources say which there are.
#[test]
fn the_document_knows_every_type_in_the_sources() {
    let (documented, mut found) = (documented(), BTreeSet::new());
    types_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/commands"), &mut found);
    assert_eq!(found.iter().collect::<Vec<_>>(), documented.keys().collect::<Vec<_>>());
}

/// Collects the first argument of each `.json("type", …)` and `json::line("type", …)`.
fn types_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            types_in(&path, found);
            continue;
        }
        let source = fs::read_to_string(path).unwrap();
        let calls = [".json(", "json::line("].map(|call| source.split(call).skip(1)).into_iter().flatten();
        let calls = calls.filter_map(|call| call.trim_start().strip_prefix('"'));
        found.extend(calls.filter_map(|call| Some(call.split_once('"')?.0.to_owned())));
    }
}

#[test]
fn what_scripts_rely_on_is_there() {
    let environment = TestEnvironment::with_repository();
    let bytes = environment.snapshot("kinds", "full", "kinds/full.snapshot");
    let one = |arguments: &[&str]| -> Value { serde_json::from_str(&environment.stdout(arguments)).unwrap() };
    let objects = || environment.tree().values().map(|object| object.len() as u64).sum::<u64>();
    let before = objects();
    let ingested = one(&["ingest", "--json", "kinds/full.snapshot"]);
    assert_eq!(ingested["new_bytes"], objects() - before, "growth on disk, file sizes added up");
    assert_eq!((&ingested["bytes"], &ingested["name"]), (&bytes.len().into(), &"full.snapshot".into()));
    let listed = one(&["list", "--json"]);
    for key in ["id", "name", "bytes", "sha256"] {
        assert_eq!(ingested[key], listed[key], "{key}");
    }
    for (kind, file) in ["collection", "shard", "shard-streamed", "shard-partial", "full"].into_iter().zip([
        "empty",
        "shard",
        "shard-streamed",
        "shard-partial",
        "full",
    ]) {
        environment.snapshot("kinds", file, &format!("kinds/{file}.snapshot"));
        let inspected = one(&["inspect", "--json", &format!("kinds/{file}.snapshot")]);
        assert_eq!(inspected["kind"], kind);
        let segment = &inspected["collections"][0]["shards"][0]["segments"][0];
        assert!(segment["id"].is_string() && segment["bytes"].is_u64(), "{inspected}");
    }
}

/// Every type with the fields that its lines had.
fn emitted() -> Fields {
    let environment = TestEnvironment::with_repository();
    for series in ["notes", "kinds"] {
        environment.snapshots(series);
    }
    let whole = environment.snapshot("notes", "00-base", "cut.snapshot");
    environment.write("cut.snapshot", &whole[..500_000]);
    environment.write("cut.snapshot.checksum", "0".repeat(64));
    crate::prepare::two_nodes(&environment);
    crate::prepare::with_keys(&environment);
    environment.write("target.json", r#"{"nodes":[{"url":"http://n1:6333","free_bytes":5000}]}"#);
    environment.snapshot("kinds", "shard", "twice/shard.snapshot");
    environment.write_engine(&[
        "echo '{\"count\":0}'",
        &format!("echo '{{\"count\":0,\"sha256\":\"{NOTHING_SHA256}\"}}'"),
        "echo '{}'",
    ]);
    let mut fields = Fields::new();
    let run = |command: &&str, fields: &mut Fields| {
        collect(&environment, &command.split(' ').collect::<Vec<_>>(), fields);
    };
    COMMANDS.iter().for_each(|command| run(command, &mut fields));
    for kind in ["notes/00-base", "kinds/full", "kinds/shard-streamed", "kinds/shard-partial"] {
        collect(&environment, &["inspect", &format!("{kind}.snapshot"), "--sha256"], &mut fields);
    }
    for snapshot in ["./kinds/full.snapshot", "./cut.snapshot"] {
        collect(&environment, &["inspect", "--deep", snapshot], &mut fields);
    }
    for folder in environment.objects("packs") {
        for pack in environment.objects(&format!("packs/{folder}")) {
            collect(&environment, &["debug", "pack", &pack], &mut fields);
        }
    }
    collect(&environment, &["demo"], &mut fields);
    damage_packs(&environment);
    COMMANDS_ON_DAMAGE.iter().for_each(|command| run(command, &mut fields));
    fields
}

/// SHA-256 of nothing: over the ids of a shard without points.
const NOTHING_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Flips a byte in the middle of every pack that holds vectors.
fn damage_packs(environment: &TestEnvironment) {
    for (path, mut bytes) in environment.tree() {
        if path.to_string_lossy().contains("/packs/") && bytes.len() > 50_000 {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0xff;
            fs::write(path, bytes).unwrap();
        }
    }
}

fn collect(environment: &TestEnvironment, arguments: &[&str], fields: &mut Fields) {
    let ran = environment.run(&[arguments, &["--json", "-q"]].concat());
    assert!(!ran.stdout.is_empty(), "vectar {} printed no line: {}", arguments.join(" "), ran.stderr);
    for line in ran.stdout.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(line["v"], 1, "{line}");
        let kind = line["type"].as_str().unwrap_or_else(|| panic!("a line without a type: {line}"));
        let known = fields.entry(kind.to_owned()).or_default();
        paths(&line, "", known);
        known.retain(|field| field != "v" && field != "type");
    }
}

/// Adds the path of every value that is no object: `a.b`, `list[].c`.
fn paths(value: &Value, path: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                paths(member, &below, into);
            }
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            items.iter().for_each(|item| paths(item, &format!("{path}[]"), into));
        }
        _ => {
            into.insert(path.to_owned());
        }
    }
}

/// Reads the document: a heading with the type, then a table whose first column is the field.
fn documented() -> Fields {
    let text = fs::read_to_string(workspace_root().join("docs/json.md")).unwrap();
    let mut fields = Fields::new();
    let mut kind = None;
    for line in text.lines() {
        if line.starts_with('#') {
            kind = line.strip_prefix("### `").and_then(|rest| rest.strip_suffix('`')).map(str::to_owned);
        }
        let field = line.strip_prefix("| `").and_then(|rest| rest.split_once('`'));
        if let Some(kind) = &kind {
            let known = fields.entry(kind.clone()).or_default();
            if let Some((field, _)) = field {
                assert!(known.insert(field.to_owned()), "{kind} lists {field} twice");
            }
        }
    }
    inherit(&mut fields, "backup", "ingested");
    inherit(&mut fields, "entry", "found");
    fields
}

/// "All fields of `backup`": the document does not say them twice.
fn inherit(fields: &mut Fields, from: &str, into: &str) {
    let inherited = fields[from]
        .iter()
        .filter(|field| *field != "verified_at" && !field.starts_with("drill."))
        .cloned()
        .collect::<Vec<_>>();
    fields.get_mut(into).unwrap_or_else(|| panic!("docs/json.md has no type {into}")).extend(inherited);
}

/// Whether a field of the document stands for one that was seen: `*` is any name, a field without its members is one that was null or
/// empty.
fn covers(known: &str, seen: &str) -> bool {
    let split = |path: &str| path.replace("[]", ".[]").split('.').map(str::to_owned).collect::<Vec<_>>();
    let (known, seen) = (split(known), split(seen));
    let alike = known.iter().zip(&seen).all(|(known, seen)| known == "*" || known == seen);
    alike && known.len() >= seen.len()
}
