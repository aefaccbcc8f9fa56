//! Why a recorded day came to its verdict, as text for an audit. Lines are stable: nothing in them depends on when or
//! where they are printed. Knows no journal.

use crate::domain::Agent;
use crate::domain::artifact::{CiteKind, CriterionResult, Finding};
use crate::domain::decision::Decision;
use crate::domain::money::Bill;

/// A day, explained.
#[derive(Debug, Clone, Default)]
pub(crate) struct Explained {
    /// `Day 1: Greet by name · attempt 1 · branch pace/sprint · recorded by pace 0.1.0`.
    pub title: String,
    /// How far the records are known to be the run's own.
    pub seals: String,
    /// The decision, `ABORT`, or what the run ended with instead.
    pub verdict: String,
    pub exit_code: Option<u8>,
    /// What held, in the order in which it was asked; empty on a day that ships.
    pub reasons: Vec<String>,
    pub rounds: Vec<Round>,
    /// Where the model's word did not count.
    pub overruled: Vec<String>,
    pub bill: Bill,
}

/// One round: FORGE and those who looked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Round {
    /// What FORGE handed off, in one line; `None` where it did not come to that.
    pub handoff: Option<String>,
    /// The test run that GATE saw.
    pub tests: Option<String>,
    pub ci: Option<String>,
    pub gate: Option<Judged>,
    pub criteria: Vec<Criterion>,
    pub sentinel: Option<Judged>,
    pub conduit: Option<Judged>,
}

/// A reviewer's decision.
#[derive(Debug, Clone)]
pub(crate) struct Judged {
    pub decision: Decision,
    pub reason: String,
    pub findings: Vec<Finding>,
}

/// A criterion's verdict and what it rests on.
#[derive(Debug, Clone)]
pub(crate) struct Criterion {
    pub text: String,
    pub result: CriterionResult,
    pub evidence: String,
    /// Kind, reference and what it resolved to.
    pub cites: Vec<(CiteKind, String, String)>,
}

/// The explanation, ending with a line break.
pub(crate) fn text(day: &Explained) -> String {
    let mut lines = vec![day.title.clone()];
    if !day.seals.is_empty() {
        lines.push(day.seals.clone());
    }
    let code = day.exit_code.map(|code| format!(" (exit {code})")).unwrap_or_default();
    lines.push(format!("Verdict: {}{code}", day.verdict));
    lines.extend(day.reasons.iter().map(|reason| format!("  because {}", one_line(reason))));
    for (number, round) in (1..).zip(&day.rounds) {
        lines.push(String::new());
        lines.push(format!("Round {number}"));
        write_round(round, &mut lines);
    }
    lines.push(String::new());
    lines.push("Overruled".into());
    if day.overruled.is_empty() {
        lines.push("  nothing: what the models claimed is what was observed".into());
    }
    lines.extend(day.overruled.iter().map(|line| format!("  {}", one_line(line))));
    lines.push(String::new());
    lines.push("Cost".into());
    for spend in &day.bill.spends {
        lines.push(cost(spend.agent.name(), spend.calls, spend.usage.total(), spend.cost));
    }
    for spend in &day.bill.models {
        lines.push(cost(&one_line(&spend.model), spend.calls, spend.usage.total(), spend.cost));
    }
    let calls = day.bill.spends.iter().map(|spend| spend.calls).sum();
    lines.push(cost("all", calls, day.bill.usage().total(), day.bill.cost(|_| true)));
    lines.join("\n") + "\n"
}

fn write_round(round: &Round, lines: &mut Vec<String>) {
    let seen = [(Agent::Forge.name(), &round.handoff), ("tests", &round.tests), ("CI", &round.ci)];
    for (what, line) in seen {
        lines.extend(line.iter().map(|line| format!("  {what}: {}", one_line(line))));
    }
    if let Some(gate) = &round.gate {
        write_judged(Agent::Gate, gate, lines);
        for (number, criterion) in (1..).zip(&round.criteria) {
            let result = result(criterion.result);
            lines.push(format!("    {number}. {result}: {}", one_line(&criterion.text)));
            if !criterion.evidence.is_empty() {
                lines.push(format!("       evidence: {}", one_line(&criterion.evidence)));
            }
            for (kind, reference, found) in &criterion.cites {
                let kind = kind_name(*kind);
                lines.push(format!("       cite {kind} {}: {}", one_line(reference), one_line(found)));
            }
        }
    }
    for (agent, judged) in [(Agent::Sentinel, &round.sentinel), (Agent::Conduit, &round.conduit)] {
        let Some(judged) = judged else { continue };
        write_judged(agent, judged, lines);
        for finding in &judged.findings {
            let place = match (&finding.file, finding.line) {
                (Some(file), Some(line)) => format!(" ({file}:{line})"),
                (Some(file), None) => format!(" ({file})"),
                _ => String::new(),
            };
            let check = one_line(&finding.check);
            let line = format!("    {:?}: {check}{place}: {}", finding.result, one_line(&finding.evidence));
            lines.push(
                line.replacen("Pass", "PASS", 1)
                    .replacen("Fail", "FAIL", 1)
                    .replacen("Advisory", "ADVISORY", 1),
            );
        }
    }
}

fn write_judged(agent: Agent, judged: &Judged, lines: &mut Vec<String>) {
    let reason =
        if judged.reason.is_empty() { String::new() } else { format!(": {}", one_line(&judged.reason)) };
    lines.push(format!("  {agent}: {}{reason}", judged.decision));
}

/// The word of the artifacts.
pub(crate) const fn result(result: CriterionResult) -> &'static str {
    match result {
        CriterionResult::Pass => "PASS",
        CriterionResult::Partial => "PARTIAL",
        CriterionResult::Fail => "FAIL",
    }
}

const fn kind_name(kind: CiteKind) -> &'static str {
    match kind {
        CiteKind::Test => "test",
        CiteKind::Output => "output",
        CiteKind::File => "file",
        CiteKind::Ci => "ci",
        CiteKind::Command => "command",
    }
}

fn cost(name: &str, calls: u32, tokens: u64, usd: Option<f64>) -> String {
    let usd = usd.map_or_else(|| "unknown".into(), |usd| format!("${usd:.4}"));
    let plural = if calls == 1 { "" } else { "s" };
    format!("  {name}: {calls} call{plural}, {tokens} tokens, {usd}")
}

/// Visible characters on one line.
fn one_line(text: &str) -> String {
    crate::prompt::plain::line(text)
}
