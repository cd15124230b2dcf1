//! `repair packs`.

use serde_json::json;
use vectar::{
    Engine, Error, Observer as _, PackId,
    check::{CheckOptions, DamagedPack, check, damaged_packs},
    repair::{Quarantined, quarantine},
};

use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{Out, counted, plain_word},
};

pub(super) fn run(packs: &[PackId], dry_run: bool, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let repository = context.repository()?;
    // Packs that cannot be read are what this is for: no need to warn of them first.
    let engine = Engine::open(&repository, &context.engine_options())?;
    for pack in packs {
        if !vectar::debug::pack_is_there(&engine, pack)? {
            return Err(CliError::from(Error::PackNotFound { name: pack.to_string() })
                .cause("it may have been pruned, or set aside before")
                .safe("nothing was set aside")
                .hint("run \"vectar repair packs -n\" to see which packs are damaged"));
        }
    }
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
        return if dry_run { Ok(context.outcome()) } else { sum_up(&engine, context) };
    }
    for DamagedPack { pack, faults } in damaged {
        context.cancel().check()?;
        if !out.is_json() {
            faults.iter().try_for_each(|fault| out.line(format_args!("pack {pack}: {}", plain_word(fault))))?;
        }
        if dry_run {
            print_found(&pack, &faults, out)?;
            continue;
        }
        let quarantined = quarantine(engine.repository(), &pack).map_err(|error| {
            CliError::from(Error::from(error))
                .context(format_args!("cannot set pack {} aside", pack.short()))
                .safe("the pack is where it was, or there and in quarantine; doing it again ends that")
        })?;
        print(&quarantined, out)?;
    }
    match dry_run {
        true => Ok(ExitCode::Damage),
        false => sum_up(&engine, context),
    }
}

/// Whether what was lost hurts anybody. What the footer of a pack would have said is known best by those who need it.
fn sum_up(engine: &Engine, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let report = check(engine.repository(), &CheckOptions::default(), &|_| true).map_err(Error::from)?;
    let out = context.out();
    let hurt = counted(report.backups_hurt.len() as u64, "backup");
    out.note(format_args!("{} whole, {hurt} not", counted(report.backups_whole, "backup")));
    if report.backups_hurt.is_empty() {
        return Ok(context.outcome());
    }
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
    let good = counted(*salvaged_records, "chunk");
    match footer_known {
        true => out.line(format_args!("set pack {pack} aside: {good} good, {} lost", lost.len()))?,
        false => out.line(format_args!("set pack {pack} aside: {good} good; its list of what it held is gone"))?,
    }
    lost.iter().try_for_each(|lost| {
        let id = PackId::from_bytes(lost.id);
        out.line(format_args!("  lost: {id}, which was bytes {}..{}", lost.range.start, lost.range.end))
    })
}
