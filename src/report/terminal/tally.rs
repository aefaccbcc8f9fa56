//! What the run came to so far, agent by agent: the figures behind a line and the table at the end. Writes nothing.

use std::time::Duration;

use super::paint::Paint;
use crate::domain::Agent;
use crate::domain::decision::Decision;
use crate::domain::money::Usage;
use crate::prompt::figures::{span, tokens, usd};
use crate::report::table::{self, Align};

/// Figures of the run and of its agents.
pub(super) struct Tally {
    /// Agents that began, in order.
    rows: Vec<Row>,
    /// Totals of the run, as the last model call gave them.
    usage: Usage,
    /// US dollars; `None` where a price is unknown.
    cost: Option<f64>,
}

/// What the final table says of an agent.
pub(super) struct Row {
    agent: Agent,
    verdict: Verdict,
    calls: u32,
    tokens: u64,
    cost: Option<f64>,
    time: Duration,
    /// Start and calls of the round that runs.
    since: (Duration, u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Unfinished,
    Done,
    Decided(Decision),
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Unfinished => "unfinished",
            Self::Done => "done",
            Self::Decided(decision) => decision.name(),
        }
    }

    fn paint(self) -> Paint {
        match self {
            Self::Decided(decision) => Paint::from(decision),
            Self::Done | Self::Unfinished => Paint::None,
        }
    }
}

/// A finished round of an agent.
pub(super) struct Round {
    pub(super) time: Duration,
    pub(super) calls: u32,
}

impl Row {
    /// Begins a round.
    pub(super) fn begin(&mut self, now: Duration) {
        self.verdict = Verdict::Unfinished;
        self.since = (now, self.calls);
    }

    /// Ends a round.
    pub(super) fn end(&mut self, decision: Option<Decision>, now: Duration) -> Round {
        let (start, calls_before) = self.since;
        let round = Round { time: now.saturating_sub(start), calls: self.calls - calls_before };
        self.time += round.time;
        self.verdict = decision.map_or(Verdict::Done, Verdict::Decided);
        self.since = (now, self.calls);
        round
    }

    /// Calls of the round that runs.
    pub(super) const fn calls_of_round(&self) -> u32 {
        self.calls - self.since.1
    }
}

impl Tally {
    pub(super) fn new() -> Self {
        Self { rows: Vec::new(), usage: Usage::default(), cost: Some(0.0) }
    }

    /// The row of `agent`, which begins at `now` where it has none yet.
    pub(super) fn row(&mut self, agent: Agent, now: impl Fn() -> Duration) -> &mut Row {
        let at = self.rows.iter().position(|row| row.agent == agent).unwrap_or_else(|| {
            self.rows.push(Row {
                agent,
                verdict: Verdict::Unfinished,
                calls: 0,
                tokens: 0,
                cost: Some(0.0),
                time: Duration::ZERO,
                since: (now(), 0),
            });
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }

    /// Books one call of `agent`, after which the run's totals are `usage` and `cost`; the agent's row.
    pub(super) fn called(
        &mut self,
        agent: Agent,
        usage: Usage,
        cost: Option<f64>,
        now: impl Fn() -> Duration,
    ) -> &Row {
        let spent = usage.total().saturating_sub(self.usage.total());
        let paid = cost.zip(self.cost).map(|(now, before)| (now - before).max(0.0));
        (self.usage, self.cost) = (usage, cost);
        let row = self.row(agent, now);
        row.calls += 1;
        row.tokens += spent;
        row.cost = row.cost.zip(paid).map(|(all, one)| all + one);
        row
    }

    /// All agents together: `1.2k tokens · $0.03`.
    pub(super) fn spent(&self) -> String {
        format!("{} tokens · {}", tokens(self.usage.total()), usd(self.cost))
    }

    /// The final table, line by line; `time`: since the start of the run.
    pub(super) fn table(&self, decision: Decision, time: Duration) -> Vec<(Paint, String)> {
        let mut paints = vec![Paint::Bold, Paint::Dim];
        paints.extend(self.rows.iter().map(|row| row.verdict.paint()));
        paints.push(Paint::from(decision));
        let mut rows: Vec<_> = self.rows.iter().map(Row::cells).collect();
        rows.push([
            "day".to_owned(),
            decision.to_string(),
            self.rows.iter().map(|row| row.calls).sum::<u32>().to_string(),
            tokens(self.usage.total()),
            usd(self.cost),
            span(time),
        ]);
        let head = [
            ("Agent", Align::Left),
            ("Verdict", Align::Left),
            ("Calls", Align::Right),
            ("Tokens", Align::Right),
            ("Cost", Align::Right),
            ("Time", Align::Right),
        ];
        paints.into_iter().zip(table::lines(head, &rows)).collect()
    }
}

impl Row {
    fn cells(&self) -> [String; 6] {
        [
            self.agent.to_string(),
            self.verdict.word().to_owned(),
            self.calls.to_string(),
            tokens(self.tokens),
            usd(self.cost),
            span(self.time),
        ]
    }
}
