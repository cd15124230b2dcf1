//! `points`: the points of a snapshot as the server would list them.

use std::io::{BufWriter, Write};

use clap::Args;
use vectar::{
    Error, Inside,
    points::{Point, PointQuery, count, scroll_as},
};

use super::point_arguments::{mention_wal_tails, read_filter, read_id, read_ids};
use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{Out, json, plain_word, stdout_failed},
    select_args::SelectArgs,
    snapshot_arg::{NamedSnapshot, mention_findings},
};

/// List the points of a snapshot as JSON Lines
///
/// One point a line, as the server's scroll shows it: {"id":…,"payload":{…},"vector":…}, in the server's order: numbers ascending, then
/// UUIDs. A point without a payload has {}. Nothing needs to be loaded: of a backup only what the answer needs is read. What the
/// write-ahead log holds beyond the segments is not applied, and a warning says so. A point that two shards hold, as during a transfer,
/// comes twice. Of a full snapshot --collection says which collection is meant, and --shard chooses a shard. Ends with 3 when the snapshot
/// is damaged, so that some may be missing.
#[derive(Debug, Args)]
pub(crate) struct PointsArgs {
    /// The backup or file to look into
    #[arg(value_name = "BACKUP|FILE")]
    snapshot: String,
    /// Only these points, separated by commas
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    ids: Vec<String>,
    /// Only those that fit this filter, in the JSON of Qdrant's API; @FILE reads it from a file
    ///
    /// must, should, must_not and min_should over match, range, geo, values_count, is_empty, is_null, has_id, has_vector and nested
    /// conditions, as {"must":[{"key":"city","match":{"value":"Berlin"}}]}. Each is evaluated as the server does it; what cannot be
    /// evaluated so is an error.
    #[arg(long, value_name = "JSON|@FILE")]
    filter: Option<String>,
    /// Begin with this id, itself included
    #[arg(long, value_name = "ID")]
    offset: Option<String>,
    /// Show at most so many; all without it
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Show vectors too, as they are stored: those of cosine distance normalised
    #[arg(long)]
    with_vectors: bool,
    /// Leave payloads out
    #[arg(long)]
    without_payload: bool,
    /// Say only how many there are
    #[arg(long, conflicts_with_all = ["with_vectors", "without_payload"])]
    count: bool,
    #[command(flatten)]
    select: SelectArgs,
}

/// Runs the command.
pub(crate) fn run(args: &PointsArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let filter = args.filter.as_deref().map(read_filter).transpose()?;
    let (ids, offset) = (read_ids(&args.ids)?, args.offset.as_deref().map(read_id).transpose()?);
    let snapshot = NamedSnapshot::announce(&args.snapshot, &args.select.filter()?, context)?;
    let content = snapshot.open()?;
    let inside = Inside::open(&content)?;
    let query = PointQuery {
        collection: collection_of(&inside, args)?,
        shard: args.select.shard,
        ids,
        offset,
        limit: args.limit,
        filter,
        with_vectors: args.with_vectors,
        without_payload: args.without_payload,
    };
    let out = context.out();
    // Before the points: who reads only their first screen should know.
    mention_findings(inside.catalogue(), context);
    mention_wal_tails(&snapshot.title(), &inside.wal_tails(query.collection.as_deref(), query.shard)?, out);
    if args.count {
        let points = count(&inside, &query, context.cancel())?;
        match out.is_json() {
            true => out.json("count", &serde_json::json!({ "points": points }))?,
            false => out.line(points)?,
        }
        return Ok(context.outcome());
    }
    list(&inside, &query, out, context)?;
    Ok(context.outcome())
}

/// The collection that is meant; a full snapshot has several, of which one must be named.
fn collection_of(inside: &Inside<'_, '_>, args: &PointsArgs) -> Result<Option<String>, CliError> {
    let collections = &inside.named_outline().collections;
    if args.select.collection.is_some() || collections.len() < 2 {
        return Ok(args.select.collection.clone());
    }
    let names = collections.iter().filter_map(|collection| collection.name.as_deref());
    let names: Vec<String> = names.map(|name| format!("--collection {}", plain_word(name))).collect();
    Err(CliError::new(ExitCode::Usage, format!("{} holds {} collections", inside.content().name(), collections.len()))
        .cause("points are listed of one collection at a time")
        .safe("no point was listed; nothing was changed")
        .hint(format!("add one of: {}", names.join(", "))))
}

fn list(inside: &Inside<'_, '_>, query: &PointQuery, out: &Out, context: &Context<'_>) -> Result<(), CliError> {
    let mut stdout = BufWriter::new(out.bytes().lock());
    let is_json = out.is_json();
    let line = |point: Point| match is_json {
        true => json::line("point", &point),
        false => serde_json::to_string(&point).expect("a point has only text keys and finite depth"),
    };
    let write = |line: String| {
        writeln!(stdout, "{line}").map_err(|source| Error::Target { action: "write to", path: "-".into(), source })
    };
    let listed = scroll_as(inside, query, context.cancel(), line, write);
    // What was listed before a segment failed is right, and said.
    let flushed = stdout.flush().map_err(stdout_failed);
    match listed {
        Err(Error::Target { source, .. }) => Err(stdout_failed(source)),
        result => result.map(drop).map_err(CliError::from).and(flushed),
    }
}
