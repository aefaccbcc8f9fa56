//! The bill of a run and its cap. The worst case of a call is reserved before it is made, so that the bill
//! never passes the cap.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::domain::Agent;
use crate::domain::money::{Bill, Price, Usage};

use super::AgentError;

/// A call that was paid, or may have been, and whose reply is not used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lost {
    pub agent: Agent,
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
}

impl Purse {
    /// An empty bill under `cap` US dollars.
    pub(crate) fn new(cap: f64) -> Self {
        Self { bill: Mutex::default(), cap }
    }

    /// US dollars that a call may cost which sends `request_bytes` and may answer with `max_output` tokens; `None` where the
    /// price is unknown.
    ///
    /// The worst case counts a token for every two bytes, all of them at the dearest input rate: real requests
    /// stay below. A model without a known price cannot be reserved for; that it is unknown was said at start.
    pub(crate) fn reserve(
        &self,
        price: Option<Price>,
        request_bytes: usize,
        max_output: u32,
    ) -> Result<Option<f64>, AgentError> {
        let Some(price) = price else { return Ok(None) };
        let dearest = Price { input: price.input.max(price.cache_write), ..price };
        let worst = dearest.of(Usage {
            input: request_bytes as u64 / 2,
            output: u64::from(max_output),
            ..Usage::default()
        });
        let spent = self.bill().cost(|_| true).unwrap_or(0.0);
        if spent + worst > self.cap {
            return Err(AgentError::CostCap(format!(
                "PACE_MAX_RUN_COST_USD={:.2} could be passed by the next model call: ${spent:.4} spent, up to \
                 ${worst:.4} for the call; raise the cap or split the story",
                self.cap
            )));
        }
        Ok(Some(worst))
    }

    /// Books what an interrupted run paid, or may have paid, for something that is of no use any more.
    pub(crate) fn lose(&self, lost: &Lost) {
        let mut bill = self.bill.lock().unwrap_or_else(PoisonError::into_inner);
        bill.book(lost.agent, lost.usage, lost.usd);
    }

    /// Books a finished call.
    pub(crate) fn book(&self, agent: Agent, usage: Usage, price: Option<Price>) {
        let mut bill = self.bill.lock().unwrap_or_else(PoisonError::into_inner);
        bill.book(agent, usage, price.map(|p| p.of(usage)));
    }

    /// The bill so far.
    pub(crate) fn bill(&self) -> Bill {
        self.bill.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: Price = Price { input: 3.0, cache_write: 3.75, cache_read: 0.3, output: 15.0 };

    #[test]
    fn a_call_that_could_pass_the_cap_is_refused_by_variable() {
        let purse = Purse::new(0.5);
        assert!(purse.reserve(Some(PRICE), 2_000, 16_000).is_ok());
        purse.book(Agent::Forge, Usage { output: 20_000, ..Usage::default() }, Some(PRICE));
        let error = purse.reserve(Some(PRICE), 2_000, 16_000).unwrap_err();
        assert!(error.to_string().contains("PACE_MAX_RUN_COST_USD"), "{error}");
    }

    #[test]
    fn an_unknown_price_reserves_nothing() {
        assert!(Purse::new(0.0001).reserve(None, 1_000_000, 64_000).is_ok());
    }
}
