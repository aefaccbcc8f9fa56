//! The journal of a run on the git server (`PACE_JOURNAL=auto`): kept up while the run works, brought to a fresh
//! runner, taken away once the day has shipped. It is one commit of pace's own reference: its files are the journal in
//! parts, its parent is the newest checkpoint of the work tree, so that git carries what belongs to it. Decides
//! nothing about resuming.
//!
//! A run waits for it before it pays, for as long as that is short, and never fails because of it: what the server does not
//! take is told once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use tokio::sync::{Mutex, watch};

use super::booking;
use super::reopened::may_reopen;
use super::site::Site;
use crate::day::start::Start;
use crate::journal::{self, END, Seal, Trust};
use crate::repo::{Kept, OwnRefs, Swapped, own_names};

/// Shortest time between two pushes.
const PAUSE: Duration = Duration::from_secs(5);
/// A push that took long is followed by a pause of so many times as long.
const SHARE: u32 = 5;
/// Longest push that is waited for before the next one.
const PUSH: Duration = Duration::from_secs(60);
/// Longest wait of a model call for the push of its intent; after one that took longer no call waits until a push is quick again.
const NOW: Duration = Duration::from_secs(5);
/// Bytes of a part. Only the parts that a journal gained travel with the next push.
const PART: usize = 256 * 1024;
/// Times that a reference is looked at again because it changed meanwhile.
const ROUNDS: u32 = 4;

/// A run's journal on the server.
#[derive(Debug)]
pub(crate) struct RemoteJournal {
    refs: OwnRefs,
    names: [String; 2],
    /// HEAD at the start of the run: what goes along before there is a checkpoint.
    head: String,
    grown: watch::Sender<Option<PathBuf>>,
    state: Mutex<State>,
    /// The last push took too long to wait for another one.
    slow: AtomicBool,
    /// Why a push failed that nobody was told of.
    untold: std::sync::Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct State {
    /// Which of the names the server takes.
    name: usize,
    /// The commit that the reference should hold; `None` before the first look.
    id: Option<Option<String>>,
    /// All commits of this run: after an answer that was lost, the reference may hold any.
    ours: Vec<String>,
    /// Bytes that were pushed.
    pushed: usize,
    /// Another run's by now, or refused for good.
    given_up: bool,
}

/// What the server had of an earlier run of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Brought {
    Nothing,
    /// The journal of an interrupted run lies here now, as if it had run here.
    Interrupted,
    /// A run that ended without being pushed is on the books now.
    Booked,
}

/// Brings the journal of the day here. One that was not sealed with `seal` is left where it is.
///
/// # Errors
/// The reason, in words for people: the run can go on without.
pub(crate) async fn bring(
    site: &Site,
    refs: &OwnRefs,
    day: (&str, u32),
    seal: &Seal,
) -> anyhow::Result<Brought> {
    let names = own_names("journal", day.0, day.1);
    let seen = refs.look(&[&names[0], &names[1]]).await?;
    let Some(name) = names.iter().find(|name| seen.ids.contains_key(*name)) else {
        return Ok(Brought::Nothing);
    };
    let Some(kept) = refs.read(name).await?.filter(|kept| !kept.files.is_empty()) else {
        return Ok(Brought::Nothing);
    };
    let bytes: Vec<u8> = kept.files.values().flatten().copied().collect();
    // Its last name is given once it was looked at.
    let path = site.store.fetched_path(day.1)?;
    let _ = std::fs::remove_file(&path);
    let written = std::fs::write(&path, &bytes).map_err(anyhow::Error::from);
    let brought = written.and_then(|()| admit(site, refs, (&path, &kept), day, seal));
    let _ = std::fs::remove_file(&path);
    brought.with_context(|| format!("{name} of the git server is not used"))
}

/// Looks at a journal that was fetched to `path`, and gives it its place where it is an interrupted run's.
fn admit(
    site: &Site,
    refs: &OwnRefs,
    (path, kept): (&Path, &Kept),
    (sprint, day): (&str, u32),
    seal: &Seal,
) -> anyhow::Result<Brought> {
    let records = journal::read(path).map_err(|error| anyhow!("{}", error.root_cause()))?;
    if !seal.has_key() {
        return Err(anyhow!(
            "there is no model credential, so nobody can tell whether its records are pace's"
        ));
    }
    if journal::trust(&records, seal)? != Trust::Verified {
        return Err(anyhow!("it was not written by a run with this model credential, or was changed since"));
    }
    let start = Start::recorded(&records)?;
    if (start.terms.sprint.as_str(), start.terms.day, start.terms.dry_run) != (sprint, day, false) {
        return Err(anyhow!("it is another day's"));
    }
    if records.last().is_some_and(|last| last.kind == END) {
        if site.store.attempts(day)?.iter().any(|attempt| attempt.run >= start.attempt) {
            return Ok(Brought::Nothing);
        }
        if !may_reopen(&records) {
            booking::book(&site.store, &start, &records)?;
            return Ok(Brought::Booked);
        }
    }
    if records.iter().any(|record| record.tree.is_some()) {
        let checkpoint = kept.parents.first().context("it has no work tree")?;
        refs.adopt_checkpoint(&start.terms.checkpoint_name(), checkpoint)?;
    }
    let place = site.store.journal_path(day, start.attempt)?;
    std::fs::rename(path, &place).with_context(|| place.display().to_string())?;
    Ok(Brought::Interrupted)
}

impl RemoteJournal {
    /// For the run of `day` of `sprint` that starts at the commit `head`.
    pub(crate) fn new(refs: OwnRefs, (sprint, day): (&str, u32), head: &str) -> Self {
        Self {
            refs,
            names: own_names("journal", sprint, day),
            head: head.to_owned(),
            grown: watch::Sender::new(None),
            state: Mutex::default(),
            slow: AtomicBool::default(),
            untold: std::sync::Mutex::default(),
        }
    }

    /// The journal at `path` has new records.
    pub(crate) fn grown(&self, path: &Path) {
        self.grown.send_replace(Some(path.to_path_buf()));
    }

    /// Pushes what comes, as often as is fair to the server; never ends. `warn` is told of a failure once.
    pub(crate) async fn keep_up(&self, warn: impl Fn(String)) {
        let mut grown = self.grown.subscribe();
        let mut warned = false;
        while grown.changed().await.is_ok() {
            let began = Instant::now();
            let problem = match tokio::time::timeout(PUSH, self.push()).await {
                Ok(Ok(())) => {
                    self.slow.store(began.elapsed() > NOW, Ordering::Relaxed);
                    self.untold().take()
                }
                Ok(Err(error)) => Some(format!("{error:#}")),
                Err(_) => Some(format!("it did not answer within {} s", PUSH.as_secs())),
            };
            if let Some(problem) = problem.filter(|_| !warned) {
                warn(format!(
                    "The journal could not be kept on the git server, so only this machine can resume the run: \
                     {problem}"
                ));
                warned = true;
            }
            tokio::time::sleep(PAUSE.max(began.elapsed() * SHARE)).await;
        }
        std::future::pending().await
    }

    /// Pushes the journal as it is now before something is paid for; does not wait for a server that is slow.
    pub(crate) async fn keep_now(&self) {
        if self.slow.load(Ordering::Relaxed) {
            return;
        }
        match tokio::time::timeout(NOW, self.push()).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => *self.untold() = Some(format!("{error:#}")),
            Err(_) => tracing::debug!("the journal is pushed slowly: calls do not wait for it"),
        }
        self.slow.store(true, Ordering::Relaxed);
    }

    fn untold(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.untold.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Pushes the journal as it is now.
    pub(crate) async fn push(&self) -> anyhow::Result<()> {
        let mut state = self.state.lock().await;
        let Some(path) = self.grown.borrow().clone().filter(|_| !state.given_up) else { return Ok(()) };
        let (refs, head, pushed) = (self.refs.clone(), self.head.clone(), state.pushed);
        let sealed = tokio::task::spawn_blocking(move || seal(&refs, &path, &head, pushed)).await??;
        let Some((id, bytes)) = sealed else { return Ok(()) };
        state.ours.push(id.clone());
        self.swap(&mut state, Some(id)).await?;
        state.pushed = bytes;
        Ok(())
    }

    /// Takes the journal away: the day has shipped.
    pub(crate) async fn prune(&self) -> anyhow::Result<()> {
        let mut state = self.state.lock().await;
        let pruned = self.swap(&mut state, None).await;
        // Nothing comes after it.
        state.given_up = true;
        pruned
    }

    async fn swap(&self, state: &mut State, mut new: Option<String>) -> anyhow::Result<()> {
        let prunes = new.is_none();
        for _ in 0..ROUNDS {
            if state.given_up {
                return Ok(());
            }
            let name = &self.names[state.name];
            let old = match &state.id {
                Some(id) => id.clone(),
                // The day is held, so whatever lies there is an earlier run's.
                None => self.refs.look(&[name]).await?.ids.remove(name),
            };
            match self.refs.swap(name, old.as_deref(), new.as_deref()).await? {
                Swapped::Done => {
                    state.id = Some(new);
                    return Ok(());
                }
                Swapped::Moved(there) if there.as_ref().is_none_or(|id| state.ours.contains(id)) => {
                    state.id = Some(there);
                }
                Swapped::Moved(_) if state.id.is_none() => {}
                Swapped::Moved(_) => state.given_up = true,
                // It takes nothing away: what stays is empty.
                Swapped::Refused(_) if new.is_none() => {
                    new = Some(self.refs.seal("pace: the day has shipped\n", &BTreeMap::new(), &[])?);
                }
                Swapped::Refused(said) if state.name == 0 && state.id.is_none() && !prunes => {
                    tracing::debug!("{name}: {said}");
                    state.name = 1;
                }
                Swapped::Refused(said) => {
                    state.given_up = true;
                    let [own, branch] = &self.names;
                    return Err(anyhow!("it takes neither {own} nor {branch}: {said}"));
                }
            }
        }
        Ok(())
    }
}

/// A commit of the whole records of the journal, and their bytes; `None` where those are only the `pushed` ones.
fn seal(refs: &OwnRefs, path: &Path, head: &str, pushed: usize) -> anyhow::Result<Option<(String, usize)>> {
    let mut bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1));
    if bytes.len() == pushed {
        return Ok(None);
    }
    let parts = bytes.chunks(PART).enumerate();
    let files = parts.map(|(number, part)| (format!("journal-{number:05}"), part.to_vec())).collect();
    // What the records themselves name: a checkpoint that came after them may be on its way into one.
    let tree = newest_tree(&bytes);
    let id = refs.seal("pace: the journal of a run\n", &files, &[tree.as_deref().unwrap_or(head)])?;
    Ok(Some((id, bytes.len())))
}

/// The checkpoint that the last record with one names.
fn newest_tree(lines: &[u8]) -> Option<String> {
    lines.rsplit(|byte| *byte == b'\n').find_map(|line| {
        let record: serde_json::Value = serde_json::from_slice(line).ok()?;
        record.get("tree")?.as_str().map(str::to_owned)
    })
}
