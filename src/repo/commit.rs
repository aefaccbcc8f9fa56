//! Commits exactly what it is told to, and takes changes of the work tree back. Knows no branch rules and no remote.

use std::fs::Metadata;
use std::path::{Component, Path};

use anyhow::{Context, bail};
use git2::build::CheckoutBuilder;
use git2::{Index, Oid, Repository, Signature};
use rustix::io::Errno;

use super::{Identity, attributes, status};

/// What is to be done with a path.
enum Step {
    Add,
    Remove,
    /// Neither in HEAD nor on the disk, or a filtered file that is as HEAD has it.
    Nothing,
}

/// Commits `paths` on top of HEAD and returns the new SHA, or HEAD's where nothing changed. Author and committer
/// are `identity`, now; nothing is signed.
///
/// # Errors
/// Every path that must not be committed, all in one message, before anything is written.
pub(super) fn commit(
    repo: &Repository,
    identity: &Identity,
    paths: &[String],
    message: &str,
) -> anyhow::Result<String> {
    let head = repo.head()?.peel_to_commit().context("HEAD has no commit")?;
    let tree = head.tree()?;
    let mut staged = Index::new()?;
    staged.read_tree(&tree)?;
    let steps = all(repo, &staged, paths)?;

    let mut index = repo.index()?;
    index.read(true)?;
    let removed = steps.iter().filter(|(_, step)| matches!(step, Step::Remove));
    for (path, _) in removed {
        index.remove_path(Path::new(path))?;
        staged.remove_path(Path::new(path))?;
    }
    let added = steps.iter().filter(|(_, step)| matches!(step, Step::Add));
    for (path, _) in added {
        index.add_path(Path::new(path)).with_context(|| format!("storing {path}"))?;
        let entry = index.get_path(Path::new(path), 0).with_context(|| format!("storing {path}"))?;
        staged.add(&entry)?;
    }
    let new = stored(repo, staged.write_tree_to(repo)?)?;
    index.write().context("writing .git/index")?;
    if new == tree.id() {
        return Ok(head.id().to_string());
    }
    let who = Signature::now(&identity.name, &identity.email).context("the commit identity is not usable")?;
    let message = format!("{}\n", message.trim_end());
    let id = repo.commit(Some("HEAD"), &who, &who, &message, &repo.find_tree(new)?, &[&head])?;
    Ok(id.to_string())
}

/// `id`, if the object is there: on a disk without inodes libgit2 has been seen to report success for one that is not.
///
/// # Errors
/// An error of the disk.
pub(super) fn stored(repo: &Repository, id: Oid) -> anyhow::Result<Oid> {
    if repo.odb()?.exists(id) {
        return Ok(id);
    }
    Err(std::io::Error::from(Errno::IO))
        .with_context(|| format!("git could not store {id} below .git/objects, for want of space or inodes"))
}

/// Makes tracked files equal to HEAD again; other files stay.
pub(super) fn reset(repo: &Repository, paths: &[String]) -> anyhow::Result<()> {
    let tree = repo.head()?.peel_to_tree().context("HEAD has no commit")?;
    let mut head = Index::new()?;
    head.read_tree(&tree)?;
    let mut options = CheckoutBuilder::new();
    options.force().disable_pathspec_match(true);
    let mut any = false;
    let mut problems = Vec::new();
    for path in paths.iter().filter(|path| head.get_path(path.as_ref(), 0).is_some()) {
        if let Some(filter) = attributes::filter(repo, path) {
            problems.push(format!(
                "{path}: the filter `{filter}` would have to write it, and pace runs no filter"
            ));
        }
        options.path(path.as_str());
        any = true;
    }
    if !problems.is_empty() {
        bail!("cannot be taken back: {}", problems.join("; "));
    }
    if any {
        repo.checkout_tree(tree.as_object(), Some(&mut options)).context("taking changes back")?;
    }
    Ok(())
}

/// Removes the files among `paths` that HEAD does not have.
pub(super) fn remove_new(repo: &Repository, root: &Path, paths: &[String]) -> anyhow::Result<()> {
    let head = repo.head()?.peel_to_tree().context("HEAD has no commit")?;
    for path in paths.iter().filter(|path| head.get_path(path.as_ref()).is_err()) {
        match std::fs::remove_file(root.join(path)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("taking {path} back"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What to do with each path, or all refusals.
fn all<'p>(repo: &Repository, head: &Index, paths: &'p [String]) -> anyhow::Result<Vec<(&'p str, Step)>> {
    let root = repo.workdir().context("no work tree")?;
    let mut steps = Vec::new();
    let mut problems = Vec::new();
    for path in paths {
        match step(repo, root, head, path)? {
            Ok(step) => steps.push((path.as_str(), step)),
            Err(problem) => problems.push(format!("{path}: {problem}")),
        }
    }
    if !problems.is_empty() {
        bail!("cannot be committed: {}", problems.join("; "));
    }
    Ok(steps)
}

fn step(repo: &Repository, root: &Path, head: &Index, path: &str) -> anyhow::Result<Result<Step, String>> {
    if let Err(problem) = plain(path) {
        return Ok(Err(problem));
    }
    if let Some(module) = status::submodule_of(repo, path)? {
        return Ok(Err(format!("it belongs to the submodule {module}, which is left alone")));
    }
    let known = head.get_path(path.as_ref(), 0).is_some();
    match hindrance(root, path) {
        // A folder that became a link took its files with it.
        Some(Hindrance::Link(_)) if known => return Ok(Ok(Step::Remove)),
        Some(Hindrance::Link(parent)) => return Ok(Err(format!("{parent} is a symbolic link"))),
        Some(Hindrance::Repository(parent)) => {
            return Ok(Err(format!("{parent} is a repository of its own")));
        }
        None => {}
    }
    let step = match root.join(path).symlink_metadata() {
        Ok(meta) if meta.is_dir() && !known => return Ok(Err("it is a folder; name its files".into())),
        Ok(meta) if !meta.is_dir() && !committable(&meta) => {
            return Ok(Err("it is neither a file nor a link".into()));
        }
        Ok(meta) if !meta.is_dir() => Step::Add,
        _ if known => Step::Remove,
        _ => Step::Nothing,
    };
    if let (Step::Add, Some(filter)) = (&step, attributes::filter(repo, path)) {
        if known && attributes::filtered_unchanged(repo, root, path)? {
            return Ok(Ok(Step::Nothing));
        }
        return Ok(Err(format!(
            "attributes hand it to the filter `{filter}`, and pace runs no filter; commit it by hand"
        )));
    }
    Ok(Ok(step))
}

fn committable(meta: &Metadata) -> bool {
    meta.is_file() || meta.is_symlink()
}

/// A path below the root, and neither git's nor pace's running state.
fn plain(path: &str) -> Result<(), String> {
    let normal = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    if !normal || path.contains('\0') || path.split('/').any(|part| part.is_empty() || part == ".") {
        return Err("it is not a path of a file below the root of the repository".into());
    }
    if path.split('/').any(|part| part.eq_ignore_ascii_case(".git")) || path.starts_with(status::RUN_DIR) {
        return Err("it is never committed".into());
    }
    Ok(())
}

/// A folder above a path that keeps the path out of this repository.
enum Hindrance {
    Link(String),
    Repository(String),
}

fn hindrance(root: &Path, path: &str) -> Option<Hindrance> {
    let parents = Path::new(path).ancestors().skip(1);
    parents.filter(|parent| !parent.as_os_str().is_empty()).find_map(|parent| {
        let at = root.join(parent);
        let name = parent.display().to_string();
        if at.symlink_metadata().is_ok_and(|meta| meta.is_symlink()) {
            Some(Hindrance::Link(name))
        } else {
            at.join(".git").symlink_metadata().is_ok().then_some(Hindrance::Repository(name))
        }
    })
}
