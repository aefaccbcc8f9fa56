//! `GitRepo`: the [`Repository`] of a checkout. It owns the settings and hands each call to the file that does it;
//! it knows no git itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::{Context, anyhow};
use futures_util::future::BoxFuture;

use super::bundle::Bundled;
use super::ignored::{Noted, left, removed};
use super::left_locks::{self, Locks};
use super::remote::Remote;
use super::transport::Session;
use super::{
    Branch, BranchRules, Caught, Identity, Outlook, PushOutlook, PushRules, Pushed, RepoError, Repository,
    Restoring, Stored, Yields, aside, authorship, branch, bundle, catch_up,
    checkpoint::{self, Point, Spared},
    commit, diff, exchange, handle, history, push, settle, status, untracked,
};
use crate::domain::dependencies::Dependencies;
use crate::domain::diff::Diff;

/// What a [`GitRepo`] is told at start.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub rules: BranchRules,
    /// Author and committer of every commit.
    pub identity: Identity,
    pub push: PushRules,
    /// URL that is fetched from and pushed to; `None` = `remote.origin.url` as it stands in `.git/config`.
    pub remote: Option<String>,
    /// What the setup made: untracked, perhaps by no ignore file's word, and no change of anybody's.
    pub kept: Dependencies,
    /// The shared client. Build it with `redirect::Policy::none()`: an answer that came through a redirect is
    /// refused.
    pub http: reqwest::Client,
    /// Where the client's futures run; network calls block a thread of its blocking pool.
    pub runtime: tokio::runtime::Handle,
}

/// A checkout, through libgit2.
#[derive(Debug, Clone)]
pub(crate) struct GitRepo {
    pub(super) inner: Arc<Inner>,
}

/// What every file of this room works with.
#[derive(Debug)]
pub(super) struct Inner {
    pub root: PathBuf,
    pub options: Options,
    /// Read once at start, before any child process ran.
    pub remote: Remote,
    /// Whether that is the remote that `.git/config` calls `origin`.
    pub is_origin: bool,
    /// What git ignored when the run began.
    pub noted: Mutex<Option<Noted>>,
}

impl GitRepo {
    /// Opens the repository whose work tree is `root` (see [`super::discover`]).
    ///
    /// # Errors
    /// [`RepoError::Unusable`] where `root` is no work tree, or one that cannot be worked on (bare, sparse, partial).
    pub(crate) fn open(root: &Path, mut options: Options) -> Result<Self, RepoError> {
        handle::whole(&handle::open(root)?);
        if handle::local_value(root, "core.sparseCheckout").is_some_and(|value| value == "true") {
            return Err(RepoError::Unusable(format!(
                "{} is a sparse checkout; run `git sparse-checkout disable`, or check out all files",
                root.display()
            )));
        }
        let explicit = options.remote.take();
        let is_origin = explicit.is_none();
        let url = explicit.or_else(|| handle::local_value(root, "remote.origin.url"));
        let remote = Remote::of(root, url.as_deref(), options.push.credential.as_ref());
        let root = root.to_path_buf();
        Ok(Self { inner: Arc::new(Inner { root, options, remote, is_origin, noted: Mutex::default() }) })
    }

    /// Where fetches and pushes go, without any credential; `None` without a remote.
    pub(crate) fn remote_url(&self) -> Option<String> {
        self.inner.remote.shown()
    }

    /// Runs `work` on a thread that may block.
    pub(super) async fn blocking<T, F>(&self, work: F) -> Result<T, RepoError>
    where
        T: Send + 'static,
        F: FnOnce(&Inner) -> Result<T, RepoError> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let task = self.inner.options.runtime.spawn_blocking(move || work(&inner));
        task.await.map_err(|error| RepoError::Other(anyhow!(error).context("git work was ended")))?
    }
}

impl Inner {
    /// A fresh handle.
    pub(super) fn open(&self) -> anyhow::Result<git2::Repository> {
        Ok(handle::open(&self.root)?)
    }

    /// What the HTTP transport needs for one connection.
    pub(super) fn session(&self) -> Session {
        Session::new(
            self.options.http.clone(),
            self.options.runtime.clone(),
            self.remote.credential().cloned(),
        )
    }
}

impl Repository for GitRepo {
    fn prepare_branch(&self) -> BoxFuture<'_, Result<Branch, RepoError>> {
        Box::pin(self.blocking(branch::prepare))
    }

    fn head(&self) -> anyhow::Result<String> {
        let repo = self.inner.open()?;
        let head = repo.head().and_then(|head| head.peel_to_commit());
        Ok(head.context("HEAD has no commit")?.id().to_string())
    }

    fn checked_out(&self) -> anyhow::Result<Option<String>> {
        let repo = self.inner.open()?;
        let head = repo.head()?;
        Ok(if head.is_branch() { Some(head.shorthand()?.to_owned()) } else { None })
    }

    fn untracked(&self) -> anyhow::Result<BTreeSet<String>> {
        let mut untracked = status::untracked(&self.inner.open()?)?;
        untracked.retain(|path| !self.inner.options.kept.hold(path));
        Ok(untracked)
    }

    fn ignored(&self) -> anyhow::Result<Vec<String>> {
        status::ignored(&self.inner.open()?)
    }

    fn work_diff(&self, except: &BTreeSet<String>) -> anyhow::Result<Diff> {
        diff::of_work_tree(&self.inner.open()?, except, &self.inner.options.kept)
    }

    fn day_diff(&self, base: &str, commit: &str) -> anyhow::Result<Diff> {
        let repo = self.inner.open()?;
        let start = history::day_start(&repo, &self.inner.options.rules, base, commit)?;
        let end = history::commit(&repo, commit)?.tree()?;
        diff::of_trees(&repo, &start, &end)
    }

    fn day_work_diff(&self, base: &str, except: &BTreeSet<String>) -> anyhow::Result<Diff> {
        let repo = self.inner.open()?;
        let start = history::day_start(&repo, &self.inner.options.rules, base, &self.head()?)?;
        diff::work_tree_since(&repo, &start, except, &self.inner.options.kept)
    }

    fn day_start(
        &self,
        base: &str,
        commit: &str,
        paths: &[String],
    ) -> anyhow::Result<BTreeMap<String, Option<Stored>>> {
        let repo = self.inner.open()?;
        let start = history::day_start(&repo, &self.inner.options.rules, base, commit)?;
        paths.iter().map(|path| Ok((path.clone(), history::stored(&repo, &start, path)?))).collect()
    }

    fn exchange(&self, instead: &BTreeMap<String, Option<Stored>>, kept: &[String]) -> anyhow::Result<()> {
        exchange::exchange(&self.inner.root, instead, kept)
    }

    fn put_back(&self) -> anyhow::Result<()> {
        exchange::put_back(&self.inner.root)
    }

    fn commit(&self, paths: &[String], message: &str) -> anyhow::Result<String> {
        commit::commit(&self.inner.open()?, &self.inner.options.identity, paths, message)
    }

    fn show(&self, commit: &str, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        history::show(&self.inner.open()?, commit, path)
    }

    fn work_file(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        status::work_file(&self.inner.root, path)
    }

    fn paths(&self, commit: &str) -> anyhow::Result<Vec<String>> {
        history::paths(&self.inner.open()?, commit)
    }

    fn is_ancestor(&self, ancestor: &str, commit: &str) -> anyhow::Result<bool> {
        history::is_ancestor(&self.inner.open()?, ancestor, commit)
    }

    fn base_tips(&self) -> anyhow::Result<Vec<String>> {
        let repo = self.inner.open()?;
        let base = settle::known(&repo, &self.inner.options.rules);
        Ok(settle::tips(&repo, &base).iter().map(ToString::to_string).collect())
    }

    fn set_untracked_aside(&self) -> anyhow::Result<BTreeSet<String>> {
        aside::set(&self.inner.open()?, &self.inner.root, &self.inner.options.kept)
    }

    fn restore_untracked(&self) -> anyhow::Result<()> {
        aside::restore(&self.inner.root)
    }

    fn beside_git(&self) -> anyhow::Result<BTreeSet<String>> {
        untracked::entries(&self.inner.open()?)
    }

    fn note_ignored(&self, run: &str) -> anyhow::Result<()> {
        let (repo, made) = (self.inner.open()?, &self.inner.options.kept);
        removed::prune(&self.inner.root, run, SystemTime::now());
        let noted = Noted::take(&repo, &self.inner.root, made, run)?;
        left::keep(&repo, &noted, made)?;
        *self.inner.noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(noted);
        Ok(())
    }

    fn restore_ignored(&self, when: Restoring) -> anyhow::Result<Vec<String>> {
        let noted = self.inner.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(noted) = noted.as_ref() else { return Ok(vec![]) };
        noted.restore(&self.inner.open()?, &self.inner.root, &self.inner.options.kept, when)
    }

    fn clear_left_locks(&self, died: Option<i64>) -> BoxFuture<'_, anyhow::Result<Locks>> {
        Box::pin(async move {
            let git = self.inner.open()?.path().to_path_buf();
            Ok(left_locks::clear(&git, died).await)
        })
    }

    fn forget_ignored(&self) -> anyhow::Result<()> {
        left::forget(&self.inner.open()?)
    }

    fn put_away(&self, run: &str, paths: &[String]) -> anyhow::Result<()> {
        paths.iter().try_for_each(|path| removed::put_away(&self.inner.root, run, path))
    }

    fn set_left_aside(&self, run: &str, until: SystemTime) -> anyhow::Result<Vec<String>> {
        left::set_aside(&self.inner.open()?, &self.inner.root, run, until)
    }

    fn reset_paths(&self, paths: &[String]) -> anyhow::Result<()> {
        commit::reset(&self.inner.open()?, paths)
    }

    fn before_first(&self, trailers: &[String]) -> anyhow::Result<Option<String>> {
        const FAR: usize = 1000;
        let repo = self.inner.open()?;
        let mut commit = repo.head()?.peel_to_commit().context("HEAD has no commit")?;
        let mut found = None;
        for _ in 0..FAR {
            let Ok(parent) = commit.parent(0) else { break };
            let message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
            if trailers.iter().all(|trailer| message.lines().any(|line| line == trailer)) {
                found = Some(parent.id().to_string());
            }
            commit = parent;
        }
        Ok(found)
    }

    fn lines_by(&self, trailer: &str, path: &str) -> anyhow::Result<BTreeSet<String>> {
        authorship::lines_by(&self.inner.open()?, trailer, path)
    }

    fn head_message(&self) -> anyhow::Result<String> {
        let repo = self.inner.open()?;
        let head = repo.head()?.peel_to_commit().context("HEAD has no commit")?;
        Ok(String::from_utf8_lossy(head.message_bytes()).into_owned())
    }

    fn reviewed_message(&self) -> anyhow::Result<String> {
        let repo = self.inner.open()?;
        let head = repo.head()?.peel_to_commit().context("HEAD has no commit")?;
        let reviewed = head.parent(1).unwrap_or(head);
        Ok(String::from_utf8_lossy(reviewed.message_bytes()).into_owned())
    }

    fn catch_up<'a>(
        &'a self,
        branch: &'a str,
        yields: &'a Yields,
    ) -> BoxFuture<'a, Result<Caught, RepoError>> {
        let (branch, yields) = (branch.to_owned(), yields.clone());
        Box::pin(self.blocking(move |inner| catch_up::catch_up(inner, &branch, &yields)))
    }

    fn outlook(&self) -> Result<Outlook, RepoError> {
        branch::outlook(&self.inner)
    }

    fn may_push(&self) -> BoxFuture<'_, Result<PushOutlook, RepoError>> {
        Box::pin(self.blocking(push::probe))
    }

    fn take_back(&self, paths: &[String]) -> anyhow::Result<()> {
        let repo = self.inner.open()?;
        commit::reset(&repo, paths)?;
        commit::remove_new(&repo, &self.inner.root, paths)
    }

    fn bundle(&self, branch: &str, path: &Path) -> anyhow::Result<Bundled> {
        bundle::write(&self.inner.open()?, branch, path)
    }

    fn take_over<'a>(
        &'a self,
        branch: &'a str,
        bundled: &'a Bundled,
        path: &'a Path,
    ) -> BoxFuture<'a, Result<Vec<(String, String)>, RepoError>> {
        let (branch, bundled, path) = (branch.to_owned(), bundled.clone(), path.to_path_buf());
        Box::pin(self.blocking(move |inner| bundle::take_over(inner, &branch, &bundled, &path)))
    }

    fn checkpoint(&self, name: &str, spared: &Spared<'_>) -> anyhow::Result<String> {
        checkpoint::keep(&self.inner.open()?, name, spared)
    }

    fn forget_checkpoints(&self, name: &str) -> anyhow::Result<()> {
        checkpoint::forget(&self.inner.open()?, name)
    }

    fn head_of(&self, point: Point<'_>) -> anyhow::Result<Option<String>> {
        checkpoint::head_of(&self.inner.open()?, point)
    }

    fn differences(&self, point: Point<'_>, spared: &Spared<'_>) -> anyhow::Result<BTreeSet<String>> {
        checkpoint::differences(&self.inner.open()?, point, spared)
    }

    fn restore(&self, point: Point<'_>, spared: &Spared<'_>) -> anyhow::Result<()> {
        checkpoint::restore(&self.inner.open()?, &self.inner.root, point, spared)
    }

    fn push<'a>(&'a self, branch: &'a str) -> BoxFuture<'a, Result<Pushed, RepoError>> {
        let branch = branch.to_owned();
        Box::pin(self.blocking(move |inner| push::push(inner, &branch)))
    }
}
