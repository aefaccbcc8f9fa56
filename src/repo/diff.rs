//! Two trees, or HEAD and the work tree, as the domain's [`Diff`]. Reads only: what it must store to compare goes to
//! memory.
//!
//! libgit2 finds the changed files and computes the hunks, but neither the repository's attributes (`diff`,
//! `-diff`, `binary`, `-text`) nor a diff driver has a say: a change could otherwise hide itself from review.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;
use git2::{
    Delta, DiffDelta, DiffFile, DiffFindOptions, DiffOptions, FileMode, Oid, Patch, Repository, Tree,
};

use super::status;
use crate::domain::dependencies::Dependencies;
use crate::domain::diff::{Change, Diff, FileDiff};

/// Longest patch of one file, in bytes.
const PATCH_CAP: usize = 512 * 1024;
/// Largest file that is compared, in bytes; a larger one counts as binary.
const FILE_CAP: u64 = 16 * 1024 * 1024;
/// How far git looks for a NUL byte to tell a binary file (xdiff-interface.h, FIRST_FEW_BYTES).
const BINARY_PROBE: usize = 8000;

/// HEAD → work tree, without the untracked paths in `except` and those of `made`.
pub(super) fn of_work_tree(
    repo: &Repository,
    except: &BTreeSet<String>,
    made: &Dependencies,
) -> anyhow::Result<Diff> {
    let head = repo.head()?.peel_to_tree().context("HEAD has no commit")?;
    work_tree_since(repo, &head, except, made)
}

/// `start` → work tree, without the untracked paths in `except` and those of `made`.
pub(super) fn work_tree_since(
    repo: &Repository,
    start: &Tree<'_>,
    except: &BTreeSet<String>,
    made: &Dependencies,
) -> anyhow::Result<Diff> {
    let head = repo.head()?.peel_to_tree().context("HEAD has no commit")?;
    let mut changed = status::changed(repo)?;
    changed.retain(|c| c.tracked || !(except.contains(&c.path) || made.hold(&c.path)));
    let repo = super::history::in_memory(repo)?;
    let root = repo.workdir().context("no work tree")?;
    let mut index = repo.index()?;
    index.read_tree(&head)?;
    let mut nested = Vec::new();
    for change in &changed {
        let path = Path::new(&change.path);
        let full = root.join(path);
        match full.symlink_metadata() {
            _ if change.path.ends_with('/') => nested.push(nested_repository(&change.path)),
            Ok(meta) if meta.is_file() && meta.len() > FILE_CAP => {
                let mut entry = git2::IndexEntry { path: change.path.clone().into_bytes(), ..blank() };
                entry.id = repo.blob(format!("\0{} bytes", meta.len()).as_bytes())?;
                index.add(&entry)?;
            }
            Ok(meta) if meta.is_file() || meta.is_symlink() => {
                index.add_path(path).with_context(|| format!("reading {}", change.path))?;
            }
            _ => index.remove_path(path)?,
        }
    }
    let now = repo.find_tree(index.write_tree()?)?;
    let mut diff = of_trees(repo, start, &now)?;
    diff.files.extend(nested);
    Ok(diff)
}

/// `old` → `new`, renames detected.
pub(super) fn of_trees(repo: &Repository, old: &Tree<'_>, new: &Tree<'_>) -> anyhow::Result<Diff> {
    let mut options = DiffOptions::new();
    options.include_typechange(true).context_lines(3);
    let mut diff = repo.diff_tree_to_tree(Some(old), Some(new), Some(&mut options))?;
    diff.find_similar(Some(DiffFindOptions::new().renames(true)))?;
    let files = diff.deltas().map(|delta| file(repo, &delta)).collect::<anyhow::Result<_>>()?;
    Ok(Diff { files })
}

fn file(repo: &Repository, delta: &DiffDelta<'_>) -> anyhow::Result<FileDiff> {
    let (old, new) = (Side::of(repo, &delta.old_file())?, Side::of(repo, &delta.new_file())?);
    let change = match delta.status() {
        Delta::Added => Change::Added,
        Delta::Deleted => Change::Deleted,
        Delta::Renamed => Change::Renamed,
        _ => Change::Modified,
    };
    let shown = if change == Change::Deleted { &old } else { &new };
    let mut file = FileDiff {
        path: shown.path.clone(),
        old_path: (change == Change::Renamed).then(|| old.path.clone()),
        change,
        added: Vec::new(),
        patch: String::new(),
        binary: old.is_binary() || new.is_binary(),
    };
    if !file.binary {
        file.patch = header(&file, &old, &new);
        hunks(&mut file, &old, &new)?;
    }
    Ok(file)
}

/// One side of a change.
struct Side {
    path: String,
    /// Git's mode bits; 0 where the file is absent.
    mode: u32,
    content: Vec<u8>,
    too_large: bool,
}

impl Side {
    fn of(repo: &Repository, file: &DiffFile<'_>) -> anyhow::Result<Self> {
        let path = String::from_utf8_lossy(file.path_bytes().unwrap_or_default()).into_owned();
        let mut side = Self { path, mode: file.mode().into(), content: Vec::new(), too_large: false };
        if file.id() == Oid::ZERO_SHA1 {
            side.mode = 0;
        } else if file.mode() == FileMode::Commit {
            side.content = format!("Subproject commit {}\n", file.id()).into_bytes();
        } else if repo.odb()?.read_header(file.id())?.0 as u64 > FILE_CAP {
            side.too_large = true;
        } else {
            side.content = repo.find_blob(file.id())?.content().to_vec();
        }
        Ok(side)
    }

    fn is_binary(&self) -> bool {
        let probe = &self.content[..self.content.len().min(BINARY_PROBE)];
        self.too_large || probe.contains(&0)
    }
}

/// The lines of a git patch before its first hunk, without the abbreviated object names.
fn header(file: &FileDiff, old: &Side, new: &Side) -> String {
    let old_path = file.old_path.as_deref().unwrap_or(&file.path);
    let mut text = format!("diff --git a/{old_path} b/{}\n", file.path);
    let modes = match (old.mode, new.mode) {
        (0, mode) => format!("new file mode {mode:06o}\n"),
        (mode, 0) => format!("deleted file mode {mode:06o}\n"),
        (old, new) if old != new => format!("old mode {old:06o}\nnew mode {new:06o}\n"),
        _ => String::new(),
    };
    text.push_str(&modes);
    if file.old_path.is_some() {
        _ = write!(text, "rename from {old_path}\nrename to {}\n", file.path);
    }
    text
}

/// Appends the hunks to the patch, and fills the added lines.
fn hunks(file: &mut FileDiff, old: &Side, new: &Side) -> anyhow::Result<()> {
    let mut options = DiffOptions::new();
    options.context_lines(3).force_text(true);
    let none = Path::new("x");
    let mut patch =
        Patch::from_buffers(&old.content, Some(none), &new.content, Some(none), Some(&mut options))?;
    if patch.num_hunks() == 0 {
        return Ok(());
    }
    let name = |side: &Side, prefix: &str| match side.mode {
        0 => "/dev/null".to_owned(),
        _ => format!("{prefix}/{}", side.path),
    };
    let mut text = format!("--- {}\n+++ {}\n", name(old, "a"), name(new, "b"));
    let mut added: Vec<(u32, u32)> = Vec::new();
    let mut size = 0;
    patch.print(&mut |_, _, line| {
        let origin = line.origin();
        if let ('+', Some(number)) = (origin, line.new_lineno()) {
            match added.last_mut() {
                Some(range) if range.1 == number => range.1 += 1,
                _ => added.push((number, number + 1)),
            }
        }
        if origin != 'F' && size <= PATCH_CAP {
            if matches!(origin, ' ' | '+' | '-') {
                text.push(origin);
            }
            text.push_str(&String::from_utf8_lossy(line.content()));
        }
        size += if origin == 'F' { 0 } else { line.content().len() + 1 };
        true
    })?;
    file.added = added;
    if size > PATCH_CAP {
        text = format!("(patch of {size} bytes not shown; the limit is {PATCH_CAP})\n");
    }
    file.patch.push_str(&text);
    Ok(())
}

/// A repository inside the work tree cannot be looked into; it is named, so that nobody takes it for nothing.
fn nested_repository(path: &str) -> FileDiff {
    FileDiff {
        path: path.to_owned(),
        old_path: None,
        change: Change::Added,
        added: Vec::new(),
        patch: String::new(),
        binary: true,
    }
}

/// An index entry of a regular file without stamps.
pub(super) fn blank() -> git2::IndexEntry {
    git2::IndexEntry {
        ctime: git2::IndexTime::new(0, 0),
        mtime: git2::IndexTime::new(0, 0),
        dev: 0,
        ino: 0,
        mode: 0o100_644,
        uid: 0,
        gid: 0,
        file_size: 0,
        id: Oid::ZERO_SHA1,
        flags: 0,
        flags_extended: 0,
        path: Vec::new(),
    }
}
