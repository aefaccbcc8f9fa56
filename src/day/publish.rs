//! After the decision: the docs, the books, the commit, the push. Only a failed push takes the verdict back.

use anyhow::anyhow;

use super::push::{CATCH_UPS, Sent};
use super::sprint::PROGRESS;
use super::{Day, Ended, Verdict};
use crate::agent::{scribe, secrets};
use crate::domain::Agent;
use crate::domain::artifact::{Attempt, Cycle, Outcome};
use crate::domain::decision::Decision;
use crate::domain::event::{Event, Level};
use crate::domain::list::counted;
use crate::domain::money::round_usd;
use crate::domain::terms::Stage;
use crate::error::Error;
use crate::store::plan::mark_shipped;

/// Writes the day down and publishes it; the picture of the day with the platform's answers.
///
/// A working job ends before anything of it, with a hand-off. A publishing one plays so far and goes on.
pub(crate) async fn publish(day: &Day<'_>, verdict: &mut Verdict) -> Result<Ended, Error> {
    let mut docs = vec![];
    if verdict.decision != Decision::Hold {
        docs = day.scribe(verdict).await?;
    }
    if day.stage != Stage::All {
        let handoff = day.hand_off(verdict, &docs).await?;
        if day.stage == Stage::Work {
            return Ok(Ended::HandedOff(Box::new(day.view(verdict)?), handoff));
        }
        docs = day.take_over(verdict, handoff).await?;
    }
    let sent = day.book_and_push(verdict, &docs).await?;
    day.announce(verdict, matches!(sent, Sent::To(_))).await?;
    Ok(Ended::Decided(Box::new(day.view(verdict)?)))
}

impl Day<'_> {
    /// SCRIBE's documents; its failure is told and changes nothing else.
    async fn scribe(&self, verdict: &mut Verdict) -> Result<Vec<String>, Error> {
        let r = &verdict.reports;
        let (Some(handoff), Some(gate), Some(sentinel), Some(conduit)) =
            (&r.handoff, &r.gate, &r.sentinel, &r.conduit)
        else {
            return Ok(vec![]);
        };
        self.desk.events.emit(Event::AgentStarted { agent: Agent::Scribe, round: 1 });
        let inputs =
            scribe::Inputs { card: &verdict.card, handoff, gate, sentinel, conduit, base: &self.start.base };
        let (report, docs) = scribe::run(&self.desk, &inputs).await;
        match report {
            Ok(report) => {
                self.keep(&report)?;
                verdict.documented = true;
                let summary = counted(docs.len(), "document");
                self.desk.events.emit(Event::AgentFinished { agent: Agent::Scribe, decision: None, summary });
            }
            Err(error) => self.warn(format!("SCRIBE did not finish, the day ships without it: {error:#}")),
        }
        Ok(docs)
    }

    /// `cycle.md` and the plan's `status`.
    async fn close_books(&self) -> anyhow::Result<()> {
        let bill = self.desk.purse.bill();
        let now = self.desk.journal.now().await?;
        let cycle = Cycle {
            day: self.desk.terms.day,
            cycle_cost_usd: bill.cost(|agent| agent != Agent::Scribe).map(round_usd),
            forge_cost_usd: bill.cost(|agent| agent == Agent::Forge).map(round_usd),
            generated_at: now.clone(),
            cost_by_agent: bill.by_agent(),
            cost_by_model: bill.by_model(),
        };
        self.keep(&cycle)?;
        let path = &self.desk.terms.plan_path;
        if let Some(text) = self.store.read_text(path)?
            && let Some(text) = mark_shipped(&text, self.desk.terms.day, &now)?
        {
            self.keep_text(path, &text)?;
        }
        Ok(())
    }

    async fn attempt_of(&self, verdict: &Verdict) -> anyhow::Result<Attempt> {
        let outcome = if verdict.decision == Decision::Hold { Outcome::Hold } else { Outcome::Ship };
        Ok(Attempt {
            decision: Some(verdict.decision),
            hold_reason: verdict.hold.as_ref().map(crate::domain::hold::Hold::short),
            cause: verdict.hold.as_ref().map(|hold| hold.cause),
            commit: verdict.reports.handoff.as_ref().map(|h| h.commit.clone()),
            ..self.attempt(outcome).await?
        })
    }

    /// Writes the day's records, commits and pushes them. Where others pushed meanwhile, the merge is judged again and
    /// the records are written again upon theirs.
    async fn book_and_push(&self, verdict: &mut Verdict, docs: &[String]) -> Result<Sent, Error> {
        for merges in 0..=CATCH_UPS {
            self.book(verdict).await?;
            let bodies = self.write_bodies(verdict)?;
            let records = self.commit_artifacts(&bodies.commit, docs).await?;
            let sent = self.push(&self.yields(Some(records), docs)).await?;
            let Sent::Merged(merged) = sent else { return Ok(sent) };
            if merges == CATCH_UPS {
                break;
            }
            self.judge_merge(verdict, merged).await?;
        }
        Err(Error::Abort(anyhow!(
            "{} moved on more than {CATCH_UPS} times while the day was published; run it again when nobody pushes",
            self.start.branch.name
        )))
    }

    /// The books of the day and the sprint.
    async fn book(&self, verdict: &Verdict) -> anyhow::Result<()> {
        if verdict.decision != Decision::Hold {
            self.close_books().await?;
        }
        self.book_findings(verdict)?;
        let attempt = self.attempt_of(verdict).await?;
        self.keep_attempt(&attempt)?;
        self.tell_advisories(verdict).await?;
        self.keep_sprint_pages(verdict.decision).await
    }

    /// One commit with everything that the day wrote apart from FORGE's work; its SHA.
    async fn commit_artifacts(&self, message: &str, docs: &[String]) -> anyhow::Result<String> {
        let plan = &self.desk.terms.plan_path;
        let ours = |path: &String| {
            path.starts_with(".pace/") || path == plan || path == PROGRESS || docs.contains(path)
        };
        let find = async {
            let changes = self.desk.repo.work_diff(&self.start.untracked)?;
            anyhow::Ok(changes.paths().filter(|path| ours(path)).cloned().collect())
        };
        let mut paths: Vec<String> = self.desk.journal.step("artifact-paths", docs, find).await?;
        // Everything written here was masked or scanned before; what slipped through stays out all the same.
        let leaks = secrets::blocking(secrets::in_files(&self.desk, &self.start.base, &paths).await?);
        paths.retain(|path| leaks.iter().all(|leak| leak.file.as_ref() != Some(path)));
        for leak in leaks {
            self.warn(format!("not committed: {}", leak.evidence));
        }
        let commit = async { self.desk.repo.commit(&paths, message) };
        self.desk.journal.act("commit", &paths, commit).await
    }

    pub(super) fn warn(&self, text: String) {
        self.desk.events.emit(Event::Notice { level: Level::Warning, text });
    }
}
