//! Append-only record of a run: every observation and every effect of a day is a step that is acted once and
//! recorded before the next one. Playing the record instead of acting reproduces the day; resuming plays it as far as
//! it fits and goes on recording in the same file, and a publishing job goes on behind the record of another one. Knows the shape of records, not what they mean.
//!
//! What changes the work tree, costs money or is seen by others is recorded twice: an *intent* before, the result
//! after. An intent without a result says that the run ended in between.

mod file;
mod record;

use std::collections::VecDeque;
use std::fmt::Display;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{anyhow, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::secret::Redactor;
pub(crate) use file::{Recorder, is_held};
pub(crate) use record::{Examined, Record, Seal, Trust, examine, read, trust};

/// Kind of the last record of a run: `{"exit": 0}` or `{"exit": 4, "error": "…"}`.
pub(crate) const END: &str = "end";
/// Kind of the record before a step that must not happen twice unseen: `{"kind": "model", …}`.
pub(crate) const INTENT: &str = "intent";
/// Kind of the record with which a resumed run goes on; its value is the keeper's.
pub(crate) const RESUME: &str = "resume";
/// Kind of the record of a step that failed: `{"kind": "push", "error": "…"}`.
pub(crate) const FAILED: &str = "failed";

/// What a journal asks of the run that it records.
pub(crate) trait Keeper: Send + Sync {
    /// Keeps the work tree as it is now; the name of the checkpoint.
    fn checkpoint(&self) -> anyhow::Result<Option<String>>;

    /// The recording does not reach further, or does not fit any more: brings the work tree to `checkpoint` (the
    /// newest one that was played) and returns what there is to say of the `dropped` records.
    fn resume(&self, checkpoint: Option<&str>, dropped: &[Record]) -> anyhow::Result<Value>;

    /// The run was resumed here, now or when it was recorded; `value` is what [`Keeper::resume`] returned.
    fn resumed(&self, value: &Value) -> anyhow::Result<()>;

    /// The file at `path` has new records, and `checkpoint` is the newest one among all of its records.
    fn grown(&self, _path: &Path, _checkpoint: Option<&str>) {}
}

/// A run's journal, being written or being played.
pub(crate) struct Journal {
    state: Mutex<State>,
    redactor: Redactor,
    keeper: Box<dyn Keeper>,
}

enum State {
    Recording(Recorder),
    /// `then` goes on behind the records; without it this is a mere play.
    Playing {
        records: VecDeque<Record>,
        path: PathBuf,
        then: Option<Recorder>,
    },
    Resuming(Resuming),
}

/// A recording that is played as far as it fits.
struct Resuming {
    /// What was played.
    kept: Vec<Record>,
    left: VecDeque<Record>,
    path: PathBuf,
    seal: Seal,
}

/// What a step finds in the journal.
enum Found {
    Value(Value),
    /// The recorded step failed.
    Failure(String),
    /// Nothing: it is to be acted.
    Nothing,
}

impl Journal {
    /// Starts a new journal at `path`; its folder is made, an existing file is an error.
    pub(crate) fn create(
        path: &Path,
        redactor: Redactor,
        seal: Seal,
        keeper: Box<dyn Keeper>,
    ) -> anyhow::Result<Self> {
        let state = State::Recording(Recorder::create(path, seal)?);
        Ok(Self { state: Mutex::new(state), redactor, keeper })
    }

    /// Plays the journal at `path`: steps return what was recorded and nothing is acted. `redactor` masks what the
    /// recording's own masked beyond the secrets of that time.
    pub(crate) fn play(path: &Path, redactor: Redactor, keeper: Box<dyn Keeper>) -> anyhow::Result<Self> {
        let records = read(path)?;
        let state = State::Playing { records: records.into(), path: path.to_path_buf(), then: None };
        Ok(Self { state: Mutex::new(state), redactor, keeper })
    }

    /// Plays `records` of another job, which it first writes to a new journal at `path` as they are, and records there
    /// from [`Journal::go_on`], sealed with `seal`.
    ///
    /// The key that sealed `records` need not be at hand: whoever calls this has bound them by a digest that did not come
    /// with them.
    pub(crate) fn continued(
        path: &Path,
        records: Vec<Record>,
        redactor: Redactor,
        seal: Seal,
        keeper: Box<dyn Keeper>,
    ) -> anyhow::Result<Self> {
        let then = Some(Recorder::continued(path, &records, seal)?);
        let state = State::Playing { records: records.into(), path: path.to_path_buf(), then };
        Ok(Self { state: Mutex::new(state), redactor, keeper })
    }

    /// The end of a record that is to be gone on with: from here steps are acted and recorded again. Nothing changes
    /// in a mere play, nor where the run records already.
    ///
    /// # Errors
    /// Records that were not played: they would belong to another run.
    pub(crate) fn go_on(&self) -> anyhow::Result<()> {
        self.pass_resumes()?;
        let mut state = self.lock();
        let State::Playing { records, path, then } = &mut *state else { return Ok(()) };
        if then.is_some()
            && let Some(record) = records.front()
        {
            bail!("{}: record {} («{}») is left over", path.display(), record.seq, record.kind);
        }
        if let Some(recorder) = then.take() {
            *state = State::Recording(recorder);
        }
        Ok(())
    }

    /// Plays `records` of the journal at `path` until a step asks for one that is not there, then goes on recording
    /// there, sealed with `seal`: the file then holds what was played, and what follows.
    pub(crate) fn resume(
        path: &Path,
        records: Vec<Record>,
        redactor: Redactor,
        seal: Seal,
        keeper: Box<dyn Keeper>,
    ) -> Self {
        let resuming = Resuming { kept: Vec::new(), left: records.into(), path: path.to_path_buf(), seal };
        Self { state: Mutex::new(State::Resuming(resuming)), redactor, keeper }
    }

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
        match self.played(kind, &key)? {
            Found::Value(value) => return Ok(fitting(kind, value)?),
            Found::Failure(error) => return Err(anyhow!(error).into()),
            Found::Nothing => {}
        }
        let value = act.await?;
        self.append(kind, key, serde_json::to_value(&value).map_err(anyhow::Error::from)?, None)?;
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
        self.intended(kind, input, &|| Ok(json!({})), act, true).await
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
        self.intended(kind, input, &reserve, act, false).await
    }

    /// One more intent of the step under way, e.g. for a try of it that was lost.
    pub(crate) fn intent<I: Serialize + ?Sized>(
        &self,
        kind: &str,
        input: &I,
        mut value: Value,
    ) -> anyhow::Result<()> {
        value["kind"] = kind.into();
        self.append(INTENT, self.key(input)?, value, None)
    }

    async fn intended<T, I, E>(
        &self,
        kind: &str,
        input: &I,
        reserve: &(dyn Fn() -> Result<Value, E> + Sync),
        act: impl Future<Output = Result<T, E>>,
        changes_files: bool,
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
        match self.played(kind, &key)? {
            Found::Value(value) => return Ok(fitting(kind, value)?),
            Found::Failure(error) => return Err(anyhow!(error).into()),
            Found::Nothing => {}
        }
        let mut intent = reserve()?;
        intent["kind"] = kind.into();
        self.append(INTENT, key.clone(), intent, None)?;
        let value = match act.await {
            Ok(value) => value,
            Err(error) => {
                self.append(FAILED, key, json!({"kind": kind, "error": format!("{error:#}")}), None)?;
                return Err(error);
            }
        };
        let tree = if changes_files { self.keeper.checkpoint()? } else { None };
        self.append(kind, key, serde_json::to_value(&value).map_err(anyhow::Error::from)?, tree)?;
        Ok(value)
    }

    /// Records a value that the run itself computed; in play, checks that it is the recorded one.
    pub(crate) fn note<T: Serialize + ?Sized>(&self, kind: &str, key: &str, value: &T) -> anyhow::Result<()> {
        let value = self.redacted(serde_json::to_value(value)?)?;
        if self.is_resuming() {
            self.pass_resumes()?;
            let mut state = self.lock();
            if let State::Resuming(resuming) = &mut *state
                && resuming
                    .take(|record| record.kind == kind && record.key == key && record.value == value)
                    .is_some()
            {
                return Ok(());
            }
            drop(state);
            self.part()?;
        }
        match self.played(kind, key)? {
            Found::Value(recorded) if recorded == value => Ok(()),
            Found::Value(_) | Found::Failure(_) => {
                bail!("the replay differs from the recording at «{kind}» {key}")
            }
            Found::Nothing => self.append(kind, key.to_owned(), value, None),
        }
    }

    /// The current time, ISO 8601 in UTC with whole seconds, as a recorded step.
    pub(crate) async fn now(&self) -> anyhow::Result<String> {
        self.step("clock", "", async { anyhow::Ok(timestamp()) }).await
    }

    /// `text` without secrets, as the record and every later reader sees it.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.redactor.redact(text).into_owned()
    }

    /// `value` with every text in it as [`Journal::clean`] gives it.
    pub(crate) fn clean_value(&self, value: Value) -> anyhow::Result<Value> {
        self.redacted(value)
    }

    /// Its file.
    pub(crate) fn path(&self) -> PathBuf {
        match &*self.lock() {
            State::Recording(recorder) => recorder.path().to_path_buf(),
            State::Playing { path, .. } | State::Resuming(Resuming { path, .. }) => path.clone(),
        }
    }

    /// Records that were not played.
    pub(crate) fn unplayed(&self) -> usize {
        match &*self.lock() {
            State::Playing { records, .. } => records.len(),
            State::Recording(_) | State::Resuming(_) => 0,
        }
    }

    /// Digest of a step's input, as the record may hold it: a value that is masked there would be another one in play.
    fn key<I: Serialize + ?Sized>(&self, input: &I) -> anyhow::Result<String> {
        key(&self.clean_value(serde_json::to_value(input)?)?)
    }

    fn played(&self, kind: &str, key: &str) -> anyhow::Result<Found> {
        self.pass_resumes()?;
        {
            let mut state = self.lock();
            match &mut *state {
                State::Recording(_) => return Ok(Found::Nothing),
                State::Playing { records, path, .. } => return play(records, path, kind, key),
                State::Resuming(resuming) => {
                    if let Some(value) = resuming.take(|record| record.kind == kind && record.key == key) {
                        return Ok(Found::Value(value));
                    }
                }
            }
        }
        self.part()?;
        Ok(Found::Nothing)
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
        recorder.append(RESUME, String::new(), value.clone(), None)?;
        recorder.publish()?;
        self.keeper.grown(recorder.path(), recorder.checkpoint());
        *state = State::Recording(recorder);
        drop(state);
        self.keeper.resumed(&value)
    }

    /// Takes note of the places at which the recorded run was resumed.
    fn pass_resumes(&self) -> anyhow::Result<()> {
        loop {
            let value = {
                let mut state = self.lock();
                let record = match &mut *state {
                    State::Recording(_) => None,
                    State::Playing { records, .. } => records.pop_front_if(|record| record.kind == RESUME),
                    State::Resuming(resuming) => resuming.left.pop_front_if(|record| record.kind == RESUME),
                };
                let Some(record) = record else { return Ok(()) };
                if let State::Resuming(resuming) = &mut *state {
                    resuming.kept.push(record.clone());
                }
                record.value
            };
            self.keeper.resumed(&value)?;
        }
    }

    fn append(&self, kind: &str, key: String, value: Value, tree: Option<String>) -> anyhow::Result<()> {
        let value = self.redacted(value)?;
        let mut state = self.lock();
        let State::Recording(recorder) = &mut *state else { return Ok(()) };
        recorder.append(kind, key, value, tree)?;
        self.keeper.grown(recorder.path(), recorder.checkpoint());
        Ok(())
    }

    fn redacted(&self, value: Value) -> anyhow::Result<Value> {
        Ok(match value {
            Value::String(text) => Value::String(self.redactor.redact(&text).into_owned()),
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|v| self.redacted(v)).collect::<anyhow::Result<_>>()?)
            }
            Value::Object(fields) => Value::Object(
                fields
                    .into_iter()
                    .map(|(k, v)| Ok((self.redactor.redact(&k).into_owned(), self.redacted(v)?)))
                    .collect::<anyhow::Result<_>>()?,
            ),
            other => other,
        })
    }

    fn is_resuming(&self) -> bool {
        matches!(&*self.lock(), State::Resuming(_))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resuming {
    /// Plays the next record if it `fits`, with the intents before it.
    fn take(&mut self, fits: impl Fn(&Record) -> bool) -> Option<Value> {
        let at = self.left.iter().position(|record| record.kind != INTENT)?;
        let value = self.left.get(at).filter(|record| fits(record))?.value.clone();
        self.kept.extend(self.left.drain(..=at));
        Some(value)
    }
}

/// The next record of a replay, which must be this step's.
fn play(records: &mut VecDeque<Record>, path: &Path, kind: &str, key: &str) -> anyhow::Result<Found> {
    while records.pop_front_if(|record| record.kind == INTENT).is_some() {}
    let record =
        records.front().ok_or_else(|| anyhow!("{}: the recording ends before «{kind}»", path.display()))?;
    if record.kind == END && kind != END {
        let reason = record.value["error"].as_str().unwrap_or("it was cut short").to_owned();
        bail!("the recorded run ended here: {reason}");
    }
    let failed = record.kind == FAILED && record.value["kind"] == kind;
    if record.key != key || !(record.kind == kind || failed) {
        bail!(
            "{}: record {} is «{}» with another input than this run's «{kind}»; was it recorded by another \
             version of pace?",
            path.display(),
            record.seq,
            record.kind
        );
    }
    let value = records.pop_front().map(|record| record.value).unwrap_or_default();
    Ok(if failed {
        Found::Failure(value["error"].as_str().unwrap_or_default().to_owned())
    } else {
        Found::Value(value)
    })
}

fn fitting<T: DeserializeOwned>(kind: &str, value: Value) -> anyhow::Result<T> {
    serde_json::from_value(value)
        .map_err(|e| anyhow!("journal record «{kind}» does not fit this version of pace: {e}"))
}

/// Digest of a step's input: 16 hex digits of SHA-256 over its JSON.
fn key<I: Serialize + ?Sized>(input: &I) -> anyhow::Result<String> {
    let digest = Sha256::digest(serde_json::to_vec(input)?);
    Ok(digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

pub(crate) fn timestamp() -> String {
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Second).unwrap_or(now).to_string()
}

/// Keeps nothing, for tests of what writes to a journal.
#[cfg(test)]
pub(crate) struct NoKeeper;

#[cfg(test)]
impl Keeper for NoKeeper {
    fn checkpoint(&self) -> anyhow::Result<Option<String>> {
        Ok(None)
    }

    fn resume(&self, _checkpoint: Option<&str>, _dropped: &[Record]) -> anyhow::Result<Value> {
        Ok(Value::Null)
    }

    fn resumed(&self, _value: &Value) -> anyhow::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
