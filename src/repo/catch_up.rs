//! Brings in what others pushed to the branch meanwhile, by a merge: nothing that was judged or pushed is rewritten.

use anyhow::Context;

use super::git::Inner;
use super::settle::Names;
use super::{RepoError, checkout, fetch, settle};

/// See [`super::Repository::catch_up`].
pub(super) fn catch_up(inner: &Inner, branch: &str) -> Result<String, RepoError> {
    let repo = inner.open()?;
    let ours =
        settle::local_tip(&repo, branch).with_context(|| format!("there is no branch {branch} here"))?;
    // The branch alone: the base branch's news belong to the next run.
    let names = Names { start: None, base: branch.to_owned(), target: branch.to_owned() };
    let (theirs, _) = fetch::look(inner, &repo, &names)?;
    let theirs = theirs.with_context(|| format!("the remote's {branch} is gone"))?;
    let label = format!("the remote's {branch}");
    let merged = checkout::merge(&repo, &inner.options.identity, (branch, ours), (&label, theirs));
    let merged = merged.map_err(|error| match error {
        RepoError::Conflict { .. } => {
            RepoError::Push { branch: branch.to_owned(), reason: error.to_string() }
        }
        error => error,
    })?;
    checkout::switch(&repo, &inner.root, branch, merged)?;
    Ok(merged.to_string())
}
