//! The git repository in the domain's words, through libgit2 alone: no `git` program, hook, filter, fsmonitor
//! or configured command is ever run.

pub(crate) mod absent;
mod aside;
mod attributes;
mod authorship;
mod branch;
pub(crate) mod bundle;
mod catch_up;
mod checkout;
pub(crate) mod checkpoint;
mod commit;
mod diff;
mod exchange;
mod fetch;
mod git;
mod handle;
mod history;
mod ignored;
mod init;
mod left_locks;
mod own_refs;
mod push;
mod refusal;
mod remote;
mod settle;
mod status;
mod transport;
mod untracked;

#[cfg(test)]
mod tests;

pub(crate) use git::{GitRepo, Options};
pub(crate) use handle::discover;
pub(crate) use init::init;
pub(crate) use own_refs::{Kept, OwnRefs, ReadRefs, Swapped, names as own_names};
pub(crate) use refusal::JOB_USER;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::SystemTime;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::domain::diff::Diff;
use bundle::Bundled;
use checkpoint::{Point, Spared};

/// What ignored files are made again for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restoring {
    /// A test run that judges a commit alone.
    ForTests,
    /// The end of the run.
    AtEnd,
}

/// What the day needs of a repository.
pub(crate) trait Repository: Send + Sync {
    /// Settles on the branch that commits go to and checks it out (SPEC: branch). Refuses tags, fork refs,
    /// unborn branches, modified tracked files, and merges that conflict.
    fn prepare_branch(&self) -> BoxFuture<'_, Result<Branch, RepoError>>;

    /// Full SHA of HEAD.
    fn head(&self) -> anyhow::Result<String>;

    /// The branch that is checked out; `None` where HEAD is detached.
    fn checked_out(&self) -> anyhow::Result<Option<String>>;

    /// Untracked, unignored files of the work tree, `/`-separated.
    fn untracked(&self) -> anyhow::Result<BTreeSet<String>>;

    /// Ignored entries of the work tree, `/`-separated; a folder that is ignored as a whole is one entry ending with `/`.
    fn ignored(&self) -> anyhow::Result<Vec<String>>;

    /// HEAD → work tree, without ignored files and without the untracked files named in `except`.
    fn work_diff(&self, except: &BTreeSet<String>) -> anyhow::Result<Diff>;

    /// The day diff: `base` → `commit`, merges from the base branch excluded, renames detected.
    fn day_diff(&self, base: &str, commit: &str) -> anyhow::Result<Diff>;

    /// The day diff as it would be if the work tree were committed now, without the untracked files in `except`.
    fn day_work_diff(&self, base: &str, except: &BTreeSet<String>) -> anyhow::Result<Diff>;

    /// `paths` as the day's own work found them: those of `base` with the merges from the base branch that `commit`
    /// contains. `None` for what is absent there or no file.
    fn day_start(
        &self,
        base: &str,
        commit: &str,
        paths: &[String],
    ) -> anyhow::Result<BTreeMap<String, Option<Stored>>>;

    /// Puts `instead` in the place of files of the work tree (`None`: no file there), after a copy of these and of
    /// `kept` was laid by. [`Repository::put_back`] undoes it; after an interrupted run the next start does.
    fn exchange(&self, instead: &BTreeMap<String, Option<Stored>>, kept: &[String]) -> anyhow::Result<()>;

    /// Makes the files of [`Repository::exchange`] what they were before it; nothing where there was none.
    fn put_back(&self) -> anyhow::Result<()>;

    /// Commits exactly `paths` as they stand in the work tree (deleted files as deletions) on top of HEAD and
    /// returns the new SHA; HEAD's SHA where nothing changed.
    fn commit(&self, paths: &[String], message: &str) -> anyhow::Result<String>;

    /// Content of `path` in `commit`; `None` where it is absent.
    fn show(&self, commit: &str, path: &str) -> anyhow::Result<Option<Vec<u8>>>;

    /// What a commit of `path` would take from the work tree: a file's content, a link's target; `None` where neither
    /// is there.
    fn work_file(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>>;

    /// All paths of `commit`.
    fn paths(&self, commit: &str) -> anyhow::Result<Vec<String>>;

    /// Whether `ancestor` is reachable from `commit` (or is it); false where either is unknown.
    fn is_ancestor(&self, ancestor: &str, commit: &str) -> anyhow::Result<bool>;

    /// Tips of the branch that reviews go to, as far as this clone knows them: the remote's and its own.
    fn base_tips(&self) -> anyhow::Result<Vec<String>>;

    /// Moves untracked, unignored files out of the work tree, so that a test run judges the commit alone.
    /// [`Repository::restore_untracked`] brings them back; an interrupted run's files come back at the next start.
    fn set_untracked_aside(&self) -> anyhow::Result<BTreeSet<String>>;

    /// Undoes [`Repository::set_untracked_aside`].
    fn restore_untracked(&self) -> anyhow::Result<()>;

    /// Untracked and ignored paths; a folder without a tracked file is one entry that ends with `/`.
    fn beside_git(&self) -> anyhow::Result<BTreeSet<String>>;

    /// Notes the ignored files as they are, build outputs and dependencies apart; also for a later process, until
    /// [`Repository::forget_ignored`]. `run` names the folder below `.pace/.run/removed` of what is moved away.
    fn note_ignored(&self, run: &str) -> anyhow::Result<()>;

    /// Makes the ignored files what they were when they were noted; the paths of those that were not. What was
    /// written since then lies in the run's folder below `.pace/.run/removed`. What was noted and is too large to be kept
    /// is brought back by [`Repository::restore_untracked`].
    fn restore_ignored(&self, when: Restoring) -> anyhow::Result<Vec<String>>;

    /// Removes the lock files of git that a run left which was killed; `died`: its last sign of life, seconds since 1970.
    /// Locks that are not its own are told and left alone.
    fn clear_left_locks(&self, died: Option<i64>) -> BoxFuture<'_, anyhow::Result<left_locks::Locks>>;

    /// The run is over: what it noted of ignored files is of no use to a later one.
    fn forget_ignored(&self) -> anyhow::Result<()>;

    /// Moves these ignored files to the folder of `run` below `.pace/.run/removed`.
    fn put_away(&self, run: &str, paths: &[String]) -> anyhow::Result<()>;

    /// Moves ignored files to the folder of `run` below `.pace/.run/removed` that it wrote, which came to no end; their
    /// paths. What changed after `until`, the last that it can have written, is somebody else's.
    fn set_left_aside(&self, run: &str, until: SystemTime) -> anyhow::Result<Vec<String>>;

    /// Makes tracked files of the work tree equal to HEAD again (for a change that must not stay).
    fn reset_paths(&self, paths: &[String]) -> anyhow::Result<()>;

    /// The parent of the earliest commit on HEAD's first-parent line whose message holds all of `trailers`, each a
    /// line of its own; `None` where no commit does. Looks at 1000 commits at most.
    fn before_first(&self, trailers: &[String]) -> anyhow::Result<Option<String>>;

    /// Lines of `path` at HEAD that commits brought whose message has a line that starts with `trailer`. Looks at 1000
    /// commits of HEAD's first-parent line at most; a merge brings nothing of its own, and what is older is not told.
    fn lines_by(&self, trailer: &str, path: &str) -> anyhow::Result<BTreeSet<String>>;

    /// Message of HEAD's commit.
    fn head_message(&self) -> anyhow::Result<String>;

    /// Message of the commit that a review is about: HEAD's, or where CI checked out a trial merge (base first, review
    /// second) the one of the review's head, as far as this clone has it.
    fn reviewed_message(&self) -> anyhow::Result<String>;

    /// Merges what the remote's `branch` has and the checked-out `branch` has not, after a push that came too late;
    /// HEAD is the merge then. Nothing has changed when this refuses.
    fn catch_up<'a>(
        &'a self,
        branch: &'a str,
        yields: &'a Yields,
    ) -> BoxFuture<'a, Result<Caught, RepoError>>;

    /// Which branch a run would work on. Changes nothing and asks nobody.
    fn outlook(&self) -> Result<Outlook, RepoError>;

    /// Asks the remote whether it would take a push with this credential; sends nothing.
    fn may_push(&self) -> BoxFuture<'_, Result<PushOutlook, RepoError>>;

    /// Makes files of the work tree as HEAD has them, those that HEAD does not have included.
    fn take_back(&self, paths: &[String]) -> anyhow::Result<()>;

    /// Writes the commits of the local `branch` that the remote does not have, as far as this clone knows, to `path`:
    /// a git bundle, and no file where there are none.
    fn bundle(&self, branch: &str, path: &Path) -> anyhow::Result<Bundled>;

    /// Checks `branch` out as `bundled` has it; its new commits come from the bundle at `path`, in another clone.
    /// Returns them as pairs of first parent and commit, oldest first. Refuses a branch that this run would not work
    /// on, modified tracked files, and a remote branch that has moved on.
    fn take_over<'a>(
        &'a self,
        branch: &'a str,
        bundled: &'a Bundled,
        path: &'a Path,
    ) -> BoxFuture<'a, Result<Vec<(String, String)>, RepoError>>;

    /// Keeps HEAD and the work tree as they are, without ignored files and what is `spared`, in a commit of the local object database that `refs/pace/run/<name>` keeps alive; its SHA. No branch, index or
    /// file changes.
    fn checkpoint(&self, name: &str, spared: &Spared<'_>) -> anyhow::Result<String>;

    /// Lets go of the checkpoints of `name`.
    fn forget_checkpoints(&self, name: &str) -> anyhow::Result<()>;

    /// SHA of HEAD at `point`; `None` where this repository does not have it.
    fn head_of(&self, point: Point<'_>) -> anyhow::Result<Option<String>>;

    /// Files that are not as `point` has them.
    fn differences(&self, point: Point<'_>, spared: &Spared<'_>) -> anyhow::Result<BTreeSet<String>>;

    /// Brings the checked-out branch, the index and the work tree to `point`, but for what is spared.
    fn restore(&self, point: Point<'_>, spared: &Spared<'_>) -> anyhow::Result<()>;

    /// Pushes `branch` to the remote that the settings allow, never forced.
    fn push<'a>(&'a self, branch: &'a str) -> BoxFuture<'a, Result<Pushed, RepoError>>;
}

/// A file as git stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// A link's target, for a link.
    pub content: Vec<u8>,
    /// Git's mode bits.
    pub mode: u32,
}

/// The branch of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Branch {
    /// Short name, e.g. `pace/sprint`.
    pub name: String,
    /// The branch that reviews go to, e.g. `main`.
    pub base: String,
    /// SHA of HEAD after checkout and merge.
    pub head: String,
    /// What was done, for the log: created, checked out, merged `main`.
    pub actions: Vec<String>,
}

/// What a run would find here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outlook {
    /// Short name of the branch that commits would go to.
    pub branch: String,
    /// The branch that reviews go to.
    pub base: String,
    /// The clone lacks a part of the history, and what to do about it.
    pub shallow: Option<&'static str>,
    /// Why no run can begin on the work tree as it is.
    pub refusal: Option<String>,
    /// What is checked out is what a run would begin with, as far as this clone knows.
    pub at_start: bool,
}

/// What a push would meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PushOutlook {
    /// This remote would take it.
    Taken(String),
    /// None goes out; why.
    None(String),
    /// The remote could not be asked; why.
    Unknown(String),
}

/// What gives way where the branch is merged with what others pushed; paths from the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Yields {
    /// The commit of the day's records, where one is on top of the branch.
    pub records: Option<String>,
    /// Pages that are rendered again after the merge: it takes none of what `records` made of them, and the remote's
    /// where both sides changed one.
    pub rendered: Vec<String>,
    /// Files into which the day's part is booked again after the merge: it takes none of what `records` made of them.
    pub booked: Vec<String>,
    /// Notes of which the lines of both sides stay.
    pub notes: Vec<String>,
    /// Documents that the day may do without having changed, where others changed the same lines.
    pub documents: Vec<String>,
}

/// A merge with what others pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caught {
    /// The new SHA of HEAD.
    pub head: String,
    /// Paths that are not as HEAD had them before.
    pub changed: BTreeSet<String>,
    /// Those of [`Yields::documents`] that are the remote's alone.
    pub left_out: Vec<String>,
}

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Pushed {
    /// The remote's branch is now at the pushed commit; the URL carries no credential.
    To(String),
    /// Nothing was pushed, and why.
    Skipped(String),
}

/// A refusal of the repository that maps to an exit code of its own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RepoError {
    /// Exit 2: the repository or the trigger must be mended first.
    #[error("{0}")]
    Unusable(String),
    /// Exit 3: the base branch's plan edits cannot be merged.
    #[error("merging {base} into {branch} conflicts in {}; resolve it by hand and push", files.join(", "))]
    Conflict { base: String, branch: String, files: Vec<String> },
    /// Exit 4: the sprint branch could not be pushed.
    #[error("push of {branch} failed: {reason}")]
    Push { branch: String, reason: String },
    /// The same, because the remote's branch moved on since the last fetch; [`Repository::catch_up`] may help.
    #[error("push of {branch} failed: {reason}")]
    Behind { branch: String, reason: String },
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// What decides on the branch; from settings and the CI's own variables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BranchRules {
    /// `PACE_BRANCH`.
    pub wanted: Option<String>,
    /// `PACE_BASE_BRANCH`, else the CI's default branch.
    pub base: Option<String>,
    /// The ref that CI names.
    pub ci_ref: Option<CiRef>,
}

/// The ref a CI run was started on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CiRef {
    Branch(String),
    Tag(String),
    /// A pull request from another repository.
    Fork(String),
}

/// Who commits and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub name: String,
    pub email: String,
}

/// Whether and how to push.
#[derive(Debug, Clone)]
pub(crate) struct PushRules {
    /// Why nothing is pushed; `None` = push.
    pub never: Option<String>,
    /// User name, token and the URL prefix (scheme, host, port) that the token may be sent to.
    pub credential: Option<(String, crate::secret::Secret, String)>,
}
