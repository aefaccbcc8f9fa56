//! The publishing job: the hand-off is verified, its record played, and the day goes on from there. Believes nothing of what
//! it was handed that it can compute.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::agent::purse::Purse;
use crate::command::Exit;
use crate::command::keeper::Bookkeeper;
use crate::command::lock::{Holding, Turn, busy};
use crate::command::results::Results;
use crate::command::site::{Site, seal};
use crate::command::work::{Parts, end, finish, preflight, run_day};
use crate::day::stage::Handed;
use crate::day::start::Start;
use crate::domain::event::{Event, Events, Level};
use crate::domain::lock::Owner;
use crate::domain::terms::Stage;
use crate::error::Error;
use crate::exit;
use crate::journal::{self, END, Journal, Record};
use crate::llm::recorded::Recorded;
use crate::platform::Platform;
use crate::prompt::Templates;
use crate::repo::bundle::Bundled;
use crate::secret::Redactor;
use crate::settings::{DayChoice, Settings};
use crate::store::handoff::{Folder, Manifest};
use crate::tool::Written;

use super::rendered_alike;

/// What a publishing job works with.
pub(crate) struct Publishing<'a> {
    pub settings: &'a Settings,
    pub site: &'a Site,
    pub platform: &'a Platform,
    pub templates: &'a Templates,
    pub events: &'a dyn Events,
    pub redactor: Redactor,
    pub holding: &'a Holding,
    pub owner: &'a Owner,
}

/// Runs the publishing job: the hand-off is verified, its record played, and the day goes on from there.
pub(crate) async fn publish(job: Publishing<'_>, results: &mut Results) -> Exit {
    let folder = Folder::at(job.site.root.join(&job.settings.handoff));
    let Some(digest) = &job.settings.handoff_digest else {
        if folder.journal().exists() {
            let text = "PACE_HANDOFF_DIGEST is not set: pass the output `handoff-digest` of the working job";
            return Err(Error::config(text));
        }
        job.say("The working job left nothing to publish".into());
        return Ok(exit::SKIPPED);
    };
    let manifest = folder.open(digest).map_err(refused)?;
    if !manifest.has_record() {
        job.say("The working job reached no verdict: there is nothing to publish but its costs".into());
        return Ok(exit::SKIPPED);
    }
    let records = journal::read(&folder.journal()).map_err(refused)?;
    let start = Start::recorded(&records).map_err(refused)?;
    fits(job.settings, &manifest, &start)?;
    rendered_alike(&start, job.templates)?;
    if let Some(other) = job.hold(&manifest).await? {
        return Ok(busy(job.events, format!("Day {} is another run's: {other}", manifest.day)));
    }
    results.begin(&start);
    job.say(format!(
        "Publishing day {} of run {}: the working job's {} is computed once more from its record",
        manifest.day, manifest.attempt, manifest.decision
    ));
    preflight(job.site, job.platform, &manifest.branch, job.events).await?;
    let handed = job.take_over(&folder, &manifest, &start).await?;
    job.go_on((&start, records), &handed, results).await
}

impl Publishing<'_> {
    /// Brings the work tree to where the working job began, and its commits in.
    async fn take_over(&self, folder: &Folder, manifest: &Manifest, start: &Start) -> Result<Handed, Error> {
        let files = folder.files(manifest)?;
        self.take_back(&files, &start.files)?;
        let bundled = Bundled { head: manifest.head.clone(), commits: manifest.commits.clone() };
        let commits = self.site.repo.take_over(&manifest.branch, &bundled, &folder.bundle()).await?;
        for (path, text) in &start.files {
            if self.site.store.read_text(path)?.as_ref() != Some(text) {
                self.site.store.write_text(path, text)?;
            }
        }
        Ok(Handed { head: manifest.head.clone(), commits, files })
    }

    /// Plays the record of the working job, and goes on where it ended.
    async fn go_on(
        &self,
        (start, mut records): (&Start, Vec<Record>),
        handed: &Handed,
        results: &mut Results,
    ) -> Exit {
        let path = self.site.store.journal_path(start.terms.day, start.attempt)?;
        records.retain(|record| record.kind != END);
        let purse = Arc::new(Purse::under(&start.terms));
        // A publishing job that was killed is not resumed: it begins with the hand-off again, and pays for nothing.
        let keeper = Box::new(Bookkeeper { purse: Arc::clone(&purse), holding: self.holding.clone() });
        let journal = Journal::continued(&path, records, self.redactor.clone(), seal(self.settings), keeper)?;
        journal.note("start", "", start)?;
        let parts = Parts {
            site: self.site,
            // Whatever asks it has left the record.
            model: &Recorded::from_replies(vec![]),
            platform: self.platform,
            journal: &journal,
            templates: self.templates,
            events: self.events,
            stage: Stage::Publish,
            handed: Some(handed),
            purse,
            written: Written::default(),
        };
        let ended = tokio::select! {
            ended = run_day(&parts, start) => ended,
            // Whatever it would still push or write is another run's now.
            reason = self.holding.lost() => {
                return Err(Error::Abort(anyhow::anyhow!("{reason}; this run stopped at once")));
            }
        };
        let code = end(&journal, &ended, start.terms.advisory_exit_code)?;
        finish(results, ended?, code)
    }

    /// Holds the day on the git server; which other run has it, if so.
    async fn hold(&self, manifest: &Manifest) -> Result<Option<String>, Error> {
        let Some(refs) = &self.site.own_refs else { return Ok(None) };
        Ok(match self.holding.take(refs, self.owner, (&manifest.sprint, manifest.day)).await? {
            Turn::Ours => None,
            Turn::Theirs(other) => Some(other),
        })
    }

    /// Takes files out of the work tree again that an artifact of all of `.pace/` brought there: what the working job
    /// `wrote`, and what it had found there. The hand-off has every one of these texts, and the record begins without.
    fn take_back(
        &self,
        wrote: &BTreeMap<String, String>,
        found: &BTreeMap<String, String>,
    ) -> anyhow::Result<()> {
        let mut brought = Vec::new();
        for path in wrote.keys().chain(found.keys().filter(|path| path.starts_with(".pace/"))) {
            let text = self.site.store.read_text(path)?;
            if text.is_some() && (text.as_ref() == wrote.get(path) || text.as_ref() == found.get(path)) {
                brought.push(path.clone());
            }
        }
        self.site.repo.take_back(&brought)
    }

    fn say(&self, text: String) {
        self.events.emit(Event::Notice { level: Level::Info, text });
    }
}

/// A hand-off that is not what was handed over reaches no verdict.
fn refused(error: anyhow::Error) -> Error {
    Error::Abort(error.context("the hand-off is refused, nothing was pushed"))
}

/// The record is of a working job, of this day, and of what the manifest says.
fn fits(settings: &Settings, manifest: &Manifest, start: &Start) -> Result<(), Error> {
    if let Some(DayChoice::Number(day)) = settings.day
        && day != manifest.day
    {
        return Err(Error::config(format!(
            "DAY is {day}, and the hand-off is of day {}: leave DAY out of the publishing job, or fetch the other artifact",
            manifest.day
        )));
    }
    let same = start.terms.stage == Stage::Work
        && (start.terms.day, start.attempt) == (manifest.day, manifest.attempt)
        && (start.branch.name.as_str(), start.terms.sprint.as_str())
            == (manifest.branch.as_str(), manifest.sprint.as_str());
    if same {
        Ok(())
    } else {
        Err(refused(anyhow::anyhow!("its record is of another run than its manifest")))
    }
}
