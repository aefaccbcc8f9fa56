//! Settles on the branch of a run: refuses what cannot be worked on, looks at the remote, and decides which commit
//! the branch is to stand on. The work tree is changed by `checkout` alone.

use anyhow::Context;
use git2::{Oid, Repository, RepositoryState};

use super::git::Inner;
use super::settle::{self, Names};
use super::{Branch, Outlook, RepoError, aside, checkout, exchange, fetch, history, status};

/// Files of earlier days that pace itself writes; a run that ended early may have left them uncommitted.
const DAY_FILES: &str = ".pace/day-";

/// Files into which a run writes the forge's answer after its commit. The next run starts from the committed ones.
const ANSWERED_FILES: [&str; 3] = ["/review-pr.md", "/escalation-issue.md", "/pace-summary.md"];

/// See [`super::Repository::prepare_branch`].
pub(super) fn prepare(inner: &Inner) -> Result<Branch, RepoError> {
    let repo = super::handle::open(&inner.root)?;
    refuse_state(&repo)?;
    if repo.head().is_err() {
        return unusable("the checked-out branch has no commit yet; make a first commit".into());
    }
    let known = settle::known(&repo, &inner.options.rules);
    let head = Head::of(&repo)?;
    let names = settle::names(&inner.options.rules, head.branch.as_deref(), &known)?;
    exchange::put_back(&inner.root)?;
    aside::restore(&inner.root)?;
    refuse_changes(&repo)?;
    take_answers_back(&repo)?;

    let mut run = Run { inner, repo: &repo, names, head, actions: Vec::new() };
    let (there, problem) = fetch::look(inner, &repo, &run.names)?;
    run.actions.extend(problem);
    let commit = run.settle_commit(there)?;
    let attached = run.head.branch.as_deref() == Some(run.names.target.as_str());
    if commit != run.head.commit || !attached {
        checkout::switch(&repo, &inner.root, &run.names.target, commit)?;
        if !attached {
            run.actions.push(format!("checked out {}", run.names.target));
        }
    }
    Ok(Branch {
        name: run.names.target,
        base: run.names.base,
        head: commit.to_string(),
        actions: run.actions,
    })
}

/// See [`super::Repository::outlook`].
pub(super) fn outlook(inner: &Inner) -> Result<Outlook, RepoError> {
    let repo = super::handle::open(&inner.root)?;
    let head = match repo.head() {
        Ok(_) => Head::of(&repo)?.branch,
        Err(_) => return unusable("the checked-out branch has no commit yet; make a first commit".into()),
    };
    let known = settle::known(&repo, &inner.options.rules);
    let names = settle::names(&inner.options.rules, head.as_deref(), &known)?;
    let shallow = repo.is_shallow().then_some(history::DEEPEN);
    let refusal = match refuse_state(&repo).and_then(|()| refuse_changes(&repo)) {
        Ok(()) => None,
        Err(RepoError::Unusable(problem)) => Some(problem),
        Err(error) => return Err(error),
    };
    let at_start =
        head.as_deref() == Some(names.target.as_str()) || settle::tips(&repo, &names.target).is_empty();
    Ok(Outlook { branch: names.target, base: names.base, shallow, refusal, at_start })
}

/// Where HEAD is at start.
struct Head {
    /// `None` where HEAD is detached.
    branch: Option<String>,
    commit: Oid,
    parents: Vec<Oid>,
}

impl Head {
    fn of(repo: &Repository) -> anyhow::Result<Self> {
        let head = repo.head()?;
        let commit = head.peel_to_commit().context("HEAD is no commit")?;
        let branch = if head.is_branch() { Some(head.shorthand()?.to_owned()) } else { None };
        Ok(Self { branch, commit: commit.id(), parents: commit.parent_ids().collect() })
    }
}

/// How two tips of one branch lie to each other.
enum Order {
    First,
    Second,
    Diverged,
}

struct Run<'a> {
    inner: &'a Inner,
    repo: &'a Repository,
    names: Names,
    head: Head,
    actions: Vec<String>,
}

impl Run<'_> {
    /// The commit that the target branch is to stand on.
    fn settle_commit(&mut self, there: Option<Oid>) -> Result<Oid, RepoError> {
        let target = self.names.target.clone();
        let here = settle::local_tip(self.repo, &target);
        if self.head.branch.as_deref() == Some(target.as_str()) {
            return self.newer_of_own(self.head.commit, there);
        }
        if self.head.branch.is_none() && self.names.start.as_deref() == Some(target.as_str()) {
            return self.attach(there, here);
        }
        let tip = match (there, here) {
            (None, None) => {
                let from = self.names.start.as_deref().unwrap_or("HEAD");
                self.actions.push(format!("created {target} from {from}"));
                return Ok(self.head.commit);
            }
            (Some(tip), None) | (None, Some(tip)) => tip,
            (Some(there), Some(here)) if self.head.branch.is_some() => {
                self.newer_of_own(here, Some(there))?
            }
            (Some(there), Some(here)) => self.replace_leftover(there, Some(here))?,
        };
        let on_base = self.names.start.as_deref() == Some(self.names.base.as_str());
        let at_start = self.head.branch.is_none() || self.head.branch == self.names.start;
        if on_base && at_start { self.merge_base_branch(tip) } else { Ok(tip) }
    }

    /// A person's branch and the remote's: the newer one; a person decides where they diverged.
    fn newer_of_own(&mut self, here: Oid, there: Option<Oid>) -> Result<Oid, RepoError> {
        let target = self.names.target.clone();
        let Some(there) = there else { return Ok(here) };
        match self.order(here, there)? {
            Order::First => Ok(here),
            Order::Second => {
                self.actions.push(format!("fast-forwarded {target} to the remote's"));
                Ok(there)
            }
            Order::Diverged => unusable(format!(
                "{target} and the remote's {target} have both moved on; merge or rebase one onto the other"
            )),
        }
    }

    /// Attaches the CI's detached HEAD to the branch that the CI names. HEAD may be older than the remote's branch
    /// (which moved on since), or the CI's own trial merge of a review, which is not to be pushed.
    fn attach(&mut self, there: Option<Oid>, here: Option<Oid>) -> Result<Oid, RepoError> {
        let target = self.names.target.clone();
        let trial_merge =
            there.is_some_and(|there| self.head.parents.len() > 1 && self.head.parents.contains(&there));
        let tip = match there {
            Some(there) if trial_merge => there,
            Some(there) => match self.order(self.head.commit, there)? {
                Order::First => self.head.commit,
                Order::Second => there,
                Order::Diverged => {
                    return unusable(format!(
                        "the checked-out commit {} is not on {target}",
                        short(self.head.commit)
                    ));
                }
            },
            None => self.head.commit,
        };
        if tip != self.head.commit {
            self.actions.push(format!("moved to the remote's {target}"));
        }
        self.replace_leftover(tip, here)
    }

    /// On a reused CI work tree a local branch may be left from an earlier run: one with unpushed commits on top
    /// goes on, one that went elsewhere is kept under another reference.
    fn replace_leftover(&mut self, tip: Oid, here: Option<Oid>) -> Result<Oid, RepoError> {
        let Some(here) = here else { return Ok(tip) };
        match self.order(tip, here)? {
            Order::First => Ok(tip),
            Order::Second => Ok(here),
            Order::Diverged => {
                self.actions.push(keep_left(self.repo, &self.names.target, here)?);
                Ok(tip)
            }
        }
    }

    /// Brings HEAD, which is the base branch's, into the target.
    fn merge_base_branch(&mut self, tip: Oid) -> Result<Oid, RepoError> {
        let (base, target) = (self.names.base.clone(), self.names.target.clone());
        let new = self.head.commit;
        match self.order(tip, new) {
            Ok(Order::First) => return Ok(tip),
            Ok(Order::Second) => {
                self.actions.push(format!("fast-forwarded {target} to {base}"));
                return Ok(new);
            }
            Ok(Order::Diverged) => {}
            Err(error) => return Err(error),
        }
        let merged = checkout::merge(self.repo, &self.inner.options.identity, (&target, tip), (&base, new))?;
        self.actions.push(format!("merged {base}"));
        Ok(merged)
    }

    /// Which of two tips contains the other. Without a common ancestor in a shallow clone nobody can say.
    fn order(&self, first: Oid, second: Oid) -> Result<Order, RepoError> {
        let contains = |commit, ancestor| history::contains(self.repo, commit, ancestor);
        if contains(first, second).context("comparing branches")? {
            return Ok(Order::First);
        }
        if contains(second, first).context("comparing branches")? {
            return Ok(Order::Second);
        }
        let base = history::merge_base(self.repo, first, second).context("comparing branches")?;
        if base.is_none() && self.repo.is_shallow() {
            return unusable(format!(
                "cannot tell how {} relates to what is checked out: {}",
                self.names.target,
                history::DEEPEN
            ));
        }
        Ok(Order::Diverged)
    }
}

/// Keeps what a local `branch` had before it is set elsewhere, under a reference of its own; a line for the log.
pub(super) fn keep_left(repo: &Repository, branch: &str, tip: Oid) -> anyhow::Result<String> {
    let kept = format!("refs/pace/left/{branch}/{}", short(tip));
    repo.reference(&kept, tip, true, "left by an earlier run").context("keeping a branch")?;
    Ok(format!("kept the earlier local {branch} as {kept}"))
}

fn is_answered(path: &str) -> bool {
    path.starts_with(".pace/") && ANSWERED_FILES.iter().any(|name| path.ends_with(name))
}

fn take_answers_back(repo: &Repository) -> Result<(), RepoError> {
    let changed = status::changed(repo)?.into_iter().filter(|c| c.tracked && is_answered(&c.path));
    let paths: Vec<_> = changed.map(|c| c.path).collect();
    if paths.is_empty() { Ok(()) } else { Ok(super::commit::reset(repo, &paths)?) }
}

fn refuse_state(repo: &Repository) -> Result<(), RepoError> {
    match repo.state() {
        RepositoryState::Clean => Ok(()),
        state => unusable(format!("a {} is in progress; finish or abort it", activity(state))),
    }
}

pub(super) fn refuse_changes(repo: &Repository) -> Result<(), RepoError> {
    let changed = status::changed(repo)?.into_iter();
    let files: Vec<_> = changed
        .filter(|c| c.tracked && !(c.path.starts_with(DAY_FILES) || is_answered(&c.path)))
        .map(|c| c.path)
        .collect();
    if files.is_empty() {
        return Ok(());
    }
    let more = files.len().saturating_sub(20);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let files = files[..files.len().min(20)].join(", ");
    unusable(format!("tracked files are modified: {files}{more}; commit, stash or restore them"))
}

fn activity(state: RepositoryState) -> &'static str {
    match state {
        RepositoryState::Merge => "merge",
        RepositoryState::Revert | RepositoryState::RevertSequence => "revert",
        RepositoryState::CherryPick | RepositoryState::CherryPickSequence => "cherry-pick",
        RepositoryState::Bisect => "bisect",
        RepositoryState::ApplyMailbox | RepositoryState::ApplyMailboxOrRebase => "`git am`",
        _ => "rebase",
    }
}

fn short(id: Oid) -> String {
    id.to_string().chars().take(10).collect()
}

fn unusable<T>(problem: String) -> Result<T, RepoError> {
    Err(RepoError::Unusable(problem))
}
