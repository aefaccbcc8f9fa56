//! GATE judges every criterion on what the binary observed: the test run on the commit, its output, the CI.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::kit::reading;
use super::report::{Judge, Judgement, SubmitReport, fill};
use super::tests::ProjectTests;
use super::turns::{self, End, Task};
use super::{AgentError, Desk, yaml};
use crate::domain::Agent;
use crate::domain::artifact::{CiteKind, CriterionResult, CriterionVerdict, GateReport, Handoff, StoryCard};
use crate::domain::decision::{self, Decision};
use crate::domain::observation::{CiState, CommandRun, TestRun, TestStatus};
use crate::evidence::cites::{Evidence, Observed};
use crate::evidence::command::command_of;
use crate::evidence::gate::{self, Adjudicated};
use crate::evidence::place::Place;
use crate::sandbox::Command;
use crate::tool::run_tests::Tests as _;

const AGENT: Agent = Agent::Gate;
/// Bytes of test output that cites are looked up in.
const OUTPUT_LIMIT: usize = 4 << 20;
/// Test names shown to the model at most, per status.
const SHOWN_TESTS: usize = 200;

/// What the binary saw of the commit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Observation {
    /// `None` where the project has no test command, by the user's word.
    pub tests: Option<TestRun>,
    /// Complete output of the test run, capped.
    pub output: String,
    /// Commands that criteria name.
    pub commands: Vec<CommandRun>,
    /// Files that the tests changed and that were put back.
    pub reset: Vec<String>,
}

/// What GATE judges.
pub(crate) struct Inputs<'a> {
    pub card: &'a StoryCard,
    pub handoff: &'a Handoff,
    pub observation: &'a Observation,
    pub ci: &'a CiState,
    /// The day diff touches production code.
    pub production_changed: bool,
}

/// Runs the tests and the commands that criteria name on the commit itself: untracked files are set aside, and
/// what the run changed in tracked files is put back.
pub(crate) async fn observe(
    desk: &Desk<'_>,
    card: &StoryCard,
    commit: &str,
) -> Result<Observation, AgentError> {
    Ok(desk.journal.step("tests", commit, judge_commit(desk, card)).await?)
}

async fn judge_commit(desk: &Desk<'_>, card: &StoryCard) -> anyhow::Result<Observation> {
    let untracked = desk.repo.set_untracked_aside()?;
    let aside = Aside(desk);
    if !untracked.is_empty() {
        desk.step(
            AGENT,
            format!("Set {} untracked files aside: the commit alone is judged", untracked.len()),
        );
    }
    let observation = run_all(desk, card).await;
    let reset: Vec<String> =
        desk.repo.work_diff(&desk.repo.untracked()?)?.files.into_iter().map(|f| f.path).collect();
    let reset: Vec<String> = reset.into_iter().filter(|path| !path.starts_with(".pace/")).collect();
    if !reset.is_empty() {
        desk.repo.reset_paths(&reset)?;
    }
    std::mem::forget(aside);
    desk.repo.restore_untracked()?;
    Ok(Observation { reset, ..observation? })
}

/// Brings the untracked files back also where the run is dropped in the middle: a time-out, a signal, an error.
struct Aside<'a>(&'a Desk<'a>);

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.repo.restore_untracked() {
            let text = format!("untracked files are still in .pace/.run/aside: {error:#}");
            self.0.events.emit(crate::domain::event::Event::Notice {
                level: crate::domain::event::Level::Error,
                text,
            });
        }
    }
}

async fn run_all(desk: &Desk<'_>, card: &StoryCard) -> anyhow::Result<Observation> {
    let mut observation = Observation { tests: None, output: String::new(), commands: vec![], reset: vec![] };
    if let Some(tests) = ProjectTests::of(desk) {
        desk.step(AGENT, format!("Running tests: {} ...", tests.command()));
        let run = tests.observe().await?;
        desk.step(AGENT, format!("Tests: {}", run.summary()));
        observation.output = desk.journal.clean(&tests.output(&run, OUTPUT_LIMIT));
        observation.tests = Some(run);
    }
    for script in card.criteria().filter_map(command_of) {
        if observation.commands.iter().any(|run| run.command == script) {
            continue;
        }
        desk.step(AGENT, format!("Running: {script} ..."));
        let command = Command {
            script,
            dir: desk.root.clone(),
            env: vec![],
            timeout: std::time::Duration::from_millis(desk.terms.command_timeout_ms),
            spool: None,
        };
        observation.commands.push(desk.sandbox.run(&command).await?);
    }
    Ok(observation)
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
    match turns::run(desk, task, &mut SubmitReport(Bench { desk, inputs, asked_again: false })).await? {
        End::Done { output, .. } => Ok(output),
        End::Stopped { reason, .. } => Err(AgentError::Unusable { agent: AGENT, reason }),
    }
}

#[derive(Serialize)]
struct Prompt<'a> {
    card: String,
    handoff: String,
    commit: &'a str,
    tests: Option<ShownRun<'a>>,
    commands: Vec<Value>,
    ci: String,
    criteria: Vec<&'a str>,
}

#[derive(Serialize)]
struct ShownRun<'a> {
    command: &'a str,
    summary: String,
    passed: Vec<&'a str>,
    failed: Vec<&'a str>,
    skipped: Vec<&'a str>,
    output: String,
}

impl<'a> Prompt<'a> {
    fn new(inputs: &Inputs<'a>) -> anyhow::Result<Self> {
        Ok(Self {
            card: yaml(inputs.card)?,
            handoff: yaml(inputs.handoff)?,
            commit: &inputs.handoff.commit,
            tests: inputs.observation.tests.as_ref().map(|run| ShownRun {
                command: &run.run.command,
                summary: run.summary(),
                passed: run.names(TestStatus::Passed).take(SHOWN_TESTS).collect(),
                failed: run.names(TestStatus::Failed).take(SHOWN_TESTS).collect(),
                skipped: run.names(TestStatus::Skipped).take(SHOWN_TESTS).collect(),
                output: super::tail(&run.run.output.text(), 24 * 1024),
            }),
            commands: inputs
                .observation
                .commands
                .iter()
                .map(|run| json!({"command": run.command, "result": run.exit.to_string()}))
                .collect(),
            ci: describe(inputs.ci),
            criteria: inputs.card.criteria().collect(),
        })
    }
}

/// Why the CI's word forbids shipping.
pub(crate) fn ci_holds(ci: &CiState) -> Option<String> {
    match ci {
        CiState::Red { job, .. } => Some(format!("CI job {job} failed on the commit")),
        CiState::Timeout { pending } => Some(format!("CI timed out waiting for {}", pending.join(", "))),
        CiState::None | CiState::Green { .. } | CiState::NeedsHuman { .. } => None,
    }
}

/// The CI's word in one line.
pub(crate) fn describe(ci: &CiState) -> String {
    match ci {
        CiState::None => "none".into(),
        CiState::Green { jobs } => format!("green: {}", jobs.join(", ")),
        CiState::Red { job, url } => format!("red: {job} {}", url.as_deref().unwrap_or_default()),
        CiState::Timeout { pending } => format!("timed out waiting for {}", pending.join(", ")),
        CiState::NeedsHuman { detail } => format!("needs a human: {detail}"),
    }
}

struct Bench<'a> {
    desk: &'a Desk<'a>,
    inputs: &'a Inputs<'a>,
    asked_again: bool,
}

impl Judge for Bench<'_> {
    type Artifact = GateReport;
    const SCHEMA: &'static str = "gate-report";

    fn judge(&mut self, submission: Value) -> BoxFuture<'_, Judgement<GateReport>> {
        Box::pin(async move {
            let claimed =
                submission.get("gate_decision").and_then(|d| serde_json::from_value(d.clone()).ok());
            let filled = [
                ("day", json!(self.desk.terms.day)),
                ("agent", json!(AGENT)),
                ("gate_decision", json!("HOLD")),
            ];
            let report: GateReport = match fill(submission, filled) {
                Ok(report) => report,
                Err(problems) => return Ok(Err(problems)),
            };
            let files = self.cited_files(&report).await?;
            let adjudicated = self.adjudicate(&report, &files);
            // A run that holds by itself is not worth a second question about evidence.
            let unresolved =
                !adjudicated.unresolved.is_empty() && !self.asked_again && self.run_holds().is_none();
            if unresolved || !adjudicated.malformed.is_empty() {
                self.asked_again |= unresolved;
                return Ok(Err(adjudicated.problems()));
            }
            Ok(Ok(self.decide(report, adjudicated, claimed)))
        })
    }
}

impl Bench<'_> {
    /// Content of the files of the commit that the report cites.
    async fn cited_files(&self, report: &GateReport) -> Result<BTreeMap<String, Option<String>>, AgentError> {
        let paths = report
            .criteria_results
            .iter()
            .flat_map(|r| &r.cites)
            .filter(|cite| cite.kind == CiteKind::File)
            .map(|cite| Place::parse(&cite.reference).path);
        super::commit_files(self.desk, &self.inputs.handoff.commit, paths).await
    }

    fn adjudicate(&self, report: &GateReport, files: &BTreeMap<String, Option<String>>) -> Adjudicated {
        let observation = self.inputs.observation;
        let commands: Vec<_> = observation.commands.iter().map(|r| (r.command.clone(), r.exit)).collect();
        let read = |path: &str| files.get(path).cloned().flatten();
        let evidence = Evidence::new(Observed {
            run: observation.tests.as_ref(),
            output: &observation.output,
            show: &read,
            ci: self.inputs.ci,
            commands: &commands,
        });
        let out_of_scope: Vec<String> = self.desk.plan.out_of_scope().map(str::to_owned).collect();
        gate::adjudicate(
            &report.criteria_results,
            &super::criteria(self.inputs.card),
            &out_of_scope,
            &evidence,
        )
    }

    fn decide(&self, report: GateReport, adjudicated: Adjudicated, claimed: Option<Decision>) -> GateReport {
        let (blockers, deferred) = (adjudicated.blockers(), adjudicated.deferred());
        let results = adjudicated.results;
        let run_holds = self.run_holds();
        let computed = decision::gate(&results, run_holds.is_some());
        let gate_decision = decision::worse(
            computed,
            claimed.map(|c: Decision| if c == Decision::Advisory { Decision::Ship } else { c }),
        );
        if claimed.is_some_and(|claimed| claimed != gate_decision) {
            self.desk.step(
                AGENT,
                format!(
                    "The model claimed {}, the evidence says {gate_decision}",
                    claimed.map_or("", Decision::name)
                ),
            );
        }
        let hold_reason = if gate_decision == Decision::Hold {
            gate::hold_reason(&results, run_holds.as_deref(), &report.hold_reason)
        } else {
            String::new()
        };
        GateReport {
            blockers: run_holds.into_iter().chain(blockers).collect(),
            deferred,
            criteria_results: results,
            gate_decision,
            hold_reason,
            ..report
        }
    }
}

impl Bench<'_> {
    /// Why what was observed alone forbids shipping.
    fn run_holds(&self) -> Option<String> {
        let run = gate::run_verdict(self.inputs.observation.tests.as_ref(), self.inputs.production_changed);
        run.or_else(|| ci_holds(self.inputs.ci))
    }
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
    }
}
