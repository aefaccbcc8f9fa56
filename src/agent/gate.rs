//! GATE judges every criterion on what the binary observed: the test run on the commit, its output, the CI.

mod bench;
mod observe;
mod prompt;

use self::bench::Bench;
use self::prompt::Prompt;
use super::kit::reading;
use super::report::submitted;
use super::rules::RuleChecks;
use super::turns::Task;
use super::{AgentError, Desk};
use crate::domain::Agent;
use crate::domain::artifact::{CriterionResult, CriterionVerdict, Finding, GateReport, Handoff, StoryCard};
use crate::domain::decision::Decision;
use crate::domain::hold::Cause;
use crate::domain::observation::{CiState, TestRun};
use crate::evidence::{coverage, findings, tamper};
pub(crate) use observe::{Observation, observe};

const AGENT: Agent = Agent::Gate;

/// What GATE judges.
pub(crate) struct Inputs<'a> {
    pub card: &'a StoryCard,
    pub handoff: &'a Handoff,
    pub observation: &'a Observation,
    pub ci: &'a CiState,
    /// What the rules on the day's tests came to.
    pub rules: &'a RuleChecks,
    /// The test run on the day base.
    pub baseline: Option<&'a TestRun>,
    /// What the change did to the tests that were there and to what runs them.
    pub tampering: &'a [Finding],
}

/// Runs GATE and adjudicates its report.
pub(crate) async fn run(desk: &Desk<'_>, inputs: &Inputs<'_>) -> Result<GateReport, AgentError> {
    let task = Task {
        agent: AGENT,
        model: &desk.terms.analysis_model,
        system: desk.prompt(AGENT, "system", &())?,
        user: desk.prompt(AGENT, "user", &Prompt::new(inputs)?)?,
        tools: reading(desk)?,
        max_calls: 16,
        max_tokens: 8_192,
    };
    submitted(desk, task, Bench { desk, inputs, asked_again: false }).await
}

/// Who can mend what GATE holds for. FORGE can neither make a CI answer, nor let the test command write a report, nor undo
/// a change where it may not write.
pub(crate) fn cause(report: &GateReport, inputs: &Inputs<'_>, writable: impl Fn(&str) -> bool) -> Cause {
    if matches!(inputs.ci, CiState::Timeout { .. }) {
        return Cause::Outside;
    }
    let met = report.criteria_results.iter().all(|r| r.result != CriterionResult::Fail);
    let holding = tamper::holding(inputs.tampering);
    let tampered = report.hold_reason.starts_with(tamper::MUST_STAY)
        && findings::cause(&holding, writable) == Cause::Outside;
    let no_report = report.hold_reason.starts_with(coverage::NO_REPORT);
    if met && (tampered || no_report) { Cause::Outside } else { Cause::Code }
}

/// The report of a round that GATE did not get to judge.
pub(crate) fn unjudged(day: u32, card: &StoryCard, reason: &str) -> GateReport {
    let evidence = format!("not judged: {reason}");
    let criteria_results = card
        .criteria()
        .map(|criterion| CriterionVerdict {
            criterion: criterion.to_owned(),
            result: CriterionResult::Fail,
            evidence: evidence.clone(),
            cites: vec![],
        })
        .collect();
    GateReport {
        day,
        agent: AGENT,
        criteria_results,
        blockers: vec![reason.to_owned()],
        deferred: vec![],
        gate_decision: Decision::Hold,
        hold_reason: reason.to_owned(),
        coverage_rule: String::new(),
        flaky: vec![],
    }
}
