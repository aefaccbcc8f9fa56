//! What the forge is told of a day: the review or the hold issue, the label, the commit status, the note. Each output fails
//! alone, and no failure takes the verdict back; a last line says what is missing.

use std::future::Future;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Day, Verdict};
use crate::domain::decision::Decision;
use crate::platform::{IssueText, Line, Published, ReviewText, StatusText};
use crate::report::marker;

/// The label of hold issues, and of an open review while a day is held.
const HOLD: &str = "pace-hold";

/// A remote write that failed, in one line.
type Unpublished = String;

/// What the review came to; recorded whole.
#[derive(Serialize, Deserialize)]
struct Opened {
    published: Result<Published, Unpublished>,
    /// Where people open it themselves.
    compare_url: Option<String>,
}

impl Day<'_> {
    /// Tells the forge, and writes the day's Markdown files once more with the URLs that it answered. `pushed`: the
    /// remote has the commits.
    pub(super) async fn announce(&self, verdict: &mut Verdict, pushed: bool) -> anyhow::Result<()> {
        let mut missing = Vec::new();
        if verdict.decision == Decision::Hold {
            self.raise_hold(verdict, &mut missing).await?;
        } else {
            if pushed {
                self.open_review(verdict, &mut missing).await?;
            }
            let marker = marker::hold(&self.desk.terms.sprint, self.desk.terms.day);
            let closed = self.remote("release", &marker, self.platform.tracker.close(&marker, HOLD)).await?;
            missing.extend(closed.err());
        }
        if pushed {
            self.mark(verdict, &mut missing).await?;
        }
        if verdict.review_url.is_some() || verdict.issue_url.is_some() || verdict.compare_url.is_some() {
            self.write_bodies(verdict)?;
        }
        if pushed {
            let note = self.note_body(verdict)?;
            let kept = self.remote("note", &note, self.platform.review.note(&self.line(), &note)).await?;
            missing.extend(kept.err());
        }
        if !missing.is_empty() {
            self.warn(format!(
                "{} stands, but not everything was published: {}",
                verdict.decision,
                missing.join(" · ")
            ));
        }
        Ok(())
    }

    async fn raise_hold(&self, verdict: &mut Verdict, missing: &mut Vec<Unpublished>) -> anyhow::Result<()> {
        let bodies = self.write_bodies(verdict)?;
        let labels = vec![HOLD.into(), format!("day-{}", self.desk.terms.day)];
        let issue = IssueText { title: bodies.title, body: bodies.text, labels };
        match self.remote("hold-issue", &issue.body, self.platform.tracker.raise(&issue)).await? {
            Ok(published) => verdict.issue_url = self.told(published),
            Err(error) => missing.push(error),
        }
        Ok(())
    }

    async fn open_review(&self, verdict: &mut Verdict, missing: &mut Vec<Unpublished>) -> anyhow::Result<()> {
        let bodies = self.write_bodies(verdict)?;
        let last = self.start.plan.final_day().is_none_or(|last| last <= self.desk.terms.day);
        // A review that people are to look at now is no draft.
        let draft = !(last || self.desk.plan.human_gate);
        let review = ReviewText { title: bodies.title, body: bodies.text, line: self.line(), draft };
        let act = async {
            let published = self.platform.review.publish(&review).await;
            anyhow::Ok(Opened {
                published: published.map_err(|error| format!("{error:#}")),
                compare_url: self.platform.compare_url(&review.line),
            })
        };
        let opened = self.desk.journal.intend("review", &review.body, || Ok(json!({})), act).await?;
        match opened.published {
            Ok(published) => verdict.review_url = self.told(published),
            Err(error) => {
                missing.push(error);
                verdict.compare_url = opened.compare_url;
            }
        }
        Ok(())
    }

    /// The label on an open review, and the commit status.
    async fn mark(&self, verdict: &Verdict, missing: &mut Vec<Unpublished>) -> anyhow::Result<()> {
        let held = verdict.decision == Decision::Hold;
        let line = self.line();
        let labelled = self.remote("label", &held, self.platform.review.label(&line, HOLD, held)).await?;
        missing.extend(labelled.err());
        let head: String = self.desk.journal.step("head", "", async { self.desk.repo.head() }).await?;
        let why = verdict.hold.as_ref().map(|hold| format!(": {hold}")).unwrap_or_default();
        let status = StatusText {
            good: !held,
            description: format!("day {} {}{why}", self.desk.terms.day, verdict.decision),
            url: verdict.issue_url.clone().or_else(|| verdict.review_url.clone()),
        };
        let set = self.remote("status", &head, self.platform.status.set(&head, &status)).await?;
        missing.extend(set.err());
        Ok(())
    }

    fn line(&self) -> Line {
        let branch = &self.start.branch;
        Line { branch: branch.name.clone(), base: branch.base.clone() }
    }

    /// The URL of what was published; its notes are told.
    fn told(&self, published: Published) -> Option<String> {
        for note in published.notes {
            self.warn(note);
        }
        published.url
    }

    /// A remote write as a recorded step, its failure included.
    pub(super) async fn remote<I: Serialize + ?Sized, T: Serialize + DeserializeOwned>(
        &self,
        kind: &str,
        input: &I,
        write: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<Result<T, Unpublished>> {
        let act = async { anyhow::Ok(write.await.map_err(|error| format!("{error:#}"))) };
        self.desk.journal.intend(kind, input, || Ok(json!({})), act).await
    }
}
