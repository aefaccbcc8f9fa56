//! After the decision: the docs, the books, the commit, the push, the review or the issue. One failed output
//! does not cancel the others; only a failed push takes the verdict back.

use std::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bodies::Bodies;
use super::{Day, Verdict};
use crate::agent::{scribe, secrets};
use crate::domain::Agent;
use crate::domain::artifact::{Attempt, Cycle, Outcome};
use crate::domain::decision::Decision;
use crate::domain::event::{Event, Level};
use crate::domain::money::round_usd;
use crate::error::Error;
use crate::platform::{IssueText, ReviewText};
use crate::repo::{Branch, Pushed, RepoError};
use crate::report::view::DayView;
use crate::store::plan::mark_shipped;

/// Writes the day down and publishes it; the picture of the day with the platform's answers.
pub(crate) async fn publish(day: &Day<'_>, mut verdict: Verdict) -> Result<DayView, Error> {
    let mut docs = vec![];
    if verdict.decision != Decision::Hold {
        docs = day.scribe(&mut verdict).await?;
        day.close_books(&verdict).await?;
    }
    let attempt = day.attempt_of(&verdict).await?;
    day.keep_attempt(&attempt)?;
    let bodies = day.write_bodies(&verdict)?;
    day.commit_artifacts(&bodies.commit, &docs).await?;
    day.push().await?;
    day.announce(&mut verdict, bodies).await?;
    Ok(day.view(&verdict)?)
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
                let summary = format!("{} documents", docs.len());
                self.desk.events.emit(Event::AgentFinished { agent: Agent::Scribe, decision: None, summary });
            }
            Err(error) => self.warn(format!("SCRIBE did not finish, the day ships without it: {error:#}")),
        }
        Ok(docs)
    }

    /// `cycle.md`, the backlog and the plan's `status`.
    async fn close_books(&self, verdict: &Verdict) -> anyhow::Result<()> {
        let bill = self.desk.purse.bill();
        let now = self.desk.journal.now().await?;
        let cycle = Cycle {
            day: self.desk.terms.day,
            cycle_cost_usd: bill.cost(|agent| agent != Agent::Scribe).map(round_usd),
            forge_cost_usd: bill.cost(|agent| agent == Agent::Forge).map(round_usd),
            generated_at: now.clone(),
        };
        self.keep(&cycle)?;
        let sentinel =
            verdict.reports.sentinel.iter().flat_map(|r| &r.findings).map(|f| (Agent::Sentinel, f));
        let conduit = verdict.reports.conduit.iter().flat_map(|r| &r.findings).map(|f| (Agent::Conduit, f));
        self.keep_backlog(&sentinel.chain(conduit).collect::<Vec<_>>())?;
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

    /// One commit with everything that the day wrote apart from FORGE's work.
    async fn commit_artifacts(&self, message: &str, docs: &[String]) -> anyhow::Result<()> {
        let plan = &self.desk.terms.plan_path;
        let ours = |path: &String| path.starts_with(".pace/") || path == plan || docs.contains(path);
        let find = async {
            let changes = self.desk.repo.work_diff(&self.start.untracked)?.files;
            let paths = changes.into_iter().flat_map(|f| f.old_path.into_iter().chain([f.path]));
            anyhow::Ok(paths.filter(ours).collect())
        };
        let mut paths: Vec<String> = self.desk.journal.step("artifact-paths", docs, find).await?;
        // Everything written here was masked or scanned before; what slipped through stays out all the same.
        let leaks = secrets::blocking(secrets::in_files(&self.desk, &self.start.base, &paths).await?);
        paths.retain(|path| leaks.iter().all(|leak| leak.file.as_ref() != Some(path)));
        for leak in leaks {
            self.warn(format!("not committed: {}", leak.evidence));
        }
        let commit = async { self.desk.repo.commit(&paths, message) };
        self.desk.journal.step("commit", &paths, commit).await.map(drop)
    }

    async fn push(&self) -> Result<(), Error> {
        let branch = self.start.branch.name.as_str();
        let pushed: Pushed = self
            .desk
            .journal
            .step("push", branch, async { self.desk.repo.push(branch).await.map_err(PushError::Repo) })
            .await
            .map_err(|error| match error {
                PushError::Repo(error) => Error::from(error),
                PushError::Journal(error) => Error::Abort(error),
            })?;
        let text = match pushed {
            Pushed::To(url) => format!("Pushed {branch} to {url}"),
            Pushed::Skipped(why) => format!("Not pushed: {why}"),
        };
        self.desk.events.emit(Event::Notice { level: Level::Info, text });
        Ok(())
    }

    /// Opens or updates the review, or the hold issue; the files then open with its URL.
    async fn announce(&self, verdict: &mut Verdict, bodies: Bodies) -> anyhow::Result<()> {
        let day = self.desk.terms.day;
        let held = verdict.decision == Decision::Hold;
        let url = if held {
            let labels = vec!["pace-hold".into(), format!("day-{day}")];
            let issue = IssueText { title: bodies.title, body: bodies.text, labels };
            self.remote("hold-issue", &issue.body, self.tracker.hold(day, &issue)).await?
        } else {
            let Branch { name: branch, base, .. } = self.start.branch.clone();
            let review = ReviewText { title: bodies.title, body: bodies.text, branch, base };
            let url = self.remote("review", &review.body, self.review.publish(&review)).await?;
            if let Err(error) = self.remote("release", &day, self.tracker.release(day)).await? {
                self.warn(format!("the day's hold issue could not be closed: {error}"));
            }
            url
        };
        match url {
            Ok(None) => return Ok(()),
            Ok(url) if held => verdict.issue_url = url,
            Ok(url) => verdict.review_url = url,
            Err(error) => {
                self.warn(format!("publishing failed, the verdict stands: {error}"));
                return Ok(());
            }
        }
        self.write_bodies(verdict).map(drop)
    }

    /// A remote write as a recorded step, its failure included: it does not take the verdict back.
    async fn remote<I: Serialize + ?Sized, T: Serialize + DeserializeOwned>(
        &self,
        kind: &str,
        input: &I,
        write: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<Result<T, String>> {
        let act = async { anyhow::Ok(write.await.map_err(|error| format!("{error:#}"))) };
        self.desk.journal.step(kind, input, act).await
    }

    fn warn(&self, text: String) {
        self.desk.events.emit(Event::Notice { level: Level::Warning, text });
    }
}

enum PushError {
    Repo(RepoError),
    Journal(anyhow::Error),
}

impl From<anyhow::Error> for PushError {
    fn from(error: anyhow::Error) -> Self {
        Self::Journal(error)
    }
}
