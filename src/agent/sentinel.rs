//! SENTINEL looks for holes. It sees the diff and the touched files, not FORGE's story alone.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::kit::reading;
use super::report::{Judge, Judgement, SubmitReport};
use super::turns::{self, End, Task};
use super::{AgentError, Desk, reviewer, secrets, yaml};
use crate::domain::Agent;
use crate::domain::artifact::{Finding, GateReport, Handoff, SentinelReport, StoryCard};
use crate::domain::backlog::Entry;
use crate::domain::decision::Decision;
use crate::domain::diff::{Change, Diff};
use crate::evidence::{findings, scan};

const AGENT: Agent = Agent::Sentinel;

/// What SENTINEL reviews.
pub(crate) struct Inputs<'a> {
    pub card: &'a StoryCard,
    pub handoff: &'a Handoff,
    pub gate: &'a GateReport,
    pub diff: &'a Diff,
    /// The commit on which the day's first attempt started.
    pub base: &'a str,
    /// Concerns of pace's own checks beside the scan.
    pub concerns: Vec<Finding>,
    /// Open advisories of SENTINEL.
    pub backlog: &'a [Entry],
}

/// Runs SENTINEL.
pub(crate) async fn run(desk: &Desk<'_>, inputs: &Inputs<'_>) -> Result<SentinelReport, AgentError> {
    let mut floor = secrets::in_commit(desk, inputs.base, &inputs.handoff.commit, inputs.diff).await?;
    if floor.iter().all(|finding| finding.check != scan::SECRET_CHECK) {
        floor.insert(0, scan::none_found());
    }
    floor.extend(sealed(inputs));
    let touched =
        inputs.diff.files.iter().filter(|f| f.change != Change::Deleted && !f.binary).map(|f| f.path.clone());
    let files = reviewer::shown(desk, &inputs.handoff.commit, touched.take(40), 24 * 1024).await?;
    let values = json!({
        "card": yaml(inputs.card)?,
        "handoff": yaml(inputs.handoff)?,
        "gate": yaml(inputs.gate)?,
        "backlog": inputs.backlog,
        "diff": super::head(&desk.journal.clean(&patch(inputs.diff)), 96 * 1024),
        "files": files,
        "scan": floor,
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
    let judge = Findings { desk, inputs, floor, clearance };
    match turns::run(desk, task, &mut SubmitReport(judge)).await? {
        End::Done { output, .. } => Ok(output),
        End::Stopped { reason, .. } => Err(AgentError::Unusable { agent: AGENT, reason }),
    }
}

struct Findings<'a> {
    desk: &'a Desk<'a>,
    inputs: &'a Inputs<'a>,
    clearance: reviewer::Clearance<'a>,
    /// What the scan found.
    floor: Vec<Finding>,
}

impl Judge for Findings<'_> {
    type Artifact = SentinelReport;
    const SCHEMA: &'static str = "sentinel-report";

    fn judge(&mut self, submission: Value) -> BoxFuture<'_, Judgement<SentinelReport>> {
        Box::pin(async move {
            let (commit, diff) = (&self.inputs.handoff.commit, self.inputs.diff);
            let (clearance, floor) = (&mut self.clearance, &self.floor);
            let reviewed =
                reviewer::review(self.desk, AGENT, submission, commit, diff, clearance, floor).await?;
            Ok(reviewed.map(|r| SentinelReport {
                day: self.desk.terms.day,
                agent: AGENT,
                findings: r.findings,
                advisories: r.advisories,
                blockers: r.blockers,
                sentinel_decision: r.decision,
                hold_reason: r.hold_reason,
            }))
        })
    }
}

/// The concerns with their fingerprints; a whole file is meant where no line is.
fn sealed(inputs: &Inputs<'_>) -> Vec<Finding> {
    let open = inputs.backlog.iter().map(|entry| entry.id.clone()).collect();
    let mut concerns = inputs.concerns.clone();
    findings::seal(AGENT, &mut concerns, &open, |_| None);
    concerns
}

/// The day's change without the values in it that may be secrets.
fn patch(diff: &Diff) -> String {
    diff.files.iter().map(|file| scan::redact_all(&file.path, &file.patch)).collect()
}

/// The report of a change that was kept out of git, because FORGE left in it what must not be committed.
pub(crate) fn kept_out(day: u32, findings: Vec<Finding>) -> SentinelReport {
    let blockers =
        findings.iter().map(|finding| format!("{}: {}", finding.check, finding.evidence)).collect();
    let hold_reason = secrets::instruction(&findings);
    SentinelReport { findings, blockers, ..unjudged(day, &hold_reason) }
}

/// The report of a round that SENTINEL did not get to judge.
pub(crate) fn unjudged(day: u32, reason: &str) -> SentinelReport {
    SentinelReport {
        day,
        agent: AGENT,
        findings: vec![],
        advisories: vec![],
        blockers: vec![reason.to_owned()],
        sentinel_decision: Decision::Hold,
        hold_reason: reason.to_owned(),
    }
}
