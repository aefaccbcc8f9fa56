//! `.pace/`: the artifacts of every day, each checked against its schema whenever it is written or read. Knows
//! where things lie; what a verdict means is `domain`'s.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{files, write};
use crate::domain::artifact::{
    Attempt, ConduitReport, Cycle, GateReport, Handoff, ScribeReport, SentinelReport, StoryCard,
};
use crate::domain::backlog::Entry;
use crate::domain::estimate::Planner;
use crate::domain::plan::SprintRecord;
use crate::schema::{self, yaml};

/// Where everything of pace's own lies, from the repository root.
const PACE: &str = ".pace";
/// The advisories that shipped days left behind.
pub(crate) const BACKLOG: &str = ".pace/advisory-backlog.yaml";
/// Which sprint the days belong to.
pub(crate) const SPRINT: &str = ".pace/sprint.yaml";
/// SCRIBE's documents in `.pace/context/`.
const CONTEXT: [&str; 4] = ["engineering.md", "security.md", "devops.md", "product.md"];

/// A YAML document of a day: its file and its schema.
pub(crate) trait Artifact: Serialize + DeserializeOwned {
    /// File name in `.pace/day-N/`.
    const FILE: &'static str;
    /// Name of its schema.
    const SCHEMA: &'static str;
}

macro_rules! artifacts {
    ($($type:ty: $file:literal, $schema:literal;)*) => {
        $(impl Artifact for $type {
            const FILE: &'static str = $file;
            const SCHEMA: &'static str = $schema;
        })*
    };
}

artifacts! {
    StoryCard: "story-card.yaml", "story-card";
    Handoff: "handoff.yaml", "handoff";
    GateReport: "gate-report.yaml", "gate-report";
    SentinelReport: "sentinel-report.yaml", "sentinel-report";
    ConduitReport: "conduit-report.yaml", "conduit-report";
    ScribeReport: "scribe-report.yaml", "scribe-report";
    Cycle: "cycle.md", "cycle";
    Planner: "planner.md", "planner";
    Vec<Attempt>: "attempts.yaml", "attempts";
}

/// One of SCRIBE's context documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContextDoc {
    /// Path from the repository root.
    pub path: String,
    /// Its text, at most 1 MiB of it; empty where the document is missing.
    pub text: String,
}

/// The files of `.pace/` and their neighbours in one repository.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub(super) root: PathBuf,
    /// Where this run leaves a hand-off, from the root.
    pub(super) handoff: Option<String>,
}

impl Store {
    /// A store over the repository at `root`; nothing is read or made yet.
    pub(crate) const fn new(root: PathBuf) -> Self {
        Self { root, handoff: None }
    }

    /// The same where a hand-off lies in the folder `path`, from the root: it is none of the store's texts.
    pub(crate) fn with_handoff(self, path: &str) -> Self {
        Self { handoff: Some(path.to_owned()), ..self }
    }

    /// Where the artifacts of `day` lie, from the repository root: `.pace/day-N`.
    pub(crate) fn day_dir(day: u32) -> String {
        format!("{PACE}/day-{day}")
    }

    /// Where the artifact `T` of `day` lies, from the repository root.
    pub(crate) fn path_of<T: Artifact>(day: u32) -> String {
        format!("{}/{}", Self::day_dir(day), T::FILE)
    }

    /// Writes an artifact, whole or not at all. One that does not fit its schema is not written; the error
    /// lists every problem as `<path>: <field>: <what>`.
    pub(crate) fn write<T: Artifact>(&self, day: u32, artifact: &T) -> Result<()> {
        let path = Self::path_of::<T>(day);
        self.write_checked(&path, T::SCHEMA, artifact, Some(day))
    }

    /// Reads an artifact back, `None` where it was not written. The error lists every problem as
    /// `<path>:<line>: <field>: <what>`.
    pub(crate) fn read<T: Artifact>(&self, day: u32) -> Result<Option<T>> {
        self.read_checked(&Self::path_of::<T>(day), T::SCHEMA, Some(day))
    }

    /// Every run of `day`, oldest first.
    pub(crate) fn attempts(&self, day: u32) -> Result<Vec<Attempt>> {
        Ok(self.read::<Vec<Attempt>>(day)?.unwrap_or_default())
    }

    /// Records a run of `day` as the newest, in the place of what was said of it before.
    pub(crate) fn put_attempt(&self, day: u32, attempt: &Attempt) -> Result<()> {
        let mut attempts = self.attempts(day)?;
        attempts.retain(|known| known.run != attempt.run);
        attempts.push(attempt.clone());
        self.write(day, &attempts)
    }

    /// The advisory backlog; empty where nothing was ever put there.
    pub(crate) fn backlog(&self) -> Result<Vec<Entry>> {
        let entries = self.read_checked(BACKLOG, "advisory-backlog", None)?;
        Ok(entries.unwrap_or_default())
    }

    /// Replaces the advisory backlog.
    pub(crate) fn write_backlog(&self, entries: &[Entry]) -> Result<()> {
        self.write_checked(BACKLOG, "advisory-backlog", entries, None)
    }

    /// Which sprint the days in `.pace/` belong to; `None` where none was recorded.
    pub(crate) fn sprint(&self) -> Result<Option<String>> {
        Ok(self.read_checked::<SprintRecord>(SPRINT, "sprint", None)?.map(|record| record.sprint))
    }

    /// Records which sprint the days belong to.
    pub(crate) fn write_sprint(&self, sprint: &str) -> Result<()> {
        self.write_checked(SPRINT, "sprint", &SprintRecord { sprint: sprint.to_owned() }, None)
    }

    /// SCRIBE's four documents, in a fixed order. A missing one is empty.
    pub(crate) fn context_docs(&self) -> Result<Vec<ContextDoc>> {
        let read = |name: &&str| {
            let path = format!("{PACE}/context/{name}");
            let bytes = files::read_bytes(&self.root, Path::new(&path), yaml::MAX_BYTES)?;
            let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
            Ok(ContextDoc { path, text })
        };
        CONTEXT.iter().map(read).collect()
    }

    /// Days that have a folder, in order; 0 is the planning day.
    #[cfg(test)]
    pub(crate) fn days(&self) -> Result<Vec<u32>> {
        let names = files::names(&self.root, Path::new(PACE))?;
        let mut days: Vec<u32> = names.iter().filter_map(|name| day_of(name)).collect();
        days.sort_unstable();
        Ok(days)
    }

    /// The text at `path` (from the repository root, at most 1 MiB), `None` where there is none.
    pub(crate) fn read_text(&self, path: &str) -> Result<Option<String>> {
        files::read(&self.root, Path::new(path), yaml::MAX_BYTES)
    }

    /// Writes a text to `path` (from the repository root), whole or not at all.
    pub(crate) fn write_text(&self, path: &str, text: &str) -> Result<()> {
        files::write(&self.root, Path::new(path), text)
    }

    /// Takes the file at `path` (from the repository root) away, if there is one.
    pub(crate) fn remove(&self, path: &str) -> Result<()> {
        match std::fs::remove_file(self.root.join(path)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| path.to_owned())
            }
            _ => Ok(()),
        }
    }

    fn write_checked<T: Serialize + ?Sized>(
        &self,
        path: &str,
        name: &str,
        value: &T,
        day: Option<u32>,
    ) -> Result<()> {
        let value = serde_json::to_value(value).with_context(|| path.to_owned())?;
        let mut problems = schema::validate(name, &value).err().unwrap_or_default();
        problems.extend(day.and_then(|day| another_day(&value, day)));
        if !problems.is_empty() {
            let lines: Vec<_> = problems.iter().map(|p| format!("{path}: {p}")).collect();
            bail!("{}", lines.join("\n"));
        }
        let text = write::yaml(&value).with_context(|| path.to_owned())?;
        // A reader that saw another value than the one meant would judge something that nobody wrote.
        if yaml::parse(&text).map(|node| node.to_json()).as_ref() != Ok(&value) {
            bail!("{path}: holds text that YAML cannot carry unchanged");
        }
        self.write_text(path, &text)
    }

    fn read_checked<T: DeserializeOwned>(
        &self,
        path: &str,
        name: &str,
        day: Option<u32>,
    ) -> Result<Option<T>> {
        let Some(text) = self.read_text(path)? else {
            return Ok(None);
        };
        let root = yaml::parse(&text).map_err(|error| anyhow::anyhow!("{path}:{error}"))?;
        let value = root.to_json();
        // By line, so that the list reads from the top of the file.
        let mut lines: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for problem in schema::problems(name, &value) {
            let line = root.line_at(problem.path.iter().map(String::as_str));
            lines.entry(line).or_default().push(problem.to_string());
        }
        if let Some(problem) = day.and_then(|day| another_day(&value, day)) {
            lines.entry(root.line_at(["day"])).or_default().push(problem);
        }
        if !lines.is_empty() {
            let listed = lines.iter().flat_map(|(line, problems)| {
                problems.iter().map(move |problem| format!("{path}:{line}: {problem}"))
            });
            bail!("{}", listed.collect::<Vec<_>>().join("\n"));
        }
        let artifact = serde_json::from_value(value).with_context(|| path.to_owned())?;
        Ok(Some(artifact))
    }
}

/// An artifact that lies in the folder of a day it does not speak of was put there by hand or by mistake.
fn another_day(value: &Value, day: u32) -> Option<String> {
    let said = value.get("day")?.as_u64()?;
    (said != u64::from(day)).then(|| format!("day: must be {day} in this folder, not {said}"))
}

/// N of the folder name `day-N`.
pub(super) fn day_of(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("day-")?;
    let day = digits.parse::<u32>().ok()?;
    (day.to_string() == digits).then_some(day)
}

#[cfg(test)]
mod tests;
