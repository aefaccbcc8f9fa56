//! What stands in the work tree, kept as a commit that no branch knows, and brought back from one. The user's index
//! is not read for it and no filter is run: files are kept byte for byte, but for secrets that HEAD does not have.
//!
//! A checkpoint's first parent is HEAD of that moment, so it carries commits that were not pushed yet; the second is
//! the checkpoint before it, so one reference keeps all of them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use anyhow::{Context as _, bail};
use git2::{Commit, Index, IndexEntry, IndexTime, ObjectType, Oid, Repository, Signature, Tree, TreeEntry};

use super::{commit, status};

const FILE: u32 = 0o100_644;
const PROGRAM: u32 = 0o100_755;
const LINK: u32 = 0o120_000;

/// Where the work tree is to be brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point<'a> {
    /// A commit, with nothing changed on top of it.
    Head(&'a str),
    /// What [`super::Repository::checkpoint`] kept: HEAD of that moment and the changes on top of it.
    Checkpoint(&'a str),
}

/// What a checkpoint leaves alone.
pub(crate) struct Spared<'a> {
    /// Untracked files of a person.
    pub untracked: &'a BTreeSet<String>,
    /// Files that somebody else brings into their state.
    pub others: &'a (dyn Fn(&str) -> bool + Sync),
    /// Masks the secrets of a line: what nobody may commit is not kept either.
    pub mask: &'a (dyn Fn(&str) -> String + Sync),
}

/// See [`super::Repository::checkpoint`].
pub(super) fn keep(repo: &Repository, name: &str, spared: &Spared<'_>) -> anyhow::Result<String> {
    let head = repo.head()?.peel_to_commit().context("HEAD has no commit")?;
    let tree = tree_of_work(repo, &head.tree()?, spared)?;
    let reference = reference(name);
    let before = repo.find_reference(&reference).and_then(|found| found.peel_to_commit()).ok();
    if let Some(before) = &before
        && before.tree_id() == tree
        && before.parent_id(0).ok() == Some(head.id())
    {
        return Ok(before.id().to_string());
    }
    let who = Signature::now("pace", "pace@localhost")?;
    let parents: Vec<&Commit<'_>> = [Some(&head), before.as_ref()].into_iter().flatten().collect();
    let id =
        repo.commit(None, &who, &who, "pace: the work tree of a run\n", &repo.find_tree(tree)?, &parents)?;
    repo.reference(&reference, commit::stored(repo, id)?, true, "checkpoint")?;
    Ok(id.to_string())
}

/// Keeps a checkpoint that came from elsewhere, with all before it, as the newest of `name`.
pub(super) fn adopt(repo: &Repository, name: &str, id: &str) -> anyhow::Result<()> {
    repo.reference(&reference(name), Oid::from_str(id)?, true, "brought here")?;
    Ok(())
}

/// Lets go of every checkpoint of `name`.
pub(super) fn forget(repo: &Repository, name: &str) -> anyhow::Result<()> {
    match repo.find_reference(&reference(name)) {
        Ok(mut found) => Ok(found.delete()?),
        Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// HEAD of `point`; `None` where this repository does not have it.
pub(super) fn head_of(repo: &Repository, point: Point<'_>) -> anyhow::Result<Option<String>> {
    Ok(open(repo, point).ok().map(|(head, _)| head.id().to_string()))
}

/// Paths in which the work tree, seen as a change on top of HEAD, is not as `point` has it.
pub(super) fn differences(
    repo: &Repository,
    point: Point<'_>,
    spared: &Spared<'_>,
) -> anyhow::Result<BTreeSet<String>> {
    let (_, wanted) = open(repo, point)?;
    let head = repo.head()?.peel_to_tree().context("HEAD has no commit")?;
    let now = repo.find_tree(tree_of_work(repo, &head, spared)?)?;
    Ok(between(repo, &now, &wanted)?.into_iter().filter(|path| !(spared.others)(path)).collect())
}

/// See [`super::Repository::restore`].
pub(super) fn restore(
    repo: &Repository,
    root: &Path,
    point: Point<'_>,
    spared: &Spared<'_>,
) -> anyhow::Result<()> {
    let (head, wanted) = open(repo, point)?;
    let mut paths = BTreeSet::new();
    for change in status::changed(repo)? {
        if change.tracked || !spared.untracked.contains(&change.path) {
            paths.insert(change.path);
        }
    }
    paths.extend(between(repo, &repo.head()?.peel_to_tree()?, &head.tree()?)?);
    paths.extend(between(repo, &head.tree()?, &wanted)?);
    paths.retain(|path| !(spared.others)(path));

    let branch = repo.head()?.name().context("HEAD has no name")?.to_owned();
    repo.reference(&branch, head.id(), true, "brought back by pace")?;
    let mut index = repo.index()?;
    index.read_tree(&head.tree()?)?;
    index.write().context("writing .git/index")?;
    let mut as_committed = Vec::new();
    for path in &paths {
        let there = wanted.get_path(Path::new(path)).ok();
        let committed = head.tree()?.get_path(Path::new(path)).ok();
        match there {
            None => remove(root, path)?,
            Some(entry)
                if committed.is_some_and(|c| c.id() == entry.id() && c.filemode() == entry.filemode()) =>
            {
                as_committed.push(path.clone());
            }
            Some(entry) => write(repo, root, path, &entry)?,
        }
    }
    commit::reset(repo, &as_committed)
}

fn reference(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' };
    let parts: Vec<String> = name.split('/').map(|part| part.chars().map(plain).collect()).collect();
    format!("refs/pace/run/{}", parts.join("/"))
}

fn open<'r>(repo: &'r Repository, point: Point<'_>) -> anyhow::Result<(Commit<'r>, Tree<'r>)> {
    let find = |id: &str| {
        let id = Oid::from_str(id)?;
        repo.find_commit(id)
    };
    match point {
        Point::Head(id) => {
            let head = find(id).with_context(|| format!("commit {id} is not here"))?;
            let tree = head.tree()?;
            Ok((head, tree))
        }
        Point::Checkpoint(id) => {
            let kept = find(id).with_context(|| format!("checkpoint {id} is not here"))?;
            Ok((kept.parent(0).context("a checkpoint without HEAD")?, kept.tree()?))
        }
    }
}

/// HEAD's tree with the changes of the work tree.
fn tree_of_work(repo: &Repository, head: &Tree<'_>, spared: &Spared<'_>) -> anyhow::Result<Oid> {
    let root = repo.workdir().context("no work tree")?;
    let mut index = Index::new()?;
    index.read_tree(head)?;
    for change in status::changed(repo)? {
        let foreign = !change.tracked && spared.untracked.contains(&change.path);
        // A name is kept as it is or not at all.
        let secret = !change.tracked && (spared.mask)(&change.path) != change.path;
        // A repository within the work tree is nobody's file here.
        if foreign || secret || (spared.others)(&change.path) || change.path.ends_with('/') {
            continue;
        }
        let path = root.join(&change.path);
        let Ok(meta) = path.symlink_metadata() else {
            index.remove_path(Path::new(&change.path))?;
            continue;
        };
        let (mode, content) = if meta.is_symlink() {
            (LINK, fs::read_link(&path)?.into_os_string().into_encoded_bytes())
        } else if meta.is_file() {
            let mode = if meta.permissions().mode() & 0o100 == 0 { FILE } else { PROGRAM };
            let now = fs::read(&path).with_context(|| format!("keeping {}", change.path))?;
            (mode, masked(repo, head, &change.path, now, spared.mask))
        } else {
            index.remove_path(Path::new(&change.path))?;
            continue;
        };
        let id = commit::stored(repo, repo.odb()?.write(ObjectType::Blob, &content)?)?;
        index.add(&entry(&change.path, mode, id))?;
    }
    commit::stored(repo, index.write_tree_to(repo)?)
}

/// `now` without the secrets that came since HEAD.
fn masked(
    repo: &Repository,
    head: &Tree<'_>,
    path: &str,
    now: Vec<u8>,
    mask: &(dyn Fn(&str) -> String + Sync),
) -> Vec<u8> {
    let text = match String::from_utf8(now) {
        Ok(text) => text,
        Err(binary) => return binary.into_bytes(),
    };
    let whole = mask(&text);
    if whole == text {
        return text.into_bytes();
    }
    let before = head.get_path(Path::new(path)).and_then(|entry| repo.find_blob(entry.id()));
    let before = before.map(|blob| blob.content().to_vec()).unwrap_or_default();
    let before = String::from_utf8_lossy(&before);
    let known: BTreeSet<&str> = before.lines().collect();
    let new = |line: &&str| mask(line) != **line && !known.contains(line.trim_end_matches(['\r', '\n']));
    // A secret of several lines is found in the whole only.
    let by_line = text.split_inclusive('\n').any(|line| mask(line) != line);
    if by_line && !text.split_inclusive('\n').any(|line| new(&line)) {
        return text.into_bytes();
    }
    whole.into_bytes()
}

fn entry(path: &str, mode: u32, id: Oid) -> IndexEntry {
    let time = IndexTime::new(0, 0);
    IndexEntry {
        ctime: time,
        mtime: time,
        dev: 0,
        ino: 0,
        mode,
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path: path.as_bytes().to_vec(),
    }
}

/// Paths that are not the same in two trees.
pub(super) fn between(
    repo: &Repository,
    one: &Tree<'_>,
    other: &Tree<'_>,
) -> anyhow::Result<BTreeSet<String>> {
    let mut paths = BTreeSet::new();
    for delta in repo.diff_tree_to_tree(Some(one), Some(other), None)?.deltas() {
        for file in [delta.old_file(), delta.new_file()] {
            if let Some(path) = file.path_bytes() {
                paths.insert(String::from_utf8_lossy(path).into_owned());
            }
        }
    }
    Ok(paths)
}

fn remove(root: &Path, path: &str) -> anyhow::Result<()> {
    // A repository of its own is left to whoever made it.
    if path.ends_with('/') || through_link(root, path) {
        return Ok(());
    }
    match fs::remove_file(root.join(path)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        result => result.with_context(|| format!("taking {path} back"))?,
    }
    for parent in Path::new(path).ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
        if fs::remove_dir(root.join(parent)).is_err() {
            break;
        }
    }
    Ok(())
}

fn write(repo: &Repository, root: &Path, path: &str, entry: &TreeEntry<'_>) -> anyhow::Result<()> {
    if through_link(root, path) {
        bail!("{path}: a folder on the way is a symbolic link; remove it and run again");
    }
    let full = root.join(path);
    if let Some(parent) = full.parent() {
        fs::create_dir_all(parent).with_context(|| format!("bringing {path} back"))?;
    }
    let content = repo.find_blob(entry.id())?.content().to_vec();
    let _ = fs::remove_file(&full);
    if u32::try_from(entry.filemode()).ok() == Some(LINK) {
        let target = std::ffi::OsString::from(String::from_utf8_lossy(&content).into_owned());
        return symlink(target, &full).with_context(|| format!("bringing {path} back"));
    }
    let mode = if u32::try_from(entry.filemode()).ok() == Some(PROGRAM) { 0o755 } else { 0o644 };
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(mode).open(&full);
    std::io::Write::write_all(&mut file.with_context(|| format!("bringing {path} back"))?, &content)
        .with_context(|| format!("bringing {path} back"))
}

/// Whether a folder on the way to `path` is a symbolic link, which would lead out of the work tree.
fn through_link(root: &Path, path: &str) -> bool {
    let parents = Path::new(path).ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty());
    parents.into_iter().any(|parent| root.join(parent).symlink_metadata().is_ok_and(|meta| meta.is_symlink()))
}
