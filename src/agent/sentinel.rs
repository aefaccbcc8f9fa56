//! SENTINEL looks for holes. It sees the diff and the touched files, not FORGE's story alone.

use serde_json::json;

use super::reviewer::{self, Report, Review, Reviewed};
use super::{AgentError, Desk, secrets, yaml};
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
    let (commit, diff) = (&inputs.handoff.commit, inputs.diff);
    reviewer::run(desk, &values, Review { commit, diff, open: inputs.backlog, floor }).await
}

impl Report for SentinelReport {
    const AGENT: Agent = AGENT;
    const SCHEMA: &'static str = "sentinel-report";

    fn of(day: u32, reviewed: Reviewed) -> Self {
        let Reviewed { findings, advisories, blockers, decision, hold_reason } = reviewed;
        Self { day, agent: AGENT, findings, advisories, blockers, sentinel_decision: decision, hold_reason }
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
