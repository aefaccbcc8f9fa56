//! The bill of a run and its cap. The worst case of a call is reserved before each of its tries, so that the bill
//! never passes the cap: not when replies break off and are paid all the same, and not when a run is killed in the
//! middle of a call.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::Agent;
use crate::domain::money::{Bill, Price, Usage, Worst};
use crate::domain::terms::Rated;
use crate::llm::Payer;

use super::AgentError;

/// Counts what a run spends.
#[derive(Debug)]
pub(crate) struct Purse {
    bill: Mutex<Bill>,
    /// US dollars.
    cap: f64,
}

impl Purse {
    /// An empty bill under `cap` US dollars.
    pub(crate) fn new(cap: f64) -> Self {
        Self { bill: Mutex::default(), cap }
    }

    /// Whether a call that sends `request_bytes` and may answer with `max_output` tokens still fits; it pays for the
    /// call's tries.
    ///
    /// The worst case counts a token for every two bytes, all of them at the dearest input rate: real requests
    /// stay below. A model without a known price cannot be reserved for; that it is unknown was said at start.
    ///
    /// # Errors
    /// [`AgentError::CostCap`] where it does not fit.
    pub(crate) fn reserve(
        &self,
        price: Option<Price>,
        request_bytes: usize,
        max_output: u32,
    ) -> Result<Reservation<'_>, AgentError> {
        let (prompt, output) = (request_bytes as u64 / 2, u64::from(max_output));
        let worst = match price {
            Some(price) => price.worst(prompt, output),
            None => Worst { usage: Usage { input: prompt, output, ..Usage::default() }, cost: 0.0 },
        };
        let reservation = Reservation { purse: self, price, worst, lost: Mutex::default() };
        reservation.may_try_again().map_err(AgentError::CostCap)?;
        Ok(reservation)
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
    /// The tries so far that brought no reply, to be booked with the call; one that nobody counted at its worst case.
    pub(crate) fn lost_tries(&self) -> Vec<Usage> {
        locked(&self.lost).clone()
    }
}

impl Payer for Reservation<'_> {
    fn lost(&self, usage: Option<Usage>) {
        locked(&self.lost).push(usage.unwrap_or(self.worst.usage));
    }

    fn may_try_again(&self) -> Result<(), String> {
        let Some(price) = self.price else { return Ok(()) };
        let lost: f64 = locked(&self.lost).iter().map(|usage| price.of(*usage)).sum();
        let (spent, worst, cap) = (self.purse.spent() + lost, self.worst.cost, self.purse.cap);
        if spent + worst <= cap {
            return Ok(());
        }
        Err(format!(
            "PACE_MAX_RUN_COST_USD={cap:.2} could be passed by the next model call: ${spent:.4} spent, up to ${worst:.4} \
             for the call; raise the cap or split the story"
        ))
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
