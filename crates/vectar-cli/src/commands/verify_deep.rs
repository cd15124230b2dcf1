//! `verify --deep`: what Qdrant's own files say.

use serde::Serialize;
use vectar::{Content, Finding, FindingLevel, Findings, verify_deep};

use crate::{
    context::Context,
    error::CliError,
    output::{Out, counted, plain_word},
};

/// Which snapshot is spoken of; one of the two is there.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct DeepSubject<'s> {
    pub(super) file: Option<&'s str>,
    pub(super) backup: Option<&'s str>,
}

#[derive(Serialize)]
struct FindingLine<'f> {
    #[serde(flatten)]
    subject: DeepSubject<'f>,
    #[serde(flatten)]
    finding: &'f Finding,
}

#[derive(Serialize)]
struct DeepVerified<'f> {
    #[serde(flatten)]
    subject: DeepSubject<'f>,
    whole: bool,
    damage: usize,
    data_loss: usize,
    suspicious: usize,
    notes: usize,
    more: u64,
}

/// Checks a snapshot and prints what was found. Returns whether a restore would bring everything back.
pub(super) fn run(
    content: &Content<'_>,
    title: &str,
    subject: DeepSubject<'_>,
    context: &Context<'_>,
) -> Result<bool, CliError> {
    let observer = context.observer(&format!("looking through {title}"));
    let findings = verify_deep(content, &observer, context.cancel())?;
    drop(observer);
    let out = context.out();
    for finding in &findings.list {
        match out.is_json() {
            true => out.json("snapshot-finding", &FindingLine { subject, finding })?,
            false => print(finding, out)?,
        }
    }
    let whole = findings.worst < Some(FindingLevel::DataLoss);
    match out.is_json() {
        true => out.json("deep-verified", &summary(subject, whole, &findings))?,
        false => {
            let verdict = match whole {
                true => "what Qdrant's files say fits together",
                false => "a restore would fail or lose points",
            };
            let more = match findings.more {
                0 => String::new(),
                more => format!("; {} are not shown", counted(more, "more finding")),
            };
            out.line(format_args!("  {verdict}{more}"))?;
        }
    }
    Ok(whole)
}

fn summary<'f>(subject: DeepSubject<'f>, whole: bool, findings: &Findings) -> DeepVerified<'f> {
    let count = |level| findings.list.iter().filter(|finding| finding.level == level).count();
    DeepVerified {
        subject,
        whole,
        damage: count(FindingLevel::Damage),
        data_loss: count(FindingLevel::DataLoss),
        suspicious: count(FindingLevel::Suspicious),
        notes: count(FindingLevel::Note),
        more: findings.more,
    }
}

fn print(finding: &Finding, out: &Out) -> Result<(), CliError> {
    let what = plain_word(&finding.what);
    match finding.object.is_empty() {
        true => out.line(format_args!("  {}: {what}", finding.level))?,
        false => out.line(format_args!("  {}: {}: {what}", finding.level, plain_word(&finding.object)))?,
    }
    if finding.level > FindingLevel::Note {
        out.line(format_args!("    restoring: {}", plain_word(&finding.consequence)))?;
        out.line(format_args!("    do: {}", plain_word(&finding.advice)))?;
    }
    Ok(())
}
