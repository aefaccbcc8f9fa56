//! What a run gets of the daily budget before its first call: set aside in the git server's ledger where it may write there,
//! by what it reads there where it may not, and by the books alone without a server.

use super::ledger::{self, Given};
use super::{Budget, Used};
use crate::agent::prime;
use crate::command::prepare::{Preparing, next_attempt};
use crate::domain::budget::{DRY_RUN, Entry};
use crate::domain::event::{Event, Level};
use crate::domain::plan::Plan;
use crate::domain::terms::{Stage, Terms};
use crate::error::Error;
use crate::repo::OwnRefs;

impl Preparing<'_> {
    /// Makes the run's part of the daily budget its cap; what is gone, where the rest does not suffice. `today`: by the books.
    pub(crate) async fn share(
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
        let budget = Budget { usd: today.budget, zone: &self.settings.money.timezone };
        let Some(refs) = &self.site.own_refs else {
            return self.look(terms, plan, (budget, today.least)).await;
        };
        match self.set_aside(refs, terms, (plan, resumes), (budget, today.least)).await {
            Err(problem) if terms.dry_run => {
                self.warn(format!("this dry run cannot set its part aside ({problem})"));
                self.look(terms, plan, (budget, today.least)).await
            }
            told => told,
        }
    }

    async fn set_aside(
        &self,
        refs: &OwnRefs,
        terms: &mut Terms,
        (plan, resumes): (&Plan, bool),
        (budget, least): (Budget<'_>, f64),
    ) -> Result<Option<Used>, Error> {
        let most = self.settings.money.max_run_usd;
        let run = if terms.dry_run { DRY_RUN } else { next_attempt(self.site, terms.day)? };
        let ours = Entry {
            sprint: terms.sprint.clone(),
            day: terms.day,
            run,
            owner: self.owner.run.clone(),
            at: 0,
            usd: most,
            open: true,
        };
        match budget.share(refs, (&self.site.store, plan), (ours, resumes), least).await? {
            Given::Nothing(used) => Ok(Some(used)),
            Given::Share(share) => {
                terms.cap_by_day(share.usd(), most);
                self.holding.keep_share(share);
                Ok(None)
            }
        }
    }

    /// The same for a run that may only look. What it is about to spend is seen by no other run until it is written down.
    async fn look(
        &self,
        terms: &mut Terms,
        plan: &Plan,
        (budget, least): (Budget<'_>, f64),
    ) -> Result<Option<Used>, Error> {
        let Some(refs) = &self.site.read_refs else { return Ok(None) };
        let unseen = match (terms.dry_run, terms.stage) {
            (true, _) => "what this dry run spends is in nobody's books",
            (false, Stage::Work) => {
                "other runs see what this one spends once the publishing job has entered it"
            }
            (false, _) => "other runs see what this one spends once it was pushed",
        };
        let (entries, now) = match ledger::look(refs).await {
            Ok(there) => there,
            Err(problem) => {
                self.warn(format!(
                    "the ledger on the git server cannot be read ({problem}), so what was not pushed is not counted; {unseen}"
                ));
                return Ok(None);
            }
        };
        let used = budget.used_with((&self.site.store, plan, &terms.sprint), (&entries, now))?;
        let used = Used { least, ..used };
        if !used.suffices() {
            return Ok(Some(used));
        }
        terms.cap_by_day(used.left(), self.settings.money.max_run_usd);
        let left = used.left();
        self.warn(format!(
            "${left:.2} are left by the ledger, which this job may read and not write: {unseen}"
        ));
        Ok(None)
    }

    fn warn(&self, what: String) {
        let text = format!("PACE_DAILY_BUDGET: {what}");
        self.events.emit(Event::Notice { level: Level::Warning, text });
    }
}
