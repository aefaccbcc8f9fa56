//! GATE judges every criterion on what the binary observed: the test run on the commit, its output, the CI.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::kit::reading;
use super::report::{Judge, Judgement, SubmitReport, fill};
use super::rules::RuleChecks;
use super::tests::ProjectTests;
use super::turns::{self, End, Task};
use super::{AgentError, Desk, tampering, yaml};
use crate::domain::Agent;
use crate::domain::artifact::{
    CiteKind, CriterionResult, CriterionVerdict, Finding, GateReport, Handoff, StoryCard,
};
use crate::domain::decision::{self, Decision};
use crate::domain::hold::Cause;
use crate::domain::observation::{CiState, CommandRun, TestRun, TestStatus};
use crate::evidence::cites::{Evidence, Observed};
use crate::evidence::command::command_of;
use crate::evidence::coverage::{self, Coverage};
use crate::evidence::findings;
use crate::evidence::flaky;
use crate::evidence::gate::{self, Adjudicated};
use crate::evidence::place::Place;
use crate::evidence::reports::Before;
use crate::evidence::run_tests::sources_alone;
use crate::evidence::tamper;
use crate::repo::Restoring;
use crate::sandbox::Command;
use crate::tool::run_tests::Tests as _;

const AGENT: Agent = Agent::Gate;
/// Bytes of test output that cites are looked up in.
const OUTPUT_LIMIT: usize = 4 << 20;
/// Test names shown to the model at most, per status.
const SHOWN_TESTS: usize = 200;

/// What the binary saw of the commit.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Observation {
    /// `None` where the project has no test command, by the user's word.
    pub tests: Option<TestRun>,
    /// Complete output of the test run, capped.
    pub output: String,
    /// Commands that criteria name.
    pub commands: Vec<CommandRun>,
    /// Files that the tests changed and that were put back.
    pub reset: Vec<String>,
    /// Tests that failed first and passed in a second run of the same commit.
    #[serde(default)]
    pub flaky: Vec<String>,
    /// What the run's coverage reports say; read only where a threshold is set.
    #[serde(default)]
    pub coverage: Option<Coverage>,
}

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

/// Runs the tests and the commands that criteria name on the commit itself: untracked files are set aside, and
/// what the run changed in tracked files is put back.
pub(crate) async fn observe(
    desk: &Desk<'_>,
    card: &StoryCard,
    commit: &str,
    baseline: Option<&TestRun>,
) -> Result<Observation, AgentError> {
    Ok(desk.journal.act("tests", commit, judge_commit(desk, card, baseline)).await?)
}

async fn judge_commit(
    desk: &Desk<'_>,
    card: &StoryCard,
    baseline: Option<&TestRun>,
) -> anyhow::Result<Observation> {
    let untracked = desk.repo.set_untracked_aside()?;
    let aside = Aside(desk);
    if !untracked.is_empty() {
        desk.step(
            AGENT,
            format!("Set {} untracked files aside: the commit alone is judged", untracked.len()),
        );
    }
    let restored = desk.repo.restore_ignored(Restoring::ForTests)?;
    if !restored.is_empty() {
        let shown = restored.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let more = restored.len().saturating_sub(5);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        desk.step(AGENT, format!("Set ignored files aside that commands wrote: {shown}{more}"));
    }
    let outputs = tampering::clear_outputs(desk)?;
    if !outputs.is_empty() {
        desk.step(
            AGENT,
            format!("Removed {} build outputs of this run: the tests make them anew", outputs.len()),
        );
    }
    let observation = run_all(desk, card, baseline).await;
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

async fn run_all(
    desk: &Desk<'_>,
    card: &StoryCard,
    baseline: Option<&TestRun>,
) -> anyhow::Result<Observation> {
    let mut observation = Observation::default();
    if let Some(tests) = ProjectTests::of(desk) {
        desk.step(AGENT, format!("Running tests: {} ...", tests.command()));
        run_tests(desk, &tests, baseline, &mut observation).await?;
    }
    for script in card.criteria().filter_map(command_of) {
        if observation.commands.iter().any(|run| run.command == script) {
            continue;
        }
        desk.step(AGENT, format!("Running: {script} ..."));
        let spool = desk.root.join(format!(".pace/.run/day-{}/command.txt", desk.terms.day));
        let command = Command {
            script,
            dir: desk.root.clone(),
            env: sources_alone(&spool)?,
            timeout: std::time::Duration::from_millis(desk.terms.command_timeout_ms),
            spool: Some(spool),
        };
        observation.commands.push(desk.sandbox.run(&command).await?);
    }
    Ok(observation)
}

/// The test run that counts: the first, or a second one where every test that failed had passed before.
async fn run_tests(
    desk: &Desk<'_>,
    tests: &ProjectTests,
    baseline: Option<&TestRun>,
    observation: &mut Observation,
) -> anyhow::Result<()> {
    let last = tests.last_green();
    let before = desk.terms.coverage_min.map(|_| Before::note_coverage(&desk.root));
    let mut run = tests.observe().await?;
    desk.step(AGENT, format!("Tests: {}", run.summary()));
    observation.output = desk.journal.clean(&tests.output(&run, OUTPUT_LIMIT));
    let suspects = flaky::suspects(&run, baseline, last.as_ref());
    if !suspects.is_empty() {
        desk.step(AGENT, format!("Passed before, running once more: {} ...", suspects.join(", ")));
        let second = tests.observe().await?;
        desk.step(AGENT, format!("Tests: {}", second.summary()));
        if second.run.exit.ok() && second.count(TestStatus::Failed) == 0 {
            observation.output = desk.journal.clean(&tests.output(&second, OUTPUT_LIMIT));
            observation.flaky = suspects;
            run = second;
        }
    }
    observation.coverage =
        before.and_then(|before| Coverage::read(&before.written_since(&desk.root, &desk.root)));
    observation.tests = Some(run);
    Ok(())
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
    rules: &'a [String],
    tampering: &'a [Finding],
    criteria: Vec<&'a str>,
}

#[derive(Serialize)]
struct ShownRun<'a> {
    command: &'a str,
    summary: String,
    passed: Vec<&'a str>,
    failed: Vec<&'a str>,
    skipped: Vec<&'a str>,
    flaky: &'a [String],
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
                flaky: &inputs.observation.flaky,
                output: super::tail(&run.run.output.text(), 24 * 1024),
            }),
            commands: inputs
                .observation
                .commands
                .iter()
                .map(|run| json!({"command": run.command, "result": run.exit.to_string()}))
                .collect(),
            ci: describe(inputs.ci),
            rules: &inputs.rules.evidence,
            tampering: inputs.tampering,
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
                !adjudicated.unresolved.is_empty() && !self.asked_again && !self.holds_by_itself();
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
            plan: &self.desk.terms.plan_path,
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
        for name in &self.inputs.observation.flaky {
            self.desk.step(AGENT, format!("Flaky: {name} failed and passed on the same commit"));
        }
        let broken = &self.inputs.rules.broken;
        let computed = decision::gate(&results, self.holds_by_itself());
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
            // A broken rule says itself what is to be done.
            let rules = if run_holds.is_some() { String::new() } else { broken.join(" ") };
            let advice = format!("{rules} {}", report.hold_reason);
            gate::hold_reason(&results, run_holds.as_deref(), &advice)
        } else {
            String::new()
        };
        GateReport {
            blockers: run_holds.into_iter().chain(broken.iter().cloned()).chain(blockers).collect(),
            deferred,
            coverage_rule: self.inputs.rules.coverage.clone(),
            criteria_results: results,
            gate_decision,
            hold_reason,
            flaky: self.inputs.observation.flaky.clone(),
            ..report
        }
    }
}

impl Bench<'_> {
    /// Whether the day is held whatever GATE says of the criteria.
    fn holds_by_itself(&self) -> bool {
        self.run_holds().is_some() || !self.inputs.rules.broken.is_empty()
    }

    /// Why what was observed alone forbids shipping.
    fn run_holds(&self) -> Option<String> {
        let tampered = tamper::holding(self.inputs.tampering);
        let tampered = (!tampered.is_empty()).then(|| tamper::instruction(&tampered));
        let reasons: Vec<String> = self.run_verdict().into_iter().chain(tampered).collect();
        (!reasons.is_empty()).then(|| reasons.join(". "))
    }

    fn run_verdict(&self) -> Option<String> {
        let observation = self.inputs.observation;
        let some_passed = self.inputs.baseline.is_some_and(|run| run.count(TestStatus::Passed) > 0);
        let run = gate::run_verdict(
            observation.tests.as_ref(),
            self.inputs.rules.production_changed || some_passed,
        );
        let least = self.desk.terms.coverage_min.filter(|_| observation.tests.is_some());
        let coverage = || coverage::shortfall(observation.coverage.as_ref(), least?);
        run.or_else(coverage).or_else(|| ci_holds(self.inputs.ci))
    }
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
