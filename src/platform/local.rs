//! No forge: the review and the hold issue are the files `review-pr.md` and `escalation-issue.md`, which every
//! run writes; there is no CI to ask.

use futures_util::future::BoxFuture;

use super::{
    Access, Ci, IssueText, Line, Obstacle, Probe, Published, Review, ReviewText, Status, StatusText, Tracker,
};
use crate::domain::observation::{CiState, Protection};

/// The platform of a checkout without a forge.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Local;

impl Review for Local {
    fn publish<'a>(&'a self, _review: &'a ReviewText) -> BoxFuture<'a, anyhow::Result<Published>> {
        Box::pin(async { Ok(Published::default()) })
    }

    fn label<'a>(
        &'a self,
        _line: &'a Line,
        _label: &'a str,
        _wanted: bool,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn note<'a>(&'a self, _line: &'a Line, _body: &'a str) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn approved<'a>(&'a self, _line: &'a Line) -> BoxFuture<'a, anyhow::Result<Vec<String>>> {
        Box::pin(async { Ok(vec![]) })
    }
}

impl Tracker for Local {
    fn raise<'a>(&'a self, _issue: &'a IssueText) -> BoxFuture<'a, anyhow::Result<Published>> {
        Box::pin(async { Ok(Published::default()) })
    }

    fn close<'a>(&'a self, _marker: &'a str, _label: &'a str) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async { Ok(()) })
    }
}

impl Status for Local {
    fn set<'a>(&'a self, _commit: &'a str, _status: &'a StatusText) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async { Ok(()) })
    }
}

impl Ci for Local {
    fn state<'a>(&'a self, _commit: &'a str) -> BoxFuture<'a, anyhow::Result<CiState>> {
        Box::pin(async { Ok(CiState::None) })
    }
}

impl Access for Local {
    fn obstacle<'a>(&'a self, _branch: &'a str) -> BoxFuture<'a, Option<Obstacle>> {
        Box::pin(async { None })
    }

    fn protection<'a>(&'a self, _branch: &'a str) -> BoxFuture<'a, anyhow::Result<Option<Protection>>> {
        Box::pin(async { Ok(None) })
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        Box::pin(async { vec![] })
    }

    fn may_write<'a>(&'a self, login: &'a str) -> BoxFuture<'a, anyhow::Result<bool>> {
        Box::pin(async move {
            anyhow::bail!(
                "there is no forge to ask whether {login} may write; set PACE_PLATFORM to the forge"
            )
        })
    }
}
