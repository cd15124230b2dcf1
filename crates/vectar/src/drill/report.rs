//! The report of a run: for people as Markdown, for programs as JSON.

use std::{collections::BTreeMap, fmt::Write as _};

use jiff::Timestamp;
use serde::Serialize;

use vectar_repository::format::record::BackupRecord;

use super::{Agreed, BackupDrill, EngineProgram, ShardDrill, Verdict};
use crate::words::grouped;

/// When, where and with what a run was made.
#[derive(Debug, Clone, Serialize)]
pub struct ReportHead {
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The repository.
    pub repository_id: String,
    /// Where that lies.
    pub location: String,
    /// Host name and process.
    pub client: String,
    /// Which program.
    pub tool: String,
    /// Version of `qdrant-edge-py`.
    pub engine: String,
    /// Version of Python.
    pub python: String,
}

/// One backup of a run.
#[derive(Debug, Serialize)]
pub struct ReportLine {
    /// Id of the backup.
    pub id: String,
    /// File name of the snapshot.
    pub name: String,
    /// Kind of the snapshot.
    pub kind: String,
    /// When it was taken or stored, to the second.
    pub taken_at: Timestamp,
    /// Its length.
    pub bytes: u64,
    /// Version of `qdrant-edge-py`.
    pub engine: String,
    /// Points that the engine counted in all shards.
    pub points: u64,
    /// When it passed, by the proof that was recorded, to the second.
    pub drilled_at: Option<Timestamp>,
    /// What came of it.
    #[serde(flatten)]
    pub drill: BackupDrill,
}

impl ReportLine {
    /// The line of a backup.
    #[must_use]
    pub fn of(record: &BackupRecord, drill: BackupDrill, program: &EngineProgram) -> Self {
        Self {
            id: record.id.to_string(),
            name: record.subject.name.clone(),
            kind: record.subject.kind.clone(),
            taken_at: whole_seconds(record.taken_or_stored_at()),
            bytes: record.bytes,
            engine: program.version.clone(),
            points: drill.points(),
            drilled_at: drill.proof.as_ref().map(|proof| whole_seconds(proof.at)),
            drill,
        }
    }
}

/// A backup that cannot be drilled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PassedOver {
    /// File name of the snapshot.
    pub name: String,
    /// Why.
    pub why: String,
}

/// A run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// When, where and with what.
    #[serde(flatten)]
    pub head: ReportHead,
    /// The backups whose turn it was, in their order.
    pub backups: Vec<ReportLine>,
    /// Backups that cannot be drilled, with the reason.
    pub passed_over: Vec<PassedOver>,
    /// How many were left for later runs.
    pub left: u64,
    /// Why they were.
    pub left_because: Option<String>,
}

impl ReportHead {
    /// Adds the engine.
    #[must_use]
    pub fn with_engine(mut self, program: &EngineProgram) -> Self {
        (self.engine, self.python) = (program.version.clone(), program.python.clone());
        self
    }
}

impl Report {
    /// What came of all: the worst.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.backups.iter().map(|line| line.drill.verdict).max().unwrap_or(Verdict::Passed)
    }

    /// How many backups came to this.
    #[must_use]
    pub fn counted(&self, verdict: Verdict) -> usize {
        self.backups.iter().filter(|line| line.drill.verdict == verdict).count()
    }

    /// What was compared and agreed.
    #[must_use]
    pub fn agreed(&self) -> Agreed {
        self.backups.iter().fold(Agreed::default(), |mut sum, line| {
            sum.add(&line.drill.agreed());
            sum
        })
    }

    /// The same as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        let mut add = |line: std::fmt::Arguments<'_>| writeln!(text, "{line}").expect("a String takes everything");
        let head = &self.head;
        add(format_args!("# Restore drill of {}\n", second(head.started_at)));
        add(format_args!("**{}**\n", self.sentence()));
        add(format_args!("| | |\n|---|---|"));
        let taken = (head.ended_at.as_second() - head.started_at.as_second()).max(0);
        for (name, value) in [
            ("repository", format!("{} in {}", head.repository_id, head.location)),
            ("engine", format!("qdrant-edge-py {} on Python {}", head.engine, head.python)),
            ("by", format!("{}, {}", head.tool, head.client)),
            ("time", format!("{taken} s, until {}", second(head.ended_at))),
            ("compared", compared(&self.agreed())),
        ] {
            add(format_args!("| {name} | {} |", cell(&value)));
        }
        add(format_args!(
            "\n## Backups\n\n| backup | snapshot | taken | result | shards | points |\n|---|---|---|---|--:|--:|"
        ));
        for line in &self.backups {
            let ReportLine { id, name, taken_at, drill, .. } = line;
            let (short, shards) = (&id[..id.len().min(8)], drill.shards.len());
            let (name, result) = (cell(name), drill.verdict.as_str());
            let points = points(drill.points(), drill.agreed().ids);
            add(format_args!("| {short} | {name} | {} | {result} | {shards} | {points} |", second(*taken_at)));
        }
        let mut section = |heading: &str, lines: Vec<String>| {
            if !lines.is_empty() {
                add(format_args!("\n## {heading}\n"));
            }
            lines.iter().for_each(|line| add(format_args!("- {line}")));
        };
        section("What was found", self.problems(false));
        section("Notes", self.notes().iter().map(|note| cell(note)).collect());
        section("Not drilled", self.not_drilled());
        add(format_args!("\n## What this shows\n\n{SHOWS}"));
        text
    }

    /// What was not drilled, and why.
    fn not_drilled(&self) -> Vec<String> {
        let mut lines = self.problems(true);
        lines.extend(self.passed_over.iter().map(|PassedOver { name, why }| format!("{}: {why}", cell(name))));
        if self.left > 0 {
            let why = self.left_because.as_deref().unwrap_or("they were left for later runs");
            lines.push(format!("{} more: {}", self.left, cell(why)));
        }
        lines
    }

    /// What is wrong with backups and shards; or what kept them from being drilled.
    fn problems(&self, of_errors: bool) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for ReportLine { id, name, drill, .. } in &self.backups {
            let title = format!("backup {id} ({})", cell(name));
            let whole = drill.problem.iter().filter(|_| drill.error.is_some() == of_errors);
            found.extend(whole.map(|problem| format!("{title}: {}", cell(problem))));
            let shards = drill.shards.iter().filter(|shard| shard.error.is_some() == of_errors);
            let of_shards = shards.filter_map(|shard| Some((shard.title(), shard.problem.as_ref()?)));
            found.extend(of_shards.map(|(shard, problem)| format!("{title}, {}: {}", cell(&shard), cell(problem))));
        }
        found
    }

    /// What was not compared and why, what else is worth a word, and of how many backups.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes: BTreeMap<String, u64> = BTreeMap::new();
        for line in &self.backups {
            if line.drill.bytes_identical && !line.drill.sha256_compared {
                *notes.entry(COMPUTED.to_owned()).or_default() += 1;
            }
            if line.drill.bytes_identical && line.drill.shards.is_empty() {
                *notes
                    .entry("nothing could be loaded: the node that made the snapshot held no shard".to_owned())
                    .or_default() += 1;
            }
            for shard in &line.drill.shards {
                for note in &shard.notes {
                    *notes.entry(format!("{}: {note}", shard.title())).or_default() += 1;
                }
            }
        }
        let with_count = |(note, count): (String, u64)| match count {
            1 => note,
            count => format!("{note} ({count} backups)"),
        };
        notes.into_iter().map(with_count).collect()
    }

    /// What came of all, in one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let counts =
            [Verdict::Passed, Verdict::Failed, Verdict::Unfinished].map(|verdict| (verdict, self.counted(verdict)));
        let counts = counts.iter().filter(|(verdict, count)| *count > 0 || *verdict == Verdict::Passed);
        let counts: Vec<String> = counts.map(|(verdict, count)| format!("{count} {}", verdict.as_str())).collect();
        let counted = self.backups.iter().map(|line| line.drill.points()).sum();
        let not_drilled = self.counted(Verdict::NotDrilled);
        let drilled = self.backups.len() - not_drilled;
        let plural = if drilled == 1 { "" } else { "s" };
        let rest = if not_drilled > 0 { format!("; {not_drilled} not drilled") } else { String::new() };
        format!(
            "{drilled} backup{plural} drilled: {}{rest}; {} points in engine {}",
            counts.join(", "),
            points(counted, self.agreed().ids),
            self.head.engine
        )
    }
}

impl Verdict {
    /// As a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Unfinished => "unfinished",
            Self::NotDrilled => "not drilled",
            Self::Failed => "failed",
        }
    }
}

impl ShardDrill {
    /// What to call the shard.
    #[must_use]
    pub fn title(&self) -> String {
        let shard = self.shard.map_or_else(|| "its shard".to_owned(), |shard| format!("shard {shard}"));
        match &self.collection {
            Some(collection) => format!("{shard} of {collection}"),
            None => shard,
        }
    }
}

/// How many points there are, and of them how many were compared, if not all.
fn points(counted: u64, compared: u64) -> String {
    match compared < counted {
        true => format!("{} ({} compared)", grouped(counted), grouped(compared)),
        false => grouped(counted),
    }
}

/// What was compared, in words.
#[must_use]
pub fn compared(agreed: &Agreed) -> String {
    let Agreed { ids, payloads, vectors, searches, index_searches, index_found } = agreed;
    let [ids, payloads, vectors, searches] = [ids, payloads, vectors, searches].map(|number| grouped(*number));
    format!(
        "{ids} ids, {payloads} payloads, {vectors} vectors, {searches} exact searches; {} of {} searches through the index found the point itself",
        grouped(*index_found),
        grouped(*index_searches)
    )
}

/// What is said of a backup that was stored without its SHA-256.
const COMPUTED: &str = "the SHA-256 was not known, and was computed now: the BLAKE3 of all chunks, and the length, are what proves the bytes";

const SHOWS: &str = "\
Each backup was rebuilt: each of its chunks was compared with its BLAKE3, the whole with the length that was recorded, and with the SHA-256
where one was. Each shard was taken out of it, unpacked and loaded by
Qdrant's own engine in a directory of its own, which is gone again. The engine's number of points and all ids were compared with what the
files say, and so were payloads and vectors of a sample, which is another one each time, and exact searches over it. Left out are points that
operations in a write-ahead log may have changed: the engine applied these, and no segment has them. It does not show that a cluster takes the
snapshots: replication, shard keys and aliases are no part of a shard.
";

/// A moment without the parts of its second.
fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// A moment to the second, in words.
fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Text of somebody else in a table: one line, no bar, no mark-up.
fn cell(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '|' | '\\' | '`' | '*' | '<' | '[' => {
                plain.push('\\');
                plain.push(character);
            }
            character if character.is_control() => plain.push(' '),
            character => plain.push(character),
        }
    }
    plain
}
