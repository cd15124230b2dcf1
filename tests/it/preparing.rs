//! Plans for restores: what they say of real snapshots, what they refuse, and that what they stage is whole.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use expect_test::{expect, expect_file};
use serde_json::Value;
use vectar::{
    BackupRecord, CancelToken, Content, Error, IngestOptions, Silent, Source,
    prepare::{
        ConcernLevel, Location, Method, Naming, PlanSource, PrepareOptions, ProofLevel, RestorePlan, StageDirectory,
        Topology, markdown, pick, prepare, script,
    },
    select::Filter,
    verify::verify_file,
};
use vectar_testkit::{
    TarParts,
    fixtures::{FixtureSnapshot, series, shared_series, truth},
};

use crate::{
    said::found_above_note,
    scene::{Scene, sha256},
};

const THREE: &str = "a=http://n1:6333,b=http://n2:6333,c=http://n3:6333";

fn options(target: &str) -> PrepareOptions {
    PrepareOptions {
        topology: Topology::parse_short(target).unwrap(),
        to: Some("1.18.3".parse().unwrap()),
        naming: Naming::Suffix("-restored".to_owned()),
        by: None,
        location: Location::Upload,
        collections: Vec::new(),
        aliases: Vec::new(),
        allow_gaps: false,
        deep: false,
        made_at: "2026-11-21T03:00:00Z".parse().unwrap(),
    }
}

/// Prepares from files; with a directory everything in it is looked at.
fn prepared(paths: &[PathBuf], options: &PrepareOptions, out: Option<&Path>) -> Result<RestorePlan, Error> {
    let contents: Vec<Content<'_>> = paths.iter().map(|path| Content::file(path).unwrap()).collect();
    let mut sources = Vec::new();
    for content in &contents {
        let name = Path::new(&content.name()).file_name().unwrap().to_string_lossy().into_owned();
        sources.push(PlanSource::open(content, format!("file {name}"))?);
    }
    let directory = out.map(|out| StageDirectory::begin(out).unwrap());
    let plan = prepare(&sources, options, None, directory, &Silent, &CancelToken::default())?;
    if let Some(out) = out {
        assert_staged(&plan, out);
    }
    Ok(plan)
}

/// Every staged file is there, whole and as the plan says it; what is written beside says the same as the plan.
fn assert_staged(plan: &RestorePlan, out: &Path) {
    for file in &plan.files {
        let path = out.join(&file.path);
        let report = verify_file(&path, &Silent, &CancelToken::default()).unwrap();
        assert_eq!((report.bytes, report.sha256.as_str()), (file.bytes, file.sha256.as_str()), "{}", file.path);
        assert_eq!(
            fs::read_to_string(format!("{}.checksum", path.display())).unwrap(),
            file.sha256,
            "64 digits, no more"
        );
        assert!(!report.is_damaged() && report.anomalies.is_empty(), "{}: {:?}", file.path, report.anomalies);
        assert_eq!(found_above_note(&Content::file(&path).unwrap()), [], "{}", file.path);
    }
    let json: RestorePlan = serde_json::from_slice(&fs::read(out.join("plan.json")).unwrap()).unwrap();
    assert_eq!(json, *plan);
    assert_eq!(fs::read_to_string(out.join("PLAN.md")).unwrap(), markdown(plan));
    assert_eq!(fs::read_to_string(out.join("restore.sh")).unwrap(), script(plan));
}

/// The recorded cluster under the names that its servers gave the files.
fn cluster(scene: &Scene) -> Option<BTreeMap<String, PathBuf>> {
    let mut paths = BTreeMap::new();
    for snapshot in shared_series("cluster")? {
        let said = truth(&snapshot);
        let of_file = |one: &&Value| one["sha256"] == snapshot.sha256.as_str();
        let said = said["snapshots"].as_array().unwrap().iter().find(of_file).unwrap();
        let bytes = fs::read(&snapshot.path).unwrap();
        paths.insert(snapshot.name.clone(), scene.write(said["server_name"].as_str().unwrap(), &bytes));
    }
    Some(paths)
}

fn all(paths: &BTreeMap<String, PathBuf>) -> Vec<PathBuf> {
    paths.values().cloned().collect()
}

fn codes(plan: &RestorePlan, level: ConcernLevel) -> Vec<&str> {
    let mut codes: Vec<&str> =
        plan.concerns.iter().filter(|concern| concern.level == level).map(|concern| concern.code.as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

fn refused(result: Result<RestorePlan, Error>) -> Vec<(ConcernLevel, String, String)> {
    match result.unwrap_err() {
        Error::Refused { concerns } => {
            concerns.into_iter().map(|concern| (concern.level, concern.code, concern.text)).collect()
        }
        error => panic!("{error:?}"),
    }
}

/// Points by shard, as `GET /collections/{c}/cluster` of the nodes said.
fn points(plan: &RestorePlan, collection: &str) -> Vec<(u32, Option<u64>)> {
    let found = plan.collections.iter().find(|one| one.name == collection).unwrap();
    found.shards.iter().map(|shard| (shard.id, shard.expected.certain())).collect()
}

#[test]
fn a_cluster_is_planned_as_its_servers_counted_it() {
    let scene = Scene::new();
    let Some(paths) = cluster(&scene) else { return };
    let plan = prepared(&all(&paths), &options(THREE), Some(&scene.file("out"))).unwrap();
    let summary: Vec<_> =
        plan.collections.iter().map(|one| (one.target.as_str(), one.method, one.expected.certain())).collect();
    assert_eq!(
        summary,
        [
            ("accounts-restored", Method::Shards, Some(600)),
            ("events-restored", Method::Nodes, Some(1200)),
            ("tenants-restored", Method::Shards, Some(450)),
        ]
    );
    let counted =
        |expected: &[(u32, u64)]| expected.iter().map(|(id, points)| (*id, Some(*points))).collect::<Vec<_>>();
    assert_eq!(points(&plan, "events"), counted(&[(0, 196), (1, 185), (2, 164), (3, 217), (4, 204), (5, 234)]));
    assert_eq!(points(&plan, "accounts"), counted(&[(0, 183), (1, 209), (2, 208)]));
    assert_eq!(points(&plan, "tenants"), counted(&[(1, 150), (2, 150), (3, 150)]));
    // What goes node by node is the servers' own file, byte for byte.
    let whole: Vec<&str> = plan.files.iter().filter(|file| file.whole).map(|file| file.sha256.as_str()).collect();
    let said: Vec<String> =
        (1..=3).map(|node| sha256(&fs::read(&paths[&format!("events-node{node}")]).unwrap())).collect();
    assert_eq!(whole.len(), 3);
    assert!(said.iter().all(|sha256| whole.contains(&sha256.as_str())));
    assert_eq!(
        codes(&plan, ConcernLevel::Warning),
        [
            "aliases-unknown",
            "custom-sharding",
            "disk-twice",
            "extra-replica",
            "one-node-only",
            "random-placement",
            "replication"
        ]
    );
    assert_eq!(codes(&plan, ConcernLevel::Note), ["checksum", "priority", "timeouts"]);
}

/// The calls of the collection with keys: created first, keys in the order of their numbers, each shard by itself.
#[test]
fn shard_keys_are_created_before_their_shards_are_loaded() {
    let scene = Scene::new();
    let Some(paths) = cluster(&scene) else { return };
    let options = PrepareOptions { collections: vec!["tenants".to_owned()], ..options(THREE) };
    let plan = prepared(&all(&paths), &options, None).unwrap();
    let calls: Vec<String> = plan.collections[0]
        .steps
        .iter()
        .filter(|step| step.call.method != "GET")
        .map(|step| {
            let path = step.call.path.split("&checksum=").next().unwrap();
            let body = step.call.json.as_ref().filter(|_| path.ends_with("/shards")).map(Value::to_string);
            format!("{} {path} {}", step.call.method, body.unwrap_or_default()).trim_end().to_owned()
        })
        .collect();
    assert_eq!(
        calls,
        [
            "PUT /collections/tenants-restored",
            r#"PUT /collections/tenants-restored/shards {"shard_key":"acme","shards_number":1}"#,
            r#"PUT /collections/tenants-restored/shards {"shard_key":"globex","shards_number":1}"#,
            r#"PUT /collections/tenants-restored/shards {"shard_key":42,"shards_number":1}"#,
            "POST /collections/tenants-restored/shards/1/snapshots/upload?wait=true&priority=snapshot",
            "POST /collections/tenants-restored/shards/2/snapshots/upload?wait=true&priority=snapshot",
            "POST /collections/tenants-restored/shards/3/snapshots/upload?wait=true&priority=snapshot",
            "POST /collections/tenants-restored/points/count",
        ]
    );
    // As one snapshot it is refused: the server would answer true, and nothing would be in it.
    let single = options_by(Method::Whole, "single");
    let single = PrepareOptions { collections: vec!["tenants".to_owned()], ..single };
    let [(level, code, _)] = &refused(prepared(&all(&paths), &single, None))[..] else { panic!() };
    assert_eq!((*level, code.as_str()), (ConcernLevel::Refusal, "method"));
}

fn options_by(method: Method, target: &str) -> PrepareOptions {
    PrepareOptions { by: Some(method), ..options(target) }
}

#[test]
fn a_missing_node_is_named_and_refused_unless_gaps_are_allowed() {
    let scene = Scene::new();
    let Some(mut paths) = cluster(&scene) else { return };
    paths.retain(|name, _| name.starts_with("events"));
    paths.remove("events-node3").unwrap();
    let out = scene.file("out");
    let refusals = refused(prepared(&all(&paths), &options(THREE), Some(&out)));
    let [(level, code, text)] = &refusals[..] else { panic!("{refusals:?}") };
    assert_eq!((*level, code.as_str()), (ConcernLevel::Gap, "missing-shards"));
    assert_eq!(
        text,
        "2 of 6 shards of \"events\" are in none of the snapshots: 1 (on peer 8400211552947076), 4 (on peer 8400211552947076)"
    );
    assert!(!out.exists());
    assert_eq!(leftovers(out.parent().unwrap()), [""; 0]);

    let allowed = PrepareOptions { allow_gaps: true, ..options(THREE) };
    let plan = prepared(&all(&paths), &allowed, Some(&out)).unwrap();
    let events = &plan.collections[0];
    assert_eq!((&events.missing_shards[..], events.expected.certain()), (&[1, 4][..], Some(1200 - 185 - 204)));
    assert_eq!(events.method, Method::Shards, "two nodes' snapshots do not fit three nodes");
    assert_eq!(codes(&plan, ConcernLevel::Gap), ["missing-shards"]);
    assert!(markdown(&plan).contains("These shards are missing and stay empty: 1, 4."));

    // A replicated collection lacks nothing when a node is missing: the others have its shards.
    let accounts = cluster(&scene).unwrap();
    let two: Vec<PathBuf> = ["accounts-node1", "accounts-node2"].iter().map(|name| accounts[*name].clone()).collect();
    let plan = prepared(&two, &options(THREE), None).unwrap();
    assert_eq!(plan.collections[0].expected.certain(), Some(600));
    // The snapshot of a node that held no shard restores to nothing, and says so.
    let empty = refused(prepared(&[accounts["tenants-node2"].clone()], &options(THREE), None));
    let found: Vec<&str> = empty.iter().map(|(_, code, _)| code.as_str()).collect();
    assert_eq!(found, ["missing-shards", "no-shards"]);
}

/// Directories in the making that were left behind.
fn leftovers(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".partial")).collect()
}

#[test]
fn a_cluster_goes_to_another_topology_shard_by_shard() {
    let scene = Scene::new();
    let Some(paths) = cluster(&scene) else { return };
    for target in ["single", "http://n1:6333,http://n2:6333"] {
        let out = scene.file(&format!("out-{}", target.len()));
        let plan = prepared(&all(&paths), &options(target), Some(&out)).unwrap();
        assert!(plan.collections.iter().all(|one| one.method == Method::Shards), "{target}");
        assert_eq!(plan.files.len(), 3 + 6 + 3);
        assert!(plan.collections.iter().all(|one| one.missing_shards.is_empty()));
        let create = &plan.collections[0].steps[1].call.json.as_ref().unwrap();
        let nodes = plan.nodes.len() as u64;
        assert_eq!(create["replication_factor"], Value::from(nodes.min(2)), "as many copies as there can be");
        assert_eq!(codes(&plan, ConcernLevel::Warning).contains(&"fewer-replicas"), target == "single");
        assert_eq!(codes(&plan, ConcernLevel::Warning).contains(&"cluster-mode"), target == "single");
    }
}

#[test]
fn files_go_by_address_or_by_path_as_each_call_takes_them() {
    let scene = Scene::new();
    let Some(mut paths) = cluster(&scene) else { return };
    paths.retain(|name, _| name.starts_with("events"));
    let location = |text: &str, by| {
        let location = Location::parse(text).unwrap();
        let plan = prepared(&all(&paths), &PrepareOptions { location, by: Some(by), ..options(THREE) }, None).unwrap();
        let recover =
            plan.collections[0].steps.iter().find(|step| step.call.path.contains("/recover")).unwrap().clone();
        (recover.call.path, recover.call.json.unwrap(), codes(&plan, ConcernLevel::Warning).join(" "))
    };
    let name = "events-5585337685688735-2026-11-20-16-53-50.snapshot";
    let (path, body, warned) = location("http://b:8000/s/", Method::Nodes);
    assert_eq!(path, "/collections/events-restored/snapshots/recover?wait=true");
    assert_eq!(body["location"], format!("http://b:8000/s/events-restored/{name}"));
    assert_eq!((&body["priority"], body["checksum"].as_str().unwrap().len()), (&Value::from("snapshot"), 64));
    assert!(warned.contains("url-recovery-forbidden"));
    let (_, body, warned) = location("file:///qdrant/snapshots", Method::Nodes);
    assert_eq!(body["location"], format!("file:///qdrant/snapshots/events-restored/{name}"));
    assert!(warned.contains("file-recovery"));
    // A shard recovery takes no file://, but the name of a file in the shard's own directory.
    let (path, body, _) = location("file:///qdrant/snapshots", Method::Shards);
    assert_eq!(path, "/collections/events-restored/shards/0/snapshots/recover?wait=true");
    assert_eq!(body["location"], "events-restored-shard-0-2026-11-20-16-53-51.snapshot");
    for text in ["", "ftp://x/y", "http://", "file://x", "http://a b", "http://a/'", "uploads"] {
        assert!(Location::parse(text).is_err(), "{text}");
    }
}

fn full() -> FixtureSnapshot {
    series("kinds").into_iter().find(|one| one.name == "full").unwrap()
}

/// The whole plan of a full snapshot, as people read it and as a shell runs it.
#[test]
fn the_plan_of_a_full_snapshot() {
    let scene = Scene::new();
    let path = scene.write("full-snapshot-2026-11-20-16-24-36.snapshot", &fs::read(full().path).unwrap());
    let plan = prepared(&[path], &options("single"), Some(&scene.file("out"))).unwrap();
    expect_file!["golden/plan-of-a-full-snapshot.md"]
        .assert_eq(&markdown(&plan).replace(vectar::TOOL, "vectar VERSION"));
    let script = script(&plan);
    let own = &script[script.find("\nNODES=").unwrap()..];
    expect_file!["golden/script-of-a-full-snapshot.sh"].assert_eq(own);
    // Its parts are the bytes inside, each with the name its server gave it.
    let names: Vec<&str> = plan.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        names,
        [
            "snapshots/catalog-restored/catalog-4831547486316841-2026-11-20-16-24-36.snapshot",
            "snapshots/notes-restored/notes-4831547486316841-2026-11-20-16-24-36.snapshot"
        ]
    );
}

#[test]
fn a_server_takes_a_full_snapshot_when_it_starts() {
    let scene = Scene::new();
    let path = scene.write("full-snapshot-2026-11-20-16-24-36.snapshot", &fs::read(full().path).unwrap());
    let keep = PrepareOptions { naming: Naming::Keep, ..options_by(Method::Start, "single") };
    let plan = prepared(std::slice::from_ref(&path), &keep, Some(&scene.file("out"))).unwrap();
    let [argument] = &plan.start[..] else { panic!("{:?}", plan.start) };
    assert_eq!((argument.option.as_str(), &argument.collection), ("--storage-snapshot", &None));
    assert_eq!(plan.files.len(), 1, "once for both collections");
    assert_eq!(plan.files[0].sha256, full().sha256);
    let renamed = prepared(&[path], &options_by(Method::Start, "single"), None).unwrap();
    let arguments: Vec<String> = renamed
        .start
        .iter()
        .map(|one| format!("{} {}", one.option, one.collection.clone().unwrap_or_default()))
        .collect();
    assert_eq!(arguments, ["--snapshot catalog-restored", "--snapshot notes-restored"]);
}

#[test]
fn copies_that_differ_and_times_apart_are_said() {
    let scene = Scene::new();
    let of = |name: &str| fs::read(series("notes").into_iter().find(|one| one.name == name).unwrap().path).unwrap();
    let older = scene.write("notes-1-2026-11-20-16-00-00.snapshot", &of("00-base"));
    let newer = of("01-insert-5pct");
    let same_node = scene.write("notes-2-2026-11-20-18-00-00.snapshot", &newer);
    // Of one node the newer one counts, whichever is named first.
    let plan = prepared(&[same_node.clone(), older.clone()], &options("single"), None).unwrap();
    assert_eq!((plan.collections[0].method, plan.collections[0].expected.certain()), (Method::Whole, Some(840)));
    assert!(codes(&plan, ConcernLevel::Note).contains(&"passed-over"));
    assert_eq!(plan.sources.len(), 1);
    fs::remove_file(same_node).unwrap();

    let mut parts = TarParts::of(&newer);
    parts.edit("0/replica_state.json", |bytes| {
        *bytes = String::from_utf8(bytes.clone()).unwrap().replace("4831547486316841", "7").into_bytes();
    });
    let newer = scene.write("notes-2-2026-11-20-18-00-00.snapshot", &parts.bytes());
    let plan = prepared(&[older, newer], &options("single"), None).unwrap();
    let texts: Vec<&str> = plan
        .concerns
        .iter()
        .filter(|one| one.level == ConcernLevel::Warning && one.collection.is_some())
        .map(|one| one.text.as_str())
        .collect();
    expect![[r#"
        [
            "the copies of shard 0 differ: 840 points in file notes-2-2026-11-20-18-00-00.snapshot, 800 points in file notes-1-2026-11-20-16-00-00.snapshot",
            "the snapshots of \"notes\" were taken 120 minutes apart",
        ]
    "#]]
    .assert_debug_eq(&texts);
    assert_eq!(plan.collections[0].expected.certain(), Some(840));
}

#[test]
fn what_cannot_be_restored_is_refused_with_all_its_reasons() {
    let scene = Scene::new();
    let notes = scene.write("notes-1-2026-11-20-16-00-00.snapshot", &fs::read(&series("notes")[0].path).unwrap());
    let code =
        |result: Result<RestorePlan, Error>| refused(result).into_iter().map(|(_, code, _)| code).collect::<Vec<_>>();
    let old = PrepareOptions { to: Some("1.7.0".parse().unwrap()), ..options("single") };
    assert_eq!(code(prepared(std::slice::from_ref(&notes), &old, None)), ["version"]);
    let nodes = options_by(Method::Nodes, "single");
    assert_eq!(code(prepared(std::slice::from_ref(&notes), &nodes, None)), ["method"]);
    // A shard alone does not say how its collection is configured.
    let shard = series("kinds").into_iter().find(|one| one.name == "shard").unwrap();
    let shard = scene.write("notes-shard-0-2026-11-20-16-24-36.snapshot", &fs::read(shard.path).unwrap());
    assert_eq!(code(prepared(std::slice::from_ref(&shard), &options("single"), None)), ["method"]);
    // With a collection snapshot beside it, the better copy of the two is taken.
    assert!(prepared(&[shard, notes.clone()], &options_by(Method::Shards, "single"), None).is_ok());
    // Two collections that had one name, one after the other.
    let mut parts = TarParts::of(&fs::read(&notes).unwrap());
    let config = String::from_utf8(parts.file("config.json")).unwrap();
    let with_uuid = |uuid: &str| {
        let mut value: Value = serde_json::from_str(&config).unwrap();
        value["uuid"] = Value::from(uuid);
        value.to_string().into_bytes()
    };
    parts.replace("config.json", with_uuid("8d17b961-ae07-4bd8-ba9e-ecd00664eada"));
    let one = scene.write("notes-1-2026-11-20-17-00-00.snapshot", &parts.bytes());
    parts.replace("config.json", with_uuid("00000000-ae07-4bd8-ba9e-ecd00664eada"));
    let other = scene.write("notes-2-2026-11-20-17-00-00.snapshot", &parts.bytes());
    assert_eq!(code(prepared(&[one, other], &options("single"), None)), ["not-one-collection"]);
    let partial = series("kinds").into_iter().find(|one| one.name == "shard-partial").unwrap();
    assert!(matches!(prepared(&[partial.path], &options("single"), None), Err(Error::PartialSnapshot { .. })));
    let random = scene.write("random-1-2026-11-20-17-00-00.snapshot", &[7; 4096]);
    assert!(matches!(prepared(&[random], &options("single"), None), Err(Error::NoSnapshot { .. })));
}

#[test]
fn damage_ends_it_and_nothing_is_left() {
    let scene = Scene::new();
    let notes = fs::read(&series("notes")[0].path).unwrap();
    let out = scene.file("out");
    let cut = scene.write("cut-1-2026-11-20-16-00-00.snapshot", &notes[..notes.len() - 5000]);
    assert!(prepared(&[cut], &options("single"), Some(&out)).is_err());
    // Its checksum is another snapshot's.
    let path = scene.write("notes-1-2026-11-20-16-00-00.snapshot", &notes);
    scene.write("notes-1-2026-11-20-16-00-00.snapshot.checksum", "0".repeat(64).as_bytes());
    let wrong = prepared(std::slice::from_ref(&path), &options("single"), Some(&out));
    assert!(matches!(wrong, Err(Error::ChecksumMismatch { .. })), "{wrong:?}");
    fs::remove_file(path.with_file_name("notes-1-2026-11-20-16-00-00.snapshot.checksum")).unwrap();
    // A file of a segment is cut short, in a tar that is sound: only a look at every value finds it.
    let mut parts = TarParts::of(&notes);
    let mapping = parts.paths().into_iter().find(|path| path.ends_with("/id_tracker.versions")).unwrap();
    parts.edit(&mapping, |bytes| bytes.truncate(bytes.len() - 3));
    let torn = scene.write("torn-1-2026-11-20-16-00-00.snapshot", &parts.bytes());
    let deep = PrepareOptions { deep: true, ..options("single") };
    let found = prepared(&[torn], &deep, Some(&out));
    assert!(matches!(found, Err(Error::PartDamaged { .. })), "{found:?}");
    assert!(!out.exists());
    assert_eq!(leftovers(out.parent().unwrap()), [""; 0]);
    // What is whole is prepared into the same directory, once.
    let plan = prepared(std::slice::from_ref(&path), &deep, Some(&out)).unwrap();
    assert_eq!(plan.proof, ProofLevel::Deep);
    assert!(matches!(StageDirectory::begin(&out), Err(Error::DirectoryTaken { .. })));
}

fn cluster_of(scene: &Scene, set: Option<&str>) -> Option<Vec<BackupRecord>> {
    let mut records = Vec::new();
    for path in cluster(scene)?.values() {
        let options = IngestOptions { set: set.map(str::to_owned), ..IngestOptions::default() };
        records.push(scene.ingest_with(Source::file(path).unwrap(), &options).record);
    }
    Some(records)
}

#[test]
fn a_collection_at_a_time_means_the_backups_of_all_nodes() {
    let scene = Scene::new();
    let Some(records) = cluster_of(&scene, Some("night-1")) else { return };
    let full = scene.write("full-snapshot-2026-11-20-16-24-36.snapshot", &fs::read(full().path).unwrap());
    scene.ingest(&full);
    let all = scene.records();
    let names = |name: &str| -> Vec<String> {
        let (found, _) = pick(name, &all, &Filter::default()).unwrap();
        let mut names: Vec<String> = found.iter().map(|record| record.subject.name.clone()).collect();
        names.sort();
        names
    };
    let of = |collection: &str| {
        let mut names: Vec<String> = records.iter().map(|record| record.subject.name.clone()).collect();
        names.retain(|name| name.starts_with(collection));
        names.sort();
        names
    };
    assert_eq!(names("events@latest"), of("events"));
    assert_eq!(names("tenants@2026-11-20").len(), 3);
    assert_eq!(names("notes@latest"), ["full-snapshot-2026-11-20-16-24-36.snapshot"]);
    assert_eq!(pick("notes@latest", &all, &Filter::default()).unwrap().1.as_deref(), Some("notes"));
    assert_eq!(names("set:night-1").len(), 9);
    assert_eq!(names(&records[0].id.to_string()).len(), 1);
    for name in ["events@2020-01-01", "gone@latest", "set:gone"] {
        assert!(matches!(pick(name, &all, &Filter::default()), Err(Error::BackupNotFound { .. })), "{name}");
    }
    // From the repository the same is staged as from the files.
    let contents: Vec<Content<'_>> = records.iter().map(|record| Content::backup(&scene.engine, record)).collect();
    let sources: Vec<_> = contents.iter().map(|content| PlanSource::open(content, content.name()).unwrap()).collect();
    let out = scene.file("from-backups");
    let directory = Some(StageDirectory::begin(&out).unwrap());
    let plan =
        prepare(&sources, &options(THREE), Some(&scene.engine), directory, &Silent, &CancelToken::default()).unwrap();
    assert_staged(&plan, &out);
    let from_files = prepared(&self::all(&cluster(&scene).unwrap()), &options(THREE), None).unwrap();
    let digests = |plan: &RestorePlan| plan.files.iter().map(|file| file.sha256.clone()).collect::<Vec<_>>();
    assert_eq!(digests(&plan), digests(&from_files));
}

/// Payloads lie in it in the clear.
#[test]
fn nobody_else_may_look_into_what_was_staged() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = Scene::new();
    let path = scene.write("full-snapshot-2026-11-20-16-24-36.snapshot", &fs::read(full().path).unwrap());
    let out = scene.file("stage");
    prepared(std::slice::from_ref(&path), &options("single"), Some(&out)).unwrap();
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn room_is_asked_for_before_anything_is_staged() {
    let scene = Scene::new();
    let path = scene.write("full-snapshot-2026-11-20-16-24-36.snapshot", &fs::read(full().path).unwrap());
    let mut options = options("single");
    options.topology.nodes[0].free_bytes = Some(5_000_000);
    let plan = prepared(std::slice::from_ref(&path), &options, None).unwrap();
    // Twice what is staged.
    let bytes: u64 = plan.files.iter().map(|file| file.bytes).sum();
    assert_eq!(plan.nodes[0].needs_bytes, 2 * bytes);
    assert!(codes(&plan, ConcernLevel::Warning).contains(&"disk-short"));
    options.topology.nodes[0].free_bytes = Some(50_000_000);
    let plan = prepared(&[path], &options, None).unwrap();
    assert!(!codes(&plan, ConcernLevel::Warning).contains(&"disk-short"));
}
