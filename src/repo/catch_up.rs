//! Brings in what others pushed to the branch meanwhile, by a merge: nothing that was judged or pushed is rewritten.
//! Records of the day that are written again afterwards stand in nobody's way; people's files conflict as ever.

use std::path::Path;

use anyhow::Context;
use git2::{FileFavor, Index, IndexConflict, IndexEntry, MergeFileOptions, Oid, Repository, Signature};

use super::git::Inner;
use super::settle::Names;
use super::{Caught, RepoError, Yields, checkout, checkpoint, fetch, settle};

/// See [`super::Repository::catch_up`].
pub(super) fn catch_up(inner: &Inner, branch: &str, yields: &Yields) -> Result<Caught, RepoError> {
    let repo = inner.open()?;
    let ours =
        settle::local_tip(&repo, branch).with_context(|| format!("there is no branch {branch} here"))?;
    // The branch alone: the base branch's news belong to the next run.
    let names = Names { start: None, base: branch.to_owned(), target: branch.to_owned() };
    let (theirs, _) = fetch::look(inner, &repo, &names)?;
    let theirs = theirs.with_context(|| format!("the remote's {branch} is gone"))?;
    let label = format!("the remote's {branch}");
    let side = without_records(&repo, ours, yields).context("taking the day's records out of the merge")?;
    let mut index = checkout::merged(&repo, (branch, side), (&label, theirs))?;
    let left_out = give_way(&repo, &mut index, yields).context("merging the day's records")?;
    let identity = &inner.options.identity;
    let merged = checkout::keep_merge(&repo, identity, (branch, ours), (&label, theirs), index);
    let merged = merged.map_err(|error| match error {
        RepoError::Conflict { .. } => {
            RepoError::Push { branch: branch.to_owned(), reason: error.to_string() }
        }
        error => error,
    })?;
    let tree = |id: Oid| repo.find_commit(id).and_then(|commit| commit.tree());
    let (before, after) = (tree(ours).context("merging")?, tree(merged).context("merging")?);
    let changed = checkpoint::between(&repo, &before, &after)?;
    checkout::switch(&repo, &inner.root, branch, merged)?;
    Ok(Caught { head: merged.to_string(), changed, left_out })
}

/// `tip`, or where it is the commit of the day's records one like it, on no branch, that leaves what is written again
/// as it was before.
fn without_records(repo: &Repository, tip: Oid, yields: &Yields) -> Result<Oid, git2::Error> {
    let commit = repo.find_commit(tip)?;
    if yields.records.as_ref() != Some(&tip.to_string()) || commit.parent_count() != 1 {
        return Ok(tip);
    }
    let parent = commit.parent(0)?;
    let mut before = Index::new()?;
    before.read_tree(&parent.tree()?)?;
    let mut index = Index::new()?;
    index.read_tree(&commit.tree()?)?;
    for path in yields.rendered.iter().chain(&yields.booked).map(Path::new) {
        match before.get_path(path, 0) {
            Some(entry) => index.add(&entry)?,
            None if index.get_path(path, 0).is_some() => index.remove_path(path)?,
            None => {}
        }
    }
    let tree = repo.find_tree(index.write_tree_to(repo)?)?;
    let who = Signature::now("pace", "pace@localhost")?;
    repo.commit(None, &who, &who, "Without records", &tree, &[&parent])
}

/// Settles the conflicts in which the day gives way; the documents whose change by the day is left out.
fn give_way(repo: &Repository, index: &mut Index, yields: &Yields) -> Result<Vec<String>, git2::Error> {
    let mut left_out = Vec::new();
    if !index.has_conflicts() {
        return Ok(left_out);
    }
    let conflicts: Vec<_> = index.conflicts()?.collect::<Result<_, _>>()?;
    for conflict in conflicts {
        let Some(path) = checkout::conflicting(&conflict) else { continue };
        let settled = if yields.rendered.contains(&path) {
            conflict.their
        } else if yields.notes.contains(&path) {
            both(repo, conflict)?
        } else if yields.documents.contains(&path) {
            left_out.push(path.clone());
            conflict.their
        } else {
            continue;
        };
        index.conflict_remove(Path::new(&path))?;
        if let Some(entry) = settled {
            // Its flags hold the side that it was.
            index.add(&IndexEntry { flags: 0, flags_extended: 0, ..entry })?;
        }
    }
    Ok(left_out)
}

/// The lines of both sides; where one has taken the file away, the file of the other.
fn both(repo: &Repository, conflict: IndexConflict) -> Result<Option<IndexEntry>, git2::Error> {
    let (ours, theirs) = match (conflict.our, conflict.their) {
        (Some(ours), Some(theirs)) => (ours, theirs),
        (ours, theirs) => return Ok(ours.or(theirs)),
    };
    let ancestor = match conflict.ancestor {
        Some(ancestor) => ancestor,
        None => IndexEntry { id: repo.blob(b"")?, ..copy(&ours) },
    };
    let mut options = MergeFileOptions::new();
    options.favor(FileFavor::Union);
    let merged = repo.merge_file_from_index(&ancestor, &ours, &theirs, Some(&mut options))?;
    let id = repo.blob(merged.content())?;
    Ok(Some(IndexEntry { id, ..theirs }))
}

fn copy(entry: &IndexEntry) -> IndexEntry {
    IndexEntry { path: entry.path.clone(), ..*entry }
}
