//! Everything that is settled before the first model call: repository, branch, plan, which day, what it starts
//! from. Spends nothing.

mod choice;
mod start;

use super::lock::{Holding, Turn};
use super::remote_journal::{self, Brought};
use super::resume::Interrupted;
use super::setup::set_up;
use super::site::{Site, seal};
use super::sprint;
use super::terms::{Chosen, terms};
use crate::day::start::Start;
use crate::domain::budget::Used;
use crate::domain::decision::Decision;
use crate::domain::event::{Event, Events, Level};
use crate::domain::lock::Owner;
use crate::domain::terms::Stage;
use crate::error::Error;
use crate::platform::Platform;
use crate::prompt::Templates;
use crate::settings::{DayChoice, JournalMode, Settings};

use choice::{Choice, Chose};
use start::start;

/// What preparing came to.
pub(crate) enum Prepared {
    Go(Box<Start>),
    /// A person has the word first; why.
    Waits(String),
    /// The journal of an interrupted run was brought here from the git server: to be looked at before anything else.
    Resumable,
    /// Another run has the day; which.
    Busy(String),
    /// The day had shipped: its decision again.
    Shipped(Decision),
    /// `DAY=auto`: the day is on HOLD, and neither plan nor code changed since.
    Held {
        day: u32,
        reason: String,
    },
    /// `DAY=auto`: every day has shipped.
    Finished,
    /// What `PACE_DAILY_BUDGET` has left does not suffice.
    BudgetUsed(Used),
}

/// What must be mended before anything is run or paid for.
pub(crate) fn spend_problems(settings: &Settings) -> Vec<String> {
    if settings.stage == Stage::Publish {
        return settings.spend_problems();
    }
    if settings.day == Some(DayChoice::Number(0)) && settings.stage == Stage::Work {
        return vec!["DAY=0 asks no model, so there is nothing to divide: run it with PACE_STAGE=all".into()];
    }
    if settings.day == Some(DayChoice::Number(0)) {
        // Planning asks no model and runs no command.
        return vec![];
    }
    let mut problems = settings.spend_problems();
    if settings.day_missing {
        problems.push("DAY is not set: name the sprint day to run, e.g. `DAY=1 pace`".into());
    }
    problems
}

/// What a run is prepared with.
pub(crate) struct Preparing<'a> {
    pub settings: &'a Settings,
    pub site: &'a Site,
    pub platform: &'a Platform,
    pub templates: &'a Templates,
    pub events: &'a dyn Events,
    pub holding: &'a Holding,
    /// What the locks say of this run.
    pub owner: &'a Owner,
}

impl Preparing<'_> {
    /// Settles everything that a run of the day starts from. The day is held from here on, and chosen again where
    /// another run pushed before it could be held: it may have shipped.
    pub(crate) async fn prepare(&self, interrupted: &mut Option<Interrupted>) -> Result<Prepared, Error> {
        // Choosing goes back to its work tree, and no branch may be settled after that.
        if let Some(terms) = interrupted.as_ref().map(Interrupted::terms)
            && let Some(other) = self.hold(&terms.sprint, terms.day).await?
        {
            return Ok(other);
        }
        loop {
            let held = self.holding.day();
            let (sprint, day, choice) = match self.choose(interrupted).await? {
                Chose::Nothing(prepared) => return Ok(prepared),
                Chose::Hold { sprint, day } => (sprint, day, None),
                Chose::Day(choice) => {
                    let sprint = sprint::identity(self.settings, &choice.plan, &choice.branch);
                    (sprint, choice.day, Some(choice))
                }
            };
            if let Some(other) = self.hold(&sprint, day).await? {
                return Ok(other);
            }
            let Some(choice) = choice else { continue };
            if !self.must_hold() || held == Some(day) {
                return self.settle(*choice, interrupted.as_ref()).await;
            }
            match self.bring(&sprint, day).await {
                Brought::Interrupted => return Ok(Prepared::Resumable),
                Brought::Booked => continue,
                Brought::Nothing => {}
            }
            if self.site.repo.prepare_branch().await?.head == choice.branch.head {
                return self.settle(*choice, None).await;
            }
        }
    }

    /// Holds the day; what there is to say where another run has it.
    async fn hold(&self, sprint: &str, day: u32) -> Result<Option<Prepared>, Error> {
        let Some(refs) = self.site.own_refs.as_ref().filter(|_| self.must_hold()) else { return Ok(None) };
        if self.holding.day() == Some(day) {
            return Ok(None);
        }
        Ok(match self.holding.take(refs, self.owner, (sprint, day)).await? {
            Turn::Ours => None,
            Turn::Theirs(other) => Some(Prepared::Busy(format!("Day {day} is another run's: {other}"))),
        })
    }

    /// Brings what an earlier run of the day left on the git server.
    async fn bring(&self, sprint: &str, day: u32) -> Brought {
        let refs = self.site.own_refs.as_ref().filter(|_| self.settings.journal == JournalMode::Auto);
        let Some(refs) = refs else { return Brought::Nothing };
        let seal = seal(self.settings);
        remote_journal::bring(self.site, refs, (sprint, day), &seal).await.unwrap_or_else(|problem| {
            let text = format!("Not resuming: {problem:#}");
            self.events.emit(Event::Notice { level: Level::Warning, text });
            Brought::Nothing
        })
    }

    /// A dry run does not run the day, and without a remote the work tree's own lock is enough.
    fn must_hold(&self) -> bool {
        !self.settings.dry_run && self.site.own_refs.is_some()
    }

    async fn settle(&self, choice: Choice, interrupted: Option<&Interrupted>) -> Result<Prepared, Error> {
        let Choice { branch, plan, plan_path, day, today } = choice;
        let chosen = Chosen {
            plan: &plan,
            plan_path: &plan_path,
            branch: &branch,
            day,
            left_today: today.as_ref().map(Used::left),
            platform: &self.platform.name,
        };
        let notice = |level, text: String| self.events.emit(Event::Notice { level, text });
        let mut terms = terms(self.settings, self.site, &chosen, &notice)?;
        if let Some(today) = today
            && let Some(used) = self.share(&mut terms, &plan, interrupted.is_some(), today).await?
        {
            return Ok(Prepared::BudgetUsed(used));
        }
        if !terms.dry_run
            && let Some(setup) = set_up(self.settings, self.site, &notice).await?
        {
            // A run settles on its day once.
            let _ = self.site.setup.set(setup);
        }
        let known = interrupted.map(Interrupted::start);
        let mut start = start(self.site, terms, plan, branch, known).await?;
        start.templates = Some(self.templates.digest());
        Ok(Prepared::Go(Box::new(start)))
    }
}

/// Number of the run among the day's attempts.
pub(crate) fn next_attempt(site: &Site, day: u32) -> Result<u32, Error> {
    Ok(site.store.attempts(day).map_err(Error::Abort)?.last().map_or(0, |attempt| attempt.run) + 1)
}
