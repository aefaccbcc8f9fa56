//! Whose a line is: told from the commits of HEAD's first-parent line. Knows no document and no agent.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use git2::{Commit, Repository};

use crate::domain::commits::bears;

/// Commits that are looked at.
const FAR: usize = 1000;

/// Lines of `path` at HEAD whose newest appearance is by a commit, no merge, that bears `trailer`.
pub(super) fn lines_by(repo: &Repository, trailer: &str, path: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut commit = repo.head()?.peel_to_commit().context("HEAD has no commit")?;
    let mut left = lines(repo, &commit, path)?;
    let mut found = BTreeSet::new();
    for _ in 0..FAR {
        let Ok(parent) = commit.parent(0) else { break };
        if left.is_empty() {
            break;
        }
        if entry(&commit, path) != entry(&parent, path) {
            let before = lines(repo, &parent, path)?;
            let message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
            let by = commit.parent_count() == 1 && bears(&message, trailer);
            let (stays, brought): (BTreeMap<_, _>, BTreeMap<_, _>) =
                left.into_iter().partition(|(line, count)| before.get(line).is_some_and(|had| had >= count));
            if by {
                found.extend(brought.into_keys());
            }
            left = stays;
        }
        commit = parent;
    }
    Ok(found)
}

fn entry(commit: &Commit<'_>, path: &str) -> Option<git2::Oid> {
    commit.tree().ok()?.get_path(path.as_ref()).ok().map(|entry| entry.id())
}

/// Lines and how often they stand there.
fn lines(repo: &Repository, commit: &Commit<'_>, path: &str) -> anyhow::Result<BTreeMap<String, usize>> {
    let mut lines = BTreeMap::new();
    if let Some(blob) = entry(commit, path).and_then(|id| repo.find_blob(id).ok()) {
        for line in String::from_utf8_lossy(blob.content()).lines() {
            *lines.entry(line.to_owned()).or_default() += 1;
        }
    }
    Ok(lines)
}
