//! `prepare`: everything for a restore, before anybody touches a server.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;
use vectar::{
    BackupRecord, Content, Engine, QdrantVersion, SystemEnvironment,
    prepare::{
        ConcernLevel, Location, Method, Naming, PLAN_MARKDOWN, PlanSource, PrepareOptions, RestorePlan, SCRIPT,
        StageDirectory, Topology, markdown, pick,
    },
    source::discover,
    words::{grouped, one_line},
};

use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{counted, plain_word, size_long},
    select_args::SelectArgs,
    snapshot_arg::open_file,
};

/// Prepare a restore offline: pick, prove, stage, and say exactly what to call
///
/// Finds the snapshots that belong together (COLLECTION@TIME means those of each node), proves them whole, compares versions, shards, keys,
/// copies and aliases with the target, and writes into a new directory: the files that the servers get, each with its .checksum, laid out as
/// in a server's snapshots directory; PLAN.md with every call, what it must answer, what to count and the way back; plan.json; and restore.sh,
/// which makes the calls and stops at the first answer that is not as expected. Restored collections get new names. No server is asked.
///
/// Ends with 1 and stages nothing when something is in the way, such as a node whose snapshot is missing; with 3 when gaps were allowed and
/// there are some; with 4 when a snapshot is damaged.
#[derive(Debug, Args)]
pub(crate) struct PrepareArgs {
    /// What to restore: backups by id or name, a collection at a time, a capture set
    #[arg(value_name = "COLLECTION@TIME|BACKUP|set:ID")]
    names: Vec<String>,
    /// Restore from these snapshot files, or all in these directories, instead of a repository
    #[arg(long, value_name = "DIR|FILE", num_args = 1.., conflicts_with = "names")]
    from: Vec<PathBuf>,
    /// Where it goes: "single", addresses of all nodes with commas between them, or a file that lists them
    ///
    /// single is one node at http://localhost:6333. Addresses look like http://n1:6333,http://n2:6333 and may have names: a=http://n1:6333. A
    /// file is JSON or TOML: {"nodes":[{"name":"a","url":"http://n1:6333","free_bytes":50000000000}]}.
    #[arg(long = "for", value_name = "TOPOLOGY")]
    target: String,
    /// Stage everything in this directory; it must be empty or not be there
    #[arg(short, long, value_name = "DIR", required_unless_present = "dry_run")]
    out: Option<PathBuf>,
    /// Write nothing: read everything, and print the plan
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Version of Qdrant that the target runs
    #[arg(long, value_name = "VERSION")]
    to: Option<QdrantVersion>,
    /// Put this behind the names of restored collections
    #[arg(long, value_name = "TEXT", default_value = "-restored", group = "naming")]
    suffix: String,
    /// Call the only restored collection this
    #[arg(long = "as", value_name = "NAME", group = "naming")]
    rename: Option<String>,
    /// Keep the names of collections: for servers that have none of them yet
    #[arg(long, group = "naming")]
    keep_names: bool,
    /// How collections get to the servers; what fits when it is not said
    #[arg(long, value_enum)]
    by: Option<By>,
    /// From where the servers get the files: upload, http://HOST/PATH or file:///qdrant/snapshots
    ///
    /// With an address the staged directory "snapshots" must be served there; with file: it must be copied into the snapshots directory of
    /// every node, which has this path there.
    #[arg(long, value_name = "LOCATION", default_value = "upload")]
    location: String,
    /// An alias to go over to a restored collection; full snapshots know theirs
    #[arg(long, value_name = "ALIAS=COLLECTION")]
    alias: Vec<String>,
    /// Prepare what is there although shards are missing
    #[arg(long)]
    allow_gaps: bool,
    /// Look at every value in Qdrant's files too, as "vectar verify --deep"
    #[arg(long)]
    deep: bool,
    #[command(flatten)]
    select: SelectArgs,
}

/// How collections get to the servers.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum By {
    /// One collection snapshot to one node, which creates the collection
    Whole,
    /// Each node's snapshot to the node that holds the same shards
    Node,
    /// Each shard to the node that holds it
    Shard,
    /// Into a server with empty storage when it starts
    Start,
}

impl From<By> for Method {
    fn from(by: By) -> Self {
        match by {
            By::Whole => Self::Whole,
            By::Node => Self::Nodes,
            By::Shard => Self::Shards,
            By::Start => Self::Start,
        }
    }
}

/// The line of `--json`.
#[derive(Serialize)]
struct PreparedLine<'l> {
    path: Option<String>,
    plan: &'l RestorePlan,
}

/// How to say where it goes.
const TARGET_HINT: &str =
    "write \"single\", or addresses such as http://n1:6333,http://n2:6333, or the path of a file that lists the nodes";

/// What was picked, opened.
struct Picked {
    contents: Vec<(Content<'static>, String)>,
    records: Vec<BackupRecord>,
    engine: Option<Engine>,
    collections: Vec<String>,
    /// Whether directories were searched for files.
    is_directory: bool,
}

/// Runs the command.
pub(crate) fn run(args: &PrepareArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let topology = topology(&args.target)?;
    let location = Location::parse(&args.location)
        .map_err(|error| CliError::from(error).hint("leave --location out: then files are uploaded"))?;
    let aliases = args.alias.iter().map(|text| alias(text)).collect::<Result<_, _>>()?;
    let directory = match (&args.out, args.dry_run) {
        (Some(path), false) => Some(StageDirectory::begin(path)?),
        _ => None,
    };
    let picked = if args.from.is_empty() { from_repository(args, context)? } else { from_files(args)? };
    let mut contents: Vec<(Content<'_>, String)> = Vec::new();
    contents.extend(picked.contents);
    if let Some(engine) = &picked.engine {
        for record in &picked.records {
            let title = format!("backup {} ({})", record.id.short(), record.subject.name);
            contents.push((Content::backup(engine, record), title));
        }
    }
    let mut sources = Vec::new();
    for (content, title) in &contents {
        context.out().note(format_args!("looking into {}", plain_word(title)));
        match PlanSource::open(content, title.clone()) {
            Ok(source) => sources.push(source),
            // Named or not, other files lie in such a directory; who names a file means that one.
            Err(error) if picked.is_directory && is_other(&error) => {
                context.out().warn(format_args!("passing over {}: {}", plain_word(title), one_line(&error)));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let options = PrepareOptions {
        topology,
        to: args.to,
        naming: naming(args),
        by: args.by.map(Method::from),
        location,
        collections: picked.collections,
        aliases,
        allow_gaps: args.allow_gaps,
        deep: args.deep,
        made_at: vectar::Environment::now(&SystemEnvironment),
    };
    let observer = context.observer("preparing");
    let plan =
        vectar::prepare::prepare(&sources, &options, picked.engine.as_ref(), directory, &observer, context.cancel())
            .map_err(prepare_failed)?;
    drop(observer);
    print(args, &plan, context)?;
    match plan.collections.iter().any(|collection| !collection.missing_shards.is_empty()) {
        true => Ok(ExitCode::Incomplete),
        false => Ok(context.outcome()),
    }
}

/// Of all options only the new names meet what is in the snapshots.
fn prepare_failed(error: vectar::Error) -> CliError {
    let is_name = matches!(error, vectar::Error::OptionInvalid { .. });
    let error = CliError::from(error);
    if is_name { error.hint("choose another name with --as or --suffix") } else { error }
}

/// Whether a file is no snapshot that restores alone, or nobody knows what it is of.
fn is_other(error: &vectar::Error) -> bool {
    use vectar::Error;
    matches!(
        error,
        Error::NoSnapshot { .. }
            | Error::PartialSnapshot { .. }
            | Error::CollectionUnnamed { .. }
            | Error::ShardUnnamed { .. }
    )
}

fn naming(args: &PrepareArgs) -> Naming {
    match (&args.rename, args.keep_names) {
        (Some(name), _) => Naming::As(name.clone()),
        (None, true) => Naming::Keep,
        (None, false) => Naming::Suffix(args.suffix.clone()),
    }
}

/// `--for`: a short form, or a file.
fn topology(text: &str) -> Result<Topology, CliError> {
    if text == "single" || text.contains("://") {
        return Topology::parse_short(text).map_err(|error| CliError::from(error).hint(TARGET_HINT));
    }
    let failed = |cause: String| {
        CliError::new(ExitCode::Usage, format_args!("cannot read the target from {text:?}"))
            .cause(cause)
            .safe("nothing was read or written")
            .hint(TARGET_HINT)
    };
    let file = std::fs::read_to_string(text).map_err(|error| failed(error.to_string()))?;
    let topology: Topology = match Path::new(text).extension().is_some_and(|extension| extension == "toml") {
        true => toml::from_str(&file).map_err(|error| failed(error.message().to_owned()))?,
        false => serde_json::from_str(&file).map_err(|error| failed(error.to_string()))?,
    };
    topology.checked().map_err(|error| CliError::from(error).hint(TARGET_HINT))
}

fn alias(text: &str) -> Result<(String, String), CliError> {
    match text.split_once('=') {
        Some((alias, collection)) if !alias.is_empty() && !collection.is_empty() => {
            Ok((alias.to_owned(), collection.to_owned()))
        }
        _ => Err(CliError::new(ExitCode::Usage, format_args!("{text:?} is no alias with its collection"))
            .safe("nothing was read or written")
            .hint("write --alias ALIAS=COLLECTION, the collection by its old name")),
    }
}

fn from_repository(args: &PrepareArgs, context: &Context<'_>) -> Result<Picked, CliError> {
    if args.names.is_empty() {
        return Err(CliError::new(ExitCode::Usage, "nothing was named to be restored")
            .safe("nothing was read or written")
            .hint("name a collection and a time, such as events@latest, or backups by their ids: \"vectar list\" shows them")
            .hint("for snapshot files write --from DIR"));
    }
    let repository = context.repository()?;
    let list = context.records(&repository)?;
    let filter = args.select.filter()?;
    let (mut records, mut collections): (Vec<BackupRecord>, Vec<Option<String>>) = Default::default();
    for name in &args.names {
        let (found, collection) = pick(name, &list.backups, &filter)?;
        for record in found {
            if !records.iter().any(|other| other.id == record.id) {
                records.push(record.clone());
            }
        }
        collections.push(collection);
    }
    // A name without a collection means all that the snapshot holds.
    let named: Option<Vec<String>> = collections.into_iter().collect();
    let collections = args.select.collection.clone().map_or_else(|| named.unwrap_or_default(), |one| vec![one]);
    let engine = Some(context.engine_of(&repository)?);
    Ok(Picked { contents: Vec::new(), records, engine, collections, is_directory: false })
}

fn from_files(args: &PrepareArgs) -> Result<Picked, CliError> {
    let mut paths = Vec::new();
    for path in &args.from {
        match path.is_dir() {
            true => paths.extend(discover(path)?.snapshots.into_iter().map(|found| found.path)),
            false => paths.push(path.clone()),
        }
    }
    if paths.is_empty() {
        return Err(CliError::new(ExitCode::Failed, "there is no snapshot to restore")
            .cause(format_args!("no *.snapshot lies in {}", args.from[0].display()))
            .safe("nothing was written")
            .hint("name the snapshot files, or the directory that holds them"));
    }
    let mut contents = Vec::new();
    for path in paths {
        let title = format!("file {}", path.display());
        contents.push((open_file(&path)?, title));
    }
    let collections = args.select.collection.iter().cloned().collect();
    let is_directory = args.from.iter().any(|path| path.is_dir());
    Ok(Picked { contents, records: Vec::new(), engine: None, collections, is_directory })
}

fn print(args: &PrepareArgs, plan: &RestorePlan, context: &Context<'_>) -> Result<(), CliError> {
    let out = context.out();
    let path = args.out.as_ref().filter(|_| !args.dry_run);
    if out.is_json() {
        let path = path.map(|path| path.display().to_string());
        return out.json("prepared", &PreparedLine { path, plan });
    }
    let Some(path) = path else { return out.line(markdown(plan).trim_end()) };
    let bytes: u64 = plan.files.iter().map(|file| file.bytes).sum();
    let files = counted(plan.files.len() as u64, "file");
    out.line(format_args!("prepared {}: {files}, {}", path.display(), size_long(bytes)))?;
    for collection in &plan.collections {
        let points = match collection.expected.certain() {
            Some(points) => counted(points, "point"),
            None => "points that cannot be told offline".to_owned(),
        };
        let shards = counted(collection.shards.len() as u64, "shard");
        let (name, target) = (plain_word(&collection.name), plain_word(&collection.target));
        out.line(format_args!("  {name} as {target}: {points} in {shards}, {}", way(collection.method)))?;
        if !collection.missing_shards.is_empty() {
            let missing: Vec<String> = collection.missing_shards.iter().map(u32::to_string).collect();
            out.warn(format_args!("{name}: these shards are missing and stay empty: {}", missing.join(", ")));
        }
    }
    let warnings = plan.concerns.iter().filter(|concern| concern.level == ConcernLevel::Warning).count();
    out.line(format_args!("  {} in {PLAN_MARKDOWN}: read it first", counted(warnings as u64, "warning")))?;
    out.note("no server was asked, and none has loaded it. Next:");
    out.note(format_args!("  sh {}/{SCRIPT} check", path.display()));
    if let Some(most) = plan.nodes.iter().map(|node| node.needs_bytes).max() {
        out.note(format_args!("  each node should have {} bytes free", grouped(most)));
    }
    Ok(())
}

fn way(method: Method) -> &'static str {
    match method {
        Method::Whole => "as one snapshot",
        Method::Nodes => "node by node",
        Method::Shards => "shard by shard",
        Method::Start => "when the server starts",
    }
}
