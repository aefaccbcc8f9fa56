//! pace's own references for a run that may not write them: read over the connection that a fetch takes. Knows nothing of
//! what is kept in them.

use super::Kept;
use crate::repo::git::{GitRepo, Inner};
use crate::repo::{RepoError, refusal};

/// The remote's side, to be looked at.
#[derive(Debug, Clone)]
pub(crate) struct ReadRefs {
    repo: GitRepo,
}

impl GitRepo {
    /// The remote's side, also where nothing is pushed; `None` without a remote that pace can talk to.
    pub(crate) fn read_refs(&self) -> Option<ReadRefs> {
        let remote = &self.inner.remote;
        (remote.unsupported().is_none() && remote.url().is_some()).then(|| ReadRefs { repo: self.clone() })
    }
}

impl ReadRefs {
    /// What the first of `names` that is there holds, and the time: seconds since 1970 by the server's clock, or this
    /// machine's where the server tells none.
    ///
    /// # Errors
    /// A remote that cannot be reached, or that shows nothing without another credential.
    pub(crate) async fn first(&self, names: &[&str]) -> Result<(Option<Kept>, i64), RepoError> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let read = self.repo.blocking(move |inner| first(inner, &names)).await;
        read.map_err(|error| match error {
            RepoError::Unusable(text) => RepoError::Unusable(refusal::of_reading(&text)),
            error => error,
        })
    }
}

fn first(inner: &Inner, names: &[String]) -> Result<(Option<Kept>, i64), RepoError> {
    let mut now = None;
    for name in names {
        let (kept, time) = super::read_at(inner, name)?;
        now = time.or(now);
        if kept.is_some() {
            return Ok((kept, now.unwrap_or_else(super::own_time)));
        }
    }
    Ok((None, now.unwrap_or_else(super::own_time)))
}
