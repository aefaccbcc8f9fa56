//! Resuming: what an interrupted run of the day left, whether it still holds, and its journal, which plays up to where it
//! stopped. What does not hold any more is told and stays on
//! the books.

pub(crate) mod look;
mod tree;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::booking::{book, place};
use super::keeper::Workspace;
use super::remote_journal::RemoteJournal;
use super::site::Site;
use crate::agent::purse::Purse;
use crate::agent::tampering;
use crate::day::start::Start;
use crate::domain::event::{Event, Events, Level};
use crate::domain::terms::Terms;
use crate::error::Error;
use crate::journal::{Journal, Record, Seal};
use crate::repo::checkpoint::{Point, Spared};
use crate::secret::Redactor;
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
