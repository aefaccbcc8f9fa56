//! Moves the work tree to another commit, and makes merge commits without touching it. Knows no rules of which
//! branch is wanted.

use std::cell::RefCell;
use std::path::Path;

use anyhow::Context;
use git2::build::CheckoutBuilder;
use git2::{
    CheckoutNotificationType, ErrorCode, Index, IndexConflict, MergeOptions, Oid, Repository, Signature, Tree,
};

use super::attributes::{self, TreeAttributes};
use super::{Identity, RepoError, history};

/// Makes `branch` point to `commit` and checks it out. Nothing has changed when this refuses.
///
/// # Errors
/// [`RepoError::Unusable`] naming the files that stand in the way, or that a filter would have to write.
pub(super) fn switch(repo: &Repository, root: &Path, branch: &str, commit: Oid) -> Result<(), RepoError> {
    let tree = repo.find_commit(commit).and_then(|commit| commit.tree()).context("reading the new commit")?;
    refuse_filtered(repo, root, branch, &tree)?;
    let mut blocking = try_switch(repo, branch, &tree)?;
    if !blocking.is_empty() && blocking.iter().all(|path| is_left_record(repo, path)) {
        set_records_aside(root, &blocking)?;
        blocking = try_switch(repo, branch, &tree)?;
    }
    if !blocking.is_empty() {
        return Err(RepoError::Unusable(format!(
            "checking out {branch} would overwrite {}; move or remove what is there",
            blocking.join(", ")
        )));
    }
    let name = format!("refs/heads/{branch}");
    let point = repo.reference(&name, commit, true, "checkout by pace").and_then(|_| repo.set_head(&name));
    point.map_err(|error| {
        RepoError::Unusable(format!(
            "the branch {branch} cannot be checked out: {}; set PACE_BRANCH to another name",
            error.message()
        ))
    })
}

/// Makes the work tree `tree`, or tells which files stand in the way.
fn try_switch(repo: &Repository, branch: &str, tree: &Tree<'_>) -> Result<Vec<String>, RepoError> {
    let blocking = RefCell::new(Vec::new());
    let mut options = CheckoutBuilder::new();
    options.safe().overwrite_ignored(false).notify_on(CheckoutNotificationType::CONFLICT);
    options.notify(|_, path, _, _, _| {
        blocking.borrow_mut().extend(path.map(|path| path.display().to_string()));
        true
    });
    let result = repo.checkout_tree(tree.as_object(), Some(&mut options));
    drop(options);
    match result {
        Err(error) if error.code() == ErrorCode::Conflict => Ok(blocking.into_inner()),
        result => {
            result.with_context(|| format!("checking out {branch}"))?;
            Ok(vec![])
        }
    }
}

/// A record of a day that a run left here without committing it.
fn is_left_record(repo: &Repository, path: &str) -> bool {
    let committed =
        repo.head().and_then(|head| head.peel_to_tree()).map(|tree| tree.get_path(path.as_ref()).is_ok());
    path.starts_with(".pace/day-") && !committed.unwrap_or(true)
}

/// Another runner pushed the day's records meanwhile, and those count: the ones here are kept beside.
fn set_records_aside(root: &Path, paths: &[String]) -> anyhow::Result<()> {
    for path in paths {
        let to = root.join(".pace/.run/left").join(path);
        std::fs::create_dir_all(to.parent().unwrap_or(root))
            .and_then(|()| std::fs::rename(root.join(path), &to))
            .with_context(|| format!("moving {path} to .pace/.run/left"))?;
    }
    Ok(())
}

/// Merges `new` (the base branch) into `tip` (our branch) and returns the merge commit; neither the branch nor the
/// work tree is touched.
///
/// # Errors
/// [`RepoError::Conflict`] with all conflicting files.
pub(super) fn merge(
    repo: &Repository,
    identity: &Identity,
    (branch, tip): (&str, Oid),
    (base, new): (&str, Oid),
) -> Result<Oid, RepoError> {
    let index = merged(repo, (branch, tip), (base, new))?;
    keep_merge(repo, identity, (branch, tip), (base, new), index)
}

/// The merge of two commits as an index, its conflicts included.
pub(super) fn merged(
    repo: &Repository,
    (branch, tip): (&str, Oid),
    (base, new): (&str, Oid),
) -> Result<Index, RepoError> {
    if history::merge_base(repo, tip, new).context("merging")?.is_none() {
        return Err(RepoError::Unusable(format!(
            "{base} and {branch} have no history in common; set PACE_BRANCH"
        )));
    }
    let ours = repo.find_commit(tip).context("merging")?;
    let theirs = repo.find_commit(new).context("merging")?;
    let mut options = MergeOptions::new();
    options.find_renames(true);
    Ok(repo.merge_commits(&ours, &theirs, Some(&options)).context("merging")?)
}

/// Writes the merge commit of `tip` and `new` with what `index` holds.
///
/// # Errors
/// [`RepoError::Conflict`] with all files that still conflict.
pub(super) fn keep_merge(
    repo: &Repository,
    identity: &Identity,
    (branch, tip): (&str, Oid),
    (base, new): (&str, Oid),
    mut index: Index,
) -> Result<Oid, RepoError> {
    if index.has_conflicts() {
        let conflicts = index.conflicts().context("merging")?.flatten();
        let mut files: Vec<_> = conflicts.filter_map(|conflict| conflicting(&conflict)).collect();
        files.sort();
        files.dedup();
        return Err(RepoError::Conflict { base: base.to_owned(), branch: branch.to_owned(), files });
    }
    let mut write = || -> Result<Oid, git2::Error> {
        let (ours, theirs) = (repo.find_commit(tip)?, repo.find_commit(new)?);
        let tree = repo.find_tree(index.write_tree_to(repo)?)?;
        let who = Signature::now(&identity.name, &identity.email)?;
        // By the trailer pace knows its own push again.
        let message = format!("Merge {base} into {branch}\n\nPace-Merge: {base}\n");
        repo.commit(None, &who, &who, &message, &tree, &[&ours, &theirs])
    };
    write().context("writing the merge commit").map_err(RepoError::Other)
}

/// The path that conflicts.
pub(super) fn conflicting(conflict: &IndexConflict) -> Option<String> {
    let side = conflict.our.as_ref().or(conflict.their.as_ref()).or(conflict.ancestor.as_ref())?;
    Some(String::from_utf8_lossy(&side.path).into_owned())
}

/// A filtered file that differs between HEAD and `tree` would have to be written by its filter.
fn refuse_filtered(repo: &Repository, root: &Path, branch: &str, tree: &Tree<'_>) -> Result<(), RepoError> {
    let check = || -> anyhow::Result<Vec<String>> {
        let head = repo.head()?.peel_to_tree()?;
        let there = TreeAttributes::of(root, tree)?;
        let diff = repo.diff_tree_to_tree(Some(&head), Some(tree), None)?;
        let mut files = Vec::new();
        for delta in diff.deltas() {
            let path = delta.new_file().path_bytes().or(delta.old_file().path_bytes()).unwrap_or_default();
            let path = String::from_utf8_lossy(path).into_owned();
            if attributes::filter(repo, &path).or_else(|| there.filter(&path)).is_some() {
                files.push(path);
            }
        }
        Ok(files)
    };
    let files = check().context("comparing with the new commit")?;
    if files.is_empty() {
        return Ok(());
    }
    Err(RepoError::Unusable(format!(
        "{branch} changes files that a filter must write (Git LFS or the like), and pace runs no filter: {}; \
         check out {branch} with git before the run",
        files.join(", ")
    )))
}
