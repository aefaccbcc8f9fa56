//! Tokens and dollars. An unknown price makes a sum unknown; it is never counted as free.

use std::collections::BTreeMap;
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
    /// The rates of a call with a long prompt, where they differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long: Option<LongPrice>,
}

/// US dollars per million tokens of a whole call whose prompt has more than `above` tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LongPrice {
    /// Tokens of the prompt, cached ones included.
    pub above: u64,
    pub input: f64,
    pub cache_write: f64,
    pub cache_read: f64,
    pub output: f64,
}

impl Price {
    /// What a call with this `usage` costs, in US dollars. The usages of several calls must not be added up first: each
    /// has a prompt size of its own.
    pub(crate) fn of(&self, usage: Usage) -> f64 {
        let prompt = usage.input + usage.cache_write + usage.cache_read;
        match self.long {
            Some(long) if prompt > long.above => long.flat().flat_cost(usage),
            _ => self.flat_cost(usage),
        }
    }

    /// The most that a call can cost that sends at most `prompt` tokens and receives at most `output`.
    pub(crate) fn worst(&self, prompt: u64, output: u64) -> Worst {
        let of = |price: &Self, prompt: u64| {
            let mut usage = Usage { output, ..Usage::default() };
            if price.cache_write > price.input {
                usage.cache_write = prompt;
            } else {
                usage.input = prompt;
            }
            Worst { usage, cost: price.flat_cost(usage) }
        };
        let Some(long) = self.long.filter(|long| prompt > long.above) else { return of(self, prompt) };
        // Rates for long prompts are mostly, but not by necessity, the higher ones.
        let (short, long) = (of(self, long.above), of(&long.flat(), prompt));
        if long.cost > short.cost { long } else { short }
    }

    fn flat_cost(&self, usage: Usage) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "token counts stay far below 2^52")]
        let part = |tokens: u64, per_million: f64| tokens as f64 * per_million / 1e6;
        part(usage.input, self.input)
            + part(usage.cache_write, self.cache_write)
            + part(usage.cache_read, self.cache_read)
            + part(usage.output, self.output)
    }
}

impl LongPrice {
    const fn flat(&self) -> Price {
        let Self { input, cache_write, cache_read, output, .. } = *self;
        Price { input, cache_write, cache_read, output, long: None }
    }
}

/// The dearest form of a call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Worst {
    pub usage: Usage,
    /// US dollars.
    pub cost: f64,
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

/// Spend on one model within a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ModelSpend {
    pub model: String,
    pub usage: Usage,
    pub calls: u32,
    /// US dollars; `None` where it has no known price.
    pub cost: Option<f64>,
}

/// The bill of a run, by agent and once more by model, each in order of first call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bill {
    pub spends: Vec<Spend>,
    #[serde(default)]
    pub models: Vec<ModelSpend>,
}

impl Bill {
    /// Books one call, or a try of one that brought no reply: that counts as a call too, for it was paid.
    pub(crate) fn book(&mut self, agent: Agent, model: &str, usage: Usage, cost: Option<f64>) {
        let add = |sum: Option<f64>| sum.zip(cost).map(|(a, b)| a + b);
        if let Some(spend) = self.spends.iter_mut().find(|s| s.agent == agent) {
            spend.usage += usage;
            spend.calls += 1;
            spend.cost = add(spend.cost);
        } else {
            self.spends.push(Spend { agent, usage, calls: 1, cost });
        }
        if let Some(spend) = self.models.iter_mut().find(|s| s.model == model) {
            spend.usage += usage;
            spend.calls += 1;
            spend.cost = add(spend.cost);
        } else {
            self.models.push(ModelSpend { model: model.to_owned(), usage, calls: 1, cost });
        }
    }

    /// US dollars by agent's name, as artifacts carry them.
    pub(crate) fn by_agent(&self) -> BTreeMap<String, Option<f64>> {
        self.spends.iter().map(|s| (s.agent.name().to_owned(), s.cost.map(round_usd))).collect()
    }

    /// US dollars by model, as artifacts carry them.
    pub(crate) fn by_model(&self) -> BTreeMap<String, Option<f64>> {
        self.models.iter().map(|s| (s.model.clone(), s.cost.map(round_usd))).collect()
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
        bill.book(Agent::Prime, "a", Usage { input: 10, ..Usage::default() }, Some(0.5));
        bill.book(Agent::Forge, "b", Usage { output: 1, ..Usage::default() }, None);
        assert_eq!(bill.cost(|_| true), None);
        assert_eq!(bill.cost(|a| a == Agent::Prime), Some(0.5));
        assert_eq!(bill.usage().total(), 11);
        assert_eq!(bill.by_model(), [("a".to_owned(), Some(0.5)), ("b".to_owned(), None)].into());
    }

    #[test]
    fn price_counts_every_kind_of_token() {
        let price = Price { input: 3.0, cache_write: 3.75, cache_read: 0.3, output: 15.0, long: None };
        let usage =
            Usage { input: 1_000_000, cache_write: 1_000_000, cache_read: 1_000_000, output: 1_000_000 };
        assert!((price.of(usage) - 22.05).abs() < 1e-9);
    }

    #[test]
    fn a_long_prompt_has_rates_of_its_own_and_cached_tokens_count() {
        let long = LongPrice { above: 200_000, input: 2.0, cache_write: 2.0, cache_read: 0.2, output: 20.0 };
        let price = Price { input: 1.0, cache_write: 1.0, cache_read: 0.1, output: 10.0, long: Some(long) };
        for (usage, cost) in [
            (Usage { input: 200_000, output: 100_000, ..Usage::default() }, 1.2),
            (Usage { input: 200_001, output: 100_000, ..Usage::default() }, 2.400_002),
            (Usage { input: 1, cache_read: 200_000, output: 100_000, ..Usage::default() }, 2.040_002),
        ] {
            assert!((price.of(usage) - cost).abs() < 1e-9, "{usage:?}: {}", price.of(usage));
            let prompt = usage.input + usage.cache_write + usage.cache_read;
            assert!(price.worst(prompt, usage.output).cost >= price.of(usage));
        }
    }
}
