//! Questions to the history: ancestry, contents of a commit, and the tree that a day is compared with. Changes
//! no reference and no file.

use std::collections::BTreeSet;

use anyhow::{Context, bail};
use git2::{
    Commit, ErrorCode, Index, IndexEntry, MergeOptions, ObjectType, Oid, Repository, Tree, TreeWalkMode,
    TreeWalkResult,
};

use super::settle;
use super::{BranchRules, Stored};

/// What to do about a clone without the history that is needed.
pub(super) const DEEPEN: &str = "this is a shallow clone; check out the whole history (`fetch-depth: 0` on GitHub, `GIT_DEPTH: 0` on GitLab)";

/// The commit with this full SHA.
pub(super) fn commit<'r>(repo: &'r Repository, sha: &str) -> anyhow::Result<Commit<'r>> {
    let found = Oid::from_str(sha).and_then(|id| repo.find_commit(id));
    found.with_context(|| {
        let why = if repo.is_shallow() { format!(": {DEEPEN}") } else { String::new() };
        format!("commit {sha} is not in this clone{why}")
    })
}

/// Whether `ancestor` is reachable from `commit`, or is it; false where either is unknown here.
pub(super) fn is_ancestor(repo: &Repository, ancestor: &str, commit: &str) -> anyhow::Result<bool> {
    match (Oid::from_str(ancestor), Oid::from_str(commit)) {
        (Ok(ancestor), Ok(commit)) => Ok(contains(repo, commit, ancestor)?),
        _ => Ok(false),
    }
}

/// Whether `ancestor` is reachable from `commit`, or is it.
pub(super) fn contains(repo: &Repository, commit: Oid, ancestor: Oid) -> Result<bool, git2::Error> {
    if repo.find_commit(commit).is_err() || repo.find_commit(ancestor).is_err() {
        return Ok(false);
    }
    Ok(commit == ancestor || repo.graph_descendant_of(commit, ancestor)?)
}

/// The best common ancestor, `None` where there is none (in this clone).
pub(super) fn merge_base(repo: &Repository, one: Oid, two: Oid) -> Result<Option<Oid>, git2::Error> {
    match repo.merge_base(one, two) {
        Ok(base) => Ok(Some(base)),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Content of `path` in `commit`; `None` where it is absent or no file.
pub(super) fn show(repo: &Repository, sha: &str, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let tree = commit(repo, sha)?.tree()?;
    match tree.get_path(path.as_ref()) {
        Ok(entry) if entry.kind() == Some(ObjectType::Blob) => {
            Ok(Some(repo.find_blob(entry.id())?.content().to_vec()))
        }
        Ok(_) => Ok(None),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {path} of {sha}")),
    }
}

/// The file or link at `path` of `tree`; `None` where it is absent or neither.
pub(super) fn stored(repo: &Repository, tree: &Tree<'_>, path: &str) -> anyhow::Result<Option<Stored>> {
    match tree.get_path(path.as_ref()) {
        Ok(entry) if entry.kind() == Some(ObjectType::Blob) => {
            let content = repo.find_blob(entry.id())?.content().to_vec();
            Ok(Some(Stored { content, mode: u32::try_from(entry.filemode()).unwrap_or_default() }))
        }
        Ok(_) => Ok(None),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {path}")),
    }
}

/// All files and links of `commit`; submodules are left out.
pub(super) fn paths(repo: &Repository, sha: &str) -> anyhow::Result<Vec<String>> {
    let mut paths = Vec::new();
    commit(repo, sha)?.tree()?.walk(TreeWalkMode::PreOrder, |folder, entry| {
        if entry.kind() == Some(ObjectType::Blob) {
            paths.push(format!("{folder}{}", String::from_utf8_lossy(entry.name_bytes())));
        }
        TreeWalkResult::Ok
    })?;
    Ok(paths)
}

/// The tree that the day diff starts from: the day base with the base branch's later commits merged in, as far as
/// `to` contains them. What is left between this tree and `to` is the day's own work, people's commits included.
///
/// With B0 and B1 the newest commits of the base branch in the day base and in `to`, this is the three-way merge
/// of day base and B1 over B0. Where that merge conflicts, the day base's side stands, so that the diff shows more
/// rather than less. Work that people merged *into* the base branch during the day is the base branch's from then
/// on. On a run whose branch is the base branch itself there is nothing to exclude.
pub(super) fn day_start<'r>(
    repo: &'r Repository,
    rules: &BranchRules,
    from: &str,
    to: &str,
) -> anyhow::Result<Tree<'r>> {
    let (from, to) = (commit(repo, from)?, commit(repo, to)?);
    let Some((old, new)) = base_move(repo, rules, from.id(), to.id())? else {
        return Ok(from.tree()?);
    };
    let trees = (repo.find_commit(old)?.tree()?, from.tree()?, repo.find_commit(new)?.tree()?);
    let mut options = MergeOptions::new();
    options.find_renames(true);
    let mut merged = repo.merge_trees(&trees.0, &trees.1, &trees.2, Some(&options))?;
    keep_ours(&mut merged)?;
    Ok(repo.find_tree(merged.write_tree_to(in_memory(repo)?)?)?)
}

/// Makes all objects written through `repo` from now on live as long as the handle, in memory.
pub(super) fn in_memory(repo: &Repository) -> anyhow::Result<&Repository> {
    let odb = repo.odb()?;
    odb.add_new_mempack_backend(1000)?;
    Ok(repo)
}

/// The newest commits of the base branch in `from` and in `to`, where they differ.
fn base_move(
    repo: &Repository,
    rules: &BranchRules,
    from: Oid,
    to: Oid,
) -> anyhow::Result<Option<(Oid, Oid)>> {
    let names = settle::known(repo, rules);
    let head = repo.head().ok().filter(git2::Reference::is_branch);
    if head.as_ref().and_then(|head| head.shorthand().ok()) == Some(names.as_str()) {
        return Ok(None);
    }
    let mut newest: Option<(Oid, Oid)> = None;
    for tip in settle::tips(repo, &names) {
        let Some(new) = merge_base(repo, tip, to)? else {
            if repo.is_shallow() && has_merges(repo, from, to)? {
                bail!("cannot tell which merges of {names} are part of the day: {DEEPEN}");
            }
            continue;
        };
        if newest.is_some_and(|(_, known)| !contains(repo, new, known).unwrap_or(false)) {
            continue;
        }
        newest = merge_base(repo, tip, from)?.map(|old| (old, new)).or(newest);
    }
    Ok(newest.filter(|(old, new)| old != new))
}

fn has_merges(repo: &Repository, from: Oid, to: Oid) -> Result<bool, git2::Error> {
    let mut walk = repo.revwalk()?;
    walk.push(to)?;
    walk.hide(from)?;
    for id in walk {
        if repo.find_commit(id?)?.parent_count() > 1 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Resolves every conflict to our side; a file that our side deleted stays deleted.
fn keep_ours(index: &mut Index) -> anyhow::Result<()> {
    let conflicts = index.conflicts()?.collect::<Result<Vec<_>, _>>()?;
    let sides = conflicts.iter().flat_map(|c| [&c.ancestor, &c.our, &c.their]).flatten();
    let paths: BTreeSet<_> = sides.map(|side| String::from_utf8_lossy(&side.path).into_owned()).collect();
    for path in paths {
        index.conflict_remove(path.as_ref())?;
    }
    for ours in conflicts.into_iter().filter_map(|conflict| conflict.our) {
        // The stage of a conflict lies in the flags.
        index.add(&IndexEntry { flags: 0, flags_extended: 0, ..ours })?;
    }
    Ok(())
}
