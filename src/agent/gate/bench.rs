//! Where GATE's report is judged: its cites are looked up, and what was observed decides.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{AGENT, Inputs};
use crate::agent::report::{Judge, Judgement, fill};
use crate::agent::{AgentError, Desk, commit_files, criteria};
use crate::domain::artifact::{CiteKind, GateReport};
use crate::domain::decision::{self, Decision};
use crate::domain::observation::TestStatus;
use crate::evidence::coverage;
use crate::evidence::gate::{self, Adjudicated};
use crate::evidence::observed::{Evidence, Observed};
use crate::evidence::place::Place;
use crate::evidence::tamper;

/// Takes GATE's report, once it was asked again where its cites do not resolve.
pub(super) struct Bench<'a> {
    pub(super) desk: &'a Desk<'a>,
    pub(super) inputs: &'a Inputs<'a>,
    /// GATE was asked once more for cites that do not resolve.
    pub(super) asked_again: bool,
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
        commit_files(self.desk, &self.inputs.handoff.commit, paths).await
    }

    fn adjudicate(&self, report: &GateReport, files: &BTreeMap<String, Option<String>>) -> Adjudicated {
        let observation = self.inputs.observation;
        let commands: Vec<_> = observation.commands.iter().map(|r| (r.command.clone(), r.exit)).collect();
        let read = |path: &str| files.get(path).cloned().flatten();
        let day: Vec<String> = self.inputs.handoff.files.iter().map(|file| file.path.clone()).collect();
        let evidence = Evidence::new(Observed {
            run: observation.tests.as_ref(),
            output: &observation.output,
            plan: &self.desk.terms.plan_path,
            day: &day,
            show: &read,
            ci: self.inputs.ci,
            commands: &commands,
        });
        let out_of_scope: Vec<String> = self.desk.plan.out_of_scope().map(str::to_owned).collect();
        gate::adjudicate(&report.criteria_results, &criteria(self.inputs.card), &out_of_scope, &evidence)
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
        run.or_else(coverage).or_else(|| self.inputs.ci.holds())
    }
}
