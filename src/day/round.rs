//! One round: FORGE builds, then the reviewers look. The first HOLD ends the round: later reviewers do not run
//! on code that is going back.

use anyhow::anyhow;

use super::push::{CATCH_UPS, Sent};
use super::{Day, Reports, Verdict};
use crate::agent::{AgentError, conduit, day_change, forge, gate, rules, sentinel, tampering};
use crate::domain::Agent;
use crate::domain::artifact::{Finding, FindingResult, Handoff, StoryCard};
use crate::domain::backlog::{self, Entry};
use crate::domain::decision::Decision;
use crate::domain::diff::Diff;
use crate::domain::event::Event;
use crate::domain::hold::{Cause, Hold};
use crate::domain::list::counted;
use crate::domain::observation::CiState;
use crate::domain::terms::Stage;
use crate::evidence::findings;
use crate::evidence::red_phase::RedPhase;

/// What a round starts from.
pub(crate) struct Inputs<'a> {
    pub card: &'a StoryCard,
    pub hold_reason: Option<&'a str>,
    pub red_confirmed: bool,
    /// From 1.
    pub number: u32,
    /// The test runners as the run found them; `None` where only a merge is judged again.
    pub runners: Option<&'a tampering::Runners>,
}

/// Runs a round to its first HOLD or its end.
pub(crate) async fn run(day: &Day<'_>, inputs: &Inputs<'_>) -> Result<(Reports, Option<Hold>), AgentError> {
    let mut reports = Reports::default();
    let stopped = review(day, inputs, &mut reports).await;
    let hold = held_at_cap(day, inputs.card, stopped, &mut reports)?;
    Ok((reports, hold))
}

/// A cap that was reached holds the day; any other stop ends it.
fn held_at_cap(
    day: &Day<'_>,
    card: &StoryCard,
    ended: Result<Option<Hold>, Stop>,
    reports: &mut Reports,
) -> Result<Option<Hold>, AgentError> {
    match ended {
        Ok(hold) => Ok(hold),
        Err(Stop { agent, error: AgentError::CostCap(reason) }) => {
            let hold = Hold { agent, cause: Cause::Outside, reason };
            day.hold_report(card, &hold, reports)?;
            Ok(Some(hold))
        }
        Err(stop) => Err(stop.error),
    }
}

/// Has the reviewers look at `head`, a merge of the judged commit with what others pushed; why they hold it.
pub(crate) async fn judge_again(
    day: &Day<'_>,
    verdict: &mut Verdict,
    head: String,
) -> Result<Option<Hold>, AgentError> {
    let card = verdict.card.clone();
    let inputs = Inputs { card: &card, hold_reason: None, red_confirmed: false, number: 1, runners: None };
    let Some(handoff) = &mut verdict.reports.handoff else { return Ok(verdict.hold.clone()) };
    handoff.commit = head;
    day.keep(handoff)?;
    let ended = reviewers(day, &inputs, &mut verdict.reports).await;
    held_at_cap(day, &card, ended, &mut verdict.reports)
}

/// An agent that could not go on.
struct Stop {
    agent: Agent,
    error: AgentError,
}

trait By<T> {
    fn by(self, agent: Agent) -> Result<T, Stop>;
}

impl<T, E: Into<AgentError>> By<T> for Result<T, E> {
    fn by(self, agent: Agent) -> Result<T, Stop> {
        self.map_err(|error| Stop { agent, error: error.into() })
    }
}

async fn review(day: &Day<'_>, inputs: &Inputs<'_>, reports: &mut Reports) -> Result<Option<Hold>, Stop> {
    if let Some(hold) = day.forge(inputs, reports).await.by(Agent::Forge)? {
        return Ok(Some(hold));
    }
    day.push_for_ci(reports).await.by(Agent::Gate)?;
    reviewers(day, inputs, reports).await
}

/// The three who look at what FORGE committed, up to the first HOLD.
async fn reviewers(day: &Day<'_>, inputs: &Inputs<'_>, reports: &mut Reports) -> Result<Option<Hold>, Stop> {
    let commit = reports.handoff.as_ref().map(|h| h.commit.clone()).unwrap_or_default();
    let diff = day_change::diff_between(&day.desk, &day.start.base, &commit).await.by(Agent::Forge)?;
    let tampering = tampering::in_commit(&day.desk, &day.start.base, &commit, &diff, inputs.runners)
        .await
        .by(Agent::Gate)?;
    if let Some(hold) = day.gate(inputs, &tampering, reports).await.by(Agent::Gate)? {
        return Ok(Some(hold));
    }
    let concerns = tampering::concerns(&tampering);
    if let Some(hold) = day.sentinel(inputs, &diff, concerns, reports).await.by(Agent::Sentinel)? {
        return Ok(Some(hold));
    }
    day.conduit(inputs, &diff, reports).await.by(Agent::Conduit)
}

impl Day<'_> {
    async fn forge(&self, round: &Inputs<'_>, reports: &mut Reports) -> Result<Option<Hold>, AgentError> {
        self.started(Agent::Forge, round.number);
        let backlog = if self.desk.plan.clearance { self.open_backlog(None)? } else { vec![] };
        let inputs = forge::Inputs {
            card: round.card,
            hold_reason: round.hold_reason,
            baseline: self.start.baseline.as_ref(),
            backlog: &backlog,
            base: &self.start.base,
            untracked: &self.start.untracked,
            red_confirmed: round.red_confirmed,
        };
        let seal = self.store.seal()?;
        let ended = forge::run(&self.desk, &inputs).await;
        let forged = self.store.restore(&seal)?;
        if !forged.is_empty() {
            let what =
                format!("Commands wrote pace's own records, which were put back: {}", forged.join(", "));
            self.desk.step(Agent::Forge, what);
        }
        match ended? {
            forge::Round::HandedOff(handoff, red) => {
                self.keep(&*handoff)?;
                self.finished(Agent::Forge, None, counted(handoff.files.len(), "file"));
                reports.handoff = Some(*handoff);
                reports.red = Some(red);
                Ok(None)
            }
            forge::Round::Unmended(findings) => {
                let report = sentinel::kept_out(self.desk.terms.day, findings);
                let reason = report.hold_reason.clone();
                self.keep(&report)?;
                reports.sentinel = Some(report);
                Ok(Some(Hold { agent: Agent::Sentinel, cause: Cause::Outside, reason }))
            }
            forge::Round::Stopped(reason) => {
                let reason = format!("FORGE ended without a valid handoff: {reason}");
                let hold = Hold { agent: Agent::Forge, cause: Cause::Outside, reason };
                self.hold_gate(round.card, &hold, reports)?;
                Ok(Some(hold))
            }
        }
    }

    /// Brings FORGE's commit to the forge, so that its CI can speak before GATE does. What others pushed meanwhile
    /// is merged first, so that GATE judges it too.
    async fn push_for_ci(&self, reports: &mut Reports) -> Result<(), AgentError> {
        if !self.desk.terms.has_forge() || self.stage != Stage::All {
            return Ok(());
        }
        for _ in 0..=CATCH_UPS {
            match self.push(&self.yields(None, &[])).await.map_err(anyhow::Error::from)? {
                Sent::To(_) => {
                    reports.pushed = true;
                    return Ok(());
                }
                Sent::Not(_) => return Ok(()),
                Sent::Merged(merged) => {
                    if let Some(handoff) = &mut reports.handoff {
                        handoff.commit = merged.head;
                        self.keep(handoff)?;
                    }
                }
            }
        }
        Err(AgentError::Other(anyhow!("{} moves on faster than it can be judged", self.start.branch.name)))
    }

    /// The CI's word on `commit`; a commit that is not on the forge has none.
    pub(super) async fn ci(&self, commit: &str, pushed: bool) -> anyhow::Result<CiState> {
        if !pushed {
            return Ok(CiState::None);
        }
        self.desk.step(Agent::Gate, "Waiting for the CI of the commit ...".to_owned());
        self.desk.journal.step("ci", commit, self.platform.ci.state(commit)).await
    }

    async fn gate(
        &self,
        round: &Inputs<'_>,
        tampering: &[Finding],
        reports: &mut Reports,
    ) -> Result<Option<Hold>, AgentError> {
        self.started(Agent::Gate, round.number);
        let Some(handoff) = &reports.handoff else { return Ok(None) };
        let baseline = self.start.baseline.as_ref();
        let observation = gate::observe(&self.desk, round.card, &handoff.commit, baseline).await?;
        let rules = self.rules(handoff, reports.red.as_ref(), &observation).await?;
        let ci = self.ci(&handoff.commit, reports.pushed).await?;
        let inputs = gate::Inputs {
            card: round.card,
            handoff,
            observation: &observation,
            ci: &ci,
            rules: &rules,
            baseline,
            tampering,
        };
        let report = gate::run(&self.desk, &inputs).await?;
        self.keep(&report)?;
        self.finished(Agent::Gate, Some(report.gate_decision), tally(&report));
        let cause = gate::cause(&report, &inputs, |path| self.forge_may_write(path));
        let hold = held(Agent::Gate, report.gate_decision, cause, &report.hold_reason);
        reports.observation = Some(observation);
        reports.gate = Some(report);
        Ok(hold)
    }

    /// The rules on the day's tests, held against the judged commit.
    async fn rules(
        &self,
        handoff: &Handoff,
        red: Option<&RedPhase>,
        observation: &gate::Observation,
    ) -> Result<rules::RuleChecks, AgentError> {
        let (baseline, run) = (self.start.baseline.as_ref(), observation.tests.as_ref());
        rules::check(&self.desk, &self.start.base, &handoff.commit, red, baseline, run).await
    }

    async fn sentinel(
        &self,
        round: &Inputs<'_>,
        diff: &Diff,
        concerns: Vec<Finding>,
        reports: &mut Reports,
    ) -> Result<Option<Hold>, AgentError> {
        self.started(Agent::Sentinel, round.number);
        let (Some(handoff), Some(gate)) = (&reports.handoff, &reports.gate) else { return Ok(None) };
        let backlog = self.open_backlog(Some(Agent::Sentinel))?;
        let inputs = sentinel::Inputs {
            card: round.card,
            handoff,
            gate,
            diff,
            base: &self.start.base,
            concerns,
            backlog: &backlog,
        };
        let report = sentinel::run(&self.desk, &inputs).await?;
        self.keep(&report)?;
        self.finished(
            Agent::Sentinel,
            Some(report.sentinel_decision),
            counted(report.findings.len(), "finding"),
        );
        let cause = self.cause(&report.findings, &backlog);
        let hold = held(Agent::Sentinel, report.sentinel_decision, cause, &report.hold_reason);
        reports.sentinel = Some(report);
        Ok(hold)
    }

    async fn conduit(
        &self,
        round: &Inputs<'_>,
        diff: &Diff,
        reports: &mut Reports,
    ) -> Result<Option<Hold>, AgentError> {
        self.started(Agent::Conduit, round.number);
        let (Some(handoff), Some(sentinel)) = (&reports.handoff, &reports.sentinel) else { return Ok(None) };
        let backlog = self.open_backlog(Some(Agent::Conduit))?;
        let base_branch = &self.start.branch.base;
        let inputs =
            conduit::Inputs { card: round.card, handoff, sentinel, diff, base_branch, backlog: &backlog };
        let protection = self.platform.access.protection(base_branch);
        let report = conduit::run(&self.desk, &inputs, protection).await?;
        self.keep(&report)?;
        self.finished(
            Agent::Conduit,
            Some(report.conduit_decision),
            counted(report.findings.len(), "finding"),
        );
        let cause = self.cause(&report.findings, &backlog);
        let hold = held(Agent::Conduit, report.conduit_decision, cause, &report.hold_reason);
        reports.conduit = Some(report);
        Ok(hold)
    }

    /// Writes the report that says a HOLD which no reviewer wrote down itself.
    fn hold_report(&self, card: &StoryCard, hold: &Hold, reports: &mut Reports) -> anyhow::Result<()> {
        let day = self.desk.terms.day;
        match hold.agent {
            Agent::Sentinel => {
                let report = sentinel::unjudged(day, &hold.reason);
                self.keep(&report)?;
                reports.sentinel = Some(report);
            }
            Agent::Conduit => {
                let report = conduit::unjudged(day, &hold.reason);
                self.keep(&report)?;
                reports.conduit = Some(report);
            }
            _ => self.hold_gate(card, hold, reports)?,
        }
        Ok(())
    }

    /// Writes the gate report of a round that GATE did not get to judge.
    pub(super) fn hold_gate(
        &self,
        card: &StoryCard,
        hold: &Hold,
        reports: &mut Reports,
    ) -> anyhow::Result<()> {
        let report = gate::unjudged(self.desk.terms.day, card, &hold.reason);
        self.keep(&report)?;
        reports.gate = Some(report);
        Ok(())
    }

    fn started(&self, agent: Agent, round: u32) {
        self.desk.events.emit(Event::AgentStarted { agent, round });
    }

    fn finished(&self, agent: Agent, decision: Option<Decision>, summary: String) {
        self.desk.events.emit(Event::AgentFinished { agent, decision, summary });
    }

    /// Who can mend what the findings hold for. FORGE cannot answer the backlog for a reviewer that left it out.
    fn cause(&self, found: &[Finding], backlog: &[Entry]) -> Cause {
        let failed = found.iter().any(|finding| finding.result == FindingResult::Fail);
        if !failed && self.desk.plan.clearance && !backlog::unanswered(backlog, found).is_empty() {
            return Cause::Outside;
        }
        findings::cause(found, |path| self.forge_may_write(path))
    }

    fn open_backlog(&self, agent: Option<Agent>) -> anyhow::Result<Vec<Entry>> {
        let open = |entry: &Entry| {
            entry.status == backlog::Status::Open && agent.is_none_or(|agent| entry.agent == agent)
        };
        Ok(self.store.backlog()?.into_iter().filter(open).collect())
    }
}

fn held(agent: Agent, decision: Decision, cause: Cause, reason: &str) -> Option<Hold> {
    (decision == Decision::Hold).then(|| Hold { agent, cause, reason: reason.to_owned() })
}

fn tally(report: &crate::domain::artifact::GateReport) -> String {
    use crate::domain::artifact::CriterionResult;
    let met = report.criteria_results.iter().filter(|r| r.result != CriterionResult::Fail).count();
    format!("{met} of {} criteria met", report.criteria_results.len())
}
