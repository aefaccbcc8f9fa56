//! Ignored files of the work tree: noted once, and later made again what they were. What a command wrote meanwhile is
//! part of no commit and must not lend a hand to the tests of one. Knows nothing of commits.

pub(super) mod left;
pub(super) mod removed;

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Context as _;
use git2::{Repository, Status, StatusOptions};
use serde::{Deserialize, Serialize};

use super::{Restoring, aside};
use crate::domain::dependencies::{Dependencies, is_output};
use removed::{put_away, put_file_away};

/// Largest file that is kept to be put back, in bytes.
const LARGEST: u64 = 4 << 20;
/// Bytes kept in all.
const MOST: u64 = 32 << 20;

/// Files that git does not track, as they were.
#[derive(Debug, Default)]
pub(super) struct Noted {
    /// The run that noted them, which names the folder of what it moves away.
    run: String,
    files: BTreeMap<String, Seen>,
}

#[derive(Debug)]
struct Seen {
    stamp: Stamp,
    /// Of ignored files that are not too large.
    content: Option<Vec<u8>>,
}

/// What changes with every write: the change time cannot be set by a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        Self { inode: meta.ino(), size: meta.size(), changed: (meta.ctime(), meta.ctime_nsec()) }
    }
}

impl Noted {
    /// Notes what is there now, build outputs and dependencies apart.
    pub(super) fn take(
        repo: &Repository,
        root: &Path,
        made: &Dependencies,
        run: &str,
    ) -> anyhow::Result<Self> {
        let mut kept = 0;
        let mut noted = BTreeMap::new();
        for (path, ignored) in list(repo, root, made)? {
            let Ok(meta) = root.join(&path).symlink_metadata() else { continue };
            let mut seen = Seen { stamp: Stamp::of(&meta), content: None };
            if ignored && meta.is_file() && meta.len() <= LARGEST && kept + meta.len() <= MOST {
                kept += meta.len();
                seen.content = fs::read(root.join(&path)).ok();
            }
            noted.insert(path, seen);
        }
        Ok(Self { run: run.to_owned(), files: noted })
    }

    /// Moves ignored files that were written since to the run's folder and puts back what they were; the paths of both.
    /// What was there before and is too large to be kept goes out of the tests' way and comes back; at the end it stays.
    pub(super) fn restore(
        &self,
        repo: &Repository,
        root: &Path,
        made: &Dependencies,
        when: Restoring,
    ) -> anyhow::Result<Vec<String>> {
        let (mut mended, mut problems) = (Vec::new(), Vec::new());
        for (path, ignored) in list(repo, root, made)? {
            let full = root.join(&path);
            let Ok(meta) = full.symlink_metadata() else { continue };
            let seen = self.files.get(&path);
            if !ignored || seen.is_some_and(|seen| seen.is_still(&meta, &full)) {
                continue;
            }
            let moved = match when {
                Restoring::ForTests if seen.is_some_and(Seen::cannot_be_put_back) => aside::add(root, &path),
                Restoring::AtEnd if seen.is_some_and(Seen::cannot_be_put_back) => continue,
                _ if seen.is_some() => put_file_away(root, &self.run, &path),
                _ => put_away(root, &self.run, &path),
            };
            match moved {
                Ok(()) => mended.push(path),
                Err(problem) => problems.push(format!("{problem:#}")),
            }
        }
        for (path, seen) in &self.files {
            let full = root.join(path);
            if let Some(content) = seen.content.as_ref().filter(|_| full.symlink_metadata().is_err()) {
                match clear_way(repo, root, &self.run, path).and_then(|()| Ok(put_back(&full, content)?)) {
                    Ok(()) => mended.push(path.clone()),
                    Err(problem) => problems.push(format!("putting {path} back: {problem:#}")),
                }
            }
        }
        mended.sort();
        mended.dedup();
        empty_scratch(root, made);
        anyhow::ensure!(problems.is_empty(), "{}", problems.join("; "));
        Ok(mended)
    }
}

impl Seen {
    fn cannot_be_put_back(&self) -> bool {
        self.content.is_none()
    }

    fn is_still(&self, meta: &Metadata, path: &Path) -> bool {
        let same = || self.content.as_ref().is_some_and(|old| fs::read(path).is_ok_and(|now| now == *old));
        self.stamp == Stamp::of(meta) || (meta.is_file() && same())
    }
}

/// Moves a link away that stands where a folder on the way to `path` was: through it the file would go anywhere. One that
/// git knows is the project's.
fn clear_way(repo: &Repository, root: &Path, run: &str, path: &str) -> anyhow::Result<()> {
    let index = repo.index()?;
    let parents: Vec<&Path> = Path::new(path).ancestors().skip(1).collect();
    for parent in parents.into_iter().rev().filter(|parent| !parent.as_os_str().is_empty()) {
        if !root.join(parent).symlink_metadata().is_ok_and(|meta| meta.is_symlink()) {
            continue;
        }
        anyhow::ensure!(
            index.get_path(parent, 0).is_none(),
            "{} is a symbolic link that git tracks; remove it and run again",
            parent.display()
        );
        put_file_away(root, run, &parent.to_string_lossy())?;
    }
    Ok(())
}

/// The folders on the way may be gone.
fn put_back(path: &Path, content: &[u8]) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    fs::write(path, content)
}

/// What tools keep inside dependency folders is made anew, and is nobody's word.
fn empty_scratch(root: &Path, made: &Dependencies) {
    for path in made.scratch() {
        let folder = root.join(path);
        // A link on the way leads to somebody's own.
        if !is_here(root, &folder) || !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok) {
            let folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let _ = if folder { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
        }
    }
}

/// Whether `path`, below `root`, is where it seems to be.
fn is_here(root: &Path, path: &Path) -> bool {
    let real = || path.strip_prefix(root).ok().map(|below| Some(root.canonicalize().ok()?.join(below)));
    path.canonicalize().is_ok_and(|found| real().flatten().is_some_and(|real| real == found))
}

/// Files that git does not track, and whether it ignores them; `.pace`, build outputs and dependencies left out.
fn list(repo: &Repository, root: &Path, made: &Dependencies) -> anyhow::Result<Vec<(String, bool)>> {
    let mut options = StatusOptions::new();
    options
        .include_untracked(true)
        .recurse_untracked_dirs(true)
        .include_ignored(true)
        .recurse_ignored_dirs(false)
        .exclude_submodules(true);
    let mut files = Vec::new();
    for entry in repo.statuses(Some(&mut options)).context("listing ignored files")?.iter() {
        let (status, path) = (entry.status(), String::from_utf8_lossy(entry.path_bytes()).into_owned());
        let ignored = status.contains(Status::IGNORED);
        if ignored || status.contains(Status::WT_NEW) {
            walk(root, path.trim_end_matches('/'), ignored, made, &mut files);
        }
    }
    Ok(files)
}

fn walk(root: &Path, path: &str, ignored: bool, made: &Dependencies, files: &mut Vec<(String, bool)>) {
    let name = path.rsplit('/').next().unwrap_or(path);
    let full = root.join(path);
    let Ok(meta) = full.symlink_metadata() else { return };
    let left_out = |path: &str| path == ".pace" || path.starts_with(".pace/") || made.hold(path);
    if left_out(path) || path.split('/').rev().skip(1).any(is_output) || (meta.is_dir() && is_output(name)) {
        return;
    }
    if !meta.is_dir() {
        files.push((path.to_owned(), ignored));
        return;
    }
    // A repository of its own is its own business.
    if full.join(".git").symlink_metadata().is_ok() {
        return;
    }
    for entry in fs::read_dir(full).into_iter().flatten().filter_map(Result::ok) {
        walk(root, &format!("{path}/{}", entry.file_name().to_string_lossy()), ignored, made, files);
    }
}
