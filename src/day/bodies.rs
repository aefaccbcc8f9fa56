//! What a day is told in: the review, the escalation and the summary for people, JUnit, SARIF and Code Quality for
//! programs, all from one view of the day.

use super::{Day, Verdict};
use crate::agent::gate::Observation;
use crate::domain::Agent;
use crate::domain::artifact::Attempt;
use crate::domain::decision::Decision;
use crate::domain::plan::DayPlan;
use crate::exit::{self, Outcome};
use crate::report::clean::Clean;
use crate::report::view::{
    AgentState, BillView, DayView, HistoryDay, HoldView, ProductView, RoundView, TestsView, agents, findings,
};
use crate::report::{body, code_quality, junit, sarif};

/// The last run's day on one page, from the repository root.
pub(crate) const SUMMARY: &str = ".pace/pace-summary.md";

impl Day<'_> {
    /// The picture of the day that all bodies show.
    pub(super) fn view(&self, verdict: &Verdict) -> anyhow::Result<DayView> {
        let terms = self.desk.terms;
        let reports = &verdict.reports;
        let bill = self.desk.purse.bill();
        let code = exit::of_outcome(&Outcome::Decided(verdict.decision), terms.advisory_exit_code);
        let hold = verdict.hold.as_ref().map(|hold| {
            HoldView::cascade(
                hold,
                reports.gate.as_ref(),
                reports.sentinel.as_ref(),
                reports.conduit.as_ref(),
            )
        });
        Ok(DayView {
            product: ProductView {
                name: terms.product_name.clone(),
                description: Some(terms.product_description.clone()).filter(|text| !text.is_empty()),
            },
            sprint: terms.sprint.clone(),
            day: terms.day,
            last_day: self.start.plan.final_day().unwrap_or(terms.day),
            theme: verdict.card.theme.clone(),
            attempt: self.start.attempt,
            branch: self.start.branch.name.clone(),
            base: self.start.branch.base.clone(),
            commit: reports.handoff.as_ref().map(|h| h.commit.clone()),
            decision: Some(verdict.decision),
            abort: None,
            hold,
            exit_code: code,
            agents: agents(&bill, &self.states(verdict)),
            criteria: reports.gate.as_ref().map(|r| r.criteria_results.clone()).unwrap_or_default(),
            findings: findings(reports.sentinel.as_ref(), reports.conduit.as_ref()),
            files: reports.handoff.as_ref().map(|h| h.files.clone()).unwrap_or_default(),
            tests: reports.observation.as_ref().and_then(tests),
            bill: BillView::from(&bill),
            rounds: rounds(verdict),
            sandbox: terms.sandbox.clone(),
            history: self.history()?,
            human_gate: self.desk.plan.human_gate,
            review_url: verdict.review_url.clone(),
            issue_url: verdict.issue_url.clone(),
        })
    }

    fn states(&self, verdict: &Verdict) -> Vec<(Agent, AgentState)> {
        let reports = &verdict.reports;
        let decided = [
            (Agent::Gate, reports.gate.as_ref().map(|r| r.gate_decision)),
            (Agent::Sentinel, reports.sentinel.as_ref().map(|r| r.sentinel_decision)),
            (Agent::Conduit, reports.conduit.as_ref().map(|r| r.conduit_decision)),
        ];
        let mut states: Vec<_> =
            decided.into_iter().filter_map(|(agent, decision)| Some((agent, decision?.into()))).collect();
        let held_before = verdict.hold.as_ref().map(|hold| hold.agent);
        for (agent, done) in [
            (Agent::Prime, held_before != Some(Agent::Prime)),
            (Agent::Forge, reports.handoff.is_some()),
            (Agent::Scribe, verdict.documented),
        ] {
            if done {
                states.push((agent, AgentState::Done));
            }
        }
        states
    }

    /// Every day of the plan with its runs so far.
    fn history(&self) -> anyhow::Result<Vec<HistoryDay>> {
        self.start
            .plan
            .days
            .values()
            .map(|day| Ok(history_day(day, &self.store.attempts(day.day)?)))
            .collect()
    }

    /// Writes the day's Markdown files; their text once more where it goes elsewhere too.
    pub(super) fn write_bodies(&self, verdict: &Verdict) -> anyhow::Result<Bodies> {
        let view = self.view(verdict)?;
        let templates = self.desk.templates;
        let (name, text, title) = if verdict.decision == Decision::Hold {
            let text = body::escalation(templates, &view)?;
            ("escalation-issue.md", text, body::escalation_title(templates, &view)?)
        } else {
            ("review-pr.md", body::review(templates, &view)?, body::review_title(templates, &view)?)
        };
        let url = verdict.review_url.as_ref().or(verdict.issue_url.as_ref());
        let by_hand = verdict.compare_url.as_ref().filter(|_| verdict.decision != Decision::Hold);
        let opening = match (url, by_hand) {
            (Some(url), _) => format!("{url}\n\n"),
            (None, Some(url)) => format!("Not opened yet. Open it here: {url}\n\n"),
            (None, None) => String::new(),
        };
        self.keep_text(&self.day_path(name), &format!("{opening}{text}"))?;
        self.keep_text(SUMMARY, &body::summary(templates, &view)?)?;
        self.write_reports(&view)?;
        let commit = body::artifacts_commit(templates, &view)?;
        let [title, text, commit] = [title, text, commit].map(|words| self.desk.journal.clean(&words));
        Ok(Bodies { title, text, commit })
    }

    /// What the note on the review says; secrets masked.
    pub(super) fn note_body(&self, verdict: &Verdict) -> anyhow::Result<String> {
        let text = body::note(self.desk.templates, &self.view(verdict)?)?;
        Ok(self.desk.journal.clean(&text))
    }

    /// Writes what other programs read of the day.
    fn write_reports(&self, view: &DayView) -> anyhow::Result<()> {
        let redact = |text: &str| self.desk.journal.clean(text);
        let clean = Clean::new(&redact);
        self.keep_text(&self.day_path(junit::FILE), &junit::report(view, &clean)?)?;
        self.keep_text(&self.day_path(sarif::FILE), &sarif::log(view, &clean)?)?;
        self.keep_text(&self.day_path(code_quality::FILE), &code_quality::list(view, &clean)?)
    }
}

/// What a run's review or issue says, and the message of its artifacts commit; secrets masked.
pub(super) struct Bodies {
    pub title: String,
    pub text: String,
    pub commit: String,
}

fn tests(observed: &Observation) -> Option<TestsView> {
    observed.tests.as_ref().map(|run| TestsView { flaky: observed.flaky.clone(), ..TestsView::from(run) })
}

fn rounds(verdict: &Verdict) -> Vec<RoundView> {
    let number = 1..;
    let views = number.zip(&verdict.earlier_holds);
    views
        .map(|(number, hold)| RoundView { number, held_by: hold.agent, reason: hold.reason.clone() })
        .collect()
}

fn history_day(day: &DayPlan, attempts: &[Attempt]) -> HistoryDay {
    HistoryDay {
        day: day.day,
        theme: day.theme.clone(),
        decision: attempts
            .last()
            .and_then(|attempt| attempt.decision)
            .or_else(|| day.shipped.then_some(Decision::Ship)),
        attempts: u32::try_from(attempts.len()).unwrap_or(u32::MAX),
        cost: attempts.iter().map(|attempt| attempt.cost_usd).sum(),
    }
}
