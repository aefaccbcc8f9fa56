//! The border between a working and a publishing job. The working job ends here, with a hand-off; the publishing job
//! arrives here by playing the working job's record, so that its verdict is computed and not believed, and goes on with
//! what only it can do: scan what was handed over once more, push it, ask the CI.

use std::collections::BTreeMap;

use anyhow::{anyhow, bail};
use serde::{Deserialize, Serialize};

use super::push::Sent;
use super::{Day, Verdict};
use crate::agent::secrets;
use crate::domain::Agent;
use crate::domain::artifact::ScribeReport;
use crate::domain::decision::Decision;
use crate::domain::diff::Diff;
use crate::domain::event::{Event, Level};
use crate::domain::hold::{Cause, Hold};
use crate::domain::observation::CiState;
use crate::error::Error;
use crate::store::artifacts::Store;

/// The record of a working job's end.
pub(crate) const HANDED_OFF: &str = "handed-off";

/// What a working job leaves, apart from the commits and the record itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct HandOff {
    /// For the time being: the publishing job decides.
    pub decision: Decision,
    /// Tip of the branch.
    pub head: String,
    /// SCRIBE's documents, paths from the root.
    pub docs: Vec<String>,
}

/// What a publishing job was given.
#[derive(Debug)]
pub(crate) struct Handed {
    /// Tip of the branch.
    pub head: String,
    /// First parent and commit, oldest first.
    pub commits: Vec<(String, String)>,
    /// Text of every file that was handed over, by path from the root.
    pub files: BTreeMap<String, String>,
}

/// What the publishing job went on with, as its record keeps it.
#[derive(Serialize, Deserialize)]
struct Taken {
    commits: Vec<(String, String)>,
    platform: String,
}

/// The record of a publishing job's beginning.
pub(crate) const TAKEN: &str = "taken-over";

impl Day<'_> {
    /// Ends a working job: the day's page and reports as they stand, and the note of what is handed over.
    pub(super) async fn hand_off(&self, verdict: &Verdict, docs: &[String]) -> Result<HandOff, Error> {
        self.write_bodies(verdict)?;
        let head = self.desk.journal.step("head", "", async { self.desk.repo.head() }).await?;
        let handoff = HandOff { decision: verdict.decision, head, docs: docs.to_vec() };
        self.desk.journal.note(HANDED_OFF, "", &handoff)?;
        Ok(handoff)
    }

    /// Begins a publishing job at the same place. The CI's word can hold a day that the working job had let pass; the
    /// documents that then count are returned.
    pub(super) async fn take_over(
        &self,
        verdict: &mut Verdict,
        handoff: HandOff,
    ) -> Result<Vec<String>, Error> {
        self.desk.journal.go_on()?;
        if let Some(handed) = self.handed {
            self.compare(handed, &handoff)?;
        }
        let act = async {
            let commits = self.handed.map(|handed| handed.commits.clone()).unwrap_or_default();
            anyhow::Ok(Taken { commits, platform: self.platform.name.clone() })
        };
        let taken: Taken = self.desk.journal.step(TAKEN, "", act).await?;
        self.scan_again(&taken.commits).await?;
        // Also without a new commit: the CI has a word on the tip that is there.
        let pushed = matches!(self.push(&self.yields(None, &[])).await?, Sent::To(_));
        if verdict.decision != Decision::Hold && !self.held_by_ci(verdict, &handoff.head, pushed).await? {
            self.bring_docs(&handoff.docs)?;
            return Ok(handoff.docs);
        }
        Ok(vec![])
    }

    /// Every record that came along is the one that the play computed; everything else is a document of SCRIBE's.
    fn compare(&self, handed: &Handed, HandOff { head, docs, .. }: &HandOff) -> anyhow::Result<()> {
        if handed.head != *head {
            bail!(
                "the hand-off's commit {} is not {head}, which was judged; nothing was pushed",
                handed.head
            );
        }
        for (path, text) in &handed.files {
            if docs.contains(path) {
                continue;
            }
            if self.store.read_text(path)?.as_ref() != Some(text) {
                bail!(
                    "the hand-off's {path} is not what its record yields: it was changed on the way, nothing was pushed"
                );
            }
        }
        match docs.iter().find(|doc| !handed.files.contains_key(*doc)) {
            Some(doc) => bail!("the hand-off lacks {doc}, which SCRIBE wrote; nothing was pushed"),
            None => Ok(()),
        }
    }

    /// Looks at every commit for itself: what one added and a later one took away would be pushed all the same.
    async fn scan_again(&self, commits: &[(String, String)]) -> Result<(), Error> {
        for (parent, commit) in commits {
            let act = async { self.desk.repo.day_diff(parent, commit) };
            let diff: Diff = self.desk.journal.step("handed-diff", &(parent, commit), act).await?;
            let found = secrets::in_commit(&self.desk, &self.start.base, commit, &diff).await;
            let found = secrets::blocking(found.map_err(super::as_error)?);
            if !found.is_empty() {
                let places: Vec<_> = found.iter().map(|finding| finding.evidence.as_str()).collect();
                let places = places.join("; ");
                return Err(Error::Abort(anyhow!(
                    "the hand-off's commit {commit} must not be pushed: {places}. Nothing was pushed"
                )));
            }
        }
        Ok(())
    }

    /// Asks the CI; whether its word holds the day.
    async fn held_by_ci(&self, verdict: &mut Verdict, head: &str, pushed: bool) -> Result<bool, Error> {
        let ci = self.ci(head, pushed).await?;
        let text = format!("CI of the commit: {ci}");
        self.desk.events.emit(Event::Step { agent: Agent::Gate, text });
        let Some(reason) = ci.holds() else { return Ok(false) };
        let cause = if matches!(ci, CiState::Timeout { .. }) { Cause::Outside } else { Cause::Code };
        if let Some(report) = &mut verdict.reports.gate {
            report.gate_decision = Decision::Hold;
            report.hold_reason.clone_from(&reason);
            report.blockers.insert(0, reason.clone());
            self.keep(report)?;
        }
        // SCRIBE wrote of a day that ships.
        self.store.remove(&Store::path_of::<ScribeReport>(self.desk.terms.day))?;
        verdict.documented = false;
        verdict.decision = Decision::Hold;
        verdict.hold = Some(Hold { agent: Agent::Gate, cause, reason });
        Ok(true)
    }

    fn bring_docs(&self, docs: &[String]) -> anyhow::Result<()> {
        let Some(handed) = self.handed else { return Ok(()) };
        for doc in docs {
            if let Some(text) = handed.files.get(doc) {
                self.store.write_text(doc, text)?;
            }
        }
        let text = format!("{} documents of SCRIBE's were taken over", docs.len());
        self.desk.events.emit(Event::Notice { level: Level::Info, text });
        Ok(())
    }
}
