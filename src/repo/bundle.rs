//! A branch as a file: the commits that the remote does not have yet, in git's own bundle format (version 2), so that
//! `git bundle verify` reads it too. Knows nothing of what the commits are good for.

use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::path::Path;

use anyhow::Context as _;
use git2::{Oid, Repository, RepositoryState, Sort};
use serde::{Deserialize, Serialize};

use super::git::Inner;
use super::{RepoError, branch, checkout, fetch, history, settle};

const SIGNATURE: &str = "# v2 git bundle\n";
/// Bytes of a header: a line for every prerequisite.
const HEADER: usize = 1 << 20;
/// Bytes of a bundle at most.
const LARGEST: u64 = 4 << 30;

/// What a bundle holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bundled {
    /// The branch's tip.
    pub head: String,
    /// Its commits, oldest first; none where the remote has the tip already.
    pub commits: Vec<String>,
}

/// See [`super::Repository::bundle`].
pub(super) fn write(repo: &Repository, branch: &str, path: &Path) -> anyhow::Result<Bundled> {
    let head =
        settle::local_tip(repo, branch).with_context(|| format!("there is no branch {branch} here"))?;
    let commits = unknown_to_remote(repo, head)?;
    let bundled = Bundled { head: head.to_string(), commits: commits.iter().map(Oid::to_string).collect() };
    if commits.is_empty() {
        return Ok(bundled);
    }
    let mut header = SIGNATURE.to_owned();
    for commit in &commits {
        for parent in repo.find_commit(*commit)?.parent_ids().filter(|parent| !commits.contains(parent)) {
            let line = format!("-{parent}\n");
            if !header.contains(&line) {
                header.push_str(&line);
            }
        }
    }
    header.push_str(&format!("{head} refs/heads/{branch}\n\n"));
    let mut out = BufWriter::new(File::create(path).with_context(|| path.display().to_string())?);
    out.write_all(header.as_bytes())?;
    let mut pack = repo.packbuilder()?;
    pack.insert_walk(&mut new_commits(repo, head)?)?;
    let mut written = Ok(());
    pack.foreach(|bytes| {
        written = out.write_all(bytes);
        written.is_ok()
    })?;
    written?;
    out.into_inner()?.sync_all()?;
    Ok(bundled)
}

fn new_commits(repo: &Repository, head: Oid) -> anyhow::Result<git2::Revwalk<'_>> {
    let mut walk = repo.revwalk()?;
    walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE)?;
    walk.push(head)?;
    for reference in repo.references_glob("refs/remotes/origin/*")? {
        if let Ok(commit) = reference?.peel_to_commit() {
            walk.hide(commit.id())?;
        }
    }
    Ok(walk)
}

fn unknown_to_remote(repo: &Repository, head: Oid) -> anyhow::Result<Vec<Oid>> {
    Ok(new_commits(repo, head)?.collect::<Result<_, _>>()?)
}

/// See [`super::Repository::take_over`].
pub(super) fn take_over(
    inner: &Inner,
    name: &str,
    bundled: &Bundled,
    path: &Path,
) -> Result<Vec<(String, String)>, RepoError> {
    let repo = inner.open()?;
    if repo.state() != RepositoryState::Clean {
        return Err(RepoError::Unusable("a merge or rebase is in progress; finish or abort it".into()));
    }
    branch::refuse_changes(&repo)?;
    let known = settle::known(&repo, &inner.options.rules);
    let head = repo.head().context("HEAD has no commit")?;
    let checked_out = if head.is_branch() { head.shorthand().ok().map(str::to_owned) } else { None };
    let names = settle::names(&inner.options.rules, checked_out.as_deref(), &known)?;
    if names.target != name {
        return Err(RepoError::Unusable(format!(
            "the hand-off is for the branch {name}, and this job works on {}; set PACE_BRANCH={name} in both jobs",
            names.target
        )));
    }
    let (there, _) = fetch::look(inner, &repo, &names)?;
    let new = if bundled.commits.is_empty() { vec![] } else { read(&repo, bundled, path)? };
    let tip = history::commit(&repo, &bundled.head)?.id();
    if let Some(there) = there
        && !history::contains(&repo, tip, there).context("comparing branches")?
    {
        let reason = format!(
            "the remote's {name} is at {there}, which the working job has not seen. What it judged no longer fits, and \
             without a model it cannot be judged again: run the working job again"
        );
        return Err(RepoError::Behind { branch: name.to_owned(), reason });
    }
    checkout::switch(&repo, &inner.root, name, tip)?;
    Ok(new)
}

/// Brings the bundle's objects in; its commits with their first parents.
fn read(repo: &Repository, bundled: &Bundled, path: &Path) -> Result<Vec<(String, String)>, RepoError> {
    let bad = |what: &str| RepoError::Other(anyhow::anyhow!("{}: {what}", path.display()));
    let file = File::open(path).with_context(|| path.display().to_string()).map_err(RepoError::Other)?;
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes).context("reading the bundle")?;
    let end = bytes[..bytes.len().min(HEADER)].windows(2).position(|two| two == b"\n\n");
    let end = end.ok_or_else(|| bad("not a git bundle"))?;
    let header = std::str::from_utf8(&bytes[..end]).map_err(|_| bad("not a git bundle"))?;
    let lines = header.strip_prefix(SIGNATURE).ok_or_else(|| bad("not a git bundle of version 2"))?;
    for needed in lines.lines().filter_map(|line| line.strip_prefix('-')) {
        let needed = needed.split(' ').next().unwrap_or_default();
        history::commit(repo, needed).map_err(|error| {
            RepoError::Unusable(format!("the hand-off stands on a commit that is not here: {error:#}"))
        })?;
    }
    let odb = repo.odb().context("opening the object database")?;
    let mut pack = odb.packwriter().context("opening the object database")?;
    pack.write_all(&bytes[end + 2..]).map_err(|error| bad(&format!("its pack cannot be read: {error}")))?;
    pack.commit().map_err(|error| bad(&format!("its pack cannot be read: {}", error.message())))?;
    let mut new = Vec::new();
    for sha in &bundled.commits {
        let commit = history::commit(repo, sha)?;
        let parent = commit.parent_id(0).map_err(|_| bad("it holds a commit without a parent"))?;
        new.push((parent.to_string(), sha.clone()));
    }
    let tip = history::commit(repo, &bundled.head)?.id();
    let outside = unknown_to_remote(repo, tip)?.into_iter().map(|id| id.to_string());
    let unnamed: Vec<_> = outside.filter(|id| !bundled.commits.contains(id)).collect();
    if let Some(unnamed) = unnamed.first() {
        return Err(bad(&format!("it holds the commit {unnamed}, which the manifest does not name")));
    }
    Ok(new)
}
