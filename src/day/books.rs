//! The books of a day: every artifact is written through here and noted in the journal, so that a replay can
//! compare it byte for byte.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Day, Verdict};
use crate::agent::kit::forge_refusal;
use crate::domain::artifact::{Attempt, Outcome};
use crate::domain::backlog::Entry;
use crate::domain::decision::Decision;
use crate::domain::money::round_usd;
use crate::domain::{Agent, backlog};
use crate::store::artifacts::{Artifact, BACKLOG, SPRINT, Store};

impl Day<'_> {
    /// Writes an artifact of the day.
    pub(super) fn keep<T: Artifact>(&self, artifact: &T) -> anyhow::Result<()> {
        let day = self.desk.terms.day;
        self.store.write(day, &self.cleaned(artifact)?)?;
        self.note(&Store::path_of::<T>(day))
    }

    /// Writes a text below the repository root, e.g. a Markdown body.
    pub(super) fn keep_text(&self, path: &str, text: &str) -> anyhow::Result<()> {
        let text = self.desk.journal.clean(text);
        self.store.write_text(path, &text)?;
        self.note(path)
    }

    /// Writes the run down; where the merge with others' commits was judged after that, once more.
    pub(super) fn keep_attempt(&self, attempt: &Attempt) -> anyhow::Result<()> {
        let day = self.desk.terms.day;
        self.store.put_attempt(day, &self.cleaned(attempt)?)?;
        self.note(&Store::path_of::<Vec<Attempt>>(day))
    }

    /// `value` with every secret in its texts masked.
    fn cleaned<T: Serialize + DeserializeOwned>(&self, value: &T) -> anyhow::Result<T> {
        let value = self.desk.journal.clean_value(serde_json::to_value(value)?);
        Ok(serde_json::from_value(value)?)
    }

    /// Notes in the journal what now stands at `path`.
    fn note(&self, path: &str) -> anyhow::Result<()> {
        self.desk.journal.note("artifact", path, &self.store.read_text(path)?)
    }

    /// What every attempt says, whatever it came to.
    pub(super) async fn attempt(&self, outcome: Outcome) -> anyhow::Result<Attempt> {
        let bill = self.desk.purse.bill();
        Ok(Attempt {
            run: self.start.attempt,
            date: self.desk.journal.now().await?,
            cost_usd: bill.cost(|_| true).map(round_usd),
            outcome,
            decision: None,
            hold_reason: None,
            cause: None,
            base: Some(self.start.base.clone()),
            commit: None,
            cost_by_agent: bill.by_agent(),
            cost_by_model: bill.by_model(),
        })
    }

    /// Moves the reports of an earlier round or attempt to `attempts/K/`.
    pub(super) fn set_earlier_round_aside(&self) -> anyhow::Result<()> {
        if !self.desk.terms.dry_run {
            self.store.set_round_aside(self.desk.terms.day)?;
        }
        Ok(())
    }

    /// Path of a file of the day.
    pub(super) fn day_path(&self, name: &str) -> String {
        format!("{}/{name}", Store::day_dir(self.desk.terms.day))
    }

    pub(super) fn forge_may_write(&self, path: &str) -> bool {
        forge_refusal(self.desk.terms, path).is_none()
    }

    /// Books today's findings: on a day that ships its advisories and answers, on one that is held what blocked it.
    pub(super) fn book_findings(&self, verdict: &Verdict) -> anyhow::Result<()> {
        let reports = &verdict.reports;
        let sentinel = reports.sentinel.iter().flat_map(|r| &r.findings).map(|f| (Agent::Sentinel, f));
        let conduit = reports.conduit.iter().flat_map(|r| &r.findings).map(|f| (Agent::Conduit, f));
        let before = self.store.backlog()?;
        let mut entries = before.clone();
        for (agent, finding) in sentinel.chain(conduit) {
            if verdict.decision == Decision::Hold {
                backlog::book_blocking(&mut entries, self.desk.terms.day, agent, finding);
            } else {
                backlog::book(&mut entries, self.desk.terms.day, agent, finding);
            }
        }
        if entries == before { Ok(()) } else { self.keep_backlog(&entries) }
    }

    /// Records which sprint the days belong to.
    pub(super) fn keep_sprint(&self, sprint: &str) -> anyhow::Result<()> {
        self.store.write_sprint(sprint)?;
        self.note(SPRINT)
    }

    /// Replaces the backlog.
    pub(super) fn keep_backlog(&self, entries: &[Entry]) -> anyhow::Result<()> {
        self.store.write_backlog(&self.cleaned(&entries.to_vec())?)?;
        self.note(BACKLOG)
    }
}
