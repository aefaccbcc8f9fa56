//! Where a run publishes: traits by capability, one file a platform.

pub(crate) mod local;

use futures_util::future::BoxFuture;

use crate::domain::observation::CiState;

/// A review (pull or merge request) of the sprint branch.
pub(crate) trait Review: Send + Sync {
    /// Opens the sprint's review or updates it; the URL where the platform has reviews.
    fn publish<'a>(&'a self, review: &'a ReviewText) -> BoxFuture<'a, anyhow::Result<Option<String>>>;
}

/// Issues of the day.
pub(crate) trait Tracker: Send + Sync {
    /// Opens the day's hold issue or updates it; the URL where the platform has issues.
    fn hold<'a>(&'a self, day: u32, issue: &'a IssueText) -> BoxFuture<'a, anyhow::Result<Option<String>>>;
    /// Closes the day's hold issue, if there is one.
    fn release(&self, day: u32) -> BoxFuture<'_, anyhow::Result<()>>;
}

/// The CI's word on a commit, the own run excluded.
pub(crate) trait Ci: Send + Sync {
    /// Waits for the CI of `commit`, within the settings' time.
    fn state<'a>(&'a self, commit: &'a str) -> BoxFuture<'a, anyhow::Result<CiState>>;
}

/// Title and Markdown body of a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReviewText {
    pub title: String,
    pub body: String,
    pub branch: String,
    pub base: String,
}

/// Title, Markdown body and labels of an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IssueText {
    pub title: String,
    pub body: String,
    pub labels: Vec<String>,
}
