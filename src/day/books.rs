//! The books of a day: every artifact is written through here and noted in the journal, so that a replay can
//! compare it byte for byte.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Day;
use crate::agent::kit::forge_refusal;
use crate::domain::artifact::{Attempt, Finding, FindingResult, Outcome};
use crate::domain::backlog::{Entry, Status};
use crate::domain::money::round_usd;
use crate::domain::{Agent, backlog};
use crate::store::artifacts::{Artifact, Store};

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

    pub(super) fn keep_attempt(&self, attempt: &Attempt) -> anyhow::Result<()> {
        let day = self.desk.terms.day;
        self.store.append_attempt(day, &self.cleaned(attempt)?)?;
        self.note(&Store::path_of::<Vec<Attempt>>(day))
    }

    /// `value` with every secret in its texts masked.
    fn cleaned<T: Serialize + DeserializeOwned>(&self, value: &T) -> anyhow::Result<T> {
        let value = self.desk.journal.clean_value(serde_json::to_value(value)?)?;
        Ok(serde_json::from_value(value)?)
    }

    /// Notes in the journal what now stands at `path`.
    fn note(&self, path: &str) -> anyhow::Result<()> {
        self.desk.journal.note("artifact", path, &self.store.read_text(path)?)
    }

    /// What every attempt says, whatever it came to.
    pub(super) async fn attempt(&self, outcome: Outcome) -> anyhow::Result<Attempt> {
        Ok(Attempt {
            run: self.start.attempt,
            date: self.desk.journal.now().await?,
            cost_usd: self.desk.purse.bill().cost(|_| true).map(round_usd),
            outcome,
            decision: None,
            hold_reason: None,
            cause: None,
            base: Some(self.start.base.clone()),
            commit: None,
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

    /// Adds today's advisories to the backlog, and books how today judged the entries that it answered.
    pub(super) fn keep_backlog(&self, findings: &[(Agent, &Finding)]) -> anyhow::Result<()> {
        let mut entries = self.store.backlog()?;
        let before = entries.clone();
        for (agent, finding) in findings {
            judge(&mut entries, self.desk.terms.day, *agent, finding);
        }
        if entries == before {
            return Ok(());
        }
        self.store.write_backlog(&self.cleaned(&entries)?)?;
        self.note(".pace/advisory-backlog.yaml")
    }
}

/// Books one finding: an advisory opens an entry or repeats one, a PASS that answers one closes it.
fn judge(entries: &mut Vec<Entry>, day: u32, agent: Agent, finding: &Finding) {
    let Some(id) = &finding.fingerprint else { return };
    let judgement = backlog::Judgement { day, result: finding.result, evidence: finding.evidence.clone() };
    if let Some(entry) = entries.iter_mut().find(|e| &e.id == id && e.agent == agent) {
        entry.status = match finding.result {
            FindingResult::Pass => Status::Closed,
            FindingResult::Advisory | FindingResult::Fail => Status::Open,
        };
        entry.history.push(judgement);
    } else if finding.result == FindingResult::Advisory {
        entries.push(Entry {
            id: id.clone(),
            day,
            agent,
            finding: format!("{}: {}", finding.check, finding.evidence),
            status: Status::Open,
            history: vec![judgement],
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(id: &str, result: FindingResult) -> Finding {
        Finding {
            check: "c".into(),
            result,
            evidence: "e".into(),
            file: None,
            line: None,
            fingerprint: Some(id.into()),
        }
    }

    #[test]
    fn an_advisory_opens_once_and_a_pass_closes() {
        let mut entries = vec![];
        judge(&mut entries, 1, Agent::Sentinel, &finding("a", FindingResult::Advisory));
        judge(&mut entries, 2, Agent::Sentinel, &finding("a", FindingResult::Advisory));
        judge(&mut entries, 2, Agent::Sentinel, &finding("b", FindingResult::Pass));
        assert_eq!(entries.len(), 1);
        assert_eq!((entries[0].day, entries[0].status, entries[0].history.len()), (1, Status::Open, 2));
        judge(&mut entries, 3, Agent::Conduit, &finding("a", FindingResult::Pass));
        assert_eq!(entries[0].status, Status::Open, "another agent's finding closes nothing");
        judge(&mut entries, 3, Agent::Sentinel, &finding("a", FindingResult::Pass));
        assert_eq!(entries[0].status, Status::Closed);
    }
}
