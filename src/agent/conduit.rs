//! CONDUIT checks the pipeline: CI workflows, Makefile, lockfiles and container files of the commit.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::kit::reading;
use super::report::{Judge, Judgement, SubmitReport};
use super::turns::{self, End, Task};
use super::{AgentError, Desk, reviewer, yaml};
use crate::domain::Agent;
use crate::domain::artifact::{ConduitReport, Finding, FindingResult, Handoff, SentinelReport, StoryCard};
use crate::domain::backlog::Entry;
use crate::domain::decision::Decision;
use crate::domain::diff::Diff;
use crate::evidence::pipeline::is_pipeline;

const AGENT: Agent = Agent::Conduit;

/// What CONDUIT reviews.
pub(crate) struct Inputs<'a> {
    pub card: &'a StoryCard,
    pub handoff: &'a Handoff,
    pub sentinel: &'a SentinelReport,
    pub diff: &'a Diff,
    /// Open advisories of CONDUIT.
    pub backlog: &'a [Entry],
}

/// Runs CONDUIT; without any pipeline file the report is one PASS and no model is asked.
pub(crate) async fn run(desk: &Desk<'_>, inputs: &Inputs<'_>) -> Result<ConduitReport, AgentError> {
    let commit = &inputs.handoff.commit;
    let paths: Vec<String> = desk
        .journal
        .step("pipeline-files", commit, async {
            let paths = desk.repo.paths(commit)?;
            anyhow::Ok(paths.into_iter().filter(|path| is_pipeline(path)).collect())
        })
        .await?;
    if paths.is_empty() && (inputs.backlog.is_empty() || !desk.plan.clearance) {
        desk.step(AGENT, "No CI files: nothing to check");
        return Ok(nothing_to_check(desk.terms.day));
    }
    let files = reviewer::shown(desk, commit, paths.into_iter().take(60), 16 * 1024).await?;
    let values = json!({
        "card": yaml(inputs.card)?,
        "handoff": yaml(inputs.handoff)?,
        "sentinel": yaml(inputs.sentinel)?,
        "backlog": inputs.backlog,
        "touched": inputs.diff.files.iter().map(|f| &f.path).collect::<Vec<_>>(),
        "files": files,
    });
    let task = Task {
        agent: AGENT,
        model: &desk.terms.analysis_model,
        system: desk.prompt(AGENT, "system", &())?,
        user: desk.prompt(AGENT, "user", &values)?,
        tools: reading(desk)?,
        max_calls: 16,
        max_tokens: 8_192,
    };
    let clearance = reviewer::Clearance { open: inputs.backlog, asked: false };
    let judge = Findings { desk, inputs, clearance };
    match turns::run(desk, task, &mut SubmitReport(judge)).await? {
        End::Done { output, .. } => Ok(output),
        End::Stopped { reason, .. } => Err(AgentError::Unusable { agent: AGENT, reason }),
    }
}

fn nothing_to_check(day: u32) -> ConduitReport {
    let finding = Finding {
        check: "CI files".into(),
        result: FindingResult::Pass,
        evidence: "The commit has no CI workflow, Makefile, lockfile or container file".into(),
        file: None,
        line: None,
        fingerprint: None,
    };
    ConduitReport {
        day,
        agent: AGENT,
        findings: vec![finding],
        advisories: vec![],
        blockers: vec![],
        conduit_decision: Decision::Ship,
        hold_reason: String::new(),
    }
}

struct Findings<'a> {
    desk: &'a Desk<'a>,
    inputs: &'a Inputs<'a>,
    clearance: reviewer::Clearance<'a>,
}

impl Judge for Findings<'_> {
    type Artifact = ConduitReport;
    const SCHEMA: &'static str = "conduit-report";

    fn judge(&mut self, submission: Value) -> BoxFuture<'_, Judgement<ConduitReport>> {
        Box::pin(async move {
            let (commit, diff) = (&self.inputs.handoff.commit, self.inputs.diff);
            let clearance = &mut self.clearance;
            let reviewed =
                reviewer::review(self.desk, AGENT, submission, commit, diff, clearance, &[]).await?;
            Ok(reviewed.map(|r| ConduitReport {
                day: self.desk.terms.day,
                agent: AGENT,
                findings: r.findings,
                advisories: r.advisories,
                blockers: r.blockers,
                conduit_decision: r.decision,
                hold_reason: r.hold_reason,
            }))
        })
    }
}

/// The report of a round that CONDUIT did not get to judge.
pub(crate) fn unjudged(day: u32, reason: &str) -> ConduitReport {
    ConduitReport {
        findings: vec![],
        blockers: vec![reason.to_owned()],
        conduit_decision: Decision::Hold,
        hold_reason: reason.to_owned(),
        ..nothing_to_check(day)
    }
}
