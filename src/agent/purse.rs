//! The bill of a run and its cap. The worst case of a call is reserved before each of its tries, so that the bill
//! never passes the cap: not when replies break off and are paid all the same, and not when a run is killed in the
//! middle of a call.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::domain::Agent;
use crate::domain::money::{Bill, Price, Usage, Worst};
use crate::domain::terms::{Rated, Terms};

use super::AgentError;

/// A call that was paid, or may have been, and whose reply is not used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lost {
    pub agent: Agent,
    /// Its name.
    pub model: String,
    /// Zero where the reply never came.
    pub usage: Usage,
    /// US dollars; what was reserved where the reply never came; `None` where the price is unknown.
    pub usd: Option<f64>,
}

/// Counts what a run spends.
#[derive(Debug)]
pub(crate) struct Purse {
    bill: Mutex<Bill>,
    /// US dollars.
    cap: f64,
    /// The cap is what was left of the daily budget.
    by_day: bool,
}

impl Purse {
    /// An empty bill under the cap of `terms`.
    pub(crate) fn under(terms: &Terms) -> Self {
        Self { bill: Mutex::default(), cap: terms.max_run_usd, by_day: terms.capped_by_day }
    }

    /// What a call with a prompt of at most `prompt` tokens that may answer with `max_output` sets aside, where it still
    /// fits; it pays for the call's tries.
    ///
    /// The worst case has all of the prompt at the dearest input rate. A model without a known price cannot be reserved
    /// for; that it is unknown was said at start.
    ///
    /// # Errors
    /// [`AgentError::CostCap`] where it does not fit.
    pub(crate) fn reserve(
        &self,
        price: Option<Price>,
        prompt: u64,
        max_output: u32,
    ) -> Result<Reservation<'_>, AgentError> {
        let worst = worst(price, prompt, max_output);
        let reservation = Reservation { purse: self, price, worst, lost: Mutex::default() };
        reservation.may_try_again().map_err(AgentError::CostCap)?;
        Ok(reservation)
    }

    /// Books what an interrupted run paid, or may have paid, for something that is of no use any more.
    pub(crate) fn lose(&self, lost: &Lost) {
        locked(&self.bill).book(lost.agent, &lost.model, lost.usage, lost.usd);
    }

    /// Books a call, or a try that brought no reply.
    pub(crate) fn book(&self, agent: Agent, model: &Rated, usage: Usage) {
        let cost = model.price.map(|price| price.of(usage));
        locked(&self.bill).book(agent, &model.name, usage, cost);
    }

    /// The bill so far.
    pub(crate) fn bill(&self) -> Bill {
        locked(&self.bill).clone()
    }

    /// US dollars spent at known prices.
    fn spent(&self) -> f64 {
        locked(&self.bill).spends.iter().filter_map(|spend| spend.cost).sum()
    }
}

/// Tokens of a prompt of so many bytes that nobody has counted yet: one for every two bytes. Prose and code stay far below;
/// what does not is known from the first count on.
pub(crate) const fn uncounted(bytes: usize) -> u64 {
    bytes as u64 / 2
}

/// What one try of a call costs at most; nothing where the price is unknown.
pub(crate) fn worst(price: Option<Price>, prompt: u64, max_output: u32) -> Worst {
    let output = u64::from(max_output);
    match price {
        Some(price) => price.worst(prompt, output),
        None => Worst { usage: Usage { input: prompt, output, ..Usage::default() }, cost: 0.0 },
    }
}

/// What is set aside for one call while it is under way.
#[derive(Debug)]
pub(crate) struct Reservation<'a> {
    purse: &'a Purse,
    price: Option<Price>,
    /// Of one try.
    worst: Worst,
    lost: Mutex<Vec<Usage>>,
}

impl Reservation<'_> {
    /// US dollars of one try at most; `None` where the price is unknown.
    pub(crate) fn usd(&self) -> Option<f64> {
        self.price.map(|_| self.worst.cost)
    }

    /// Books a try that brought no reply with the call; what it cost at most, in US dollars.
    pub(crate) fn lose(&self, usage: Option<Usage>) -> Option<f64> {
        let usage = usage.unwrap_or(self.worst.usage);
        locked(&self.lost).push(usage);
        self.price.map(|price| price.of(usage))
    }

    /// Whether one more try still fits.
    ///
    /// # Errors
    /// That it does not, in words.
    pub(crate) fn may_try_again(&self) -> Result<(), String> {
        let Some(price) = self.price else { return Ok(()) };
        let lost: f64 = locked(&self.lost).iter().map(|usage| price.of(*usage)).sum();
        let (spent, worst, cap) = (self.purse.spent() + lost, self.worst.cost, self.purse.cap);
        if spent + worst <= cap {
            return Ok(());
        }
        let call = format!(
            "could be passed by the next model call: ${spent:.4} spent, up to ${worst:.4} for the call"
        );
        Err(if self.purse.by_day {
            format!(
                "PACE_DAILY_BUDGET {call}, and ${cap:.2} of it were left for this run; raise the budget or run the day \
                 again tomorrow"
            )
        } else {
            format!("PACE_MAX_RUN_COST_USD={cap:.2} {call}; raise the cap or split the story")
        })
    }

    /// The tries so far that brought no reply, to be booked with the call; one that nobody counted at its worst case.
    pub(crate) fn lost_tries(&self) -> Vec<Usage> {
        locked(&self.lost).clone()
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
