//! Where a run publishes: traits by capability, one file a platform.
//!
//! Every remote write is find-or-create by the hidden marker that is the first line of a body, so that any number
//! of runs leaves one of each. Knows nothing of agents and of what a verdict means.

pub(crate) mod actor;
mod clock;
mod connect;
mod github;
mod gitlab;
mod http;
pub(crate) mod local;
mod marker;
mod mend;
#[cfg(test)]
mod tests;
mod verdict;
mod wait;

pub(crate) use connect::{Platform, connect};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::domain::observation::{CiState, Protection};

/// A review (pull or merge request) of the sprint branch.
pub(crate) trait Review: Send + Sync {
    /// Opens the sprint's review or updates it.
    fn publish<'a>(&'a self, review: &'a ReviewText) -> BoxFuture<'a, anyhow::Result<Published>>;
    /// Puts `label` on the open review from `branch` to `base` or takes it off; nothing happens where there is none.
    fn label<'a>(&'a self, line: &'a Line, label: &'a str, wanted: bool)
    -> BoxFuture<'a, anyhow::Result<()>>;
    /// Keeps `body`, whose first line is its marker, as the one note of its kind on the open review, where the platform
    /// shows a job's summary nowhere else; nothing happens where there is no open review.
    fn note<'a>(&'a self, line: &'a Line, body: &'a str) -> BoxFuture<'a, anyhow::Result<()>>;
    /// Commits up to which people let the branch pass: heads of merged reviews from `branch` to `base`, and commits at
    /// which somebody with write access approved the open one and did not take that back.
    fn approved<'a>(&'a self, line: &'a Line) -> BoxFuture<'a, anyhow::Result<Vec<String>>>;
}

/// Issues of the sprint.
pub(crate) trait Tracker: Send + Sync {
    /// Opens, reopens or updates the issue that its body's marker names.
    fn raise<'a>(&'a self, issue: &'a IssueText) -> BoxFuture<'a, anyhow::Result<Published>>;
    /// Closes the issue with `marker` (as a body's first line holds it), if there is an open one. `label` is one that it carries.
    fn close<'a>(&'a self, marker: &'a str, label: &'a str) -> BoxFuture<'a, anyhow::Result<()>>;
}

/// The mark that pace itself leaves on a commit.
pub(crate) trait Status: Send + Sync {
    /// Sets the commit status `pace`.
    fn set<'a>(&'a self, commit: &'a str, status: &'a StatusText) -> BoxFuture<'a, anyhow::Result<()>>;
}

/// The CI's word on a commit, the own run excluded.
pub(crate) trait Ci: Send + Sync {
    /// Waits for the CI of `commit`, within the settings' time. What cannot be read needs a human.
    fn state<'a>(&'a self, commit: &'a str) -> BoxFuture<'a, anyhow::Result<CiState>>;
}

/// What the token and the people around a run may do.
pub(crate) trait Access: Send + Sync {
    /// Asks for every permission that a run needs; writes nothing.
    fn probe(&self) -> BoxFuture<'_, Vec<Probe>>;
    /// Whether the account `login` may write to the project.
    fn may_write<'a>(&'a self, login: &'a str) -> BoxFuture<'a, anyhow::Result<bool>>;
    /// The rules of the forge that a push to `branch` would meet, as far as the token may read them; writes nothing.
    fn obstacle<'a>(&'a self, branch: &'a str) -> BoxFuture<'a, Option<Obstacle>>;
    /// What `branch` asks of a review; `None` where the token may not read it or nothing is known.
    fn protection<'a>(&'a self, branch: &'a str) -> BoxFuture<'a, anyhow::Result<Option<Protection>>>;
}

/// From which branch to which one a review goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub branch: String,
    pub base: String,
}

/// Title and Markdown body of a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReviewText {
    /// Cut to what the platform takes.
    pub title: String,
    /// Its first line is the hidden marker.
    pub body: String,
    pub line: Line,
    /// Open it as a draft, where the platform's plan has drafts.
    pub draft: bool,
}

/// Title, Markdown body and labels of an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IssueText {
    pub title: String,
    /// Its first line is the hidden marker.
    pub body: String,
    /// The first one finds the issue again.
    pub labels: Vec<String>,
}

/// What a write came to, by the API's own answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Published {
    /// Where people see it; `None` where the platform has no such thing.
    pub url: Option<String>,
    /// What else people should know, one line each.
    pub notes: Vec<String>,
}

/// A commit status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatusText {
    pub good: bool,
    /// One line; cut to what the platform takes.
    pub description: String,
    pub url: Option<String>,
}

/// What stands between pace and a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Obstacle {
    /// The rules and their mend, on one line.
    pub text: String,
    /// The forge says it of this very token; else the token may be exempt, which no forge tells.
    pub certain: bool,
}

/// One answer of [`Access::probe`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Probe {
    /// What was asked for, e.g. `open pull requests`.
    pub what: String,
    /// What is missing and how to mend it; `None` = all is well.
    pub problem: Option<String>,
}
