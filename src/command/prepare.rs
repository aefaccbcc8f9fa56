//! Everything that is settled before the first model call: repository, branch, plan, which day, what it starts
//! from. Spends nothing.

use std::collections::BTreeMap;

use super::budget::Budget;
use super::budget::ledger::Given;
use super::lock::{Holding, Turn};
use super::remote_journal::{self, Brought};
use super::resume::Interrupted;
use super::selection::{day_in_plan, earlier_days_shipped, first_unshipped, shipped, unchanged_hold};
use super::setup::set_up;
use super::site::{Site, read_plan, seal};
use super::terms::{Chosen, terms};
use super::{gate_days, leavings, sprint};
use crate::agent::prime;
use crate::agent::tests::ProjectTests;
use crate::day::sprint::PROGRESS;
use crate::day::start::Start;
use crate::domain::artifact::{FindingResult, SentinelReport};
use crate::domain::budget::{Entry, Used};
use crate::domain::decision::Decision;
use crate::domain::event::{Event, Events, Level};
use crate::domain::lock::Owner;
use crate::domain::plan::Plan;
use crate::domain::terms::{Stage, Terms};
use crate::error::Error;
use crate::evidence::runner;
use crate::platform::Platform;
use crate::prompt::Templates;
use crate::repo::{Branch, RepoError};
use crate::settings::{DayChoice, JournalMode, Settings};
use crate::store::artifacts::Store;

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
    match settings.day {
        None => problems.push("DAY is not set: name the sprint day to run, e.g. `DAY=1 pace`".into()),
        Some(DayChoice::Number(_) | DayChoice::Auto) => {}
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

/// The day that a run is about.
struct Choice {
    branch: Branch,
    plan: Plan,
    plan_path: String,
    day: u32,
    /// The daily budget by the books.
    today: Option<Used>,
}

/// What choosing came to.
enum Chose {
    Day(Box<Choice>),
    /// The choice changes the books of the sprint, so the day that it leads to must be held first.
    Hold {
        sprint: String,
        day: u32,
    },
    Nothing(Prepared),
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

    /// Says of a refused work tree what the last run's secret scan kept out of git and left in it, so that nobody commits
    /// it to have peace.
    fn naming_leaks(&self, error: RepoError) -> Error {
        let RepoError::Unusable(problem) = error else { return error.into() };
        let plan = read_plan(self.settings, &self.site.root, &|_, _| ());
        let report = plan.ok().and_then(|(_, plan)| {
            self.site.store.read::<SentinelReport>(first_day(self.settings, &plan)).ok().flatten()
        });
        let kept_out = report.into_iter().flat_map(|report| report.findings).filter(|finding| {
            finding.result == FindingResult::Fail
                && finding.file.as_ref().is_some_and(|file| problem.contains(file.as_str()))
        });
        let kept_out: Vec<String> = kept_out.map(|finding| finding.evidence).collect();
        if kept_out.is_empty() {
            return Error::config(problem);
        }
        Error::config(format!(
            "{problem}\nwhat the last run kept out of git is still there: {}; take it out or restore the file first, a \
             commit would bring it into git",
            kept_out.join("; ")
        ))
    }

    /// A dry run does not run the day, and without a remote the work tree's own lock is enough.
    fn must_hold(&self) -> bool {
        !self.settings.dry_run && self.site.own_refs.is_some()
    }

    async fn choose(&self, interrupted: &mut Option<Interrupted>) -> Result<Chose, Error> {
        let (settings, site) = (self.settings, self.site);
        let notice = |level, text: String| self.events.emit(Event::Notice { level, text });
        let mut branch = site.repo.prepare_branch().await.map_err(|error| self.naming_leaks(error))?;
        for action in &branch.actions {
            notice(Level::Info, action.clone());
        }
        if let Some(found) = interrupted
            && !found.rewind(site, &mut branch, self.events)?
        {
            *interrupted = None;
        }
        let (plan_path, mut plan) = read_plan(settings, &site.root, &notice)?;
        if self.must_hold()
            && self.holding.day().is_none()
            && sprint::is_another(settings, site, (&plan, &branch))?
        {
            return Ok(Chose::Hold {
                sprint: sprint::identity(settings, &plan, &branch),
                day: first_day(settings, &plan),
            });
        }
        sprint::enter(settings, site, (&plan, &mut branch), self.templates, &notice)?;
        let nothing = |prepared| Ok(Chose::Nothing(prepared));
        let day = match settings.day {
            Some(DayChoice::Number(day)) => day,
            Some(DayChoice::Auto) | None => match first_unshipped(site, &plan)? {
                None => return nothing(Prepared::Finished),
                Some(day) => match unchanged_hold(site, &plan_path, day)? {
                    Some(reason) if !settings.retry => return nothing(Prepared::Held { day, reason }),
                    _ => day,
                },
            },
        };
        day_in_plan(&plan, &plan_path, day)?;
        if !settings.retry
            && let Some(decision) = shipped(site, &plan, day)?
        {
            return nothing(Prepared::Shipped(decision));
        }
        earlier_days_shipped(site, &plan, day)?;
        let gates = gate_days::closed_before(site, self.platform, (&plan, &branch), day, settings.approved);
        if let Some(wait) = gates.await? {
            return nothing(Prepared::Waits(wait));
        }
        let today = match settings.money.daily_budget_usd {
            None => None,
            Some(budget) => {
                let sprint = sprint::identity(settings, &plan, &branch);
                let today = Budget { usd: budget, zone: &settings.money.timezone };
                match today.used(&site.store, &plan, &sprint, jiff::Timestamp::now())? {
                    used if used.suffices() => Some(used),
                    used => return nothing(Prepared::BudgetUsed(used)),
                }
            }
        };
        sprint::carry(site, &mut plan, day)?;
        Ok(Chose::Day(Box::new(Choice { branch, plan, plan_path, day, today })))
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

    /// Has the git server's ledger give the run its part of the daily budget, as its cap; what is gone, where the rest does
    /// not suffice. Without such a server the books are all there is, and only one run is at work.
    async fn share(
        &self,
        terms: &mut Terms,
        plan: &Plan,
        resumes: bool,
        today: Used,
    ) -> Result<Option<Used>, Error> {
        // A run that is gone on with may have made its first call.
        let day = plan.days.get(&terms.day).filter(|_| !resumes);
        let least = day.map(|day| prime::first_call_usd(self.templates, terms, day)).transpose();
        let today = Used { least: least.map_err(Error::Abort)?.unwrap_or_default(), ..today };
        if !today.suffices() {
            return Ok(Some(today));
        }
        let Some(refs) = self.site.own_refs.as_ref() else {
            if terms.stage == Stage::Work {
                let text = "PACE_DAILY_BUDGET counts what was pushed before this working job began: it may not push, so \
                            what others spend meanwhile is not seen";
                self.events.emit(Event::Notice { level: Level::Warning, text: text.to_owned() });
            }
            return Ok(None);
        };
        if terms.dry_run {
            return Ok(None);
        }
        let money = &self.settings.money;
        let budget = Budget { usd: today.budget, zone: &money.timezone };
        let ours = Entry {
            sprint: terms.sprint.clone(),
            day: terms.day,
            run: next_attempt(self.site, terms.day)?,
            owner: self.owner.run.clone(),
            at: 0,
            usd: money.max_run_usd,
            open: true,
        };
        match budget.share(refs, (&self.site.store, plan), (ours, resumes), today.least).await? {
            Given::Nothing(used) => Ok(Some(used)),
            Given::Share(share) => {
                terms.cap_by_day(share.usd(), money.max_run_usd);
                self.holding.keep_share(share);
                Ok(None)
            }
        }
    }
}

/// Number of the run among the day's attempts.
fn next_attempt(site: &Site, day: u32) -> Result<u32, Error> {
    Ok(site.store.attempts(day).map_err(Error::Abort)?.last().map_or(0, |attempt| attempt.run) + 1)
}

/// The day that the settings name, else the first that the plan does not call shipped.
fn first_day(settings: &Settings, plan: &Plan) -> u32 {
    match settings.day {
        Some(DayChoice::Number(day)) => day,
        _ => plan.days.values().find(|day| !day.shipped).map_or(1, |day| day.day),
    }
}

/// `resumed`: what an interrupted run started from, which is started again.
async fn start(
    site: &Site,
    terms: Terms,
    plan: Plan,
    branch: Branch,
    resumed: Option<&Start>,
) -> Result<Start, Error> {
    let attempts = site.store.attempts(terms.day).map_err(Error::Abort)?;
    let base = match attempts.first().and_then(|a| a.base.clone()) {
        Some(base) => base,
        // A run that was killed has no attempt to tell of it, but perhaps commits: they are part of the day.
        None => {
            let trailers = [format!("Pace-Day: {}", terms.day), format!("Pace-Sprint: {}", terms.sprint)];
            site.repo.before_first(&trailers)?.unwrap_or_else(|| branch.head.clone())
        }
    };
    let attempt = next_attempt(site, terms.day)?;
    let mut untracked = site.repo.untracked()?;
    // What an earlier run of the day left uncommitted is this run's to record.
    let own = format!("{}/", Store::day_dir(terms.day));
    untracked.retain(|path| !path.starts_with(&own));
    let hold_reason = site.store.last_hold_reason(terms.day).map_err(Error::Abort)?;
    let mut files: BTreeMap<String, String> = site.store.snapshot().map_err(Error::Abort)?;
    for path in [terms.plan_path.as_str(), PROGRESS] {
        if let Some(text) = site.store.read_text(path).map_err(Error::Abort)? {
            files.insert(path.to_owned(), text);
        }
    }
    let baseline = if let Some(resumed) = resumed {
        resumed.baseline.clone()
    } else if terms.dry_run {
        None
    } else {
        baseline(site, &terms, &base, &branch.head).await?
    };
    site.repo.note_ignored(&leavings::folder(terms.day, attempt)).map_err(Error::Abort)?;
    Ok(Start {
        pace: env!("CARGO_PKG_VERSION").into(),
        terms,
        plan,
        branch,
        attempt,
        base,
        untracked,
        baseline,
        hold_reason,
        templates: None,
        files,
    })
}

/// The test run on the day base. A runner that cannot start is a configuration problem; failing tests are fine.
async fn baseline(
    site: &Site,
    terms: &Terms,
    base: &str,
    head: &str,
) -> Result<Option<crate::domain::observation::TestRun>, Error> {
    let Some(tests) = ProjectTests::new(&site.root, terms, site.sandbox.clone()) else { return Ok(None) };
    if let Some(known) = site.store.baseline(terms.day, base) {
        return Ok(Some(known));
    }
    let run = tests.observe().await.map_err(Error::Abort)?;
    if runner::is_missing_runner(&run.run) {
        return Err(Error::config(format!(
            "the test command `{}` cannot start ({}): install the runner before pace, or set PACE_TEST_COMMAND\n{}",
            run.run.command,
            run.run.exit,
            run.run.output.text().trim_end()
        )));
    }
    if base == head {
        site.store.keep_baseline(terms.day, base, &run).map_err(Error::Abort)?;
    }
    Ok(Some(run))
}
