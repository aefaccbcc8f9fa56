//! The six agents of a run: how each stands at its end, and what it cost.

use serde::Serialize;

use crate::domain::Agent;
use crate::domain::decision::Decision;
use crate::domain::money::Bill;

/// How an agent stands at the end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum AgentState {
    Ship,
    Advisory,
    Hold,
    /// Worked, and has nothing to decide.
    Done,
    /// Did not come to an end.
    Failed,
    /// Was not called.
    Skipped,
}

impl From<Decision> for AgentState {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Ship => Self::Ship,
            Decision::Advisory => Self::Advisory,
            Decision::Hold => Self::Hold,
        }
    }
}

/// One agent of the run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct AgentView {
    pub name: Agent,
    pub state: AgentState,
    /// Model calls over all rounds.
    pub calls: u32,
    /// All kinds of tokens together.
    pub tokens: u64,
    /// US dollars; `None` where a price is unknown. 0 for an agent without calls.
    pub cost: Option<f64>,
}

/// All six agents in working order. `states` holds what is known; an agent that it does not name counts as
/// [`AgentState::Failed`] if it made calls and as [`AgentState::Skipped`] else.
pub(crate) fn agents(bill: &Bill, states: &[(Agent, AgentState)]) -> Vec<AgentView> {
    Agent::ALL
        .into_iter()
        .map(|name| {
            let spend = bill.spends.iter().find(|s| s.agent == name);
            let calls = spend.map_or(0, |s| s.calls);
            let unknown = if calls > 0 { AgentState::Failed } else { AgentState::Skipped };
            AgentView {
                name,
                state: states.iter().find(|(agent, _)| *agent == name).map_or(unknown, |(_, state)| *state),
                calls,
                tokens: spend.map_or(0, |s| s.usage.total()),
                cost: spend.map_or(Some(0.0), |s| s.cost),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Usage;

    #[test]
    fn an_agent_that_called_and_did_not_end_has_failed() {
        let mut bill = Bill::default();
        bill.book(Agent::Prime, "m", Usage::default(), Some(0.1));
        bill.book(Agent::Forge, "m", Usage::default(), None);
        let views = agents(&bill, &[(Agent::Prime, AgentState::Done)]);
        let states: Vec<_> = views.iter().map(|v| v.state).collect();
        use AgentState::{Done, Failed, Skipped};
        assert_eq!(states, [Done, Failed, Skipped, Skipped, Skipped, Skipped]);
        assert_eq!(views[1].cost, None);
        assert_eq!(views[2].cost, Some(0.0));
    }
}
