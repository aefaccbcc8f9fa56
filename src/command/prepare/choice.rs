//! Which day a run is about, on which branch and by which plan; or why there is none.

use super::{Prepared, Preparing};
use crate::command::budget::Budget;
use crate::command::resume::Interrupted;
use crate::command::selection::{
    day_in_plan, earlier_days_shipped, first_unshipped, shipped, unchanged_hold,
};
use crate::command::site::read_plan;
use crate::command::{gate_days, left_journals, sprint};
use crate::domain::artifact::{FindingResult, SentinelReport};
use crate::domain::budget::Used;
use crate::domain::event::{Event, Level};
use crate::domain::plan::Plan;
use crate::error::Error;
use crate::repo::{Branch, RepoError};
use crate::settings::{DayChoice, Settings};

/// The day that a run is about.
pub(super) struct Choice {
    pub branch: Branch,
    pub plan: Plan,
    pub plan_path: String,
    pub day: u32,
    /// The daily budget by the books.
    pub today: Option<Used>,
}

/// What choosing came to.
pub(super) enum Chose {
    Day(Box<Choice>),
    /// The choice changes the books of the sprint, so the day that it leads to must be held first.
    Hold {
        sprint: String,
        day: u32,
    },
    Nothing(Prepared),
}

impl Preparing<'_> {
    /// Chooses the day.
    pub(super) async fn choose(&self, interrupted: &mut Option<Interrupted>) -> Result<Chose, Error> {
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
        let day = match self.named((&plan, &plan_path))? {
            Ok(day) => day,
            Err(prepared) => {
                self.sweep(&plan, &branch).await;
                return nothing(prepared);
            }
        };
        day_in_plan(&plan, &plan_path, day)?;
        if !settings.retry
            && let Some(decision) = shipped(site, &plan, day)?
        {
            self.sweep(&plan, &branch).await;
            return nothing(Prepared::Shipped(decision));
        }
        earlier_days_shipped(site, &plan, day)?;
        let gates = gate_days::closed_before(site, self.platform, (&plan, &branch), day, settings.approved);
        if let Some(wait) = gates.await? {
            return nothing(Prepared::Waits(wait));
        }
        let today = self.left_by_the_books(&plan, &branch)?;
        if let Some(used) = today.as_ref().filter(|used| !used.suffices()) {
            return nothing(Prepared::BudgetUsed(used.clone()));
        }
        sprint::carry(site, &mut plan, day)?;
        Ok(Chose::Day(Box::new(Choice { branch, plan, plan_path, day, today })))
    }

    /// Takes away what runs of shipped days left on the git server.
    async fn sweep(&self, plan: &Plan, branch: &Branch) {
        if !self.settings.dry_run {
            let sprint = sprint::identity(self.settings, plan, branch);
            left_journals::sweep_or_tell(self.site, (plan, &sprint), self.events).await;
        }
    }

    /// The day by the settings, or why there is none to run.
    fn named(&self, (plan, plan_path): (&Plan, &str)) -> Result<Result<u32, Prepared>, Error> {
        let (settings, site) = (self.settings, self.site);
        Ok(match settings.day {
            Some(DayChoice::Number(day)) => Ok(day),
            Some(DayChoice::Auto) | None => match first_unshipped(site, plan)? {
                None => Err(Prepared::Finished),
                Some(day) => match unchanged_hold(site, plan_path, day)? {
                    Some(reason) if !settings.retry => Err(Prepared::Held { day, reason }),
                    _ => Ok(day),
                },
            },
        })
    }

    /// What is gone of the daily budget by the books, where there is one.
    fn left_by_the_books(&self, plan: &Plan, branch: &Branch) -> Result<Option<Used>, Error> {
        let money = &self.settings.money;
        let Some(usd) = money.daily_budget_usd else { return Ok(None) };
        let sprint = sprint::identity(self.settings, plan, branch);
        let budget = Budget { usd, zone: &money.timezone };
        budget.used(&self.site.store, plan, &sprint, jiff::Timestamp::now()).map(Some)
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
}

/// The day that the settings name, else the first that the plan does not call shipped.
fn first_day(settings: &Settings, plan: &Plan) -> u32 {
    match settings.day {
        Some(DayChoice::Number(day)) => day,
        _ => plan.days.values().find(|day| !day.shipped).map_or(1, |day| day.day),
    }
}
