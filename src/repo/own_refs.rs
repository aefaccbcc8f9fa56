//! References of pace's own on the remote (`refs/pace/…`): read, and changed by compare-and-swap alone. They hold
//! commits that no branch reaches, so nothing of them is in a clone. Knows nothing of what is kept in them.
//!
//! Over HTTP a push names the value that the server advertised on the same connection as the old one, and the
//! server's `receive-pack` takes the new one only while its reference, locked, still has the old. libgit2's own
//! transport to a path does no such thing, so there the reference is locked and compared here.

mod beside;
mod names;
mod reading;

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use anyhow::{Context, anyhow};
use git2::{AutotagOption, Direction, FetchOptions, Oid, PushOptions, PushUpdate, Repository, Signature};

use super::RepoError;
use super::git::{GitRepo, Inner};
use super::push::{Report, said};
use super::refusal::{Refusal, plain};

pub(crate) use names::names;
pub(crate) use reading::ReadRefs;

/// Times that a server's passing trouble with a reference (somebody else holds its lock file) is sat out.
const TRIES: u32 = 12;
/// Longest pause between two of them.
const PAUSE: Duration = Duration::from_millis(400);

/// Words of a server that will not take a reference of this name, today or tomorrow.
const NEVER: [&str; 8] =
    ["hook declined", "hidden ref", "funny ref", "prohibited", "protected", "not allowed", "denied", "deny"];

/// The remote's side of pace's own references.
#[derive(Debug, Clone)]
pub(crate) struct OwnRefs {
    repo: GitRepo,
}

/// What the remote has, at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Commit by name of the reference; those that are not there are absent.
    pub ids: BTreeMap<String, String>,
    /// Seconds since 1970 by the server's clock, or this machine's where the server tells none.
    pub now: i64,
}

/// A commit that a reference of pace's own holds.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub id: String,
    pub message: String,
    /// Seconds since 1970, by whoever made it.
    pub time: i64,
    pub parents: Vec<String>,
    /// Files at the top of its tree.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// What became of a swap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Swapped {
    Done,
    /// The reference is not what it was expected to be, but this.
    Moved(Option<String>),
    /// The remote takes no reference of this name; what it said.
    Refused(String),
}

impl GitRepo {
    /// The remote's side; `None` where nothing is pushed.
    pub(crate) fn own_refs(&self) -> Option<OwnRefs> {
        let inner = &self.inner;
        let pushes = inner.options.push.never.is_none()
            && inner.remote.unsupported().is_none()
            && inner.remote.url().is_some();
        pushes.then(|| OwnRefs { repo: self.clone() })
    }
}

impl OwnRefs {
    /// Looks which of `names` the remote has.
    pub(crate) async fn look(&self, names: &[&str]) -> Result<Seen, RepoError> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.repo.blocking(move |inner| look(inner, &names)).await
    }

    /// What the reference holds; `None` where it is not there.
    pub(crate) async fn read(&self, name: &str) -> Result<Option<Kept>, RepoError> {
        let name = name.to_owned();
        self.repo.blocking(move |inner| read(inner, &name)).await
    }

    /// Makes a commit that no reference holds yet.
    pub(crate) fn seal(
        &self,
        message: &str,
        files: &BTreeMap<String, Vec<u8>>,
        parents: &[&str],
    ) -> anyhow::Result<String> {
        let repo = self.repo.inner.open()?;
        let mut tree = repo.treebuilder(None)?;
        for (name, bytes) in files {
            tree.insert(name, repo.blob(bytes)?, 0o100_644)?;
        }
        let tree = repo.find_tree(tree.write()?)?;
        let parents: Vec<_> =
            parents.iter().map(|id| super::history::commit(&repo, id)).collect::<anyhow::Result<_>>()?;
        let parents: Vec<_> = parents.iter().collect();
        let identity = &self.repo.inner.options.identity;
        let who =
            Signature::now(&identity.name, &identity.email).context("the commit identity is not usable")?;
        Ok(repo.commit(None, &who, &who, message, &tree, &parents)?.to_string())
    }

    /// Keeps a checkpoint that was read here as the newest of `name`.
    pub(crate) fn adopt_checkpoint(&self, name: &str, id: &str) -> anyhow::Result<()> {
        super::checkpoint::adopt(&self.repo.inner.open()?, name, id)
    }

    /// Makes the reference `new` (`None` = takes it away) if it is `expected` (`None` = not there) at that moment.
    ///
    /// # Errors
    /// A remote that cannot be reached or refuses the credential. Whether the swap was made is then unknown.
    pub(crate) async fn swap(
        &self,
        name: &str,
        expected: Option<&str>,
        new: Option<&str>,
    ) -> Result<Swapped, RepoError> {
        let oid = |id: Option<&str>| id.map(Oid::from_str).transpose().context("no commit id");
        let change = Change { name: name.to_owned(), expected: oid(expected)?, new: oid(new)? };
        for attempt in 1.. {
            let change = change.clone();
            let told = self.repo.blocking(move |inner| swap(inner, &change)).await?;
            match told {
                Told::Swapped(swapped) => return Ok(swapped),
                Told::Trouble(reason) if attempt == TRIES => return Ok(Swapped::Refused(reason)),
                Told::Trouble(reason) => {
                    tracing::debug!("{name}: {reason}; tried again");
                    tokio::time::sleep(PAUSE.mul_f64(fastrand::f64())).await;
                }
            }
        }
        Err(RepoError::Other(anyhow!("{name} was not swapped")))
    }
}

/// One swap to be made.
#[derive(Debug, Clone)]
struct Change {
    name: String,
    expected: Option<Oid>,
    new: Option<Oid>,
}

/// What one attempt came to.
enum Told {
    Swapped(Swapped),
    /// It may do better in a moment; why it did not now.
    Trouble(String),
}

impl Change {
    /// The outcome where the reference is `there`: nothing is left to do, or somebody else was first.
    fn without_push(&self, there: Option<Oid>) -> Option<Told> {
        if there == self.new {
            return Some(Told::Swapped(Swapped::Done));
        }
        let moved = (there != self.expected).then(|| there.map(|id| id.to_string()));
        moved.map(|there| Told::Swapped(Swapped::Moved(there)))
    }
}

fn look(inner: &Inner, names: &[String]) -> Result<Seen, RepoError> {
    let mut seen = Seen { now: own_time(), ..Seen::default() };
    let repo = inner.open()?;
    if let Some(there) = beside::open(&inner.remote)? {
        for name in names {
            seen.ids.extend(beside::tip(&there, name)?.map(|id| (name.clone(), id.to_string())));
        }
        return Ok(seen);
    }
    let session = inner.session();
    let time = session.server_time();
    let (result, refusal) = session.run(|| {
        let mut remote = repo.remote_anonymous(url(inner))?;
        let connection = remote.connect_auth(Direction::Push, None, None)?;
        let heads = connection.list()?.iter().filter(|head| names.iter().any(|name| name == head.name()));
        Ok(heads.map(|head| (head.name().to_owned(), head.oid().to_string())).collect())
    });
    seen.ids = answered(inner, result, refusal)?;
    seen.now = time.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(seen.now);
    Ok(seen)
}

fn own_time() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn read(inner: &Inner, name: &str) -> Result<Option<Kept>, RepoError> {
    read_at(inner, name).map(|(kept, _)| kept)
}

/// What the reference holds, and the server's time where it tells one.
fn read_at(inner: &Inner, name: &str) -> Result<(Option<Kept>, Option<i64>), RepoError> {
    let repo = inner.open()?;
    let session = inner.session();
    let time = session.server_time();
    let (result, refusal) = session.run(|| {
        let mut remote = repo.remote_anonymous(url(inner))?;
        let mut connection = remote.connect_auth(Direction::Fetch, None, None)?;
        let id = connection.list()?.iter().find(|head| head.name() == name).map(git2::RemoteHead::oid);
        if id.is_some() {
            let mut options = FetchOptions::new();
            options.download_tags(AutotagOption::None).update_fetchhead(false);
            // Into no reference: git forgets it again.
            connection.remote().download(&[format!("{name}:{name}")], Some(&mut options))?;
        }
        Ok(id)
    });
    let id = answered(inner, result, refusal)?;
    let now = *time.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(id) = id else { return Ok((None, now)) };
    let commit = repo.find_commit(id).with_context(|| format!("{name} holds no commit"))?;
    let mut files = BTreeMap::new();
    for entry in commit.tree().context("reading its tree")?.iter() {
        if let Some(blob) = entry.to_object(&repo).ok().and_then(|object| object.into_blob().ok()) {
            let name = String::from_utf8_lossy(entry.name_bytes()).into_owned();
            files.insert(name, blob.content().to_vec());
        }
    }
    let kept = Kept {
        id: id.to_string(),
        message: String::from_utf8_lossy(commit.message_bytes()).into_owned(),
        time: commit.time().seconds(),
        parents: commit.parent_ids().map(|id| id.to_string()).collect(),
        files,
    };
    Ok((Some(kept), now))
}

fn swap(inner: &Inner, change: &Change) -> Result<Told, RepoError> {
    let repo = inner.open()?;
    match beside::open(&inner.remote)? {
        Some(there) => Ok(beside::swap(&repo, &there, change)?),
        None => swap_over_http(&repo, inner, change),
    }
}

fn swap_over_http(repo: &Repository, inner: &Inner, change: &Change) -> Result<Told, RepoError> {
    let report = Report::default();
    let (result, refusal) = inner.session().run(|| {
        let mut remote = repo.remote_anonymous(url(inner))?;
        let mut connection = remote.connect_auth(Direction::Push, None, None)?;
        let there = connection.list()?.iter().find(|head| head.name() == change.name);
        if let Some(told) = change.without_push(there.map(git2::RemoteHead::oid)) {
            return Ok(Some(told));
        }
        let mut callbacks = report.callbacks(change.name.clone());
        let expected = change.expected.unwrap_or(Oid::ZERO_SHA1);
        // What the server is told to expect is what we expect, or nothing is sent.
        callbacks.push_negotiation(move |updates: &[PushUpdate<'_>]| {
            if updates.iter().all(|update| update.src() == expected) {
                return Ok(());
            }
            Err(git2::Error::from_str("another value is expected of the reference"))
        });
        let mut options = PushOptions::new();
        options.remote_callbacks(callbacks);
        let from = change.new.map(|id| id.to_string()).unwrap_or_default();
        // `+` spares libgit2's own look at the history only; the server compares all the same.
        let refspec = format!("{}{from}:{}", if from.is_empty() { "" } else { "+" }, change.name);
        connection.remote().push(&[refspec], Some(&mut options)).map(|()| None)
    });
    if let Ok(Some(told)) = result {
        return Ok(told);
    }
    let token = inner.remote.credential().map(|credential| credential.token.expose());
    let status = report.status.borrow().clone();
    match (status, result) {
        (Some(None), Ok(_)) => Ok(Told::Swapped(Swapped::Done)),
        (Some(Some(problem)), _) => {
            let reason = format!("{}{}", plain(&problem, token), said(&report.said.borrow(), token));
            Ok(if NEVER.iter().any(|word| problem.contains(word)) {
                Told::Swapped(Swapped::Refused(reason))
            } else {
                Told::Trouble(reason)
            })
        }
        (_, Err(error)) => answered(inner, Err(error), refusal),
        (None, Ok(_)) => Ok(Told::Trouble("the server did not confirm it".into())),
    }
}

fn url(inner: &Inner) -> &str {
    inner.remote.url().unwrap_or_default()
}

/// A result of libgit2, its error with the reason that the server gave.
fn answered<T>(
    inner: &Inner,
    result: Result<T, git2::Error>,
    refusal: Option<Refusal>,
) -> Result<T, RepoError> {
    match (result, refusal) {
        (Ok(value), _) => Ok(value),
        (Err(_), Some(Refusal::Access(text))) => Err(RepoError::Unusable(text)),
        (Err(_), Some(Refusal::Network(text))) => Err(RepoError::Other(anyhow!(text))),
        (Err(error), None) => {
            let token = inner.remote.credential().map(|credential| credential.token.expose());
            Err(RepoError::Other(anyhow!(plain(error.message(), token))))
        }
    }
}
