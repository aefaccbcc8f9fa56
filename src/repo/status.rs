//! What differs between HEAD, the index and the work tree, by name. Changes nothing.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;
use git2::{Repository, Status, StatusOptions};

use super::attributes;

/// The folder of pace's own running state; never listed, moved or committed.
pub(super) const RUN_DIR: &str = ".pace/.run/";

/// A path that git reports as changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Changed {
    /// `/`-separated; a repository nested in the work tree ends with `/`.
    pub path: String,
    pub tracked: bool,
}

/// Untracked, unignored files; a nested repository is one entry that ends with `/`.
pub(super) fn untracked(repo: &Repository) -> anyhow::Result<BTreeSet<String>> {
    let changed = changed(repo)?.into_iter();
    Ok(changed.filter(|c| !c.tracked).map(|c| c.path).collect())
}

/// Ignored entries; a folder that is ignored as a whole is one entry that ends with `/`.
pub(super) fn ignored(repo: &Repository) -> anyhow::Result<Vec<String>> {
    let mut options = StatusOptions::new();
    options
        .include_untracked(true)
        .recurse_untracked_dirs(true)
        .include_ignored(true)
        .exclude_submodules(true);
    let statuses = repo.statuses(Some(&mut options)).context("reading the work tree's status")?;
    let ignored = statuses.iter().filter(|entry| entry.status().contains(Status::IGNORED));
    let paths = ignored.map(|entry| String::from_utf8_lossy(entry.path_bytes()).into_owned());
    Ok(paths.filter(|path| !path.starts_with(".pace/")).collect())
}

/// What a commit would take from the work tree at `path`: a link is its target, and nothing is read through it.
pub(super) fn work_file(root: &Path, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let full = root.join(path);
    let content = match full.symlink_metadata() {
        Ok(meta) if meta.is_file() => std::fs::read(&full).map(Some),
        Ok(meta) if meta.is_symlink() => {
            std::fs::read_link(&full).map(|target| Some(target.into_os_string().into_encoded_bytes()))
        }
        _ => Ok(None),
    };
    content.with_context(|| format!("reading {path}"))
}

/// Everything that is not as HEAD has it: untracked files, and tracked ones with another content, type or mode, or
/// gone. Submodules are left out, and so are filtered files that only look changed.
pub(super) fn changed(repo: &Repository) -> anyhow::Result<Vec<Changed>> {
    let root = repo.workdir().context("no work tree")?;
    let mut options = StatusOptions::new();
    options
        .include_untracked(true)
        .recurse_untracked_dirs(true)
        .include_ignored(false)
        .exclude_submodules(true)
        .renames_head_to_index(false)
        .renames_index_to_workdir(false);
    let mut changed = Vec::new();
    for entry in repo.statuses(Some(&mut options)).context("reading the work tree's status")?.iter() {
        let path = String::from_utf8_lossy(entry.path_bytes()).into_owned();
        let status = entry.status();
        if path.starts_with(RUN_DIR) || status == Status::CURRENT || status.contains(Status::IGNORED) {
            continue;
        }
        let looks_changed = status == Status::WT_MODIFIED && attributes::filter(repo, &path).is_some();
        if looks_changed && attributes::filtered_unchanged(repo, root, &path)? {
            continue;
        }
        changed.push(Changed { path, tracked: status != Status::WT_NEW });
    }
    Ok(changed)
}

/// The submodule that contains `path` or is it, by HEAD's index.
pub(super) fn submodule_of(repo: &Repository, path: &str) -> anyhow::Result<Option<String>> {
    const GITLINK: u32 = 0o160_000;
    let index = repo.index()?;
    let mut end = 0;
    while end < path.len() {
        end = path[end..].find('/').map_or(path.len(), |at| end + at);
        let part = &path[..end];
        if index.get_path(part.as_ref(), 0).is_some_and(|entry| entry.mode == GITLINK) {
            return Ok(Some(part.to_owned()));
        }
        end += 1;
    }
    Ok(None)
}
