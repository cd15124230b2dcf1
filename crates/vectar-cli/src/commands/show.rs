//! `show`.

use clap::Args;
use vectar::{BackupRecord, Proven, select};

use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{
        Align, Out, Table,
        record::{BackupLine, shown},
        size, size_long, utc,
    },
    select_args::SelectArgs,
};

/// Show everything that is known of a backup
///
/// A backup is named by a unique prefix of its id, its snapshot's file name, latest, COLLECTION@latest, COLLECTION@TIME or set:ID.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The backup
    #[arg(value_name = "BACKUP", required = true)]
    backups: Vec<String>,
    #[command(flatten)]
    select: SelectArgs,
}

/// Runs the command.
pub(crate) fn run(args: &ShowArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let filter = args.select.filter()?;
    let repository = context.repository()?;
    let records = context.records(&repository)?;
    let proofs = repository.proofs()?;
    let mut first = true;
    for name in &args.backups {
        for record in select::many(name, &records.backups, &filter)? {
            let proven = proofs.get(&record.id);
            if context.out().is_json() {
                context
                    .out()
                    .json("backup", &BackupLine::new(record).pinned(&records.pins, record.id).proven(proven))?;
                continue;
            }
            if !std::mem::take(&mut first) {
                context.out().line("")?;
            }
            print(context.out(), record, records.pins.get(&record.id), proven)?;
        }
    }
    Ok(context.outcome())
}

fn print(out: &Out, record: &BackupRecord, pin: Option<&String>, proven: Option<&Proven>) -> Result<(), CliError> {
    let subject = &record.subject;
    let from = |value: &Option<String>, from: &Option<String>| {
        value.as_ref().map(|value| match from {
            Some(from) => format!("{value} (from {from})"),
            None => value.clone(),
        })
    };
    let taken = subject.taken_at.map(utc);
    let contains: Vec<String> =
        subject.contains.iter().map(|(collection, file)| format!("{collection} ({file})")).collect();
    let rows = [
        ("backup", Some(record.id.to_string())),
        ("name", Some(subject.name.clone())),
        ("kind", Some(format!("{}, {} tar level(s)", subject.kind, subject.levels))),
        ("damaged", record.damaged.clone()),
        ("collection", from(&subject.collection, &subject.collection_from)),
        ("contains", (!contains.is_empty()).then(|| contains.join(", "))),
        ("cluster", subject.cluster.clone()),
        ("node", subject.node.clone()),
        ("peer id", subject.peer_id.map(|peer| peer.to_string())),
        ("capture set", subject.set.clone()),
        ("source", subject.source.clone()),
        ("qdrant", subject.qdrant_at_least.as_ref().map(|version| format!("{version} or newer, by its files"))),
        ("taken", from(&taken, &subject.taken_at_from)),
        ("stored", Some(format!("{} by {}", utc(record.stored_at), record.tool))),
        ("proof", Some(shown(proven.map(|proven| proven.at), proven.and_then(|proven| proven.drill.as_ref())))),
        ("size", Some(size_long(record.bytes))),
        ("sha-256", Some(record.sha256.clone().unwrap_or_else(|| "not computed yet".to_owned()))),
        ("new packs", Some(size_long(record.space.new_pack_bytes))),
        ("chunks", Some(format!("{}, {} of them new", record.space.chunks, record.space.new_chunks))),
        ("tags", (!record.tags.is_empty()).then(|| record.tags.join(", "))),
        ("note", record.note.clone()),
        ("pinned", pin.map(|why| if why.is_empty() { "yes".to_owned() } else { why.clone() })),
    ];
    for (name, value) in rows {
        if let Some(value) = value {
            out.line(format_args!("{name:<12} {value}"))?;
        }
    }
    for shard in &subject.shards {
        let id = shard.id.map_or_else(|| "?".to_owned(), |id| id.to_string());
        let replicas: Vec<String> = shard.replicas.iter().map(|(peer, state)| format!("{peer} {state}")).collect();
        let replicas = if replicas.is_empty() { String::new() } else { format!(", replicas {}", replicas.join(", ")) };
        out.line(format_args!("{:<12} {id}: {} segment(s){replicas}", "shard", shard.segments.len()))?;
    }
    classes(record).print(out)
}

fn classes(record: &BackupRecord) -> Table {
    let mut table =
        Table::new([("CLASS", Align::Left), ("SIZE", Align::Right), ("NEW", Align::Right), ("STORED", Align::Right)]);
    for (class, space) in &record.space.classes {
        table.row([class.clone(), size(space.bytes), size(space.new_bytes), size(space.stored_bytes)]);
    }
    table
}
