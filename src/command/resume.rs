//! Resuming: finds what an interrupted run of the day left, decides whether it still holds, brings the work tree back
//! to where that run started, and lets the journal play from there. What does not hold any more is told and stays on
//! the books.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::Value;

use super::booking::{book, place};
use super::keeper::Workspace;
use super::leavings;
use super::remote_journal::RemoteJournal;
use super::reopened::reopen;
use super::site::{Site, seal};
use crate::agent::purse::Purse;
use crate::agent::tampering;
use crate::agent::turns::MODEL;
use crate::day::merge;
use crate::day::sprint::PROGRESS;
use crate::day::start::Start;
use crate::domain::event::{Event, Events, Level};
use crate::domain::terms::Terms;
use crate::error::Error;
use crate::journal::{self, END, INTENT, Journal, Record, Seal, Trust};
use crate::repo::Branch;
use crate::repo::checkpoint::{Point, Spared};
use crate::secret::Redactor;
use crate::settings::{DayChoice, Settings};
use crate::store::plan::mark_shipped;
use crate::tool::Written;

/// Terms that a resumed run may have otherwise: none of them says what an observation means.
const FREE_TERMS: [&str; 10] = [
    "model",
    "analysis_model",
    "max_retries",
    "max_iterations",
    "command_timeout_ms",
    "test_timeout_ms",
    "run_timeout_ms",
    "max_run_usd",
    "capped_by_day",
    "advisory_exit_code",
];

/// A run of the day that came to no end.
pub(crate) struct Interrupted {
    path: PathBuf,
    records: Vec<Record>,
    start: Start,
    /// Untracked files that a person added since.
    added: BTreeSet<String>,
    /// HEAD as it was found.
    head: String,
    /// HEAD that belongs to the branch as it is, once the branch was settled.
    tip: Option<String>,
    redactor: Redactor,
}

/// What looking for an interrupted run came to.
pub(crate) enum Look {
    Nothing,
    /// Another process is at it.
    Running,
    Interrupted(Box<Interrupted>),
}

/// Looks for an interrupted run of the day and, where it can be resumed, takes its uncommitted work out of the tree:
/// the checkpoints have it.
pub(crate) fn look(
    settings: &Settings,
    site: &Site,
    redactor: &Redactor,
    events: &dyn Events,
) -> Result<Look, Error> {
    if settings.dry_run {
        return Ok(Look::Nothing);
    }
    let days = match settings.day {
        Some(DayChoice::Number(day)) => vec![day],
        Some(DayChoice::Auto) | None => site.store.days_run(),
    };
    for day in days {
        for path in site.store.journals(day) {
            if journal::is_held(&path) {
                return Ok(Look::Running);
            }
            match read(&path, &seal(settings)) {
                Ok(None) => continue,
                Ok(Some((mut records, start))) => {
                    if records.last().is_some_and(|last| last.kind == END) && !reopen(&mut records) {
                        break;
                    }
                    let mut found = Interrupted::new(path, records, start, site, redactor.clone())?;
                    return Ok(match found.take_up(site, events)? {
                        None => Look::Interrupted(Box::new(found)),
                        Some(reason) => {
                            found.give_up(site, events, &reason)?;
                            Look::Nothing
                        }
                    });
                }
                Err(problem) => {
                    let text = format!("Not resuming: {problem:#}");
                    events.emit(Event::Notice { level: Level::Warning, text });
                    break;
                }
            }
        }
    }
    Ok(Look::Nothing)
}

/// A journal that may be resumed from; `None` for one that says nothing (killed before its first record, a dry run).
pub(crate) fn read(path: &std::path::Path, seal: &Seal) -> anyhow::Result<Option<(Vec<Record>, Start)>> {
    if std::fs::metadata(path).is_ok_and(|file| file.len() == 0) {
        return Ok(None);
    }
    let records = match journal::read(path) {
        // The first record was not finished.
        Err(_) if !std::fs::read(path)?.contains(&b'\n') => return Ok(None),
        records => records?,
    };
    if let Trust::Broken(seq) = journal::trust(&records, seal)? {
        anyhow::bail!(
            "{}: record {seq} was not written by a run with this model credential, or was changed since",
            path.display()
        );
    }
    if records.iter().any(|record| record.seal.starts_with("k:")) && !seal.has_key() {
        anyhow::bail!("{}: it is sealed with a model credential, and there is none now", path.display());
    }
    let start = Start::recorded(&records).with_context(|| path.display().to_string())?;
    Ok((!start.terms.dry_run).then_some((records, start)))
}

impl Interrupted {
    fn new(
        path: PathBuf,
        records: Vec<Record>,
        start: Start,
        site: &Site,
        redactor: Redactor,
    ) -> Result<Self, Error> {
        let head = site.repo.head()?;
        Ok(Self { path, records, start, added: BTreeSet::new(), head, tip: None, redactor })
    }

    /// What the run was told.
    pub(crate) fn terms(&self) -> &Terms {
        &self.start.terms
    }

    /// Where the work tree was when the last record was written.
    fn point(&self) -> Point<'_> {
        let newest = self.records.iter().rev().find_map(|record| record.tree.as_deref());
        newest.map_or(Point::Head(&self.start.branch.head), Point::Checkpoint)
    }

    /// Something that changes files was begun and its end is not recorded.
    fn in_flight(&self, site: &Site) -> bool {
        let last = self.records.last();
        last.is_some_and(|last| last.kind == INTENT && last.value["kind"] != MODEL)
            || site.store.is_unsettled(self.terms().day)
    }

    /// Makes the tree as HEAD has it, so that the branch can be settled; or why the run cannot be resumed.
    fn take_up(&mut self, site: &Site, events: &dyn Events) -> Result<Option<String>, Error> {
        let repo = &site.repo;
        repo.put_back()?;
        repo.restore_untracked()?;
        self.set_leavings_aside(site, events)?;
        if self.start.pace != env!("CARGO_PKG_VERSION") {
            return Ok(Some(format!("it was recorded by pace {}", self.start.pace)));
        }
        if repo.head_of(self.point())?.is_none() {
            return Ok(Some("the work tree that belongs to it is not kept here".into()));
        }
        if !self.plan_is_unchanged(site)? {
            return Ok(Some("the plan changed since".into()));
        }
        let untracked = repo.untracked()?;
        self.added = self.added_since(site, &untracked)?;
        let terms = self.terms();
        let records = |path: &str| terms.is_record(path);
        let (foreign, mask) = (self.foreign(), |text: &str| self.mask(text));
        let spared = Spared { untracked: &foreign, others: &records, mask: &mask };
        if repo.differences(Point::Head(&self.head), &spared)?.is_empty() {
            return self.clean(site, &untracked).map(|()| None);
        }
        let strange = repo.differences(self.point(), &spared)?;
        if !strange.is_empty() && !self.in_flight(site) {
            let files: Vec<_> = strange.into_iter().take(10).collect();
            return Ok(Some(format!("files changed since: {}", files.join(", "))));
        }
        if !strange.is_empty() {
            let kept = repo.checkpoint(&format!("{}-left", terms.checkpoint_name()), &spared)?;
            let text = format!("What the interrupted run had half done is kept as commit {kept}");
            events.emit(Event::Notice { level: Level::Info, text });
        }
        self.clean(site, &untracked).map(|()| None)
    }

    /// What the run left where git does not look helps no later test: neither this run's nor another one's.
    fn set_leavings_aside(&self, site: &Site, events: &dyn Events) -> Result<(), Error> {
        let until = leavings::last_sign(&self.path, self.terms(), self.in_flight(site))?;
        Ok(leavings::of_dead_run(site, (&self.start, &self.records), until, events)?)
    }

    /// Untracked files that came since, and not from something that was in flight.
    fn added_since(&self, site: &Site, untracked: &BTreeSet<String>) -> Result<BTreeSet<String>, Error> {
        if self.in_flight(site) {
            return Ok(BTreeSet::new());
        }
        let known = match self.point() {
            Point::Checkpoint(id) | Point::Head(id) => site.repo.paths(id)?.into_iter().collect(),
        };
        let new = untracked.difference(&known).filter(|path| !self.terms().is_record(path));
        Ok(new.cloned().collect())
    }

    fn mask(&self, text: &str) -> String {
        self.redactor.redact(text).into_owned()
    }

    /// Untracked files that are a person's.
    fn foreign(&self) -> BTreeSet<String> {
        self.start.untracked.union(&self.added).cloned().collect()
    }

    /// Takes the run's uncommitted work out of the tree. Untracked records stay: they are no obstacle.
    fn clean(&self, site: &Site, untracked: &BTreeSet<String>) -> Result<(), Error> {
        let others = |path: &str| self.terms().is_record(path) && untracked.contains(path);
        site.store.unsettle(self.terms().day)?;
        let mask = |text: &str| self.mask(text);
        let spared = Spared { untracked: &self.foreign(), others: &others, mask: &mask };
        site.repo.restore(Point::Head(&self.head), &spared)?;
        Ok(site.store.settled(self.terms().day)?)
    }

    /// Goes back to where the run started, once its branch is settled. False where it cannot be resumed.
    pub(crate) fn rewind(
        &mut self,
        site: &Site,
        branch: &mut Branch,
        events: &dyn Events,
    ) -> Result<bool, Error> {
        if let Some(reason) = self.moved(site, branch)? {
            self.give_up(site, events, &reason)?;
            return Ok(false);
        }
        self.tip = Some(branch.head.clone());
        site.store.unsettle(self.terms().day)?;
        let head = Point::Head(&self.start.branch.head);
        let terms = self.terms();
        let others = |path: &str| terms.is_record(path);
        let mask = |text: &str| self.mask(text);
        site.repo.restore(head, &Spared { untracked: &self.foreign(), others: &others, mask: &mask })?;
        site.store.rewind(&self.start.files, &[PROGRESS])?;
        site.store.settled(self.terms().day)?;
        *branch = self.start.branch.clone();
        Ok(true)
    }

    /// Why the branch is not the one that the run worked on.
    fn moved(&self, site: &Site, branch: &Branch) -> Result<Option<String>, Error> {
        let was = &self.start.branch;
        if (&branch.name, &branch.base) != (&was.name, &was.base) {
            return Ok(Some(format!("it ran on {} (reviewed into {})", was.name, was.base)));
        }
        let ours = site.repo.head_of(self.point())?.unwrap_or_default();
        let (none, mask) = (|_: &str| false, |text: &str| self.mask(text));
        let spared = Spared { untracked: &self.foreign(), others: &none, mask: &mask };
        // A commit that was made and not recorded, or the same merge of the base branch made anew.
        let unrecorded =
            self.in_flight(site) && branch.head == self.head && site.repo.is_ancestor(&ours, &branch.head)?;
        let same = site.repo.is_ancestor(&branch.head, &ours)?
            || unrecorded
            || site.repo.differences(Point::Head(&was.head), &spared)?.is_empty();
        if !same {
            let short = |id: &str| id.chars().take(10).collect::<String>();
            return Ok(Some(format!(
                "{} is at {}, and not at {} where it was left",
                was.name,
                short(&branch.head),
                short(&ours)
            )));
        }
        Ok((!self.plan_is_unchanged(site)?).then(|| "the plan changed since".to_owned()))
    }

    /// Whether the plan is as the run found it or brought it from others, or as the run itself marked that.
    fn plan_is_unchanged(&self, site: &Site) -> Result<bool, Error> {
        let path = &self.terms().plan_path;
        let now = site.store.read_text(path)?;
        let before = self.start.files.get(path);
        if now.as_ref() == before {
            return Ok(true);
        }
        let (Some(now), Some(before)) = (now, before) else { return Ok(false) };
        let merged: Vec<_> = merge::texts(&self.records, path).collect();
        if merged.contains(&now.as_str()) {
            return Ok(true);
        }
        let dates = self.records.iter().filter(|record| record.kind == "clock");
        for date in dates.filter_map(|record| record.value.as_str()) {
            for before in merged.iter().copied().chain([before.as_str()]) {
                if mark_shipped(before, self.terms().day, date)?.as_ref() == Some(&now) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// What the run starts from now: `fresh` was settled on the tree as that run found it. Beside it what changed and
    /// bears on some of the calls only: a recorded call is of use where its question is the same.
    pub(crate) fn accept(&self, fresh: Start) -> Result<(Start, Vec<String>), String> {
        let old = &self.start;
        let (mut changed, mut free) = (Vec::new(), Vec::new());
        let terms = (as_value(&fresh.terms), as_value(&old.terms));
        for (name, value) in terms.0.as_object().into_iter().flatten() {
            if terms.1.get(name) != Some(value) {
                let among = if FREE_TERMS.contains(&name.as_str()) { &mut free } else { &mut changed };
                among.push(name.replace('_', " "));
            }
        }
        if old.templates.is_some() && fresh.templates != old.templates {
            free.push("templates".into());
        }
        if as_value(&fresh.plan) != as_value(&old.plan) {
            changed.push("the plan".into());
        }
        if (fresh.attempt, &fresh.base, &fresh.hold_reason) != (old.attempt, &old.base, &old.hold_reason) {
            changed.push("earlier attempts".into());
        }
        if !changed.is_empty() {
            return Err(format!("changed since: {}", changed.join(", ")));
        }
        let mut untracked = fresh.untracked;
        untracked.retain(|path| !old.terms.is_record(path));
        untracked.extend(old.untracked.iter().cloned());
        let (terms, templates) = (fresh.terms, fresh.templates);
        Ok((Start { untracked, terms, templates, ..old.clone() }, free))
    }

    /// The baseline of the run: it is not made twice.
    pub(crate) fn start(&self) -> &Start {
        &self.start
    }

    /// Brings the branch back to where it was settled, after it was rewound for nothing.
    pub(crate) fn leave(&self, site: &Site, events: &dyn Events, reason: &str) -> Result<(), Error> {
        if let Some(tip) = &self.tip {
            let (none, mask) = (|_: &str| false, |text: &str| self.mask(text));
            let spared = Spared { untracked: &site.repo.untracked()?, others: &none, mask: &mask };
            site.store.unsettle(self.terms().day)?;
            site.repo.restore(Point::Head(tip), &spared)?;
        }
        self.give_up(site, events, reason)
    }

    /// Tells why the run is not resumed, and books what it cost as an attempt without verdict.
    fn give_up(&self, site: &Site, events: &dyn Events, reason: &str) -> Result<(), Error> {
        let attempt = self.start.attempt;
        let text = format!("Not resuming attempt {attempt} of day {}: {reason}", self.terms().day);
        events.emit(Event::Notice { level: Level::Warning, text });
        book(&site.store, &self.start, &self.records)?;
        site.store.settled(self.terms().day)?;
        Ok(())
    }

    /// What the run's commands write from now on is its own, and not what people wrote meanwhile.
    pub(crate) fn mark_again(&self, site: &Site) -> anyhow::Result<()> {
        let began = tampering::began(&self.records);
        if began { tampering::mark_again(&site.root, self.terms().day) } else { Ok(()) }
    }

    /// Tells where the run goes on, and opens its journal to be played up to there.
    pub(crate) fn journal(
        self,
        start: &Start,
        redactor: Redactor,
        seal: Seal,
        keeper: Workspace,
        events: &dyn Events,
    ) -> anyhow::Result<Journal> {
        let (agent, call) = place(&self.records);
        let text = format!(
            "Resuming attempt {} at {agent}, call {call}: {} records are played, what they cost is not paid again",
            start.attempt,
            self.records.len()
        );
        events.emit(Event::Notice { level: Level::Info, text });
        let mut records = self.records;
        records[0].value = serde_json::to_value(start)?;
        Ok(Journal::resume(&self.path, records, redactor, seal, Box::new(keeper)))
    }
}

/// A new journal for a run that resumes nothing.
pub(crate) fn new_journal(
    site: &Site,
    start: &Start,
    redactor: Redactor,
    seal: Seal,
    keeper: Workspace,
) -> anyhow::Result<Journal> {
    site.repo.forget_checkpoints(&start.terms.checkpoint_name())?;
    let path = site.store.journal_path(start.terms.day, start.attempt)?;
    Journal::create(&path, redactor, seal, Box::new(keeper))
}

/// The keeper of a run's journal.
pub(crate) fn keeper(
    site: &Site,
    start: &Start,
    purse: &Arc<Purse>,
    written: &Written,
    redactor: &Redactor,
    remote: Option<Arc<RemoteJournal>>,
) -> Workspace {
    let parts = (site.repo.clone(), site.store.clone());
    Workspace::new(parts, Arc::clone(purse), written.clone(), start, (redactor.clone(), remote))
}

fn as_value<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
