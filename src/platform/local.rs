//! No forge: the review and the hold issue are the files `review-pr.md` and `escalation-issue.md`, which every
//! run writes; there is no CI to ask.

use futures_util::future::BoxFuture;

use super::{Ci, IssueText, Review, ReviewText, Tracker};
use crate::domain::observation::CiState;

/// The platform of a checkout without a forge.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Local;

impl Review for Local {
    fn publish<'a>(&'a self, _review: &'a ReviewText) -> BoxFuture<'a, anyhow::Result<Option<String>>> {
        Box::pin(async { Ok(None) })
    }
}

impl Tracker for Local {
    fn hold<'a>(&'a self, _day: u32, _issue: &'a IssueText) -> BoxFuture<'a, anyhow::Result<Option<String>>> {
        Box::pin(async { Ok(None) })
    }

    fn release(&self, _day: u32) -> BoxFuture<'_, anyhow::Result<()>> {
        Box::pin(async { Ok(()) })
    }
}

impl Ci for Local {
    fn state<'a>(&'a self, _commit: &'a str) -> BoxFuture<'a, anyhow::Result<CiState>> {
        Box::pin(async { Ok(CiState::None) })
    }
}
