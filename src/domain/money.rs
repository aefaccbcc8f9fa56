//! Tokens and dollars. An unknown price makes a sum unknown; it is never counted as free.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::Agent;

/// Tokens of one or more calls, as the provider counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Usage {
    /// Uncached input tokens.
    pub input: u64,
    /// Input tokens written to the prompt cache.
    pub cache_write: u64,
    /// Input tokens read from the prompt cache.
    pub cache_read: u64,
    pub output: u64,
}

impl Usage {
    /// All tokens together.
    pub(crate) const fn total(self) -> u64 {
        self.input + self.cache_write + self.cache_read + self.output
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input += other.input;
        self.cache_write += other.cache_write;
        self.cache_read += other.cache_read;
        self.output += other.output;
    }
}

/// US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Price {
    pub input: f64,
    pub cache_write: f64,
    pub cache_read: f64,
    pub output: f64,
}

impl Price {
    /// What `usage` costs, in US dollars.
    pub(crate) fn of(&self, usage: Usage) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "token counts stay far below 2^52")]
        let part = |tokens: u64, per_million: f64| tokens as f64 * per_million / 1e6;
        part(usage.input, self.input)
            + part(usage.cache_write, self.cache_write)
            + part(usage.cache_read, self.cache_read)
            + part(usage.output, self.output)
    }
}

/// Spend of one agent within a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spend {
    pub agent: Agent,
    pub usage: Usage,
    pub calls: u32,
    /// US dollars; `None` where the model has no known price.
    pub cost: Option<f64>,
}

/// The bill of a run, by agent in order of first call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bill {
    pub spends: Vec<Spend>,
}

impl Bill {
    /// Books one call.
    pub(crate) fn book(&mut self, agent: Agent, usage: Usage, cost: Option<f64>) {
        if let Some(spend) = self.spends.iter_mut().find(|s| s.agent == agent) {
            spend.usage += usage;
            spend.calls += 1;
            spend.cost = spend.cost.zip(cost).map(|(a, b)| a + b);
        } else {
            self.spends.push(Spend { agent, usage, calls: 1, cost });
        }
    }

    /// Sum over the agents that `keep` names; `None` where one of them has an unknown price.
    pub(crate) fn cost(&self, keep: impl Fn(Agent) -> bool) -> Option<f64> {
        self.spends.iter().filter(|s| keep(s.agent)).map(|s| s.cost).sum()
    }

    /// Tokens of all agents.
    pub(crate) fn usage(&self) -> Usage {
        let mut total = Usage::default();
        for spend in &self.spends {
            total += spend.usage;
        }
        total
    }
}

/// US dollars as artifacts carry them: four decimals.
pub(crate) fn round_usd(usd: f64) -> f64 {
    // Nothing is 0, not the -0 that an empty sum is.
    (usd * 1e4).round() / 1e4 + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_price_makes_the_sum_unknown() {
        let mut bill = Bill::default();
        bill.book(Agent::Prime, Usage { input: 10, ..Usage::default() }, Some(0.5));
        bill.book(Agent::Forge, Usage { output: 1, ..Usage::default() }, None);
        assert_eq!(bill.cost(|_| true), None);
        assert_eq!(bill.cost(|a| a == Agent::Prime), Some(0.5));
        assert_eq!(bill.usage().total(), 11);
    }

    #[test]
    fn price_counts_every_kind_of_token() {
        let price = Price { input: 3.0, cache_write: 3.75, cache_read: 0.3, output: 15.0 };
        let usage =
            Usage { input: 1_000_000, cache_write: 1_000_000, cache_read: 1_000_000, output: 1_000_000 };
        assert!((price.of(usage) - 22.05).abs() < 1e-9);
    }
}
