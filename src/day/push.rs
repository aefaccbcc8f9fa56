//! The push of a day's branch, and the merge with what others pushed before it. Knows neither verdict nor records: a merge
//! is for others to judge.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Day;
use crate::domain::event::{Event, Level};
use crate::domain::terms::Stage;
use crate::error::Error;
use crate::repo::{Pushed, RepoError, Yields};

/// How often commits of others are merged before a run gives up.
pub(super) const CATCH_UPS: usize = 3;

/// The record of a push.
pub(super) const PUSH: &str = "push";

/// A merge with what others pushed; nobody has judged it yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Merged {
    /// SHA of HEAD.
    pub head: String,
    /// Records of pace's own that are others now, by path: their text, or nothing where they are gone. A replay has
    /// them from here alone.
    pub records: BTreeMap<String, Option<String>>,
    /// Documents that SCRIBE changed where others did: theirs stand.
    pub left_out: Vec<String>,
}

/// What became of a push.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Sent {
    To(String),
    /// Pushing is off, and why.
    Not(String),
    /// The branch had moved on: HEAD is now a merge with it, which is not pushed.
    Merged(Merged),
}

impl Day<'_> {
    /// Pushes the branch. What others pushed meanwhile is merged in, with `yields` out of its way; the merge is not
    /// pushed yet, as nobody has judged it.
    pub(super) async fn push(&self, yields: &Yields) -> Result<Sent, Error> {
        let branch = self.start.branch.name.as_str();
        let repo = &self.desk.repo;
        let act = async {
            match repo.push(branch).await {
                Ok(Pushed::To(url)) => Ok(Sent::To(url)),
                Ok(Pushed::Skipped(why)) => Ok(Sent::Not(why)),
                // Without a model, a merge could not be judged.
                Err(RepoError::Behind { reason, branch }) if self.stage == Stage::Publish => {
                    let reason = format!(
                        "{reason}; a publishing job has no model to judge a merge: run the working job again"
                    );
                    Err(PushError::Repo(RepoError::Push { branch, reason }))
                }
                Err(RepoError::Behind { .. }) => {
                    let caught = repo.catch_up(branch, yields).await.map_err(PushError::Repo)?;
                    Ok(Sent::Merged(self.with_records(caught)))
                }
                Err(error) => Err(PushError::Repo(error)),
            }
        };
        let sent: Sent = self.desk.journal.act(PUSH, branch, act).await.map_err(|error| match error {
            PushError::Repo(error) => Error::from(error),
            PushError::Journal(error) => Error::Abort(error),
        })?;
        if let Sent::Merged(merged) = &sent {
            self.take_in(merged)?;
        }
        let text = match &sent {
            Sent::To(url) => format!("Pushed {branch} to {url}"),
            Sent::Not(why) => format!("Not pushed: {why}"),
            Sent::Merged(merged) => {
                format!("Others pushed to {branch} meanwhile: merged as {}", merged.head)
            }
        };
        self.desk.events.emit(Event::Notice { level: Level::Info, text });
        Ok(sent)
    }
}

enum PushError {
    Repo(RepoError),
    Journal(anyhow::Error),
}

impl std::fmt::Display for PushError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Repo(error) => error.fmt(f),
            Self::Journal(error) => write!(f, "{error:#}"),
        }
    }
}

impl From<anyhow::Error> for PushError {
    fn from(error: anyhow::Error) -> Self {
        Self::Journal(error)
    }
}
