//! Pushes one branch, never forced, and believes only what the remote reports. Knows no branch rules.

use std::cell::RefCell;
use std::rc::Rc;

use anyhow::Context;
use git2::{Direction, ErrorCode, Oid, PushOptions, RemoteCallbacks, Repository};

use super::git::Inner;
use super::refusal::{Refusal, mend, plain};
use super::{PushOutlook, Pushed, RepoError, settle};

/// Lines of a remote's own words that an error repeats.
const SAID_LINES: usize = 6;

const NO_REMOTE: &str = "the repository has no remote `origin`";

/// Pushes `branch` to the remote's branch of the same name.
pub(super) fn push(inner: &Inner, branch: &str) -> Result<Pushed, RepoError> {
    if let Some(reason) = &inner.options.push.never {
        return Ok(Pushed::Skipped(reason.clone()));
    }
    if let Some(problem) = inner.remote.unsupported() {
        return Err(RepoError::Unusable(problem));
    }
    let (Some(url), Some(shown)) = (inner.remote.url(), inner.remote.shown()) else {
        return Ok(Pushed::Skipped(NO_REMOTE.into()));
    };
    let repo = inner.open()?;
    let tip =
        settle::local_tip(&repo, branch).with_context(|| format!("there is no branch {branch} here"))?;
    let report = Report::default();
    let (result, refusal) = inner.session().run(|| send(&repo, url, branch, tip, &report));
    let token = inner.remote.credential().map(|credential| credential.token.expose());
    match verdict(result, refusal, &report, token) {
        Ok(()) => {
            note_remote_tip(&repo, inner, branch, tip);
            Ok(Pushed::To(shown))
        }
        Err(failure) => {
            let (branch, reason) = (branch.to_owned(), format!("{} ({shown})", failure.reason));
            Err(if failure.behind {
                RepoError::Behind { branch, reason }
            } else {
                RepoError::Push { branch, reason }
            })
        }
    }
}

/// Opens the connection that a push would use, and closes it.
pub(super) fn probe(inner: &Inner) -> Result<PushOutlook, RepoError> {
    if let Some(reason) = &inner.options.push.never {
        return Ok(PushOutlook::None(reason.clone()));
    }
    if let Some(problem) = inner.remote.unsupported() {
        return Ok(PushOutlook::Unknown(problem));
    }
    let (Some(url), Some(shown)) = (inner.remote.url(), inner.remote.shown()) else {
        return Ok(PushOutlook::None(NO_REMOTE.into()));
    };
    let repo = inner.open()?;
    let (result, refusal) = inner
        .session()
        .run(|| repo.remote_anonymous(url)?.connect_auth(Direction::Push, None, None).map(drop));
    match (result, refusal) {
        (Ok(()), _) => Ok(PushOutlook::Taken(shown)),
        (Err(_), Some(Refusal::Access(text))) => Err(RepoError::Unusable(text)),
        // What may pass until the push is no reason to stop now.
        (Err(error), _) => {
            let why = format!("{shown} could not be asked: {}", error.message());
            tracing::debug!("{why}");
            Ok(PushOutlook::Unknown(why))
        }
    }
}

/// Why a push failed.
struct Failure {
    reason: String,
    /// The remote's branch has commits that are not here.
    behind: bool,
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self { reason, behind: false }
    }
}

/// What the remote said.
#[derive(Default)]
pub(super) struct Report {
    /// Per the status report: `None` = nothing about our branch, `Some(None)` = taken, else why not.
    pub status: Rc<RefCell<Option<Option<String>>>>,
    /// Its messages to people, e.g. a hook's.
    pub said: Rc<RefCell<Vec<u8>>>,
}

impl Report {
    /// Callbacks that fill this in for the reference `name`.
    pub(super) fn callbacks(&self, name: String) -> RemoteCallbacks<'static> {
        let mut callbacks = RemoteCallbacks::new();
        let (status, said) = (Rc::clone(&self.status), Rc::clone(&self.said));
        callbacks.push_update_reference(move |reference, problem| {
            if reference == name {
                status.replace(Some(problem.map(str::to_owned)));
            }
            Ok(())
        });
        callbacks.sideband_progress(move |bytes| {
            said.borrow_mut().extend_from_slice(bytes);
            true
        });
        callbacks
    }
}

fn send(repo: &Repository, url: &str, branch: &str, tip: Oid, report: &Report) -> Result<(), git2::Error> {
    let name = format!("refs/heads/{branch}");
    let mut remote = repo.remote_anonymous(url)?;
    let mut connection = remote.connect_auth(Direction::Push, None, None)?;
    let there = connection.list()?.iter().find(|head| head.name() == name).map(git2::RemoteHead::oid);
    if there == Some(tip) {
        report.status.replace(Some(None));
        return Ok(());
    }
    let mut options = PushOptions::new();
    options.remote_callbacks(report.callbacks(name));
    let refspec = format!("refs/heads/{branch}:refs/heads/{branch}");
    connection.remote().push(&[refspec], Some(&mut options))
}

/// The one reason of a failure, as exact as it is known.
fn verdict(
    result: Result<(), git2::Error>,
    refusal: Option<Refusal>,
    report: &Report,
    token: Option<&str>,
) -> Result<(), Failure> {
    let said = said(&report.said.borrow(), token);
    if let Some(Some(problem)) = &*report.status.borrow() {
        // Somebody pushed between our look and our push.
        let behind =
            ["fast-forward", "fetch first", "cannot lock ref"].iter().any(|word| problem.contains(word));
        let all = format!("{problem} {}", String::from_utf8_lossy(&report.said.borrow()));
        let mend = mend(&all).filter(|_| !behind).map(|mend| format!("; {mend}")).unwrap_or_default();
        let reason = format!("the remote rejected it: {}{said}{mend}", plain(problem, token));
        return Err(Failure { reason, behind });
    }
    match (result, refusal) {
        (_, Some(refusal)) => Err(refusal.text().to_owned().into()),
        (Err(error), None) if error.code() == ErrorCode::NotFastForward => Err(Failure {
            reason: "the remote's branch has commits that are not here (non-fast-forward), and pace never forces; \
                     merge them and run again"
                .into(),
            behind: true,
        }),
        (Err(error), None) => Err(format!("{}{said}", plain(error.message(), token)).into()),
        (Ok(()), None) if report.status.borrow().is_none() => {
            Err(format!("the remote did not confirm the new commit{said}").into())
        }
        (Ok(()), None) => Ok(()),
    }
}

pub(super) fn said(bytes: &[u8], token: Option<&str>) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<_> = text.split(['\n', '\r']).map(|line| plain(line, token)).collect();
    let lines: Vec<_> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(SAID_LINES)..];
    if last.is_empty() { String::new() } else { format!("; it said: {}", last.join(" / ")) }
}

/// Remembers where the remote's branch is now, as `git push` does; only for the remote called `origin`. The push
/// stands, also where this fails.
fn note_remote_tip(repo: &Repository, inner: &Inner, branch: &str, tip: Oid) {
    if inner.is_origin
        && let Err(error) =
            repo.reference(&format!("refs/remotes/origin/{branch}"), tip, true, "update by push")
    {
        tracing::debug!("origin/{branch} could not be noted: {}", error.message());
    }
}
