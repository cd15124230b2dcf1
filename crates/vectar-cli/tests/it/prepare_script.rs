//! The script that `prepare` writes, run by a real shell with a real `curl` against servers that answer what a Qdrant 1.18.3 answered (see
//! [`fake_qdrant`](crate::fake_qdrant)): it goes through when all is as recorded, and stops at the first answer that is not.

use std::{path::Path, process::Command};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use vectar_testkit::fixtures::{shared_series, skipped};

use crate::{
    environment::{Ran, TestEnvironment},
    fake_qdrant::{FakeQdrant, Request},
};

const VERSION: &str = r#"{"title":"qdrant - vector search engine","version":"1.18.3","commit":"db8fa43fcb6aedec1e739487e17a99731b74590a"}"#;
const TRUE: &str = r#"{"result":true,"status":"ok","time":0.432151724}"#;
const NULL: &str = r#"{"result":null,"status":"ok","time":0.039347542}"#;
const INDEXED: &str = r#"{"result":{"operation_id":1,"status":"completed"},"status":"ok","time":0.003}"#;
const COLLECTIONS: &str = r#"{"result":{"collections":[{"name":"articles"},{"name":"mixed"},{"name":"tenants"}]},"status":"ok","time":1.1776e-5}"#;
const NOT_FOUND: &str = r#"{"status":{"error":"Not found: Collection `x` doesn't exist!"},"time":9.5189e-5}"#;
const KEY: &str = r#"s3cr\et"key"#;

fn counted(points: u64) -> String {
    format!(r#"{{"result":{{"count":{points}}},"status":"ok","time":0.00709881}}"#)
}

/// `GET /collections/{c}/cluster` of the only node.
fn single_cluster(shards: &[(u32, u64)]) -> String {
    let local: Vec<String> = shards
        .iter()
        .map(|(id, points)| format!(r#"{{"shard_id":{id},"points_count":{points},"state":"Active"}}"#))
        .collect();
    format!(
        r#"{{"result":{{"peer_id":4831547486316841,"shard_count":{},"local_shards":[{}],"remote_shards":[],"shard_transfers":[]}},"status":"ok","time":5.7988e-5}}"#,
        shards.len(),
        local.join(",")
    )
}

/// Whether there is a shell and a `curl` to run the script with.
fn can_run() -> bool {
    let found = Command::new("curl").arg("--version").output().is_ok();
    if !found {
        skipped("there is no curl");
    }
    found
}

fn run_script(environment: &TestEnvironment, directory: &str, arguments: &[&str]) -> Ran {
    let mut command = environment.command_of(Path::new("sh"));
    command.arg(format!("{directory}/restore.sh")).args(arguments);
    command.env("QDRANT_API_KEY", KEY).env("HOLDER_SECONDS", "0").env("WAIT_SECONDS", "0");
    environment.finish(command.output().unwrap())
}

/// A node that has `catalog-restored` and `notes-restored` with so many points in the end.
fn single_node(notes: u64) -> FakeQdrant {
    FakeQdrant::start(move |request| {
        let path = request.path.split('?').next().unwrap();
        let body = match (request.method.as_str(), path) {
            ("GET", "/") => VERSION.to_owned(),
            ("GET", "/collections") => COLLECTIONS.to_owned(),
            ("GET", "/aliases") => {
                r#"{"result":{"aliases":[{"alias_name":"notes-live","collection_name":"notes"}]},"status":"ok","time":1.3181e-5}"#.to_owned()
            }
            ("POST", "/collections/aliases") => TRUE.to_owned(),
            ("POST", path) if path.ends_with("/snapshots/upload") => TRUE.to_owned(),
            ("PUT", path) if path.ends_with("/index") => INDEXED.to_owned(),
            ("GET", "/collections/catalog-restored/cluster") => single_cluster(&[(0, 215), (1, 216)]),
            ("GET", "/collections/notes-restored/cluster") => single_cluster(&[(0, 574)]),
            ("POST", "/collections/catalog-restored/points/count") => counted(431),
            ("POST", "/collections/notes-restored/points/count") => counted(notes),
            _ => return (404, NOT_FOUND.to_owned()),
        };
        (200, body)
    })
}

fn prepared_single(environment: &TestEnvironment, node: &FakeQdrant, more: &[&str]) {
    environment.snapshot("kinds", "full", "from/full-snapshot-2026-11-20-16-24-36.snapshot");
    let arguments = [&["prepare", "--from", "from", "--for", &node.url, "--out", "it's out"], more].concat();
    environment.stdout(&arguments);
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The file in the only part of a multipart body.
fn uploaded(request: &Request) -> &[u8] {
    let body = &request.body;
    let start = body.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8_lossy(&body[..start]);
    assert!(head.contains(r#"name="snapshot""#) && head.contains("filename="), "{head}");
    let boundary = head.split("\r\n").next().unwrap().len();
    &body[start..body.len() - boundary - 6]
}

#[test]
fn the_script_restores_a_full_snapshot_as_recorded() {
    if !can_run() {
        return;
    }
    let environment = TestEnvironment::new();
    let node = single_node(574);
    prepared_single(&environment, &node, &["--to", "1.18.3"]);

    let checked = run_script(&environment, "it's out", &["check"]);
    assert_eq!(checked.code, Some(0), "{}{}", checked.stdout, checked.stderr);
    assert!(node.asked().iter().all(|request| request.method == "GET"), "check changes nothing");

    let ran = run_script(&environment, "it's out", &[]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("  431 points, as expected") && ran.stdout.contains("  574 points, as expected"));
    let asked = node.asked();
    assert!(
        asked.iter().all(|request| request.api_key.as_deref() == Some(KEY)),
        "the key goes with every call, as it is"
    );
    let uploads: Vec<&Request> = asked.iter().filter(|request| request.path.contains("/upload")).collect();
    assert_eq!(uploads.len(), 2);
    for upload in uploads {
        let sha256 = digest(uploaded(upload));
        assert!(
            upload.path.ends_with(&format!("upload?wait=true&priority=snapshot&checksum={sha256}")),
            "{}",
            upload.path
        );
    }
    let changes: Vec<String> = asked.iter().filter(|request| request.method != "GET").map(Request::line).collect();
    let counts = |line: &&String| line.ends_with("/points/count");
    assert_eq!(changes.iter().filter(counts).count(), 2);
    assert_eq!(changes[0], "POST /collections/catalog-restored/snapshots/upload");
    assert!(changes.contains(&"PUT /collections/notes-restored/index".to_owned()), "{changes:?}");
    assert!(!changes.iter().any(|line| line.contains("DELETE") || line.contains("/aliases")), "{changes:?}");
}

#[test]
fn the_script_switches_aliases_and_back() {
    if !can_run() {
        return;
    }
    let environment = TestEnvironment::new();
    let node = single_node(574);
    prepared_single(&environment, &node, &[]);
    let ran = run_script(&environment, "it's out", &["switch"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let bodies = |asked: Vec<Request>| -> Vec<Value> {
        let changes = asked.into_iter().filter(|request| request.path == "/collections/aliases");
        changes.map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
    };
    // notes-live is there and goes over; shop is not, and is only made.
    let create = |alias: &str, to: &str| json!({ "create_alias": { "collection_name": to, "alias_name": alias } });
    let delete = |alias: &str| json!({ "delete_alias": { "alias_name": alias } });
    assert_eq!(
        bodies(node.asked()),
        [
            json!({ "actions": [delete("notes-live"), create("notes-live", "notes-restored")] }),
            json!({ "actions": [create("shop", "catalog-restored")] })
        ]
    );
    // The server still says that notes-live stands for notes: there is nothing to do for it.
    let ran = run_script(&environment, "it's out", &["back"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(bodies(node.asked()), [json!({ "actions": [create("shop", "catalog")] })]);
    let ran = run_script(&environment, "it's out", &["holder", "catalog-restored", "1"]);
    assert_eq!(ran.stdout, format!("{}\n", node.url));
    assert_eq!(run_script(&environment, "it's out", &["holder", "gone", "1"]).code, Some(2));
}

/// One alias went over, the other stands for something else by now: it says what was changed.
#[test]
fn the_script_says_which_aliases_it_switched_before_it_stopped() {
    if !can_run() {
        return;
    }
    let environment = TestEnvironment::new();
    let node = FakeQdrant::start(|request| {
        let path = request.path.split('?').next().unwrap();
        let aliases = r#"{"result":{"aliases":[{"alias_name":"shop","collection_name":"another"}]},"status":"ok","time":1.3181e-5}"#;
        let body = match (request.method.as_str(), path) {
            ("GET", "/aliases") => aliases.to_owned(),
            ("GET", path) if path.contains("catalog") => single_cluster(&[(0, 215), (1, 216)]),
            ("GET", _) => single_cluster(&[(0, 574)]),
            (_, path) if path.ends_with("/points/count") => counted(if path.contains("catalog") { 431 } else { 574 }),
            _ => TRUE.to_owned(),
        };
        (200, body)
    });
    prepared_single(&environment, &node, &[]);
    let ran = run_script(&environment, "it's out", &["switch"]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("alias \"shop\" stands for another collection than \"catalog\""), "{}", ran.stderr);
    assert!(ran.stderr.contains("switched before it stopped: \"notes-live\""), "{}", ran.stderr);
    assert!(!ran.stderr.contains("Nothing that existed"), "{}", ran.stderr);
}

#[test]
fn the_script_stops_at_the_first_count_that_differs() {
    if !can_run() {
        return;
    }
    let environment = TestEnvironment::new();
    let node = single_node(573);
    prepared_single(&environment, &node, &[]);
    for arguments in [&[][..], &["count"], &["switch"]] {
        let ran = run_script(&environment, "it's out", arguments);
        assert_eq!(ran.code, Some(1), "{arguments:?}: {}", ran.stdout);
        assert!(
            ran.stderr.contains("STOPPED: /collections/notes-restored has 573 points, expected 574"),
            "{}",
            ran.stderr
        );
        assert!(!node.asked().iter().any(|request| request.path.contains("aliases")), "nothing is switched");
    }
}

/// Each refusal that was recorded stops the script where it happens, with what it means.
#[test]
fn the_script_stops_at_each_refusal_and_says_what_it_means() {
    if !can_run() {
        return;
    }
    for (status, body, means) in [
        (
            400,
            r#"{"status":{"error":"Checksum mismatch: expected 6269f5be, actual 00000000"},"time":0.002388544}"#,
            "wrong checksum",
        ),
        (401, "Must provide an API key or an Authorization bearer token", "missing or wrong API key"),
        (
            403,
            r#"{"status":{"error":"Forbidden: Snapshot recovery from remote URLs is disabled in the configuration"},"time":3.0718e-5}"#,
            "enable_snapshot_url_recovery",
        ),
        (
            500,
            r#"{"status":{"error":"Service internal error: File IO error: failed to unpack `/qdrant/storage/tmp/x.tar`"},"time":0.19}"#,
            "cut short on its way",
        ),
        (200, r#"{"result":false,"status":"ok","time":0.1}"#, "should have answered \"result\":true"),
    ] {
        let environment = TestEnvironment::new();
        let node = FakeQdrant::start(move |request| match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/") => (200, VERSION.to_owned()),
            ("GET", "/collections") => (200, COLLECTIONS.to_owned()),
            _ => (status, body.to_owned()),
        });
        prepared_single(&environment, &node, &["--location", "http://backup:8000/s"]);
        let ran = run_script(&environment, "it's out", &[]);
        assert_eq!(ran.code, Some(1), "{}", ran.stdout);
        assert!(ran.stderr.contains("STOPPED") && ran.stderr.contains(means), "{status}: {}", ran.stderr);
        assert!(ran.stderr.contains(&body[..20]), "{status}: {}", ran.stderr);
        let asked = node.asked();
        let last = asked.last().unwrap();
        assert_eq!(last.line(), "PUT /collections/catalog-restored/snapshots/recover", "nothing is asked after it");
        let sent: Value = serde_json::from_str(&last.text()).unwrap();
        assert_eq!(sent["priority"], "snapshot");
        let location = sent["location"].as_str().unwrap();
        let file = location.strip_prefix("http://backup:8000/s/").unwrap();
        let staged = std::fs::read(environment.path("it's out/snapshots").join(file)).unwrap();
        assert_eq!(sent["checksum"], digest(&staged).as_str());
    }
}

#[test]
fn the_script_stops_before_it_changes_anything() {
    if !can_run() {
        return;
    }
    let answers = |path: &'static str, body: &'static str| {
        FakeQdrant::start(move |request| match request.path.as_str() {
            asked if asked == path => (200, body.to_owned()),
            "/" => (200, VERSION.to_owned()),
            "/collections" => (200, COLLECTIONS.to_owned()),
            _ => (200, TRUE.to_owned()),
        })
    };
    for (path, body, why) in [
        ("/", r#"{"title":"qdrant","version":"1.17.1"}"#, "runs 1.17.1, and the plan was made for 1.18"),
        (
            "/collections",
            r#"{"result":{"collections":[{"name":"notes-restored"}]},"status":"ok","time":1e-5}"#,
            "there is a collection \"notes-restored\" already",
        ),
        ("/collections", "<html>a proxy</html>", "does not list its collections"),
    ] {
        let environment = TestEnvironment::new();
        let node = answers(path, body);
        prepared_single(&environment, &node, &["--to", "1.18.3"]);
        let ran = run_script(&environment, "it's out", &[]);
        assert_eq!(ran.code, Some(1), "{}", ran.stdout);
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
        assert!(node.asked().iter().all(|request| request.method == "GET"));
    }
}

/// What nodes of the recorded cluster answered about a collection; `events_new` is what was restored from three uploads.
fn recorded_cluster(node: usize, collection: &str) -> Option<String> {
    const PEERS: [u64; 3] = [5585337685688735, 6770413822083232, 8400211552947076];
    /// Shard, key, points, nodes that hold it.
    type Shards = &'static [(u32, &'static str, u64, &'static [usize])];
    let shards: Shards = match collection {
        "events-restored" => &[
            (0, "", 196, &[1]),
            (1, "", 185, &[2]),
            (2, "", 164, &[0]),
            (3, "", 217, &[1]),
            (4, "", 204, &[2]),
            (5, "", 234, &[0]),
        ],
        "accounts-restored" => &[(0, "", 183, &[2, 1]), (1, "", 209, &[2, 0]), (2, "", 208, &[0, 1])],
        "tenants-restored" => &[(1, "\"acme\"", 150, &[2]), (2, "\"globex\"", 150, &[2]), (3, "42", 150, &[0])],
        _ => return None,
    };
    let (mut local, mut remote) = (Vec::new(), Vec::new());
    for (id, key, points, holders) in shards {
        let key = if key.is_empty() { String::new() } else { format!(r#""shard_key":{key},"#) };
        for holder in *holders {
            match *holder == node {
                true => local.push(format!(r#"{{"shard_id":{id},{key}"points_count":{points},"state":"Active"}}"#)),
                false => {
                    remote.push(format!(r#"{{"shard_id":{id},{key}"peer_id":{},"state":"Active"}}"#, PEERS[*holder]))
                }
            }
        }
    }
    Some(format!(
        r#"{{"result":{{"peer_id":{},"shard_count":{},"local_shards":[{}],"remote_shards":[{}],"shard_transfers":[]}},"status":"ok","time":0.000343416}}"#,
        PEERS[node],
        shards.len(),
        local.join(","),
        remote.join(",")
    ))
}

/// `GET /cluster`, as recorded.
const CLUSTER: &str = r#"{"result":{"status":"enabled","peer_id":5585337685688735,"peers":{"8400211552947076":{"uri":"http://127.0.0.1:6335/"},"5585337685688735":{"uri":"http://127.0.0.1:6135/"},"6770413822083232":{"uri":"http://127.0.0.1:6235/"}},"raft_info":{"term":1,"commit":9,"pending_operations":0,"leader":5585337685688735,"role":"Leader","is_voter":true},"consensus_thread_status":{"consensus_thread_status":"working","last_update":"2026-11-20T16:53:42.769345860Z"},"message_send_failures":{}},"status":"ok","time":2.6803e-5}"#;

/// A node of that cluster; `change` may answer otherwise.
fn cluster_node(node: usize, change: fn(usize, &Request) -> Option<(u16, String)>) -> FakeQdrant {
    FakeQdrant::start(move |request| {
        if let Some(answer) = change(node, request) {
            return answer;
        }
        let path = request.path.split('?').next().unwrap();
        let collection = path.split('/').nth(2).unwrap_or_default();
        let body = match (request.method.as_str(), path) {
            ("GET", "/") => VERSION.to_owned(),
            ("GET", "/cluster") => CLUSTER.to_owned(),
            ("GET", "/collections") => COLLECTIONS.to_owned(),
            ("GET", path) if path.ends_with("/cluster") => recorded_cluster(node, collection).unwrap(),
            ("POST", path) if path.contains("/shards/") => NULL.to_owned(),
            ("POST", path) if path.ends_with("/points/count") => counted(match collection {
                "events-restored" => 1200,
                "accounts-restored" => 600,
                _ => 450,
            }),
            ("POST" | "PUT", _) => TRUE.to_owned(),
            _ => return (404, NOT_FOUND.to_owned()),
        };
        (200, body)
    })
}

/// The snapshots of the recorded cluster, under the names that its servers gave them, and a plan for three nodes.
fn prepared_cluster(
    change: fn(usize, &Request) -> Option<(u16, String)>,
    more: &[&str],
) -> Option<(TestEnvironment, Vec<FakeQdrant>)> {
    let snapshots = shared_series("cluster")?;
    let environment = TestEnvironment::new();
    for snapshot in &snapshots {
        let said = &vectar_testkit::fixtures::truth(snapshot)["snapshots"];
        let of_file = |one: &&Value| one["sha256"] == snapshot.sha256.as_str();
        let name = said.as_array().unwrap().iter().find(of_file).unwrap()["server_name"].as_str().unwrap();
        environment.write(&format!("from/{name}"), std::fs::read(&snapshot.path).unwrap());
    }
    let nodes: Vec<FakeQdrant> = (0..3).map(|node| cluster_node(node, change)).collect();
    let urls: Vec<&str> = nodes.iter().map(|node| node.url.as_str()).collect();
    let urls = urls.join(",");
    environment.stdout(&[&["prepare", "--from", "from", "--for", &urls, "--out", "out"], more].concat());
    Some((environment, nodes))
}

/// Uploads and what they went to, node by node.
fn uploads(nodes: &[FakeQdrant]) -> Vec<Vec<String>> {
    let of_node = |node: &FakeQdrant| {
        let asked = node.asked().into_iter().filter(|request| request.path.contains("/upload"));
        asked
            .map(|request| {
                assert!(
                    request.path.ends_with(&format!("checksum={}", digest(uploaded(&request)))),
                    "{}",
                    request.path
                );
                request.line().replace("POST /collections/", "").replace("/snapshots/upload", "")
            })
            .collect()
    };
    nodes.iter().map(of_node).collect()
}

#[test]
fn the_script_restores_a_cluster_as_recorded() {
    if !can_run() {
        return;
    }
    let Some((environment, nodes)) = prepared_cluster(|_, _| None, &["--to", "1.18.3"]) else { return };
    let ran = run_script(&environment, "out", &[]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    for points in ["1200", "600", "450"] {
        assert!(ran.stdout.contains(&format!("  {points} points, as expected")), "{}", ran.stdout);
    }
    // One copy of each shard of accounts, each node's own snapshot of events, each shard of tenants to the node that holds its key.
    assert_eq!(
        uploads(&nodes),
        [
            vec![
                "accounts-restored/shards/1",
                "accounts-restored/shards/2",
                "events-restored",
                "tenants-restored/shards/3"
            ],
            vec!["accounts-restored/shards/0", "events-restored"],
            vec!["events-restored", "tenants-restored/shards/1", "tenants-restored/shards/2"],
        ]
    );
}

#[test]
fn the_script_finds_the_shards_wherever_the_server_placed_them() {
    if !can_run() {
        return;
    }
    // The same cluster, but that nodes 1 and 3 changed places.
    let moved = |node: usize, request: &Request| {
        let collection = request.path.split('/').nth(2).unwrap_or_default();
        let asks = request.method == "GET" && request.path.ends_with("/cluster") && request.path != "/cluster";
        asks.then(|| (200, recorded_cluster(2 - node, collection).unwrap()))
    };
    let Some((environment, nodes)) = prepared_cluster(moved, &["--collection", "events"]) else { return };
    let ran = run_script(&environment, "out", &[]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let plan: Value = serde_json::from_slice(&std::fs::read(environment.path("out/plan.json")).unwrap()).unwrap();
    let of_shard = |shard: usize| {
        let file = plan["collections"][0]["shards"][shard]["file"].as_str().unwrap();
        let files = plan["files"].as_array().unwrap();
        files.iter().find(|one| one["path"] == file).unwrap()["sha256"].as_str().unwrap().to_owned()
    };
    let got = |node: &FakeQdrant| {
        let asked = node.asked();
        let upload = asked.iter().find(|request| request.path.contains("/upload")).unwrap();
        digest(uploaded(upload))
    };
    assert_eq!([got(&nodes[0]), got(&nodes[1]), got(&nodes[2])], [of_shard(1), of_shard(0), of_shard(2)]);
}

/// Traps that a server answers with 200: the script counts, and stops.
#[test]
fn the_script_notices_what_the_servers_do_not_say() {
    if !can_run() {
        return;
    }
    type Change = fn(usize, &Request) -> Option<(u16, String)>;
    let cases: [(&str, Change, &str); 5] = [
        // The snapshot of one node only: 398 of 1,200 points.
        (
            "events",
            |_, request| request.path.ends_with("/points/count").then(|| (200, counted(398))),
            "has 398 points, expected 1200",
        ),
        // Shard keys got other numbers than in the snapshots.
        (
            "tenants",
            |node, request| {
                let asks = request.path == "/collections/tenants-restored/cluster";
                asks.then(|| {
                    (200, recorded_cluster(node, "tenants-restored").unwrap().replace("\"acme\"", "\"other\""))
                })
            },
            "shard 1 of /collections/tenants-restored does not have the key \"acme\"",
        ),
        // A collection with keys that was uploaded as a whole: no shards, no points.
        (
            "tenants",
            |_, request| {
                let asks = request.path == "/collections/tenants-restored/cluster";
                asks.then(|| (200, single_cluster(&[])))
            },
            "does not have the key",
        ),
        // A copy that never becomes active.
        (
            "accounts",
            |node, request| {
                let asks = request.path == "/collections/accounts-restored/cluster";
                let partial =
                    || recorded_cluster(node, "accounts-restored").unwrap().replacen("\"Active\"", "\"Partial\"", 1);
                asks.then(|| (200, partial()))
            },
            "not all copies in /collections/accounts-restored are active",
        ),
        // A cluster with a node that the plan does not know.
        (
            "events",
            |_, request| {
                (request.path == "/cluster")
                    .then(|| (200, CLUSTER.replace("{\"uri\"", "{\"uri\":\"\"},\"7\":{\"uri\"")))
            },
            "has 6 nodes, and the plan knows 3",
        ),
    ];
    for (collection, change, why) in cases {
        let Some((environment, nodes)) = prepared_cluster(change, &["--collection", collection]) else { return };
        let ran = run_script(&environment, "out", &[]);
        assert_eq!(ran.code, Some(1), "{why}: {}", ran.stdout);
        assert!(ran.stderr.contains(why), "{why}: {}", ran.stderr);
        drop(nodes);
    }
}

/// Which node gets which file is decided before any gets one.
#[test]
fn the_script_loads_nothing_when_shards_lie_otherwise() {
    if !can_run() {
        return;
    }
    let otherwise = |_: usize, request: &Request| {
        let asks = request.path == "/collections/events-restored/cluster";
        asks.then(|| (200, single_cluster(&[(2, 0), (5, 0)])))
    };
    let Some((environment, nodes)) = prepared_cluster(otherwise, &["--collection", "events"]) else { return };
    let ran = run_script(&environment, "out", &[]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    assert!(ran.stderr.contains("prepare again with --by shard"), "{}", ran.stderr);
    assert_eq!(uploads(&nodes).concat(), [""; 0], "nothing was uploaded");
}

/// Names from a snapshot are words of the shell and nothing else, in files that shells read and run.
#[test]
fn hostile_names_stay_words() {
    if !can_run() {
        return;
    }
    let environment = TestEnvironment::new();
    let name = "a'b$(touch gone)`touch gone`;touch gone #ö";
    environment.snapshot("notes", "00-base", &format!("from/{name}-1-2026-11-20-16-24-19.snapshot"));
    let node = FakeQdrant::start(|request| {
        let path = request.path.split('?').next().unwrap();
        (
            200,
            match (request.method.as_str(), path) {
                ("GET", "/") => VERSION.to_owned(),
                ("GET", "/collections") => COLLECTIONS.to_owned(),
                ("GET", _) => single_cluster(&[(0, 800)]),
                (_, path) if path.ends_with("/count") => counted(800),
                _ => TRUE.to_owned(),
            },
        )
    });
    environment.stdout(&[
        "prepare",
        "--from",
        "from",
        "--for",
        &node.url,
        "--out",
        "out",
        "--alias",
        &format!("x$(touch gone)={name}"),
    ]);
    let ran = run_script(&environment, "out", &[]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let encoded = "a%27b%24%28touch%20gone%29%60touch%20gone%60%3Btouch%20gone%20%23%C3%B6-restored";
    assert!(
        node.asked().iter().any(|request| request.line() == format!("POST /collections/{encoded}/snapshots/upload"))
    );
    let left: Vec<String> = std::fs::read_dir(environment.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(!left.contains(&"gone".to_owned()), "{left:?}");
    // The commands of PLAN.md are read by the same shell.
    let plan = std::fs::read_to_string(environment.path("out/PLAN.md")).unwrap();
    let mut code = String::new();
    let mut is_code = false;
    for line in plan.lines() {
        match line.starts_with("```") {
            true => is_code = line.ends_with("sh"),
            false if is_code => code.push_str(&format!("{line}\n")),
            false => {}
        }
    }
    environment.write("plan.sh", &code);
    let read = environment.command_of(Path::new("sh")).args(["-n", "plan.sh"]).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
}
