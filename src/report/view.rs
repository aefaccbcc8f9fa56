//! What the bodies tell of a day: one serialisable picture, built from domain types only.
//!
//! The day fills it; templates read it by these field names, which users' own templates rely on. Texts stay as
//! they came in: the template engine makes them inert. Knows no template and no platform.

mod agents;
mod bill;
mod hold;
mod test_run;

use serde::Serialize;

use crate::domain::Agent;
use crate::domain::artifact::{ConduitReport, CriterionVerdict, Finding, HandoffFile, SentinelReport};
use crate::domain::decision::Decision;
pub(crate) use agents::{AgentState, AgentView, agents};
pub(crate) use bill::BillView;
pub(crate) use hold::HoldView;
pub(crate) use test_run::TestsView;

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
