//! `repair packs`.

use serde_json::json;
use vectar::{
    Engine, Error, Observer as _, PackId,
    check::{DamagedPack, damaged_packs},
    repair::{Quarantined, quarantine},
};

use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{Out, plain_word},
};

pub(super) fn run(packs: &[PackId], dry_run: bool, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let repository = context.repository()?;
    // Packs that cannot be read are what this is for: no need to warn of them first.
    let engine = Engine::open(&repository, &context.engine_options())?;
    let (observer, cancel) = (context.observer("reading packs"), context.cancel());
    let damaged = damaged_packs(engine.repository(), packs, &|progress| {
        observer.progress(progress.done_bytes, Some(progress.total_bytes));
        !cancel.is_cancelled()
    })
    .map_err(Error::from)?;
    drop(observer);
    context.cancel().check()?;
    let out = context.out();
    if damaged.is_empty() {
        out.note("no pack is damaged");
    }
    let mut lost = 0;
    for DamagedPack { pack, faults } in damaged {
        context.cancel().check()?;
        for fault in &faults {
            out.note(format_args!("pack {pack}: {}", plain_word(fault)));
        }
        if dry_run {
            print_found(&pack, &faults, out)?;
            continue;
        }
        let quarantined = quarantine(engine.repository(), &pack).map_err(|error| {
            CliError::from(Error::from(error)).context(format_args!("cannot set pack {} aside", pack.short()))
        })?;
        lost += quarantined.lost.len() + usize::from(!quarantined.footer_known);
        print(&quarantined, out)?;
    }
    if lost == 0 {
        return Ok(context.outcome());
    }
    out.warn("something is lost; the backups that need it are not whole");
    out.note("run \"vectar repair backups\" to see what of each is lost");
    out.note("ingest the same snapshots again, where they still exist: that stores what is missing");
    Ok(ExitCode::Incomplete)
}

fn print_found(pack: &PackId, faults: &[String], out: &Out) -> Result<(), CliError> {
    match out.is_json() {
        true => out.json("damaged-pack", &json!({ "pack": pack.to_string(), "faults": faults })),
        false => out.line(format_args!("pack {pack} would be set aside")),
    }
}

fn print(quarantined: &Quarantined, out: &Out) -> Result<(), CliError> {
    let Quarantined { pack, salvaged_records, lost, footer_known } = quarantined;
    if out.is_json() {
        let lost: Vec<_> = lost
            .iter()
            .map(|lost| json!({ "id": PackId::from_bytes(lost.id).to_string(), "start": lost.range.start, "end": lost.range.end }))
            .collect();
        return out.json(
            "quarantined",
            &json!({ "pack": pack.to_string(), "salvaged": salvaged_records, "lost": lost, "footer_known": footer_known }),
        );
    }
    let unknown = if *footer_known { "" } else { ", and nobody knows what else it held" };
    out.line(format_args!(
        "set pack {pack} aside: {salvaged_records} chunks and recipe nodes are good, {} are lost{unknown}",
        lost.len()
    ))?;
    lost.iter().try_for_each(|lost| {
        let id = PackId::from_bytes(lost.id);
        out.line(format_args!("  lost: {id}, which was bytes {}..{}", lost.range.start, lost.range.end))
    })
}
