//! Append-only record of a run: every observation and every effect of a day is a step that is acted once and
//! recorded before the next one. Playing the record instead of acting reproduces the day; resuming plays it as far as
//! it fits and goes on recording in the same file, and a publishing job goes on behind the record of another one. Knows
//! the shape of records, not what they mean.
//!
//! What changes the work tree, costs money or is seen by others is recorded twice: an *intent* before, the result
//! after. An intent without a result says that the run ended in between. Both are on the disk before the run goes on;
//! what it merely saw is there before it acts on it.

mod file;
mod keeper;
mod opening;
mod record;
mod state;

use std::fmt::Display;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{anyhow, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use self::file::{Recorder, Synced};
use self::state::{Found, State};
use crate::domain::hex::hex;
use crate::secret::Redactor;
pub(crate) use file::is_held;
pub(crate) use keeper::Keeper;
#[cfg(test)]
pub(crate) use keeper::NoKeeper;
pub(crate) use record::{Examined, Record, Seal, Trust, examine, read, trust};

/// Kind of the record of a look at the clock.
pub(crate) const CLOCK: &str = "clock";
/// Kind of the last record of a run: `{"exit": 0}` or `{"exit": 4, "error": "…"}`.
pub(crate) const END: &str = "end";
/// Kind of the record before a step that must not happen twice unseen: `{"kind": "model", …}`.
pub(crate) const INTENT: &str = "intent";
/// Kind of the record with which a resumed run goes on; its value is the keeper's.
pub(crate) const RESUME: &str = "resume";
/// Kind of the record of a step that failed: `{"kind": "push", "error": "…"}`.
pub(crate) const FAILED: &str = "failed";

/// A run's journal, being written or being played.
pub(crate) struct Journal {
    state: Mutex<State>,
    redactor: Redactor,
    keeper: Box<dyn Keeper>,
}

impl Journal {
    /// Looks once and records what was seen, or returns the recorded sight. For what changes nothing.
    ///
    /// # Errors
    /// What `act` failed with (failures are not recorded); a journal that cannot be written; in play, a record
    /// that is missing or belongs to another step.
    pub(crate) async fn step<T, I, E>(
        &self,
        kind: &str,
        input: &I,
        act: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        I: Serialize + ?Sized,
        E: From<anyhow::Error>,
    {
        let key = self.key(input)?;
        if let Some(value) = self.recorded(kind, &key)? {
            return Ok(value);
        }
        let value = act.await?;
        let seen = serde_json::to_value(&value).map_err(anyhow::Error::from)?;
        self.append((kind, key), seen, None, Synced::Later)?;
        Ok(value)
    }

    /// As [`Journal::step`], for what may change the work tree or HEAD: an intent goes before it, and a checkpoint
    /// belongs to its result. A failure is recorded.
    pub(crate) async fn act<T, I, E>(
        &self,
        kind: &str,
        input: &I,
        act: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        I: Serialize + ?Sized,
        E: From<anyhow::Error> + Display,
    {
        self.intended(kind, input, &|| Ok(json!({})), act, || self.keeper.checkpoint()).await
    }

    /// As [`Journal::step`], for what others see or what costs money: an intent goes before it, with what `reserve`
    /// says. Nothing is acted or recorded where that refuses. A failure is recorded.
    pub(crate) async fn intend<T, I, E>(
        &self,
        kind: &str,
        input: &I,
        reserve: impl Fn() -> Result<Value, E> + Sync,
        act: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        I: Serialize + ?Sized,
        E: From<anyhow::Error> + Display,
    {
        self.intended(kind, input, &reserve, act, || Ok(None)).await
    }

    /// One more intent of the step under way, e.g. for a try of it that was lost.
    pub(crate) fn intent<I: Serialize + ?Sized>(
        &self,
        kind: &str,
        input: &I,
        mut value: Value,
    ) -> anyhow::Result<()> {
        value["kind"] = kind.into();
        self.append((INTENT, self.key(input)?), value, None, Synced::Now)
    }

    async fn intended<T, I, E>(
        &self,
        kind: &str,
        input: &I,
        reserve: &(dyn Fn() -> Result<Value, E> + Sync),
        act: impl Future<Output = Result<T, E>>,
        checkpoint: impl FnOnce() -> anyhow::Result<Option<String>>,
    ) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        I: Serialize + ?Sized,
        E: From<anyhow::Error> + Display,
    {
        let key = self.key(input)?;
        // What was resumed before this step may have cost something, and so may what is dropped for it.
        self.pass_resumes()?;
        reserve()?;
        if let Some(value) = self.recorded(kind, &key)? {
            return Ok(value);
        }
        self.keeper.ready().await;
        let mut intent = reserve()?;
        intent["kind"] = kind.into();
        self.append((INTENT, key.clone()), intent, None, Synced::Now)?;
        self.keeper.intended(kind).await;
        let value = match act.await {
            Ok(value) => value,
            Err(error) => {
                let failed = json!({"kind": kind, "error": format!("{error:#}")});
                self.append((FAILED, key), failed, None, Synced::Now)?;
                return Err(error);
            }
        };
        let tree = checkpoint()?;
        let done = serde_json::to_value(&value).map_err(anyhow::Error::from)?;
        self.append((kind, key), done, tree, Synced::Now)?;
        Ok(value)
    }

    /// Records a value that the run itself computed; in play, checks that it is the recorded one.
    pub(crate) fn note<T: Serialize + ?Sized>(&self, kind: &str, key: &str, value: &T) -> anyhow::Result<()> {
        let value = self.clean_value(serde_json::to_value(value)?);
        match self.played(|state| state.find_same(kind, key, &value))? {
            None => self.append((kind, key.to_owned()), value, None, Synced::Now),
            Some(Ok(recorded)) if recorded == value => Ok(()),
            Some(_) => bail!("the replay differs from the recording at `{kind}` {key}"),
        }
    }

    /// The current time, ISO 8601 in UTC with whole seconds, as a recorded step.
    pub(crate) async fn now(&self) -> anyhow::Result<String> {
        self.step(CLOCK, "", async { anyhow::Ok(timestamp()) }).await
    }

    /// `text` without secrets, as the record and every later reader sees it.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.redactor.redact(text).into_owned()
    }

    /// `value` with every text in it as [`Journal::clean`] gives it.
    pub(crate) fn clean_value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.clean(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.clean_value(item)).collect(),
            Value::Object(fields) => {
                fields.into_iter().map(|(name, field)| (self.clean(&name), self.clean_value(field))).collect()
            }
            other => other,
        }
    }

    /// Its file.
    pub(crate) fn path(&self) -> PathBuf {
        self.lock().path().to_path_buf()
    }

    /// Records that were not played.
    pub(crate) fn unplayed(&self) -> usize {
        match &*self.lock() {
            State::Playing(playing) => playing.left.len(),
            State::Recording(_) | State::Resuming(_) => 0,
        }
    }

    /// Digest of a step's input, as the record may hold it: a value that is masked there would be another one in play.
    fn key<I: Serialize + ?Sized>(&self, input: &I) -> anyhow::Result<String> {
        key(&self.clean_value(serde_json::to_value(input)?))
    }

    /// What is recorded of a step; `None` where it is to be acted. A recorded failure is one again.
    fn recorded<T: DeserializeOwned>(&self, kind: &str, key: &str) -> anyhow::Result<Option<T>> {
        match self.played(|state| state.find(kind, key))? {
            None => Ok(None),
            Some(Err(failure)) => Err(anyhow!(failure)),
            Some(Ok(value)) => serde_json::from_value(value)
                .map(Some)
                .map_err(|e| anyhow!("journal record `{kind}` does not fit this version of pace: {e}")),
        }
    }

    /// The value or the failure that `find` finds in the record; `None` where recording goes on from here.
    fn played(
        &self,
        find: impl FnOnce(&mut State) -> anyhow::Result<Found>,
    ) -> anyhow::Result<Option<Result<Value, String>>> {
        self.pass_resumes()?;
        let found = find(&mut self.lock())?;
        Ok(match found {
            Found::Value(value) => Some(Ok(value)),
            Found::Failure(error) => Some(Err(error)),
            Found::Nothing => None,
            Found::Misfit => {
                self.part()?;
                None
            }
        })
    }

    /// Ends the playing of a resumed run: the work tree is brought where the played records left it, and recording
    /// goes on behind them.
    fn part(&self) -> anyhow::Result<()> {
        let mut state = self.lock();
        let State::Resuming(resuming) = &mut *state else { return Ok(()) };
        let checkpoint = resuming.kept.iter().rev().find_map(|record| record.tree.clone());
        let dropped: Vec<Record> = resuming.left.iter().cloned().collect();
        let value = self.keeper.resume(checkpoint.as_deref(), &dropped)?;
        let kept = std::mem::take(&mut resuming.kept);
        let mut recorder = Recorder::rewrite(&resuming.path, kept, resuming.seal.clone())?;
        recorder.append((RESUME, String::new()), value.clone(), None, Synced::Now)?;
        recorder.publish()?;
        self.keeper.grown(recorder.path(), recorder.checkpoint());
        *state = State::Recording(recorder);
        drop(state);
        self.keeper.resumed(&value)
    }

    /// Takes note of the places at which the recorded run was resumed.
    fn pass_resumes(&self) -> anyhow::Result<()> {
        loop {
            let Some(value) = self.lock().pop_resume() else { return Ok(()) };
            self.keeper.resumed(&value)?;
        }
    }

    fn append(
        &self,
        step: (&str, String),
        value: Value,
        tree: Option<String>,
        synced: Synced,
    ) -> anyhow::Result<()> {
        let value = self.clean_value(value);
        let mut state = self.lock();
        let State::Recording(recorder) = &mut *state else { return Ok(()) };
        recorder.append(step, value, tree, synced)?;
        self.keeper.grown(recorder.path(), recorder.checkpoint());
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Digest of a step's input: 16 hex digits of SHA-256 over its JSON.
fn key<I: Serialize + ?Sized>(input: &I) -> anyhow::Result<String> {
    Ok(hex(&Sha256::digest(serde_json::to_vec(input)?)[..8]))
}

pub(crate) fn timestamp() -> String {
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Second).unwrap_or(now).to_string()
}

#[cfg(test)]
mod tests;
