//! A day's lock on the git server: a reference that is made where there is none, renewed while the run lives, taken
//! over from an owner that gave no sign of life, and taken away at the end. Every change is a compare-and-swap.
//!
//! Ages are told by the server's clock. Where a time lies ahead of it, the lock is watched instead. An owner that
//! cannot renew its lock stops before others may think it dead.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use tokio::sync::{Mutex, watch};

use super::moment::Moment;
use crate::domain::lock::{BEAT, EXPIRY, Owner, Standing};
use crate::repo::{Kept, OwnRefs, RepoError, Swapped, own_names};

/// Rounds of looking and taking before a reference that keeps changing counts as another's.
const ROUNDS: u32 = 6;
/// Longest wait for the server to take a sign of life.
const ANSWER: Duration = Duration::from_secs(20);

/// When an owner gives signs of life, and when it stops for want of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub beat: Duration,
    /// How long others watch a lock whose time cannot be right.
    pub watch: Duration,
    pub give_up: Duration,
}

impl Times {
    pub(super) const REAL: Self = Self {
        beat: Duration::from_secs(BEAT),
        watch: Duration::from_secs(2 * BEAT + BEAT / 2),
        give_up: Duration::from_secs(EXPIRY.unsigned_abs() - BEAT),
    };
}

/// A day that this run holds on the server.
#[derive(Debug)]
pub(super) struct ServerLock {
    refs: OwnRefs,
    name: String,
    state: Mutex<State>,
    /// Why the day is no longer this run's.
    lost: watch::Sender<Option<String>>,
    /// The server's time, and when it was that.
    clock: (i64, Moment),
    /// When the last sign of life was given.
    sign: watch::Sender<Moment>,
    times: Times,
}

#[derive(Debug)]
struct State {
    owner: Owner,
    /// The commit that the reference should hold.
    id: String,
    /// All commits of this run: after an answer that was lost, the reference may hold any.
    ours: Vec<String>,
    ended: bool,
}

/// Takes the day that `owner` names, or tells whose it is. `before`: runs that are known to be dead.
pub(super) async fn take(
    refs: &OwnRefs,
    owner: Owner,
    before: Vec<String>,
) -> Result<Result<Arc<ServerLock>, String>, RepoError> {
    take_timed(refs, owner, before, Times::REAL).await
}

/// The same with other times.
pub(super) async fn take_timed(
    refs: &OwnRefs,
    owner: Owner,
    before: Vec<String>,
    times: Times,
) -> Result<Result<Arc<ServerLock>, String>, RepoError> {
    let taking = Taking { refs, names: own_names("lock", &owner.sprint, owner.day), before, times };
    match taking.take(owner).await? {
        Err(other) => Ok(Err(other)),
        Ok(lock) => {
            let lock = Arc::new(lock);
            tokio::spawn(Arc::clone(&lock).beat());
            Ok(Ok(lock))
        }
    }
}

/// Takes the lock at `name` away if its owner is dead at the server's time `now`.
pub(crate) async fn bury(refs: &OwnRefs, name: &str, now: i64) -> Result<(), RepoError> {
    let Some(kept) = refs.read(name).await? else { return Ok(()) };
    if parse(&kept).standing(now) == Standing::Dead {
        refs.swap(name, Some(&kept.id), None).await?;
    }
    Ok(())
}

struct Taking<'a> {
    refs: &'a OwnRefs,
    names: [String; 2],
    before: Vec<String>,
    times: Times,
}

/// What lies under one of the names.
enum Found {
    Nothing,
    /// Nobody's any more: this may be swapped for a new one.
    Over(Kept),
    Alive(String),
}

impl Taking<'_> {
    async fn take(&self, mut owner: Owner) -> Result<Result<ServerLock, String>, RepoError> {
        let [own, branch] = &self.names;
        let mut name = own;
        let mut reason = String::new();
        for _ in 0..ROUNDS {
            let seen = self.refs.look(&[own, branch]).await?;
            let (now, began) = (seen.now, Moment::now());
            let mut there = Vec::new();
            for name in [own, branch].into_iter().filter(|name| seen.ids.contains_key(*name)) {
                match self.found(name, now).await? {
                    Found::Alive(other) => return Ok(Err(other)),
                    Found::Over(kept) => there.push((name, kept.id)),
                    Found::Nothing => {}
                }
            }
            (owner.since, owner.at) = (now, now);
            let old = there.iter().find(|(at, _)| *at == name).map(|(_, id)| id.as_str());
            let id = seal(self.refs, &owner, old)?;
            match self.swap(name, old, &id).await? {
                Swapped::Done => {
                    let state = State { owner, id: id.clone(), ours: vec![id], ended: false };
                    let lock = ServerLock {
                        refs: self.refs.clone(),
                        name: name.clone(),
                        state: Mutex::new(state),
                        lost: watch::Sender::new(None),
                        clock: (now, began),
                        sign: watch::Sender::new(began),
                        times: self.times,
                    };
                    return self.alone(lock).await;
                }
                Swapped::Moved(_) => {}
                Swapped::Refused(said) if name == own => {
                    tracing::debug!("{own}: {said}; trying {branch}");
                    reason = said;
                    name = branch;
                }
                Swapped::Refused(said) => {
                    return Err(RepoError::Unusable(format!(
                        "the day cannot be locked on the git server, so two runs could do it at once: it takes \
                         neither {own} ({reason}) nor {branch} ({said}); let the token push one of them"
                    )));
                }
            }
        }
        Ok(Err(format!("another run, which changes {name} all the time")))
    }

    /// A swap whose answer was lost is looked up.
    async fn swap(&self, name: &str, old: Option<&str>, id: &str) -> Result<Swapped, RepoError> {
        match self.refs.swap(name, old, Some(id)).await {
            Err(RepoError::Other(error)) => {
                tracing::debug!("{name}: {error:#}");
                match self.refs.look(&[name]).await?.ids.remove(name) {
                    Some(there) if there == id => Ok(Swapped::Done),
                    there if there.as_deref() == old => Err(RepoError::Other(error)),
                    there => Ok(Swapped::Moved(there)),
                }
            }
            told => told,
        }
    }

    async fn found(&self, name: &str, now: i64) -> Result<Found, RepoError> {
        let Some(kept) = self.refs.read(name).await? else { return Ok(Found::Nothing) };
        let owner = parse(&kept);
        let known_dead = self.before.contains(&owner.run);
        Ok(match owner.standing(now) {
            Standing::Released | Standing::Dead => Found::Over(kept),
            _ if known_dead => Found::Over(kept),
            Standing::Alive => Found::Alive(owner.describe(now)),
            Standing::Unclear => {
                tokio::time::sleep(self.times.watch).await;
                match self.refs.look(&[name]).await?.ids.get(name) {
                    Some(id) if *id == kept.id => Found::Over(kept),
                    Some(_) => Found::Alive(owner.describe(now)),
                    None => Found::Nothing,
                }
            }
        })
    }

    /// Makes sure that nobody holds the day under the other name: a server that takes one of them only today could
    /// let two runs in. Whoever sees another one leaves.
    async fn alone(&self, lock: ServerLock) -> Result<Result<ServerLock, String>, RepoError> {
        let other = self.names.iter().find(|name| **name != lock.name);
        let Some(other) = other else { return Ok(Ok(lock)) };
        let seen = self.refs.look(&[other]).await?;
        if seen.ids.is_empty() {
            return Ok(Ok(lock));
        }
        match self.found(other, seen.now).await? {
            Found::Alive(owner) => {
                lock.release().await?;
                Ok(Err(owner))
            }
            Found::Nothing | Found::Over(_) => Ok(Ok(lock)),
        }
    }
}

/// What a sign of life came to.
pub(super) enum Sign {
    Given,
    /// The run has ended meanwhile.
    Ended,
    Lost(String),
}

impl ServerLock {
    /// Ends once the day is no longer this run's; why.
    pub(super) async fn lost(&self) -> String {
        let mut lost = self.lost.subscribe();
        match lost.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Ends once the last sign of life is young enough; never once the day is lost.
    pub(super) async fn certain(&self) {
        let mut sign = self.sign.subscribe();
        while sign.borrow_and_update().elapsed() >= self.times.give_up {
            if sign.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Takes the lock away, or leaves word that it is over where the server takes nothing away.
    pub(super) async fn release(&self) -> Result<(), RepoError> {
        let mut state = self.state.lock().await;
        state.ended = true;
        let mut over = None;
        for _ in 0..ROUNDS {
            match self.refs.swap(&self.name, Some(&state.id), over.as_deref()).await? {
                Swapped::Done => return Ok(()),
                Swapped::Moved(Some(there)) if state.ours.contains(&there) => state.id = there,
                // Another run's, or nobody's.
                Swapped::Moved(_) => return Ok(()),
                Swapped::Refused(_) if over.is_none() => {
                    let last = Owner { released: true, at: self.now(), ..state.owner.clone() };
                    over = Some(seal(&self.refs, &last, Some(&state.id))?);
                }
                Swapped::Refused(said) => return Err(RepoError::Other(anyhow!(said))),
            }
        }
        Err(RepoError::Other(anyhow!("{} keeps changing", self.name)))
    }

    async fn beat(self: Arc<Self>) {
        let times = self.times;
        let mut pause = times.beat;
        loop {
            tokio::time::sleep(pause).await;
            let asked = Moment::now();
            match tokio::time::timeout(ANSWER.min(times.give_up), self.renew()).await {
                Ok(Ok(Sign::Given)) => {
                    self.sign.send_replace(asked);
                    pause = times.beat;
                }
                Ok(Ok(Sign::Ended)) => return,
                Ok(Ok(Sign::Lost(to))) => {
                    let reason = format!("the day was taken over by {to}");
                    self.lost.send_replace(Some(reason));
                    return;
                }
                Ok(Err(error)) => {
                    tracing::debug!("{}: {error:#}", self.name);
                    pause = times.beat / 6;
                }
                Err(_) => pause = times.beat / 6,
            }
            if self.sign.borrow().elapsed() >= times.give_up {
                let text =
                    "the day's lock on the git server could not be renewed, and another run may take it over";
                self.lost.send_replace(Some(text.to_owned()));
                return;
            }
        }
    }

    pub(super) async fn renew(&self) -> Result<Sign, RepoError> {
        let mut state = self.state.lock().await;
        for _ in 0..ROUNDS {
            if state.ended {
                return Ok(Sign::Ended);
            }
            state.owner.at = self.now();
            let next = seal(&self.refs, &state.owner, Some(&state.id))?;
            state.ours.push(next.clone());
            match self.refs.swap(&self.name, Some(&state.id), Some(&next)).await? {
                Swapped::Done => {
                    state.id = next;
                    return Ok(Sign::Given);
                }
                Swapped::Moved(Some(there)) if state.ours.contains(&there) => state.id = there,
                Swapped::Moved(Some(_)) => {
                    let other = self.refs.read(&self.name).await?;
                    let other = other.as_ref().map_or_else(|| Owner::unknown(self.now()), parse);
                    return Ok(Sign::Lost(other.describe(self.now())));
                }
                Swapped::Moved(None) => return Ok(Sign::Lost("somebody who removed its lock".into())),
                Swapped::Refused(said) => return Err(RepoError::Other(anyhow!(said))),
            }
        }
        Err(RepoError::Other(anyhow!("{} keeps changing", self.name)))
    }

    /// Seconds since 1970 by the server's clock.
    fn now(&self) -> i64 {
        let (then, at) = self.clock;
        then.saturating_add(i64::try_from(at.elapsed().as_secs()).unwrap_or(i64::MAX))
    }
}

fn seal(refs: &OwnRefs, owner: &Owner, parent: Option<&str>) -> anyhow::Result<String> {
    refs.seal(&message(owner)?, &BTreeMap::new(), parent.as_slice())
}

/// The message of the commit that a lock is.
pub(super) fn message(owner: &Owner) -> serde_json::Result<String> {
    let state = if owner.released { "has ended" } else { "is running" };
    let text = serde_json::to_string_pretty(owner)?;
    Ok(format!("pace: day {} of {} {state}\n\n{text}\n", owner.day, owner.sprint))
}

/// Reads a lock; one that pace did not write is an unknown owner's.
fn parse(kept: &Kept) -> Owner {
    let body = kept.message.split_once("\n\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).unwrap_or_else(|_| Owner::unknown(kept.time))
}
