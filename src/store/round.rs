//! Moving what is over out of the way: the reports of an earlier round, the days of an earlier sprint.

use std::path::Path;

use anyhow::Result;

use super::artifacts::{Artifact, Store, day_of};
use super::files;
use crate::domain::artifact::{ConduitReport, GateReport, Handoff, ScribeReport, SentinelReport, StoryCard};

/// What programs read of a verdict. A run that aborts writes none, and the CI must not take the last ones for its.
const DERIVED: [&str; 3] = ["gate-report.junit.xml", "findings.sarif", "gl-code-quality.json"];

impl Store {
    /// How many earlier rounds of `day` lie in `.pace/day-N/attempts/`.
    pub(crate) fn rounds(&self, day: u32) -> Result<u32> {
        let dir = format!("{}/attempts", Self::day_dir(day));
        let names = files::names(&self.root, Path::new(&dir))?;
        let mut last = 0;
        for round in names.iter().filter_map(|name| name.parse::<u32>().ok()) {
            // A run that was resumed takes files back and leaves their folder.
            if !files::names(&self.root, Path::new(&format!("{dir}/{round}")))?.is_empty() {
                last = last.max(round);
            }
        }
        Ok(last)
    }

    /// Moves handoff and reports of an earlier round to `.pace/day-N/attempts/<round>/`; the story card is
    /// copied there, since it stays in force until PRIME writes another. What does not exist is passed over;
    /// a round that lies there already is an error. Safe to repeat after an interruption.
    pub(crate) fn move_round(&self, day: u32, round: u32) -> Result<()> {
        let dir = Self::day_dir(day);
        let aside = format!("{dir}/attempts/{round}");
        let card = Self::path_of::<StoryCard>(day);
        if let Some(text) = self.read_text(&card)? {
            self.write_text(&format!("{aside}/{}", StoryCard::FILE), &text)?;
        }
        let artifacts =
            [Handoff::FILE, GateReport::FILE, SentinelReport::FILE, ConduitReport::FILE, ScribeReport::FILE];
        for file in artifacts.into_iter().chain(DERIVED) {
            let (from, to) = (format!("{dir}/{file}"), format!("{aside}/{file}"));
            files::rename(&self.root, Path::new(&from), Path::new(&to))?;
        }
        Ok(())
    }

    /// Moves every `.pace/day-*` to `.pace/archive/<sprint>/`. `sprint` may hold any characters; those that
    /// do not belong in a folder name become `-`. A sprint of that name archived before gets a `-2`, `-3`, …
    /// behind it. Returns the folder, or `None` where there was no day to move.
    pub(crate) fn archive_sprint(&self, sprint: &str) -> Result<Option<String>> {
        let days: Vec<String> = files::names(&self.root, Path::new(".pace"))?
            .into_iter()
            .filter(|name| day_of(name).is_some())
            .collect();
        if days.is_empty() {
            return Ok(None);
        }
        let archive = self.free_archive(&folder_name(sprint), &days)?;
        // The summary goes first: a run interrupted between the moves finds days left and goes on.
        let summary = ".pace/sprint-summary.md";
        files::rename(&self.root, Path::new(summary), Path::new(&format!("{archive}/sprint-summary.md")))?;
        for day in days {
            let (from, to) = (format!(".pace/{day}"), format!("{archive}/{day}"));
            files::rename(&self.root, Path::new(&from), Path::new(&to))?;
        }
        Ok(Some(archive))
    }

    /// The first folder for `sprint` that holds none of `days`: one half filled by an interrupted run is taken.
    fn free_archive(&self, sprint: &str, days: &[String]) -> Result<String> {
        let mut number = 1;
        loop {
            let suffix = if number == 1 { String::new() } else { format!("-{number}") };
            let archive = format!(".pace/archive/{sprint}{suffix}");
            let there = files::names(&self.root, Path::new(&archive))?;
            if !there.iter().any(|day| days.contains(day)) {
                return Ok(archive);
            }
            number += 1;
        }
    }
}

fn folder_name(sprint: &str) -> String {
    let kept = |c: char| {
        if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' }
    };
    let name: String = sprint.trim().chars().take(60).map(kept).collect();
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() { "unnamed".to_owned() } else { name.to_owned() }
}
