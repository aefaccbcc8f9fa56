//! What SENTINEL and CONDUIT share: findings that name real places, and a decision that the binary computes.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::kit::reading;
use super::report::{Judge, Judgement, submitted};
use super::turns::Task;
use super::{AgentError, Desk, commit_files};
use crate::domain::Agent;
use crate::domain::artifact::{Finding, FindingResult};
use crate::domain::backlog::{self, Entry};
use crate::domain::decision::{self, Decision};
use crate::domain::diff::Diff;
use crate::evidence::place::Place;
use crate::evidence::{findings, scan};

/// A file of the commit as prompts carry it.
#[derive(Debug, serde::Serialize)]
pub(crate) struct ShownFile {
    pub path: String,
    pub text: String,
    pub cut: bool,
}

/// What both reviewers submit, under their own names for it.
#[derive(Debug, serde::Deserialize)]
struct Submission {
    findings: Vec<Finding>,
    #[serde(default)]
    advisories: Vec<String>,
    #[serde(default)]
    blockers: Vec<String>,
    #[serde(default)]
    hold_reason: String,
    #[serde(default, alias = "sentinel_decision", alias = "conduit_decision")]
    decision: Option<Decision>,
}

/// A submission after the binary looked everything up.
pub(crate) struct Reviewed {
    pub findings: Vec<Finding>,
    pub advisories: Vec<String>,
    pub blockers: Vec<String>,
    pub decision: Decision,
    pub hold_reason: String,
}

/// A report that is made of findings.
pub(crate) trait Report: Send {
    const AGENT: Agent;
    const SCHEMA: &'static str;

    /// The report of the day with this number.
    fn of(day: u32, reviewed: Reviewed) -> Self;
}

/// What a reviewer looks at.
pub(crate) struct Review<'a> {
    pub commit: &'a str,
    /// The day's change.
    pub diff: &'a Diff,
    /// The reviewer's open advisories.
    pub open: &'a [Entry],
    /// Findings of pace's own checks: they come first and stand, whatever the reviewer submits.
    pub floor: Vec<Finding>,
}

/// Runs a reviewer; `values` are those of its user prompt.
pub(crate) async fn run<R: Report>(
    desk: &Desk<'_>,
    values: &Value,
    review: Review<'_>,
) -> Result<R, AgentError> {
    let task = Task {
        agent: R::AGENT,
        model: &desk.terms.analysis_model,
        system: desk.prompt(R::AGENT, "system", &())?,
        user: desk.prompt(R::AGENT, "user", values)?,
        tools: reading(desk)?,
        max_calls: 16,
        max_tokens: 8_192,
    };
    submitted(desk, task, Bench { desk, review, asked: false, report: PhantomData }).await
}

/// Takes a reviewer's report once it fits the commit.
struct Bench<'a, R> {
    desk: &'a Desk<'a>,
    review: Review<'a>,
    /// The reviewer was asked again for the open advisories that it left out.
    asked: bool,
    report: PhantomData<R>,
}

impl<R: Report> Judge for Bench<'_, R> {
    type Artifact = R;
    const SCHEMA: &'static str = R::SCHEMA;

    fn judge(&mut self, submission: Value) -> BoxFuture<'_, Judgement<R>> {
        Box::pin(async move {
            let day = self.desk.terms.day;
            Ok(self.look_up(submission).await?.map(|reviewed| R::of(day, reviewed)))
        })
    }
}

impl<R: Report> Bench<'_, R> {
    /// Checks a submission against the commit, or says what is wrong with it. On a clearance day every open advisory
    /// must be answered: what is left out is asked for once more, then it holds the day.
    async fn look_up(&mut self, submission: Value) -> Judgement<Reviewed> {
        let (desk, Review { commit, diff, open, floor }) = (self.desk, &self.review);
        let mut submission: Submission = match serde_json::from_value(submission) {
            Ok(submission) => submission,
            Err(error) => return Ok(Err(vec![error.to_string()])),
        };
        let mut named = Vec::new();
        for finding in &submission.findings {
            let texts = finding.file.iter().chain([&finding.evidence]);
            named.extend(texts.map(|text| Place::parse(text).path));
        }
        let files = commit_files(desk, commit, named).await?;
        let show = |path: &str| files.get(path).cloned().flatten();
        let problems = findings::check(R::AGENT, &mut submission.findings, show, diff);
        if !problems.is_empty() {
            return Ok(Err(problems));
        }
        self.settle(&mut submission.findings);
        let ids = open.iter().map(|entry| entry.id.clone()).collect();
        findings::seal(R::AGENT, &mut submission.findings, &ids, show);
        let omitted =
            if desk.plan.clearance { backlog::unanswered(open, &submission.findings) } else { vec![] };
        if !omitted.is_empty() && !self.asked {
            self.asked = true;
            return Ok(Err(omitted.into_iter().map(ask_again).collect()));
        }
        submission.findings = findings::on_floor(floor, submission.findings);
        tell_floor(floor, &mut submission);
        Ok(Ok(hold_omitted(decide(desk, R::AGENT, submission), &omitted)))
    }

    /// Lowers what the day did not bring. An open advisory may be promoted to FAIL on a clearance day, wherever its flaw
    /// came from.
    fn settle(&self, findings: &mut [Finding]) {
        let is_open = |id: &String| self.review.open.iter().any(|entry| entry.id == *id);
        for finding in findings {
            if self.desk.plan.clearance && finding.fingerprint.as_ref().is_some_and(is_open) {
                continue;
            }
            for change in findings::settle(std::slice::from_mut(finding), self.review.diff) {
                self.desk.step(R::AGENT, change);
            }
        }
    }
}

fn ask_again(entry: &Entry) -> String {
    format!(
        "findings: the open advisory {} is not answered ({}); add a finding with `fingerprint: {}`: PASS with \
         evidence that it is resolved, FAIL if it blocks the day, or ADVISORY whose evidence says why it must stay",
        entry.id, entry.finding, entry.id
    )
}

/// An open advisory without an answer holds a clearance day, whatever else was found.
fn hold_omitted(mut reviewed: Reviewed, omitted: &[&Entry]) -> Reviewed {
    if omitted.is_empty() {
        return reviewed;
    }
    let named: Vec<_> = omitted.iter().map(|entry| format!("{} ({})", entry.id, entry.finding)).collect();
    let reason = format!("open advisories were left unanswered on a clearance day: {}", named.join("; "));
    reviewed.decision = Decision::Hold;
    reviewed.hold_reason = [reviewed.hold_reason, reason.clone()]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("; ");
    reviewed.blockers.push(reason);
    reviewed
}

/// Keeps the floor's findings in what FORGE and the report are told: the model's words were written without them.
fn tell_floor(floor: &[Finding], submission: &mut Submission) {
    if floor.iter().all(|finding| finding.result == FindingResult::Pass) {
        return;
    }
    submission.blockers.clear();
    submission.advisories.clear();
    let failed = floor.iter().filter(|finding| finding.result == FindingResult::Fail);
    let said = std::mem::take(&mut submission.hold_reason);
    let told = failed.map(sentence).chain((!said.trim().is_empty()).then_some(said));
    submission.hold_reason = told.collect::<Vec<_>>().join("; ");
}

fn decide(desk: &Desk<'_>, agent: Agent, submission: Submission) -> Reviewed {
    let decision = decision::worse(decision::findings(&submission.findings), submission.decision);
    if let Some(claimed) = submission.decision
        && claimed != decision
    {
        desk.step(agent, format!("The model claimed {claimed}, its findings say {decision}"));
    }
    let list = |wanted: FindingResult, said: Vec<String>| {
        let found: Vec<_> = submission.findings.iter().filter(|f| f.result == wanted).collect();
        // One entry a finding: the model's own words where it wrote as many, else the finding's.
        if said.len() == found.len() { said } else { found.iter().map(|f| sentence(f)).collect() }
    };
    let blockers = list(FindingResult::Fail, submission.blockers);
    let hold_reason = match (decision, submission.hold_reason.trim()) {
        (Decision::Hold, "") if blockers.is_empty() => {
            format!("{agent} claimed HOLD without a failing finding")
        }
        (Decision::Hold, "") => blockers.join("; "),
        (Decision::Hold, said) => said.to_owned(),
        _ => String::new(),
    };
    let advisories = list(FindingResult::Advisory, submission.advisories);
    Reviewed { advisories, blockers, decision, hold_reason, findings: submission.findings }
}

/// `check: evidence (file:line)`.
fn sentence(finding: &Finding) -> String {
    let place = match (&finding.file, finding.line) {
        (Some(file), Some(line)) if !finding.evidence.contains(&format!("{file}:{line}")) => {
            format!(" ({file}:{line})")
        }
        (Some(file), None) if !finding.evidence.contains(file) => format!(" ({file})"),
        _ => String::new(),
    };
    format!("{}: {}{place}", finding.check, finding.evidence)
}

/// The named files of a commit, each cut to `limit` bytes, binary ones left out.
pub(crate) async fn shown(
    desk: &Desk<'_>,
    commit: &str,
    paths: impl IntoIterator<Item = String>,
    limit: usize,
) -> Result<Vec<ShownFile>, AgentError> {
    let files: BTreeMap<String, Option<String>> = commit_files(desk, commit, paths).await?;
    Ok(files
        .into_iter()
        .filter_map(|(path, text)| {
            let text = text.filter(|t| !t.contains('\0'))?;
            let text = scan::redact_all(&path, &text);
            let (text, cut) = (super::head(&text, limit), text.len() > limit);
            Some(ShownFile { path, text, cut })
        })
        .collect())
}
