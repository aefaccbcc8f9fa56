//! CONDUIT checks the pipeline: CI workflows, Makefile, lockfiles and container files of the commit.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::reviewer::{self, Report, Review, Reviewed};
use super::{AgentError, Desk, yaml};
use crate::domain::Agent;
use crate::domain::artifact::{ConduitReport, Finding, FindingResult, Handoff, SentinelReport, StoryCard};
use crate::domain::backlog::Entry;
use crate::domain::decision::Decision;
use crate::domain::diff::Diff;
use crate::domain::observation::Protection;
use crate::evidence::pipeline::{self, checkers};
use crate::evidence::{findings, scan};
use crate::sandbox::Command;

const AGENT: Agent = Agent::Conduit;

/// What CONDUIT reviews.
pub(crate) struct Inputs<'a> {
    pub card: &'a StoryCard,
    pub handoff: &'a Handoff,
    pub sentinel: &'a SentinelReport,
    pub diff: &'a Diff,
    /// The branch that the review goes to.
    pub base_branch: &'a str,
    /// Open advisories of CONDUIT.
    pub backlog: &'a [Entry],
}

/// Runs CONDUIT; without any pipeline file the report is one PASS and no model is asked.
///
/// `protection` tells what the base branch asks of a review; it is asked for only where the commit has test jobs.
pub(crate) async fn run(
    desk: &Desk<'_>,
    inputs: &Inputs<'_>,
    protection: impl Future<Output = anyhow::Result<Option<Protection>>>,
) -> Result<ConduitReport, AgentError> {
    let (commit, diff) = (&inputs.handoff.commit, inputs.diff);
    let observed = observe(desk, inputs).await?;
    if observed.paths.is_empty() && (inputs.backlog.is_empty() || !desk.plan.clearance) {
        desk.step(AGENT, "No CI files: nothing to check");
        return Ok(nothing_to_check(desk.terms.day));
    }
    let mut floor = observed.findings;
    floor.extend(known_checkers(desk, inputs, &observed.paths).await?);
    if observed.test_jobs {
        floor.extend(required_checks(desk, inputs, protection).await?);
    }
    desk.step(AGENT, format!("{} findings of pace's own checks", floor.len()));
    let files = reviewer::shown(desk, commit, observed.paths.into_iter().take(60), 16 * 1024).await?;
    let values = json!({
        "card": yaml(inputs.card)?,
        "handoff": yaml(inputs.handoff)?,
        "sentinel": yaml(inputs.sentinel)?,
        "backlog": inputs.backlog,
        "touched": inputs.diff.files.iter().map(|f| &f.path).collect::<Vec<_>>(),
        "files": files,
        "observed": floor,
    });
    reviewer::run(desk, &values, Review { commit, diff, open: inputs.backlog, floor }).await
}

/// The pipeline of a commit, as a recorded step: no text of it, only what was seen.
#[derive(Serialize, Deserialize)]
struct Observed {
    /// Pipeline files, in order.
    paths: Vec<String>,
    findings: Vec<Finding>,
    /// There are jobs that a branch could ask for.
    #[serde(default)]
    test_jobs: bool,
}

/// Reads the commit's pipeline and runs pace's own checks over it.
async fn observe(desk: &Desk<'_>, inputs: &Inputs<'_>) -> Result<Observed, AgentError> {
    let commit = &inputs.handoff.commit;
    let step = desk.journal.step("pipeline", commit, async {
        let commit = pipeline_of(desk, commit)?;
        let found: Vec<String> =
            commit.paths.iter().filter(|path| pipeline::is_pipeline(path)).cloned().collect();
        let test_jobs = pipeline::has_test_jobs(&commit);
        let findings = if found.is_empty() { vec![] } else { pipeline::check(&commit, inputs.diff) };
        let findings = sealed(inputs, findings, |path| commit.files.get(path).cloned());
        anyhow::Ok(Observed { paths: found, findings, test_jobs })
    });
    Ok(step.await?)
}

/// The texts that the checks read. Hashes and versions stay as they are; what findings quote is masked in [`sealed`].
fn pipeline_of(desk: &Desk<'_>, commit: &str) -> anyhow::Result<pipeline::Commit> {
    let paths: BTreeSet<String> = desk.repo.paths(commit)?.into_iter().collect();
    let mut files = BTreeMap::new();
    for path in paths.iter().filter(|path| pipeline::is_wanted(path)) {
        if let Some(bytes) = desk.repo.show(commit, path)? {
            files.insert(path.clone(), desk.journal.clean(&String::from_utf8_lossy(&bytes)));
        }
    }
    Ok(pipeline::Commit { paths, files })
}

/// Test jobs that the base branch does not ask for, as a recorded step; nothing where that cannot be read.
async fn required_checks(
    desk: &Desk<'_>,
    inputs: &Inputs<'_>,
    protection: impl Future<Output = anyhow::Result<Option<Protection>>>,
) -> Result<Vec<Finding>, AgentError> {
    let (commit, base) = (&inputs.handoff.commit, inputs.base_branch);
    let input = (commit, base);
    let step = desk.journal.step("required-checks", &input, async {
        let Some(protection) = protection.await? else { return anyhow::Ok(vec![]) };
        let commit = pipeline_of(desk, commit)?;
        let findings = pipeline::check_protection(&commit, base, &protection);
        Ok(sealed(inputs, findings, |path| commit.files.get(path).cloned()))
    });
    Ok(step.await?)
}

/// What zizmor and actionlint say, where the runner has them, as a recorded step.
async fn known_checkers(
    desk: &Desk<'_>,
    inputs: &Inputs<'_>,
    paths: &[String],
) -> Result<Vec<Finding>, AgentError> {
    let Some(script) = checkers::script(paths, inputs.diff) else { return Ok(vec![]) };
    let dir = desk.root.clone();
    let command = Command { script, dir, env: vec![], timeout: Duration::from_secs(60), spool: None };
    let commit = &inputs.handoff.commit;
    let input = (commit, paths);
    let step = desk.journal.step("pipeline-checkers", &input, async {
        // A checker that does not run says nothing; pace's own checks stand without it.
        let output = desk.sandbox.run(&command).await.map(|run| run.output.text()).unwrap_or_default();
        let findings = checkers::read(&desk.journal.clean(&output), inputs.diff);
        let show =
            |path: &str| desk.repo.show(commit, path).ok()?.and_then(|text| String::from_utf8(text).ok());
        anyhow::Ok(sealed(inputs, findings, show))
    });
    Ok(step.await?)
}

/// The findings with their fingerprints, without the values in them that may be secrets: a model reads them.
fn sealed(
    inputs: &Inputs<'_>,
    mut findings: Vec<Finding>,
    show: impl Fn(&str) -> Option<String>,
) -> Vec<Finding> {
    let open = inputs.backlog.iter().map(|entry| entry.id.clone()).collect();
    findings::seal(AGENT, &mut findings, &open, show);
    for finding in &mut findings {
        let file = finding.file.as_deref().unwrap_or_default();
        finding.evidence = scan::redact_all(file, &finding.evidence).into_owned();
    }
    findings
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

impl Report for ConduitReport {
    const AGENT: Agent = AGENT;
    const SCHEMA: &'static str = "conduit-report";

    fn of(day: u32, reviewed: Reviewed) -> Self {
        let Reviewed { findings, advisories, blockers, decision, hold_reason } = reviewed;
        Self { day, agent: AGENT, findings, advisories, blockers, conduit_decision: decision, hold_reason }
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
