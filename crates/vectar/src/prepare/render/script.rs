//! The plan as a POSIX shell script with `curl`, that stops at the first answer that is not as expected.

use serde_json::Value;

use super::{
    super::{
        facts::Expected,
        names::encoded,
        plan::{AliasSwitch, CollectionPlan, Expect, RestorePlan, Step, Where},
    },
    quote::sh,
};

/// What the script says of itself.
const HEAD: &str = r#"#!/bin/sh
# Restores what "vectar prepare" staged beside this file, call by call as PLAN.md says it. Needs curl.
#
#   sh restore.sh                          ask, restore, count; stops at the first answer that is not as expected
#   sh restore.sh check                    only ask; nothing is changed
#   sh restore.sh count                    count once more
#   sh restore.sh switch                   count, then point the aliases to what was restored
#   sh restore.sh back                     point the aliases back
#   sh restore.sh holder COLLECTION SHARD  print the node that holds a shard; of several shards the node that holds just these
#
# API key: in QDRANT_API_KEY, or in a file whose name is in QDRANT_API_KEY_FILE; never on a command line.
# WAIT_SECONDS is how long copies may take to become active, 3600 unless it is set; HOLDER_SECONDS how long nodes may take to hear of a new
# collection, 30 unless it is set.
"#;

/// Functions that know how to ask and how to compare; nothing of a snapshot is in them.
const HELPERS: &str = include_str!("helpers.sh");

const MAIN: &str = r#"
case ${1:-restore} in
    check) check ;;
    restore) check; restore; count_all; say 'restored and counted. Next: sh restore.sh switch, or point clients to the new names' ;;
    count) count_all ;;
    switch) count_all; switch; say 'switched. The way back: sh restore.sh back' ;;
    back) back ;;
    holder)
        collection_path "$2"
        shift 2
        if [ "$#" -eq 1 ]; then holder "$FOUND" "$1"; else holder_of_all "$FOUND" "$@"; fi
        say "$HOLDER"
        ;;
    *) say "what is $1? See the first lines of this file"; exit 2 ;;
esac
"#;

/// Writes the script.
#[must_use]
pub fn script(plan: &RestorePlan) -> String {
    let urls: Vec<&str> = plan.nodes.iter().map(|node| node.node.url.as_str()).collect();
    let mut text = format!("{HEAD}\n{HELPERS}\nNODES={}\n", sh(&urls.join(" ")));
    let writer = Writer { plan };
    text.push_str(&function("check", "say 'asking the servers'", writer.check()));
    text.push_str(&function("restore", ":", writer.restore()));
    text.push_str(&function("count_all", ":", writer.count()));
    let none = "say 'no alias is known: nothing to switch'";
    let first = |doing| if plan.switch.is_empty() { none } else { doing };
    let switch = plan.switch.iter().map(|one| writer.switch(one)).collect();
    text.push_str(&function("switch", first("say 'switching aliases'"), switch));
    let back = plan.switch.iter().map(|one| writer.back(one)).collect();
    text.push_str(&function("back", first("say 'switching aliases back'"), back));
    text.push_str(&paths(&plan.collections));
    text.push_str(MAIN);
    text
}

fn function(name: &str, first: &str, lines: Vec<String>) -> String {
    let mut text = format!("\n{name}() {{\n    {first}\n");
    for line in lines {
        text.push_str(&format!("    {line}\n"));
    }
    text + "}\n"
}

/// Whether a step only counts what is there in the end.
fn is_count(step: &Step) -> bool {
    matches!(step.expect, Expect::ShardPoints { .. } | Expect::Active | Expect::Count { .. })
}

/// From names to paths of requests, for `holder`.
fn paths(collections: &[CollectionPlan]) -> String {
    let mut text = "\n# collection_path NAME: sets FOUND.\ncollection_path() {\n    case ${1:-} in\n".to_owned();
    for collection in collections {
        let path = format!("/collections/{}", encoded(&collection.target));
        text.push_str(&format!("        {}) FOUND={} ;;\n", sh(&collection.target), sh(&path)));
    }
    text + "        *) say 'the plan has no such collection' >&2; exit 2 ;;\n    esac\n}\n"
}

struct Writer<'p> {
    plan: &'p RestorePlan,
}

impl Writer<'_> {
    fn url(&self, name: &str) -> &str {
        self.plan.nodes.iter().find(|node| node.node.name == name).map_or("", |node| node.node.url.as_str())
    }

    fn first_url(&self) -> &str {
        self.plan.nodes.first().map_or("", |node| node.node.url.as_str())
    }

    /// What is asked before anything is changed.
    fn check(&self) -> Vec<String> {
        let is_absent = |step: &&Step| matches!(step.expect, Expect::Absent { .. });
        let absent = self.plan.collections.iter().filter_map(|collection| collection.steps.iter().find(is_absent));
        self.plan.preflight.iter().chain(absent).map(|step| self.step(step)).collect()
    }

    /// Everything before the last counts. Shards that come one by one are counted as they come, too.
    fn restore(&self) -> Vec<String> {
        if !self.plan.start.is_empty() {
            let command = super::markdown::start_command(&self.plan.start);
            let say = "say \"start a server with empty storage like this, in $HERE, then run: sh restore.sh count\"";
            return vec![say.to_owned(), format!("say {}", sh(&format!("  {command}"))), "exit 0".to_owned()];
        }
        let mut lines = Vec::new();
        for collection in &self.plan.collections {
            lines.push(format!("say {}", sh(&format!("restoring {:?}", collection.target))));
            let last = collection.steps.iter().rposition(|step| !is_count(step)).unwrap_or(0);
            // The first step asks whether the name is free; asked again here it closes the gap since the check.
            for step in &collection.steps[..=last] {
                lines.push(format!("say {}", sh(&format!("- {}", step.title))));
                lines.push(self.step(step));
            }
        }
        lines
    }

    fn count(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for collection in &self.plan.collections {
            lines.push(format!("say {}", sh(&format!("counting {:?}", collection.target))));
            lines.extend(collection.steps.iter().filter(|step| is_count(step)).map(|step| self.step(step)));
        }
        lines
    }

    /// One step as one line.
    fn step(&self, step: &Step) -> String {
        let base = step.call.path.split('?').next().unwrap_or_default();
        let collection = base.strip_suffix("/cluster").or_else(|| base.strip_suffix("/points/count")).unwrap_or(base);
        let node = match &step.on {
            Where::Node { name } => sh(self.url(name)),
            Where::Holder { .. } | Where::HolderOfAll { .. } => "\"$HOLDER\"".to_owned(),
        };
        let path = sh(collection);
        match &step.expect {
            Expect::Version { line } => format!("version {node} {}", sh(line.as_deref().unwrap_or_default())),
            Expect::Cluster { peers } => format!("in_cluster {node} {peers}"),
            Expect::Absent { collection } => format!("absent {node} {}", sh(&json_text(collection))),
            Expect::Held { shards } => {
                let shards: Vec<String> = shards.iter().map(u32::to_string).collect();
                format!("holder_of_all {path} {}", shards.join(" "))
            }
            Expect::ShardKey { shard, key } => format!("shard_has_key {node} {path} {shard} {}", sh(&key.to_string())),
            Expect::ShardPoints { shard, expected } => {
                let (least, most) = bounds(expected);
                format!("shard_points {path} {shard} {} {}", sh(&least), sh(&most))
            }
            Expect::Active => format!("active {node} {path}"),
            Expect::Count { expected } => format!("count {node} {path} {}", sh(&bounds(expected).0)),
            Expect::Ok => self.call(step, &node, "\"status\":\"ok\""),
            Expect::True => self.call(step, &node, "\"result\":true"),
        }
    }

    fn call(&self, step: &Step, node: &str, expected: &str) -> String {
        let path = step.call.path.split("/snapshots/").next().unwrap_or_default();
        let collection = path.split("/shards/").next().unwrap_or_default();
        let find = match &step.on {
            Where::Node { .. } => String::new(),
            Where::Holder { shard } => format!("holder {} {shard}; ", sh(collection)),
            Where::HolderOfAll { shards } => {
                let shards: Vec<String> = shards.iter().map(u32::to_string).collect();
                format!("holder_of_all {} {}; ", sh(collection), shards.join(" "))
            }
        };
        let url = format!("{node}{}", sh(&step.call.path));
        match (&step.call.upload, &step.call.json) {
            (Some(file), _) => format!("{find}upload {url} {} {}", sh(file), sh(expected)),
            (None, json) => {
                let body = json.as_ref().map(Value::to_string).unwrap_or_default();
                format!("{find}send {} {url} {} {}", step.call.method, sh(&body), sh(expected))
            }
        }
    }

    fn switch(&self, switch: &AliasSwitch) -> String {
        self.point(&switch.alias, &switch.from, &switch.to)
    }

    fn back(&self, switch: &AliasSwitch) -> String {
        match switch.is_new() {
            true => format!("say {}", sh(&format!("  alias {:?} has nothing to go back to", switch.alias))),
            false => self.point(&switch.alias, &switch.to, &switch.from),
        }
    }

    fn point(&self, alias: &str, from: &str, to: &str) -> String {
        let actions = |replace| sh(&AliasSwitch::actions(alias, to, replace).to_string());
        let words = [alias, from, to].map(|name| sh(&json_text(name)));
        format!("point_alias {} {} {} {}", sh(self.first_url()), words.join(" "), actions(true), actions(false))
    }
}

/// The fewest and the most points, empty when they cannot be told.
fn bounds(expected: &Expected) -> (String, String) {
    let least = expected.certain();
    let most = expected.points_max.or(least);
    (
        least.map(|points| points.to_string()).unwrap_or_default(),
        most.map(|points| points.to_string()).unwrap_or_default(),
    )
}

fn json_text(text: &str) -> String {
    Value::from(text).to_string()
}
