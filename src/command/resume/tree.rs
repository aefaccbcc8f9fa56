//! The work tree of an interrupted run: whether it is as that run left it, and how it comes back to where it began. Untracked
//! files of people stay where they are.

use std::collections::BTreeSet;

use super::Interrupted;
use crate::agent::turns::MODEL;
use crate::command::leavings;
use crate::command::site::Site;
use crate::day::merge;
use crate::day::sprint::PROGRESS;
use crate::domain::event::{Event, Events, Level};
use crate::error::Error;
use crate::journal::{CLOCK, INTENT};
use crate::repo::Branch;
use crate::repo::checkpoint::{Point, Spared};
use crate::store::plan::mark_shipped;

impl Interrupted {
    /// Where the work tree was when the last record was written.
    pub(super) fn point(&self) -> Point<'_> {
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
    pub(super) fn take_up(&mut self, site: &Site, events: &dyn Events) -> Result<Option<String>, Error> {
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
            return self.clean(site).map(|()| None);
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
        self.clean(site).map(|()| None)
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

    pub(super) fn mask(&self, text: &str) -> String {
        self.redactor.redact(text).into_owned()
    }

    /// Untracked files that are a person's.
    fn foreign(&self) -> BTreeSet<String> {
        self.start.untracked.union(&self.added).cloned().collect()
    }

    /// A run that was killed while it was resumed left its branch where the day began: it comes back to where the run had
    /// brought it, for the git server may have those commits.
    pub(super) fn undo_rewinding(&mut self, site: &Site) -> Result<(), Error> {
        let began = &self.start.branch;
        if self.head != began.head || site.repo.checked_out()?.as_deref() != Some(began.name.as_str()) {
            return Ok(());
        }
        if let Some(reached) = site.repo.head_of(self.point())?.filter(|reached| *reached != self.head) {
            self.head = reached;
            self.clean(site)?;
        }
        Ok(())
    }

    /// Makes the tree as `self.head` has it. Untracked records stay where that commit has none: they are no obstacle.
    fn clean(&self, site: &Site) -> Result<(), Error> {
        let (untracked, committed) = (site.repo.untracked()?, site.repo.paths(&self.head)?);
        let committed: BTreeSet<String> = committed.into_iter().collect();
        let others = |path: &str| {
            self.terms().is_record(path) && untracked.contains(path) && !committed.contains(path)
        };
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
        let dates = self.records.iter().filter(|record| record.kind == CLOCK);
        for date in dates.filter_map(|record| record.value.as_str()) {
            for before in merged.iter().copied().chain([before.as_str()]) {
                if mark_shipped(before, self.terms().day, date)?.as_ref() == Some(&now) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}
