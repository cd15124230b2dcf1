//! What `check` found, for people.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
};

use vectar::{
    BackupId, BackupRecord, Error, Repository,
    check::{CheckOptions, CheckReport, Depth, Finding, Level},
    words::grouped,
};

use super::check::level_name;
use crate::{
    error::CliError,
    output::{Align, Out, Table, counted, plain_word, record::subject, size_long, utc},
};

/// So many backups are named behind a finding; all of them stand in the list at the end.
const NAMED_MAX: usize = 4;

pub(super) fn print(
    report: &CheckReport,
    options: &CheckOptions,
    repository: &Repository,
    out: &Out,
) -> Result<(), CliError> {
    let hurt = hurt(&report.backups_hurt, repository)?;
    print_findings(&report.findings, &hurt, out)?;
    print_hurt(report.backups_hurt.len() as u64, &hurt, out)?;
    if !report.expected_missing.is_empty() {
        out.line(format_args!("{} not there", counted(report.expected_missing.len() as u64, "expected backup")))?;
    }
    print_sum(report, options, out)?;
    advise(report, out);
    Ok(())
}

/// The records of the backups that are hurt, in the order of the repository.
fn hurt(ids: &BTreeSet<BackupId>, repository: &Repository) -> Result<Vec<BackupRecord>, CliError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let records = repository.records().map_err(Error::from)?.backups;
    Ok(records.into_iter().filter(|record| ids.contains(&record.id)).collect())
}

/// Chunks and recipe nodes with which the same is wrong for the same backups are one line: a lost pack is thousands of them.
fn print_findings(findings: &[Finding], hurt: &[BackupRecord], out: &Out) -> Result<(), CliError> {
    let is_small =
        |finding: &Finding| finding.object.starts_with("chunk ") || finding.object.starts_with("recipe node ");
    let mut shown: Vec<(&Finding, u64)> = Vec::new();
    let mut places: HashMap<_, usize> = HashMap::new();
    for finding in findings {
        let alike = (finding.level, &finding.what, &finding.backups);
        match places.get(&alike).filter(|_| is_small(finding)) {
            Some(&place) => shown[place].1 += 1,
            None => {
                if is_small(finding) {
                    places.insert(alike, shown.len());
                }
                shown.push((finding, 1));
            }
        }
    }
    shown.sort_by_key(|(finding, count)| Reverse((finding.level, finding.backups.len(), *count)));
    for (Finding { level, object, what, backups }, count) in shown {
        let more = if count > 1 { format!(" and {} more", grouped(count - 1)) } else { String::new() };
        out.line(format_args!("{}: {}{more}: {}", level_name(*level), plain_word(object), plain_word(what)))?;
        if !backups.is_empty() {
            let named = hurt.iter().filter(|record| backups.contains(&record.id)).take(NAMED_MAX);
            let named: Vec<String> = named.map(|record| record.id.short()).collect();
            let more = match backups.len().saturating_sub(NAMED_MAX) {
                0 => String::new(),
                more => format!(" and {} more", grouped(more as u64)),
            };
            out.line(format_args!("  needed by {}{more}", named.join(", ")))?;
        }
    }
    Ok(())
}

/// Which backups are hurt: whoever reads this at night wants to know whether it is theirs.
fn print_hurt(count: u64, hurt: &[BackupRecord], out: &Out) -> Result<(), CliError> {
    if count == 0 {
        return Ok(());
    }
    let mut table = Table::new([("", Align::Left); 4]);
    for record in hurt {
        let id = format!("  {}", record.id.short());
        table.row([id, utc(record.taken_or_stored_at()), subject(record), record.subject.name.clone()]);
    }
    out.line(format_args!("{} cannot be restored whole:", counted(count, "backup")))?;
    table.lines().iter().skip(1).try_for_each(|line| out.line(line))
}

fn print_sum(report: &CheckReport, options: &CheckOptions, out: &Out) -> Result<(), CliError> {
    let whole = counted(report.backups_whole, "backup");
    let packs = counted(report.packs, "pack");
    let read = format!("{} of {packs}, {}", grouped(report.packs_read), size_long(report.bytes_read));
    match options.depth {
        Depth::Structure => out.line(format_args!("{whole} whole by records and recipes; {packs} there"))?,
        Depth::Packs => out.line(format_args!("{whole} whole; read {read}: bytes compared with names"))?,
        Depth::Data => {
            let chunks = counted(report.records_proven, "chunk");
            out.line(format_args!("{whole} whole; read {read}: {chunks} decoded and compared"))?;
        }
    }
    if options.depth > Depth::Structure && report.packs_read < report.packs {
        out.note("the other packs were not read; those proven longest ago come first the next time");
    }
    Ok(())
}

fn advise(report: &CheckReport, out: &Out) {
    let is_damaged_pack = |finding: &Finding| finding.level == Level::Damage && finding.object.starts_with("packs/");
    if report.findings.iter().any(is_damaged_pack) {
        out.note("run \"vectar repair packs\" to set damaged packs aside and keep what is good in them");
    }
    if !report.backups_hurt.is_empty() {
        out.note("run \"vectar repair backups\" to see which bytes and files of each backup are lost");
        out.note("then ingest the same snapshots again, where they still exist: that stores what is missing");
    }
    if !report.expected_missing.is_empty() {
        out.note("run \"vectar undelete\" to see what can be taken back, \"vectar log\" to see who did what");
    }
}
