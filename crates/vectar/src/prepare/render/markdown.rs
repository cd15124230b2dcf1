//! The plan for people, who read it from top to bottom.

use std::fmt::Write as _;

use serde_json::Value;

use super::{
    super::plan::{AliasSwitch, CollectionPlan, Method, ProofLevel, RestorePlan, StartArgument, Step, Where},
    answer::{in_words, points},
    quote::{block, md, sh},
};
use crate::{
    prepare::concern::{Concern, ConcernLevel},
    words::grouped,
};

// A String takes everything that is written to it.
macro_rules! put {
    ($text:expr, $($arguments:tt)*) => {
        writeln!($text, $($arguments)*).expect("a String takes everything")
    };
}

/// How the API key gets to `curl` without being on a command line.
const KEY_FILE: &str = r#"umask 077
: > key.curl
# with a key:
# export QDRANT_API_KEY=...
# printf 'header = "api-key: %s"\n' "$QDRANT_API_KEY" > key.curl
"#;

/// Writes the plan.
#[must_use]
pub fn markdown(plan: &RestorePlan) -> String {
    let mut text = String::new();
    head(&mut text, plan);
    warnings(&mut text, plan);
    set_up(&mut text, plan);
    let mut number = 1;
    if !plan.start.is_empty() {
        section(&mut text, &mut number, "Start the server", |text| {
            put!(text, "Once, with empty storage, in the directory of this file:\n");
            text.push_str(&block("sh", &start_command(&plan.start)));
        });
    }
    section(&mut text, &mut number, "Ask the servers", |text| steps(text, plan, &plan.preflight));
    for collection in &plan.collections {
        section(&mut text, &mut number, &restore_title(collection), |text| of_collection(text, plan, collection));
    }
    section(&mut text, &mut number, "Let clients use it", |text| switching(text, plan));
    section(&mut text, &mut number, "The way back", |text| way_back(text, plan));
    files(&mut text, plan);
    text
}

fn section(text: &mut String, number: &mut usize, title: &str, body: impl FnOnce(&mut String)) {
    put!(text, "\n## {number}. {title}\n");
    *number += 1;
    body(text);
}

fn restore_title(collection: &CollectionPlan) -> String {
    format!("Restore {} as {}", md(&collection.name), md(&collection.target))
}

fn head(text: &mut String, plan: &RestorePlan) {
    put!(text, "# Restore plan\n");
    let names: Vec<String> =
        plan.collections.iter().map(|one| format!("{} as {}", md(&one.name), md(&one.target))).collect();
    put!(text, "Restores {}.", names.join(", "));
    put!(
        text,
        "Made by {} at {:.0}. The same for programs is in `plan.json`, the same as a script is `restore.sh`:\n",
        md(&plan.made_by),
        plan.made_at
    );
    text.push_str(&block("sh", "sh restore.sh check    # asks the servers, changes nothing\nsh restore.sh          # everything up to the last count; stops at the first answer that is not as expected"));
    put!(
        text,
        "\nWhat is proven: {} That a Qdrant loads it only a Qdrant can prove.\n",
        match plan.proof {
            ProofLevel::Bytes =>
                "every byte that is staged was read, digests are as recorded, and the tar structure of all levels is whole.",
            ProofLevel::Deep =>
                "every byte that is staged was read, digests are as recorded, the tar structure is whole, and every value in Qdrant's files was looked at.",
        }
    );
    put!(text, "| Made from | Kind | Taken | Node | Bytes |\n|---|---|---|---|---|");
    for source in &plan.sources {
        let taken = source.taken_at.map(|at| format!("{at:.0}")).unwrap_or_else(|| "unknown".to_owned());
        let node = source.node.as_deref().map(md).unwrap_or_else(|| "unknown".to_owned());
        put!(text, "| {} | {} | {taken} | {node} | {} |", md(&source.title), source.kind, grouped(source.bytes));
    }
    put!(text, "\n| Node | Address | Should have free |\n|---|---|---|");
    for node in &plan.nodes {
        put!(text, "| {} | {} | {} bytes |", md(&node.node.name), node.node.url, grouped(node.needs_bytes));
    }
    match &plan.to {
        Some(to) => put!(text, "\nThe target runs Qdrant {to}."),
        None => put!(text, "\nWhich version the target runs was not said."),
    }
}

fn warnings(text: &mut String, plan: &RestorePlan) {
    let of = |level: ConcernLevel| plan.concerns.iter().filter(move |concern| concern.level == level);
    let line = |text: &mut String, concern: &Concern| {
        put!(text, "- **{}.** {}.", md(&sentence(&concern.text)), md(&sentence(&concern.reason)))
    };
    if of(ConcernLevel::Gap).next().is_some() {
        put!(text, "\n## Not everything is here\n");
        of(ConcernLevel::Gap).for_each(|concern| line(text, concern));
    }
    put!(text, "\n## Read this first\n");
    of(ConcernLevel::Warning).for_each(|concern| line(text, concern));
    if plan.start.is_empty() {
        put!(
            text,
            "- **Nothing is loaded over a collection that exists.** The first call of each part asks whether the new name is free; \
             loading into a live collection would replace what is in it."
        );
    }
    if of(ConcernLevel::Note).next().is_some() {
        put!(text, "\nGood to know:\n");
        of(ConcernLevel::Note).for_each(|concern| line(text, concern));
    }
}

/// With a capital letter and without a full stop.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first: String = characters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}", characters.as_str()).trim_end_matches('.').to_owned()
}

fn set_up(text: &mut String, plan: &RestorePlan) {
    put!(text, "\n## By hand: set this up once\n");
    put!(
        text,
        "In the directory of this file. The API key goes into a file that `curl` reads, so that no list of processes shows it; \
         without a key the file stays empty. `restore.sh` takes it from the environment.\n"
    );
    let mut code = KEY_FILE.to_owned();
    for (index, node) in plan.nodes.iter().enumerate() {
        put!(code, "NODE{}={}   # {}", index + 1, node.node.url, node.node.name);
    }
    text.push_str(&block("sh", &code));
    put!(
        text,
        "\nEvery call must answer with status 200. Stop at the first one that does not, and at the first number that is another: \
         so far nothing that existed was touched."
    );
}

fn steps(text: &mut String, plan: &RestorePlan, steps: &[Step]) {
    for step in steps {
        put!(text, "{}:\n", md(&sentence(&step.title)));
        text.push_str(&block("sh", &command(plan, step)));
        put!(text, "\nMust answer: {}.\n", in_words(&step.expect));
    }
}

fn of_collection(text: &mut String, plan: &RestorePlan, collection: &CollectionPlan) {
    let shards = match collection.shards.len() {
        1 => "1 shard".to_owned(),
        shards => format!("{shards} shards"),
    };
    put!(text, "{} in {shards}.", sentence(&points(&collection.expected)));
    if !collection.missing_shards.is_empty() {
        let missing: Vec<String> = collection.missing_shards.iter().map(u32::to_string).collect();
        put!(text, "**These shards are missing and stay empty: {}.**", missing.join(", "));
    }
    put!(text, "\n| Shard | New number | Key | Points | File |\n|---|---|---|---|---|");
    for shard in &collection.shards {
        let key = shard.key.as_ref().map(|key| md(&key.to_string())).unwrap_or_default();
        put!(
            text,
            "| {} | {} | {key} | {} | {} |",
            shard.id,
            shard.target_id,
            points(&shard.expected),
            md(&shard.file)
        );
    }
    put!(text, "");
    steps(text, plan, &collection.steps);
    if collection.method == Method::Whole
        && let [file] = &files_of(collection)[..]
    {
        put!(text, "Instead of the calls a server with empty storage can load it when it starts:\n");
        let code = format!("./qdrant --snapshot \"$PWD\"/{}", sh(&format!("{file}:{}", collection.target)));
        text.push_str(&block("sh", &code));
    }
}

fn files_of(collection: &CollectionPlan) -> Vec<&str> {
    let mut files: Vec<&str> = collection.shards.iter().map(|shard| shard.file.as_str()).collect();
    files.dedup();
    files
}

/// How a server is started, in the directory of the plan.
pub(super) fn start_command(arguments: &[StartArgument]) -> String {
    let mut command = "./qdrant".to_owned();
    for argument in arguments {
        let file = match &argument.collection {
            Some(target) => format!("{}:{target}", argument.file),
            None => argument.file.clone(),
        };
        write!(command, " {} \"$PWD\"/{}", argument.option, sh(&file)).expect("a String takes everything");
    }
    command
}

/// One call as a command.
fn command(plan: &RestorePlan, step: &Step) -> String {
    let variable = |name: &str| {
        let place = plan.nodes.iter().position(|node| node.node.name == name).unwrap_or(0);
        format!("$NODE{}", place + 1)
    };
    let (before, node) = match &step.on {
        Where::Node { name } => (String::new(), variable(name)),
        Where::Holder { shard } => (find(plan, step, &[*shard]), "$HOLDER".to_owned()),
        Where::HolderOfAll { shards } => (find(plan, step, shards), "$HOLDER".to_owned()),
    };
    // The path has no character that is special between double quotes.
    let mut command = format!("{before}curl -sS -K key.curl -X {} \"{node}{}\"", step.call.method, step.call.path);
    if let Some(file) = &step.call.upload {
        write!(command, " \\\n  -F {}", sh(&format!("snapshot=@\"{file}\""))).expect("a String takes everything");
    }
    if let Some(json) = &step.call.json {
        write!(command, " \\\n  -H 'content-type: application/json' -d {}", sh(&json.to_string()))
            .expect("a String takes everything");
    }
    command
}

/// Which node holds the shards: only the servers know.
fn find(plan: &RestorePlan, step: &Step, shards: &[u32]) -> String {
    let of_step = |one: &&CollectionPlan| one.steps.iter().any(|other| std::ptr::eq(other, step));
    let target = plan.collections.iter().find(of_step).map(|one| one.target.as_str()).unwrap_or_default();
    let shards: Vec<String> = shards.iter().map(u32::to_string).collect();
    format!("HOLDER=$(sh restore.sh holder {} {})\n", sh(target), shards.join(" "))
}

fn switching(text: &mut String, plan: &RestorePlan) {
    put!(text, "Look at what was restored first: search it, read some points. Then:\n");
    if plan.switch.is_empty() {
        put!(
            text,
            "No alias is known, so nothing is switched here. Point the clients to the new names, or create an alias for them. An alias cannot \
                    have the name of a collection that exists."
        );
        return;
    }
    text.push_str(&block("sh", "sh restore.sh switch   # counts once more, then does what follows"));
    put!(text, "");
    for switch in &plan.switch {
        put!(text, "Alias {} goes from {} to {}:\n", md(&switch.alias), md(&switch.from), md(&switch.to));
        text.push_str(&block("sh", &alias_call(&AliasSwitch::actions(&switch.alias, &switch.to, !switch.is_new()))));
        put!(
            text,
            "\nMust answer: 200 and `\"result\":true`. Both actions happen at once: no request finds the alias missing.\n"
        );
    }
}

fn alias_call(body: &Value) -> String {
    format!(
        "curl -sS -K key.curl -X POST \"$NODE1/collections/aliases\" \\\n  -H 'content-type: application/json' -d {}",
        sh(&body.to_string())
    )
}

fn way_back(text: &mut String, plan: &RestorePlan) {
    put!(text, "The old collections are as they were. Before the switch there is nothing to undo. After it:\n");
    let known: Vec<&AliasSwitch> = plan.switch.iter().filter(|switch| !switch.is_new()).collect();
    if known.is_empty() {
        put!(text, "Point the clients back to what they used before.\n");
    } else {
        text.push_str(&block("sh", "sh restore.sh back     # or by hand:"));
        put!(text, "");
        for switch in known {
            text.push_str(&block("sh", &alias_call(&AliasSwitch::actions(&switch.alias, &switch.from, true))));
            put!(text, "");
        }
    }
    put!(text, "Then, and only when nobody uses them, what was restored can go. Read each name twice:\n");
    let gone = plan.collections.iter().map(|collection| {
        let path = crate::prepare::names::encoded(&collection.target);
        format!("curl -sS -K key.curl -X DELETE \"$NODE1/collections/{path}\"")
    });
    text.push_str(&block("sh", &gone.collect::<Vec<_>>().join("\n")));
}

fn files(text: &mut String, plan: &RestorePlan) {
    put!(text, "\n## Files\n\nBeside each lies a `.checksum`, as Qdrant writes it: 64 hex digits and nothing else.\n");
    put!(text, "| File | Bytes | SHA-256 | From |\n|---|---|---|---|");
    for file in &plan.files {
        let whole = if file.whole { ", byte for byte" } else { "" };
        put!(text, "| {} | {} | {} | {}{whole} |", md(&file.path), grouped(file.bytes), file.sha256, md(&file.from));
    }
}
