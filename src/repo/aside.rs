//! Untracked files out of the way and back again, by rename into `.pace/.run/aside/`. What lies there belongs back
//! in the work tree, whoever finds it. Knows nothing of commits.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use git2::Repository;

use super::status;
use crate::domain::dependencies::Dependencies;

/// Moves untracked, unignored files aside, but those below `.pace/` and in `kept`. Returns what was moved.
pub(super) fn set(repo: &Repository, root: &Path, kept: &Dependencies) -> anyhow::Result<BTreeSet<String>> {
    restore(root)?;
    let stays = |path: &str| path == ".pace" || path.starts_with(".pace/") || kept.hold(path);
    let moved: BTreeSet<String> = status::untracked(repo)?.into_iter().filter(|path| !stays(path)).collect();
    if moved.is_empty() {
        return Ok(moved);
    }
    let aside = prepare_folder(root)?;
    for path in &moved {
        let path = path.trim_end_matches('/');
        let result = shift(root, &aside, path).with_context(|| format!("setting {path} aside"));
        if let Err(error) = result {
            restore(root)?;
            return Err(error);
        }
        prune(root, Path::new(path));
    }
    Ok(moved)
}

/// Moves one more file aside, which [`restore`] brings back with the others.
pub(super) fn add(root: &Path, path: &str) -> anyhow::Result<()> {
    let aside = prepare_folder(root)?;
    shift(root, &aside, path).with_context(|| format!("setting {path} aside"))
}

/// Brings everything back. A file that was made meanwhile at the same place gives way.
pub(super) fn restore(root: &Path) -> anyhow::Result<()> {
    let aside = folder(root);
    if !is_folder(&aside) {
        return Ok(());
    }
    no_links(root, &aside.join("_")).context("bringing untracked files back")?;
    let mut files = Vec::new();
    list(&aside, Path::new(""), &mut files).context("reading .pace/.run/aside")?;
    for path in files {
        shift(&aside, root, &path).with_context(|| format!("bringing {path} back from .pace/.run/aside"))?;
    }
    fs::remove_dir_all(&aside).context("removing .pace/.run/aside")
}

fn folder(root: &Path) -> PathBuf {
    root.join(".pace/.run/aside")
}

/// Creates the folder; `.pace/.run` keeps itself out of git, also where no ignore file names it.
fn prepare_folder(root: &Path) -> anyhow::Result<PathBuf> {
    let aside = folder(root);
    no_links(root, &aside.join("_"))?;
    fs::create_dir_all(&aside).context("creating .pace/.run/aside")?;
    let ignore = root.join(".pace/.run/.gitignore");
    if !ignore.exists() {
        fs::write(&ignore, "*\n").context("writing .pace/.run/.gitignore")?;
    }
    Ok(aside)
}

/// Renames `path` from below `from` to below `to`.
fn shift(from: &Path, to: &Path, path: &str) -> anyhow::Result<()> {
    let target = to.join(path);
    no_links(to, &target)?;
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    if is_folder(&target) && !is_folder(&from.join(path)) {
        bail!("a folder stands at {}; move it away and run again", target.display());
    }
    Ok(fs::rename(from.join(path), &target)?)
}

/// Refuses a symbolic link between `top` and `path`: a child process may have put one there to lead the rename
/// out of the work tree.
fn no_links(top: &Path, path: &Path) -> anyhow::Result<()> {
    let parents = path.ancestors().skip(1).take_while(|parent| *parent != top);
    for parent in parents {
        if parent.symlink_metadata().is_ok_and(|meta| meta.is_symlink()) {
            bail!("{} is a symbolic link; remove it and run again", parent.display());
        }
    }
    Ok(())
}

/// Removes the folders that the move left empty.
fn prune(root: &Path, path: &Path) {
    for parent in path.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
        if fs::remove_dir(root.join(parent)).is_err() {
            break;
        }
    }
}

/// All files below `top`; a nested repository is one entry, moved whole.
fn list(top: &Path, below: &Path, files: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(top.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        let nested = entry.path().join(".git").symlink_metadata().is_ok();
        if entry.file_type()?.is_dir() && !nested {
            list(top, &path, files)?;
        } else {
            files.push(path.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.is_dir())
}
