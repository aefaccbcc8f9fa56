//! A branch as a file: the commits that the remote does not have yet, in git's own bundle format (version 2), so that
//! `git bundle verify` reads it too. Knows nothing of what the commits are good for.

use std::collections::HashSet;
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
const HEADER: u64 = 1 << 20;
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
    let header = header(repo, branch, &commits, head)?;
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
    let file = out.into_inner()?;
    file.sync_all()?;
    let length = file.metadata()?.len();
    anyhow::ensure!(length <= LARGEST, "the new commits of {branch} {}", too_large(length));
    Ok(bundled)
}

/// What the reader must have, each commit once, and what it gets.
fn header(repo: &Repository, branch: &str, commits: &[Oid], head: Oid) -> anyhow::Result<String> {
    let new: HashSet<&Oid> = commits.iter().collect();
    let mut named = HashSet::new();
    let mut header = SIGNATURE.to_owned();
    for commit in commits {
        for parent in repo.find_commit(*commit)?.parent_ids() {
            if !new.contains(&parent) && named.insert(parent) {
                header.push_str(&format!("-{parent}\n"));
            }
        }
    }
    header.push_str(&format!("{head} refs/heads/{branch}\n\n"));
    Ok(header)
}

/// What is wrong with so large a bundle, and the mend.
fn too_large(length: u64) -> String {
    format!(
        "come to {length} bytes, and a hand-off carries {LARGEST} at most: keep large files out of git, or run the day in \
         one job (PACE_STAGE=all)"
    )
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
    let here = settle::local_tip(&repo, name);
    if let Some(here) = here
        && !history::contains(&repo, tip, here).context("comparing branches")?
    {
        // They may be a person's, who had not pushed them.
        let kept = branch::keep_left(&repo, name, here)?;
        tracing::warn!("{kept}: it has commits that the hand-off has not");
    }
    checkout::switch(&repo, &inner.root, name, tip)?;
    Ok(new)
}

/// Brings the bundle's objects in; its commits with their first parents.
fn read(repo: &Repository, bundled: &Bundled, path: &Path) -> Result<Vec<(String, String)>, RepoError> {
    let bad = |what: &str| RepoError::Other(anyhow::anyhow!("{}: {what}", path.display()));
    let file = File::open(path).with_context(|| path.display().to_string()).map_err(RepoError::Other)?;
    let length = file.metadata().context("reading the bundle")?.len();
    if length > LARGEST {
        return Err(bad(&format!("its commits {}", too_large(length))));
    }
    let mut file = file.take(length);
    let mut start = Vec::new();
    file.by_ref().take(HEADER).read_to_end(&mut start).context("reading the bundle")?;
    let end = start.windows(2).position(|two| two == b"\n\n");
    let end = end.ok_or_else(|| bad("not a git bundle"))?;
    let header = std::str::from_utf8(&start[..end]).map_err(|_| bad("not a git bundle"))?;
    let lines = header.strip_prefix(SIGNATURE).ok_or_else(|| bad("not a git bundle of version 2"))?;
    for needed in lines.lines().filter_map(|line| line.strip_prefix('-')) {
        let needed = needed.split(' ').next().unwrap_or_default();
        history::commit(repo, needed).map_err(|error| {
            RepoError::Unusable(format!("the hand-off stands on a commit that is not here: {error:#}"))
        })?;
    }
    let odb = repo.odb().context("opening the object database")?;
    let mut pack = odb.packwriter().context("opening the object database")?;
    std::io::copy(&mut start[end + 2..].chain(file), &mut pack)
        .map_err(|error| bad(&format!("its pack cannot be read: {error}")))?;
    pack.commit().map_err(|error| bad(&format!("its pack cannot be read: {}", error.message())))?;
    let mut new = Vec::new();
    for sha in &bundled.commits {
        let commit = history::commit(repo, sha)?;
        let parent = commit.parent_id(0).map_err(|_| bad("it holds a commit without a parent"))?;
        new.push((parent.to_string(), sha.clone()));
    }
    let tip = history::commit(repo, &bundled.head)?.id();
    let outside = unknown_to_remote(repo, tip)?.into_iter().map(|id| id.to_string());
    let named: HashSet<&String> = bundled.commits.iter().collect();
    if let Some(unnamed) = outside.into_iter().find(|id| !named.contains(id)) {
        return Err(bad(&format!("it holds the commit {unnamed}, which the manifest does not name")));
    }
    Ok(new)
}
