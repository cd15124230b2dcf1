//! `debug pack`.

use clap::Args;
use serde_json::json;
use vectar::{
    Class, PackId,
    debug::{self, PackDump, codec_name, pack_kind_name, record_kind_name},
};

use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{Out, hex, size_long},
};

/// Open a pack: its header, and what its footer lists
#[derive(Debug, Args)]
pub(crate) struct PackArgs {
    /// The id of the pack, or a unique prefix of it
    #[arg(value_name = "PACK")]
    pack: String,
}

pub(super) fn run(args: &PackArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let engine = context.engine()?;
    let (id, dump) = debug::pack(&engine, &args.pack)?;
    match context.out().is_json() {
        true => print_json(&id, &dump, context.out())?,
        false => print(&id, &dump, context.out())?,
    }
    Ok(ExitCode::Done)
}

fn label_name(label: u8) -> String {
    Class::from_code(label).map_or_else(|| format!("label {label}"), |class| class.as_str().to_owned())
}

fn print_json(id: &PackId, dump: &PackDump, out: &Out) -> Result<(), CliError> {
    let PackDump { header, object_bytes, footer } = dump;
    out.json(
        "pack",
        &json!({
            "id": id.to_string(), "kind": pack_kind_name(header.kind), "repository": header.repository.to_string(),
            "nonce": header.nonce.to_string(), "counter": header.counter, "bytes": object_bytes,
            "records": footer.entries.len(), "bodies": footer.bodies.len(),
        }),
    )?;
    for entry in &footer.entries {
        let head = &entry.head;
        out.json(
            "pack-record",
            &json!({
                "offset": entry.offset, "kind": record_kind_name(head.kind), "id": hex(&head.id), "codec": codec_name(head.codec),
                "class": label_name(head.label), "stored_bytes": head.stored_len, "bytes": head.raw_len,
            }),
        )?;
    }
    for body in &footer.bodies {
        let fields = json!({ "digest": body.digest.to_string(), "node": body.node.to_string(), "bytes": body.len });
        out.json("pack-body", &fields)?;
    }
    Ok(())
}

fn print(id: &PackId, dump: &PackDump, out: &Out) -> Result<(), CliError> {
    let PackDump { header, object_bytes, footer } = dump;
    out.line(format_args!("pack {id}"))?;
    out.line(format_args!("{} of repository {}", pack_kind_name(header.kind), header.repository))?;
    out.line(format_args!("number {} of the ingest with nonce {}", header.counter, header.nonce))?;
    out.line(format_args!(
        "{}, {} records, {} bodies",
        size_long(*object_bytes),
        footer.entries.len(),
        footer.bodies.len()
    ))?;
    for entry in &footer.entries {
        let head = &entry.head;
        out.line(format_args!(
            "{:>10}  {:<13}  {:<5}  {:<9}  {:>9} -> {:>9}  {}",
            entry.offset,
            record_kind_name(head.kind),
            codec_name(head.codec),
            label_name(head.label),
            head.stored_len,
            head.raw_len,
            hex(&head.id),
        ))?;
    }
    footer.bodies.iter().try_for_each(|body| {
        out.line(format_args!("body {}  {:>12} bytes by node {}", body.digest, body.len, body.node))
    })
}
