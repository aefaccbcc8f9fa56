//! `pace replay DIR --explain`: the records of a day, read for why it came to its verdict. What is said here was recorded
//! or is computed from it; the play before has shown that the record yields the artifacts.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::agent::gate::Observation;
use crate::agent::purse::Lost;
use crate::agent::turns::{MODEL, Said};
use crate::day::stage::HANDED_OFF;
use crate::day::start::Start;
use crate::domain::Agent;
use crate::domain::artifact::{
    Attempt, ConduitReport, CriterionVerdict, Finding, GateReport, Handoff, SentinelReport,
};
use crate::domain::decision::Decision;
use crate::domain::list::counted;
use crate::domain::observation::CiState;
use crate::evidence::observed::{Evidence, Observed};
use crate::journal::{END, RESUME, Record};
use crate::report::explain::{Criterion, Explained, Judged, Round, result};
use crate::store::artifacts::Artifact;

/// Reads the records of the day that began with `start`.
pub(crate) fn explain(start: &Start, records: &[Record]) -> anyhow::Result<Explained> {
    let theme = start.plan.days.get(&start.terms.day).map(|day| day.theme.as_str()).unwrap_or_default();
    let mut reader = Reader { start, explained: Explained::default(), round: Seen::default() };
    reader.explained.title = format!(
        "Day {}: {} · attempt {} · branch {} · recorded by pace {}",
        start.terms.day, theme, start.attempt, start.branch.name, start.pace
    );
    "no end was recorded: the run was killed".clone_into(&mut reader.explained.verdict);
    for record in records {
        reader
            .read(record)
            .with_context(|| format!("record {} (`{}`) cannot be explained", record.seq, record.kind))?;
    }
    reader.close_round();
    Ok(reader.explained)
}

/// What of a round was seen so far.
#[derive(Default)]
struct Seen {
    round: Round,
    observation: Option<Observation>,
    ci: Option<CiState>,
    files: BTreeMap<String, Option<String>>,
    /// Paths that the day changed.
    day: Vec<String>,
    /// What each agent submitted last.
    claims: BTreeMap<&'static str, Value>,
}

struct Reader<'a> {
    start: &'a Start,
    explained: Explained,
    round: Seen,
}

impl Reader<'_> {
    fn read(&mut self, record: &Record) -> anyhow::Result<()> {
        let value = &record.value;
        match record.kind.as_str() {
            MODEL => self.said(of(value)?),
            "tests" => {
                let observation: Observation = of(value)?;
                let tests = observation.tests.as_ref();
                self.round.round.tests = Some(tests.map_or_else(
                    || "none, by PACE_TEST_COMMAND".into(),
                    |run| format!("{}: {}", run.run.command, run.summary()),
                ));
                self.round.observation = Some(observation);
            }
            "ci" => {
                let ci: CiState = of(value)?;
                self.round.round.ci = Some(ci.to_string());
                self.round.ci = Some(ci);
            }
            "commit-files" => self.round.files.extend(of::<BTreeMap<String, Option<String>>>(value)?),
            "artifact" => self.kept(&record.key, value)?,
            HANDED_OFF => {
                let decision: Decision = of(&value["decision"])?;
                self.explained.verdict =
                    format!("{decision} for the time being, handed off to a publishing job");
            }
            RESUME => {
                for lost in of::<Vec<Lost>>(&value["lost"])? {
                    self.explained.bill.book(lost.agent, &lost.model, lost.usage, lost.usd);
                }
            }
            END => self.ended(value),
            _ => {}
        }
        Ok(())
    }

    fn said(&mut self, said: Said) {
        let rated = self.start.terms.rated(said.agent);
        for usage in said.paid() {
            let cost = rated.price.map(|price| price.of(usage));
            self.explained.bill.book(said.agent, &rated.name, usage, cost);
        }
        let calls = said.reply.map(|reply| reply.calls).unwrap_or_default();
        let submitted = calls.into_iter().rfind(|call| call.name == "submit_report");
        if let Some(call) = submitted {
            self.round.claims.insert(said.agent.name(), call.input);
        }
    }

    fn kept(&mut self, path: &str, value: &Value) -> anyhow::Result<()> {
        let Some(text) = value.as_str() else { return Ok(()) };
        let name = path.rsplit('/').next().unwrap_or_default();
        let own = path == format!(".pace/day-{}/{name}", self.start.terms.day);
        match name {
            _ if !own => {}
            Handoff::FILE => {
                self.close_round();
                let handoff: Handoff = yaml(text)?;
                let red = if handoff.tdd_red_phase_confirmed { "red phase proved" } else { "no red phase" };
                let files = handoff.files.len();
                self.round.round.handoff =
                    Some(format!("{} at commit {}, {red}", counted(files, "file"), handoff.commit));
                self.round.day = handoff.files.into_iter().map(|file| file.path).collect();
            }
            GateReport::FILE => self.gate(yaml(text)?),
            SentinelReport::FILE => {
                let report: SentinelReport = yaml(text)?;
                let judged = (report.sentinel_decision, report.hold_reason, report.findings);
                self.round.round.sentinel = Some(self.judged(Agent::Sentinel, "sentinel_decision", judged));
            }
            ConduitReport::FILE => {
                let report: ConduitReport = yaml(text)?;
                let judged = (report.conduit_decision, report.hold_reason, report.findings);
                self.round.round.conduit = Some(self.judged(Agent::Conduit, "conduit_decision", judged));
            }
            <Vec<Attempt>>::FILE => {
                let attempts: Vec<Attempt> = yaml(text)?;
                if let Some(last) = attempts.last() {
                    self.explained.verdict = last.decision.map_or("ABORT", Decision::name).to_owned();
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A report's judgement, held against the claim of the agent that submitted it.
    fn judged(
        &mut self,
        agent: Agent,
        field: &str,
        (decision, reason, findings): (Decision, String, Vec<Finding>),
    ) -> Judged {
        self.compare(agent, field, decision);
        Judged { decision, reason, findings }
    }

    fn gate(&mut self, report: GateReport) {
        let held = (report.gate_decision, report.hold_reason, vec![]);
        self.round.round.gate = Some(self.judged(Agent::Gate, "gate_decision", held));
        let claims = self.round.claims.get(Agent::Gate.name()).map(|claim| &claim["criteria_results"]);
        let claims = claims.and_then(Value::as_array).cloned().unwrap_or_default();
        for verdict in &report.criteria_results {
            let claimed = claims.iter().find(|claim| claim["criterion"] == verdict.criterion.as_str());
            let claimed = claimed.and_then(|claim| claim["result"].as_str());
            let observed = result(verdict.result);
            if let Some(claimed) = claimed.filter(|claimed| *claimed != observed) {
                let line = format!(
                    "GATE said {claimed} of \"{}\", pace found {observed}: {}",
                    verdict.criterion, verdict.evidence
                );
                self.overrule(line);
            }
        }
        self.round.round.criteria = report.criteria_results.iter().map(|v| self.criterion(v)).collect();
    }

    fn criterion(&self, verdict: &CriterionVerdict) -> Criterion {
        let seen = &self.round;
        let commands: Vec<_> = seen.observation.iter().flat_map(|o| &o.commands).collect();
        let commands: Vec<_> = commands.into_iter().map(|run| (run.command.clone(), run.exit)).collect();
        let show = |path: &str| seen.files.get(path).cloned().flatten();
        let none = CiState::None;
        let evidence = Evidence::new(Observed {
            run: seen.observation.as_ref().and_then(|o| o.tests.as_ref()),
            output: seen.observation.as_ref().map_or("", |o| o.output.as_str()),
            plan: &self.start.terms.plan_path,
            day: &seen.day,
            show: &show,
            ci: seen.ci.as_ref().unwrap_or(&none),
            commands: &commands,
        });
        let cites = verdict.cites.iter().map(|cite| {
            let alone = CriterionVerdict { cites: vec![cite.clone()], ..verdict.clone() };
            let lacks = evidence.resolve(&alone);
            let found = match lacks.first() {
                None => "observed".into(),
                Some(lack) => format!("does not count: {lack}"),
            };
            (cite.kind, cite.reference.clone(), found)
        });
        Criterion {
            text: verdict.criterion.clone(),
            result: verdict.result,
            evidence: verdict.evidence.clone(),
            cites: cites.collect(),
        }
    }

    /// Notes a decision that the model claimed and the binary did not come to.
    fn compare(&mut self, agent: Agent, field: &str, decision: Decision) {
        let claimed = self.round.claims.get(agent.name()).and_then(|claim| claim[field].as_str());
        if let Some(claimed) = claimed.filter(|claimed| *claimed != decision.name()) {
            let line = format!("{agent} said {claimed}, pace computed {decision}");
            self.overrule(line);
        }
    }

    fn overrule(&mut self, line: String) {
        if !self.explained.overruled.contains(&line) {
            self.explained.overruled.push(line);
        }
    }

    fn close_round(&mut self) {
        let seen = std::mem::take(&mut self.round);
        let round = seen.round;
        self.explained.reasons = [
            (Agent::Gate, &round.gate),
            (Agent::Sentinel, &round.sentinel),
            (Agent::Conduit, &round.conduit),
        ]
        .into_iter()
        .filter_map(|(agent, judged)| Some((agent, judged.as_ref()?)))
        .filter(|(_, judged)| judged.decision == Decision::Hold)
        .map(|(agent, judged)| format!("{agent} HOLD: {}", judged.reason))
        .collect();
        if round.handoff.is_some() || round.gate.is_some() || round.sentinel.is_some() {
            self.explained.rounds.push(round);
        }
        self.round.claims = seen.claims;
    }

    fn ended(&mut self, value: &Value) {
        self.explained.exit_code = value["exit"].as_u64().and_then(|code| u8::try_from(code).ok());
        if let Some(error) = value["error"].as_str() {
            self.close_round();
            self.explained.reasons = vec![error.to_owned()];
        }
    }
}

fn of<T: DeserializeOwned>(value: &Value) -> anyhow::Result<T> {
    Ok(serde_json::from_value(value.clone())?)
}

fn yaml<T: DeserializeOwned>(text: &str) -> anyhow::Result<T> {
    serde_saphyr::from_str(text).map_err(|error| anyhow::anyhow!("{}", error.render()))
}
