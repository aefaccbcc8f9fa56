//! `.pace/.run/`: what runs keep for themselves on this machine. Git ignores it, so it never reaches a branch.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::artifacts::Store;
use super::files;
use crate::domain::artifact::{ConduitReport, GateReport, Handoff, SentinelReport};
use crate::domain::decision::Decision;
use crate::domain::hold::{Cause, Hold};
use crate::domain::observation::TestRun;

const RUN: &str = ".pace/.run";
const ARCHIVE: &str = ".pace/archive";
/// Where a hand-off lies unless the settings say otherwise.
const HANDOFF: &str = ".pace/handoff";

/// The test run on a day base.
#[derive(Serialize, Deserialize)]
struct Baseline {
    base: String,
    run: TestRun,
}

impl Store {
    /// A free path for the journal of run `attempt` of `day`, absolute; the folder is made and git ignores it.
    pub(crate) fn journal_path(&self, day: u32, attempt: u32) -> Result<PathBuf> {
        let folder = self.run_folder(day)?;
        let free = (attempt..).map(|n| folder.join(format!("run-{n}.jsonl"))).find(|path| !path.exists());
        free.context("no free journal name")
    }

    /// Where a journal from elsewhere lies until it was looked at.
    pub(crate) fn fetched_path(&self, day: u32) -> Result<PathBuf> {
        Ok(self.run_folder(day)?.join("fetched.jsonl"))
    }

    fn run_folder(&self, day: u32) -> Result<PathBuf> {
        self.write_text(&format!("{RUN}/.gitignore"), "*\n")?;
        let folder = self.root.join(RUN).join(format!("day-{day}"));
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(folder)
    }

    /// The file that is locked while a run works here, made where it is not there.
    pub(crate) fn lock_file(&self) -> Result<File> {
        self.write_text(&format!("{RUN}/.gitignore"), "*\n")?;
        files::open(&self.root, Path::new(RUN).join("lock").as_path())
    }

    /// The sign of life of the run that holds this work tree.
    pub(crate) fn alive_path(&self) -> PathBuf {
        self.root.join(RUN).join("alive")
    }

    /// The journals of `day`, the newest first.
    pub(crate) fn journals(&self, day: u32) -> Vec<PathBuf> {
        let folder = self.root.join(RUN).join(format!("day-{day}"));
        let number = |path: &Path| -> Option<u32> {
            path.file_name()?.to_str()?.strip_prefix("run-")?.strip_suffix(".jsonl")?.parse().ok()
        };
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        let mut journals: Vec<_> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter_map(|path| Some((number(&path)?, path)))
            .collect();
        journals.sort_unstable_by(|a, b| b.cmp(a));
        journals.into_iter().map(|(_, path)| path).collect()
    }

    /// The days that have running state here.
    pub(crate) fn days_run(&self) -> Vec<u32> {
        let names = files::names(&self.root, Path::new(RUN)).unwrap_or_default();
        let mut days: Vec<u32> = names.iter().filter_map(|name| super::artifacts::day_of(name)).collect();
        days.sort_unstable();
        days
    }

    /// Says, until [`Store::settled`], that the work tree of `day` is being brought to another state.
    pub(crate) fn unsettle(&self, day: u32) -> Result<()> {
        self.write_text(&format!("{RUN}/.gitignore"), "*\n")?;
        self.write_text(&unsettled_path(day), "")
    }

    /// Whether a run was killed while it brought the work tree to another state.
    pub(crate) fn is_unsettled(&self, day: u32) -> bool {
        self.root.join(unsettled_path(day)).exists()
    }

    /// The work tree is as it was to be.
    pub(crate) fn settled(&self, day: u32) -> Result<()> {
        match std::fs::remove_file(self.root.join(unsettled_path(day))) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Makes the texts of `.pace/`, and those of `beside`, the ones of `files`, an earlier [`Store::snapshot`] with
    /// the others beside it.
    pub(crate) fn rewind(&self, files: &BTreeMap<String, String>, beside: &[&str]) -> Result<()> {
        let there = self.snapshot()?.into_keys().chain(beside.iter().map(|path| (*path).to_owned()));
        for path in there.filter(|path| !files.contains_key(path)) {
            match std::fs::remove_file(self.root.join(&path)) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                result => result.with_context(|| format!("taking {path} back"))?,
            }
        }
        for (path, text) in files {
            if self.read_text(path)?.as_ref() != Some(text) {
                self.write_text(path, text)?;
            }
        }
        Ok(())
    }

    /// The test run on `base`, if an earlier run of the day made it here.
    pub(crate) fn baseline(&self, day: u32, base: &str) -> Option<TestRun> {
        // Only a saving: one that cannot be read is made again.
        let text = self.read_text(&baseline_path(day)).ok().flatten()?;
        let known = serde_json::from_str::<Baseline>(&text).ok()?;
        (known.base == base).then_some(known.run)
    }

    /// Keeps the test run on `base` for later runs of the day.
    pub(crate) fn keep_baseline(&self, day: u32, base: &str, run: &TestRun) -> Result<()> {
        self.write_text(&format!("{RUN}/.gitignore"), "*\n")?;
        let baseline = Baseline { base: base.to_owned(), run: run.clone() };
        self.write_text(&baseline_path(day), &serde_json::to_string(&baseline)?)
    }

    /// Every text of `.pace/` by path from the root, without `.run/`, a hand-off and the archive. What is no text is passed
    /// over: nothing of pace's own is.
    pub(crate) fn snapshot(&self) -> Result<BTreeMap<String, String>> {
        let mut texts = BTreeMap::new();
        self.collect(".pace", &mut texts)?;
        Ok(texts)
    }

    fn collect(&self, folder: &str, texts: &mut BTreeMap<String, String>) -> Result<()> {
        for name in files::names(&self.root, Path::new(folder))? {
            let path = format!("{folder}/{name}");
            let left_out = [RUN, ARCHIVE, HANDOFF].contains(&path.as_str());
            if left_out || self.handoff.as_ref() == Some(&path) {
                continue;
            }
            if self.root.join(&path).is_dir() {
                self.collect(&path, texts)?;
            } else if let Ok(Some(text)) = self.read_text(&path) {
                texts.insert(path, text);
            }
        }
        Ok(())
    }

    /// Why the reports that lie in the day's folder hold it: `<AGENT> HOLD: …`, in full.
    pub(crate) fn last_hold_reason(&self, day: u32) -> Result<Option<String>> {
        use crate::domain::Agent::{Conduit, Gate, Sentinel};
        let gate = self.read::<GateReport>(day)?.map(|r| (Gate, r.gate_decision, r.hold_reason));
        let sentinel =
            self.read::<SentinelReport>(day)?.map(|r| (Sentinel, r.sentinel_decision, r.hold_reason));
        let conduit = self.read::<ConduitReport>(day)?.map(|r| (Conduit, r.conduit_decision, r.hold_reason));
        let held = [gate, sentinel, conduit]
            .into_iter()
            .flatten()
            .find(|(_, decision, _)| *decision == Decision::Hold);
        Ok(held.map(|(agent, _, reason)| Hold { agent, cause: Cause::Code, reason }.to_string()))
    }

    /// Moves the reports of the round before to `attempts/K/`, if there are any.
    pub(crate) fn set_round_aside(&self, day: u32) -> Result<()> {
        let there = [
            Self::path_of::<Handoff>(day),
            Self::path_of::<GateReport>(day),
            Self::path_of::<SentinelReport>(day),
            Self::path_of::<ConduitReport>(day),
        ];
        for path in there {
            if self.read_text(&path)?.is_some() {
                return self.move_round(day, self.rounds(day)? + 1);
            }
        }
        Ok(())
    }
}

fn unsettled_path(day: u32) -> String {
    format!("{RUN}/day-{day}/unsettled")
}

fn baseline_path(day: u32) -> String {
    format!("{RUN}/day-{day}/baseline.json")
}
