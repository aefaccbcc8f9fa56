//! What happened, as it happens. `report` turns events into lines; nothing else prints.

use super::Agent;
use super::decision::Decision;
use super::hold::Hold;
use super::money::Usage;

/// Weight of a [`Event::Notice`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Info,
    Warning,
    Error,
}

/// One thing that happened in a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// A day starts. `attempt` counts from 1.
    DayStarted { day: u32, theme: String, attempt: u32, branch: String },
    /// Something worth a line that belongs to no agent.
    Notice { level: Level, text: String },
    /// An agent begins. `round` counts from 1; above 1 after a HOLD.
    AgentStarted { agent: Agent, round: u32 },
    /// A visible step of an agent, e.g. `Writing src/user.py ...`.
    Step { agent: Agent, text: String },
    /// A model call came back; the figures are totals of the run so far.
    Called { agent: Agent, usage: Usage, cost: Option<f64> },
    /// An agent is done; `decision` for the three reviewers.
    AgentFinished { agent: Agent, decision: Option<Decision>, summary: String },
    /// A reviewer held the round.
    Held { hold: Hold, retries_left: u32 },
    /// The day has its decision.
    Decided { decision: Decision, hold: Option<Hold> },
    /// The run ends without a verdict; the error itself is told at the process's edge.
    Aborted,
}

/// Takes events. Implementations must not block for long.
pub(crate) trait Events: Send + Sync {
    fn emit(&self, event: Event);
}
