//! What the bodies tell of a day: one serialisable picture, built from domain types only.
//!
//! The day fills it; templates read it by these field names, which users' own templates rely on. Texts stay as
//! they came in: the template engine makes them inert. Knows no template and no platform.

use serde::Serialize;

use crate::domain::Agent;
use crate::domain::artifact::{
    ConduitReport, CriterionVerdict, Finding, GateReport, HandoffFile, SentinelReport,
};
use crate::domain::decision::Decision;
use crate::domain::hold::{Cause, Hold};
use crate::domain::money::Bill;
use crate::domain::observation::{TestRun, TestStatus};
use crate::prompt::markdown;

/// Everything that review, escalation and summary show of one run of a day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct DayView {
    pub product: ProductView,
    /// Identity of the sprint, as the markers carry it.
    pub sprint: String,
    pub day: u32,
    /// The sprint's last day.
    pub last_day: u32,
    pub theme: String,
    /// Attempt number of the day, from 1.
    pub attempt: u32,
    /// Where commits go.
    pub branch: String,
    /// Where the review goes.
    pub base: String,
    /// The commit that was judged; `None` where none was made.
    pub commit: Option<String>,
    /// `None` where no verdict was reached.
    pub decision: Option<Decision>,
    /// Why no verdict was reached; only where `decision` is `None`.
    pub abort: Option<String>,
    pub hold: Option<HoldView>,
    /// The code with which the run ends.
    pub exit_code: u8,
    /// All six, in working order ([`agents`]).
    pub agents: Vec<AgentView>,
    /// Today's criteria as GATE judged them.
    pub criteria: Vec<CriterionVerdict>,
    /// SENTINEL's, then CONDUIT's ([`findings`]).
    pub findings: Vec<FindingView>,
    /// The day's change.
    pub files: Vec<HandoffFile>,
    /// `None` where no test command ran.
    pub tests: Option<TestsView>,
    pub bill: BillView,
    /// Rounds before the last one, each ended by a HOLD that went back to FORGE.
    pub rounds: Vec<RoundView>,
    /// How children were confined, one line.
    pub sandbox: String,
    /// Every day of the plan, today's included.
    pub history: Vec<HistoryDay>,
    /// Later days wait until a person approved this one.
    pub human_gate: bool,
    /// URL of the sprint's review, once the platform answered one.
    pub review_url: Option<String>,
    /// URL of the day's hold issue, once the platform answered one.
    pub issue_url: Option<String>,
}

/// What is being built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ProductView {
    pub name: String,
    pub description: Option<String>,
}

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

/// A finding with the agent that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FindingView {
    pub agent: Agent,
    #[serde(flatten)]
    pub finding: Finding,
}

/// The findings of both reports, SENTINEL's first.
pub(crate) fn findings(
    sentinel: Option<&SentinelReport>,
    conduit: Option<&ConduitReport>,
) -> Vec<FindingView> {
    let of = |agent: Agent, findings: Option<&Vec<Finding>>| {
        let views: Vec<_> =
            findings.into_iter().flatten().cloned().map(|finding| FindingView { agent, finding }).collect();
        views
    };
    let mut all = of(Agent::Sentinel, sentinel.map(|r| &r.findings));
    all.extend(of(Agent::Conduit, conduit.map(|r| &r.findings)));
    all
}

/// The test run that GATE judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct TestsView {
    pub command: String,
    /// `exit code 1, 4 tests collected, 3 passed, 1 failed`.
    pub summary: String,
    /// Names of the tests that failed.
    pub failed: Vec<String>,
    /// Names of the tests that failed first and passed when run once more.
    pub flaky: Vec<String>,
    /// End of the output, for a run that failed; empty else.
    pub tail: String,
}

/// Lines of output that a body shows.
const TAIL_LINES: usize = 40;

impl From<&TestRun> for TestsView {
    fn from(run: &TestRun) -> Self {
        let tail = if run.run.exit.ok() {
            String::new()
        } else {
            let text = run.run.output.text();
            let lines: Vec<_> = text.trim_end().lines().collect();
            lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
        };
        Self {
            command: run.run.command.clone(),
            summary: run.summary(),
            failed: run.names(TestStatus::Failed).map(str::to_owned).collect(),
            flaky: vec![],
            tail,
        }
    }
}

/// What the run cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct BillView {
    pub calls: u32,
    pub tokens: u64,
    /// US dollars of this run; `None` where a price is unknown.
    pub cost: Option<f64>,
    pub models: Vec<ModelView>,
}

/// What one model cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ModelView {
    pub name: String,
    pub calls: u32,
    pub tokens: u64,
    /// US dollars; `None` where its price is unknown.
    pub cost: Option<f64>,
}

impl From<&Bill> for BillView {
    fn from(bill: &Bill) -> Self {
        Self {
            calls: bill.spends.iter().map(|s| s.calls).sum(),
            tokens: bill.usage().total(),
            cost: bill.cost(|_| true),
            models: bill
                .models
                .iter()
                .map(|spend| ModelView {
                    name: spend.model.clone(),
                    calls: spend.calls,
                    tokens: spend.usage.total(),
                    cost: spend.cost,
                })
                .collect(),
        }
    }
}

/// A round that a reviewer sent back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RoundView {
    /// From 1.
    pub number: u32,
    pub held_by: Agent,
    pub reason: String,
}

/// One day of the sprint.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct HistoryDay {
    pub day: u32,
    pub theme: String,
    /// `None` where the day was not judged yet.
    pub decision: Option<Decision>,
    /// Runs so far.
    pub attempts: u32,
    /// US dollars over all attempts; `None` where a price is unknown.
    pub cost: Option<f64>,
}

/// Hidden marker of the sprint's review: the first line of its body, by which it is found again.
pub(crate) fn review_marker(sprint: &str) -> String {
    format!("<!-- pace:{}:review -->", markdown::marker(sprint))
}

/// Hidden marker of the note that shows the last run's summary on the review.
pub(crate) fn summary_marker(sprint: &str) -> String {
    format!("<!-- pace:{}:summary -->", markdown::marker(sprint))
}

/// Hidden marker of a day's hold issue.
pub(crate) fn hold_marker(sprint: &str, day: u32) -> String {
    format!("<!-- pace:{}:day-{day}:hold -->", markdown::marker(sprint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Usage;
    use crate::domain::observation::{CommandRun, Exit, Output, TestCase};

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

    #[test]
    fn only_a_failed_run_shows_its_end() {
        let run = |exit| TestRun {
            run: CommandRun {
                command: "sh test.sh".into(),
                exit,
                output: Output {
                    head: (1..=60).map(|n| format!("line {n}\n")).collect(),
                    ..Output::default()
                },
                duration_ms: 1,
            },
            cases: vec![TestCase { name: "t".into(), status: TestStatus::Failed }],
            source: String::new(),
        };
        let failed = TestsView::from(&run(Exit::Code(1)));
        assert_eq!(failed.tail.lines().count(), TAIL_LINES);
        assert!(failed.tail.ends_with("line 60"));
        assert_eq!(failed.failed, ["t"]);
        assert_eq!(TestsView::from(&run(Exit::Code(0))).tail, "");
    }
}
