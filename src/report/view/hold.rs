//! A hold as people read it: with a reason, whoever wrote one.

use serde::Serialize;

use crate::domain::Agent;
use crate::domain::artifact::{ConduitReport, GateReport, SentinelReport};
use crate::domain::hold::{Cause, Hold};

/// A HOLD with a reason that is never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct HoldView {
    pub agent: Agent,
    pub cause: Cause,
    pub reason: String,
}

impl HoldView {
    /// The hold as people read it. Where it has no reason of its own, the first of gate, sentinel and conduit
    /// report that has one gives it, with the agent that wrote it.
    pub(crate) fn cascade(
        hold: &Hold,
        gate: Option<&GateReport>,
        sentinel: Option<&SentinelReport>,
        conduit: Option<&ConduitReport>,
    ) -> Self {
        let candidates = [
            (hold.agent, Some(&hold.reason)),
            (Agent::Gate, gate.map(|r| &r.hold_reason)),
            (Agent::Sentinel, sentinel.map(|r| &r.hold_reason)),
            (Agent::Conduit, conduit.map(|r| &r.hold_reason)),
        ];
        let found = candidates
            .into_iter()
            .find_map(|(agent, reason)| Some((agent, reason?.trim())).filter(|(_, r)| !r.is_empty()));
        let (agent, reason) =
            found.unwrap_or((hold.agent, "no reason was given; read the report of the day"));
        Self { agent, cause: hold.cause, reason: reason.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::decision::Decision;

    fn hold(reason: &str) -> Hold {
        Hold { agent: Agent::Conduit, cause: Cause::Code, reason: reason.into() }
    }

    fn gate(reason: &str) -> GateReport {
        GateReport {
            flaky: vec![],
            day: 1,
            agent: Agent::Gate,
            criteria_results: vec![],
            blockers: vec![],
            deferred: vec![],
            gate_decision: Decision::Hold,
            hold_reason: reason.into(),
            coverage_rule: String::new(),
        }
    }

    fn sentinel(reason: &str) -> SentinelReport {
        SentinelReport {
            day: 1,
            agent: Agent::Sentinel,
            findings: vec![],
            advisories: vec![],
            blockers: vec![],
            sentinel_decision: Decision::Hold,
            hold_reason: reason.into(),
        }
    }

    #[test]
    fn an_empty_reason_cascades_from_gate_to_sentinel_to_conduit() {
        for (own, in_gate, in_sentinel, expected) in [
            ("own", "g", "s", (Agent::Conduit, "own")),
            ("", "g", "s", (Agent::Gate, "g")),
            (" \n", " ", "s", (Agent::Sentinel, "s")),
        ] {
            let view =
                HoldView::cascade(&hold(own), Some(&gate(in_gate)), Some(&sentinel(in_sentinel)), None);
            assert_eq!((view.agent, view.reason.as_str()), expected);
        }
        let view = HoldView::cascade(&hold(""), None, None, None);
        assert_eq!(view.agent, Agent::Conduit);
        assert!(!view.reason.is_empty());
    }
}
