//! What lies in the work tree beside git, folder by folder: what a command made there shows by comparing two of these.

use std::collections::BTreeSet;

use anyhow::Context as _;
use git2::{Repository, Status, StatusOptions};

/// Untracked and ignored paths; a folder without a tracked file is one entry that ends with `/`. `.pace` is left out.
pub(super) fn entries(repo: &Repository) -> anyhow::Result<BTreeSet<String>> {
    let mut options = StatusOptions::new();
    options
        .include_untracked(true)
        .recurse_untracked_dirs(false)
        .include_ignored(true)
        .recurse_ignored_dirs(false)
        .exclude_submodules(true);
    let mut entries = BTreeSet::new();
    for entry in repo.statuses(Some(&mut options)).context("listing what is not tracked")?.iter() {
        let path = String::from_utf8_lossy(entry.path_bytes()).into_owned();
        let beside = entry.status().intersects(Status::IGNORED | Status::WT_NEW);
        if beside && path != ".pace/" && !path.starts_with(".pace/") {
            entries.insert(path);
        }
    }
    Ok(entries)
}
